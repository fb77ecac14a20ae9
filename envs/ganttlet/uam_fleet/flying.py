"""The decision of one aircraft: where it may fly, what a flight is worth, and what flying or staying does.

Arguments are the arrays of one scenario and of one row, in the order of Store and State.
"""

from __future__ import annotations

from typing import Any

from ganttlet.core.jit import jit_lean
from ganttlet.uam_fleet.events import plug, settle_down, sink
from ganttlet.uam_fleet.instance import FULL
from ganttlet.uam_fleet.layout import (
    AIRCRAFT,
    BATTERY,
    CHARGE,
    CHARGING,
    CORRIDORS,
    COST,
    COUNT,
    DAY_START,
    DECIDED,
    DECIDES,
    DELAY_MAX,
    DELAY_MEAN,
    DELAY_SD,
    DEPARTED,
    DEPARTURES,
    DESTINATION,
    DOWN,
    DUE,
    EMPTY,
    ENERGY,
    EXPIRED,
    FLIGHTS,
    FLOOR,
    FLOWN,
    FULL_AT,
    HEADWAY,
    HOUR,
    IDLE_STEP,
    IN_AIR,
    INBOUND,
    MILES,
    MINUTES,
    NEAREST,
    NEEDS_CHARGER,
    NOW,
    ON_CHARGER,
    ON_PARKING,
    PARKED,
    PARKING,
    PASSENGERS,
    PLUGGED,
    PORT,
    PORTS,
    PRICE,
    PROFIT,
    READY,
    RECHARGE,
    SEATS,
    SERVED,
    SPENT,
    START_CHARGE,
    STATUS,
    WHO,
)
from ganttlet.uam_fleet.world import draw_delay

NEVER = -1e300  # before every departure, and finite, so that nothing of it turns into NaN
# What stands against a flight: the route is closed, the charge is too low, the destination has no slot.
CLEAR, ROUTE, LITTLE, CROWDED = range(4)


@jit_lean
def begin(
    size: Any,
    real: Any,
    places: Any,
    start: Any,
    fleet: Any,
    totals: Any,
    row: Any,
    craft: Any,
    clock: Any,
    heap: Any,
    taken: Any,
    last: Any,
    log: Any,
    log_time: Any,
) -> None:
    """Begin a day whose demand and closures are in place: every aircraft at its port. ``seek`` goes on."""
    totals[:] = 0
    totals[HOUR] = -1
    row[:] = 0.0
    craft[:, :] = 0
    clock[:, :] = 0.0
    heap[:] = 0
    taken[:, :] = 0
    last[:, :, :] = NEVER
    log[:, :] = 0
    log_time[:, :] = 0.0
    count = size[AIRCRAFT]
    for k in range(count):
        heap[k] = k
        craft[k, PORT] = start[k]
        clock[k, CHARGE] = fleet[k, START_CHARGE]
        ready = settle_down(k, real[DAY_START], size, real, places, craft, clock, taken)
        clock[k, DUE] = max(fleet[k, READY], ready)
    for at in range(count // 2 - 1, -1, -1):
        sink(at, count, craft, clock, heap)


@jit_lean
def lasts(i: Any, j: Any, charge: Any, real: Any, ports: Any, places: Any, legs: Any) -> Any:
    """Return whether ``charge`` kWh are enough from ``i`` to another port ``j``, and from there to a charger."""
    rest = charge - legs[i, j, ENERGY]
    return rest >= real[FLOOR] and (places[j, CHARGING] > 0 or rest - ports[j, NEAREST] >= real[FLOOR])


@jit_lean
def obstacle(
    i: Any,
    j: Any,
    charge: Any,
    size: Any,
    real: Any,
    ports: Any,
    places: Any,
    legs: Any,
    totals: Any,
    taken: Any,
    closed: Any,
) -> Any:
    """Return what stands against a flight from ``i`` to another port ``j`` with ``charge`` kWh, CLEAR if nothing."""
    if closed[totals[HOUR], i, j] != 0:
        return ROUTE
    if not lasts(i, j, charge, real, ports, places, legs):
        return LITTLE
    parked, plugged, inbound = taken[j, PARKED], taken[j, PLUGGED], taken[j, INBOUND]
    if parked + plugged + inbound >= places[j, PARKING] + places[j, CHARGING]:
        return CROWDED
    if size[NEEDS_CHARGER] != 0 and plugged + inbound >= places[j, CHARGING]:
        return CROWDED
    return CLEAR


@jit_lean
def may_fly(
    i: Any,
    j: Any,
    charge: Any,
    size: Any,
    real: Any,
    ports: Any,
    places: Any,
    legs: Any,
    totals: Any,
    taken: Any,
    closed: Any,
) -> Any:
    """Return whether an aircraft at ``i`` with ``charge`` kWh may fly to another port ``j``."""
    return obstacle(i, j, charge, size, real, ports, places, legs, totals, taken, closed) == CLEAR


@jit_lean
def value_of(n: Any, i: Any, j: Any, hour: Any, real: Any, legs: Any, fare: Any, hours: Any) -> Any:
    """Return the profit in USD of a flight with ``n`` passengers that is decided in ``hour``."""
    return (n * fare[hour, i, j] - real[COST] * legs[i, j, MILES]) - hours[hour, PRICE] * legs[i, j, ENERGY]


@jit_lean
def is_legal(
    a: Any,
    size: Any,
    real: Any,
    ports: Any,
    places: Any,
    legs: Any,
    totals: Any,
    craft: Any,
    clock: Any,
    taken: Any,
    closed: Any,
) -> Any:
    """Return whether the aircraft that decides may go to port ``a``, its own included."""
    if a < 0 or a >= size[PORTS]:
        return False
    k = totals[DECIDES]
    i = craft[k, PORT]
    return i == a or may_fly(i, a, clock[k, CHARGE], size, real, ports, places, legs, totals, taken, closed)


@jit_lean
def board(i: Any, j: Any, size: Any, totals: Any, left: Any, waiting: Any, flow: Any) -> Any:
    """Let passengers of ``i`` to ``j`` board, those of the oldest hour first; return how many."""
    n = min(size[SEATS], waiting[i, j])
    waiting[i, j] -= n
    flow[i, 0] -= n
    flow[j, 1] -= n
    rest = n
    for g in range(totals[EXPIRED], totals[HOUR] + 1):
        some = min(rest, left[g, i, j])
        left[g, i, j] -= some
        rest -= some
    return n


@jit_lean
def decide(
    a: Any,
    size: Any,
    real: Any,
    world: Any,
    ports: Any,
    places: Any,
    legs: Any,
    fare: Any,
    hours: Any,
    totals: Any,
    row: Any,
    craft: Any,
    clock: Any,
    heap: Any,
    taken: Any,
    left: Any,
    waiting: Any,
    flow: Any,
    last: Any,
    log: Any,
    log_time: Any,
) -> Any:
    """Send the aircraft that decides to port ``a``, which is legal; return the profit in USD. ``seek`` goes on."""
    k, t, hour = totals[DECIDES], row[NOW], totals[HOUR]
    i = craft[k, PORT]
    at = totals[COUNT]
    totals[COUNT] += 1
    log[at, WHO], log[at, DESTINATION] = k, a
    log_time[at, DECIDED] = t
    if a == i:
        clock[k, DUE] = t + real[IDLE_STEP]
        full = clock[k, CHARGE] >= real[BATTERY]
        if craft[k, STATUS] == ON_CHARGER:
            if full and taken[i, PARKED] < places[i, PARKING]:
                taken[i, PLUGGED] -= 1
                taken[i, PARKED] += 1
                craft[k, STATUS] = ON_PARKING
        elif not full and taken[i, PLUGGED] < places[i, CHARGING]:
            taken[i, PARKED] -= 1
            taken[i, PLUGGED] += 1
            plug(k, t, size, real, craft, clock)
            if size[RECHARGE] == FULL:
                clock[k, DUE] = clock[k, FULL_AT]
        log_time[at, DEPARTED] = t
        sink(0, size[AIRCRAFT], craft, clock, heap)
        return 0.0
    n = board(i, a, size, totals, left, waiting, flow)
    gain = value_of(n, i, a, hour, real, legs, fare, hours)
    departure = t + draw_delay(
        world, k, craft[k, DEPARTURES], ports[i, DELAY_MEAN], ports[i, DELAY_SD], real[DELAY_MAX]
    )
    if size[CORRIDORS] > 0:
        best = 0
        for c in range(1, size[CORRIDORS]):
            if last[i, a, c] < last[i, a, best]:
                best = c
        departure = max(departure, last[i, a, best] + real[HEADWAY])
        last[i, a, best] = departure
    taken[i, PLUGGED if craft[k, STATUS] == ON_CHARGER else PARKED] -= 1
    taken[a, INBOUND] += 1
    craft[k, PORT], craft[k, STATUS], craft[k, DOWN] = a, IN_AIR, 0
    craft[k, DEPARTURES] += 1
    clock[k, CHARGE] -= legs[i, a, ENERGY]
    clock[k, DUE] = departure + legs[i, a, MINUTES]
    totals[SERVED] += n
    totals[FLIGHTS] += 1
    if n == 0:
        totals[EMPTY] += 1
    row[PROFIT] += gain
    row[FLOWN] += legs[i, a, MILES]
    row[SPENT] += legs[i, a, ENERGY]
    log[at, PASSENGERS] = n
    log_time[at, DEPARTED] = departure
    sink(0, size[AIRCRAFT], craft, clock, heap)
    return gain
