"""What a row has played, written out as a FleetLog."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.uam_fleet import layout as at
from ganttlet.uam_fleet.instance import Scenario
from ganttlet.uam_fleet.layout import Array
from ganttlet.uam_fleet.solution import FleetLog


def log_of(instance: Scenario, *, totals: Array, log: Array, log_time: Array, world: Any) -> FleetLog:
    """Return the decisions of one row so far.

    The log names its scenario, unless the row was given another future: then it belongs to none.

    Args:
        totals, log, log_time, world: the row's arrays of State.
    """
    count = int(totals[at.COUNT])
    who, destination, passengers = log[:count].T
    decided, departed = log_time[:count].T.copy()
    origin, place = np.zeros(count, np.int32), instance.start_port.copy()
    for n, (k, j) in enumerate(zip(who, destination, strict=True)):
        origin[n], place[k] = place[k], j
    stays = origin == destination
    return FleetLog(
        aircraft=who,
        origin=origin,
        destination=destination,
        passengers=passengers,
        time=decided,
        departure=departed,
        arrival=np.where(stays, departed, departed + instance.flight_time[origin, destination]),
        instance_digest=instance.digest if int(world) == instance.world else "",
    )
