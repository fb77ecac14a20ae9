"""What no mapping can go below, and references to compare with."""

from __future__ import annotations

import numpy as np

from ganttlet.core.errors import check_choice
from ganttlet.core.objective import Reference
from ganttlet.memory_mapping.instance import OUT, OUTPUT, TEMP, Program
from ganttlet.memory_mapping.solution import OBJECTIVES


def compulsory_bytes(program: Program) -> int:
    """Return the bytes that every mapping moves from and to slow memory.

    What exists before the program comes from slow memory at least once, by its smallest use or by a copy of the whole
    buffer; every output goes there at least once.
    """
    least = program.size.copy()
    np.minimum.at(least, program.slot_buffer, program.slot_bytes)
    result = program.slot_role == OUT
    written = np.zeros(program.n_buffers, np.int64)
    written[program.slot_buffer[result]] = program.slot_bytes[result]
    kind = program.buffer_kind
    return int(np.where(kind < TEMP, least, np.where(kind == OUTPUT, written, 0)).sum())


def lower_bound(program: Program) -> float:
    """Return a lower bound on the latency in µs: everything fast, and slow memory moving no more than it must."""
    return max(program.all_fast, 1e6 * (compulsory_bytes(program) / program.slow_bandwidth))


def reference(program: Program, objective: str = "latency") -> Reference | None:
    """Return a bound on ``objective``, None where the trivial one is all there is."""
    check_choice("objective", objective, OBJECTIVES)
    if objective == "slow_bytes":
        compulsory = float(compulsory_bytes(program))
        return Reference(compulsory, "bound", "what exists before the program, and its outputs, moved once", compulsory)
    bounds = {"latency": lower_bound(program), "speedup": program.all_slow / lower_bound(program)}
    if objective not in bounds:
        return None
    source = "every slot in fast memory, or slow memory busy with what it must move"
    return Reference(bounds[objective], "bound", source, bounds[objective])
