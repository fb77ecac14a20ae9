"""A native batch of 64 fresh job shops, random legal actions, without copies."""

import gymnasium as gym
import numpy as np

import ganttlet  # noqa: F401  (registers the environments)

envs = gym.make_vec(
    "ganttlet/JobShop-v0", num_envs=64, generator={"name": "uniform", "jobs": [4, 8], "machines": 5}, copy=False
)
obs, info = envs.reset(seed=0)
rng, finished = np.random.default_rng(0), []
for _ in range(200):
    mask = info["action_mask"]
    actions = np.argmax(rng.random(mask.shape) * mask, axis=1)
    obs, rewards, terminated, truncated, info = envs.step(actions)
    finished += info["objectives"]["makespan"][terminated].tolist()
print(f"{len(finished)} episodes, mean makespan {np.mean(finished):.1f}")
