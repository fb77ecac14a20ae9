"""Time series among the features of a node, read by a transformer over their hours.

Features named <stem>_<number> are a series: its value in that hour. All series of a node type are read together: an
hour is a token of the values of every stem, 0 for a stem that has no such hour. The mean of the hours is added to what
the node's embedding is otherwise. Source of the layer: Vaswani et al. 2017, pre-norm form: Xiong et al. 2020.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

SERIES = re.compile(r"(.+)_(\d+)")


def series_columns(names: Sequence[str]) -> list[list[int]]:
    """Return the columns of ``names`` that hold series, hour by hour, of every stem in order; -1 for an hour it lacks.

    Hours are those that any name ends with, in order; the stems stand in the order of their first names.
    """
    places: dict[tuple[str, int], int] = {}
    for column, name in enumerate(names):
        match = SERIES.fullmatch(name)
        if match:
            places[match[1], int(match[2])] = column
    stems = list(dict.fromkeys(stem for stem, _ in places))
    hours = sorted({hour for _, hour in places})
    return [[places.get((stem, hour), -1) for stem in stems] for hour in hours]


class SeriesEncoder(nn.Module):
    """One transformer layer over the hours of each node, and their mean.

    Args:
        columns: what :func:`series_columns` returns, not empty.
        width: of the nodes' embeddings; that of the hours is about half of it.
        heads: attention heads.
    """

    def __init__(self, columns: list[list[int]], width: int, heads: int) -> None:
        super().__init__()
        self.hours, self.stems, self.heads = len(columns), len(columns[0]), heads
        flat = [column for hour in columns for column in hour]
        self.columns = [max(column, 0) for column in flat]
        self.lacks = [column < 0 for column in flat]
        narrow = heads * max(1, width // (2 * heads))
        self.enter = nn.Linear(self.stems, narrow)
        self.hour = nn.Parameter(torch.randn(self.hours, narrow) / math.sqrt(narrow))
        self.norm, self.triple = nn.LayerNorm(narrow), nn.Linear(narrow, 3 * narrow, bias=False)
        self.mix = nn.Linear(narrow, narrow)
        self.feed = nn.Sequential(
            nn.LayerNorm(narrow), nn.Linear(narrow, 2 * narrow), nn.ReLU(), nn.Linear(2 * narrow, narrow)
        )
        self.leave = nn.Linear(narrow, width)

    def forward(self, features: Tensor) -> Tensor:
        """Return (..., width) of a node type's features (..., F), as they come."""
        lead = features.shape[:-1]
        values = torch.asinh(features[..., self.columns])
        if any(self.lacks):
            values = values.masked_fill(torch.tensor(self.lacks, device=values.device), 0.0)
        x = self.enter(values.reshape(-1, self.hours, self.stems)) + self.hour
        x = x + self.mix(self._attend(self.norm(x)))
        x = x + self.feed(x)
        return cast(Tensor, self.leave(x.mean(1))).view(*lead, -1)

    def _attend(self, x: Tensor) -> Tensor:
        rows, hours, width = x.shape
        q, k, v = self.triple(x).view(rows, hours, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(rows, hours, width)
