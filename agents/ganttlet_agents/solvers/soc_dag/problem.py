"""What the solvers of SoC task graphs plan: tasks, PEs, data times and jobs as arrays, at mean execution times."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ganttlet.soc_dag.instance import Workload

Array = np.ndarray[Any, Any]
FAR = 2**40  # ticks: stands for never, and leaves room for sums


@dataclass(frozen=True)
class Problem:
    """Tasks that are to be put on PEs, after what is settled there; times in ticks.

    Fields (n tasks in topological order, P PEs, E edges between these tasks, J jobs):
        times: (n, P) int64, execution times, -1 where unsupported.
        head: (n, P) int64, earliest start by what is settled: entry of the job, data of tasks outside the problem.
        edges: (E, 2) int64, source and target.
        lags: (E, P, P) int64, from the end of the source on one PE to the earliest start of the target on another.
        tail: (n,) int64, least time from a task's end to that of its job by tasks left out.
        free: (P,) int64, when each PE is free.
        job: (n,) int64, the task's job.
        least_done: (J,) int64, earliest end of each job by tasks outside the problem.
    """

    times: Array
    head: Array
    edges: Array
    lags: Array
    tail: Array
    free: Array
    job: Array
    least_done: Array

    @property
    def n_tasks(self) -> int:
        """Number of tasks n."""
        return len(self.times)

    @cached_property
    def before(self) -> list[list[int]]:
        """Per task the edges that lead to it."""
        into: list[list[int]] = [[] for _ in range(self.n_tasks)]
        for number, (_, target) in enumerate(self.edges.tolist()):
            into[target].append(number)
        return into

    @cached_property
    def after(self) -> list[list[int]]:
        """Per task the edges that leave it."""
        out: list[list[int]] = [[] for _ in range(self.n_tasks)]
        for number, (source, _) in enumerate(self.edges.tolist()):
            out[source].append(number)
        return out

    @cached_property
    def work(self) -> Array:
        """(n, P) int64, execution times, FAR where unsupported."""
        return np.where(self.times < 0, FAR, self.times)

    @cached_property
    def earliest(self) -> Array:
        """(n, P) int64, a bound below each start on each PE: longest path, every PE free for every task; else FAR."""
        start = np.maximum(self.head, self.free)
        for task in range(self.n_tasks):
            for edge in self.before[task]:
                end = np.minimum(start[self.edges[edge, 0]] + self.work[self.edges[edge, 0]], FAR)
                start[task] = np.maximum(start[task], (end[:, None] + self.lags[edge]).min(axis=0))
        return np.where(self.times < 0, FAR, start)

    @cached_property
    def rest(self) -> Array:
        """(n, P) int64, a bound below the time from each task's end on each PE to the end of its job."""
        out: Array = np.repeat(self.tail[:, None], len(self.free), axis=1)
        for task in reversed(range(self.n_tasks)):
            for edge in self.after[task]:
                target = self.edges[edge, 1]
                way = self.lags[edge] + np.minimum(self.work[target] + out[target], FAR)
                out[task] = np.maximum(out[task], way.min(axis=1))
        return out

    @cached_property
    def rank(self) -> Array:
        """(n,) float64, upward rank: mean execution times and mean lags over supporting PEs (HEFT's priority)."""
        supported = self.times >= 0
        mean = np.where(supported, self.times, 0).sum(axis=1) / supported.sum(axis=1)
        out: Array = mean + self.tail
        for task in reversed(range(self.n_tasks)):
            for edge in self.after[task]:
                target = self.edges[edge, 1]
                lag = self.lags[edge][np.ix_(supported[task], supported[target])].mean()
                out[task] = max(out[task], mean[task] + lag + out[target])
        return out

    @cached_property
    def job_bounds(self) -> Array:
        """(J,) int64, a bound below the end of each job."""
        reach = (self.earliest + np.where(self.times < 0, 0, self.times) + self.rest).min(axis=1)
        out = self.least_done.copy()
        np.maximum.at(out, self.job, reach)
        return out

    def ends(self, pe: Array, start: Array) -> Array:
        """Return (J,) int64, when each job is done if its tasks run on ``pe`` (n,) from ``start`` (n,) on."""
        end = start + self.times[np.arange(self.n_tasks), pe] + self.tail
        out = self.least_done.copy()
        np.maximum.at(out, self.job, end)
        return out


def lags_of(workload: Workload, app: int) -> Array:
    """Return (edges, P, P) int64: from the end of an edge's source on one PE to the earliest start of its target.

    Transfer times; through the memory in ``shared_memory``, if the target is assigned as soon as it is ready; at least
    the tick that ``tick_compat`` takes to notice a short source.
    """
    edges = np.array(workload.edges_of(app), np.int64).reshape(-1, 3)
    times = workload.exec_time[app, edges[:, 0]]
    late = (workload.tick_compat & (times <= 1)).astype(np.int64)[:, :, None]
    if workload.communication == "pe_to_pe":
        lags = np.maximum(edges[:, 2].reshape(-1, 1, 1) // workload.bandwidth, late)
    else:
        moved = edges[:, 2, None] // workload.memory_bandwidth
        fetched = np.zeros((int(workload.n_tasks[app]), workload.n_pes), np.int64)
        np.maximum.at(fetched, edges[:, 1], moved)
        lags = np.maximum(moved[:, :, None], late) + fetched[edges[:, 1]][:, None, :]
    return np.asarray(lags, np.int64)
