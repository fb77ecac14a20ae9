"""What the generators' kernels share: the rows of a program being drawn, and draws of sizes and work."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ganttlet.core.jit import jit, jit_lean
from ganttlet.core.rng import key_of, randint, uniform
from ganttlet.memory_mapping.instance import IN, OUT, OUTPUT, Array

# Slots of the parameter vector (float64); ranges are two slots, low and high, both included.
FIRST, SECOND, THIRD, PRESSURE, CAPACITY, SKIP, REUSE, SIZE, WEIGHT, SPREAD, INTENSITY = (
    0,
    2,
    4,
    6,
    8,
    9,
    10,
    11,
    12,
    13,
    14,
)
ALIGN, KIND, SYNC, N_PARAMS = 16, 17, 18, 19
GRAIN = 64  # bytes; sizes are multiples of it
LARGEST_SIZE = 2.0**28
T, B, U = 0, 1, 2
# Bytes are 2 per number; element-wise work is a few flops for each.
LEAST_VECTOR, MOST_VECTOR = 0.1, 10.0


class Rows(NamedTuple):
    """The fields of a Program while it is drawn, long enough for any that can be, and how much of them is used."""

    matrix_flops: Array
    vector_flops: Array
    size: Array
    buffer_kind: Array
    defined: Array
    slot_time: Array
    slot_buffer: Array
    slot_role: Array
    slot_bytes: Array
    used: Array


def make_rows(instructions: int, buffers: int, slots: int) -> Rows:
    """Return empty rows; ``used`` is (3,) int64, instructions, buffers and slots so far."""
    return Rows(
        np.zeros(instructions, np.int64),
        np.zeros(instructions, np.int64),
        np.zeros(buffers, np.int64),
        np.zeros(buffers, np.int8),
        np.zeros(buffers, np.int32),
        np.zeros(slots, np.int32),
        np.zeros(slots, np.int32),
        np.zeros(slots, np.int8),
        np.zeros(slots, np.int64),
        np.zeros(3, np.int64),
    )


@jit
def log_uniform(key: Any, count: Any, low: float, high: float) -> float:
    """Return draw number ``count`` of the stream ``key``, log-uniform on low … high."""
    return low * math.exp(uniform(key, count) * math.log(high / low))


@jit
def draw_size(key: Any, count: Any, median: float, spread: float) -> Any:
    """Return a log-normal size in bytes, from draws ``count`` and the next; ``spread`` is sigma of its logarithm."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(key, count)))
    normal = radius * math.cos(2.0 * math.pi * uniform(key, count + 1))
    size = min(median * math.exp(spread * normal), LARGEST_SIZE)
    return max(1, int(size / GRAIN + 0.5)) * GRAIN


@jit
def draw_count(params: Array, key: Any, at: int) -> Any:
    """Return a whole number from the range at slot ``at`` of ``params``."""
    return randint(key, at, np.int64(params[at]), np.int64(params[at + 1]))


@jit_lean
def add_buffer(rows: Rows, size: Any, kind: int) -> Any:
    """Add a buffer that exists before the program; return its number."""
    b = rows.used[B]
    rows.size[b], rows.buffer_kind[b], rows.defined[b] = size, kind, -1
    rows.used[B] += 1
    return b


@jit_lean
def read(rows: Rows, buffer: Any, part: float) -> None:
    """Make ``buffer`` an operand of the present instruction, which moves ``part`` (0 … 1) of it."""
    k = rows.used[U]
    rows.slot_time[k], rows.slot_buffer[k], rows.slot_role[k] = rows.used[T], buffer, IN
    rows.slot_bytes[k] = max(1, int(part * rows.size[buffer]))
    rows.used[U] += 1


@jit_lean
def write(rows: Rows, size: Any, kind: int) -> Any:
    """Make a new buffer, the result of the present instruction; return its number."""
    b, k = rows.used[B], rows.used[U]
    rows.size[b], rows.buffer_kind[b], rows.defined[b] = size, kind, rows.used[T]
    rows.slot_time[k], rows.slot_buffer[k], rows.slot_role[k] = rows.used[T], b, OUT
    rows.slot_bytes[k] = size
    rows.used[B] += 1
    rows.used[U] += 1
    return b


@jit_lean
def end_instruction(rows: Rows, matrix: float, vector: float) -> None:
    """End the present instruction; ``matrix`` and ``vector`` are its work in flop per byte that it moves."""
    t, k = rows.used[T], rows.used[U] - 1
    moved = 0
    while k >= 0 and rows.slot_time[k] == t:
        moved += rows.slot_bytes[k]
        k -= 1
    rows.matrix_flops[t], rows.vector_flops[t] = int(matrix * moved), int(vector * moved)
    rows.used[T] += 1


@jit
def choose_capacity(params: Array, key: Any, rows: Rows) -> Any:
    """Return bytes of fast memory: as given, or the peak of live bytes over a pressure drawn log-uniformly."""
    if params[CAPACITY] > 0:
        return np.int64(params[CAPACITY])
    align = np.int64(params[ALIGN])
    n, b = rows.used[T], rows.used[B]
    first, last = np.full(b, n, np.int64), np.zeros(b, np.int64)
    for k in range(rows.used[U]):
        t, buffer = rows.slot_time[k], rows.slot_buffer[k]
        first[buffer], last[buffer] = min(first[buffer], t), max(last[buffer], t)
    change = np.zeros(n + 1, np.int64)
    for buffer in range(b):
        size = np.int64(-(-rows.size[buffer] // align)) * align
        change[first[buffer]] += size
        change[last[buffer] + 1] -= size
    live, peak = 0, 0
    for t in range(n):
        live += change[t]
        peak = max(peak, live)
    wanted = peak / log_uniform(key, PRESSURE, params[PRESSURE], params[PRESSURE + 1])
    return np.int64(max(1.0, math.ceil(wanted / align))) * align


@jit
def draw_groups(params: Array, key: Any, rows: Rows) -> Array:
    """Return (buffers,) int32, sync groups: those drawn, two by two in order, the last three if one would be left."""
    b = rows.used[B]
    groups = np.full(b, -1, np.int32)
    chosen, previous = 0, -1
    for buffer in range(b):
        if rows.buffer_kind[buffer] != OUTPUT and uniform(key_of(key, 30, buffer), 0) < params[SYNC]:
            groups[buffer] = chosen // 2
            chosen, previous = chosen + 1, buffer
    if chosen % 2:
        groups[previous] = chosen // 2 - 1
    return groups
