"""A day's log turned back into decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.uam_fleet import layout as at
from ganttlet.uam_fleet.layout import Array
from ganttlet.uam_fleet.solution import FleetLog

if TYPE_CHECKING:
    from ganttlet.uam_fleet.batch import UAMFleetVectorEnv


def replay_actions(env: UAMFleetVectorEnv, logs: Sequence[FleetLog]) -> Array:
    """Return the action (B,) int64 that follows each row's log at its present decision, -1 in rows that are over.

    The aircraft that decides makes its next flight of the log if that was decided by now and is legal, else it stays.
    A log of the environment is followed exactly.

    Args:
        env: the batch, one row per log.
        logs: logs of the rows' scenarios.

    Raises:
        InputError: if there are not as many logs as rows, or one belongs to another scenario than its row's.
    """
    state = env._state
    if len(logs) != len(state.totals):
        raise InputError(f"replay: {len(logs)} logs for {len(state.totals)} rows")
    actions = np.full(len(logs), -1, np.int64)
    for row, log in enumerate(logs):
        scenario: Any = env.instance(row)
        if log.instance_digest not in ("", scenario.digest):
            raise InputError(f"replay: the log of row {row} is not one of its instance {scenario.name}")
        k = int(state.totals[row, at.DECIDES])
        if k == at.NOBODY:
            continue
        flights = np.flatnonzero((log.aircraft == k) & (log.origin != log.destination))
        flown, now = int(state.craft[row, k, at.DEPARTURES]), state.real[row, at.NOW]
        actions[row] = state.craft[row, k, at.PORT]
        if flown < len(flights) and log.time[flights[flown]] <= now:
            wish = int(log.destination[flights[flown]])
            if 0 <= wish < env.live_mask.shape[1] and env.live_mask[row, wish]:
                actions[row] = wish
    return actions
