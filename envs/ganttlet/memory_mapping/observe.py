"""The observation of one row, a pure function of its program and state."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.jit import jit_lean
from ganttlet.memory_mapping.features import DEMAND, FAR, GAIN, RELIEF, REST, USES
from ganttlet.memory_mapping.game import time_of
from ganttlet.memory_mapping.layout import (
    ALL_SLOW,
    BUFFER,
    CAPACITY,
    COMPUTE,
    COPY,
    DIRTY,
    DROP,
    END,
    ENTRY,
    FAST,
    FAST_RATE,
    HIGH,
    LEGAL,
    LISTED,
    LOW,
    N_ACTIONS,
    NEED,
    NEXT,
    NOCOPY,
    NOW,
    OFFSET,
    ROOM,
    SLOT,
    SLOTS,
    SLOW,
    SLOW_RATE,
    STALL,
    START,
    TIME,
    UNIT,
    USE,
)
from ganttlet.memory_mapping.picture import show_profile, show_supply
from ganttlet.memory_mapping.whole import show_pointers

N_STATE = 5  # columns of features.SLOT_STATE
N_LEFT = 28  # first of the context's columns on idle time
AGE, LOST = 18, 19
DONE = 32


@jit_lean
def clip(value: Any) -> Any:
    """Return ``value`` within ± FAR."""
    return np.float32(min(FAR, max(-FAR, value)))


@jit_lean
def blank(nodes: Any, m: Any) -> None:
    """Write zeros into row ``m``."""
    for column in range(nodes.shape[1]):
        nodes[m, column] = 0.0


@jit_lean
def show_slots(slots: Any, facts: Any, size: Any, totals: Any, slot: Any, mask: Any, following: Any) -> None:
    """Write the next slots, apart from what residents make of them, and where their buffers are used next."""
    k, now, width = totals[SLOT], totals[NOW], facts.shape[1]
    shown = min(len(slot), size[SLOTS] - k)
    b = slots[k, BUFFER]
    for m in range(shown):
        for column in range(width):
            slot[m, N_STATE + column] = facts[k + m, column]
    for m in range(shown):
        at = k + m
        slot[m, 0] = 0.0
        slot[m, 1] = min(FAR, slots[at, TIME] - now)
        slot[m, 2] = 0.0
        slot[m, 3] = 0.0
        slot[m, 4] = 1.0 if slots[at, BUFFER] == b else 0.0
        mask[m] = 1
        after = slots[at, NEXT] - k
        following[m] = after if 0 <= after < shown else -1
    slot[0, 0] = 1.0
    for m in range(shown, len(slot)):
        if mask[m] == 0:
            break  # rows from the first masked one on are blank
        blank(slot, m)
        mask[m] = 0
        following[m] = -1


@jit_lean
def show_residents(
    slots: Any,
    facts: Any,
    size: Any,
    buffers: Any,
    totals: Any,
    rects: Any,
    resident: Any,
    mask: Any,
    slot: Any,
    holder: Any,
) -> None:
    """Write the buffers that can be kept, by offset, and into the next slots which of them hold their buffers."""
    k, now, low, capacity = totals[SLOT], totals[NOW], totals[OFFSET], max(1, size[CAPACITY])
    shown = min(len(slot), size[SLOTS] - k)
    high = low + totals[ROOM] if low >= 0 else low
    holder[:] = -1
    n = 0
    for e in range(totals[LISTED]):
        use = rects[USE, e]
        if use < 0:
            continue
        if n < len(resident):
            row, dirty, fact = resident[n], rects[DIRTY, e] == 1, facts[use]
            row[0] = rects[LOW, e] / capacity
            row[1] = (rects[HIGH, e] - rects[LOW, e]) / capacity
            row[2] = 1.0 if dirty else 0.0
            row[3] = 1.0 if e == totals[ENTRY] else 0.0
            row[4] = clip(max(0, now - rects[END, e]))
            row[5] = clip(max(0, rects[END, e] - now)) if dirty else 0.0
            row[6] = clip(slots[use, TIME] - now)
            row[7] = clip(fact[USES] + 1.0)
            row[8] = fact[GAIN]
            row[9] = clip(fact[GAIN] + fact[REST])
            row[10] = fact[DEMAND]
            row[11] = 1.0 if rects[LOW, e] < high and rects[HIGH, e] > low else 0.0
            mask[n] = 1
        at = use - k
        while 0 <= at < shown:
            slot[at, 2] = 1.0
            slot[at, 3] = float(rects[DIRTY, e])
            if n < len(resident):
                holder[at] = n
            at = slots[k + at, NEXT] - k
        n += 1
    for m in range(n, len(resident)):
        if mask[m] == 0:
            break
        blank(resident, m)
        mask[m] = 0


@jit_lean
def show_memory(facts: Any, size: Any, totals: Any, rects: Any, context: Any) -> None:
    """Write into the context how full fast memory is, and what the place of the decision overlaps."""
    now, low, capacity = totals[NOW], totals[OFFSET], size[CAPACITY]
    high = low + totals[ROOM] if low >= 0 else low
    used, largest, top, keepable, residents, lost = 0, 0, 0, 0, 0, 0.0
    for e in range(totals[LISTED]):
        below, above, use = rects[LOW, e], rects[HIGH, e], rects[USE, e]
        if rects[END, e] >= now:
            used += above - below
            largest = max(largest, below - top)
            top = max(top, above)
        if use >= 0:
            residents += 1
            if rects[DIRTY, e] == 0:
                keepable += above - below
                if below < high and above > low and e != totals[ENTRY]:
                    lost += facts[use, GAIN] + facts[use, REST]
    context[LOST] = clip(lost)
    context[24] = used / max(1, capacity)
    context[25] = max(largest, capacity - top) / max(1, capacity)
    context[26] = keepable / max(1, capacity)
    context[27] = clip(residents)


@jit_lean
def show_left(unit: Any, now: Any, left: Any, context: Any) -> None:
    """Write how much idle time of slow memory is left by the instructions before, of 1, 4, 16 and 64 of them."""
    total, column, at = 0.0, N_LEFT, now % len(left)
    most = min(now, min(64, len(left)))
    for n in range(most):
        at = at - 1 if at > 0 else len(left) - 1
        total += left[at]
        if n in (0, 3, 15):
            context[column] = clip(total / unit)
            column += 1
    for c in range(column, N_LEFT + 4):
        context[c] = clip(total / unit)


@jit_lean
def show_context(
    real: Any,
    work: Any,
    slots: Any,
    moved: Any,
    facts: Any,
    size: Any,
    buffers: Any,
    demand: Any,
    totals: Any,
    state: Any,
    left: Any,
    rects: Any,
    context: Any,
) -> None:
    """Write the context of a slot that is to be decided."""
    k, now, legal, entry, unit = totals[SLOT], totals[NOW], totals[LEGAL], totals[ENTRY], real[UNIT]
    fact, compute = facts[k], work[now, COMPUTE]
    slow, fast = totals[SLOW], totals[FAST]
    gain = time_of(compute, slow, fast, real) - time_of(compute, slow - moved[k], fast + moved[k], real)
    context[0] = legal >> DROP & 1
    context[1] = legal >> NOCOPY & 1
    context[2] = legal >> COPY & 1
    for column in range(5):
        context[3 + column] = fact[column]
    context[8] = clip(gain / unit)
    context[9] = fact[RELIEF]
    context[10] = fact[DEMAND]
    copies, writes = legal >> COPY & 1 == 1, entry >= 0 and rects[DIRTY, entry] == 1 and legal >> DROP & 1 == 1
    context[11] = clip(state[NEED] / unit) if copies else 0.0
    context[12] = clip(now - totals[START]) if copies or writes else 0.0
    for column in range(3):
        context[13 + column] = fact[USES + column]
    context[16] = 1.0 if entry >= 0 else 0.0
    context[17] = float(rects[DIRTY, entry]) if entry >= 0 else 0.0
    context[AGE] = clip(max(0, now - rects[END, entry])) if entry >= 0 else 0.0
    context[20] = clip(compute / unit)
    context[21] = clip(1e6 * (slow / real[SLOW_RATE] + fast / real[FAST_RATE]) / unit)
    context[22] = clip(state[STALL] / unit)
    at = k
    while at < size[SLOTS] and slots[at, TIME] == now:
        at += 1
    context[23] = clip(at - k)
    show_memory(facts, size, totals, rects, context)
    show_left(unit, now, left, context)


@jit_lean
def show_row(
    i: Any,
    size: Any,
    real: Any,
    work: Any,
    total: Any,
    slots: Any,
    moved: Any,
    buffers: Any,
    demand: Any,
    facts: Any,
    totals: Any,
    state: Any,
    left: Any,
    rects: Any,
    values: Any,
    out: Any,
) -> None:
    """Write the observation of row ``i``."""
    slot, slot_mask, resident, resident_mask, following, holder, focus, context, action_mask = out[:9]
    instruction, buffer, held, profile, supply = out[9:]
    over = totals[LEGAL] == 0  # at the end, and at a dead end that ended the episode
    legal = totals[LEGAL]
    for a in range(N_ACTIONS):
        action_mask[i, a] = 1 if over else legal >> a & 1
    own = context[i]
    if over:
        own[:] = 0.0
    else:
        show_context(real, work, slots, moved, facts, size, buffers, demand, totals, state, left, rects, own)
    own[DONE] = totals[SLOT] / size[SLOTS]
    own[DONE + 1] = np.float32(max(-FAR, 1.0 - values[0, i] / real[ALL_SLOW]))
    # Blocks that the options leave out have no rows.
    if instruction.shape[1] > 0:
        show_pointers(over, slots, size, totals, rects, instruction[i], buffer[i], held[i])
    if over:
        profile[i, :, :, :] = 0.0
        supply[i, :, :, :] = 0.0
        slot[i, :, :] = 0.0
        resident[i, :, :] = 0.0
        slot_mask[i, :] = 0
        resident_mask[i, :] = 0
        following[i, :] = -1
        holder[i, :] = -1
        focus[i, 0] = -1
        return
    focus[i, 0] = 0
    show_slots(slots, facts, size, totals, slot[i], slot_mask[i], following[i])
    show_residents(slots, facts, size, buffers, totals, rects, resident[i], resident_mask[i], slot[i], holder[i])
    if profile.shape[1] > 0:
        show_profile(slots, size, totals, len(left), rects, profile[i])
        show_supply(real, work, total, size, totals, left, supply[i])


@jit_lean
def show_rows(rows: Any, slot: Any, store: Any, state: Any, values: Any, out: Any) -> None:
    """Write the whole observation of ``rows``."""
    size, real, work, total, slots, moved, buffers, demand, facts = store
    totals, row, left, rects, _held, _played = state
    for i in rows:
        v = slot[i]
        show_row(
            i,
            size[v],
            real[v],
            work[v],
            total[v],
            slots[v],
            moved[v],
            buffers[v],
            demand[v],
            facts[v],
            totals[i],
            row[i],
            left[i],
            rects[i],
            values,
            out,
        )
