"""The rules of air-taxi fleets and the genetic search in plain Python, over the slow fleet."""

from __future__ import annotations

import copy
import math
from typing import Any

from reference.soc_draws import scramble, uniform
from reference.uam_fleet import CHARGER, PARKING, ReferenceFleet

Legs = list[int]


def flights(fleet: ReferenceFleet) -> Legs:
    """Where the aircraft that decides may fly."""
    return [j for j in fleet.ports if j != fleet.port[fleet.deciding] and fleet.legal(j)]


def profit(fleet: ReferenceFleet, people: float, i: int, j: int, hour: int) -> float:
    s = fleet.scenario
    return float(people * s.fare[hour, i, j] - s.cost_per_mile * s.distance[i, j]) - float(
        s.electricity[hour] * fleet.leg(i, j)
    )


def now(fleet: ReferenceFleet, j: int) -> float:
    """What a flight to ``j`` earns now."""
    i = fleet.port[fleet.deciding]
    return profit(fleet, min(fleet.scenario.seats, fleet.waiting(i, j)), i, j, fleet.hour)


def must_fill(fleet: ReferenceFleet, j: int) -> bool:
    """Whether an aircraft that lands there leaves with a full battery."""
    return bool(fleet.scenario.recharge == 0 and fleet.scenario.charging[j] > 0)


def busy(fleet: ReferenceFleet, i: int, j: int, charge: float) -> float:
    """Minutes that a flight is expected to take, with charging."""
    s = fleet.scenario
    flight = (s.take_off + 60.0 * float(s.distance[i, j]) / s.cruise) + s.landing
    minutes = (float(s.delay_mean[i]) + flight) + fleet.minutes_to_full(charge - fleet.leg(i, j))
    return minutes if must_fill(fleet, j) else minutes - fleet.minutes_to_full(charge)


def best(options: Legs, value: Any, home: int) -> int:
    """The first of the options of greatest value."""
    return max(options, key=lambda j: (value(j), -j), default=home)


def rate(fleet: ReferenceFleet, j: int) -> float:
    k = fleet.deciding
    return now(fleet, j) / busy(fleet, fleet.port[k], j, fleet.charge[k])


def others(fleet: ReferenceFleet, j: int) -> int:
    """Other aircraft at a port and on their way to it."""
    return sum(fleet.port[k] == j for k in fleet.fleet if k != fleet.deciding)


def then(fleet: ReferenceFleet, gain: float, spent: float, j: int, charge: float) -> float:
    """Best profit per minute of a first flight to ``j`` alone, or with a second one."""
    s, best_rate = fleet.scenario, gain / spent
    time = fleet.now + spent
    if time >= s.day_end:
        return best_rate
    hour = min(len(s.electricity) - 1, int((time - s.day_start) / 60.0))
    for m in fleet.ports:
        floor, left = s.reserve * s.battery, charge - fleet.leg(j, m)
        escape = min((fleet.leg(m, n) for n in fleet.ports if n != m and s.charging[n] > 0), default=math.inf)
        if m == j or left < floor or (s.charging[m] == 0 and left - escape < floor):
            continue
        crowd = float(s.forecast[hour, j, m])
        if hour == fleet.hour:
            if s.closed[hour, j, m]:
                continue
            crowd = float(fleet.waiting(j, m))
        gained = profit(fleet, min(float(s.seats), crowd / (1.0 + others(fleet, j))), j, m, hour)
        if gained > 0:
            best_rate = max(best_rate, (gain + gained) / (spent + busy(fleet, j, m, charge)))
    return best_rate


def worth(fleet: ReferenceFleet, j: int) -> float:
    """What looking ahead compares: to stay, or a legal flight."""
    s, k = fleet.scenario, fleet.deciding
    i, charge = fleet.port[k], fleet.charge[k]
    if j != i:
        later = charge - fleet.leg(i, j)
        if s.charging[j] > 0:
            later = float(s.battery) if must_fill(fleet, j) else charge
        return then(fleet, now(fleet, j), busy(fleet, i, j, charge), j, later)
    spent, later = float(s.idle_step), charge
    free = fleet.count(i, CHARGER) < s.charging[i]
    if fleet.place[k] == CHARGER:
        later = fleet.charge_after(charge, spent)
    elif fleet.place[k] == PARKING and charge < s.battery and free:
        if s.recharge == 0:
            spent = fleet.minutes_to_full(charge)
        later = fleet.charge_after(charge, spent)
    return then(fleet, 0.0, spent, i, later)


def look_ahead(fleet: ReferenceFleet) -> int:
    i = fleet.port[fleet.deciding]
    found, most = i, worth(fleet, i)
    for j in flights(fleet):
        if worth(fleet, j) > most:
            found, most = j, worth(fleet, j)
    return found


def balance(fleet: ReferenceFleet) -> int:
    s, i = fleet.scenario, fleet.port[fleet.deciding]
    hour = min(len(s.electricity) - 1, fleet.hour + 1)
    out = s.forecast[hour].sum(axis=1)
    per = len(fleet.port) / float(sum(out.tolist())) if out.sum() > 0 else 0.0
    lack = [per * float(out[j]) - fleet.port.count(j) for j in fleet.ports]
    paying = [j for j in flights(fleet) if now(fleet, j) > 0]
    if paying:
        return best(paying, lack.__getitem__, i)
    short = [j for j in flights(fleet) if lack[j] >= 1]
    return best(short, lack.__getitem__, i) if lack[i] <= -1 else i


def oldest(fleet: ReferenceFleet, rule: str) -> int:
    i = fleet.port[fleet.deciding]

    def first(j: int) -> int:
        return min(g for g in range(fleet.hour + 1) if fleet.waits(g) and fleet.left[g][i][j])

    def value(j: int) -> tuple[int, float]:
        fares = min(fleet.scenario.seats, fleet.waiting(i, j)) * float(fleet.scenario.fare[fleet.hour, i, j])
        return -first(j), fares if rule == "edd" else fleet.left[first(j)][i][j]

    return best([j for j in flights(fleet) if fleet.waiting(i, j)], value, i)


def choice(fleet: ReferenceFleet, rule: str, seed: int = 0, row: int = 0) -> int:
    """Where a rule sends the aircraft that decides."""
    i = fleet.port[fleet.deciding]
    if rule == "random":
        legal = [j for j in fleet.ports if fleet.legal(j)]
        return legal[int(uniform(seed, row, len(fleet.rows)) * len(legal))]
    if rule == "greedy_lookahead":
        return look_ahead(fleet)
    if rule == "balance":
        return balance(fleet)
    if rule in ("fcfs", "edd"):
        return oldest(fleet, rule)
    paying = [j for j in flights(fleet) if now(fleet, j) > 0]
    return best(paying, lambda j: now(fleet, j) if rule == "greedy" else rate(fleet, j), i)


def play(fleet: ReferenceFleet, genes: Legs) -> float:
    """Fly where genes say, stay where that is illegal; return the profit so far."""
    for j in genes:
        if fleet.over:
            break
        fleet.step(j if fleet.legal(j) else fleet.port[fleet.deciding])
    return fleet.profit


def key(seed: int, entity: int, count: int) -> int:
    return scramble(scramble(scramble(seed) ^ entity) ^ count)


def genetic(
    scenario: Any,
    *,
    block: int,
    population: int,
    generations: int,
    mutation: float,
    crossover: float,
    elite: float,
    parents: float,
    seed: int,
) -> ReferenceFleet:
    """The day of a genetic search that knows the day's chance."""
    fleet, number, last = ReferenceFleet(scenario), 0, len(scenario.parking) - 1
    while not fleet.over:
        chance = key(seed, 91, number)

        def gene(generation: int, child: int, draw: int, chance: int = chance) -> int:
            return int(uniform(chance, generation, child, draw) * (last + 1))

        people = [[gene(0, c, place) for place in range(block)] for c in range(population)]
        for g in range(1, generations + 1):
            people.sort(key=lambda genes: -play(copy.deepcopy(fleet), genes))
            if g == generations:
                break
            children = people[: math.ceil(elite * population)]
            for c in range(len(children), population):
                draws = [uniform(chance, g, c, n) for n in range(3 + 3 * block)]
                pool = math.ceil(parents * population)
                one, other = (people[int(u * pool)] for u in draws[:2])
                child = []
                for place in range(block):
                    swap, change, to = draws[3 + 3 * place : 6 + 3 * place]
                    inherited = other[place] if draws[2] < crossover and swap < 0.5 else one[place]
                    child.append(int(to * (last + 1)) if change < mutation else inherited)
                children.append(child)
            people = children
        play(fleet, people[0])
        number += 1
    return fleet
