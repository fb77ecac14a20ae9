"""The problem that a running system poses at a decision: all unassigned tasks, after what is running and queued."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ganttlet.soc_dag.application import topological_order
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.layout import DONE, LATE, OUTSTANDING, READY_NOW, TAIL
from ganttlet.soc_dag.ranks import task_ranks
from ganttlet.soc_dag.view import Job, SoCView
from ganttlet_agents.solvers.soc_dag.problem import Array, Problem, lags_of

UNASSIGNED = (OUTSTANDING, LATE, READY_NOW)
Key = tuple[int, int]  # number of a job, task


class Outlook(NamedTuple):
    """A problem, the tasks of the run that it is about, and how many unassigned tasks it leaves out."""

    problem: Problem
    keys: list[Key]
    left_out: int


class Applications:
    """What problems need to know of each application of a workload, computed once."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.edges = [np.array(workload.edges_of(app), np.int64).reshape(-1, 3) for app in range(workload.n_apps)]
        self.order = [
            topological_order(int(n), edges[:, :2].tolist())
            for n, edges in zip(workload.n_tasks, self.edges, strict=True)
        ]
        self.lags = [lags_of(workload, app) for app in range(workload.n_apps)]
        self.tail = [task_ranks(workload, app)[:, TAIL].astype(np.int64) for app in range(workload.n_apps)]
        self.into: list[list[list[int]]] = []
        self.out: list[list[list[int]]] = []
        for app, edges in enumerate(self.edges):
            n = int(workload.n_tasks[app])
            self.into.append([np.flatnonzero(edges[:, 1] == task).tolist() for task in range(n)])
            self.out.append([np.flatnonzero(edges[:, 0] == task).tolist() for task in range(n)])


def look_ahead(view: SoCView, apps: Applications, most: int) -> Outlook:
    """Return the problem of up to ``most`` unassigned tasks, those of earlier jobs first, predecessors included.

    Tasks left out count by the least time that their job needs after the others.
    """
    state, now = view.state, view.now
    ends = _expected_ends(view)
    number: dict[int, int] = {}  # slot task -> task of the problem
    left_out = 0
    chosen: list[tuple[Job, int]] = []
    for job in view.jobs:
        base = job.slot * view.width
        for task in apps.order[job.app]:
            if state[base + task] in UNASSIGNED:
                if len(chosen) < most:
                    number[base + task] = len(chosen)
                    chosen.append((job, task))
                else:
                    left_out += 1
    jobs = {job.serial: place for place, job in enumerate({job.serial: job for job, _ in chosen}.values())}
    n_pes = view.workload.n_pes
    times, tail = np.empty((len(chosen), n_pes), np.int64), np.zeros(len(chosen), np.int64)
    head = np.full((len(chosen), n_pes), now, np.int64)
    edges: list[tuple[int, int]] = []
    lags: list[Array] = []

    def missing(job: Job, task: int) -> int:
        """Return the least time that tasks left out need after this one."""
        base, rest = job.slot * view.width, 0
        for edge in apps.out[job.app][task]:
            target = int(apps.edges[job.app][edge, 1])
            if base + target not in number and state[base + target] in UNASSIGNED:
                rest = max(rest, int(apps.tail[job.app][target]))
        return rest

    for place, (job, task) in enumerate(chosen):
        base, slot_task = job.slot * view.width, job.slot * view.width + task
        times[place] = view.workload.exec_time[job.app, task]
        tail[place] = missing(job, task)
        if state[slot_task] != OUTSTANDING:
            head[place] = np.maximum(now, view.data(slot_task))
            continue
        for edge in apps.into[job.app][task]:
            source = base + int(apps.edges[job.app][edge, 0])
            if source in number:
                edges.append((number[source], place))
                lags.append(apps.lags[job.app][edge])
            else:
                end = int(view.finish[source]) if state[source] == DONE else ends[source]
                head[place] = np.maximum(head[place], end + apps.lags[job.app][edge, view.pe[source]])
    least_done = np.full(len(jobs), now, np.int64)
    for job in view.jobs:
        for task in apps.order[job.app]:
            slot_task = job.slot * view.width + task
            if slot_task in ends and job.serial in jobs:
                reached = ends[slot_task] + missing(job, task)
                least_done[jobs[job.serial]] = max(least_done[jobs[job.serial]], reached)
    problem = Problem(
        times=times,
        head=head,
        edges=np.array(edges, np.int64).reshape(-1, 2),
        lags=np.array(lags, np.int64).reshape(-1, n_pes, n_pes),
        tail=tail,
        free=view.free.astype(np.int64),
        job=np.array([jobs[job.serial] for job, _ in chosen], np.int64),
        least_done=least_done,
    )
    return Outlook(problem, [(job.serial, task) for job, task in chosen], left_out)


def _expected_ends(view: SoCView) -> dict[int, int]:
    """Return when running and queued slot tasks are expected to end, by mean times."""
    ends = {}
    jobs = {job.slot: job for job in view.jobs}
    for pe, running in enumerate(view.running.tolist()):
        at = view.now
        if running >= 0:
            at = ends[running] = int(view.expected[pe])
        at = max(at, int(view.up_at[pe]))
        for task in view.queue(pe):
            slot, number = divmod(task, view.width)
            at = max(at, view.arrival_of_data(task)) + int(view.workload.exec_time[jobs[slot].app, number, pe])
            ends[task] = at
    return ends
