"""Solvers of SoC task graphs: CP-SAT on all jobs of a trace at once, and job by job in a running system."""

from ganttlet_agents.evaluation.methods import MethodType, Option
from ganttlet_agents.solvers.soc_dag import rolling, single
from ganttlet_agents.solvers.soc_dag.rolling import HORIZON, Rolling, RollingResult, solve_rolling
from ganttlet_agents.solvers.soc_dag.single import CpSat, SolverResult, lower_bound, solve_cpsat

__all__ = ["METHODS", "RollingResult", "SolverResult", "lower_bound", "solve_cpsat", "solve_rolling"]

_WORKERS = Option(int, None, "search threads; all cores, or 1 if only dtime is set", minimum=1)
_SEED = Option(int, None, "random seed; the run's seed by default", minimum=0)


def _repeats(options: dict[str, object]) -> bool:
    return options["dtime"] is not None and options["time"] is None and options["workers"] in (None, 1)


METHODS = (
    MethodType(
        kind="solver",
        name="cpsat",
        family="soc_dag",
        about="OR-Tools CP-SAT on a trace without noise: run, proven bound and status for latency and makespan",
        options={
            "time": Option(
                float,
                None,
                f"wall-clock limit in seconds; {single.DEFAULT_TIME:g} unless dtime is set",
                minimum=1e-3,
            ),
            "dtime": Option(float, None, "limit in CP-SAT's deterministic time; repeatable", minimum=1e-3),
            "workers": _WORKERS,
            "seed": _SEED,
        },
        build=lambda options: CpSat(**options),
        deterministic=_repeats,
        information="clairvoyant",
        budgets={"seconds": "time"},
    ),
    MethodType(
        kind="solver",
        name="rolling",
        family="soc_dag",
        about="CP-SAT plans the jobs in the system whenever one enters; knows no arrivals to come, plans by mean times",
        options={
            "time": Option(
                float,
                None,
                f"wall-clock limit of each plan in seconds; {rolling.DEFAULT_TIME:g} unless dtime is set",
                minimum=1e-3,
            ),
            "dtime": Option(float, None, "limit of each plan in CP-SAT's deterministic time; repeatable", minimum=1e-3),
            "workers": _WORKERS,
            "horizon": Option(int, HORIZON, "most tasks in a plan", minimum=1),
            "every": Option(int, None, "plan anew also after this many ticks", minimum=1),
            "seed": _SEED,
        },
        build=lambda options: Rolling(**options),
        deterministic=_repeats,
    ),
)
