"""Kernels of memory allocation: describe a slot, start an episode, play a decision.

``store``, ``state``, ``flags`` and ``out`` arrive as plain tuples in the order of their NamedTuples; ``out`` holds the
blocks buffer, section, context and action_mask, of which section is empty where it is not shown.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.batch import settle
from ganttlet.core.jit import jit, jit_lean
from ganttlet.memory_allocation.drawing import draw_row
from ganttlet.memory_allocation.features import show_row
from ganttlet.memory_allocation.layout import (
    BEGIN,
    BESIDE,
    BOUND,
    BUFFERS,
    CAPACITY,
    CONTENTION,
    DEGREE,
    FIRST,
    FIXED,
    HEIGHT,
    LAST,
    LEFT,
    LENGTH,
    LOAD,
    LOW,
    LOWER,
    OFFSET,
    PEAK,
    RIVAL_SIZE,
    RIVALS,
    SECTIONS,
    SIZE,
    SPAN,
    START,
    TOTAL,
    UPPER,
    Array,
    Int,
)
from ganttlet.memory_allocation.placing import place

OBJECTIVES = ("height", "ratio", "fits")
REWARDS = ("height", "bound", "terminal")
HEIGHT_, BOUND_, TERMINAL_ = range(3)


@jit
def describe(slots: Array, counts: Array, capacities: Array, store: Any) -> None:
    """Fill in what follows from the lifetimes, sizes and fixed offsets of ``counts`` buffers in each of ``slots``."""
    facts_, sections_, area, size_ = store
    for at in range(len(slots)):
        s, n = slots[at], counts[at]
        facts, sections, size = facts_[s], sections_[s], size_[s]
        by_start, by_end = np.argsort(facts[LOWER, :n]), np.argsort(facts[UPPER, :n])
        starts, ends = facts[LOWER][by_start], facts[UPPER][by_end]
        started, ended = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
        started[1:], ended[1:] = np.cumsum(facts[SIZE][by_start]), np.cumsum(facts[SIZE][by_end])
        times = np.unique(np.concatenate((starts, ends)))
        count = len(times) - 1
        size[BUFFERS], size[SECTIONS], size[CAPACITY] = n, count, capacities[at]
        size[BEGIN], size[SPAN], size[TOTAL] = times[0], times[count] - times[0], started[n]
        sections[:] = 0
        sections[LENGTH, :count] = times[1:] - times[:-1]
        change = np.zeros(count + 1, np.int64)
        area[s] = 0.0
        for k in range(n):
            lower, upper = facts[LOWER, k], facts[UPPER, k]
            facts[FIRST, k] = np.searchsorted(times, lower)
            facts[LAST, k] = np.searchsorted(times, upper) - 1
            # All that start before it ends, less those that end before it starts, less itself.
            before, after = np.searchsorted(starts, upper), np.searchsorted(ends, lower, side="right")
            facts[DEGREE, k] = before - after - 1
            facts[BESIDE, k] = started[before] - ended[after] - facts[SIZE, k]
            change[facts[FIRST, k]] += facts[SIZE, k]
            change[facts[LAST, k] + 1] -= facts[SIZE, k]
            area[s] += float(facts[SIZE, k]) * float(upper - lower)
        sections[LOAD, :count] = np.cumsum(change)[:count]
        size[PEAK] = sections[LOAD].max()
        for k in range(n):
            facts[CONTENTION, k] = sections[LOAD, facts[FIRST, k] : facts[LAST, k] + 1].max()


@jit
def generate_rows(slots: Array, keys: Array, params: Array, store: Any) -> None:
    """Draw a fresh instance into every slot of ``slots`` from its key."""
    facts = store[0]
    counts, capacities = np.empty(len(slots), np.int64), np.empty(len(slots), np.int64)
    known = np.empty(facts.shape[2], np.int64)
    for at in range(len(slots)):
        counts[at], capacities[at] = draw_row(params, keys[at], facts[slots[at]], known)
    describe(slots, counts, capacities, store)


@jit_lean
def measure(size: Array, totals: Array, values: Array, i: Int) -> None:
    """Write the objectives so far into column ``i`` of ``values``."""
    height = totals[HEIGHT]
    values[0, i] = height
    values[1, i] = height / size[PEAK]
    values[2, i] = height <= size[CAPACITY]


@jit_lean
def load_rows(rows: Array, slot: Array, shows_sections: bool, store: Any, state: Any, values: Array) -> None:
    """Start an episode of the instance in slot ``slot[i]`` in every row i of ``rows``: fixed buffers are placed."""
    facts_, _, _, size_ = store
    buffers_, order_, sections_, area_, totals_ = state
    for i in rows:
        s = slot[i]
        facts, size, buffers, totals = facts_[s], size_[s], buffers_[i], totals_[i]
        n = size[BUFFERS]
        buffers[:] = -1
        order_[i] = 0
        sections_[i] = 0
        area_[i] = 0.0
        totals[:] = 0
        totals[LEFT], totals[BOUND] = n, size[PEAK]
        for k in range(n):
            fixed = facts[FIXED, k]
            buffers[LOW, k] = max(0, fixed)
            buffers[RIVALS, k], buffers[RIVAL_SIZE, k] = facts[DEGREE, k], facts[BESIDE, k]
            totals[BOUND] = max(totals[BOUND], buffers[LOW, k] + facts[SIZE, k])
        for k in range(n):
            if facts[FIXED, k] >= 0:
                place(k, shows_sections, facts, size, buffers, order_[i], sections_[i], totals)
                area_[i] += float(facts[SIZE, k]) * float(facts[UPPER, k] - facts[LOWER, k])
        totals[START] = totals[HEIGHT]
        measure(size, totals, values, i)


@jit_lean
def show_rows(rows: Array, slot: Array, store: Any, state: Any, out: Any) -> None:
    """Write the whole observation of ``rows``."""
    facts, sections, area, size = store
    buffers_, _, tops_, placed_, totals_ = state
    buffer, section, context, mask = out
    for i in rows:
        s = slot[i]
        show_row(
            True,
            facts[s],
            sections[s],
            area[s],
            size[s],
            buffers_[i],
            tops_[i],
            placed_[i],
            totals_[i],
            buffer[i],
            section[i],
            context[i],
            mask[i],
        )


@jit_lean
def step_rows(
    actions: Array,
    slot: Array,
    kind: Int,
    penalty: float,
    shows_sections: bool,
    limit: Int,
    store: Any,
    state: Any,
    flags: Any,
    values: Array,
    out: Any,
) -> Int:
    """Play one action in every active row, show the result and settle the flags; return how many rows are done.

    An illegal action costs ``penalty`` and changes nothing.
    """
    facts_, loads_, area_, size_ = store
    buffers_, order_, sections_, placed_, totals_ = state
    active, reward, terminated, _, illegal, _, _, _ = flags
    buffer_, section_, context_, mask_ = out
    for i in range(len(actions)):
        if not active[i]:
            continue
        s, j = slot[i], actions[i]
        facts, size, buffers, totals = facts_[s], size_[s], buffers_[i], totals_[i]
        terminated[i] = False
        illegal[i] = not (0 <= j < size[BUFFERS] and buffers[OFFSET, j] < 0)
        if illegal[i]:
            reward[i] = -penalty
            continue
        height, bound = totals[HEIGHT], totals[BOUND]
        place(j, shows_sections, facts, size, buffers, order_[i], sections_[i], totals)
        placed_[i] += float(facts[SIZE, j]) * float(facts[UPPER, j] - facts[LOWER, j])
        terminated[i] = totals[LEFT] == 0
        if kind == HEIGHT_:
            gained = height - totals[HEIGHT]
        elif kind == BOUND_:
            gained = bound - totals[BOUND]
        else:
            gained = totals[START] - totals[HEIGHT] if terminated[i] else 0
        reward[i] = gained / size[CAPACITY]
        measure(size, totals, values, i)
        show_row(
            False,
            facts,
            loads_[s],
            area_[s],
            size,
            buffers,
            sections_[i],
            placed_[i],
            totals,
            buffer_[i],
            section_[i],
            context_[i],
            mask_[i],
        )
    return settle(flags, limit)
