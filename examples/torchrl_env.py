"""TorchRL: the environment by its id with the mask as a transform, random legal steps, and a short REINFORCE."""

import sys

import torch
from tensordict.nn import InteractionType, TensorDictModule
from torch import nn
from torchrl.envs import ActionMask, DTypeCastTransform, GymEnv, TransformedEnv
from torchrl.modules import MaskedCategorical, ProbabilisticActor

UPDATES, EPISODES = int(sys.argv[1]) if len(sys.argv) > 1 else 20, 8
torch.manual_seed(0)
base = GymEnv("ganttlet:ganttlet/JobShop-v0", instance="ft06", strict=True, categorical_action_encoding=True)
env = TransformedEnv(base, DTypeCastTransform(torch.int8, torch.bool, in_keys=["action_mask"]))
env.append_transform(ActionMask())  # random actions are legal ones from here on; strict: others would raise
env.set_seed(0)

chance = env.rollout(100)  # without a policy: random; ends with the episode
print(f"random: {len(chance)} legal steps, return {chance['next', 'reward'].sum():.0f}")

features = env.observation_spec["job"].shape[-1]
network = nn.Sequential(nn.Linear(features, 32), nn.Tanh(), nn.Linear(32, 1), nn.Flatten(-2))  # one score per job
actor = ProbabilisticActor(
    TensorDictModule(network, in_keys=["job"], out_keys=["logits"]),
    in_keys={"logits": "logits", "mask": "action_mask"},
    out_keys=["action"],
    distribution_class=MaskedCategorical,
    default_interaction_type=InteractionType.RANDOM,
)
optimiser = torch.optim.Adam(actor.parameters(), lr=1e-2)
for update in range(UPDATES):
    with torch.no_grad():
        played = [env.rollout(100, actor) for _ in range(EPISODES)]
    returns = torch.stack([episode["next", "reward"].sum() for episode in played])
    advantage = (returns - returns.mean()) / (returns.std() + 1e-8)
    log_probs = torch.stack([actor.get_dist(episode).log_prob(episode["action"]).sum() for episode in played])
    loss = -(advantage * log_probs).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    print(f"update {update}: mean return {returns.mean():.1f} over {EPISODES} episodes")
