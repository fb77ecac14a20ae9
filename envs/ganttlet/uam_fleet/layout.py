"""The arrays of UAM fleets: scenarios (Store) and days that are played (State), and the names of their columns.

Quantities of one kind share an array, so that kernels take few arguments: a dispatch costs Numba time per array.
Times are minutes since midnight, energies kWh, money USD.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

# Store.size: per scenario, integers. DRAWN: 1 if demand is a draw of its forecast, see future.py.
PORTS, AIRCRAFT, HOURS, CORRIDORS, SEATS, RECHARGE, CURVE, NEEDS_CHARGER, DRAWN, N_SIZE = range(10)
# Store.real: per scenario. FLOOR: charge that a flight must leave. LONGEST: the longest leg in miles, TOP_FARE: the
# highest fare, units of what is seen.
(
    DAY_START,
    DAY_END,
    BATTERY,
    FLOOR,
    POWER,
    COST,
    HEADWAY,
    IDLE_STEP,
    MAX_WAIT,
    DELAY_MAX,
    DOWN_LOW,
    DOWN_HIGH,
    SCALE,
    LONGEST,
    TOP_FARE,
    N_REAL,
) = range(16)
# Store.ports: per port, numbers. X, Y: from the centre, in longest legs. NEAREST: energy to the next charger.
X, Y, DELAY_MEAN, DELAY_SD, NEAREST, N_PORT = range(6)
# Store.places: per port.
PARKING, CHARGING, N_PLACE = range(3)
# Store.fleet: per aircraft.
START_CHARGE, READY, BREAKDOWN, N_FLEET = range(4)
# Store.legs: per origin and destination. CLOSURE: probability per hour.
MILES, ENERGY, MINUTES, CLOSURE, N_LEG = range(5)
# Store.hours: per hour. PRICE: of a kWh. LATER: passengers that the forecast expects in the hours after it.
PRICE, LATER, N_HOUR = range(3)
# Store.flows: per hour and port, of the forecast: passengers out and in, and their mean fares.
OUT, IN, OUT_FARE, IN_FARE, N_FLOW = range(5)

# State.totals. OVER: 1 at the end; DECIDES: aircraft that decides, -1 at the end; EXPIRED: hours whose passengers no
# longer wait; COUNT: decisions so far.
OVER, DECIDES, HOUR, EXPIRED, COUNT, SERVED, LOST, FLIGHTS, EMPTY, N_TOTALS = range(10)
# State.real.
NOW, PROFIT, FLOWN, SPENT, N_STATE_REAL = range(5)
# State.craft: per aircraft. PORT: where it is, or flies to. DEPARTURES: so far. DOWN: out of service until it is due.
PORT, STATUS, DEPARTURES, DOWN, N_CRAFT = range(5)
ON_PARKING, ON_CHARGER, IN_AIR = range(3)  # STATUS
# State.clock: per aircraft. DUE: its landing if it is in the air, else its next decision. CHARGE: at SINCE if it is on
# a charger, at the landing if it is in the air, else now. FULL_AT: when the charger has filled it.
DUE, CHARGE, SINCE, FULL_AT, N_CLOCK = range(5)
# State.taken: per port, aircraft on parking slots, on chargers, and flying there.
PARKED, PLUGGED, INBOUND, N_TAKEN = range(4)
# State.log: per decision; State.log_time likewise, equal times for a stay.
WHO, DESTINATION, PASSENGERS, N_LOG = range(4)
DECIDED, DEPARTED, N_LOG_TIME = range(3)

NOBODY: Final = -1


class Sizes(NamedTuple):
    """Padded sizes: ports, aircraft, hours, corridors per direction, decisions of a day."""

    ports: int
    aircraft: int
    hours: int
    corridors: int
    decisions: int


class Store(NamedTuple):
    """Scenarios, slot axis first (S slots, V ports, K aircraft, H hours).

    Fields:
        size: (S, N_SIZE) int64; real: (S, N_REAL) float64; world: (S,) uint64.
        ports: (S, V, N_PORT) float64; places: (S, V, N_PLACE) int32.
        start: (S, K) int32, port; fleet: (S, K, N_FLEET) float64.
        legs: (S, V, V, N_LEG) float64; fare: (S, H, V, V) float64; hours: (S, H, N_HOUR) float64.
        demand: (S, H, V, V) int32; closed: (S, H, V, V) int8.
        forecast: (S, H, V, V) float64; flows: (S, H, V, N_FLOW) float64.
        key: (S,) uint64, what a generated scenario was drawn from.
    """

    size: Array
    real: Array
    world: Array
    ports: Array
    places: Array
    start: Array
    fleet: Array
    legs: Array
    fare: Array
    hours: Array
    demand: Array
    closed: Array
    forecast: Array
    flows: Array
    key: Array


class State(NamedTuple):
    """Days, batch axis first (B rows, C corridors, N decisions).

    Fields:
        totals: (B, N_TOTALS) int64; real: (B, N_STATE_REAL) float64; world: (B,) uint64, what is drawn during the day.
        craft: (B, K, N_CRAFT) int32; clock: (B, K, N_CLOCK) float64.
        heap: (B, K) int32, aircraft as a binary heap by DUE, landings before decisions, then by number.
        taken: (B, V, N_TAKEN) int32.
        left: (B, H, V, V) int32, passengers of each hour that are not served.
        waiting: (B, V, V) int32, those who wait now; flow: (B, V, 2) int32, their sums out of and into each port.
        closed: (B, H, V, V) int8; last: (B, V, V, C) float64, last departure in each corridor.
        log: (B, N, N_LOG) int32; log_time: (B, N, N_LOG_TIME) float64.
    """

    totals: Array
    real: Array
    world: Array
    craft: Array
    clock: Array
    heap: Array
    taken: Array
    left: Array
    waiting: Array
    flow: Array
    closed: Array
    last: Array
    log: Array
    log_time: Array


def make_store(slots: int, sizes: Sizes) -> Store:
    """Return storage for ``slots`` scenarios."""
    v, k, h, _, _ = sizes
    return Store(
        size=np.zeros((slots, N_SIZE), np.int64),
        real=np.ones((slots, N_REAL)),
        world=np.zeros(slots, np.uint64),
        ports=np.zeros((slots, v, N_PORT)),
        places=np.zeros((slots, v, N_PLACE), np.int32),
        start=np.zeros((slots, k), np.int32),
        fleet=np.zeros((slots, k, N_FLEET)),
        legs=np.zeros((slots, v, v, N_LEG)),
        fare=np.zeros((slots, h, v, v)),
        hours=np.zeros((slots, h, N_HOUR)),
        demand=np.zeros((slots, h, v, v), np.int32),
        closed=np.zeros((slots, h, v, v), np.int8),
        forecast=np.zeros((slots, h, v, v)),
        flows=np.zeros((slots, h, v, N_FLOW)),
        key=np.zeros(slots, np.uint64),
    )


def make_state(rows: int, sizes: Sizes) -> State:
    """Return the state of ``rows`` days."""
    v, k, h, c, n = sizes
    return State(
        totals=np.zeros((rows, N_TOTALS), np.int64),
        real=np.zeros((rows, N_STATE_REAL)),
        world=np.zeros(rows, np.uint64),
        craft=np.zeros((rows, k, N_CRAFT), np.int32),
        clock=np.zeros((rows, k, N_CLOCK)),
        heap=np.zeros((rows, k), np.int32),
        taken=np.zeros((rows, v, N_TAKEN), np.int32),
        left=np.zeros((rows, h, v, v), np.int32),
        waiting=np.zeros((rows, v, v), np.int32),
        flow=np.zeros((rows, v, 2), np.int32),
        closed=np.zeros((rows, h, v, v), np.int8),
        last=np.zeros((rows, v, v, max(1, c)), np.float64),
        log=np.zeros((rows, n, N_LOG), np.int32),
        log_time=np.zeros((rows, n, N_LOG_TIME)),
    )
