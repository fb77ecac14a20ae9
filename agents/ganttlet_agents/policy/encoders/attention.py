"""A masked transformer over the nodes that actions point at; others come in along edges that end at those.

A token takes up the node it points at and, over every other list or pointer edge with an end at a token, the mean of
its neighbours; with the features of the edges. Two tokens whose pointers meet in one node (two jobs that need one
machine), or of which one points at the other, get a learned bias per head. Nodes that are no tokens keep the embedding
they came with, and edges among them are not read.

Where actions point at nodes, and none at edges, the last layer is evaluated for the candidate actions alone: a token
that no legal action points at is read by the others but needs no output of its own, and what is pooled is the layer
before. Elsewhere every layer is evaluated for all tokens. Source of the layer: Vaswani et al. 2017; pre-norm form:
Xiong et al. 2020.
"""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ganttlet.core.errors import InputError
from ganttlet_agents.policy.batch import GraphBatch, rank, take
from ganttlet_agents.policy.edges import ends, mean_at
from ganttlet_agents.policy.encoders.base import Encoded
from ganttlet_agents.policy.schema import Edge, Schema

LIMIT = 512


class Attention(nn.Module):
    """One pre-norm layer: queries (B, Q, d) read keys (B, K, d) under a mask and relation biases."""

    def __init__(self, width: int, heads: int, hidden: int, relations: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm_ff = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.pair = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        self.ff = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.bias = nn.Parameter(torch.zeros(heads, relations))

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor, relations: list[Tensor]) -> Tensor:
        """Return the queries updated; ``mask`` (B, K) bool, ``relations`` (B, Q, K) bool each."""
        rows, count, width = queries.shape
        normed = self.norm(keys)
        asked = normed if queries is keys else self.norm(queries)
        q = self.query(asked).view(rows, count, self.heads, -1).transpose(1, 2)
        k, v = self.pair(normed).view(rows, keys.shape[1], 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        score = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
        for at, relation in enumerate(relations):
            score = score + self.bias[:, at].view(1, -1, 1, 1) * relation.unsqueeze(1)
        score = score.masked_fill(~mask[:, None, None, :], -1e9)
        mixed = (score.softmax(-1) @ v).transpose(1, 2).reshape(rows, count, width)
        queries = queries + self.out(mixed)
        return cast(Tensor, queries + self.ff(self.norm_ff(queries)))


class Marks(NamedTuple):
    """What makes tokens meet, by one pointer edge: where each points, and which node of the target type it is.

    Fields:
        points: (B, T) int64, -1 for none.
        own: likewise; None where the target type is no token.
    """

    points: Tensor
    own: Tensor | None

    def at(self, index: Tensor) -> Marks:
        """Return those of some tokens (B, Q)."""
        return Marks(self.points.gather(1, index), None if self.own is None else self.own.gather(1, index))


class AttentionEncoder(nn.Module):
    """See the module; ``lazy`` is whether the last of ``layers`` is the candidates' alone."""

    def __init__(self, schema: Schema, width: int, layers: int, heads: int, hidden: int) -> None:
        super().__init__()
        if width % heads:
            raise InputError(f"network: width {width} is not a multiple of heads {heads}")
        self.tokens = schema.tokens
        pointed = {segment.over for segment in schema.segments}
        self.lazy = not pointed.isdisjoint(schema.nodes) and pointed.isdisjoint(edge.name for edge in schema.edges)
        self.links = [edge for edge in schema.edges if edge.kind == "pointer" and edge.source in self.tokens]
        self.gather = nn.ModuleDict({edge.name: nn.Linear(width, width, bias=False) for edge in self.links})
        self.kind = nn.Parameter(torch.zeros(len(self.tokens), width))
        self.layers = nn.ModuleList(Attention(width, heads, hidden, len(self.links)) for _ in range(layers))
        others = [edge for edge in schema.edges if edge.kind != "dense" and edge not in self.links]
        sent = [edge for edge in others if edge.target in self.tokens]
        back = [edge for edge in others if edge.source in self.tokens]
        self.others = [edge for edge in others if edge.target in self.tokens or edge.source in self.tokens]
        self.sent = nn.ModuleDict({edge.name: nn.Linear(width, width, bias=False) for edge in sent})
        self.back = nn.ModuleDict({edge.name: nn.Linear(width, width, bias=False) for edge in back})
        read = [edge for edge in (*self.links, *self.others) if edge.features]
        self.attr = nn.ModuleDict({edge.name: nn.Linear(edge.features, width, bias=False) for edge in read})

    def forward(self, batch: GraphBatch, nodes: dict[str, Tensor]) -> Encoded:
        """Return the embeddings, if ``lazy`` those before the last layer; raises InputError for too many tokens."""
        sizes = [nodes[name].shape[1] for name in self.tokens]
        if sum(sizes) > LIMIT:
            raise InputError(
                f"encoder 'attention': {sum(sizes)} nodes ({', '.join(self.tokens)}), but its cost grows with their "
                f"square and it takes at most {LIMIT}; train with encoder 'pointer' or 'gnn'"
            )
        taken = self._taken(batch, nodes)
        x = _join([taken[name] for name in self.tokens])
        mask = _join([batch.masks[name] for name in self.tokens])
        marks = [self._marks(batch, edge) for edge in self.links]
        full = self.layers[:-1] if self.lazy else self.layers
        relations = [_meet(one, one) for one in marks] if len(full) else []
        for layer in full:
            x = layer(x, x, mask, relations)
        found = {**nodes, **dict(zip(self.tokens, torch.split(x, sizes, 1), strict=True))}
        if not self.lazy:
            return Encoded(found)

        def refine(name: str, row: Tensor, item: Tensor, embedded: Tensor) -> Tensor:
            column = rank(row, len(x))
            width = int(column.max()) + 1 if len(column) else 1
            at = item.new_zeros((len(x), width))
            at[row, column] = item + sum(sizes[: self.tokens.index(name)])
            asked = embedded.new_zeros((len(x), width, embedded.shape[1])).index_put((row, column), embedded)
            met = [_meet(one.at(at), one) for one in marks]
            return cast(Tensor, self.layers[-1](asked, x, mask, met))[row, column]

        return Encoded(found, self.tokens, refine)

    def _taken(self, batch: GraphBatch, nodes: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tokens of each type (B, N, d) as they enter the first layer."""
        taken = {}
        for at, name in enumerate(self.tokens):
            token = nodes[name] + self.kind[at]
            for edge in self.links:
                if edge.source == name:
                    pointer = batch.pointers[edge.name]
                    token = token + take(self.gather[edge.name](nodes[edge.target]), pointer)
                    if edge.features:
                        given = self.attr[edge.name](torch.asinh(batch.edges[edge.name]))
                        token = token + given * (pointer >= 0).unsqueeze(-1)
            taken[name] = token
        for edge in self.others:
            row, source, target, slot = ends(batch, edge.name)
            extra = self.attr[edge.name](torch.asinh(batch.edges[edge.name][row, slot])) if edge.features else 0.0
            for ways, here, there, to, other in (
                (self.sent, edge.target, edge.source, target, source),
                (self.back, edge.source, edge.target, source, target),
            ):
                if edge.name in ways:
                    message = ways[edge.name](nodes[there])[row, other] + extra
                    taken[here] = taken[here] + mean_at(message, row, to, taken[here])
        return taken

    def _marks(self, batch: GraphBatch, edge: Edge) -> Marks:
        """Return what makes tokens meet by ``edge``; -1 for tokens of types that it does not concern."""
        none = {name: torch.full_like(batch.masks[name], -1, dtype=torch.int64) for name in self.tokens}
        points = _join([batch.pointers[edge.name] if name == edge.source else none[name] for name in self.tokens])
        if edge.target not in self.tokens:
            return Marks(points, None)
        own = torch.arange(none[edge.target].shape[1], device=points.device).expand_as(none[edge.target])
        return Marks(points, _join([own if name == edge.target else none[name] for name in self.tokens]))


def _join(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts, 1) if len(parts) > 1 else parts[0]


def _meet(queries: Marks, keys: Marks) -> Tensor:
    """Return (B, Q, K) bool: both point at one node, or one at the other."""
    found = _equal(queries.points, keys.points)
    if queries.own is not None and keys.own is not None:
        found = found | _equal(queries.points, keys.own) | _equal(queries.own, keys.points)
    return found


def _equal(queries: Tensor, keys: Tensor) -> Tensor:
    return (queries.unsqueeze(2) == keys.unsqueeze(1)) & (queries >= 0).unsqueeze(2)
