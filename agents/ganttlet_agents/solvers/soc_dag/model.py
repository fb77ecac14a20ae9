"""The CP-SAT model of a problem: which PE and when, with data times, for the last completion or the sum of them.

Each task has a start and, per unit that supports it, a literal and an optional interval; a unit works on as many tasks
at once as it has PEs. Units: PEs that are alike in all that matters, transfers included, are one unit; all others are a
unit each, and where exchanging two of them changes nothing, the later one is used only after the earlier one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from ganttlet_agents.solvers.cpsat_run import cp_model
from ganttlet_agents.solvers.soc_dag.lists import Plan, retimed, worth
from ganttlet_agents.solvers.soc_dag.problem import Array, Problem


@dataclass(frozen=True)
class Entry:
    """Jobs that enter in their order, at most ``capacity`` at once in the system, from ``arrival`` (J,) on."""

    arrival: Array
    capacity: int


class PlanModel:
    """The CP-SAT model of one problem and objective (``makespan`` or ``latency``, the sum of completions)."""

    def __init__(self, problem: Problem, objective: str, hint: Plan, entry: Entry | None = None) -> None:
        self.problem = problem
        self.model = cp_model().CpModel()
        self.units = units_of(problem)
        self._of_pe = {pe: number for number, unit in enumerate(self.units) for pe in unit}
        self._latest = _latest(problem, objective, hint)
        self._hint = _in_first_use(hint.pe, self._exchangeable())
        self.start: list[Any] = []
        self.on: list[dict[int, Any]] = []  # per task: unit -> literal
        self.enter: list[Any] = []  # per job, if they may have to wait
        self._among: dict[tuple[int, frozenset[int]], Any] = {}
        self._put_tasks(hint)
        self._put_edges()
        self._put_exchanges()
        self._put_objective(objective, hint, entry)

    def plan(self, solver: Any) -> Plan:
        """Return the solver's best solution, each task as early as its order allows."""
        start = np.array([solver.value(var) for var in self.start], np.int64)
        pes = {}
        for task, on in enumerate(self.on):
            unit = next((unit for unit, literal in on.items() if solver.boolean_value(literal)))
            pes[task] = self.units[unit]
        entry = np.array([solver.value(var) for var in self.enter], np.int64) if self.enter else None
        return retimed(self.problem, start, pes, entry)

    def bound(self, solver: Any, objective: str) -> int:
        """Return the proven bound on the makespan, or on the sum of completions, in ticks."""
        least = worth(self.problem.job_bounds, objective)
        proven = solver.best_objective_bound
        return max(least, math.ceil(proven - 1e-6)) if math.isfinite(proven) else least

    def _put_tasks(self, hint: Plan) -> None:
        problem, model = self.problem, self.model
        intervals: list[list[Any]] = [[] for _ in self.units]
        self.least_start = np.min(problem.earliest, axis=1)
        for task in range(problem.n_tasks):
            times, rest, earliest = problem.times[task], problem.rest[task], problem.earliest[task]
            unit_pes = {self._of_pe[p]: p for p in np.flatnonzero(times >= 0).tolist()}
            latest = int(self._latest[problem.job[task]] - min(times[p] + rest[p] for p in unit_pes.values()))
            start = model.new_int_var(int(self.least_start[task]), latest, "")
            model.add_hint(start, int(hint.start[task]))
            on = {}
            for unit, pe in unit_pes.items():
                if len(unit_pes) == 1:
                    literal = model.new_constant(1)
                else:
                    literal = model.new_bool_var("")
                    model.add_hint(literal, int(self._hint[task] in self.units[unit]))
                on[unit] = literal
                intervals[unit].append(model.new_optional_fixed_size_interval_var(start, int(times[pe]), literal, ""))
            if len(on) > 1:
                model.add_exactly_one(on.values())
                heads = {unit: int(earliest[list(self.units[unit])].min()) for unit in on}
                model.add(start >= sum(heads[unit] * literal for unit, literal in on.items()))
            self.start.append(start)
            self.on.append(on)
        for pes, on_unit in zip(self.units, intervals, strict=True):
            if len(pes) == 1:
                model.add_no_overlap(on_unit)
                continue
            # What a PE is committed to comes before everything else there, so it may be any of the unit.
            origin = int(problem.free[list(pes)].min())
            blocks = [
                model.new_fixed_size_interval_var(origin, int(problem.free[p]) - origin, "")
                for p in pes
                if problem.free[p] > origin
            ]
            if len(on_unit) + len(blocks) > len(pes):
                model.add_cumulative(blocks + on_unit, [1] * (len(blocks) + len(on_unit)), len(pes))

    def _end(self, task: int, more: Array) -> Any:
        """Return the task's end, plus what ``more`` (P,) adds by PE, as an expression."""
        times = self.problem.times[task] + more
        terms = [int(times[self.units[unit][0]]) * literal for unit, literal in self.on[task].items()]
        return self.start[task] + sum(terms)

    def _put_edges(self) -> None:
        """Let every task wait for the data of its predecessors."""
        problem, model = self.problem, self.model
        for number, (source, target) in enumerate(problem.edges.tolist()):
            froms, tos = list(self.on[source]), list(self.on[target])
            first = np.array([self.units[unit][0] for unit in froms]), np.array([self.units[unit][0] for unit in tos])
            lags = problem.lags[number][np.ix_(*first)]
            least = int(lags.min())
            end, start = self._end(source, np.zeros_like(problem.free)), self.start[target]
            model.add(start >= end + least)
            same = np.array(froms)[:, None] == np.array(tos)
            together: Any = None
            for lag in np.unique(lags[lags > least]).tolist():
                reach = lags >= lag
                if same.any() and (reach | same).all():
                    together = self._together(source, target) if together is None else together
                    model.add(start >= end + lag).only_enforce_if(together.negated())
                    reach = reach & same
                rows: dict[bytes, list[int]] = {}
                for row in range(len(froms)):
                    if reach[row].any():
                        rows.setdefault(reach[row].tobytes(), []).append(row)
                for members in rows.values():
                    sources = frozenset(froms[row] for row in members)
                    targets = frozenset(tos[column] for column in np.flatnonzero(reach[members[0]]).tolist())
                    literals = [self._one_of(source, sources), self._one_of(target, targets)]
                    model.add(start >= end + lag).only_enforce_if(*literals)

    def _together(self, source: int, target: int) -> Any:
        """Return a literal that may be true only if both tasks are on the same unit."""
        literal = self.model.new_bool_var("")
        for unit in {*self.on[source], *self.on[target]}:
            one, other = self.on[source].get(unit), self.on[target].get(unit)
            # Where only one of them can be, the literal says that it is not there.
            one, other = (0 if value is None else value for value in (one, other))
            self.model.add(one == other).only_enforce_if(literal)
        self.model.add_hint(literal, int(self._of_pe[self._hint[source]] == self._of_pe[self._hint[target]]))
        return literal

    def _one_of(self, task: int, units: frozenset[int]) -> Any:
        """Return a literal that is true if, and only if, the task is on one of ``units``."""
        on = self.on[task]
        inside, outside = [on[unit] for unit in on if unit in units], [on[unit] for unit in on if unit not in units]
        if len(inside) == 1:
            return inside[0]
        if not outside:
            return self.model.new_constant(1)
        if len(outside) == 1:
            return ~outside[0]
        if (task, units) not in self._among:
            literal = self.model.new_bool_var("")
            self.model.add(sum(inside) == literal)
            self.model.add_hint(literal, int(self._of_pe[self._hint[task]] in units))
            self._among[task, units] = literal
        return self._among[task, units]

    def _exchangeable(self) -> list[list[int]]:
        """Return groups of PEs, units of one, any two of which can be exchanged without a change of the problem."""
        groups: list[list[int]] = []
        for pe in (unit[0] for unit in self.units if len(unit) == 1):
            for group in groups:
                if _can_exchange(self.problem, group[0], pe):
                    group.append(pe)
                    break
            else:
                groups.append([pe])
        return [group for group in groups if len(group) > 1]

    def _put_exchanges(self) -> None:
        """Let an exchangeable PE take a task only after, by number of task, the one before it has taken one."""
        model = self.model
        for group in self._exchangeable():
            for before, after in pairwise(group):
                used: Any = None
                has = 0
                for task, on in enumerate(self.on):
                    one, other = on.get(self._of_pe[before]), on.get(self._of_pe[after])
                    if one is None or other is None:
                        continue
                    if used is None:
                        model.add(other == 0)
                    else:
                        model.add_implication(other, used)
                    now = model.new_bool_var("")
                    model.add_bool_or(~now, one, *([] if used is None else [used]))
                    has |= int(self._hint[task] == before)
                    model.add_hint(now, has)
                    used = now

    def _put_objective(self, objective: str, hint: Plan, entry: Entry | None) -> None:
        problem, model = self.problem, self.model
        ends = [
            model.new_int_var(int(bound), int(latest), "")
            for bound, latest in zip(problem.job_bounds, self._latest, strict=True)
        ]
        for task, job in enumerate(problem.job.tolist()):
            model.add(ends[job] >= self._end(task, problem.rest[task]))
        for end, value in zip(ends, hint.end.tolist(), strict=True):
            model.add_hint(end, value)
        if entry is not None:
            self._put_entries(entry, ends, hint.end)
        if objective == "latency":
            model.minimize(sum(ends))
            return
        last = model.new_int_var(int(problem.job_bounds.max()), int(self._latest.max()), "")
        model.add_max_equality(last, ends)
        for number, pes in enumerate(self.units):
            work = [int(problem.times[task, pes[0]]) * on[number] for task, on in enumerate(self.on) if number in on]
            model.add(sum(work) <= len(pes) * last)
        model.add_hint(last, int(hint.end.max()))
        model.minimize(last)

    def _put_entries(self, entry: Entry, ends: Sequence[Any], hinted_ends: Array) -> None:
        """Let jobs enter in their order while there is a place, and tasks start after."""
        model, hinted = self.model, entries_of(entry, hinted_ends)
        inside: list[Any] = []
        for job, end in enumerate(ends):
            enter = model.new_int_var(int(entry.arrival[job]), int(self._latest[job]), "")
            model.add_hint(enter, int(hinted[job]))
            if self.enter:
                model.add(enter >= self.enter[-1])
            size = model.new_int_var(0, int(self._latest[job] - entry.arrival[job]), "")
            model.add_hint(size, int(hinted_ends[job] - hinted[job]))
            inside.append(model.new_interval_var(enter, size, end, ""))
            self.enter.append(enter)
        model.add_cumulative(inside, [1] * len(inside), entry.capacity)
        for task, job in enumerate(self.problem.job.tolist()):
            model.add(self.start[task] >= self.enter[job])


def entries_of(entry: Entry, ends: Array) -> Array:
    """Return (J,) int64, when each job enters if jobs end at ``ends`` (J,)."""
    out = entry.arrival.astype(np.int64)
    for job in range(len(out)):
        out[job] = max(out[job], out[job - 1] if job else 0)
        if job >= entry.capacity:
            out[job] = max(out[job], np.sort(ends[:job])[-entry.capacity])
    return out


def units_of(problem: Problem) -> list[tuple[int, ...]]:
    """Return the PEs by unit: alike in times, data times and transfers, also those from one to another.

    A task that takes no time needs no place among several PEs, so PEs that support one are units of their own.
    """
    lags = _supported_lags(problem)
    groups: dict[tuple[bytes, ...], list[int]] = {}
    for pe in range(len(problem.free)):
        parts = (problem.times[:, pe], _heads(problem)[:, pe], lags[:, pe, :], lags[:, :, pe])
        alone = bytes([pe]) if (problem.times[:, pe] == 0).any() else b""
        groups.setdefault((*(part.tobytes() for part in parts), alone), []).append(pe)
    return [tuple(group) for group in groups.values()]


def _can_exchange(problem: Problem, one: int, other: int) -> bool:
    """Return whether nothing changes if two PEs change places."""
    columns = (problem.times, _heads(problem), problem.free[None])
    if any((values[:, one] != values[:, other]).any() for values in columns):
        return False
    order = np.arange(len(problem.free))
    order[[one, other]] = other, one
    lags = _supported_lags(problem)
    return bool((lags == lags[:, order][:, :, order]).all())


def _heads(problem: Problem) -> Array:
    return np.where(problem.times < 0, 0, problem.head)


def _supported_lags(problem: Problem) -> Array:
    """Return the lags, 0 where the source or the target cannot run."""
    supported = problem.times >= 0
    source, target = supported[problem.edges[:, 0]], supported[problem.edges[:, 1]]
    return np.where(source[:, :, None] & target[:, None, :], problem.lags, 0)


def _latest(problem: Problem, objective: str, hint: Plan) -> Array:
    """Return (J,) int64, the latest end of each job in a schedule that is not worse than the hint."""
    if objective == "makespan":
        return np.full(len(hint.end), int(hint.end.max()))
    return problem.job_bounds + int((hint.end - problem.job_bounds).sum())


def _in_first_use(pe: Array, groups: Sequence[Sequence[int]]) -> Array:
    """Return the PEs (n,) of a schedule with those of each group exchanged so that they are first used in order."""
    out = pe.copy()
    for group in groups:
        seen = [p for p in dict.fromkeys(pe.tolist()) if p in group]
        seen += [p for p in group if p not in seen]
        for old, new in zip(seen, group, strict=True):
            out[pe == old] = new
    return out
