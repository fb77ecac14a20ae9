"""The arrays of SoC task graphs: workloads (Store) and episodes (State), and the names of their columns.

Quantities of one kind share an array, so that kernels take few arguments: a dispatch costs Numba time per array.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

# Store.size: per slot, integers.
(
    APPS,
    PES,
    CLUSTERS,
    CAPACITY,
    FULL,
    COMM,
    PREFILL,
    WARMUP,
    CLOSING,  # jobs that arrive from here on do not count (NEVER without length)
    LENGTH,
    JOBS,
    END,
    STOP_AFTER,
    NOISE_KIND,
    NOISY,
    TICK,
    ARRIVAL_KIND,
    SEED,
    N_TRACE,
    N_OUTAGES,
    N_SIZE,
) = range(21)
# Store.real: per slot, numbers.
SCALE, UNIT_TIME, UNIT_POWER, N_REAL = range(4)
# Store.apps: per application.
N_TASKS, N_EDGES, DEADLINE, CRITICAL, N_APPS_COLUMNS = range(5)
# Store.tasks: per task of an application; the predecessors' entries are in Store.preds[first: first + count].
N_PREDS, FIRST_PRED, N_SUCCS, FIRST_SUCC, LEAST, SUPPORT, N_TASK_COLUMNS = range(7)
# Store.ranks: per task, in ticks: mean execution time, its standard deviation over the PEs, upward rank, downward rank,
# upward rank at least times and without transfers, upward rank at mean times and without transfers, share of the PEs
# that support it.
MEAN, SPREAD, RANK_UP, RANK_DOWN, TAIL, LEVEL, SHARE, N_RANKS = range(8)

# State.totals.
(
    NOW,
    NEXT,  # next attempt of the source (NEVER: none)
    ATTEMPTS,
    ACCEPTED,  # jobs brought so far; the next one's number
    INJECTED,  # jobs that entered; those between are in the queue
    PENDING,  # 1 while a blocked job waits, its arrival in SINCE
    SINCE,
    IN_SYSTEM,
    COUNTING,  # jobs present that count, queue included
    COUNTED,  # jobs that count and are done
    LATENCY,  # sum of their latencies
    MISSED,
    COMPLETED,
    LOST,
    BLOCKED,
    INTEGRAL,  # job-ticks of the jobs that count
    LAST,  # last completion of a job
    READY,  # number of ready tasks
    LATER,  # number of tasks that become ready at a known time
    STATUS,
    DECISIONS,
    OUTAGE,  # next boundary of an outage to come, an index into Store.outages
    TURN,  # PE that round robin gave out last, plus one
    WORLD,  # seed of the realisation; a copy that is searched may be given another
    PAID,  # 1 once a reward was paid; the first one counts from time 0
    N_TOTALS,
) = range(26)
# State.jobs: per slot; SERIAL is -1 in a free one.
SERIAL, APP, ARRIVED, LEFT, DUE, COUNTS, WORK_LEFT, N_JOB_COLUMNS = range(8)
# State.tasks: per slot and task. NEXT_TASK links a PE's queue.
STATE, PREDS_LEFT, PE, READY_AT, START, FINISH, DATA, NEXT_TASK, PLAN, N_STATE_COLUMNS = range(10)
NONE, OUTSTANDING, LATE, READY_NOW, QUEUED, RUNNING, DONE = range(7)
# State.pes. ENDS: when the running task ends (NEVER: none). PROMISE: when the PE was last promised to be free.
# PLANNED: when it would be free after what observe.show_plan has placed.
RUNS, ENDS, HEAD, TAIL_TASK, QUEUE, PROMISE, UP_AT, BUSY, BEGAN, EXPECTED, PLANNED, N_PE_COLUMNS = range(12)

NEVER: Final = 2**61
DECIDE, OVER = range(2)  # STATUS


class Sizes(NamedTuple):
    """Padded sizes: applications, tasks, edges per application, PEs, clusters, jobs in the system, jobs of a run,
    arrivals of a trace, boundaries of outages."""

    apps: int
    tasks: int
    edges: int
    pes: int
    clusters: int
    slots: int
    jobs: int
    trace: int
    outages: int


class Store(NamedTuple):
    """Workloads, slot axis first (S slots; K, T, E, P, C as in Workload, Q trace entries, W outage boundaries).

    Fields:
        size: (S, N_SIZE) int64; real: (S, N_REAL) float64, mean gap, unit of time (mean critical path) and of power.
        apps: (S, K, N_APPS_COLUMNS) int64; cumulative: (S, K) float64.
        tasks: (S, K, T, N_TASK_COLUMNS) int64; ranks: (S, K, T, N_RANKS) float64.
        exec_time: (S, K, T, P) int32; std: (S, K, T) float64.
        preds, succs: (S, K, E, 2) int32, the other end and the edge's number, sorted by task.
        lag: (S, K, E, V) int32, transfer time of an edge by bandwidth class; memory_lag: (S, K, E, P).
        link: (S, P, P) int16, bandwidth class of two PEs.
        costs: (S, K, T, P) float64, PEFT's table of optimistic costs.
        cluster: (S, P) int64; power: (S, C, P + 1) float64.
        speed: (S, P, 3) float64, a PE's speed, support and power, see features.PE.
        trace: (S, Q, 2) int64; outages: (S, W, 3) int64, time, PE, end (0 at an end), by time, ends first.
        key: (S,) uint64, what a generated workload was drawn from.
    """

    size: Array
    real: Array
    apps: Array
    cumulative: Array
    tasks: Array
    ranks: Array
    exec_time: Array
    std: Array
    preds: Array
    succs: Array
    lag: Array
    memory_lag: Array
    link: Array
    costs: Array
    cluster: Array
    power: Array
    speed: Array
    trace: Array
    outages: Array
    key: Array


class State(NamedTuple):
    """Episodes, batch axis first (B rows, J job slots, N jobs of a run; slot task s = j T + t).

    Fields:
        totals: (B, N_TOTALS) int64.
        jobs: (B, J, N_JOB_COLUMNS) int64.
        tasks: (B, J T, N_STATE_COLUMNS) int64.
        data: (B, J T, P) int64, when a ready task's data is on each PE (shared memory: transfer time from memory).
        pes: (B, P, N_PE_COLUMNS) int64.
        free: (B, P) int64, when each PE is expected to be free, written at every decision.
        ready: (B, 3, J T) int64, ready tasks by (ready time, job, task), tasks that become ready later, and scratch.
        busy: (B, C, P + 2) int64, time spent with 0 … P busy PEs, and in the last column the time of the last change.
        counts: (B, C) int64, busy PEs of each cluster.
        log_job: (B, N, 4) int64, application, arrival, injection, completion.
        log_pe: (B, N, T) int16; log_start, log_finish: (B, N, T) int64.
    """

    totals: Array
    jobs: Array
    tasks: Array
    data: Array
    pes: Array
    free: Array
    ready: Array
    busy: Array
    counts: Array
    log_job: Array
    log_pe: Array
    log_start: Array
    log_finish: Array


def make_store(slots: int, sizes: Sizes, classes: int) -> Store:
    """Return storage for ``slots`` workloads with up to ``classes`` bandwidth classes."""
    k, t, e, p, c = sizes[:5]
    return Store(
        size=np.zeros((slots, N_SIZE), np.int64),
        real=np.ones((slots, N_REAL)),
        apps=np.zeros((slots, k, N_APPS_COLUMNS), np.int64),
        cumulative=np.ones((slots, k)),
        tasks=np.zeros((slots, k, t, N_TASK_COLUMNS), np.int64),
        ranks=np.zeros((slots, k, t, N_RANKS)),
        exec_time=np.full((slots, k, t, p), -1, np.int32),
        std=np.zeros((slots, k, t)),
        preds=np.zeros((slots, k, e, 2), np.int32),
        succs=np.zeros((slots, k, e, 2), np.int32),
        lag=np.zeros((slots, k, e, classes), np.int32),
        memory_lag=np.zeros((slots, k, e, p), np.int32),
        link=np.zeros((slots, p, p), np.int16),
        costs=np.zeros((slots, k, t, p)),
        cluster=np.zeros((slots, p), np.int64),
        power=np.zeros((slots, c, p + 1)),
        speed=np.zeros((slots, p, 3)),
        trace=np.zeros((slots, max(1, sizes.trace), 2), np.int64),
        outages=np.zeros((slots, max(1, sizes.outages), 3), np.int64),
        key=np.zeros(slots, np.uint64),
    )


def make_state(rows: int, sizes: Sizes) -> State:
    """Return the state of ``rows`` episodes."""
    _, t, _, p, c, j, n = sizes[:7]
    return State(
        totals=np.zeros((rows, N_TOTALS), np.int64),
        jobs=np.zeros((rows, j, N_JOB_COLUMNS), np.int64),
        tasks=np.zeros((rows, j * t, N_STATE_COLUMNS), np.int64),
        data=np.zeros((rows, j * t, p), np.int64),
        pes=np.zeros((rows, p, N_PE_COLUMNS), np.int64),
        free=np.zeros((rows, p), np.int64),
        ready=np.zeros((rows, 3, j * t), np.int64),
        busy=np.zeros((rows, c, p + 2), np.int64),
        counts=np.zeros((rows, c), np.int64),
        log_job=np.zeros((rows, n, 4), np.int64),
        log_pe=np.zeros((rows, n, t), np.int16),
        log_start=np.zeros((rows, n, t), np.int64),
        log_finish=np.zeros((rows, n, t), np.int64),
    )
