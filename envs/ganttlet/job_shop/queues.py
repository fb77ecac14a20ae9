"""Features that set a job against its rivals and the machines' loads, for the observation ``machines``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.graph import Feature
from ganttlet.core.jit import jit
from ganttlet.job_shop.layout import (
    CLOCK,
    DURATION,
    EST,
    FREE,
    JOBS,
    LOAD,
    MACHINE,
    MACHINES,
    N_OPS,
    NEVER,
    QUEUE,
    ROUTE,
    STEP,
    TAIL,
    TIGHT,
    TIME,
    WORK,
    Array,
    Int,
)

LONG = 1000.0
UNIT = "in mean durations of the instance"
H = "the load bound"
OWN = "own bound (the later of the end of its last operation and the clock, plus its load)"
ALONE = "0 without rivals"

QUEUE_FEATURES = (
    Feature("machine_slack", 0, LONG, f"{H} minus the {OWN} of the next operation's machine, {UNIT}"),
    Feature("idle", 0, LONG, f"earliest start minus the machine's last end (at first 0), {UNIT}; 0 in a gap"),
    Feature("end_in", 0, LONG, f"earliest end of the next operation minus the clock, {UNIT}"),
    Feature("queue_work", 0, LONG, f"next operations that need the machine, the job's own included, {UNIT}"),
    Feature("tail_lead", -LONG, LONG, f"work after the next operation, less the rivals' most (0 for none), {UNIT}"),
    Feature("duration_rank", 0, 1, f"share of the rivals with a shorter next operation; {ALONE}"),
    Feature("tail_rank", 0, 1, f"share of the rivals with more work after their next operation; {ALONE}"),
    Feature("ratio_rank", 0, 1, f"share of the rivals with a smaller duration / work, 0 / 0 ties with all; {ALONE}"),
    Feature("start_rank", 0, 1, f"share of the rivals with an earlier start; {ALONE}"),
    Feature("slack_share", 0, 1, f"{H} minus the job's own bound, as a share of {H} minus the clock"),
    Feature("work_to_horizon", 0, 1, f"work as a share of {H} minus the clock"),
    Feature("after_load", 0, LONG, f"load of the machine of the operation after the next, {UNIT}; 0 if there is none"),
    Feature("after_slack", 0, LONG, f"{H} minus the own bound of that machine, {UNIT}; else {H} minus the clock"),
    Feature("after_queue_work", 0, LONG, f"next operations that need that machine, {UNIT}; 0 if there is none"),
    Feature("busy_share", 0, 1, "mean over the work of its machine's load / (load + slack); 0 without work"),
    Feature("critical_slack", 0, LONG, f"least slack of a later operation's machine, {UNIT}; else {H} minus the clock"),
    Feature("critical_in", 0, LONG, f"work before the first later operation of least slack, {UNIT}; 0 for none"),
    Feature("critical_duration", 0, LONG, f"processing time of that operation, {UNIT}; 0 for none"),
    Feature("critical_tail", 0, LONG, f"work after that operation, {UNIT}; 0 for none"),
)
LOAD_CONTEXT_FEATURES = (
    Feature("time_left", 0, LONG, f"{H} minus the clock, {UNIT}"),
    Feature("utilisation", 0, 1, f"load of all machines, as a share of their number times {H} minus the clock"),
    Feature("load_lead", 0, LONG, f"{H} minus the makespan bound, {UNIT}"),
    Feature("legal", 0, 1, "jobs that may be chosen now, as a share of all jobs; 0 at the end"),
)
LOAD_FEATURES = (
    Feature("slack", 0, LONG, f"{H} minus the machine's {OWN}, {UNIT}"),
    Feature("queue_work", 0, LONG, f"processing time of the next operations that need the machine, {UNIT}"),
)
N_QUEUE, N_LOAD_CONTEXT = len(QUEUE_FEATURES), len(LOAD_CONTEXT_FEATURES)


@jit
def tighten_rows(rows: Array, slot: Array, bound: Array, machines: Array, totals: Array, size: Array) -> None:
    """Write the load bound: the greatest of ``bound`` (B,) and, per machine, max(free, clock) + load."""
    for i in rows:
        best = np.int64(bound[i])
        for k in range(size[slot[i], MACHINES]):
            if machines[i, LOAD, k] > 0:
                best = max(best, max(np.int64(machines[i, FREE, k]), totals[i, CLOCK]) + machines[i, LOAD, k])
        totals[i, TIGHT] = best


@jit
def short(ticks: Int, unit: float) -> np.float32:
    """Return ``ticks`` in mean durations, held within 0 … LONG."""
    return min(max(np.float32(ticks) * np.float32(unit), np.float32(0.0)), np.float32(LONG))


@jit
def show_queues(
    rows: Array, slot: Array, first: Int, jobs: Array, machines: Array, totals: Array, store: Any, out: Array
) -> None:
    """Write QUEUE_FEATURES into the columns from ``first`` on; the load bound and the queues must be known."""
    ops, facts, _, size, scale = store
    count = machines.shape[2]
    slack, work, free = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.int64)
    busy = np.empty(count, np.float32)
    for i in rows:
        s = slot[i]
        n, unit, clock, top = size[s, JOBS], scale[s], totals[i, CLOCK], totals[i, TIGHT]
        left = top - clock
        share = np.float32(1.0) / np.float32(max(np.int64(1), left))
        for k in range(size[s, MACHINES]):
            free[k] = max(np.int64(machines[i, FREE, k]), clock)
            work[k] = 0
            slack[k] = max(np.int64(0), top - free[k] - machines[i, LOAD, k])
            span = max(np.int64(1), top - free[k])
            busy[k] = min(np.float32(1.0), np.float32(machines[i, LOAD, k]) / np.float32(span))
        for j in range(n):
            if jobs[i, MACHINE, j] >= 0:
                work[jobs[i, MACHINE, j]] += jobs[i, DURATION, j]
        for j in range(n):
            k = jobs[i, MACHINE, j]
            if k < 0:
                continue
            begin, rest, length = np.int64(jobs[i, EST, j]), jobs[i, WORK, j], jobs[i, DURATION, j]
            tail, longest, alone = rest - length, np.int64(0), True
            shorter, ahead, keener, earlier = 0, 0, 0, 0
            for x in range(n):
                if x == j or jobs[i, MACHINE, x] != k:
                    continue
                other, its = jobs[i, DURATION, x], jobs[i, WORK, x]
                longest = its - other if alone else max(longest, np.int64(its - other))
                alone = False
                shorter += other < length
                ahead += its - other > tail
                keener += np.int64(other) * rest < np.int64(length) * its
                earlier += jobs[i, EST, x] < begin
            rivals = np.float32(max(1, machines[i, QUEUE, k] - 1))
            out[i, j, first] = short(slack[k], unit)
            out[i, j, first + 1] = short(begin - machines[i, FREE, k], unit)
            out[i, j, first + 2] = short(begin + length - clock, unit)
            out[i, j, first + 3] = short(work[k], unit)
            lead = np.float32(tail - longest) * np.float32(unit)
            out[i, j, first + 4] = min(max(lead, np.float32(-LONG)), np.float32(LONG))
            out[i, j, first + 5] = np.float32(shorter) / rivals
            out[i, j, first + 6] = np.float32(ahead) / rivals
            out[i, j, first + 7] = np.float32(keener) / rivals
            out[i, j, first + 8] = np.float32(earlier) / rivals
            out[i, j, first + 9] = min(np.float32(1.0), np.float32(top - begin - rest) * share)
            out[i, j, first + 10] = min(np.float32(1.0), np.float32(rest) * share)
            step, stop = jobs[i, STEP, j] + 1, facts[s, N_OPS, j]
            out[i, j, first + 11], out[i, j, first + 12], out[i, j, first + 13] = 0.0, short(left, unit), 0.0
            if step < stop:
                after = ops[s, ROUTE, j, step]
                out[i, j, first + 11] = short(machines[i, LOAD, after], unit)
                out[i, j, first + 12] = short(slack[after], unit)
                out[i, j, first + 13] = short(work[after], unit)
            weighted, least, at = np.float32(length) * busy[k], NEVER, -1
            for o in range(step, stop):
                where = ops[s, ROUTE, j, o]
                weighted += np.float32(ops[s, TIME, j, o]) * busy[where]
                if slack[where] < least:
                    least, at = slack[where], o
            out[i, j, first + 14] = min(np.float32(1.0), weighted / np.float32(max(1, rest)))
            out[i, j, first + 15] = short(least if at >= 0 else left, unit)
            out[i, j, first + 16], out[i, j, first + 17], out[i, j, first + 18] = 0.0, 0.0, 0.0
            if at >= 0:
                time = ops[s, TIME, j, at]
                out[i, j, first + 16] = short(rest - ops[s, TAIL, j, at], unit)
                out[i, j, first + 17] = short(time, unit)
                out[i, j, first + 18] = short(ops[s, TAIL, j, at] - time, unit)


@jit
def show_loads(
    rows: Array,
    slot: Array,
    first: Int,
    bound: Array,
    jobs: Array,
    machines: Array,
    totals: Array,
    legal: Array,
    store: Any,
    context: Array,
    machine: Array,
    machine_mask: Array,
    needs: Array,
    needs_after: Array,
) -> None:
    """Write LOAD_CONTEXT_FEATURES from column ``first`` on, LOAD_FEATURES (the last columns) and the pointers."""
    ops, facts, _, size, scale = store
    at = machine.shape[2] - 2
    for i in rows:
        s = slot[i]
        n, m, unit, clock, top = size[s, JOBS], size[s, MACHINES], scale[s], totals[i, CLOCK], totals[i, TIGHT]
        total = np.int64(0)
        for k in range(m):
            total += machines[i, LOAD, k]
            machine_mask[i, k] = 1
            own = max(np.int64(machines[i, FREE, k]), clock) + machines[i, LOAD, k]
            machine[i, k, at] = short(top - own, unit)
            machine[i, k, at + 1] = 0.0
        count = 0
        for j in range(n):
            k, step = jobs[i, MACHINE, j], jobs[i, STEP, j] + 1
            needs[i, j], needs_after[i, j] = k, -1
            if k >= 0:
                count += legal[i, j]
                machine[i, k, at + 1] += np.float32(jobs[i, DURATION, j])
                if step < facts[s, N_OPS, j]:
                    needs_after[i, j] = ops[s, ROUTE, j, step]
        for k in range(m):
            machine[i, k, at + 1] = short(np.int64(machine[i, k, at + 1]), unit)
        span = np.float32(m) * np.float32(max(np.int64(1), top - clock))
        context[i, first] = short(top - clock, unit)
        context[i, first + 1] = min(np.float32(1.0), np.float32(total) / span)
        context[i, first + 2] = short(top - np.int64(bound[i]), unit)
        context[i, first + 3] = np.float32(count) / np.float32(n)
