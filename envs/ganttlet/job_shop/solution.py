"""Schedules, and the validator that judges them without knowing any environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.objective import Objective, ObjectiveSpec, Violation
from ganttlet.core.record import Solution, int_array
from ganttlet.job_shop.instance import INT32_MAX, JobShopInstance

OBJECTIVES = {
    "makespan": ObjectiveSpec("makespan", "min", "ticks", "end of the last operation"),
    "total_tardiness": ObjectiveSpec("total_tardiness", "min", "ticks", "sum over jobs of max(0, end - due date)"),
    "weighted_tardiness": ObjectiveSpec(
        "weighted_tardiness", "min", "ticks", "sum over jobs of weight x max(0, end - due date)"
    ),
    "flow_time": ObjectiveSpec("flow_time", "min", "ticks", "sum over jobs of end - release"),
}
MAX_VIOLATIONS = 20
LATEST = 2**53 - INT32_MAX  # from here on an end could leave the integers that a float64 holds exactly


@dataclass(frozen=True, eq=False)
class Schedule(Solution):
    """Start times of a job-shop instance's operations.

    Fields:
        start: (n, o) int64, start of each operation in ticks; -1 where it is not scheduled or does not exist.
        instance: digest of the instance it belongs to.
    """

    family: ClassVar[str] = "job_shop"
    unhashed: ClassVar[tuple[str, ...]] = ()

    start: np.ndarray[Any, Any]
    instance: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", int_array("start", self.start, 2, np.int64))


def validate(instance: JobShopInstance, schedule: Schedule) -> Objective:
    """Judge ``schedule``: completeness, releases, precedence within jobs, one operation at a time per machine.

    Returns:
        Objective with the values of every objective the instance defines (tardiness only with due dates), or, if a
        rule is broken, with up to 20 violations that name the operations.

    Raises:
        InputError: if the schedule belongs to another instance or has another shape.
    """
    if schedule.instance != instance.digest:
        raise InputError(
            f"schedule belongs to instance {schedule.instance}, not to {instance.name} ({instance.digest})"
        )
    if schedule.start.shape != instance.machine.shape:
        raise InputError(f"schedule has start times of shape {schedule.start.shape}, expected {instance.machine.shape}")
    late = _too_late(schedule)
    found = [*_unscheduled(instance, schedule), *late]
    if not late:
        found += [*_precedence(instance, schedule), *_overlap(instance, schedule)]
    if found:
        return Objective(violations=tuple(found[:MAX_VIOLATIONS]))
    return Objective(values=_values(instance, schedule))


def _op(j: Any, i: Any) -> str:
    return f"job {j} operation {i}"


def _unscheduled(instance: JobShopInstance, schedule: Schedule) -> list[Violation]:
    found = []
    for j, i in np.argwhere((instance.machine >= 0) & (schedule.start < 0)):
        found.append(Violation("complete", f"{_op(j, i)} is not scheduled"))
    for j, i in np.argwhere((instance.machine < 0) & (schedule.start != -1)):
        found.append(Violation("complete", f"{_op(j, i)} is scheduled but does not exist"))
    return found


def _too_late(schedule: Schedule) -> list[Violation]:
    return [
        Violation("horizon", f"{_op(j, i)} starts at {schedule.start[j, i]}, later than {LATEST}")
        for j, i in np.argwhere(schedule.start > LATEST)
    ]


def _precedence(instance: JobShopInstance, schedule: Schedule) -> list[Violation]:
    found = []
    real = (instance.machine >= 0) & (schedule.start >= 0)
    early = real[:, 0] & (schedule.start[:, 0] < instance.release)
    for j in np.flatnonzero(early):
        found.append(
            Violation(
                "release",
                f"{_op(j, 0)} starts at {schedule.start[j, 0]}, before its release {instance.release[j]}",
            )
        )
    end = schedule.start + instance.duration
    wrong = real[:, 1:] & real[:, :-1] & (schedule.start[:, 1:] < end[:, :-1])
    for j, i in np.argwhere(wrong):
        found.append(
            Violation(
                "precedence",
                f"{_op(j, i + 1)} starts at {schedule.start[j, i + 1]}, before {_op(j, i)} ends at {end[j, i]}",
            )
        )
    return found


def _overlap(instance: JobShopInstance, schedule: Schedule) -> list[Violation]:
    """Operations of zero duration may stand anywhere except strictly inside another operation."""
    found = []
    for k in np.unique(instance.machine[instance.machine >= 0]):
        jobs, ops = np.nonzero((instance.machine == k) & (schedule.start >= 0))
        start = schedule.start[jobs, ops]
        end = start + instance.duration[jobs, ops]
        order = np.lexsort((end, start))
        latest = -1
        for here in order:
            if latest >= 0 and start[here] < end[latest]:
                found.append(
                    Violation(
                        "overlap",
                        f"machine {k}: {_op(jobs[here], ops[here])} starts at {start[here]}, "
                        f"before {_op(jobs[latest], ops[latest])} ends at {end[latest]}",
                    )
                )
            if latest < 0 or end[here] > end[latest]:
                latest = here
    return found


def _values(instance: JobShopInstance, schedule: Schedule) -> dict[str, float]:
    last = instance.n_ops - 1
    jobs = np.arange(instance.n_jobs)
    end = schedule.start[jobs, last] + instance.duration[jobs, last]
    values = {"makespan": float(end.max())}
    if instance.due is not None:
        late = np.maximum(0, end - instance.due.astype(np.int64))
        values["total_tardiness"] = float(late.sum())
        values["weighted_tardiness"] = float((late * instance.weight).sum())
    values["flow_time"] = float((end - instance.release).sum())
    return values
