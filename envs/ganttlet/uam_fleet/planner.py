"""A planner's view of a batch, and flow matrices carried out: for those who decide for many aircraft at once.

It is not an action space. A planner looks at a batch (:func:`fleet_view`, with :func:`fleet_tables` for what does not
change within the day), decides how many aircraft fly from each port to each other in the minutes to come, and hands
that matrix to :func:`fly_flows`, which plays it by the environment's own steps. Nothing that is hidden from rules and
policies is shown: no demand and no closed routes of later hours, no delay of a departure, no breakdown to come.

Arrays have the batch's padded sizes: B rows, V ports, K aircraft, H hours. Ports and aircraft that a row does not have
are zero everywhere, and NOWHERE and infinity in ``port``, ``due`` and ``ready``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.options import as_count, as_number
from ganttlet.uam_fleet import layout as at
from ganttlet.uam_fleet.carrying import NOWHERE, REASONS, pick_rows, view_rows
from ganttlet.uam_fleet.dispatch import RULES
from ganttlet.uam_fleet.layout import Array
from ganttlet.uam_fleet.play import advise_rows

if TYPE_CHECKING:
    from ganttlet.uam_fleet.batch import UAMFleetVectorEnv

STEP: Final = 15.0  # minutes
SLOTS: Final = 8
STAY: Final = "stay"

__all__ = ["NOWHERE", "REASONS", "FleetTables", "FleetView", "Flown", "fleet_tables", "fleet_view", "fly_flows"]


class FleetTables(NamedTuple):
    """What does not change within the day of a row.

    Fields:
        ports, aircraft, hours: (B,) int64, how many a row has.
        seats: (B,) int64, passengers of a flight.
        parking, charging: (B, V) int64, slots without and with a charger.
        miles, energy, minutes: (B, V, V) float64, of a flight; kWh, and take-off and landing included.
        delay: (B, V) float64, minutes by which a departure is late in the mean of its normal law.
        legal: (B, V, V) bool, legs for which a full battery is enough, and then to a charger if there is none.
        closure: (B, V, V) float64, probability of a route to be closed in an hour.
        forecast: (B, H, V, V) float64, passengers that are expected to turn up.
        fare: (B, H, V, V) float64, USD of a passenger.
        cost: (B, H, V, V) float64, USD of a flight: miles and electricity.
        battery, floor, power: (B,) float64, kWh of a full battery and of what no flight may touch, kW of a charger.
        day_start, day_end: (B,) float64, minutes since midnight.
    """

    ports: Array
    aircraft: Array
    hours: Array
    seats: Array
    parking: Array
    charging: Array
    miles: Array
    energy: Array
    minutes: Array
    delay: Array
    legal: Array
    closure: Array
    forecast: Array
    fare: Array
    cost: Array
    battery: Array
    floor: Array
    power: Array
    day_start: Array
    day_end: Array


class FleetView(NamedTuple):
    """What is known at the present decision of every row; times are minutes since midnight.

    The grid of T slots begins with the slot of the present decision; its lines are whole steps from the day's start.

    Fields:
        over: (B,) bool, rows in which nobody decides any more: no one is idle or waits there, and no route is open.
        now: (B,) float64; hour: (B,) int64.
        begin, end: (B,) float64, the first slot of the grid.
        idle: (B, V) int64, aircraft that stand at a port and decide in the first slot.
        free: (B, V, T) int64, aircraft by the port and the slot of their next decision; those behind the grid are in
            none. Of one in the air that is its landing, or, if it must charge (``recharge`` full), when it is full.
        able: (B, V, V) int64, how many of those in the first slot of ``free`` will have the charge for that flight.
        room: (B, V) int64, slots that are neither taken nor reserved.
        waiting: (B, V, V) int64, passengers who wait now.
        left: (B, H, V, V) int64, the same by the hour in which they turned up.
        open: (B, V, V) bool, pairs of different ports whose route is open in the present hour.
        value: (B, V, V) float64, USD that a flight decided now would earn with those who wait.
        port: (B, K) int64, where an aircraft is or flies to.
        in_air: (B, K) bool.
        due: (B, K) float64, landing of an aircraft in the air, else its next decision.
        ready: (B, K) float64, the same, but after a landing at a port with chargers when it would be full there.
        charge: (B, K) float64, kWh; of an aircraft in the air at its landing.
    """

    over: Array
    now: Array
    hour: Array
    begin: Array
    end: Array
    idle: Array
    free: Array
    able: Array
    room: Array
    waiting: Array
    left: Array
    open: Array
    value: Array
    port: Array
    in_air: Array
    due: Array
    ready: Array
    charge: Array


class Flown(NamedTuple):
    """What became of flow matrices.

    Fields:
        reward: (B,) float64, sum of the steps' rewards.
        decisions: (B,) int64, steps that were taken.
        flights: (B, V, V) int64, aircraft that flew as the flows asked.
        unflown: (B, V, V) int64, what is left of the flows.
        reason: (B, V, V) int8, index into REASONS: what stood against the first aircraft that was wanted on a pair
            whose flow was not used up, "" where all was flown.
    """

    reward: Array
    decisions: Array
    flights: Array
    unflown: Array
    reason: Array

    def first_reason(self, row: int) -> str:
        """Return why the first pair of a row with flow left was not served, "" if there is none."""
        codes = self.reason[row].ravel()
        return REASONS[codes[np.argmax(codes > 0)]]


def fleet_tables(batch: UAMFleetVectorEnv) -> FleetTables:
    """Return the tables of every row's day, as copies."""
    store, slots = batch._storage.arrays, batch._slot
    size, real, legs = store.size[slots], store.real[slots], store.legs[slots]
    fixed, power = real[:, at.COST, None, None] * legs[..., at.MILES], store.hours[slots, :, at.PRICE]
    return FleetTables(
        ports=size[:, at.PORTS],
        aircraft=size[:, at.AIRCRAFT],
        hours=size[:, at.HOURS],
        seats=size[:, at.SEATS],
        parking=store.places[slots, :, at.PARKING].astype(np.int64),
        charging=store.places[slots, :, at.CHARGING].astype(np.int64),
        miles=legs[..., at.MILES],
        energy=legs[..., at.ENERGY],
        minutes=legs[..., at.MINUTES],
        delay=np.clip(store.ports[slots, :, at.DELAY_MEAN], 0.0, real[:, at.DELAY_MAX, None]),
        legal=_legal(legs[..., at.ENERGY], store, slots, real),
        closure=legs[..., at.CLOSURE],
        forecast=store.forecast[slots],
        fare=store.fare[slots],
        cost=fixed[:, None] + power[:, :, None, None] * legs[:, None, :, :, at.ENERGY],
        battery=real[:, at.BATTERY],
        floor=real[:, at.FLOOR],
        power=real[:, at.POWER],
        day_start=real[:, at.DAY_START],
        day_end=real[:, at.DAY_END],
    )


def _legal(energy: Array, store: Any, slots: Array, real: Array) -> Array:
    left, floor = real[:, at.BATTERY, None, None] - energy, real[:, at.FLOOR, None, None]
    charger = (store.places[slots, :, at.CHARGING] > 0)[:, None, :]
    legal: Array = (left >= floor) & (charger | (left - store.ports[slots, :, at.NEAREST][:, None, :] >= floor))
    ports = np.arange(energy.shape[1])
    real_port = ports < store.size[slots, at.PORTS, None]
    legal &= real_port[:, :, None] & real_port[:, None, :] & (ports[:, None] != ports)
    return legal


def fleet_view(batch: UAMFleetVectorEnv, *, step: float = STEP, slots: int = SLOTS) -> FleetView:
    """Return what a planner knows at the present decision of every row, as copies.

    Args:
        batch: after its reset.
        step: minutes of a slot of the grid.
        slots: T, slots of the grid.

    Raises:
        InputError: for a step below 0.1 minutes or fewer than one slot.
    """
    as_number("step", step, 0.1, math.inf)
    as_count("slots", slots)
    store, state = batch._storage.arrays, batch._state
    rows, ports, fleet = batch.num_envs, state.taken.shape[1], state.craft.shape[1]
    totals, now = state.totals, state.real[:, at.NOW].copy()
    start = store.real[batch._slot, at.DAY_START]
    first = np.floor((now - start) / step)
    hours = np.arange(state.left.shape[1])
    known = (hours >= totals[:, at.EXPIRED, None]) & (hours <= totals[:, at.HOUR, None])
    view = FleetView(
        over=totals[:, at.OVER] == 1,
        now=now,
        hour=totals[:, at.HOUR].copy(),
        begin=start + first * step,
        end=start + (first + 1.0) * step,
        idle=np.zeros((rows, ports), np.int64),
        free=np.zeros((rows, ports, slots), np.int64),
        able=np.zeros((rows, ports, ports), np.int64),
        room=(store.places[batch._slot].sum(axis=2) - state.taken.sum(axis=2)).astype(np.int64),
        waiting=np.zeros((rows, ports, ports), np.int64),
        left=np.where(known[:, :, None, None], state.left, 0).astype(np.int64),
        open=np.zeros((rows, ports, ports), np.bool_),
        value=np.zeros((rows, ports, ports)),
        port=np.full((rows, fleet), NOWHERE, np.int64),
        in_air=np.zeros((rows, fleet), np.bool_),
        due=np.full((rows, fleet), np.inf),
        ready=np.full((rows, fleet), np.inf),
        charge=np.zeros((rows, fleet)),
    )
    view_rows(batch._slot, float(step), tuple(store), tuple(state), tuple(view))
    return view


def fly_flows(batch: UAMFleetVectorEnv, flows: Any, until: Any, *, rest: str = STAY) -> Flown:
    """Play every row to its first decision at ``until`` or later, flying what ``flows`` ask for.

    An aircraft that decides at port i takes, of the destinations with flow left from i whose flight is legal, the one
    that earns most at that decision, of equals the first; with none it does as ``rest`` says.
    Rows that are over, or decide at ``until`` or later, are left alone. Every decision is a step of the environment,
    so logs, rewards, objectives and ``done`` are those of any other play.

    Args:
        batch: after its reset, with ``autoreset_mode="Disabled"``.
        flows: (B, V, V) integers of at least 0, aircraft from port to port; the diagonal is not read.
        until: minutes since midnight, one number or (B,), as ``fleet_view(batch).end``.
        rest: ``stay``, or a rule of ``ganttlet.uam_fleet.RULES``, by which aircraft go for which no flow is left; for
            planners of some of the ports.

    Raises:
        InputError: for flows of another shape, that are no integers or negative, for times that are no numbers, for
            an unknown rule, and where rows start their next episode by themselves.
    """
    check_choice("rest", rest, (STAY, *RULES))
    state, rows = batch._state, batch.num_envs
    ports = state.taken.shape[1]
    left = _flows(flows, (rows, ports, ports))
    asked = left.copy()
    stop = _until(until, rows)
    reason = np.zeros(left.shape, np.int8)
    reward, decisions, actions = np.zeros(rows), np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    while True:
        # The step that ends a day without a decision is taken at any time: nothing else would end it.
        over = state.totals[:, at.OVER] == 1
        active = np.flatnonzero(~batch.done & (over | (state.real[:, at.NOW] < stop)))
        if not len(active):
            break
        pick_rows(active, batch._slot, tuple(batch._storage.arrays), tuple(state), left, reason, actions)
        if rest != STAY:
            _advise(batch, active, rest, actions)
        batch.step_rows(active, actions[active])
        reward[active] += batch.flags.reward[active]
        decisions[active] += 1
    reason[left == 0] = REASONS.index("")
    reason[(left > 0) & (reason == REASONS.index(""))] = REASONS.index("aircraft")
    return Flown(reward, decisions, asked - left, left, reason)


def _advise(batch: UAMFleetVectorEnv, rows: Array, rule: str, actions: Array) -> None:
    """Put a rule's action in place of staying in those of ``rows`` that stay."""
    state = batch._state
    decides = state.totals[rows, at.DECIDES]
    stay = rows[(decides != at.NOBODY) & (state.craft[rows, decides, at.PORT] == actions[rows])]
    number, seed = RULES.index(rule), np.uint64(0)
    advise_rows(stay, batch._slot, number, seed, tuple(batch._storage.arrays), tuple(state), actions)


def _flows(flows: Any, shape: tuple[int, ...]) -> Array:
    """Return a copy of ``flows`` with a diagonal of zeros."""
    try:
        found = np.array(flows)
    except ValueError:
        found = np.zeros(0)
    if found.shape != shape:
        raise InputError(f"flows: shape {found.shape}, expected {shape}: rows, origins, destinations")
    if found.dtype.kind not in "iu":
        raise InputError(f"flows: expected integers, got {found.dtype}")
    negative = np.argwhere(found < 0)
    if len(negative):
        place = negative[0].tolist()
        raise InputError(f"flows, index {place}: {found[tuple(place)]}; expected at least 0 aircraft")
    found = found.astype(np.int64)
    found[:, np.arange(shape[1]), np.arange(shape[1])] = 0
    return found


def _until(until: Any, rows: int) -> Array:
    try:
        found = np.array(until, np.float64)
    except (TypeError, ValueError):
        found = np.full(0, np.nan)
    if found.shape not in ((), (rows,)) or np.isnan(found).any():
        raise InputError(f"until: expected minutes since midnight, one number or {rows}, got {until!r}")
    return np.broadcast_to(found, rows)
