"""The arrays of memory allocation: instances (Store) and episodes (State), and the names of their columns."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

Array = np.ndarray[Any, Any]
Int: TypeAlias = Any  # an integer scalar: Python's outside kernels, NumPy's inside

# Store.facts: per buffer. FIRST and LAST are the sections of its lifetime, DEGREE and BESIDE the number and the sum of
# sizes of the others that overlap with it, CONTENTION the greatest load during it.
LOWER, UPPER, SIZE, ALIGN, FIXED, FIRST, LAST, DEGREE, BESIDE, CONTENTION, N_FACTS = range(11)
# Store.sections: per section the sum of live sizes and the time it lasts.
LOAD, LENGTH = range(2)
# Store.size: per instance. PEAK is the greatest load, BEGIN and SPAN the time of all lifetimes, TOTAL the sum of sizes.
BUFFERS, SECTIONS, CAPACITY, PEAK, BEGIN, SPAN, TOTAL, N_SIZE = range(8)
# State.buffers: offset (-1: not placed), lowest offset that fits now (of those not placed), and what overlaps with it
# and is not placed yet: how many and their sizes.
OFFSET, LOW, RIVALS, RIVAL_SIZE = range(4)
# State.sections: highest end of a placed buffer, and sizes of placed buffers (kept up only where they are shown).
TOP, FILLED = range(2)
# State.totals: placed buffers, those still to be placed, the height, a bound on the final height, the first height,
# and the sum of sizes placed.
PLACED, LEFT, HEIGHT, BOUND, START, SIZE_PLACED, N_TOTALS = range(7)


class Store(NamedTuple):
    """Instances, slot axis first (S slots, N buffers, E sections; sizes in bytes).

    Fields:
        facts: (S, N_FACTS, N) int64.
        sections: (S, 2, E) int64, columns LOAD, LENGTH; zeros beyond an instance's sections.
        area: (S,) float64, sum of size x lifetime.
        size: (S, N_SIZE) int64.
    """

    facts: Array
    sections: Array
    area: Array
    size: Array


class State(NamedTuple):
    """Episodes, batch axis first (B rows).

    Fields:
        buffers: (B, 4, N) int64, columns OFFSET, LOW, RIVALS, RIVAL_SIZE.
        order: (B, N) int32, the placed buffers by offset; only the first PLACED entries count.
        sections: (B, 2, E) int64, columns TOP, FILLED (E = 1 where sections are not shown).
        area: (B,) float64, sum of size x lifetime of placed buffers.
        totals: (B, N_TOTALS) int64.
    """

    buffers: Array
    order: Array
    sections: Array
    area: Array
    totals: Array


def make_store(slots: int, buffers: int, sections: int) -> Store:
    """Return storage for ``slots`` instances."""
    return Store(
        np.zeros((slots, N_FACTS, buffers), np.int64),
        np.zeros((slots, 2, sections), np.int64),
        np.zeros(slots),
        np.zeros((slots, N_SIZE), np.int64),
    )


def make_state(rows: int, buffers: int, sections: int, *, shows_sections: bool) -> State:
    """Return the state of ``rows`` episodes."""
    return State(
        np.full((rows, 4, buffers), -1, np.int64),
        np.zeros((rows, buffers), np.int32),
        np.zeros((rows, 2, sections if shows_sections else 1), np.int64),
        np.zeros(rows),
        np.zeros((rows, N_TOTALS), np.int64),
    )
