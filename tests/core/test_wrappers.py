"""GraphObservation shows the padded arrays as an unpadded Gymnasium graph, for every family and variant."""

import gymnasium as gym
import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.wrappers import GraphObservation
from reference.play import VARIANTS


@pytest.mark.parametrize(("case", "name"), VARIANTS)
def test_the_graph_holds_what_the_arrays_hold(case, name):
    options = {key: value for key, value in case.variants[name].items() if key != "static"}
    env = GraphObservation(gym.make(case.env_id, **options))
    plain = gym.make(case.env_id, **options)
    shown, info = env.reset(seed=4)
    arrays, _ = plain.reset(seed=4)
    rng = np.random.default_rng(0)
    for _ in range(6):
        assert shown in env.observation_space
        check(env, shown, arrays)
        action = rng.choice(np.flatnonzero(info["action_mask"]))
        shown, _, terminated, _, info = env.step(action)
        arrays, *_ = plain.step(action)
        if terminated:
            break


def check(env, shown, arrays):
    graph = env.graph
    column, at, of_type = len(graph.nodes), 0, {}
    for number, node in enumerate(graph.nodes):
        real = np.flatnonzero(arrays[f"{node.name}_mask"])
        own = [arrays[key][real] for key in (node.name, f"{node.name}_static") if key in arrays]
        rows = shown.nodes[at : at + len(real)]
        assert env.first_node[node.name] == at
        assert rows[:, : len(graph.nodes)].argmax(axis=1).tolist() == [number] * len(real)
        width = sum(part.shape[1] for part in own)
        np.testing.assert_array_equal(rows[:, column : column + width], np.concatenate(own, axis=1))
        of_type[node.name] = {int(padded): at + i for i, padded in enumerate(real)}
        column, at = column + width, at + len(real)
    assert at == len(shown.nodes)
    expected = set()
    indexed = [edge for edge in graph.edges if edge.kind != "dense"]
    for number, edge in enumerate(indexed):
        index = arrays[f"{edge.name}_index"]
        ends = enumerate(index) if edge.kind == "pointer" else index.T
        for source, target in ends:
            if int(target) in of_type[edge.target] and int(source) in of_type[edge.source]:
                expected.add((number, of_type[edge.source][int(source)], of_type[edge.target][int(target)]))
    if indexed:
        found = zip(shown.edges.argmax(axis=1), *shown.edge_links.T, strict=True)
        assert {tuple(int(part) for part in edge) for edge in found} == expected
    else:
        assert shown.edges is None


def test_other_environments_are_refused():
    with pytest.raises(InputError, match="GraphSpec"):
        GraphObservation(gym.make("CartPole-v1"))
    with pytest.raises(InputError, match="static"):
        GraphObservation(gym.make("ganttlet/JobShop-v0", observation="graph", static="index"))
