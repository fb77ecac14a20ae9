"""Stable-Baselines3's PPO by id. It does not know the mask: an illegal choice costs the penalty and changes nothing."""

import sys

from stable_baselines3 import PPO

import ganttlet  # noqa: F401  (registers the environments)

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
model = PPO("MultiInputPolicy", "ganttlet/JobShop-v0", n_steps=256, batch_size=64, n_epochs=2, seed=0, device="cpu")
model.learn(steps)
print(f"trained for {model.num_timesteps} steps")
