"""Messages along edges by gather and scatter, for every edge in both directions; linear in nodes and edges."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganttlet.core.errors import InputError
from ganttlet_agents.policy.batch import GraphBatch, masked_mean
from ganttlet_agents.policy.encoders.base import Encoded
from ganttlet_agents.policy.schema import Schema


class PointerEncoder(nn.Module):
    """``layers`` rounds: a node takes up the mean of its neighbours over each edge type, and the mean of its type."""

    def __init__(self, schema: Schema, width: int, layers: int, hidden: int) -> None:
        super().__init__()
        self.edges = [edge for edge in schema.edges if edge.kind != "dense"]
        if len(self.edges) < len(schema.edges):
            raise InputError("encoder 'pointer': it reads no dense edges; use encoder 'attention'")
        self.layers = nn.ModuleList(_Round(schema, width, hidden) for _ in range(layers))

    def forward(self, batch: GraphBatch, nodes: dict[str, Tensor]) -> Encoded:
        """Return the embeddings after all rounds."""
        links = {edge.name: _ends(batch, edge.name) for edge in self.edges}
        for layer in self.layers:
            nodes = layer(batch, nodes, links)
        return Encoded(nodes)


class _Round(nn.Module):
    def __init__(self, schema: Schema, width: int, hidden: int) -> None:
        super().__init__()
        self.edges = [edge for edge in schema.edges if edge.kind != "dense"]
        self.sent = nn.ModuleDict({edge.name: nn.Linear(width, width, bias=False) for edge in self.edges})
        self.back = nn.ModuleDict({edge.name: nn.Linear(width, width, bias=False) for edge in self.edges})
        self.attr = nn.ModuleDict({e.name: nn.Linear(e.features, width, bias=False) for e in self.edges if e.features})
        self.norm = nn.ModuleDict({name: nn.LayerNorm(width) for name in schema.nodes})
        self.pool = nn.ModuleDict({name: nn.Linear(width, width) for name in schema.nodes})
        self.mix = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
                for name in schema.nodes
            }
        )

    def forward(
        self, batch: GraphBatch, nodes: dict[str, Tensor], links: dict[str, tuple[Tensor, Tensor, Tensor]]
    ) -> dict[str, Tensor]:
        normed = {name: self.norm[name](value) for name, value in nodes.items()}
        taken = {
            name: value + self.pool[name](masked_mean(value, batch.masks[name])).unsqueeze(1)
            for name, value in normed.items()
        }
        for edge in self.edges:
            row, source, target = links[edge.name]
            to, back = self.sent[edge.name](normed[edge.source]), self.back[edge.name](normed[edge.target])
            there, here = to[row, source], back[row, target]
            if edge.name in self.attr:
                values = batch.edges[edge.name]
                given = values[row, source] if edge.kind == "pointer" else _of_list(batch, edge.name, values)
                extra = self.attr[edge.name](torch.asinh(given))
                there, here = there + extra, here + extra
            taken[edge.target] = taken[edge.target] + _mean_at(there, row, target, nodes[edge.target])
            taken[edge.source] = taken[edge.source] + _mean_at(here, row, source, nodes[edge.source])
        return {name: nodes[name] + self.mix[name](taken[name]) for name in nodes}


def _ends(batch: GraphBatch, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return row, source and target (edges,) of the real edges of a type."""
    if name in batch.pointers:
        row, source = (batch.pointers[name] >= 0).nonzero(as_tuple=True)
        return row, source, batch.pointers[name][row, source]
    index = batch.lists[name]
    row, at = (index >= 0).all(1).nonzero(as_tuple=True)
    return row, index[row, 0, at], index[row, 1, at]


def _of_list(batch: GraphBatch, name: str, values: Tensor) -> Tensor:
    row, at = (batch.lists[name] >= 0).all(1).nonzero(as_tuple=True)
    return values[row, at]


def _mean_at(messages: Tensor, row: Tensor, node: Tensor, like: Tensor) -> Tensor:
    """Return (B, N, d): the mean of the messages (edges, d) that arrive at each node; 0 where none does."""
    rows, count, width = like.shape
    place = row * count + node
    total = messages.new_zeros((rows * count, width)).index_add(0, place, messages)
    number = messages.new_zeros(rows * count).index_add(0, place, torch.ones_like(place, dtype=messages.dtype))
    return (total / number.clamp(min=1.0).unsqueeze(-1)).view(rows, count, width)
