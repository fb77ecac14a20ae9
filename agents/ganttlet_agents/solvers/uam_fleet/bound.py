"""A proven bound on the profit of a day: the linear programme of a network that every possible day is a flow of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.options import as_number
from ganttlet.uam_fleet.instance import HOUR, Scenario, legal_legs
from ganttlet_agents.solvers.uam_fleet.demand import groups_of
from ganttlet_agents.solvers.uam_fleet.network import Battery, Network, Problem

Array = np.ndarray[Any, Any]
STEP = 5.0  # minutes
TIME = 120.0  # seconds
TOLERANCE = 1e-6  # relative, for HiGHS' arithmetic in float64


def lp_bound(scenario: Scenario, *, step: float = STEP, time_limit: float = TIME) -> float:
    """Return an upper bound on the profit of every possible day, in USD; infinite if the time is too short.

    All that happens is known, nothing is late, nobody breaks down, and flights do not wait for one another. Times are
    rounded down to the grid. Charging is that of the fleet as a whole.

    Args:
        scenario: any day, whatever its settings.
        step: grid in minutes, a part of the hour; the finer, the lower the bound and the longer it takes.
        time_limit: wall-clock limit in seconds.

    Raises:
        InputError: if the hour is no multiple of the step.
        MissingExtraError: if HiGHS is not installed.
    """
    value = Network(bound_problem(scenario, step)).relax(time_limit)
    return value + TOLERANCE * max(1.0, abs(value)) if math.isfinite(value) else value


def slots_per_hour(step: float) -> int:
    """Return the slots of an hour; raises InputError if the hour is no multiple of ``step``."""
    as_number("step", step, 0.1, HOUR)
    number = round(HOUR / step)
    if abs(number * step - HOUR) > 1e-9:
        raise InputError(f"step: {step:g} minutes; expected a whole part of the hour, as 5, 10 or 15")
    return number


def leg_costs(scenario: Scenario) -> Array:
    """Return (H, V, V) what a flight costs in USD, without passengers."""
    power = scenario.electricity[:, None, None] * scenario.energy[None]
    cost: Array = scenario.cost_per_mile * scenario.distance[None] + power
    return cost


def bound_problem(scenario: Scenario, step: float) -> Problem:
    """Return the network of the bound."""
    s, per_hour = scenario, slots_per_hour(step)
    count, floor = s.n_hours * per_hour, s.reserve * s.battery
    # No delay is shorter than this one; where the deviation is 0 it is the same every time.
    delay = np.where(s.delay_sd > 0.0, 0.0, np.clip(s.delay_mean, 0.0, s.delay_max))
    # A little less, for a landing that float64 puts just before a line of the grid.
    duration = np.maximum(0.0, np.floor((delay[:, None] + s.flight_time) / step - 1e-9)).astype(np.int64)
    supply = np.zeros((count + 1, s.n_ports), np.int64)
    slot = np.minimum(np.floor((s.ready - s.day_start) / step).astype(np.int64), count)
    np.add.at(supply, (slot, s.start_port), 1)
    legal = legal_legs(s.energy, s.charging, s.battery, s.reserve)
    usable = np.maximum(0.0, s.start_charge - floor)
    return Problem(
        hour=np.arange(count) // per_hour,
        duration=duration,
        legs=legal[None] & (s.closed == 0),
        cost=leg_costs(s),
        fare=s.fare,
        supply=supply[:count],
        later=supply[count],
        slots=s.slots,
        seats=s.seats,
        most=math.inf,
        groups=groups_of(s, s.demand, s.n_hours),
        battery=Battery(
            energy=s.energy,
            charging=s.charging,
            start=float(usable.sum()),
            # An aircraft that starts below the reserve has charged up to it before it can use anything.
            most=float(np.maximum(s.battery - floor, s.battery - s.start_charge + usable).sum()),
            per_slot=s.charger_power / HOUR * step,
        ),
    )
