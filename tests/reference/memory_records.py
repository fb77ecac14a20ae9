"""What the slow simulator keeps of a memory-mapping game."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Slot:
    """One operand or result of instruction ``time``; ``bytes`` are those that the instruction moves for it."""

    time: int
    buffer: int
    is_result: bool
    bytes: int


@dataclass
class Rectangle:
    """``buffer`` lies at ``offset`` during instructions ``start`` … ``end``, inclusive."""

    buffer: int
    start: int
    end: int
    offset: int


@dataclass
class Transfer:
    """A copy of ``buffer``; ``moves`` are (instruction, µs of the slow memory), the stall being at the deadline."""

    buffer: int
    out: bool
    release: int
    deadline: int
    moves: list[tuple[int, float]] = field(default_factory=list)


def as_fields(rectangles: list[Rectangle], transfers: list[Transfer]) -> dict[str, list[Any]]:
    """The fields of a Mapping that tell of rectangles and transfers."""
    moves = [(number, *move) for number, one in enumerate(transfers) for move in one.moves]
    return {
        "rect_buffer": [one.buffer for one in rectangles],
        "rect_start": [one.start for one in rectangles],
        "rect_end": [one.end for one in rectangles],
        "rect_offset": [one.offset for one in rectangles],
        "copy_buffer": [one.buffer for one in transfers],
        "copy_out": [int(one.out) for one in transfers],
        "copy_release": [one.release for one in transfers],
        "copy_deadline": [one.deadline for one in transfers],
        "move_copy": [number for number, _, _ in moves],
        "move_time": [time for _, time, _ in moves],
        "move_us": [us for _, _, us in moves],
    }
