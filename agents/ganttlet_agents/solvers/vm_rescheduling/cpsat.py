"""CP-SAT over VMs counted by kind: far fewer variables than one per VM and host, with a proven bound.

VMs of equal cores, memory and split are interchangeable (those of anti-affinity groups are not), so a plan's end is
known by how many of each kind leave each place and enter each other one.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.library import resolve
from ganttlet.vm_rescheduling.solution import Plan, validate
from ganttlet_agents.evaluation.methods import Outcome, method_types, parse_methods
from ganttlet_agents.solvers.cpsat_run import check_limits, cp_model, make_solver, run_solver
from ganttlet_agents.solvers.vm_rescheduling.aim import Aim, make_aim
from ganttlet_agents.solvers.vm_rescheduling.counts import Change, Counts, moves_of
from ganttlet_agents.solvers.vm_rescheduling.result import DEFAULT_TIME, LEAST_TIME, NEAR, Found, SolverResult, pursue

NAME = "solver:cpsat"


def solve_cpsat(
    instance: Cluster | str,
    objective: str = "fr16",
    *,
    time_limit: float = DEFAULT_TIME,
    deterministic_limit: float | None = None,
    workers: int | None = None,
    hint: str | Plan | None = None,
    seed: int = 0,
) -> SolverResult:
    """Solve VM rescheduling with CP-SAT and put the moves found into a feasible order.

    Args:
        instance: a cluster without priorities, or whatever ``ganttlet.vm_rescheduling.resolve`` makes one of.
        objective: ``fr16``, ``n16``, ``mixed``, or ``goal``: first as many whole blocks as the goal needs, and then,
            in what is left of the time, the fewest moves that reach it.
        time_limit: wall-clock limit in seconds.
        deterministic_limit: limit of each solve in CP-SAT's deterministic time, or None; with one worker and a
            ``time_limit`` that does not bind the result repeats exactly.
        workers: search threads; all cores if None.
        hint: a rule's name, or a plan, to start from and to fall back on; the present placement if None.
        seed: CP-SAT's random seed.

    Raises:
        InputError: for pods, an unknown objective, ``goal`` without a goal, or an infeasible hint.
        MissingExtraError: if OR-Tools is not installed.
    """
    begun = time.perf_counter()
    instance = resolve(instance)
    check_limits(time_limit, deterministic_limit, workers)
    aim = make_aim(NAME, instance, objective)
    counts = Counts(instance, apart=True)
    start = _hint(counts, objective, hint, seed)
    search = CpSearch(counts, aim, workers=workers, seed=seed, deterministic=deterministic_limit, hint=start)
    return pursue(search, begun, time_limit, hint=start, seed=seed)


class CpSearch:
    """Both stages by CP-SAT, begun at ``hint``.

    ``ceiling`` is a proven bound on the score, ``lowest`` one on the moves that the aim's ``need`` takes.
    """

    def __init__(
        self,
        counts: Counts,
        aim: Aim,
        *,
        workers: int | None = None,
        seed: int = 0,
        deterministic: float | None = None,
        hint: Change | None = None,
        ceiling: int | None = None,
        lowest: int = 1,
    ) -> None:
        self.counts, self.aim, self.hint = counts, aim, hint or {}
        self.workers, self.seed, self.deterministic = workers, seed, deterministic
        self.ceiling, self.lowest = ceiling, lowest

    def most(self, seconds: float, enough: int | None) -> Found:
        """Return the change of the highest score."""
        return self._most(time.perf_counter() + seconds, enough, None, self.counts.instance.limit, self.hint)

    def fewest(self, seconds: float, need: int, first: Change) -> Found:
        """Return the change that reaches a score with the fewest moves, by bisection over their number.

        CP-SAT proves soon how high a score a number of moves may reach, but hardly how few moves a score takes.
        """
        end = time.perf_counter() + seconds
        best, lowest = first, self.lowest
        while lowest < moves_of(best) and time.perf_counter() < end:
            middle = (lowest + moves_of(best)) // 2
            found = self._most(end, need, need, middle, {})
            if found.change is not None and self.aim.score(*self.counts.free(found.change)) >= need:
                best = found.change
            elif found.bound < need:
                lowest = middle + 1
            else:
                break
        return Found(best, lowest)

    def _most(self, end: float, enough: int | None, least: int | None, limit: int, hint: Change) -> Found:
        """Search until a score is ``enough``, or provably none is ``least``.

        Both are watched rather than put into the model: constraints on the score slow its proofs down a lot.
        """
        model = _Model(self.counts, self.aim, hint, limit)
        model.model.maximize(model.score)
        solver = make_solver(max(LEAST_TIME, end - time.perf_counter()), self.deterministic, self.workers, self.seed)
        top = min((score for score in (enough, self.ceiling) if score is not None), default=model.highest)
        if least is not None:
            solver.best_bound_callback = lambda bound: bound + NEAR < least and solver.stop_search()
        status = run_solver(solver, model.model, self.counts.instance.name, _stop_at(top))
        bounds = [model.highest, *([] if self.ceiling is None else [self.ceiling])]
        if status == "unknown":
            # CP-SAT's bound is 0 if it had no time to prove any.
            return Found(None, min(bounds))
        return Found(model.change(solver), min(*bounds, math.floor(solver.best_objective_bound + NEAR)))


def _stop_at(score: int) -> Any:
    """Return a callback that ends the search at a solution of at least that score."""

    class Watch(cp_model().CpSolverSolutionCallback):  # type: ignore[misc]
        def on_solution_callback(self) -> None:
            if self.objective_value >= score - NEAR:
                self.stop_search()

    return Watch()


class _Model:
    """Integers out[kind, place] and into[kind, place], blocks of cores (and memory) by NUMA node, hinted."""

    def __init__(self, counts: Counts, aim: Aim, hint: Change, limit: int) -> None:
        self.counts, self.hint, self.limit = counts, hint, limit
        self.model = cp_model().CpModel()
        self.out: dict[tuple[int, int], Any] = {}
        self.into: dict[tuple[int, int], Any] = {}
        # by NUMA node: how many VMs it gains, kind and variable, losses with a sign
        self.gains: list[list[tuple[int, int, Any]]] = [[] for _ in counts.cpu]
        for kind in range(len(counts.total)):
            self._add_kind(kind)
        self.model.add(cp_model().LinearExpr.sum(list(self.out.values())) <= limit)
        self._add_groups()
        self.highest = 0
        cpu, mem = counts.free(hint)
        self.score = sum(self._add_cores(aim, cpu) + self._add_memory(aim, mem))

    def _add_kind(self, kind: int) -> None:
        """Add what may leave and enter each place, as much as leaves entering."""
        counts, limit = self.counts, self.limit
        memory = counts.instance.mem.reshape(-1)
        balance = []
        for place in counts.places(kind):
            there, by = len(counts.at.get((kind, place), ())), self.hint.get((kind, place), 0)
            nodes = counts.nodes(kind, place)
            room = min(counts.room[node] // counts.cores[kind] for node in nodes)
            if counts.memory[kind]:
                room = min(room, *(int(memory[node]) // counts.memory[kind] for node in nodes))
            # Nothing is gained by a VM leaving while another of its kind enters, so both fit beside what stays.
            for sign, most, table in (
                (-1, min(there, limit), self.out),
                (1, min(counts.total[kind] - there, room - there, limit), self.into),
            ):
                if most > 0:
                    var = table[kind, place] = self.model.new_int_var(0, most, "")
                    self.model.add_hint(var, max(0, sign * by))
                    balance.append(sign * var)
                    for node in nodes:
                        self.gains[node].append((sign, kind, var))
        self.model.add(cp_model().LinearExpr.sum(balance) == 0)

    def _add_cores(self, aim: Aim, hinted: list[int]) -> list[Any]:
        """Keep to the cores of each NUMA node and return their blocks, weighted."""
        counts = self.counts
        terms = []
        for node, room in enumerate(counts.room):
            terms += self._blocks(node, counts.cores, counts.cpu[node], room, aim.cpu, aim.block, hinted[node])
        return terms

    def _add_memory(self, aim: Aim, hinted: list[int]) -> list[Any]:
        """Keep to the memory of each NUMA node, where cores alone do not see to it; return its blocks, weighted."""
        cores, memory, free = self.counts.cores, self.counts.memory, self.counts.mem
        terms = []
        for node, room in enumerate(self.counts.instance.mem.reshape(-1).tolist()):
            binds = any(memory[k] * self.counts.room[node] > cores[k] * room for _, k, _ in self.gains[node])
            if aim.mem or binds:
                terms += self._blocks(node, memory, free[node], room, aim.mem, aim.memory_block, hinted[node])
        return terms

    def _blocks(
        self, node: int, takes: list[int], free: int, room: int, weight: int, block: int, hinted: int
    ) -> list[Any]:
        """Keep what a NUMA node gains to what is free, less whole blocks if they have a weight; return these."""
        variables = [var for _, _, var in self.gains[node]]
        load = [sign * takes[kind] for sign, kind, _ in self.gains[node]]
        most = room // block if weight else 0
        if most:
            blocks = self.model.new_int_var(0, most, "")
            self.model.add_hint(blocks, hinted // block)
            variables.append(blocks)
            load.append(block)
            self.highest += weight * most
        self.model.add(cp_model().LinearExpr.weighted_sum(variables, load) <= free)
        return [weight * variables[-1]] if most else []

    def _add_groups(self) -> None:
        """Let no two VMs of an anti-affinity group end on one host."""
        counts = self.counts
        groups: dict[int, list[int]] = defaultdict(list)
        for group, vm in np.unique(counts.instance.groups, axis=0).tolist():
            groups[group].append(vm)
        nodes = counts.instance.n_numa
        for members in groups.values():
            if len(members) < 2:
                continue
            on: dict[int, list[Any]] = defaultdict(list)
            for kind in (counts.kind[vm] for vm in members):
                for place in counts.places(kind):
                    key = kind, place
                    if key in self.into:
                        on[place // nodes].append(self.into[key])
                    if key in self.out:
                        on[place // nodes].append(1 - self.out[key])
                    elif key in counts.at:
                        on[place // nodes].append(1)
            for ends in on.values():
                self.model.add(sum(ends) <= 1)

    def change(self, solver: Any) -> Change:
        """Return the solver's best solution."""
        change: Change = defaultdict(int)
        for sign, table in ((-1, self.out), (1, self.into)):
            for key, var in table.items():
                change[key] += sign * solver.value(var)
        return {key: by for key, by in change.items() if by}


def _hint(counts: Counts, objective: str, hint: str | Plan | None, seed: int) -> Change:
    """Return what a rule's or a given plan changes; raises InputError if it is infeasible."""
    instance = counts.instance
    if hint is None:
        return {}
    plan: Any = hint
    if isinstance(hint, str):
        rule = parse_methods(f"rule:{hint}", instance.family)[0]
        plan = rule.solve(instance, objective=objective, seed=seed).solution
    verdict = validate(instance, plan)
    if not verdict.feasible:
        raise InputError(f"hint for {instance.name} is infeasible: {verdict.violations[0].message}")
    return counts.after(plan)


@dataclass(frozen=True)
class CpSat:
    """The method ``solver:cpsat``."""

    time: float
    dtime: float | None
    workers: int | None
    hint: str | None
    seed: int | None

    def solve(self, instance: Cluster, *, objective: str, seed: int) -> Outcome:
        """Return plan, bound and status."""
        return solve_cpsat(
            instance,
            objective,
            time_limit=self.time,
            deterministic_limit=self.dtime,
            workers=self.workers,
            hint=self.hint,
            seed=seed if self.seed is None else self.seed,
        ).outcome()

    def warm_up(self, instance: Cluster, *, objective: str) -> None:
        """Import OR-Tools, which takes about a second."""
        cp_model()


def known_rule(name: str) -> str | None:
    """Return what is wrong with a rule's name, if anything."""
    known = [entry.name for entry in method_types("vm_rescheduling") if entry.kind == "rule"]
    return None if name in known else f"unknown rule {name!r}; expected one of {', '.join(known) or '(none)'}"
