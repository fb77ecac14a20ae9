"""What a run keeps in memory of the rows that it has written: a few numbers of each, by its place in the plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ganttlet_agents.evaluation.rows import Row, Sense, beats, claimed_bound

Array = np.ndarray[Any, Any]


class Ledger:
    """Where each row of a plan lies in its file, and what contradictions are found from: 33 bytes a row.

    Attributes:
        offset: byte of the file at which the row begins, -1 where it is not written; shape (n,) as all of them.
        value, known, claimed: the row's value, the bound that was known before, and the one that its method claims to
            have proven; NaN where there is none.
        marked: whether the row in the file is marked ``reference_conflict``.
    """

    def __init__(self, n_rows: int) -> None:
        self.offset = np.full(n_rows, -1, np.int64)
        self.value, self.known, self.claimed = (np.full(n_rows, np.nan) for _ in range(3))
        self.marked = np.zeros(n_rows, bool)
        self.count = 0

    def __contains__(self, index: int) -> bool:
        return bool(self.offset[index] >= 0)

    def note(self, index: int, offset: int, row: Row) -> None:
        """Take note of a row: its place in the plan, and the byte at which it begins."""
        self.count += index not in self
        self.offset[index] = offset
        bounds = row.value, row.reference_bound, claimed_bound(row)
        for column, found in zip((self.value, self.known, self.claimed), bounds, strict=True):
            column[index] = np.nan if found is None else found
        self.marked[index] = row.reference_conflict

    def conflicts(self, senses: Sequence[Sense], size: int) -> Array:
        """Return (n,): which rows are marked, or are to be, since a validated solution beats a proven bound.

        The bound may be the one known before, or one that a method claims on the same instance and objective; then
        both rows are marked.

        Args:
            senses: of the objectives of one instance, in the plan's order.
            size: number of rows of an instance under one objective, which stand together in the plan.
        """
        shape = (-1, len(senses), size)
        marked = self.marked.copy()
        columns = np.stack([column.reshape(shape) for column in (self.value, self.known, self.claimed)])
        for place, sense in enumerate(senses):
            value, known, claimed = columns[:, :, place]
            _mark(marked.reshape(shape)[:, place], value, known, claimed, sense)
        return marked


def _mark(marked: Array, value: Array, known: Array, claimed: Array, sense: Sense) -> None:
    """Mark, in place, the contradictions of one objective; shapes (instances, rows of an instance)."""
    marked |= beats(value, known, sense)
    best = (np.fmin if sense == "min" else np.fmax).reduce(value, axis=1, keepdims=True)
    # A bound that the best value does not beat is beaten by none, so hardly any pairs are left to look at.
    beaten = beats(best, claimed, sense)
    marked |= beaten
    for group in np.flatnonzero(beaten.any(axis=1)):
        for bound in np.unique(claimed[group, beaten[group]]):
            marked[group] |= beats(value[group], bound, sense)
