"""Which solutions of a run are drawn, and their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.family import get_family
from ganttlet_agents.evaluation.results import instance_path, solution_path
from ganttlet_agents.evaluation.rows import Row

MAX_BYTES = 1_500_000


def pick_charts(rows: Sequence[Row], count: int) -> list[Row]:
    """Return up to ``count`` rows: the best and the worst solution of instances spread over the run."""
    by_digest: dict[str, list[Row]] = {}
    for row in rows:
        if row.value is not None:
            by_digest.setdefault(row.digest, []).append(row)
    pairs = []
    for members in by_digest.values():
        ordered = sorted(members, key=_badness)
        differ = ordered[0].value != ordered[-1].value
        pairs.append([ordered[0], ordered[-1]] if differ else [ordered[0]])
    instances = min(len(pairs), max(1, count // 2))
    spread = sorted({round(index) for index in np.linspace(0, len(pairs) - 1, instances)}) if pairs else []
    return [row for index in spread for row in pairs[index]][:count]


def _badness(row: Row) -> float:
    value = row.value or 0.0
    return value if row.sense == "min" else -value


def render_charts(folder: Path, rows: Sequence[Row], limit: int = MAX_BYTES) -> tuple[list[str], int]:
    """Return figures of the rows' solutions, and how many were left out to stay below ``limit`` bytes."""
    figures: list[str] = []
    size = left_out = 0
    for row in rows:
        family = get_family(row.family)
        value = row.value or 0.0
        caption = f"{row.instance}: {row.method}, {row.objective} {value:.{10 if value.is_integer() else 5}g}"
        if row.gap is not None:
            caption += f", gap {100 * row.gap:.2f} %"
        try:
            instance = family.instance.load(instance_path(folder, row.digest))
            solution = family.solution.load(solution_path(folder, row.key))
            picture = family.picture(instance, solution, caption)
        except InputError as error:
            figures.append(f'<p class="note">{escape(f"{caption}: no picture, {error}")}</p>')
            continue
        weight = len(picture.encode("utf-8"))
        if size + weight > limit:
            left_out += 1
            continue
        size += weight
        figures.append(f'<figure class="picture"><div class="card">{picture}</div></figure>')
    return figures, left_out
