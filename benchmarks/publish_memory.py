"""The tables of memory mapping, written into the pages by publish.py from benchmarks/results/memory_*.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from math import exp, log
from pathlib import Path
from statistics import mean
from typing import Any

RESULTS = Path(__file__).parent / "results"
Table = Callable[[Sequence[str], Sequence[Sequence[object]]], str]
NONE = "Not measured yet."


def read(name: str) -> dict[str, Any] | None:
    """Return the content of benchmarks/results/memory_NAME.json, None if it is not there."""
    path = RESULTS / f"memory_{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def quality(table: Table) -> str:
    """Return speed-ups by program and method, with either size of fast memory, and their geometric means."""
    data = read("quality")
    if data is None:
        return NONE
    parts = []
    for group in dict.fromkeys(row["group"] for row in data["rows"]):
        rows = [row for row in data["rows"] if row["group"] == group]
        names = list(rows[0]["speedup"])
        lines = [
            [
                f"`{row['program']}`", row["slots"], f"{row['all_slow']:,.0f}",
                *(" / ".join(f"{value:.3f}" for value in sorted(set(row["speedup"][name]))) for name in names),
                f"{row['bound']:.3f}",
            ]
            for row in rows
        ]  # fmt: skip
        means = [exp(mean(log(mean(row["speedup"][name])) for row in rows)) for name in names]
        bound = exp(mean(log(row["bound"]) for row in rows))
        lines.append(["geometric mean", "", "", *(f"**{value:.3f}**" for value in means), f"{bound:.3f}"])
        head = [f"speed-up, {group}", "slots", "all slow, µs", *(f"`{name}`" for name in names), "all fast"]
        parts.append(table(head, lines))
    words = (
        "*All fast* ignores the size of fast memory and all copies: no mapping is faster. The search has three runs."
    )
    return "\n\n".join([*parts, f"{words} Made by `{data['command']}` on {data['device']}."])


def policies(table: Table) -> str:
    """Return geometric means of trained runs beside those of rules and the search, with either size of fast memory."""
    data = read("quality")
    if data is None or "policies" not in data["rows"][0]:
        return NONE
    rows = data["rows"]
    groups = list(dict.fromkeys(row["group"] for row in rows))
    found: dict[str, list[str]] = {}
    for kind in ("speedup", "policies"):
        for name in rows[0][kind]:
            values = {group: [row[kind][name] for row in rows if row["group"] == group] for group in groups}
            found[name] = [
                f"{exp(mean(log(mean([one] if kind == 'policies' else one)) for one in values[group])):.3f}"
                for group in groups
            ]
    lines = [[f"`{name}`", *means] for name, means in found.items()]
    made = f"Made by `{data['command']}` and `{data['command']} --policies RUN` on {data['device']}."
    return "\n\n".join([table(["geometric mean of 12 programs", *groups], lines), made])


def engine(table: Table) -> str:
    """Return decisions per second, and what a slot costs in longer programs."""
    data = read("engine")
    if data is None:
        return NONE
    programs = data["programs"]
    kinds = list(next(iter(programs.values()))["decisions/s"])
    lines = [[kind, *(f"{part['decisions/s'][kind] / 1e6:.2f} M" for part in programs.values())] for kind in kinds]
    longer = [
        [name, *(f"{one['kernel']} / {one['with observation, batch of 8']:,}" for one in part)]
        for name, part in data["nanoseconds per slot, against"].items()
    ]
    lengths = next(iter(data["nanoseconds per slot, against"].values()))
    head = ["ns per slot: kernel / with observation", *(f"about {one['slots']:,} slots" for one in lengths)]
    copies = [
        [name, *(part["window"][key] for key in ("copy", "snapshot", "restore"))]
        for name, part in data["microseconds per row"].items()
    ]
    made = f"Made by `{data['command']}` on {data['machine']}."
    return "\n\n".join([
        table(["decisions/s", *(f"{name}, {part['slots']} slots" for name, part in programs.items())], lines),
        table(head, longer),
        table(["µs per row, state and observation", "copy", "snapshot", "restore"], copies),
        made,
    ])  # fmt: skip


def regions(table: Table) -> dict[tuple[str, str], Callable[[], str]]:
    """Return (page, region) -> its content."""
    return {
        ("docs/environments/memory_mapping.md", "memory_quality"): lambda: quality(table),
        ("docs/environments/memory_mapping.md", "memory_policies"): lambda: policies(table),
        ("docs/benchmarks.md", "memory_engine"): lambda: engine(table),
    }
