"""Rules that plan the order of each PE inside the kernel: HEFT_RT, and static tables made at a job's entry.

``heft_rt`` (Mack et al., TPDS 2022): ready tasks by mean execution time, longest first, each into the earliest gap
between what the PEs are committed to that gives the least finish; PEs work strictly in the order of planned starts. As
in public code the time at which data arrives is ignored, unless ``counted``.

Tables: the whole graph of a job is planned at its entry by a rule of planners.py, on top of all commitments.
"""

from __future__ import annotations

from typing import Any

from ganttlet.core.jit import jit_lean
from ganttlet.soc_dag.estimates import data_time
from ganttlet.soc_dag.layout import (
    APP,
    COMM,
    DATA,
    DECISIONS,
    EXPECTED,
    HEAD,
    MEAN,
    N_TASKS,
    NEVER,
    NEXT_TASK,
    NOW,
    PE,
    PES,
    PLAN,
    QUEUE,
    QUEUED,
    READY,
    READY_NOW,
    RUNS,
    SERIAL,
    START,
    STATE,
    TAIL_TASK,
)
from ganttlet.soc_dag.planners import ORDER, plan_job

SHARED = 1  # as in scenario.COMMUNICATIONS


@jit_lean
def queue_by_plan(s: Any, p: Any, begin: Any, exec_time: Any, jobs: Any, tasks: Any, pes: Any) -> None:
    """Put slot task ``s`` into the queue of PE ``p`` by planned start, planned end and time of insertion."""
    width = exec_time.shape[1]
    end = begin + exec_time[jobs[s // width, APP], s % width, p]
    before, after = -1, pes[p, HEAD]
    while after >= 0:
        other = tasks[after, PLAN]
        if other > begin:
            break
        if other == begin and other + exec_time[jobs[after // width, APP], after % width, p] > end:
            break
        before, after = after, tasks[after, NEXT_TASK]
    tasks[s, PLAN], tasks[s, NEXT_TASK] = begin, after
    if before < 0:
        pes[p, HEAD] = s
    else:
        tasks[before, NEXT_TASK] = s
    if after < 0:
        pes[p, TAIL_TASK] = s
    pes[p, QUEUE] += 1


@jit_lean
def heft_rt(
    counted: Any,
    size: Any,
    ranks: Any,
    exec_time: Any,
    totals: Any,
    jobs: Any,
    tasks: Any,
    data: Any,
    pes: Any,
    ready: Any,
    log_pe: Any,
) -> None:
    """Assign all ready tasks."""
    now, width = totals[NOW], exec_time.shape[1]
    while totals[READY]:
        pick, most = 0, -1.0
        for k in range(totals[READY]):
            s = ready[0, k]
            mean = ranks[jobs[s // width, APP], s % width, MEAN]
            if mean > most:
                pick, most = k, mean
        s = ready[0, pick]
        app, t = jobs[s // width, APP], s % width
        best, begin, least = -1, NEVER, NEVER
        for p in range(size[PES]):
            w = exec_time[app, t, p]
            if w < 0:
                continue
            at = max(now, data_time(s, p, size, totals, data)) if counted else now
            if pes[p, RUNS] >= 0:
                at = max(at, pes[p, EXPECTED])
            other = pes[p, HEAD]
            while other >= 0:
                if at + w <= tasks[other, PLAN]:
                    break
                at = max(at, tasks[other, PLAN] + exec_time[jobs[other // width, APP], other % width, p])
                other = tasks[other, NEXT_TASK]
            if at + w < least:
                best, begin, least = p, at, at + w
        for k in range(pick, totals[READY] - 1):
            ready[0, k] = ready[0, k + 1]
        totals[READY] -= 1
        settle_task(s, best, begin, size, exec_time, totals, jobs, tasks, data, pes, log_pe)


@jit_lean
def settle_task(
    s: Any,
    p: Any,
    begin: Any,
    size: Any,
    exec_time: Any,
    totals: Any,
    jobs: Any,
    tasks: Any,
    data: Any,
    pes: Any,
    log_pe: Any,
) -> None:
    """Give slot task ``s`` to PE ``p``, planned from ``begin`` on; if it is ready, it is queued."""
    width = exec_time.shape[1]
    if tasks[s, STATE] == READY_NOW:
        tasks[s, STATE] = QUEUED
        tasks[s, DATA] = data_time(s, p, size, totals, data)
    tasks[s, PE] = p
    totals[DECISIONS] += 1
    log_pe[jobs[s // width, SERIAL], s % width] = p
    queue_by_plan(s, p, begin, exec_time, jobs, tasks, pes)


@jit_lean
def plan_jobs(
    planner: Any,
    size: Any,
    apps: Any,
    facts: Any,
    ranks: Any,
    costs: Any,
    exec_time: Any,
    preds: Any,
    succs: Any,
    lag: Any,
    memory_lag: Any,
    link: Any,
    totals: Any,
    jobs: Any,
    tasks: Any,
    data: Any,
    pes: Any,
    ready: Any,
    log_pe: Any,
    intervals: Any,
    filled: Any,
    plan: Any,
    scratch: Any,
    priority: Any,
) -> None:
    """Plan every job that has entered and is not planned yet: all ready tasks are first tasks of such jobs."""
    width = exec_time.shape[1]
    while totals[READY]:
        j = ready[0, 0] // width
        app, base = jobs[j, APP], j * width
        for p in range(size[PES]):
            filled[p] = 0
            if pes[p, RUNS] >= 0:
                intervals[p, 0, 0] = tasks[pes[p, RUNS], START]
                intervals[p, 0, 1] = max(totals[NOW], pes[p, EXPECTED])
                filled[p] = 1
            s = pes[p, HEAD]
            while s >= 0:
                k = filled[p]
                intervals[p, k, 0] = tasks[s, PLAN]
                intervals[p, k, 1] = tasks[s, PLAN] + exec_time[jobs[s // width, APP], s % width, p]
                filled[p] += 1
                s = tasks[s, NEXT_TASK]
        n = apps[app, N_TASKS]
        plan_job(
            planner,
            n,
            totals[NOW],
            exec_time[app],
            facts[app],
            ranks[app],
            costs[app],
            preds[app],
            succs[app],
            lag[app],
            link,
            memory_lag[app],
            size[COMM] == SHARED,
            size[PES],
            intervals,
            filled,
            plan,
            scratch,
            priority,
        )
        kept = 0
        for k in range(totals[READY]):
            if ready[0, k] // width != j:
                ready[0, kept] = ready[0, k]
                kept += 1
        totals[READY] = kept
        # In the order of placement, which breaks ties of planned times as the graph does.
        for k in range(n):
            t = scratch[ORDER, k]
            settle_task(base + t, plan[t, 0], plan[t, 1], size, exec_time, totals, jobs, tasks, data, pes, log_pe)
