"""What a method written in Python may know of one row of a batch: no time to come that the run has not shown."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ganttlet.soc_dag import layout as at
from ganttlet.soc_dag.batch import SoCDAGVectorEnv
from ganttlet.soc_dag.instance import Workload

Array = np.ndarray[Any, Any]


class Job(NamedTuple):
    """A job in the system: its slot, its number, application, start of its clock, due date (layout.NEVER: none)."""

    slot: int
    serial: int
    app: int
    arrived: int
    due: int


class SoCView:
    """Row ``row`` of a batch, always as it is now; arrays must not be written to, times in ticks.

    Slot task s = slot · T + task stands for a task of the job in a slot (T tasks per slot, P PEs).
    """

    def __init__(self, batch: SoCDAGVectorEnv, row: int = 0) -> None:
        state = batch._state
        workload = batch.instance(row)
        assert isinstance(workload, Workload)
        self.workload = workload
        self.width = int(batch._storage.arrays.exec_time.shape[2])
        self._pes = slice(self.workload.n_pes)
        self._totals, self._jobs, self._tasks = state.totals[row], state.jobs[row], state.tasks[row]
        self._data, self._pe_rows = state.data[row], state.pes[row]
        self._free, self._ready = state.free[row], state.ready[row]
        self._shared = self.workload.communication == "shared_memory"

    @property
    def now(self) -> int:
        """The time."""
        return int(self._totals[at.NOW])

    @property
    def entered(self) -> int:
        """Number of jobs that have entered so far."""
        return int(self._totals[at.INJECTED])

    @property
    def boundaries(self) -> int:
        """Number of beginnings and ends of outages so far."""
        return int(self._totals[at.OUTAGE])

    @property
    def jobs(self) -> list[Job]:
        """The jobs in the system, by number."""
        columns = [at.SERIAL, at.APP, at.ARRIVED, at.DUE]
        slots = np.flatnonzero(self._jobs[:, at.SERIAL] >= 0)
        found = [
            Job(slot, *row) for slot, row in zip(slots.tolist(), self._jobs[slots][:, columns].tolist(), strict=True)
        ]
        return sorted(found, key=lambda job: job.serial)

    @property
    def ready(self) -> list[int]:
        """Ready slot tasks in their order."""
        tasks: list[int] = self._ready[0, : self._totals[at.READY]].tolist()
        return tasks

    @property
    def state(self) -> Array:
        """(J·T,) int64, layout.OUTSTANDING … layout.DONE, layout.NONE where there is no task."""
        return np.asarray(self._tasks[:, at.STATE])

    @property
    def pe(self) -> Array:
        """(J·T,) int64, PE of each task that is assigned."""
        return np.asarray(self._tasks[:, at.PE])

    @property
    def finish(self) -> Array:
        """(J·T,) int64, end of each task that is done."""
        return np.asarray(self._tasks[:, at.FINISH])

    @property
    def running(self) -> Array:
        """(P,) int64, slot task that each PE runs, -1: none."""
        return np.asarray(self._pe_rows[self._pes, at.RUNS])

    @property
    def expected(self) -> Array:
        """(P,) int64, when each PE's running task is expected to end, by mean time and pauses; at least now."""
        return np.asarray(np.maximum(self.now, self._pe_rows[self._pes, at.EXPECTED]))

    @property
    def up_at(self) -> Array:
        """(P,) int64, end of the outage that each PE is in; not after now if it is in none."""
        return np.asarray(self._pe_rows[self._pes, at.UP_AT])

    @property
    def queued(self) -> Array:
        """(P,) int64, number of tasks queued at each PE."""
        return np.asarray(self._pe_rows[self._pes, at.QUEUE])

    @property
    def free(self) -> Array:
        """(P,) int64, A(p), when each PE is expected to be free, as the environment estimates it."""
        return np.asarray(self._free[self._pes])

    def queue(self, pe: int) -> list[int]:
        """Return the slot tasks queued at ``pe``, in their order."""
        found, task = [], int(self._pe_rows[pe, at.HEAD])
        while task >= 0:
            found.append(task)
            task = int(self._tasks[task, at.NEXT_TASK])
        return found

    def arrival_of_data(self, task: int) -> int:
        """Return when the data of a queued slot task is on its PE."""
        return int(self._tasks[task, at.DATA])

    def data(self, task: int) -> Array:
        """Return (P,) int64, D(u, p): when the data of a ready slot task is on each PE if it is assigned now.

        In shared memory also for a task that is ready later, at a time that is known.
        """
        row = self._data[task, self._pes]
        if not self._shared:
            return np.asarray(row)
        late = self._tasks[task, at.STATE] == at.LATE
        return np.asarray(row + (self._tasks[task, at.READY_AT] if late else self.now))
