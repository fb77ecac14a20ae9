"""A slow air-taxi fleet in plain Python: the oracle that the fast kernel is compared with, step by step.

It reads the fields of a Scenario and shares no code with the package.
"""

from __future__ import annotations

import math
from typing import Any

from reference.soc_draws import uniform

PARKING, CHARGER = "parking", "charger"


def delay_of(scenario: Any, aircraft: int, count: int, port: int) -> float:
    """Minutes by which a departure is late."""
    mean, sd = float(scenario.delay_mean[port]), float(scenario.delay_sd[port])
    z = 0.0
    if sd > 0.0:
        first, second = (uniform(scenario.world, 31 + aircraft, count, draw) for draw in (0, 1))
        z = math.sqrt(-2.0 * math.log(1.0 - first)) * math.cos(2.0 * math.pi * second)
    return min(scenario.delay_max, max(0.0, mean + sd * z))


def downtime_of(scenario: Any, aircraft: int, count: int) -> float:
    """Minutes for which an aircraft is out of service after that flight."""
    if uniform(scenario.world, 31 + aircraft, count, 2) >= scenario.downtime_probability[aircraft]:
        return 0.0
    span = scenario.downtime_high - scenario.downtime_low
    return float(scenario.downtime_low + span * uniform(scenario.world, 31 + aircraft, count, 3))


class ReferenceFleet:
    """One day; the constructor is the reset.

    Attributes:
        now, hour: of the present decision; deciding: the aircraft, -1 when the day is over.
        port: where each aircraft is, or is going to; place: what it stands on, None in the air.
        due: when it lands if it is in the air, else when it decides.
        charge: kWh as of its last event; since: when that was; full_at: when it will be full, if it charges.
        departures: how often it has flown.
        rows: what a FleetLog has of each decision.
    """

    def __init__(self, scenario: Any, reward: str = "incremental", illegal_penalty: float = 1.0) -> None:
        self.scenario, self.reward, self.penalty = scenario, reward, illegal_penalty
        s = scenario
        self.ports, self.fleet = range(len(s.parking)), range(len(s.start_port))
        self.now, self.hour, self.deciding, self.over = float(s.day_start), 0, -1, False
        self.port = [int(i) for i in s.start_port]
        self.place: list[str | None] = [None for _ in self.fleet]
        self.in_air = [False for _ in self.fleet]
        self.charge = [float(c) for c in s.start_charge]
        self.since = [float(s.day_start) for _ in self.fleet]
        self.full_at = [float(s.day_start) for _ in self.fleet]
        self.departures = [0 for _ in self.fleet]
        self.due = [float(r) for r in s.ready]
        self.left = s.demand.tolist()
        self.last = [[[-math.inf] * s.corridors for _ in self.ports] for _ in self.ports]
        self.rows: list[tuple[int, int, int, int, float, float, float]] = []
        self.profit = self.miles = self.energy = 0.0
        for k in self.fleet:
            if self.take_place(k, float(s.day_start)):
                self.due[k] = max(self.due[k], self.full_at[k])
        self.go_on()

    @property
    def on_charger(self) -> list[bool]:
        return [place == CHARGER for place in self.place]

    @property
    def parked(self) -> list[int]:
        return [self.count(j, PARKING) for j in self.ports]

    @property
    def plugged(self) -> list[int]:
        return [self.count(j, CHARGER) for j in self.ports]

    @property
    def inbound(self) -> list[int]:
        return [self.count(j, None) for j in self.ports]

    def count(self, port: int, place: str | None) -> int:
        """Aircraft of a port on such a place; None: on their way to it."""
        return sum(self.port[k] == port and self.place[k] == place for k in self.fleet)

    def leg(self, i: int, j: int) -> float:
        """Energy of a leg in kWh."""
        return float(self.scenario.energy_per_mile * self.scenario.distance[i, j])

    def minutes_to_full(self, charge: float) -> float:
        s = self.scenario
        if charge >= s.battery:
            return 0.0
        per = s.charger_power / 60.0
        if s.charge_curve == 0:
            return float((s.battery - charge) / per)
        knee = 0.8 * s.battery
        bulk = (knee - charge) / per if charge < knee else 0.0
        return float(bulk + s.battery / (4.0 * per) * math.log((4.2 - 4.0 * max(charge, knee) / s.battery) / 0.2))

    def charge_after(self, charge: float, minutes: float) -> float:
        s = self.scenario
        per = s.charger_power / 60.0
        if s.charge_curve == 0:
            return float(min(s.battery, charge + per * minutes))
        knee = 0.8 * s.battery
        bulk = (knee - charge) / per if charge < knee else 0.0
        if minutes <= bulk:
            return float(charge + per * minutes)
        x = (4.2 - 4.0 * max(charge, knee) / s.battery) * math.exp(-(4.0 * per / s.battery) * (minutes - bulk))
        return float(min(s.battery, s.battery * (4.2 - x) / 4.0))

    def plug_in(self, k: int, time: float) -> None:
        self.place[k] = CHARGER
        self.since[k] = time
        self.full_at[k] = time + self.minutes_to_full(self.charge[k])

    def take_place(self, k: int, time: float) -> bool:
        """Put an aircraft somewhere at its port; say whether it decides only when it is full."""
        j, full = self.port[k], self.charge[k] >= self.scenario.battery
        charger = self.count(j, CHARGER) < self.scenario.charging[j]
        parking = self.count(j, PARKING) < self.scenario.parking[j]
        assert charger or parking
        if parking and (full or not charger):
            self.place[k] = PARKING
            return False
        self.plug_in(k, time)
        return bool(self.scenario.recharge == 0 and not full)

    def go_on(self) -> None:
        """Play landings up to the next decision, and bring the charge of who decides up to date."""
        s = self.scenario
        while True:
            time, _, k = min((self.due[k], not self.in_air[k], k) for k in self.fleet)
            if time >= s.day_end:
                self.over, self.deciding = True, -1
                return
            if not self.in_air[k]:
                break
            self.in_air[k] = False
            waits = self.take_place(k, time)
            self.due[k] = (self.full_at[k] if waits else time) + downtime_of(s, k, self.departures[k] - 1)
        self.now, self.deciding = time, k
        self.hour = min(len(s.electricity) - 1, int((time - s.day_start) / 60.0))
        if self.place[k] == CHARGER:
            done = time >= self.full_at[k]
            self.charge[k] = float(s.battery) if done else self.charge_after(self.charge[k], time - self.since[k])
            self.since[k] = time

    def waits(self, cohort: int) -> bool:
        """Whether those who turned up in an hour still wait, or are about to."""
        if cohort >= self.hour:
            return True
        s = self.scenario
        return bool(s.max_wait > 0 and self.now < s.day_start + 60.0 * (cohort + 1) + s.max_wait)

    def waiting(self, i: int, j: int) -> int:
        return sum(self.left[g][i][j] for g in range(self.hour + 1) if self.waits(g))

    def legal(self, j: int) -> bool:
        s, k = self.scenario, self.deciding
        i = self.port[k]
        if i == j:
            return True
        left, floor = self.charge[k] - self.leg(i, j), s.reserve * s.battery
        onward = min((self.leg(j, m) for m in self.ports if m != j and s.charging[m] > 0), default=math.inf)
        inbound, plugged = self.count(j, None), self.count(j, CHARGER)
        return bool(
            not s.closed[self.hour, i, j]
            and left >= floor
            and (s.charging[j] > 0 or left - onward >= floor)
            and self.count(j, PARKING) + plugged + inbound < s.parking[j] + s.charging[j]
            and (not s.needs_charger or plugged + inbound < s.charging[j])
        )

    def mask(self) -> list[int]:
        return [1 if self.over else int(self.legal(j)) for j in self.ports]

    def step(self, action: int) -> tuple[float, bool, bool]:
        """Return the reward, whether the day is over and whether the action was illegal."""
        if action not in self.ports or not self.mask()[action]:
            return -self.penalty, self.over, True
        if self.over:
            return 0.0, True, False
        before = self.profit
        gained = 0.0
        if action == self.port[self.deciding]:
            self.stay()
        else:
            gained = self.fly(action)
        assert self.profit == before + gained
        self.go_on()
        if self.reward == "terminal":
            gained = self.profit if self.over else 0.0
        return gained / self.scenario.scale, self.over, False

    def stay(self) -> None:
        s, k, t = self.scenario, self.deciding, self.now
        i, full = self.port[k], self.charge[k] >= self.scenario.battery
        self.rows.append((k, i, i, 0, t, t, t))
        self.due[k] = t + s.idle_step
        if self.place[k] == CHARGER:
            if full and self.count(i, PARKING) < s.parking[i]:
                self.place[k] = PARKING
        elif not full and self.count(i, CHARGER) < s.charging[i]:
            self.plug_in(k, t)
            if s.recharge == 0:
                self.due[k] = self.full_at[k]

    def fly(self, j: int) -> float:
        s, k, t = self.scenario, self.deciding, self.now
        i = self.port[k]
        boarded = 0
        for g in range(self.hour + 1):
            if self.waits(g):
                some = min(s.seats - boarded, self.left[g][i][j])
                self.left[g][i][j] -= some
                boarded += some
        departure = t + delay_of(s, k, self.departures[k], i)
        last = self.last[i][j]
        if last:
            c = last.index(min(last))
            departure = last[c] = max(departure, last[c] + s.headway)
        miles, energy = float(s.distance[i, j]), self.leg(i, j)
        arrival = departure + ((s.take_off + 60.0 * miles / s.cruise) + s.landing)
        self.charge[k] -= energy
        self.departures[k] += 1
        self.port[k], self.place[k], self.in_air[k], self.due[k] = j, None, True, arrival
        self.rows.append((k, i, j, boarded, t, departure, arrival))
        gained = float(boarded * s.fare[self.hour, i, j] - s.cost_per_mile * miles) - float(
            s.electricity[self.hour] * energy
        )
        self.profit, self.miles, self.energy = self.profit + gained, self.miles + miles, self.energy + energy
        return gained

    def objectives(self) -> dict[str, float]:
        flights = [row for row in self.rows if row[1] != row[2]]
        lost = sum(sum(map(sum, self.left[g])) for g in range(len(self.left)) if self.over or not self.waits(g))
        return {
            "profit": self.profit,
            "served": float(sum(row[3] for row in flights)),
            "lost": float(lost),
            "flights": float(len(flights)),
            "empty_flights": float(sum(row[3] == 0 for row in flights)),
            "miles": self.miles,
            "energy": self.energy,
        }

    def log(self) -> dict[str, list[Any]]:
        """The columns of a FleetLog."""
        names = ("aircraft", "origin", "destination", "passengers", "time", "departure", "arrival")
        return {name: [row[at] for row in self.rows] for at, name in enumerate(names)}
