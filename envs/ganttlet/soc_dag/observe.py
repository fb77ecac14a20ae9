"""The observation of one row, a pure function of its workload and state."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.jit import jit_lean
from ganttlet.soc_dag.estimates import data_time, starts_now
from ganttlet.soc_dag.features import FAR
from ganttlet.soc_dag.layout import (
    ACCEPTED,
    APP,
    ARRIVED,
    BUSY,
    CAPACITY,
    COUNTS,
    CRITICAL,
    DONE,
    DUE,
    EXPECTED,
    FIRST_PRED,
    IN_SYSTEM,
    INJECTED,
    LATE,
    LEAST,
    LEFT,
    MEAN,
    N_PREDS,
    N_SUCCS,
    N_TASKS,
    NEVER,
    NONE,
    NOW,
    OUTSTANDING,
    PE,
    PES,
    PLANNED,
    PREDS_LEFT,
    QUEUE,
    QUEUED,
    RANK_DOWN,
    RANK_UP,
    READY,
    READY_AT,
    READY_NOW,
    RUNNING,
    RUNS,
    SERIAL,
    SHARE,
    SPREAD,
    STATE,
    TAIL,
    UP_AT,
    WORK_LEFT,
)


@jit_lean
def clip(value: Any) -> Any:
    """Return ``value`` within ± FAR."""
    return np.float32(min(FAR, max(-FAR, value)))


@jit_lean
def show_tasks(
    apps: Any,
    facts: Any,
    ranks: Any,
    scale: Any,
    jobs: Any,
    tasks: Any,
    preds: Any,
    task: Any,
    task_mask: Any,
    precedes: Any,
    task_job: Any,
    task_pe: Any,
) -> None:
    """Write the task nodes, their edges and what they point at."""
    width = facts.shape[1]
    edges = precedes.shape[1] // len(jobs)
    task[:] = 0.0
    task_mask[:] = 0
    precedes[:] = -1
    task_job[:] = -1
    task_pe[:] = -1
    for j in range(len(jobs)):
        if jobs[j, SERIAL] < 0:
            continue
        app, base = jobs[j, APP], j * width
        for t in range(apps[app, N_TASKS]):
            s = base + t
            state = tasks[s, STATE]
            if state in (NONE, DONE):
                continue
            task_mask[s] = 1
            row = task[s]
            row[0] = 1.0 if state in (OUTSTANDING, LATE) else 0.0
            row[1] = 1.0 if state == READY_NOW else 0.0
            row[2] = 1.0 if state == QUEUED else 0.0
            row[3] = 1.0 if state == RUNNING else 0.0
            row[4] = clip(tasks[s, PREDS_LEFT])
            row[5] = clip(ranks[app, t, MEAN] * scale)
            row[6] = clip(facts[app, t, LEAST] * scale)
            row[7] = clip(ranks[app, t, SPREAD] * scale)
            row[8] = clip(ranks[app, t, RANK_UP] * scale)
            row[9] = clip(ranks[app, t, RANK_DOWN] * scale)
            row[10] = clip(ranks[app, t, TAIL] * scale)
            row[11] = clip(facts[app, t, N_SUCCS])
            row[12] = ranks[app, t, SHARE]
            task_job[s] = j
            task_pe[s] = tasks[s, PE]
        k = j * edges
        for t in range(apps[app, N_TASKS]):
            first = facts[app, t, FIRST_PRED]
            for e in range(first, first + facts[app, t, N_PREDS]):
                u = base + preds[app, e, 0]
                if tasks[u, STATE] != DONE and tasks[base + t, STATE] != DONE:
                    precedes[0, k + preds[app, e, 1]] = u
                    precedes[1, k + preds[app, e, 1]] = base + t


@jit_lean
def show_jobs(
    apps: Any,
    ranks: Any,
    scale: Any,
    totals: Any,
    jobs: Any,
    tasks: Any,
    ready: Any,
    job: Any,
    job_mask: Any,
) -> None:
    """Write the job nodes."""
    now, width = totals[NOW], ranks.shape[1]
    job[:] = 0.0
    for j in range(len(jobs)):
        there = jobs[j, SERIAL] >= 0
        job_mask[j] = 1 if there else 0
        if not there:
            continue
        app, n_ready, tail, assigned = jobs[j, APP], 0, 0.0, 0
        for k in range(totals[READY]):
            s = ready[0, k]
            if s // width == j:
                n_ready += 1
                tail = max(tail, ranks[app, s % width, TAIL])
        for s in range(j * width, j * width + apps[app, N_TASKS]):
            if tasks[s, STATE] == QUEUED or tasks[s, STATE] == RUNNING:
                assigned += 1
        row = job[j]
        row[0] = clip((now - jobs[j, ARRIVED]) * scale)
        row[1] = jobs[j, LEFT] / apps[app, N_TASKS]
        row[2] = clip(jobs[j, WORK_LEFT] * scale)
        row[3] = clip(apps[app, CRITICAL] * scale)
        row[4] = clip(n_ready)
        row[5] = clip(assigned)
        row[6] = clip((jobs[j, DUE] - now - tail) * scale) if jobs[j, DUE] < NEVER else 0.0
        row[7] = jobs[j, COUNTS]


@jit_lean
def show_pes(
    size: Any,
    cluster: Any,
    speed: Any,
    scale: Any,
    totals: Any,
    pes: Any,
    free: Any,
    pe: Any,
    pe_mask: Any,
) -> None:
    """Write the PE nodes, without what they are to the first ready task."""
    now = totals[NOW]
    pe[:] = 0.0
    pe_mask[:] = 0
    for p in range(size[PES]):
        pe_mask[p] = 1
        running = pes[p, RUNS] >= 0
        row = pe[p]
        row[0] = 1.0 if running else 0.0
        row[1] = clip(max(0, pes[p, EXPECTED] - now) * scale) if running else 0.0
        row[2] = clip(pes[p, QUEUE])
        row[3] = clip((free[p] - now) * scale)
        row[4] = pes[p, BUSY] / now if now > 0 else 0.0
        row[5] = 1.0 if pes[p, UP_AT] > now else 0.0
        row[6] = speed[p, 0]
        row[7] = speed[p, 1]
        row[8] = max(0.0, min(1.0, speed[p, 2]))
    for p in range(size[PES]):
        idle = 0
        for q in range(size[PES]):
            if cluster[q] == cluster[p] and pes[q, RUNS] < 0:
                idle += 1
        pe[p, 9] = clip(idle)


@jit_lean
def show_pairs(
    s: Any,
    size: Any,
    exec_time: Any,
    speed: Any,
    scale: Any,
    totals: Any,
    jobs: Any,
    tasks: Any,
    data: Any,
    pes: Any,
    free: Any,
    first: Any,
    energy: Any,
    out: Any,
) -> None:
    """Write what every PE is to ready slot task ``s`` into ``out`` (P, …), from column ``first`` on."""
    now, width = totals[NOW], exec_time.shape[1]
    app, t, least = jobs[s // width, APP], s % width, NEVER
    for p in range(size[PES]):
        w = exec_time[app, t, p]
        if w >= 0:
            least = min(least, max(free[p], data_time(s, p, size, totals, data)) + w)
    for p in range(size[PES]):
        w = exec_time[app, t, p]
        if w < 0:
            continue
        at = data_time(s, p, size, totals, data)
        done = max(free[p], at) + w
        row = out[p]
        row[first] = 1.0
        row[first + 1] = clip(w * scale)
        row[first + 2] = clip(max(0, at - now) * scale)
        row[first + 3] = clip((done - now) * scale)
        row[first + 4] = clip((done - least) * scale)
        row[first + 5] = 1.0 if starts_now(p, at, totals, tasks, pes) else 0.0
        if energy:
            row[first + 6] = clip(w * scale * max(0.0, min(1.0, speed[p, 2])))


@jit_lean
def show_ready(
    k: Any,
    size: Any,
    facts: Any,
    exec_time: Any,
    ranks: Any,
    scale: Any,
    totals: Any,
    jobs: Any,
    tasks: Any,
    data: Any,
    pes: Any,
    free: Any,
    ready: Any,
    best: Any,
    row: Any,
) -> None:
    """Write the node of the ``k``-th ready task, whose PE of least EFT is ``best``."""
    s, now, width = ready[0, k], totals[NOW], exec_time.shape[1]
    j, t = s // width, s % width
    app = jobs[j, APP]
    at = data_time(s, best, size, totals, data)
    row[0] = clip((now - tasks[s, READY_AT]) * scale)
    row[1] = clip((now - jobs[j, ARRIVED]) * scale)
    row[2] = clip(facts[app, t, LEAST] * scale)
    row[3] = clip(ranks[app, t, MEAN] * scale)
    row[4] = clip(ranks[app, t, RANK_UP] * scale)
    row[5] = clip(ranks[app, t, TAIL] * scale)
    row[6] = clip(jobs[j, WORK_LEFT] * scale)
    row[7] = clip((max(free[best], at) + exec_time[app, t, best] - now) * scale)
    row[8] = 1.0 if starts_now(best, at, totals, tasks, pes) else 0.0
    row[9] = clip((jobs[j, DUE] - now - ranks[app, t, TAIL]) * scale) if jobs[j, DUE] < NEVER else 0.0


@jit_lean
def show_context(size: Any, scale: Any, window: Any, totals: Any, jobs: Any, pes: Any, context: Any) -> None:
    """Write the context."""
    work, busy = 0, 0
    for j in range(len(jobs)):
        if jobs[j, SERIAL] >= 0:
            work += jobs[j, WORK_LEFT]
    for p in range(size[PES]):
        if pes[p, RUNS] >= 0:
            busy += 1
    context[0] = clip(totals[IN_SYSTEM])
    context[1] = totals[IN_SYSTEM] / size[CAPACITY]
    context[2] = clip(totals[READY])
    context[3] = clip(max(0, totals[READY] - window))
    context[4] = clip(totals[ACCEPTED] - totals[INJECTED])
    context[5] = clip(work * scale)
    context[6] = busy / size[PES]
    context[7] = clip(totals[ACCEPTED] / (scale * max(1, totals[NOW])))


@jit_lean
def show_plan(
    n: Any, size: Any, exec_time: Any, scale: Any, totals: Any, jobs: Any, data: Any, pes: Any, ready: Any, out: Any
) -> None:
    """Write EFTs in the plan of shortest jobs for the ``n`` ready tasks that are shown, from column 7 of ``out`` on.

    The task whose job has least work left is placed first, each on its PE of least EFT. The column PLANNED of ``pes``
    holds A(p) and is used up; row 2 of ``ready`` is scratch.
    """
    width, now = exec_time.shape[1], totals[NOW]
    for k in range(n):
        ready[2, k] = 0
    for place in range(n):
        k, work = -1, NEVER
        for m in range(n):
            if ready[2, m] == 0 and jobs[ready[0, m] // width, WORK_LEFT] < work:
                k, work = m, jobs[ready[0, m] // width, WORK_LEFT]
        s, best, least = ready[0, k], -1, NEVER
        app, t = jobs[s // width, APP], s % width
        for p in range(size[PES]):
            w = exec_time[app, t, p]
            if w >= 0:
                done = max(pes[p, PLANNED], data_time(s, p, size, totals, data)) + w
                out[k, p, 7] = clip((done - now) * scale)
                if done < least:
                    best, least = p, done
        out[k, best, 8] = 1.0 / (1 + place)
        pes[best, PLANNED] = least
        ready[2, k] = 1
