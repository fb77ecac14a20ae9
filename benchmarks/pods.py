"""Pod packing: how often the solver betters the default scheduler, by nodes, priorities and time, and rules in 10 ms.

    python benchmarks/pods.py                      # reduced grid: 4 and 8 nodes, 1 s; minutes
    python benchmarks/pods.py --full               # the published grid: days
    python benchmarks/pods.py --full --nodes 16 --times 10 --seeds 10 --resume
    python benchmarks/pods.py --draw               # the picture alone, from the rows that are there

Writes a row per instance and method to benchmarks/results/pods.json as it goes, and draws docs/images/pods.png. A row's
outcome compares the pods that pend before and after, by priority from the highest: the published curve's shares.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shlex
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganttlet.core.record import write_atomic
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.library import generate
from ganttlet.vm_rescheduling.solution import Plan, validate
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.methods import BoundMethod, parse_methods

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "pods.json"
PICTURE = HERE.parent / "docs" / "images" / "pods.png"
QUICK: dict[str, list[Any]] = {
    "nodes": [4, 8], "pods_per_node": [4], "priorities": [1, 2, 4], "util": [0.95, 1.0], "times": [1.0], "seeds": [5],
}  # fmt: skip
FULL: dict[str, list[Any]] = {
    "nodes": [4, 8, 16, 32], "pods_per_node": [4, 8], "priorities": [1, 2, 4], "util": [0.9, 0.95, 1.0, 1.05],
    "times": [1.0, 10.0, 20.0], "seeds": [100],
}  # fmt: skip
RULES = "rule:kube rule:most_allocated rule:ffd:repack=true rule:preempt"
SOON = 0.010
COLOURS = {
    "better and optimal": "#1b7837",
    "better": "#a6dba0",
    "default proved optimal": "#4393c3",
    "no call": "#d9d9d9",
    "failure": "#b2182b",
}
OUTCOMES = tuple(COLOURS)
# Shares of the "realisable" cases that the default scheduler fails, all sizes together; which these are was not found.
# Read: in the abstract of arXiv 2511.08373. Read-2nd: in notes on it.
PUBLISHED = {
    "shares": [
        {"time": 1.0, "outcome": "better", "above": 0.44, "mark": "read"},
        {"time": 1.0, "outcome": "default proved optimal", "above": 0.19, "mark": "read"},
        {"time": 10.0, "outcome": "better", "above": 0.73, "mark": "read"},
        {"time": 10.0, "outcome": "default proved optimal", "above": 0.19, "mark": "read"},
    ],
    "seconds": {"time": 10.0, "mark": "read-2nd", "by nodes": {"4": [0.9, 1.2], "8": [0.9, 1.2], "16": [2.4, 6.0],
                "32": [10.0, 10.0]}},
    "use gained, points": {"mark": "read-2nd", "range": [2, 4]},
}  # fmt: skip


def pending(instance: Cluster, host: np.ndarray[Any, Any]) -> list[int]:
    """Return the pending pods of each priority, the highest first."""
    return [int(((host == -1) & (instance.priority == level)).sum()) for level in np.unique(instance.priority)[::-1]]


def use(instance: Cluster, host: np.ndarray[Any, Any]) -> float:
    """Return the used share of cpu and memory, the mean of the two in percent."""
    runs = host != -1
    shares = (
        instance.cores[runs].sum() / instance.cpu.sum(dtype=np.int64),
        instance.memory[runs].sum() / instance.mem.sum(dtype=np.int64),
    )
    return round(50.0 * float(sum(shares)), 2)


def outcome_of(start: list[int], end: list[int], optimal: bool) -> str:
    """Return which of OUTCOMES a result is."""
    if not any(start):
        return "no call"
    if end < start:
        return "better and optimal" if optimal else "better"
    return "default proved optimal" if optimal else "failure"


def judge(instance: Cluster, method: BoundMethod) -> dict[str, Any]:
    """Run a method, check its plan and return what came of it."""
    begun = time.perf_counter()
    outcome = method.solve(instance, objective="unplaced", seed=0)
    seconds = time.perf_counter() - begun
    plan = outcome.solution
    assert isinstance(plan, Plan)
    verdict = validate(instance, plan)
    if not verdict.feasible:
        raise SystemExit(f"{method.label} on {instance.name}: {verdict.violations[0].message}")
    host = instance.host.copy()
    for pod, node, _ in plan.moves.tolist():
        host[pod] = node
    start, end = pending(instance, instance.host), pending(instance, host)
    return {
        "seconds": round(seconds, 5),
        "pending before": start,
        "pending after": end,
        "disruption": int(verdict.values["disruption"]),
        "moves": int(verdict.values["moves"]),
        "use before": use(instance, instance.host),
        "use after": use(instance, host),
        "status": outcome.status,
        "outcome": outcome_of(start, end, outcome.optimal),
    }


def grid(options: argparse.Namespace) -> Iterable[tuple[dict[str, Any], Cluster]]:
    """Yield (cell and seed, instance); below full use only seeds that the default scheduler fails."""
    names = ("nodes", "pods_per_node", "priorities", "util")
    for cell in itertools.product(*(getattr(options, name) for name in names)):
        settings = dict(zip(names, cell, strict=True))
        for seed in range(options.seeds[0]):
            drawn = {"name": "pods", **settings, "only_failing": settings["util"] < 1.0}
            yield {**settings, "seed": seed}, generate(drawn, seed)


def run(options: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    """Add the missing rows, writing every few seconds."""
    workers = f":workers={options.workers}" if options.workers else ""
    texts = [*options.methods.split(), *(f"solver:lexi:time={seconds:g}{workers}" for seconds in options.times)]
    methods = parse_methods(texts, "vm_rescheduling")
    done = {key_of(row) for row in rows}
    written = time.monotonic()
    for at, instance in grid(options):
        for method in methods:
            row = {**at, "method": method.label}
            if key_of(row) in done:
                continue
            if method.label not in options.warm:
                options.warm.add(method.label)
                method.warm_up(instance, objective="unplaced")
                method.solve(instance, objective="unplaced", seed=0)
            rows.append({**row, **judge(instance, method)})
            print(*(f"{key}={value}" for key, value in rows[-1].items()), flush=True)
        if time.monotonic() - written > 5.0:
            save(options.out, rows)
            written = time.monotonic()
    save(options.out, rows)


def key_of(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return what tells a row from others."""
    return tuple(row[key] for key in ("nodes", "pods_per_node", "priorities", "util", "seed", "method"))


def time_of(method: str) -> float | None:
    """Return the time limit in a solver's label, None for other methods."""
    if not method.startswith("solver:lexi"):
        return None
    return next((float(piece[5:]) for piece in method.split(":") if piece.startswith("time=")), 10.0)


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return per method, nodes and priorities the share of each outcome and of what was better in 10 ms."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        for nodes, priorities in ((row["nodes"], row["priorities"]), ("all", "all")):
            groups[row["method"], nodes, priorities].append(row)
    table = []
    for (method, nodes, priorities), members in groups.items():
        counts, n = Counter(row["outcome"] for row in members), len(members)
        soon = sum(row["seconds"] <= SOON and row["outcome"].startswith("better") for row in members)
        table.append({
            "method": method, "nodes": nodes, "priorities": priorities, "rows": n,
            **{outcome: round(counts[outcome] / n, 3) for outcome in OUTCOMES},
            "better within 10 ms": round(soon / n, 3),
            "median seconds": round(statistics.median(row["seconds"] for row in members), 4),
            "use gained, points": round(statistics.mean(row["use after"] - row["use before"] for row in members), 2),
        })  # fmt: skip
    return sorted(table, key=lambda entry: (entry["method"], str(entry["nodes"]).zfill(3), str(entry["priorities"])))


def save(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the rows and their summary, whole or not at all."""
    head = {
        "about": "outcome: pods pending after against before, by priority, and whether the plan is proved optimal",
        "command": shlex.join(["python", "benchmarks/pods.py", *sys.argv[1:]]),
        "device": provenance.device(),
        "versions": provenance.versions(),
        "commit": provenance.commit(),
        "published": PUBLISHED,
    }
    parts = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    for key, entries in (("summary", summary(rows)), ("rows", rows)):
        parts.append(f'"{key}": [\n' + ",\n".join(json.dumps(entry) for entry in entries) + "\n]")
    write_atomic(path, "{" + ",\n".join(parts) + "}\n")


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the stacked shares, a row per time limit and a column per number of priorities; below, rules and seconds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.patches import Patch

    solver = [row for row in rows if time_of(row["method"]) is not None]
    times = sorted({time_of(row["method"]) or 0.0 for row in solver})
    levels = sorted({row["priorities"] for row in rows})
    nodes = sorted({row["nodes"] for row in rows})
    columns = max(2, len(levels))
    figure, axes = pyplot.subplots(
        len(times) + 1, columns, figsize=(4.2 * columns, 2.8 * (len(times) + 1)), layout="constrained", squeeze=False
    )
    for line, limit in enumerate(times):
        for axis, level in zip(axes[line], levels, strict=False):
            mine = [row for row in solver if row["priorities"] == level and time_of(row["method"]) == limit]
            _stack(axis, mine, nodes, limit)
            axis.set(title=f"{limit:g} s, priorities: {level}", ylim=(0, 1), ylabel="share of instances")
        for axis in axes[line, len(levels) :]:
            axis.axis("off")
    _rules(axes[-1, 0], [row for row in rows if time_of(row["method"]) is None], nodes)
    _seconds(axes[-1, 1], solver, times, nodes)
    for axis in axes[-1, 2:]:
        axis.axis("off")
    figure.legend(
        handles=[Patch(color=colour, label=outcome) for outcome, colour in COLOURS.items()],
        loc="outside lower center", ncols=len(COLOURS), fontsize=8,
    )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _stack(axis: Any, rows: Sequence[dict[str, Any]], nodes: Sequence[int], seconds: float) -> None:
    floor = np.zeros(len(nodes))
    for outcome, colour in COLOURS.items():
        height = np.zeros(len(nodes))
        for at, count in enumerate(nodes):
            members = [row["outcome"] == outcome for row in rows if row["nodes"] == count]
            height[at] = np.mean(members) if members else 0.0
        axis.bar(range(len(nodes)), height, bottom=floor, color=colour, width=0.7)
        floor += height
    counts = Counter(row["nodes"] for row in rows)
    labels = [f"{count} nodes\nn = {counts[count]}" for count in nodes]
    known: Any = [entry for entry in PUBLISHED["shares"] if entry["time"] == seconds]
    bottom = 0.0
    for entry in known:
        share, colour = entry["above"], COLOURS[entry["outcome"]]
        axis.bar(len(nodes), share, bottom=bottom, color=colour, width=0.7, hatch="//", edgecolor="white")
        axis.text(len(nodes), bottom + share / 2, f"> {100 * share:.0f} %", ha="center", va="center", fontsize=7)
        bottom += share
    if known:
        labels.append(f"published,\nall ({known[0]['mark']})")
    axis.set_xticks(range(len(labels)), labels, fontsize=7)


def _rules(axis: Any, rows: Sequence[dict[str, Any]], nodes: Sequence[int]) -> None:
    names = list(dict.fromkeys(row["method"] for row in rows))
    for at, name in enumerate(names):
        shares = []
        for count in nodes:
            members = [row for row in rows if row["method"] == name and row["nodes"] == count]
            soon = [row["seconds"] <= SOON and row["outcome"].startswith("better") for row in members]
            shares.append(float(np.mean(soon)) if soon else 0.0)
        width = 0.8 / len(names)
        axis.bar(np.arange(len(nodes)) + (at + 0.5) * width - 0.4, shares, width, label=name)
    axis.set_xticks(range(len(nodes)), [f"{count} nodes" for count in nodes], fontsize=8)
    axis.set(title="better within 10 ms, all priorities", ylim=(0, 1), ylabel="share of instances")
    axis.legend(fontsize=6)


def _seconds(axis: Any, rows: Sequence[dict[str, Any]], times: Sequence[float], nodes: Sequence[int]) -> None:
    for limit in times:
        taken = [
            [row["seconds"] for row in rows if row["nodes"] == count and time_of(row["method"]) == limit]
            for count in nodes
        ]
        medians = [statistics.median(one) if one else float("nan") for one in taken]
        axis.plot(range(len(nodes)), medians, marker="o", label=f"ours, limit {limit:g} s, median")
    published: Any = PUBLISHED["seconds"]
    spans = [published["by nodes"].get(str(count), [np.nan, np.nan]) for count in nodes]
    label = f"published, limit {published['time']:g} s ({published['mark']})"
    low, high = np.array(spans, float).T
    axis.vlines(range(len(nodes)), low, high, color="black", linewidth=4, alpha=0.5, label=label)
    axis.plot(range(len(nodes)), high, "k_", markersize=12)
    axis.set_xticks(range(len(nodes)), [f"{count} nodes" for count in nodes], fontsize=8)
    axis.set(title="solver's seconds", ylabel="s")
    axis.set_ylim(bottom=0.0)
    axis.legend(fontsize=6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="the reduced grid (the default)")
    size.add_argument("--full", action="store_true", help="the published grid")
    for name, kind in (("nodes", int), ("pods_per_node", int), ("priorities", int), ("util", float), ("times", float)):
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, nargs="+", help="instead of the grid's")
    parser.add_argument("--seeds", type=int, nargs=1, help="seeds per cell")
    parser.add_argument("--methods", default=RULES, help="rules or policies to run beside the solver")
    parser.add_argument("--workers", type=int, help="the solver's threads; all cores by default")
    parser.add_argument("--out", type=Path, default=RESULTS, help="another file has its picture beside it")
    parser.add_argument("--resume", action="store_true", help="keep the rows that are there")
    parser.add_argument("--draw", action="store_true", help="only draw the rows that are there")
    options = parser.parse_args()
    for name, values in (FULL if options.full else QUICK).items():
        if getattr(options, name) is None:
            setattr(options, name, values)
    options.warm = set()
    keep = (options.resume or options.draw) and options.out.is_file()
    rows = json.loads(options.out.read_text(encoding="utf-8"))["rows"] if keep else []
    if not options.draw:
        run(options, rows)
    picture = PICTURE if options.out == RESULTS else options.out.with_suffix(".png")
    draw(rows, picture)
    for entry in summary(rows):
        if entry["nodes"] == "all":
            print(entry, file=sys.stderr)
    print(f"wrote {options.out} and {picture}")


if __name__ == "__main__":
    main()
