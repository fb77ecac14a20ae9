"""The instances a batch plays: shared slots for fixed ones, two private slots per row for generated or given ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ganttlet.core.errors import InputError
from ganttlet.core.jit import jit
from ganttlet.core.record import Instance
from ganttlet.core.rng import key_of

Ints = NDArray[np.int64]
_PICK = 1
_DRAW = 2
_SPARE = 2  # bits dropped from a key, so that spaces can count to the highest instance number
MAX_NUMBER = 2 ** (64 - _SPARE) - 1


class Storage(Protocol):
    """A family's padded instance arrays, slot axis first."""

    def grow(self, slots: int) -> None:
        """Make room for at least ``slots`` slots, keeping the contents."""

    def check(self, instance: Any) -> None:
        """Raise InputError if ``instance`` cannot be put here: it does not fit the padded sizes, or lacks a field."""

    def put(self, slot: int, instance: Any) -> None:
        """Write ``instance``, which passes ``check``, into ``slot``."""

    def get(self, slot: int) -> Instance:
        """Return the instance in ``slot``."""

    def generate(self, slots: Ints, keys: NDArray[np.uint64]) -> None:
        """Draw a fresh instance into each slot from its key."""

    def copy(self, source: Ints, target: Ints) -> None:
        """Copy slots; the slots named in ``target`` become equal to those in ``source``."""

    def rows(self, slots: Ints) -> Any:
        """Return a copy of the arrays of ``slots``."""

    def set_rows(self, slots: Ints, rows: Any) -> None:
        """Write back what :meth:`rows` returned."""


@jit
def pick(seeds: Any, episodes: Any, count: int, out: Any) -> None:
    """Choose one of ``count`` shared slots for every (seed, episode), into ``out``."""
    for i in range(len(out)):
        out[i] = np.int64(key_of(seeds[i], np.uint64(_PICK), np.uint64(episodes[i])) % np.uint64(count))


@jit
def draw_keys(seeds: Any, episodes: Any, out: Any) -> None:
    """Write the key of every (seed, episode), from which a generator draws, into ``out``."""
    for i in range(len(out)):
        out[i] = key_of(seeds[i], np.uint64(_DRAW), np.uint64(episodes[i]))


class InstancePool:
    """Assigns a storage slot to every row at reset, and numbers the instances.

    The number of a fixed instance is its index; that of a generated or given one follows from what it was made of,
    so that it means the same instance in every row, batch and process.

    Args:
        storage: the family's arrays.
        fixed: instances to choose among; empty if every episode is freshly generated.
        rows: number of rows of the batch.
    """

    def __init__(self, storage: Storage, fixed: Sequence[Instance], rows: int) -> None:
        self.storage = storage
        self.shared = len(fixed)
        self.number = np.full(self.shared + 2 * rows, -1, np.int64)
        self.number[: self.shared] = np.arange(self.shared)
        self._half = np.zeros(rows, np.int64)
        self._given: dict[int, Instance] = dict(enumerate(fixed))
        storage.grow(self.shared if fixed else self.shared + 2 * rows)
        for slot, instance in enumerate(fixed):
            storage.check(instance)
            storage.put(slot, instance)

    def fixed_digests(self) -> list[str]:
        """Return the digests of the fixed instances, in the order of their slots."""
        return [self._given[slot].digest for slot in range(self.shared)]

    def _private(self, rows: Ints) -> Ints:
        """Return for each row the private slot that its last episode did not use."""
        self._half[rows] ^= 1
        return self.shared + 2 * rows + self._half[rows]

    def assign(self, rows: Ints, seeds: NDArray[np.uint64], episodes: Ints) -> Ints:
        """Return the slots that ``rows`` play in their next episode."""
        out = np.zeros(len(rows), np.int64)
        if self.shared:
            if self.shared > 1:
                pick(seeds, episodes, self.shared, out)
            return out
        out = self._private(rows)
        keys = np.empty(len(rows), np.uint64)
        draw_keys(seeds, episodes, keys)
        self.storage.generate(out, keys)
        for slot in out if self._given else ():
            self._given.pop(int(slot), None)
        self.number[out] = keys >> _SPARE
        return out

    def give(self, rows: Ints, instances: Sequence[Instance]) -> Ints:
        """Put a given instance, which passes ``storage.check``, into a private slot of each row; return the slots."""
        self.storage.grow(self.shared + 2 * len(self._half))
        slots = self._private(rows)
        for slot, instance in zip(slots, instances, strict=True):
            self.storage.put(int(slot), instance)
            self._given[int(slot)] = instance
            self.number[slot] = int(instance.digest, 16) >> _SPARE
        return slots

    def instance(self, slot: int) -> Instance:
        """Return the instance in ``slot``."""
        if slot not in self._given:
            return self.storage.get(slot)
        return self._given[slot]

    def slots_of(self, numbers: Ints) -> Ints:
        """Return the slots that hold the given instance numbers; raises InputError for one that is gone."""
        where = {int(number): slot for slot, number in enumerate(self.number) if number >= 0}
        missing = [int(number) for number in numbers if int(number) not in where]
        if missing:
            raise InputError(f"static(ids): instance number {missing[0]} is not, or no longer, in the pool")
        return np.array([where[int(number)] for number in numbers], np.int64)

    def copy(self, source_rows: Ints, target_rows: Ints, source_slots: Ints) -> Ints:
        """Return slots for ``target_rows`` that hold what ``source_slots`` hold; private contents are copied."""
        slots = source_slots.copy()
        private = np.flatnonzero((source_slots >= self.shared) & (source_rows != target_rows))
        if len(private):
            own = self._private(target_rows[private])
            self.storage.copy(source_slots[private], own)
            self._adopt(own, [self._given.get(int(slot)) for slot in source_slots[private]])
            self.number[own] = self.number[source_slots[private]]
            slots[private] = own
        return slots

    def snapshot(self, slots: Ints) -> dict[str, Any]:
        """Return what :meth:`restore` needs to bring the contents of ``slots`` back."""
        private = slots[slots >= self.shared]
        return {
            "slots": slots.copy(),
            "rows": self.storage.rows(private),
            "given": [self._given.get(int(slot)) for slot in private],
            "number": self.number[private],
        }

    def restore(self, rows: Ints, saved: dict[str, Any]) -> Ints:
        """Return slots for ``rows`` with the contents saved by :meth:`snapshot`."""
        slots: Ints = saved["slots"].copy()
        private = np.flatnonzero(slots >= self.shared)
        if len(private):
            own = self._private(rows[private])
            self.storage.set_rows(own, saved["rows"])
            self._adopt(own, saved["given"])
            self.number[own] = saved["number"]
            slots[private] = own
        return slots

    def _adopt(self, slots: Ints, given: Sequence[Instance | None]) -> None:
        for slot, instance in zip(slots, given, strict=True):
            if instance is None:
                self._given.pop(int(slot), None)
            else:
                self._given[int(slot)] = instance
