"""Numbers of a day that curves put on an axis, and what a day was like hour by hour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganttlet.core.errors import InputError
from ganttlet.uam_fleet.instance import HOUR, Scenario
from ganttlet.uam_fleet.solution import FleetLog


def axes(scenario: Scenario) -> Mapping[str, float]:
    """Return what tells days of a sweep apart.

    Returns:
        ``fleet``: number of aircraft. ``ports``: number of ports. ``expected``: passengers of the day by its forecast.
        ``closure``: greatest probability of a route to be closed in an hour. ``downtime``: greatest probability of an
        aircraft to be out of service after a flight.
    """
    return {
        "fleet": float(scenario.n_aircraft),
        "ports": float(scenario.n_ports),
        "expected": round(float(scenario.forecast.sum()), 3),
        "closure": float(scenario.closure_probability.max()),
        "downtime": float(scenario.downtime_probability.max()),
    }


def hour(scenario: Scenario, log: FleetLog, seconds: float, options: Mapping[str, Any]) -> Mapping[str, float]:
    """Return what happened in one hour of a day.

    Args:
        scenario: the day.
        log: what its fleet did.
        seconds: not used.
        options: ``hour``: the clock at which the hour begins, such as 6 for 06:00 to 07:00.

    Returns:
        ``demand``: passengers that turn up in the hour. ``carried``: those on board of flights decided on in it.
        ``flights``: number of these. ``empty_flights``: those without a passenger. ``seats``: the seats of all.

    Raises:
        InputError: for other options, or an hour that the day does not have.
    """
    if set(options) != {"hour"}:
        raise InputError(f"hour: options {', '.join(sorted(options)) or 'none'}; expected 'hour' alone")
    clock = [scenario.day_start / HOUR + at for at in range(scenario.n_hours)]
    if options["hour"] not in clock:
        raise InputError(f"hour: {options['hour']!r}; expected one of {', '.join(f'{at:g}' for at in clock)}")
    at = clock.index(options["hour"])
    begins = scenario.day_start + HOUR * at
    decided = (log.time >= begins) & (log.time < begins + HOUR) & (log.origin != log.destination)
    on_board = log.passengers[decided]
    return {
        "demand": float(scenario.demand[at].sum()),
        "carried": float(on_board.sum()),
        "flights": float(len(on_board)),
        "empty_flights": float((on_board == 0).sum()),
        "seats": float(scenario.seats * len(on_board)),
    }
