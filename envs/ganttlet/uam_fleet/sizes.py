"""How many decisions a day can have at most."""

from __future__ import annotations

import math


def most_decisions(aircraft: int, span: float, idle_step: float, shortest_flight: float) -> int:
    """Return the most decisions of ``aircraft`` within ``span`` minutes.

    An aircraft decides again after an idle step or a flight, and once more after a flight if a charger that it waited
    for, and that fills it in no time, comes between.

    Args:
        idle_step, shortest_flight: minutes, positive.
    """
    return aircraft * (math.floor(max(span / idle_step, 2.0 * span / shortest_flight)) + 3)
