"""The event clock and the pruning rules of JSSEnv 1.1.0, for ``timing="wait_jssenv"``.

Behaviour read in prosysscience/JSSEnv (MIT), class JssEnv, and recorded from it; generalised to jobs of different
lengths, release dates and operations of zero duration. Arguments as in timing.py; ``legal`` (B, N) int8 marks the jobs
offered now; ``held`` (B, N) int8 is BANNED for a job passed over by waiting, until its machine takes another one, and
HIDDEN for a job whose operation of zero duration ends only when the clock next moves.
"""

from __future__ import annotations

import numpy as np

from ganttlet.core.jit import jit
from ganttlet.job_shop.layout import (
    DURATION,
    FREE,
    MACHINE,
    N_OPS,
    NEVER,
    NO_DUE,
    QUEUE,
    READY,
    ROUTE,
    STEP,
    TIME,
    Array,
    Int,
)
from ganttlet.job_shop.timing import place_starts

BANNED, HIDDEN = 1, 2
MAX_MACHINES, MAX_JOBS = 3, 4


@jit
def next_event(i: Int, n: Int, clock: Int, jobs: Array, held: Array) -> Int:
    """Return the next completion or release, ``clock`` itself if an operation of zero duration ends now, or NEVER."""
    best, hidden = NEVER, 0
    for j in range(n):
        hidden += held[i, j] == HIDDEN
        ready = np.int64(jobs[i, READY, j])
        best = min(best, ready if ready > clock else NEVER)
    return clock if hidden > 0 else best


@jit
def offer(i: Int, n: Int, clock: Int, jobs: Array, machines: Array, legal: Array, held: Array) -> bool:
    """Offer every waiting job whose machine is idle at ``clock`` and that is not banned; True if there is one.

    Operations of zero duration that were placed before end here.
    """
    found = 0
    for j in range(n):
        legal[i, j] = 0
        if held[i, j] == HIDDEN:
            held[i, j] = 0
        if jobs[i, READY, j] <= clock and held[i, j] == 0:
            k = jobs[i, MACHINE, j]
            if k >= 0 and machines[i, FREE, k] <= clock:
                legal[i, j] = 1
                found += 1
    return found > 0


@jit
def run_clock(i: Int, n: Int, clock: Int, jobs: Array, machines: Array, legal: Array, held: Array) -> Int:
    """Go from event to event until a job is offered or no event is left; return the time."""
    while True:
        event = next_event(i, n, clock, jobs, held)
        if event == NEVER:
            return clock
        clock = event
        if offer(i, n, clock, jobs, machines, legal, held):
            return clock


@jit
def close_machine(i: Int, n: Int, k: Int, jobs: Array, legal: Array, held: Array) -> bool:
    """As a job is placed on machine ``k``: withdraw its rivals, lift their bans; True if another job is offered.

    ``jobs`` still names the machine of the operation being placed.
    """
    found = 0
    for j in range(n):
        if jobs[i, MACHINE, j] == k and held[i, j] != HIDDEN:
            legal[i, j], held[i, j] = 0, 0
        found += legal[i, j]
    return found > 0


@jit
def prune(
    i: Int, s: Int, n: Int, m: Int, clock: Int, jobs: Array, machines: Array, legal: Array, ops: Array, facts: Array
) -> None:
    """Withdraw a job on its last operation if that is longer than a rival's that can go on to an idle machine.

    The column QUEUE is free until the observation is written; it holds each machine's shortest such rival.
    """
    for k in range(m):
        machines[i, QUEUE, k] = NO_DUE
    for j in range(n):
        after = jobs[i, STEP, j] + 1
        if legal[i, j] == 1 and after < facts[s, N_OPS, j] and machines[i, FREE, ops[s, ROUTE, j, after]] <= clock:
            k = jobs[i, MACHINE, j]
            machines[i, QUEUE, k] = min(machines[i, QUEUE, k], jobs[i, DURATION, j])
    for j in range(n):
        last = jobs[i, STEP, j] + 1 == facts[s, N_OPS, j]
        if legal[i, j] == 1 and last and jobs[i, DURATION, j] > machines[i, QUEUE, jobs[i, MACHINE, j]]:
            legal[i, j] = 0


@jit
def may_wait(
    i: Int,
    s: Int,
    n: Int,
    m: Int,
    clock: Int,
    jobs: Array,
    machines: Array,
    legal: Array,
    held: Array,
    ops: Array,
    facts: Array,
) -> bool:
    """Return whether on every offered machine some other job can arrive before an offered one would be through.

    A job's arrival is estimated by walking its route without queueing, its last operation left out. The column QUEUE
    serves as scratch for the shortest offered operation of each machine.
    """
    offered = 0
    for j in range(n):
        offered += legal[i, j]
    if offered == 0 or offered > MAX_JOBS:
        return False
    event = next_event(i, n, clock, jobs, held)
    if event == NEVER:
        return False
    for j in range(n):
        if legal[i, j] == 1 and clock + jobs[i, DURATION, j] < event:
            return False
    for k in range(m):
        machines[i, QUEUE, k] = -1
    count = 0
    for j in range(n):
        if legal[i, j] == 1:
            k, time = jobs[i, MACHINE, j], jobs[i, DURATION, j]
            count += machines[i, QUEUE, k] < 0
            machines[i, QUEUE, k] = time if machines[i, QUEUE, k] < 0 else min(time, machines[i, QUEUE, k])
    if count > MAX_MACHINES:
        return False
    for k in range(m):
        if machines[i, QUEUE, k] >= 0:
            limit = clock + machines[i, QUEUE, k]
            if not arrives_before(i, s, n, k, limit, clock, jobs, machines, legal, held, ops, facts):
                return False
    return True


@jit
def arrives_before(
    i: Int,
    s: Int,
    n: Int,
    k: Int,
    limit: Int,
    clock: Int,
    jobs: Array,
    machines: Array,
    legal: Array,
    held: Array,
    ops: Array,
    facts: Array,
) -> bool:
    """Return whether a job that is neither offered nor banned may reach machine ``k`` before ``limit``."""
    for j in range(n):
        if legal[i, j] == 1 or jobs[i, MACHINE, j] < 0 or held[i, j] == BANNED:
            continue
        time = np.int64(jobs[i, READY, j])
        if time <= clock and held[i, j] != HIDDEN:
            time = max(clock, np.int64(machines[i, FREE, jobs[i, MACHINE, j]]))
        for o in range(jobs[i, STEP, j], facts[s, N_OPS, j] - 1):
            if time >= limit:
                break
            if ops[s, ROUTE, j, o] == k:
                return True
            time += ops[s, TIME, j, o]
    return False


@jit
def settle(
    i: Int,
    s: Int,
    n: Int,
    m: Int,
    clock: Int,
    jobs: Array,
    machines: Array,
    legal: Array,
    held: Array,
    ops: Array,
    facts: Array,
) -> bool:
    """Prune the jobs offered at ``clock`` and set the earliest starts; return whether waiting is legal."""
    prune(i, s, n, m, clock, jobs, machines, legal, ops, facts)
    place_starts(i, n, clock, jobs, machines)
    return may_wait(i, s, n, m, clock, jobs, machines, legal, held, ops, facts)


@jit
def ban_offered(i: Int, n: Int, legal: Array, held: Array) -> None:
    """Pass over every offered job until its machine takes another one."""
    for j in range(n):
        if legal[i, j] == 1:
            legal[i, j], held[i, j] = 0, BANNED
