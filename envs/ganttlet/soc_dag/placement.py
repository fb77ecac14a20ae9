"""Intervals of tasks on PEs: the earliest start on one, the PE of least end, placing a task and taking it back."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ganttlet.core.jit import jit
from ganttlet.soc_dag.layout import FIRST_PRED, N_PREDS, Array

AT, BEGIN, END = range(3)  # columns of a plan
TOLERANCE: Final = 1e-6  # in ticks; means that are closer count as equal


class Desk(NamedTuple):
    """What one planning looks at and writes to; see planners.plan_job."""

    n: Any
    release: Any
    times: Array
    facts: Array
    ranks: Array
    optimistic: Array
    preds: Array
    succs: Array
    lag: Array
    link: Array
    memory_lag: Array
    shared: Any
    pes: Any
    busy: Array
    filled: Array
    out: Array
    scratch: Array
    priority: Array


@jit
def least_pe(desk: Any, u: Any, insert: Any, optimistic: Any) -> Any:
    """Return the PE of least EFT of u, or least EFT + optimistic cost."""
    best, least = -1, 0.0
    for p in range(desk.pes):
        if desk.times[u, p] >= 0:
            value = float(earliest_start(desk, u, p, insert) + desk.times[u, p])
            if optimistic:
                value += desk.optimistic[u, p]
            if best < 0 or value < least - TOLERANCE:
                best, least = p, value
    return best


@jit
def earliest_start(desk: Any, u: Any, p: Any, insert: Any) -> Any:
    """Return the earliest start of u on p, in a gap or after all intervals, which may overlap if a task is late."""
    at, length, n_busy = data_time(desk, u, p), desk.times[u, p], desk.filled[p]
    for o in range(n_busy):
        if insert and at + length <= desk.busy[p, o, 0]:
            return at
        at = max(at, desk.busy[p, o, 1])
    return at


@jit
def data_time(desk: Any, u: Any, p: Any) -> Any:
    """Return D(u, p) over those predecessors of u that are placed."""
    ready, carried = desk.release, 0
    for k in range(desk.facts[u, FIRST_PRED], desk.facts[u, FIRST_PRED] + desk.facts[u, N_PREDS]):
        v, edge = desk.preds[k, 0], desk.preds[k, 1]
        at = desk.out[v, AT]
        if at < 0:
            continue
        if desk.shared:
            ready = max(ready, desk.out[v, END] + desk.memory_lag[edge, at])
            carried = max(carried, desk.memory_lag[edge, p])
        else:
            ready = max(ready, desk.out[v, END] + desk.lag[edge, desk.link[at, p]])
    return ready + carried


@jit
def place(desk: Any, u: Any, p: Any, insert: Any) -> None:
    """Put u on p and its interval into the PE's order, by start, end and order of placement."""
    start = earliest_start(desk, u, p, insert)
    end = start + desk.times[u, p]
    desk.out[u, AT], desk.out[u, BEGIN], desk.out[u, END] = p, start, end
    busy, o = desk.busy, desk.filled[p]
    while o > 0 and (busy[p, o - 1, 0] > start or (busy[p, o - 1, 0] == start and busy[p, o - 1, 1] > end)):
        busy[p, o, 0], busy[p, o, 1] = busy[p, o - 1, 0], busy[p, o - 1, 1]
        o -= 1
    busy[p, o, 0], busy[p, o, 1] = start, end
    desk.filled[p] += 1


@jit
def take_back(desk: Any, u: Any) -> None:
    """Undo the placement of u."""
    p, busy = desk.out[u, AT], desk.busy
    o = desk.filled[p] - 1
    while busy[p, o, 0] != desk.out[u, BEGIN] or busy[p, o, 1] != desk.out[u, END]:
        o -= 1
    for k in range(o, desk.filled[p] - 1):
        busy[p, k, 0], busy[p, k, 1] = busy[p, k + 1, 0], busy[p, k + 1, 1]
    desk.out[u, AT] = -1
    desk.filled[p] -= 1
