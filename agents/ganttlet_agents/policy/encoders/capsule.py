"""Graph capsule convolution over nodes in the plane, each node type in a graph of its own.

All nodes of a type that have a position are joined, by the weight A_ij = 1 / (1 + |x_i - x_j|) of nodes i and j at
x_i and x_j. A layer works with L = I - D^-1 A, D the row sums of A, hops k = 0 … 2 and moments p = 1 … 3:

    F0 = norm(X) W0,  F1 = tanh(C W1 + b1),  out = X + tanh(F1 W2 + b2)

with X the embeddings of the nodes and C the concatenation of all L^k F0^p, powers of F0 elementwise. L is the
random-walk Laplacian and not D - A, whose entries grow with the number of nodes: L x is x minus a weighted mean of the
others, so what a layer returns is of one size for 5 nodes as for 250.

A node's position are its features ``x`` and ``y``. Nodes without them that point at such nodes are where they point:
aircraft stand at ports, and those of one port are at distance 0. They hear one another by way of what they point at,
so that the cost is nodes x targets and not the square. A node that points at none hears nothing of the others.

Before the layers, the hours of time series among the features are added (``series.py``). After them, every node takes
up the mean of each node type. Edges are read for positions alone.

Source: capsules and moments after Verma and Zhang 2018 (graph capsule networks) and, for fleets, CapTAIN (arXiv
2401.04851), of which the abstract could be read, and its author's earlier public code, which has one moment and the
Laplacian D - A. The residual, the norm and the normalised Laplacian are ours.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ganttlet.core.errors import InputError
from ganttlet_agents.policy.batch import GraphBatch, masked_mean
from ganttlet_agents.policy.encoders.base import Encoded
from ganttlet_agents.policy.encoders.series import SeriesEncoder, series_columns
from ganttlet_agents.policy.schema import Schema

MOMENTS, HOPS = 3, 2


class Laplacian(NamedTuple):
    """L = I - D^-1 A of the complete graph of a node type, without its square where nodes are at places of another.

    Fields:
        matrix: (B, N, N), L; or (B, N, P), what it does not share with ``own``, as the product with ``into``.
        into: (B, P, N), or None.
        own: (B, N, 1): L = own I + matrix into; None without ``into``.
    """

    matrix: Tensor
    into: Tensor | None = None
    own: Tensor | None = None

    def add(self, x: Tensor, given: Tensor) -> Tensor:
        """Return ``given`` + L x, both (B, N, d)."""
        if self.into is None or self.own is None:
            return torch.baddbmm(given, self.matrix, x)
        return torch.baddbmm(torch.addcmul(given, self.own, x), self.matrix, self.into @ x)


def laplacian(position: Tensor, mask: Tensor, pointer: Tensor | None = None) -> Laplacian:
    """Return that of the nodes at ``position`` (B, P, 2), or of those that point at them.

    Args:
        position: of the places.
        mask: (B, P) bool, which places are there.
        pointer: (B, N) int64, the place of each node, -1 for none; None where the nodes are the places.
    """
    gap = (position.unsqueeze(2) - position.unsqueeze(1)).square().sum(-1).sqrt()
    near = (1 / (1 + gap)) * (mask.unsqueeze(2) & mask.unsqueeze(1))
    unit = torch.eye(near.shape[1], device=near.device, dtype=near.dtype)
    if pointer is None:
        near = near * (1 - unit)
        return Laplacian(unit - near / _degree(near.sum(2, keepdim=True)))
    at = (pointer.unsqueeze(2) == torch.arange(near.shape[1], device=near.device)).to(near.dtype)
    into = near @ at.transpose(1, 2)
    there = at.sum(2, keepdim=True)
    degree = _degree(at @ into.sum(2, keepdim=True) - there)
    # Each node is among those at its place, and hears all but itself.
    return Laplacian(at / -degree, into, 1 + there / degree)


def _degree(total: Tensor) -> Tensor:
    """Return row sums, 1 for nodes that hear none: their sum may be off 0 by rounding, others are far from it."""
    return total.masked_fill(total < 1e-4, 1.0)


class CapsuleLayer(nn.Module):
    """See the module; F0 and F1 have half the width of an embedding.

    Weights come before hops, which are then of one width and not of MOMENTS.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        narrow = max(1, width // 2)
        self.norm, self.first = nn.LayerNorm(width), nn.Linear(width, narrow, bias=False)
        self.second = nn.Linear(MOMENTS * narrow, (HOPS + 1) * narrow, bias=False)
        self.shift = nn.Parameter(torch.zeros(narrow))
        self.third = nn.Linear(narrow, width)

    def forward(self, x: Tensor, graph: Laplacian) -> Tensor:
        """Return the embeddings (B, N, d) after the layer."""
        capsule = self.first(self.norm(x))
        square = capsule * capsule
        hops = self.second(torch.cat([capsule, square, square * capsule], -1)).chunk(HOPS + 1, -1)
        mixed = hops[HOPS]
        for hop in reversed(range(HOPS)):
            mixed = graph.add(mixed, hops[hop])
        return x + torch.tanh(self.third(torch.tanh(mixed + self.shift)))


class CapsuleEncoder(nn.Module):
    """See the module.

    Raises:
        InputError: for a node type without positions that points at none with them.
    """

    def __init__(self, schema: Schema, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.axes = {name: _axes(schema, name) for name in schema.nodes}
        self.places = {name: self._place(schema, name) for name in schema.nodes}
        columns = {name: series_columns(schema.columns(name)) for name in schema.nodes}
        self.series = nn.ModuleDict({name: SeriesEncoder(some, width, heads) for name, some in columns.items() if some})
        self.layers = nn.ModuleDict(
            {name: nn.ModuleList(CapsuleLayer(width) for _ in range(layers)) for name in schema.nodes}
        )
        self.pool = nn.ModuleDict({name: nn.Linear(width, width, bias=False) for name in schema.nodes})

    def _place(self, schema: Schema, name: str) -> tuple[str, str | None]:
        """Return the node type whose positions nodes ``name`` have, and the pointer edge to it, None for themselves."""
        if self.axes[name]:
            return name, None
        for edge in schema.edges:
            if edge.kind == "pointer" and edge.source == name and self.axes[edge.target]:
                return edge.target, edge.name
        raise InputError(
            f"encoder 'capsule': nodes {name!r} have no features 'x' and 'y' and point at no nodes that have; use "
            "encoder 'attention' or 'pointer', or an observation with positions"
        )

    def forward(self, batch: GraphBatch, nodes: dict[str, Tensor]) -> Encoded:
        """Return the embeddings after the layers and the means."""
        found = dict(nodes)
        for name, encoder in self.series.items():
            found[name] = found[name] + encoder(batch.nodes[name])
        for name, layers in self.layers.items():
            place, edge = self.places[name]
            position = batch.nodes[place][..., self.axes[place]]
            graph = laplacian(position, batch.masks[place], None if edge is None else batch.pointers[edge])
            for layer in layers:  # type: ignore[attr-defined]
                found[name] = layer(found[name], graph)
        means = [net(masked_mean(found[name], batch.masks[name])) for name, net in self.pool.items()]
        whole = torch.stack(means).sum(0).unsqueeze(1)
        return Encoded({name: value + whole for name, value in found.items()})


def _axes(schema: Schema, name: str) -> list[int]:
    """Return the columns of ``x`` and ``y``, none if the node type lacks either."""
    names = schema.columns(name)
    return [names.index("x"), names.index("y")] if {"x", "y"} <= set(names) else []
