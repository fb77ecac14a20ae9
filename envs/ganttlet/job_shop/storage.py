"""Padded instance arrays of the job shop, behind the interface of the core's instance pool."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.pool import Ints
from ganttlet.job_shop.generator import Generator
from ganttlet.job_shop.instance import JobShopInstance
from ganttlet.job_shop.kernel import describe, generate_rows
from ganttlet.job_shop.layout import DUE, RELEASE, ROUTE, TIME, WEIGHT, Store, make_store


class Sizes(NamedTuple):
    """Padded sizes: jobs, machines, operations per job, operations per machine."""

    jobs: int
    machines: int
    ops: int
    machine_ops: int

    @classmethod
    def of(cls, instance: JobShopInstance) -> Sizes:
        """Return the sizes of one instance."""
        per_machine = np.bincount(instance.machine[instance.machine >= 0], minlength=1)
        return cls(instance.n_jobs, instance.n_machines, int(instance.n_ops.max()), int(per_machine.max()))


class JobShopStorage:
    """Slots of padded instances; see ganttlet.core.pool.Storage for the methods.

    Args:
        sizes: padded sizes.
        generator: what ``generate`` draws from, or None.
        needs_due: True if instances without due dates must be refused.
        ordered: True if the number of operations per machine is limited (timing ``insert``).
    """

    def __init__(self, sizes: Sizes, generator: Generator | None, *, needs_due: bool, ordered: bool) -> None:
        self.sizes = sizes
        self.generator = generator
        self.needs_due = needs_due
        self.ordered = ordered
        self.arrays = make_store(0, *sizes[:3])

    def grow(self, slots: int) -> None:
        """Make room for at least ``slots`` slots, keeping the contents."""
        have = len(self.arrays.scale)
        if slots > have:
            old, self.arrays = self.arrays, make_store(slots, *self.sizes[:3])
            for before, after in zip(old, self.arrays, strict=True):
                after[:have] = before

    def put(self, slot: int, instance: JobShopInstance) -> None:
        """Write ``instance`` into ``slot``."""
        ops, facts = self.arrays.ops[slot], self.arrays.facts[slot]
        n, o = instance.n_jobs, min(instance.machine.shape[1], self.sizes.ops)
        ops[ROUTE], ops[TIME] = -1, 0
        ops[ROUTE, :n, :o], ops[TIME, :n, :o] = instance.machine[:, :o], instance.duration[:, :o]
        facts[...] = 0
        facts[RELEASE, :n], facts[WEIGHT, :n] = instance.release, instance.weight
        if instance.due is not None:
            facts[DUE, :n] = instance.due
        at, jobs, machines = np.array([[slot], [n], [instance.n_machines]])
        describe(at, jobs, machines, instance.due is not None, tuple(self.arrays))

    def check(self, instance: JobShopInstance) -> None:
        """Raise InputError if ``instance`` is too large, or has no due dates where they are needed."""
        own = Sizes.of(instance)
        names = ("jobs", "machines", "operations per job", "operations per machine")
        options = ("max_jobs", "max_machines", "max_ops", "max_machine_ops")
        for name, option, have, room in zip(names, options, own, self.sizes, strict=True):
            if have > room and (self.ordered or option != "max_machine_ops"):
                raise InputError(
                    f"instance {instance.name}: {have} {name}, but the padded space holds {room}; "
                    f"make the environment with {option}={have}"
                )
        if self.needs_due and instance.due is None:
            raise InputError(
                f"instance {instance.name}: field 'due' is missing, but this environment shows tardiness; "
                "use an instance with due dates, or one by name with ':due_factor=1.5'"
            )

    def get(self, slot: int) -> JobShopInstance:
        """Return the generated instance in ``slot``."""
        store = self.arrays
        n, m, _, o = store.size[slot, :4]
        has_due = self.generator is not None and self.generator.has_due
        return JobShopInstance(
            f"{self.generator.name if self.generator else 'slot'}-{n}x{m}",
            store.ops[slot, ROUTE, :n, :o],
            store.ops[slot, TIME, :n, :o],
            int(m),
            store.facts[slot, RELEASE, :n],
            store.facts[slot, DUE, :n] if has_due else None,
            store.facts[slot, WEIGHT, :n],
        )

    def generate(self, slots: Ints, keys: np.ndarray[Any, Any]) -> None:
        """Draw a fresh instance into each slot from its key."""
        generator = self.generator
        assert generator is not None, "a pool without fixed instances has a generator"
        if generator.params is None:
            for slot, key in zip(slots, keys, strict=True):
                self.put(int(slot), generator.sample_key(key))
        else:
            generate_rows(slots, keys, generator.params, generator.has_due, tuple(self.arrays))

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
