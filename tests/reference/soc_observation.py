"""What SoCDAG-v0 should show, worked out in plain Python from the slow simulator, feature by feature."""

from __future__ import annotations

from typing import Any

import numpy as np

from reference.soc_dag import ReferenceSoC
from reference.soc_ranks import ranks_of
from reference.soc_system import Job, Task

Row = dict[str, Any]


def preds_left(play: ReferenceSoC, task: Task) -> int:
    """Predecessors whose end is not noticed yet."""
    return sum(not 0 <= u.noticed <= play.now for u, _ in play.edges_into(task))


def unfinished(play: ReferenceSoC, job: Job) -> list[Task]:
    """Tasks whose end is not noticed yet."""
    return [task for task in job.tasks if not 0 <= task.noticed <= play.now]


def work_left(play: ReferenceSoC, job: Job) -> float:
    return sum(play.least(task) for task in unfinished(play, job))


def task_row(play: ReferenceSoC, task: Task) -> Row:
    """The named features of a task that has not ended."""
    ranks = ranks_of(play, task.job.app)[task.number]
    states = {"outstanding": ("outstanding", "later"), "ready": ("ready",)}
    states |= {"queued": ("queued",), "running": ("running",)}
    return {
        **{name: task.state in known for name, known in states.items()},
        "preds_left": preds_left(play, task),
        **{name: ranks[name] / play.c for name in ("mean", "least", "spread", "rank_up", "rank_down", "tail")},
        "succs": sum(u == task.number for u, _, _ in play.edges[task.job.app]),
        "support": len(play.times_of(task)) / len(play.pes),
    }


def slack(play: ReferenceSoC, job: Job, tail: float) -> float:
    due = play.due(job)
    return 0.0 if due is None else (due - play.now - tail) / play.c


def job_row(play: ReferenceSoC, job: Job) -> Row:
    """The named features of a job in the system."""
    tails = play.tails(job.app)
    ready = [task.number for task in job.tasks if task.state == "ready"]
    return {
        "age": (play.now - job.clock) / play.c,
        "left": len(unfinished(play, job)) / len(job.tasks),
        "work": work_left(play, job) / play.c,
        "critical": play.critical[job.app] / play.c,
        "ready": len(ready),
        "assigned": sum(task.state in ("queued", "running") for task in job.tasks),
        "slack": slack(play, job, max((tails[number] for number in ready), default=0)),
        "counts": play.counts(job),
    }


def added_power(play: ReferenceSoC, p: int) -> float:
    """Power that one busy PE adds, as a share of the platform's greatest."""
    watts = play.watts[play.pes[p].cluster]
    return min(1.0, max(0.0, (watts[1] - watts[0]) / play.most_power))


def strengths(play: ReferenceSoC, p: int) -> tuple[float, float]:
    """Speed and support of a PE, each a mean over the applications by share."""
    speed = support = known = 0.0
    for app, n in enumerate(play.n_tasks):
        rows = [play.times(app, number) for number in range(n)]
        relative = [min(row.values()) / row[p] if row[p] else 1.0 for row in rows if p in row]
        support += play.shares[app] * len(relative) / n
        if relative:
            speed += play.shares[app] * sum(relative) / len(relative)
            known += play.shares[app]
    return (speed / known if known else 0.0), support


def pe_row(play: ReferenceSoC, p: int) -> Row:
    """The named features of a PE, and in mode ``pe`` what it is to the first ready task."""
    pe, (speed, support) = play.pes[p], strengths(play, p)
    row: Row = {
        "busy": pe.task is not None,
        "running": max(0, pe.expected - play.now) / play.c if pe.task else 0.0,
        "queue": len(pe.queue),
        "free": (play.free_at(p) - play.now) / play.c,
        "used": pe.used / play.now if play.now else 0.0,
        "down": pe.up > play.now,
        "speed": speed,
        "support": support,
        "power": added_power(play, p),
        "idle": sum(other.task is None and other.cluster == pe.cluster for other in play.pes),
    }
    if play.action == "pe":
        pair = pair_row(play, play.ready[0], p) if play.ready else {}
        row |= {name: pair.get(name, 0.0) for name in ("supports", "w", "data", "eft", "behind", "starts")}
    return row


def pair_row(play: ReferenceSoC, task: Task, p: int) -> Row:
    """What a PE is to a ready task; nothing if it does not support it."""
    times = play.times_of(task)
    if p not in times:
        return {}
    eft = play.eft(task, p)
    return {
        "supports": 1,
        "w": times[p] / play.c,
        "data": max(0, play.data_at(task, p) - play.now) / play.c,
        "eft": (eft - play.now) / play.c,
        "behind": (eft - min(play.eft(task, q) for q in times)) / play.c,
        "starts": play.starts(task, p),
        "energy": times[p] / play.c * added_power(play, p),
    }


def plan(play: ReferenceSoC, shown: dict[int, Task]) -> dict[tuple[int, int], Row]:
    """The shown tasks placed one after the other, that of the job with least work first, where it ends earliest."""
    free = [play.free_at(p) for p in range(len(play.pes))]
    found = {}
    order = sorted(shown, key=lambda r: (work_left(play, shown[r].job), r))
    for place, r in enumerate(order, 1):
        ends = {p: max(free[p], play.data_at(shown[r], p)) + w for p, w in play.times_of(shown[r]).items()}
        chosen = min(ends, key=lambda p: (ends[p], p))
        free[chosen] = ends[chosen]
        for p, end in ends.items():
            found[r, p] = {"planned": (end - play.now) / play.c, "plan": 1 / place if p == chosen else 0}
    return found


def ready_row(play: ReferenceSoC, task: Task) -> Row:
    """The named features of a ready task."""
    ranks, best = ranks_of(play, task.job.app)[task.number], play.best(task)
    return {
        "waiting": (play.now - task.ready_at) / play.c,
        "age": (play.now - task.job.clock) / play.c,
        **{name: ranks[name] / play.c for name in ("least", "mean", "rank_up", "tail")},
        "work": work_left(play, task.job) / play.c,
        "eft": (play.eft(task, best) - play.now) / play.c,
        "starts": play.starts(task, best),
        "slack": slack(play, task.job, ranks["tail"]),
    }


def context_row(play: ReferenceSoC) -> Row:
    present, ready = play.present, play.ready
    return {
        "jobs": len(present),
        "full": len(present) / play.instance.capacity,
        "ready": len(ready),
        "hidden": max(0, len(ready) - play.window),
        "before": len(play.backlog) + (play.pending is not None),
        "work": sum(work_left(play, job) for job in present) / play.c,
        "busy": sum(pe.task is not None for pe in play.pes) / len(play.pes),
        "rate": len(play.jobs) * play.c / max(1, play.now),
    }


def filled(shape: tuple[int, ...], features: Any, rows: dict[Any, Row]) -> np.ndarray:
    """Named features, clipped, in the columns that the environment's description gives them."""
    found = np.zeros((*shape, len(features)))
    for at, row in rows.items():
        if row:
            assert set(row) == {feature.name for feature in features}, set(row)
            found[at] = [min(one.high, max(one.low, float(row[one.name]))) for one in features]
    assert np.isfinite(found).all()
    return found


def ones_at(count: int, where: Any) -> np.ndarray:
    found = np.zeros(count)
    found[list(where)] = 1
    return found


def pointers(count: int, targets: dict[int, int]) -> np.ndarray:
    found = np.full(count, -1)
    for at, target in targets.items():
        found[at] = target
    return found


def task_blocks(play: ReferenceSoC, spec: Any) -> dict[str, np.ndarray]:
    """Task nodes and what points at them; slot j has tasks j T … and edges j E …, in the order of the application."""
    node, n_slots = spec.node("task"), spec.node("job").count
    width = node.count // n_slots
    edges = next(edge.count for edge in spec.edges if edge.name == "precedes")
    at = {task: job.slot * width + task.number for job in play.present for task in job.tasks if task.state != "done"}
    precedes = np.full((2, edges), -1)
    for job in play.present:
        for number, (u, v, _) in enumerate(play.edges[job.app]):
            if job.tasks[u] in at:
                precedes[:, job.slot * (edges // n_slots) + number] = at[job.tasks[u]], at[job.tasks[v]]
    found = {
        "task": filled((node.count,), node.features, {row: task_row(play, task) for task, row in at.items()}),
        "task_mask": ones_at(node.count, at.values()),
        "precedes_index": precedes,
        "task_job_index": pointers(node.count, {row: task.job.slot for task, row in at.items()}),
        "task_pe_index": pointers(node.count, {row: task.pe for task, row in at.items()}),
    }
    shown = enumerate(play.ready[: play.window])
    if play.action == "pe":
        first = play.ready[:1]
        return found | {"focus_task": np.array([at[first[0]] if first else -1])}
    return found | {"ready_task_index": pointers(spec.node("ready").count, {r: at[task] for r, task in shown})}


def soc_blocks(play: ReferenceSoC, spec: Any) -> dict[str, np.ndarray]:
    """Every block of the observation but the action mask; ``spec`` gives the padded counts and the columns' order."""
    job, pe, pes = spec.node("job"), spec.node("pe"), range(len(play.pes))
    jobs = {one.slot: job_row(play, one) for one in play.present}
    found = {
        "job": filled((job.count,), job.features, jobs),
        "job_mask": ones_at(job.count, jobs),
        "pe": filled((pe.count,), pe.features, {p: pe_row(play, p) for p in pes}),
        "pe_mask": ones_at(pe.count, pes),
        "context": filled((), spec.context, {(): context_row(play)}),
    }
    if any(node.name == "task" for node in spec.nodes):
        found |= task_blocks(play, spec)
    if play.action == "pe":
        return found | {"focus_job": np.array([task.job.slot for task in play.ready[:1]] or [-1])}
    ready, shown = spec.node("ready"), dict(enumerate(play.ready[: play.window]))
    found |= {
        "ready": filled((ready.count,), ready.features, {r: ready_row(play, task) for r, task in shown.items()}),
        "ready_mask": ones_at(ready.count, shown),
        "ready_job_index": pointers(ready.count, {r: task.job.slot for r, task in shown.items()}),
    }
    if play.action == "joint":
        features = next(edge.features for edge in spec.edges if edge.name == "ready_pe")
        pairs = {(r, p): pair_row(play, task, p) for r, task in shown.items() for p in pes}
        for pair, row in plan(play, shown).items():
            pairs[pair] |= row
        found["ready_pe"] = filled((ready.count, pe.count), features, pairs)
    return found
