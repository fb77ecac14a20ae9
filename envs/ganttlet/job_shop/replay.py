"""A schedule turned back into decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ganttlet.core.errors import InputError
from ganttlet.job_shop.layout import CLOCK, DURATION, MACHINE, NOOP, STEP
from ganttlet.job_shop.solution import Schedule

if TYPE_CHECKING:
    from ganttlet.job_shop.env import JobShopVectorEnv

NEVER = 2**62


def replay_actions(env: JobShopVectorEnv, schedules: Sequence[Schedule]) -> NDArray[np.int64]:
    """Return the action (B,) that follows each row's schedule: of the legal jobs, the one it starts first.

    A schedule that the timing discipline can reach is followed exactly. Another one gives the order in which rivals
    go first, so that the episode ends in a schedule of that order. Of those that start together, operations without
    duration go first, then the lowest job index. Under ``wait`` the row waits while the schedule starts nothing that
    is legal.

    Args:
        env: the batch, one row per schedule.
        schedules: complete schedules of the rows' instances.

    Raises:
        InputError: if there are not as many schedules as rows, or one belongs to another instance than its row's, has
            another shape, or leaves out an operation that is next.
    """
    state = env._state
    n, width = state.legal.shape[1], state.start.shape[2]
    if len(schedules) != len(state.legal):
        raise InputError(f"replay: {len(schedules)} schedules for {len(state.legal)} rows")
    planned = np.full((len(schedules), n, width + 1), NEVER, np.int64)
    for row, schedule in enumerate(schedules):
        instance: Any = env.instance(row)
        jobs, ops = schedule.start.shape
        if schedule.instance != instance.digest or (jobs, ops) != instance.machine.shape:
            raise InputError(f"replay: the schedule of row {row} is not one of its instance {instance.name}")
        planned[row, :jobs, :ops] = np.where(schedule.start < 0, NEVER, schedule.start)
    step = state.jobs[:, STEP].astype(np.int64)
    begin = np.take_along_axis(planned, step[:, :, None], axis=2)[:, :, 0]
    real = state.jobs[:, MACHINE] >= 0
    missing = np.argwhere(real & (begin == NEVER))
    if len(missing):
        row, job = missing[0]
        raise InputError(f"replay: the schedule of row {row} leaves out job {job} operation {step[row, job]}")
    begin = np.where(real, begin, NEVER)
    legal = np.where(state.legal == 1, begin, NEVER + 1)
    # An operation without duration that starts when another does comes before it, or it would start after it.
    first = (legal == legal.min(axis=1, keepdims=True)) & (state.jobs[:, DURATION] == 0)
    action: NDArray[np.int64] = np.where(first.any(axis=1), first.argmax(axis=1), legal.argmin(axis=1))
    # The clock cannot go back: what the schedule started before now counts as due now.
    due = np.maximum(begin.min(axis=1), state.totals[:, CLOCK])
    waits = (state.totals[:, NOOP] == 1) & (legal.min(axis=1) > due)
    return np.where(waits, n, action)
