"""Messages along every list and pointer edge in both directions, by gather and scatter; linear in nodes and edges."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganttlet_agents.policy.batch import GraphBatch, masked_mean
from ganttlet_agents.policy.edges import Ends, ends, mean_at
from ganttlet_agents.policy.encoders.base import Encoded
from ganttlet_agents.policy.schema import Schema


class PointerEncoder(nn.Module):
    """``layers`` rounds: a node takes up the mean of its neighbours over each edge type, and the mean of its type."""

    def __init__(self, schema: Schema, width: int, layers: int, hidden: int) -> None:
        super().__init__()
        self.edges = [edge for edge in schema.edges if edge.kind != "dense"]
        self.layers = nn.ModuleList(_Round(schema, width, hidden) for _ in range(layers))

    def forward(self, batch: GraphBatch, nodes: dict[str, Tensor]) -> Encoded:
        """Return the embeddings after all rounds."""
        links = {edge.name: ends(batch, edge.name) for edge in self.edges}
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

    def forward(self, batch: GraphBatch, nodes: dict[str, Tensor], links: dict[str, Ends]) -> dict[str, Tensor]:
        normed = {name: self.norm[name](value) for name, value in nodes.items()}
        taken = {
            name: value + self.pool[name](masked_mean(value, batch.masks[name])).unsqueeze(1)
            for name, value in normed.items()
        }
        for edge in self.edges:
            row, source, target, slot = links[edge.name]
            to, back = self.sent[edge.name](normed[edge.source]), self.back[edge.name](normed[edge.target])
            there, here = to[row, source], back[row, target]
            if edge.name in self.attr:
                extra = self.attr[edge.name](torch.asinh(batch.edges[edge.name][row, slot]))
                there, here = there + extra, here + extra
            taken[edge.target] = taken[edge.target] + mean_at(there, row, target, nodes[edge.target])
            taken[edge.source] = taken[edge.source] + mean_at(here, row, source, nodes[edge.source])
        return {name: nodes[name] + self.mix[name](taken[name]) for name in nodes}
