"""Runs every method of a suite on every instance, validates each solution and writes one row for it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ganttlet import __version__
from ganttlet.core.errors import InputError
from ganttlet.core.family import Family, get_family
from ganttlet.core.objective import Reference
from ganttlet_agents.distributed.backend import LOCAL, Backend
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.attempt import Attempt, Judge
from ganttlet_agents.evaluation.bounds import Bounds, load_bounds
from ganttlet_agents.evaluation.ledger import Ledger
from ganttlet_agents.evaluation.locking import sole_run
from ganttlet_agents.evaluation.methods import BoundMethod, parse_methods
from ganttlet_agents.evaluation.references import ReferenceTable
from ganttlet_agents.evaluation.results import ROWS, ResultFolder, StoredRows, instance_path, read_rows
from ganttlet_agents.evaluation.resume import load_begun, mend
from ganttlet_agents.evaluation.rows import Row, difference_of, gap_of, hash_settings, row_key
from ganttlet_agents.evaluation.suite import REFERENCES, Suite, SuiteInstance, load_instances
from ganttlet_agents.evaluation.workers import Job, attempt_all

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
    methods = parse_methods(suite.methods, family, suite.budget)
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


def run(
    plan: Plan,
    folder: ResultFolder,
    command: str,
    on_row: OnRow = lambda row: None,
    *,
    jobs: int = 1,
    timeout: float | None = None,
    resume: bool = False,
    backend: Backend = LOCAL,
    solutions: bool = True,
) -> StoredRows:
    """Run a plan; each row is on disk before ``on_row`` is called with it, and none stays in memory.

    A method that raises, returns nothing or returns an invalid solution gets a row with ``error``, and the
    run goes on. On KeyboardInterrupt the rows so far are kept and the interrupt is passed on.

    Args:
        plan, folder: what to run, and where its results go.
        command: what meta.json names as the command.
        on_row: called with every row as it is written, kept ones first.
        jobs: number of processes that rows are spread over; 1: this process alone, unless there is a timeout.
        timeout: seconds after which a row has failed and the process that solves it is ended; None for no limit.
        resume: keep the rows that the folder has of this very run and make the others; a whole run is returned as
            it is.
        backend: who runs the processes: this machine, or the Ray cluster that has been joined.
        solutions: keep the solution of each row, a file of its own, from which pictures and later checks are made.

    Returns:
        The rows in the plan's order, read from the folder as they are asked for.

    Raises:
        InputError: if the folder is of a run with other settings, or another process is writing to it.
    """
    with sole_run(folder.folder):
        runner = _Runner(plan, folder, command, _How(jobs, timeout, backend, solutions))
        if resume and runner.keep():
            for row in runner.ordered():
                on_row(row)
            if runner.complete:
                return runner.ordered()
        folder.write_meta(runner.meta("running"))
        state = "interrupted"
        try:
            runner.run(on_row)
            folder.sync()
            state = "complete"
        finally:
            runner.finish(state)
        return runner.ordered()


@dataclass(frozen=True, slots=True)
class _Task:
    """One row of the plan, ``index`` its place."""

    index: int
    entry: SuiteInstance
    objective: str
    method: BoundMethod
    seed: int

    @property
    def group(self) -> tuple[str, str]:
        """The tasks that share a reference."""
        return self.entry.instance.digest, self.objective


class _Tasks:
    """The rows of a plan, each worked out from its place: by instance, objective, method and seed."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        suite = plan.suite
        names = (
            [entry.instance.digest for entry in plan.instances],
            suite.objectives,
            [method.label for method in plan.methods],
            suite.seeds,
        )
        self.shape = tuple(len(axis) for axis in names)
        # Where each name stands in its axis, to find the place of a row that a folder holds.
        self._places: list[dict[Any, int]] = [{name: at for at, name in enumerate(axis)} for axis in names]

    def __len__(self) -> int:
        return self.plan.n_rows

    def __getitem__(self, index: int) -> _Task:
        plan, (_, n_objectives, n_methods, n_seeds) = self.plan, self.shape
        rest, seed = divmod(index, n_seeds)
        rest, method = divmod(rest, n_methods)
        entry, objective = divmod(rest, n_objectives)
        suite = plan.suite
        return _Task(index, plan.instances[entry], suite.objectives[objective], plan.methods[method], suite.seeds[seed])

    def key(self, task: _Task) -> str:
        """Return the key of a task's row."""
        digest, objective = task.group
        return row_key(self.plan.family.name, digest, objective, task.method.label, task.seed)

    def place(self, row: Row) -> int | None:
        """Return the place of a row, None if it is none of the plan."""
        index = 0
        names = (row.digest, row.objective, row.method, row.seed)
        for places, length, name in zip(self._places, self.shape, names, strict=True):
            at = places.get(name)
            if at is None:
                return None
            index = index * length + at
        return index if self.key(self[index]) == row.key else None


@dataclass(frozen=True)
class _How:
    """How rows are made, which does not change them; as of :func:`run`."""

    jobs: int
    timeout: float | None
    backend: Backend
    solutions: bool


class _Runner:
    def __init__(self, plan: Plan, folder: ResultFolder, command: str, how: _How) -> None:
        self.plan, self.folder, self.how = plan, folder, how
        self.tasks = _Tasks(plan)
        self.ledger = Ledger(plan.n_rows)
        self.begun: set[str] = set()
        # Attempts whose reference is still being solved for by another process.
        self.pending: dict[tuple[str, str], list[tuple[_Task, Attempt]]] = {}
        self.sources = ReferenceTable(plan.family, plan.suite.reference, plan.reference_method, plan.bounds)
        self.config_hash = hash_settings(plan.settings())
        self.history: dict[str, Any] = {"command": command, "started": _now()}
        self.solutions_kept = how.solutions
        self.complete = False

    def keep(self) -> bool:
        """Take over what the folder has of this run; return whether it has anything."""
        folder = self.folder.folder
        meta = load_begun(folder, self._settings(), self.config_hash)
        if meta is None:
            return False
        end = 0
        for number, (after, row) in enumerate(read_rows(folder, meta), 1):
            place = self.tasks.place(row)
            if place is None or place in self.ledger:
                what = "is of no row of this run" if place is None else "is there twice"
                raise InputError(f"{folder / ROWS}, line {number}: key {row.key} {what}")
            self.ledger.note(place, end, row)
            task, end = self.tasks[place], after
            if task.method is self.plan.reference_method:
                self._hear(task, row.value, row.optimal, row.bound)
        mend(folder, end)
        again = {"command": self.history["command"], "started": self.history["started"]}
        self.history = {key: meta[key] for key in ("command", "started")}
        # Once some are missing, it cannot be said that they are kept.
        self.solutions_kept = self.how.solutions and meta.get("solutions", True)
        self.history["resumed"] = [*meta.get("resumed", ()), again]
        self.complete = meta["state"] == "complete" and self.ledger.count == len(self.tasks)
        return True

    def ordered(self) -> StoredRows:
        """Return the rows so far in the plan's order."""
        offsets = self.ledger.offset
        return StoredRows(self.folder.folder, offsets[offsets >= 0])

    def run(self, on_row: OnRow) -> None:
        """Make the rows that are missing."""
        with closing(self._attempts()) as attempts:
            for task, attempt in attempts:
                if self.how.solutions and attempt.outcome.solution is not None:
                    self.folder.save_solution(self.tasks.key(task), attempt.outcome.solution)
                waiting = [(task, attempt)]
                if task.method is self.plan.reference_method:
                    self._hear(task, attempt.value, attempt.outcome.optimal, attempt.outcome.bound)
                    waiting = [*self.pending.pop(task.group, ()), *waiting]
                for one, made in waiting:
                    if self.sources.ready(one.group, self._seeds_before(one)):
                        self._write(one, made, on_row)
                    else:
                        # What can be large of it is on the disk by now.
                        light = replace(made, outcome=replace(made.outcome, solution=None, latencies=()))
                        self.pending.setdefault(one.group, []).append((one, light))

    def finish(self, state: str) -> None:
        """Mark contradictions, put the rows in order, and say how the run ended."""
        self.folder.close()
        suite, ledger = self.plan.suite, self.ledger
        if state == "complete":
            for entry in self.plan.instances:
                for objective in suite.objectives:
                    # A run that went on has references of rows that it did not make itself.
                    self.sources.of(entry, objective, suite.seeds)
        senses = [self.plan.family.objectives[name].sense for name in suite.objectives]
        marked = ledger.conflicts(senses, len(self.plan.methods) * len(suite.seeds))
        there = np.flatnonzero(ledger.offset >= 0)
        offsets, again = ledger.offset[there], (marked & ~ledger.marked)[there]
        if again.any() or (np.diff(offsets) < 0).any():
            ledger.offset[there] = self.folder.reorder(offsets, again)
        ledger.marked = marked
        self.folder.write_meta(self.meta(state))

    def _attempts(self) -> Generator[tuple[_Task, Attempt]]:
        missing = (self.tasks[index] for index in range(len(self.tasks)) if index not in self.ledger)
        if self.how.jobs == 1 and self.how.timeout is None and not self.how.backend.ray:
            judge = Judge(self.plan.family)
            for task in missing:
                self._begin(task)
                yield task, judge.attempt(task.entry.instance, task.objective, task.method, task.seed)
            return
        jobs = (self._job(task) for task in missing)
        with closing(self._spread(jobs)) as found:
            for job, attempt in found:
                yield self.tasks[job.index], attempt

    def _spread(self, jobs: Iterable[Job]) -> Generator[tuple[Job, Attempt]]:
        family, count, timeout = self.plan.family, self.how.jobs, self.how.timeout
        if not self.how.backend.ray:
            return attempt_all(jobs, family, count=count, timeout=timeout)
        from ganttlet_agents.distributed import attempts

        return attempts.attempt_all(jobs, family.name, self.plan.methods, count=count, timeout=timeout)

    def _begin(self, task: _Task) -> None:
        instance = task.entry.instance
        if instance.digest not in self.begun:
            self.begun.add(instance.digest)
            self.folder.save_instance(instance)

    def _job(self, task: _Task) -> Job:
        self._begin(task)
        digest = task.entry.instance.digest
        path = instance_path(self.folder.folder, digest)
        return Job(task.index, digest, path, task.objective, task.method.label, task.seed)

    def _seeds_before(self, task: _Task) -> Sequence[int]:
        """Return the seeds of the reference method that come before a row's own reference."""
        seeds = self.plan.suite.seeds
        return seeds[: seeds.index(task.seed) + 1] if task.method is self.plan.reference_method else seeds

    def _reference(self, task: _Task) -> Reference | None:
        return self.sources.of(task.entry, task.objective, self._seeds_before(task))

    def _hear(self, task: _Task, value: float | None, optimal: bool, bound: float | None) -> None:
        # What comes after the first value under the first seeds is no reference of any row.
        if not self.sources.ready(task.group, self.plan.suite.seeds):
            self.sources.heard(task.group, task.seed, value, optimal, bound)

    def _write(self, task: _Task, attempt: Attempt, on_row: OnRow) -> None:
        row = self._row(task, attempt, self._reference(task))
        self.ledger.note(task.index, self.folder.append(row), row)
        on_row(row)

    def _settings(self) -> dict[str, Any]:
        """Return the settings as meta.json tells them: methods by their labels."""
        return {**self.plan.settings(), "methods": [method.label for method in self.plan.methods]}

    def meta(self, state: str) -> dict[str, Any]:
        plan = self.plan
        return {
            "state": state,
            **self.history,
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
                    "budget": dict(method.budget),
                }
                for method in plan.methods
            ],
            "objectives": {
                name: {"sense": spec.sense, "unit": spec.unit, "description": spec.description}
                for name, spec in plan.family.objectives.items()
                if name in plan.suite.objectives
            },
            "references": self.sources.noted,
            "versions": provenance.versions(),
            "commit": provenance.commit(),
            "device": provenance.device(),
            "config_hash": self.config_hash,
            "settings": self._settings(),
            "jobs": self.how.jobs,
            "backend": self.how.backend.engine,
            "timeout": self.how.timeout,
            "solutions": self.solutions_kept,
        }

    def _row(self, task: _Task, attempt: Attempt, reference: Reference | None) -> Row:
        entry, objective, method = task.entry, task.objective, task.method
        family, sense = self.plan.family.name, self.plan.family.objectives[objective].sense
        digest, outcome, value = entry.instance.digest, attempt.outcome, attempt.value
        known = self.plan.bounds.get((digest, objective))
        gap = difference = None
        if value is not None and reference is not None:
            gap = gap_of(value, reference.value, sense)
            difference = difference_of(value, reference.value, sense)
        return Row(
            key=self.tasks.key(task),
            family=family,
            method=method.label,
            instance=entry.label,
            group=entry.group,
            digest=digest,
            seed=task.seed,
            objective=objective,
            sense=sense,
            value=value,
            feasible=attempt.feasible,
            reference=reference.value if reference else None,
            reference_kind=reference.kind if reference else "none",
            reference_bound=reference.bound if reference else known.value if known else None,
            gap=gap,
            difference=difference,
            bound=outcome.bound,
            optimal=outcome.optimal,
            reference_conflict=False,
            status=outcome.status,
            decisions=outcome.decisions,
            simulated=outcome.simulated,
            seconds=round(attempt.seconds, 6),
            latency_mean=_rounded(attempt.latency_mean, 9),
            latency_p99=_rounded(attempt.latency_p99, 9),
            peak_memory=_rounded(attempt.peak_memory, 1),
            information=method.information(family),
            deterministic=method.deterministic,
            values=attempt.values,
            device=attempt.device or provenance.device(),
            commit=provenance.commit(),
            version=__version__,
            config_hash=self.config_hash,
            error=attempt.error,
        )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
