"""sb3-contrib's MaskablePPO by id: the environment's action_masks() is found through the wrappers."""

import sys

import gymnasium as gym
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.utils import get_action_masks

import ganttlet  # noqa: F401  (registers the environments)

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
env = gym.make("ganttlet/JobShop-v0", instance="ft06")
model = MaskablePPO("MultiInputPolicy", env, n_steps=256, batch_size=64, n_epochs=2, seed=0, device="cpu")
model.learn(steps)

obs, info = env.reset(seed=1)
done = False
while not done:
    action, _ = model.predict(obs, action_masks=get_action_masks(env), deterministic=True)
    obs, _, terminated, truncated, info = env.step(action)
    assert not info["illegal_action"]
    done = terminated or truncated
print(f"makespan {info['objectives']['makespan']:.0f} on ft06 (optimum 55)")
