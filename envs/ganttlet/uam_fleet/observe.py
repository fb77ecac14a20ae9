"""The kernels that write what features.py describes, a pure function of scenario and state."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.jit import jit_lean
from ganttlet.uam_fleet.charging import minutes_to_full
from ganttlet.uam_fleet.dispatch import worth_of
from ganttlet.uam_fleet.events import charge_at
from ganttlet.uam_fleet.features import FAR, WINDOW
from ganttlet.uam_fleet.features import PORT as PORT_FEATURES
from ganttlet.uam_fleet.flying import may_fly, value_of
from ganttlet.uam_fleet.instance import FULL
from ganttlet.uam_fleet.layout import (
    AIRCRAFT,
    BATTERY,
    BREAKDOWN,
    CHARGE,
    CHARGING,
    CLOSURE,
    CURVE,
    DAY_END,
    DAY_START,
    DECIDES,
    DELAY_MEAN,
    DEPARTURES,
    DOWN,
    DUE,
    ENERGY,
    HOUR,
    HOURS,
    IDLE_STEP,
    IN,
    IN_AIR,
    IN_FARE,
    INBOUND,
    LATER,
    LONGEST,
    MILES,
    MINUTES,
    NOW,
    ON_CHARGER,
    OUT,
    OUT_FARE,
    OVER,
    PARKED,
    PARKING,
    PLUGGED,
    PORT,
    PORTS,
    POWER,
    PRICE,
    PROFIT,
    RECHARGE,
    SCALE,
    SEATS,
    SERVED,
    STATUS,
    TOP_FARE,
    X,
    Y,
)

WORTH_AT, PER_HOUR = len(PORT_FEATURES), len(WINDOW)


@jit_lean
def clip(x: Any, low: Any, high: Any) -> Any:
    """Return ``x`` cut to ``low`` … ``high`` as float32."""
    return np.float32(min(high, max(low, x)))


@jit_lean
def show_port(
    j: Any,
    size: Any,
    real: Any,
    ports: Any,
    places: Any,
    legs: Any,
    fare: Any,
    hours: Any,
    forecast: Any,
    flows: Any,
    totals: Any,
    row: Any,
    craft: Any,
    clock: Any,
    taken: Any,
    waiting: Any,
    flow: Any,
    closed: Any,
    out: Any,
) -> Any:
    """Write the features of port ``j`` for the aircraft that decides; return whether it may go there."""
    k, t, hour = totals[DECIDES], row[NOW], totals[HOUR]
    i, charge = craft[k, PORT], clock[k, CHARGE]
    seats, money, slots = size[SEATS], size[SEATS] * real[TOP_FARE], places[j, PARKING] + places[j, CHARGING]
    here, profit, rate, arrival = i == j, 0.0, 0.0, t + real[IDLE_STEP]
    n = 0 if here else min(seats, waiting[i, j])
    legal = here or may_fly(i, j, charge, size, real, ports, places, legs, totals, taken, closed)
    rest = charge - legs[i, j, ENERGY]
    if not here:
        profit = value_of(n, i, j, hour, real, legs, fare, hours) / money
        busy = ports[i, DELAY_MEAN] + legs[i, j, MINUTES]
        arrival = t + busy
        if size[RECHARGE] == FULL and places[j, CHARGING] > 0:
            busy += minutes_to_full(max(0.0, rest), real[BATTERY], real[POWER], size[CURVE])
        rate = profit / (busy / 60.0)
    onward = 0.0
    if arrival < real[DAY_END]:
        onward = flows[min(size[HOURS] - 1, int((arrival - real[DAY_START]) / 60.0)), j, OUT]
    out[0] = 1.0 if here else 0.0
    out[1] = 1.0 if legal else 0.0
    out[2] = clip(ports[j, X], -FAR, FAR)
    out[3] = clip(ports[j, Y], -FAR, FAR)
    out[4] = 1.0 if places[j, CHARGING] > 0 else 0.0
    out[5] = clip(slots / size[AIRCRAFT], 0.0, FAR)
    out[6] = clip((slots - taken[j, PARKED] - taken[j, PLUGGED] - taken[j, INBOUND]) / slots, -FAR, 1.0)
    out[7] = clip((places[j, CHARGING] - taken[j, PLUGGED]) / slots, 0.0, 1.0)
    out[8] = clip(taken[j, INBOUND] / slots, 0.0, FAR)
    out[9] = clip(ports[j, DELAY_MEAN] / 60.0, 0.0, FAR)
    out[10] = clip(legs[i, j, MILES] / real[LONGEST], 0.0, FAR)
    out[11] = clip((real[IDLE_STEP] if here else legs[i, j, MINUTES]) / 60.0, 0.0, FAR)
    out[12] = clip(rest / real[BATTERY], -FAR, 1.0)
    out[13] = 1.0 if closed[hour, i, j] == 0 else 0.0
    out[14] = clip(legs[i, j, CLOSURE], 0.0, 1.0)
    out[15] = clip(waiting[i, j] / seats, 0.0, FAR)
    out[16] = clip(n / seats, 0.0, 1.0)
    out[17] = clip(fare[hour, i, j] / real[TOP_FARE], 0.0, 1.0)
    out[18] = clip(profit, -FAR, FAR)
    out[19] = clip(rate, -FAR, FAR)
    out[20] = clip(onward / seats, 0.0, FAR)
    out[21] = clip(flow[j, 0] / seats, 0.0, FAR)
    out[22] = clip(flow[j, 1] / seats, 0.0, FAR)
    others = taken[j, PARKED] + taken[j, PLUGGED] + taken[j, INBOUND] - (1 if here else 0)
    out[23] = clip(others, 0.0, FAR)
    out[24] = clip(forecast[hour + 1, i, j] / seats, 0.0, FAR) if hour + 1 < size[HOURS] else 0.0
    out[25] = clip(waiting[j, i] / seats, 0.0, FAR)
    shown = (len(out) - WORTH_AT) // PER_HOUR
    at = len(out) - shown * PER_HOUR
    # Behind the others there is a window alone, or a column for what it is worth before it.
    if at > WORTH_AT:
        out[WORTH_AT] = 0.0
        if legal:
            worth = worth_of(
                i,
                j,
                charge,
                size,
                real,
                ports,
                places,
                legs,
                fare,
                hours,
                forecast,
                totals,
                row,
                craft,
                taken,
                waiting,
                closed,
            )
            out[WORTH_AT] = clip(60.0 * worth / money, -FAR, FAR)
    for ahead in range(shown):
        h = hour + ahead
        if h < size[HOURS]:
            out[at] = clip(flows[h, j, OUT] / seats, 0.0, FAR)
            out[at + 1] = clip(flows[h, j, IN] / seats, 0.0, FAR)
            out[at + 2] = clip(flows[h, j, OUT_FARE] / real[TOP_FARE], 0.0, FAR)
            out[at + 3] = clip(flows[h, j, IN_FARE] / real[TOP_FARE], 0.0, FAR)
        else:
            out[at : at + 4] = 0.0
        at += 4
    return legal


@jit_lean
def show_aircraft(
    k: Any,
    decides: Any,
    now: Any,
    size: Any,
    real: Any,
    fleet: Any,
    craft: Any,
    clock: Any,
    out: Any,
) -> None:
    """Write the features of aircraft ``k``."""
    out[0] = 1.0 if k == decides else 0.0
    out[1] = 1.0 if craft[k, STATUS] == IN_AIR else 0.0
    out[2] = 1.0 if craft[k, STATUS] == ON_CHARGER else 0.0
    out[3] = craft[k, DOWN]
    out[4] = clip(charge_at(k, now, size, real, craft, clock) / real[BATTERY], 0.0, 1.0)
    out[5] = clip((clock[k, DUE] - now) / 60.0, 0.0, FAR)
    out[6] = clip(fleet[k, BREAKDOWN], 0.0, 1.0)
    out[7] = clip(craft[k, DEPARTURES], 0.0, FAR)


@jit_lean
def show_context(
    choices: Any,
    size: Any,
    real: Any,
    fleet: Any,
    hours: Any,
    totals: Any,
    row: Any,
    craft: Any,
    clock: Any,
    taken: Any,
    flow: Any,
    out: Any,
) -> None:
    """Write what concerns the whole, with ``choices`` ports that are legal."""
    seats = size[SEATS] * size[AIRCRAFT]
    out[0] = clip((row[NOW] - real[DAY_START]) / (real[DAY_END] - real[DAY_START]), 0.0, 1.0)
    out[12] = clip(totals[SERVED] / seats, 0.0, FAR)
    out[13] = clip(row[PROFIT] / real[SCALE], -FAR, FAR)
    if totals[OVER] == 1:
        out[1:12] = 0.0
        return
    k, hour = totals[DECIDES], totals[HOUR]
    in_air, plugged, wait = 0, 0, 0
    for j in range(size[PORTS]):
        in_air += taken[j, INBOUND]
        plugged += taken[j, PLUGGED]
        wait += flow[j, 0]
    out[1] = clip((row[NOW] - real[DAY_START]) / 60.0 - hour, 0.0, 1.0)
    out[2] = clip(clock[k, CHARGE] / real[BATTERY], 0.0, 1.0)
    out[3] = 1.0 if craft[k, STATUS] == ON_CHARGER else 0.0
    out[4] = clip(fleet[k, BREAKDOWN], 0.0, 1.0)
    out[5] = clip(craft[k, DEPARTURES], 0.0, FAR)
    out[6] = clip(hours[hour, PRICE] * real[BATTERY] / (size[SEATS] * real[TOP_FARE]), 0.0, FAR)
    out[7] = clip(in_air / size[AIRCRAFT], 0.0, 1.0)
    out[8] = clip(plugged / size[AIRCRAFT], 0.0, 1.0)
    out[9] = clip(choices / size[PORTS], 0.0, 1.0)
    out[10] = clip(wait / seats, 0.0, FAR)
    out[11] = clip(hours[hour, LATER] / seats, 0.0, FAR)


@jit_lean
def show_row(
    i: Any,
    size: Any,
    real: Any,
    ports: Any,
    places: Any,
    fleet: Any,
    legs: Any,
    fare: Any,
    hours: Any,
    forecast: Any,
    flows: Any,
    totals: Any,
    row: Any,
    craft: Any,
    clock: Any,
    taken: Any,
    waiting: Any,
    flow: Any,
    closed: Any,
    out: Any,
) -> None:
    """Write the observation of row ``i``; the aircraft only where there is room for any."""
    port, port_mask, aircraft, aircraft_mask, at_port, context, focus_port, focus_aircraft, action_mask = out
    over = totals[OVER] == 1
    v, count = (0, 0) if over else (size[PORTS], size[AIRCRAFT])
    port[i, v:, :] = 0.0
    port_mask[i, :v] = 1
    port_mask[i, v:] = 0
    action_mask[i, v:] = 1 if over else 0
    choices = 0
    for j in range(v):
        legal = show_port(
            j,
            size,
            real,
            ports,
            places,
            legs,
            fare,
            hours,
            forecast,
            flows,
            totals,
            row,
            craft,
            clock,
            taken,
            waiting,
            flow,
            closed,
            port[i, j],
        )
        action_mask[i, j] = 1 if legal else 0
        choices += 1 if legal else 0
    show_context(choices, size, real, fleet, hours, totals, row, craft, clock, taken, flow, context[i])
    focus_port[i, 0] = -1 if over else craft[totals[DECIDES], PORT]
    focus_aircraft[i, 0] = totals[DECIDES]
    if aircraft.shape[1] == 0:
        return
    for k in range(count):
        show_aircraft(k, totals[DECIDES], row[NOW], size, real, fleet, craft, clock, aircraft[i, k])
        at_port[i, k] = craft[k, PORT]
    aircraft[i, count:, :] = 0.0
    at_port[i, count:] = -1
    aircraft_mask[i, :count] = 1
    aircraft_mask[i, count:] = 0


@jit_lean
def show_rows(rows: Any, slot: Any, store: Any, state: Any, out: Any) -> None:
    """Write the whole observation of ``rows``."""
    size, real, _world, ports, places, _start, fleet, legs, fare, hours, _demand, _closed, forecast, flows, _ = store
    totals, row, _own, craft, clock, _heap, taken, _left, waiting, flow, closed, _last, _log, _times = state
    for i in rows:
        v = slot[i]
        show_row(
            i,
            size[v],
            real[v],
            ports[v],
            places[v],
            fleet[v],
            legs[v],
            fare[v],
            hours[v],
            forecast[v],
            flows[v],
            totals[i],
            row[i],
            craft[i],
            clock[i],
            taken[i],
            waiting[i],
            flow[i],
            closed[i],
            out,
        )
