"""Where a buffer goes: the lowest offset that fits, kept up to date for all buffers as others are placed.

The placed buffers of an episode stand in a list sorted by offset, so that the search for a gap ends at the first one
that starts above it.
"""

from __future__ import annotations

from typing import Any

from ganttlet.core.jit import jit_lean
from ganttlet.memory_allocation.layout import (
    ALIGN,
    BOUND,
    BUFFERS,
    FILLED,
    FIRST,
    FIXED,
    HEIGHT,
    LAST,
    LEFT,
    LOW,
    LOWER,
    OFFSET,
    PLACED,
    RIVAL_SIZE,
    RIVALS,
    SIZE,
    SIZE_PLACED,
    TOP,
    UPPER,
    Array,
    Int,
)


@jit_lean
def align_up(value: Any, alignment: Any) -> Any:
    """Return the least multiple of ``alignment`` that is at least ``value``."""
    rest = value % alignment
    return value if rest == 0 else value + alignment - rest


@jit_lean
def overlaps(facts: Array, j: Int, k: Int) -> Any:
    """Say whether the lifetimes of ``j`` and ``k`` overlap."""
    return facts[LOWER, j] < facts[UPPER, k] and facts[LOWER, k] < facts[UPPER, j]


@jit_lean
def lowest(k: Int, least: Any, begin: Int, count: Int, facts: Array, offset: Array, order: Array) -> Any:
    """Return the lowest offset of buffer ``k`` from ``least`` on that is free of placed buffers.

    Only placed buffers from position ``begin`` of ``order`` on may be in the way.
    """
    size, alignment = facts[SIZE, k], facts[ALIGN, k]
    at = align_up(least, alignment)
    for q in range(begin, count):
        i = order[q]
        if offset[i] >= at + size:
            break
        if offset[i] + facts[SIZE, i] > at and overlaps(facts, i, k):
            at = align_up(offset[i] + facts[SIZE, i], alignment)
    return at


@jit_lean
def place(
    j: Int,
    shows_sections: bool,
    facts: Array,
    size: Array,
    buffers: Array,
    order: Array,
    sections: Array,
    totals: Array,
) -> None:
    """Place buffer ``j`` at its lowest offset, and bring up to date what follows for the others.

    Args:
        j: a buffer that is not placed.
        shows_sections: whether ``sections`` is kept up.
        facts, size: the instance, rows of Store.
        buffers, order, sections, totals: the episode, rows of State.
    """
    offset, low = buffers[OFFSET], buffers[LOW]
    at, end, count = low[j], low[j] + facts[SIZE, j], totals[PLACED]
    offset[j] = at
    position = count
    while position > 0 and offset[order[position - 1]] > at:
        order[position] = order[position - 1]
        position -= 1
    order[position] = j
    count += 1
    totals[PLACED] = count
    totals[LEFT] -= 1
    totals[SIZE_PLACED] += facts[SIZE, j]
    totals[HEIGHT] = max(totals[HEIGHT], end)
    bound = max(totals[BOUND], totals[HEIGHT])
    for k in range(size[BUFFERS]):
        if k == j or not overlaps(facts, j, k):
            continue
        buffers[RIVALS, k] -= 1
        buffers[RIVAL_SIZE, k] -= facts[SIZE, j]
        # What is below ``at`` cannot be in the way of a buffer that fitted until now: it would hold all of j's place.
        if offset[k] < 0 and facts[FIXED, k] < 0 and low[k] < end and at < low[k] + facts[SIZE, k]:
            low[k] = lowest(k, end, position, count, facts, offset, order)
            bound = max(bound, low[k] + facts[SIZE, k])
    totals[BOUND] = bound
    if shows_sections:
        for s in range(facts[FIRST, j], facts[LAST, j] + 1):
            sections[TOP, s] = max(sections[TOP, s], end)
            sections[FILLED, s] += facts[SIZE, j]
