"""Proven bounds of instances: files of them, and what a method reaches of a bound on a maximised objective."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.family import Family
from ganttlet_agents.evaluation.rows import Row, Sense, claimed_bound, difference_of

COLUMNS = ("digest", "objective", "bound", "source")


@dataclass(frozen=True)
class KnownBound:
    """A proven bound on the optimum, in the objective's unit, and where it is from."""

    value: float
    source: str


Bounds = Mapping[tuple[str, str], KnownBound]


def load_bounds(path: Path, family: Family) -> Bounds:
    """Read a CSV file of bounds: ``digest``, ``objective``, ``bound``, ``source``; further columns are remarks.

    Args:
        path: the file, UTF-8, with a line of column names.
        family: whose objectives are meant.

    Returns:
        (digest of the instance, objective) -> its bound.

    Raises:
        InputError: naming the file and line: if a column is missing, an objective is unknown, a bound is no finite
            number, or an instance has two bounds on one objective.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"bounds: {path}: cannot be read: {error}") from None
    reader = csv.DictReader(io.StringIO(text))
    for name in COLUMNS:
        if name not in (reader.fieldnames or ()):
            raise InputError(f"bounds: {path}: column {name!r} is missing; expected {', '.join(COLUMNS)}")
    found: dict[tuple[str, str], KnownBound] = {}
    for row in reader:
        where = f"bounds: {path}, line {reader.line_num}"
        if any(not row[name] for name in COLUMNS):
            raise InputError(f"{where}: expected a value in each of {', '.join(COLUMNS)}")
        check_choice(f"{where}: objective", row["objective"], family.objectives)
        key = row["digest"], row["objective"]
        if key in found:
            raise InputError(f"{where}: a second bound on {row['objective']} of instance {row['digest']}")
        found[key] = KnownBound(_number(row["bound"], where), row["source"])
    return found


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{where}: bound is {text!r}; expected a finite number")
    return value


def tighter(first: float | None, second: float | None, sense: Sense) -> float | None:
    """Return the tighter of two bounds on an optimum, either of which may be None."""
    if first is None or second is None:
        return second if first is None else first
    # The worse value says more: a bound is never worse than the optimum.
    return first if difference_of(first, second, sense) > 0 else second


def shares_of_bound(rows: Sequence[Row]) -> dict[str, float]:
    """Return row key -> value / bound of the instance, for rows of maximised objectives whose bound is known.

    The bound is the tightest of those known before the run and those that methods proved in it, so rows of one
    instance are measured by one bound. There is no share without a value, or of a bound that is not positive.
    """
    bounds: dict[tuple[str, str], float | None] = {}
    for row in rows:
        if row.sense == "max":
            key = row.digest, row.objective
            for bound in (row.reference_bound, claimed_bound(row)):
                bounds[key] = tighter(bounds.get(key), bound, row.sense)
    found = {}
    for row in rows:
        bound = bounds.get((row.digest, row.objective))
        if row.value is not None and bound is not None and bound > 0.0:
            found[row.key] = row.value / bound
    return found
