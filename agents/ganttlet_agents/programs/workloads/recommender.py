"""A recommender: DLRM's embedding tables, dot interaction and MLPs."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

Made = tuple[nn.Module, tuple[Any, ...]]
BOTTOM, TOP = (13, 512, 256, 128), (1024, 1024, 512, 256, 1)
ROWS = 100_000


class Dlrm(nn.Module):
    """Dense features through an MLP, one row of each table, their pairwise products, and a second MLP."""

    pairs: Tensor

    def __init__(self, tables: int) -> None:
        super().__init__()
        width = BOTTOM[-1]
        self.tables = nn.ModuleList(nn.Embedding(ROWS, width) for _ in range(tables))
        self.bottom = _mlp(BOTTOM)
        places = torch.tril_indices(tables + 1, tables + 1, -1)
        self.register_buffer("pairs", places[0] * (tables + 1) + places[1], persistent=False)
        self.top = _mlp((width + places.shape[1], *TOP), last=nn.Sigmoid())

    def forward(self, dense: Tensor, rows: Tensor) -> Tensor:
        """Return the probability of a click for each pair of dense features and rows (batch, tables)."""
        x = self.bottom(dense)
        found = [table(row) for table, row in zip(self.tables, rows.unbind(1), strict=True)]
        vectors = torch.stack([x, *found], 1)
        products = (vectors @ vectors.transpose(1, 2)).flatten(1).index_select(1, self.pairs)
        clicks: Tensor = self.top(torch.cat([x, products], 1))
        return clicks


def _mlp(widths: tuple[int, ...], last: nn.Module | None = None) -> nn.Module:
    layers: list[nn.Module] = []
    for below, above in pairwise(widths):
        layers += [nn.Linear(below, above), nn.ReLU()]
    if last is not None:
        layers[-1] = last
    return nn.Sequential(*layers)


def dlrm(batch: int, tables: int) -> Made:
    """Return DLRM, dense features, and one row of each table."""
    return Dlrm(tables), (torch.empty(batch, BOTTOM[0]), torch.empty(batch, tables, dtype=torch.int64))
