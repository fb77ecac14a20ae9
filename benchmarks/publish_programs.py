"""The tables of docs/programs.md, written by publish.py from benchmarks/results/memory_programs.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
Table = Callable[[Sequence[str], Sequence[Sequence[object]]], str]
COUNTS = ("instructions", "slots", "Gflop", "MiB before the start", "MiB moved")


def read() -> dict[str, Any]:
    """Return the content of the result file."""
    result: dict[str, Any] = json.loads((RESULTS / "memory_programs.json").read_text(encoding="utf-8"))
    return result


def programs(table: Table) -> str:
    """Return what the shipped programs are, and what extracting them takes."""
    data = read()
    lines = [
        [f"`{name}`", *(f"{row[key]:,}" for key in COUNTS), f"{row['seconds']:.1f}", row["peak MiB"]]
        for name, row in data["programs"].items()
    ]
    words = (
        "Gflop are of the matrix unit; *before the start* are parameters, inputs and constants. Seconds are processor "
        "time of the extraction on one thread, without importing PyTorch; *MiB held* is the most memory of the process."
    )
    head = ["program", *COUNTS, "s", "MiB held"]
    return f"{table(head, lines)}\n\n{words} Made by `{data['command']}` on {data['machine']}."


def cosma(table: Table) -> str:
    """Return the budgets of image networks."""
    data = read()
    lines = [
        [f"`{name}`", kind, *(f"{value:,.0f}" for value in values)]
        for name, rows in data["COSMA, KiB: largest operator, peak"].items()
        for kind, values in rows.items()
    ]
    return f"{table(['network', 'counted', 'largest, KiB', 'peak, KiB'], lines)}\n\nMade by `{data['command']}`."


def regions(table: Table) -> dict[tuple[str, str], Callable[[], str]]:
    """Return (page, region) -> its content."""
    page = "docs/programs.md"
    return {(page, "memory_programs"): lambda: programs(table), (page, "memory_cosma"): lambda: cosma(table)}
