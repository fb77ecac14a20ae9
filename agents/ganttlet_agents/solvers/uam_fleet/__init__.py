"""Solvers of air-taxi fleets: plans of a day or of some hours by a time-space network, and a bound on any day."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ganttlet.uam_fleet.batch import UAMFleetVectorEnv
from ganttlet.uam_fleet.dispatch import RULES
from ganttlet.uam_fleet.instance import Scenario
from ganttlet_agents.evaluation.methods import Information, MethodType, Option, Outcome
from ganttlet_agents.solvers.highs_run import highspy
from ganttlet_agents.solvers.uam_fleet import bound, plan
from ganttlet_agents.solvers.uam_fleet.bound import lp_bound
from ganttlet_agents.solvers.uam_fleet.plan import DEMAND, PlanResult, solve_plan

__all__ = ["METHODS", "PlanResult", "lp_bound", "solve_plan"]


@dataclass(frozen=True)
class Planner:
    """The methods ``solver:mip``, ``solver:oracle`` and ``solver:rolling``; they plan for profit, whatever counts."""

    options: dict[str, Any]

    def solve(self, instance: Scenario, *, objective: str, seed: int) -> Outcome:
        """Return the day as it was played, and how good the plans were; of the oracle also the bound on the profit."""
        given = dict(self.options)
        own, limit = given.pop("seed"), given.pop("time")
        step, seconds = given.pop("bound_step", None), given.pop("bound_time", None)
        result = solve_plan(instance, time_limit=limit, seed=seed if own is None else own, **given)
        status = f"{result.plans} plans, gap {result.gap:.2%}, {result.seconds:.1f} s"
        if result.value is not None:
            status += f", first plan {result.value:.0f}"
        most = math.inf
        if step is not None and seconds != 0.0 and objective == "profit":
            most = lp_bound(instance, step=step, time_limit=seconds)
        return Outcome(
            result.log,
            most if math.isfinite(most) else None,
            status=status,
            decisions=result.decisions,
            simulated=result.decisions,
            latencies=result.latencies,
        )

    def warm_up(self, instance: Scenario, *, objective: str) -> None:
        """Import HiGHS and compile the environment's kernels."""
        highspy()
        UAMFleetVectorEnv(1, instance=instance, observation="candidates").reset(seed=0)


_SPARE = Option(
    str, plan.SPARE, "what aircraft do while the plan has no departure for half an hour", choices=(*RULES, plan.STAY)
)
_SEED = Option(int, None, "HiGHS' random seed; the run's seed by default", minimum=0)


def _grid(default: float) -> Option:
    return Option(float, default, "grid in minutes, a part of the hour", minimum=1.0)


def _day() -> dict[str, Option]:
    return {
        "step": _grid(plan.DAY_STEP),
        "time": Option(float, plan.DAY_TIME, "wall-clock limit of the plan in seconds", minimum=1e-3),
        "gap": Option(float, plan.DAY_GAP, "relative gap at which the plan is good enough", minimum=0.0),
        "spare": _SPARE,
        "seed": _SEED,
    }


def _knows(options: dict[str, Any], family: str) -> Information:
    return "clairvoyant" if options["demand"] == "realised" else "causal"


METHODS = (
    MethodType(
        "solver",
        "mip",
        "uam_fleet",
        "HiGHS plans the whole day at its beginning, by forecasts and mean delays, and the plan is followed",
        _day(),
        Planner,
        lambda options: False,
        budgets={"seconds": "time"},
    ),
    MethodType(
        "solver",
        "oracle",
        "uam_fleet",
        "the same plan with all demand and closures known, and a proven bound on the profit of any day",
        {
            **_day(),
            "bound_step": Option(float, bound.STEP, "grid of the bound in minutes", minimum=1.0),
            "bound_time": Option(float, bound.TIME, "limit of the bound in seconds; 0: none is computed", minimum=0.0),
        },
        lambda options: Planner({"demand": "realised", **options}),
        lambda options: False,
        information="clairvoyant",
    ),
    MethodType(
        "solver",
        "rolling",
        "uam_fleet",
        "HiGHS plans some hours ahead, again and again, by forecasts and mean delays",
        {
            "demand": Option(str, "forecast", "realised: all demand and closures are known", choices=DEMAND),
            "step": _grid(plan.STEP),
            "every": Option(float, plan.EVERY, "minutes after which a plan is made anew", minimum=1.0),
            "window": Option(float, plan.WINDOW, "minutes that a plan looks ahead", minimum=1.0),
            "time": Option(float, plan.TIME, "wall-clock limit of each plan in seconds", minimum=1e-3),
            "gap": Option(float, plan.GAP, "relative gap at which a plan is good enough", minimum=0.0),
            "spare": _SPARE,
            "seed": _SEED,
        },
        Planner,
        lambda options: False,
        information=_knows,
    ),
)
