"""What happens in a run of jobs: entries, starts, ends, outages, and the clock that passes from one to the next.

All functions take the arrays of one row, see layout.Store and layout.State, whose order of events the docstring of
SoCDAGEnv gives.
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
    BEGAN,
    BLOCKED,
    BUSY,
    CAPACITY,
    CLOSING,
    COMM,
    COMPLETED,
    COUNTED,
    COUNTING,
    COUNTS,
    DATA,
    DEADLINE,
    DECIDE,
    DONE,
    DUE,
    END,
    ENDS,
    EXPECTED,
    FINISH,
    FIRST_PRED,
    FIRST_SUCC,
    FULL,
    HEAD,
    IN_SYSTEM,
    INJECTED,
    INTEGRAL,
    JOBS,
    LAST,
    LATE,
    LATENCY,
    LATER,
    LEAST,
    LEFT,
    LENGTH,
    LOST,
    MISSED,
    N_OUTAGES,
    N_PREDS,
    N_SUCCS,
    N_TASKS,
    N_TRACE,
    NEVER,
    NEXT,
    NEXT_TASK,
    NOISE_KIND,
    NONE,
    NOW,
    OUTAGE,
    OUTSTANDING,
    OVER,
    PE,
    PENDING,
    PES,
    PLAN,
    PREDS_LEFT,
    PREFILL,
    QUEUE,
    QUEUED,
    READY,
    READY_AT,
    READY_NOW,
    RUNNING,
    RUNS,
    SCALE,
    SEED,
    SERIAL,
    SINCE,
    START,
    STATE,
    STATUS,
    STOP_AFTER,
    TAIL_TASK,
    TICK,
    UP_AT,
    WARMUP,
    WORK_LEFT,
    WORLD,
)
from ganttlet.soc_dag.world import TRACE, draw_app, draw_duration, draw_gap

BLOCK, REDRAW, QUEUE_UP = range(3)  # as in scenario.FULL_RULES
CUT = 1  # as in scenario.ENDS
SHARED = 1  # as in scenario.COMMUNICATIONS
ORDERED = 1  # values of the row's discipline: a PE keeps the order of planned starts; else that of assignment


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
def is_over(size: Any, totals: Any) -> bool:
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
    for p in range(size[PES]):
        if pes[p, RUNS] >= 0 or pes[p, QUEUE]:
            return True
    return False


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
