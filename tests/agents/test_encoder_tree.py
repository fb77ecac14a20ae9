"""Encoder ``tree`` against a slow twin in plain loops over trees and heads, and what it refuses."""

import math

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.core.graph import EdgeType, Feature, GraphSpec, NodeType, Segment
from ganttlet.job_shop.env import JobShopVectorEnv

torch = pytest.importorskip("torch")

from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from policies import (  # noqa: E402
    close,
    edges_of,
    embedded,
    linear,
    make_network,
    make_spec,
    norm,
    play,
    random_obs,
    tensors,
)

WIDTH, HEADS = 8, 2
LAZY = (Segment("task", 2), Segment("place"), Segment("context"))
EAGER = (Segment("task", 2), Segment("at"), Segment("context"))


@pytest.fixture(autouse=True)
def padded(monkeypatch):
    """The twin numbers nodes as the padded space does."""
    monkeypatch.setattr("ganttlet_agents.policy.batch.CROWDED", 0.0)


def cluster(vms, hosts):
    """Return a graph like that of VM rescheduling."""

    def features(count):
        return tuple(Feature(f"f{i}", -9, 9) for i in range(count))

    return GraphSpec(
        (NodeType("vm", vms, features(6)), NodeType("pm", hosts, features(8))),
        (EdgeType("on", "vm", "pm", "pointer"),),
        context=features(6),
        focus=(("vm", "vm"),),
        phases=("vm", "pm"),
        segments=(Segment("vm", 1, "vm"), Segment("pm", 2, "pm"), Segment("context", 1, "vm")),
    )


def attend(triples):
    """Return what each token takes up from all of them; ``triples`` are query, key and value in one vector."""
    size, out = WIDTH // HEADS, []
    for triple in triples:
        mixed = []
        for head in range(HEADS):
            q, k, v = (slice(part * WIDTH + head * size, part * WIDTH + (head + 1) * size) for part in range(3))
            weights = torch.stack([triple[q] @ other[k] / math.sqrt(size) for other in triples]).softmax(0)
            mixed.append(sum(weight * other[v] for weight, other in zip(weights, triples, strict=True)))
        out.append(torch.cat(mixed))
    return out


def feed_forward(layers, x):
    return x + linear(layers[3], linear(layers[1], norm(layers[0], x)).clamp(min=0))


def plain_tree(encoder, spec, obs, nodes, row, layers):
    """Return (node type, item) -> vector after some layers, of the real roots and members of a row."""
    below, above, edge = encoder.edge.source, encoder.edge.target, encoder.edge.name
    roots, members = (np.flatnonzero(obs[f"{name}_mask"][row]).tolist() for name in (above, below))
    root_of = {source: target for source, target, _ in edges_of(spec, obs, row)[edge]}
    token = encoder.token + linear(encoder.context, torch.asinh(torch.from_numpy(obs["context"][row])))
    tops = {"context": token, **{root: nodes[above][row, root] for root in roots}}
    state = {member: nodes[below][row, member] for member in members}
    if encoder.attr is not None:
        for member in root_of:
            state[member] = state[member] + linear(encoder.attr, torch.asinh(torch.from_numpy(obs[edge][row, member])))
    for layer in encoder.layers[:layers]:
        trees = [[("root", root), *(("member", one) for one in members if root_of.get(one) == root)] for root in roots]
        trees += [[("member", one)] for one in members if one not in root_of]
        heard = {}
        for tree in trees:
            vectors = [tops[number] if kind == "root" else state[number] for kind, number in tree]
            mixed = attend([linear(layer.tree_triple, norm(layer.tree_norm, x)) for x in vectors])
            heard |= dict(zip(tree, mixed, strict=True))
        for root in roots:
            tops[root] = tops[root] + linear(layer.tree_root, heard["root", root])
        mixed = attend([linear(layer.root_triple, norm(layer.root_norm, x)) for x in tops.values()])
        for (number, x), one in zip(tops.items(), mixed, strict=True):
            tops[number] = feed_forward(layer.root_ff, x + linear(layer.root_out, one))
        for member, x in state.items():
            read = linear(layer.read, norm(layer.read_norm, tops[root_of.get(member, "context")]))
            x = x + linear(layer.tree_member, heard["member", member]) + read
            state[member] = feed_forward(layer.member_ff, x)
    return {
        **{(above, root): tops[root] for root in roots},
        **{(below, member): x for member, x in state.items()},
    }


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("segments", [LAZY, EAGER])
@pytest.mark.parametrize("seed", range(2))
@torch.no_grad()
def test_against_the_twin(layers, segments, seed):
    """Masked nodes anywhere, members without a root, roots without members, features of the edge."""
    spec = make_spec(9, 4, dense=False, segments=segments)
    network = make_network(spec, "tree", seed, layers=layers)
    obs = random_obs(spec, 4, seed)
    batch, nodes = embedded(network, obs)
    encoded = network.encoder(batch, nodes)
    lazy = segments is LAZY
    assert (encoded.refined, encoded.refine is None) == (("task",) if lazy else (), not lazy)
    assert encoded.nodes["bare"] is nodes["bare"]
    for row in range(4):
        before = plain_tree(network.encoder, spec, obs, nodes, row, layers - 1)
        after = plain_tree(network.encoder, spec, obs, nodes, row, layers)
        for (name, item), vector in after.items():
            expected = before[name, item] if lazy and name == "task" else vector
            assert close(encoded.nodes[name][row, item], expected)
        items = [item for name, item in after if name == "task"][::-1]
        for some in (items, items[:1]) if lazy else ():
            at = torch.tensor(some)
            refined = encoded.refine("task", torch.full_like(at, row), at, encoded.nodes["task"][row, at])
            for vector, item in zip(refined, some, strict=True):
                assert close(vector, after["task", item])


@torch.no_grad()
def test_a_cluster_against_the_twin():
    """Trees of many sizes, logits of both phases included."""
    spec = cluster(40, 9)
    network, obs = make_network(spec, "tree"), random_obs(spec, 4, 3, share=0.9)
    for row in range(4):
        there = np.flatnonzero(obs["vm_mask"][row])
        obs["on_index"][row, there] = np.flatnonzero(obs["pm_mask"][row])[(np.arange(len(there)) ** 2 % 31) // 9]
        obs["phase"][row] = row % 2
    logits, _ = play(network, obs)
    for row in range(4):
        around = linear(network.context, torch.asinh(torch.from_numpy(obs["context"][row])))
        around = around + network.phase.weight[row % 2]
        nodes = {}
        for name, net in network.inputs.items():
            inner = [linear(net[0], torch.asinh(x)).clamp(min=0) for x in torch.from_numpy(obs[name][row])]
            nodes[name] = torch.stack([linear(net[2], x) + around for x in inner])[None]
        single = {key: part[row : row + 1] for key, part in obs.items()}
        before = plain_tree(network.encoder, spec, single, nodes, 0, 1)
        after = plain_tree(network.encoder, spec, single, nodes, 0, 2)
        if obs["focus_vm"][row, 0] >= 0:
            around = around + linear(network.focus["vm"], before["vm", int(obs["focus_vm"][row, 0])])
        checked = 0
        for action in np.flatnonzero(obs["action_mask"][row, :-1]):
            segment, item, logit = spec.decode(int(action))
            head = network.heads[spec.segments.index(segment)]
            x = torch.cat([after[segment.over, item], around])
            assert math.isclose(
                linear(head[2], linear(head[0], x).clamp(min=0))[logit], logits[row, action], abs_tol=1e-4
            )
            checked += 1
        assert checked > 10


@pytest.mark.parametrize("segments", [LAZY, EAGER])
@pytest.mark.parametrize("layers", [1, 2])
def test_every_weight_is_used(segments, layers):
    spec = make_spec(dense=False, segments=segments)
    network = make_network(spec, "tree", layers=layers)
    logits, values = network(tensors(random_obs(spec, 16, 1)))
    (logits[logits > -1e7].square().sum() + values.square().sum()).backward()
    encoder = {name: one for name, one in network.named_parameters() if name.startswith("encoder.")}
    assert [name for name, one in encoder.items() if one.grad is None or not one.grad.any()] == []


def test_nothing_grows_with_the_square_of_the_members():
    spec = cluster(1500, 50)
    network, obs = make_network(spec, "tree"), spec.allocate(1)
    obs["vm_mask"][:] = obs["pm_mask"][:] = obs["action_mask"][:, :1500] = 1
    obs["on_index"][0] = np.arange(1500) % 50
    largest = 0

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            found = func(*args, **(kwargs or {}))
            for one in found if isinstance(found, tuple | list) else (found,):
                largest = max(largest, one.numel() if isinstance(one, torch.Tensor) else 0)
            return found

    with Watch():
        logits, _ = network(tensors(obs))
    logits[:, :1500].sum().backward()
    assert 1550 * 3 * WIDTH <= largest < 100 * 1550  # pairs inside trees: 50 · 31² per head


def test_rows_without_members_or_roots():
    spec = cluster(3, 2)
    network, obs = make_network(spec, "tree"), spec.allocate(3)
    obs["vm_mask"][0], obs["action_mask"][:, -1] = 1, 1
    obs["pm_mask"][1] = 1
    for rows in (slice(0, 3), slice(2, 3)):
        logits, values = play(network, {key: part[rows] for key, part in obs.items()})
        assert np.isfinite(values).all()
        assert np.isfinite(logits).all()


# Which edge makes the trees.


def test_the_first_edge_between_two_token_types_makes_the_trees():
    nodes = (NodeType("a", 3), NodeType("b", 2), NodeType("c", 2))
    edges = (
        EdgeType("list", "a", "b", "list", 4),
        EdgeType("next", "a", "a", "pointer"),
        EdgeType("out", "a", "c", "pointer"),
        EdgeType("up", "b", "a", "pointer"),
        EdgeType("on", "a", "b", "pointer"),
    )
    spec = GraphSpec(nodes, edges, segments=(Segment("a"), Segment("b")))
    assert make_network(spec, "tree").encoder.edge.name == "up"
    turned = GraphSpec(nodes, edges[::-1], segments=(Segment("a"), Segment("b")))
    assert make_network(turned, "tree").encoder.edge.name == "on"


@pytest.mark.parametrize("kind", ["jobs", "machines"])
def test_without_such_an_edge_it_is_refused(kind):
    graph = JobShopVectorEnv(1, observation=kind).graph
    with pytest.raises(
        InputError, match=r"encoder 'tree': this observation has no pointer edge between two node types"
    ):
        make_network(graph, "tree")


def test_width_and_heads():
    with pytest.raises(InputError, match="network: width 8 is not a multiple of heads 3"):
        make_network(cluster(3, 2), "tree", heads=3)
