"""List schedules of a problem: where CP-SAT starts from, and what counts if it finds nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ganttlet_agents.solvers.soc_dag.problem import FAR, Array, Problem


@dataclass(frozen=True)
class Plan:
    """A schedule of a problem: pe (n,) and start (n,) int64 of its tasks, end (J,) of its jobs."""

    pe: Array
    start: Array
    end: Array


class Desk:
    """PEs with the tasks put on them so far."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.pe = np.full(problem.n_tasks, -1, np.int64)
        self.start = np.full(problem.n_tasks, -1, np.int64)
        self.finish = np.full(problem.n_tasks, -1, np.int64)
        self.last = problem.free.copy()  # (P,) end of the last task on each PE
        self._busy: list[list[tuple[int, int]]] = [[] for _ in problem.free]

    def data(self, task: int) -> Array:
        """Return (P,) int64, the earliest start of a task whose predecessors are placed, by its data on each PE."""
        there: Array = self.problem.head[task]
        for edge in self.problem.before[task]:
            source = self.problem.edges[edge, 0]
            there = np.maximum(there, self.finish[source] + self.problem.lags[edge, self.pe[source]])
        return there

    def place(self, task: int, pes: Iterable[int], not_before: int = 0) -> None:
        """Put a task into the earliest gap that gives the least finish on one of ``pes``, the first on ties."""
        there = np.maximum(self.data(task), not_before).tolist()
        times = self.problem.times[task].tolist()
        found = [(self._gap(p, there[p], times[p]) + times[p], p) for p in pes if times[p] >= 0]
        finish, pe = min(found)
        self.put(task, pe, finish - times[pe])

    def put(self, task: int, pe: int, start: int) -> None:
        """Put a task on ``pe`` at ``start``."""
        finish = start + int(self.problem.times[task, pe])
        self.pe[task], self.start[task], self.finish[task] = pe, start, finish
        self.last[pe] = max(self.last[pe], finish)
        row = self._busy[pe]
        at = len(row)
        while at and row[at - 1] > (start, finish):
            at -= 1
        row.insert(at, (start, finish))

    def plan(self) -> Plan:
        """Return the finished schedule."""
        return Plan(self.pe, self.start, self.problem.ends(self.pe, self.start))

    def _gap(self, pe: int, there: int, length: int) -> int:
        at, row = max(there, int(self.problem.free[pe])), self._busy[pe]
        first = len(row)
        while first and row[first - 1][1] > at:
            first -= 1
        for begin, end in row[first:]:
            if at + length <= begin:
                break
            at = max(at, end)
        return at


def heft(problem: Problem) -> Plan:
    """Return the schedule of HEFT: tasks by upward rank, each into the gap of least finish."""
    desk = Desk(problem)
    for task in _ranked(problem):
        desk.place(task, range(len(problem.free)))
    return desk.plan()


def by_job(problem: Problem, order: Sequence[int], capacity: int | None = None) -> Plan:
    """Return HEFT job by job, in the given order; with ``capacity`` a job enters once so few are in the system."""
    desk, ends, entry = Desk(problem), list[int](), 0
    tasks: dict[int, list[int]] = {job: [] for job in order}
    for task in _ranked(problem):
        tasks[int(problem.job[task])].append(task)
    for job in order:
        if capacity is not None and len(ends) >= capacity:
            entry = max(entry, sorted(ends)[-capacity])
        for task in tasks[job]:
            desk.place(task, range(len(problem.free)), entry)
        ends.append(max(int(desk.finish[task]) for task in tasks[job]))
    return desk.plan()


def etf(problem: Problem) -> Plan:
    """Return the schedule that takes the pair of task and PE of least finish, again and again, without insertion."""
    desk = Desk(problem)
    missing = [len(edges) for edges in problem.before]
    work = problem.work
    ready = {task: desk.data(task) for task in range(problem.n_tasks) if not missing[task]}
    while ready:
        tasks = list(ready)
        begin = np.maximum(np.stack([ready[task] for task in tasks]), desk.last)
        best = int((begin + work[tasks]).argmin())
        row, pe = divmod(best, len(problem.free))
        task = tasks[row]
        desk.put(task, pe, int(begin[row, pe]))
        del ready[task]
        for edge in problem.after[task]:
            target = int(problem.edges[edge, 1])
            missing[target] -= 1
            if not missing[target]:
                ready[target] = desk.data(target)
    return desk.plan()


def retimed(problem: Problem, start: Array, pes: Mapping[int, Sequence[int]], entry: Array | None = None) -> Plan:
    """Return a schedule with each task as early as it can, in the order of ``start`` (n,).

    Args:
        problem: what is planned.
        start: of each task that ``pes`` names, as in a schedule that keeps to it; no task gets later than there.
        pes: the PEs that a task may take, predecessors included; others come last, by rank, and may take any.
        entry: (J,), when each job enters at the earliest; None: as ``head`` says.
    """
    desk, rest = Desk(problem), range(len(problem.free))
    named = sorted(pes, key=lambda task: (start[task], task))
    for task in named + [task for task in _ranked(problem) if task not in pes]:
        desk.place(task, pes.get(task, rest), 0 if entry is None else int(entry[problem.job[task]]))
    return desk.plan()


def _ranked(problem: Problem) -> list[int]:
    """Return the tasks by falling upward rank, predecessors first."""
    # A rank is at least that of any successor, and equal only where a task takes no time.
    order: list[int] = np.lexsort((np.arange(problem.n_tasks), -problem.rank.round(6))).tolist()
    return order


def least(plans: Sequence[Plan], objective: str) -> Plan:
    """Return the plan of least makespan or sum of completions, the first on ties."""
    return min(plans, key=lambda plan: worth(plan.end, objective))


def worth(end: Array, objective: str) -> int:
    """Return the last of the ends (J,), or for ``latency`` their sum, in ticks."""
    return int(end.max(initial=-FAR) if objective == "makespan" else end.sum())
