"""PPO in one file over the native batch, in the manner of CleanRL, with masked logits."""

import sys

import gymnasium as gym
import torch
from torch import nn
from torch.distributions import Categorical

import ganttlet  # noqa: F401  (registers the environments)

UPDATES, ENVS, STEPS, GAMMA, LAMBDA, CLIP = int(sys.argv[1]) if len(sys.argv) > 1 else 40, 64, 36, 1.0, 0.95, 0.2
torch.manual_seed(0)
envs = gym.make_vec("ganttlet/JobShop-v0", num_envs=ENVS, autoreset_mode="same_step")
features = envs.single_observation_space["job"].shape[1]
actor = nn.Sequential(nn.Linear(features, 64), nn.Tanh(), nn.Linear(64, 1))  # one score per job
critic = nn.Sequential(nn.Linear(features, 64), nn.Tanh(), nn.Linear(64, 1))  # one share of the value per job
optimiser = torch.optim.Adam([*actor.parameters(), *critic.parameters()], lr=3e-3)


def act(job, mask):
    return Categorical(logits=actor(job).squeeze(-1).masked_fill(mask == 0, -1e9)), critic(job).squeeze(-1).sum(1)


obs, _ = envs.reset(seed=0)
for update in range(UPDATES):
    memory, makespans = [], []
    for _ in range(STEPS):
        job, mask = torch.from_numpy(obs["job"]), torch.from_numpy(obs["action_mask"])
        with torch.no_grad():
            policy, value = act(job, mask)
            action = policy.sample()
        obs, reward, terminated, truncated, info = envs.step(action.numpy())
        done = torch.from_numpy(terminated | truncated).float()
        reward = torch.from_numpy(reward).float() / 50.0  # about one mean duration
        memory.append((job, mask, action, policy.log_prob(action), value, reward, done))
        if "final_info" in info:
            ended = info["_final_info"]
            makespans += info["final_info"]["objectives"]["makespan"][ended].tolist()
    with torch.no_grad():
        _, after = act(torch.from_numpy(obs["job"]), torch.from_numpy(obs["action_mask"]))
    advantage, advantages = torch.zeros(ENVS), []
    for _, _, _, _, value, reward, done in reversed(memory):
        alive = 1.0 - done
        advantage = reward + GAMMA * after * alive - value + GAMMA * LAMBDA * alive * advantage
        advantages.insert(0, advantage)
        after = value
    job, mask, action, old, value = (torch.cat(part) for part in list(zip(*memory, strict=True))[:5])
    advantage = torch.cat(advantages)
    target, scaled = advantage + value, (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    for batch in torch.randperm(len(action)).split(576) + torch.randperm(len(action)).split(576):
        policy, value = act(job[batch], mask[batch])
        ratio = (policy.log_prob(action[batch]) - old[batch]).exp()
        gain = torch.min(ratio * scaled[batch], ratio.clamp(1 - CLIP, 1 + CLIP) * scaled[batch]).mean()
        loss = -gain + 0.5 * (target[batch] - value).pow(2).mean() - 0.01 * policy.entropy().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    if makespans:
        print(f"update {update}: mean makespan {sum(makespans) / len(makespans):.1f} over {len(makespans)} episodes")
