"""The torch-geometric batch is the disjoint union of the rows' graphs."""

import gymnasium as gym
import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.core.graph import EdgeType, Feature, GraphSpec, NodeType, Picture, Segment
from ganttlet.job_shop.env import JobShopVectorEnv

pytest.importorskip("torch_geometric", reason="torch-geometric is not installed")

from ganttlet_agents.policy.hetero import to_hetero_data


def test_nodes_edges_and_rows_agree_with_the_arrays():
    generator = {"name": "uniform", "jobs": [3, 5], "machines": 3, "ops": [1, 3]}
    env = JobShopVectorEnv(4, generator=generator, observation="graph")
    obs, info = env.reset(seed=0)
    for _ in range(4):
        obs, *_, info = env.step(np.argmax(info["action_mask"], axis=1))
    data = to_hetero_data(env.graph, obs)
    for name in ("job", "op", "machine"):
        rows, index = np.nonzero(obs[f"{name}_mask"])
        assert data[name].batch.tolist() == rows.tolist()
        assert data[name].index.tolist() == index.tolist()
        parts = [obs[key] for key in (name, f"{name}_static") if key in obs]
        np.testing.assert_array_equal(data[name].x.numpy(), np.concatenate(parts, axis=2)[rows, index])
    for name, source, target in (("precedes", "op", "op"), ("op_job", "op", "job"), ("job_next", "job", "op")):
        ends = data[source, name, target].edge_index
        found = {
            (
                int(data[source].batch[a]),
                int(data[source].index[a]),
                int(data[target].batch[b]),
                int(data[target].index[b]),
            )
            for a, b in ends.T
        }
        pointers = obs[f"{name}_index"]
        expected = {
            (row, at, row, int(pointers[row, at]))
            for row, at in zip(*np.nonzero((pointers >= 0) & (obs[f"{source}_mask"] == 1)), strict=True)
            if obs[f"{target}_mask"][row, pointers[row, at]]
        }
        assert found == {tuple(int(x) for x in edge) for edge in expected}
        assert found
    assert data.context.shape == (4, 4)


def test_list_edges_carry_their_features():
    feature = (Feature("x", 0, 9),)
    graph = GraphSpec(
        (NodeType("a", 3, feature), NodeType("b", 2, feature)),
        (EdgeType("ab", "a", "b", "list", count=4, features=feature),),
        segments=(Segment("a"),),
    )
    obs = graph.allocate(2)
    obs["a_mask"][:] = [[1, 1, 1], [1, 0, 1]]
    obs["b_mask"][:] = 1
    obs["ab_index"][0, :, :2] = [[2, 0], [1, 0]]
    obs["ab_index"][1, :, 1:3] = [[2, 1], [1, 0]]
    obs["ab"][:, :, 0] = np.arange(8).reshape(2, 4)
    data = to_hetero_data(graph, obs)
    assert data["a", "ab", "b"].edge_index.tolist() == [[2, 0, 4], [1, 0, 3]]
    assert data["a", "ab", "b"].edge_attr[:, 0].tolist() == [0.0, 1.0, 5.0]


def test_what_it_cannot_use_is_told():
    env = gym.make("ganttlet/JobShop-v0", observation="graph").unwrapped
    obs, _ = env.reset(seed=0)
    with pytest.raises(InputError, match="batch axis"):
        to_hetero_data(env.graph, obs)
    indexed = JobShopVectorEnv(2, observation="graph", static="index")
    with pytest.raises(InputError, match="op_static"):
        to_hetero_data(indexed.graph, indexed.reset(seed=0)[0])


def test_pictures_stand_beside_the_nodes():
    feature = Feature("x", 0, 9)
    graph = GraphSpec((NodeType("a", 3, (feature,)),), pictures=(Picture("map", (feature,), 2, 4),))
    obs = graph.allocate(2)
    obs["map"][:] = np.arange(16).reshape(2, 1, 2, 4)
    np.testing.assert_array_equal(to_hetero_data(graph, obs)["map"].numpy(), obs["map"])
