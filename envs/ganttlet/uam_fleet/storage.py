"""Padded scenario arrays, behind the interface of the core's instance pool."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.pool import Ints
from ganttlet.uam_fleet import layout as at
from ganttlet.uam_fleet.instance import Scenario
from ganttlet.uam_fleet.layout import Array, Sizes, Store, make_store
from ganttlet.uam_fleet.sizes import most_decisions

NAMES = ("ports", "aircraft", "hours", "corridors of a pair in each direction", "decisions of a day at most")
OPTIONS = ("max_ports", "max_aircraft", "max_hours", "max_corridors", "max_decisions")


class Generator(Protocol):
    """What draws scenarios, none larger than it says."""

    max_ports: int
    max_aircraft: int
    max_hours: int
    max_corridors: int
    max_decisions: int

    def sample(self, seed: int) -> Scenario:
        """Return the scenario of a seed."""

    def sample_key(self, key: Any) -> Scenario:
        """Return the scenario of a key (uint64)."""


def sizes_of(instance: Scenario) -> Sizes:
    """Return the sizes of one scenario."""
    others = ~np.eye(instance.n_ports, dtype=bool)
    decisions = most_decisions(
        instance.n_aircraft,
        instance.day_end - instance.day_start,
        instance.idle_step,
        float(instance.flight_time[others].min()),
    )
    return Sizes(instance.n_ports, instance.n_aircraft, instance.n_hours, instance.corridors, decisions)


class FleetStorage:
    """Slots of padded scenarios; see ganttlet.core.pool.Storage for the methods.

    Args:
        sizes: padded sizes.
        generator: what ``generate`` draws from, or None.
    """

    def __init__(self, sizes: Sizes, generator: Generator | None) -> None:
        self.sizes, self.generator = sizes, generator
        self.arrays = make_store(0, sizes)

    def grow(self, slots: int) -> None:
        """Make room for at least ``slots`` slots, keeping the contents."""
        have = len(self.arrays.key)
        if slots > have:
            old, self.arrays = self.arrays, make_store(slots, self.sizes)
            for before, after in zip(old, self.arrays, strict=True):
                after[:have] = before

    def check(self, instance: Scenario) -> None:
        """Raise InputError if ``instance`` is larger than the padded space."""
        for name, option, have, room in zip(NAMES, OPTIONS, sizes_of(instance), self.sizes, strict=True):
            if have > room:
                raise InputError(
                    f"instance {instance.name}: {have} {name}, but the padded space holds {room}; "
                    f"make the environment with {option}={have}"
                )

    def put(self, slot: int, instance: Scenario) -> None:
        """Write ``instance`` into ``slot``."""
        store, v, k, h = self.arrays, instance.n_ports, instance.n_aircraft, instance.n_hours
        for part in store:
            part[slot] = 0
        store.size[slot] = _size(instance)
        store.real[slot] = _real(instance)
        store.world[slot] = instance.world
        ports = store.ports[slot, :v]
        centre = instance.position.mean(axis=0)
        ports[:, at.X], ports[:, at.Y] = ((instance.position - centre) / float(instance.distance.max())).T
        ports[:, at.DELAY_MEAN], ports[:, at.DELAY_SD] = instance.delay_mean, instance.delay_sd
        ports[:, at.NEAREST] = instance.nearest
        store.places[slot, :v, at.PARKING], store.places[slot, :v, at.CHARGING] = instance.parking, instance.charging
        store.start[slot, :k] = instance.start_port
        fleet = store.fleet[slot, :k]
        fleet[:, at.START_CHARGE], fleet[:, at.READY] = instance.start_charge, instance.ready
        fleet[:, at.BREAKDOWN] = instance.downtime_probability
        legs = store.legs[slot, :v, :v]
        legs[:, :, at.MILES], legs[:, :, at.ENERGY] = instance.distance, instance.energy
        legs[:, :, at.MINUTES], legs[:, :, at.CLOSURE] = instance.flight_time, instance.closure_probability
        store.fare[slot, :h, :v, :v] = instance.fare
        store.hours[slot, :h, at.PRICE] = instance.electricity
        total = instance.forecast.sum(axis=(1, 2))
        store.hours[slot, : h - 1, at.LATER] = total[::-1].cumsum()[::-1][1:]
        store.demand[slot, :h, :v, :v] = instance.demand
        store.closed[slot, :h, :v, :v] = instance.closed
        store.forecast[slot, :h, :v, :v] = instance.forecast
        store.flows[slot, :h, :v] = forecast_flows(instance)

    def get(self, slot: int) -> Scenario:
        """Return the generated scenario in ``slot``."""
        assert self.generator is not None, "only generated scenarios are not kept elsewhere"
        return self.generator.sample_key(self.arrays.key[slot])

    def generate(self, slots: Ints, keys: Array) -> None:
        """Draw a fresh scenario into each slot from its key."""
        assert self.generator is not None, "a pool without fixed instances has a generator"
        for slot, key in zip(slots, keys, strict=True):
            self.put(int(slot), self.generator.sample_key(key))
            self.arrays.key[slot] = key

    def copy(self, source: Ints, target: Ints) -> None:
        """Copy slots ``source`` to slots ``target``."""
        self.set_rows(target, self.rows(source))

    def rows(self, slots: Ints) -> Store:
        """Return a copy of ``slots``."""
        return Store(*(part[slots].copy() for part in self.arrays))

    def set_rows(self, slots: Ints, rows: Store) -> None:
        """Write back what :meth:`rows` returned, growing if a snapshot comes from a larger pool."""
        self.grow(int(slots.max()) + 1)
        for part, saved in zip(self.arrays, rows, strict=True):
            part[slots] = saved


def forecast_flows(instance: Scenario) -> Array:
    """Return (H, V, N_FLOW) float64: passengers expected out of and into each port, and their mean fares, 0 of none."""
    flows = np.zeros((instance.n_hours, instance.n_ports, at.N_FLOW))
    worth = instance.forecast * instance.fare
    for axis, passengers, fare in ((2, at.OUT, at.OUT_FARE), (1, at.IN, at.IN_FARE)):
        total = instance.forecast.sum(axis=axis)
        flows[:, :, passengers] = total
        flows[:, :, fare] = np.where(total > 0.0, worth.sum(axis=axis) / np.where(total > 0.0, total, 1.0), 0.0)
    return flows


def _size(instance: Scenario) -> list[int]:
    values = {
        at.PORTS: instance.n_ports,
        at.AIRCRAFT: instance.n_aircraft,
        at.HOURS: instance.n_hours,
        at.CORRIDORS: instance.corridors,
        at.SEATS: instance.seats,
        at.RECHARGE: instance.recharge,
        at.CURVE: instance.charge_curve,
        at.NEEDS_CHARGER: int(instance.needs_charger),
        at.DRAWN: int(instance.demand_drawn),
    }
    return [values[column] for column in range(at.N_SIZE)]


def _real(instance: Scenario) -> list[float]:
    values = {
        at.DAY_START: instance.day_start,
        at.DAY_END: instance.day_end,
        at.BATTERY: instance.battery,
        at.FLOOR: instance.reserve * instance.battery,
        at.POWER: instance.charger_power,
        at.COST: instance.cost_per_mile,
        at.HEADWAY: instance.headway,
        at.IDLE_STEP: instance.idle_step,
        at.MAX_WAIT: instance.max_wait,
        at.DELAY_MAX: instance.delay_max,
        at.DOWN_LOW: instance.downtime_low,
        at.DOWN_HIGH: instance.downtime_high,
        at.SCALE: instance.scale,
        at.LONGEST: float(instance.distance.max()),
        at.TOP_FARE: float(instance.fare.max()) or 1.0,
    }
    return [values[column] for column in range(at.N_REAL)]
