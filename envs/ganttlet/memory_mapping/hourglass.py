"""Hourglasses: a chain of layers whose second half reads the results of the first half again, the last one first."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.jit import jit
from ganttlet.core.rng import key_of, uniform
from ganttlet.memory_mapping.drawing import (
    FIRST,
    INTENSITY,
    LEAST_VECTOR,
    MOST_VECTOR,
    REUSE,
    SIZE,
    SKIP,
    SPREAD,
    WEIGHT,
    Rows,
    add_buffer,
    draw_count,
    draw_size,
    end_instruction,
    log_uniform,
    read,
    write,
)
from ganttlet.memory_mapping.instance import INPUT, OUTPUT, PARAM, TEMP, Array

MATRIX = 0.7


@jit
def draw_hourglass(params: Array, key: Any, rows: Rows) -> None:
    """Draw ``layers`` layers down and as many up.

    Seven in ten layers multiply by a weight of their own; the others are element-wise. A layer on the way up reads,
    with probability ``skip``, the result of its opposite on the way down, and multiplies, where the opposite does, by
    the opposite's weight with probability ``reuse``; its result is as large as what the opposite read.
    """
    n = draw_count(params, key, FIRST)
    made, weights = np.empty(n + 1, np.int64), np.full(n, -1, np.int64)
    made[0] = add_buffer(rows, draw_size(key, 20, params[SIZE], params[SPREAD]), INPUT)
    for t in range(n):
        here = key_of(key, 10, t)
        read(rows, made[t], 1.0)
        size, matrix = rows.size[made[t]], 0.0
        if uniform(here, 0) < MATRIX:
            weights[t] = add_buffer(rows, draw_size(here, 1, params[WEIGHT], params[SPREAD]), PARAM)
            read(rows, weights[t], 1.0)
            size = draw_size(here, 3, params[SIZE], params[SPREAD])
            matrix = log_uniform(here, 5, params[INTENSITY], params[INTENSITY + 1])
        made[t + 1] = write(rows, size, TEMP)
        end_instruction(rows, matrix, log_uniform(here, 6, LEAST_VECTOR, MOST_VECTOR))
    previous = made[n]
    for t in range(n - 1, -1, -1):
        here = key_of(key, 11, t)
        read(rows, previous, 1.0)
        if t < n - 1 and uniform(here, 0) < params[SKIP]:
            read(rows, made[t + 1], 1.0)
        matrix = 0.0
        if weights[t] >= 0:
            weight = weights[t]
            if uniform(here, 1) >= params[REUSE]:
                weight = add_buffer(rows, draw_size(here, 2, params[WEIGHT], params[SPREAD]), PARAM)
            read(rows, weight, 1.0)
            matrix = log_uniform(here, 4, params[INTENSITY], params[INTENSITY + 1])
        previous = write(rows, rows.size[made[t]], TEMP if t else OUTPUT)
        end_instruction(rows, matrix, log_uniform(here, 5, LEAST_VECTOR, MOST_VECTOR))


def most_hourglass(params: Array) -> tuple[int, int, int]:
    """Return the most instructions, buffers and slots that can be drawn."""
    n = int(params[FIRST + 1])
    return 2 * n, 4 * n + 1, 7 * n
