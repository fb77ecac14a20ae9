"""Pictures: part of the schema where there are any, read at any size, and no part of what other graphs are."""

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.core.graph import Feature, GraphSpec, NodeType, Picture, Segment

torch = pytest.importorskip("torch")

from ganttlet_agents.policy.config import NetworkConfig  # noqa: E402
from ganttlet_agents.policy.network import GraphPolicy  # noqa: E402
from ganttlet_agents.policy.schema import Schema  # noqa: E402
from policies import make_network, play, tensors  # noqa: E402

F, G = Feature("f", 0, 1), Feature("g", -2, 2)


def spec(side=8, pictures=True):
    shown = (Picture("map", (F, G), side, 2 * side), Picture("row", (G,), 1, side)) if pictures else ()
    return GraphSpec((NodeType("job", 3, (F,)),), context=(G,), segments=(Segment("job"),), pictures=shown)


def random_obs(graph, rows=4, seed=0):
    rng = np.random.default_rng(seed)
    obs = graph.allocate(rows)
    for key, array in obs.items():
        array[:] = 1 if key.endswith("mask") else rng.uniform(0, 1, array.shape)
    return obs


def test_the_schema_names_channels_and_no_sizes():
    assert Schema.of(spec()).pictures == {"map": 2, "row": 1}
    assert spec(4).digest == spec(8).digest == Schema.of(spec()).digest
    assert spec().digest != spec(pictures=False).digest
    assert "pictures" not in spec(pictures=False).schema()
    assert "pictures" in Schema.of(spec()).difference(Schema.of(spec(pictures=False)))


@pytest.mark.parametrize("encoder", ["pointer", "attention"])
def test_every_channel_and_place_of_any_size_is_read(encoder):
    torch.manual_seed(1)
    network = GraphPolicy(Schema.of(spec()), NetworkConfig(encoder=encoder, width=32))
    # Pictures may be smaller than the grid that they are averaged over.
    for side in (1, 3, 8, 33):
        obs = tensors(random_obs(spec(side)))
        for key in ("map", "row"):
            obs[key].requires_grad_()
        logits, values = network(obs)
        (logits[2].sum() + values[2]).backward()
        for key in ("map", "row"):
            read = obs[key].grad.abs().sum((2, 3)) > 0
            assert read[2].all()
            assert not read[[0, 1, 3]].any()


def test_gradients_reach_the_convolutions():
    network = make_network(spec(), "pointer")
    logits, values = network(tensors(random_obs(spec())))
    (logits.sum() + values.sum()).backward()
    for net in network.pictures.values():
        assert all(part.grad.abs().sum() > 0 for part in net.parameters())


def test_a_graph_without_pictures_has_the_weights_it_always_had():
    with_, without = make_network(spec(), "pointer"), make_network(spec(pictures=False), "pointer")
    more = {name for name in with_.state_dict() if name.startswith("pictures.")}
    assert set(with_.state_dict()) - more == set(without.state_dict())


def test_pictures_that_do_not_fit():
    network = make_network(spec(), "pointer")
    obs = random_obs(spec())
    with pytest.raises(InputError, match="'map' has 1 features, the policy expects 2"):
        play(network, {**obs, "map": obs["map"][:, :1]})
    del obs["row"]
    with pytest.raises(InputError, match="key 'row' is missing"):
        play(network, obs)
