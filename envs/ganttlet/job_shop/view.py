"""What a dispatching rule may see of a batch: integer arrays without clipping or scaling."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganttlet.job_shop.layout import (
    CLOCK,
    DUE,
    DURATION,
    EST,
    N_OPS,
    NO_DUE,
    READY,
    STEP,
    TAIL,
    WEIGHT,
    WORK,
    State,
)
from ganttlet.job_shop.storage import JobShopStorage

Ints = NDArray[np.int64]


class JobShopView:
    """The decision at hand in every row; arrays are (B, N), times in ticks, and must not be written to.

    Attributes:
        legal: bool, jobs that may be chosen.
        duration: processing time of the job's next operation.
        work: remaining processing time of the job, that operation included.
        ready: end of the job's last placed operation, or its release.
        start: earliest start of the next operation.
        ops_left: operations left.
        total: processing time of the whole job.
        due: due date; the job's total processing time where the instance has none.
        weight: tardiness weight.
        clock: (B, 1), time of the decision.
    """

    def __init__(self, state: State, storage: JobShopStorage, slot: Ints) -> None:
        self._state, self._storage, self._slot = state, storage, slot
        self.legal: NDArray[np.bool_] = state.legal.view(np.bool_)
        self.duration = state.jobs[:, DURATION]
        self.work = state.jobs[:, WORK]
        self.ready = state.jobs[:, READY]
        self.start = state.jobs[:, EST]
        self.clock: Ints = state.totals[:, CLOCK, None]

    def _fact(self, column: int) -> NDArray[Any]:
        facts: NDArray[Any] = self._storage.arrays.facts[self._slot, column]
        return facts

    @property
    def ops_left(self) -> NDArray[Any]:
        """(B, N), operations of each job not yet placed."""
        left: NDArray[Any] = self._fact(N_OPS) - self._state.jobs[:, STEP]
        return left

    @cached_property
    def total(self) -> NDArray[Any]:
        """(B, N), processing time of each job."""
        work: NDArray[Any] = self._storage.arrays.ops[self._slot, TAIL, :, 0]
        return work

    @cached_property
    def due(self) -> NDArray[Any]:
        """(B, N), due dates."""
        due = self._fact(DUE)
        return np.where(due == NO_DUE, self.total, due)

    @cached_property
    def weight(self) -> NDArray[Any]:
        """(B, N), tardiness weights."""
        return self._fact(WEIGHT)
