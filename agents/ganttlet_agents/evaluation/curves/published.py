"""Published points: ``configs/curves/reference/NAME.csv``, each with how it was read and where."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from ganttlet.core.errors import InputError, check_choice
from ganttlet_agents.config import config_root
from ganttlet_agents.evaluation.curves.points import Point

MARKS = {
    "read": "printed in the source",
    "read-2nd": "printed, read at second hand",
    "digitised": "read off a figure",
    "stored": "stored in their repository",
    "run": "their public code, run",
}
NEEDED = ("method", "mark", "source")


def load_published(names: Sequence[str]) -> list[Point]:
    """Return the points of reference files; ``mark`` and ``source`` are among a point's places.

    A file has the columns ``method``, ``mark`` (one of MARKS), ``source``, and one for each axis, named as ours; a cell
    may be empty.

    Raises:
        InputError: naming the file and line.
    """
    points = []
    for name in names:
        where = f"configs/curves/reference/{name}.csv"
        try:
            text = config_root().joinpath("curves", "reference", f"{name}.csv").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"reference: {where}: cannot be read: {error}") from None
        reader = csv.DictReader(io.StringIO(text))
        for column in NEEDED:
            if column not in (reader.fieldnames or ()):
                raise InputError(f"reference: {where}: column {column!r} is missing")
        marks: dict[str, str] = {}
        for row in reader:
            line = f"reference: {where}, line {reader.line_num}"
            if None in row or any(value is None for value in row.values()):
                raise InputError(f"{line}: expected {len(reader.fieldnames or ())} cells")
            check_choice(f"{line}: mark", row["mark"], MARKS)
            if not row["source"]:
                raise InputError(f"{line}: source is empty")
            places: dict[str, Any] = {"mark": row["mark"], "source": row["source"]}
            means = {}
            for column, cell in row.items():
                if column in NEEDED or not cell:
                    continue
                number = _number(cell)
                if number is None:
                    places[column] = cell
                else:
                    means[column] = number
            # A method of two origins is two lines: what the file gives first keeps its name, the other is "ETF (run)".
            first = marks.setdefault(row["method"], row["mark"])
            named = row["method"] if row["mark"] == first else f"{row['method']} ({row['mark']})"
            points.append(Point(named, places, 0, means))
    return points


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
