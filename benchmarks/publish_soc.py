"""The tables of SoC task graphs, written into the pages by publish.py from benchmarks/results/soc_*.json."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from publish_curves import pointwise

RESULTS = Path(__file__).parent / "results"
Table = Callable[[Sequence[str], Sequence[Sequence[object]]], str]
Row = dict[str, Any]
NONE = "Not measured yet."
SHORT = ("rule:etf", "rule:met", "rule:heft_rt", "rule:heft", "rule:sjf:late=true", "policy:soc_dag")
SHORT_RATES = ("5 jobs/ms", "10 jobs/ms", "15.4 jobs/ms", "20 jobs/ms")
BESIDE_POLICIES = ("rule:heft", "rule:sjf:late=true")
OTHERS = ("soc_noise", "soc_platforms", "soc_without", "soc_alone")
# Without the energy and the noise of the 16-PE chip, of which nothing is published.
COMPARED = ("soc_ds3_12a", "soc_ds3_12b", "soc_il", "soc_scalability", "soc_frequency", "soc_noise_top")


def rows_of(suite: str, runs: bool | None = False) -> dict[str, dict[str, Row]]:
    """Return method -> group -> row of a suite; of run folders, of all else, or (None) of both."""
    path = RESULTS / "soc_quality.json"
    found: dict[str, dict[str, Row]] = {}
    for row in json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []:
        if row["suite"] == suite and (runs is None or ("runs/" in row["method"]) == runs):
            found.setdefault(row["method"], {})[row["group"]] = row
    return found


def difference(row: Row | None, interval: bool = False) -> str:
    """Return a row's difference to ETF in percent, with its interval if asked for."""
    if row is None or "difference" not in row:
        return ""
    value, low, high = row["difference"]
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]" if interval else f"{value:+.1f}"


def made_by(row: Row, suites: str) -> str:
    """Return the command behind a table, and the machine."""
    return f"Made by `python benchmarks/soc_quality.py --suites {suites}` on {row['device']}."


def first_of(rows: Mapping[str, Mapping[str, Row]]) -> Row:
    """Return any row."""
    return next(iter(next(iter(rows.values())).values()))


def mix(table: Table, methods: Sequence[str] | None = None, rates: Sequence[str] | None = None) -> str:
    """Return latency by rate and method, and under it the paired differences to ETF."""
    rows = {name: row for name, row in rows_of("soc_mix").items() if not methods or name in methods}
    if not rows:
        return NONE
    groups = [group for group in rows.get("rule:etf", next(iter(rows.values()))) if not rates or group in rates]
    head = ["mean latency, µs", *groups]
    latency = [
        [f"`{name}`", *(f"{own[group]['latency']:.1f}" if group in own else "" for group in groups)]
        for name, own in rows.items()
    ]
    against = [
        [f"`{name}`", *(difference(own.get(group), interval=True) for group in groups)]
        for name, own in rows.items()
        if name != "rule:etf"
    ]
    parts = [table(head, latency), table(["% against `rule:etf`, 95 %", *groups], against)]
    if not methods:
        carried = [
            [f"`{name}`", *(f"{own[group]['throughput']:.2f}" if group in own else "" for group in groups)]
            for name, own in rows.items()
        ]
        parts.append(table(["completed jobs per ms until the end", *groups], carried))
    count = first_of(rows)["instances"]
    return "\n\n".join([*parts, f"{count} seeds a column. {made_by(first_of(rows), 'soc_mix')}"])


def others(table: Table) -> str:
    """Return the differences to ETF under noise, on other platforms and on other mixes."""
    parts: list[str] = []
    first: Row | None = None
    for suite in OTHERS:
        rows = rows_of(suite)
        if rows:
            first = first_of(rows)
            groups = list(rows.get("rule:etf", next(iter(rows.values()))))
            lines = [
                [f"`{name}`", *(difference(own.get(group)) for group in groups)]
                for name, own in rows.items()
                if name != "rule:etf"
            ]
            base = [f"{rows['rule:etf'][group]['latency']:.1f}" for group in groups] if "rule:etf" in rows else []
            parts.append(table([f"% against `rule:etf` ({suite})", *groups], [["`rule:etf`, µs", *base], *lines]))
    if first is None:
        return NONE
    return "\n\n".join([*parts, made_by(first, ",".join(OTHERS))])


def static(table: Table) -> str:
    """Return the makespans of list schedulers over CP-SAT's, by group."""
    rows = rows_of("soc_static")
    solver = next((name for name in rows if name.startswith("solver:cpsat")), None)
    if solver is None:
        return NONE
    best = rows[solver]
    lines = []
    for name, own in rows.items():
        if name != solver:
            ratios = [
                mean(value / best[group]["values"][key] for key, value in own[group]["values"].items())
                for group in best
            ]
            lines.append([f"`{name}`", *(f"{ratio:.3f}" for ratio in ratios)])
    proved = [f"{row['optimal']}/{row['instances']}" for row in best.values()]
    lines.append([f"proved optimal by `{solver}`", *proved])
    words = f"Makespan over that of `{solver}`, mean of the instances of a group."
    return "\n\n".join([table(["", *best], lines), f"{words} {made_by(first_of(rows), 'soc_static')}"])


def policies(table: Table) -> str:
    """Return the differences to ETF of every trained run, and of two rules."""
    runs = rows_of("soc_mix", runs=True)
    if not runs:
        return NONE
    rest = {suite: rows_of(suite, runs=None) for suite in OTHERS}
    platforms = [name for name in next(iter(rest["soc_platforms"].values()), {}) if not name.startswith("G1")]
    known = rows_of("soc_mix")
    shown = {**{name: known[name] for name in BESIDE_POLICIES if name in known}, **dict(sorted(runs.items()))}
    lines = []
    for name, own in shown.items():
        row = next(iter(own.values()))
        played = row.get("training", {}).get("run decisions")
        every = [one["difference"][0] for one in own.values() if "difference" in one]
        other = {suite: rows.get(name, {}) for suite, rows in rest.items()}
        lines.append([
            f"`{name}`", row.get("seed", ""), "" if played is None else f"{played:,}", row["instances"],
            f"{mean(every):+.1f}" if every else "",
            *(difference(own.get(rate), interval=rate == "15.4 jobs/ms") for rate in SHORT_RATES),
            difference(other["soc_noise"].get("std 0.3")),
            *(difference(other["soc_platforms"].get(group)) for group in platforms),
            *(_worst(other[suite]) for suite in ("soc_without", "soc_alone")),
        ])  # fmt: skip
    head = ["% against `rule:etf`", "seed", "decisions trained", "workloads a rate", "all rates", *SHORT_RATES,
            "noise 0.3", *(group.split(",")[0] for group in platforms), "worst without one", "worst alone"]  # fmt: skip
    made = "Made by `python benchmarks/soc_quality.py --policies RUN`"
    words = f"{made} on {first_of(runs)['device']}; 95 % intervals over the workloads, of the same seeds for all."
    return "\n\n".join([table(head, lines), words])


def _worst(rows: Mapping[str, Row]) -> str:
    found = [(row["difference"][0], group) for group, row in rows.items() if "difference" in row]
    return "" if not found else f"{max(found)[0]:+.1f} ({max(found)[1].removeprefix('without ')})"


def engine(table: Table) -> str:
    """Return decisions per second of a rule in the kernel and with observation, and the cost of ETF against sizes."""
    path = RESULTS / "soc_engine.json"
    data = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    streams = data.get("streams")
    if not streams:
        return NONE
    first = next(iter(streams.values()))["decisions/s"]
    views = [key.removesuffix(", live") for key in first if key.endswith(", live")]
    lines = []
    for name, row in streams.items():
        rate = row["decisions/s"]
        shown = [f"{rate[f'{view}, live']:,} / {rate[f'{view}, copies']:,}" for view in views]
        ratio = f"{row['rule in the kernel / slow twin']:,} ×"
        lines.append([f"`{name}`", f"{rate['rule in the kernel']:,}", *shown, f"{rate['slow twin']:,}", ratio])
    head = ["decisions/s", "rule in the kernel", *views, "slow twin", "kernel ÷ twin"]
    parts = [table(head, lines)]
    costs = data.get("ETF, microseconds per decision, against", {})
    if costs:
        parts.append("Microseconds per decision of `rule:etf` in the kernel, against one size at a time:")
    parts += [table([what, *row], [["µs", *(f"{value:.2f}" for value in row.values())]]) for what, row in costs.items()]
    return "\n\n".join([*parts, f"Made by `{data['command']}` on {data['machine']}."])


def regions(table: Table) -> dict[tuple[str, str], Callable[[], str]]:
    """Return (page, region) -> its content."""
    return {
        ("README.md", "soc_latency"): lambda: mix(table, SHORT, SHORT_RATES),
        ("docs/environments/soc_dag.md", "soc_short"): lambda: mix(table, SHORT, SHORT_RATES),
        ("docs/results.md", "soc_published"): lambda: pointwise(table, COMPARED),
        ("docs/results.md", "soc_mix"): lambda: mix(table),
        ("docs/results.md", "soc_others"): lambda: others(table),
        ("docs/results.md", "soc_policies"): lambda: policies(table),
        ("docs/results.md", "soc_static"): lambda: static(table),
        ("docs/benchmarks.md", "soc_engine"): lambda: engine(table),
    }
