"""The planner's view of air-taxi fleets and flow matrices carried out, in plain Python over the slow fleet."""

from __future__ import annotations

import math
from typing import Any

from reference.uam_fleet import CHARGER, ReferenceFleet
from reference.uam_rules import choice, profit
from reference.uam_rules import now as earns_now

Flow = list[list[int]]


def ready(fleet: ReferenceFleet, k: int) -> float:
    """When an aircraft decides next, or, in the air to a port with chargers, would be full."""
    due = float(fleet.due[k])
    if fleet.in_air[k] and fleet.scenario.charging[fleet.port[k]] > 0:
        due += fleet.minutes_to_full(fleet.charge[k])
    return due


def charge(fleet: ReferenceFleet, k: int) -> float:
    """kWh now, in the air at the landing."""
    return float(fleet.charge[k]) if fleet.in_air[k] else charge_then(fleet, k, fleet.now)


def charge_then(fleet: ReferenceFleet, k: int, time: float) -> float:
    """kWh at a later time, of an aircraft in the air after its landing; full if it waited there to be."""
    if fleet.in_air[k]:
        return float(fleet.scenario.battery) if time > fleet.due[k] else float(fleet.charge[k])
    if fleet.place[k] != CHARGER:
        return float(fleet.charge[k])
    if time >= fleet.full_at[k]:
        return float(fleet.scenario.battery)
    return float(fleet.charge_after(fleet.charge[k], time - fleet.since[k]))


def enough(fleet: ReferenceFleet, i: int, j: int, kwh: float) -> bool:
    s = fleet.scenario
    left, floor = kwh - fleet.leg(i, j), s.reserve * s.battery
    onward = min((fleet.leg(j, m) for m in fleet.ports if m != j and s.charging[m] > 0), default=math.inf)
    return bool(left >= floor and (s.charging[j] > 0 or left - onward >= floor))


def view(fleet: ReferenceFleet, step: float, slots: int) -> dict[str, Any]:
    """What a FleetView holds of one day that is not over."""
    s, ports = fleet.scenario, fleet.ports
    hours = range(len(s.electricity))
    first = math.floor((fleet.now - s.day_start) / step)
    begin = s.day_start + first * step
    idle, free, able = [0 for _ in ports], [[0] * slots for _ in ports], [[0 for _ in ports] for _ in ports]
    for k in fleet.fleet:
        time = ready(fleet, k) if s.recharge == 0 else fleet.due[k]
        slot = math.floor((time - begin) / step)
        if slot < slots:
            free[fleet.port[k]][slot] += 1
        idle[fleet.port[k]] += slot == 0 and not fleet.in_air[k]
        for j in ports if slot == 0 else ():
            able[fleet.port[k]][j] += j != fleet.port[k] and enough(
                fleet, fleet.port[k], j, charge_then(fleet, k, time)
            )
    return {
        "over": False,
        "now": fleet.now,
        "hour": fleet.hour,
        "begin": begin,
        "end": s.day_start + (first + 1) * step,
        "idle": idle,
        "free": free,
        "able": able,
        "room": [int(s.parking[j] + s.charging[j]) - fleet.port.count(j) for j in ports],
        "waiting": [[fleet.waiting(i, j) for j in ports] for i in ports],
        "left": [
            [[fleet.left[g][i][j] if g <= fleet.hour and fleet.waits(g) else 0 for j in ports] for i in ports]
            for g in hours
        ],
        "open": [[i != j and not s.closed[fleet.hour, i, j] for j in ports] for i in ports],
        "value": [
            [0.0 if i == j else profit(fleet, min(s.seats, fleet.waiting(i, j)), i, j, fleet.hour) for j in ports]
            for i in ports
        ],
        "port": fleet.port,
        "in_air": fleet.in_air,
        "due": fleet.due,
        "ready": [ready(fleet, k) for k in fleet.fleet],
        "charge": [charge(fleet, k) for k in fleet.fleet],
    }


def why_not(fleet: ReferenceFleet, j: int) -> str:
    """What stands against a flight of the aircraft that decides; "" if nothing does."""
    s, k = fleet.scenario, fleet.deciding
    i = fleet.port[k]
    if fleet.legal(j):
        return ""
    if s.closed[fleet.hour, i, j]:
        return "route"
    return "slots" if enough(fleet, i, j, fleet.charge[k]) else "charge"


def fly(
    fleet: ReferenceFleet, flow: Flow, until: float, rest: str = "stay", row: int = 0
) -> tuple[float, int, Flow, dict[tuple[int, int], str]]:
    """Carry out ``flow``, which is used up; return reward, decisions, flights and what stood against pairs."""
    flights = [[0] * len(fleet.ports) for _ in fleet.ports]
    paid, decisions, reasons = 0.0, 0, {}
    while not fleet.over and fleet.now < until:
        i = fleet.port[fleet.deciding]
        wanted = [j for j in fleet.ports if j != i and flow[i][j]]
        for j in wanted:
            if why_not(fleet, j):
                reasons.setdefault((i, j), why_not(fleet, j))
        legal = [j for j in wanted if fleet.legal(j)]
        j = max(legal, key=lambda j: (earns_now(fleet, j), -j), default=i)
        if i == j and rest != "stay":
            j = choice(fleet, rest, 0, row)
        elif i != j:
            flow[i][j] -= 1
            flights[i][j] += 1
        paid += fleet.step(j)[0]
        decisions += 1
    left = {(i, j) for i in fleet.ports for j in fleet.ports if i != j and flow[i][j]}
    return paid, decisions, flights, {pair: reasons.get(pair, "aircraft") for pair in left}
