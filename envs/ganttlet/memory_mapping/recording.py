"""The mapping that a row's decisions make: the game is played again, and what it does is written down."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ganttlet.core.jit import jit_lean
from ganttlet.memory_mapping.game import begin, decide, go_on
from ganttlet.memory_mapping.instance import Array, Program
from ganttlet.memory_mapping.layout import (
    BUFFER,
    COPY,
    DEAD_ENDS,
    DIRTY,
    DROP,
    ENTRY,
    HEAD,
    LAST,
    MADE,
    NOW,
    NUMBER,
    OFFSET,
    RESULT,
    SLOT,
    START,
    UNDECIDED,
    make_state,
    rules_of,
)
from ganttlet.memory_mapping.simulator import schedule_copies
from ganttlet.memory_mapping.solution import Mapping
from ganttlet.memory_mapping.storage import MemoryStorage, sizes_of

# Rows of the logs.
RECT_BUFFER, RECT_START, RECT_END, RECT_OFFSET = range(4)
COPY_BUFFER, COPY_OUT, COPY_RELEASE, COPY_DEADLINE = range(4)
N_COPIES, N_MOVES = range(2)


@jit_lean
def note_copy(
    b: Any, out: Any, demand: Any, totals: Any, left: Any, counts: Any, copies: Any, moves: Any, spans: Any, stall: Any
) -> None:
    """Write down the copy that the decision is about to make."""
    now, start, number = totals[NOW], totals[START], counts[N_COPIES]
    copies[COPY_BUFFER, number], copies[COPY_OUT, number] = b, out
    copies[COPY_RELEASE, number], copies[COPY_DEADLINE, number] = start, now
    counts[N_COPIES] += 1
    need = demand
    for j in range(now - 1, start - 1, -1):
        have = min(need, left[j % len(left)])
        if have > 0.0:
            moves[0, counts[N_MOVES]], moves[1, counts[N_MOVES]] = number, j
            spans[counts[N_MOVES]] = have
            counts[N_MOVES] += 1
        need -= have
    if need > 0.0:
        moves[0, counts[N_MOVES]], moves[1, counts[N_MOVES]] = number, now
        spans[counts[N_MOVES]] = need
        counts[N_MOVES] += 1
        stall[now] += need


@jit_lean
def play_again(
    actions: Any,
    rules: Any,
    rule: Any,
    store: Any,
    state: Any,
    fast: Any,
    rect: Any,
    copies: Any,
    moves: Any,
    spans: Any,
    stall: Any,
    counts: Any,
) -> None:
    """Play ``actions`` of the first program from the beginning in the first row, writing the logs."""
    size_, real_, work_, total_, slots_, moved_, buffers_, demand_, _facts = store
    totals_, row_, left_, rects_, held_, played_ = state
    size, real, work, total, slots, moved = size_[0], real_[0], work_[0], total_[0], slots_[0], moved_[0]
    buffers, demand = buffers_[0], demand_[0]
    totals, row, left, rects, held, played = totals_[0], row_[0], left_[0], rects_[0], held_[0], played_[0]
    dead = rules & DEAD_ENDS != 0
    begin(rules, rule, size, real, work, total, slots, buffers, demand, totals, row, left, rects, held, played)
    for a in actions:
        if a == UNDECIDED:
            break
        k, now, entry, number = totals[SLOT], totals[NOW], totals[ENTRY], totals[MADE]
        b = slots[k, BUFFER]
        dirty = entry >= 0 and rects[DIRTY, entry] == 1
        fast[k] = 1 if a != DROP or dirty else 0
        grouped = buffers[b, HEAD] >= 0 and not dead
        if a == COPY or (slots[k, RESULT] and a != DROP):
            rect[RECT_BUFFER, number], rect[RECT_OFFSET, number] = b, totals[OFFSET]
            rect[RECT_START, number] = totals[START]
            rect[RECT_END, number] = now
            if grouped or (slots[k, RESULT] and not dead):
                rect[RECT_END, number] = buffers[b, LAST]
        elif entry >= 0 and not grouped and ((a != DROP) != dirty or (dead and dirty)):
            rect[RECT_END, rects[NUMBER, entry]] = now
        if a == COPY or (dirty and a == DROP):
            note_copy(b, 0 if a == COPY else 1, demand[b], totals, left, counts, copies, moves, spans, stall)
        decide(a, real, work, slots, moved, buffers, demand, totals, row, left, rects, held, played)
        go_on(rules, rule, size, real, work, total, slots, buffers, demand, totals, row, left, rects, held)


def mapping_of(
    program: Program,
    actions: Array,
    *,
    window: int,
    stall: bool,
    rule: int,
    dead_ends: bool = False,
    elapsed: bool = False,
) -> Mapping:
    """Return the mapping that decisions make of a program.

    With ``elapsed`` the game let copies take time that slow memory does not have; they are scheduled anew, first come
    first served, and what they lack then is waited for.

    Args:
        program: the program.
        actions: (at least U,) int8, the action of each slot, UNDECIDED from the first one that is not decided.
        window, stall, rule: as in the game that was played; ``rule`` is an index into PLACEMENTS.
        dead_ends: whether the game had dead ends; elapsed: whether its supply was that.
    """
    sizes = sizes_of(program, window)
    storage = MemoryStorage(sizes, None, window)
    storage.grow(1)
    storage.put(0, program)
    state = make_state(1, sizes, window)
    t, u = program.n_instructions, program.n_slots
    rules = rules_of(stall=stall, dead_ends=dead_ends, elapsed=elapsed)
    fast = np.full(u, UNDECIDED, np.int8)
    rect, copies = np.zeros((4, u), np.int64), np.zeros((4, u), np.int32)
    # A move takes all that is left of an instruction, or ends its copy; a stall ends it too.
    moves, spans = np.zeros((2, t + 2 * u), np.int32), np.zeros(t + 2 * u)
    stalls, counts = np.zeros(t), np.zeros(2, np.int64)
    logs = (fast, rect, copies, moves, spans, stalls, counts)
    play_again(actions[:u], rules, rule, tuple(storage.arrays), tuple(state), *logs)
    made, copied, moved = int(state.totals[0, MADE]), *counts.tolist()
    mapping = Mapping(
        fast=fast,
        rect_buffer=rect[RECT_BUFFER, :made],
        rect_start=rect[RECT_START, :made],
        rect_end=rect[RECT_END, :made],
        rect_offset=rect[RECT_OFFSET, :made] * program.align,
        copy_buffer=copies[COPY_BUFFER, :copied],
        copy_out=copies[COPY_OUT, :copied],
        copy_release=copies[COPY_RELEASE, :copied],
        copy_deadline=copies[COPY_DEADLINE, :copied],
        instance_digest=program.digest,
        move_copy=moves[0, :moved],
        move_time=moves[1, :moved],
        move_us=spans[:moved],
        stall=stalls,
    )
    if not elapsed:
        return mapping
    # The schedule is for mappings that are whole: what is not decided is slow.
    scheduled = schedule_copies(program, replace(mapping, fast=np.maximum(fast, 0)), "fifo")
    return replace(scheduled, fast=fast)
