"""Unrolled recurrent programs: the same weights at every step."""

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
    SECOND,
    SIZE,
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

GATES = 4
EACH_STEP = 0.5


@jit
def draw_recurrent(params: Array, key: Any, rows: Rows) -> None:
    """Draw layers of gated cells, unrolled over steps.

    At each step every layer multiplies its input and its last state by its weight into gates, and makes its next two
    states of them element-wise. The result of the top layer is projected to an output, after the last step or, in half
    of the programs, after every one. A slice of the program's input is read at each step.
    """
    steps, layers = draw_count(params, key, FIRST), draw_count(params, key, SECOND)
    size = draw_size(key, 20, params[SIZE], params[SPREAD])
    matrix = log_uniform(key, 22, params[INTENSITY], params[INTENSITY + 1])
    vector = log_uniform(key, 23, LEAST_VECTOR, MOST_VECTOR)
    each_step = uniform(key, 24) < EACH_STEP
    source = add_buffer(rows, size * steps, INPUT)
    weights, biases = np.empty(layers, np.int64), np.empty(layers, np.int64)
    hidden, cell = np.empty(layers, np.int64), np.empty(layers, np.int64)
    for layer in range(layers):
        here = key_of(key, 10, layer)
        weights[layer] = add_buffer(rows, draw_size(here, 0, params[WEIGHT], params[SPREAD]), PARAM)
        biases[layer] = add_buffer(rows, draw_size(here, 2, params[WEIGHT] / 512.0, params[SPREAD]), PARAM)
        hidden[layer], cell[layer] = add_buffer(rows, size, INPUT), add_buffer(rows, size, INPUT)
    projection = add_buffer(rows, draw_size(key, 25, params[WEIGHT], params[SPREAD]), PARAM)
    result = draw_size(key, 27, params[SIZE], params[SPREAD])
    for step in range(steps):
        for layer in range(layers):
            if layer:
                read(rows, hidden[layer - 1], 1.0)
            else:
                read(rows, source, 1.0 / steps)
            read(rows, hidden[layer], 1.0)
            read(rows, weights[layer], 1.0)
            read(rows, biases[layer], 1.0)
            gates = write(rows, GATES * size, TEMP)
            end_instruction(rows, matrix, 0.0)
            read(rows, gates, 1.0)
            read(rows, cell[layer], 1.0)
            cell[layer], hidden[layer] = write(rows, size, TEMP), write(rows, size, TEMP)
            end_instruction(rows, 0.0, vector)
        if each_step or step == steps - 1:
            read(rows, hidden[layers - 1], 1.0)
            read(rows, projection, 1.0)
            write(rows, result, OUTPUT)
            end_instruction(rows, matrix, 0.0)


def most_recurrent(params: Array) -> tuple[int, int, int]:
    """Return the most instructions, buffers and slots that can be drawn."""
    steps, layers = int(params[FIRST + 1]), int(params[SECOND + 1])
    return steps * (2 * layers + 1), steps * (3 * layers + 1) + 4 * layers + 2, steps * (9 * layers + 3)
