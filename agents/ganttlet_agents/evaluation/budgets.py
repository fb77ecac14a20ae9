"""One budget for every method that can be limited so, and what each has used of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ganttlet.core.errors import InputError, check_choice
from ganttlet_agents.evaluation.rows import Row

KINDS = ("seconds", "decisions", "steps")
# What rows tell of it.
USED = {"seconds": "seconds", "decisions": "decisions", "steps": "simulated"}


def check_budget(value: Any, what: str) -> dict[str, float]:
    """Return a budget of plain data: kind -> limit, whole numbers apart from seconds.

    Raises:
        InputError: naming ``what``, for an unknown kind or a limit that is none.
    """
    if not isinstance(value, Mapping) or not value:
        raise InputError(f"{what}: got {value!r}; expected limits such as seconds: 5, of {', '.join(KINDS)}")
    found = {}
    for kind, limit in value.items():
        check_choice(what, kind, KINDS)
        number = isinstance(limit, int | float) and not isinstance(limit, bool)
        if not number or not 0 < limit < float("inf") or (kind != "seconds" and limit != int(limit)):
            wanted = "a number" if kind == "seconds" else "a whole number"
            raise InputError(f"{what}: {kind} is {limit!r}; expected {wanted} greater than 0")
        found[str(kind)] = float(limit) if kind == "seconds" else int(limit)
    return found


def read_budget(words: Iterable[str], what: str) -> dict[str, float]:
    """Return the budget written as ``seconds=5``, several as several words; raises InputError naming ``what``."""
    found: dict[str, float] = {}
    for word in words:
        kind, _, text = word.partition("=")
        if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", text):
            raise InputError(f"{what}: cannot read {word!r}; expected for example seconds=5, of {', '.join(KINDS)}")
        if kind in found:
            raise InputError(f"{what}: {kind} is given twice")
        found[kind] = float(text) if "." in text else int(text)
    return check_budget(found, what)


def budget_lines(meta: Mapping[str, Any], rows: Sequence[Row]) -> list[str]:
    """Return a sentence per kind of budget: whom it limits, whom not, and the most that each used for a row.

    Args:
        meta: of the result folder; without a budget there are no sentences.
        rows: its rows.
    """
    budget = meta["suite"].get("budget", {})
    lines = []
    for kind, limit in budget.items():
        limited: list[str] = []
        free: list[str] = []
        for method in meta["methods"]:
            used = [getattr(row, USED[kind]) for row in rows if row.method == method["label"] and row.error is None]
            # 0 decisions or steps: the method does not count them.
            most = f"at most {max(used):.4g}" if used and max(used) > 0 else "use unknown"
            (limited if kind in method.get("budget", {}) else free).append(f"{method['label']} ({most})")
        parts = [
            f"{what} {', '.join(names)}" for what, names in (("limits", limited), ("does not limit", free)) if names
        ]
        lines.append(f"Budget of {limit:g} {kind} a row: {'; '.join(parts)}.")
    return lines
