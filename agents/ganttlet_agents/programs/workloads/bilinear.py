"""Matrix products by a bilinear algorithm of rank 7, as a program of block sums and block products."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ganttlet.core.errors import InputError

Made = tuple[nn.Module, tuple[Any, ...]]
# Strassen's algorithm: product r is (sum of LEFT[r] x blocks of A) (sum of RIGHT[r] x blocks of B), and block c of the
# result is the sum of RESULT[c] x products. Blocks: upper left, upper right, lower left, lower right.
LEFT = ((1, 0, 0, 1), (0, 0, 1, 1), (1, 0, 0, 0), (0, 0, 0, 1), (1, 1, 0, 0), (-1, 0, 1, 0), (0, 1, 0, -1))
RIGHT = ((1, 0, 0, 1), (1, 0, 0, 0), (0, 1, 0, -1), (-1, 0, 1, 0), (0, 0, 0, 1), (1, 1, 0, 0), (0, 0, 1, 1))
RESULT = ((1, 0, 0, 1, -1, 0, 1), (0, 0, 1, 0, 1, 0, 0), (0, 1, 0, 1, 0, 0, 0), (1, -1, 1, 0, 0, 1, 0))


class Bilinear(nn.Module):
    """The product of two matrices by ``levels`` of recursion."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Return ``a @ b``."""
        return multiply(a, b, self.levels)


def multiply(a: Tensor, b: Tensor, levels: int) -> Tensor:
    """Return ``a @ b`` for matrices whose sides are multiples of ``2 ** levels``."""
    if not levels:
        return a @ b
    left, right = _blocks(a), _blocks(b)
    products = [
        multiply(_sum(ours, left), _sum(theirs, right), levels - 1) for ours, theirs in zip(LEFT, RIGHT, strict=True)
    ]
    upper_left, upper_right, lower_left, lower_right = (_sum(row, products) for row in RESULT)
    return torch.cat([torch.cat([upper_left, upper_right], 1), torch.cat([lower_left, lower_right], 1)])


def _blocks(x: Tensor) -> list[Tensor]:
    return [block for row in x.chunk(2) for block in row.chunk(2, 1)]


def _sum(signs: tuple[int, ...], terms: list[Tensor]) -> Tensor:
    """Return the signed sum of terms, beginning with one that is added."""
    added = [term for sign, term in zip(signs, terms, strict=True) if sign > 0]
    total = added[0]
    for term in added[1:]:
        total = total + term
    for sign, term in zip(signs, terms, strict=True):
        if sign < 0:
            total = total - term
    return total


def fastmm7(levels: int, size: int) -> Made:
    """Return the product's program and two square matrices."""
    if size % 2**levels:
        raise InputError(f"workload 'fastmm7': size is {size}; expected a multiple of 2**levels = {2**levels}")
    return Bilinear(levels), (torch.empty(size, size), torch.empty(size, size))
