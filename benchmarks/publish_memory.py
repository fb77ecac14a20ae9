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
PAGE = "docs/environments/memory_mapping.md"


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
    runs = max(len(values) for row in data["rows"] for values in row["speedup"].values())
    words = (
        "*All fast* ignores the size of fast memory and all copies: no mapping is faster. "
        f"Each search has {runs} runs, shown where they differ."
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
    made = (
        f"Made by `{data['command']}` and `python benchmarks/memory_quality.py --policies RUN …` on {data['device']}."
    )
    return "\n\n".join(
        [table([f"geometric mean of {len({row['program'] for row in rows})} programs", *groups], lines), made]
    )


HARDWARE = {"tpu_v4i_like": "128 MiB", "tight": "32 MiB"}


def optimum(table: Table) -> str:
    """Return the best speed-up and the proven bound of each shipped program, with either size of fast memory."""
    data = read("optimum")
    if data is None:
        return NONE
    rows = {(row["program"], row["hardware"]): row for row in data["rows"]}
    lines = [
        [
            f"`{name}`",
            *(f"{rows[name, kind]['speedup']:.4f} / {rows[name, kind]['speedup_bound']:.4f}" for kind in HARDWARE),
        ]
        for name in dict.fromkeys(program for program, _ in rows)
        if all((name, kind) in rows for kind in HARDWARE)
    ]
    head = ["speed-up found / proven bound", *HARDWARE.values()]
    return "\n\n".join([table(head, lines), f"Made by `{data['command']}` on {data['device']}."])


def dead_ends(table: Table) -> str:
    """Return means of the reserved game and of the one with dead ends, with and without backup."""
    data = read("dead_ends")
    if data is None:
        return NONE
    games = {
        "reserved": "reserved", "backup": "dead ends, backup", "no_backup": "no backup",
        "reserved_reserve": "reserved, `reserve`", "backup_reserve": "dead ends, backup, `reserve`",
        "no_backup_reserve": "no backup, `reserve`",
    }  # fmt: skip
    lines = []
    for player, group in dict.fromkeys((row["player"], row["group"]) for row in data["rows"]):
        own = [row for row in data["rows"] if (row["player"], row["group"]) == (player, group)]
        cells = []
        for game in games:
            found = [row[game] for row in own]
            if game.startswith("no_backup"):
                cells.append(f"{100 * mean(one['failed'] for one in found):.0f} % fail")
                continue
            speedup = exp(mean(log(one["speedup"]) for one in found))
            backups = mean(one["backups"] for one in found)
            cells.append(f"{speedup:.3f}" + (f" ({backups:.0f})" if game.startswith("backup") else ""))
        lines.append([f"{player}, {group}", *cells])
    words = "In brackets backups per episode; speed-ups are geometric means."
    return "\n\n".join([
        table(["play", *games.values()], lines),
        f"{words} Made by `{data['command']}` on {data['device']}.",
    ])  # fmt: skip


BYTES = {
    "stream": "`solver:cosma:stream=true`",
    "cosma": "`solver:cosma`",
    "evolution": "evolution",
    "belady": "`rule:belady`",
    "greedy": "`rule:greedy`",
    "msa_best": "`rule:msa_best`",
}


def bytes_moved(table: Table) -> str:
    """Return non-compulsory MiB at three budgets, of the schemes."""
    data = read("bytes")
    if data is None:
        return NONE
    lines = []
    for row in data["rows"]:
        for budget in ("M_R", "M_H", "M_P"):
            found = row[budget]
            if "same_as" in found:
                continue
            proved = found["stream"].get("optimal", False)
            lines.append([
                f"`{row['program']}`, {row['part']}", budget, f"{found['capacity'] / 2**20:.1f}",
                *(_mib(found.get(name)) + (" proved" if name == "stream" and proved else "") for name in BYTES),
            ])  # fmt: skip
    head = ["non-compulsory MiB", "budget", "MiB of it", *BYTES.values()]
    return "\n\n".join([table(head, lines), f"Made by `{data['command']}` on {data['device']}."])


def _mib(found: dict[str, Any] | None) -> str:
    return "" if found is None or found.get("bytes") is None else f"{found['bytes'] / 2**20:.1f}"


def agents(table: Table) -> str:
    """Return geometric means of policies and of the evolutionary search at equal steps and at equal seconds."""
    data = read("agents")
    if data is None:
        return NONE
    rows = data["rows"]
    ways = [key for key in rows[0] if isinstance(rows[0][key], dict) and ": evolution" not in key]
    groups = list(dict.fromkeys(row["group"] for row in rows))
    lines = []
    for run in dict.fromkeys(row["run"] for row in rows):
        own = [row for row in rows if row["run"] == run]
        for way in ways:
            for key, name in (
                (way, f"`{run}`, {way}"),
                (f"{way}: evolution, equal steps", "evolution, as many steps"),
                (f"{way}: evolution, equal seconds", "evolution, as many seconds"),
            ):
                steps, seconds = mean(row[key]["steps"] for row in own), mean(row[key]["seconds"] for row in own)
                lines.append(
                    [
                        name,
                        *_means(own, groups, lambda row, key=key: row[key]["speedup"]),
                        f"{steps:,.0f}",
                        f"{seconds:.2f}",
                    ]
                )
    for rule in ("rule:greedy", "rule:msa_best"):
        own = [row for row in rows if row["run"] == rows[0]["run"]]
        lines.append([f"`{rule}`", *_means(own, groups, lambda row, rule=rule: row[rule]), "", ""])
    head = ["geometric mean of speed-ups", *groups, "steps", "s"]
    made = f"Steps and seconds are means of a program. Made by `{data['command']}` on {data['device']}."
    return "\n\n".join([table(head, lines), made])


def _means(rows: Sequence[dict[str, Any]], groups: Sequence[str], of: Callable[[dict[str, Any]], float]) -> list[str]:
    return [f"{exp(mean(log(of(row)) for row in rows if row['group'] == group)):.3f}" for group in groups]


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
        (PAGE, "memory_quality"): lambda: quality(table),
        (PAGE, "memory_policies"): lambda: policies(table),
        (PAGE, "memory_optimum"): lambda: optimum(table),
        (PAGE, "memory_dead_ends"): lambda: dead_ends(table),
        (PAGE, "memory_bytes"): lambda: bytes_moved(table),
        (PAGE, "memory_agents"): lambda: agents(table),
        ("docs/benchmarks.md", "memory_engine"): lambda: engine(table),
    }
