"""When PEs are expected to be free, and what follows for a task; and the assignment of tasks to PEs."""

from __future__ import annotations

from typing import Any

from ganttlet.core.jit import jit_lean
from ganttlet.soc_dag.layout import (
    APP,
    COMM,
    DATA,
    DECISIONS,
    EXPECTED,
    HEAD,
    NEVER,
    NEXT_TASK,
    NOW,
    PE,
    PES,
    PROMISE,
    QUEUE,
    QUEUED,
    READY,
    RUNS,
    SERIAL,
    STATE,
    TAIL_TASK,
    UP_AT,
)

SHARED = 1  # as in scenario.COMMUNICATIONS


@jit_lean
def expect_free(stale: Any, size: Any, exec_time: Any, totals: Any, jobs: Any, tasks: Any, pes: Any, free: Any) -> None:
    """Write A(p), when each PE is expected to be free, into ``free`` (P,)."""
    now, width = totals[NOW], exec_time.shape[1]
    for p in range(size[PES]):
        if stale:
            free[p] = max(now, pes[p, PROMISE])
            continue
        at = now
        if pes[p, RUNS] >= 0:
            at = max(at, pes[p, EXPECTED])
        at = max(at, pes[p, UP_AT])
        s = pes[p, HEAD]
        while s >= 0:
            w = exec_time[jobs[s // width, APP], s % width, p]
            at = max(at, tasks[s, DATA]) + w if tasks[s, STATE] == QUEUED else at + w
            s = tasks[s, NEXT_TASK]
        free[p] = at


@jit_lean
def data_time(s: Any, p: Any, size: Any, totals: Any, data: Any) -> Any:
    """Return D, when the data of ready slot task ``s`` is on ``p`` if it is assigned now."""
    return data[s, p] + totals[NOW] if size[COMM] == SHARED else data[s, p]


@jit_lean
def finish_time(s: Any, p: Any, w: Any, size: Any, totals: Any, data: Any, free: Any) -> Any:
    """Return EFT of ready slot task ``s`` on ``p``, where it takes ``w`` ticks; A is never before now."""
    return max(free[p], data_time(s, p, size, totals, data)) + w


@jit_lean
def best_pe(s: Any, size: Any, exec_time: Any, totals: Any, jobs: Any, data: Any, free: Any) -> Any:
    """Return the PE of least EFT for ready slot task ``s``, the first on ties."""
    width = exec_time.shape[1]
    app, t = jobs[s // width, APP], s % width
    base = totals[NOW] if size[COMM] == SHARED else 0
    best, least = -1, NEVER
    for p in range(size[PES]):
        w = exec_time[app, t, p]
        if w >= 0:
            at = max(free[p], data[s, p] + base) + w
            if at < least:
                best, least = p, at
    return best


@jit_lean
def starts_now(p: Any, at: Any, totals: Any, tasks: Any, pes: Any) -> bool:
    """Return whether a task with its data on idle PE ``p`` at time ``at`` would start there at once."""
    now = totals[NOW]
    if pes[p, RUNS] >= 0 or pes[p, UP_AT] > now or at > now:
        return False
    s = pes[p, HEAD]
    while s >= 0:
        if tasks[s, DATA] <= now:
            return False
        s = tasks[s, NEXT_TASK]
    return True


@jit_lean
def takes_now(p: Any, totals: Any, pes: Any) -> Any:
    """Return whether late binding lets PE ``p`` have a task: it is idle, and its queue is empty."""
    return pes[p, RUNS] < 0 and pes[p, QUEUE] == 0 and pes[p, UP_AT] <= totals[NOW]


@jit_lean
def has_choice(
    pairs: Any,
    window: Any,
    size: Any,
    exec_time: Any,
    totals: Any,
    jobs: Any,
    data: Any,
    pes: Any,
    free: Any,
    ready: Any,
) -> bool:
    """Return whether late binding leaves a task of the window to assign, with ``pairs`` to any PE, else to the best."""
    width = exec_time.shape[1]
    for k in range(min(window, totals[READY])):
        s = ready[0, k]
        if not pairs:
            if takes_now(best_pe(s, size, exec_time, totals, jobs, data, free), totals, pes):
                return True
            continue
        app, t = jobs[s // width, APP], s % width
        for p in range(size[PES]):
            if exec_time[app, t, p] >= 0 and takes_now(p, totals, pes):
                return True
    return False


@jit_lean
def assign(
    k: Any,
    p: Any,
    size: Any,
    exec_time: Any,
    totals: Any,
    jobs: Any,
    tasks: Any,
    data: Any,
    pes: Any,
    free: Any,
    ready: Any,
    log_pe: Any,
) -> None:
    """Assign the ``k``-th ready task to PE ``p``, at the end of its queue, and update A(p)."""
    s, width = ready[0, k], exec_time.shape[1]
    for other in range(k, totals[READY] - 1):
        ready[0, other] = ready[0, other + 1]
    totals[READY] -= 1
    totals[DECISIONS] += 1
    j = s // width
    t = s % width
    at = data_time(s, p, size, totals, data)
    tasks[s, STATE], tasks[s, PE], tasks[s, DATA], tasks[s, NEXT_TASK] = QUEUED, p, at, -1
    log_pe[jobs[j, SERIAL], t] = p
    tail = pes[p, TAIL_TASK]
    if tail < 0:
        pes[p, HEAD] = s
    else:
        tasks[tail, NEXT_TASK] = s
    pes[p, TAIL_TASK] = s
    pes[p, QUEUE] += 1
    free[p] = max(free[p], at) + exec_time[jobs[j, APP], t, p]
    pes[p, PROMISE] = free[p]
