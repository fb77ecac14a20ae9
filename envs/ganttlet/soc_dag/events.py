"""The clock passes from event to event, in the order that the docstring of SoCDAGEnv gives.

Functions take the arrays of one row, see layout.Store and layout.State.
"""

from __future__ import annotations

from typing import Any

from ganttlet.core.jit import jit_lean
from ganttlet.soc_dag.entry import CUT, QUEUE_UP, bring, enter, plan_attempt
from ganttlet.soc_dag.layout import (
    ACCEPTED,
    CAPACITY,
    CLOSING,
    COMPLETED,
    COUNTING,
    DECIDE,
    END,
    ENDS,
    FULL,
    HEAD,
    IN_SYSTEM,
    INJECTED,
    INTEGRAL,
    JOBS,
    LATER,
    LENGTH,
    N_OUTAGES,
    NEVER,
    NEXT,
    NONE,
    NOW,
    OUTAGE,
    OVER,
    PE,
    PENDING,
    PES,
    PLAN,
    PREFILL,
    QUEUE,
    READY,
    READY_AT,
    RUNS,
    SEED,
    SERIAL,
    STATE,
    STATUS,
    STOP_AFTER,
    TAIL_TASK,
    WARMUP,
    WORLD,
)
from ganttlet.soc_dag.running import end_tasks, pass_later, pass_outages, start_tasks
from ganttlet.soc_dag.world import draw_app


@jit_lean
def next_event(size: Any, outages: Any, totals: Any, tasks: Any, pes: Any, ready: Any) -> Any:
    """Return the time of the next event, NEVER if there is none; idle PEs have just been served."""
    at = totals[NEXT]
    for p in range(size[PES]):
        at = min(at, pes[p, ENDS])
    for k in range(totals[LATER]):
        at = min(at, tasks[ready[1, k], READY_AT])
    if totals[OUTAGE] < size[N_OUTAGES]:
        at = min(at, outages[totals[OUTAGE], 0])
    return at


@jit_lean
def move_clock(at: Any, size: Any, totals: Any) -> None:
    """Set the clock to ``at``, adding up the time that jobs spend in the system."""
    now = totals[NOW]
    if size[END] == CUT:
        present = totals[IN_SYSTEM]
        if size[FULL] == QUEUE_UP:
            present += totals[ACCEPTED] - totals[INJECTED]
        totals[INTEGRAL] += present * max(0, at - max(now, size[WARMUP]))
    else:
        totals[INTEGRAL] += totals[COUNTING] * (at - now)
    totals[NOW] = at


@jit_lean
def is_over(size: Any, totals: Any) -> Any:
    """Return whether the run is over at this instant, its jobs having entered."""
    if size[END] == CUT:
        return size[STOP_AFTER] > 0 and totals[COMPLETED] >= size[STOP_AFTER]
    if totals[COUNTING] > 0 or totals[NEXT] < size[CLOSING]:
        return False
    return not (totals[PENDING] and totals[NOW] < size[CLOSING])


@jit_lean
def advance(
    waiting: Any,
    discipline: Any,
    size: Any,
    real: Any,
    apps: Any,
    cumulative: Any,
    facts: Any,
    exec_time: Any,
    std: Any,
    preds: Any,
    succs: Any,
    lag: Any,
    memory_lag: Any,
    link: Any,
    cluster: Any,
    trace: Any,
    outages: Any,
    totals: Any,
    jobs: Any,
    tasks: Any,
    data: Any,
    pes: Any,
    ready: Any,
    busy: Any,
    counts: Any,
    log_job: Any,
    log_start: Any,
    log_finish: Any,
) -> None:
    """Start tasks and pass from event to event until a decision is due or the run is over, as STATUS then says.

    ``waiting``: ready tasks wait until a task ends or gets ready, a job enters, or an outage begins or ends.
    """
    while True:
        start_tasks(size, exec_time, std, cluster, discipline, totals, jobs, tasks, pes, busy, counts, log_start)
        at = next_event(size, outages, totals, tasks, pes, ready)
        if at == NEVER:
            break
        if size[END] == CUT and at > size[LENGTH]:
            move_clock(size[LENGTH], size, totals)
            break
        move_clock(at, size, totals)
        woken = end_tasks(
            size,
            facts,
            preds,
            succs,
            lag,
            memory_lag,
            link,
            cluster,
            totals,
            jobs,
            tasks,
            data,
            pes,
            ready,
            busy,
            counts,
            log_job,
            log_finish,
        )
        if size[N_OUTAGES]:
            woken += pass_outages(size, outages, cluster, totals, pes, busy, counts)
        if totals[LATER]:
            woken += pass_later(
                size, facts, preds, succs, lag, memory_lag, link, totals, jobs, tasks, data, ready, log_job
            )
        if totals[NEXT] <= at or totals[PENDING] or totals[INJECTED] < totals[ACCEPTED]:
            woken += bring(
                size,
                real,
                apps,
                cumulative,
                trace,
                facts,
                preds,
                lag,
                memory_lag,
                link,
                totals,
                jobs,
                tasks,
                data,
                ready,
                log_job,
            )
        if is_over(size, totals):
            break
        if totals[READY] and (woken or not waiting):
            totals[STATUS] = DECIDE
            return
    totals[STATUS] = OVER


@jit_lean
def may_wait(size: Any, totals: Any, pes: Any) -> bool:
    """Return whether an event that ends a wait is sure to come."""
    if totals[LATER] or totals[OUTAGE] < size[N_OUTAGES]:
        return True
    if totals[NEXT] < NEVER and totals[IN_SYSTEM] < size[CAPACITY]:
        return True
    moving = False
    for p in range(size[PES]):
        moving = moving or pes[p, RUNS] >= 0 or pes[p, QUEUE] > 0
    return moving


@jit_lean
def begin(
    size: Any,
    real: Any,
    apps: Any,
    cumulative: Any,
    facts: Any,
    preds: Any,
    lag: Any,
    memory_lag: Any,
    link: Any,
    cluster: Any,
    trace: Any,
    outages: Any,
    totals: Any,
    jobs: Any,
    tasks: Any,
    data: Any,
    pes: Any,
    ready: Any,
    busy: Any,
    counts: Any,
    log_job: Any,
) -> None:
    """Empty the row and play the instant 0 up to its decisions; STATUS says whether there are any."""
    totals[:] = 0
    totals[WORLD] = size[SEED]
    jobs[:, SERIAL] = -1
    tasks[:, STATE] = NONE
    tasks[:, PE] = -1
    tasks[:, PLAN] = 0
    pes[:] = 0
    for p in range(len(pes)):
        pes[p, RUNS], pes[p, ENDS], pes[p, HEAD], pes[p, TAIL_TASK] = -1, NEVER, -1, -1
    busy[:] = 0
    counts[:] = 0
    pass_outages(size, outages, cluster, totals, pes, busy, counts)
    totals[NEXT] = NEVER
    if size[PREFILL]:
        for serial in range(min(size[CAPACITY], size[JOBS])):
            log_job[serial, 0] = draw_app(totals[WORLD], serial, cumulative)
            log_job[serial, 1] = 0
            totals[ACCEPTED] += 1
            if size[FULL] == QUEUE_UP and (size[END] == CUT or (size[WARMUP] <= 0 < size[CLOSING])):
                totals[COUNTING] += 1
            enter(size, apps, facts, preds, lag, memory_lag, link, totals, jobs, tasks, data, ready, log_job)
    plan_attempt(0, size, real, trace, totals)
    bring(
        size,
        real,
        apps,
        cumulative,
        trace,
        facts,
        preds,
        lag,
        memory_lag,
        link,
        totals,
        jobs,
        tasks,
        data,
        ready,
        log_job,
    )
    totals[STATUS] = OVER if is_over(size, totals) else DECIDE
