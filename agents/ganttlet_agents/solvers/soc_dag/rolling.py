"""Rolling horizon: whenever a job enters CP-SAT plans all unassigned tasks anew, and the plan's order is followed."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode

from ganttlet.soc_dag.batch import SoCDAGVectorEnv
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.library import resolve
from ganttlet.soc_dag.solution import Run
from ganttlet.soc_dag.view import SoCView
from ganttlet_agents.evaluation.methods import Outcome
from ganttlet_agents.solvers.cpsat_run import check_limits, cp_model, make_solver, run_solver
from ganttlet_agents.solvers.soc_dag.lists import Plan, by_job, etf, heft, least, retimed, worth
from ganttlet_agents.solvers.soc_dag.model import PlanModel
from ganttlet_agents.solvers.soc_dag.outlook import Applications, Key, look_ahead
from ganttlet_agents.solvers.soc_dag.problem import Problem

DEFAULT_TIME = 0.2
HORIZON = 200  # tasks


@dataclass(frozen=True)
class RollingResult:
    """A run and how it came about: assignments, plans made, how many of them were proven optimal.

    ``latencies``: seconds that each answer took, those to wait included.
    """

    run: Run
    decisions: int
    plans: int
    proven: int
    latencies: list[float]


def solve_rolling(
    workload: Workload | str,
    *,
    time_limit: float | None = DEFAULT_TIME,
    deterministic_limit: float | None = None,
    workers: int | None = None,
    horizon: int = HORIZON,
    every: int | None = None,
    seed: int = 0,
) -> RollingResult:
    """Play a workload, planning with CP-SAT as jobs enter; nothing is used that the run has not shown.

    A plan is for the unassigned tasks of the jobs in the system, by mean times, after what is running and queued, and
    for the least sum of the jobs' completions. CP-SAT starts from the best of ETF, HEFT and the plan before; that is
    the plan if it finds nothing. Each PE takes its tasks in the plan's order, the next once it is idle; in shared
    memory as soon as it is ready, so that its data is fetched meanwhile, unless it would overtake the one before.

    Args:
        workload: the workload, or whatever ``ganttlet.soc_dag.library.resolve`` makes one of.
        time_limit: wall-clock limit of each plan's search in seconds, or None.
        deterministic_limit: likewise in CP-SAT's deterministic time; with one worker and no ``time_limit`` the run
            repeats exactly.
        workers: search threads; all cores if None, or one if only ``deterministic_limit`` is given.
        horizon: most tasks in a plan, those of earlier jobs first; it is made anew when half of them are assigned.
        every: a plan is made anew also once it is this many ticks old; None: only when a job enters, an outage begins
            or ends, or the horizon is used up.
        seed: CP-SAT's random seed.

    Raises:
        InputError: for limits that are none.
        MissingExtraError: if OR-Tools is not installed.
    """
    check_limits(time_limit, deterministic_limit, workers)
    workload = resolve(workload)
    batch = SoCDAGVectorEnv(
        1,
        instance=workload,
        action="joint",
        wait=True,
        observation="ready",
        # All ready tasks can be assigned: the first of the plan is always among them.
        window=min(workload.capacity, workload.jobs) * int(workload.n_tasks.max()),
        strict=True,
        autoreset_mode=AutoresetMode.DISABLED,
    )
    batch.reset(seed=seed)
    player = _Player(batch, time_limit, deterministic_limit, workers, horizon, every, seed)
    decisions, latencies = 0, list[float]()
    while not batch.done[0]:
        asked = time.perf_counter()
        action = player.action()
        latencies.append(time.perf_counter() - asked)
        decisions += action != player.wait
        batch.step_in_place(np.array([action]))
    run = batch.solution(0)
    assert isinstance(run, Run)
    return RollingResult(run, decisions, player.plans, player.proven, latencies)


class _Player:
    """Plans, and turns the plan into actions."""

    def __init__(
        self,
        batch: SoCDAGVectorEnv,
        time_limit: float | None,
        deterministic_limit: float | None,
        workers: int | None,
        horizon: int,
        every: int | None,
        seed: int,
    ) -> None:
        self._limits = time_limit, deterministic_limit, workers, seed
        self._horizon, self._every = horizon, every
        self._view = SoCView(batch)
        self._apps = Applications(self._view.workload)
        self._shared = self._view.workload.communication == "shared_memory"
        self.wait = batch.graph.n_actions - 1
        self._plan: dict[Key, tuple[int, int]] = {}  # task that is to be assigned -> PE, start
        self._queues: list[deque[Key]] = []
        self._left_out = 0
        self._known, self._planned_at = (-1, -1), 0
        self.plans = self.proven = 0

    def action(self) -> int:
        """Return the action at the decision in hand."""
        view = self._view
        known = view.entered, view.boundaries
        old = self._every is not None and view.now >= self._planned_at + self._every
        used_up = self._left_out > 0 and 2 * len(self._plan) <= self._horizon
        if known != self._known or used_up or (old and view.now > self._planned_at):
            self._known, self._planned_at = known, view.now
            self._make_plan()
        return self._follow()

    def _follow(self) -> int:
        """Assign the next task of a PE that is ready for it, or wait."""
        view = self._view
        serials = {job.slot: job.serial for job in view.jobs}
        ready: dict[Key, int] = {}
        for row, slot_task in enumerate(view.ready):
            slot, task = divmod(slot_task, view.width)
            ready[serials[slot], task] = row
        for pe in np.flatnonzero(view.up_at <= view.now).tolist():
            if self._queues[pe] and self._queues[pe][0] in ready:
                key = self._queues[pe][0]
                if self._takes(pe, view.ready[ready[key]]):
                    self._queues[pe].popleft()
                    self._plan.pop(key)
                    return ready[key] * view.workload.n_pes + pe
        return self.wait

    def _takes(self, pe: int, slot_task: int) -> bool:
        """Return whether a PE should be given the next task of its order now."""
        view = self._view
        if not self._shared:
            return bool(view.running[pe] < 0 and view.queued[pe] == 0)
        # Its data is fetched from now on, but it must not overtake those before it.
        return all(view.arrival_of_data(other) <= view.data(slot_task)[pe] for other in view.queue(pe))

    def _make_plan(self) -> None:
        problem, keys, self._left_out = look_ahead(self._view, self._apps, self._horizon)
        number = {key: task for task, key in enumerate(keys)}
        start = np.zeros(problem.n_tasks, np.int64)
        pes = {}
        for key, (pe, begin) in self._plan.items():
            if key in number:
                start[number[key]], pes[number[key]] = begin, (pe,)
        plan = self._solve(problem, retimed(problem, start, pes))
        self._plan = {key: (int(plan.pe[task]), int(plan.start[task])) for task, key in enumerate(keys)}
        order = sorted(number, key=lambda key: (plan.start[number[key]], number[key]))
        self._queues = [deque() for _ in problem.free]
        for key in order:
            self._queues[self._plan[key][0]].append(key)
        self.plans += 1

    def _solve(self, problem: Problem, before: Plan) -> Plan:
        """Return the plan of least sum of completions that is found."""
        jobs = np.argsort(problem.job_bounds, kind="stable").tolist()
        hint = least([etf(problem), heft(problem), by_job(problem, jobs), before], "latency")
        if worth(hint.end, "latency") == worth(problem.job_bounds, "latency"):
            self.proven += 1
            return hint
        model = PlanModel(problem, "latency", hint)
        solver = make_solver(*self._limits)
        status = run_solver(solver, model.model, self._view.workload.name)
        self.proven += status == "optimal"
        return hint if status == "unknown" else least([model.plan(solver), hint], "latency")


@dataclass(frozen=True)
class Rolling:
    """The method ``solver:rolling``."""

    time: float | None = None
    dtime: float | None = None
    workers: int | None = None
    horizon: int = HORIZON
    every: int | None = None
    seed: int | None = None

    def solve(self, instance: Any, *, objective: str, seed: int) -> Outcome:
        """Return the run and how many plans were proven optimal; whatever the objective, completions are planned."""
        result = solve_rolling(
            instance,
            time_limit=DEFAULT_TIME if self.time is None and self.dtime is None else self.time,
            deterministic_limit=self.dtime,
            workers=self.workers,
            horizon=self.horizon,
            every=self.every,
            seed=seed if self.seed is None else self.seed,
        )
        return Outcome(
            result.run,
            status=f"{result.proven}/{result.plans} plans optimal",
            decisions=result.decisions,
            simulated=len(result.latencies),
            latencies=result.latencies,
        )

    def warm_up(self, instance: Any, *, objective: str) -> None:
        """Import OR-Tools and compile the environment's kernels."""
        cp_model()
        SoCDAGVectorEnv(1, instance=instance, action="joint", wait=True, observation="ready").reset(seed=0)
