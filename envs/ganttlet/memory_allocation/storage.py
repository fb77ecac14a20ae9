"""Padded instance arrays of memory allocation, behind the interface of the core's instance pool."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.pool import Ints
from ganttlet.memory_allocation.generator import Generator
from ganttlet.memory_allocation.instance import FREE, AllocationInstance
from ganttlet.memory_allocation.kernel import describe, generate_rows
from ganttlet.memory_allocation.layout import ALIGN, BUFFERS, CAPACITY, FIXED, LOWER, SIZE, UPPER, Store, make_store


class AllocationStorage:
    """Slots of padded instances; see ganttlet.core.pool.Storage for the methods.

    Args:
        buffers, sections: padded sizes.
        generator: what ``generate`` draws from, or None.
    """

    def __init__(self, buffers: int, sections: int, generator: Generator | None) -> None:
        self.buffers, self.sections = buffers, sections
        self.generator = generator
        self.arrays = make_store(0, buffers, sections)

    def grow(self, slots: int) -> None:
        """Make room for at least ``slots`` slots, keeping the contents."""
        have = len(self.arrays.area)
        if slots > have:
            old, self.arrays = self.arrays, make_store(slots, self.buffers, self.sections)
            for before, after in zip(old, self.arrays, strict=True):
                after[:have] = before

    def put(self, slot: int, instance: AllocationInstance) -> None:
        """Write ``instance`` into ``slot``."""
        facts, n = self.arrays.facts[slot], instance.n_buffers
        facts[...] = 0
        facts[FIXED] = FREE
        for column, values in (
            (LOWER, instance.lower),
            (UPPER, instance.upper),
            (SIZE, instance.size),
            (ALIGN, instance.alignment),
            (FIXED, instance.fixed),
        ):
            facts[column, :n] = values
        describe(np.array([slot]), np.array([n]), np.array([instance.capacity]), tuple(self.arrays))

    def check(self, instance: AllocationInstance) -> None:
        """Raise InputError if ``instance`` is too large, or leaves nothing to decide."""
        for what, option, have, room in (
            ("buffers", "max_buffers", instance.n_buffers, self.buffers),
            ("sections", "max_sections", instance.n_sections, self.sections),
        ):
            if have > room:
                raise InputError(
                    f"instance {instance.name}: {have} {what}, but the padded space holds {room}; "
                    f"make the environment with {option}={have}"
                )
        if (instance.fixed != FREE).all():
            raise InputError(
                f"instance {instance.name}: every buffer has a fixed offset, so there is nothing to decide; "
                "':offsets=solution' behind the name of a file reads its offsets as a solution"
            )

    def get(self, slot: int) -> AllocationInstance:
        """Return the generated instance in ``slot``."""
        facts, size = self.arrays.facts[slot], self.arrays.size[slot]
        n = int(size[BUFFERS])
        name = self.generator.name if self.generator else "slot"
        lower, upper, length = (facts[column, :n] for column in (LOWER, UPPER, SIZE))
        return AllocationInstance(
            f"{name}-{n}", lower, upper, length, int(size[CAPACITY]), facts[ALIGN, :n], facts[FIXED, :n]
        )

    def generate(self, slots: Ints, keys: np.ndarray[Any, Any]) -> None:
        """Draw a fresh instance into each slot from its key."""
        assert self.generator is not None, "a pool without fixed instances has a generator"
        generate_rows(slots, keys, self.generator.params, tuple(self.arrays))

    def copy(self, source: Ints, target: Ints) -> None:
        """Copy slots ``source`` to slots ``target``."""
        self.set_rows(target, self.rows(source))

    def rows(self, slots: Ints) -> Store:
        """Return a copy of the arrays of ``slots``."""
        return Store(*(part[slots].copy() for part in self.arrays))

    def set_rows(self, slots: Ints, rows: Store) -> None:
        """Write back what :meth:`rows` returned, growing if a snapshot comes from a larger pool."""
        self.grow(int(slots.max()) + 1)
        for part, saved in zip(self.arrays, rows, strict=True):
            part[slots] = saved
