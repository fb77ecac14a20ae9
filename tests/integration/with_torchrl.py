"""ganttlet/JobShop-v0 in TorchRL's GymEnv: TorchRL's own checks, then an episode of masked random actions."""

from typing import Any

import gymnasium
import torch
from torchrl.envs import GymEnv
from torchrl.envs.utils import check_env_specs

ENV_ID = "ganttlet:ganttlet/JobShop-v0"


def main() -> None:
    env = GymEnv(ENV_ID, instance="ft06", categorical_action_encoding=True)
    check_env_specs(env)
    generator = torch.Generator().manual_seed(0)
    state: Any = env.reset()
    total, steps = 0.0, 0
    while not state["done"].item():
        mask = state["action_mask"].float()
        state["action"] = torch.multinomial(mask, 1, generator=generator).squeeze(-1)
        state = env.step(state)["next"]
        total += state["reward"].item()
        steps += 1
    single = gymnasium.make(ENV_ID, instance="ft06")
    operations = int((single.unwrapped.instance.machine >= 0).sum()) if single.reset(seed=0) else 0
    assert steps == operations, (steps, operations)
    assert total <= 0, "the return is first bound - makespan"
    print(f"TorchRL: an episode of {steps} steps, return {total:g}")


if __name__ == "__main__":
    main()
