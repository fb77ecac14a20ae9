"""RLlib's PPO with our network, on environments by id, two iterations each.

First RLlib alone around our module, as single environments and as a batch; then our trainer with two of RLlib's
workers, on two families, whose checkpoints play in the evaluator. All environments are strict, so that one action
against the mask would end the run with an error.
"""

import logging
import os
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_AUTH_MODE", "disabled")

import gymnasium as gym
import ray
import torch
from ray.rllib.algorithms.ppo import PPOConfig

from ganttlet_agents.cli import main
from ganttlet_agents.distributed import rllib
from ganttlet_agents.distributed.rllib.module import spec_of
from ganttlet_agents.policy.checkpoint import load_checkpoint
from ganttlet_agents.policy.config import NetworkConfig
from ganttlet_agents.policy.network import GraphPolicy
from ganttlet_agents.policy.schema import Schema
from ganttlet_agents.settings import build
from ganttlet_agents.training.config import TrainConfig
from ganttlet_agents.training.folder import RunFolder
from ganttlet_agents.training.loop import Status

ENV_ID = "ganttlet:ganttlet/JobShop-v0"
ENV_CONFIG = {"instance": "ft06", "strict": True}
STEPS, ITERATIONS = 288, 2
DRAWS = {"name": "stream", "base": "top_mix5", "scale": 20, "length": 400, "warmup": 0, "cooldown": 0}
FAMILIES: dict[str, dict[str, Any]] = {
    "job_shop": {
        "env": "ganttlet/JobShop-v0",
        "env_kwargs": {"generator": {"name": "uniform", "jobs": [3, 6], "machines": 4}},
        "network": {"encoder": "attention", "width": 16, "layers": 1, "heads": 2, "hidden": 16},
    },
    "soc_dag": {
        "env": "ganttlet/SoCDAG-v0",
        "env_kwargs": {"action": "joint", "observation": "ready", "gamma": 0.9, "generator": DRAWS},
        "network": {"encoder": "pointer", "width": 16, "layers": 1, "hidden": 16},
    },
}


def alone(mode: str) -> None:
    """Train with RLlib's own runners, connectors and loss, in one process."""
    env: Any = gym.make_vec(ENV_ID, num_envs=1, **ENV_CONFIG).unwrapped
    network = GraphPolicy(Schema.of(env.graph), NetworkConfig(width=16, layers=1, heads=2, hidden=16))
    config = (
        PPOConfig()
        .environment(ENV_ID, env_config=ENV_CONFIG)
        .env_runners(num_env_runners=0, num_envs_per_env_runner=4, gym_env_vectorize_mode=mode)
        .learners(num_learners=0)
        .rl_module(rl_module_spec=spec_of(network))
        .training(train_batch_size_per_learner=STEPS, minibatch_size=96, num_epochs=2)
    )
    algorithm = config.build_algo()
    before = {name: value.clone() for name, value in algorithm.get_module().network.state_dict().items()}
    episodes = 0.0
    for _ in range(ITERATIONS):
        found = algorithm.train()["env_runners"]
        episodes += found["num_episodes"]
        assert -1e4 < found["episode_return_mean"] <= 0, found["episode_return_mean"]
    after = algorithm.get_module().network.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before), "no weight has changed"
    assert episodes >= ITERATIONS * (STEPS // 36 - 4), episodes
    algorithm.stop()
    print(f"RLlib alone, {mode}: {ITERATIONS} iterations, {episodes:.0f} episodes")


def through_us(family: str, root: Path) -> None:
    """Train with our trainer and two workers; the checkpoint's logits equal RLlib's, and it plays."""
    settings = build(
        TrainConfig,
        {
            **FAMILIES[family],
            "env_kwargs": {**FAMILIES[family]["env_kwargs"], "strict": True},
            "rollout_workers": 2,
            "n_timesteps": ITERATIONS * STEPS,
            "ppo": {"n_envs": 8, "n_steps": STEPS // 8, "batch_size": 96},
            "validation": {"count": 1},
            "device": "cpu",
        },
        family,
    )
    updates: list[Status] = []
    with rllib.trainer(settings, updates.append) as trainer:
        folder = RunFolder.new(root, family, "rllib", True, settings)
        assert trainer.run(folder) is None
        module = trainer._learner._module  # type: ignore[attr-defined]
        env = trainer.task.make(4, "disabled")
        env.reset(seed=1)
        obs = {key: torch.from_numpy(part) for key, part in env.live_observation.items()}
        with torch.no_grad():
            found = module.forward_inference({"obs": obs})["action_dist_inputs"]
            logits = load_checkpoint(folder.path).network(obs)[0]
    assert len(updates) == ITERATIONS, len(updates)
    assert updates[-1].total >= ITERATIONS * STEPS
    assert torch.equal(found, logits), "the checkpoint's logits are not those of RLlib's module"
    instance = root / f"{family}.json"
    env.instance(0).save(instance)
    words = ["--instances", f"{family}:{instance}", "--methods", f"policy:{folder.path}", "--no-report"]
    assert main(["run", *words, "--out", str(root / "results" / family)], within="evaluate") == 0
    print(f"RLlib through our trainer, {family}: {len(updates)} updates, {updates[-1].total} decisions")


if __name__ == "__main__":
    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level=logging.ERROR)
    for vectorize_mode in ("sync", "vector_entry_point"):
        alone(vectorize_mode)
    ray.shutdown()
    with tempfile.TemporaryDirectory() as folder:
        for one in FAMILIES:
            through_us(one, Path(folder))
