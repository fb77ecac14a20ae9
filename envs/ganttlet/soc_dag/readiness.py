"""Tasks get ready: when their data is where, and the order in which they wait for decisions.

Functions take the arrays of one row, see layout.Store and layout.State.
"""

from __future__ import annotations

from typing import Any

from ganttlet.core.jit import jit_lean
from ganttlet.soc_dag.layout import (
    APP,
    COMM,
    DATA,
    FINISH,
    FIRST_PRED,
    LATE,
    LATER,
    N_PREDS,
    NOW,
    PE,
    PES,
    QUEUED,
    READY,
    READY_AT,
    READY_NOW,
    SERIAL,
    STATE,
)

SHARED = 1  # as in scenario.COMMUNICATIONS


@jit_lean
def put_ready(s: Any, n_tasks: Any, totals: Any, jobs: Any, tasks: Any, ready: Any) -> None:
    """Put slot task ``s``, ready now, into the list of ready tasks, which is in order."""
    now = totals[NOW]
    tasks[s, STATE], tasks[s, READY_AT] = READY_NOW, now
    k = totals[READY]
    serial, t = jobs[s // n_tasks, SERIAL], s % n_tasks
    while k > 0:
        other = ready[0, k - 1]
        if tasks[other, READY_AT] != now:
            break
        known = jobs[other // n_tasks, SERIAL]
        if known < serial or (known == serial and other % n_tasks < t):
            break
        ready[0, k] = other
        k -= 1
    ready[0, k] = s
    totals[READY] += 1


@jit_lean
def get_ready(
    s: Any,
    size: Any,
    facts: Any,
    preds: Any,
    lag: Any,
    memory_lag: Any,
    link: Any,
    totals: Any,
    jobs: Any,
    tasks: Any,
    data: Any,
    ready: Any,
) -> bool:
    """Make slot task ``s``, whose predecessors are done, ready; False if it is so later (shared memory)."""
    width = facts.shape[1]
    j = s // width
    app, t, base, now = jobs[j, APP], s % width, j * width, totals[NOW]
    first = facts[app, t, FIRST_PRED]
    last = first + facts[app, t, N_PREDS]
    n_pes = size[PES]
    row = data[s]
    if first == last:
        for p in range(n_pes):
            row[p] = 0 if size[COMM] == SHARED else now
    elif size[COMM] == SHARED:
        at = now
        for p in range(n_pes):
            row[p] = 0
        for k in range(first, last):
            edge = preds[app, k, 1]
            u = base + preds[app, k, 0]
            at = max(at, tasks[u, FINISH] + memory_lag[app, edge, tasks[u, PE]])
            for p in range(n_pes):
                row[p] = max(row[p], memory_lag[app, edge, p])
        if at > now:
            tasks[s, STATE], tasks[s, READY_AT] = LATE, at
            ready[1, totals[LATER]] = s
            totals[LATER] += 1
            return False
    else:
        for p in range(n_pes):
            row[p] = 0
        for k in range(first, last):
            edge = preds[app, k, 1]
            u = base + preds[app, k, 0]
            done, home = tasks[u, FINISH], tasks[u, PE]
            for p in range(n_pes):
                there = done + lag[app, edge, link[home, p]]
                if there > row[p]:
                    row[p] = there
    arrive(s, facts.shape[1], size, totals, jobs, tasks, data, ready)
    return True


@jit_lean
def arrive(s: Any, width: Any, size: Any, totals: Any, jobs: Any, tasks: Any, data: Any, ready: Any) -> None:
    """Put slot task ``s``, whose data times are known, among the ready ones, or let its plan take it."""
    p = tasks[s, PE]
    if p >= 0:
        tasks[s, STATE], tasks[s, READY_AT] = QUEUED, totals[NOW]
        tasks[s, DATA] = data[s, p] + (totals[NOW] if size[COMM] == SHARED else 0)
    else:
        put_ready(s, width, totals, jobs, tasks, ready)
