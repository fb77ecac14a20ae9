"""A call of CP-SAT that keeps to its limits and stops on Ctrl-C: what every CP-SAT solver here runs through."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from ganttlet.core.errors import MissingExtraError
from ganttlet.core.options import as_count, as_number


def cp_model() -> Any:
    """Return OR-Tools' module; raises MissingExtraError if it is not installed."""
    try:
        from ortools.sat.python import cp_model
    except ImportError:
        raise MissingExtraError("ortools", "eval") from None
    return cp_model


def check_limits(time_limit: float | None, deterministic_limit: float | None, workers: int | None) -> None:
    """Raise InputError naming a limit that is no number ≥ 0, or workers that are none."""
    for name, limit in (("time_limit", time_limit), ("deterministic_limit", deterministic_limit)):
        if limit is not None:
            as_number(name, limit, 0.0, float("inf"))
    if workers is not None:
        as_count("workers", workers)


def make_solver(time_limit: float | None, deterministic: float | None, workers: int | None, seed: int) -> Any:
    """Return a solver with limits in seconds and deterministic time; None is no limit, and all cores for ``workers``.

    With only a deterministic limit one worker is the default, which repeats exactly.
    """
    solver = cp_model().CpSolver()
    parameters = solver.parameters
    if time_limit is not None:
        parameters.max_time_in_seconds = time_limit
    if deterministic is not None:
        parameters.max_deterministic_time = deterministic
    repeatable = deterministic is not None and time_limit is None
    parameters.num_workers = workers or (1 if repeatable else available_cores())
    parameters.random_seed = seed % (2**31 - 1)
    parameters.catch_sigint_signal = False
    return solver


def available_cores() -> int:
    """Return the number of cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def run_solver(solver: Any, model: Any, name: str, watch: Any = None) -> str:
    """Solve and return CP-SAT's word: ``optimal``, ``feasible`` or ``unknown``.

    Args:
        solver: what :func:`make_solver` returns.
        model: the CP-SAT model.
        name: the instance's.
        watch: a solution callback, or None.

    Raises:
        RuntimeError: naming the instance, for every other end: models here always have a solution.
    """
    code = interruptible(lambda: solver.solve(model, watch), solver.stop_search)
    status: str = solver.status_name(code).lower()
    if status not in ("optimal", "feasible", "unknown"):
        raise RuntimeError(f"CP-SAT ended with {status!r} on {name}: {model.validate()}")
    return status


def interruptible(work: Callable[[], Any], stop: Callable[[], object]) -> Any:
    """Return what ``work`` does, done in a second thread: Python sees Ctrl-C only between bytecodes of the main thread.

    ``stop`` tells it to end early; it is called again until it has, for a solver may not listen before it searches.
    """
    outcome: list[Any] = []
    done = threading.Event()

    def run() -> None:
        try:
            outcome.append(work())
        except Exception as error:
            outcome.append(error)
        finally:
            done.set()

    threading.Thread(target=run, daemon=True).start()
    # Not join: Python 3.11 takes a thread for dead once Ctrl-C has interrupted the wait for it.
    try:
        while not done.wait(0.2):
            pass
    except BaseException:
        stop()
        while not done.wait(0.2):
            stop()
        raise
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]
