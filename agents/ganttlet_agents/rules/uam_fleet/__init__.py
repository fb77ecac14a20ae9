"""Rules of air-taxi fleets, and a genetic search.

The rules play inside the environment's kernel (``ganttlet.uam_fleet.dispatch`` defines them);
tests/reference/uam_rules.py has them, and the search, in plain Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ganttlet.uam_fleet.batch import UAMFleetVectorEnv
from ganttlet.uam_fleet.dispatch import RULES
from ganttlet.uam_fleet.instance import Scenario
from ganttlet.uam_fleet.solution import FleetLog
from ganttlet_agents.evaluation.methods import Information, MethodType, Option, Outcome
from ganttlet_agents.rules.uam_fleet.genetic import (
    BLOCK,
    CROSSOVER,
    ELITE,
    FUTURES,
    GENERATIONS,
    MUTATION,
    PARENTS,
    POPULATION,
    run_genetic,
)

__all__ = ["ABOUT", "METHODS", "run_genetic", "run_rule"]

ABOUT = {
    "random": "any legal flight, or to stay",
    "greedy": "the flight that earns most now, if any earns anything",
    "greedy_rate": "the flight that earns most per minute of delay, flight and charging",
    "greedy_lookahead": "the flight that earns most per minute together with the best one that may follow",
    "fcfs": "those who have waited longest, of these the longest queue",
    "edd": "those who are lost first, of these the highest fares on board",
    "balance": "to ports that lack aircraft for the next hour's passengers, empty if need be",
}


def run_rule(name: str, scenario: Scenario, *, seed: int = 0) -> tuple[FleetLog, int]:
    """Return what a rule makes of a day, and the number of decisions.

    Args:
        name: a key of ABOUT.
        scenario: the day.
        seed: of rule ``random``.

    Raises:
        InputError: for an unknown rule.
    """
    env = UAMFleetVectorEnv(1, instance=scenario, observation="candidates", autoreset_mode="disabled", copy=False)
    env.reset(seed=0)
    decisions = env.play(name, seed=seed)
    log = env.solution(0)
    assert isinstance(log, FleetLog)
    return log, decisions


@dataclass(frozen=True)
class RuleMethod:
    """A rule as the evaluator calls it."""

    name: str

    def solve(self, instance: Scenario, *, objective: str, seed: int) -> Outcome:
        """Return the rule's day and the number of decisions."""
        log, decisions = run_rule(self.name, instance, seed=seed)
        return Outcome(log, decisions=decisions, simulated=decisions)

    def warm_up(self, instance: Scenario, *, objective: str) -> None:
        """Load the compiled kernels."""
        self.solve(instance, objective=objective, seed=0)


@dataclass(frozen=True)
class GeneticMethod:
    """The genetic search as the evaluator calls it."""

    options: dict[str, Any]

    def solve(self, instance: Scenario, *, objective: str, seed: int) -> Outcome:
        """Return the day found and the decisions played for it."""
        log, decisions = run_genetic(instance, objective, seed=seed, **self.options)
        return Outcome(log, decisions=decisions, simulated=decisions)

    def warm_up(self, instance: Scenario, *, objective: str) -> None:
        """Load the compiled kernels."""
        run_genetic(instance, objective, **{**self.options, "population": 2, "generations": 2})


def _rule(name: str) -> MethodType:
    return MethodType("rule", name, "uam_fleet", ABOUT[name], {}, lambda options: RuleMethod(name))


def _knows(options: dict[str, Any], family: str) -> Information:
    return "clairvoyant" if options["oracle"] else "causal"


def _share(default: float, about: str) -> Option:
    return Option(float, default, about, minimum=0.0)


METHODS = (
    *map(_rule, RULES),
    MethodType(
        "search",
        "ga",
        "uam_fleet",
        "genetic search for the next decisions on sampled futures, block after block",
        {
            "block": Option(int, BLOCK, "decisions of a plan", minimum=1),
            "population": Option(int, POPULATION, "plans of a generation", minimum=1),
            "generations": Option(int, GENERATIONS, "generations, the random first one included", minimum=1),
            "mutation": _share(MUTATION, "probability that a gene becomes any port"),
            "crossover": _share(CROSSOVER, "probability that a child mixes its parents' genes"),
            "elite": _share(ELITE, "share of the best that live on"),
            "parents": _share(PARENTS, "share of the best that children come from"),
            "futures": Option(int, FUTURES, "sampled futures that a plan is judged by", minimum=1),
            "oracle": Option(bool, False, "plans are judged by the day as it will be"),
        },
        GeneticMethod,
        information=_knows,
    ),
)
