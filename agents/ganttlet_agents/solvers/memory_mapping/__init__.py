"""Solvers of memory mapping: least latency by HiGHS or CP-SAT, and fewest bytes, with bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ganttlet_agents.evaluation.methods import MethodType, Option, Outcome
from ganttlet_agents.solvers.cpsat_run import cp_model
from ganttlet_agents.solvers.memory_mapping.cosma import Cosma, activations_only, solve_cosma
from ganttlet_agents.solvers.memory_mapping.latency import HINTS, choose_window, solve_latency
from ganttlet_agents.solvers.memory_mapping.result import DEFAULT_TIME, SolverResult

__all__ = ["METHODS", "SolverResult", "activations_only", "choose_window", "solve_cosma", "solve_latency"]

_TIME = Option(float, DEFAULT_TIME, "wall-clock limit in seconds", minimum=1e-3)
_SEED = Option(int, None, "random seed; the run's seed by default", minimum=0)


@dataclass(frozen=True)
class Latency:
    """The methods ``solver:mip`` and ``solver:cpsat``."""

    engine: str
    options: dict[str, Any]

    def solve(self, instance: Any, *, objective: str, seed: int) -> Outcome:
        """Return mapping, bound (if the objective is the latency or the speed-up) and status."""
        given = dict(self.options)
        own = given.pop("seed")
        result = solve_latency(
            instance, self.engine, time_limit=given.pop("time"), seed=seed if own is None else own, **given
        )
        bounds = {"latency": result.bound, "speedup": instance.all_slow / result.bound}
        optimal = result.optimal and objective in bounds
        return Outcome(result.mapping, bounds.get(objective), optimal, result.status)

    def warm_up(self, instance: Any, *, objective: str) -> None:
        """Import OR-Tools, which takes about a second, and load the kernels of the hint."""
        cp_model()
        HINTS[self.options["hint"]](instance, 1.0)


def _latency(engine: str, about: str, **more: Option) -> MethodType:
    options = {
        "time": _TIME,
        "window": Option(int, None, "instructions written out before uses; by the program's size", minimum=1),
        "hint": Option(str, "best", "what to start from; best is the best of the others", choices=tuple(HINTS)),
        "seed": _SEED,
        **more,
    }
    return MethodType(
        "solver",
        engine,
        "memory_mapping",
        about,
        options,
        lambda given: Latency(engine, given),
        lambda given: False,
        budgets={"seconds": "time"},
    )


METHODS = (
    _latency("mip", "HiGHS on the model of all mappings without places, then offsets; with proven bound"),
    _latency(
        "cpsat",
        "the same model by CP-SAT, after HiGHS' bound of its relaxation",
        workers=Option(int, None, "search threads; all cores by default", minimum=1),
    ),
    MethodType(
        "solver",
        "cosma",
        "memory_mapping",
        "fewest bytes between the memories, operands in fast memory, by HiGHS; with bound for slow_bytes",
        {
            "stream": Option(bool, False, "whether slots may use slow memory where that saves bytes"),
            "time": _TIME,
            "seed": _SEED,
        },
        lambda given: Cosma(**given),
        lambda given: False,
        budgets={"seconds": "time"},
    ),
)
