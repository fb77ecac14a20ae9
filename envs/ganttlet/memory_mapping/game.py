"""The rules of the game for one row: begin an episode, look at the slot to be decided, decide it, go on.

Arguments are the arrays of one program and of one row, in the order of Store and State.
"""

from __future__ import annotations

from typing import Any

from ganttlet.core.jit import jit_lean
from ganttlet.memory_mapping.copying import plan, take
from ganttlet.memory_mapping.groups import enter_place, follow
from ganttlet.memory_mapping.layout import (
    AFTER,
    BACKUPS,
    BARRED,
    BLOCK,
    BUFFER,
    BUFFERS,
    BYTES,
    CAPACITY,
    COMPUTE,
    COPIED,
    COPIES,
    COPY,
    DEAD_ENDS,
    DIRTY,
    DROP,
    DROPPED,
    EARNED,
    ELAPSED,
    END,
    ENTRY,
    FAST,
    FAST_RATE,
    FIRST,
    FROM,
    FULL_SUPPLY,
    HEAD,
    INSTRUCTIONS,
    LEGAL,
    LISTED,
    MADE,
    MAY_STALL,
    NEED,
    NEVER,
    NEXT,
    NOCOPY,
    NOW,
    OFFSET,
    RESULT,
    ROOM,
    RULES,
    SLOT,
    SLOTS,
    SLOW,
    SLOW_BYTES,
    SLOW_RATE,
    STALL,
    STALLS,
    START,
    STATIC,
    TIME,
    UNDECIDED,
    UNITS,
    UNTIL,
    USE,
)
from ganttlet.memory_mapping.placing import FORGET, find_place, find_use, forget_rects, put_rect


@jit_lean
def time_of(compute: Any, slow: Any, fast: Any, real: Any) -> Any:
    """Return the µs of an instruction that moves ``slow`` bytes from or to slow memory and ``fast`` ones of fast."""
    return max(compute, 1e6 * (slow / real[SLOW_RATE] + fast / real[FAST_RATE]))


@jit_lean
def benefit(compute: Any, total: Any, moved: Any, real: Any) -> Any:
    """Return the µs that an instruction of ``total`` bytes saves if only a slot of ``moved`` bytes is fast."""
    return time_of(compute, total, 0, real) - time_of(compute, total - moved, moved, real)


@jit_lean
def enter(until: Any, real: Any, work: Any, total: Any, totals: Any, row: Any, left: Any) -> None:
    """End the present instruction and pass those without slots, up to the beginning of instruction ``until``."""
    now = totals[NOW]
    if now >= 0:
        time = time_of(work[now, COMPUTE], totals[SLOW], totals[FAST], real)
        row[ELAPSED] += time + row[STALL]
        row[STALLS] += row[STALL]
        if totals[RULES] & FULL_SUPPLY:
            left[now % len(left)] = time_of(work[now, COMPUTE], totals[SLOW] + totals[FAST], 0, real)
        else:
            left[now % len(left)] = time - 1e6 * (totals[SLOW] / real[SLOW_RATE])
    for t in range(now + 1, until):
        row[ELAPSED] += work[t, COMPUTE]
        left[t % len(left)] = work[t, COMPUTE]
    totals[NOW] = until
    totals[SLOW] = total[until] if until < len(total) else 0
    totals[FAST] = 0
    row[STALL] = 0.0


@jit_lean
def look(
    rules: Any,
    rule: Any,
    size: Any,
    slots: Any,
    buffers: Any,
    demand: Any,
    totals: Any,
    row: Any,
    left: Any,
    rects: Any,
    held: Any,
) -> None:
    """Find out what may be done with the slot to be decided, and what it would cost.

    Nothing is legal at a dead end: the only copy is lost, or its group is fast and this slot cannot be.
    """
    k, now, count, capacity = totals[SLOT], totals[NOW], totals[LISTED], size[CAPACITY]
    b = slots[k, BUFFER]
    head, units = buffers[b, HEAD], buffers[b, BLOCK]
    stall, barred, bound = rules & MAY_STALL != 0, units < 0 or held[b] < 0, False
    if head >= 0:
        if rules & DEAD_ENDS:
            units, bound = buffers[b, UNITS], k != head
        elif k != head:
            follow(slots, buffers, demand, totals, row, left, rects, held)
            return
        else:
            # Only stalls can make sure of copies that are decided later.
            barred = barred or (not stall and buffers[b, COPIES] == 1)
    legal, entry, offset, start, need = 1 << DROP, -1, -1, now, 0.0
    if barred:
        pass
    elif slots[k, RESULT]:
        if slots[k, UNTIL] >= 0:
            offset = find_place(rule, units, now, capacity, -1, count, rects)
            if offset >= 0:
                legal |= 1 << NOCOPY
        if bound:
            legal &= ~(1 << DROP)
    else:
        entry = find_use(k, count, rects)
        if entry >= 0 and rects[DIRTY, entry] == 1:
            legal = 1 << NOCOPY
            if slots[k, NEXT] >= 0:
                start, need = plan(demand[b], max(buffers[b, FROM], now - len(left)), now, left)
                if need == 0.0:
                    legal |= 1 << DROP
        elif held[b] > now:
            legal = 0
        else:
            if entry >= 0:
                legal |= 1 << NOCOPY
            if units <= capacity:
                start, need = plan(demand[b], max(held[b], now - len(left)), now, left)
                if stall or need == 0.0:
                    offset = find_place(rule, units, start, capacity, entry, count, rects)
                if offset >= 0:
                    legal |= 1 << COPY
            if bound:
                legal &= ~(1 << DROP)
    totals[LEGAL], totals[ENTRY], totals[OFFSET], totals[START], totals[ROOM] = legal, entry, offset, start, units
    row[NEED] = need


@jit_lean
def decide(
    action: Any,
    real: Any,
    work: Any,
    slots: Any,
    moved: Any,
    buffers: Any,
    demand: Any,
    totals: Any,
    row: Any,
    left: Any,
    rects: Any,
    held: Any,
    played: Any,
) -> Any:
    """Play a legal action at the slot to be decided; return the µs that it saves, less the stall that it causes."""
    k, now, entry, count = totals[SLOT], totals[NOW], totals[ENTRY], totals[LISTED]
    b, following = slots[k, BUFFER], slots[k, NEXT]
    fast, lost, dead = action != DROP, 0.0, totals[RULES] & DEAD_ENDS != 0
    grouped = buffers[b, HEAD] >= 0 and not dead
    if slots[k, RESULT]:
        if fast and grouped:
            enter_place(slots, buffers, totals, following, 1, rects)
        elif fast:
            until = now if dead else slots[k, UNTIL]
            totals[LISTED] = put_rect(
                totals[OFFSET], buffers[b, UNITS], until, following, 1, totals[MADE], count, rects
            )
            totals[MADE] += 1
            if dead:
                held[b] = NEVER
    elif entry >= 0 and rects[DIRTY, entry] == 1:
        rects[USE, entry] = following
        if dead:
            rects[END, entry] = now
        if not fast:
            take(demand[b], totals[START], now, left)
            rects[DIRTY, entry], rects[END, entry], held[b] = 0, now, now
            totals[COPIED] += buffers[b, BYTES]
            totals[SLOW_BYTES] += buffers[b, BYTES]
            fast = True
    else:
        if entry >= 0:
            rects[USE, entry] = -1 if action == COPY else following
        if action == NOCOPY:
            if not grouped:
                rects[END, entry] = now
        elif action == COPY:
            take(demand[b], totals[START], now, left)
            lost = row[NEED]
            row[STALL] += lost
            totals[COPIED] += buffers[b, BYTES]
            totals[SLOW_BYTES] += buffers[b, BYTES]
            if grouped:
                enter_place(slots, buffers, totals, following, 0, rects)
            else:
                totals[LISTED] = put_rect(
                    totals[OFFSET], buffers[b, UNITS], now, following, 0, totals[MADE], count, rects
                )
                totals[MADE] += 1
    if dead and action == DROP and k == buffers[b, HEAD]:
        m = b
        while m >= 0:
            if held[m] != DROPPED:
                held[m] = BARRED
            m = buffers[m, AFTER]
    played[k] = action
    if not fast:
        return 0.0
    before = time_of(work[now, COMPUTE], totals[SLOW], totals[FAST], real)
    if totals[RULES] & STATIC:
        row[EARNED] += benefit(work[now, COMPUTE], totals[SLOW] + totals[FAST], moved[k], real) - lost
    totals[SLOW] -= moved[k]
    totals[FAST] += moved[k]
    totals[SLOW_BYTES] -= moved[k]
    return (before - time_of(work[now, COMPUTE], totals[SLOW], totals[FAST], real)) - lost


@jit_lean
def go_on(
    rules: Any,
    rule: Any,
    size: Any,
    real: Any,
    work: Any,
    total: Any,
    slots: Any,
    buffers: Any,
    demand: Any,
    totals: Any,
    row: Any,
    left: Any,
    rects: Any,
    held: Any,
) -> bool:
    """Go on to the next slot and look at it; return whether there is none."""
    totals[SLOT] += 1
    if totals[SLOT] == size[SLOTS]:
        enter(size[INSTRUCTIONS], real, work, total, totals, row, left)
        totals[LEGAL] = 0
        return True
    until = slots[totals[SLOT], TIME]
    if until > totals[NOW]:
        forgets = until // FORGET > totals[NOW] // FORGET
        enter(until, real, work, total, totals, row, left)
        if forgets:
            totals[LISTED] = forget_rects(until - len(left), totals[LISTED], rects)
    look(rules, rule, size, slots, buffers, demand, totals, row, left, rects, held)
    return False


@jit_lean
def restart(
    rules: Any,
    rule: Any,
    size: Any,
    real: Any,
    work: Any,
    total: Any,
    slots: Any,
    buffers: Any,
    demand: Any,
    totals: Any,
    row: Any,
    left: Any,
    rects: Any,
    held: Any,
) -> None:
    """Go to the first slot, everything in slow memory; what is dropped and the number of backups stay."""
    backups = totals[BACKUPS]
    totals[:] = 0
    totals[RULES], totals[BACKUPS] = rules, backups
    row[:] = 0.0
    left[:] = 0.0
    rects[:, :] = 0
    for b in range(size[BUFFERS]):
        if held[b] != DROPPED:
            held[b] = buffers[b, FROM]
    for t in range(size[INSTRUCTIONS]):
        totals[SLOW_BYTES] += total[t]
    totals[SLOT], totals[NOW] = -1, -1
    go_on(rules, rule, size, real, work, total, slots, buffers, demand, totals, row, left, rects, held)


@jit_lean
def begin(
    rules: Any,
    rule: Any,
    size: Any,
    real: Any,
    work: Any,
    total: Any,
    slots: Any,
    buffers: Any,
    demand: Any,
    totals: Any,
    row: Any,
    left: Any,
    rects: Any,
    held: Any,
    played: Any,
) -> None:
    """Begin an episode; ``rules`` are bits as of ``layout.rules_of``, or whether copies may stall."""
    totals[BACKUPS] = 0
    played[:] = UNDECIDED
    for b in range(size[BUFFERS]):
        held[b] = 0
    restart(rules, rule, size, real, work, total, slots, buffers, demand, totals, row, left, rects, held)


@jit_lean
def back_up(
    rules: Any,
    rule: Any,
    size: Any,
    real: Any,
    work: Any,
    total: Any,
    slots: Any,
    moved: Any,
    buffers: Any,
    demand: Any,
    totals: Any,
    row: Any,
    left: Any,
    rects: Any,
    held: Any,
    played: Any,
) -> None:
    """Go back from a dead end to the first slot of the blocked buffer or group, which is slow from now on.

    The decisions before that slot are played again: the game depends on nothing else, and so needs no copies of states.
    """
    b = slots[totals[SLOT], BUFFER]
    target = buffers[b, HEAD] if buffers[b, HEAD] >= 0 else buffers[b, FIRST]
    m = slots[target, BUFFER]
    while m >= 0:
        held[m] = DROPPED
        m = buffers[m, AFTER]
    totals[BACKUPS] += 1
    restart(rules, rule, size, real, work, total, slots, buffers, demand, totals, row, left, rects, held)
    for k in range(target):
        decide(played[k], real, work, slots, moved, buffers, demand, totals, row, left, rects, held, played)
        go_on(rules, rule, size, real, work, total, slots, buffers, demand, totals, row, left, rects, held)
    for k in range(target, size[SLOTS]):
        played[k] = UNDECIDED
