"""What an observation shows: feature names with ranges and units, and the kernels that write them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.graph import EdgeType, Feature, GraphSpec, NodeType, Segment
from ganttlet.core.jit import jit
from ganttlet.job_shop.layout import (
    CLOCK,
    DUE,
    DURATION,
    EST,
    FIRST,
    FREE,
    JOBS,
    LEFT,
    LOAD,
    LONGEST,
    MACHINE,
    MACHINES,
    N_OPS,
    NOOP,
    OPS,
    QUEUE,
    READY,
    ROUTE,
    STEP,
    TAIL,
    TIME,
    TOP_WEIGHT,
    WEIGHT,
    WORK,
    Array,
    Int,
)
from ganttlet.job_shop.queues import (
    LOAD_CONTEXT_FEATURES,
    LOAD_FEATURES,
    LONG,
    QUEUE_FEATURES,
    UNIT,
    show_loads,
    show_queues,
)

TOP, ZERO = np.float32(LONG), np.float32(0.0)

JOB_FEATURES = (
    Feature("legal", 0, 1, "1 if the job may be chosen now"),
    Feature("duration", 0, LONG, f"processing time of the next operation, {UNIT}"),
    Feature("work", 0, LONG, f"remaining processing time of the job, next operation included, {UNIT}"),
    Feature("ops_left", 0, 1, "operations left, as a share of the longest job's number of operations"),
    Feature("waiting", -LONG, LONG, f"clock minus the end of the job's previous operation, {UNIT}"),
    Feature("machine_free_in", 0, LONG, f"time until the next operation's machine is free, {UNIT}"),
    Feature("start_in", 0, LONG, f"earliest start of the next operation minus the clock, {UNIT}"),
    Feature("slack", 0, LONG, f"makespan bound minus the job's own bound (earliest start + work), {UNIT}"),
    Feature("work_share", 0, 1, "duration / work: the rule SPT/TWKR"),
    Feature("machine_load", 0, LONG, f"processing time not yet placed on the next operation's machine, {UNIT}"),
    Feature("rivals", 0, 1, "other jobs whose next operation needs the same machine, as a share of all jobs"),
)
AHEAD_FEATURES = (
    Feature("duration", 0, LONG, f"processing time of a later operation, {UNIT}"),
    Feature("machine_free_in", 0, LONG, f"time until its machine is free, {UNIT}"),
)
DUE_FEATURES = (
    Feature("due_slack", -LONG, LONG, f"due date minus the job's own bound, {UNIT}"),
    Feature("weight", 0, 1, "tardiness weight, as a share of the largest"),
)
CONTEXT_FEATURES = (
    Feature("ops_left", 0, 1, "share of all operations not yet placed"),
    Feature("jobs_left", 0, 1, "share of jobs not yet finished"),
    Feature("horizon", 0, LONG, f"makespan bound minus the clock, {UNIT}"),
    Feature("jobs_per_machine", 0, LONG, "number of jobs / number of machines"),
)
OP_STATIC_FEATURES = (
    Feature("duration", 0, LONG, f"processing time, {UNIT}"),
    Feature("work", 0, LONG, f"processing time of the job from here on, {UNIT}"),
    Feature("position", 0, 1, "index within the job, as a share of its operations"),
    Feature("job_share", 0, 1, "processing time as a share of the job's"),
)
OP_FEATURES = (
    Feature("placed", 0, 1, "1 once the operation is placed"),
    Feature("next", 0, 1, "1 if the operation is its job's next"),
    Feature("completion", 0, LONG, "earliest completion (its completion, once placed) / first makespan bound"),
)
MACHINE_FEATURES = (
    Feature("load", 0, LONG, f"processing time not yet placed on the machine, {UNIT}"),
    Feature("free_in", 0, LONG, f"time until the machine is free, {UNIT}"),
    Feature("queue", 0, 1, "share of jobs whose next operation needs the machine"),
)

N_JOB, N_AHEAD, N_DUE, N_CONTEXT = len(JOB_FEATURES), len(AHEAD_FEATURES), len(DUE_FEATURES), len(CONTEXT_FEATURES)
OBSERVATIONS = ("jobs", "machines", "graph")


def graph_spec(jobs: int, machines: int, ops: int, *, window: int, due: bool, noop: bool, kind: str) -> GraphSpec:
    """Return the GraphSpec of a padded space for an observation ``kind`` of OBSERVATIONS."""
    ahead = tuple(
        Feature(f"ahead{w}_{f.name}", f.low, f.high, f"{f.about} (operation {w} after the next)")
        for w in range(1, window)
        for f in AHEAD_FEATURES
    )
    rich = kind == "machines"
    queue = QUEUE_FEATURES if rich else ()
    nodes = [NodeType("job", jobs, JOB_FEATURES + ahead + queue + (DUE_FEATURES if due else ()))]
    edges: list[EdgeType] = []
    if rich:
        nodes.append(NodeType("machine", machines, MACHINE_FEATURES + LOAD_FEATURES))
        edges = [EdgeType("needs", "job", "machine", "pointer"), EdgeType("needs_after", "job", "machine", "pointer")]
    if kind == "graph":
        nodes.append(NodeType("op", jobs * ops, OP_FEATURES, OP_STATIC_FEATURES, fixed=True))
        nodes.append(NodeType("machine", machines, MACHINE_FEATURES, fixed=True))
        edges = [
            EdgeType("precedes", "op", "op", "pointer", static=True),
            EdgeType("op_job", "op", "job", "pointer", static=True),
            EdgeType("op_machine", "op", "machine", "pointer", static=True),
            EdgeType("job_next", "job", "op", "pointer"),
        ]
    segments = (Segment("job"), Segment("context")) if noop else (Segment("job"),)
    context = CONTEXT_FEATURES + (LOAD_CONTEXT_FEATURES if rich else ())
    return GraphSpec(tuple(nodes), tuple(edges), context, segments=segments)


@jit
def clip(x: float, low: float, high: float) -> float:
    """Return ``x`` held within low … high."""
    return min(max(x, low), high)


@jit
def show_rows(
    rows: Array,
    slot: Array,
    window: Int,
    due: bool,
    full: bool,
    store: Any,
    state: Any,
    values: Array,
    out: Any,
) -> None:
    """Bring the observation of ``rows`` up to date; ``full`` rewrites all of it, whatever the buffers hold.

    ``out`` holds the blocks job, job_mask, context, action_mask, op, machine, job_next_index, machine_mask,
    needs_index, needs_after_index; those that the observation does not have are empty. The load bound must be known
    where there are needs.
    """
    ops, facts, _, size, scale = store
    jobs, machines, totals, legal, _, start, _, shown = state
    job, job_mask, context, action_mask, op, machine, job_next, machine_mask, needs, needs_after = out
    graph, rich = op.shape[0] > 0, needs.shape[0] > 0
    bound = values[0]
    if full:
        for i in rows:
            job[i] = 0.0
            job_mask[i] = 0
            if graph:
                op[i] = 0.0
                machine[i] = 0.0
                job_next[i] = -1
                shown[i] = -1
            if rich:
                machine[i] = 0.0
                machine_mask[i] = 0
                needs[i] = -1
                needs_after[i] = -1
    show_jobs(rows, slot, bound, jobs, machines, totals, legal, facts, size, scale, job, job_mask)
    show_rest(rows, slot, bound, jobs, machines, totals, legal, size, scale, context, action_mask)
    if window > 1:
        show_ahead(rows, slot, window, jobs, machines, totals, ops, facts, size, scale, job)
    if due:
        show_due(rows, slot, jobs, facts, size, scale, job)
    if rich:
        show_queues(rows, slot, N_JOB + (window - 1) * N_AHEAD, jobs, machines, totals, store, job)
        show_loads(
            rows,
            slot,
            N_CONTEXT,
            bound,
            jobs,
            machines,
            totals,
            legal,
            store,
            context,
            machine,
            machine_mask,
            needs,
            needs_after,
        )
    if graph:
        show_ops(rows, slot, jobs, totals, start, ops, facts, size, shown, op, job_next)
    if graph or rich:
        show_machines(rows, slot, machines, totals, size, scale, machine)


@jit
def show_jobs(
    rows: Array,
    slot: Array,
    bound: Array,
    jobs: Array,
    machines: Array,
    totals: Array,
    legal: Array,
    facts: Array,
    size: Array,
    scale: Array,
    out: Array,
    out_mask: Array,
) -> None:
    """Write JOB_FEATURES and count the queues; a finished job's row is zeroed once, as its mask falls."""
    for i in rows:
        s = slot[i]
        n, unit, clock, most = size[s, JOBS], np.float32(scale[s]), totals[i, CLOCK], np.int64(bound[i])
        per_job, per_op = np.float32(1.0 / n), np.float32(1.0 / size[s, LONGEST])
        for k in range(size[s, MACHINES]):
            machines[i, QUEUE, k] = 0
        for j in range(n):
            if jobs[i, MACHINE, j] >= 0:
                machines[i, QUEUE, jobs[i, MACHINE, j]] += 1
        for j in range(n):
            k = jobs[i, MACHINE, j]
            if k < 0:
                if out_mask[i, j]:
                    out_mask[i, j] = 0
                    for f in range(out.shape[2]):
                        out[i, j, f] = 0.0
                continue
            out_mask[i, j] = 1
            begin, rest, length = jobs[i, EST, j], jobs[i, WORK, j], jobs[i, DURATION, j]
            out[i, j, 0] = legal[i, j]
            out[i, j, 1] = min(np.float32(length) * unit, TOP)
            out[i, j, 2] = min(np.float32(rest) * unit, TOP)
            out[i, j, 3] = np.float32(facts[s, N_OPS, j] - jobs[i, STEP, j]) * per_op
            out[i, j, 4] = min(max(np.float32(clock - jobs[i, READY, j]) * unit, -TOP), TOP)
            out[i, j, 5] = min(np.float32(max(0, machines[i, FREE, k] - clock)) * unit, TOP)
            out[i, j, 6] = min(np.float32(begin - clock) * unit, TOP)
            out[i, j, 7] = min(np.float32(most - (begin + rest)) * unit, TOP)
            out[i, j, 8] = np.float32(length) / np.float32(rest) if rest > 0 else ZERO
            out[i, j, 9] = min(np.float32(machines[i, LOAD, k]) * unit, TOP)
            out[i, j, 10] = np.float32(machines[i, QUEUE, k] - 1) * per_job


@jit
def show_rest(
    rows: Array,
    slot: Array,
    bound: Array,
    jobs: Array,
    machines: Array,
    totals: Array,
    legal: Array,
    size: Array,
    scale: Array,
    context: Array,
    action_mask: Array,
) -> None:
    """Write the action mask (all ones at the end) and CONTEXT_FEATURES; the queues must be counted."""
    width = legal.shape[1]
    for i in rows:
        s, left = slot[i], totals[i, LEFT]
        n, m = size[s, JOBS], size[s, MACHINES]
        for a in range(width):
            action_mask[i, a] = 1 if left == 0 else (legal[i, a] if a < n else 0)
        if action_mask.shape[1] > width:
            action_mask[i, width] = 1 if left == 0 else totals[i, NOOP]
        alive = 0
        for k in range(m):
            alive += machines[i, QUEUE, k]
        context[i, 0] = left / size[s, OPS]
        context[i, 1] = alive / n
        context[i, 2] = clip((bound[i] - totals[i, CLOCK]) * scale[s], 0.0, LONG)
        context[i, 3] = min(n / m, LONG)


@jit
def show_ahead(
    rows: Array,
    slot: Array,
    window: Int,
    jobs: Array,
    machines: Array,
    totals: Array,
    ops: Array,
    facts: Array,
    size: Array,
    scale: Array,
    out: Array,
) -> None:
    """Write AHEAD_FEATURES for the ``window`` - 1 operations after each job's next."""
    for i in rows:
        s = slot[i]
        unit, clock = np.float32(scale[s]), totals[i, CLOCK]
        for j in range(size[s, JOBS]):
            if jobs[i, MACHINE, j] < 0:
                continue
            at = N_JOB
            for o in range(jobs[i, STEP, j] + 1, jobs[i, STEP, j] + window):
                if o < facts[s, N_OPS, j]:
                    out[i, j, at] = min(np.float32(ops[s, TIME, j, o]) * unit, TOP)
                    free_in = max(0, machines[i, FREE, ops[s, ROUTE, j, o]] - clock)
                    out[i, j, at + 1] = min(np.float32(free_in) * unit, TOP)
                else:
                    out[i, j, at], out[i, j, at + 1] = ZERO, ZERO
                at += N_AHEAD


@jit
def show_due(rows: Array, slot: Array, jobs: Array, facts: Array, size: Array, scale: Array, out: Array) -> None:
    """Write DUE_FEATURES, the last columns of the job rows."""
    at = out.shape[2] - N_DUE
    for i in rows:
        s = slot[i]
        top = max(1, size[s, TOP_WEIGHT])
        for j in range(size[s, JOBS]):
            if jobs[i, MACHINE, j] >= 0:
                end = np.int64(jobs[i, EST, j]) + jobs[i, WORK, j]
                out[i, j, at] = clip((facts[s, DUE, j] - end) * scale[s], -LONG, LONG)
                out[i, j, at + 1] = facts[s, WEIGHT, j] / top


@jit
def show_ops(
    rows: Array,
    slot: Array,
    jobs: Array,
    totals: Array,
    start: Array,
    ops: Array,
    facts: Array,
    size: Array,
    shown: Array,
    out: Array,
    out_next: Array,
) -> None:
    """Write OP_FEATURES for the jobs whose progress or earliest start changed since they were last shown."""
    width = ops.shape[3]
    for i in rows:
        s = slot[i]
        inverse = 1.0 / totals[i, FIRST] if totals[i, FIRST] > 0 else 0.0
        for j in range(size[s, JOBS]):
            step, length = jobs[i, STEP, j], facts[s, N_OPS, j]
            if shown[i, j, 0] == step and shown[i, j, 1] == jobs[i, EST, j]:
                continue
            begin = max(0, shown[i, j, 0])
            shown[i, j, 0], shown[i, j, 1] = step, jobs[i, EST, j]
            out_next[i, j] = j * width + step if step < length else -1
            time = np.int64(0)
            for o in range(begin, length):
                if o <= step:
                    time = np.int64(start[i, j, o] if o < step else jobs[i, EST, j])
                time += ops[s, TIME, j, o]
                at = j * width + o
                out[i, at, 0] = o < step
                out[i, at, 1] = o == step
                out[i, at, 2] = min(time * inverse, LONG)


@jit
def show_machines(
    rows: Array, slot: Array, machines: Array, totals: Array, size: Array, scale: Array, out: Array
) -> None:
    """Write MACHINE_FEATURES; the queues must be counted."""
    for i in rows:
        s = slot[i]
        for k in range(size[s, MACHINES]):
            out[i, k, 0] = min(machines[i, LOAD, k] * scale[s], LONG)
            out[i, k, 1] = clip((machines[i, FREE, k] - totals[i, CLOCK]) * scale[s], 0.0, LONG)
            out[i, k, 2] = machines[i, QUEUE, k] / size[s, JOBS]


@jit
def write_static(
    slots: Array,
    rows: Array,
    store: Any,
    op_mask: Array,
    machine_mask: Array,
    op_static: Array,
    precedes: Array,
    op_job: Array,
    op_machine: Array,
) -> None:
    """Write the static blocks of the stored instances ``slots`` into ``rows`` of the observation arrays."""
    ops, facts, _, size, scale = store
    width = ops.shape[3]
    for r in range(len(rows)):
        s, b = slots[r], rows[r]
        op_mask[b], op_static[b], machine_mask[b] = 0, 0.0, 0
        precedes[b], op_job[b], op_machine[b] = -1, -1, -1
        for k in range(size[s, MACHINES]):
            machine_mask[b, k] = 1
        for j in range(size[s, JOBS]):
            length, total = facts[s, N_OPS, j], max(1, ops[s, TAIL, j, 0])
            for o in range(length):
                at = j * width + o
                op_mask[b, at] = 1
                op_static[b, at, 0] = min(ops[s, TIME, j, o] * scale[s], LONG)
                op_static[b, at, 1] = min(ops[s, TAIL, j, o] * scale[s], LONG)
                op_static[b, at, 2] = o / length
                op_static[b, at, 3] = ops[s, TIME, j, o] / total
                op_job[b, at] = j
                op_machine[b, at] = ops[s, ROUTE, j, o]
                precedes[b, at] = at + 1 if o + 1 < length else -1
