"""Edges as lists of ends: their messages in a padded batch, and their numbers in the disjoint union of its graphs."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ganttlet_agents.policy.batch import GraphBatch


class Ends(NamedTuple):
    """The real edges of a type, (edges,) int64 each: row, source, target, and where its features stand in the row."""

    row: Tensor
    source: Tensor
    target: Tensor
    slot: Tensor


def ends(batch: GraphBatch, name: str) -> Ends:
    """Return the real edges of the list or pointer edge type ``name``."""
    if name in batch.pointers:
        row, source = (batch.pointers[name] >= 0).nonzero(as_tuple=True)
        return Ends(row, source, batch.pointers[name][row, source], source)
    index = batch.lists[name]
    row, slot = (index >= 0).all(1).nonzero(as_tuple=True)
    return Ends(row, index[row, 0, slot], index[row, 1, slot], slot)


def mean_at(messages: Tensor, row: Tensor, node: Tensor, like: Tensor) -> Tensor:
    """Return the mean of the messages (edges, d) that arrive at each node, as ``like`` (B, N, d); 0 where none does."""
    rows, count, width = like.shape
    place = row * count + node
    total = messages.new_zeros((rows * count, width)).index_add(0, place, messages)
    number = messages.new_zeros(rows * count).index_add(0, place, torch.ones_like(place, dtype=messages.dtype))
    return (total / number.clamp(min=1.0).unsqueeze(-1)).view(rows, count, width)


def union_numbers(mask: Tensor) -> Tensor:
    """Return each node's number (B, N) among the real ones of all rows; -1 where ``mask`` (B, N) is False."""
    return torch.where(mask, mask.flatten().cumsum(0).view_as(mask) - 1, -1)


def union_edges(index: Tensor, sources: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the edge index (2, edges) in the union's numbers, and which slots (B, E) it took.

    Args:
        index: pointers (B, N) or a list (B, 2, E), -1 for none.
        sources, targets: the ends' numbers by :func:`union_numbers`; an end without one makes no edge.
    """
    if index.ndim == 2:
        source, target = torch.arange(index.shape[1], device=index.device).expand_as(index), index
    else:
        source, target = index[:, 0], index[:, 1]
    start = sources.gather(1, source.clamp(min=0))
    end = targets.gather(1, target.clamp(min=0))
    keep = (source >= 0) & (target >= 0) & (start >= 0) & (end >= 0)
    return torch.stack([start[keep], end[keep]]), keep
