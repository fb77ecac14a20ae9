"""Depth-first search for a packing of at most a given height; compiled, resumable, complete.

Ideas of M. D. Moffitt, MiniMalloc (ASPLOS 2023), in our own form. Buffers are placed from the bottom up: a packing that
cannot be lowered is rebuilt by placing its buffers in order of offset, each on top of those below it, so the search
looks at such orders only. Every buffer has a lower bound ``low`` on its offset:

- placed below it ends no higher;
- if it is passed over where it could lie, it has to rest on a buffer that is still to come, so it starts no lower than
  the lowest possible end of one of those;
- what lives in one section of time must be stacked. In order of ``low`` the stack is as low as can be; if it ends above
  the height allowed, the branch is dead. If a buffer at the bottom of a section's stack would leave no room for the
  rest, it is not at the bottom, and starts no lower than the lowest possible end of another one there.

Where no buffer that is left spans a time, both sides are searched one after the other, and if one side has no packing
the search goes back to before they parted. Decisions go first to a section that cannot afford to stay empty at the
present level, the one with few candidates and many past failures.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.jit import jit_lean

FAR = np.int64(2**62)
ROUNDS = 8  # of conclusions from one another; bounds that rise by a byte at a time would take forever
# Counters of a search: depth, length of the trail, whether a decision has just been taken back, decisions so far,
# number of the last frame, buffers left.
DEPTH, TRAIL, BACK, NODES, FRAME, LEFT, N_COUNTERS = range(7)
# How a call ends: node limit reached, packing found, none exists, trail too short.
PAUSED, FOUND, NONE, FULL = range(4)


@jit_lean
def keep(index: Any, value: Any, frame: Any, stamp: Any, trail: Any, old: Any, counters: Any) -> None:
    """Note the old value of a bound (or, from n on, of a section's top), once per frame."""
    if stamp[index] != frame:
        stamp[index] = frame
        at = counters[TRAIL]
        trail[at], old[at] = index, value
        counters[TRAIL] = at + 1


@jit_lean
def lift(k: Any, least: Any, first: Any, last: Any, size: Any, alignment: Any, pins: Any, fixed: Any) -> Any:
    """Return the lowest aligned offset from ``least`` on where buffer ``k`` is clear of the fixed ones (``pins``)."""
    at = least
    rest = at % alignment[k]
    if rest:
        at += alignment[k] - rest
    again = len(pins) > 0
    while again:
        again = False
        for i in pins:
            end = fixed[i] + size[i]
            if i != k and fixed[i] < at + size[k] and at < end and first[i] < last[k] and first[k] < last[i]:
                at, again = end, True
                rest = at % alignment[k]
                if rest:
                    at += alignment[k] - rest
    return at


@jit_lean
def tighten(begin: Any, end: Any, height: Any, part: Any, state: Any, frame: Any) -> int:
    """Draw conclusions in the ``dirty`` sections begin … end-1 until there are none; return a dead section, or -1."""
    first, last, size, alignment, fixed, most, _, pins, member, member_at = part
    top, left, low, placed, dirty, stamp, trail, old, counters = state[:9]
    again, rounds = True, 0
    while again and rounds < ROUNDS:
        again = False
        rounds += 1
        for s in range(begin, end):
            if not dirty[s]:
                continue
            dirty[s] = False
            # By bound; those that are placed stay where they were. What is sorted now is nearly so the next time.
            start, stop = member_at[s], member_at[s + 1]
            for p in range(start + 1, stop):
                k, q = member[p], p
                while q > start and low[member[q - 1]] > low[k]:
                    member[q] = member[q - 1]
                    q -= 1
                member[q] = k
            reach, lowest_end, second_end, lowest, count = top[s], FAR, FAR, np.int64(-1), 0
            for p in range(start, stop):
                k = member[p]
                if placed[k]:
                    continue
                count += 1
                reach = max(reach, low[k]) + size[k]
                bound = low[k] + size[k]
                if bound < lowest_end:
                    second_end, lowest_end, lowest = lowest_end, bound, k
                elif bound < second_end:
                    second_end = bound
            if reach > height:
                return s
            if count < 2:
                continue
            for p in range(stop - 1, start - 1, -1):
                k = member[p]
                if placed[k]:
                    continue
                if low[k] <= height - left[s]:
                    break
                bound = second_end if k == lowest else lowest_end
                if bound > low[k]:
                    bound = lift(k, bound, first, last, size, alignment, pins, fixed)
                    if bound > most[k]:
                        return s
                    keep(k, low[k], frame, stamp, trail, old, counters)
                    low[k] = bound
                    for z in range(first[k], last[k]):
                        dirty[z] = True
                    again = True
    dirty[begin:end] = False
    return -1


@jit_lean
def pass_over(j: Any, part: Any, state: Any, frame: Any) -> bool:
    """Let buffer ``j``, and those just like it, not lie at its bound; return whether it can lie anywhere else."""
    first, last, size, alignment, fixed, most, twin, pins, _, _ = part
    _, _, low, _, dirty, stamp, trail, old, counters, waiting = state[:10]
    bound = FAR
    for a in range(counters[LEFT]):
        i = waiting[a]
        if first[i] < last[j] and first[j] < last[i] and twin[i] != twin[j]:
            bound = min(bound, low[i] + size[i])
    if bound > most[j]:
        return False
    bound = lift(j, bound, first, last, size, alignment, pins, fixed)
    if bound > most[j]:
        return False
    for a in range(counters[LEFT]):
        i = waiting[a]
        if twin[i] == twin[j] and low[i] < bound:
            keep(i, low[i], frame, stamp, trail, old, counters)
            low[i] = bound
    for s in range(first[j], last[j]):
        dirty[s] = True
    return True


@jit_lean
def choose_span(depth: Any, part: Any, state: Any, span: Any) -> None:
    """Write into ``span[depth]`` the sections of the next decision: the fewest that no waiting buffer leaves.

    Of the span of the decision before, or of an earlier one if nothing of that is left.
    """
    sections = len(part[9]) - 1
    left, spanning = state[1], state[11]
    above = depth - 1
    while True:
        begin, end = (span[above, 0], span[above, 1]) if above >= 0 else (np.int64(0), np.int64(sections))
        found: Any = False
        s: Any = begin
        while s < end:
            if left[s] == 0:
                s += 1
                continue
            stop = s + 1
            while stop < end and spanning[stop] > 0:
                stop += 1
            if not found or stop - s < span[depth, 1] - span[depth, 0]:
                span[depth, 0], span[depth, 1], found = s, stop, True
            s = stop
        if found:
            return
        above -= 1


@jit_lean
def settle_level(begin: Any, end: Any, height: Any, part: Any, state: Any, frame: Any) -> Any:
    """Return the least bound of the waiting buffers of a span, all of which rest on something there; -1 if it is dead.

    A bound that was raised by conclusions may hang in the air: then the buffer has to rest on one still to come.
    """
    first, last, size, alignment, fixed, _, _, pins, _, _ = part
    top, low, counters, waiting, weight = state[0], state[2], state[8], state[9], state[12]
    while True:
        level, hanging = FAR, np.int64(-1)
        for a in range(counters[LEFT]):
            k = waiting[a]
            if low[k] < level and begin <= first[k] and last[k] <= end:
                level = low[k]
        for a in range(counters[LEFT]):
            k = waiting[a]
            if low[k] == level and fixed[k] < 0 and begin <= first[k] and last[k] <= end:
                rest = np.int64(0)
                for s in range(first[k], last[k]):
                    rest = max(rest, top[s])
                if lift(k, rest, first, last, size, alignment, pins, fixed) < level:
                    hanging = k
                    break
        if hanging < 0:
            return level
        if not pass_over(hanging, part, state, frame):
            return np.int64(-1)
        dead = tighten(begin, end, height, part, state, frame)
        if dead >= 0:
            weight[dead] += 1.0
            return np.int64(-1)


@jit_lean
def choose_buffer(begin: Any, end: Any, level: Any, height: Any, part: Any, state: Any, priority: Any) -> Any:
    """Return the buffer to be placed at ``level``: of highest priority, in a section that needs one if there is any."""
    first, last, _, _, _, _, _, _, member, member_at = part
    top, left, low, placed = state[:4]
    counters, waiting, weight = state[8], state[9], state[12]
    needy: Any = np.int64(-1)
    least: Any = np.inf
    for s in range(begin, end):
        if left[s] == 0 or top[s] > level:
            continue
        after, count = FAR, 0
        for p in range(member_at[s], member_at[s + 1]):
            k = member[p]
            if not placed[k]:
                if low[k] == level:
                    count += 1
                else:
                    after = min(after, low[k])
        # If none of the candidates goes here, the stack of the section begins too high.
        if count > 0 and after > height - left[s] and count / weight[s] < least:
            needy, least = s, count / weight[s]
    chosen = np.int64(-1)
    for a in range(counters[LEFT]):
        k = waiting[a]
        if low[k] != level or first[k] < begin or last[k] > end:
            continue
        if needy >= 0 and not (first[k] <= needy < last[k]):
            continue
        if chosen < 0 or priority[k] > priority[chosen] or (priority[k] == priority[chosen] and k < chosen):
            chosen = k
    return chosen


@jit_lean
def put(j: Any, level: Any, part: Any, state: Any, frame: Any) -> bool:
    """Place buffer ``j`` at ``level``; return whether all others still have room above it."""
    first, last, size, alignment, fixed, most, _, pins, _, _ = part
    top, left, low, placed, dirty, stamp, trail, old, counters, waiting, where, spanning, _, offset = state
    n, end = len(size), level + size[j]
    a, count = where[j], counters[LEFT] - 1
    other = waiting[count]
    waiting[a], where[other] = other, a
    waiting[count], where[j] = j, count
    counters[LEFT] = count
    placed[j], offset[j] = True, level
    for s in range(first[j], last[j]):
        keep(n + s, top[s], frame, stamp, trail, old, counters)
        top[s], dirty[s] = end, True
        left[s] -= size[j]
        if s > first[j]:
            spanning[s] -= 1
    for a in range(count):
        i = waiting[a]
        if low[i] < end and first[i] < last[j] and first[j] < last[i]:
            bound = lift(i, end, first, last, size, alignment, pins, fixed)
            if bound > most[i]:
                return False
            keep(i, low[i], frame, stamp, trail, old, counters)
            low[i] = bound
            for s in range(first[i], last[i]):
                dirty[s] = True
    return True


@jit_lean
def take_back(depth: Any, target: Any, chosen: Any, mark: Any, part: Any, state: Any) -> None:
    """Take back the decisions target … depth-1."""
    first, last, size = part[0], part[1], part[2]
    top, left, low, placed, _, _, trail, old, counters, _, _, spanning, _, offset = state
    n = len(size)
    for d in range(depth - 1, target - 1, -1):
        j = chosen[d]
        placed[j], offset[j] = False, -1
        for s in range(first[j], last[j]):
            left[s] += size[j]
            if s > first[j]:
                spanning[s] += 1
        # The order of those that wait need not be what it was.
        counters[LEFT] += 1
    at = counters[TRAIL]
    while at > mark[target]:
        at -= 1
        k = trail[at]
        if k < n:
            low[k] = old[at]
        else:
            top[k - n] = old[at]
    counters[TRAIL], counters[DEPTH], counters[BACK] = at, target, 1


@jit_lean
def search(height: Any, limit: Any, priority: Any, part: Any, state: Any, path: Any) -> int:
    """Go on with a search for at most ``limit`` decisions; return PAUSED, FOUND, NONE or FULL.

    Args:
        height: that no buffer may exceed.
        limit: number of decisions.
        priority: (m,) float64; of the candidates the highest goes first.
        part, state, path: the arrays of :class:`ganttlet_agents.solvers.memory_allocation.searching.Search`.
    """
    top, _, _, _, dirty, _, trail, _, counters, _, _, _, weight, _ = state
    chosen, mark, frames, span = path
    n, sections = len(priority), len(top)
    until = counters[NODES] + limit
    while True:
        depth = counters[DEPTH]
        # A frame keeps each value once, but a decision taken back leaves its frame to another.
        if len(trail) - counters[TRAIL] < 2 * (n + sections):
            return FULL
        if counters[NODES] >= until:
            return PAUSED
        dead, frame = False, frames[depth]
        if counters[BACK]:
            counters[BACK] = 0
            begin, end = span[depth, 0], span[depth, 1]
            dead = not pass_over(chosen[depth], part, state, frame)
            if not dead:
                section = tighten(begin, end, height, part, state, frame)
                if section >= 0:
                    dead = True
                    weight[section] += 1.0
        elif depth == n:
            return FOUND
        else:
            choose_span(depth, part, state, span)
            begin, end = span[depth, 0], span[depth, 1]
        if not dead:
            level = settle_level(begin, end, height, part, state, frame)
            dead = level < 0
        if dead:
            dirty[begin:end] = False
            # What was decided in sections apart from these has nothing to do with the failure.
            target = depth - 1
            while target >= 0 and not (span[target, 0] <= begin and end <= span[target, 1]):
                target -= 1
            if target < 0:
                return NONE
            take_back(depth, target, chosen, mark, part, state)
            continue
        j = choose_buffer(begin, end, level, height, part, state, priority)
        counters[NODES] += 1
        counters[FRAME] += 1
        chosen[depth], mark[depth], frames[depth + 1] = j, counters[TRAIL], counters[FRAME]
        counters[DEPTH] = depth + 1
        fits = put(j, level, part, state, counters[FRAME])
        if fits:
            section = tighten(begin, end, height, part, state, counters[FRAME])
            if section < 0:
                continue
            weight[section] += 1.0
        dirty[begin:end] = False
        take_back(depth + 1, depth, chosen, mark, part, state)
