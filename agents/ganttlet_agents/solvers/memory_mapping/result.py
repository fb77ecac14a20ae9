"""What the solvers of memory mapping hand back."""

from __future__ import annotations

from dataclasses import dataclass

from ganttlet.memory_mapping.solution import Mapping

DEFAULT_TIME = 30.0


@dataclass(frozen=True)
class SolverResult:
    """What a solver found.

    Fields:
        mapping: the best mapping, or None if none was found within the limits.
        value: its objective as ``validate`` computes it, or None.
        bound: proven lower bound on the objective over all mappings that ``validate`` accepts.
        optimal: True if the value is as close to the bound as rounding lets it be: for latencies within 0.01 %.
        status: how the search ended, and where the mapping comes from.
        seconds: wall time, model building included.
        window: instructions that were written out before uses; 0 where there is no such thing.
    """

    mapping: Mapping | None
    value: float | None
    bound: float
    optimal: bool
    status: str
    seconds: float
    window: int
