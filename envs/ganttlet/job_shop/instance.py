"""The frozen data of one job-shop problem, with its checks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.record import Instance, int_array

INT32_MAX = int(np.iinfo(np.int32).max)
MOST_MACHINES = 10**6  # arrays are allocated for every machine, used or not
EXACT = 2**53  # up to here every integer is a float64
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class JobShopInstance(Instance):
    """A job shop: every job visits its machines in its own fixed order; a machine does one operation at a time.

    Jobs may have different numbers of operations, visit a machine more than once, and take zero time on one.

    Fields (n jobs, o = largest number of operations of a job, times in integer ticks):
        name: label only; not part of the digest.
        machine: (n, o) int32, machine of each operation, 0 … n_machines-1; -1 after a job's last operation.
        duration: (n, o) int32, processing time ≥ 0 in ticks; 0 where ``machine`` is -1.
        n_machines: number of machines.
        release: (n,) int32, earliest start of each job in ticks ≥ 0; zeros if omitted.
        due: (n,) int32, due date of each job in ticks, or None.
        weight: (n,) int32 ≥ 0, tardiness weight of each job; ones if omitted.

    Raises:
        InputError: naming the field and what was expected.
    """

    family: ClassVar[str] = "job_shop"

    name: str
    machine: Array
    duration: Array
    n_machines: int
    release: Any = None
    due: Any = None
    weight: Any = None

    def __post_init__(self) -> None:
        machine = int_array("machine", self.machine, 2)
        duration = int_array("duration", self.duration, 2)
        n = machine.shape[0]
        object.__setattr__(self, "name", str(self.name))
        object.__setattr__(self, "machine", machine)
        object.__setattr__(self, "duration", duration)
        if isinstance(self.n_machines, bool) or not isinstance(self.n_machines, int | np.integer):
            raise InputError(f"field 'n_machines': expected an integer, got {self.n_machines!r}")
        object.__setattr__(self, "n_machines", int(self.n_machines))
        for field, default in (("release", 0), ("weight", 1)):
            value = getattr(self, field)
            object.__setattr__(self, field, int_array(field, np.full(n, default) if value is None else value, 1))
        if self.due is not None:
            object.__setattr__(self, "due", int_array("due", self.due, 1))
        self._check()

    def _check(self) -> None:
        machine, duration, n = self.machine, self.duration, self.machine.shape[0]
        if n == 0 or machine.shape[1] == 0:
            raise InputError(f"field 'machine': expected at least one job and one operation, got shape {machine.shape}")
        if machine.shape != duration.shape:
            raise InputError(f"field 'duration': shape {duration.shape} differs from machine's {machine.shape}")
        if not 1 <= self.n_machines <= MOST_MACHINES:
            raise InputError(f"field 'n_machines': expected 1 … {MOST_MACHINES}, got {self.n_machines}")
        bad = np.argwhere((machine < -1) | (machine >= self.n_machines))
        if len(bad):
            j, i = bad[0]
            raise InputError(
                f"field 'machine': job {j} operation {i} names machine {machine[j, i]}; "
                f"expected 0 … {self.n_machines - 1}"
            )
        real = machine >= 0
        if np.any(real[:, 1:] & ~real[:, :-1]):
            j = int(np.argwhere(real[:, 1:] & ~real[:, :-1])[0, 0])
            raise InputError(f"field 'machine': job {j} has a -1 before an operation; -1 may only stand after the last")
        if not real[:, 0].all():
            raise InputError(f"field 'machine': job {int(np.argmin(real[:, 0]))} has no operation")
        bad = np.argwhere(duration < 0)
        if len(bad):
            j, i = bad[0]
            raise InputError(f"field 'duration': job {j} operation {i} has duration {duration[j, i]}; expected ≥ 0")
        if np.any(duration[~real] != 0):
            raise InputError("field 'duration': must be 0 where machine is -1")
        for field in ("release", "due", "weight"):
            value = getattr(self, field)
            if value is None:
                continue
            if value.shape != (n,):
                raise InputError(f"field {field!r}: expected one value per job ({n}), got shape {value.shape}")
            if field != "due" and value.min() < 0:
                raise InputError(f"field {field!r}: job {int(np.argmin(value))} has {value.min()}; expected ≥ 0")
        horizon = int(duration.sum(dtype=np.int64)) + int(self.release.max())
        if horizon > INT32_MAX:
            raise InputError(
                f"field 'duration': all durations plus the last release add up to {horizon}, over int32 ({INT32_MAX})"
            )
        if self.due is not None:
            worst = float((self.weight * np.maximum(0.0, horizon - self.due.astype(float))).sum())
            if worst > EXACT:
                raise InputError(
                    f"field 'weight': weighted tardiness may reach {worst:.3g}, over 2**53; use smaller weights"
                )

    @property
    def n_jobs(self) -> int:
        """Number of jobs."""
        return int(self.machine.shape[0])

    @cached_property
    def n_ops(self) -> Array:
        """(n,) int64, number of operations of each job."""
        count: Array = (self.machine >= 0).sum(axis=1)
        return count

    @cached_property
    def work(self) -> Array:
        """(n,) int64, total processing time of each job in ticks."""
        total: Array = self.duration.sum(axis=1, dtype=np.int64)
        return total

    @property
    def size(self) -> str:
        """``15x15``: jobs x machines."""
        return f"{self.n_jobs}x{self.n_machines}"
