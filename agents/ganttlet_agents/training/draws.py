"""The random choices that several algorithms make in the same way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

Array = np.ndarray[Any, Any]


def sorted_batches(sizes: Array, batch_size: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield minibatches of row numbers, in random order, that together hold every row once.

    Rows are drawn at random and then sorted by size, so that a small instance is not padded to the largest of all.

    Args:
        sizes: (N,) what rows are sorted by.
        batch_size: rows per minibatch; the last may be smaller.
        rng: draws first the order of rows of a size, then that of minibatches.
    """
    order = rng.permutation(len(sizes))
    order = order[np.argsort(sizes[order], kind="stable")]
    for start in rng.permutation(np.arange(0, len(sizes), batch_size)):
        yield order[start : start + batch_size]


def sample_actions(logits: Tensor) -> Tensor:
    """Draw an action (B,) from each row of ``logits`` (B, A), normalised or not, by the Gumbel-max trick.

    torch.multinomial checks its input, which costs more than the draw. The numbers are PyTorch's own generator's.
    """
    noise = torch.empty_like(logits).exponential_().log_()
    return (logits - noise).argmax(-1)
