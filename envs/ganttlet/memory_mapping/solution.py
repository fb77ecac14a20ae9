"""Mappings of a program's buffers to fast memory, and the validator that judges them without any environment."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.objective import Objective, ObjectiveSpec
from ganttlet.core.record import Solution, int_array
from ganttlet.memory_mapping.checks import shape_violations, violations
from ganttlet.memory_mapping.instance import Array, Program, total

OBJECTIVES = {
    "latency": ObjectiveSpec("latency", "min", "µs", "sum over instructions of their time and the stall before them"),
    "speedup": ObjectiveSpec("speedup", "max", "", "latency with everything in slow memory / latency"),
    "stalls": ObjectiveSpec("stalls", "min", "µs", "time that instructions wait for copies"),
    "copied": ObjectiveSpec("copied", "min", "bytes", "sizes of all copies between slow and fast memory"),
    "peak": ObjectiveSpec("peak", "min", "bytes", "most fast memory in use during one instruction"),
    "slow_bytes": ObjectiveSpec("slow_bytes", "min", "bytes", "what slots and copies move from and to slow memory"),
}
MAX_VIOLATIONS = 20


@dataclass(frozen=True, eq=False)
class Mapping(Solution):
    """What of a program is served from fast memory, where it lies, and how it gets there: a certificate.

    Times are positions in the order of instructions, 0 … T-1.

    Fields (U slots, R rectangles, C copies, M moves, T instructions):
        fast: (U,) int8, 1 where a slot is served from fast memory, 0 where from slow memory, -1 where it is not yet
            decided (a game under way).
        rect_buffer: (R,) int32; rect_start, rect_end: (R,) int32; rect_offset: (R,) int64 in bytes. The buffer has the
            bytes from offset on, its aligned size long, during the instructions start … end, both included.
        copy_buffer: (C,) int32; copy_out: (C,) int8, 0 from slow to fast memory, 1 from fast to slow;
            copy_release, copy_deadline: (C,) int32. A copy moves during the instructions release … deadline-1 and is
            done before instruction deadline begins; a deadline of T is the end of the program.
        move_copy, move_time: (M,) int32; move_us: (M,) float64. Time in µs of slow memory that a copy gets during an
            instruction, or, if the time is the copy's deadline, during the stall before that instruction.
        stall: (T,) float64, µs by which each instruction starts later, waiting for copies with that deadline.
        instance_digest: digest of the program it belongs to.

    A mapping of another origin may leave out moves and stalls: ``simulator.schedule_copies`` finds them.

    Raises:
        InputError: naming the field, if its type or number of dimensions is wrong.
    """

    family: ClassVar[str] = "memory_mapping"
    unhashed: ClassVar[tuple[str, ...]] = ()

    fast: Array
    rect_buffer: Array
    rect_start: Array
    rect_end: Array
    rect_offset: Array
    copy_buffer: Array
    copy_out: Array
    copy_release: Array
    copy_deadline: Array
    instance_digest: str
    move_copy: Any = None
    move_time: Any = None
    move_us: Any = None
    stall: Any = None

    def __post_init__(self) -> None:
        for field, dtype in (
            ("fast", np.int8),
            ("rect_buffer", np.int32),
            ("rect_start", np.int32),
            ("rect_end", np.int32),
            ("rect_offset", np.int64),
            ("copy_buffer", np.int32),
            ("copy_out", np.int8),
            ("copy_release", np.int32),
            ("copy_deadline", np.int32),
            ("move_copy", np.int32),
            ("move_time", np.int32),
        ):
            value = getattr(self, field)
            object.__setattr__(self, field, int_array(field, [] if value is None else value, 1, dtype))
        for field in ("move_us", "stall"):
            object.__setattr__(self, field, _floats(field, getattr(self, field)))


def _floats(field: str, value: Any) -> Array:
    try:
        array = np.array([] if value is None else value, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"field {field!r}: expected a list of numbers") from None
    if array.ndim != 1:
        raise InputError(f"field {field!r}: expected 1 dimension, got shape {array.shape}")
    array.flags.writeable = False
    return array


def validate(program: Program, mapping: Mapping) -> Objective:
    """Judge ``mapping`` by the program alone.

    Rules:
        shape: lengths and numbers of things that exist; every slot decided; times ≥ 0.
        rectangle: within the buffer's life and the program, at a multiple of ``align``, inside fast memory.
        overlap: no two rectangles share bytes during one instruction.
        fast_read: an operand served from fast memory lies in a rectangle that holds its content: since its
            definition there, or by a copy that was done within the same rectangle.
        fast_write: a result served from fast memory has a rectangle that starts at its instruction.
        slow_read: an operand served from slow memory is held there.
        output: outputs of the program end in slow memory.
        copy_in: slow memory holds the buffer at the release; a rectangle lasts from the release to the deadline.
        copy_out: a rectangle holds the content from the release to the deadline.
        bandwidth: a copy moves between its release and its deadline, for size / slow_bandwidth; the copies of an
            instruction take no more of slow memory than its own slots leave.
        stall: what copies still move at their deadline is waited for.
        sync: the slots of a sync group are all fast or all slow.

    Returns:
        Objective with the values of every objective, or, if a rule is broken, with up to 20 violations.

    Raises:
        InputError: if the mapping belongs to another program.
    """
    if mapping.instance_digest != program.digest:
        raise InputError(
            f"mapping belongs to program {mapping.instance_digest}, not to {program.name} ({program.digest})"
        )
    found = shape_violations(program, mapping)
    if not found:
        found = list(islice(violations(program, mapping), MAX_VIOLATIONS))
    return Objective(violations=tuple(found[:MAX_VIOLATIONS])) if found else Objective(measure(program, mapping))


def measure(program: Program, mapping: Mapping) -> dict[str, float]:
    """Return the value of every objective, feasible or not; a slot that is not decided counts as slow."""
    fast = mapping.fast == 1
    latency = total(program.latencies(fast) + mapping.stall)
    copied = int(program.size[mapping.copy_buffer].sum())
    change = np.zeros(program.n_instructions + 1, np.int64)
    size = program.aligned[mapping.rect_buffer]
    np.add.at(change, mapping.rect_start, size)
    np.add.at(change, mapping.rect_end + 1, -size)
    return {
        "latency": latency,
        "speedup": program.all_slow / latency,
        "stalls": total(mapping.stall),
        "copied": float(copied),
        "peak": float(np.cumsum(change).max()),
        "slow_bytes": float(int(program.slot_bytes[~fast].sum()) + copied),
    }


def all_slow_mapping(program: Program) -> Mapping:
    """Return the mapping that serves every slot from slow memory."""
    nothing = np.zeros(0, np.int64)
    return Mapping(
        fast=np.zeros(program.n_slots, np.int8),
        rect_buffer=nothing,
        rect_start=nothing,
        rect_end=nothing,
        rect_offset=nothing,
        copy_buffer=nothing,
        copy_out=nothing,
        copy_release=nothing,
        copy_deadline=nothing,
        instance_digest=program.digest,
        stall=np.zeros(program.n_instructions),
    )
