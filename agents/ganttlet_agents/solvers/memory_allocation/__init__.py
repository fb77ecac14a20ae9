"""Solvers of memory allocation: CP-SAT, and an exact search from the bottom up."""

from __future__ import annotations

from ganttlet_agents.evaluation.methods import MethodType, Option
from ganttlet_agents.solvers.memory_allocation.cpsat import CpSat, solve_cpsat
from ganttlet_agents.solvers.memory_allocation.minimal import Minimal, solve_minimal
from ganttlet_agents.solvers.memory_allocation.result import DEFAULT_TIME, GOALS, SolverResult

__all__ = ["METHODS", "SolverResult", "solve_cpsat", "solve_minimal"]

_GOAL = Option(str, None, "least height, or one within the capacity; by default what the objective asks", choices=GOALS)
_SEED = Option(int, None, "random seed; the run's seed by default", minimum=0)


def _limit(other: str) -> Option:
    return Option(float, None, f"wall-clock limit in seconds; {DEFAULT_TIME:g} unless {other} is set", minimum=1e-3)


METHODS = (
    MethodType(
        kind="solver",
        name="cpsat",
        family="memory_allocation",
        about="OR-Tools CP-SAT: packing, proven bound and status",
        options={
            "time": _limit("dtime"),
            "dtime": Option(float, None, "limit of each solve in CP-SAT's deterministic time", minimum=1e-3),
            "workers": Option(int, None, "search threads; all cores, or 1 if only dtime is set", minimum=1),
            "goal": _GOAL,
            "seed": _SEED,
        },
        build=lambda options: CpSat(**options),
        deterministic=lambda options: (
            options["dtime"] is not None and options["time"] is None and options["workers"] in (None, 1)
        ),
        budgets={"seconds": "time"},
    ),
    MethodType(
        kind="solver",
        name="minimal",
        family="memory_allocation",
        about="exact search from the bottom up, after ideas of MiniMalloc: packing, proven bound and status",
        options={
            "time": _limit("nodes"),
            "nodes": Option(int, None, "limit on decisions; repeatable", minimum=1),
            "goal": _GOAL,
            "seed": _SEED,
        },
        build=lambda options: Minimal(**options),
        deterministic=lambda options: options["nodes"] is not None and options["time"] is None,
        budgets={"seconds": "time", "decisions": "nodes"},
    ),
)
