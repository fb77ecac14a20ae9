"""The part of a graph that never changes within an episode, embedded by itself and read through pointers.

It consists of the node types that have static features alone, and of the edges between them. Such a type must be fixed,
and such an edge static, in the GraphSpec.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ganttlet.core.errors import InputError
from ganttlet.core.graph import GraphSpec
from ganttlet_agents.policy.batch import Obs, masked_mean, prepare_static
from ganttlet_agents.policy.config import NetworkConfig
from ganttlet_agents.policy.encoders.pointer import PointerEncoder
from ganttlet_agents.policy.schema import Edge, Schema


@dataclass(frozen=True)
class Split:
    """A schema in two.

    Fields:
        moving: what changes.
        fixed: what does not: nodes and edges alone.
        links: pointer edges from moving to fixed nodes.
        focus: focus pointers to fixed nodes.
    """

    moving: Schema
    fixed: Schema
    links: tuple[Edge, ...]
    focus: dict[str, str]


def split(schema: Schema) -> Split:
    """Return the parts of ``schema``.

    Raises:
        InputError: if nothing never changes, or the two are linked by anything but pointers without features.
    """
    data = schema.data
    fixed = [name for name, node in data["nodes"].items() if node["static_features"] and not node["features"]]
    if not fixed or len(fixed) == len(data["nodes"]):
        raise InputError(
            "network: static_rounds: this observation has no node types of static features alone, beside others; "
            "expected 0"
        )
    inner, outer, links = {}, {}, []
    for edge in schema.edges:
        ends = [edge.source in fixed, edge.target in fixed]
        if all(ends):
            inner[edge.name] = data["edges"][edge.name]
        elif not any(ends):
            outer[edge.name] = data["edges"][edge.name]
        elif edge.kind == "pointer" and ends[1] and not edge.features:
            links.append(edge)
        else:
            raise InputError(
                f"network: static_rounds: edge {edge.name!r} joins nodes that change with nodes that do not; only "
                "pointers from the former, without features, can be read"
            )
    for segment in schema.segments:
        if segment.over in [*fixed, *inner, *(edge.name for edge in links)]:
            raise InputError(f"network: static_rounds: actions point at {segment.over!r}, which never changes")

    def part(names: Iterable[str], edges: Mapping[str, Any], rest: Mapping[str, Any]) -> Schema:
        return Schema({**data, **rest, "nodes": {name: data["nodes"][name] for name in names}, "edges": edges})

    others = [name for name in data["nodes"] if name not in fixed]
    inside = {name: target for name, target in schema.focus.items() if target not in fixed}
    nothing: dict[str, Any] = {"context": [], "focus": {}, "phases": [], "segments": [], "pictures": {}}
    return Split(
        part(others, outer, {"focus": inside}),
        part(fixed, inner, nothing),
        tuple(links),
        {name: target for name, target in schema.focus.items() if target in fixed},
    )


def check_static(graph: GraphSpec) -> None:
    """Raise InputError if what a network takes to be constant within an episode is not declared so."""
    fixed = split(Schema.of(graph)).fixed
    for node in graph.nodes:
        if node.name in fixed.nodes and not node.fixed:
            raise InputError(f"network: static_rounds: node type {node.name!r} may come and go; expected fixed=True")
    for edge in graph.edges:
        if fixed.edge(edge.name) is not None and not edge.static:
            raise InputError(f"network: static_rounds: edge {edge.name!r} may change; expected static=True")


@dataclass
class Embedded:
    """What rows read of their instances.

    Fields:
        nodes: node type -> (M, d), the nodes of several instances, one instance after the other; zeros where masked.
        first, count: node type -> (B,) int64, where those of each row's instance begin, and how many they are.
        pooled: node type -> (B, d), their mean.
    """

    nodes: dict[str, Tensor]
    first: dict[str, Tensor]
    count: dict[str, Tensor]
    pooled: dict[str, Tensor]

    def take(self, name: str, index: Tensor) -> Tensor:
        """Return the embeddings (B, I, d) of the nodes ``index`` (B, I); zeros where there is none."""
        there = (index >= 0) & (index < self.count[name].unsqueeze(1))
        at = torch.where(there, index + self.first[name].unsqueeze(1), 0)
        found = self.nodes[name].index_select(0, at.reshape(-1)).view(*index.shape, -1)
        return found * there.unsqueeze(-1)


class StaticEncoder(nn.Module):
    """Messages along the edges of the static part, by the layers of encoder ``pointer``."""

    def __init__(self, schema: Schema, config: NetworkConfig) -> None:
        super().__init__()
        self.schema = schema
        width, hidden = config.width, config.hidden
        self.inputs = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(count, hidden), nn.ReLU(), nn.Linear(hidden, width))
                for name, count in schema.nodes.items()
            }
        )
        self.encoder = PointerEncoder(schema, width, config.static_rounds, hidden)

    def forward(self, blocks: Obs) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the embeddings (I, N, d) of each node type, zeros where masked, and their means (I, d)."""
        batch = prepare_static(self.schema, blocks)
        nodes = {name: net(torch.asinh(batch.nodes[name])) for name, net in self.inputs.items()}
        found = self.encoder(batch, nodes).nodes
        pooled = {name: masked_mean(value, batch.masks[name]) for name, value in found.items()}
        return {name: value * batch.masks[name].unsqueeze(-1) for name, value in found.items()}, pooled

    def embed(self, blocks: Obs, row: Tensor | None = None) -> Embedded:
        """Return what rows read; row b is of instance ``row[b]`` of ``blocks``, of number b if None."""
        found, pooled = self(blocks)
        one = next(iter(found.values()))
        at = torch.arange(len(one), device=one.device) if row is None else row
        return Embedded(
            {name: value.flatten(0, 1) for name, value in found.items()},
            {name: at * value.shape[1] for name, value in found.items()},
            {name: torch.full_like(at, value.shape[1]) for name, value in found.items()},
            {name: value.index_select(0, at) for name, value in pooled.items()},
        )
