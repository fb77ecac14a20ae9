"""The network of what lies ahead of a fleet on its way through a day, as far as is known or expected."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ganttlet.uam_fleet import layout as at
from ganttlet.uam_fleet.batch import UAMFleetVectorEnv
from ganttlet.uam_fleet.charging import minutes_to_full
from ganttlet.uam_fleet.instance import Scenario, legal_legs
from ganttlet.uam_fleet.planner import FleetView, fleet_view
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
        self._batch, self._state = batch, batch._state
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
        view = fleet_view(self._batch, step=step)
        first = int((self.now - s.day_start) / step)
        last = min(s.n_hours * self.per_hour, first + max(1, math.ceil(min(window, s.day_end) / step)))
        self.begin = float(view.begin[0])
        hours = np.arange(first, last) // self.per_hour
        upto, known = hour + 1, view.left[0]
        closed = np.zeros(self._state.closed.shape[1:], np.bool_)
        closed[hour] = ~view.open[0]
        if self.realised:
            # What the view hides.
            upto, closed = s.n_hours, self._state.closed[0] != 0
            known[hour + 1 :] = self._state.left[0, hour + 1 :]
        supply = self._supply(view, last - first)
        return Problem(
            hour=hours,
            duration=self._duration,
            legs=self._legal[None] & ~closed,
            cost=self._cost,
            fare=s.fare,
            supply=supply[:-1],
            later=supply[-1],
            slots=s.slots,
            seats=s.seats,
            most=s.corridors * step / s.headway if s.corridors > 0 and s.headway > 0.0 else math.inf,
            groups=groups_of(s, known, upto, hour, int(hours[-1])),
        )

    def _supply(self, view: FleetView, count: int) -> Array:
        """Return (S + 1, V) aircraft by the slot of their next decision, the last row for those behind."""
        slot = np.clip(np.rint((view.ready[0] - self.begin) / self.step), 0, count).astype(np.int64)
        slot[self._state.totals[0, at.DECIDES]] = 0
        supply = np.zeros((count + 1, self.scenario.n_ports), np.int64)
        np.add.at(supply, (slot, view.port[0]), 1)
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
