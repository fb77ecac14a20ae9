"""Seeded random days of two named distributions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, check_choice, check_keys
from ganttlet.core.mixing import name_of
from ganttlet.uam_fleet.demand import fares_of, peaks_forecast, pool_forecast
from ganttlet.uam_fleet.drawing import fill_closed, fill_poisson, key_of_stream, permutation, uniforms
from ganttlet.uam_fleet.geography import Geography, draw_geography, find_geography
from ganttlet.uam_fleet.instance import (
    HOUR,
    LEAST_FLIGHT,
    MOST_AIRCRAFT,
    MOST_PORTS,
    NUMBERS,
    Array,
    Scenario,
    legal_legs,
)
from ganttlet.uam_fleet.mixing import NAME, Mixture
from ganttlet.uam_fleet.presets import SETTINGS, TIME_OF_USE
from ganttlet.uam_fleet.sizes import most_decisions

GENERATORS: Mapping[str, str] = MappingProxyType(
    {
        "captain-2024": "40 aircraft, peaks of demand, delays, closures, failures and corridors",
        "predecessor-2022": "19 aircraft, a pool of passengers for the whole day, nothing uncertain",
        NAME: "each day from one of several of these",
    }
)
TRIES = 1000  # places and vertistops are drawn again until every port can be reached
# Streams of a day's key; those of demand.py go on from 41.
COUNTS, HIGH, STARTS, DELAYS, CLOSURES, CLOSED, FAILURES, PASSENGERS, WORLD = range(31, 40)
PLACES, STOPS = 10_000, 20_000  # one stream for each try
# setting -> field of the scenario
FIELDS = (
    *("delay_max", "day_start", "day_end", "seats", "battery", "reserve", "energy_per_mile", "cruise", "take_off"),
    *("landing", "charger_power", "cost_per_mile", "corridors", "headway", "idle_step", "recharge", "charge_curve"),
    "needs_charger",
)
WHOLE = {
    **{"vertistops": MOST_PORTS, "high": MOST_PORTS, "weight_shape": 100},
    **dict.fromkeys(("parking", "charging", "pool_most", "level_noise"), 10**6),
}
REAL = {
    **{"area": 1e4, "closure": 1.0, "downtime": 1.0, "fare_slope": 1.0},
    **dict.fromkeys(("delay_ratio", "peak_sd", "fare_per_mile", "peak_share"), 1e3),
    **dict.fromkeys(("base_level", "both_gain", "one_gain", "fare_base", "urban_radius"), 1e5),
}
PAIRS = ("delay_mean", "downtime_length", "fare_surge")


class Generator:
    """A named distribution of days; made by :func:`make_generator`.

    Attributes:
        name: one of GENERATORS.
        settings: the settings with every default filled in.
        geography: the places, None if they are drawn with each day.
        max_ports, max_aircraft, max_hours, max_corridors, max_decisions: the most that can be drawn.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.name = name_of(settings, GENERATORS)
        if self.name not in SETTINGS:
            raise InputError(f"generator: key 'name': {self.name!r} has no settings of its own")
        check_keys(f"generator {self.name!r}", settings, ("name", *SETTINGS[self.name]))
        chosen = {**SETTINGS[self.name], **settings}
        self.geography = self._find_places(chosen, settings)
        self.settings = {"name": self.name, **{key: chosen[key] for key in SETTINGS[self.name]}}
        self._check(self.settings)
        try:
            day = self.sample(0)
        except InputError as error:
            if str(error).startswith("generator "):
                raise
            raise InputError(f"generator {self.name!r}: {error}") from None
        self.max_ports, self.max_aircraft = int(self._ports[1]), int(self._fleet[1])
        self.max_hours, self.max_corridors = day.n_hours, day.corridors
        shortest = day.take_off + day.landing
        if self.geography is not None:
            shortest = float(day.flight_time[~np.eye(day.n_ports, dtype=bool)].min())
        span = day.day_end - day.day_start
        self.max_decisions = most_decisions(self.max_aircraft, span, day.idle_step, max(LEAST_FLIGHT, shortest))

    def _key(self, key: str) -> str:
        return f"generator {self.name!r}: key {key!r}"

    def _find_places(self, chosen: dict[str, Any], given: Mapping[str, Any]) -> Geography | None:
        place = chosen["geography"]
        if not isinstance(place, str):
            raise InputError(f"{self._key('geography')}: expected 'random', a name or a file, got {place!r}")
        if place == "random":
            return None
        geography = find_geography(place).choose(given.get("ports"), self._key("ports"))
        chosen["ports"] = list(geography.codes)
        return geography

    def _check(self, chosen: dict[str, Any]) -> None:
        """Check the settings that the scenario itself does not, and write ranges back in plain form."""
        for key, most in WHOLE.items():
            chosen[key] = int(self._range(key, chosen[key], 1 if key == "weight_shape" else 0, most, True, one=True)[0])
        for key, limit in REAL.items():
            chosen[key] = self._range(key, chosen[key], 0.01 if key == "peak_sd" else 0.0, limit, one=True)[0]
        for key in PAIRS:
            chosen[key] = list(self._range(key, chosen[key], 0.0, 1e5))
        for key in (*(field for field in FIELDS if field in NUMBERS), "max_wait"):
            if key != "max_wait" or chosen[key] is not None:
                chosen[key] = self._range(key, chosen[key], *NUMBERS[key], one=True)[0]
        hours = (chosen["day_end"] - chosen["day_start"]) / HOUR
        if hours < 1 or hours != round(hours):
            raise InputError(f"{self._key('day_end')}: {hours:g} hours after 'day_start'; expected whole hours")
        self._fleet = self._whole("fleet", chosen, 1, MOST_AIRCRAFT)
        self._demand = self._whole("demand", chosen, 1, 10**7)
        if self.geography is None:
            self._ports = self._whole("ports", chosen, 2, MOST_PORTS)
        else:
            self._ports = (len(self.geography.codes),) * 2
        check_choice(self._key("start"), chosen["start"], ("round_robin", "uniform"))
        check_choice(self._key("demand_model"), chosen["demand_model"], ("peaks", "pool"))
        for key, least in (("peaks", 1), ("urban_centre", 2), ("urban_levels", 3)):
            chosen[key] = self._list(key, chosen[key], least, exact=key != "peaks")
        if chosen["demand_model"] == "pool" and chosen["max_wait"] is not None:
            raise InputError(f"{self._key('max_wait')}: passengers of demand_model 'pool' wait all day; leave it out")
        if isinstance(chosen["electricity"], str):
            check_choice(self._key("electricity"), chosen["electricity"], ("time_of_use",))
        for key in ("weights", "fare_table"):
            if chosen[key] is not None:
                chosen[key] = self._table(key, chosen[key])
        if not isinstance(chosen["fare_whole"], bool):
            raise InputError(f"{self._key('fare_whole')}: expected true or false, got {chosen['fare_whole']!r}")
        if chosen["vertistops"] >= self._ports[0] and (self.geography is None or self.geography.slots is None):
            raise InputError(
                f"{self._key('vertistops')}: {chosen['vertistops']} of {int(self._ports[0])} ports; expected fewer, so "
                "that a port with a charger is left"
            )
        self._check_room(chosen)

    def _check_room(self, chosen: Mapping[str, Any]) -> None:
        ports = int(self._ports[0])
        slots = ports * chosen["parking"] + (ports - chosen["vertistops"]) * chosen["charging"]
        if self.geography is not None and self.geography.slots is not None:
            slots = int(self.geography.slots.sum())
        if slots < self._fleet[1]:
            raise InputError(f"{self._key('fleet')}: {self._fleet[1]} aircraft, but {ports} ports have {slots} slots")

    def _range(
        self, key: str, value: Any, least: float, most: float, whole: bool = False, one: bool = False
    ) -> tuple[float, float]:
        """Return a number or a pair [low, high] as (low, high), within ``least`` … ``most``."""
        pair = value if isinstance(value, list | tuple) and not one else (value, value)
        kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
        right = len(pair) == 2 and all(isinstance(v, kinds) and not isinstance(v, bool) for v in pair)
        if not right or not least <= pair[0] <= pair[1] <= most:
            what = "an integer" if whole else "a number"
            raise InputError(
                f"{self._key(key)}: expected {what}{'' if one else ' or [low, high]'} in {least:g} … {most:g}, got "
                f"{value!r}"
            )
        return float(pair[0]), float(pair[1])

    def _whole(self, key: str, chosen: dict[str, Any], least: int, most: int) -> tuple[int, int]:
        low, high = (int(end) for end in self._range(key, chosen[key], least, most, whole=True))
        chosen[key] = low if low == high else [low, high]
        return low, high

    def _list(self, key: str, value: Any, least: int, exact: bool) -> list[float]:
        good = isinstance(value, list | tuple) and (len(value) == least if exact else len(value) >= least)
        if not good or not all(
            isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one) for one in value
        ):
            count = f"{least}" if exact else f"at least {least}"
            raise InputError(f"{self._key(key)}: expected a list of {count} numbers, got {value!r}")
        return [float(one) for one in value]

    def _table(self, key: str, value: Any) -> list[Any]:
        """Return a table by pair of ports, of fares by hour too, as nested lists."""
        ports, most = int(self._ports[1]), 2 if key == "weights" else 3
        try:
            table = np.array(value, np.float64)
        except (TypeError, ValueError):
            table = np.zeros(0)
        shaped = table.ndim in (2, most) and table.shape[-2:] == (ports, ports) and self._ports[0] == ports
        if not shaped or not np.isfinite(table).all() or (table < 0.0).any():
            hours = " (or one such table for each hour)" if most == 3 else ""
            raise InputError(f"{self._key(key)}: expected {ports} rows of {ports} numbers of at least 0{hours}")
        if key == "weights" and not table[~np.eye(ports, dtype=bool)].any():
            raise InputError(f"{self._key(key)}: expected a number above 0 for some pair of ports")
        rows: list[Any] = table.tolist()
        return rows

    def sample(self, seed: int) -> Scenario:
        """Return the day of ``seed`` (any integer of 64 bits); the same in every process."""
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not -(2**63) <= seed < 2**64:
            raise InputError(f"generator {self.name!r}: seed {seed!r}; expected an integer of 64 bits")
        return self._draw(key_of_stream(int(seed) % 2**64, 0), f"seed{seed}")

    def sample_key(self, key: int) -> Scenario:
        """Return the day that ``key`` (uint64, see ganttlet.core.rng.key_of) stands for."""
        return self._draw(np.uint64(key), f"key{int(key):016x}")

    def _draw(self, key: Any, suffix: str) -> Scenario:
        s = self.settings
        first, second, third = uniforms(key, COUNTS, 3).tolist()
        ports, fleet, total = (
            low + int(share * (high - low + 1))
            for share, (low, high) in ((first, self._ports), (second, self._fleet), (third, self._demand))
        )
        places, slots = self._place(key, int(ports))
        v, k = len(places.codes), int(fleet)
        pool = s["demand_model"] == "pool"
        high = self._high(key, places, pool)
        weights = places.weights if s["weights"] is None else np.array(s["weights"])
        forecast = pool_forecast(s, high, key) if pool else peaks_forecast(s, high, weights, float(total), key)
        fare = fares_of(s, places.distance, forecast)
        demand = np.zeros(forecast.shape, np.int32)
        if pool:
            demand[0] = np.floor((s["pool_most"] + 1) * uniforms(key, PASSENGERS, v, v)) * ~np.eye(v, dtype=bool)
        else:
            fill_poisson(key_of_stream(key, PASSENGERS), forecast, demand)
        upper = np.triu(s["closure"] * uniforms(key, CLOSURES, v, v), 1)
        closure = upper + upper.T
        closed = np.zeros(forecast.shape, np.int8)
        fill_closed(key_of_stream(key, CLOSED), closure, closed)
        low, most = s["delay_mean"]
        mean = low + (most - low) * uniforms(key, DELAYS, v)
        return Scenario(
            f"{places.name}-{v}x{k}-{suffix}",
            list(places.codes),
            places.position,
            places.distance,
            slots[:, 0],
            slots[:, 1],
            self._starts(key, slots, k),
            np.full(k, float(s["battery"])),
            np.full(k, float(s["day_start"])),
            s["downtime"] * uniforms(key, FAILURES, k),
            demand,
            forecast,
            fare,
            self._electricity(len(forecast)),
            closed,
            closure,
            mean,
            s["delay_ratio"] * mean,
            downtime_low=s["downtime_length"][0],
            downtime_high=s["downtime_length"][1],
            max_wait=HOUR * (len(forecast) - 1) if pool else 0.0 if s["max_wait"] is None else s["max_wait"],
            world=int(key_of_stream(key, WORLD)),
            reward_scale=float((forecast * fare).sum()) if pool else 0.0,
            demand_drawn=not pool,
            **{field: s[field] for field in FIELDS},
        )

    def _place(self, key: Any, ports: int) -> tuple[Geography, Array]:
        """Return places and their slots (V, 2), drawn again until every port can be reached."""
        s = self.settings
        for attempt in range(TRIES):
            places = self.geography or draw_geography(key, PLACES + attempt, ports, s["area"])
            slots = places.slots
            if slots is None:
                slots = np.tile(np.array([s["parking"], s["charging"]]), (len(places.codes), 1))
                slots[permutation(key, STOPS + attempt, len(places.codes))[: s["vertistops"]], 1] = 0
            legal = legal_legs(s["energy_per_mile"] * places.distance, slots[:, 1], s["battery"], s["reserve"])
            shortest = float(places.distance[~np.eye(len(places.codes), dtype=bool)].min())
            lasting = s["take_off"] + HOUR * shortest / s["cruise"] + s["landing"] >= 2.0 * LEAST_FLIGHT
            if shortest > 0.0 and lasting and legal.any(axis=0).all() and legal.any(axis=1).all():
                return places, slots
            if self.geography is not None and places.slots is not None:
                break
        raise InputError(
            f"{self._key('battery')}: some port is out of reach of a full battery of {s['battery']:g} kWh, or a leg "
            "takes no time; expected ports that lie closer, a larger battery or fewer vertistops"
        )

    def _high(self, key: Any, places: Geography, pool: bool) -> Array:
        """Return (V,) bool, the ports with high demand; of the pool those near the urban centre."""
        s = self.settings
        if places.high is not None:
            return places.high
        if pool:
            near = np.hypot(*(places.position - np.array(s["urban_centre"])).T) <= s["urban_radius"]
            return np.asarray(near, bool)
        high = np.zeros(len(places.codes), bool)
        high[permutation(key, HIGH, len(high))[: s["high"]]] = True
        return high

    def _starts(self, key: Any, slots: Array, fleet: int) -> Array:
        """Return (K,) ports, on parking slots if all have room there: round robin and shuffled, or random slots."""
        room = slots[:, 0] if slots[:, 0].sum() >= fleet else slots.sum(axis=1)
        # Every slot with the round in which its port's turn comes; or in random order.
        port = np.repeat(np.arange(len(room)), room)
        rounds = np.concatenate([np.arange(count) for count in room])
        if self.settings["start"] == "uniform":
            return port[permutation(key, STARTS, len(port))[:fleet]]
        chosen = port[np.lexsort((port, rounds))[:fleet]]
        return np.asarray(chosen[permutation(key, STARTS, fleet)])

    def _electricity(self, hours: int) -> Array:
        price = self.settings["electricity"]
        if price == "time_of_use":
            price = TIME_OF_USE
        if np.ndim(price) == 0:
            return np.full(hours, price)
        if len(price) != hours:
            raise InputError(f"{self._key('electricity')}: {len(price)} prices; expected one, or one for each hour")
        return np.array(price)


def make_generator(settings: Mapping[str, Any]) -> Generator | Mixture:
    """Return the generator that ``settings`` describe.

    Args:
        settings: ``name`` (one of GENERATORS) and any of the constants in ``presets.SETTINGS``, minutes, miles, kWh and
            USD. ``ports``, ``fleet`` and ``demand`` (passengers of a day) may be [low, high], drawn for each day; of a
            geography ``ports`` is how many of its sites, or a list of codes. ``geography`` is ``random``, the name of a
            shipped one, or a file. ``weights`` (V, V) and ``fare_table`` (V, V or H, V, V) replace what is drawn. Of a
            ``mixture`` only ``parts``, a list of settings (random places and New York), and ``weights``, how often each
            is drawn in proportion (equally often).

    Raises:
        InputError: naming the key.
    """
    return Mixture(settings, Generator) if name_of(settings, GENERATORS) == NAME else Generator(settings)
