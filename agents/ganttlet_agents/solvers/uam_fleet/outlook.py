"""The network of what lies ahead of a fleet on its way through a day, as far as is known or expected."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ganttlet.uam_fleet import layout as at
from ganttlet.uam_fleet.batch import UAMFleetVectorEnv
from ganttlet.uam_fleet.charging import minutes_to_full
from ganttlet.uam_fleet.instance import Scenario, legal_legs
from ganttlet_agents.solvers.uam_fleet.bound import leg_costs, slots_per_hour
from ganttlet_agents.solvers.uam_fleet.demand import groups_of
from ganttlet_agents.solvers.uam_fleet.network import Problem

Array = np.ndarray[Any, Any]


class Outlook:
    """What to plan by.

    Args:
        batch: a batch of one row; its day is looked at as it is now.
        step: grid in minutes.
        realised: whether demand and closed routes of later hours are looked up, in place of what is expected.

    Attributes:
        scenario: the day.
        begin: time of the first slot of the problem made last.
    """

    def __init__(self, batch: UAMFleetVectorEnv, step: float, realised: bool) -> None:
        scenario = batch.instance(0)
        assert isinstance(scenario, Scenario)
        self.scenario: Scenario = scenario
        self.step, self.realised = step, realised
        self.per_hour = slots_per_hour(step)
        self.begin = scenario.day_start
        self._state = batch._state
        self._charge = _charging_minutes(scenario)
        delay = np.clip(scenario.delay_mean, 0.0, scenario.delay_max)[:, None]
        self._duration = np.maximum(1, np.rint((delay + scenario.flight_time + self._charge) / step)).astype(np.int64)
        # From a vertistop there is no more left than the flight to it has left.
        used = np.where(scenario.charging > 0, 0.0, scenario.nearest)[:, None]
        self._legal = legal_legs(scenario.energy, scenario.charging, scenario.battery, scenario.reserve)
        self._legal &= scenario.battery - used - scenario.energy >= scenario.reserve * scenario.battery
        self._cost = leg_costs(scenario)

    @property
    def over(self) -> bool:
        """Whether nobody decides any more."""
        return bool(self._state.totals[0, at.OVER])

    @property
    def now(self) -> float:
        """Time of the present decision."""
        return float(self._state.real[0, at.NOW])

    @property
    def hour(self) -> int:
        """Hour of the present decision."""
        return int(self._state.totals[0, at.HOUR])

    @property
    def port(self) -> int:
        """Port of the aircraft that decides."""
        return int(self._state.craft[0, self._state.totals[0, at.DECIDES], at.PORT])

    def problem(self, window: float) -> Problem:
        """Return the network of the next ``window`` minutes, or to the end of the day."""
        s, step, hour = self.scenario, self.step, self.hour
        first = int((self.now - s.day_start) / step)
        last = min(s.n_hours * self.per_hour, first + max(1, math.ceil(min(window, s.day_end) / step)))
        self.begin = s.day_start + first * step
        hours = np.arange(first, last) // self.per_hour
        upto = s.n_hours if self.realised else hour + 1
        closed = self._state.closed[0].copy()
        closed[upto:] = 0
        known = self._state.left[0].copy()
        known[: self._state.totals[0, at.EXPIRED]] = 0
        known[upto:] = 0
        supply = self._supply(last - first)
        return Problem(
            hour=hours,
            duration=self._duration,
            legs=self._legal[None] & (closed == 0),
            cost=self._cost,
            fare=s.fare,
            supply=supply[:-1],
            later=supply[-1],
            slots=s.slots,
            seats=s.seats,
            most=s.corridors * step / s.headway if s.corridors > 0 and s.headway > 0.0 else math.inf,
            groups=groups_of(s, known, upto, hour, int(hours[-1])),
        )

    def _supply(self, count: int) -> Array:
        """Return (S + 1, V) aircraft by the slot of their next decision, the last row for those behind."""
        s, craft = self.scenario, self._state.craft[0]
        free = self._state.clock[0, :, at.DUE].copy()
        for k in np.flatnonzero(craft[:, at.STATUS] == at.IN_AIR).tolist():
            if s.charging[craft[k, at.PORT]] > 0:
                charge = float(self._state.clock[0, k, at.CHARGE])
                free[k] += minutes_to_full(charge, s.battery, s.charger_power, s.charge_curve)
        slot = np.clip(np.rint((free - self.begin) / self.step), 0, count).astype(np.int64)
        slot[self._state.totals[0, at.DECIDES]] = 0
        supply = np.zeros((count + 1, s.n_ports), np.int64)
        np.add.at(supply, (slot, craft[:, at.PORT]), 1)
        return supply


def _charging_minutes(scenario: Scenario) -> Array:
    """Return (V, V) minutes on a charger after a flight: of its energy, and of what a vertistop before did not give."""
    s = scenario
    minutes = np.zeros((s.n_ports, s.n_ports))
    for i, j in np.ndindex(minutes.shape):
        if i != j and s.charging[j] > 0:
            used = s.energy[i, j] + (0.0 if s.charging[i] > 0 or math.isinf(s.nearest[i]) else s.nearest[i])
            minutes[i, j] = minutes_to_full(max(0.0, s.battery - used), s.battery, s.charger_power, s.charge_curve)
    return minutes
