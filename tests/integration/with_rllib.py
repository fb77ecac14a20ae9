"""Two iterations of RLlib's PPO on ganttlet/JobShop-v0 by its id, as single environments and as a batch.

The environment is strict, so that one action against the mask would end the run with an error.
"""

import logging
import os
from typing import Any

os.environ.setdefault("RAY_AUTH_MODE", "disabled")

import ray
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis import ValueFunctionAPI
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.core.rl_module.torch import TorchRLModule
from torch import nn

ENV_ID = "ganttlet:ganttlet/JobShop-v0"
ENV_CONFIG = {"instance": "ft06", "strict": True}
STEPS, ITERATIONS = 288, 2


class JobScores(TorchRLModule, ValueFunctionAPI):
    """One score per job from its own features, masked; the value from their mean."""

    def setup(self) -> None:
        width = self.observation_space["job"].shape[-1]
        self.encode = nn.Sequential(nn.Linear(width, 32), nn.Tanh())
        self.score = nn.Linear(32, 1)
        self.value = nn.Linear(32, 1)

    def _forward(self, batch: dict[str, Any], **_: Any) -> dict[str, torch.Tensor]:
        obs = batch[Columns.OBS]
        scores = self.score(self.encode(obs["job"].float())).squeeze(-1)
        forbidden = obs["action_mask"] == 0
        return {Columns.ACTION_DIST_INPUTS: scores.masked_fill(forbidden, torch.finfo(scores.dtype).min)}

    def compute_values(self, batch: dict[str, Any], embeddings: Any = None) -> torch.Tensor:
        return self.value(self.encode(batch[Columns.OBS]["job"].float()).mean(dim=1)).squeeze(-1)


def train(mode: str) -> None:
    config = (
        PPOConfig()
        .environment(ENV_ID, env_config=ENV_CONFIG)
        .env_runners(num_env_runners=0, num_envs_per_env_runner=4, gym_env_vectorize_mode=mode)
        .learners(num_learners=0)
        .rl_module(rl_module_spec=RLModuleSpec(module_class=JobScores))
        .training(train_batch_size_per_learner=STEPS, minibatch_size=96, num_epochs=2)
    )
    algorithm = config.build_algo()
    before = {name: value.clone() for name, value in algorithm.get_module().state_dict().items()}
    episodes = 0.0
    for _ in range(ITERATIONS):
        found = algorithm.train()["env_runners"]
        episodes += found["num_episodes"]
        assert -1e4 < found["episode_return_mean"] <= 0, found["episode_return_mean"]
    after = algorithm.get_module().state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before), "no weight has changed"
    assert episodes >= ITERATIONS * (STEPS // 36 - 4), episodes
    algorithm.stop()
    print(f"RLlib, {mode}: {ITERATIONS} iterations, {episodes:.0f} episodes")


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, logging_level=logging.ERROR)
    for vectorize_mode in ("sync", "vector_entry_point"):
        train(vectorize_mode)
    ray.shutdown()
