"""The frozen data of one allocation problem, with its checks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.record import Instance, int_array

EXACT = 2**53  # up to here every integer is a float64
FREE = -1
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class AllocationInstance(Instance):
    """Buffers of fixed lifetimes that need a place in one memory: each an offset, for all of its lifetime.

    Two buffers whose lifetimes overlap may not share a byte. Times are integers of any unit.

    Fields (n buffers; sizes and offsets in bytes, or in any other unit):
        name: label only; not part of the digest.
        lower, upper: (n,) int64, lifetime of each buffer: from ``lower`` to before ``upper`` (half-open).
        size: (n,) int64 ≥ 1.
        capacity: bytes of the memory; solutions may exceed it, and their objective ``fits`` says so. If omitted, the
            greatest load (or the top of the highest fixed buffer), below which nothing fits.
        alignment: (n,) int64 ≥ 1, of which each offset is a multiple; ones if omitted.
        fixed: (n,) int64, offset that a buffer has already, FREE where it may be chosen; all free if omitted.
        buffer_name: (n,) text; labels, not part of the digest; may be empty.

    Raises:
        InputError: naming the field and what was expected; also for fixed buffers that overlap or exceed the
            capacity, and for a buffer that is larger than it.
    """

    family: ClassVar[str] = "memory_allocation"
    unhashed: ClassVar[tuple[str, ...]] = ("name", "buffer_name")

    name: str
    lower: Array
    upper: Array
    size: Array
    capacity: Any = None
    alignment: Any = None
    fixed: Any = None
    buffer_name: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", str(self.name))
        for field in ("lower", "upper", "size"):
            object.__setattr__(self, field, int_array(field, getattr(self, field), 1, np.int64))
        n = len(self.size)
        for field, default in (("alignment", 1), ("fixed", FREE)):
            value = getattr(self, field)
            value = np.full(n, default) if value is None else value
            object.__setattr__(self, field, int_array(field, value, 1, np.int64))
        object.__setattr__(self, "buffer_name", _labels(self.buffer_name, n))
        self._check_fields()
        self._check_fixed()
        object.__setattr__(self, "capacity", self._checked_capacity())

    def _check_fields(self) -> None:
        n = len(self.size)
        if n == 0:
            raise InputError("field 'size': expected at least one buffer")
        for field in ("lower", "upper", "alignment", "fixed"):
            if len(getattr(self, field)) != n:
                raise InputError(
                    f"field {field!r}: expected one value per buffer ({n}), got {len(getattr(self, field))}"
                )
        _within("lower", self.lower, -EXACT, EXACT)
        _within("upper", self.upper, -EXACT, EXACT)
        _within("size", self.size, 1, EXACT)
        _within("alignment", self.alignment, 1, EXACT)
        _within("fixed", self.fixed, FREE, EXACT)
        dead = np.flatnonzero(self.upper <= self.lower)
        if len(dead):
            k = int(dead[0])
            raise InputError(
                f"field 'upper': buffer {k} ends at {self.upper[k]}; expected after its start at {self.lower[k]}"
            )
        # As Python integers: a sum in int64 could wrap around. This is where a stack of all buffers would end.
        top = sum(self.size.tolist()) + sum((self.alignment - 1).tolist()) + max(0, int(self.fixed.max()))
        if top > EXACT:
            raise InputError(f"field 'size': a stack of all buffers reaches {top}; expected at most 2**53")
        odd = np.flatnonzero((self.fixed >= 0) & (self.fixed % self.alignment != 0))
        if len(odd):
            k = int(odd[0])
            raise InputError(
                f"field 'fixed': buffer {k} is fixed at {self.fixed[k]}, not a multiple of its alignment "
                f"{self.alignment[k]}"
            )

    def _check_fixed(self) -> None:
        given = np.flatnonzero(self.fixed >= 0)
        for at, k in enumerate(given):
            rest = given[at + 1 :]
            shared = (self.lower[rest] < self.upper[k]) & (self.lower[k] < self.upper[rest])
            shared &= (self.fixed[rest] < self.fixed[k] + self.size[k]) & (
                self.fixed[k] < self.fixed[rest] + self.size[rest]
            )
            if shared.any():
                raise InputError(
                    f"field 'fixed': buffers {k} and {rest[int(np.argmax(shared))]} are fixed in the same place at the "
                    "same time"
                )

    def _checked_capacity(self) -> int:
        value = self.capacity
        if value is None:
            return self.least_height
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise InputError(f"field 'capacity': expected an integer or nothing, got {value!r}")
        if not 1 <= value <= EXACT:
            raise InputError(f"field 'capacity': expected 1 … 2**53, got {value}")
        k = int(np.argmax(self.size))
        if self.size[k] > value:
            raise InputError(f"field 'size': buffer {k} of {self.size[k]} is larger than the capacity {value}")
        top = np.where(self.fixed >= 0, self.fixed + self.size, 0)
        k = int(np.argmax(top))
        if top[k] > value:
            raise InputError(f"field 'fixed': buffer {k} ends at {top[k]}, beyond the capacity {value}")
        return int(value)

    @property
    def n_buffers(self) -> int:
        """Number of buffers, fixed ones included."""
        return len(self.size)

    @cached_property
    def times(self) -> Array:
        """(E,) int64, the distinct times at which a lifetime starts or ends, in order."""
        return _frozen(np.unique(np.concatenate([self.lower, self.upper])))

    @property
    def n_sections(self) -> int:
        """Number of sections: stretches between neighbouring ``times``, within which the live buffers stay the same."""
        return len(self.times) - 1

    @cached_property
    def first(self) -> Array:
        """(n,) int32, section in which each lifetime starts."""
        return _frozen(np.searchsorted(self.times, self.lower).astype(np.int32))

    @cached_property
    def last(self) -> Array:
        """(n,) int32, last section of each lifetime."""
        return _frozen((np.searchsorted(self.times, self.upper) - 1).astype(np.int32))

    @cached_property
    def section_load(self) -> Array:
        """(E - 1,) int64, sum of the sizes of the buffers that live in each section."""
        change = np.zeros(len(self.times), np.int64)
        np.add.at(change, self.first, self.size)
        np.add.at(change, self.last + 1, -self.size)
        return _frozen(np.cumsum(change)[:-1])

    @property
    def peak(self) -> int:
        """Greatest load, the largest sum of sizes that live at one time: no packing is lower."""
        return int(self.section_load.max())

    @property
    def least_height(self) -> int:
        """A height that no packing is below: the greatest load, or the top of the highest fixed buffer."""
        return max(self.peak, int(np.where(self.fixed >= 0, self.fixed + self.size, 0).max()))

    @cached_property
    def degree(self) -> Array:
        """(n,) int64, other buffers whose lifetime overlaps with each one's."""
        before = np.searchsorted(np.sort(self.upper), self.lower, side="right")
        after = self.n_buffers - np.searchsorted(np.sort(self.lower), self.upper)
        return _frozen(self.n_buffers - before - after - 1)

    @cached_property
    def contention(self) -> Array:
        """(n,) int64, greatest load during each lifetime."""
        return _frozen(range_max(self.section_load, self.first, self.last))

    def label(self, k: Any) -> str:
        """Name of buffer ``k``, ``b3`` if it has none."""
        return str(self.buffer_name[k]) if len(self.buffer_name) else f"b{k}"

    @property
    def size_label(self) -> str:
        """``154x71``: buffers x sections."""
        return f"{self.n_buffers}x{self.n_sections}"


def range_max(values: Array, first: Array, last: Array) -> Array:
    """Return the maximum of ``values[first[k] : last[k] + 1]`` for every k, by a table of powers of two."""
    levels = [values]
    while 2 ** len(levels) <= len(values):
        half = 2 ** (len(levels) - 1)
        levels.append(np.maximum(levels[-1][:-half], levels[-1][half:]))
    width = (last - first + 1).astype(np.int64)
    level = np.frexp(width)[1] - 1  # the largest power of two that is not above the width
    result = np.empty(len(first), values.dtype)
    for at, table in enumerate(levels):
        here = level == at
        result[here] = np.maximum(table[first[here]], table[last[here] + 1 - 2**at])
    return result


def _within(field: str, value: Array, low: int, high: int) -> None:
    wrong = np.flatnonzero((value < low) | (value > high))
    if len(wrong):
        k = int(wrong[0])
        top = "2**53" if high == EXACT else high
        least = "-2**53" if low == -EXACT else low
        raise InputError(f"field {field!r}: buffer {k} has {value[k]}; expected {least} … {top}")


def _frozen(array: Array) -> Array:
    array.flags.writeable = False
    return array


def _labels(value: Any, n: int) -> Array:
    """Return names as a read-only array of text, empty if there are none."""
    array = np.asarray([] if value is None else value)
    if array.ndim != 1 or len(array) not in (0, n):
        raise InputError(f"field 'buffer_name': expected {n} names or none, got shape {array.shape}")
    return _frozen(np.array(array, dtype=np.str_))
