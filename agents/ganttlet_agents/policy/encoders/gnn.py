"""Hetero message passing of torch-geometric: GraphSAGE over every list and pointer edge, in both directions.

It has no place for edge features: only the head reads those, of the edges that are action segments.

Source: Hamilton, Ying and Leskovec 2017 (GraphSAGE).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet_agents.policy.batch import GraphBatch
from ganttlet_agents.policy.edges import union_edges, union_numbers
from ganttlet_agents.policy.encoders.base import Encoded
from ganttlet_agents.policy.schema import Schema

try:
    from torch_geometric.nn import HeteroConv, SAGEConv
except ImportError:
    raise MissingExtraError("torch-geometric", "agents") from None


class GnnEncoder(nn.Module):
    """``layers`` rounds with a residual; the rows of a batch are one disjoint union of graphs, without padding."""

    def __init__(self, schema: Schema, width: int, layers: int) -> None:
        super().__init__()
        self.edges = [edge for edge in schema.edges if edge.kind != "dense"]
        if not self.edges:
            raise InputError(
                "encoder 'gnn': this observation has no list or pointer edges, and it reads nothing else; use encoder "
                "'attention' or 'pointer', or an observation with such edges"
            )
        segments = {segment.over for segment in schema.segments}
        for edge in self.edges:
            if edge.features and edge.name not in segments:
                raise InputError(
                    f"encoder 'gnn': edge {edge.name!r} has features, which GraphSAGE does not read; use encoder "
                    "'pointer'"
                )
        self.convs = nn.ModuleList(HeteroConv(self._layer(width), aggr="sum") for _ in range(layers))
        self.norms = nn.ModuleList(
            nn.ModuleDict({name: nn.LayerNorm(width) for name in schema.nodes}) for _ in range(layers)
        )

    def _layer(self, width: int) -> dict[tuple[str, str, str], nn.Module]:
        layer: dict[tuple[str, str, str], nn.Module] = {}
        for edge in self.edges:
            layer[edge.source, edge.name, edge.target] = SAGEConv(width, width)
            layer[edge.target, f"rev_{edge.name}", edge.source] = SAGEConv(width, width)
        return layer

    def forward(self, batch: GraphBatch, nodes: dict[str, Tensor]) -> Encoded:
        """Return the embeddings after all rounds."""
        numbers, flat = {}, {}
        for name, mask in batch.masks.items():
            numbers[name] = union_numbers(mask)
            flat[name] = nodes[name][mask]
        links = {}
        for edge in self.edges:
            ends = batch.pointers[edge.name] if edge.kind == "pointer" else batch.lists[edge.name]
            index, _ = union_edges(ends, numbers[edge.source], numbers[edge.target])
            links[edge.source, edge.name, edge.target] = index
            links[edge.target, f"rev_{edge.name}", edge.source] = index.flip(0)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            normed = {name: norm[name](value) for name, value in flat.items()}  # type: ignore[index]
            got = conv(normed, links)
            flat = {name: value + torch.relu(got[name]) if name in got else value for name, value in flat.items()}
        out = {}
        for name, mask in batch.masks.items():
            out[name] = torch.zeros_like(nodes[name]).masked_scatter(mask.unsqueeze(-1), flat[name])
        return Encoded(out)
