"""Tasks run: PEs start them, end them, and pause in outages.

Functions take the arrays of one row, see layout.Store and layout.State.
"""

from __future__ import annotations

from typing import Any

from ganttlet.core.jit import jit_lean
from ganttlet.soc_dag.layout import (
    APP,
    ARRIVED,
    BEGAN,
    BUSY,
    COMPLETED,
    COUNTED,
    COUNTING,
    COUNTS,
    DATA,
    DONE,
    DUE,
    END,
    ENDS,
    EXPECTED,
    FINISH,
    FIRST_SUCC,
    HEAD,
    IN_SYSTEM,
    LAST,
    LATE,
    LATENCY,
    LATER,
    LEAST,
    LEFT,
    MISSED,
    N_OUTAGES,
    N_SUCCS,
    NEVER,
    NEXT_TASK,
    NOISE_KIND,
    NONE,
    NOW,
    OUTAGE,
    PES,
    PREDS_LEFT,
    QUEUE,
    QUEUED,
    READY_AT,
    RUNNING,
    RUNS,
    SERIAL,
    START,
    STATE,
    TAIL_TASK,
    TICK,
    UP_AT,
    WARMUP,
    WORK_LEFT,
    WORLD,
)
from ganttlet.soc_dag.readiness import arrive, get_ready
from ganttlet.soc_dag.world import draw_duration

CUT = 1  # as in scenario.ENDS
ORDERED = 1  # a row's discipline: a PE keeps the order of planned starts, else that of assignment


@jit_lean
def switch(c: Any, change: Any, now: Any, busy: Any, counts: Any) -> None:
    """Change the number of busy PEs of cluster ``c``, noting the time spent with the old one."""
    last = busy.shape[1] - 1
    busy[c, counts[c]] += now - busy[c, last]
    busy[c, last] = now
    counts[c] += change


@jit_lean
def notice(
    s: Any,
    size: Any,
    facts: Any,
    preds: Any,
    succs: Any,
    lag: Any,
    memory_lag: Any,
    link: Any,
    totals: Any,
    jobs: Any,
    tasks: Any,
    data: Any,
    ready: Any,
    log_job: Any,
) -> None:
    """Draw the consequences of the end of slot task ``s``: successors get ready, the job may be done."""
    width = facts.shape[1]
    j, now = s // width, totals[NOW]
    app, t, base = jobs[j, APP], s % width, j * width
    first = facts[app, t, FIRST_SUCC]
    for k in range(first, first + facts[app, t, N_SUCCS]):
        v = base + succs[app, k, 0]
        tasks[v, PREDS_LEFT] -= 1
        if tasks[v, PREDS_LEFT] == 0:
            get_ready(v, size, facts, preds, lag, memory_lag, link, totals, jobs, tasks, data, ready)
    jobs[j, WORK_LEFT] -= facts[app, t, LEAST]
    jobs[j, LEFT] -= 1
    if jobs[j, LEFT]:
        return
    log_job[jobs[j, SERIAL], 3] = now
    totals[IN_SYSTEM] -= 1
    totals[COMPLETED] += 1
    totals[LAST] = now
    counts = jobs[j, COUNTS] == 1
    if counts:
        totals[COUNTING] -= 1
    if counts and (size[END] != CUT or now >= size[WARMUP]):
        totals[COUNTED] += 1
        totals[LATENCY] += now - jobs[j, ARRIVED]
        if now > jobs[j, DUE]:
            totals[MISSED] += 1
    jobs[j, SERIAL] = -1
    for s in range(base, base + width):
        tasks[s, STATE] = NONE


@jit_lean
def start_tasks(
    size: Any,
    exec_time: Any,
    std: Any,
    cluster: Any,
    discipline: Any,
    totals: Any,
    jobs: Any,
    tasks: Any,
    pes: Any,
    busy: Any,
    counts: Any,
    log_start: Any,
) -> None:
    """Let every idle PE start a task whose data has come; ENDS of one that stays idle is when it may start one."""
    now, width = totals[NOW], exec_time.shape[1]
    for p in range(size[PES]):
        if pes[p, RUNS] >= 0:
            continue
        pes[p, ENDS] = NEVER
        if pes[p, UP_AT] > now:
            continue
        before, s, wake = -1, pes[p, HEAD], NEVER
        while s >= 0:
            if tasks[s, STATE] == QUEUED:
                if tasks[s, DATA] <= now:
                    break
                wake = min(wake, tasks[s, DATA])
            if discipline == ORDERED:
                s = -1
                break
            before, s = s, tasks[s, NEXT_TASK]
        if s < 0:
            pes[p, ENDS] = wake
            continue
        unlink(p, before, s, tasks, pes)
        j = s // width
        serial, app, t = jobs[j, SERIAL], jobs[j, APP], s % width
        mean = exec_time[app, t, p]
        took = draw_duration(totals[WORLD], serial, t, mean, std[app, t], size[NOISE_KIND])
        tasks[s, STATE], tasks[s, START] = RUNNING, now
        log_start[serial, t] = now
        pes[p, RUNS], pes[p, ENDS], pes[p, BEGAN], pes[p, EXPECTED] = s, now + took, now, now + mean
        switch(cluster[p], 1, now, busy, counts)


@jit_lean
def unlink(p: Any, before: Any, s: Any, tasks: Any, pes: Any) -> None:
    """Take slot task ``s`` out of the queue of PE ``p``, in which it comes after ``before`` (-1: first)."""
    after = tasks[s, NEXT_TASK]
    if before < 0:
        pes[p, HEAD] = after
    else:
        tasks[before, NEXT_TASK] = after
    if after < 0:
        pes[p, TAIL_TASK] = before
    pes[p, QUEUE] -= 1


@jit_lean
def pass_outages(size: Any, outages: Any, cluster: Any, totals: Any, pes: Any, busy: Any, counts: Any) -> int:
    """Let outages end and begin that are due; return how many did."""
    now, passed = totals[NOW], 0
    while totals[OUTAGE] < size[N_OUTAGES] and outages[totals[OUTAGE], 0] <= now:
        p, until = outages[totals[OUTAGE], 1], outages[totals[OUTAGE], 2]
        totals[OUTAGE] += 1
        passed += 1
        running = pes[p, RUNS] >= 0
        if until == 0:
            if running:
                switch(cluster[p], 1, now, busy, counts)
            continue
        pes[p, UP_AT] = until
        if running:
            pause = until - now
            pes[p, ENDS] += pause
            pes[p, BEGAN] += pause
            pes[p, EXPECTED] += pause
            switch(cluster[p], -1, now, busy, counts)
    return passed


@jit_lean
def end_tasks(
    size: Any,
    facts: Any,
    preds: Any,
    succs: Any,
    lag: Any,
    memory_lag: Any,
    link: Any,
    cluster: Any,
    totals: Any,
    jobs: Any,
    tasks: Any,
    data: Any,
    pes: Any,
    ready: Any,
    busy: Any,
    counts: Any,
    log_job: Any,
    log_finish: Any,
) -> int:
    """End the tasks that are due; return how many ends were noticed."""
    now, width, noticed = totals[NOW], facts.shape[1], 0
    for p in range(size[PES]):
        s = pes[p, RUNS]
        if s < 0 or pes[p, ENDS] != now:
            continue
        pes[p, RUNS], pes[p, ENDS] = -1, NEVER
        took = now - pes[p, BEGAN]
        pes[p, BUSY] += took
        switch(cluster[p], -1, now, busy, counts)
        tasks[s, STATE], tasks[s, FINISH] = DONE, now
        log_finish[jobs[s // width, SERIAL], s % width] = now
        if size[TICK] and took <= 1 and facts[jobs[s // width, APP], s % width, N_SUCCS] > 0:
            tasks[s, READY_AT] = now + 1
            ready[1, totals[LATER]] = s
            totals[LATER] += 1
        else:
            notice(s, size, facts, preds, succs, lag, memory_lag, link, totals, jobs, tasks, data, ready, log_job)
            noticed += 1
    return noticed


@jit_lean
def pass_later(
    size: Any,
    facts: Any,
    preds: Any,
    succs: Any,
    lag: Any,
    memory_lag: Any,
    link: Any,
    totals: Any,
    jobs: Any,
    tasks: Any,
    data: Any,
    ready: Any,
    log_job: Any,
) -> int:
    """Notice ends and make tasks ready whose later time has come; return how many."""
    now, k, passed = totals[NOW], 0, 0
    while k < totals[LATER]:
        s = ready[1, k]
        if tasks[s, READY_AT] > now:
            k += 1
            continue
        for other in range(k, totals[LATER] - 1):
            ready[1, other] = ready[1, other + 1]
        totals[LATER] -= 1
        passed += 1
        if tasks[s, STATE] == LATE:
            arrive(s, facts.shape[1], size, totals, jobs, tasks, data, ready)
        else:
            notice(s, size, facts, preds, succs, lag, memory_lag, link, totals, jobs, tasks, data, ready, log_job)
    return passed
