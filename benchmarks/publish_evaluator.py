"""The table of what the evaluator costs, written into the pages by publish.py from results/evaluator.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

RESULT = Path(__file__).parent / "results" / "evaluator.json"
Table = Callable[[Sequence[str], Sequence[Sequence[object]]], str]
COLUMNS = ("rows", "bare loop, ms a row", "evaluator, ms a row", "overhead, ms a row", "overhead, %")


def overhead(table: Table) -> str:
    """Return what a row costs beside its method, and what of that is what."""
    found: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))
    head = ["run", *COLUMNS, "least … most", "ms of the processor"]
    rows = []
    for name, run in found["runs"].items():
        least, most = run["overhead, least and most"]
        spread = f"{least:.2f} … {most:.2f}"
        cells = [run["rows"], *(f"{run[column]:.2f}" for column in COLUMNS[1:])]
        rows.append([name, *cells, spread, f"{run['overhead, ms of the processor']:.2f}"])
    parts = ", ".join(f"{name} {value:.2f}" for name, value in found["ms of a row on ta01"].items())
    load = f"load {found['load'][0]}, " if found["load"] else ""
    made = (
        f"Made by `{found['command']}` on {found['device']}, PyTorch {found['versions']['torch']}; {load}scheduled "
        f"{found['scheduling']}; medians of {found['repeats']} repeats."
    )
    return f"{table(head, rows)}\n\nMilliseconds of a row on ta01, each by itself: {parts}.\n\n{made}"


def regions(table: Table) -> dict[tuple[str, str], Callable[[], str]]:
    """Return (page, region) -> what stands there."""
    return {("docs/benchmarks.md", "evaluator"): lambda: overhead(table)}
