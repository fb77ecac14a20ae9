"""Memory allocation: instances, generators, allocations, bounds and pictures."""

from __future__ import annotations

from typing import Any, cast

from ganttlet.core.family import Family
from ganttlet.memory_allocation.bounds import reference
from ganttlet.memory_allocation.formats import format_csv, read_csv, read_offsets, write_csv
from ganttlet.memory_allocation.generator import GENERATORS, make_generator
from ganttlet.memory_allocation.instance import AllocationInstance
from ganttlet.memory_allocation.library import DATA_SETS, generate, resolve
from ganttlet.memory_allocation.render import memory_ansi, memory_rgb, memory_svg, save_memory
from ganttlet.memory_allocation.replay import replay_actions
from ganttlet.memory_allocation.solution import OBJECTIVES, Allocation, validate

__all__ = [
    "DATA_SETS",
    "FAMILY",
    "GENERATORS",
    "OBJECTIVES",
    "Allocation",
    "AllocationInstance",
    "format_csv",
    "generate",
    "make_generator",
    "memory_ansi",
    "memory_rgb",
    "memory_svg",
    "read_csv",
    "read_offsets",
    "reference",
    "replay_actions",
    "resolve",
    "save_memory",
    "validate",
    "write_csv",
]

# The family's functions take its own record classes; Family is written for the base classes.
FAMILY = Family(
    name="memory_allocation",
    env_ids=("ganttlet/MemoryAllocation-v0",),
    instance=AllocationInstance,
    solution=Allocation,
    objectives=OBJECTIVES,
    resolve=resolve,
    generate=generate,
    validate=cast(Any, validate),
    reference=cast(Any, reference),
    picture=cast(Any, memory_svg),
    generators=GENERATORS,
    data_sets=DATA_SETS,
    replay=cast(Any, replay_actions),
    beside={"height": ("ratio", "fits")},
)
