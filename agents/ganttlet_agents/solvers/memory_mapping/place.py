"""Mappings of stays: offsets for them, copies and stalls, and the validator's word."""

from __future__ import annotations

import numpy as np

from ganttlet.memory_mapping.instance import OUT, Array, Program
from ganttlet.memory_mapping.solution import Mapping, validate
from ganttlet_agents.solvers.memory_mapping.packing import pack
from ganttlet_agents.solvers.memory_mapping.plan import Stay, mapping_of


def place(
    program: Program, stays: list[Stay], seconds: float, workers: int | None = None, seed: int = 0
) -> tuple[Mapping, int]:
    """Return a feasible mapping of stays with offsets found for as many as possible, and how many are left out."""
    offsets = pack(program, stays, _worth(program, stays), seconds, workers, seed)
    kept = [stay for stay, offset in zip(stays, offsets, strict=True) if offset >= 0]
    mapping = mapping_of(program, kept, offsets[offsets >= 0].tolist())
    verdict = validate(program, mapping)
    assert verdict.feasible, f"{program.name}: {verdict.violations[0].message}"
    return mapping, len(stays) - len(kept)


def _worth(program: Program, stays: list[Stay]) -> Array:
    """Return (N,) int64 ≥ 1, about what each stay saves: the bytes of its slots, less those it copies beforehand."""
    worth = []
    for stay in stays:
        saved = int(program.slot_bytes[list(stay.slots)].sum())
        if program.slot_role[stay.slots[0]] != OUT and len(stay.slots) > 1:
            saved -= int(program.size[stay.buffer])
        worth.append(max(1, saved // 64))
    return np.array(worth, np.int64)
