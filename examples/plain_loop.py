"""One episode of a Taillard instance by hand: the shortest operation first."""

import gymnasium as gym
import numpy as np

import ganttlet  # noqa: F401  (registers the environments)
from ganttlet.job_shop import validate

env = gym.make("ganttlet/JobShop-v0", instance="ta01")
obs, info = env.reset(seed=0)
done, total = False, 0.0
while not done:
    legal = np.flatnonzero(info["action_mask"])
    action = legal[np.argmin(obs["job"][legal, 1])]  # feature 1: duration of the job's next operation
    obs, reward, terminated, truncated, info = env.step(action)
    done, total = terminated or truncated, total + reward

verdict = validate(env.unwrapped.instance, env.unwrapped.solution())
print(f"makespan {verdict.values['makespan']:.0f}, feasible {verdict.feasible}, return {total:.0f}")
