"""The frozen data of one program, as a compiler sees it before buffers get their places, with its checks."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.record import Instance, int_array
from ganttlet.memory_mapping.hardware import FIELDS, LARGEST, Hardware, aligned, make_hardware

Array = np.ndarray[Any, Any]
KINDS = ("param", "input", "const", "temp", "output")
PARAM, INPUT, CONST, TEMP, OUTPUT = range(5)
ROLES = ("in", "out")
IN, OUT = range(2)
EXACT = 2**53  # up to here every integer is a float64


@dataclass(frozen=True, eq=False)
class Program(Instance):
    """A program: instructions in a fixed order, the buffers they use, and the hardware they run on.

    A slot is one operand (role in) or result (role out) of an instruction. Slots stand in the order of decisions:
    by instruction, operands before results. Times are positions in the order of instructions.

    Fields (T instructions, B buffers, U slots; sizes in bytes):
        name: label only; not part of the digest.
        matrix_flops, vector_flops: (T,) int64 ≥ 0, work of each instruction on the matrix and the vector unit.
        size: (B,) int64 ≥ 1.
        buffer_kind: (B,) int8, index into KINDS.
        defined: (B,) int32, the instruction that makes the buffer; -1 for param, input and const.
        slot_time: (U,) int32, instruction of each slot, never decreasing.
        slot_buffer: (U,) int32.
        slot_role: (U,) int8, index into ROLES.
        slot_bytes: (U,) int64, bytes the instruction moves for this slot, 1 … size of the buffer.
        capacity, align, matrix_peak, vector_peak, slow_bandwidth, fast_bandwidth: as in Hardware.
        buffer_sync: (B,) int32 or empty, the sync group of each buffer, -1 for none: groups 0, 1, … of two or more
            buffers that are all served from fast memory throughout, or all from slow memory.
        instruction_name, instruction_op: (T,) text, and buffer_name: (B,) text; labels, not part of the digest; may be
            empty.

    Raises:
        InputError: naming the field and what was expected.
    """

    family: ClassVar[str] = "memory_mapping"
    unhashed: ClassVar[tuple[str, ...]] = (
        "name",
        "instruction_name",
        "instruction_op",
        "buffer_name",
        "buffer_sync",  # see digest
    )

    name: str
    matrix_flops: Array
    vector_flops: Array
    size: Array
    buffer_kind: Array
    defined: Array
    slot_time: Array
    slot_buffer: Array
    slot_role: Array
    slot_bytes: Array
    capacity: int
    align: int
    matrix_peak: float
    vector_peak: float
    slow_bandwidth: float
    fast_bandwidth: float
    instruction_name: Any = None
    instruction_op: Any = None
    buffer_name: Any = None
    buffer_sync: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", str(self.name))
        for field, dtype in (
            ("matrix_flops", np.int64),
            ("vector_flops", np.int64),
            ("size", np.int64),
            ("buffer_kind", np.int8),
            ("defined", np.int32),
            ("slot_time", np.int32),
            ("slot_buffer", np.int32),
            ("slot_role", np.int8),
            ("slot_bytes", np.int64),
        ):
            object.__setattr__(self, field, int_array(field, getattr(self, field), 1, dtype))
        for field, value in vars(self.hardware).items():
            object.__setattr__(self, field, value)
        for field in ("instruction_name", "instruction_op", "buffer_name"):
            object.__setattr__(self, field, _labels(field, getattr(self, field)))
        sync = int_array("buffer_sync", [] if self.buffer_sync is None else self.buffer_sync, 1, np.int32)
        # No groups are told in one way only.
        object.__setattr__(self, "buffer_sync", sync[:0] if (sync == -1).all() else sync)
        self._check_shapes()
        self._check_instructions()
        self._check_buffers()
        self._check_slots()
        self._check_uses()
        self._check_groups()

    def _check_shapes(self) -> None:
        n, b, u = len(self.matrix_flops), len(self.size), len(self.slot_time)
        for field, count, what in (
            ("matrix_flops", n, "instruction"),
            ("size", b, "buffer"),
            ("slot_time", u, "slot"),
        ):
            if not count:
                raise InputError(f"field {field!r}: expected at least one {what}")
        for fields, count, what in (
            (("vector_flops",), n, "instruction"),
            (("buffer_kind", "defined"), b, "buffer"),
            (("slot_buffer", "slot_role", "slot_bytes"), u, "slot"),
        ):
            for field in fields:
                if len(getattr(self, field)) != count:
                    raise InputError(
                        f"field {field!r}: expected one value per {what} ({count}), got {len(getattr(self, field))}"
                    )
        for field, count in (("instruction_name", n), ("instruction_op", n), ("buffer_name", b)):
            if len(getattr(self, field)) not in (0, count):
                raise InputError(f"field {field!r}: expected {count} names or none, got {len(getattr(self, field))}")

        if len(self.buffer_sync) not in (0, b):
            raise InputError(
                f"field 'buffer_sync': expected one value per buffer ({b}) or none, got {len(self.buffer_sync)}"
            )

    def _check_instructions(self) -> None:
        for field in ("matrix_flops", "vector_flops"):
            value = getattr(self, field)
            if value.min() < 0:
                t = int(np.argmin(value))
                raise InputError(f"field {field!r}: instruction {t} has {value[t]}; expected ≥ 0")

    def _check_buffers(self) -> None:
        n = self.n_instructions
        _bounds("size", self.size, 1, LARGEST, "buffer")
        _bounds("buffer_kind", self.buffer_kind, 0, len(KINDS) - 1, "buffer")
        made = self.buffer_kind >= TEMP
        wrong = np.flatnonzero(np.where(made, (self.defined < 0) | (self.defined >= n), self.defined != -1))
        if len(wrong):
            b = int(wrong[0])
            expected = f"0 … {n - 1}" if made[b] else "-1"
            kind = KINDS[self.buffer_kind[b]]
            raise InputError(f"field 'defined': buffer {b} of kind {kind} has {self.defined[b]}; expected {expected}")

    def _check_slots(self) -> None:
        _bounds("slot_time", self.slot_time, 0, self.n_instructions - 1, "slot")
        _bounds("slot_buffer", self.slot_buffer, 0, self.n_buffers - 1, "slot")
        _bounds("slot_role", self.slot_role, IN, OUT, "slot")
        back = np.flatnonzero(np.diff(self.slot_time) < 0)
        if len(back):
            k = int(back[0]) + 1
            raise InputError(
                f"field 'slot_time': slot {k} belongs to instruction {self.slot_time[k]}, the one before it to "
                f"{self.slot_time[k - 1]}; expected slots in the order of instructions"
            )
        late = np.flatnonzero((np.diff(self.slot_time) == 0) & (np.diff(self.slot_role) < 0))
        if len(late):
            k = int(late[0]) + 1
            raise InputError(
                f"field 'slot_role': slot {k} is an operand after a result of instruction {self.slot_time[k]}; "
                "expected operands first"
            )
        most = self.size[self.slot_buffer]
        wrong = np.flatnonzero((self.slot_bytes < 1) | (self.slot_bytes > most))
        if len(wrong):
            k = int(wrong[0])
            raise InputError(
                f"field 'slot_bytes': slot {k} moves {self.slot_bytes[k]} bytes; expected 1 … {most[k]}, the size of "
                f"buffer {self.slot_buffer[k]}"
            )
        # As Python integers: a sum in int64 could wrap around.
        total = sum(self.slot_bytes.tolist())
        if total > EXACT:
            raise InputError(f"field 'slot_bytes': the slots move {total} bytes in all; expected at most 2**53")

    def _check_uses(self) -> None:
        out = self.slot_role == OUT
        made = self.buffer_kind >= TEMP
        results = np.bincount(self.slot_buffer[out], minlength=self.n_buffers)
        wrong = np.flatnonzero(results != made)
        if len(wrong):
            b = int(wrong[0])
            raise InputError(
                f"field 'slot_buffer': buffer {b} of kind {KINDS[self.buffer_kind[b]]} is a result {results[b]} times; "
                f"expected {int(made[b])}"
            )
        born = self.defined[self.slot_buffer]
        wrong = np.flatnonzero(out & (self.slot_time != born))
        if len(wrong):
            k = int(wrong[0])
            b = self.slot_buffer[k]
            raise InputError(
                f"field 'defined': buffer {b} is a result of instruction {self.slot_time[k]}, but defined at {born[k]}"
            )
        wrong = np.flatnonzero(~out & (self.slot_time <= born))
        if len(wrong):
            k = int(wrong[0])
            raise InputError(
                f"field 'slot_time': slot {k} uses buffer {self.slot_buffer[k]} at instruction {self.slot_time[k]}; it "
                f"is defined at {born[k]}"
            )
        pairs = np.stack([self.slot_time[~out], self.slot_buffer[~out]], axis=1)
        distinct, count = np.unique(pairs, axis=0, return_counts=True)
        if len(distinct) < len(pairs):
            t, b = distinct[int(np.argmax(count > 1))]
            raise InputError(
                f"field 'slot_buffer': buffer {b} is an operand of instruction {t} more than once; merge such slots"
            )
        unused = np.flatnonzero(np.bincount(self.slot_buffer, minlength=self.n_buffers) == 0)
        if len(unused):
            raise InputError(f"field 'slot_buffer': buffer {unused[0]} has no slot; leave it out of the program")

    def _check_groups(self) -> None:
        sync = self.buffer_sync
        if not len(sync):
            return
        _bounds("buffer_sync", sync, -1, self.n_buffers - 1, "buffer")
        members = np.bincount(sync[sync >= 0])
        for group, count in enumerate(members.tolist()):
            if count == 0:
                raise InputError(
                    f"field 'buffer_sync': group {group} has no buffer, but group {len(members) - 1} has; expected "
                    "groups 0, 1, … without gaps"
                )
            if count == 1:
                b = int(np.flatnonzero(sync == group)[0])
                raise InputError(
                    f"field 'buffer_sync': buffer {b} is alone in group {group}; expected two buffers or more"
                )

    @cached_property
    def digest(self) -> str:
        """As of any record; sync groups count where there are some."""
        base = super().digest
        if not len(self.buffer_sync):
            return base
        return hashlib.sha256(base.encode() + self.buffer_sync.tobytes()).hexdigest()[:16]

    @cached_property
    def sync_groups(self) -> tuple[Array, ...]:
        """The buffers of each sync group."""
        return tuple(np.flatnonzero(self.buffer_sync == g) for g in range(int(self.buffer_sync.max(initial=-1)) + 1))

    @property
    def n_instructions(self) -> int:
        """T, number of instructions."""
        return len(self.matrix_flops)

    @property
    def n_buffers(self) -> int:
        """B, number of buffers."""
        return len(self.size)

    @property
    def n_slots(self) -> int:
        """U, number of slots."""
        return len(self.slot_time)

    @property
    def hardware(self) -> Hardware:
        """The machine the program runs on."""
        return Hardware(*(getattr(self, field) for field in FIELDS))

    def on(self, hardware: Any) -> Program:
        """Return the same program on another machine; ``hardware`` as in :func:`make_hardware`."""
        return replace(self, **vars(make_hardware(hardware)))

    @cached_property
    def aligned(self) -> Array:
        """(B,) int64, size of each buffer in fast memory: rounded up to ``align``."""
        return _frozen(aligned(self.size, self.align))

    @cached_property
    def compute(self) -> Array:
        """(T,) float64, arithmetic time of each instruction in µs: the slower of its two units."""
        return _frozen(1e6 * np.maximum(self.matrix_flops / self.matrix_peak, self.vector_flops / self.vector_peak))

    @cached_property
    def copy_time(self) -> Array:
        """(B,) float64, µs of slow memory that a copy of each buffer needs: size / slow_bandwidth."""
        return _frozen(1e6 * (self.size / self.slow_bandwidth))

    @cached_property
    def first_slot(self) -> Array:
        """(T+1,) int32: the slots of instruction t are ``first_slot[t]`` … ``first_slot[t + 1] - 1``."""
        return _frozen(np.searchsorted(self.slot_time, np.arange(self.n_instructions + 1)).astype(np.int32))

    @cached_property
    def last(self) -> Array:
        """(B,) int32, instruction of each buffer's last slot; T for outputs."""
        last = np.zeros(self.n_buffers, np.int32)
        np.maximum.at(last, self.slot_buffer, self.slot_time)
        last[self.buffer_kind == OUTPUT] = self.n_instructions
        return _frozen(last)

    @cached_property
    def peak_live(self) -> int:
        """Most bytes of buffers (aligned) that are between their first and their last slot at one instruction."""
        change = np.zeros(self.n_instructions + 1, np.int64)
        first = np.full(self.n_buffers, self.n_instructions, np.int64)
        np.minimum.at(first, self.slot_buffer, self.slot_time)
        end = np.zeros(self.n_buffers, np.int64)
        np.maximum.at(end, self.slot_buffer, self.slot_time + 1)
        np.add.at(change, first, self.aligned)
        np.add.at(change, end, -self.aligned)
        return int(np.cumsum(change).max())

    @cached_property
    def next_slot(self) -> Array:
        """(U,) int32, next slot in which the same buffer is an operand, -1 after the last one."""
        following = np.full(self.n_slots, -1, np.int32)
        latest = np.full(self.n_buffers, -1, np.int32)
        for k in range(self.n_slots - 1, -1, -1):
            b = self.slot_buffer[k]
            following[k] = latest[b]
            if self.slot_role[k] == IN:
                latest[b] = k
        return _frozen(following)

    @cached_property
    def next_use(self) -> Array:
        """(U,) int32, instruction of ``next_slot``, -1 after the last one."""
        return _frozen(np.where(self.next_slot >= 0, self.slot_time[self.next_slot], -1).astype(np.int32))

    def latencies(self, fast: Any) -> Array:
        """Return (T,) float64, time of each instruction in µs without stalls.

        An instruction takes the longer of its arithmetic time and its memory time; the latter is the sum of what its
        fast slots take of fast memory and its other slots of slow memory.

        Args:
            fast: (U,) bool or 0/1, which slots are served from fast memory.
        """
        chosen = np.asarray(fast, bool)
        if chosen.shape != (self.n_slots,):
            raise InputError(f"fast: expected one value per slot ({self.n_slots}), got shape {chosen.shape}")
        parts = np.zeros((2, self.n_instructions))
        np.add.at(parts, (chosen.astype(int), self.slot_time), self.slot_bytes)
        result: Array = np.maximum(
            self.compute, 1e6 * (parts[0] / self.slow_bandwidth + parts[1] / self.fast_bandwidth)
        )
        return result

    @cached_property
    def all_slow(self) -> float:
        """Latency in µs with every slot served from slow memory."""
        return total(self.latencies(np.zeros(self.n_slots)))

    @cached_property
    def all_fast(self) -> float:
        """Latency in µs with every slot served from fast memory, whatever its capacity: a lower bound."""
        return total(self.latencies(np.ones(self.n_slots)))

    def instruction_label(self, t: Any) -> str:
        """Name of instruction ``t``, ``i3`` if it has none."""
        return str(self.instruction_name[t]) if len(self.instruction_name) else f"i{t}"

    def buffer_label(self, b: Any) -> str:
        """Name of buffer ``b``, ``b3`` if it has none."""
        return str(self.buffer_name[b]) if len(self.buffer_name) else f"b{b}"

    @property
    def size_label(self) -> str:
        """``338x345x1035``: instructions x buffers x slots."""
        return f"{self.n_instructions}x{self.n_buffers}x{self.n_slots}"


def total(values: Array) -> float:
    """Return the sum of ``values`` from the first to the last, as a loop adds them: the same in kernel and Python."""
    return float(np.cumsum(values)[-1]) if len(values) else 0.0


def _frozen(array: Array) -> Array:
    array.flags.writeable = False
    return array


def _labels(field: str, value: Any) -> Array:
    """Return ``value`` as a read-only array of text; None is an empty one."""
    try:
        array = np.asarray([] if value is None else value)
    except ValueError:
        raise InputError(f"field {field!r}: expected a list of names") from None
    if array.ndim != 1 or (array.size and array.dtype.kind != "U"):
        raise InputError(f"field {field!r}: expected a list of names, got {array.dtype} of shape {array.shape}")
    return _frozen(np.array(array.tolist(), np.str_))


def _bounds(field: str, value: Array, low: int, high: int, what: str) -> None:
    wrong = np.flatnonzero((value < low) | (value > high))
    if len(wrong):
        at = int(wrong[0])
        raise InputError(f"field {field!r}: {what} {at} has {value[at]}; expected {low} … {high}")
