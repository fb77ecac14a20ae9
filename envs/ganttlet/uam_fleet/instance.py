"""The frozen data of one day of one fleet, with its checks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.record import Instance, int_array

Array = np.ndarray[Any, Any]
RECHARGE = ("full", "partial")
FULL, PARTIAL = range(2)
CURVES = ("linear", "cc_cv")
LINEAR, CC_CV = range(2)
HOUR = 60.0
MOST_PORTS, MOST_AIRCRAFT, MOST_CORRIDORS = 1024, 32768, 64
MOST_PASSENGERS = 10**6  # of one pair in one hour
LEAST_FLIGHT, LEAST_STEP = 0.1, 0.1  # minutes: what takes no time could go on for ever
# name -> least, most of the numbers; the most are far beyond any use, and keep every sum finite.
NUMBERS = {
    "delay_max": (0.0, 1e5),
    "downtime_low": (0.0, 1e5),
    "downtime_high": (0.0, 1e5),
    "day_start": (0.0, 1e5),
    "day_end": (0.0, 1e5),
    "battery": (1e-3, 1e6),
    "reserve": (0.0, 1.0),
    "energy_per_mile": (1e-6, 1e6),
    "cruise": (1e-3, 1e6),
    "take_off": (0.0, 1e4),
    "landing": (0.0, 1e4),
    "charger_power": (1e-3, 1e6),
    "cost_per_mile": (0.0, 1e6),
    "headway": (0.0, 1e4),
    "idle_step": (LEAST_STEP, 1e5),
    "max_wait": (0.0, 1e5),
    "reward_scale": (0.0, 1e15),
}


@dataclass(frozen=True, eq=False)
class Scenario(Instance):
    """One day of an air-taxi fleet: ports, aircraft, demand, fares, and what will happen.

    Tables by pair are indexed [origin, destination] and have zeros on the diagonal.

    Fields (V ports, K aircraft, H hours of demand; times in minutes since midnight, durations in minutes):
        name: label only; not part of the digest.
        port_name: (V,) text, not part of the digest; empty: the indices.
        position: (V, 2) float64, miles to the east and to the north of some point.
        distance: (V, V) float64 > 0, miles.
        parking, charging: (V,) int32, slots without and with a charger. A port without any charger is a vertistop.
        start_port: (K,) int32; start_charge: (K,) float64, kWh; ready: (K,) float64, first decision at the earliest.
        downtime_probability: (K,) float64, of an aircraft to be out of service after a flight.
        demand: (H, V, V) int32, passengers that turn up; known within their hour.
        forecast: (H, V, V) float64, passengers that are expected, known from the start.
        fare: (H, V, V) float64, USD for each passenger.
        electricity: (H,) float64, USD for a kWh, billed at the decision to fly.
        closed: (H, V, V) int8, 1 where a route is closed; known within the hour.
        closure_probability: (V, V) float64, of a route to be closed in an hour.
        delay_mean, delay_sd: (V,) float64, of the delay before take-off at each port; normal, cut to 0 … delay_max.
        delay_max: longest delay.
        downtime_low, downtime_high: an aircraft is out of service for a time that is uniform between these.
        day_start, day_end: no decision is taken at day_end or later; H hours lie between.
        seats: passengers of a flight at most.
        battery: kWh. reserve: share of the battery that no flight may touch.
        energy_per_mile: kWh. cruise: mph. take_off, landing: duration of each.
        charger_power: kW.
        cost_per_mile: USD for a flown mile.
        corridors: corridors of a pair in each direction; 0: flights do not wait for one another.
        headway: least time between departures in one corridor.
        idle_step: an aircraft that stays decides again after this time.
        max_wait: passengers are lost so long after the end of their hour.
        recharge: FULL: on a charger an aircraft decides when it is full; PARTIAL: at its landing. Names are taken too.
        charge_curve: LINEAR, or CC_CV: full power up to 80 %, then falling linearly with the charge to 20 % of it.
        world: seed (64 bits) of delays and downtimes, see ``world.py``.
        needs_charger: whether a port is out of reach unless it has a charger free for every aircraft on its way.
        reward_scale: USD that a reward of 1 stands for; 0: the fares of all demand.
        demand_drawn: whether ``demand`` is a Poisson draw of ``forecast``, so that another future may be drawn.

    Raises:
        InputError: naming the field, the index and what was expected.
    """

    family: ClassVar[str] = "uam_fleet"
    unhashed: ClassVar[tuple[str, ...]] = ("name", "port_name")

    name: str
    port_name: Any
    position: Array
    distance: Array
    parking: Array
    charging: Array
    start_port: Array
    start_charge: Array
    ready: Array
    downtime_probability: Array
    demand: Array
    forecast: Array
    fare: Array
    electricity: Array
    closed: Array
    closure_probability: Array
    delay_mean: Array
    delay_sd: Array
    delay_max: float = 30.0
    downtime_low: float = 60.0
    downtime_high: float = 240.0
    day_start: float = 360.0
    day_end: float = 1080.0
    seats: int = 4
    battery: float = 110.0
    reserve: float = 0.1
    energy_per_mile: float = 2.2
    cruise: float = 74.5
    take_off: float = 6.0
    landing: float = 6.0
    charger_power: float = 150.0
    cost_per_mile: float = 0.64
    corridors: int = 2
    headway: float = 1.0
    idle_step: float = 15.0
    max_wait: float = 0.0
    recharge: int = FULL
    charge_curve: int = LINEAR
    world: int = 0
    needs_charger: bool = False
    reward_scale: float = 0.0
    demand_drawn: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", str(self.name))
        for field in ("parking", "charging", "start_port"):
            object.__setattr__(self, field, int_array(field, getattr(self, field), 1))
        object.__setattr__(self, "demand", int_array("demand", self.demand, 3))
        object.__setattr__(self, "closed", int_array("closed", self.closed, 3, np.int8))
        for field, ndim in (
            ("position", 2),
            ("distance", 2),
            ("start_charge", 1),
            ("ready", 1),
            ("downtime_probability", 1),
            ("forecast", 3),
            ("fare", 3),
            ("electricity", 1),
            ("closure_probability", 2),
            ("delay_mean", 1),
            ("delay_sd", 1),
        ):
            object.__setattr__(self, field, _floats(field, getattr(self, field), ndim))
        object.__setattr__(self, "port_name", _labels(self.port_name))
        self._check_numbers()
        self._check_shapes()
        self._check_ports()
        self._check_tables()
        self._check_aircraft()
        self._check_reach()

    def _check_numbers(self) -> None:
        for field, (least, most) in NUMBERS.items():
            object.__setattr__(self, field, _number(field, getattr(self, field), least, most))
        for field, least, most in (
            ("seats", 1, 1000),
            ("corridors", 0, MOST_CORRIDORS),
            ("world", 0, 2**64 - 1),
        ):
            object.__setattr__(self, field, _integer(field, getattr(self, field), least, most))
        for field, names in (("recharge", RECHARGE), ("charge_curve", CURVES)):
            object.__setattr__(self, field, _code(field, getattr(self, field), names))
        for field in ("needs_charger", "demand_drawn"):
            if not isinstance(getattr(self, field), bool | np.bool_):
                raise InputError(f"field {field!r}: expected true or false, got {getattr(self, field)!r}")
            object.__setattr__(self, field, bool(getattr(self, field)))
        if self.reserve >= 1.0:
            raise InputError(f"field 'reserve': {self.reserve:g}; expected a share of the battery below 1")
        if self.downtime_low > self.downtime_high:
            raise InputError(
                f"field 'downtime_low': {self.downtime_low:g}, above 'downtime_high' ({self.downtime_high:g})"
            )
        if self.day_end <= self.day_start:
            raise InputError(
                f"field 'day_end': {self.day_end:g}; expected more than 'day_start' ({self.day_start:g} minutes)"
            )

    def _check_shapes(self) -> None:
        v, k, h = len(self.parking), len(self.start_port), len(self.electricity)
        if not 2 <= v <= MOST_PORTS:
            raise InputError(f"field 'parking': {v} ports; expected 2 … {MOST_PORTS}")
        if not 1 <= k <= MOST_AIRCRAFT:
            raise InputError(f"field 'start_port': {k} aircraft; expected 1 … {MOST_AIRCRAFT}")
        if abs(h * HOUR - (self.day_end - self.day_start)) > 1e-6:
            raise InputError(
                f"field 'electricity': {h} hours, but the day lasts {self.day_end - self.day_start:g} minutes from "
                f"'day_start' to 'day_end'; expected a value for each of its hours"
            )
        if len(self.port_name) not in (0, v):
            raise InputError(f"field 'port_name': {len(self.port_name)} names; expected {v} or none")
        shapes: dict[str, tuple[int, ...]] = {
            "position": (v, 2),
            "distance": (v, v),
            "charging": (v,),
            "start_charge": (k,),
            "ready": (k,),
            "downtime_probability": (k,),
            "demand": (h, v, v),
            "forecast": (h, v, v),
            "fare": (h, v, v),
            "closed": (h, v, v),
            "closure_probability": (v, v),
            "delay_mean": (v,),
            "delay_sd": (v,),
        }
        for field, shape in shapes.items():
            if getattr(self, field).shape != shape:
                raise InputError(
                    f"field {field!r}: shape {getattr(self, field).shape}, expected {shape}: {v} ports, {k} aircraft, "
                    f"{h} hours"
                )

    def _check_ports(self) -> None:
        _bounds("position", self.position, -1e6, 1e6)
        for field in ("parking", "charging"):
            _bounds(field, getattr(self, field), 0, 10**6)
        _bounds("delay_mean", self.delay_mean, 0.0, 1e5)
        _bounds("delay_sd", self.delay_sd, 0.0, 1e5)
        empty = np.flatnonzero(self.slots == 0)
        if len(empty):
            raise InputError(f"field 'parking': port {empty[0]} has no slot, neither for parking nor for charging")

    def _check_tables(self) -> None:
        off = ~np.eye(self.n_ports, dtype=bool)
        wrong = np.argwhere((self.distance <= 0.0) & off)
        if len(wrong):
            i, j = wrong[0].tolist()
            raise InputError(f"field 'distance', index [{i}, {j}]: {self.distance[i, j]:g}; expected more than 0 miles")
        for field, most in (
            ("distance", 1e6),
            ("demand", MOST_PASSENGERS),
            ("forecast", float(MOST_PASSENGERS)),
            ("fare", 1e6),
            ("electricity", 1e6),
            ("closed", 1),
            ("closure_probability", 1.0),
        ):
            value = getattr(self, field)
            _bounds(field, value, 0, most)
            if value.ndim > 1 and value[..., ~off].any():
                at = np.argwhere((value != 0) & ~off)[0].tolist()
                raise InputError(f"field {field!r}, index {at}: {value[tuple(at)]}; expected 0 from a port to itself")
        quick = np.argwhere((self.flight_time < LEAST_FLIGHT) & off)
        if len(quick):
            i, j = quick[0].tolist()
            raise InputError(
                f"field 'distance', index [{i}, {j}]: a flight of {self.flight_time[i, j]:g} minutes, take-off and "
                f"landing included; expected at least {LEAST_FLIGHT:g}"
            )

    def _check_aircraft(self) -> None:
        _bounds("start_port", self.start_port, 0, self.n_ports - 1)
        _bounds("start_charge", self.start_charge, 0.0, self.battery)
        _bounds("ready", self.ready, self.day_start, 1e6)
        _bounds("downtime_probability", self.downtime_probability, 0.0, 1.0)
        slots = int(self.slots.sum())
        if slots < self.n_aircraft:
            raise InputError(f"field 'start_port': {self.n_aircraft} aircraft, but the ports have {slots} slots in all")
        there = np.bincount(self.start_port, minlength=self.n_ports)
        full = np.flatnonzero(there > self.slots)
        if len(full):
            i = int(full[0])
            raise InputError(
                f"field 'start_port': {there[i]} aircraft start at port {i}, which has {self.slots[i]} slots"
            )

    def _check_reach(self) -> None:
        """Check that a full battery is enough for some leg to and some leg from every port."""
        legal = legal_legs(self.energy, self.charging, self.battery, self.reserve)
        for what, found in (("to", legal.any(axis=0)), ("from", legal.any(axis=1))):
            if not found.all():
                j = int(np.argmin(found))
                raise InputError(
                    f"field 'distance': port {j} ({self.port_label(j)}) is out of reach: no leg {what} it is within a "
                    f"full battery less the reserve, with enough left for a charger where there is none"
                )

    @property
    def n_ports(self) -> int:
        """V, number of ports."""
        return len(self.parking)

    @property
    def n_aircraft(self) -> int:
        """K, number of aircraft."""
        return len(self.start_port)

    @property
    def n_hours(self) -> int:
        """H, hours of the day."""
        return len(self.electricity)

    @cached_property
    def slots(self) -> Array:
        """(V,) int32, aircraft that a port holds."""
        return _frozen(self.parking + self.charging)

    @cached_property
    def energy(self) -> Array:
        """(V, V) float64, kWh of each leg."""
        return _frozen(self.energy_per_mile * self.distance)

    @cached_property
    def flight_time(self) -> Array:
        """(V, V) float64, minutes from departure to arrival, take-off and landing included."""
        return _frozen((self.take_off + HOUR * self.distance / self.cruise) + self.landing)

    @cached_property
    def nearest(self) -> Array:
        """(V,) float64, kWh from each port to the nearest other one that has a charger; infinite if there is none."""
        return _frozen(_nearest(self.energy, self.charging))

    @cached_property
    def scale(self) -> float:
        """USD that a reward of 1 stands for: ``reward_scale``, else the fares of all demand, at least 1."""
        return self.reward_scale if self.reward_scale > 0.0 else max(1.0, float((self.demand * self.fare).sum()))

    def port_label(self, port: Any) -> str:
        """Name of a port, ``p3`` if it has none."""
        return str(self.port_name[port]) if len(self.port_name) else f"p{port}"

    @property
    def size_label(self) -> str:
        """``8x40``: ports x aircraft."""
        return f"{self.n_ports}x{self.n_aircraft}"


def legal_legs(energy: Array, charging: Array, battery: float, reserve: float) -> Array:
    """Return (V, V) bool, the legs that a full battery is enough for, given the kWh of each (V, V)."""
    left = battery - energy
    floor = reserve * battery
    legal: Array = (left >= floor) & ((charging > 0) | (left - _nearest(energy, charging) >= floor))
    np.fill_diagonal(legal, False)
    return legal


def _nearest(energy: Array, charging: Array) -> Array:
    reach = np.where(charging > 0, energy, math.inf)
    np.fill_diagonal(reach, math.inf)
    nearest: Array = reach.min(axis=1)
    return nearest


def _frozen(array: Array) -> Array:
    array.flags.writeable = False
    return array


def _floats(field: str, value: Any, ndim: int) -> Array:
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"field {field!r}: expected a table of {ndim} dimension(s) of numbers") from None
    if array.ndim != ndim:
        raise InputError(f"field {field!r}: expected {ndim} dimension(s), got shape {array.shape}")
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        raise InputError(f"field {field!r}, index {wrong[0].tolist()}: {array[tuple(wrong[0])]}; expected a number")
    return _frozen(array)


def _labels(value: Any) -> Array:
    try:
        array = np.asarray([] if value is None else value)
    except ValueError:
        array = np.zeros((0, 0))
    if array.ndim != 1 or (array.size and array.dtype.kind != "U"):
        raise InputError("field 'port_name': expected a list of names")
    return _frozen(np.array(array.tolist(), np.str_))


def _number(field: str, value: Any, least: float, most: float) -> float:
    good = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not good or not least <= value <= most:
        raise InputError(f"field {field!r}: expected a number in {least:g} … {most:g}, got {value!r}")
    return float(value)


def _integer(field: str, value: Any, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= int(value) <= most:
        raise InputError(f"field {field!r}: expected an integer in {least} … {most}, got {value!r}")
    return int(value)


def _code(field: str, value: Any, names: tuple[str, ...]) -> int:
    if isinstance(value, str) and value in names:
        return names.index(value)
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value < len(names):
        raise InputError(f"field {field!r}: expected one of {', '.join(names)}, got {value!r}")
    return int(value)


def _bounds(field: str, value: Array, least: float, most: float) -> None:
    wrong = np.argwhere((value < least) | (value > most))
    if len(wrong):
        at = wrong[0].tolist()
        raise InputError(f"field {field!r}, index {at}: {value[tuple(at)]}; expected {least:g} … {most:g}")
