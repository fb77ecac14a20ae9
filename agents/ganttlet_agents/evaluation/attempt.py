"""One method on one instance: prepared and loaded untimed, then timed, validated and measured."""

from __future__ import annotations

import math
import os
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ganttlet.core.family import Family
from ganttlet.core.record import Instance
from ganttlet_agents.evaluation.methods import BoundMethod, Outcome

KIB_PER_MIB = 1024


@dataclass(frozen=True)
class Attempt:
    """One solve and its verdict.

    Fields:
        outcome: what the method returned, in plain types; without a solution if it failed.
        seconds: wall time of the solve.
        value, feasible, values: the judged objective, the validator's verdict, all objectives it named.
        error: why the row failed, None otherwise.
        latency_mean, latency_p99: seconds per decision; None where it is unknown.
        peak_memory: most MiB the process held during the solve, None where the system does not tell.
        device: the machine that solved, None if it is the one that asks.
    """

    outcome: Outcome
    seconds: float
    value: float | None = None
    feasible: bool = False
    error: str | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    latency_mean: float | None = None
    latency_p99: float | None = None
    peak_memory: float | None = None
    device: str | None = None


class Judge:
    """Runs methods of one family in this process; each is loaded once, each instance prepared once."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self.warm: set[str] = set()
        self.prepared = ""

    def attempt(
        self,
        instance: Instance,
        objective: str,
        method: BoundMethod,
        seed: int,
        on_start: Callable[[], None] = lambda: None,
    ) -> Attempt:
        """Return what a method makes of an instance; whatever it raises is in ``error``.

        ``on_start`` is called when everything is loaded, right before the clock starts.
        """
        failed = self.prepare(instance, objective, method)
        if failed is not None:
            return failed
        on_start()
        return self.solve(instance, objective, method, seed)

    def prepare(self, instance: Instance, objective: str, method: BoundMethod) -> Attempt | None:
        """Load, untimed, what the solve will need; return the failed attempt if that raises, else None."""
        begun = time.perf_counter()
        try:
            self._load(instance, objective, method)
        except Exception as error:
            return Attempt(Outcome(None), time.perf_counter() - begun, error=_told(error))
        return None

    def solve(self, instance: Instance, objective: str, method: BoundMethod, seed: int) -> Attempt:
        """Return what a method makes of an instance for which all is prepared."""
        outcome = Outcome(None)
        measured: dict[str, Any] = {}
        tracked = _reset_peak()
        begun = time.perf_counter()
        try:
            returned = method.solve(instance, objective=objective, seed=seed)
            seconds = time.perf_counter() - begun
            measured["peak_memory"] = _peak() if tracked else None
            outcome = _checked(returned, self.family)
            measured |= _latencies(outcome, seconds)
            return Attempt(outcome, seconds, **measured, **self._judge(instance, objective, outcome))
        except Exception as error:
            # Whatever a method does wrong is its own row's failure and must not cost the others theirs.
            return Attempt(outcome, time.perf_counter() - begun, error=_told(error), **measured)

    def _load(self, instance: Instance, objective: str, method: BoundMethod) -> None:
        """Do, untimed, what whoever came first would otherwise pay for all: the instance's tables, the kernels."""
        if self.prepared != instance.digest:
            prepare(instance)
            self.prepared = instance.digest
        if method.label not in self.warm:
            self.warm.add(method.label)
            method.warm_up(instance, objective=objective)

    def _judge(self, instance: Instance, objective: str, outcome: Outcome) -> dict[str, Any]:
        """Return values, feasibility and error of an outcome, by the family's validator alone."""
        if outcome.solution is None:
            return {"error": f"no solution (status: {outcome.status or 'not given'})"}
        verdict = self.family.validate(instance, outcome.solution)
        if not verdict.feasible:
            more = f" (and {len(verdict.violations) - 1} more)" if len(verdict.violations) > 1 else ""
            return {"error": f"invalid solution: {verdict.violations[0].message}{more}"}
        values = {name: float(value) for name, value in verdict.values.items() if math.isfinite(value)}
        missing = None if objective in values else f"objective {objective!r} is not defined on this instance"
        return {"value": values.get(objective), "feasible": True, "error": missing, "values": values}


def prepare(instance: Instance) -> None:
    """Compute the tables that an instance keeps once they have been asked for."""
    kind = type(instance)
    for name in dir(kind):
        if isinstance(getattr(kind, name), cached_property):
            # A table that this instance cannot have fails whoever asks for it, not everybody.
            with suppress(Exception):
                getattr(instance, name)


def _told(error: Exception) -> str:
    """Return an error in one line, with the place that raised it."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({os.path.basename(place.filename)}:{place.lineno})"


def _checked(outcome: Any, family: Family) -> Outcome:
    """Return an outcome as plain numbers and texts; raises TypeError if it is none."""
    if not isinstance(outcome, Outcome):
        raise TypeError(f"the method returned {type(outcome).__name__}, expected Outcome")
    solution, bound = outcome.solution, outcome.bound
    if solution is not None and not isinstance(solution, family.solution):
        raise TypeError(f"the solution is a {type(solution).__name__}, expected {family.solution.__name__}")
    return Outcome(
        solution=solution,
        bound=float(bound) if bound is not None and math.isfinite(bound) else None,
        optimal=bool(outcome.optimal),
        status=str(outcome.status),
        decisions=int(outcome.decisions),
        simulated=int(outcome.simulated),
        latencies=tuple(float(entry) for entry in outcome.latencies),
    )


def _latencies(outcome: Outcome, seconds: float) -> dict[str, float | None]:
    if outcome.latencies:
        return {
            "latency_mean": float(np.mean(outcome.latencies)),
            "latency_p99": float(np.quantile(outcome.latencies, 0.99)),
        }
    return {"latency_mean": seconds / outcome.decisions if outcome.decisions else None, "latency_p99": None}


def _reset_peak() -> bool:
    """Let the kernel forget the process's peak of resident memory; return whether it did (Linux only)."""
    try:
        with open("/proc/self/clear_refs", "wb", buffering=0) as file:
            file.write(b"5")
    except OSError:
        return False
    return True


def _peak() -> float | None:
    """Return the peak of resident memory since it was reset, in MiB."""
    try:
        with open("/proc/self/status", "rb", buffering=0) as file:
            _, _, after = file.read().partition(b"VmHWM:")
    except OSError:
        return None
    return int(after.split(None, 1)[0]) / KIB_PER_MIB if after else None
