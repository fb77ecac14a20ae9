"""What a fleet did on a day, and its verdict; nothing here knows of environments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.objective import Objective, ObjectiveSpec
from ganttlet.core.record import Solution, int_array
from ganttlet.uam_fleet.instance import Scenario

OBJECTIVES: Mapping[str, ObjectiveSpec] = {
    spec.name: spec
    for spec in (
        ObjectiveSpec("profit", "max", "USD", "fares less the cost of flown miles and of energy"),
        ObjectiveSpec("served", "max", "passengers", "passengers that were carried"),
        ObjectiveSpec("lost", "min", "passengers", "passengers that were not"),
        ObjectiveSpec("flights", "max", "", "flights that were decided on within the day"),
        ObjectiveSpec("empty_flights", "min", "", "those without a passenger"),
        ObjectiveSpec("miles", "min", "miles", "flown miles"),
        ObjectiveSpec("energy", "min", "kWh", "energy of all flights"),
    )
}


@dataclass(frozen=True, eq=False)
class FleetLog(Solution):
    """Every decision of a day, in the order in which they were taken.

    Fields (N decisions; times in minutes since midnight):
        aircraft: (N,) int32.
        origin, destination: (N,) int32, ports; equal where the aircraft stays.
        passengers: (N,) int32 on board.
        time: (N,) float64 of the decision.
        departure, arrival: (N,) float64, equal to ``time`` where the aircraft stays.
        instance_digest: digest of the scenario, or "" if unknown.

    Raises:
        InputError: naming the field, if its type or length is wrong.
    """

    family: ClassVar[str] = "uam_fleet"
    unhashed: ClassVar[tuple[str, ...]] = ()

    aircraft: Any
    origin: Any
    destination: Any
    passengers: Any
    time: Any
    departure: Any
    arrival: Any
    instance_digest: str = ""

    def __post_init__(self) -> None:
        for field in ("aircraft", "origin", "destination", "passengers"):
            value = getattr(self, field)
            object.__setattr__(self, field, int_array(field, np.zeros(0, int) if np.size(value) == 0 else value, 1))
        for field in ("time", "departure", "arrival"):
            object.__setattr__(self, field, _times(field, getattr(self, field)))
        for field in ("origin", "destination", "passengers", "time", "departure", "arrival"):
            if len(getattr(self, field)) != len(self.aircraft):
                raise InputError(
                    f"field {field!r}: {len(getattr(self, field))} values; expected one for each of the "
                    f"{len(self.aircraft)} decisions"
                )


def _times(field: str, value: Any) -> np.ndarray[Any, Any]:
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"field {field!r}: expected a list of numbers") from None
    if array.ndim != 1 or not np.isfinite(array).all():
        raise InputError(f"field {field!r}: expected a list of finite numbers, got shape {array.shape}")
    array.flags.writeable = False
    return array


def validate(instance: Scenario, solution: FleetLog) -> Objective:
    """Play a log again by the scenario alone, and measure it.

    Rules: ``instance`` (other digest), ``shape`` (aircraft and ports that exist), ``aircraft`` (another one is due, or
    at another time or port), ``day`` (decisions after its end, or due before it and missing), ``open`` (route closed),
    ``energy`` (less than the reserve would be left, or too little to reach a charger), ``slots`` (none is free at the
    destination), ``seats`` (more passengers than seats), ``passengers`` (not as many as wait and fit), ``headway``
    (departure before the corridor is free), ``arithmetic`` (departure or arrival not as the rules give). Staying is
    never a violation. Since every later decision depends on it, the first decision that breaks a rule is the last
    that is looked at.
    """
    from ganttlet.uam_fleet.checks import replay

    values, found = replay(instance, solution)
    return Objective({}, tuple(found)) if found else Objective(values)
