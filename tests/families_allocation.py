"""The case of memory allocation for the shared tests, and small problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from family_case import FamilyCase, Options
from ganttlet.memory_allocation import Allocation, AllocationInstance
from ganttlet.memory_allocation.layout import BOUND, LOW, OFFSET, PLACED
from reference.memory_allocation import Buffer, ReferenceAllocation


def plain(instance: AllocationInstance) -> list[Buffer]:
    """Return the buffers as the slow simulator takes them."""
    columns = (instance.lower, instance.upper, instance.size, instance.alignment, instance.fixed)
    return [
        Buffer(*row[:4], None if row[4] < 0 else row[4])
        for row in zip(*(column.tolist() for column in columns), strict=True)
    ]


class AllocationOracle:
    """ReferenceAllocation in a space padded with buffers that do not exist."""

    def __init__(self, options: Options, instance: AllocationInstance, n_actions: int) -> None:
        self.instance, self.n_actions = instance, n_actions
        given = {key: options[key] for key in ("reward", "illegal_penalty") if key in options}
        self.play = ReferenceAllocation(plain(instance), instance.capacity, **given)

    def mask(self) -> list[int]:
        if self.play.done:
            return [1] * self.n_actions
        own = self.play.mask()
        return own + [0] * (self.n_actions - len(own))

    def step(self, action: int) -> tuple[float, bool, bool]:
        return self.play.step(action)

    def objectives(self) -> Mapping[str, float]:
        return self.play.objectives()

    def solution(self) -> Allocation:
        n = self.instance.n_buffers
        return Allocation([self.play.offset.get(k, -1) for k in range(n)], self.instance.digest)

    def extras(self) -> Mapping[str, Any]:
        left = [k for k in range(self.instance.n_buffers) if k not in self.play.offset]
        return {
            "placed": len(self.play.offset),
            "bound": self.play.bound(),
            "low": {k: self.play.lowest(k) for k in left},
        }


def allocation_extras(batch: Any, row: int) -> Mapping[str, Any]:
    """What the oracle's extras are compared with."""
    state, n = batch._state, batch.instance(row).n_buffers
    left = [k for k in range(n) if state.buffers[row, OFFSET, k] < 0]
    return {
        "placed": int(state.totals[row, PLACED]),
        "bound": int(state.totals[row, BOUND]),
        "low": {k: int(state.buffers[row, LOW, k]) for k in left},
    }


def allocation_return(
    options: Options, instance: AllocationInstance, first: Mapping[str, float], final: Mapping[str, float]
) -> float:
    """The maps that the environment documents."""
    start = first["height"]
    if options.get("reward") == "bound":
        # The first bound is no objective, so the slow simulator works it out.
        start = ReferenceAllocation(plain(instance), instance.capacity).bound()
    return (start - final["height"]) / instance.capacity


def problem(rows: Sequence[Sequence[int]], capacity: int | None = None, **facts: Any) -> dict[str, Any]:
    """Return a problem as plain data; rows are (lower, upper, size), or with alignment and fixed offset (-1: none)."""
    width = max(map(len, rows))
    defaults = (0, 0, 0, 1, -1)
    lower, upper, size, alignment, fixed = zip(*([*row, *defaults[len(row) :]] for row in rows), strict=True)
    given = {"alignment": alignment, "fixed": fixed} if width > 3 else {}
    return AllocationInstance("by-hand", lower, upper, size, capacity, **given, **facts).to_dict()


# Alignments that leave gaps, fixed buffers with room below and between, times below zero.
ODD = problem(
    [
        (-3, 4, 5, 4),
        (0, 6, 3, 1, 9),
        (2, 9, 4, 8),
        (4, 7, 2),
        (5, 12, 6, 3),
        (-3, 12, 1, 1, 17),
        (8, 12, 3, 2),
        (0, 2, 2),
    ],
    30,
)
EVEN = problem([(0, 3, 4), (3, 9, 4), (0, 9, 4), (9, 21, 4), (0, 21, 4)], 12)
LONE = problem([(0, 1, 7), (1, 2, 3, 5)], 8)
CUT = {
    "name": "cut",
    "buffers": [4, 8],
    "horizon": 12,
    "units": 10,
    "unit": 16,
    "pinwheel": 0.5,
    "fixed": 0.2,
    "alignment": 4,
}
TRIMMED = {**CUT, "name": "trimmed", "trim": 0.6, "alignment": 16, "fixed": 0.0}
PROGRAM = {"name": "program", "buffers": [5, 9], "horizon": 9, "unit": 3, "alignment": 4, "largest": 12}
UNIFORM = {"name": "uniform", "buffers": [3, 6], "horizon": 7, "largest": 5, "capacity": 1.4}
ROOM = {"max_buffers": 9}

MEMORY_ALLOCATION = FamilyCase(
    label="memory_allocation",
    family="memory_allocation",
    env_id="ganttlet/MemoryAllocation-v0",
    variants={
        "cut": {"generator": CUT, **ROOM},
        "trimmed": {"generator": TRIMMED, **ROOM, "reward": "bound", "gamma": 0.9},
        "program": {
            "generator": PROGRAM,
            "reward": "terminal",
            "observation": "sections",
            "max_sections": 14,
            "illegal_penalty": 2.5,
        },
        "uniform": {"generator": UNIFORM, **ROOM, "observation": "sections", "static": "index", "reward": "bound"},
        "fixed": {"instance": ODD, **ROOM, "observation": "sections", "max_sections": 20},
        "listed": {"instances": [ODD, EVEN]},
        "pooled": {"generator": CUT, **ROOM, "pool_size": 3, "pool_seed": 7, "static": "index"},
    },
    indexed="uniform",
    longest="listed",
    oracle=lambda options, instance, graph: AllocationOracle(options, instance, graph.n_actions),
    extras=allocation_extras,
    expected_return=allocation_return,
    instances=(EVEN, ODD, LONE),
    too_large=problem([(0, 1, 1)] * 30),
    telling="size",
    seeded=("cut", "trimmed", "program", "uniform", "listed", "pooled"),
)
