"""What to compare heights with: the load, and heights reached for published instances."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ganttlet.core.errors import check_choice
from ganttlet.core.objective import Reference, ReferenceKind
from ganttlet.memory_allocation.instance import AllocationInstance
from ganttlet.memory_allocation.solution import OBJECTIVES, values_of

LOAD = "greatest load, or the top of a fixed buffer"


@dataclass(frozen=True)
class Known:
    """One row of data/known.csv: an instance's label and digest, the least height reached, a bound, and who did it."""

    name: str
    digest: str
    height: int
    bound: int
    source: str


@cache
def table() -> dict[str, Known]:
    """Return digest -> row of data/known.csv."""
    text = files("ganttlet.memory_allocation").joinpath("data/known.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {
        row["digest"]: Known(row["name"], row["digest"], int(row["height"]), int(row["bound"]), row["source"])
        for row in rows
    }


def reference(instance: AllocationInstance, objective: str = "height") -> Reference:
    """Return what to compare ``objective`` with: the best height known for a published instance, or a bound.

    Raises:
        InputError: for an unknown objective.
    """
    check_choice("objective", objective, OBJECTIVES)
    known = table().get(instance.digest)
    if known is None:
        value = values_of(instance, instance.least_height)[objective]
        return Reference(value, "bound", LOAD, value)
    kind: ReferenceKind = "optimal" if known.height == known.bound else "best_known"
    value, bound = (values_of(instance, height)[objective] for height in (known.height, known.bound))
    return Reference(value, kind, known.source, bound)
