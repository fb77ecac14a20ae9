"""What is searched: the distribution of each setting, as plain YAML says it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ganttlet.core.errors import InputError
from ganttlet_agents.settings import build

KINDS = {
    "uniform": "[low, high], a number",
    "log": "[low, high], a number whose logarithm is uniform",
    "int": "[low, high], a whole number, both ends included",
    "log_int": "[low, high], a whole number whose logarithm is uniform",
    "choice": "[one, other, …], one of these",
}


@dataclass(frozen=True)
class Numbers:
    """The ends of a range of numbers."""

    low: float
    high: float


@dataclass(frozen=True)
class WholeNumbers:
    """The ends of a range of whole numbers."""

    low: int
    high: int


@dataclass(frozen=True)
class Distribution:
    """How a setting is drawn.

    Fields:
        kind: one of KINDS.
        values: the choices, or the two ends of a range.
    """

    kind: str
    values: tuple[Any, ...]

    def suggest(self, trial: Any, name: str) -> Any:
        """Return what an Optuna trial suggests."""
        if self.kind == "choice":
            # By its place, since Optuna takes only texts and numbers for choices.
            return self.values[trial.suggest_categorical(name, list(range(len(self.values))))]
        draw = trial.suggest_int if self.kind in ("int", "log_int") else trial.suggest_float
        return draw(name, *self.values, log=self.kind.startswith("log"))


@dataclass(frozen=True)
class Space:
    """The search space as Optuna asks for it: a function of its trial."""

    distributions: Mapping[str, Distribution]

    def __call__(self, trial: Any) -> dict[str, Any]:
        """Return the number of the setting, and its values."""
        drawn = {name: one.suggest(trial, name) for name, one in self.distributions.items()}
        return {SETTING: trial.number, **drawn}


SETTING = "setting"
"""Under what name a setting's number stands beside its values."""


def read_distribution(data: Any, where: str) -> Distribution:
    """Return the distribution of a mapping such as ``{log: [1e-4, 1e-2]}``.

    Raises:
        InputError: naming ``where`` and what was expected.
    """
    if not isinstance(data, Mapping) or len(data) != 1 or next(iter(data)) not in KINDS:
        forms = ", ".join(
            f"{kind}: {values.partition(', a')[0].partition(', one')[0]}" for kind, values in KINDS.items()
        )
        raise InputError(f"{where}: expected one of {{{forms}}}, got {data!r}")
    ((kind, values),) = data.items()
    where = f"{where}: {kind}"
    if not isinstance(values, list | tuple):
        raise InputError(f"{where}: expected a list, got {values!r}")
    if kind == "choice":
        if len(values) < 2 or any(one in values[:at] for at, one in enumerate(values)):
            raise InputError(f"{where}: expected at least two values, none of them twice, got {values!r}")
        return Distribution(kind, tuple(values))
    if len(values) != 2:
        raise InputError(f"{where}: expected the two ends of a range, got {values!r}")
    ends: Any = build(
        WholeNumbers if kind in ("int", "log_int") else Numbers, dict(zip(("low", "high"), values, strict=True)), where
    )
    if not (ends.low < ends.high and math.isfinite(ends.low) and math.isfinite(ends.high)):
        raise InputError(f"{where}: expected a low end below the high end, both finite, got {values!r}")
    if kind.startswith("log") and ends.low <= 0:
        raise InputError(f"{where}: expected ends above 0, got {values!r}")
    return Distribution(kind, (ends.low, ends.high))
