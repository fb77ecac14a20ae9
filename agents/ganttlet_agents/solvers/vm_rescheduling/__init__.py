"""Solvers of VM rescheduling: column generation, CP-SAT and an integer programme, exact; POP, part by part."""

from ganttlet_agents.evaluation.methods import MethodType, Option
from ganttlet_agents.solvers.vm_rescheduling.columns import Columns, lower_bound, solve_columns
from ganttlet_agents.solvers.vm_rescheduling.cpsat import CpSat, known_rule, solve_cpsat
from ganttlet_agents.solvers.vm_rescheduling.mip import MAX_BINARIES, Mip, solve_mip
from ganttlet_agents.solvers.vm_rescheduling.pop import PARTS, Pop, solve_pop
from ganttlet_agents.solvers.vm_rescheduling.result import DEFAULT_TIME, SolverResult

__all__ = ["METHODS", "SolverResult", "lower_bound", "solve_columns", "solve_cpsat", "solve_mip", "solve_pop"]

_TIME = Option(float, DEFAULT_TIME, "wall-clock limit in seconds", minimum=1e-3)
_SEED = Option(int, None, "random seed; the run's seed by default", minimum=0)
_WORKERS = Option(int, None, "CP-SAT's search threads; all cores by default", minimum=1)

METHODS = (
    MethodType(
        kind="solver",
        name="columns",
        family="vm_rescheduling",
        about="column generation by host: mostly proves the optimum of hundreds of hosts within seconds",
        options={
            "time": _TIME,
            "close": Option(bool, True, "let CP-SAT close the gap to the bound, if any"),
            "workers": _WORKERS,
            "seed": _SEED,
        },
        build=lambda options: Columns(**options),
        deterministic=lambda options: False,
        budgets={"seconds": "time"},
    ),
    MethodType(
        kind="solver",
        name="cpsat",
        family="vm_rescheduling",
        about="CP-SAT over VMs counted by kind, with proven bound; seconds to minutes for hundreds of hosts",
        options={
            "time": _TIME,
            "dtime": Option(float, None, "limit of each solve in CP-SAT's deterministic time", minimum=1e-3),
            "workers": _WORKERS,
            "hint": Option(str, None, "rule whose plan the search starts from", check=known_rule),
            "seed": _SEED,
        },
        build=lambda options: CpSat(**options),
        deterministic=lambda options: False,
        budgets={"seconds": "time"},
    ),
    MethodType(
        kind="solver",
        name="mip",
        family="vm_rescheduling",
        about="HiGHS, a binary per VM and place as published, with bound; for small clusters",
        options={
            "time": _TIME,
            "max_binaries": Option(int, MAX_BINARIES, "size up to which it is tried", minimum=1),
            "seed": _SEED,
        },
        build=lambda options: Mip(**options),
        deterministic=lambda options: False,
        budgets={"seconds": "time"},
    ),
    MethodType(
        kind="solver",
        name="pop",
        family="vm_rescheduling",
        about="POP: hosts in parts, each solved by CP-SAT with a share of the limit",
        options={
            "parts": Option(int, PARTS, "number of parts", minimum=1),
            "fair": Option(bool, True, "shuffle hosts, share by need and share again what is left; else as published"),
            "time": _TIME,
            "workers": _WORKERS,
            "seed": _SEED,
        },
        build=lambda options: Pop(**options),
        deterministic=lambda options: False,
        budgets={"seconds": "time"},
    ),
)
