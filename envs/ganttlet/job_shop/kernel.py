"""Kernels of the job shop: fill a slot, start an episode, play a decision.

Each stage loops over the rows itself and takes whole arrays: a tuple or a row view inside such a loop would cost Numba
more than the work done on it. ``store``, ``state``, ``flags`` and ``out`` arrive as plain tuples in the order of their
NamedTuples, which Numba takes apart three times as fast.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.batch import settle as settle_flags
from ganttlet.core.jit import jit
from ganttlet.job_shop.features import show_rows
from ganttlet.job_shop.generator import generate_row
from ganttlet.job_shop.layout import (
    BALANCE,
    CLOCK,
    COUNT,
    DUE,
    DURATION,
    EST,
    FIRST,
    FLOOR,
    FREE,
    JOBS,
    LEFT,
    LOAD,
    LONGEST,
    MACHINE,
    MACHINES,
    N_OPS,
    NEVER,
    NO_DUE,
    NOOP,
    OPS,
    READY,
    RELEASE,
    ROUTE,
    STEP,
    TAIL,
    TIGHT,
    TIME,
    TOP_DURATION,
    TOP_WEIGHT,
    WEIGHT,
    WORK,
    Array,
    Int,
)
from ganttlet.job_shop.queues import tighten_rows
from ganttlet.job_shop.timing import (
    ACTIVE,
    APPEND,
    INSERT,
    WAIT_JSSENV,
    fit_gaps,
    insert_placed,
    mark_legal,
    next_start,
    place_starts,
)
from ganttlet.job_shop.wait_jssenv import HIDDEN, ban_offered, close_machine, offer, run_clock, settle

OBJECTIVES = ("makespan", "flow_time", "total_tardiness", "weighted_tardiness")
REWARDS = ("bound", "terminal", "idle", "load_bound")
BOUND, TERMINAL, IDLE, LOAD_BOUND = range(4)


@jit
def describe(slots: Array, n: Array, m: Array, has_due: bool, store: Any) -> None:
    """Fill in what follows from the machines, times and facts of ``slots``, of ``n`` jobs and ``m`` machines each."""
    ops, facts, load, size, scale = store
    for at in range(len(slots)):
        s = slots[at]
        for k in range(load.shape[1]):
            load[s, k] = 0
        total, count, longest, top, heaviest = np.int64(0), 0, 0, 0, 0
        for j in range(facts.shape[2]):
            rest, own = np.int64(0), 0
            for o in range(ops.shape[3] - 1, -1, -1):
                if ops[s, ROUTE, j, o] >= 0:
                    time = ops[s, TIME, j, o]
                    rest += time
                    own += 1
                    load[s, ops[s, ROUTE, j, o]] += time
                    top = max(top, time)
                ops[s, TAIL, j, o] = rest
            facts[s, N_OPS, j] = own
            count += own
            total += rest
            longest = max(longest, own)
            heaviest = max(heaviest, facts[s, WEIGHT, j])
            if not has_due:
                facts[s, DUE, j] = NO_DUE
        size[s, JOBS], size[s, MACHINES], size[s, OPS] = n[at], m[at], count
        size[s, LONGEST], size[s, TOP_DURATION], size[s, TOP_WEIGHT] = longest, top, heaviest
        scale[s] = count / total if total > 0 else 1.0


@jit
def generate_rows(slots: Array, keys: Array, params: Array, has_due: bool, store: Any) -> None:
    """Draw a fresh instance into every slot of ``slots`` from its key."""
    n, m = np.empty(len(slots), np.int64), np.empty(len(slots), np.int64)
    ops, facts, _, _, _ = store
    for at in range(len(slots)):
        own, fact = ops[slots[at]], facts[slots[at]]
        n[at], m[at] = generate_row(params, keys[at], own[ROUTE], own[TIME], fact[RELEASE], fact[DUE], fact[WEIGHT])
    describe(slots, n, m, has_due, store)


@jit
def load_rows(rows: Array, slot: Array, timing: Int, store: Any, state: Any, values: Array) -> None:
    """Start an episode of the instance in slot ``slot[i]`` in every row i of ``rows``."""
    ops, facts, load, size, _ = store
    jobs, machines, totals, legal, held, start, _, _ = state
    for i in rows:
        s = slot[i]
        n = size[s, JOBS]
        for j in range(jobs.shape[2]):
            jobs[i, STEP, j] = 0
            jobs[i, READY, j] = facts[s, RELEASE, j]
            jobs[i, EST, j] = facts[s, RELEASE, j]
            jobs[i, MACHINE, j] = ops[s, ROUTE, j, 0]
            jobs[i, DURATION, j] = ops[s, TIME, j, 0]
            jobs[i, WORK, j] = ops[s, TAIL, j, 0]
            legal[i, j], held[i, j] = 0, 0
            for o in range(start.shape[2]):
                start[i, j, o] = -1
        for k in range(machines.shape[2]):
            machines[i, FREE, k], machines[i, COUNT, k], machines[i, LOAD, k] = 0, 0, load[s, k]
        totals[i, CLOCK], totals[i, FLOOR], totals[i, BALANCE], totals[i, NOOP] = 0, 0, 0, 0
        totals[i, LEFT] = size[s, OPS]
        if timing == WAIT_JSSENV:
            clock = np.int64(0)
            if not offer(i, n, clock, jobs, machines, legal, held):
                clock = run_clock(i, n, clock, jobs, machines, legal, held)
            totals[i, NOOP] = settle(i, s, n, size[s, MACHINES], clock, jobs, machines, legal, held, ops, facts)
            totals[i, CLOCK] = clock
    evaluate_rows(rows, slot, timing, jobs, totals, legal, facts, size, values)
    tighten_rows(rows, slot, values[0], machines, totals, size)
    for i in rows:
        totals[i, FIRST] = np.int64(values[0, i])


@jit
def evaluate_rows(
    rows: Array,
    slot: Array,
    timing: Int,
    jobs: Array,
    totals: Array,
    legal: Array,
    facts: Array,
    size: Array,
    values: Array,
) -> None:
    """Write every objective at earliest start + remaining work into ``values``; set the clock and the legal jobs."""
    for i in rows:
        s = slot[i]
        n = size[s, JOBS]
        first = NEVER
        makespan, flow, tardy, weighted = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
        for j in range(n):
            begin = np.int64(jobs[i, EST, j])
            end = begin + jobs[i, WORK, j]
            if jobs[i, MACHINE, j] >= 0:
                first = min(first, begin)
            makespan = max(makespan, end)
            late = max(np.int64(0), end - facts[s, DUE, j])
            tardy += late
            weighted += late * facts[s, WEIGHT, j]
            flow += end - facts[s, RELEASE, j]
        values[0, i], values[1, i], values[2, i], values[3, i] = makespan, flow, tardy, weighted
        if timing != WAIT_JSSENV:
            totals[i, CLOCK] = makespan if totals[i, LEFT] == 0 else first
            totals[i, NOOP] = mark_legal(i, n, timing, totals[i, CLOCK], jobs, legal)


@jit
def place(
    i: Int,
    s: Int,
    j: Int,
    jobs: Array,
    machines: Array,
    totals: Array,
    start: Array,
    ops: Array,
    facts: Array,
) -> None:
    """Place the next operation of job ``j`` at its earliest start."""
    k, at, begin, length = jobs[i, MACHINE, j], jobs[i, STEP, j], jobs[i, EST, j], jobs[i, DURATION, j]
    end = begin + length
    start[i, j, at] = begin
    machines[i, FREE, k] = max(machines[i, FREE, k], end)
    machines[i, LOAD, k] -= length
    totals[i, LEFT] -= 1
    jobs[i, READY, j], jobs[i, EST, j] = end, end
    at += 1
    jobs[i, STEP, j] = at
    if at < facts[s, N_OPS, j]:
        jobs[i, MACHINE, j] = ops[s, ROUTE, j, at]
        jobs[i, DURATION, j] = ops[s, TIME, j, at]
        jobs[i, WORK, j] = ops[s, TAIL, j, at]
    else:
        jobs[i, MACHINE, j], jobs[i, DURATION, j], jobs[i, WORK, j] = -1, 0, 0


@jit
def select_rows(actions: Array, penalty: float, legal: Array, totals: Array, flags: Any, rows: Array) -> Int:
    """Collect the active rows whose action is legal into ``rows`` and return their number; charge the others."""
    active, reward, terminated, _, illegal, _, _, _ = flags
    count, width = 0, legal.shape[1]
    for i in range(len(actions)):
        if not active[i]:
            continue
        j = actions[i]
        terminated[i] = False
        if (0 <= j < width and legal[i, j] == 1) or (j == width and totals[i, NOOP] == 1):
            illegal[i] = False
            rows[count] = i
            count += 1
        else:
            illegal[i] = True
            reward[i] = -penalty
    return count


@jit
def play_rows(rows: Array, actions: Array, slot: Array, timing: Int, store: Any, state: Any) -> None:
    """Play one legal action in every row: place a job's operation, or wait; then set the earliest starts."""
    ops, facts, _, size, _ = store
    jobs, machines, totals, legal, held, start, placed, _ = state
    for i in rows:
        s, j = slot[i], actions[i]
        n = size[s, JOBS]
        waits = j == legal.shape[1]
        others, k, begin = False, -1, 0
        if not waits:
            k, begin = jobs[i, MACHINE, j], jobs[i, EST, j]
            if timing == WAIT_JSSENV:
                others = close_machine(i, n, k, jobs, legal, held)
                held[i, j] = HIDDEN if jobs[i, DURATION, j] == 0 else 0
            place(i, s, j, jobs, machines, totals, start, ops, facts)
        if timing == WAIT_JSSENV:
            clock = totals[i, CLOCK]
            if waits:
                ban_offered(i, n, legal, held)
            if not others:
                clock = run_clock(i, n, clock, jobs, machines, legal, held)
            totals[i, NOOP] = settle(i, s, n, size[s, MACHINES], clock, jobs, machines, legal, held, ops, facts)
            totals[i, CLOCK] = clock
        elif timing == INSERT:
            insert_placed(i, k, begin, jobs[i, READY, j], machines, placed)
            fit_gaps(i, n, k, j, jobs, machines, placed)
        else:
            if waits:
                totals[i, FLOOR] = next_start(i, n, totals[i, CLOCK], jobs)
            place_starts(i, n, totals[i, FLOOR], jobs, machines)


@jit
def play_forced(
    rows: Array, actions: Array, slot: Array, timing: Int, store: Any, state: Any, values: Array, again: Array
) -> None:
    """Play on in ``rows`` while a single action is legal; ``actions`` and ``again`` (B,) are overwritten."""
    _, facts, _, size, _ = store
    jobs, _, totals, legal, _, _, _, _ = state
    pending = again[: len(rows)]
    pending[:] = rows
    while len(pending) > 0:
        count = 0
        for i in pending:
            options, only = totals[i, NOOP], legal.shape[1]
            for j in range(size[slot[i], JOBS]):
                if legal[i, j]:
                    options += 1
                    only = j
            if options == 1 and totals[i, LEFT] > 0:
                actions[i] = only
                pending[count] = i
                count += 1
        pending = pending[:count]
        play_rows(pending, actions, slot, timing, store, state)
        evaluate_rows(pending, slot, timing, jobs, totals, legal, facts, size, values)


@jit
def reward_rows(
    rows: Array,
    slot: Array,
    timing: Int,
    kind: Int,
    new: Array,
    totals: Array,
    machines: Array,
    load: Array,
    size: Array,
    reward: Array,
    terminated: Array,
) -> None:
    """Turn the objective before the step, which ``reward`` holds, into the reward; ``new`` (B,) is the one after it.

    ``idle`` pays the processing time placed less the idle time created, over the longest operation: the change of
    a balance that counts idle time up to the clock, or up to each machine's last end while there is no clock.
    """
    for i in rows:
        s = slot[i]
        done = totals[i, LEFT] == 0
        terminated[i] = done
        if kind == BOUND:
            reward[i] -= new[i]
        elif kind == LOAD_BOUND:
            reward[i] -= totals[i, TIGHT]
        elif kind == TERMINAL:
            reward[i] = -new[i] if done else 0.0
        else:
            clocked = done or timing not in (ACTIVE, APPEND, INSERT)
            until = totals[i, CLOCK] if clocked else np.int64(0)
            balance = np.int64(0)
            for k in range(size[s, MACHINES]):
                work_done = np.int64(load[s, k]) - machines[i, LOAD, k]
                balance += 2 * work_done - max(until, np.int64(machines[i, FREE, k]))
            reward[i] = (balance - totals[i, BALANCE]) / max(1, size[s, TOP_DURATION])
            totals[i, BALANCE] = balance


@jit
def step_rows(
    actions: Array,
    slot: Array,
    timing: Int,
    objective: Int,
    kind: Int,
    penalty: float,
    window: Int,
    due: bool,
    skip: bool,
    limit: Int,
    store: Any,
    state: Any,
    flags: Any,
    values: Array,
    out: Any,
    scratch: Array,
) -> Int:
    """Play one action in every active row, show the result and settle the flags; return how many rows are done.

    An illegal action costs ``penalty`` and changes nothing. With ``skip``, decisions with one legal action are played
    at once. ``out`` is as in show_rows, ``scratch`` (3, B) int64.
    """
    _, facts, load, size, _ = store
    jobs, machines, totals, legal, _, _, _, _ = state
    _, reward, terminated, _, _, _, _, _ = flags
    count = select_rows(actions, penalty, legal, totals, flags, scratch[0])
    rows = scratch[0, :count]
    for i in rows:
        reward[i] = totals[i, TIGHT] if kind == LOAD_BOUND else values[objective, i]
    play_rows(rows, actions, slot, timing, store, state)
    evaluate_rows(rows, slot, timing, jobs, totals, legal, facts, size, values)
    if skip:
        play_forced(rows, scratch[1], slot, timing, store, state, values, scratch[2])
    if kind == LOAD_BOUND or out[8].shape[0] > 0:
        tighten_rows(rows, slot, values[0], machines, totals, size)
    reward_rows(rows, slot, timing, kind, values[objective], totals, machines, load, size, reward, terminated)
    show_rows(rows, slot, window, due, False, store, state, values, out)
    return settle_flags(flags, limit)
