"""CP-SAT for workloads that leave nothing to chance: all jobs of a trace at once, with a proven bound."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.soc_dag.application import topological_order
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.library import resolve
from ganttlet.soc_dag.solution import Run, validate
from ganttlet_agents.evaluation.methods import Outcome
from ganttlet_agents.solvers.cpsat_run import check_limits, cp_model, make_solver, run_solver
from ganttlet_agents.solvers.soc_dag.lists import Plan, by_job, etf, heft, least, worth
from ganttlet_agents.solvers.soc_dag.model import Entry, PlanModel, entries_of
from ganttlet_agents.solvers.soc_dag.problem import Array, Problem, lags_of

DEFAULT_TIME = 10.0
OBJECTIVES = ("latency", "makespan")


@dataclass(frozen=True)
class SolverResult:
    """What the solver found.

    Fields:
        run: the best run.
        value: its objective in ticks.
        bound: proven lower bound on the objective.
        optimal: True if ``run`` is proven optimal.
        status: CP-SAT's word, ``unknown, list schedule kept`` if it found nothing.
        seconds: wall time of the search, model building included.
    """

    run: Run
    value: float
    bound: float
    optimal: bool
    status: str
    seconds: float


def solve_cpsat(
    workload: Workload | str,
    objective: str = "latency",
    *,
    time_limit: float | None = DEFAULT_TIME,
    deterministic_limit: float | None = None,
    workers: int | None = None,
    seed: int = 0,
) -> SolverResult:
    """Solve the jobs of a trace, known from the beginning, with CP-SAT; it starts from the best list schedule.

    Args:
        workload: the workload, or whatever ``ganttlet.soc_dag.library.resolve`` makes one of. Nothing may be left to
            chance: arrivals from a trace, no noise, no outages; every job counts; all find a place, or queue.
        objective: ``latency`` (the mean) or ``makespan``.
        time_limit: wall-clock limit of the search in seconds, or None.
        deterministic_limit: limit in CP-SAT's deterministic time units, or None; with one worker and no
            ``time_limit`` the result repeats exactly.
        workers: search threads; all cores if None, or one if only ``deterministic_limit`` is given.
        seed: CP-SAT's random seed.

    Raises:
        InputError: for another objective or workload, naming the field.
        MissingExtraError: if OR-Tools is not installed.
    """
    begun = time.perf_counter()
    workload = resolve(workload)
    check_choice("objective of solver:cpsat", objective, OBJECTIVES)
    check_limits(time_limit, deterministic_limit, workers)
    trace = _settled(workload)
    problem = problem_of(workload, trace)
    tight = len(trace) > workload.capacity
    entry = Entry(trace[:, 0], workload.capacity) if tight else None
    hint = _list_schedule(problem, trace, objective, workload.capacity if tight else None)
    model = PlanModel(problem, objective, hint, entry)
    solver = make_solver(time_limit, deterministic_limit, workers, seed)
    status = run_solver(solver, model.model, workload.name)
    plan = hint if status == "unknown" else least([model.plan(solver), hint], objective)
    run = _run_of(workload, trace, problem, plan)
    verdict = validate(workload, run)
    if not verdict.feasible:
        raise RuntimeError(f"CP-SAT on {workload.name}: {verdict.violations[0].message}")
    value, bound = worth(plan.end, objective), model.bound(solver, objective)
    optimal = bound == value
    said = "optimal" if optimal else "unknown, list schedule kept" if status == "unknown" else status
    seconds = time.perf_counter() - begun
    if objective == "makespan":
        return SolverResult(run, verdict.values[objective], float(bound), optimal, said, seconds)
    mean = float((bound - int(trace[:, 0].sum())) / len(trace))
    return SolverResult(run, verdict.values[objective], mean, optimal, said, seconds)


def lower_bound(workload: Workload, app: int = 0) -> int:
    """Return a lower bound in ticks on the time of one job alone on the idle platform, without search.

    The greater of the longest path, each task on the PE that is best for it and its transfers, and of the areas: for
    each set of PEs the least work of the tasks that need one of them, over their number.
    """
    problem = problem_of(workload, np.array([[0, app]]))
    least_work = problem.work.min(axis=1)
    supported = problem.times >= 0
    areas = [
        -(-int(least_work[~(supported & ~pes).any(axis=1)].sum()) // int(pes.sum()))
        for pes in np.unique(np.vstack([supported, np.ones((1, workload.n_pes), bool)]), axis=0)
    ]
    return max(int(problem.job_bounds[0]), *areas)


def problem_of(workload: Workload, trace: Array) -> Problem:
    """Return the problem of the jobs of ``trace`` (J, 2), time and application, on idle PEs."""
    parts: dict[str, list[Array]] = {key: [] for key in ("times", "head", "edges", "lags", "job")}
    first = 0
    for job, (arrival, app) in enumerate(trace.tolist()):
        n, edges = int(workload.n_tasks[app]), np.array(workload.edges_of(app), np.int64).reshape(-1, 3)
        order = np.array(topological_order(n, edges[:, :2].tolist()))
        place = np.argsort(order)
        parts["times"].append(workload.exec_time[app, order].astype(np.int64))
        parts["head"].append(np.full((n, workload.n_pes), arrival, np.int64))
        parts["edges"].append(first + place[edges[:, :2]])
        parts["lags"].append(lags_of(workload, app))
        parts["job"].append(np.full(n, job))
        first += n
    return Problem(
        **{key: np.concatenate(values) for key, values in parts.items()},
        tail=np.zeros(first, np.int64),
        free=np.zeros(workload.n_pes, np.int64),
        least_done=trace[:, 0].astype(np.int64),
    )


def _settled(workload: Workload) -> Array:
    """Return the trace (J, 2) of the jobs; raises InputError naming what is left to chance."""
    known = {
        "arrivals": (workload.arrivals == "trace", "'trace'"),
        "std": (not workload.std.any(), "0: execution times without noise"),
        "outage": (not len(workload.outage), "none"),
        "end": (workload.end == "drain", "'drain'"),
    }
    trace = workload.trace[: workload.scenario.most_jobs]
    closing = np.inf if workload.length is None else workload.length - workload.cooldown
    known["warmup"] = (bool(np.all(trace[:, 0] >= workload.warmup)), "all jobs to count")
    known["length"] = (bool(np.all(trace[:, 0] < closing)), "all jobs to count")
    places = workload.full == "queue" or len(trace) <= workload.capacity
    known["capacity"] = (places, f"at least the {len(trace)} jobs of the trace, or full='queue'")
    if len(trace) > workload.capacity:
        known["exec_time"] = (bool((workload.critical_path[trace[:, 1]] > 0).all()), "no job without work in a queue")
    for field, (holds, expected) in known.items():
        if not holds:
            raise InputError(
                f"workload {workload.name!r}: field {field!r}: solver:cpsat plans what is settled from the beginning, "
                f"expected {expected}; solver:rolling plays any workload"
            )
    return np.asarray(trace, np.int64)


def _list_schedule(problem: Problem, trace: Array, objective: str, capacity: int | None) -> Plan:
    jobs = list(range(len(trace)))
    if capacity is not None:
        return by_job(problem, jobs, capacity)
    shortest = sorted(jobs, key=lambda job: (int(problem.job_bounds[job]), job))
    return least([heft(problem), etf(problem), by_job(problem, jobs), by_job(problem, shortest)], objective)


def _run_of(workload: Workload, trace: Array, problem: Problem, plan: Plan) -> Run:
    jobs, tasks = len(trace), workload.exec_time.shape[1]
    pe, start, finish = (np.full((jobs, tasks), -1, np.int64) for _ in range(3))
    first = 0
    for job, app in enumerate(trace[:, 1].tolist()):
        n = int(workload.n_tasks[app])
        order = topological_order(n, [(source, target) for source, target, _ in workload.edges_of(app)])
        mine = slice(first, first + n)
        pe[job, order], start[job, order] = plan.pe[mine], plan.start[mine]
        finish[job, order] = plan.start[mine] + problem.times[np.arange(first, first + n), plan.pe[mine]]
        first += n
    entry = entries_of(Entry(trace[:, 0], workload.capacity), plan.end)
    return Run(
        app=trace[:, 1],
        arrival=trace[:, 0],
        inject=entry,
        pe=pe,
        start=start,
        finish=finish,
        end=int(plan.end.max()),
        instance_digest=workload.digest,
    )


@dataclass(frozen=True)
class CpSat:
    """The method ``solver:cpsat``."""

    time: float | None = None
    dtime: float | None = None
    workers: int | None = None
    seed: int | None = None

    def solve(self, instance: Any, *, objective: str, seed: int) -> Outcome:
        """Return run, bound and status."""
        limit = DEFAULT_TIME if self.time is None and self.dtime is None else self.time
        result = solve_cpsat(
            instance,
            objective,
            time_limit=limit,
            deterministic_limit=self.dtime,
            workers=self.workers,
            seed=seed if self.seed is None else self.seed,
        )
        return Outcome(result.run, result.bound, result.optimal, result.status)

    def warm_up(self, instance: Any, *, objective: str) -> None:
        """Import OR-Tools, which takes about a second."""
        cp_model()
