"""What no mapping can go below, and references to compare with."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np

from ganttlet.core.errors import check_choice
from ganttlet.core.objective import Reference, ReferenceKind
from ganttlet.memory_mapping.hardware import PRESETS
from ganttlet.memory_mapping.instance import OUT, OUTPUT, TEMP, Program
from ganttlet.memory_mapping.solution import OBJECTIVES

BOUND: ReferenceKind = "bound"
BEST_KNOWN: ReferenceKind = "best_known"
OPTIMAL: ReferenceKind = "optimal"
CLOSE = 1e-6
BUDGETS = ("M_R", "M_H", "M_P")


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


def non_compulsory_bytes(program: Program, slow_bytes: float) -> float:
    """Return what of ``slow_bytes``, an objective, a mapping could do without: COSMA's measure."""
    return slow_bytes - compulsory_bytes(program)


def budgets(program: Program) -> dict[str, int]:
    """Return COSMA's three sizes of fast memory in bytes.

    ``M_R``: the most that one instruction's operands and results take, the least with which every operand can lie in
    fast memory. ``M_P``: the least peak; the order of instructions being fixed, its peak (``Program.peak_live``), from
    which on only compulsory bytes need to move. ``M_H``: their mean, rounded up to the alignment. Parameters count;
    offsets do not, and may need more. Source: arXiv 2311.18246, section V-B as an independent re-implementation has it.
    """
    needed = np.zeros(program.n_instructions, np.int64)
    np.add.at(needed, program.slot_time, program.aligned[program.slot_buffer])
    least, most = int(needed.max()), program.peak_live
    middle = (least + most) // 2
    return dict(zip(BUDGETS, (least, -(-middle // program.align) * program.align, most), strict=True))


def lower_bound(program: Program) -> float:
    """Return a lower bound on the latency in µs: everything fast, and slow memory moving no more than it must.

    Where fast memory is the slower one, everything slow takes the place of everything fast.
    """
    served = min(program.all_fast, program.all_slow)
    return max(served, 1e6 * (compulsory_bytes(program) / program.slow_bandwidth))


@dataclass(frozen=True)
class Known:
    """One row of data/bounds.csv: the least latency that was found, and what it was proved not to be below, in µs."""

    program: str
    hardware: str
    latency: float
    bound: float


@cache
def table() -> dict[str, Known]:
    """Return digest -> row of data/bounds.csv, written by ``benchmarks/memory_optimum.py --table``."""
    text = files("ganttlet.memory_mapping").joinpath("data/bounds.csv").read_text(encoding="utf-8")
    return {
        row["digest"]: Known(row["program"], row["hardware"], float(row["latency_us"]), float(row["bound_us"]))
        for row in csv.DictReader(text.splitlines())
    }


def proved_with_more(program: Program) -> float:
    """Return the greatest bound in µs of the table's for the same program in more fast memory, 0.0 without one."""
    larger = [one for one in PRESETS.values() if replace(one, capacity=program.capacity) == program.hardware]
    same = (program.on(one) for one in larger if one.capacity > program.capacity)
    return max((table()[one.digest].bound for one in same if one.digest in table()), default=0.0)


def reference(program: Program, objective: str = "latency") -> Reference | None:
    """Return what to compare ``objective`` with: the best known value or a bound, None where there is nothing.

    The table's values belong to programs of the same content and hardware, and come with the bound that was proved. A
    value within a millionth of its bound is called optimal. What was proved holds in less fast memory, too.
    """
    check_choice("objective", objective, OBJECTIVES)
    if objective == "slow_bytes":
        compulsory = float(compulsory_bytes(program))
        return Reference(compulsory, "bound", "what exists before the program, and its outputs, moved once", compulsory)
    if objective not in ("latency", "speedup"):
        return None
    known, bound, more = table().get(program.digest), lower_bound(program), proved_with_more(program)
    source = "every slot in fast memory, or slow memory busy with what it must move"
    if more > bound:
        bound, source = more, "what is proved for more fast memory"
    value, kind = bound, BOUND
    if known is not None:
        bound, value = max(bound, known.bound), known.latency
        kind = OPTIMAL if value <= bound * (1 + CLOSE) else BEST_KNOWN
        source = "the solvers of benchmarks/memory_optimum.py"
    if objective == "speedup":
        value, bound = program.all_slow / value, program.all_slow / bound
    return Reference(value, kind, source, bound)
