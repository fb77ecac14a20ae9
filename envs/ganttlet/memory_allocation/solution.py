"""Allocations, and the validator that judges them without knowing any environment."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.objective import Objective, ObjectiveSpec, Violation
from ganttlet.core.record import Solution, int_array
from ganttlet.memory_allocation.instance import EXACT, AllocationInstance, Array

if TYPE_CHECKING:
    from collections.abc import Iterator

OBJECTIVES = {
    "height": ObjectiveSpec("height", "min", "bytes", "end of the highest buffer: largest offset + size"),
    "ratio": ObjectiveSpec("ratio", "min", "", "height / load, the greatest sum of sizes that live at one time"),
    "fits": ObjectiveSpec("fits", "max", "", "1 if the height is at most the capacity, else 0"),
}
MAX_VIOLATIONS = 20


@dataclass(frozen=True, eq=False)
class Allocation(Solution):
    """Where the buffers of an instance lie.

    Fields:
        offset: (n,) int64, in the instance's unit of size; -1 where a buffer has no place.
        instance: digest of the instance it belongs to.
    """

    family: ClassVar[str] = "memory_allocation"
    unhashed: ClassVar[tuple[str, ...]] = ()

    offset: Array
    instance: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "offset", int_array("offset", self.offset, 1, np.int64))


def validate(instance: AllocationInstance, allocation: Allocation) -> Objective:
    """Judge ``allocation``: every buffer has a place, aligned, fixed ones where they are, and none share a byte.

    An allocation higher than the capacity breaks no rule: its objective ``fits`` is 0.

    Returns:
        Objective with the value of every objective or, if a rule is broken, with up to 20 violations that name the
        buffers.

    Raises:
        InputError: if the allocation belongs to another instance or has another shape.
    """
    if allocation.instance != instance.digest:
        raise InputError(
            f"allocation belongs to instance {allocation.instance}, not to {instance.name} ({instance.digest})"
        )
    if allocation.offset.shape != instance.size.shape:
        raise InputError(f"allocation has offsets of shape {allocation.offset.shape}, expected {instance.size.shape}")
    found = tuple(islice(_violations(instance, allocation.offset), MAX_VIOLATIONS))
    if found:
        return Objective(violations=found)
    return Objective(values=values_of(instance, int((allocation.offset + instance.size).max())))


def values_of(instance: AllocationInstance, height: int) -> dict[str, float]:
    """Return every objective of an allocation of that height."""
    return {
        "height": float(height),
        "ratio": height / instance.peak,
        "fits": float(height <= instance.capacity),
    }


def _violations(instance: AllocationInstance, offset: Array) -> Iterator[Violation]:
    def name(k: Any) -> str:
        label = instance.label(k)
        return f"buffer {k}" if label in (str(k), f"b{k}") else f"buffer {k} ({label})"

    for k in np.flatnonzero(offset < 0):
        yield Violation("complete", f"{name(k)} has no place (offset {offset[k]})")
    for k in np.flatnonzero(offset > EXACT - instance.size):
        yield Violation("range", f"{name(k)} at offset {offset[k]} ends beyond 2**53")
    for k in np.flatnonzero((offset >= 0) & (offset % instance.alignment != 0)):
        yield Violation("alignment", f"{name(k)} at offset {offset[k]}, not a multiple of {instance.alignment[k]}")
    for k in np.flatnonzero((instance.fixed >= 0) & (offset >= 0) & (offset != instance.fixed)):
        yield Violation("fixed", f"{name(k)} at offset {offset[k]}, but it is fixed at {instance.fixed[k]}")
    yield from _overlaps(instance, offset, name)


def _overlaps(instance: AllocationInstance, offset: Array, name: Any) -> Iterator[Violation]:
    """Compare each buffer with those that live at its start and started no later."""
    placed = np.flatnonzero((offset >= 0) & (offset <= EXACT - instance.size))
    order = placed[np.argsort(instance.lower[placed], kind="stable")]
    live = order[:0]
    for k in order:
        live = live[instance.upper[live] > instance.lower[k]]
        low, high = offset[k], offset[k] + instance.size[k]
        for other in live[(offset[live] < high) & (low < offset[live] + instance.size[live])]:
            a, b = min(k, other), max(k, other)
            yield Violation(
                "overlap",
                f"{name(a)} at {offset[a]} … {offset[a] + instance.size[a] - 1} and {name(b)} at "
                f"{offset[b]} … {offset[b] + instance.size[b] - 1} both live at time {instance.lower[k]}",
            )
        live = np.append(live, k)
