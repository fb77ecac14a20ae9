"""Days planned by the time-space network, and played: once for the whole day, or again and again for some hours."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
from gymnasium.vector import AutoresetMode

from ganttlet.core.errors import check_choice
from ganttlet.core.options import as_number, as_seed
from ganttlet.uam_fleet.batch import UAMFleetVectorEnv
from ganttlet.uam_fleet.dispatch import RULES
from ganttlet.uam_fleet.instance import HOUR, Scenario
from ganttlet.uam_fleet.library import resolve
from ganttlet.uam_fleet.solution import FleetLog
from ganttlet_agents.solvers.uam_fleet.network import Network
from ganttlet_agents.solvers.uam_fleet.outlook import Outlook

DEMAND = ("forecast", "realised")
DAY_STEP, DAY_TIME, DAY_GAP = 10.0, 120.0, 0.01
STEP, EVERY, WINDOW, TIME, GAP = 10.0, 15.0, 120.0, 20.0, 0.01
LATE = 60.0  # minutes after which a departure that was not made is given up
IDLE = 30.0  # minutes without a departure in the plan: the port's aircraft may do something else
SPARE, STAY = "greedy_lookahead", "stay"


@dataclass(frozen=True)
class PlanResult:
    """A day and how it came about.

    Fields:
        log: what was played.
        decisions: that were taken.
        plans: that were made.
        value: profit that the first plan promised, in its model; None if there was no plan.
        bound: on the profit of the first plan in its model.
        gap: what the plans may fall short of the best of their models, in all, as a share of the bounds.
        seconds: wall time of planning.
        latencies: seconds that each decision took.
    """

    log: FleetLog
    decisions: int
    plans: int
    value: float | None
    bound: float
    gap: float
    seconds: float
    latencies: list[float]


def solve_plan(
    scenario: Scenario | str,
    *,
    demand: str = "forecast",
    step: float = DAY_STEP,
    every: float | None = None,
    window: float | None = None,
    time_limit: float = DAY_TIME,
    gap: float = DAY_GAP,
    spare: str = SPARE,
    seed: int = 0,
) -> PlanResult:
    """Plan a day by an integer programme on a grid of time, and play it by the plan.

    A plan is made of mean delays, of flights with the charging that follows (up to a full battery), of the passengers
    who are known to wait and of those whom a Poisson number with the forecast's mean lets expect on each further
    flight; closures are known for the present hour, breakdowns are left out. An aircraft that decides takes the
    earliest departure of its port that is due and legal, or else stays. A departure is due at its time, and before it
    if it lies in the same hour and before the next decision of an aircraft that stays. If the plan has no departure of
    the port within half an hour, the aircraft does what a rule says.

    Args:
        scenario: the day, or whatever ``ganttlet.uam_fleet.resolve`` makes one of.
        demand: ``forecast``; or ``realised``: demand and closures of all hours are known (clairvoyant).
        step: grid in minutes, a part of the hour.
        every: a plan is made anew after so many minutes and when an hour begins; None: one plan for the day.
        window: minutes that a plan looks ahead; None: to the end of the day.
        time_limit: wall-clock limit of each plan in seconds.
        gap: relative gap at which a plan is good enough.
        spare: the rule, a name of ``ganttlet.uam_fleet.RULES``; or ``stay``.
        seed: HiGHS' random seed.

    Raises:
        InputError: for an option out of range, an unknown ``demand`` or rule, a step that is no part of the hour.
        MissingExtraError: if HiGHS is not installed.
    """
    check_choice("demand", demand, DEMAND)
    check_choice("spare", spare, (*RULES, STAY))
    as_number("time_limit", time_limit, 0.0, math.inf)
    as_number("gap", gap, 0.0, 1.0)
    for name, minutes in (("every", every), ("window", window)):
        if minutes is not None:
            as_number(name, minutes, 1.0, math.inf)
    batch = UAMFleetVectorEnv(
        1,
        instance=resolve(scenario),
        observation="candidates",
        strict=True,
        autoreset_mode=AutoresetMode.DISABLED,
        copy=False,
    )
    batch.reset(seed=0)
    look = Outlook(batch, step, demand == "realised")
    player = _Player(
        batch,
        look,
        math.inf if every is None else every,
        math.inf if window is None else window,
        (time_limit, gap, as_seed("seed", seed)),
        spare,
    )
    latencies = list[float]()
    while not look.over:
        asked = time.perf_counter()
        action = player.action()
        latencies.append(time.perf_counter() - asked)
        batch.step_in_place(np.array([action]))
    log = batch.solution(0)
    assert isinstance(log, FleetLog)
    made = player.plans, player.value, player.bound, player.gap, player.seconds
    return PlanResult(log, len(latencies), *made, latencies)


class _Player:
    """Plans, and turns the plan into actions."""

    def __init__(
        self,
        batch: UAMFleetVectorEnv,
        outlook: Outlook,
        every: float,
        window: float,
        limits: tuple[float, float, int],
        spare: str,
    ) -> None:
        self._batch, self._outlook = batch, outlook
        self._every, self._window = every, window
        self._time, self._gap, self._seed = limits
        self._spare = spare
        self._due: list[list[tuple[float, int]]] = [[] for _ in range(outlook.scenario.n_ports)]
        self._planned: tuple[int, int] | None = None
        self.plans, self.seconds = 0, 0.0
        self._promised = self._possible = 0.0
        self.value: float | None = None
        self.bound = math.inf

    @property
    def gap(self) -> float:
        """What the plans may fall short of the best, in all, as a share; 1 if some has no bound."""
        if math.isinf(self._possible):
            return 1.0
        return max(0.0, self._possible - self._promised) / max(1e-9, self._possible)

    def action(self) -> int:
        """Return the action of the aircraft that decides."""
        look = self._outlook
        since = look.now - look.scenario.day_start
        period = (0, 0) if math.isinf(self._every) else (look.hour, int(since / self._every))
        if period != self._planned:
            self._planned = period
            self._make_plan()
        return self._follow()

    def _follow(self) -> int:
        """Take the earliest departure that is due and legal; or stay, or do what a rule says."""
        look, mask = self._outlook, self._batch.live_mask[0]
        now, step = look.now, look.scenario.idle_step
        start = look.scenario.day_start
        queue = self._due[look.port]
        queue[:] = [entry for entry in queue if entry[0] > now - LATE]
        for number, (at, destination) in enumerate(queue):
            same = int((at - start) / HOUR) == look.hour
            if at > now and not (same and at < now + step):
                break
            if mask[destination]:
                del queue[number]
                return destination
        if self._spare == STAY or (queue and queue[0][0] < now + IDLE):
            return look.port
        return int(self._batch.advise(self._spare, seed=self._seed)[0])

    def _make_plan(self) -> None:
        begun = time.perf_counter()
        solved = Network(self._outlook.problem(self._window), self._seed).solve(self._time, self._gap)
        self.seconds += time.perf_counter() - begun
        self.plans += 1
        if self.plans == 1:
            self.value, self.bound = solved.value, solved.bound
        self._promised += solved.value or 0.0
        self._possible += solved.bound
        if solved.flights is None:
            return  # the plan before goes on
        self._due = [[] for _ in self._due]
        begin, step = self._outlook.begin, self._outlook.step
        for slot, origin, destination, number in solved.flights.tolist():
            self._due[origin] += [(begin + slot * step, destination)] * number
