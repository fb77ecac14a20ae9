"""Jobs enter: the source's attempts, the full rule and the places in the system.

Functions take the arrays of one row, see layout.Store and layout.State.
"""

from __future__ import annotations

from typing import Any

from ganttlet.core.jit import jit_lean
from ganttlet.soc_dag.layout import (
    ACCEPTED,
    APP,
    ARRIVAL_KIND,
    ARRIVED,
    ATTEMPTS,
    BLOCKED,
    CAPACITY,
    CLOSING,
    COUNTING,
    COUNTS,
    DEADLINE,
    DUE,
    END,
    FULL,
    IN_SYSTEM,
    INJECTED,
    JOBS,
    LEAST,
    LEFT,
    LENGTH,
    LOST,
    N_PREDS,
    N_TASKS,
    N_TRACE,
    NEVER,
    NEXT,
    NOW,
    OUTSTANDING,
    PE,
    PENDING,
    PREDS_LEFT,
    SCALE,
    SERIAL,
    SINCE,
    STATE,
    WARMUP,
    WORK_LEFT,
    WORLD,
)
from ganttlet.soc_dag.readiness import get_ready
from ganttlet.soc_dag.world import TRACE, draw_app, draw_gap

BLOCK, REDRAW, QUEUE_UP = range(3)  # as in scenario.FULL_RULES
CUT = 1  # as in scenario.ENDS


@jit_lean
def enter(
    size: Any,
    apps: Any,
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
    log_job: Any,
) -> int:
    """Let the next accepted job into a free slot, and return the slot."""
    serial, now = totals[INJECTED], totals[NOW]
    j = 0
    while jobs[j, SERIAL] >= 0:
        j += 1
    app, arrival = log_job[serial, 0], log_job[serial, 1]
    log_job[serial, 2] = now
    clock = arrival if size[FULL] == QUEUE_UP else now
    n = apps[app, N_TASKS]
    jobs[j, SERIAL], jobs[j, APP], jobs[j, ARRIVED], jobs[j, LEFT] = serial, app, clock, n
    jobs[j, DUE] = clock + apps[app, DEADLINE] if apps[app, DEADLINE] > 0 else NEVER
    counts = size[END] == CUT or (size[WARMUP] <= clock < size[CLOSING])
    jobs[j, COUNTS] = 1 if counts else 0
    if counts and size[FULL] != QUEUE_UP:
        totals[COUNTING] += 1
    totals[INJECTED] += 1
    totals[IN_SYSTEM] += 1
    base, work = j * facts.shape[1], 0
    for t in range(n):
        s = base + t
        tasks[s, STATE], tasks[s, PREDS_LEFT], tasks[s, PE] = OUTSTANDING, facts[app, t, N_PREDS], -1
        work += facts[app, t, LEAST]
    jobs[j, WORK_LEFT] = work
    for t in range(n):
        if facts[app, t, N_PREDS] == 0:
            get_ready(base + t, size, facts, preds, lag, memory_lag, link, totals, jobs, tasks, data, ready)
    return j


@jit_lean
def bring(
    size: Any,
    real: Any,
    apps: Any,
    cumulative: Any,
    trace: Any,
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
    log_job: Any,
) -> int:
    """Let jobs in that wait for a place, then the attempts that are due; return how many jobs entered."""
    now, full, capacity, entered = totals[NOW], size[FULL], size[CAPACITY], 0
    traced = size[ARRIVAL_KIND] == TRACE
    if totals[PENDING] and totals[IN_SYSTEM] < capacity:
        enter(size, apps, facts, preds, lag, memory_lag, link, totals, jobs, tasks, data, ready, log_job)
        entered += 1
        totals[PENDING] = 0
        totals[BLOCKED] += now - totals[SINCE]
        plan_attempt(now, size, real, trace, totals)
    if full == QUEUE_UP:
        while totals[INJECTED] < totals[ACCEPTED] and totals[IN_SYSTEM] < capacity:
            enter(size, apps, facts, preds, lag, memory_lag, link, totals, jobs, tasks, data, ready, log_job)
            entered += 1
    while totals[NEXT] <= now:
        attempt = totals[ATTEMPTS]
        totals[ATTEMPTS] += 1
        place = totals[IN_SYSTEM] < capacity
        if full == REDRAW and not place:
            totals[LOST] += 1
            plan_attempt(now if traced else now + 1, size, real, trace, totals)
            continue
        serial = totals[ACCEPTED]
        log_job[serial, 0] = trace[attempt, 1] if traced else draw_app(totals[WORLD], serial, cumulative)
        log_job[serial, 1] = now
        totals[ACCEPTED] += 1
        if full == QUEUE_UP and (size[END] == CUT or (size[WARMUP] <= now < size[CLOSING])):
            totals[COUNTING] += 1
        if place:
            enter(size, apps, facts, preds, lag, memory_lag, link, totals, jobs, tasks, data, ready, log_job)
            entered += 1
        elif full == BLOCK:
            totals[PENDING], totals[SINCE], totals[NEXT] = 1, now, NEVER
            break
        plan_attempt(now, size, real, trace, totals)
    return entered


@jit_lean
def plan_attempt(after: Any, size: Any, real: Any, trace: Any, totals: Any) -> None:
    """Set the time of the source's next attempt, a fresh gap after ``after``; NEVER once it is closed."""
    k = totals[ATTEMPTS]
    at = NEVER
    if totals[ACCEPTED] < size[JOBS]:
        if size[ARRIVAL_KIND] == TRACE:
            if k < size[N_TRACE]:
                at = max(after, trace[k, 0])
        else:
            at = after + draw_gap(totals[WORLD], k, size[ARRIVAL_KIND], real[SCALE])
        if at >= size[LENGTH]:
            at = NEVER
    totals[NEXT] = at
