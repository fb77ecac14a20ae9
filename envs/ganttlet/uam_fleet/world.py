"""What departures meet, as pure functions of the scenario's seed: delays before take-off and times out of service.

They belong to the aircraft and the number of its departures, so that every policy meets the same world (common random
numbers).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ganttlet.core.jit import jit
from ganttlet.core.rng import key_of, uniform

AIRCRAFT = 31  # entity of the random numbers: 31 plus the number of the aircraft


@jit
def draw_delay(world: Any, aircraft: Any, count: Any, mean: Any, sd: Any, most: Any) -> Any:
    """Return the delay in minutes of a departure: normal, cut to 0 … ``most``.

    Args:
        world: seed of the scenario (uint64).
        aircraft: its index.
        count: departures that the aircraft made before.
        mean, sd, most: minutes.
    """
    if sd == 0.0:
        return min(max(mean, 0.0), most)
    key = key_of(world, np.uint64(AIRCRAFT + aircraft), np.uint64(count))
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(key, np.uint64(0))))
    z = radius * math.cos(2.0 * math.pi * uniform(key, np.uint64(1)))
    return min(max(mean + sd * z, 0.0), most)


@jit
def draw_downtime(world: Any, aircraft: Any, count: Any, probability: Any, low: Any, high: Any) -> Any:
    """Return the minutes for which the aircraft is out of service after that flight, 0 if it is not.

    Args:
        world, aircraft, count: as in :func:`draw_delay`.
        probability: of being out of service.
        low, high: minutes between which the time is uniform.
    """
    key = key_of(world, np.uint64(AIRCRAFT + aircraft), np.uint64(count))
    if uniform(key, np.uint64(2)) >= probability:
        return 0.0
    return low + (high - low) * uniform(key, np.uint64(3))
