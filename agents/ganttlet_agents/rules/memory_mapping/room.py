"""Fast memory over time: the rectangles planned so far, and the best place for another."""

from __future__ import annotations

import numpy as np

from ganttlet.memory_mapping.instance import Array

BUFFER, START, END, LOW, HIGH = range(5)


class Room:
    """Rectangles, instructions from START to END (both included) by bytes from LOW to HIGH (not included)."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.count = capacity, 0
        self._columns = np.zeros((5, 64), np.int64)

    @property
    def columns(self) -> Array:
        """(5, count) int64, the rectangles in the order in which they were put."""
        return self._columns[:, : self.count]

    def put(self, buffer: int, start: int, end: int, low: int, size: int) -> int:
        """Add a rectangle and return its number."""
        if self.count == self._columns.shape[1]:
            self._columns = np.concatenate([self._columns, np.zeros_like(self._columns)], axis=1)
        self._columns[:, self.count] = buffer, start, end, low, low + size
        self.count += 1
        return self.count - 1

    def end(self, number: int) -> int:
        """Last instruction of a rectangle."""
        return int(self._columns[END, number])

    def extend(self, number: int, end: int) -> bool:
        """Let a rectangle last until ``end`` if nothing is in the way; return whether it does."""
        _, _, last, low, high = self._columns[:, number]
        others = self._during(int(last) + 1, end)
        if ((others[LOW] < high) & (low < others[HIGH])).any():
            return False
        self._columns[END, number] = end
        return True

    def best_fit(self, size: int, start: int, end: int) -> int:
        """Return the low end of the smallest gap that holds ``size`` bytes from ``start`` to ``end``, -1 for none."""
        taken = self._during(start, end)
        order = np.argsort(taken[LOW], kind="stable")
        top, found, least = 0, -1, self.capacity + 1
        for low, high in zip(
            [*taken[LOW, order].tolist(), self.capacity], [*taken[HIGH, order].tolist(), 0], strict=True
        ):
            if size <= low - top < least:
                found, least = top, low - top
            top = max(top, high)
        return found

    def _during(self, start: int, end: int) -> Array:
        columns = self.columns
        found: Array = columns[:, (columns[START] <= end) & (start <= columns[END])]
        return found
