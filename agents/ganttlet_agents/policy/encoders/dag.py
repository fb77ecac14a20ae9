"""Messages along a directed graph, then a summary by membership and of the whole that is given back to every node.

Graph edges are the list and pointer edges from a node type to itself, such as precedences of tasks or operations. Over
them run ``layers`` rounds: a node takes up the mean of those before it and, with weights of their own, the mean of
those after it. The other list and pointer edges say what belongs to what: a task to its job or processing element, a
row of a ready list to its task. Over these run three steps, once:

1. Up: other targets take up the mean of their sources. A job hears its tasks, a processing element what it is to run.
2. Down: nodes of the graph take up what they belong to, what points at them, and the mean of every node type.
3. Back: all other nodes take up what they point at, and the mean of every node type.

So what actions point at has heard, whatever the depth of the graph: its neighbourhood of ``layers`` edges, its job, the
resources, and the whole. All steps are pre-norm residuals. The rows of a batch are one disjoint union of graphs,
without padding; the cost is linear in nodes and edges.

Source: the hierarchy of node, job and global embeddings of Decima (Mao et al. 2019), whose messages go from children to
parents only and are sums; here they go both ways and are means, so that sizes do not matter.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet_agents.policy.batch import GraphBatch
from ganttlet_agents.policy.edges import ends, union_numbers
from ganttlet_agents.policy.encoders.base import Encoded
from ganttlet_agents.policy.schema import Edge, Schema

try:
    from torch_geometric.utils import scatter
except ImportError:
    raise MissingExtraError("torch-geometric", "agents") from None


class Link(NamedTuple):
    """The edges of a type in the union: source and target (edges,) int64, and features (edges, F) or None."""

    source: Tensor
    target: Tensor
    features: Tensor | None


class Union(NamedTuple):
    """What is fixed while embeddings are passed on.

    Fields:
        rows: number of rows of the batch.
        row: node type -> (nodes,) int64, the row of each real node.
        links: edge type -> Link.
    """

    rows: int
    row: dict[str, Tensor]
    links: dict[str, Link]


class DagEncoder(nn.Module):
    """See the module.

    Raises:
        InputError: if no list or pointer edge joins a node type to itself.
    """

    def __init__(self, schema: Schema, width: int, layers: int, hidden: int) -> None:
        super().__init__()
        self.edges = [edge for edge in schema.edges if edge.kind != "dense"]
        graph = [edge for edge in self.edges if edge.source == edge.target]
        if not graph:
            raise InputError(
                "encoder 'dag': this observation has no list or pointer edge from a node type to itself, such as a "
                "precedence; use encoder 'attention' or 'pointer', or an observation with such edges"
            )
        inside = list(dict.fromkeys(edge.source for edge in graph))
        outside = [name for name in schema.nodes if name not in inside]
        members = [edge for edge in self.edges if edge.source != edge.target]
        up, back = [(edge, True) for edge in members], [(edge, False) for edge in members]
        both = [(edge, way) for edge in graph for way in (True, False)]
        aims = [name for name in outside if name in {edge.target for edge in members}]
        every = list(schema.nodes)
        steps = [_Step(both, inside, [], width, hidden) for _ in range(layers)]
        steps += [_Step(up, aims, [], width, hidden)] if aims else []
        steps += [_Step([*up, *back], inside, every, width, hidden)]
        steps += [_Step(back, outside, every, width, hidden)] if outside else []
        self.steps = nn.ModuleList(steps)

    def forward(self, batch: GraphBatch, nodes: dict[str, Tensor]) -> Encoded:
        """Return the embeddings after all steps."""
        numbers, row, at, flat = {}, {}, {}, {}
        for name, mask in batch.masks.items():
            numbers[name] = union_numbers(mask)
            at[name] = mask.flatten().nonzero().squeeze(1)
            row[name] = at[name] // mask.shape[1]
            flat[name] = nodes[name].flatten(0, 1).index_select(0, at[name])
        links = {}
        for edge in self.edges:
            where, source, target, slot = ends(batch, edge.name)
            features = torch.asinh(batch.edges[edge.name][where, slot]) if edge.features else None
            links[edge.name] = Link(numbers[edge.source][where, source], numbers[edge.target][where, target], features)
        union = Union(len(batch.context), row, links)
        for step in self.steps:
            flat = step(union, flat)
        out = {}
        for name, value in nodes.items():
            table = torch.zeros_like(value).flatten(0, 1)
            out[name] = table.index_copy(0, at[name], flat[name]).view_as(value)
        return Encoded(out)


class _Step(nn.Module):
    """Nodes of the types ``takers`` take up the mean of their neighbours, and of every row's nodes of types ``whole``.

    ``ways`` holds (edge, True) for messages to the edge's target and (edge, False) for those to its source.
    """

    def __init__(
        self, ways: list[tuple[Edge, bool]], takers: list[str], whole: list[str], width: int, hidden: int
    ) -> None:
        super().__init__()
        self.ways = [(edge, way) for edge, way in ways if _ends_of(edge, way)[1] in takers]
        senders = [_ends_of(edge, way)[0] for edge, way in self.ways]
        self.takers, self.whole = takers, whole
        self.norm = nn.ModuleDict({name: nn.LayerNorm(width) for name in dict.fromkeys([*takers, *senders, *whole])})
        self.attr = nn.ModuleDict(
            {
                f"{edge.name}_{'to' if way else 'back'}": nn.Linear(edge.features, width, bias=False)
                for edge, way in self.ways
                if edge.features
            }
        )
        self.pool = nn.ModuleDict({name: nn.Linear(width, width, bias=False) for name in self.whole})
        self.mix = nn.ModuleDict()
        for name in takers:
            parts = 1 + sum(_ends_of(edge, way)[1] == name for edge, way in self.ways) + bool(self.whole)
            self.mix[name] = nn.Sequential(nn.Linear(parts * width, hidden), nn.ReLU(), nn.Linear(hidden, width))

    def forward(self, union: Union, flat: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the embeddings (nodes, d) by node type after the step."""
        normed = {name: norm(flat[name]) for name, norm in self.norm.items()}
        heard = {name: [normed[name]] for name in self.takers}
        for edge, way in self.ways:
            source, target, features = union.links[edge.name]
            sender, taker = _ends_of(edge, way)
            given, taken = (source, target) if way else (target, source)
            message = normed[sender].index_select(0, given)
            if features is not None:
                message = message + self.attr[f"{edge.name}_{'to' if way else 'back'}"](features)
            heard[taker].append(scatter(message, taken, dim=0, dim_size=len(flat[taker]), reduce="mean"))
        if self.whole:
            whole = sum(
                self.pool[name](scatter(normed[name], union.row[name], dim=0, dim_size=union.rows, reduce="mean"))
                for name in self.whole
            )
            for name in self.takers:
                heard[name].append(whole.index_select(0, union.row[name]))
        return {**flat, **{name: flat[name] + self.mix[name](torch.cat(heard[name], -1)) for name in self.takers}}


def _ends_of(edge: Edge, way: bool) -> tuple[str, str]:
    """Return the node types of sender and taker."""
    return (edge.source, edge.target) if way else (edge.target, edge.source)
