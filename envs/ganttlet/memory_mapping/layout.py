"""The arrays of memory mapping: programs (Store) and episodes (State), and the names of their columns.

Quantities of one kind share an array, so that kernels take few arguments: a dispatch costs Numba time per array.
Sizes and offsets in fast memory are counted in units of the alignment, times in instructions or µs.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

# Actions.
DROP, NOCOPY, COPY, N_ACTIONS = range(4)
UNDECIDED: Final = -1

# Rules that options choose, bits of ``rules`` and of State.totals; MAY_STALL alone is what True means.
MAY_STALL, DEAD_ENDS, FULL_SUPPLY, STATIC = 1, 2, 4, 8

# Store.size: per program, integers. CAPACITY in units of ALIGN bytes.
INSTRUCTIONS, BUFFERS, SLOTS, CAPACITY, ALIGN, N_SIZE = range(6)
# Store.real: per program. UNIT: mean time of an instruction with everything slow, in µs; bandwidths in bytes/s.
ALL_SLOW, UNIT, SLOW_RATE, FAST_RATE, N_REAL = range(5)
# Store.work: per instruction, in µs. REST: time from this instruction on with everything slow.
COMPUTE, REST, N_WORK = range(3)
# Store.slots. NEXT: next slot in which the buffer is an operand (-1: none). RESULT: 1 for results. UNTIL, of a result
# that may be written to fast memory: the instruction of its last use, else -1.
TIME, BUFFER, NEXT, RESULT, UNTIL, N_SLOT = range(6)
# Store.buffers. UNITS: aligned size, more than the capacity if it does not fit. FROM: the first instruction at whose
# beginning slow memory can hold the buffer. FIRST: its first slot. LAST: the instruction of its last use, -1 for none.
# HEAD: the first slot of its sync group, -1 without one. AFTER: the member after it, by first slots, -1 for none.
# BLOCK: units of all members, its own without a group; -1 if one of them can never be fast. COPIES: 1 if a member other
# than the first one has to be copied in.
UNITS, BYTES, FROM, FIRST, LAST, HEAD, AFTER, BLOCK, COPIES, N_BUFFER = range(10)

# State.totals.
(
    SLOT,  # the slot to be decided; the number of slots at the end
    NOW,  # its instruction
    SLOW,  # bytes that slots of that instruction move from or to slow memory, undecided ones included
    FAST,  # bytes that slots of that instruction move from or to fast memory
    LISTED,  # ranges in State.rects
    MADE,  # rectangles made so far
    COPIED,  # bytes of all copies
    SLOW_BYTES,  # bytes from and to slow memory by slots, undecided ones included, and copies
    LEGAL,  # bit a: action a is legal
    ENTRY,  # column of State.rects with the slot's buffer, if that can be kept; else -1
    OFFSET,  # where a rectangle made by the decision would lie, -1 for none
    START,  # first instruction in which the copy that the decision may cause would move
    ROOM,  # units from OFFSET on that the decision would take
    RULES,  # as begin was told
    BACKUPS,  # dead ends that the episode has come back from
    N_TOTALS,
) = range(16)
# State.real, in µs. ELAPSED and STALLS: of the instructions before NOW; STALL: before NOW so far; NEED: what the copy
# lacks in its window; EARNED: fixed benefits so far, counted only with STATIC.
ELAPSED, STALLS, STALL, NEED, EARNED, N_STATE_REAL = range(6)
# State.held of what is not in slow memory: of a result that only fast memory holds, in games with dead ends; and,
# below 0, of a buffer that has to be slow throughout: Drop-backup has dropped it, or its group is slow.
NEVER, DROPPED, BARRED = 2**31 - 1, -1, -2
# State.rects: disjoint ranges of fast memory LOW … HIGH - 1, by offset, each occupied until instruction END, of those
# that matter: END lies within the window, or the buffer can be kept. USE: that buffer's next undecided slot, -1 if it
# cannot be kept or has none. DIRTY: 1 while fast memory holds the only copy. NUMBER: of its rectangle, as made.
LOW, HIGH, END, USE, DIRTY, NUMBER, N_RECT = range(7)


def rules_of(*, stall: bool, dead_ends: bool = False, elapsed: bool = False, static: bool = False) -> int:
    """Return the bits that kernels read as ``rules``."""
    return MAY_STALL * stall + DEAD_ENDS * dead_ends + FULL_SUPPLY * elapsed + STATIC * static


class Sizes(NamedTuple):
    """Padded sizes: instructions, buffers, slots, ranges in the list."""

    instructions: int
    buffers: int
    slots: int
    rects: int


class Store(NamedTuple):
    """Programs, slot axis of the pool first (S programs, T instructions, B buffers, U slots).

    Fields:
        size: (S, N_SIZE) int64; real: (S, N_REAL) float64.
        work: (S, T + 1, N_WORK) float64; total: (S, T) int64, bytes that the slots of an instruction move.
        slots: (S, U, N_SLOT) int32; moved: (S, U) int64, bytes.
        buffers: (S, B, N_BUFFER) int64; demand: (S, B) float64, µs of slow memory for a copy.
        facts: (S, U, F) float32, what of a slot does not change, see features.SLOT_FACTS.
    """

    size: Array
    real: Array
    work: Array
    total: Array
    slots: Array
    moved: Array
    buffers: Array
    demand: Array
    facts: Array


class State(NamedTuple):
    """Episodes, batch axis first (R rows, W instructions in the window).

    Fields:
        totals: (R, N_TOTALS) int64; real: (R, N_STATE_REAL) float64.
        left: (R, W) float64, µs of slow memory that instruction j left idle and no copy has taken, at j modulo W.
        rects: (R, N_RECT, sizes.rects) int32.
        held: (R, B) int32, the first instruction at whose beginning slow memory holds the buffer, or NEVER, or below 0.
        played: (R, U) int8, the action of each slot, UNDECIDED where there is none yet; all else follows from them.
    """

    totals: Array
    real: Array
    left: Array
    rects: Array
    held: Array
    played: Array


def make_store(slots: int, sizes: Sizes, facts: int) -> Store:
    """Return storage for ``slots`` programs."""
    t, b, u, _ = sizes
    return Store(
        size=np.zeros((slots, N_SIZE), np.int64),
        real=np.ones((slots, N_REAL)),
        work=np.zeros((slots, t + 1, N_WORK)),
        total=np.zeros((slots, t), np.int64),
        slots=np.zeros((slots, u, N_SLOT), np.int32),
        moved=np.zeros((slots, u), np.int64),
        buffers=np.zeros((slots, b, N_BUFFER), np.int64),
        demand=np.zeros((slots, b)),
        facts=np.zeros((slots, u, facts), np.float32),
    )


def make_state(rows: int, sizes: Sizes, window: int) -> State:
    """Return the state of ``rows`` episodes."""
    return State(
        totals=np.zeros((rows, N_TOTALS), np.int64),
        real=np.zeros((rows, N_STATE_REAL)),
        left=np.zeros((rows, window)),
        rects=np.zeros((rows, N_RECT, sizes.rects), np.int32),
        held=np.zeros((rows, sizes.buffers), np.int32),
        played=np.full((rows, sizes.slots), UNDECIDED, np.int8),
    )
