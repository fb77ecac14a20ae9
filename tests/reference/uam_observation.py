"""What UAMFleet-v0 should show, worked out in plain Python from the slow simulator's state, feature by feature."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.graph import GraphSpec
from reference.uam_fleet import ReferenceFleet, downtime_of
from reference.uam_rules import others, worth

FAR = 1000.0


class Shown:
    """The blocks of one state."""

    def __init__(self, play: ReferenceFleet, graph: GraphSpec, lookahead: int) -> None:
        self.play, self.graph, self.lookahead = play, graph, lookahead
        self.scenario = play.scenario
        self.top = float(self.scenario.fare.max()) or 1.0
        self.longest = float(self.scenario.distance.max())
        self.money = self.scenario.seats * self.top

    def blocks(self) -> dict[str, np.ndarray]:
        """Every block but the action mask, cut to the features' ranges."""
        play = self.play
        counts = {node.name: node.count for node in self.graph.nodes}
        ports = [] if play.over else list(play.ports)
        found: dict[str, Any] = {
            "port": self.padded([self.port_row(j) for j in ports], "port"),
            "port_mask": [1] * len(ports) + [0] * (counts["port"] - len(ports)),
            "context": self.cut(self.context(), self.graph.context),
            "focus_port": [-1 if play.over else play.port[play.deciding]],
        }
        if "aircraft" in counts:
            fleet = [] if play.over else list(play.fleet)
            rest = counts["aircraft"] - len(fleet)
            found |= {
                "aircraft": self.padded([self.aircraft_row(k) for k in fleet], "aircraft"),
                "aircraft_mask": [1] * len(fleet) + [0] * rest,
                "aircraft_port_index": [play.port[k] for k in fleet] + [-1] * rest,
                "focus_aircraft": [play.deciding],
            }
        return {key: np.array(value) for key, value in found.items()}

    def cut(self, row: Any, features: Any) -> list[float]:
        assert len(row) == len(features)
        return [min(one.high, max(one.low, float(x))) for x, one in zip(row, features, strict=True)]

    def padded(self, rows: list[list[float]], name: str) -> list[list[float]]:
        node = self.graph.node(name)
        full = [self.cut(row, node.features) for row in rows]
        return full + [[0.0] * len(node.features)] * (node.count - len(rows))

    def charge(self, k: int) -> float:
        """kWh of an aircraft now."""
        play = self.play
        if not play.on_charger[k]:
            return play.charge[k]
        if play.now >= play.full_at[k]:
            return float(self.scenario.battery)
        return play.charge_after(play.charge[k], play.now - play.since[k])

    def waiting(self, origins: Any, destinations: Any) -> int:
        return sum(self.play.waiting(i, j) for i in origins for j in destinations if i != j)

    def onward(self, j: int, arrival: float) -> float:
        s = self.scenario
        if arrival >= s.day_end:
            return 0.0
        hour = min(len(s.electricity) - 1, int((arrival - s.day_start) / 60.0))
        return float(s.forecast[hour, j].sum())

    def port_row(self, j: int) -> list[float]:
        s, play, t, h = self.scenario, self.play, self.play.now, self.play.hour
        k = play.deciding
        i = play.port[k]
        slots = int(s.parking[j] + s.charging[j])
        flight = (s.take_off + 60.0 * s.distance[i, j] / s.cruise) + s.landing
        boards = 0 if i == j else min(s.seats, play.waiting(i, j))
        left = play.charge[k] - play.leg(i, j)
        profit = rate = 0.0
        arrival, time = t + s.idle_step, s.idle_step
        if i != j:
            time = flight
            arrival = t + s.delay_mean[i] + flight
            fares, flying = boards * s.fare[h, i, j], s.cost_per_mile * s.distance[i, j]
            profit = (fares - flying - s.electricity[h] * play.leg(i, j)) / self.money
            busy = s.delay_mean[i] + flight
            if s.recharge == 0 and s.charging[j]:
                busy += play.minutes_to_full(max(0.0, left))
            rate = 60.0 * profit / busy
        place = (s.position[j] - s.position.mean(axis=0)) / self.longest
        row = [
            i == j,
            play.legal(j),
            *place,
            s.charging[j] > 0,
            slots / len(s.start_port),
            (slots - play.parked[j] - play.plugged[j] - play.inbound[j]) / slots,
            (s.charging[j] - play.plugged[j]) / slots,
            play.inbound[j] / slots,
            s.delay_mean[j] / 60.0,
            s.distance[i, j] / self.longest,
            time / 60.0,
            left / s.battery,
            not s.closed[h, i, j],
            s.closure_probability[i, j],
            play.waiting(i, j) / s.seats,
            boards / s.seats,
            s.fare[h, i, j] / self.top,
            profit,
            rate,
            self.onward(j, arrival) / s.seats,
            self.waiting([j], play.ports) / s.seats,
            self.waiting(play.ports, [j]) / s.seats,
            others(play, j),
            s.forecast[h + 1, i, j] / s.seats if h + 1 < len(s.electricity) else 0.0,
            play.waiting(j, i) / s.seats if i != j else 0.0,
        ]
        if "worth" in [one.name for one in self.graph.node("port").features]:
            row.append(60.0 * worth(play, j) / self.money if play.legal(j) else 0.0)
        for hour in range(h, h + self.lookahead):
            row += self.expected(hour, j)
        return row

    def expected(self, hour: int, j: int) -> list[float]:
        """Passengers out and in that are expected in an hour, and their mean fares."""
        s = self.scenario
        if hour >= len(s.electricity):
            return [0.0] * 4
        counts, fares = [], []
        for people, fare in ((s.forecast[hour, j], s.fare[hour, j]), (s.forecast[hour, :, j], s.fare[hour, :, j])):
            total = float(people.sum())
            counts.append(total / s.seats)
            fares.append(float((people * fare).sum()) / total / self.top if total > 0.0 else 0.0)
        return counts + fares

    def aircraft_row(self, k: int) -> list[float]:
        play = self.play
        return [
            k == play.deciding,
            play.in_air[k],
            play.on_charger[k],
            k != play.deciding and self.broken(k),
            self.charge(k) / self.scenario.battery,
            (play.due[k] - play.now) / 60.0,
            self.scenario.downtime_probability[k],
            play.departures[k],
        ]

    def broken(self, k: int) -> bool:
        """Whether an aircraft on the ground has not decided since the flight after which it was out of service."""
        play = self.play
        if play.in_air[k] or not play.departures[k]:
            return False
        last = [row for row in play.rows if row[0] == k][-1]
        landed = last[2] != last[1]
        return landed and downtime_of(play.scenario, k, play.departures[k] - 1) > 0.0

    def context(self) -> list[float]:
        s, play = self.scenario, self.play
        seats = s.seats * len(s.start_port)
        values = play.objectives()
        done = [values["served"] / seats, values["profit"] / s.scale]
        if play.over:
            return [1.0, *[0.0] * 11, *done]
        k, h = play.deciding, play.hour
        clock = play.now - s.day_start
        return [
            clock / (s.day_end - s.day_start),
            clock / 60.0 - h,
            play.charge[k] / s.battery,
            play.on_charger[k],
            s.downtime_probability[k],
            play.departures[k],
            s.electricity[h] * s.battery / self.money,
            sum(play.in_air) / len(s.start_port),
            sum(play.on_charger) / len(s.start_port),
            sum(play.mask()) / len(s.parking),
            self.waiting(play.ports, play.ports) / seats,
            s.forecast[h + 1 :].sum() / seats,
            *done,
        ]
