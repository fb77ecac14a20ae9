"""Ranks of tasks: the priorities of list scheduling and features of the observation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.soc_dag.application import topological_order
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.layout import LEVEL, MEAN, N_RANKS, RANK_DOWN, RANK_UP, SHARE, SPREAD, TAIL

Array = np.ndarray[Any, Any]


def transfer_times(workload: Workload, app: int) -> Array:
    """Return (edges, P, P) int64, ticks that each edge's data takes from PE to PE."""
    volumes = np.array([volume for _, _, volume in workload.edges_of(app)], np.int64).reshape(-1, 1, 1)
    return volumes // workload.bandwidth


def mean_transfer_times(workload: Workload, app: int) -> Array:
    """Return (edges,) float64, the mean transfer time over ordered pairs of different PEs, 0 with a single PE."""
    times, n = transfer_times(workload, app), workload.n_pes
    if n == 1:
        return np.zeros(len(times))
    apart = times.sum(axis=(1, 2)) - np.trace(times, axis1=1, axis2=2)
    return np.asarray(apart / (n * (n - 1)), np.float64)


def task_ranks(workload: Workload, app: int) -> Array:
    """Return (tasks, N_RANKS) float64 in ticks, columns as in layout: mean, spread, ranks, tail, level, share.

    Upward and downward rank as in Topcuoglu, Hariri and Wu 2002, means taken over the PEs that support a task.
    """
    n, edges = int(workload.n_tasks[app]), workload.edges_of(app)
    times = np.ma.masked_less(workload.exec_time[app, :n].astype(np.float64), 0)
    out = np.zeros((n, N_RANKS))
    out[:, MEAN], out[:, SPREAD] = times.mean(axis=1), times.std(axis=1)
    out[:, SHARE] = (workload.exec_time[app, :n] >= 0).mean(axis=1)
    least = times.min(axis=1)
    moved = mean_transfer_times(workload, app)
    order = topological_order(n, [(source, target) for source, target, _ in edges])
    after: list[list[tuple[int, float]]] = [[] for _ in range(n)]
    for (source, target, _), time in zip(edges, moved, strict=True):
        after[source].append((target, float(time)))
    for task in reversed(order):
        follow = after[task]
        out[task, RANK_UP] = out[task, MEAN] + max((time + out[other, RANK_UP] for other, time in follow), default=0.0)
        out[task, TAIL] = least[task] + max((out[other, TAIL] for other, _ in follow), default=0.0)
        out[task, LEVEL] = out[task, MEAN] + max((out[other, LEVEL] for other, _ in follow), default=0.0)
    for task in order:
        for other, time in after[task]:
            reached = out[task, RANK_DOWN] + out[task, MEAN] + time
            out[other, RANK_DOWN] = max(out[other, RANK_DOWN], reached)
    return out
