"""Play an instance with a policy that comes with the package."""

import gymnasium as gym

import ganttlet  # noqa: F401  (registers the environments)
from ganttlet_agents import load_policy

policy = load_policy("job_shop")
env = gym.make("ganttlet/JobShop-v0", instance="ta01", **policy.card.env_kwargs)
policy = load_policy("job_shop", env)  # checks that it was trained on what env shows

obs, info = env.reset(seed=0)
done = False
while not done:
    obs, reward, terminated, truncated, info = env.step(policy.act(obs))
    done = terminated or truncated
print("makespan", info["objectives"]["makespan"])
