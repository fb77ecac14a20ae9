"""What tells programs of a curve apart."""

from __future__ import annotations

from collections.abc import Mapping

from ganttlet.core.specs import split_options
from ganttlet.memory_mapping.instance import Program

MIB = 2**20


def axes(program: Program) -> Mapping[str, float | str]:
    """Return what curves put on an axis.

    Returns:
        ``program``: its name without options. ``capacity``: MiB of fast memory. ``slots``: their number.
    """
    return {
        "program": split_options(program.name)[0],
        "capacity": program.capacity / MIB,
        "slots": float(program.n_slots),
    }
