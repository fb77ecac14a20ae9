"""CP-SAT for the job shop: start variables, one no-overlap constraint per machine, any objective.

Source of the model: the interval formulation of OR-Tools' documentation; a rule may give horizon and hint.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.job_shop.bounds import lower_bound
from ganttlet.job_shop.instance import Array, JobShopInstance
from ganttlet.job_shop.library import resolve
from ganttlet.job_shop.solution import OBJECTIVES, Schedule, validate
from ganttlet_agents.evaluation.methods import MethodType, Option, Outcome, method_types
from ganttlet_agents.solvers.cpsat_run import check_limits, cp_model, make_solver, run_solver

DEFAULT_TIME = 10.0


@dataclass(frozen=True)
class SolverResult:
    """What the solver found.

    Fields:
        schedule: the best schedule, or None if none was found within the limits.
        value: its objective in ticks (weighted for weighted tardiness), or None.
        bound: proven lower bound on the objective.
        optimal: True if ``schedule`` is proven optimal.
        status: CP-SAT's word (``optimal``, ``feasible``, ``unknown``), or ``unknown, hint kept``.
        seconds: wall time of the search, model building included.
    """

    schedule: Schedule | None
    value: float | None
    bound: float
    optimal: bool
    status: str
    seconds: float


def solve_cpsat(
    instance: JobShopInstance | str,
    objective: str = "makespan",
    *,
    time_limit: float | None = DEFAULT_TIME,
    deterministic_limit: float | None = None,
    workers: int | None = None,
    hint: str | Schedule | None = None,
    seed: int = 0,
) -> SolverResult:
    """Solve a job shop with CP-SAT.

    Args:
        instance: the problem, or whatever ``ganttlet.job_shop.resolve`` makes one of.
        objective: a name of :data:`ganttlet.job_shop.solution.OBJECTIVES`.
        time_limit: wall-clock limit of the search in seconds, or None.
        deterministic_limit: limit in CP-SAT's deterministic time units, or None; with one worker and no
            ``time_limit`` the result repeats exactly.
        workers: search threads; all cores if None, or one if only ``deterministic_limit`` is given.
        hint: a dispatching rule's name, or a schedule, to start from; returned if nothing is found.
        seed: CP-SAT's random seed.

    Raises:
        InputError: for an unknown objective, tardiness without due dates, or an infeasible hint.
        MissingExtraError: if OR-Tools is not installed.
    """
    begun = time.perf_counter()
    instance = resolve(instance)
    check_choice("objective", objective, OBJECTIVES)
    check_limits(time_limit, deterministic_limit, workers)
    if "tardiness" in objective and instance.due is None:
        raise InputError(f"objective {objective!r} needs due dates, and instance {instance.name} has none")
    given = _hint_schedule(instance, objective, hint)
    model = _Model(instance, objective, given)
    solver = make_solver(time_limit, deterministic_limit, workers, seed)
    status = run_solver(solver, model.model, instance.name)
    schedule, bound = given, lower_bound(instance, objective)
    if status != "unknown":
        schedule = Schedule(model.starts(solver), instance.digest)
    elif given is not None:
        status = "unknown, hint kept"
    if math.isfinite(solver.best_objective_bound):
        bound = max(bound, math.ceil(solver.best_objective_bound - 1e-6) - model.offset)
    value = None if schedule is None else validate(instance, schedule).values.get(objective)
    return SolverResult(schedule, value, float(bound), status == "optimal", status, time.perf_counter() - begun)


class _Model:
    """The CP-SAT model of one instance and objective."""

    def __init__(self, instance: JobShopInstance, objective: str, hint: Schedule | None) -> None:
        self.instance = instance
        self.model = model = cp_model().CpModel()
        # A regular objective has an optimum that never idles all machines at once after the last release.
        self.horizon = int(instance.release.max()) + int(instance.work.sum())
        if hint is not None and objective == "makespan":
            self.horizon = int(validate(instance, hint).values["makespan"])
        self.start: dict[tuple[int, int], Any] = {}
        intervals: list[list[Any]] = [[] for _ in range(instance.n_machines)]
        ends = []
        for j in range(instance.n_jobs):
            head, tail = int(instance.release[j]), int(instance.work[j])
            for i in range(int(instance.n_ops[j])):
                length = int(instance.duration[j, i])
                var = model.new_int_var(head, self.horizon - tail, "")
                if i:
                    model.add(var >= self.start[j, i - 1] + int(instance.duration[j, i - 1]))
                # CP-SAT keeps an interval of length zero out of the inside of others, and so does validate().
                intervals[int(instance.machine[j, i])].append(model.new_fixed_size_interval_var(var, length, ""))
                self.start[j, i] = var
                head, tail = head + length, tail - length
            ends.append(var + length)
        for on_machine in intervals:
            model.add_no_overlap(on_machine)
        self.offset = 0
        self._set_objective(objective, ends, hint)

    def _set_objective(self, objective: str, ends: list[Any], hint: Schedule | None) -> None:
        instance, model = self.instance, self.model
        hinted = None if hint is None else _ends(instance, hint.start)
        if hint is not None:
            for (j, i), var in self.start.items():
                model.add_hint(var, int(hint.start[j, i]))
        if objective == "flow_time":
            self.offset = int(instance.release.sum())
            model.minimize(sum(ends))
            return
        if objective == "makespan":
            makespan = model.new_int_var(0, self.horizon, "")
            model.add_max_equality(makespan, ends)
            if hinted is not None:
                model.add_hint(makespan, int(hinted.max()))
            model.minimize(makespan)
            return
        weight = np.ones(instance.n_jobs, int) if objective == "total_tardiness" else instance.weight
        terms = []
        for j, end in enumerate(ends):
            due = int(instance.due[j])
            late = model.new_int_var(0, max(0, self.horizon - due), "")
            model.add(late >= end - due)
            if hinted is not None:
                model.add_hint(late, max(0, int(hinted[j]) - due))
            terms.append(int(weight[j]) * late)
        model.minimize(sum(terms))

    def starts(self, solver: Any) -> Array:
        """Return the (n, o) start times of the solver's best solution."""
        start = np.full(self.instance.machine.shape, -1, np.int64)
        for (j, i), var in self.start.items():
            start[j, i] = solver.value(var)
        return start


def _hint_schedule(instance: JobShopInstance, objective: str, hint: str | Schedule | None) -> Schedule | None:
    if hint is None:
        return None
    if isinstance(hint, str):
        from ganttlet_agents.rules import run_rule

        schedule: Schedule = run_rule(hint, instance, timing="nondelay", objective=objective)
    else:
        schedule = hint
    verdict = validate(instance, schedule)
    if not verdict.feasible:
        raise InputError(f"hint for {instance.name} is infeasible: {verdict.violations[0].message}")
    return schedule


def _ends(instance: JobShopInstance, start: Array) -> Array:
    jobs, last = np.arange(instance.n_jobs), instance.n_ops - 1
    end: Array = start[jobs, last] + instance.duration[jobs, last]
    return end


@dataclass(frozen=True)
class CpSat:
    """The method ``solver:cpsat``."""

    time: float | None = None
    dtime: float | None = None
    workers: int | None = None
    hint: str | None = None
    seed: int | None = None

    def solve(self, instance: Any, *, objective: str, seed: int) -> Outcome:
        """Return schedule, bound and status."""
        limit = DEFAULT_TIME if self.time is None and self.dtime is None else self.time
        result = solve_cpsat(
            instance,
            objective,
            time_limit=limit,
            deterministic_limit=self.dtime,
            workers=self.workers,
            hint=self.hint,
            seed=seed if self.seed is None else self.seed,
        )
        return Outcome(result.schedule, result.bound, result.optimal, result.status)

    def warm_up(self, instance: Any, *, objective: str) -> None:
        """Import OR-Tools, which takes about a second."""
        cp_model()


def _known_rule(name: str) -> str | None:
    known = [entry.name for entry in method_types("job_shop") if entry.kind == "rule"]
    return None if name in known else f"unknown rule {name!r}; expected one of {', '.join(known) or '(none)'}"


METHODS = (
    MethodType(
        kind="solver",
        name="cpsat",
        family="job_shop",
        about="OR-Tools CP-SAT: schedule, proven bound and status for every objective",
        options={
            "time": Option(
                float,
                None,
                f"wall-clock limit in seconds; {DEFAULT_TIME:g} unless dtime is set",
                minimum=1e-3,
            ),
            "dtime": Option(float, None, "limit in CP-SAT's deterministic time; repeatable", minimum=1e-3),
            "workers": Option(int, None, "search threads; all cores, or 1 if only dtime is set", minimum=1),
            "hint": Option(str, None, "dispatching rule whose schedule the search starts from", check=_known_rule),
            "seed": Option(int, None, "random seed; the run's seed by default", minimum=0),
        },
        build=lambda options: CpSat(**options),
        deterministic=lambda options: (
            options["dtime"] is not None and options["time"] is None and options["workers"] in (None, 1)
        ),
        budgets={"seconds": "time"},
    ),
)
