"""Another future of a day: what no decision maker has been shown is drawn anew, given what the day has shown.

Drawn anew: the passengers of later hours, where the scenario's are draws of its forecast; the routes that are closed in
later hours; and, by the row's new world, delays of later departures and breakdowns at later landings. Landings of
aircraft in the air are shown, and stay.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.jit import jit_lean
from ganttlet.core.rng import key_of, uniform
from ganttlet.uam_fleet.drawing import poisson
from ganttlet.uam_fleet.layout import CLOSURE, DRAWN, HOUR, HOURS, OVER, PORTS

DEMAND, ROUTES = 71, 72  # entities of the random numbers, beside those of world


@jit_lean
def resample_rows(rows: Any, keys: Any, slot: Any, store: Any, state: Any) -> None:
    """Give each of ``rows`` the future of its key (n,) uint64; one whose day is over has none."""
    size_, legs_, forecast_ = store[0], store[7], store[12]
    totals_, world_, left_, closed_ = state[0], state[2], state[7], state[10]
    for n in range(len(rows)):
        i, key = rows[n], keys[n]
        size, legs, forecast = size_[slot[i]], legs_[slot[i]], forecast_[slot[i]]
        totals, left, closed = totals_[i], left_[i], closed_[i]
        if totals[OVER] == 1:
            continue
        world_[i] = key
        v = size[PORTS]
        passengers, routes = key_of(key, np.uint64(DEMAND), np.uint64(0)), key_of(key, np.uint64(ROUTES), np.uint64(0))
        for h in range(totals[HOUR] + 1, size[HOURS]):
            for a in range(v):
                for b in range(v):
                    if a == b:
                        continue
                    if size[DRAWN] == 1:
                        one = key_of(passengers, np.uint64(h), np.uint64(a * v + b))
                        left[h, a, b] = poisson(one, forecast[h, a, b])
                    both = np.uint64(min(a, b) * v + max(a, b))
                    u = uniform(key_of(routes, np.uint64(h), both), np.uint64(0))
                    closed[h, a, b] = 1 if u < legs[a, b, CLOSURE] else 0
