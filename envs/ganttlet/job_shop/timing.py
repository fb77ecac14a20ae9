"""The timing disciplines: when an operation may start, and which jobs may be chosen now.

Functions work on row ``i`` of whole state arrays (see layout.py), since a row view costs Numba a reference count.
"""

from __future__ import annotations

import numpy as np

from ganttlet.core.jit import jit
from ganttlet.job_shop.layout import COUNT, DURATION, EST, FREE, MACHINE, NEVER, READY, Array, Int

TIMINGS = ("nondelay", "active", "wait", "wait_jssenv", "append", "insert")
NONDELAY, ACTIVE, WAIT, WAIT_JSSENV, APPEND, INSERT = range(6)


@jit
def place_starts(i: Int, n: Int, floor: Int, jobs: Array, machines: Array) -> None:
    """Set the earliest start of every unfinished job to max(ready, machine free, floor)."""
    for j in range(n):
        k = jobs[i, MACHINE, j]
        if k >= 0:
            jobs[i, EST, j] = max(jobs[i, READY, j], machines[i, FREE, k], floor)


@jit
def gap_start(i: Int, k: Int, earliest: Int, length: Int, machines: Array, placed: Array) -> Int:
    """Return the earliest start ≥ ``earliest`` of an operation of ``length`` ticks between those of machine ``k``."""
    at = earliest
    for o in range(machines[i, COUNT, k]):
        if at + length <= placed[i, 0, k, o]:
            return at
        at = max(at, placed[i, 1, k, o])
    return at


@jit
def insert_placed(i: Int, k: Int, start: Int, end: Int, machines: Array, placed: Array) -> None:
    """Insert an operation into the order of machine ``k``, by start and then by end."""
    o = machines[i, COUNT, k]
    while o > 0 and (placed[i, 0, k, o - 1], placed[i, 1, k, o - 1]) > (start, end):
        placed[i, 0, k, o], placed[i, 1, k, o] = placed[i, 0, k, o - 1], placed[i, 1, k, o - 1]
        o -= 1
    placed[i, 0, k, o], placed[i, 1, k, o] = start, end
    machines[i, COUNT, k] += 1


@jit
def fit_gaps(i: Int, n: Int, k: Int, j: Int, jobs: Array, machines: Array, placed: Array) -> None:
    """After machine ``k`` took an operation of job ``j``: find the gaps of the jobs that need ``k``, and of ``j``."""
    for x in range(n):
        needs = jobs[i, MACHINE, x]
        if needs >= 0 and (needs == k or x == j):
            jobs[i, EST, x] = gap_start(i, needs, jobs[i, READY, x], jobs[i, DURATION, x], machines, placed)


@jit
def next_start(i: Int, n: Int, after: Int, jobs: Array) -> Int:
    """Return the least earliest start greater than ``after`` among unfinished jobs, or NEVER."""
    best = NEVER
    for j in range(n):
        if jobs[i, MACHINE, j] >= 0 and after < jobs[i, EST, j] < best:
            best = np.int64(jobs[i, EST, j])
    return best


@jit
def mark_legal(i: Int, n: Int, timing: Int, clock: Int, jobs: Array, legal: Array) -> bool:
    """Set the legal jobs of every timing but wait_jssenv; return whether waiting is legal."""
    if timing in (NONDELAY, WAIT):
        for j in range(n):
            legal[i, j] = jobs[i, MACHINE, j] >= 0 and jobs[i, EST, j] == clock
        return bool(timing == WAIT and next_start(i, n, clock, jobs) != NEVER)
    if timing == ACTIVE:
        mark_active(i, n, jobs, legal)
    else:
        for j in range(n):
            legal[i, j] = jobs[i, MACHINE, j] >= 0
    return False


@jit
def mark_active(i: Int, n: Int, jobs: Array, legal: Array) -> None:
    """Allow the Giffler-Thompson set: rivals on the machine of the earliest completion that could start before it.

    The job of the earliest completion itself (lowest index on ties) is always allowed: with zero duration it would
    not start before its own end.
    """
    first, end = -1, NEVER
    for j in range(n):
        own = np.int64(jobs[i, EST, j]) + jobs[i, DURATION, j]
        if jobs[i, MACHINE, j] >= 0 and own < end:
            first, end = j, own
    for j in range(n):
        rival = first >= 0 and jobs[i, MACHINE, j] == jobs[i, MACHINE, first] and jobs[i, EST, j] < end
        legal[i, j] = j == first or rival
