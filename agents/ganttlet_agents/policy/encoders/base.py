"""What an encoder returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Refine = Callable[[str, Tensor, Tensor, Tensor], Tensor]


@dataclass
class Encoded:
    """Embeddings of the nodes of a batch.

    Fields:
        nodes: node type -> (B, N, d).
        refined: node types whose candidates have a further layer.
        refine: (node type, rows (M,) in order, places in them (M,), embeddings (M, d)) -> (M, d), that layer; None
            without one.
    """

    nodes: dict[str, Tensor]
    refined: tuple[str, ...] = ()
    refine: Refine | None = None
