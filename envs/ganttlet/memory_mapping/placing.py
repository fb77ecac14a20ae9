"""Places in fast memory: what is in the way, and the rules that choose an offset.

The list of rectangles is a skyline: disjoint ranges by offset, each with the last instruction at which it is occupied.
Every rectangle began by the present instruction, so a range is free for a new one just if it is occupied until an
instruction before the new one begins. A new rectangle covers what lies under it, and takes from every buffer whose
offsets it touches the right to be kept.
"""

from __future__ import annotations

from typing import Any

from ganttlet.core.jit import jit_lean
from ganttlet.memory_mapping.layout import DIRTY, END, HIGH, LOW, NUMBER, USE

PLACEMENTS = ("first_fit", "best_fit", "reserve")
FIRST_FIT, BEST_FIT, RESERVE = range(3)
MANY = 2**31
FORGET = 8  # instructions between two times at which ranges that do not matter any more are removed


@jit_lean
def first_fit(units: Any, begin: Any, capacity: Any, count: Any, rects: Any) -> Any:
    """Return the lowest offset that is free from instruction ``begin`` on, -1 if there is none."""
    top = 0
    for e in range(count):
        if rects[END, e] >= begin:
            if rects[LOW, e] - top >= units:
                return top
            top = rects[HIGH, e]
    return top if capacity - top >= units else -1


@jit_lean
def best_fit(units: Any, begin: Any, capacity: Any, count: Any, rects: Any) -> Any:
    """Return the low end of the smallest free range that is large enough, -1 if there is none."""
    top, found, least = 0, -1, MANY
    for e in range(count + 1):
        if e < count and rects[END, e] < begin:
            continue
        low = rects[LOW, e] if e < count else capacity
        if units <= low - top < least:
            found, least = top, low - top
        if e < count:
            top = rects[HIGH, e]
    return found


@jit_lean
def overlap(low: Any, units: Any, most: Any, own: Any, count: Any, rects: Any) -> Any:
    """Return how much of the range belongs to buffers that can be kept, except ``own``; stops above ``most``.

    The range is free, so what is reserved is not in it.
    """
    total, high = 0, low + units
    for e in range(count):
        if rects[LOW, e] >= high or total > most:
            break
        if rects[USE, e] >= 0 and e != own and rects[HIGH, e] > low:
            total += min(high, rects[HIGH, e]) - max(low, rects[LOW, e])
    return total


@jit_lean
def reserve(units: Any, begin: Any, capacity: Any, own: Any, count: Any, rects: Any) -> Any:
    """Return the lowest free offset whose range overlaps the least of buffers that can be kept, except ``own``.

    The overlap is piecewise linear in the offset: a least one lies at an end of a free range, where the place begins at
    the end of a buffer, or where it ends at the beginning of one.
    """
    top, found, least = 0, -1, MANY
    for e in range(count + 1):
        if e < count and rects[END, e] < begin:
            continue
        low = rects[LOW, e] if e < count else capacity
        if low - top >= units:
            cost = overlap(top, units, least, own, count, rects)
            if cost < least:
                found, least = top, cost
            for x in range(count if least > 0 else 0):
                if rects[LOW, x] >= low:
                    break
                if rects[USE, x] < 0 or x == own or rects[HIGH, x] <= top:
                    continue
                for side in range(2):
                    at = rects[LOW, x] - units if side == 0 else min(rects[HIGH, x], low - units)
                    if top < at <= low - units:
                        cost = overlap(at, units, least, own, count, rects)
                        if cost < least or (cost == least and at < found):
                            found, least = at, cost
            if least == 0:
                return found
        if e < count:
            top = rects[HIGH, e]
    return found


@jit_lean
def find_place(rule: Any, units: Any, begin: Any, capacity: Any, own: Any, count: Any, rects: Any) -> Any:
    """Return the offset for a rectangle from instruction ``begin`` on by a rule of PLACEMENTS, -1 if there is none.

    ``own`` is the column of ``rects`` with the same buffer, -1 for none.
    """
    if units > capacity:
        return -1
    if rule == FIRST_FIT:
        return first_fit(units, begin, capacity, count, rects)
    if rule == BEST_FIT:
        return best_fit(units, begin, capacity, count, rects)
    return reserve(units, begin, capacity, own, count, rects)


@jit_lean
def find_use(slot: Any, count: Any, rects: Any) -> Any:
    """Return the column of the rectangle that ``slot`` may keep, -1 if there is none."""
    found = -1
    for e in range(count):
        if rects[USE, e] == slot:
            found = e
    return found


@jit_lean
def put_rect(low: Any, units: Any, end: Any, use: Any, dirty: Any, number: Any, count: Any, rects: Any) -> Any:
    """Put a rectangle over the ``count`` ranges of the list and return how many there are then.

    Of a range that it covers in part, the rest stays; its buffer can no longer be kept.
    """
    high = low + units
    first = 0
    while first < count and rects[HIGH, first] <= low:
        first += 1
    after = first
    while after < count and rects[LOW, after] < high:
        rects[USE, after] = -1
        after += 1
    # Ranges first … after - 1 are touched; what sticks out below and above stays.
    below = after > first and rects[LOW, first] < low
    above = after > first and rects[HIGH, after - 1] > high
    past, ends = rects[HIGH, after - 1] if above else high, rects[END, after - 1] if above else 0
    at = first + 1 if below else first
    follows = at + 2 if above else at + 1
    shift = follows - after
    for column in range(len(rects)):
        if shift > 0:
            for e in range(count - 1, after - 1, -1):
                rects[column, e + shift] = rects[column, e]
        elif shift < 0:
            for e in range(after, count):
                rects[column, e + shift] = rects[column, e]
    if below:
        rects[HIGH, first] = low
    if above:
        rects[LOW, at + 1], rects[HIGH, at + 1], rects[END, at + 1], rects[USE, at + 1] = high, past, ends, -1
    rects[LOW, at], rects[HIGH, at], rects[END, at] = low, high, end
    rects[USE, at], rects[DIRTY, at], rects[NUMBER, at] = use, dirty, number
    return count + shift


@jit_lean
def forget_rects(before: Any, count: Any, rects: Any) -> Any:
    """Remove ranges that are free since before an instruction and cannot be kept; return how many stay."""
    kept = 0
    for e in range(count):
        if rects[END, e] >= before or rects[USE, e] >= 0:
            if kept < e:
                for column in range(len(rects)):
                    rects[column, kept] = rects[column, e]
            kept += 1
    return kept
