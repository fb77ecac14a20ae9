"""Objectives, the verdict of a validator, and references to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ReferenceKind = Literal["optimal", "best_known", "bound", "method", "none"]


@dataclass(frozen=True)
class ObjectiveSpec:
    """What an objective measures: its name, whether less or more is better, and its unit."""

    name: str
    sense: Literal["min", "max"] = "min"
    unit: str = ""
    description: str = ""


@dataclass(frozen=True)
class Violation:
    """One broken rule: which rule, and a sentence that names the culprits."""

    rule: str
    message: str


@dataclass(frozen=True)
class Objective:
    """The verdict on a solution: every objective's value, and the rules it breaks.

    ``values`` is empty when the solution is infeasible, so that no figure can be read off an invalid solution.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()

    @property
    def feasible(self) -> bool:
        """True if no rule is broken."""
        return not self.violations


@dataclass(frozen=True)
class Reference:
    """A value to measure gaps against, with the kind of claim it is and where it comes from.

    ``bound`` is the best proven bound on the optimum (for a minimised objective a lower bound), None if unknown.
    """

    value: float
    kind: ReferenceKind
    source: str
    bound: float | None = None
