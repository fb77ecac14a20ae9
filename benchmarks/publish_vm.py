"""The tables of VM rescheduling, written into the pages by publish.py from benchmarks/results/vm_*.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

RESULTS = Path(__file__).parent / "results"
SHORT = (
    "rule:ha", "rule:greedy", "rule:potential", "rule:potential:best_of=60", "policy:vm_rescheduling",
    "policy:vm_rescheduling:samples=32", "solver:cpsat:time=60",
)  # fmt: skip
RUNS = ("quick", "imitation", "ppo", "standard", "pointer")
ROWS = {
    "quick": "preset `quick`",
    "imitation": "imitation only",
    "ppo": "PPO only",
    "standard": "imitation + PPO",
    "pointer": "imitation + PPO, encoder `pointer`",
}
Table = Callable[[Sequence[str], Sequence[Sequence[object]]], str]


def load(name: str) -> Any:
    """Return one result file, or None if it has not been made."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def rows_of(suite: str) -> list[dict[str, Any]]:
    """Return the rows of a suite in vm_quality.json, the least fragment rate last."""
    data = load("vm_quality") or {"rows": []}
    return sorted((row for row in data["rows"] if row["suite"] == suite), key=lambda row: -row["fr16"])


def cells(row: dict[str, Any], total: bool) -> list[str]:
    """Return the figures of a row."""
    closed = "" if "closed" not in row else f"{100 * row['closed']:.0f} %"
    below = [f"{row[key]}/{row['instances']}" if key in row else "" for key in ("below rule:ha", "below rule:greedy")]
    figures = [f"{row['fr16']:.4f}", f"{row['n16']:.1f}", f"{row['moves']:.1f}", f"{row['seconds']:.3g}", closed]
    return [*figures, *below] if total else figures


def names(row: dict[str, Any]) -> str:
    return f"`{row['method']}`"


def quality(table: Table, methods: Sequence[str] | None = None, suite: str = "vm_h") -> str:
    """Return the table of methods on a suite."""
    rows = [row for row in rows_of(suite) if "runs/" not in row["method"] and (not methods or row["method"] in methods)]
    if not rows:
        return "Not measured yet."
    head = ["method", "FR16", "N16", "moves", "s", "way closed", "below HA", "below greedy"]
    words = f"Start: FR16 {rows[0]['start']:.4f}, mean of {rows[0]['instances']} clusters."
    if any("reference" in row for row in rows):
        best = next(row["reference"] for row in rows if "reference" in row)
        words += f" Proven optimum (below): {best:.4f}."
    made = f"Made by `python benchmarks/vm_quality.py METHOD --suite {suite}` on {rows[0]['device']}."
    return "\n\n".join([table(head, [[names(row), *cells(row, True)] for row in rows]), words, made])


def snapshots(table: Table) -> str:
    """Return the table of methods on the raw snapshots, by migration limit."""
    rows = []
    for suite, what in (("vm_medium", "Medium"), ("vm_large", "Large")):
        for row in rows_of(suite):
            shown = [f"{value:.4f}" for value in row["values"].values()]
            rows.append([what, names(row), " / ".join(shown), f"{row['seconds']:.3g}"])
    if not rows:
        return "Not measured yet."
    limits = {
        suite: " / ".join(key.rsplit("mnl=", 1)[-1] for key in row["values"])
        for suite in ("vm_medium", "vm_large")
        for row in rows_of(suite)[:1]
    }
    words = "; ".join(f"{suite}: MNL {text}" for suite, text in limits.items())
    made = "Made by `python benchmarks/vm_quality.py METHOD --suite vm_medium` (`vm_large`)."
    return "\n\n".join([table(["snapshot", "method", "FR16 by MNL", "s"], rows), f"Limits: {words}. {made}"])


def optima(table: Table) -> str:
    """Return the table of proven optima, by column generation and by CP-SAT on the aggregated model."""
    rows, made = [], []
    for name, what in (("vm_references", "`solver:columns`"), ("vm_cpsat", "`solver:cpsat`")):
        data = load(name)
        if not data:
            continue
        made.append(f"`{data['command']}`")
        for row in data["rows"]:
            if row["suite"] != "vm_h":
                rows.append([row["name"], what, f"{row['value']:.4f}", f"{row['n16']:.0f}", f"{row['bound']:.4f}",
                             "yes" if row["optimal"] else "no", f"{row['seconds']:.3g}"])  # fmt: skip
        own = [row for row in data["rows"] if row["suite"] == "vm_h"]
        if own:
            proved = sum(row["optimal"] for row in own)
            rows.append(
                [f"level H, {len(own)} seeds, MNL 50: mean", what, f"{mean(row['value'] for row in own):.4f}",
                 f"{mean(row['n16'] for row in own):.1f}", f"{mean(row['bound'] for row in own):.4f}",
                 f"{proved} of {len(own)}", f"{mean(row['seconds'] for row in own):.3g}"]
            )  # fmt: skip
    if not rows:
        return "Not measured yet."
    words = f"Seconds: median of three runs on two cores. Made by {' and '.join(made)}."
    return "\n\n".join([table(["instance", "solver", "FR16", "N16", "bound", "proved", "s"], rows), words])


def policies(table: Table) -> str:
    """Return the four rows at equal time, by every seed, and the teacher."""
    rows = []
    for row in rows_of("vm_h"):
        if row["method"] == "rule:potential":
            rows.append(["teacher", "", "", names(row), *cells(row, True)])
    for kind in RUNS:
        for row in sorted(rows_of("vm_h"), key=lambda one: str(one["method"])):
            parts = row["method"].split(":")
            run = parts[1] if len(parts) > 1 else ""
            name = run.rsplit("/", 1)[-1]
            if "runs/" in run and name.rsplit("-", 1)[0] == kind:
                decode = ":".join(parts[2:]) or "greedy"
                played = row.get("training", {}).get("run decisions")
                shown = "" if played is None else f"{played:,}"
                rows.append([ROWS[kind], name.rsplit("-", 1)[1], shown, decode, *cells(row, True)])
    if len(rows) < 2:
        return "Not measured yet."
    head = [
        "row",
        "seed",
        "decisions trained",
        "decoding",
        "FR16",
        "N16",
        "moves",
        "s",
        "way closed",
        "below HA",
        "below greedy",
    ]
    by_kind = {kind: [float(row[4]) for row in rows if row[0] == ROWS[kind] and row[3] == "greedy"] for kind in RUNS}
    means = "; ".join(f"{ROWS[kind]} {mean(found):.4f}" for kind, found in by_kind.items() if found)
    made = "Made by `python benchmarks/vm_quality.py runs/vm_rescheduling/NAME`; training commands stand above."
    return "\n\n".join([table(head, rows), f"Means over the seeds, greedy: {means}. {made}"])


def engine(table: Table) -> str:
    """Return the engine's speed."""
    data = load("vm_engine")
    if not data:
        return "Not measured yet."
    rows = []
    for name, row in data["clusters"].items():
        rate = row["steps/s"]
        slow = [f"{rate['slow twin']:,.2g}", f"{row['live / slow twin']:,} ×"] if "slow twin" in rate else ["", ""]
        figures = [f"{rate[key]:,.0f}" for key in ("live", "copies", "live, merge", "live, gains")]
        size = f"{row['bytes of a row'] / 1000:.0f} KB"
        rows.append([f"{name}: {row['hosts']} hosts, {row['VMs']} VMs", size, *figures, *slow])
    head = ["cluster", "a row", "live", "copies", "live, `merge`", "live, `gains`", "slow twin", "live ÷ twin"]
    memory = data.get("256 x Large, MiB")
    words = "" if not memory else f"256 environments of Large: {memory['environments']:,.0f} MiB. "
    return "\n\n".join([table(head, rows), f"{words}Made by `{data['command']}` on {data['machine']}."])


def regions(table: Table) -> dict[tuple[str, str], Callable[[], str]]:
    """Return (page, region) -> its content."""
    return {
        ("README.md", "vm"): lambda: quality(table, SHORT),
        ("docs/results.md", "vm_h"): lambda: quality(table),
        ("docs/results.md", "vm_snapshots"): lambda: snapshots(table),
        ("docs/results.md", "vm_optima"): lambda: optima(table),
        ("docs/results.md", "vm_policies"): lambda: policies(table),
        ("docs/benchmarks.md", "vm_engine"): lambda: engine(table),
    }
