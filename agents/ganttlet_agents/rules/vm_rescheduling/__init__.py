"""Planners for VM rescheduling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.solution import Plan
from ganttlet_agents.evaluation.methods import MethodType, Option, Outcome
from ganttlet_agents.rules.vm_rescheduling.greedy import EPS, NOISE, P, plan_greedy, plan_potential


@dataclass(frozen=True)
class Planner:
    """A rule as the evaluator calls it."""

    plan: Callable[[Cluster, str, int], tuple[Plan, int]]

    def solve(self, instance: Cluster, *, objective: str, seed: int) -> Outcome:
        """Return the plan and the number of moves made for it."""
        plan, moves = self.plan(instance, objective, seed)
        return Outcome(plan, decisions=moves)

    def warm_up(self, instance: Cluster, *, objective: str) -> None:
        """Load the compiled kernels."""
        self.plan(instance, objective, 0)


def _potential(o: dict[str, Any]) -> Planner:
    return Planner(lambda i, objective, seed: plan_potential(i, objective, o["eps"], o["p"], o["noise"], o["best_of"], seed))


METHODS = (
    MethodType("rule", "greedy", "vm_rescheduling", "the best one-step move, while one gains", {}, lambda o: Planner(lambda i, objective, seed: plan_greedy(i, objective))),
    MethodType("rule", "potential", "vm_rescheduling", "greedy by a convex potential of fragments", {
        "eps": Option(float, EPS, "weight of the convex term", minimum=0.0),
        "p": Option(float, P, "its exponent", minimum=1.0),
        "noise": Option(float, NOISE, "deviation of the bends", minimum=0.0),
        "best_of": Option(int, 1, "best of K", minimum=1)}, _potential),
)
