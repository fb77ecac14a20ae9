"""Sync groups: buffers that are all served from fast memory throughout, or all from slow memory.

The first slot of a group decides for all of it. In games without dead ends a group that is to be fast takes one place
for all its members at once, side by side by their first slots, each part until the last use of its buffer: so the rest
of the group has a place whatever comes.
"""

from __future__ import annotations

from typing import Any

from ganttlet.core.jit import jit_lean
from ganttlet.memory_mapping.copying import plan
from ganttlet.memory_mapping.layout import (
    AFTER,
    BUFFER,
    COPY,
    DIRTY,
    DROP,
    ENTRY,
    FIRST,
    HEAD,
    LAST,
    LEGAL,
    LISTED,
    LOW,
    MADE,
    NEED,
    NOCOPY,
    NOW,
    NUMBER,
    OFFSET,
    RESULT,
    ROOM,
    SLOT,
    START,
    TIME,
    UNITS,
    USE,
)
from ganttlet.memory_mapping.placing import find_use, put_rect


@jit_lean
def follow(slots: Any, buffers: Any, demand: Any, totals: Any, row: Any, left: Any, rects: Any, held: Any) -> None:
    """Look at a slot of a group that was decided by an earlier one, in a game without dead ends."""
    k, now = totals[SLOT], totals[NOW]
    b = slots[k, BUFFER]
    entry = find_use(k, totals[LISTED], rects)
    legal, offset, start, need = 1 << DROP, -1, now, 0.0
    if entry >= 0:
        legal = 1 << NOCOPY
        if k == buffers[b, FIRST]:
            offset = rects[LOW, entry]
            if not slots[k, RESULT]:
                legal = 1 << COPY
                # Its place is free since the group was decided, and perhaps not before.
                begin = max(slots[buffers[b, HEAD], TIME], max(held[b], now - len(left)))
                start, need = plan(demand[b], begin, now, left)
    totals[LEGAL], totals[ENTRY], totals[OFFSET], totals[START] = legal, entry, offset, start
    totals[ROOM], row[NEED] = buffers[b, UNITS], need


@jit_lean
def enter_place(slots: Any, buffers: Any, totals: Any, following: Any, dirty: Any, rects: Any) -> None:
    """Note that the buffer of the slot to be decided gets into fast memory; its group's places are taken if need be."""
    k = totals[SLOT]
    b = slots[k, BUFFER]
    entry = totals[ENTRY]
    if k == buffers[b, HEAD]:
        m, low = b, totals[OFFSET]
        while m >= 0:
            units, use = buffers[m, UNITS], following if m == b else buffers[m, FIRST]
            own = dirty if m == b else 0
            totals[LISTED] = put_rect(low, units, buffers[m, LAST], use, own, totals[MADE], totals[LISTED], rects)
            low += units
            m = buffers[m, AFTER]
    else:
        rects[USE, entry], rects[DIRTY, entry], rects[NUMBER, entry] = following, dirty, totals[MADE]
    totals[MADE] += 1
