"""Runs every method of a suite on every instance, validates each solution and writes one row for it."""

from __future__ import annotations

import math
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ganttlet import __version__
from ganttlet.core.errors import InputError
from ganttlet.core.family import Family, get_family
from ganttlet.core.objective import Reference, ReferenceKind
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.bounds import Bounds, load_bounds, tighter
from ganttlet_agents.evaluation.methods import BoundMethod, Outcome, parse_methods
from ganttlet_agents.evaluation.results import ResultFolder
from ganttlet_agents.evaluation.rows import Row, difference_of, gap_of, hash_settings, mark_conflicts, row_key
from ganttlet_agents.evaluation.suite import REFERENCES, Suite, SuiteInstance, load_instances

OnRow = Callable[[Row], None]


@dataclass(frozen=True)
class Plan:
    """Everything a run needs, checked: nothing in here can turn out to be unknown later."""

    suite: Suite
    family: Family
    instances: list[SuiteInstance]
    methods: list[BoundMethod]
    reference_method: BoundMethod | None
    bounds: Bounds

    @property
    def n_rows(self) -> int:
        """Number of rows the run writes."""
        suite = self.suite
        return len(self.instances) * len(suite.objectives) * len(self.methods) * len(suite.seeds)

    def settings(self) -> dict[str, Any]:
        """Return what decides the run's results, as plain data; its hash is the rows' ``config_hash``."""
        code = {method.label: method.code for method in self.methods if method.code}
        return {
            "family": self.family.name,
            **({"code": code} if code else {}),
            "objectives": list(self.suite.objectives),
            "instances": [entry.instance.digest for entry in self.instances],
            "methods": [[method.type.kind, method.type.name, dict(method.options)] for method in self.methods],
            "seeds": list(self.suite.seeds),
            "reference": self.reference_method.label if self.reference_method else self.suite.reference,
            # Left out where there are none, so that other runs keep their hash.
            **({"bounds": [[*key, known.value] for key, known in self.bounds.items()]} if self.bounds else {}),
        }


def plan_run(suite: Suite) -> Plan:
    """Build instances and methods of a suite.

    Raises:
        InputError: for unknown or malformed instances, methods, references or bounds.
    """
    family = get_family(suite.family)
    if not suite.methods:
        raise InputError(f"{suite.source}: names no methods; give some with --methods")
    methods = parse_methods(suite.methods, family)
    reference = None
    if suite.reference not in REFERENCES:
        try:
            named = parse_methods(suite.reference, family)
        except InputError as error:
            raise InputError(f"reference: expected one of {', '.join(REFERENCES)}, or a method; {error}") from None
        if len(named) != 1:
            raise InputError(f"reference: expected one method, got {suite.reference!r}")
        reference = named[0]
        methods = [reference, *(method for method in methods if method.label != reference.label)]
    instances = load_instances(suite)
    known = load_bounds(Path(suite.bounds), family) if suite.bounds else {}
    wanted = {(entry.instance.digest, objective) for entry in instances for objective in suite.objectives}
    return Plan(suite, family, instances, methods, reference, {key: known[key] for key in known if key in wanted})


def run(plan: Plan, folder: ResultFolder, command: str, on_row: OnRow = lambda row: None) -> list[Row]:
    """Run a plan and return its rows; each is on disk before the next begins.

    A method that raises, returns nothing or returns an invalid solution gets a row with ``error``, and the
    run goes on. On KeyboardInterrupt the rows so far are kept and the interrupt is passed on.
    """
    runner = _Runner(plan, folder, command)
    folder.write_meta(runner.meta("running"))
    state = "interrupted"
    try:
        for entry in plan.instances:
            runner.run_instance(entry, on_row)
        state = "complete"
    finally:
        rows = mark_conflicts(runner.rows)
        if rows != runner.rows:
            folder.rewrite(rows)
        folder.write_meta(runner.meta(state))
    return rows


@dataclass(frozen=True)
class _Attempt:
    """One solve and its verdict."""

    outcome: Outcome
    seconds: float
    value: float | None
    feasible: bool
    error: str | None
    values: dict[str, float] = field(default_factory=dict)

    @property
    def bound(self) -> float | None:
        return self.outcome.bound


class _Runner:
    def __init__(self, plan: Plan, folder: ResultFolder, command: str) -> None:
        self.plan, self.folder, self.command = plan, folder, command
        self.rows: list[Row] = []
        self.references: dict[str, dict[str, dict[str, Any]]] = {}
        self.config_hash = hash_settings(plan.settings())
        self.started = _now()
        self.warm: set[str] = set()

    def meta(self, state: str) -> dict[str, Any]:
        plan = self.plan
        return {
            "state": state,
            "command": self.command,
            "started": self.started,
            "finished": None if state == "running" else _now(),
            "suite": plan.suite.to_dict(),
            "methods": [
                {
                    "label": method.label,
                    "about": method.type.about,
                    "options": dict(method.options),
                    **({"code": method.code} if method.code else {}),
                    "deterministic": method.deterministic,
                    "information": method.information(plan.family.name),
                }
                for method in plan.methods
            ],
            "objectives": {
                name: {"sense": spec.sense, "unit": spec.unit, "description": spec.description}
                for name, spec in plan.family.objectives.items()
                if name in plan.suite.objectives
            },
            "references": self.references,
            "versions": provenance.versions(),
            "commit": provenance.commit(),
            "device": provenance.device(),
            "config_hash": self.config_hash,
        }

    def run_instance(self, entry: SuiteInstance, on_row: OnRow) -> None:
        plan, suite = self.plan, self.plan.suite
        self.folder.save_instance(entry.instance)
        for objective in suite.objectives:
            reference = None
            if suite.reference == "best_known":
                reference = plan.family.reference(entry.instance, objective)
                reference = self._note(entry, objective, reference)
            for method in plan.methods:
                for seed in suite.seeds:
                    attempt = self._attempt(entry, objective, method, seed)
                    if method is plan.reference_method and reference is None and attempt.value is not None:
                        kind: ReferenceKind = "optimal" if attempt.outcome.optimal else "method"
                        reference = Reference(attempt.value, kind, method.label, attempt.bound)
                        reference = self._note(entry, objective, reference)
                    row = self._row(entry, objective, method, seed, attempt, reference)
                    if attempt.outcome.solution is not None:
                        self.folder.save_solution(row.key, attempt.outcome.solution)
                    self.folder.append(row)
                    self.rows.append(row)
                    on_row(row)

    def _attempt(self, entry: SuiteInstance, objective: str, method: BoundMethod, seed: int) -> _Attempt:
        outcome, begun = Outcome(None), time.perf_counter()
        try:
            if method.label not in self.warm:
                self.warm.add(method.label)
                method.warm_up(entry.instance, objective=objective)
            begun = time.perf_counter()
            returned = method.solve(entry.instance, objective=objective, seed=seed)
            seconds = time.perf_counter() - begun
            outcome = _checked(returned, self.plan.family)
            return self._judge(entry, objective, outcome, seconds)
        except Exception as error:
            # Whatever a method does wrong is its own row's failure and must not cost the others theirs.
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{os.path.basename(place.filename)}:{place.lineno}"
            text = f"{type(error).__name__}: {error} ({where})"
            return _Attempt(outcome, time.perf_counter() - begun, None, False, text)

    def _judge(self, entry: SuiteInstance, objective: str, outcome: Outcome, seconds: float) -> _Attempt:
        """Return values, feasibility and error of an outcome, by the family's validator alone."""
        if outcome.solution is None:
            return _Attempt(outcome, seconds, None, False, f"no solution (status: {outcome.status or 'not given'})")
        verdict = self.plan.family.validate(entry.instance, outcome.solution)
        if not verdict.feasible:
            more = f" (and {len(verdict.violations) - 1} more)" if len(verdict.violations) > 1 else ""
            text = f"invalid solution: {verdict.violations[0].message}{more}"
            return _Attempt(outcome, seconds, None, False, text)
        values = {name: float(value) for name, value in verdict.values.items() if math.isfinite(value)}
        missing = None if objective in values else f"objective {objective!r} is not defined on this instance"
        return _Attempt(outcome, seconds, values.get(objective), True, missing, values)

    def _row(
        self,
        entry: SuiteInstance,
        objective: str,
        method: BoundMethod,
        seed: int,
        attempt: _Attempt,
        reference: Reference | None,
    ) -> Row:
        family, sense = self.plan.family.name, self.plan.family.objectives[objective].sense
        digest, outcome, value = entry.instance.digest, attempt.outcome, attempt.value
        known = self.plan.bounds.get((digest, objective))
        gap = difference = None
        if value is not None and reference is not None:
            gap = gap_of(value, reference.value, sense)
            difference = difference_of(value, reference.value, sense)
        return Row(
            key=row_key(family, digest, objective, method.label, seed),
            family=family,
            method=method.label,
            instance=entry.label,
            group=entry.group,
            digest=digest,
            seed=seed,
            objective=objective,
            sense=sense,
            value=value,
            feasible=attempt.feasible,
            reference=reference.value if reference else None,
            reference_kind=reference.kind if reference else "none",
            reference_bound=reference.bound if reference else known.value if known else None,
            gap=gap,
            difference=difference,
            bound=attempt.bound,
            optimal=outcome.optimal,
            reference_conflict=False,
            status=outcome.status,
            decisions=outcome.decisions,
            seconds=round(attempt.seconds, 6),
            information=method.information(family),
            deterministic=method.deterministic,
            values=attempt.values,
            device=provenance.device(),
            commit=provenance.commit(),
            version=__version__,
            config_hash=self.config_hash,
            error=attempt.error,
        )

    def _note(self, entry: SuiteInstance, objective: str, reference: Reference | None) -> Reference | None:
        """Return a reference with the tighter of its bound and the suite's, and note it for meta.json."""
        if reference is None:
            return None
        known = self.plan.bounds.get((entry.instance.digest, objective))
        sense = self.plan.family.objectives[objective].sense
        if known is not None and tighter(reference.bound, known.value, sense) != reference.bound:
            reference = replace(reference, bound=known.value, source=f"{reference.source}; bound: {known.source}")
        self.references.setdefault(entry.instance.digest, {})[objective] = {
            "instance": entry.label,
            "value": reference.value,
            "kind": reference.kind,
            "source": reference.source,
            "bound": reference.bound,
        }
        return reference


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
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
