"""The judge of a log: plays a day again from the scenario's fields, decision by decision."""

from __future__ import annotations

import heapq
import math
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ganttlet.core.objective import Violation
from ganttlet.uam_fleet.instance import CC_CV, FULL, HOUR, Scenario
from ganttlet.uam_fleet.solution import FleetLog
from ganttlet.uam_fleet.world import draw_delay, draw_downtime

LANDING, DECISION = range(2)  # landings come first among events of one time
AIR, PARKED, PLUGGED = range(3)


class Row(NamedTuple):
    """One decision of a log."""

    aircraft: int
    origin: int
    destination: int
    passengers: int
    time: float
    departure: float
    arrival: float


class BrokenRuleError(Exception):
    """The first rule that a log breaks."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.violation = Violation(rule, message)


def replay(scenario: Scenario, log: FleetLog) -> tuple[dict[str, float], list[Violation]]:
    """Return the value of every objective, and what is wrong: nothing, or the first rule that the log breaks."""
    if log.instance_digest not in ("", scenario.digest):
        message = f"the log belongs to scenario {log.instance_digest}, not to {scenario.name} ({scenario.digest})"
        return {}, [Violation("instance", message)]
    day = Day(scenario)
    try:
        columns = (getattr(log, field).tolist() for field in Row._fields)
        for number, row in enumerate(zip(*columns, strict=True)):
            day.play(number, Row(*row))
        due = day.next_decision()
        if due is not None:
            raise BrokenRuleError(
                "day", f"the log ends, but aircraft {due[1]} decides at {due[0]:.6f} before the day is over"
            )
    except BrokenRuleError as broken:
        return {}, [broken.violation]
    return day.values(), []


class Day:
    """A day under way.

    Attributes:
        events: heap of (time, LANDING or DECISION, aircraft), one for every aircraft.
        port: of each aircraft, in the air its destination; place: AIR, PARKED or PLUGGED.
        standing: of each port how many are parked and how many plugged in; inbound: how many are on their way.
        left: passengers of each hour, origin and destination that were not carried.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = s = scenario
        self.world: Any = np.uint64(s.world)
        self.parking, self.charging = s.parking.tolist(), s.charging.tolist()
        self.distance, self.fare, self.left = s.distance.tolist(), s.fare, s.demand.tolist()
        self.port, self.charge = s.start_port.tolist(), s.start_charge.tolist()
        fleet, ports = len(self.port), len(self.parking)
        self.place, self.flown = [AIR] * fleet, [0] * fleet
        self.since, self.full_at = [s.day_start] * fleet, [s.day_start] * fleet
        self.standing = [[0, 0, 0] for _ in range(ports)]
        self.inbound = [0] * ports
        self.last: dict[tuple[int, int], list[float]] = {}
        self.profit = self.miles = self.energy = 0.0
        self.served = self.flights = self.empty = 0
        self.events: list[tuple[float, int, int]] = []
        for k in range(fleet):
            full_at = self._take_place(k, s.day_start)
            heapq.heappush(self.events, (max(float(s.ready[k]), full_at), DECISION, k))

    def next_decision(self) -> tuple[float, int] | None:
        """Play the landings before the next decision; return its time and aircraft, None if the day is over."""
        s = self.scenario
        while self.events and self.events[0][0] < s.day_end:
            time, kind, k = self.events[0]
            if kind == DECISION:
                return time, k
            self.inbound[self.port[k]] -= 1
            probability = float(s.downtime_probability[k])
            down = draw_downtime(self.world, k, self.flown[k] - 1, probability, s.downtime_low, s.downtime_high)
            heapq.heapreplace(self.events, (self._take_place(k, time) + down, DECISION, k))
        return None

    def _take_place(self, k: int, time: float) -> float:
        """Give an aircraft a place at its port; return when it decides, out of service or not."""
        j, full = self.port[k], self.charge[k] >= self.scenario.battery
        parking = self.standing[j][PARKED] < self.parking[j]
        charger = self.standing[j][PLUGGED] < self.charging[j]
        if (charger and not full) or not parking:
            self._plug_in(k, time)
            return self.full_at[k] if self.scenario.recharge == FULL and not full else time
        self._stand(k, PARKED)
        return time

    def _stand(self, k: int, place: int) -> None:
        self.standing[self.port[k]][self.place[k]] -= self.place[k] != AIR
        self.place[k] = place
        self.standing[self.port[k]][place] += place != AIR

    def _plug_in(self, k: int, time: float) -> None:
        self._stand(k, PLUGGED)
        self.since[k], self.full_at[k] = time, time + minutes_to_full(self.scenario, self.charge[k])

    def hour_of(self, time: float) -> int:
        """Return the hour of demand that ``time`` lies in."""
        return min(self.scenario.n_hours - 1, int((time - self.scenario.day_start) / HOUR))

    def play(self, number: int, row: Row) -> None:
        """Play one decision.

        Raises:
            BrokenRuleError: the first rule that it breaks.
        """

        def fail(rule: str, message: str) -> NoReturn:
            raise BrokenRuleError(rule, f"decision {number}: {message}")

        s, (k, i, j) = self.scenario, row[:3]
        if not 0 <= k < len(self.port):
            fail("shape", f"aircraft {k}; the scenario has {len(self.port)}")
        for port in (i, j):
            if not 0 <= port < len(self.parking):
                fail("shape", f"port {port}; the scenario has {len(self.parking)}")
        due = self.next_decision()
        if due is None:
            fail("day", f"aircraft {k} at {row.time:.6f}, but the day is over")
        if (row.time, k) != due:
            fail("aircraft", f"aircraft {k} at {row.time:.6f}; due is aircraft {due[1]} at {due[0]:.6f}")
        if i != self.port[k]:
            fail("aircraft", f"aircraft {k} decides at port {i}, but stands at port {self.port[k]}")
        if self.place[k] == PLUGGED:
            done = row.time >= self.full_at[k]
            self.charge[k] = s.battery if done else charge_after(s, self.charge[k], row.time - self.since[k])
            self.since[k] = row.time
        if i == j:
            if row.passengers:
                fail("passengers", f"aircraft {k} stays with {row.passengers} passengers")
            if row.departure != row.time or row.arrival != row.time:
                fail("arithmetic", f"aircraft {k} stays; expected departure and arrival at {row.time!r}")
            heapq.heapreplace(self.events, (self._stay(k, row.time), DECISION, k))
            return
        self._check_leg(fail, k, i, j, self.hour_of(row.time))
        self._check_boarding(fail, row)
        self._check_times(fail, row)
        self._fly(row)
        heapq.heapreplace(self.events, (row.arrival, LANDING, k))

    def _stay(self, k: int, time: float) -> float:
        """Change the place of an aircraft that stays, where that is due; return when it decides next."""
        s, i, full = self.scenario, self.port[k], self.charge[k] >= self.scenario.battery
        if self.place[k] == PLUGGED:
            if full and self.standing[i][PARKED] < self.parking[i]:
                self._stand(k, PARKED)
        elif not full and self.standing[i][PLUGGED] < self.charging[i]:
            self._plug_in(k, time)
            if s.recharge == FULL:
                return self.full_at[k]
        return time + s.idle_step

    def _check_leg(self, fail: Any, k: int, i: int, j: int, hour: int) -> None:
        s = self.scenario
        if s.closed[hour, i, j]:
            fail("open", f"the route from port {i} to {j} is closed in hour {hour}")
        left, floor = self.charge[k] - s.energy_per_mile * self.distance[i][j], s.reserve * s.battery
        if left < floor:
            fail("energy", f"aircraft {k} would have {left:.3f} kWh left at port {j}; the reserve is {floor:.3f}")
        if not self.charging[j]:
            onward = [s.energy_per_mile * d for m, d in enumerate(self.distance[j]) if m != j and self.charging[m]]
            if not onward or left - min(onward) < floor:
                fail(
                    "energy", f"aircraft {k} would have {left:.3f} kWh left at port {j}, too little to reach a charger"
                )
        taken = self.standing[j][PARKED] + self.standing[j][PLUGGED] + self.inbound[j]
        if taken >= self.parking[j] + self.charging[j]:
            fail("slots", f"port {j} has no slot free: {taken} aircraft are there or on their way")
        if s.needs_charger and self.standing[j][PLUGGED] + self.inbound[j] >= self.charging[j]:
            fail("slots", f"port {j} has no charger free for another aircraft")

    def _check_boarding(self, fail: Any, row: Row) -> None:
        """Check the number of passengers, and let them board, those first who have waited longest."""
        s, hour = self.scenario, self.hour_of(row.time)
        if row.passengers > s.seats:
            fail("seats", f"{row.passengers} passengers; an aircraft has {s.seats} seats")
        room = s.seats
        for g in range(hour + 1):
            if g == hour or (s.max_wait > 0 and row.time < s.day_start + HOUR * (g + 1) + s.max_wait):
                pairs = self.left[g][row.origin]
                some = min(room, pairs[row.destination])
                pairs[row.destination] -= some
                room -= some
        if row.passengers != s.seats - room:
            pair = f"from port {row.origin} to {row.destination}"
            fail("passengers", f"{row.passengers} passengers {pair}, but {s.seats - room} can board")

    def _check_times(self, fail: Any, row: Row) -> None:
        s, k, i, j = self.scenario, row.aircraft, row.origin, row.destination
        delay = draw_delay(self.world, k, self.flown[k], float(s.delay_mean[i]), float(s.delay_sd[i]), s.delay_max)
        departure = row.time + delay
        if s.corridors:
            last = self.last.setdefault((i, j), [-math.inf] * s.corridors)
            corridor = min(range(s.corridors), key=last.__getitem__)
            free = last[corridor] + s.headway
            if row.departure < free:
                fail("headway", f"departure at {row.departure:.6f}, but no corridor is free before {free:.6f}")
            departure = last[corridor] = max(departure, free)
        if row.departure != departure:
            fail("arithmetic", f"departure at {row.departure!r}; expected {departure!r}")
        arrival = departure + ((s.take_off + HOUR * self.distance[i][j] / s.cruise) + s.landing)
        if row.arrival != arrival:
            fail("arithmetic", f"arrival at {row.arrival!r}; expected {arrival!r}")

    def _fly(self, row: Row) -> None:
        s, (k, i, j, passengers) = self.scenario, row[:4]
        hour, miles = self.hour_of(row.time), self.distance[i][j]
        energy = s.energy_per_mile * miles
        fares = passengers * float(self.fare[hour, i, j])
        self.profit += (fares - s.cost_per_mile * miles) - float(s.electricity[hour]) * energy
        self.miles += miles
        self.energy += energy
        self.served += passengers
        self.flights += 1
        self.empty += passengers == 0
        self.charge[k] -= energy
        self.flown[k] += 1
        self._stand(k, AIR)
        self.port[k] = j
        self.inbound[j] += 1

    def values(self) -> dict[str, float]:
        """Return the value of every objective."""
        return {
            "profit": self.profit,
            "served": float(self.served),
            "lost": float(int(self.scenario.demand.sum()) - self.served),
            "flights": float(self.flights),
            "empty_flights": float(self.empty),
            "miles": self.miles,
            "energy": self.energy,
        }


def minutes_to_full(scenario: Scenario, charge: float) -> float:
    """Return the minutes on a charger from ``charge`` kWh until the battery is full."""
    s = scenario
    if charge >= s.battery:
        return 0.0
    per = s.charger_power / 60.0
    if s.charge_curve != CC_CV:
        return (s.battery - charge) / per
    knee = 0.8 * s.battery
    bulk = (knee - charge) / per if charge < knee else 0.0
    x = 4.2 - 4.0 * max(charge, knee) / s.battery
    return bulk + s.battery / (4.0 * per) * math.log(x / 0.2)


def charge_after(scenario: Scenario, charge: float, minutes: float) -> float:
    """Return the kWh after so many minutes on a charger.

    Above 80 % the power falls with the charge, to 20 % of it when the battery is full; so it decays exponentially.
    """
    s = scenario
    per = s.charger_power / 60.0
    if s.charge_curve != CC_CV:
        return min(s.battery, charge + per * minutes)
    knee = 0.8 * s.battery
    bulk = (knee - charge) / per if charge < knee else 0.0
    if minutes <= bulk:
        return charge + per * minutes
    x = (4.2 - 4.0 * max(charge, knee) / s.battery) * math.exp(-(4.0 * per / s.battery) * (minutes - bulk))
    return min(s.battery, s.battery * (4.2 - x) / 4.0)
