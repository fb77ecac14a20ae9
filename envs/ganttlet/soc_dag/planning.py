"""Static schedules from Python: one job on committed PEs, or all jobs of a trace one after another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.soc_dag.arrays import AppArrays, app_arrays, link_classes
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.planners import N_SCRATCH, PLANNERS, forget, plan_job
from ganttlet.soc_dag.scenario import MAX_TIME
from ganttlet.soc_dag.solution import Run

Array = np.ndarray[Any, Any]


def plan(
    workload: Workload,
    app: int,
    rule: str,
    *,
    release: int = 0,
    busy: Sequence[Iterable[tuple[int, int]]] | None = None,
) -> list[tuple[int, int, int]]:
    """Return a static schedule of one job: (PE, start, finish) of every task, in ticks.

    Args:
        workload: the platform and its applications; its scenario gives only the way of communication.
        app: number of the application.
        rule: a name of planners.PLANNERS.
        release: when the job enters.
        busy: per PE the intervals (start, end) that it is committed to, in any order; None: idle PEs.

    Raises:
        InputError: for an unknown rule or application, a time out of range, or intervals that overlap.
    """
    check_choice("argument 'rule'", rule, PLANNERS)
    if not 0 <= app < workload.n_apps:
        raise InputError(f"argument 'app' is {app}; expected 0 … {workload.n_apps - 1}")
    if release != int(release) or not 0 <= release <= MAX_TIME:
        raise InputError(f"argument 'release' is {release}; expected a whole number of ticks in 0 … {MAX_TIME}")
    rows = [[]] * workload.n_pes if busy is None else [sorted(map(tuple, row)) for row in busy]
    _check_busy(rows, workload.n_pes)
    table = _Table(workload)
    table.commit(rows)
    return [tuple(row) for row in table.plan(PLANNERS[rule], app, int(release)).tolist()]


def plan_run(workload: Workload, rule: str) -> Run:
    """Return the run in which every job of a trace is planned at its entry, on top of all earlier plans.

    Args:
        workload: nothing in it may be left to chance or come in between: arrivals from a trace, no noise, no outages,
            no ``tick_compat``, a capacity that is never reached, ``end="drain"``, and every job counts.
        rule: a name of planners.PLANNERS.

    Raises:
        InputError: for an unknown rule, or naming the field that leaves the plan's outcome open.
    """
    check_choice("argument 'rule'", rule, PLANNERS)
    trace = workload.trace[: workload.scenario.most_jobs]
    _check_settled(workload, trace)
    table = _Table(workload)
    n, tasks = len(trace), workload.exec_time.shape[1]
    pe, start, finish = np.full((n, tasks), -1), np.full((n, tasks), -1), np.full((n, tasks), -1)
    for job, (time, app) in enumerate(trace.tolist()):
        table.forget(time)
        rows = table.plan(PLANNERS[rule], app, time)
        pe[job, : len(rows)], start[job, : len(rows)], finish[job, : len(rows)] = rows.T
    _check_capacity(workload, trace[:, 0], finish.max(axis=1))
    return Run(
        app=trace[:, 1],
        arrival=trace[:, 0],
        inject=trace[:, 0],
        pe=pe,
        start=start,
        finish=finish,
        end=int(finish.max()),
        instance_digest=workload.digest,
    )


class _Table:
    """The intervals that PEs are committed to, and the arrays that kernels need to add to them."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._link = link_classes(workload)[1]
        self._shared = workload.communication == "shared_memory"
        self._apps: dict[int, AppArrays] = {}
        tasks, pes = workload.exec_time.shape[1:]
        self._busy, self._count = np.zeros((pes, 0, 2), np.int64), np.zeros(pes, np.int64)
        self._scratch, self._priority = np.zeros((N_SCRATCH, tasks), np.int64), np.zeros(tasks)

    def commit(self, rows: Sequence[Sequence[tuple[Any, ...]]]) -> None:
        """Set the intervals of every PE, given by rising start and end."""
        self._reserve(max(map(len, rows)))
        for p, row in enumerate(rows):
            self._busy[p, : len(row)] = np.reshape(row, (-1, 2))
            self._count[p] = len(row)

    def forget(self, before: int) -> None:
        """Drop what ends by ``before``."""
        forget(before, len(self._count), self._busy, self._count)

    def plan(self, rule: int, app: int, release: int) -> Array:
        """Plan a job and return (tasks, 3) int64: PE, start, finish."""
        if app not in self._apps:
            self._apps[app] = app_arrays(self._workload, app)
        data = self._apps[app]
        n = len(data.times)
        self._reserve(int(self._count.max()) + n)
        out = np.empty((n, 3), np.int64)
        plan_job(
            rule,
            n,
            release,
            data.times,
            data.facts,
            data.ranks,
            data.optimistic,
            data.preds,
            data.succs,
            data.lag,
            self._link,
            data.memory_lag,
            self._shared,
            len(self._count),
            self._busy,
            self._count,
            out,
            self._scratch,
            self._priority,
        )
        return out

    def _reserve(self, length: int) -> None:
        missing = length - self._busy.shape[1]
        if missing > 0:
            self._busy = np.pad(self._busy, ((0, 0), (0, missing + length), (0, 0)))


def _check_busy(rows: Sequence[Sequence[tuple[Any, ...]]], n_pes: int) -> None:
    if len(rows) != n_pes:
        raise InputError(f"argument 'busy' has {len(rows)} rows; expected one for each of {n_pes} PEs")
    for pe, row in enumerate(rows):
        for interval in row:
            whole = len(interval) == 2 and all(value == int(value) for value in interval)
            if not whole or not 0 <= interval[0] <= interval[1] <= MAX_TIME:
                raise InputError(
                    f"argument 'busy', PE {pe}: {interval}; expected (start, end) in whole ticks in 0 … {MAX_TIME}"
                )
        for before, after in pairwise(row):
            if after[0] < before[1]:
                raise InputError(f"argument 'busy', PE {pe}: {before} and {after} overlap")


def _check_settled(workload: Workload, trace: Array) -> None:
    def fail(field: str, value: object, expected: str) -> InputError:
        return InputError(f"a static schedule of a run: field {field!r} is {value}; expected {expected}")

    if workload.arrivals != "trace":
        raise fail("arrivals", repr(workload.arrivals), "'trace'")
    if np.any(workload.std > 0):
        raise fail("std", workload.std.max(), "0 for every task")
    if len(workload.outage):
        raise fail("outage", f"of {len(workload.outage)} rows", "none")
    if workload.tick_compat:
        raise fail("tick_compat", True, "false")
    if workload.end != "drain":
        raise fail("end", repr(workload.end), "'drain'")
    if trace[0, 0] < workload.warmup:
        raise fail("warmup", workload.warmup, f"at most {trace[0, 0]}, the first arrival")
    if workload.length is not None and trace[-1, 0] >= workload.length - workload.cooldown:
        raise fail(
            "length", workload.length, f"more than {trace[-1, 0] + workload.cooldown}, last arrival plus cooldown"
        )


def _check_capacity(workload: Workload, arrival: Array, done: Array) -> None:
    """Raise InputError if an arrival finds the system full."""
    for job, time in enumerate(arrival.tolist()):
        # A job of no length that enters at the same instant has not left yet.
        here = (done[:job] > time) | ((done[:job] == time) & (arrival[:job] == time))
        if int(here.sum()) >= workload.capacity:
            raise InputError(
                f"a static schedule of a run: field 'capacity' is {workload.capacity}; job {job} arrives at {time} and "
                "finds the system full"
            )
