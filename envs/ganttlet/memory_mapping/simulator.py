"""How copies share slow memory over time: a second way to find moves and stalls, independent of the game."""

from __future__ import annotations

import heapq
from dataclasses import replace

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.memory_mapping.checks import shape_violations, slow_time
from ganttlet.memory_mapping.instance import Program
from ganttlet.memory_mapping.solution import Mapping

ORDERS = ("edf", "fifo")


def schedule_copies(program: Program, mapping: Mapping, order: str = "edf") -> Mapping:
    """Return ``mapping`` with the moves and stalls that follow from its slots and copies; its own are not looked at.

    Instruction by instruction, the copies that are released and not yet done take what the instruction's own slots
    leave of slow memory, one after the other. What a copy still lacks at its deadline is waited for; in that stall only
    copies of that deadline move.

    Args:
        program: what the mapping belongs to.
        mapping: its slots, rectangles and copies; only slots and copies are used.
        order: ``edf`` serves the earliest deadline first, ``fifo`` the earliest release, as a queue of copies does.

    Raises:
        InputError: if the copies cannot be read, or one with deadline T is not done at the end of the program.
    """
    check_choice("order", order, ORDERS)
    copies = replace(mapping, move_copy=None, move_time=None, move_us=None, stall=np.zeros(program.n_instructions))
    wrong = shape_violations(program, copies)
    if wrong:
        raise InputError(f"mapping: {wrong[0].message}")
    n = program.n_instructions
    release, deadline = copies.copy_release.tolist(), copies.copy_deadline.tolist()
    coming: list[list[int]] = [[] for _ in range(n + 1)]
    due: list[list[int]] = [[] for _ in range(n + 1)]
    for c in range(len(release)):
        coming[release[c]].append(c)
        due[deadline[c]].append(c)
    rest: list[float] = program.copy_time[copies.copy_buffer].tolist()
    supply = (program.latencies(copies.fast == 1) - slow_time(program, copies)).tolist()
    stall = np.zeros(n)
    moves: list[tuple[int, int, float]] = []
    queue: list[tuple[int, int, int]] = []
    for t in range(n + 1):
        for c in due[t]:
            if rest[c] > 0 and t == n:
                raise InputError(f"mapping: copy {c} is not done at the end of the program; {rest[c]:.6g} µs are left")
            if rest[c] > 0:
                stall[t] += rest[c]
                moves.append((c, t, rest[c]))
                rest[c] = 0.0
        if t == n:
            break
        for c in coming[t]:
            if deadline[c] > t:
                heapq.heappush(queue, (deadline[c], release[c], c) if order == "edf" else (release[c], c, c))
        left = supply[t]
        while queue and left > 0:
            c = queue[0][-1]
            part = min(left, rest[c])
            if part > 0:
                moves.append((c, t, part))
                rest[c] -= part
                left -= part
            if rest[c] <= 0:
                heapq.heappop(queue)
    moves.sort(key=lambda move: move[:2])
    copy, time, us = zip(*moves, strict=True) if moves else ((), (), ())
    return replace(copies, move_copy=list(copy), move_time=list(time), move_us=list(us), stall=stall)
