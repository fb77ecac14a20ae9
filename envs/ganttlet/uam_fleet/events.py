"""What happens between decisions: landings, charging, breakdowns, and whose turn it is.

Arguments are the arrays of one scenario and of one row, in the order of Store and State.
"""

from __future__ import annotations

from typing import Any

from ganttlet.core.jit import jit_lean
from ganttlet.uam_fleet.charging import charge_after, minutes_to_full
from ganttlet.uam_fleet.instance import FULL
from ganttlet.uam_fleet.layout import (
    AIRCRAFT,
    BATTERY,
    BREAKDOWN,
    CHARGE,
    CHARGING,
    CURVE,
    DAY_END,
    DAY_START,
    DECIDES,
    DEPARTURES,
    DOWN,
    DOWN_HIGH,
    DOWN_LOW,
    DUE,
    EXPIRED,
    FULL_AT,
    HOUR,
    HOURS,
    IN_AIR,
    INBOUND,
    LOST,
    MAX_WAIT,
    NOBODY,
    NOW,
    ON_CHARGER,
    ON_PARKING,
    OVER,
    PARKED,
    PARKING,
    PLUGGED,
    PORT,
    PORTS,
    POWER,
    RECHARGE,
    SINCE,
    STATUS,
)
from ganttlet.uam_fleet.world import draw_downtime


@jit_lean
def before(a: Any, b: Any, craft: Any, clock: Any) -> Any:
    """Return whether aircraft ``a`` is due before ``b``: by time, landings before decisions, by number."""
    if clock[a, DUE] != clock[b, DUE]:
        return clock[a, DUE] < clock[b, DUE]
    flies, other = craft[a, STATUS] == IN_AIR, craft[b, STATUS] == IN_AIR
    if flies != other:
        return flies
    return a < b


@jit_lean
def sink(at: Any, count: Any, craft: Any, clock: Any, heap: Any) -> None:
    """Restore the heap whose item ``at`` has been put off."""
    k = heap[at]
    while True:
        child = 2 * at + 1
        if child >= count:
            break
        if child + 1 < count and before(heap[child + 1], heap[child], craft, clock):
            child += 1
        if not before(heap[child], k, craft, clock):
            break
        heap[at] = heap[child]
        at = child
    heap[at] = k


@jit_lean
def plug(k: Any, t: Any, size: Any, real: Any, craft: Any, clock: Any) -> None:
    """Put aircraft ``k`` on a charger at ``t``."""
    craft[k, STATUS] = ON_CHARGER
    clock[k, SINCE] = t
    clock[k, FULL_AT] = t + minutes_to_full(clock[k, CHARGE], real[BATTERY], real[POWER], size[CURVE])


@jit_lean
def settle_down(k: Any, t: Any, size: Any, real: Any, places: Any, craft: Any, clock: Any, taken: Any) -> Any:
    """Give aircraft ``k`` a place at its port at ``t``; return when it is ready to decide."""
    j, full = craft[k, PORT], clock[k, CHARGE] >= real[BATTERY]
    if not full and taken[j, PLUGGED] < places[j, CHARGING]:
        taken[j, PLUGGED] += 1
        plug(k, t, size, real, craft, clock)
    elif taken[j, PARKED] < places[j, PARKING]:
        taken[j, PARKED] += 1
        craft[k, STATUS] = ON_PARKING
    else:
        taken[j, PLUGGED] += 1
        plug(k, t, size, real, craft, clock)
    if size[RECHARGE] == FULL and craft[k, STATUS] == ON_CHARGER and not full:
        return clock[k, FULL_AT]
    return t


@jit_lean
def charge_at(k: Any, t: Any, size: Any, real: Any, craft: Any, clock: Any) -> Any:
    """Return the kWh of aircraft ``k`` at ``t``; of one in the air, those at its landing."""
    if craft[k, STATUS] != ON_CHARGER:
        return clock[k, CHARGE]
    if t >= clock[k, FULL_AT]:
        return real[BATTERY]
    return charge_after(clock[k, CHARGE], t - clock[k, SINCE], real[BATTERY], real[POWER], size[CURVE])


@jit_lean
def count_waiting(size: Any, totals: Any, left: Any, waiting: Any, flow: Any) -> None:
    """Add up who waits at the present decision."""
    v = size[PORTS]
    flow[:, :] = 0
    for i in range(v):
        for j in range(v):
            n = 0
            for g in range(totals[EXPIRED], totals[HOUR] + 1):
                n += left[g, i, j]
            waiting[i, j] = n
            flow[i, 0] += n
            flow[j, 1] += n


@jit_lean
def lose(until: Any, size: Any, totals: Any, left: Any) -> None:
    """Count the passengers of the hours before ``until`` that are not served as lost."""
    v = size[PORTS]
    for g in range(totals[EXPIRED], until):
        for i in range(v):
            for j in range(v):
                totals[LOST] += left[g, i, j]
    totals[EXPIRED] = max(totals[EXPIRED], until)


@jit_lean
def enter_hour(t: Any, size: Any, real: Any, totals: Any, left: Any, waiting: Any, flow: Any) -> None:
    """Move the demand on to ``t``."""
    hour = min(size[HOURS] - 1, int((t - real[DAY_START]) / 60.0))
    expired, wait = totals[EXPIRED], real[MAX_WAIT]
    while expired < hour and not (wait > 0.0 and t < real[DAY_START] + 60.0 * (expired + 1) + wait):
        expired += 1
    if hour != totals[HOUR] or expired != totals[EXPIRED]:
        lose(expired, size, totals, left)
        totals[HOUR] = hour
        count_waiting(size, totals, left, waiting, flow)


@jit_lean
def seek(
    size: Any,
    real: Any,
    world: Any,
    places: Any,
    fleet: Any,
    totals: Any,
    row: Any,
    craft: Any,
    clock: Any,
    heap: Any,
    taken: Any,
    left: Any,
    waiting: Any,
    flow: Any,
) -> None:
    """Let aircraft land until one has to decide, or the day is over."""
    count = size[AIRCRAFT]
    while True:
        k = heap[0]
        t = clock[k, DUE]
        if t >= real[DAY_END]:
            totals[OVER], totals[DECIDES] = 1, NOBODY
            row[NOW] = real[DAY_END]
            lose(size[HOURS], size, totals, left)
            return
        if craft[k, STATUS] == IN_AIR:
            taken[craft[k, PORT], INBOUND] -= 1
            ready = settle_down(k, t, size, real, places, craft, clock, taken)
            down = draw_downtime(
                world, k, craft[k, DEPARTURES] - 1, fleet[k, BREAKDOWN], real[DOWN_LOW], real[DOWN_HIGH]
            )
            craft[k, DOWN] = 1 if down > 0.0 else 0
            clock[k, DUE] = ready + down
            sink(0, count, craft, clock, heap)
            continue
        clock[k, CHARGE] = charge_at(k, t, size, real, craft, clock)
        if craft[k, STATUS] == ON_CHARGER:
            clock[k, SINCE] = t
        craft[k, DOWN] = 0
        totals[DECIDES] = k
        row[NOW] = t
        enter_hour(t, size, real, totals, left, waiting, flow)
        return
