"""What the slow simulator keeps of a memory-mapping game."""

from __future__ import annotations

from dataclasses import dataclass, field


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
