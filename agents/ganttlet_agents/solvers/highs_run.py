"""Calls of HiGHS that keep to a time limit and stop on Ctrl-C: what every solver by HiGHS here runs through."""

from __future__ import annotations

from typing import Any

from ganttlet.core.errors import MissingExtraError
from ganttlet_agents.solvers.cpsat_run import interruptible


def highspy() -> Any:
    """Return HiGHS' module; raises MissingExtraError if it is not installed."""
    try:
        import highspy
    except ImportError:
        raise MissingExtraError("highspy", "eval") from None
    return highspy


def new_highs(seed: int = 0) -> Any:
    """Return an empty, silent model to be maximised, solved by one thread."""

    class Silent(highspy().Highs):  # type: ignore[misc]
        def enableCallbacks(self) -> None:  # noqa: N802
            # Some versions greet on standard output here, before an option could be set from outside.
            self.setOptionValue("output_flag", False)
            super().enableCallbacks()

    highs = Silent()
    for option, value in (("output_flag", False), ("threads", 1), ("random_seed", seed % (2**31 - 1))):
        highs.setOptionValue(option, value)
    highs.changeObjectiveSense(highspy().ObjSense.kMaximize)
    highs.HandleUserInterrupt = True
    return highs


def run_highs(highs: Any, seconds: float) -> bool:
    """Solve within ``seconds``; return whether there is a solution, for a time limit may leave none.

    Raises:
        RuntimeError: if it ends otherwise than solved or at a limit.
    """
    # HiGHS counts the time of all solves of one model.
    highs.setOptionValue("time_limit", highs.getRunTime() + seconds)
    interruptible(highs.run, highs.cancelSolve)
    status = highspy().HighsModelStatus
    end = highs.getModelStatus()
    if end not in (status.kOptimal, status.kTimeLimit, status.kObjectiveBound, status.kObjectiveTarget):
        raise RuntimeError(f"HiGHS ended with {highs.modelStatusToString(end)!r}")
    return int(highs.getInfo().primal_solution_status) == int(highspy().kSolutionStatusFeasible)
