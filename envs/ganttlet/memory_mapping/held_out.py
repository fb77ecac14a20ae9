"""Programs of other shapes than those one trains on, to see whether what was learned carries over."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.jit import jit
from ganttlet.core.rng import key_of, randint, uniform
from ganttlet.memory_mapping.drawing import (
    FIRST,
    GRAIN,
    INTENSITY,
    LEAST_VECTOR,
    MOST_VECTOR,
    SECOND,
    SIZE,
    SKIP,
    SPREAD,
    THIRD,
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


@jit
def draw_training(params: Array, key: Any, rows: Rows) -> None:
    """Draw one step of training a chain of layers.

    Forwards, every layer makes its result of the one before it and a weight, and with probability ``skip`` of the one
    before that. Backwards, in the opposite order, the gradient of each weight needs the result that went into its
    layer, the updated weight is an output, and the gradient moves on through the old weight.
    """
    layers = draw_count(params, key, FIRST)
    results, weights = np.empty(layers + 1, np.int64), np.empty(layers, np.int64)
    results[0] = add_buffer(rows, draw_size(key, 20, params[SIZE], params[SPREAD]), INPUT)
    target = add_buffer(rows, GRAIN * randint(key, 22, 1, 16), INPUT)
    for layer in range(layers):
        here = key_of(key, 10, layer)
        weights[layer] = add_buffer(rows, draw_size(here, 0, params[WEIGHT], params[SPREAD]), PARAM)
        read(rows, results[layer], 1.0)
        if layer and uniform(here, 4) < params[SKIP]:
            read(rows, results[layer - 1], 1.0)
        read(rows, weights[layer], 1.0)
        results[layer + 1] = write(rows, draw_size(here, 2, params[SIZE], params[SPREAD]), TEMP)
        end_instruction(rows, log_uniform(here, 5, params[INTENSITY], params[INTENSITY + 1]), 0.0)
    vector = log_uniform(key, 23, LEAST_VECTOR, MOST_VECTOR)
    read(rows, results[layers], 1.0)
    read(rows, target, 1.0)
    gradient = write(rows, rows.size[results[layers]], TEMP)
    write(rows, GRAIN, OUTPUT)
    end_instruction(rows, 0.0, vector)
    for layer in range(layers - 1, -1, -1):
        # The three products of a layer do the same work, each per byte of its own.
        matrix = log_uniform(key_of(key, 10, layer), 5, params[INTENSITY], params[INTENSITY + 1])
        read(rows, gradient, 1.0)
        read(rows, results[layer], 1.0)
        change = write(rows, rows.size[weights[layer]], TEMP)
        end_instruction(rows, matrix, 0.0)
        if layer:
            read(rows, gradient, 1.0)
            read(rows, weights[layer], 1.0)
            gradient = write(rows, rows.size[results[layer]], TEMP)
            end_instruction(rows, matrix, 0.0)
        read(rows, weights[layer], 1.0)
        read(rows, change, 1.0)
        write(rows, rows.size[weights[layer]], OUTPUT)
        end_instruction(rows, 0.0, vector)


def most_training(params: Array) -> tuple[int, int, int]:
    """Return the most instructions, buffers and slots that can be drawn."""
    layers = int(params[FIRST + 1])
    return 4 * layers, 5 * layers + 3, 13 * layers


@jit
def draw_branching(params: Array, key: Any, rows: Rows) -> None:
    """Draw blocks of parallel branches, one after the other.

    Every branch of a block is a chain of products with weights of its own that begins at the block's input; the block
    ends by joining the branches' results element-wise, with probability ``skip`` together with its input.
    """
    blocks = draw_count(params, key, FIRST)
    entry = add_buffer(rows, draw_size(key, 20, params[SIZE], params[SPREAD]), INPUT)
    ends = np.empty(np.int64(params[SECOND + 1]), np.int64)
    for block in range(blocks):
        inside = key_of(key, 10, block)
        branches = draw_count(params, inside, SECOND)
        for branch in range(branches):
            here = key_of(inside, 11, branch)
            ends[branch] = entry
            for level in range(draw_count(params, here, THIRD)):
                step = key_of(here, 12, level)
                weight = add_buffer(rows, draw_size(step, 0, params[WEIGHT], params[SPREAD]), PARAM)
                read(rows, ends[branch], 1.0)
                read(rows, weight, 1.0)
                ends[branch] = write(rows, draw_size(step, 2, params[SIZE], params[SPREAD]), TEMP)
                end_instruction(rows, log_uniform(step, 4, params[INTENSITY], params[INTENSITY + 1]), 0.0)
        largest = np.int64(0)
        for branch in range(branches):
            read(rows, ends[branch], 1.0)
            largest = max(largest, rows.size[ends[branch]])
        if uniform(inside, 0) < params[SKIP]:
            read(rows, entry, 1.0)
        entry = write(rows, largest, OUTPUT if block == blocks - 1 else TEMP)
        end_instruction(rows, 0.0, log_uniform(inside, 1, LEAST_VECTOR, MOST_VECTOR))


def most_branching(params: Array) -> tuple[int, int, int]:
    """Return the most instructions, buffers and slots that can be drawn."""
    blocks, branches, depth = (int(params[at + 1]) for at in (FIRST, SECOND, THIRD))
    return (
        blocks * (branches * depth + 1),
        blocks * (2 * branches * depth + 1) + 1,
        blocks * (3 * branches * depth + branches + 2),
    )
