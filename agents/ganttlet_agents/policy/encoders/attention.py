"""A masked transformer over the nodes that actions point at; other nodes come in along pointer edges.

The last layer is evaluated only for candidate actions: a token that no legal action points at is read by the others
but needs no output of its own. Two tokens whose pointers meet in one node (two jobs that need one machine) get a
learned bias per head. Source of the layer: Vaswani et al. 2017; pre-norm form: Xiong et al. 2020.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from ganttlet.core.errors import InputError
from ganttlet_agents.policy.batch import GraphBatch, take
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


class AttentionEncoder(nn.Module):
    """See the module; ``layers`` counts the candidates' layer, which is always the last."""

    def __init__(self, schema: Schema, width: int, layers: int, heads: int, hidden: int) -> None:
        super().__init__()
        if width % heads:
            raise InputError(f"network: width {width} is not a multiple of heads {heads}")
        self.tokens = schema.tokens
        self.links = [edge for edge in schema.edges if edge.kind == "pointer" and edge.source in self.tokens]
        self.gather = nn.ModuleDict({edge.name: nn.Linear(width, width, bias=False) for edge in self.links})
        self.kind = nn.Parameter(torch.zeros(len(self.tokens), width))
        self.layers = nn.ModuleList(Attention(width, heads, hidden, len(self.links)) for _ in range(layers))

    def forward(self, batch: GraphBatch, nodes: dict[str, Tensor]) -> Encoded:
        """Return the embeddings after all layers but the last; raises InputError for too many tokens."""
        sizes = [nodes[name].shape[1] for name in self.tokens]
        if sum(sizes) > LIMIT:
            raise InputError(
                f"encoder 'attention': {sum(sizes)} nodes ({', '.join(self.tokens)}), but its cost grows with their "
                f"square and it takes at most {LIMIT}; train with encoder 'pointer' or 'gnn'"
            )
        parts = []
        for at, name in enumerate(self.tokens):
            token = nodes[name] + self.kind[at]
            for edge in self.links:
                if edge.source == name:
                    token = token + take(self.gather[edge.name](nodes[edge.target]), batch.pointers[edge.name])
            parts.append(token)
        x = _join(parts)
        mask = _join([batch.masks[name] for name in self.tokens])
        targets = [self._target(batch, edge) for edge in self.links]
        relations = [_meet(one, one) for one in targets] if len(self.layers) > 1 else []
        for layer in self.layers[:-1]:
            x = layer(x, x, mask, relations)

        def refine(name: str, items: Tensor, embedded: Tensor) -> Tensor:
            at = items + sum(sizes[: self.tokens.index(name)])
            met = [_meet(target.gather(1, at), target) for target in targets]
            return cast(Tensor, self.layers[-1](embedded, x, mask, met))

        return Encoded({**nodes, **dict(zip(self.tokens, torch.split(x, sizes, 1), strict=True))}, self.tokens, refine)

    def _target(self, batch: GraphBatch, edge: Edge) -> Tensor:
        """Return each token's pointer (B, T); -1 for tokens of other types."""
        pointer = batch.pointers[edge.name]
        return _join(
            [pointer if name == edge.source else pointer.new_full(batch.masks[name].shape, -1) for name in self.tokens]
        )


def _join(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts, 1) if len(parts) > 1 else parts[0]


def _meet(queries: Tensor, keys: Tensor) -> Tensor:
    """Return (B, Q, K) bool: both pointers are set and equal."""
    return (queries.unsqueeze(2) == keys.unsqueeze(1)) & (queries >= 0).unsqueeze(2)
