"""Encoders against slow twins: plain loops over rows, nodes, heads and edges that read the same weights."""

import math

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.core.graph import GraphSpec, NodeType, Segment
from ganttlet.job_shop.env import JobShopVectorEnv

torch = pytest.importorskip("torch")
pytest.importorskip("torch_geometric")

from ganttlet_agents.policy.schema import Schema  # noqa: E402
from policies import (  # noqa: E402
    F,
    close,
    edges_of,
    embedded,
    feed,
    linear,
    make_network,
    make_spec,
    mean,
    norm,
    play,
    random_obs,
    tensors,
)

WIDTH, HEADS = 8, 2
SEGMENTS = (Segment("task", 2), Segment("place"), Segment("context"))


@pytest.fixture(autouse=True)
def padded(monkeypatch):
    """The twins number nodes as the padded space does."""
    monkeypatch.setattr("ganttlet_agents.policy.batch.CROWDED", 0.0)


# Attention.


def plain_layer(layer, tokens, relations):
    """Return every token (a vector) after a layer; ``relations`` holds, for each, the pairs of tokens that meet."""
    size = WIDTH // HEADS
    normed = [norm(layer.norm, x) for x in tokens]
    both = [linear(layer.pair, x) for x in normed]
    out = []
    for i, x in enumerate(tokens):
        query, mixed = linear(layer.query, normed[i]), []
        for head in range(HEADS):
            part = slice(head * size, (head + 1) * size)
            scores = []
            for j in range(len(tokens)):
                score = query[part] @ both[j][:WIDTH][part] / math.sqrt(size)
                for at, pairs in enumerate(relations):
                    if (i, j) in pairs:
                        score = score + layer.bias[head, at]
                scores.append(score)
            weights = torch.stack(scores).exp()
            values = [weight * both[j][WIDTH:][part] for j, weight in enumerate(weights / weights.sum())]
            mixed.append(sum(values))
        x = x + linear(layer.out, torch.cat(mixed))
        out.append(x + feed(layer.ff, norm(layer.norm_ff, x)))
    return out


def plain_attention(encoder, spec, obs, nodes, row, layers):
    """Return (node type, item) -> vector after some layers, of the real tokens of a row alone."""
    names = [(name, item) for name in encoder.tokens for item in np.flatnonzero(obs[f"{name}_mask"][row])]
    edges = edges_of(spec, obs, row)
    tokens, relations = [], []
    for name, item in names:
        x = nodes[name][row, item] + encoder.kind[encoder.tokens.index(name)]
        for edge in spec.edges:
            arriving, returning = [], []
            for source, target, slot in edges[edge.name]:
                extra = torch.zeros(WIDTH)
                if edge.features and {edge.source, edge.target} & set(encoder.tokens):
                    extra = linear(encoder.attr[edge.name], torch.asinh(torch.from_numpy(obs[edge.name][row, slot])))
                gathered = edge.kind == "pointer" and edge.source in encoder.tokens
                if (edge.source, source) == (name, item):
                    way = encoder.gather if gathered else encoder.back
                    returning.append(linear(way[edge.name], nodes[edge.target][row, target]) + extra)
                if (edge.target, target) == (name, item) and not gathered:
                    arriving.append(linear(encoder.sent[edge.name], nodes[edge.source][row, source]) + extra)
            x = x + mean(arriving) + mean(returning)
        tokens.append(x)
    for edge in spec.edges:
        if edge.kind == "pointer" and edge.source in encoder.tokens:
            ends = [(source, target) for source, target, _ in edges[edge.name]]
            together = {
                (names.index((edge.source, one)), names.index((edge.source, other)))
                for one, target in ends
                for other, another in ends
                if target == another
            }
            if edge.target in encoder.tokens:
                for source, target in ends:
                    pair = names.index((edge.source, source)), names.index((edge.target, target))
                    together |= {pair, pair[::-1]}
            relations.append(together)
    for layer in encoder.layers[:layers]:
        tokens = plain_layer(layer, tokens, relations)
    return dict(zip(names, tokens, strict=True))


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("seed", range(2))
@torch.no_grad()
def test_attention(layers, seed):
    spec = make_spec(dense=False, segments=SEGMENTS)
    network = make_network(spec, "attention", seed, layers=layers)
    obs = random_obs(spec, 3, seed)
    batch, nodes = embedded(network, obs)
    encoded = network.encoder(batch, nodes)
    assert network.encoder.tokens == encoded.refined == ("task", "place")
    assert encoded.nodes["bare"] is nodes["bare"]
    for row in range(3):
        before = plain_attention(network.encoder, spec, obs, nodes, row, layers - 1)
        after = plain_attention(network.encoder, spec, obs, nodes, row, layers)
        assert before.keys() == after.keys()
        for (name, item), expected in before.items():
            assert close(encoded.nodes[name][row, item], expected)
        # Candidates in any order and number, not only all of them.
        for name in encoded.refined:
            items = [item for kind, item in after if kind == name][::-1]
            for some in (items, items[:1]):
                at = torch.tensor(some)
                refined = encoded.refine(name, torch.full_like(at, row), at, encoded.nodes[name][row, at])
                for vector, item in zip(refined, some, strict=True):
                    assert close(vector, after[name, item])


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize(
    ("over", "tokens"),
    [
        (("task",), ("task",)),
        (("place",), ("place",)),
        (("bare",), ("bare",)),
        (("may",), ("task", "place")),
        (("place", "near"), ("place", "task")),
        (("context",), ("task", "place", "bare")),
    ],
)
@torch.no_grad()
def test_attention_by_what_actions_point_at(over, tokens, layers):
    """The last layer is for candidates where they are nodes and no edges, and for all tokens elsewhere."""
    spec = make_spec(dense=False, segments=tuple(Segment(name) for name in over))
    network, obs = make_network(spec, "attention", layers=layers), random_obs(spec, 3, 1)
    batch, nodes = embedded(network, obs)
    encoded = network.encoder(batch, nodes)
    lazy = set(over) <= {"task", "place", "bare"}
    assert network.encoder.tokens == tokens
    assert (encoded.refined, encoded.refine is None) == (tokens if lazy else (), not lazy)
    for row in range(3):
        for (name, item), vector in plain_attention(
            network.encoder, spec, obs, nodes, row, layers - 1 if lazy else layers
        ).items():
            assert close(encoded.nodes[name][row, item], vector)


@pytest.mark.parametrize("over", ["task", "place", "may", "at", "context"])
@pytest.mark.parametrize("layers", [1, 2])
def test_every_weight_of_attention_is_used(over, layers):
    spec = make_spec(dense=False, segments=(Segment(over, 2),))
    network = make_network(spec, "attention", layers=layers)
    logits, _ = network(tensors(random_obs(spec, 16, 1)))
    logits[logits > -1e7].square().sum().backward()
    encoder = {name: one for name, one in network.named_parameters() if name.startswith("encoder.")}
    idle = [name for name, one in encoder.items() if one.numel() and (one.grad is None or not one.grad.any())]
    assert idle == []


@pytest.mark.parametrize(
    ("over", "key"),
    [
        ("task", "may"),
        ("task", "near_index"),
        ("task", "may_index"),
        ("task", "at"),
        ("place", "task"),
        ("place", "at_index"),
        ("place", "may"),
        ("context", "after_index"),
    ],
)
def test_attention_reads_what_hangs_at_a_token(over, key):
    spec = make_spec(dense=False, segments=(Segment(over),))
    network, obs = make_network(spec, "attention"), random_obs(spec, 1, 0)
    for node in spec.nodes:
        obs[f"{node.name}_mask"][:] = 1
    obs["action_mask"][:], obs["focus_chosen"][:], obs["focus_here"][:] = 1, -1, -1
    obs["may_index"][0, :, :2], obs["near_index"][0, :, :2] = [[0, 1], [1, 0]], [[0, 1], [2, 2]]
    obs["at_index"][:], obs["after_index"][:] = 1, 2
    before = play(network, obs)[0]
    if key in ("may_index", "near_index"):
        obs[key][0, :, 0] = -1
    elif key.endswith("index"):
        obs[key][0, 0] = 0
    else:
        obs[key] += 1
    assert not np.allclose(before, play(network, obs)[0], atol=1e-4)


@torch.no_grad()
def test_attention_of_the_whole_network():
    """Logits of the job shop from the plain layers, so that the network does refine its candidates."""
    env = JobShopVectorEnv(2, observation="machines", max_jobs=8, autoreset_mode="disabled")
    network = make_network(env.graph, "attention")
    obs, _ = env.reset(seed=5)
    for _ in range(7):
        obs = env.step(np.array([np.flatnonzero(mask)[-1] for mask in obs["action_mask"]]))[0]
    logits, values = play(network, obs)
    for row in range(2):
        around = linear(network.context, torch.asinh(torch.from_numpy(obs["context"][row])))
        nodes = {
            name: torch.stack([feed(net, torch.asinh(torch.from_numpy(x))) + around for x in obs[name][row]])[None]
            for name, net in network.inputs.items()
        }
        single = {key: part[row : row + 1] for key, part in obs.items()}
        for layers in (1, 2):
            found = plain_attention(network.encoder, env.graph, single, nodes, 0, layers)
            if layers == 1:
                machines = [nodes["machine"][0, item] for item in np.flatnonzero(obs["machine_mask"][row])]
                pooled = torch.cat([around, mean(list(found.values())), mean(machines)])
                assert math.isclose(feed(network.value, pooled).item(), values[row], abs_tol=1e-5)
        for job in np.flatnonzero(obs["action_mask"][row]):
            expected = feed(network.heads[0], torch.cat([found["job", job], around]))
            assert math.isclose(expected.item(), logits[row, job], abs_tol=1e-5)


@torch.no_grad()
def test_a_relation_bias_joins_those_that_meet():
    """A large bias lets a job listen only to jobs that need the same machine."""
    env = JobShopVectorEnv(1, observation="machines")
    network = make_network(env.graph, "attention", layers=1)
    obs, _ = env.reset(seed=2)
    needs = obs["needs_index"][0].tolist()
    job = next(job for job in range(6) if 1 < needs.count(needs[job]) < 6)
    relation = [edge.name for edge in network.encoder.links].index("needs")
    network.encoder.layers[0].bias.zero_()

    def heard():
        """Jobs whose features change the logit of ``job``."""
        before = play(network, obs)[0][0, job]
        found = set()
        for other in range(6):
            changed = {key: part.copy() for key, part in obs.items()}
            changed["job"][0, other] += 1
            if abs(play(network, changed)[0][0, job] - before) > 1e-6:
                found.add(other)
        return found

    assert heard() == set(range(6))
    network.encoder.layers[0].bias[:, relation] = 100
    assert heard() == {other for other in range(6) if needs[other] == needs[job]}


def test_too_many_tokens():
    spec = GraphSpec(
        (NodeType("job", 600, (F,)), NodeType("pad", 600, (F,))), segments=(Segment("job"), Segment("pad"))
    )
    network, obs = make_network(spec, "attention"), spec.allocate(2)
    obs["job_mask"][0, :500], obs["pad_mask"][1, :12] = 1, 1
    obs["action_mask"][:, 0], obs["job_mask"][:, 0] = 1, 1
    play(network, obs)  # 512: what is masked behind the last real node does not count
    obs["pad_mask"][1, 12] = 1
    with pytest.raises(
        InputError, match=r"encoder 'attention': 513 nodes \(job, pad\).*at most 512.*'pointer' or 'gnn'"
    ):
        play(network, obs)
    play(make_network(spec, "pointer"), obs)


def test_width_and_heads():
    with pytest.raises(InputError, match="network: width 8 is not a multiple of heads 3"):
        make_network(make_spec(), "attention", heads=3)


# Messages along edges.


def plain_pointer(encoder, spec, obs, nodes, row):
    real = {node.name: np.flatnonzero(obs[f"{node.name}_mask"][row]) for node in spec.nodes}
    state = {(name, item): nodes[name][row, item] for name, items in real.items() for item in items}
    edges = edges_of(spec, obs, row)
    for layer in encoder.layers:
        normed = {key: norm(layer.norm[key[0]], x) for key, x in state.items()}
        after = {}
        for (name, item), x in state.items():
            taken = normed[name, item] + linear(layer.pool[name], mean([normed[name, other] for other in real[name]]))
            for edge in spec.edges:
                arriving, returning = [], []
                for source, target, slot in edges[edge.name]:
                    extra = torch.zeros(WIDTH)
                    if edge.features:
                        extra = linear(layer.attr[edge.name], torch.asinh(torch.from_numpy(obs[edge.name][row, slot])))
                    if (edge.target, target) == (name, item):
                        arriving.append(linear(layer.sent[edge.name], normed[edge.source, source]) + extra)
                    if (edge.source, source) == (name, item):
                        returning.append(linear(layer.back[edge.name], normed[edge.target, target]) + extra)
                taken = taken + mean(arriving) + mean(returning)
            after[name, item] = x + feed(layer.mix[name], taken)
        state = after
    return state


def plain_gnn(encoder, spec, obs, nodes, row):
    real = {node.name: np.flatnonzero(obs[f"{node.name}_mask"][row]) for node in spec.nodes}
    state = {(name, item): nodes[name][row, item] for name, items in real.items() for item in items}
    edges = edges_of(spec, obs, row)
    for conv, norms in zip(encoder.convs, encoder.norms, strict=True):
        normed = {key: norm(norms[key[0]], x) for key, x in state.items()}
        after = {}
        for (name, item), x in state.items():
            taken = torch.zeros(WIDTH)
            for edge in spec.edges:
                pairs = [(source, target) for source, target, _ in edges[edge.name]]
                ways = [
                    (edge.source, edge.name, edge.target, pairs),
                    (edge.target, f"rev_{edge.name}", edge.source, [pair[::-1] for pair in pairs]),
                ]
                for source, word, target, ends in ways:
                    if target == name:
                        sage = conv.convs[source, word, target]
                        heard = mean([normed[source, one] for one, other in ends if other == item])
                        taken = taken + linear(sage.lin_l, heard) + linear(sage.lin_r, normed[name, item])
            after[name, item] = x + taken.clamp(min=0)
        state = after
    return state


@pytest.mark.parametrize(("encoder", "twin"), [("pointer", plain_pointer), ("gnn", plain_gnn)])
@pytest.mark.parametrize("seed", range(3))
@torch.no_grad()
def test_messages(encoder, twin, seed):
    spec = make_spec(dense=False)
    network = make_network(spec, encoder, seed)
    obs = random_obs(spec, 3, seed)
    batch, nodes = embedded(network, obs)
    encoded = network.encoder(batch, nodes)
    assert encoded.refine is None
    for row in range(3):
        expected = twin(network.encoder, spec, obs, nodes, row)
        assert len(expected) == sum(int(mask[row].sum()) for mask in batch.masks.values())
        for (name, item), vector in expected.items():
            assert close(encoded.nodes[name][row, item], vector)


def test_the_gnn_needs_edges():
    plain = GraphSpec((NodeType("job", 2, (F,)),), segments=(Segment("job"),))
    with pytest.raises(InputError, match=r"encoder 'gnn': this observation has no list or pointer edges") as caught:
        make_network(plain, "gnn")
    assert "machines" not in str(caught.value)
    env = JobShopVectorEnv(1, observation="machines")
    logits, _ = play(make_network(env.graph, "gnn"), env.reset(seed=0)[0])
    assert np.isfinite(logits).all()


@pytest.mark.parametrize(("segments", "edge"), [((Segment("task"),), "may"), ((Segment("may"),), "at")])
def test_the_gnn_refuses_edge_features_that_nothing_would_read(segments, edge):
    with pytest.raises(InputError, match=f"encoder 'gnn': edge '{edge}' has features, .*; use encoder 'pointer'"):
        make_network(make_spec(dense=False, segments=segments), "gnn")
    make_network(make_spec(dense=False, segments=segments), "pointer")


@pytest.mark.parametrize("encoder", ["attention", "pointer", "gnn", "tree", "dag", "deepsocs"])
def test_a_dense_edge_is_read_as_an_action_segment_or_refused(encoder):
    segments = (Segment("may"), Segment("at"))
    with pytest.raises(InputError, match=f"encoder '{encoder}': dense edge 'far' is no action segment"):
        make_network(make_spec(segments=segments), encoder)
    spec = make_spec(segments=(*segments, Segment("far")))
    network, obs = make_network(spec, encoder), random_obs(spec, 1, 3)
    for key in ("place_mask", "bare_mask", "action_mask"):
        obs[key][:] = 1
    before = play(network, obs)[0]
    obs["far"][0, 1, 1] += 1
    changed = np.flatnonzero(play(network, obs)[0][0] != before[0])
    assert [spec.decode(action)[:2] for action in changed] == [(Segment("far"), 1 * 2 + 1)]


@pytest.mark.parametrize("encoder", ["pointer", "gnn", "tree", "dag", "deepsocs"])
def test_observations_without_a_single_edge(encoder):
    spec = make_spec(dense=False)
    obs = random_obs(spec, 2, 0)
    for edge in spec.edges:
        obs[f"{edge.name}_index"][:] = -1
    obs["action_mask"][:] = [spec.decode(action)[0].over == "context" for action in range(spec.n_actions)]
    logits, values = play(make_network(spec, encoder), obs)
    assert np.isfinite(logits).all()
    assert np.isfinite(values).all()


def test_weights_do_not_depend_on_counts():
    small, large = make_spec(dense=False), make_spec(9, 8, 7, 20, 30, dense=False)
    for encoder in ("attention", "pointer", "gnn", "tree", "dag", "deepsocs"):
        one, other = make_network(small, encoder), make_network(large, encoder)
        shapes = [{name: value.shape for name, value in net.state_dict().items()} for net in (one, other)]
        assert shapes[0] == shapes[1]
        assert Schema.of(small).digest == Schema.of(large).digest
