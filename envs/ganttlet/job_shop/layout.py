"""The arrays of the job shop: instances (Store) and episodes (State), and the names of their columns.

Quantities of one kind share an array, so that kernels take few arguments: a dispatch costs Numba time per array.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

Array = np.ndarray[Any, Any]
Int: TypeAlias = Any  # an integer scalar: Python's outside kernels, NumPy's inside

# Store.ops: per operation its machine (-1: none), processing time, and the job's processing time from there on.
ROUTE, TIME, TAIL = range(3)
# Store.facts: per job.
N_OPS, RELEASE, DUE, WEIGHT = range(4)
# Store.size: per instance.
JOBS, MACHINES, OPS, LONGEST, TOP_DURATION, TOP_WEIGHT = range(6)
# State.jobs: per job its progress, the end of its last placed operation (or release), and of its next operation the
# earliest start, machine (-1: job finished), processing time and remaining work.
STEP, READY, EST, MACHINE, DURATION, WORK = range(6)
# State.machines: per machine the end of its last operation, the processing time not yet placed, the unfinished jobs
# whose next operation needs it, and the number of operations placed (counted for insert only).
FREE, LOAD, QUEUE, COUNT = range(4)
# State.totals: the clock, the least start allowed, operations left, placed time less idle time, the first makespan
# bound, 1 if waiting is legal, and the load bound (kept up to date only where it is shown or rewarded).
CLOCK, FLOOR, LEFT, BALANCE, FIRST, NOOP, TIGHT = range(7)

NO_DUE: Final = int(np.iinfo(np.int32).max)
NEVER: Final[Int] = np.int64(2**62)


class Store(NamedTuple):
    """Instances, slot axis first (S slots, N jobs, M machines, O operations per job, times in ticks).

    Fields:
        ops: (S, 3, N, O) int32, columns ROUTE, TIME, TAIL.
        facts: (S, 4, N) int32, columns N_OPS, RELEASE, DUE (NO_DUE where there is none), WEIGHT.
        load: (S, M) int32, processing time of each machine.
        size: (S, 6) int64, columns JOBS, MACHINES, OPS, LONGEST, TOP_DURATION, TOP_WEIGHT.
        scale: (S,) float64, 1 / mean duration.
    """

    ops: Array
    facts: Array
    load: Array
    size: Array
    scale: Array


class State(NamedTuple):
    """Episodes, batch axis first (B rows; Q operations per machine).

    Fields:
        jobs: (B, 6, N) int32, columns STEP, READY, EST, MACHINE, DURATION, WORK.
        machines: (B, 4, M) int32, columns FREE, LOAD, QUEUE, COUNT.
        totals: (B, 7) int64, columns CLOCK, FLOOR, LEFT, BALANCE, FIRST, NOOP, TIGHT.
        legal: (B, N) int8, jobs that may be chosen.
        held: (B, N) int8, see wait_jssenv.py.
        start: (B, N, O) int32, start times, -1 where not placed.
        placed: (B, 2, M, Q) int32, starts and ends of each machine's operations in order (insert only).
        shown: (B, N, 2) int64, progress and earliest start last shown (graph observation only).
    """

    jobs: Array
    machines: Array
    totals: Array
    legal: Array
    held: Array
    start: Array
    placed: Array
    shown: Array


def make_store(slots: int, jobs: int, machines: int, ops: int) -> Store:
    """Return storage for ``slots`` instances."""
    return Store(
        np.zeros((slots, 3, jobs, ops), np.int32),
        np.zeros((slots, 4, jobs), np.int32),
        np.zeros((slots, machines), np.int32),
        np.zeros((slots, 6), np.int64),
        np.ones(slots),
    )


def make_state(rows: int, jobs: int, machines: int, ops: int, machine_ops: int, *, insert: bool, graph: bool) -> State:
    """Return the state of ``rows`` episodes; what a timing or observation does not use has length 1 or 2."""
    return State(
        np.zeros((rows, 6, jobs), np.int32),
        np.zeros((rows, 4, machines), np.int32),
        np.zeros((rows, 7), np.int64),
        np.zeros((rows, jobs), np.int8),
        np.zeros((rows, jobs), np.int8),
        np.full((rows, jobs, ops), -1, np.int32),
        np.zeros((rows, 2, machines, machine_ops) if insert else (rows, 2, 1, 1), np.int32),
        np.zeros((rows, jobs if graph else 1, 2), np.int64),
    )
