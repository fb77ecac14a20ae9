"""Batteries on chargers, linear or with a falling current: charge after a time, and time to full, in closed form."""

from __future__ import annotations

import math
from typing import Any

from ganttlet.core.jit import jit_lean
from ganttlet.uam_fleet.instance import LINEAR

KNEE = 0.8  # share of the battery up to which CC_CV gives full power; then it falls to REST of it at 100 %
REST = 0.2


@jit_lean
def minutes_to_full(charge: Any, battery: Any, power: Any, curve: Any) -> Any:
    """Return the minutes on a charger of ``power`` kW from ``charge`` to ``battery`` kWh."""
    if charge >= battery:
        return 0.0
    per = power / 60.0
    if curve == LINEAR:
        return (battery - charge) / per
    knee = KNEE * battery
    bulk = (knee - charge) / per if charge < knee else 0.0
    x = 4.2 - 4.0 * max(charge, knee) / battery
    return bulk + battery / (4.0 * per) * math.log(x / REST)


@jit_lean
def charge_after(charge: Any, minutes: Any, battery: Any, power: Any, curve: Any) -> Any:
    """Return the kWh after ``minutes`` on a charger of ``power`` kW, from ``charge`` kWh."""
    per = power / 60.0
    if curve == LINEAR:
        return min(battery, charge + per * minutes)
    knee = KNEE * battery
    bulk = (knee - charge) / per if charge < knee else 0.0
    if minutes <= bulk:
        return charge + per * minutes
    # x is the power's share of the full one: dx/dt = -4 per / battery * x.
    x = (4.2 - 4.0 * max(charge, knee) / battery) * math.exp(-(4.0 * per / battery) * (minutes - bulk))
    return min(battery, battery * (4.2 - x) / 4.0)
