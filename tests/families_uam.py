"""The case of UAM fleets for the shared tests, and small days, by hand and drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from family_case import FamilyCase, Options
from ganttlet.core.errors import InputError
from ganttlet.core.graph import GraphSpec
from ganttlet.uam_fleet import layout as at
from ganttlet.uam_fleet.instance import Scenario
from ganttlet.uam_fleet.presets import PRESETS
from ganttlet.uam_fleet.solution import FleetLog
from reference.uam_fleet import ReferenceFleet


def table(rng: np.random.Generator, least: float, most: float, *shape: int) -> np.ndarray:
    """A table by pair of uniform numbers, zero on the diagonal."""
    found = rng.uniform(least, most, shape)
    found[..., np.arange(shape[-1]), np.arange(shape[-1])] = 0
    return found


def day(seed: int, ports: int = 3, aircraft: int = 3, hours: int = 2, **fields: Any) -> Scenario:
    """Return a short day: seconds of delay to some minutes, few slots, few passengers, everything that can happen.

    Args:
        seed: of what is drawn.
        fields: of Scenario, in place of what is drawn.
    """
    rng = np.random.default_rng(seed)
    for _ in range(1000):
        shape = (hours, ports, ports)
        distance = table(rng, 2.0, 30.0, ports, ports)
        likely = table(rng, 0.0, 0.3, ports, ports)
        charging = rng.integers(0, 3, ports)
        parking = rng.integers(0, 3, ports) + (charging == 0)
        places = [port for port in range(ports) for _ in range(parking[port] + charging[port])]
        given: dict[str, Any] = {
            "port_name": [],
            "position": rng.uniform(0.0, 30.0, (ports, 2)),
            "distance": distance,
            "parking": parking,
            "charging": charging,
            "start_port": rng.permutation(places)[:aircraft],
            "start_charge": rng.choice([60.0, 110.0, 33.0], aircraft),
            "ready": 360.0 + rng.choice([0.0, 0.0, 7.5], aircraft),
            "downtime_probability": rng.choice([0.0, 0.3], aircraft),
            "demand": table(rng, 0, 9, *shape).astype(int),
            "forecast": table(rng, 0.0, 9.0, *shape),
            "fare": table(rng, 0.0, 80.0, *shape),
            "electricity": rng.uniform(0.0, 0.4, hours),
            "closed": (table(rng, 0.0, 1.0, *shape) > 0.8).astype(int),
            "closure_probability": np.minimum(likely, likely.T),
            "delay_mean": rng.uniform(0.0, 6.0, ports),
            "delay_sd": rng.choice([0.0, 2.0], ports),
            "delay_max": 8.0,
            "downtime_low": 5.0,
            "downtime_high": 40.0,
            "day_end": 360.0 + 60.0 * hours,
            "reserve": float(rng.choice([0.0, 0.1])),
            "corridors": int(rng.integers(0, 3)),
            "headway": float(rng.choice([1.0, 6.0])),
            "max_wait": float(rng.choice([0.0, 20.0, 61.0])),
            "recharge": int(rng.integers(0, 2)),
            "charge_curve": int(rng.integers(0, 2)),
            "charger_power": float(rng.choice([40.0, 150.0])),
            "world": int(rng.integers(2**63)),
            "needs_charger": bool(rng.random() < 0.2),
        }
        try:
            return Scenario(name=f"day-{seed}", **{**given, **fields})
        except InputError:
            continue
    raise AssertionError("no valid day was drawn")


def pair(aircraft: int = 1, **fields: Any) -> Scenario:
    """Return a day of two ports 12 minutes of cruise apart; the second has no charger. Nothing is left to chance."""
    demand, ones = np.zeros((2, 2, 2), int), 1.0 - np.eye(2)
    demand[0] = [[0, 5], [1, 0]]
    given: dict[str, Any] = {
        "port_name": [],
        "position": [[0.0, 0.0], [14.9, 0.0]],
        "distance": 14.9 * ones,
        "parking": [0, 3],
        "charging": [3, 0],
        "start_port": [0] * aircraft,
        "start_charge": [110.0] * aircraft,
        "ready": [360.0] * aircraft,
        "downtime_probability": [0.0] * aircraft,
        "demand": demand,
        "forecast": demand,
        "fare": np.stack([30.0 * ones, 40.0 * ones]),
        "electricity": [0.2, 0.2],
        "closed": np.zeros((2, 2, 2), int),
        "closure_probability": np.zeros((2, 2)),
        "delay_mean": [0.0, 0.0],
        "delay_sd": [0.0, 0.0],
        "day_end": 480.0,
        "downtime_low": 30.0,
        "downtime_high": 30.0,
    }
    return Scenario(name="pair", **{**given, **fields})


class FleetOracle:
    """ReferenceFleet in a space padded with ports that do not exist."""

    def __init__(self, options: Options, instance: Scenario, graph: GraphSpec) -> None:
        given = fleet_options(options)
        self.instance, self.width = instance, graph.n_actions
        taken = {key: given[key] for key in ("reward", "illegal_penalty") if key in given}
        self.play = ReferenceFleet(instance, **taken)

    def mask(self) -> list[int]:
        real = self.play.mask()
        return real + [int(self.play.over)] * (self.width - len(real))

    def step(self, action: int) -> tuple[float, bool, bool]:
        return (0.0, True, False) if self.play.over else self.play.step(action)

    def objectives(self) -> Mapping[str, float]:
        return self.play.objectives()

    def solution(self) -> FleetLog:
        return FleetLog(**self.play.log(), instance_digest=self.instance.digest)

    def extras(self) -> Mapping[str, Any]:
        """Who decides when, where aircraft are, and who waits."""
        play = self.play
        ports = range(self.instance.n_ports)
        found = {
            "deciding": play.deciding,
            "port": play.port,
            "on_charger": play.on_charger,
            "in_air": play.in_air,
            "due": play.due,
            "charge": play.charge,
            "departures": play.departures,
            "parked": play.parked,
            "plugged": play.plugged,
            "inbound": play.inbound,
            "left": play.left,
        }
        if play.over:
            return found
        waiting = [[play.waiting(i, j) for j in ports] for i in ports]
        return {**found, "now": play.now, "hour": play.hour, "waiting": waiting}


def fleet_extras(batch: Any, row: int) -> Mapping[str, Any]:
    """What the oracle's extras are compared with."""
    state, instance = batch._state, batch.instance(row)
    v, k = instance.n_ports, instance.n_aircraft
    totals, craft, clock, taken = state.totals[row], state.craft[row, :k], state.clock[row, :k], state.taken[row, :v]
    found = {
        "deciding": int(totals[at.DECIDES]),
        "port": craft[:, at.PORT].tolist(),
        "on_charger": (craft[:, at.STATUS] == at.ON_CHARGER).tolist(),
        "in_air": (craft[:, at.STATUS] == at.IN_AIR).tolist(),
        "due": clock[:, at.DUE].tolist(),
        "charge": clock[:, at.CHARGE].tolist(),
        "departures": craft[:, at.DEPARTURES].tolist(),
        "parked": taken[:, at.PARKED].tolist(),
        "plugged": taken[:, at.PLUGGED].tolist(),
        "inbound": taken[:, at.INBOUND].tolist(),
        "left": state.left[row, : instance.n_hours, :v, :v].tolist(),
    }
    if totals[at.OVER]:
        return found
    waiting = state.waiting[row, :v, :v].tolist()
    return {**found, "now": float(state.real[row, at.NOW]), "hour": int(totals[at.HOUR]), "waiting": waiting}


def fleet_options(options: Options) -> dict[str, Any]:
    """Fill in the preset."""
    return {**PRESETS.get(options.get("preset", ""), {}), **options}


def fleet_return(
    options: Options, instance: Scenario, first: Mapping[str, float], final: Mapping[str, float]
) -> float | None:
    """The map that the environment documents, of both rewards."""
    return final["profit"] / instance.scale


def stored_demand(storage: Any, slot: int) -> Any:
    """The demand in a slot, without what pads it."""
    store = storage.arrays
    v, h = int(store.size[slot, at.PORTS]), int(store.size[slot, at.HOURS])
    return store.demand[slot, :h, :v, :v]


# Full recharging beside partial, linear beside falling current, corridors, waits, breakdowns, vertistops.
BUSY = day(1, ports=3, aircraft=4, recharge=0, charge_curve=0, corridors=2, charger_power=40.0).to_dict()
LAZY = day(2, ports=4, aircraft=3, recharge=1, charge_curve=1, max_wait=61.0, corridors=1, headway=6.0).to_dict()
POOL = day(3, ports=3, aircraft=2, needs_charger=True, demand_drawn=False, corridors=0, max_wait=60.0).to_dict()
ALONE = day(4, ports=2, aircraft=1, recharge=1, charge_curve=0).to_dict()
LARGE = day(5, ports=6, aircraft=9, hours=3).to_dict()
ROOM = {"max_ports": 5, "max_aircraft": 6, "max_hours": 2, "max_corridors": 3, "max_decisions": 250}
SHORT = {"name": "captain-2024", "day_end": 480.0, "idle_step": 30.0, "ports": 4, "fleet": 3, "vertistops": 1}
SMALL = {
    **SHORT,
    "parking": 2,
    "charging": 2,
    "demand": 60,
    "downtime": 0.2,
    "downtime_length": [5.0, 40.0],
    "area": 20.0,
    "high": 2,
}

# A day as people write it; see ganttlet.uam_fleet.formats.
BY_HAND: dict[str, Any] = {
    "format": "uam_fleet.scenario/1",
    "name": "two ports",
    "ports": [
        {"code": "A", "east": 0, "north": 0, "parking": 2, "charging": 3},
        {"code": "B", "east": 3, "north": 4, "parking": 4, "charging": 1, "delay_mean": 5, "delay_sd": 2},
    ],
    "aircraft": [{"port": "B", "count": 3}, {"port": "A", "charge": 50, "ready": 400, "downtime_probability": 0.1}],
    "demand": [[0, "A", "B", 7, 6.5, 30], [1, "B", "A", 2, 2, 20.5]],
    "closures": [[1, "A", "B"]],
    "day_end": 480,
    "charge_curve": "cc_cv",
    "seats": 5,
}

UAM_FLEET = FamilyCase(
    label="uam_fleet",
    family="uam_fleet",
    env_id="ganttlet/UAMFleet-v0",
    variants={
        "incremental": {"generator": SMALL, **ROOM},
        "terminal": {"generator": SMALL, **ROOM, "reward": "terminal", "observation": "candidates", "lookahead": 1},
        "partial": {
            "generator": {**SMALL, "recharge": "partial", "charge_curve": "cc_cv", "max_wait": 30.0},
            **ROOM,
            "lookahead": 5,
            "illegal_penalty": 2.5,
            "gamma": 0.9,
        },
        "pool": {"instance": POOL, **ROOM, "reward": "terminal"},
        "busy": {"instance": BUSY, **ROOM, "lookahead": 2},
        "listed": {"instances": [LAZY, BUSY, POOL, ALONE], **ROOM, "observation": "candidates"},
        "pooled": {"generator": SMALL, **ROOM, "pool_size": 3, "pool_seed": 4, "lookahead": 1},
    },
    indexed=None,
    longest="busy",
    oracle=FleetOracle,
    extras=fleet_extras,
    expected_return=fleet_return,
    instances=(BUSY, LAZY, POOL, ALONE),
    too_large=LARGE,
    telling="demand",
    stored_telling=stored_demand,
    seeded=("incremental", "terminal", "partial", "listed", "pooled"),
    partial=False,
)
