"""What JobShop-v0 should show, worked out in plain Python from the slow simulator's state, feature by feature."""

from __future__ import annotations

from typing import Any

import numpy as np

from reference.job_shop import ReferenceJobShop
from reference.job_shop_queues import Loads, queue_row

LONG = 1000.0
Sizes = tuple[int, int, int]


def clip(x: float, low: float, high: float) -> float:
    return max(low, min(high, x))


def unit(play: ReferenceJobShop) -> float:
    """1 / mean duration; 1 if everything takes no time."""
    times = [p for job in play.jobs for _, p in job]
    return len(times) / sum(times) if sum(times) else 1.0


def job_row(play: ReferenceJobShop, j: int, window: int, due: bool, loads: Loads | None) -> list[float]:
    """The features of one unfinished job, in the order of the environment's documentation; ``loads`` adds more."""
    job, step, scale, clock = play.jobs[j], play._next(j), unit(play), play.clock
    machine, time = job[step]
    work = sum(p for _, p in job[step:])
    start, bound = play._est(j), play.objectives()["makespan"]
    needing = [x for x in play._unfinished() if play.jobs[x][play._next(x)][0] == machine]
    row = [
        play.mask()[j],
        min(time * scale, LONG),
        min(work * scale, LONG),
        (len(job) - step) / max(map(len, play.jobs)),
        clip((clock - play._ready(j)) * scale, -LONG, LONG),
        clip((play._free(machine) - clock) * scale, 0.0, LONG),
        clip((start - clock) * scale, 0.0, LONG),
        clip((bound - start - work) * scale, 0.0, LONG),
        time / work if work else 0.0,
        min(play._unplaced(machine) * scale, LONG),
        (len(needing) - 1) / len(play.jobs),
    ]
    for ahead in range(step + 1, step + window):
        if ahead < len(job):
            row += [min(job[ahead][1] * scale, LONG), clip((play._free(job[ahead][0]) - clock) * scale, 0.0, LONG)]
        else:
            row += [0.0, 0.0]
    if loads:
        row += queue_row(play, loads, j)
    if due:
        assert play.due is not None
        row += [clip((play.due[j] - start - work) * scale, -LONG, LONG), play.weight[j] / max(1, *play.weight)]
    return row


def job_blocks(
    play: ReferenceJobShop, sizes: Sizes, window: int, due: bool, loads: Loads | None = None
) -> dict[str, np.ndarray]:
    """``job``, ``job_mask`` and ``context``."""
    width = 11 + 2 * (window - 1) + 19 * bool(loads) + 2 * due
    rows, mask = np.zeros((sizes[0], width)), np.zeros(sizes[0])
    for j in play._unfinished():
        rows[j], mask[j] = job_row(play, j, window, due, loads), 1
    n = len(play.jobs)
    left = sum(len(job) - play._next(j) for j, job in enumerate(play.jobs))
    context = [
        left / sum(map(len, play.jobs)),
        len(play._unfinished()) / n,
        clip((play.objectives()["makespan"] - play.clock) * unit(play), 0.0, LONG),
        min(n / play.n_machines, LONG),
    ]
    return {"job": rows, "job_mask": mask, "context": np.array(context)}


def graph_blocks(play: ReferenceJobShop, sizes: Sizes, first_bound: float) -> dict[str, np.ndarray]:
    """The blocks that ``observation="graph"`` adds; operation i of job j is node j · O + i."""
    jobs, machines, ops = sizes
    found: dict[str, Any] = {
        "op": np.zeros((jobs * ops, 3)),
        "op_static": np.zeros((jobs * ops, 4)),
        "op_mask": np.zeros(jobs * ops),
        "machine": np.zeros((machines, 3)),
        "machine_mask": np.zeros(machines),
        "precedes_index": np.full(jobs * ops, -1),
        "op_job_index": np.full(jobs * ops, -1),
        "op_machine_index": np.full(jobs * ops, -1),
        "job_next_index": np.full(jobs, -1),
    }
    scale = unit(play)
    for j, job in enumerate(play.jobs):
        step, total = play._next(j), max(1, sum(p for _, p in job))
        if step < len(job):
            found["job_next_index"][j] = j * ops + step
        end = 0
        for i, (k, p) in enumerate(job):
            at = j * ops + i
            begin = play.start[j][i] if i < step else (play._est(j) if i == step else end)
            end = begin + p
            completion = min(end / first_bound, LONG) if first_bound else 0.0
            found["op"][at] = [i < step, i == step, completion]
            work = sum(q for _, q in job[i:])
            found["op_static"][at] = [min(p * scale, LONG), min(work * scale, LONG), i / len(job), p / total]
            found["op_mask"][at] = 1
            found["op_job_index"][at], found["op_machine_index"][at] = j, k
            if i + 1 < len(job):
                found["precedes_index"][at] = at + 1
    for k in range(play.n_machines):
        found["machine"][k], found["machine_mask"][k] = machine_row(play, k), 1
    return found


def machine_row(play: ReferenceJobShop, k: int) -> list[float]:
    """The features of a machine."""
    needing = [x for x in play._unfinished() if play.jobs[x][play._next(x)][0] == k]
    free = clip((play._free(k) - play.clock) * unit(play), 0.0, LONG)
    return [min(play._unplaced(k) * unit(play), LONG), free, len(needing) / len(play.jobs)]


def machines_blocks(play: ReferenceJobShop, sizes: Sizes, window: int, due: bool) -> dict[str, np.ndarray]:
    """Every block of ``observation="machines"``."""
    loads = Loads(play)
    found = job_blocks(play, sizes, window, due, loads) | {
        "machine": np.zeros((sizes[1], 5)),
        "machine_mask": np.zeros(sizes[1]),
        "needs_index": np.full(sizes[0], -1),
        "needs_after_index": np.full(sizes[0], -1),
    }
    found["context"] = np.array([*found["context"], *loads.context()])
    for k in range(play.n_machines):
        found["machine"][k], found["machine_mask"][k] = machine_row(play, k) + loads.machine(k), 1
    for j in play._unfinished():
        route = [k for k, _ in play.jobs[j][play._next(j) :]]
        found["needs_index"][j] = route[0]
        found["needs_after_index"][j] = route[1] if len(route) > 1 else -1
    return found
