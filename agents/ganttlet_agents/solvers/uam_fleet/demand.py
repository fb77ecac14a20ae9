"""Passengers as a time-space network takes them: who may board in which hours, and what each further flight boards."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganttlet.uam_fleet.instance import HOUR, Scenario

Array = np.ndarray[Any, Any]
LEAST = 0.05  # passengers: a flight that is expected to board fewer counts as empty


@dataclass(frozen=True)
class Group:
    """Passengers of one pair who may board from hour ``first`` to hour ``last``, both included.

    Fields:
        origin, destination: ports.
        first, last: hours.
        steps: (flights, passengers on board of each), most passengers first.
        total: passengers.
    """

    origin: int
    destination: int
    first: int
    last: int
    steps: tuple[tuple[float, float], ...]
    total: float


def last_hour(scenario: Scenario, cohort: int) -> int:
    """Return the last hour in which some moment sees passengers of hour ``cohort`` wait."""
    extra = math.ceil(scenario.max_wait / HOUR) if scenario.max_wait > 0.0 else 0
    return min(scenario.n_hours - 1, cohort + extra)


def known_steps(passengers: int, seats: int) -> tuple[tuple[float, float], ...]:
    """Return the steps of so many passengers: full flights and one with the rest."""
    full, rest = divmod(passengers, seats)
    return tuple((float(n), float(on)) for n, on in ((full, seats), (1, rest)) if n and on)


def expected_steps(mean: float, seats: int) -> tuple[tuple[float, float], ...]:
    """Return the steps of a Poisson number of passengers: what the next flight is expected to board."""
    if mean <= 0.0:
        return ()
    most = int(mean + 6.0 * math.sqrt(mean) + 2 * seats)
    chance = math.exp(-mean)
    at_least, tail = [], 1.0
    for n in range(1, most + 1):
        tail -= chance
        chance *= mean / n
        at_least.append(max(tail, 0.0))
    steps = []
    for flight in range(0, len(at_least), seats):
        boards = sum(at_least[flight : flight + seats])
        if boards < LEAST:
            break
        steps.append((1.0, boards))
    return tuple(steps)


def is_pool(scenario: Scenario) -> bool:
    """Return whether all passengers of the day wait from its first hour on, so that a forecast expects no more."""
    return not scenario.demand_drawn and scenario.max_wait >= HOUR * (scenario.n_hours - 1)


def groups_of(scenario: Scenario, known: Array, upto: int, first: int = 0, last: int | None = None) -> list[Group]:
    """Return the groups that may board in hours ``first`` … ``last``.

    Args:
        scenario: the day; of its demand only ``known`` is used.
        known: (H, V, V) passengers of each hour that are left.
        upto: hours from this one on are not known: the forecast stands for them.
        first, last: hours; last None: that of the day.
    """
    last = scenario.n_hours - 1 if last is None else last
    found = []
    for cohort in range(last + 1):
        end = min(last, last_hour(scenario, cohort))
        if end < first or (cohort >= upto and is_pool(scenario)):
            continue
        passengers = known[cohort] if cohort < upto else scenario.forecast[cohort]
        for i, j in np.argwhere(passengers > 0).tolist():
            count = passengers[i, j]
            if cohort < upto:
                steps = known_steps(int(count), scenario.seats)
            else:
                steps = expected_steps(float(count), scenario.seats)
            found.append(Group(i, j, max(first, cohort), end, steps, float(count)))
    return found


def overlap(groups: list[Group]) -> bool:
    """Return whether two groups of one pair may board in the same hour: then a flight may carry some of both."""
    seen: set[tuple[int, int, int]] = set()
    for group in groups:
        hours = {(group.origin, group.destination, h) for h in range(group.first, group.last + 1)}
        if seen & hours:
            return True
        seen |= hours
    return False
