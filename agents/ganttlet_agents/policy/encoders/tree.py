"""Attention inside trees: a node and those that point at it, such as a host and its VMs; linear in the nodes below.

The trees are those of the first pointer edge between two node types that actions point at. A layer (pre-norm) has three
parts. Inside each tree the root and its members attend to one another; a member without a root attends to itself alone.
The roots of a row, joined by a token of the context, attend to one another. Each member takes up what its root (the
context's token, if it has none) is by then. Every part ends in a residual, and roots and members have feed-forward
parts of their own. Other nodes keep the embedding they came with, and other edges are not read.

Source: the tree-local attention of VMR2L (EuroSys 2025), as its public code (zhykoties/VMR2L_eurosys) has it. Members
there also attend to all members, at a cost that grows with their square; here the way over root and root is our linear
replacement, and the full variant is not built. No mask over pairs is built either: the tokens are sorted by the size
of their tree, and trees of equal size are attended to in one piece, without padding.

Where actions point at members, and none at edges, members take up the last layer only where legal actions point at
them; what is pooled of the others is the layer before.
"""

from __future__ import annotations

import math
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ganttlet.core.errors import InputError
from ganttlet_agents.policy.batch import GraphBatch
from ganttlet_agents.policy.encoders.base import Encoded
from ganttlet_agents.policy.schema import Edge, Schema


class Forest(NamedTuple):
    """The trees of a batch as one list of T tokens: tree by tree, the root first, small trees before large ones.

    Roots stand among the B (P + 1) tops, a row's context before its roots; the M real members row by row.

    Fields:
        tokens: (T,) int64, where each token is found in [tops, members].
        sizes: (trees, tokens of each) for every size that occurs, and size 1.
        roots: (R,) int64, tokens that are roots.
        tops: (R,) int64, where those are among the tops.
        members: (M,) int64, the token of each member.
        above: (M,) int64, the top that each member reads: its root, or the context if it has none.
    """

    tokens: Tensor
    sizes: list[tuple[int, int]]
    roots: Tensor
    tops: Tensor
    members: Tensor
    above: Tensor


def plant(roots: Tensor, members: Tensor, pointer: Tensor) -> Forest:
    """Return the trees of ``pointer`` (B, N), -1 for none, by the masks ``roots`` (B, P) and ``members`` (B, N)."""
    rows, count = roots.shape
    row, item = members.nonzero(as_tuple=True)
    above = row * (count + 1) + pointer[row, item] + 1
    root = roots.nonzero()
    tops = root[:, 0] * (count + 1) + root[:, 1] + 1
    # A tree goes by the number of its top; a member alone is a tree by a number of its own.
    alone = (pointer[row, item] < 0).nonzero().squeeze(1)
    tree = torch.cat([tops, above])
    tree[len(tops) + alone] = rows * (count + 1) + torch.arange(len(alone), device=alone.device)
    size = torch.bincount(tree, minlength=1)
    order = (size[tree] * len(size) + tree).argsort(stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device)
    found = torch.cat([tops, rows * (count + 1) + torch.arange(len(above), device=above.device)])
    number = torch.bincount(size, minlength=2).tolist()
    sizes = [(trees, tokens) for tokens, trees in enumerate(number[1:], 1) if trees or tokens == 1]
    return Forest(found[order], sizes, place[: len(tops)], tops, place[len(tops) :], above)


class TreeEncoder(nn.Module):
    """See the module; ``lazy`` is whether the last of ``layers`` is the candidates' alone.

    Raises:
        InputError: if no pointer edge joins two node types that actions point at.
    """

    def __init__(self, schema: Schema, width: int, layers: int, heads: int, hidden: int) -> None:
        super().__init__()
        if width % heads:
            raise InputError(f"network: width {width} is not a multiple of heads {heads}")
        self.edge = _tree_edge(schema)
        pointed = {segment.over for segment in schema.segments}
        self.lazy = self.edge.source in pointed and pointed.isdisjoint(edge.name for edge in schema.edges)
        self.attr = nn.Linear(self.edge.features, width, bias=False) if self.edge.features else None
        self.token = nn.Parameter(torch.zeros(width))
        self.context = nn.Linear(schema.context, width, bias=False) if schema.context else None
        self.layers = nn.ModuleList(_Layer(width, heads, hidden) for _ in range(layers))

    def forward(self, batch: GraphBatch, nodes: dict[str, Tensor]) -> Encoded:
        """Return the embeddings, if ``lazy`` those of members before the last layer."""
        below, above = self.edge.source, self.edge.target
        pointer, mask = batch.pointers[self.edge.name], batch.masks[below]
        forest = plant(batch.masks[above], mask, pointer)
        token = self.token.expand(len(mask), -1)
        if self.context is not None:
            token = token + self.context(torch.asinh(batch.context))
        tops = torch.cat([token.unsqueeze(1), nodes[above]], 1)
        real = torch.cat([mask.new_ones((len(mask), 1)), batch.masks[above]], 1)
        inner = nodes[below]
        if self.attr is not None:
            given = self.attr(torch.asinh(batch.edges[self.edge.name]))
            inner = inner + given * (pointer >= 0).unsqueeze(-1)
        flat = inner.reshape(-1, inner.shape[-1])
        at = mask.flatten().nonzero().squeeze(1)
        members = flat.index_select(0, at)
        layers = cast(list[_Layer], list(self.layers))
        for layer in layers[:-1] if self.lazy else layers:
            mixed = layer.trees(forest, tops, members)
            tops = layer.roots(forest, tops, real, mixed)
            members = layer.members(members, mixed.index_select(0, forest.members), tops, forest.above)
        found = {**nodes, below: torch.zeros_like(flat).index_copy(0, at, members).view_as(inner)}
        if not self.lazy:
            return Encoded({**found, above: tops[:, 1:]})
        last = layers[-1]
        mixed = last.trees(forest, tops, members)
        tops = last.roots(forest, tops, real, mixed)
        number = mask.flatten().cumsum(0).view_as(mask) - 1

        def refine(name: str, row: Tensor, item: Tensor, embedded: Tensor) -> Tensor:
            some = number[row, item]
            heard = mixed.index_select(0, forest.members[some])
            return last.members(embedded, heard, tops, forest.above[some])

        return Encoded({**found, above: tops[:, 1:]}, (below,), refine)


def _tree_edge(schema: Schema) -> Edge:
    for edge in schema.edges:
        if edge.kind == "pointer" and edge.source != edge.target and {edge.source, edge.target} <= set(schema.tokens):
            return edge
    raise InputError(
        "encoder 'tree': this observation has no pointer edge between two node types that actions point at; use "
        "encoder 'attention', 'pointer' or 'gnn'"
    )


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.heads = heads
        self.tree_norm, self.tree_triple = nn.LayerNorm(width), nn.Linear(width, 3 * width)
        self.tree_root, self.tree_member = nn.Linear(width, width), nn.Linear(width, width)
        self.root_norm, self.root_triple = nn.LayerNorm(width), nn.Linear(width, 3 * width)
        self.root_out = nn.Linear(width, width)
        self.read_norm, self.read = nn.LayerNorm(width), nn.Linear(width, width, bias=False)
        self.root_ff, self.member_ff = _feed_forward(width, hidden), _feed_forward(width, hidden)

    def trees(self, forest: Forest, tops: Tensor, members: Tensor) -> Tensor:
        """Return what each token (T, d) takes up inside its tree."""
        width = members.shape[-1]
        table = torch.cat([tops.reshape(-1, width), members]).index_select(0, forest.tokens)
        triple = self.tree_triple(self.tree_norm(table))
        parts = torch.split(triple, [trees * size for trees, size in forest.sizes])
        return torch.cat([self._attend(part, *shape) for part, shape in zip(parts, forest.sizes, strict=True)])

    def _attend(self, triple: Tensor, trees: int, size: int) -> Tensor:
        if size == 1:
            return triple.chunk(3, -1)[2]
        parts = triple.view(trees, size, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = parts.reshape(3, trees * self.heads, size, -1).unbind(0)
        score = torch.bmm(q / math.sqrt(q.shape[-1]), k.transpose(1, 2))
        # A softmax by hand: PyTorch's own is several times slower over so few entries.
        weight = (score - score.detach().amax(-1, keepdim=True)).exp()
        mixed = torch.bmm(weight, v) / weight.sum(-1, keepdim=True)
        return mixed.view(trees, self.heads, size, -1).transpose(1, 2).reshape(trees * size, -1)

    def roots(self, forest: Forest, tops: Tensor, real: Tensor, mixed: Tensor) -> Tensor:
        """Return the tops (B, P + 1, d) after they have heard their trees and one another; ``real`` (B, P + 1)."""
        rows, count, width = tops.shape
        heard = self.tree_root(mixed.index_select(0, forest.roots))
        tops = tops.reshape(-1, width).index_add(0, forest.tops, heard).view(rows, count, width)
        q, k, v = self.root_triple(self.root_norm(tops)).view(rows, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        heard = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=real[:, None, None])
        tops = tops + self.root_out(heard.transpose(1, 2).reshape(rows, count, width))
        return cast(Tensor, tops + self.root_ff(tops))

    def members(self, members: Tensor, heard: Tensor, tops: Tensor, above: Tensor) -> Tensor:
        """Return members (M, d) after they have heard their trees and what is above them."""
        read = self.read(self.read_norm(tops)).reshape(-1, members.shape[-1])
        members = members + self.tree_member(heard) + read.index_select(0, above)
        return cast(Tensor, members + self.member_ff(members))


def _feed_forward(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
