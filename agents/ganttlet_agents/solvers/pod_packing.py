"""Lexicographic CP-SAT for pods: as many as possible by priority, from the highest tier down, then least disruption.

The model and the shares of time are those of the solver in henrikdchristensen/scheduler-plugins (arXiv 2511.08373),
with the limit on moves added and without its demand that at least one pending pod is placed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganttlet.core.errors import check_choice
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.solution import Plan
from ganttlet.vm_rescheduling.usage import NOWHERE
from ganttlet_agents.evaluation.methods import MethodType, Option, Outcome
from ganttlet_agents.rules.pod_plans import Ints, carry_out, keep, pods_only
from ganttlet_agents.solvers.cpsat_run import check_limits, cp_model, make_solver, run_solver

DEFAULT_TIME = 10.0
PLACED, DISRUPTION = "placed", "disruption"
ORDERS = ("objective", "interleaved")
RESERVED = 0.6  # of the time, shared equally by the tiers
LEAST_TIME = 1e-3
NEAR = 1e-9


@dataclass(frozen=True)
class Stage:
    """One solve: pods of priority rank ≥ ``tier`` placed (``kind`` placed) or their disruption, and what came of it.

    ``bound`` is proven only on the condition that the earlier stages keep what they reached.
    """

    kind: str
    tier: int
    value: int
    bound: int
    seconds: float

    @property
    def proved(self) -> bool:
        """True if the value is the best possible after the earlier stages."""
        return self.value == self.bound


@dataclass(frozen=True)
class LexiResult:
    """What the solver found.

    Fields:
        plan: moves in a feasible order, within the limit; none at all if nothing better than the start was found.
        value: objective ``unplaced`` of the plan.
        bound: proven lower bound on it; 0 if nothing was proved.
        optimal: True if the plan is proven optimal for it.
        status: ``optimal``, ``feasible``, or ``feasible, cut`` if the placement found needs more moves than the limit.
        stages: the solves in order.
        seconds: wall time, model building included.
    """

    plan: Plan
    value: float
    bound: float
    optimal: bool
    status: str
    stages: tuple[Stage, ...]
    seconds: float


def solve_lexi(
    instance: Cluster,
    *,
    time_limit: float = DEFAULT_TIME,
    workers: int | None = None,
    seed: int = 0,
    order: str = "objective",
) -> LexiResult:
    """Place pods by lexicographic CP-SAT and put the moves into a feasible order.

    Args:
        instance: a cluster with priorities.
        time_limit: wall-clock limit in seconds of all solves together.
        workers: search threads; all cores if None.
        seed: CP-SAT's random seed.
        order: ``objective`` solves for the placed pods of every tier and then for the disruption, as objective
            ``unplaced`` counts; ``interleaved``, as published, minimises the disruption of each tier before the next.

    Raises:
        InputError: for an instance without priorities, an unknown order, or a bad limit.
        MissingExtraError: if OR-Tools is not installed.
    """
    begun = time.perf_counter()
    check_choice("order", order, ORDERS)
    check_limits(time_limit, None, workers)
    pods_only("solver:lexi", instance)
    search = _Search(instance, begun, time_limit, workers, seed)
    stages = search.run(order)
    board, whole = carry_out(instance, search.target)
    weight, disruption = proven(instance, stages)
    reached = int(instance.weight[board.host == NOWHERE].sum()), search.model.value(DISRUPTION, 0, board.host)
    optimal = whole and reached == (weight, disruption)
    status = "optimal" if optimal else "feasible" if whole else "feasible, cut"
    bound = weight + disruption / (2 * instance.n_vms + 1)
    seconds = time.perf_counter() - begun
    return LexiResult(board.plan(), board.unplaced(), bound, optimal, status, tuple(stages), seconds)


class _Search:
    """The solves one after another; ``target`` (V,) is the best placement so far."""

    def __init__(self, instance: Cluster, begun: float, time_limit: float, workers: int | None, seed: int) -> None:
        self.instance, self.workers, self.seed = instance, workers, seed
        self.deadline = begun + time_limit
        self.reserved, self.pool = RESERVED * time_limit, (1.0 - RESERVED) * time_limit
        self.target: Ints = instance.host.astype(np.int64)
        self.model = _Model(instance)

    def run(self, order: str) -> list[Stage]:
        """Solve all stages."""
        tiers = range(int(self.instance.tier.max()), -1, -1)
        stages = []
        for tier in tiers:
            share = self.reserved / (tier + 1) + self.pool
            stages.append(self._solve(PLACED, tier, share / 2))
            if order == "interleaved":
                stages.append(self._solve(DISRUPTION, tier, share - stages[-1].seconds))
        if order == "objective":
            if not stages[-1].proved and self.model.value(DISRUPTION, 0, self.target) == 0:
                # There is no disruption to lessen, so its time is better spent on placing.
                stages[-1] = self._solve(PLACED, 0, math.inf)
            stages.append(self._solve(DISRUPTION, 0, math.inf))
        return stages

    def _solve(self, kind: str, tier: int, allowed: float) -> Stage:
        begun = time.perf_counter()
        model, now = self.model, self.model.value(kind, tier, self.target)
        bound = model.ideal(kind, tier)
        allowed = min(allowed, self.deadline - begun)
        if now != bound and allowed > LEAST_TIME:
            model.aim(kind, tier, self.target)
            solver = make_solver(allowed, None, self.workers, self.seed)
            status = run_solver(solver, model.model, self.instance.name)
            if status != "unknown":
                found = keep(self.instance, model.target(solver))
                reached = model.value(kind, tier, found)
                if (reached > now) if kind == PLACED else (reached < now):
                    self.target, now = found, reached
            # CP-SAT's bound is 0 if it had no time to prove any.
            if status != "unknown" and math.isfinite(solver.best_objective_bound):
                bound = model.tighter(kind, bound, solver.best_objective_bound)
        model.freeze(kind, tier, now, exact=now == bound)
        seconds = time.perf_counter() - begun
        # What a solve takes comes from the pool first, as published.
        pooled = min(self.pool, seconds)
        self.pool -= pooled
        self.reserved = max(0.0, self.reserved - (seconds - pooled))
        return Stage(kind, tier, now, bound, seconds)


class _Model:
    """Booleans assign[pod][node] and placed[pod], two capacity rows per node, groups, and the limit on moves."""

    def __init__(self, instance: Cluster) -> None:
        self.instance = instance
        self.start: Ints = instance.host.astype(np.int64)
        self.ran = self.start != NOWHERE
        self.model = model = cp_model().CpModel()
        cpu, mem = instance.cpu[:, 0], instance.mem[:, 0]
        self.assign: list[dict[int, Any]] = []
        self.placed: list[Any] = []
        for pod in range(instance.n_vms):
            nodes = np.flatnonzero((instance.cores[pod] <= cpu) & (instance.memory[pod] <= mem)).tolist()
            self.assign.append({node: model.new_bool_var("") for node in nodes})
            self.placed.append(model.new_bool_var(""))
            model.add(sum(self.assign[pod].values()) == self.placed[pod])
        for need, room in ((instance.cores, cpu), (instance.memory, mem)):
            for node in range(instance.n_hosts):
                load = [int(need[pod]) * self.assign[pod][node] for pod in self._able(node, range(instance.n_vms))]
                model.add(sum(load) <= int(room[node]))
        for group in np.unique(instance.groups[:, 0]).tolist():
            members = np.unique(instance.groups[instance.groups[:, 0] == group, 1]).tolist()
            for node in range(instance.n_hosts):
                model.add_at_most_one(self.assign[pod][node] for pod in self._able(node, members))
        moves = [1 - self._stays(pod) for pod in np.flatnonzero(self.ran).tolist()]
        if instance.count_placements:
            moves += [self.placed[pod] for pod in np.flatnonzero(~self.ran).tolist()]
        model.add(sum(moves) <= instance.limit)

    def _able(self, node: int, pods: Iterable[int]) -> Iterator[int]:
        return (pod for pod in pods if node in self.assign[pod])

    def _stays(self, pod: int) -> Any:
        return self.assign[pod][int(self.start[pod])]

    def ideal(self, kind: str, tier: int) -> int:
        """Return the value that no placement can better."""
        return int((self.instance.tier >= tier).sum()) if kind == PLACED else 0

    def value(self, kind: str, tier: int, target: Ints) -> int:
        """Return a stage's value of the placement ``target`` (V,)."""
        member, placed = self.instance.tier >= tier, target != NOWHERE
        if kind == PLACED:
            return int((member & placed).sum())
        moved = member & self.ran & (target != self.start)
        return int(moved.sum() + (moved & placed).sum())

    def tighter(self, kind: str, bound: int, proven: float) -> int:
        """Return the better of two bounds, the second one as CP-SAT gives it."""
        if kind == PLACED:
            return min(bound, math.floor(proven + NEAR))
        return max(bound, math.ceil(proven - NEAR))

    def aim(self, kind: str, tier: int, hint: Ints) -> None:
        """Set a stage's objective, and ``hint`` (V,) to begin at."""
        aim = self._expression(kind, tier)
        (self.model.maximize if kind == PLACED else self.model.minimize)(aim)
        self.model.clear_hints()
        for pod, node in enumerate(hint.tolist()):
            self.model.add_hint(self.placed[pod], node != NOWHERE)
            for other, var in self.assign[pod].items():
                self.model.add_hint(var, other == node)

    def freeze(self, kind: str, tier: int, value: int, *, exact: bool) -> None:
        """Keep what a stage reached: exactly if it is optimal, at least that otherwise."""
        reached = self._expression(kind, tier)
        if exact:
            self.model.add(reached == value)
        else:
            self.model.add(reached >= value if kind == PLACED else reached <= value)

    def _expression(self, kind: str, tier: int) -> Any:
        members = self.instance.tier >= tier
        if kind == PLACED:
            return sum(self.placed[pod] for pod in np.flatnonzero(members).tolist())
        ran = np.flatnonzero(members & self.ran).tolist()
        # A pod that stays counts 0, one that is evicted 1, one that moves 2.
        return len(ran) + sum(self.placed[pod] - 2 * self._stays(pod) for pod in ran)

    def target(self, solver: Any) -> Ints:
        """Return the (V,) nodes of the solver's best solution."""
        found = np.full(self.instance.n_vms, NOWHERE, np.int64)
        for pod, nodes in enumerate(self.assign):
            for node, var in nodes.items():
                if solver.boolean_value(var):
                    found[pod] = node
        return found


def proven(instance: Cluster, stages: list[Stage]) -> tuple[int, int]:
    """Return what is proved of objective ``unplaced``: least weight of pending pods and, at that, least disruption.

    A stage's bound holds for the objective only if every stage before it placed, provably, as many pods as can be.
    """
    weight = above = 0
    for stage in stages:
        if stage.kind != PLACED:
            return weight, stage.bound if stage is stages[-1] else 0
        missing = int((instance.tier >= stage.tier).sum()) - stage.bound - above
        weight += max(0, missing) * (instance.n_vms + 1) ** stage.tier
        above += max(0, missing)
        if not stage.proved:
            break
    return weight, 0


@dataclass(frozen=True)
class Lexi:
    """The method ``solver:lexi``."""

    time: float
    workers: int | None
    seed: int | None
    order: str

    def solve(self, instance: Cluster, *, objective: str, seed: int) -> Outcome:
        """Return plan and status; bound and proof if the objective is the one it solves for."""
        seed = seed if self.seed is None else self.seed
        result = solve_lexi(instance, time_limit=self.time, workers=self.workers, seed=seed, order=self.order)
        if objective != "unplaced":
            return Outcome(result.plan, status=result.status, decisions=len(result.plan.moves))
        return Outcome(result.plan, result.bound, result.optimal, result.status, len(result.plan.moves))

    def warm_up(self, instance: Cluster, *, objective: str) -> None:
        """Import OR-Tools, which takes about a second."""
        cp_model()


METHODS = (
    MethodType(
        kind="solver",
        name="lexi",
        family="vm_rescheduling",
        about="pods: lexicographic CP-SAT, most pods by priority and then least disruption, with proven bound",
        options={
            "time": Option(float, DEFAULT_TIME, "wall-clock limit in seconds", minimum=1e-3),
            "workers": Option(int, None, "search threads; all cores by default", minimum=1),
            "seed": Option(int, None, "random seed; the run's seed by default", minimum=0),
            "order": Option(str, "objective", "disruption last, or after each tier as published", choices=ORDERS),
        },
        build=lambda options: Lexi(**options),
        deterministic=lambda options: False,
        budgets={"seconds": "time"},
    ),
)
