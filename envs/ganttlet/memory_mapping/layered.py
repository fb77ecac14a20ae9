"""Programs in layers: each instruction reads the result of the one before it, and may read older ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.jit import jit
from ganttlet.core.rng import key_of, randint, uniform
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
from ganttlet.memory_mapping.instance import CONST, INPUT, OUTPUT, PARAM, TEMP, Array

REACH = 12  # how many instructions a skip goes back, at most
MATRIX, SLICED, MIDDLE, BIAS, CONSTANT = 0.5, 0.1, 0.03, 0.5, 0.1
SLOTS, BUFFERS = 5, 3  # most of an instruction


@jit
def draw_layered(params: Array, key: Any, rows: Rows) -> None:
    """Draw a chain with skips.

    Half of the instructions multiply by a weight, with or without a bias, which is new or, with probability ``reuse``,
    one used before; the others are element-wise. With probability ``skip`` an instruction reads an older result too.
    One in ten reads only a slice of the result before it; of the results in the middle, 3 % are outputs as well.
    """
    n = draw_count(params, key, FIRST)
    made, weights, biases = np.empty(n, np.int64), np.empty(n, np.int64), np.full(n, -1, np.int64)
    n_weights = 0
    previous = add_buffer(rows, draw_size(key, 20, params[SIZE], params[SPREAD]), INPUT)
    for t in range(n):
        here = key_of(key, 10, t)
        part = 1.0
        if uniform(here, 0) < SLICED:
            part = uniform(here, 1)
        read(rows, previous, part)
        if t >= 2 and uniform(here, 2) < params[SKIP]:
            read(rows, made[t - min(t, randint(here, 3, 2, REACH))], 1.0)
        size, matrix = rows.size[previous], 0.0
        if uniform(here, 4) < MATRIX:
            if n_weights and uniform(here, 5) < params[REUSE]:
                w = randint(here, 6, 0, n_weights - 1)
            else:
                w = n_weights
                n_weights += 1
                kind = CONST if uniform(here, 7) < CONSTANT else PARAM
                weights[w] = add_buffer(rows, draw_size(here, 8, params[WEIGHT], params[SPREAD]), kind)
                if uniform(here, 10) < BIAS:
                    biases[w] = add_buffer(rows, draw_size(here, 11, params[WEIGHT] / 512.0, params[SPREAD]), kind)
            read(rows, weights[w], 1.0)
            if biases[w] >= 0:
                read(rows, biases[w], 1.0)
            size = draw_size(here, 13, params[SIZE], params[SPREAD])
            matrix = log_uniform(here, 15, params[INTENSITY], params[INTENSITY + 1])
        output = t == n - 1 or uniform(here, 16) < MIDDLE
        previous = write(rows, size, OUTPUT if output else TEMP)
        made[t] = previous
        end_instruction(rows, matrix, log_uniform(here, 17, LEAST_VECTOR, MOST_VECTOR))


def most_layered(params: Array) -> tuple[int, int, int]:
    """Return the most instructions, buffers and slots that can be drawn."""
    n = int(params[FIRST + 1])
    return n, BUFFERS * n + 1, SLOTS * n
