"""The time-space network: flights of a fleet on a grid of time, as a linear or an integer programme for HiGHS.

Flights of one pair in one hour earn alike, so they are columns by time, while what they board are columns by hour. In
hour h the first flights of a pair are full, the next one carries the rest, others are empty: passengers in steps, most
first, make the programme tight (one column of passengers, at most seats x flights, leaves large gaps).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ganttlet_agents.solvers.highs_run import highspy, new_highs, run_highs
from ganttlet_agents.solvers.uam_fleet.demand import Group, overlap

Array = np.ndarray[Any, Any]
LEAST_TIME = 0.05  # seconds


@dataclass
class Battery:
    """Charging as the whole fleet's: a relaxation of every aircraft's own (docs/environments/uam_fleet.md).

    Fields:
        energy: (V, V) kWh of each leg.
        charging: (V,) chargers.
        start: kWh that the fleet may use at the start.
        most: kWh that it may ever have to use.
        per_slot: kWh that one charger gives in a slot of the grid.
    """

    energy: Array
    charging: Array
    start: float
    most: float
    per_slot: float


@dataclass
class Problem:
    """What the fleet may do from the first slot of the grid on (S slots, V ports, H hours).

    Fields:
        hour: (S,) hour of each slot.
        duration: (V, V) slots from a decision to fly to the next decision of the aircraft.
        legs: (H, V, V) bool, flights that are possible.
        cost: (H, V, V) USD of a flight.
        fare: (H, V, V) USD of a passenger.
        supply: (S, V) aircraft that become free, each with its next decision in that slot.
        later: (V,) aircraft that become free after the last slot.
        slots: (V,) aircraft that a port holds, those on their way included.
        seats: of a flight.
        most: flights of a pair in one slot, or infinite.
        groups: passengers.
        battery: or None: charging is part of the durations.
    """

    hour: Array
    duration: Array
    legs: Array
    cost: Array
    fare: Array
    supply: Array
    later: Array
    slots: Array
    seats: int
    most: float
    groups: list[Group]
    battery: Battery | None = None


@dataclass
class Solved:
    """How it ended.

    Fields:
        flights: (N, 4) int64, slot, origin, destination and number of flights of the plan; or None.
        value: its profit by the model, or None.
        bound: on the profit by the model; infinite if there is none.
    """

    flights: Array | None
    value: float | None
    bound: float


@dataclass
class _Rows:
    """Rows under construction, as triplets."""

    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    row: list[Array] = field(default_factory=list)
    column: list[Array] = field(default_factory=list)
    value: list[Array] = field(default_factory=list)

    def new(self, low: Any, high: Any, count: int) -> int:
        """Add ``count`` empty rows; return the number of the first."""
        first = len(self.low)
        self.low += np.broadcast_to(low, count).tolist()
        self.high += np.broadcast_to(high, count).tolist()
        return first

    def put(self, row: Any, column: Any, value: Any) -> None:
        """Add entries."""
        row, column, value = np.broadcast_arrays(row, column, value)
        self.row.append(row.ravel())
        self.column.append(column.ravel())
        self.value.append(value.ravel().astype(float))


class Network:
    """The programme of a problem.

    Args:
        problem: what may be done.
        seed: HiGHS' random seed.

    Raises:
        MissingExtraError: if HiGHS is not installed.
    """

    def __init__(self, problem: Problem, seed: int = 0) -> None:
        self.problem = p = problem
        s_count, self.ports = p.supply.shape
        self.count = s_count
        slot, origin, destination = np.nonzero(p.legs[p.hour])
        self.slot, self.origin, self.destination = slot, origin, destination
        self.flights = len(slot)
        self.cost: list[Array] = [-p.cost[p.hour[slot], origin, destination]]
        self.high: list[Array] = [np.full(self.flights, p.most)]
        self.columns = self.flights
        self.rows = _Rows()
        self._aircraft()
        self._passengers()
        if p.battery is not None:
            self._charging(p.battery)
        self.highs = new_highs(seed)
        self._pass()

    def _new(self, cost: Any, high: Any, count: int) -> int:
        first = self.columns
        self.cost.append(np.broadcast_to(np.asarray(cost, float), count))
        self.high.append(np.broadcast_to(np.asarray(high, float), count))
        self.columns += count
        return first

    def _aircraft(self) -> None:
        """Aircraft on the ground are kept from slot to slot, and a port holds those there and on their way."""
        p, rows, v = self.problem, self.rows, self.ports
        x = np.arange(self.flights)
        self.ground = self._new(0.0, math.inf, self.count * v)
        y = self.ground + np.arange(self.count * v)
        kept = rows.new(p.supply.ravel(), p.supply.ravel(), self.count * v)
        rows.put(kept + np.arange(self.count * v), y, 1.0)
        rows.put(kept + np.arange(v, self.count * v), y[:-v], -1.0)
        rows.put(kept + self.slot * v + self.origin, x, 1.0)
        self.lands = self.slot + p.duration[self.origin, self.destination]
        ends = self.lands < self.count
        self.landing = self.lands[ends] * v + self.destination[ends], x[ends]
        rows.put(kept + self.landing[0], self.landing[1], -1.0)
        # Those who become free later are on their way, too.
        coming = p.supply[::-1].cumsum(axis=0)[::-1] - p.supply + p.later
        held = rows.new(-math.inf, np.maximum(p.slots - coming, 0).ravel(), self.count * v)
        rows.put(held + np.arange(self.count * v), y, 1.0)
        flying = np.minimum(self.lands, self.count) - self.slot
        slots = np.repeat(self.slot, flying) + _ranges(flying)
        rows.put(held + slots * v + np.repeat(self.destination, flying), np.repeat(x, flying), 1.0)

    def _passengers(self) -> None:
        """In an hour a pair has at least as many flights as board someone, by group and step."""
        p, rows = self.problem, self.rows
        first, last = int(p.hour[0]), int(p.hour[-1])
        shape = last - first + 1, self.ports, self.ports
        mixed = overlap(p.groups)
        pairs = rows.new(0.0, math.inf, int(np.prod(shape)))
        at = pairs + np.ravel_multi_index((p.hour[self.slot] - first, self.origin, self.destination), shape)
        rows.put(at, np.arange(self.flights), float(p.seats) if mixed else 1.0)
        for group in p.groups:
            i, j = group.origin, group.destination
            steps = [(group.total, 1.0)] if mixed else group.steps
            for count, boards in steps:
                hours = range(group.first, group.last + 1)
                columns = [self._new(boards * p.fare[h, i, j], count, 1) for h in hours]
                for h, column in zip(hours, columns, strict=True):
                    rows.put(pairs + np.ravel_multi_index((h - first, i, j), shape), column, -1.0)
                if len(columns) > 1:
                    rows.put(rows.new(-math.inf, count, 1), np.array(columns), 1.0)

    def _charging(self, battery: Battery) -> None:
        """The fleet uses no more energy than it had and was charged, on chargers, by aircraft on the ground."""
        p, rows, v, n = self.problem, self.rows, self.ports, self.count
        charge = self._new(0.0, np.tile(battery.charging, n), n * v)
        q = charge + np.arange(n * v)
        # On the ground in a slot: those of the slot before, who land, and who become free now or later.
        present = p.supply[::-1].cumsum(axis=0)[::-1] + p.later
        there = rows.new(-math.inf, present.ravel(), n * v)
        rows.put(there + np.arange(n * v), q, 1.0)
        rows.put(there + np.arange(v, n * v), self.ground + np.arange((n - 1) * v), -1.0)
        rows.put(there + self.landing[0], self.landing[1], -1.0)
        stored = self._new(0.0, battery.most, n)
        begin = np.zeros(n)
        begin[0] = battery.start
        kept = rows.new(begin, begin, n)
        rows.put(kept + np.arange(n), stored + np.arange(n), 1.0)
        rows.put(kept + np.arange(1, n), stored + np.arange(n - 1), -1.0)
        rows.put(kept + np.arange(n * v) // v, q, -battery.per_slot)
        rows.put(kept + self.slot, np.arange(self.flights), battery.energy[self.origin, self.destination])

    def _pass(self) -> None:
        module, rows = highspy(), self.rows
        program = module.HighsLp()
        program.num_col_, program.num_row_ = self.columns, len(rows.low)
        program.sense_ = module.ObjSense.kMaximize
        program.col_cost_ = np.concatenate(self.cost)
        program.col_lower_, program.col_upper_ = np.zeros(self.columns), np.concatenate(self.high)
        program.row_lower_, program.row_upper_ = np.array(rows.low, float), np.array(rows.high, float)
        row, column, value = (np.concatenate(part) for part in (rows.row, rows.column, rows.value))
        order = np.lexsort((column, row))
        matrix = program.a_matrix_
        matrix.format_ = module.MatrixFormat.kRowwise
        matrix.start_ = np.concatenate(([0], np.bincount(row, minlength=len(rows.low)).cumsum())).astype(np.int32)
        matrix.index_, matrix.value_ = column[order].astype(np.int32), value[order]
        self.highs.passModel(program)

    def relax(self, seconds: float) -> float:
        """Return what the linear programme is worth; infinite if time is too short."""
        run_highs(self.highs, max(LEAST_TIME, seconds))
        if self.highs.getModelStatus() != highspy().HighsModelStatus.kOptimal:
            return math.inf
        return float(self.highs.getInfo().objective_function_value)

    def solve(self, seconds: float, gap: float) -> Solved:
        """Return the best plan found within the time, or until the relative gap is small."""
        begun = time.perf_counter()
        whole = np.arange(self.flights, dtype=np.int32)
        kinds = np.full(self.flights, int(highspy().HighsVarType.kInteger), np.uint8)
        self.highs.changeColsIntegrality(self.flights, whole, kinds)
        self.highs.setOptionValue("mip_rel_gap", gap)
        found = run_highs(self.highs, max(LEAST_TIME, seconds - (time.perf_counter() - begun)))
        info = self.highs.getInfo()
        bound = float(info.mip_dual_bound) if self.flights else 0.0
        bound = bound if math.isfinite(bound) else math.inf
        if not found:
            return Solved(None, None, bound)
        number = np.rint(np.array(self.highs.getSolution().col_value[: self.flights])).astype(np.int64)
        used = np.flatnonzero(number > 0)
        flights = np.stack((self.slot[used], self.origin[used], self.destination[used], number[used]), axis=1)
        return Solved(flights, float(info.objective_function_value), bound)


def _ranges(lengths: Array) -> Array:
    """Return 0 … n - 1 for each of the lengths, one after the other."""
    starts = np.repeat(lengths.cumsum() - lengths, lengths)
    found: Array = np.arange(int(lengths.sum())) - starts
    return found
