"""ganttlet/JobShop-v0 in TorchRL's GymEnv: TorchRL's own checks, a masked random episode, and the example."""

import contextlib
import io
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import gymnasium
import torch
from torchrl.envs import GymEnv, GymWrapper
from torchrl.envs.utils import check_env_specs

ENV_ID = "ganttlet:ganttlet/JobShop-v0"
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "torchrl_env.py"


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
    wrapped = GymWrapper(single, categorical_action_encoding=True)
    assert set(wrapped.observation_spec.keys()) == set(env.observation_spec.keys())
    print(f"TorchRL: an episode of {steps} steps, return {total:g}")


def learn(updates: int = 30) -> None:
    """Run the example: what it prints of its last updates is above its first ones."""
    sys.argv, shown = [str(EXAMPLE), str(updates)], io.StringIO()
    with contextlib.redirect_stdout(shown):
        runpy.run_path(str(EXAMPLE), run_name="__main__")
    means = [float(value) for value in re.findall(r"mean return (-?[\d.]+)", shown.getvalue())]
    assert len(means) == updates, shown.getvalue()
    first, last = sum(means[:5]) / 5, sum(means[-5:]) / 5
    assert last > first + 1.0, (first, last)
    print(f"TorchRL: {EXAMPLE.name}, mean return {first:.1f} at first, {last:.1f} after {updates} updates")


if __name__ == "__main__":
    main()
    learn()
