"""Programs in whole numbers, rounded so that what is proved of the whole numbers holds for the program.

The unit of time is what slow memory needs for one unit of bytes, a power of two that may be below one. Times that
instructions take at least and what must be moved are rounded down; what fast slots save and what copies may take are
rounded up. So every mapping that ``validate`` accepts has a counterpart in whole numbers that is no slower.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.memory_mapping.instance import IN, OUTPUT, Program

SLACK = 1e-6  # units; float64 errors of the quotients are far below


@dataclass(frozen=True)
class Units:
    """A program's numbers in units.

    Fields (T instructions, B buffers, U slots):
        microseconds: µs per unit.
        least: (T,) arithmetic time, rounded down.
        moved: (T,) time of slow memory for all slots of an instruction, rounded down.
        saved: (U,) what a fast slot saves of the memory time of its instruction, rounded up.
        freed: (U,) what a fast slot saves of slow memory's time, rounded up.
        size: (B,) time of a copy, rounded down and one less, for a stall is rounded down too.
        room: (B,) place in fast memory, rounded down.
        capacity: fast memory, rounded down, which holds for whole rooms.
    """

    microseconds: float
    least: list[int]
    moved: list[int]
    saved: list[int]
    freed: list[int]
    size: list[int]
    room: list[int]
    capacity: int


def units_of(program: Program, digits: int) -> Units:
    """Return the program in units, with so many binary digits of the latency with everything slow.

    Raises:
        InputError: if fast memory is slower than slow memory, where what is proved here would not hold.
    """
    slow, fast = program.slow_bandwidth, program.fast_bandwidth
    if fast < slow:
        raise InputError(
            f"field 'fast_bandwidth': {fast:g} B/s in {program.name}; the solver expects at least slow_bandwidth, "
            f"{slow:g} B/s"
        )
    exponent = math.ceil(math.log2(program.all_slow * 1e-6 * slow)) - digits
    unit = 2.0**exponent
    total = np.bincount(program.slot_time, program.slot_bytes, minlength=program.n_instructions)

    def down(value: Any) -> list[int]:
        return [max(0, math.floor(v - SLACK)) for v in np.asarray(value, np.float64).tolist()]

    def up(value: Any) -> list[int]:
        return [math.ceil(v + SLACK) for v in np.asarray(value, np.float64).tolist()]

    return Units(
        1e6 * unit / slow,
        down(program.compute * 1e-6 * slow / unit),
        down(total / unit),
        up(program.slot_bytes * (1.0 - slow / fast) / unit),
        up(program.slot_bytes / unit),
        np.maximum(program.size // unit - 1, 0).astype(np.int64).tolist(),
        (program.aligned // unit).astype(np.int64).tolist(),
        int(program.capacity // unit),
    )


@dataclass(frozen=True)
class Life:
    """The slots of one buffer that may lie in fast memory, in order.

    Fields:
        buffer: its number.
        slots, times: slots and their instructions.
        result: whether the first slot is the buffer's definition.
        output: whether it must end in slow memory.
    """

    buffer: int
    slots: list[int]
    times: list[int]
    result: bool
    output: bool


def lives_of(program: Program) -> list[Life]:
    """Return the lives of the buffers that fit into fast memory."""
    slots: list[list[int]] = [[] for _ in range(program.n_buffers)]
    for k, b in enumerate(program.slot_buffer.tolist()):
        slots[b].append(k)
    time, role = program.slot_time.tolist(), program.slot_role.tolist()
    return [
        Life(b, mine, [time[k] for k in mine], role[mine[0]] != IN, int(program.buffer_kind[b]) == OUTPUT)
        for b, mine in enumerate(slots)
        if program.aligned[b] <= program.capacity
    ]
