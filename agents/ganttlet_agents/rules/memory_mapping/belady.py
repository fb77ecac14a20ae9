"""Which buffers stay in fast memory from use to use by Belady's rule, and the preferences that follow."""

from __future__ import annotations

import numpy as np

from ganttlet.memory_mapping.instance import OUT, TEMP, Array, Program
from ganttlet_agents.rules.memory_mapping.playing import FORCE, PREFER_DROP, SPILL


def stays(program: Program) -> Array:
    """Return (U,) bool: whether Belady's rule keeps the slot's buffer in fast memory until its next use.

    Sizes count, offsets and copies do not. At each instruction its operands, and results that are used later and are
    no outputs, join what is in fast memory. While that exceeds the capacity, the buffer leaves whose next use is
    furthest, the instruction itself included; among equals the one whose use after that is furthest (never: infinitely
    far), then the lowest. After the instruction those leave that are never used again. Buffers larger than fast memory
    never join.
    """
    never = program.n_instructions
    size, capacity = program.aligned.tolist(), program.capacity
    following = np.where(program.next_use >= 0, program.next_use, never).tolist()
    kept = np.zeros(program.n_slots, bool)
    latest: dict[int, int] = {}  # buffer in fast memory -> its latest slot
    used = 0
    for t in range(program.n_instructions):
        here = set()
        for k in range(program.first_slot[t], program.first_slot[t + 1]):
            b = int(program.slot_buffer[k])
            result = program.slot_role[k] == OUT
            if size[b] > capacity or (result and (program.buffer_kind[b] != TEMP or following[k] == never)):
                continue
            if b in latest:
                kept[latest[b]] = True
            else:
                used += size[b]
            latest[b] = k
            here.add(b)
        while used > capacity:
            b = max(latest, key=lambda b: (t if b in here else following[latest[b]], following[latest[b]], -b))
            used -= size[b]
            del latest[b]
        for b in [b for b, k in latest.items() if following[k] == never]:
            used -= size[b]
            del latest[b]
    return kept


def preferences(program: Program) -> Array:
    """Return (U,) int8, preferences that follow :func:`stays`.

    What stays is brought to fast memory at any price. What does not is written to slow memory as a result; as an
    operand it is written back where fast memory holds the only copy, and cautious else.
    """
    result = program.slot_role == OUT
    return np.where(stays(program), FORCE, np.where(result, PREFER_DROP, SPILL)).astype(np.int8)
