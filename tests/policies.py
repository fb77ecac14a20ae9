"""Small graphs with every kind of block, random observations of them, and networks: what the policy tests share."""

from __future__ import annotations

import numpy as np
import torch

from ganttlet.core.graph import EdgeType, Feature, GraphSpec, NodeType, Segment
from ganttlet_agents.policy.batch import prepare
from ganttlet_agents.policy.config import NetworkConfig
from ganttlet_agents.policy.network import GraphPolicy
from ganttlet_agents.policy.schema import Schema

F, G, H = Feature("f", -9, 9), Feature("g", -9, 9), Feature("h", -9, 9)
SMALL = {"width": 8, "layers": 2, "heads": 2, "hidden": 12}


def make_spec(task=4, place=3, bare=2, may=6, near=5, *, dense=True, segments=None):
    """Return a GraphSpec with every kind of edge and segment, its node types in no alphabetical order."""
    return GraphSpec(
        nodes=(
            NodeType("task", task, (F, G), (H,)),
            NodeType("place", place, (), (G,), fixed=True),
            NodeType("bare", bare),
        ),
        edges=(
            EdgeType("near", "task", "task", "list", near),
            EdgeType("may", "task", "place", "list", may, (F,), static=True),
            EdgeType("at", "task", "place", "pointer", features=(G, H)),
            EdgeType("after", "task", "task", "pointer"),
            *([EdgeType("far", "place", "bare", "dense", features=(F, H), static=True)] if dense else []),
        ),
        context=(F, H),
        focus=(("chosen", "task"), ("here", "place")),
        phases=("task", "place", "stop"),
        segments=segments
        or (
            Segment("place", 3),
            Segment("task", 2, "task"),
            Segment("may", 1, "place"),
            Segment("at", 3),
            *([Segment("far", 2)] if dense else []),
            Segment("near"),
            Segment("context", 2),
        ),
    )


def items_of(spec, obs, row):
    """Return segment target -> items that are there in ``row``, by plain loops."""
    real = {node.name: [bool(one) for one in obs[f"{node.name}_mask"][row]] for node in spec.nodes}
    found = {"context": [0]}
    for node in spec.nodes:
        found[node.name] = [item for item, one in enumerate(real[node.name]) if one]
    for edge in spec.edges:
        sources, targets = real[edge.source], real[edge.target]
        if edge.kind == "dense":
            pairs = [one and other for one in sources for other in targets]
            found[edge.name] = [item for item, one in enumerate(pairs) if one]
        elif edge.kind == "pointer":
            found[edge.name] = [item for item, one in enumerate(sources) if one]
        else:
            ends = obs[f"{edge.name}_index"][row].T
            found[edge.name] = [item for item, (a, b) in enumerate(ends) if a >= 0 and b >= 0]
    return found


def random_obs(spec, rows, seed=0, legal=0.6, share=0.7):
    """Return random observations: arrays with a batch axis, masked nodes anywhere, no edge at a masked node."""
    rng = np.random.default_rng(seed)
    obs = spec.allocate(rows)
    for array in obs.values():
        if array.dtype == np.float32:
            array[:] = rng.uniform(-4, 4, array.shape)
    for row in range(rows):
        real = {}
        for node in spec.nodes:
            mask = rng.random(node.count) < share
            mask[rng.integers(node.count)] = True
            obs[f"{node.name}_mask"][row] = mask
            real[node.name] = np.flatnonzero(mask)
        for edge in spec.edges:
            if edge.kind == "pointer":
                some = real[edge.source][rng.random(len(real[edge.source])) < 0.8]
                obs[f"{edge.name}_index"][row, some] = rng.choice(real[edge.target], len(some))
            elif edge.kind == "list":
                some = np.flatnonzero(rng.random(edge.count) < 0.7)
                for end, name in enumerate((edge.source, edge.target)):
                    obs[f"{edge.name}_index"][row, end, some] = rng.choice(real[name], len(some))
        for name, target in spec.focus:
            obs[f"focus_{name}"][row] = rng.choice([-1, *real[target]])
        obs["phase"][row] = rng.integers(len(spec.phases))
        there = items_of(spec, obs, row)
        for action in range(spec.n_actions):
            segment, item, _ = spec.decode(action)
            obs["action_mask"][row, action] = item in there[segment.over] and rng.random() < legal
        if not obs["action_mask"][row].any():
            obs["action_mask"][row, -1] = 1
    return obs


def enlarge(spec, large, obs):
    """Return ``obs`` of ``spec`` in the padded space of ``large``, and the number each action has there."""
    rows = len(obs["action_mask"])
    out = large.allocate(rows)
    for key, array in obs.items():
        if key != "action_mask":
            out[key][tuple(slice(0, size) for size in array.shape)] = array
    number = {}
    for action in range(large.n_actions):
        segment, item, logit = large.decode(action)
        number[large.segments.index(segment), _ends(large, segment.over, item), logit] = action
    decoded = [spec.decode(action) for action in range(spec.n_actions)]
    moved = [number[spec.segments.index(part), _ends(spec, part.over, item), one] for part, item, one in decoded]
    out["action_mask"][:, moved] = obs["action_mask"]
    return out, moved


def _ends(spec, over, item):
    """Return what names an item in every padded space: both ends of a dense edge, else its number."""
    edge = next((edge for edge in spec.edges if edge.name == over), None)
    if edge is None or edge.kind != "dense":
        return item
    return divmod(item, spec.node(edge.target).count)


def tensors(obs):
    return {key: torch.from_numpy(np.array(part)) for key, part in obs.items()}


def make_network(spec, encoder="attention", seed=0, **shape):
    """Return a network in which every weight is random, those that start at zero included."""
    generator = torch.Generator().manual_seed(seed)
    network = GraphPolicy(Schema.of(spec), NetworkConfig(encoder=encoder, **{**SMALL, **shape}))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
    return network.eval()


def play(network, obs):
    """Return logits and values as arrays."""
    with torch.no_grad():
        logits, values = network(tensors(obs))
    return logits.numpy(), values.numpy()


def embedded(network, obs, seed=0):
    """Return the batch and random embeddings of its nodes, what an encoder is given."""
    batch = prepare(network.schema, tensors(obs))
    generator = torch.Generator().manual_seed(seed)
    width = network.config.width
    nodes = {name: torch.randn((*mask.shape, width), generator=generator) for name, mask in batch.masks.items()}
    return batch, nodes


# Layers by plain vector arithmetic, for twins of encoders.


def close(one, other):
    return torch.allclose(one, other, rtol=0, atol=1e-5)


def norm(layer, x):
    centred = x - x.mean()
    return centred / torch.sqrt(centred.square().mean() + layer.eps) * layer.weight + layer.bias


def linear(layer, x):
    return layer.weight @ x + (0 if layer.bias is None else layer.bias)


def feed(layers, x):
    return linear(layers[2], linear(layers[0], x).clamp(min=0))


def mean(vectors):
    return sum(vectors) / len(vectors) if vectors else torch.zeros(SMALL["width"])


def edges_of(spec, obs, row):
    """Return edge name -> (source, target, slot) of every edge of a row."""
    found = {}
    for edge in spec.edges:
        index = obs[f"{edge.name}_index"][row]
        ends = enumerate(index) if edge.kind == "pointer" else index.T
        found[edge.name] = [
            (int(source), int(target), slot) for slot, (source, target) in enumerate(ends) if min(source, target) >= 0
        ]
    return found
