"""``solver:minimal``: exact search from the bottom up for packings of ever lower height, with proof where it ends."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.options import as_count, as_number
from ganttlet.memory_allocation.instance import AllocationInstance
from ganttlet.memory_allocation.library import generate, resolve
from ganttlet.memory_allocation.solution import Allocation
from ganttlet_agents.evaluation.methods import Outcome
from ganttlet_agents.rules.memory_allocation import best_of_all
from ganttlet_agents.solvers.memory_allocation.problem import Ints, Part, parts_of
from ganttlet_agents.solvers.memory_allocation.result import DEFAULT_TIME, GOALS, SolverResult, goal_of, status_of
from ganttlet_agents.solvers.memory_allocation.searching import MEMBERS, Restarts, Search
from ganttlet_agents.solvers.memory_allocation.tree import FOUND, NONE

BLOCK = 30  # decisions of a block of runs at one height, as a multiple of the number of buffers
FINEST = 64  # a block aims at least at this share of the way down


def solve_minimal(
    instance: AllocationInstance | str,
    goal: str = "least",
    *,
    time_limit: float | None = DEFAULT_TIME,
    nodes: int | None = None,
    seed: int = 0,
) -> SolverResult:
    """Search for low packings.

    Args:
        instance: the problem, or whatever ``ganttlet.memory_allocation.resolve`` makes one of.
        goal: ``least`` height, or ``fit``: stop once the height is at most the capacity, or this is proven impossible.
        time_limit: wall-clock limit in seconds, or None.
        nodes: limit on decisions, or None; without ``time_limit`` the result repeats exactly.
        seed: of the noise on priorities.

    Raises:
        InputError: for an unknown goal or a bad limit.
    """
    begun = time.perf_counter()
    instance = resolve(instance)
    check_choice("goal", goal, GOALS)
    if time_limit is not None:
        as_number("time_limit", time_limit, 0.0, float("inf"))
    if nodes is not None:
        as_count("nodes", nodes)
    if time_limit is None and nodes is None:
        raise InputError("time_limit, nodes: give one of them at least")
    deadline = math.inf if time_limit is None else begun + time_limit
    descent = _Descent(instance, best_of_all(instance, deadline), np.random.default_rng(seed), deadline, nodes)
    descent.run(goal)
    return descent.result(goal, time.perf_counter() - begun)


class _Level:
    """One part: its lowest packing, what is proven, and how far down the next block of runs aims."""

    def __init__(self, part: Part, offset: Ints) -> None:
        self.part, self.offset = part, offset
        self.height, self.least = part.height(offset), part.least
        self.restarts: Restarts | None = None
        self.blocks, self.divisor = 0, 2

    def aim(self, floor: int, capacity: int) -> int:
        """Return the height of the next block: in turns the lowest that is of use, and a share of the way down.

        Args:
            floor: below it nothing is gained: a proven bound of this part or another.
            capacity: in units; the lowest that is of use, while it is exceeded.
        """
        goal = capacity if floor <= capacity < self.height else floor
        if self.blocks % 2 == 0:
            return goal
        return self.height - max(1, (self.height - goal) // self.divisor)


class _Descent:
    """The search over all parts of an instance."""

    def __init__(
        self,
        instance: AllocationInstance,
        start: Allocation,
        rng: np.random.Generator,
        deadline: float,
        nodes: int | None,
    ) -> None:
        self.instance, self.rng, self.deadline, self.nodes = instance, rng, deadline, nodes
        self.parts = list(parts_of(instance))
        self.unit = self.parts[0].unit
        self.levels = [_Level(part, start.offset[part.index] // self.unit) for part in self.parts]
        self.capacity = instance.capacity // self.unit
        self.too_large = False

    @property
    def height(self) -> int:
        """Height of the highest part, in units."""
        return max(level.height for level in self.levels)

    @property
    def least(self) -> int:
        """Proven bound, in units."""
        return max(level.least for level in self.levels)

    def spent(self) -> int:
        """Return the decisions taken so far."""
        return sum(level.restarts.search.nodes for level in self.levels if level.restarts)

    def stop(self) -> bool:
        """Return whether a limit is reached."""
        return time.perf_counter() >= self.deadline or (self.nodes is not None and self.spent() >= self.nodes)

    def run(self, goal: str) -> None:
        """Lower the highest part until the goal is reached or a limit is."""
        while not self.stop():
            if self.height <= self.least:
                return
            if goal == "fit" and (self.height <= self.capacity or self.least > self.capacity):
                return
            level = max(self.levels, key=lambda one: one.height)
            if Search.size_of(level.part) > MEMBERS:
                self.too_large = True
                return
            self._block(level, goal)

    def _block(self, level: _Level, goal: str) -> None:
        if level.restarts is None:
            level.restarts = Restarts(level.part, self.rng)
        target = self.capacity if goal == "fit" else level.aim(self.least, self.capacity)
        budget = BLOCK * len(level.part.size) * (1 + level.blocks // 16)
        if self.nodes is not None:
            budget = min(budget, max(1, self.nodes - self.spent()))
        status, offset = level.restarts.run(target, budget, self.stop)
        soft = level.blocks % 2 == 1
        level.blocks += 1
        if status == FOUND:
            assert offset is not None
            level.offset, level.height = offset, level.part.height(offset)
            level.divisor = max(2, level.divisor // 2)
        elif status == NONE:
            level.least = target + 1
        elif soft:
            level.divisor = level.divisor * 2 if level.divisor < FINEST else 2

    def result(self, goal: str, seconds: float) -> SolverResult:
        """Return what was found."""
        offset = np.empty(self.instance.n_buffers, np.int64)
        for level in self.levels:
            offset[level.part.index] = level.offset * self.unit
        least = min(self.height, self.least)
        status = "too large" if self.too_large else status_of(goal, self.height, least, self.capacity)
        allocation = Allocation(offset, self.instance.digest)
        return SolverResult(allocation, self.height * self.unit, least * self.unit, goal, status, seconds, self.spent())


@dataclass(frozen=True)
class Minimal:
    """The method ``solver:minimal``."""

    time: float | None = None
    nodes: int | None = None
    goal: str | None = None
    seed: int | None = None

    def solve(self, instance: AllocationInstance, *, objective: str, seed: int) -> Outcome:
        """Return the packing, what is proven and the number of decisions."""
        limit = DEFAULT_TIME if self.time is None and self.nodes is None else self.time
        result = solve_minimal(
            instance,
            goal_of(self.goal, objective),
            time_limit=limit,
            nodes=self.nodes,
            seed=seed if self.seed is None else self.seed,
        )
        return result.outcome(instance, objective)

    def warm_up(self, instance: Any, *, objective: str) -> None:
        """Load the compiled kernels."""
        small = generate({"name": "cut", "buffers": 4}, 0)
        best_of_all(small)
        for part in parts_of(small):
            Restarts(part, np.random.default_rng(0)).run(part.least, 1, lambda: False)
