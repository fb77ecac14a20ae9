"""Padded program arrays, behind the interface of the core's instance pool."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.pool import Ints
from ganttlet.memory_mapping import layout as at
from ganttlet.memory_mapping.features import SLOT_FACTS, slot_facts
from ganttlet.memory_mapping.instance import OUT, OUTPUT, TEMP, Array, Program
from ganttlet.memory_mapping.layout import Sizes, make_store
from ganttlet.memory_mapping.placing import FORGET, MANY

NAMES = ("instructions", "buffers", "slots", "ranges of fast memory to be kept in mind")
OPTIONS = ("max_instructions", "max_buffers", "max_slots", "max_rects")


class Generator(Protocol):
    """What draws programs, none larger than it says."""

    max_instructions: int
    max_buffers: int
    max_slots: int

    def sample(self, seed: int) -> Program:
        """Return the program of a seed."""

    def sample_key(self, key: Any) -> Program:
        """Return the program of a key (uint64)."""


def sizes_of(program: Program, window: int) -> Sizes:
    """Return the sizes of one program."""
    return Sizes(program.n_instructions, program.n_buffers, program.n_slots, most_rects(program, window))


def most_rects(program: Program, window: int) -> int:
    """Return how many ranges of fast memory a game can have to keep in mind at most.

    A rectangle ends at a slot of its buffer, and no other of that buffer ends there. Those that matter at an
    instruction end within the window before it, or belong to a buffer that is used later; the others stay in the list
    for less than FORGET instructions. What is seen of n rectangles from above is at most 2 n - 1 ranges.
    """
    n, u = program.n_instructions, program.n_slots
    fits = program.aligned <= program.capacity
    # A group takes its places when its first slot is decided.
    head = _columns(program)[at.HEAD]
    first, last = program.slot_time[np.where(head >= 0, head, _first_slots(program))], _last_uses(program)
    alive = np.zeros(n + 1, np.int64)
    some = fits & (last > first)
    np.add.at(alive, first[some], 1)
    np.add.at(alive, last[some], -1)
    ending = np.bincount(program.slot_time[fits[program.slot_buffer]], minlength=n).cumsum()
    back = min(n, window + FORGET)
    recent = ending - np.concatenate([np.zeros(back, np.int64), ending[: n - back]])
    return 2 * max(1, min(u, int((recent + alive.cumsum()[:n]).max())))


class Rows(NamedTuple):
    """Slots' contents: those of Store, slot axis first, and what each program was drawn from."""

    size: Array
    real: Array
    work: Array
    total: Array
    slots: Array
    moved: Array
    buffers: Array
    demand: Array
    facts: Array
    keys: Array


class MemoryStorage:
    """Slots of padded programs; see ganttlet.core.pool.Storage for the methods.

    Args:
        sizes: padded sizes.
        generator: what ``generate`` draws from, or None.
        window: instructions that a copy looks back at.
    """

    def __init__(self, sizes: Sizes, generator: Generator | None, window: int) -> None:
        self.sizes, self.generator, self.window = sizes, generator, window
        self.arrays = make_store(0, sizes, len(SLOT_FACTS))
        self._keys: Array = np.zeros(0, np.uint64)

    def grow(self, slots: int) -> None:
        """Make room for at least ``slots`` slots, keeping the contents."""
        have = len(self._keys)
        if slots > have:
            old, self.arrays = self.arrays, make_store(slots, self.sizes, len(SLOT_FACTS))
            for before, after in zip(old, self.arrays, strict=True):
                after[:have] = before
            self._keys = np.concatenate([self._keys, np.zeros(slots - have, np.uint64)])

    def check(self, instance: Program) -> None:
        """Raise InputError if ``instance`` is larger than the padded space, or its alignment is too fine."""
        for name, option, have, room in zip(NAMES, OPTIONS, sizes_of(instance, self.window), self.sizes, strict=True):
            if have > room:
                raise InputError(
                    f"instance {instance.name}: {have} {name}, but the padded space holds {room}; "
                    f"make the environment with {option}={have}"
                )
        if instance.capacity // instance.align >= MANY - 1:
            raise InputError(
                f"instance {instance.name}: field 'align': {instance.align} divides a capacity of {instance.capacity} "
                f"into more than {MANY - 2} units; expected a larger alignment"
            )

    def put(self, slot: int, instance: Program) -> None:
        """Write ``instance`` into ``slot``."""
        store, t, b, u = self.arrays, instance.n_instructions, instance.n_buffers, instance.n_slots
        for part in store:
            part[slot] = 0
        capacity = instance.capacity // instance.align
        units = np.minimum(instance.aligned // instance.align, capacity + 1)
        slowly = instance.latencies(np.zeros(u))
        real = {
            at.ALL_SLOW: instance.all_slow,
            at.UNIT: instance.all_slow / t,
            at.SLOW_RATE: instance.slow_bandwidth,
            at.FAST_RATE: instance.fast_bandwidth,
        }
        store.size[slot] = t, b, u, capacity, instance.align
        store.real[slot] = [real[column] for column in range(at.N_REAL)]
        store.work[slot, :t, at.COMPUTE] = instance.compute
        store.work[slot, :t, at.REST] = np.cumsum(slowly[::-1])[::-1]
        np.add.at(store.total[slot], instance.slot_time, instance.slot_bytes)
        own = store.slots[slot]
        own[:u, at.TIME], own[:u, at.BUFFER] = instance.slot_time, instance.slot_buffer
        own[:u, at.NEXT], own[:u, at.RESULT] = instance.next_slot, instance.slot_role == OUT
        own[:u, at.UNTIL] = _until(instance)
        store.moved[slot, :u] = instance.slot_bytes
        store.buffers[slot, :b, at.UNITS], store.buffers[slot, :b, at.BYTES] = units, instance.size
        store.buffers[slot, :b, at.FROM] = instance.defined + 1
        for column, values in _columns(instance).items():
            store.buffers[slot, :b, column] = values
        store.demand[slot, :b] = instance.copy_time
        store.facts[slot, :u] = slot_facts(instance)

    def get(self, slot: int) -> Program:
        """Return the generated program in ``slot``."""
        assert self.generator is not None, "only generated programs are not kept elsewhere"
        return self.generator.sample_key(self._keys[slot])

    def generate(self, slots: Ints, keys: Array) -> None:
        """Draw a fresh program into each slot from its key."""
        assert self.generator is not None, "a pool without fixed instances has a generator"
        for slot, key in zip(slots, keys, strict=True):
            self.put(int(slot), self.generator.sample_key(key))
            self._keys[slot] = key

    def copy(self, source: Ints, target: Ints) -> None:
        """Copy slots ``source`` to slots ``target``."""
        self.set_rows(target, self.rows(source))

    def rows(self, slots: Ints) -> Rows:
        """Return a copy of ``slots``."""
        return Rows(*(part[slots].copy() for part in (*self.arrays, self._keys)))

    def set_rows(self, slots: Ints, rows: Rows) -> None:
        """Write back what :meth:`rows` returned, growing if a snapshot comes from a larger pool."""
        self.grow(int(slots.max()) + 1)
        for part, saved in zip((*self.arrays, self._keys), rows, strict=True):
            part[slots] = saved


def _until(program: Program) -> Array:
    """Return (U,) int32: for results of temps that are used later the instruction of the last use, else -1."""
    temp = program.buffer_kind[program.slot_buffer] == TEMP
    return np.where((program.slot_role == OUT) & temp, _last_uses(program)[program.slot_buffer], -1)


def _last_uses(program: Program) -> Array:
    """Return (B,) int32, the instruction in which each buffer is an operand last, -1 for none."""
    last = np.full(program.n_buffers, -1, np.int32)
    operand = program.slot_role != OUT
    np.maximum.at(last, program.slot_buffer[operand], program.slot_time[operand])
    return last


def _first_slots(program: Program) -> Array:
    """Return (B,) int64, the first slot of each buffer."""
    first = np.full(program.n_buffers, program.n_slots)
    np.minimum.at(first, program.slot_buffer, np.arange(program.n_slots))
    return first


def _columns(program: Program) -> dict[int, Array]:
    """Return the columns of Store.buffers on first and last slots and on sync groups."""
    b, capacity = program.n_buffers, program.capacity // program.align
    first, last = _first_slots(program), _last_uses(program)
    units = np.minimum(program.aligned // program.align, capacity + 1)
    never = (units > capacity) | (program.buffer_kind == OUTPUT) | (last < 0)
    head, after = np.full(b, -1), np.full(b, -1)
    block, copies = units.copy(), np.zeros(b, np.int64)
    for members in program.sync_groups:
        order = members[np.argsort(first[members])]
        head[order], after[order[:-1]] = first[order[0]], order[1:]
        block[order] = -1 if never[order].any() else units[order].sum()
        copies[order] = (program.defined[order[1:]] < 0).any()
    return {at.FIRST: first, at.LAST: last, at.HEAD: head, at.AFTER: after, at.BLOCK: block, at.COPIES: copies}
