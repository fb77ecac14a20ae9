"""Memory mapping: programs, mappings of their buffers to fast memory, generators, bounds and pictures."""

from __future__ import annotations

from typing import Any, cast

from ganttlet.core.family import Family
from ganttlet.memory_mapping.axes import axes
from ganttlet.memory_mapping.bounds import budgets, compulsory_bytes, lower_bound, non_compulsory_bytes, reference
from ganttlet.memory_mapping.formats import format_csv, parse_csv, read_csv, write_csv
from ganttlet.memory_mapping.generator import GENERATORS, HELD_OUT, Generator, make_generator
from ganttlet.memory_mapping.hardware import PRESETS as HARDWARE
from ganttlet.memory_mapping.hardware import Hardware, make_hardware
from ganttlet.memory_mapping.instance import Program
from ganttlet.memory_mapping.library import DATA_SETS, generate, resolve, shipped
from ganttlet.memory_mapping.presets import PRESETS
from ganttlet.memory_mapping.render import gantt_ansi, gantt_rgb, gantt_svg, save_gantt
from ganttlet.memory_mapping.replay import replay_actions
from ganttlet.memory_mapping.simulator import schedule_copies
from ganttlet.memory_mapping.solution import OBJECTIVES, Mapping, all_slow_mapping, validate

__all__ = [
    "DATA_SETS",
    "FAMILY",
    "GENERATORS",
    "HARDWARE",
    "HELD_OUT",
    "OBJECTIVES",
    "PRESETS",
    "Generator",
    "Hardware",
    "Mapping",
    "Program",
    "all_slow_mapping",
    "budgets",
    "compulsory_bytes",
    "format_csv",
    "gantt_ansi",
    "gantt_rgb",
    "gantt_svg",
    "generate",
    "lower_bound",
    "make_generator",
    "make_hardware",
    "non_compulsory_bytes",
    "parse_csv",
    "read_csv",
    "reference",
    "replay_actions",
    "resolve",
    "save_gantt",
    "schedule_copies",
    "shipped",
    "validate",
    "write_csv",
]

# The family's functions take its own record classes; Family is written for the base classes.
FAMILY = Family(
    name="memory_mapping",
    env_ids=("ganttlet/MemoryMapping-v0",),
    instance=Program,
    solution=Mapping,
    objectives=OBJECTIVES,
    resolve=resolve,
    generate=generate,
    validate=cast(Any, validate),
    reference=cast(Any, reference),
    picture=cast(Any, gantt_svg),
    generators=GENERATORS,
    presets=PRESETS,
    data_sets=DATA_SETS,
    replay=cast(Any, replay_actions),
    # A latency in µs says little without what it is relative to, and without what was waited for.
    beside={"latency": ("speedup", "stalls"), "speedup": ("latency", "stalls")},
    axes=cast(Any, axes),
)
