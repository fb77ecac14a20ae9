"""Planners for VM rescheduling: rules, and searches that look ahead. They work on a cluster, not on the environment.

All honour memory and anti-affinity groups, make at most the instance's ``limit`` of moves, and plan for objective
``fr16`` (``n16`` is the same), ``mixed`` or ``goal``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.solution import Plan
from ganttlet_agents.evaluation.methods import MethodType, Option, Outcome
from ganttlet_agents.rules.vm_rescheduling.beam import plan_beam
from ganttlet_agents.rules.vm_rescheduling.greedy import EPS, NOISE, P, plan_greedy, plan_potential, potential_plan
from ganttlet_agents.rules.vm_rescheduling.ha import ha_plan
from ganttlet_agents.rules.vm_rescheduling.mcts import EXPLORATION, plan_mcts
from ganttlet_agents.rules.vm_rescheduling.packing import ALPHA, plan_alpha_vbpp, plan_best_fit_repack
from ganttlet_agents.rules.vm_rescheduling.random_moves import plan_random

__all__ = [
    "METHODS",
    "ha_plan",
    "plan_alpha_vbpp",
    "plan_beam",
    "plan_best_fit_repack",
    "plan_greedy",
    "plan_mcts",
    "plan_potential",
    "plan_random",
    "potential_plan",
]

Planner = Callable[..., Plan | tuple[Plan, int]]
_POTENTIAL = {
    "eps": Option(float, EPS, "weight of the convex term of the potential", minimum=0.0),
    "p": Option(float, P, "its exponent", minimum=1.0),
    "noise": Option(float, NOISE, "deviation of the bends of the potential, in sixteenths of a block", minimum=0.0),
}


def _best_of(rows: int) -> dict[str, Option]:
    about = "rows of the potential greedy, each but the first with the best row's potential bent at random"
    return {"best_of": Option(int, rows, about, minimum=1)}


@dataclass(frozen=True)
class PlannerMethod:
    """A planner as the evaluator calls it."""

    plan: Planner
    options: dict[str, Any]
    seeded: bool

    def solve(self, instance: Cluster, *, objective: str, seed: int) -> Outcome:
        """Return the plan and the number of moves made or looked at for it."""
        given = {**self.options, "seed": seed} if self.seeded else self.options
        found = self.plan(instance, objective=objective, **given)
        plan, decisions = found if isinstance(found, tuple) else (found, len(found.moves))
        return Outcome(plan, decisions=decisions)

    def warm_up(self, instance: Cluster, *, objective: str) -> None:
        """Load the compiled kernels."""
        self.solve(instance, objective=objective, seed=0)


def _method(kind: str, name: str, about: str, plan: Planner, options: dict[str, Option], seeded: bool) -> MethodType:
    return MethodType(
        kind, name, "vm_rescheduling", about, options, lambda given: PlannerMethod(plan, dict(given), seeded)
    )


METHODS = (
    _method(
        "rule",
        "ha",
        "HA as published: the VM whose leaving cures most fragments, then the host that gains most",
        ha_plan,
        {"memory": Option(bool, True, "check memory when choosing a host; as published it is not")},
        False,
    ),
    _method("rule", "greedy", "the best of all one-step moves, while it gains", plan_greedy, {}, False),
    _method(
        "rule",
        "potential",
        "the best one-step move by a convex potential of fragments; best of K bent potentials",
        plan_potential,
        {**_POTENTIAL, **_best_of(1)},
        True,
    ),
    _method(
        "rule",
        "best_fit_repack",
        "empties the hosts of most fragments best-fit, while it helps",
        plan_best_fit_repack,
        {},
        False,
    ),
    _method(
        "rule",
        "alpha_vbpp",
        "our reading of α-VBPP: packs the α VMs of most fragments anew, in rounds",
        plan_alpha_vbpp,
        {"alpha": Option(int, ALPHA, "VMs taken off per round", minimum=1)},
        False,
    ),
    _method("rule", "random", "uniformly random legal moves", plan_random, {}, True),
    _method(
        "search",
        "beam",
        "beam search over clusters by the best bent potential",
        plan_beam,
        {
            "width": Option(int, 32, "clusters kept after each move", minimum=1),
            "candidates": Option(int, 8, "moves tried in each", minimum=1),
            **_best_of(60),
            **_POTENTIAL,
        },
        True,
    ),
    _method(
        "search",
        "mcts",
        "Monte-Carlo tree search with rollouts of the potential greedy",
        plan_mcts,
        {
            "budget": Option(int, 1000, "simulations in all", minimum=1),
            "candidates": Option(int, 8, "moves tried at each node", minimum=1),
            "exploration": Option(float, EXPLORATION, "weight of moves rarely tried", minimum=0.0),
            **_POTENTIAL,
        },
        True,
    ),
)
