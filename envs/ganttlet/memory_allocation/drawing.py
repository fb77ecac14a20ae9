"""Kernels that draw random buffers: a rectangle cut into pieces, unrelated buffers, and the buffers of a program."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ganttlet.core.jit import jit
from ganttlet.core.rng import key_of, randint, uniform
from ganttlet.memory_allocation.layout import ALIGN, FIXED, LOWER, SIZE, UPPER, Array, Int

# Slots of the parameter vector (float64); BUFFERS and FACTOR are ranges, low and high, both included.
KIND, COUNT, HORIZON, UNITS, UNIT, FACTOR, PINWHEEL, TRIM, FIX, LARGEST, SCRATCH, SKIP, SAVED = (
    0,
    1,
    3,
    4,
    5,
    6,
    8,
    9,
    10,
    11,
    12,
    13,
    14,
)
ALIGNMENT, N_PARAMS = 15, 16
CUT, UNIFORM, PROGRAM = range(3)
# Columns of a piece while a rectangle is cut: its time from and to, its offset from and to, in units.
FROM, TO, BOTTOM, END = range(4)


@jit
def log_uniform(key: Any, count: Any, low: Any, high: Any) -> Any:
    """Return draw number ``count`` of the stream ``key``, log-uniform on low … high."""
    return low * math.exp(uniform(key, count) * math.log(high / low))


@jit
def draw_row(params: Array, key: Any, facts: Array, place: Array) -> tuple[Any, Any]:
    """Draw the instance of ``key`` (uint64, see ganttlet.core.rng.key_of) into one row of padded storage.

    Args:
        params: (N_PARAMS,) float64, ``Generator.params``.
        key: the key.
        facts: (N_FACTS, N) int64; LOWER, UPPER, SIZE, ALIGN and FIXED are written, padding included.
        place: (N,) int64; offsets of a packing within the capacity, where one is known, else -1.

    Returns:
        Number of buffers, and the capacity in bytes.
    """
    n = randint(key, 0, np.int64(params[COUNT]), np.int64(params[COUNT + 1]))
    facts[: FIXED + 1] = 0
    facts[FIXED] = -1
    place[:] = -1
    unit = np.int64(params[UNIT])
    if params[KIND] == CUT:
        cut_rectangle(params, key_of(key, 1, 0), n, facts, place)
        capacity = np.int64(params[UNITS]) * unit
        trim_buffers(params, key_of(key, 2, 0), n, facts)
        fix = key_of(key, 3, 0)
        for k in range(n - 1):  # the last one stays free, so that there is something to decide
            if uniform(fix, k) < params[FIX]:
                facts[FIXED, k] = place[k]
    else:
        if params[KIND] == UNIFORM:
            draw_unrelated(params, key_of(key, 1, 0), n, facts)
        else:
            draw_program(params, key_of(key, 1, 0), n, facts)
        load = greatest_load(np.int64(params[HORIZON]), n, facts)
        factor = params[FACTOR] + uniform(key, 1) * (params[FACTOR + 1] - params[FACTOR])
        capacity = max(load, np.int64(math.ceil(factor * load / unit)) * unit)
    facts[ALIGN, :n] = np.int64(params[ALIGNMENT])
    return n, capacity


@jit
def greatest_load(horizon: Int, n: Int, facts: Array) -> Any:
    """Return the greatest sum of sizes that live at one of the times 0 … horizon - 1."""
    change = np.zeros(horizon + 1, np.int64)
    for k in range(n):
        change[facts[LOWER, k]] += facts[SIZE, k]
        change[facts[UPPER, k]] -= facts[SIZE, k]
    live, most = np.int64(0), np.int64(0)
    for one in change:
        live += one
        most = max(most, live)
    return most


@jit
def cut_rectangle(params: Array, key: Any, n: Int, facts: Array, place: Array) -> None:
    """Cut the rectangle of horizon x capacity into ``n`` pieces, which are the buffers in random order.

    The larger of two random pieces is cut, across or along time; or into five around a middle one, with a probability,
    which no sequence of straight cuts makes.
    """
    piece = np.zeros((n, 4), np.int64)
    piece[0, TO], piece[0, END] = np.int64(params[HORIZON]), np.int64(params[UNITS])
    count, draw = 1, 0
    while count < n:
        one, two = randint(key, draw, 0, count - 1), randint(key, draw + 1, 0, count - 1)
        draw += 2
        if area_of(piece[two]) > area_of(piece[one]):
            one = two
        while area_of(piece[one]) == 1:  # there is a larger one, for the rectangle holds n
            one = (one + 1) % count
        long, high = piece[one, TO] - piece[one, FROM], piece[one, END] - piece[one, BOTTOM]
        round_ = uniform(key, draw)
        across = high == 1 or (long > 1 and uniform(key, draw + 1) < 0.5)
        draw += 2
        if n - count >= 4 and long >= 3 and high >= 3 and round_ < params[PINWHEEL]:
            draw = cut_pinwheel(key, draw, one, count, piece)
            count += 4
            continue
        low, top = (FROM, TO) if across else (BOTTOM, END)
        piece[count] = piece[one]
        middle = randint(key, draw, piece[one, low] + 1, piece[one, top] - 1)
        draw += 1
        piece[one, top], piece[count, low] = middle, middle
        count += 1
    unit = np.int64(params[UNIT])
    for k in range(n):
        other = randint(key, draw + k, k, n - 1)
        for column in range(4):
            piece[k, column], piece[other, column] = piece[other, column], piece[k, column]
        facts[LOWER, k], facts[UPPER, k] = piece[k, FROM], piece[k, TO]
        facts[SIZE, k], place[k] = (piece[k, END] - piece[k, BOTTOM]) * unit, piece[k, BOTTOM] * unit


@jit
def area_of(piece: Array) -> Any:
    """Return time x units of a piece (4,)."""
    return (piece[TO] - piece[FROM]) * (piece[END] - piece[BOTTOM])


@jit
def cut_pinwheel(key: Any, draw: Any, one: Int, count: Int, piece: Array) -> Any:
    """Cut piece ``one`` into a middle and four around it, the new ones from ``count`` on; return the next draw."""
    left, right, low, high = piece[one, FROM], piece[one, TO], piece[one, BOTTOM], piece[one, END]
    a = randint(key, draw, left + 1, right - 2)
    b = randint(key, draw + 1, a + 1, right - 1)
    c = randint(key, draw + 2, low + 1, high - 2)
    d = randint(key, draw + 3, c + 1, high - 1)
    parts = np.empty((5, 4), np.int64)
    # Around the middle (a … b, c … d): below, right, above, left; each reaches to one corner.
    if uniform(key, draw + 4) < 0.5:
        corners = ((a, b, c, d), (left, b, low, c), (b, right, low, d), (a, right, d, high), (left, a, c, high))
    else:
        corners = ((a, b, c, d), (a, right, low, c), (b, right, c, high), (left, b, d, high), (left, a, low, d))
    for at in range(5):
        parts[at, FROM], parts[at, TO], parts[at, BOTTOM], parts[at, END] = corners[at]
    piece[one] = parts[0]
    piece[count : count + 4] = parts[1:]
    return draw + 5


@jit
def trim_buffers(params: Array, key: Any, n: Int, facts: Array) -> None:
    """Make buffers live shorter or smaller, each with a probability: what packed before still does."""
    for k in range(n):
        if uniform(key, 3 * k) < params[TRIM]:
            long, size = facts[UPPER, k] - facts[LOWER, k], facts[SIZE, k]
            how = uniform(key, 3 * k + 1)
            if how < 0.5 and size > 1:
                facts[SIZE, k] = size - randint(key, 3 * k + 2, 1, max(1, size // 2))
            elif long > 1:
                cut = randint(key, 3 * k + 2, 1, max(1, long // 2))
                if how < 0.75:
                    facts[LOWER, k] += cut
                else:
                    facts[UPPER, k] -= cut


@jit
def draw_unrelated(params: Array, key: Any, n: Int, facts: Array) -> None:
    """Draw buffers of log-uniform sizes and lifetimes that start anywhere."""
    horizon, unit = np.int64(params[HORIZON]), np.int64(params[UNIT])
    for k in range(n):
        long = np.int64(log_uniform(key, 3 * k, 1.0, horizon))
        start = randint(key, 3 * k + 1, 0, horizon - long)
        facts[LOWER, k], facts[UPPER, k] = start, start + long
        facts[SIZE, k] = np.int64(log_uniform(key, 3 * k + 2, 1.0, params[LARGEST] + 1.0)) * unit


@jit
def draw_program(params: Array, key: Any, n: Int, facts: Array) -> None:
    """Draw the buffers of a program of horizon steps, in the order in which they are made.

    Some are scratch of one step; some are read once more much later; some are kept for the mirrored step, as a
    backward pass reads what the forward pass made; all others are read by the next step or the one after.
    """
    horizon, unit = np.int64(params[HORIZON]), np.int64(params[UNIT])
    for k in range(n):
        start = k * horizon // n
        kind = uniform(key, 3 * k)
        end = min(horizon, start + randint(key, 3 * k + 1, 2, 3))
        if kind < params[SCRATCH]:
            end = start + 1
        elif kind < params[SCRATCH] + params[SKIP]:
            end = randint(key, 3 * k + 1, start + 1, horizon)
        elif kind < params[SCRATCH] + params[SKIP] + params[SAVED]:
            end = max(end, horizon - start)
        facts[LOWER, k], facts[UPPER, k] = start, end
        facts[SIZE, k] = np.int64(log_uniform(key, 3 * k + 2, 1.0, params[LARGEST] + 1.0)) * unit
