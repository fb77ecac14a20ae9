"""Which buffers stay in fast memory from when to when, and which copies that needs: mappings without their places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.memory_mapping.instance import OUT, Program
from ganttlet.memory_mapping.simulator import schedule_copies
from ganttlet.memory_mapping.solution import Mapping
from ganttlet_agents.solvers.memory_mapping.model import Line, Model


@dataclass(frozen=True)
class Stay:
    """One buffer in fast memory from one instruction to another, both included.

    Fields:
        buffer, start, end: the rectangle without its offset.
        slots: slots that it serves, in order.
        back: (release, deadline) of its write-back, or None.
    """

    buffer: int
    start: int
    end: int
    slots: tuple[int, ...]
    back: tuple[int, int] | None = None


def stays_of(model: Model, value: Callable[[Any], int]) -> list[Stay]:
    """Return the stays of a solution of the model; ``value`` gives the value of a variable or literal."""
    return [stay for line in model.lines for stay in _of_line(model, line, value)]


def _of_line(model: Model, line: Line, value: Callable[[Any], int]) -> Iterable[Stay]:
    life, count = line.life, len(line.life.slots)
    i = 0
    while i < count:
        if not value(line.fast[i]):
            i += 1
            continue
        first = i
        while i + 1 < count and line.keep[i + 1] is not None and value(line.keep[i + 1]):
            i += 1
        slots, end = tuple(life.slots[first : i + 1]), life.times[i]
        if first == 0 and life.result:
            back = _back(model, line, i, value)
            yield Stay(life.buffer, life.times[0], end if back is None else max(end, back[1] - 1), slots, back)
        else:
            yield Stay(life.buffer, _release(line, first, value), end, slots)
        i += 1


def _release(line: Line, i: int, value: Callable[[Any], int]) -> int:
    """Return the instruction at which the copy for slot ``i`` begins."""
    start = line.life.times[i]
    while i >= 0:
        gap = line.gaps[i]
        assert gap is not None, "a definition is not copied"
        if gap.early is not None and value(gap.early):
            # When it came is not said: as long before the window as that is long.
            return max(gap.start, 2 * gap.first - line.life.times[i])
        for j, arrived in enumerate(gap.arrived):
            if value(arrived):
                return min(start, gap.first + j)
        i -= 1
        if i < 0 or line.carry[i] is None or not value(line.carried[i]):
            return start
        start = line.life.times[i]
    return start


def _back(model: Model, line: Line, last: int, value: Callable[[Any], int]) -> tuple[int, int] | None:
    """Return release and deadline of the write-back of a result that stays up to slot ``last``; None without one."""
    if line.written is None or not value(line.written):
        return None
    moved = []
    for i, gap in enumerate(line.gaps):
        if gap is not None:
            moved += [gap.start + j for j, back in enumerate(gap.back) if value(back)]
        if i < len(line.beside) and line.beside[i] is not None and value(line.beside[i]):
            moved.append(line.life.times[i])
    born, stays = line.life.times[0], line.life.times[last]
    deadline = max(moved, default=born) + 1
    if value(line.wait):
        # What is waited for may as well move last of all, while the buffer is there anyway.
        deadline = min(max(deadline, stays + 1), model.count - 1)
    deadline = min(max(deadline, born + 2), model.count)
    return min([*moved, deadline]), deadline


def mapping_of(program: Program, stays: Sequence[Stay], offsets: Sequence[int]) -> Mapping:
    """Return the mapping of stays at their offsets in bytes.

    Write-backs that do not end with the program are ended before its last instruction, which then waits; where that is
    not possible either, the result goes to slow memory.
    """
    last = program.n_instructions - 1
    try:
        return _mapping(program, stays, offsets)
    except InputError:
        pass
    kept, places = [], []
    for stay, offset in zip(stays, offsets, strict=True):
        if stay.back is not None and stay.back[1] > last:
            if stay.start + 2 > last:
                continue
            stay = replace(stay, back=(min(stay.back[0], last), last))
        kept.append(stay)
        places.append(offset)
    return _mapping(program, kept, places)


def _mapping(program: Program, stays: Sequence[Stay], offsets: Sequence[int]) -> Mapping:
    fast = np.zeros(program.n_slots, np.int8)
    copies = []
    for stay in stays:
        fast[list(stay.slots)] = 1
        if program.slot_role[stay.slots[0]] != OUT:
            copies.append((stay.buffer, 0, stay.start, int(program.slot_time[stay.slots[0]])))
        if stay.back is not None:
            copies.append((stay.buffer, 1, *stay.back))
    table = np.array(copies, np.int64).reshape(-1, 4)
    plan = Mapping(
        fast=fast,
        rect_buffer=np.array([stay.buffer for stay in stays], np.int64),
        rect_start=np.array([stay.start for stay in stays], np.int64),
        rect_end=np.array([stay.end for stay in stays], np.int64),
        rect_offset=np.array(offsets, np.int64),
        copy_buffer=table[:, 0],
        copy_out=table[:, 1],
        copy_release=table[:, 2],
        copy_deadline=table[:, 3],
        instance_digest=program.digest,
    )
    return schedule_copies(program, plan, "edf")
