"""Kernels of the planner's view: what is known of every row, and the next decision that carries out a flow matrix.

``store``, ``state`` and ``view`` arrive as plain tuples in the order of their NamedTuples.
"""

from __future__ import annotations

import math
from typing import Any, Final

from ganttlet.core.jit import jit_lean
from ganttlet.uam_fleet.charging import minutes_to_full
from ganttlet.uam_fleet.events import charge_at
from ganttlet.uam_fleet.flying import CLEAR, NEVER, lasts, obstacle, value_of
from ganttlet.uam_fleet.instance import FULL
from ganttlet.uam_fleet.layout import (
    AIRCRAFT,
    BATTERY,
    CHARGE,
    CHARGING,
    CURVE,
    DECIDES,
    DUE,
    HOUR,
    IN_AIR,
    NOW,
    OVER,
    PORT,
    PORTS,
    POWER,
    RECHARGE,
    SEATS,
    STATUS,
)

# "" first; then those of flying.obstacle, by their codes; then: no aircraft decided at the port while there was flow.
REASONS: Final = ("", "route", "charge", "slots", "aircraft")
NOWHERE: Final = -1  # port of an aircraft that a row does not have


@jit_lean
def view_rows(slot: Any, step: Any, store: Any, state: Any, view: Any) -> None:
    """Write what is counted by port and what is known of every aircraft into ``view``."""
    size_, real_, ports_, places_, legs_, fare_, hours_ = (
        store[0],
        store[1],
        store[3],
        store[4],
        store[7],
        store[8],
        store[9],
    )
    totals_, row_, craft_, clock_, waiting_, closed_ = state[0], state[1], state[3], state[4], state[8], state[10]
    begin_, idle_, free_, able_, shown, open_, value = view[3], view[5], view[6], view[7], view[9], view[11], view[12]
    port_, in_air, due_, ready_, charge_ = view[13], view[14], view[15], view[16], view[17]
    for i in range(len(slot)):
        size, real, places = size_[slot[i]], real_[slot[i]], places_[slot[i]]
        legs, fare, hours = legs_[slot[i]], fare_[slot[i]], hours_[slot[i]]
        hour, now, craft, clock = totals_[i, HOUR], row_[i, NOW], craft_[i], clock_[i]
        over = totals_[i, OVER] == 1
        for a in range(size[PORTS]):
            for b in range(size[PORTS]):
                if a == b or over:
                    continue
                n = waiting_[i, a, b]
                shown[i, a, b] = n
                open_[i, a, b] = closed_[i, hour, a, b] == 0
                value[i, a, b] = value_of(min(size[SEATS], n), a, b, hour, real, legs, fare, hours)
        for k in range(size[AIRCRAFT]):
            j, flies = craft[k, PORT], craft[k, STATUS] == IN_AIR
            due = clock[k, DUE]
            ready = due
            if flies and places[j, CHARGING] > 0:
                ready += minutes_to_full(clock[k, CHARGE], real[BATTERY], real[POWER], size[CURVE])
            port_[i, k], in_air[i, k], due_[i, k], ready_[i, k] = j, flies, due, ready
            charge_[i, k] = charge_at(k, now, size, real, craft, clock)
            then = ready if size[RECHARGE] == FULL else due
            n = math.floor((then - begin_[i]) / step)
            if over or n >= free_.shape[2]:
                continue
            free_[i, j, n] += 1
            if n > 0:
                continue
            if not flies:
                idle_[i, j] += 1
            charge = charge_at(k, then, size, real, craft, clock)
            if flies and then > due:
                charge = real[BATTERY]
            for b in range(size[PORTS]):
                if b != j and lasts(j, b, charge, real, ports_[slot[i]], places, legs):
                    able_[i, j, b] += 1


@jit_lean
def pick_rows(rows: Any, slot: Any, store: Any, state: Any, flow: Any, reason: Any, actions: Any) -> None:
    """Write the action that follows ``flow`` (B, V, V) at the present decision of each of ``rows``, and take it off.

    ``reason`` (B, V, V) gets the first obstacle that a wanted flight meets.
    """
    size_, real_, ports_, places_, legs_, fare_, hours_ = (
        store[0],
        store[1],
        store[3],
        store[4],
        store[7],
        store[8],
        store[9],
    )
    totals_, craft_, clock_, taken_, waiting_, closed_ = state[0], state[3], state[4], state[6], state[8], state[10]
    for i in rows:
        actions[i] = 0
        totals, v = totals_[i], slot[i]
        if totals[OVER] == 1:
            continue
        size, real, legs = size_[v], real_[v], legs_[v]
        k = totals[DECIDES]
        a = craft_[i, k, PORT]
        best, found = NEVER, a
        for j in range(size[PORTS]):
            if j == a or flow[i, a, j] == 0:
                continue
            what = obstacle(
                a, j, clock_[i, k, CHARGE], size, real, ports_[v], places_[v], legs, totals, taken_[i], closed_[i]
            )
            if what != CLEAR:
                if reason[i, a, j] == 0:
                    reason[i, a, j] = what
                continue
            n = min(size[SEATS], waiting_[i, a, j])
            worth = value_of(n, a, j, totals[HOUR], real, legs, fare_[v], hours_[v])
            if worth > best:
                best, found = worth, j
        actions[i] = found
        if found != a:
            flow[i, a, found] -= 1
