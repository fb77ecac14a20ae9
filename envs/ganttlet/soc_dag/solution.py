"""What happened to every job and task, and its verdict; nothing here knows of environments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.objective import Objective, ObjectiveSpec
from ganttlet.core.record import Solution, int_array
from ganttlet.soc_dag.instance import Workload

OBJECTIVES: Mapping[str, ObjectiveSpec] = {
    spec.name: spec
    for spec in (
        ObjectiveSpec("latency", "min", "ticks", "mean time from arrival to completion of the jobs that count"),
        ObjectiveSpec("makespan", "min", "ticks", "last completion of a job"),
        ObjectiveSpec("p50", "min", "ticks", "median latency"),
        ObjectiveSpec("p95", "min", "ticks", "95th percentile of the latency"),
        ObjectiveSpec("p99", "min", "ticks", "99th percentile of the latency"),
        ObjectiveSpec("slowdown", "min", "", "mean of latency / critical path of the job's application"),
        ObjectiveSpec("energy", "min", "W x ticks", "energy until the end per completed job, idle leakage included"),
        ObjectiveSpec("edp", "min", "W x ticks²", "energy per job times mean latency"),
        ObjectiveSpec("missed", "min", "share", "share of the jobs that count and finish after their due date"),
        ObjectiveSpec("utilisation", "max", "share", "mean share of the time in which a PE runs a task"),
        ObjectiveSpec("throughput", "max", "jobs / 1000 ticks", "completed jobs over the time until the end"),
        ObjectiveSpec("completed", "max", "jobs", "completed jobs, whether they count or not"),
        ObjectiveSpec("lost", "min", "jobs", "arrivals lost because the system was full"),
        ObjectiveSpec("blocked", "min", "ticks", "time in which the source waited because the system was full"),
    )
}


@dataclass(frozen=True, eq=False)
class Run(Solution):
    """The course of one run; -1 stands for what has not happened.

    Fields (N jobs in the order in which the source brought them, lost ones left out; T tasks):
        app: (N,) int32, application.
        arrival: (N,) int64, when the source brought it.
        inject: (N,) int64, when it entered the system.
        pe: (N, T) int32, PE each task was assigned to.
        start, finish: (N, T) int64.
        end: when the run was over.
        instance_digest: digest of the workload, or "" if unknown.
    """

    family: ClassVar[str] = "soc_dag"

    app: Any
    arrival: Any
    inject: Any
    pe: Any
    start: Any
    finish: Any
    end: int = 0
    instance_digest: str = ""

    def __post_init__(self) -> None:
        for field, ndim, dtype in (
            ("app", 1, np.int32),
            ("arrival", 1, np.int64),
            ("inject", 1, np.int64),
            ("pe", 2, np.int32),
            ("start", 2, np.int64),
            ("finish", 2, np.int64),
        ):
            value = getattr(self, field)
            if ndim == 2 and np.size(value) == 0:
                value = np.zeros((0, np.shape(value)[1] if np.ndim(value) == 2 else 1), dtype)
            object.__setattr__(self, field, int_array(field, value, ndim, dtype))
        n = len(self.app)
        shape = (n, self.pe.shape[1])
        for field, expected in (
            ("arrival", (n,)),
            ("inject", (n,)),
            ("pe", shape),
            ("start", shape),
            ("finish", shape),
        ):
            if getattr(self, field).shape != expected:
                raise InputError(f"field {field!r}: shape {getattr(self, field).shape}, expected {expected}")
        object.__setattr__(self, "end", int(self.end))


def validate(instance: Workload, solution: Run) -> Objective:
    """Check a run against its workload, arrivals and realised execution times included, and measure it.

    Rules: ``instance`` (other digest), ``shape``, ``source`` (arrivals, applications and entries into the system as
    the scenario's draws and its full rule demand, given the completions), ``capacity``, ``support``, ``duration``
    (realised execution time, paused by outages), ``outage``, ``precedence`` (data ready), ``overlap``, ``complete``
    (every job that counts is done), ``end``. Waiting is never a violation.
    """
    from ganttlet.soc_dag.checks import violations
    from ganttlet.soc_dag.metrics import measure

    found = violations(instance, solution)
    return Objective({}, tuple(found)) if found else Objective(measure(instance, solution))
