"""Allocation problems made small for the solvers: whole units of size, sections of time, independent parts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ganttlet.memory_allocation.instance import AllocationInstance

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """Buffers that share no time with those of other parts; sizes and offsets in units of ``unit`` bytes.

    Fields (m buffers):
        index: (m,) int64, their numbers in the instance.
        first, last: (m,) int64, lifetimes in sections of the part, ``last`` not included.
        lifetime: (m,) float64, in the instance's unit of time.
        size, alignment: (m,) int64.
        fixed: (m,) int64, -1 where free.
        unit: bytes.
    """

    index: Ints
    first: Ints
    last: Ints
    lifetime: NDArray[np.float64]
    size: Ints
    alignment: Ints
    fixed: Ints
    unit: int

    @property
    def n_sections(self) -> int:
        """Number of sections."""
        return int(self.last.max())

    @cached_property
    def load(self) -> Ints:
        """(sections,) int64, sum of sizes that live in each section."""
        change = np.zeros(self.n_sections + 1, np.int64)
        np.add.at(change, self.first, self.size)
        np.add.at(change, self.last, -self.size)
        return np.cumsum(change)[:-1]

    @property
    def least(self) -> int:
        """A height that no packing is below."""
        return max(int(self.load.max()), int(np.where(self.fixed >= 0, self.fixed + self.size, 0).max()))

    def height(self, offset: Ints) -> int:
        """Return the end of the highest buffer."""
        return int((offset + self.size).max())


def unit_of(instance: AllocationInstance) -> int:
    """Return bytes of which every offset of a packing that cannot be lowered is a multiple."""
    sizes = math.gcd(*instance.size.tolist(), *instance.fixed[instance.fixed >= 0].tolist())
    alignments = np.unique(instance.alignment).tolist()
    # Where each alignment divides all sizes, stacks of them are aligned anyway.
    return sizes if all(sizes % one == 0 for one in alignments) else math.gcd(sizes, *alignments)


def parts_of(instance: AllocationInstance) -> Iterator[Part]:
    """Cut the instance at times that no lifetime spans."""
    unit = unit_of(instance)
    order = np.argsort(instance.lower, kind="stable")
    latest = np.maximum.accumulate(instance.upper[order])
    cuts = np.flatnonzero(instance.lower[order][1:] >= latest[:-1]) + 1
    for chosen in np.split(order, cuts):
        index = np.sort(chosen).astype(np.int64)
        times = np.unique(np.concatenate([instance.lower[index], instance.upper[index]]))
        fixed = instance.fixed[index]
        yield Part(
            index,
            np.searchsorted(times, instance.lower[index]).astype(np.int64),
            np.searchsorted(times, instance.upper[index]).astype(np.int64),
            (instance.upper - instance.lower)[index].astype(float),
            instance.size[index] // unit,
            np.maximum(1, instance.alignment[index] // unit),
            np.where(fixed >= 0, fixed // unit, -1),
            unit,
        )
