"""The memory picture: instructions around the present one against offsets in fast memory."""

from __future__ import annotations

from typing import Any

from ganttlet.core.jit import jit_lean
from ganttlet.memory_mapping.features import FAR
from ganttlet.memory_mapping.game import time_of
from ganttlet.memory_mapping.layout import (
    CAPACITY,
    COMPUTE,
    DIRTY,
    END,
    HIGH,
    INSTRUCTIONS,
    LISTED,
    LOW,
    NOW,
    SLOW_RATE,
    TIME,
    UNIT,
    USE,
)

OCCUPIED, ONLY, KEPT, URGENCY = range(4)  # channels, as features.PROFILE
BLOCKS = ("profile", "supply")


@jit_lean
def show_profile(slots: Any, size: Any, totals: Any, window: Any, rects: Any, profile: Any) -> None:
    """Write the profile: row j is the instruction ``now - side // 2 + j``, a column one of as many bins of offsets.

    What is occupied until an instruction is so for every rectangle that begins by then. Instructions before the program
    or the window, in which no copy begins, stay empty.
    """
    profile[:, :, :] = 0.0
    _, side, bins = profile.shape
    now, capacity = totals[NOW], size[CAPACITY]
    start = now - side // 2
    first = max(0, now - window) - start
    for e in range(totals[LISTED]):
        low, high, end, use = rects[LOW, e] * bins, rects[HIGH, e] * bins, rects[END, e], rects[USE, e]
        dirty, until = rects[DIRTY, e] == 1, slots[use, TIME] if use >= 0 else -1
        for row in range(max(0, first), min(side, max(end, until) + 1 - start)):
            at = start + row
            for column in range(low // capacity, (high - 1) // capacity + 1):
                share = (min(high, (column + 1) * capacity) - max(low, column * capacity)) / capacity
                if at <= end:
                    add(profile, OCCUPIED, row, column, share)
                    if use >= 0 and dirty:
                        add(profile, ONLY, row, column, share)
                elif use >= 0 and not dirty:
                    add(profile, KEPT, row, column, share)
                if now <= at <= until:
                    add(profile, URGENCY, row, column, share / (1 + until - at))


@jit_lean
def add(profile: Any, channel: Any, row: Any, column: Any, share: Any) -> None:
    """Add a share; rounding does not take the sum above 1."""
    profile[channel, row, column] = min(1.0, profile[channel, row, column] + share)


@jit_lean
def show_supply(real: Any, work: Any, total: Any, size: Any, totals: Any, left: Any, supply: Any) -> None:
    """Write the idle time of slow memory: what instructions of the window left, and what later ones have at least."""
    supply[:, :, :] = 0.0
    side, now = supply.shape[2], totals[NOW]
    start = now - side // 2
    for column in range(side):
        at = start + column
        if max(0, now - len(left)) <= at < now:
            supply[0, 0, column] = min(FAR, max(-FAR, left[at % len(left)] / real[UNIT]))
        elif now <= at < size[INSTRUCTIONS]:
            idle = time_of(work[at, COMPUTE], total[at], 0, real) - 1e6 * (total[at] / real[SLOW_RATE])
            supply[1, 0, column] = min(FAR, max(-FAR, idle / real[UNIT]))
