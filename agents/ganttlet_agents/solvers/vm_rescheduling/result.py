"""The stages in which an objective is solved for, whatever the solver, and what they result in."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.solution import Plan, validate
from ganttlet_agents.evaluation.methods import Outcome
from ganttlet_agents.solvers.vm_rescheduling.aim import Aim
from ganttlet_agents.solvers.vm_rescheduling.counts import Change, Counts
from ganttlet_agents.solvers.vm_rescheduling.decode import decode

DEFAULT_TIME = 60.0
LEAST_TIME = 1e-3
NEAR = 1e-9  # values and bounds this close are equal


@dataclass(frozen=True)
class SolverResult:
    """What a solver found.

    Fields:
        plan: moves in a feasible order, within the limit; none at all if nothing better than the start was found.
        value: its objective.
        bound: proven bound on the objective of every plan within the limit.
        optimal: True if the value equals the bound.
        status: ``optimal``, ``feasible``, or ``unknown`` if nothing better than the start was found; with ``goal out of
            reach`` if provably no plan reaches it, and ``moves dropped`` if no feasible order of them all was found.
        seconds: wall time, model building included.
    """

    plan: Plan
    value: float
    bound: float
    optimal: bool
    status: str
    seconds: float

    def outcome(self) -> Outcome:
        """Return what a method hands back."""
        return Outcome(self.plan, self.bound, self.optimal, self.status, len(self.plan.moves))


@dataclass(frozen=True)
class Found:
    """What came of one stage.

    Fields:
        change: the best change found, or None.
        bound: proven: the highest score (stage ``most``) or the fewest moves (``fewest``) of any change.
    """

    change: Change | None
    bound: int


class Search(Protocol):
    """A solver of both stages, on one instance."""

    counts: Counts
    aim: Aim

    def most(self, seconds: float, enough: int | None) -> Found:
        """Make the score as large as possible within the limit; ``enough`` is as good as anything above it."""
        ...

    def fewest(self, seconds: float, need: int, first: Change) -> Found:
        """Reach a score with as few moves as possible; ``first`` reaches it."""
        ...


def pursue(
    search: Search, begun: float, time_limit: float, *, hint: Change | None = None, seed: int = 0
) -> SolverResult:
    """Solve for the aim of a search, and put the moves of the best change into order.

    Args:
        search: the solver.
        begun: ``time.perf_counter()`` at the beginning.
        time_limit: seconds from then on for all stages.
        hint: a change that is at hand.
        seed: of the ties in ordering the moves.
    """
    counts, aim = search.counts, search.aim
    changes: list[Change] = [{}, *([hint] if hint else [])]
    word = ""

    def left() -> float:
        return max(LEAST_TIME, begun + time_limit - time.perf_counter())

    def reached(change: Change) -> int:
        return aim.score(*counts.free(change))

    if aim.need is None:
        found = search.most(left(), None)
        bound = aim.bound(found.bound)
        changes += [] if found.change is None else [found.change]
    elif reached({}) >= aim.need:
        bound = 0.0
    else:
        found = search.most(left(), aim.need)
        bound = 1.0
        if found.bound < aim.need:
            bound, word = out_of_reach(counts.instance, aim, found.bound), ", goal out of reach"
        if found.change is not None:
            changes.append(found.change)
            if reached(found.change) >= aim.need:
                last = search.fewest(left(), aim.need, found.change)
                bound = max(bound, float(last.bound))
                changes += [] if last.change is None else [last.change]
    return _result(search, changes, bound, word, begun, seed)


def out_of_reach(instance: Cluster, aim: Aim, score: int) -> float:
    """Return the bound on objective ``goal`` where no plan within the limit has more than a score, and needs more."""
    assert instance.goal is not None
    return instance.limit + 1.0 + (aim.bound(score) - instance.goal)


def _result(search: Search, changes: list[Change], bound: float, word: str, begun: float, seed: int) -> SolverResult:
    counts, aim = search.counts, search.aim
    instance = counts.instance
    sign = -1.0 if aim.unit < 0 else 1.0
    best: tuple[float, Plan] | None = None
    missing = 0
    for change in changes:
        moves, missing = decode(counts, change, aim, seed=seed)
        plan = Plan(np.array(moves), instance.digest)
        verdict = validate(instance, plan)
        if not verdict.feasible:
            raise RuntimeError(f"plan for {instance.name} is infeasible: {verdict.violations[0].message}")
        value = verdict.values[aim.objective]
        if best is None or sign * value < sign * best[0]:
            best = value, plan
    assert best is not None
    value, plan = best
    optimal = sign * (value - bound) <= NEAR
    status = "optimal" if optimal else "feasible" if len(plan.moves) else "unknown"
    status += word + (", moves dropped" if missing and not optimal else "")
    return SolverResult(plan, value, bound, optimal, status, time.perf_counter() - begun)
