"""The capsule encoder: its propagation against torch-geometric's, its series, and what must not change its logits."""

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.core.graph import EdgeType, Feature, GraphSpec, NodeType, Segment
from ganttlet.uam_fleet.batch import UAMFleetVectorEnv
from ganttlet.uam_fleet.features import OBSERVATIONS

torch = pytest.importorskip("torch")
utils = pytest.importorskip("torch_geometric.utils")

from ganttlet_agents.policy.config import DECODERS  # noqa: E402
from ganttlet_agents.policy.encoders.capsule import laplacian  # noqa: E402
from ganttlet_agents.policy.encoders.series import SeriesEncoder, series_columns  # noqa: E402
from policies import (  # noqa: E402
    F,
    G,
    H,
    embedded,
    enlarge,
    linear,
    make_network,
    make_spec,
    norm,
    play,
    random_obs,
    tensors,
)

X, Y = Feature("x", -9, 9), Feature("y", -9, 9)
HOURS = tuple(Feature(f"{name}_{hour}", -9, 9) for hour in (0, 1, 2) for name in ("load", "load_price"))
WIDTH = 8


def sites(site=5, craft=7):
    """Return crafts at sites, with series at the sites."""
    return GraphSpec(
        (NodeType("site", site, (F, X, *HOURS), (Y,)), NodeType("craft", craft, (G,))),
        (EdgeType("at", "craft", "site", "pointer"),),
        context=(F, H),
        focus=(("here", "site"), ("one", "craft")),
        phases=("go", "stay"),
        segments=(Segment("site"), Segment("craft", 2), Segment("context")),
    )


def fleet(rows, observation, decisions=0, **generator):
    """Return the GraphSpec of a UAM fleet and its observations after some decisions at random."""
    small = {"name": "captain-2024", "day_end": 600.0, **generator}
    env = UAMFleetVectorEnv(rows, autoreset_mode="disabled", generator=small, observation=observation)
    obs, rng = env.reset(seed=3)[0], np.random.default_rng(1)
    for _ in range(decisions):
        obs = env.step(np.array([rng.choice(np.flatnonzero(mask)) for mask in obs["action_mask"]]))[0]
    return env.graph, {key: array.copy() for key, array in obs.items()}


# The graph and the layer.


def plain_laplacian(position, there):
    """Return torch-geometric's, dense, of the complete graph of nodes at ``position`` (N, 2) that are ``there``."""
    pairs = [(i, j) for i in there for j in there if i != j]
    index = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T
    weight = torch.tensor([1 / (1 + float(np.hypot(*(position[i] - position[j])))) for i, j in pairs])
    index, weight = utils.get_laplacian(index, weight, "rw", num_nodes=len(position))
    return utils.to_dense_adj(index, edge_attr=weight, max_num_nodes=len(position))[0]


def place_and_pointer(seed, rows=6):
    obs = random_obs(sites(), rows, seed)
    position = np.concatenate([obs["site"][..., 1:2], obs["site_static"]], -1)
    return position, obs["site_mask"] != 0, obs["at_index"], obs["craft_mask"] != 0


@pytest.mark.parametrize("seed", range(3))
def test_the_laplacian_is_that_of_torch_geometric(seed):
    position, mask, pointer, _ = place_and_pointer(seed)
    x = torch.randn(6, 7, 4)
    given = [torch.from_numpy(one) for one in (position, mask, pointer)]
    own, pointing = laplacian(*given[:2]), laplacian(*given)
    for row in range(6):
        real = np.flatnonzero(mask[row])
        expected = plain_laplacian(position[row], real) @ x[row, :5]
        found = own.add(x[:, :5], torch.zeros(6, 5, 4))[row]
        assert torch.allclose(found[real], expected[real], atol=1e-5)
        where = np.array([position[row, port] for port in pointer[row]])
        expected = plain_laplacian(where, np.flatnonzero(pointer[row] >= 0)) @ x[row]
        assert torch.allclose(pointing.add(x, torch.ones(6, 7, 4))[row], expected + 1, atol=1e-4)


def test_a_layer_is_the_formula():
    """Hops and moments side by side, and one product with all their weights."""
    network = make_network(sites(), "capsule")
    layer = network.encoder.layers["site"][0]
    position, mask, _, _ = place_and_pointer(1)
    mask[:] = True
    x = torch.randn(6, 5, WIDTH)
    found = layer(x, laplacian(torch.from_numpy(position), torch.from_numpy(mask)))
    for row in range(6):
        matrix = plain_laplacian(position[row], range(5))
        capsule = torch.stack([linear(layer.first, norm(layer.norm, one)) for one in x[row]])
        columns = torch.cat(
            [torch.linalg.matrix_power(matrix, k) @ capsule**p for k in range(3) for p in (1, 2, 3)], -1
        )
        weights = torch.cat(layer.second.weight.chunk(3), 1)
        inner = torch.tanh(columns @ weights.T + layer.shift)
        outer = torch.stack([torch.tanh(linear(layer.third, one)) for one in inner])
        assert torch.allclose(found[row], x[row] + outer, atol=1e-4)


# Series.


def test_columns_of_series():
    names = ["f", "out_0", "in_out_0", "out_2", "x", "2", "out_10", "in_out_2"]
    assert series_columns(names) == [[1, 2], [3, 7], [6, -1]]
    assert series_columns(["f", "slots", "x_"]) == []


def test_series_are_read_hour_by_hour():
    columns = series_columns(["a_0", "b_0", "a_1", "f"])
    network = SeriesEncoder(columns, 8, 2)
    x = torch.randn(3, 4, 4)
    before = network(x)
    assert before.shape == (3, 4, 8)
    other = x.clone()
    other[..., 3] += 1
    assert torch.equal(network(other), before)
    for column in range(3):
        other = x.clone()
        other[1, 2, column] += 1
        changed = (network(other) != before).any(-1)
        assert changed.sum() == 1
        assert changed[1, 2]
    # The same values in another hour are something else.
    same = torch.tensor([2.0, 0.0, -1.0, 0.0])
    assert not torch.allclose(network(same), network(same[[2, 1, 0, 3]]), atol=1e-4)


# The whole network.


@pytest.mark.parametrize("decoder", DECODERS)
def test_gradients_reach_every_parameter(decoder):
    network = make_network(sites(), "capsule", decoder=decoder)
    obs = random_obs(sites(), 16, 1)
    logits, values = network(tensors(obs))
    (logits[torch.from_numpy(obs["action_mask"]) != 0].square().sum() + values.square().sum()).backward()
    assert [name for name, one in network.named_parameters() if one.grad is None or not one.grad.any()] == []


@pytest.mark.parametrize("decoder", DECODERS)
def test_padding_changes_nothing(decoder):
    spec, large = sites(), sites(9, 30)
    obs = random_obs(spec, 6, 2)
    more, moved = enlarge(spec, large, obs)
    network = make_network(spec, "capsule", decoder=decoder)
    (logits, values), (again, valued) = play(network, obs), play(network, more)
    assert np.allclose(again[:, moved], logits, rtol=1e-4, atol=1e-5)
    assert np.allclose(valued, values, rtol=1e-4, atol=1e-5)


def permute_ports(obs, order):
    """Return ``obs`` with its port number order[i] at place i."""
    place = np.argsort(order)
    found = dict(obs)
    for key in ("port", "port_mask", "action_mask"):
        found[key] = obs[key][:, order]
    for key in {"focus_port", "aircraft_port_index"} & set(obs):
        found[key] = np.where(obs[key] >= 0, place[obs[key]], -1).astype(np.int32)
    return found


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("observation", OBSERVATIONS)
def test_the_order_of_ports_does_not_matter(observation, decoder):
    spec, obs = fleet(4, observation, 20, ports=6, fleet=9)
    network = make_network(spec, "capsule", decoder=decoder)
    order = np.random.default_rng(0).permutation(6)
    (logits, values), (again, valued) = play(network, obs), play(network, permute_ports(obs, order))
    assert np.allclose(again, logits[:, order], rtol=1e-4, atol=1e-4)
    assert np.allclose(valued, values, rtol=1e-4, atol=1e-4)


def test_aircraft_and_where_they_are_reach_the_logits():
    spec, obs = fleet(2, "full", 20, ports=4, fleet=6)
    network = make_network(spec, "capsule")
    before = play(network, obs)[0]
    for key, change in (("aircraft", 1.0), ("aircraft_port_index", 1)):
        other = {**obs, key: obs[key].copy()}
        craft = (obs["focus_aircraft"][0, 0] + 1) % 6
        other[key][0, craft] = (other[key][0, craft] + change) % (4 if key.endswith("index") else 100)
        after = play(network, other)[0]
        assert not np.allclose(after[0], before[0], atol=1e-5)
        assert np.array_equal(after[1], before[1])


def test_a_layer_returns_one_size_for_any_number():
    """The share of variance that the layers add, for 5 sites and 7 crafts, and for 100 and 250, drawn alike."""
    spread = []
    for spec in (sites(), sites(100, 250)):
        network = make_network(spec, "capsule")
        obs = random_obs(spec, 20, 1, share=1.0)
        batch, nodes = embedded(network, obs)
        with torch.no_grad():
            found = network.encoder(batch, nodes).nodes
        spread.append([float(found[name].std(1).mean()) for name in ("site", "craft")])
    assert np.allclose(*spread, rtol=0.3)


@pytest.mark.parametrize("decoder", DECODERS)
def test_a_network_made_for_8_and_40_plays_50_and_250(decoder):
    spec, obs = fleet(8, "full", 10)
    _, more = fleet(4, "full", 10, ports=50, fleet=250)
    assert more["aircraft"].shape[1] == 250
    network = make_network(spec, "capsule", decoder=decoder)
    spread = []
    for some in (obs, more):
        logits = play(network, some)[0]
        legal = [row[mask != 0] for row, mask in zip(logits, some["action_mask"], strict=True)]
        assert all(np.isfinite(row).all() for row in legal)
        spread.append(np.mean([row.std() for row in legal if len(row) > 1]))
    # Not equal: with as many passengers among more ports, features differ less from port to port.
    assert 0.1 < spread[1] / spread[0] < 3


def test_nodes_without_positions_are_refused():
    with pytest.raises(InputError, match="encoder 'capsule': nodes 'task' have no features 'x' and 'y' and point at"):
        make_network(make_spec(dense=False), "capsule")
