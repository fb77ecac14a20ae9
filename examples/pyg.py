"""A batch of graph observations as one torch-geometric HeteroData, through a message-passing layer."""

import gymnasium as gym
from torch_geometric.nn import HeteroConv, SAGEConv

import ganttlet  # noqa: F401  (registers the environments)
from ganttlet_agents.policy.hetero import to_hetero_data

envs = gym.make_vec("ganttlet/JobShop-v0", num_envs=8, observation="graph")
obs, _ = envs.reset(seed=0)
data = to_hetero_data(envs.graph, obs)
layer = HeteroConv({edge: SAGEConv((-1, -1), 32) for edge in data.edge_types}, aggr="sum")
out = layer(data.x_dict, data.edge_index_dict)
print(data)
print({name: tuple(rows.shape) for name, rows in out.items()})
