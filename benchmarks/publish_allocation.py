"""The tables of memory allocation, written into the pages by publish.py from benchmarks/results/allocation.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).parent / "results"
Table = Callable[[Sequence[str], Sequence[Sequence[object]]], str]
PAGE = "docs/environments/memory_allocation.md"
SHOWN = ("size", "area", "lifetime", "start", "lowest")


def part_of(name: str) -> dict[str, Any] | None:
    """Return one part of allocation.json, None if it is not there."""
    path = RESULTS / "allocation.json"
    part: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")).get(name) if path.is_file() else None
    return part


def not_measured(name: str) -> str:
    """What stands in place of a part that is not there."""
    return f"Not measured yet: `python benchmarks/allocation.py {name}`, then `python benchmarks/publish.py`."


def made_by(part: dict[str, Any]) -> str:
    """Return the command, the machine and how loaded it was."""
    load = f", load before {part['load before'][0]:.1f}" if part["load before"] else ""
    return f"Made by `{part['command']}` on {part['machine']}{load}."


def rules(table: Table) -> str:
    """Return height / load of orders on the published problems, the better fit or order of ties of each."""
    part = part_of("rules")
    if part is None:
        return not_measured("rules")
    lines = []
    for row in part["rows"]:
        ratios = row["height / load"]
        best = [min(value for key, value in ratios.items() if key.startswith(f"{name}:")) for name in SHOWN]
        cells = [*best, ratios["best_of_all"]]
        lines.append([f"`{row['name']}`", row["buffers"], *(f"{value:.3f}" for value in cells)])
    head = ["height / load", "buffers", *(f"`{name}`" for name in SHOWN), "`best_of_all`"]
    words = "The better fit of each order, and the best order of ties of `lowest`."
    return f"{table(head, lines)}\n\n{words} {made_by(part)}"


def solvers(table: Table) -> str:
    """Return what the solvers find and prove on the published problems, and when."""
    part = part_of("solvers")
    if part is None:
        return not_measured("solvers")
    lines = []
    for row in part["rows"]:
        found, (cpsat,) = row["minimal"], row["cpsat"]
        done = sum(one["status"] == "optimal" for one in found)
        times = sorted(one["seconds"] for one in found)
        shown = f"{median(times):.2f} ({times[0]:.2f} … {times[-1]:.2f})"
        ratios = sorted({f"{one['height'] / row['load']:.3f}" for one in found})
        lines.append([
            f"`{row['name']}`", row["buffers"], " / ".join(ratios), f"{done} of {len(found)}", shown,
            f"{median(one['decisions'] for one in found):,.0f}",
            f"{cpsat['height'] / row['load']:.3f}", cpsat["status"],
            f"{cpsat['seconds']:.1f} ({cpsat['processor seconds']:.1f})",
        ])  # fmt: skip
    head = ["height / load", "buffers", "`minimal`", "proven least", "s, median (range)", "decisions, median",
            "`cpsat`", "status", "s (of processor)"]  # fmt: skip
    words = (
        f"At most {part['time limit']:g} s of wall-clock time each; `minimal` on one thread, a run per seed, `cpsat` "
        f"with {part['workers of cpsat']} threads; in brackets the processor's time of them all, "
        "which is less where other programs shared the machine."
    )
    return f"{table(head, lines)}\n\n{words} {made_by(part)}"


def policies(table: Table) -> str:
    """Return mean height over the least known, and the share that fits, by method and group of the suites."""
    part = part_of("policies")
    if part is None:
        return not_measured("policies RUN …")
    groups = part["groups"]
    names = list(next(iter(groups.values())))
    names += [name for group in groups.values() for name in group if name not in names]
    lines = [
        [
            f"`{name}`",
            *(
                f"{one['height / best known']:.3f}, {100 * one['fits']:.0f} %" if one else ""
                for one in (group.get(name) for group in groups.values())
            ),
        ]
        for name in dict.fromkeys(names)
    ]
    head = ["height / least known, share that fits", *groups]
    return f"{table(head, lines)}\n\nTrained: {'; '.join(part['trained'])}. {made_by(part)}"


def engine(table: Table) -> str:
    """Return steps per second by problem and observation, beside the slow twin."""
    part = part_of("engine")
    if part is None:
        return not_measured("engine")
    names = list(part["rows"][0]["steps/s"])
    lines = [
        [f"`{row['name']}`", row["buffers"], *(f"{row['steps/s'][name]:,.0f}" for name in names)]
        for row in part["rows"]
    ]
    return f"{table(['steps/s', 'buffers', *names], lines)}\n\nBatch {part['batch']}. {made_by(part)}"


def regions(table: Table) -> dict[tuple[str, str], Callable[[], str]]:
    """Return (page, region) -> its content."""
    return {
        (PAGE, "allocation_rules"): lambda: rules(table),
        (PAGE, "allocation_solvers"): lambda: solvers(table),
        (PAGE, "allocation_policies"): lambda: policies(table),
        ("docs/benchmarks.md", "allocation_engine"): lambda: engine(table),
    }
