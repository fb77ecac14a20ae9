"""The observation of the whole program: its graph, which never changes, and where the window is in it."""

from __future__ import annotations

from typing import Any

from ganttlet.core.jit import jit_lean
from ganttlet.memory_mapping.features import DEMAND, FAR, GAIN, RELIEF, REST, USES
from ganttlet.memory_mapping.game import time_of
from ganttlet.memory_mapping.layout import (
    BUFFER,
    BUFFERS,
    COMPUTE,
    FAST_RATE,
    INSTRUCTIONS,
    LISTED,
    RESULT,
    SLOT,
    SLOTS,
    SLOW_RATE,
    TIME,
    UNIT,
    USE,
)

GIVEN, OUTPUT, SIZE, SHARE = 1, 2, 3, 4  # columns of features.SLOT_FACTS
OPERANDS, RESULTS = 5, 6  # of features.INSTRUCTION
SPAN, FIRST, LAST = 6, 7, 8  # of features.WHOLE_BUFFER
BLOCKS = (
    "instruction_static",
    "instruction_mask",
    "buffer_static",
    "buffer_mask",
    "follows_index",
    "uses_index",
    "uses",
)
POINTERS = ("slot_instruction_index", "slot_buffer_index", "resident_buffer_index")


@jit_lean
def write_program(rows: Any, programs: Any, store: Any, out: Any) -> None:
    """Write the blocks BLOCKS of the stored ``programs`` into ``rows`` of ``out``."""
    size_, real_, work_, total_, slots_, _moved, _buffers, _demand, facts_ = store
    instruction_, there_, buffer_, some_, follows_, index_, uses_ = out
    for r in range(len(rows)):
        i, v = rows[r], programs[r]
        size, real, work, total, slots, facts = size_[v], real_[v], work_[v], total_[v], slots_[v], facts_[v]
        instruction, buffer, index, uses = instruction_[i], buffer_[i], index_[i], uses_[i]
        count, unit = size[INSTRUCTIONS], real[UNIT]
        instruction[:, :], buffer[:, :], index[:, :], uses[:, :] = 0.0, 0.0, -1, 0.0
        there_[i, :], some_[i, :], follows_[i, :] = 0, 0, -1
        for t in range(count):
            row, compute = instruction[t], work[t, COMPUTE]
            slow, fast = 1e6 * (total[t] / real[SLOW_RATE]), 1e6 * (total[t] / real[FAST_RATE])
            slowly = time_of(compute, total[t], 0, real)
            row[0] = bounded(compute / unit)
            row[1] = bounded(slow / unit)
            row[2] = bounded(fast / unit)
            row[3] = bounded((slowly - time_of(compute, 0, total[t], real)) / unit)
            row[4] = bounded((slowly - slow) / unit)
            row[7] = t / count
            there_[i, t] = 1
            follows_[i, t] = t + 1 if t + 1 < count else -1
        for k in range(size[SLOTS]):
            t, b, fact = slots[k, TIME], slots[k, BUFFER], facts[k]
            row = buffer[b]
            column = RESULTS if slots[k, RESULT] else OPERANDS
            instruction[t, column] = min(FAR, instruction[t, column] + 1.0)
            if some_[i, b] == 0:
                some_[i, b] = 1
                row[0], row[1], row[2], row[3] = fact[GIVEN], fact[OUTPUT], fact[SIZE], fact[DEMAND]
                row[4] = min(FAR, fact[USES] + (0.0 if slots[k, RESULT] else 1.0))
                row[5] = bounded(fact[GAIN] + fact[REST])
                row[FIRST] = t
            row[LAST] = t
            index[0, k], index[1, k] = t, b
            uses[k, 0], uses[k, 1], uses[k, 2], uses[k, 3] = fact[0], fact[SHARE], fact[GAIN], fact[RELIEF]
        for b in range(size[BUFFERS]):
            buffer[b, SPAN] = min(FAR, buffer[b, LAST] - buffer[b, FIRST])
            buffer[b, FIRST] /= count
            buffer[b, LAST] /= count


@jit_lean
def bounded(value: Any) -> Any:
    """Return ``value`` within ± FAR."""
    return min(FAR, max(-FAR, value))


@jit_lean
def show_pointers(
    over: Any, slots: Any, size: Any, totals: Any, rects: Any, instruction: Any, buffer: Any, held: Any
) -> None:
    """Write which instructions and buffers the next slots are of, and which buffers the residents are."""
    k = totals[SLOT]
    shown = 0 if over else min(len(instruction), size[SLOTS] - k)
    for m in range(shown):
        instruction[m] = slots[k + m, TIME]
        buffer[m] = slots[k + m, BUFFER]
    instruction[shown:] = -1
    buffer[shown:] = -1
    n = 0
    for e in range(0 if over else totals[LISTED]):
        if rects[USE, e] >= 0 and n < len(held):
            held[n] = slots[rects[USE, e], BUFFER]
            n += 1
    held[n:] = -1
