"""Rules that choose, inside the kernel, where the aircraft goes that decides.

It stands at i at time t in hour h. Of those who wait for j, min(seats, waiting) would board; p(j) is what the flight
would earn. busy(j) is how long it is expected to take: mean delay of i, flight, and charging; to full if the aircraft
must (`recharge` full, chargers at j), else as long as a charger takes to bring back what the flight spends. Only legal
flights count. Of equals the first port is taken; the aircraft stays if there is nothing better.

* ``random``: any legal action, to stay included.
* ``greedy``: the greatest p(j) > 0. ``greedy_rate``: the greatest p(j) / busy(j) with p(j) > 0.
* ``greedy_lookahead``: the greatest (p(j) + q) / (busy(j) + b). q > 0 and b are profit and time of a second flight,
  j to m, decided after busy(j) but before the end of the day, with the charge that is expected then; 0 where none
  raises the quotient. To stay is a first flight that earns nothing and lasts an idle step (or until it is full, if it
  would get on a charger where it must charge to full). A share 1 / (1 + others) of the passengers from j to m counts:
  of those who wait, if the second flight is in hour h too, else of those whom the forecast expects in its hour; others
  are the other aircraft at j and on their way there.
* ``fcfs``: to those who have waited longest; of these the most of one hour. ``edd``: to those who are lost first; of
  these the highest fares on board. The passengers of an hour come together and are lost together, so both serve the
  same hour first.
* ``balance``: in proportion to the passengers that the forecast expects to leave each port in hour h + 1 (h in the last
  hour), each port is due a part of the fleet, and lacks what is not there or on its way. Of flights with p(j) > 0 the
  one to the port that lacks most. If there is none and i has at least one more than it is due: to the port that lacks
  most, if that is at least one.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from ganttlet.core.jit import jit_lean
from ganttlet.core.rng import randint
from ganttlet.uam_fleet.charging import charge_after, minutes_to_full
from ganttlet.uam_fleet.flying import NEVER, may_fly, value_of
from ganttlet.uam_fleet.instance import FULL
from ganttlet.uam_fleet.layout import (
    AIRCRAFT,
    BATTERY,
    CHARGE,
    CHARGING,
    CURVE,
    DAY_END,
    DAY_START,
    DECIDES,
    DELAY_MEAN,
    ENERGY,
    EXPIRED,
    FLOOR,
    HOUR,
    HOURS,
    IDLE_STEP,
    INBOUND,
    MINUTES,
    NEAREST,
    NOW,
    ON_CHARGER,
    OUT,
    PARKED,
    PLUGGED,
    PORT,
    PORTS,
    POWER,
    RECHARGE,
    SEATS,
    STATUS,
)

RULES: Final = ("random", "greedy", "greedy_rate", "greedy_lookahead", "fcfs", "edd", "balance")
RANDOM, GREEDY, GREEDY_RATE, GREEDY_LOOKAHEAD, FCFS, EDD, BALANCE = range(7)


@jit_lean
def choose(
    rule: Any,
    key: Any,
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
    left: Any,
    waiting: Any,
    closed: Any,
) -> Any:
    """Return the port to which a rule sends the aircraft that decides; ``key`` (uint64) is what ``random`` draws by."""
    i, charge = craft[totals[DECIDES], PORT], clock[totals[DECIDES], CHARGE]
    if rule in (GREEDY, GREEDY_RATE):
        return _greedy(
            rule == GREEDY_RATE, i, charge, size, real, ports, places, legs, fare, hours, totals, taken, waiting, closed
        )
    if rule == GREEDY_LOOKAHEAD:
        return _look_ahead(
            i,
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
    if rule == BALANCE:
        return _balance(i, charge, size, real, ports, places, legs, fare, hours, flows, totals, taken, waiting, closed)
    if rule == RANDOM:
        return _random(key, i, charge, size, real, ports, places, legs, totals, taken, closed)
    return _oldest(rule == EDD, i, charge, size, real, ports, places, legs, fare, totals, taken, left, waiting, closed)


@jit_lean
def _random(
    key: Any,
    i: Any,
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
    legal = 0
    for j in range(size[PORTS]):
        if j == i or may_fly(i, j, charge, size, real, ports, places, legs, totals, taken, closed):
            legal += 1
    rank = randint(key, np.uint64(0), 0, legal - 1)
    for j in range(size[PORTS]):
        if j == i or may_fly(i, j, charge, size, real, ports, places, legs, totals, taken, closed):
            if rank == 0:
                return j
            rank -= 1
    return i


@jit_lean
def busy(i: Any, j: Any, charge: Any, size: Any, real: Any, ports: Any, places: Any, legs: Any) -> Any:
    """Return the minutes that a flight from ``i`` to ``j`` with ``charge`` kWh is expected to take, charging included.

    Charging: to full where the aircraft will have to, else as long as a charger takes to bring back what it spends.
    """
    rest = charge - legs[i, j, ENERGY]
    minutes = ports[i, DELAY_MEAN] + legs[i, j, MINUTES]
    minutes += minutes_to_full(rest, real[BATTERY], real[POWER], size[CURVE])
    if size[RECHARGE] == FULL and places[j, CHARGING] > 0:
        return minutes
    return minutes - minutes_to_full(charge, real[BATTERY], real[POWER], size[CURVE])


@jit_lean
def _greedy(
    rate: Any,
    i: Any,
    charge: Any,
    size: Any,
    real: Any,
    ports: Any,
    places: Any,
    legs: Any,
    fare: Any,
    hours: Any,
    totals: Any,
    taken: Any,
    waiting: Any,
    closed: Any,
) -> Any:
    best, found = 0.0, i
    for j in range(size[PORTS]):
        if j == i:
            continue
        worth = value_of(min(size[SEATS], waiting[i, j]), i, j, totals[HOUR], real, legs, fare, hours)
        if worth <= 0.0:
            continue
        if rate:
            worth /= busy(i, j, charge, size, real, ports, places, legs)
        if worth > best and may_fly(i, j, charge, size, real, ports, places, legs, totals, taken, closed):
            best, found = worth, j
    return found


@jit_lean
def _onward(
    gain: Any,
    spent: Any,
    j: Any,
    charge: Any,
    others: Any,
    size: Any,
    real: Any,
    ports: Any,
    places: Any,
    legs: Any,
    fare: Any,
    hours: Any,
    forecast: Any,
    totals: Any,
    row: Any,
    waiting: Any,
    closed: Any,
) -> Any:
    """Return the best profit per minute of what earns ``gain`` in ``spent`` minutes and leads to ``j``, and then on."""
    best = gain / spent
    t = row[NOW] + spent
    if t >= real[DAY_END]:
        return best
    hour = min(size[HOURS] - 1, int((t - real[DAY_START]) / 60.0))
    for m in range(size[PORTS]):
        if m == j:
            continue
        rest = charge - legs[j, m, ENERGY]
        if rest < real[FLOOR] or (places[m, CHARGING] == 0 and rest - ports[m, NEAREST] < real[FLOOR]):
            continue
        if hour == totals[HOUR]:
            if closed[hour, j, m] != 0:
                continue
            crowd = waiting[j, m] * 1.0
        else:
            crowd = forecast[hour, j, m]
        worth = value_of(min(size[SEATS] * 1.0, crowd / (1.0 + others)), j, m, hour, real, legs, fare, hours)
        if worth > 0.0:
            worth = (gain + worth) / (spent + busy(j, m, charge, size, real, ports, places, legs))
            best = max(best, worth)
    return best


@jit_lean
def worth_of(
    i: Any,
    j: Any,
    charge: Any,
    size: Any,
    real: Any,
    ports: Any,
    places: Any,
    legs: Any,
    fare: Any,
    hours: Any,
    forecast: Any,
    totals: Any,
    row: Any,
    craft: Any,
    taken: Any,
    waiting: Any,
    closed: Any,
) -> Any:
    """Return what ``greedy_lookahead`` compares, USD per minute, for the aircraft that decides at ``i``.

    Args:
        j: ``i`` or a port where it may fly.
        charge: kWh of the aircraft.
    """
    gain, spent, then = 0.0, real[IDLE_STEP], charge
    others = taken[j, PARKED] + taken[j, PLUGGED] + taken[j, INBOUND]
    if j == i:
        others -= 1
        if craft[totals[DECIDES], STATUS] == ON_CHARGER:
            then = charge_after(charge, spent, real[BATTERY], real[POWER], size[CURVE])
        elif charge < real[BATTERY] and taken[i, PLUGGED] < places[i, CHARGING]:
            if size[RECHARGE] == FULL:
                spent = minutes_to_full(charge, real[BATTERY], real[POWER], size[CURVE])
            then = charge_after(charge, spent, real[BATTERY], real[POWER], size[CURVE])
    else:
        gain = value_of(min(size[SEATS], waiting[i, j]), i, j, totals[HOUR], real, legs, fare, hours)
        spent = busy(i, j, charge, size, real, ports, places, legs)
        then = charge - legs[i, j, ENERGY]
        if size[RECHARGE] == FULL and places[j, CHARGING] > 0:
            then = real[BATTERY]
        elif places[j, CHARGING] > 0:
            then = max(then, charge)
    return _onward(
        gain,
        spent,
        j,
        then,
        others,
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
        waiting,
        closed,
    )


@jit_lean
def _look_ahead(
    i: Any,
    charge: Any,
    size: Any,
    real: Any,
    ports: Any,
    places: Any,
    legs: Any,
    fare: Any,
    hours: Any,
    forecast: Any,
    totals: Any,
    row: Any,
    craft: Any,
    taken: Any,
    waiting: Any,
    closed: Any,
) -> Any:
    best, found = NEVER, i
    for n in range(size[PORTS]):
        # Its own port comes first: to stay is what wins if nothing is better.
        j = i if n == 0 else n - 1 if n <= i else n
        if j != i and not may_fly(i, j, charge, size, real, ports, places, legs, totals, taken, closed):
            continue
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
        if worth > best:
            best, found = worth, j
    return found


@jit_lean
def _oldest(
    due: Any,
    i: Any,
    charge: Any,
    size: Any,
    real: Any,
    ports: Any,
    places: Any,
    legs: Any,
    fare: Any,
    totals: Any,
    taken: Any,
    left: Any,
    waiting: Any,
    closed: Any,
) -> Any:
    oldest, most, found = size[HOURS], 0.0, i
    for j in range(size[PORTS]):
        if j == i or waiting[i, j] == 0:
            continue
        g = totals[EXPIRED]
        while left[g, i, j] == 0:
            g += 1
        much = min(size[SEATS], waiting[i, j]) * fare[totals[HOUR], i, j] if due else left[g, i, j] * 1.0
        if (g < oldest or (g == oldest and much > most)) and may_fly(
            i, j, charge, size, real, ports, places, legs, totals, taken, closed
        ):
            oldest, most, found = g, much, j
    return found


@jit_lean
def _balance(
    i: Any,
    charge: Any,
    size: Any,
    real: Any,
    ports: Any,
    places: Any,
    legs: Any,
    fare: Any,
    hours: Any,
    flows: Any,
    totals: Any,
    taken: Any,
    waiting: Any,
    closed: Any,
) -> Any:
    v, hour = size[PORTS], totals[HOUR]
    ahead = min(size[HOURS] - 1, hour + 1)
    total = 0.0
    for j in range(v):
        total += flows[ahead, j, OUT]
    share = size[AIRCRAFT] / total if total > 0.0 else 0.0
    extra = taken[i, PARKED] + taken[i, PLUGGED] + taken[i, INBOUND] - share * flows[ahead, i, OUT]
    lack, found = NEVER, i
    empty, ferry = 1.0, i
    for j in range(v):
        if j == i:
            continue
        short = share * flows[ahead, j, OUT] - (taken[j, PARKED] + taken[j, PLUGGED] + taken[j, INBOUND])
        worth = value_of(min(size[SEATS], waiting[i, j]), i, j, hour, real, legs, fare, hours)
        if not (worth > 0.0 and short > lack) and not short >= empty:
            continue
        if not may_fly(i, j, charge, size, real, ports, places, legs, totals, taken, closed):
            continue
        if worth > 0.0 and short > lack:
            lack, found = short, j
        if short > empty or (short == empty and ferry == i):
            empty, ferry = short, j
    if found != i:
        return found
    return ferry if extra >= 1.0 else i
