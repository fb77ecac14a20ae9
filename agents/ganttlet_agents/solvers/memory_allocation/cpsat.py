"""``solver:cpsat``: CP-SAT on an offset variable per buffer; what lives at one time may not overlap.

Lifetimes are fixed, so the rectangles reduce to one dimension: a no-overlap constraint on the offsets of every largest
set of buffers that live at one time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganttlet.core.errors import check_choice
from ganttlet.memory_allocation.instance import AllocationInstance
from ganttlet.memory_allocation.library import generate, resolve
from ganttlet.memory_allocation.solution import Allocation
from ganttlet_agents.evaluation.methods import Outcome
from ganttlet_agents.rules.memory_allocation import best_of_all
from ganttlet_agents.solvers.cpsat_run import check_limits, cp_model, interruptible, make_solver
from ganttlet_agents.solvers.memory_allocation.problem import Ints, Part, parts_of, unit_of
from ganttlet_agents.solvers.memory_allocation.result import DEFAULT_TIME, GOALS, SolverResult, goal_of, status_of

SHARE = 0.5  # of the time that is left, for a packing as low as the bound before others are looked for
MEMBERS = 2_000_000  # largest sum over sections of their buffers that is modelled
ENDS = ("optimal", "feasible", "infeasible", "unknown")


def solve_cpsat(
    instance: AllocationInstance | str,
    goal: str = "least",
    *,
    time_limit: float | None = DEFAULT_TIME,
    deterministic_limit: float | None = None,
    workers: int | None = None,
    seed: int = 0,
) -> SolverResult:
    """Pack with CP-SAT, from a rule's packing on.

    It is first asked for a packing as low as the bound, which prunes most, and then for the lowest one or, if that is
    the goal, for any one within the capacity.

    Args:
        instance: the problem, or whatever ``ganttlet.memory_allocation.resolve`` makes one of.
        goal: ``least`` height, or ``fit``: stop once the height is at most the capacity, or this is proven impossible.
        time_limit: wall-clock limit of all solves together in seconds, or None.
        deterministic_limit: limit of each solve in CP-SAT's deterministic time units, or None; with one worker and no
            ``time_limit`` the result repeats exactly.
        workers: search threads; all cores if None, or one if only ``deterministic_limit`` is given.
        seed: CP-SAT's random seed.

    Raises:
        InputError: for an unknown goal or a bad limit.
        MissingExtraError: if OR-Tools is not installed.
    """
    begun = time.perf_counter()
    instance = resolve(instance)
    check_choice("goal", goal, GOALS)
    check_limits(time_limit, deterministic_limit, workers)
    unit = unit_of(instance)
    capacity = instance.capacity // unit
    offset = best_of_all(instance, math.inf if time_limit is None else begun + time_limit).offset // unit
    parts = sorted(parts_of(instance), key=lambda one: -one.height(offset[one.index]))
    least, too_large = max(part.least for part in parts), False
    for part in parts:
        for stage in ("bound", goal):
            found = offset[part.index]
            height, left = part.height(found), math.inf
            if time_limit is not None:
                left = time_limit - (time.perf_counter() - begun)
            if height <= least or left <= 0.0 or (goal == "fit" and (height <= capacity or least > capacity)):
                break
            if int((part.last - part.first).sum()) > MEMBERS:
                too_large = True
                break
            most = {"bound": least, "fit": capacity, "least": height - 1}[stage]
            limit = None if time_limit is None else left * (SHARE if stage == "bound" else 1.0)
            model = _Model(part, most, None if stage != "least" else (found, least))
            better, bound = model.solve(make_solver(limit, deterministic_limit, workers, seed), instance.name)
            least = max(least, bound)
            if better is not None:
                offset[part.index] = better
    height = max(part.height(offset[part.index]) for part in parts)
    least = min(least, height)
    status = "too large" if too_large else status_of(goal, height, least, capacity)
    seconds = time.perf_counter() - begun
    return SolverResult(Allocation(offset * unit, instance.digest), height * unit, least * unit, goal, status, seconds)


def live_sets(part: Part) -> Iterator[list[int]]:
    """Yield the largest sets of buffers that live at one time: those of sections between a start and the next end."""
    starts, ends = set(part.first.tolist()), set(part.last.tolist())
    begun = False
    for section in range(part.n_sections):
        begun = begun or section in starts
        if begun and section + 1 in ends:
            yield np.flatnonzero((part.first <= section) & (section < part.last)).tolist()
            begun = False


class _Model:
    """The CP-SAT model of a part.

    Args:
        part: the part.
        most: height allowed, in units.
        lowest: None if any packing will do; else offsets (m,) to start from and a proven bound, to look for the lowest.
    """

    def __init__(self, part: Part, most: int, lowest: tuple[Ints, int] | None) -> None:
        self.lowest, self.most = lowest, most
        self.model = model = cp_model().CpModel()
        self.offset: list[Any] = []
        places, ends = [], []
        for k, size in enumerate(part.size.tolist()):
            alignment, fixed = int(part.alignment[k]), int(part.fixed[k])
            offset: Any = fixed
            if fixed < 0:
                var = model.new_int_var(0, (most - size) // alignment, "")
                offset = alignment * var
                # Towards packings that are higher than allowed a hint only misleads.
                if lowest is not None:
                    model.add_hint(var, min(int(lowest[0][k]), most - size) // alignment)
            places.append(model.new_fixed_size_interval_var(offset, size, ""))
            self.offset.append(offset)
            ends.append(offset + size)
        for live in live_sets(part):
            model.add_no_overlap([places[k] for k in live])
        if lowest is not None:
            height = model.new_int_var(min(lowest[1], most), most, "")
            for end in ends:
                model.add(end <= height)
            model.minimize(height)

    def solve(self, solver: Any, name: str) -> tuple[Ints | None, int]:
        """Return (m,) offsets, if any were found, and a proven bound on the height, 0 if there is none."""
        code = interruptible(lambda: solver.solve(self.model), solver.stop_search)
        status: str = solver.status_name(code).lower()
        if status not in ENDS:
            raise RuntimeError(f"CP-SAT ended with {status!r} on {name}: {self.model.validate()}")
        if status == "infeasible":
            return None, self.most + 1
        bound = 0
        if self.lowest is not None and math.isfinite(solver.best_objective_bound):
            bound = math.ceil(solver.best_objective_bound - 1e-6)
        if status == "unknown":
            return None, bound
        return np.array([solver.value(one) for one in self.offset], np.int64), bound


@dataclass(frozen=True)
class CpSat:
    """The method ``solver:cpsat``."""

    time: float | None = None
    dtime: float | None = None
    workers: int | None = None
    goal: str | None = None
    seed: int | None = None

    def solve(self, instance: AllocationInstance, *, objective: str, seed: int) -> Outcome:
        """Return packing, bound and status."""
        result = solve_cpsat(
            instance,
            goal_of(self.goal, objective),
            time_limit=DEFAULT_TIME if self.time is None and self.dtime is None else self.time,
            deterministic_limit=self.dtime,
            workers=self.workers,
            seed=seed if self.seed is None else self.seed,
        )
        return result.outcome(instance, objective)

    def warm_up(self, instance: Any, *, objective: str) -> None:
        """Import OR-Tools and load the compiled kernels of the rules."""
        cp_model()
        best_of_all(generate({"name": "cut", "buffers": 4}, 0))
