"""Curves of VM rescheduling, ours beside the published ones, in stages.

    python benchmarks/vm_curves.py run mnl --methods rule:ha,rule:potential --instances 2 --name rules
    python benchmarks/vm_curves.py run mnl --methods solver:cpsat:time=60 --instances 2 --name cpsat
    python benchmarks/vm_curves.py draw mnl

mnl, mnl_medium, mnl_large: fragment rate, and seconds with a line at 5 s, against the migration limit (suites vm_mnl,
vm_medium, vm_large). churn: fragment rate against the delay of the plan, a cross at each method's own latency (suite
vm_churn). best_of: fragment rate against the number of samples, and against seconds (suite vm_h; name methods with
samples= or best_of=). goal: moves against the fragment rate to be reached (suite vm_goal).

`run` evaluates methods on a curve's suite into results/vm_curves/CURVE/NAME, one folder per stage; `draw` reads all of
them and writes docs/images/vm_CURVE.png, benchmarks/results/vm_CURVE.csv and, with the commands, vm_curves.json there.
Every point is a mean over the clusters that all methods have at that place. Published numbers are dashed and labelled
with how they were read; they were measured on other clusters.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vm_plots import draw

from ganttlet.core.record import write_atomic
from ganttlet.vm_rescheduling.churn import achieved
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.solution import SLACK, Plan, values_of
from ganttlet_agents.config import config_root
from ganttlet_agents.evaluation.results import Results, instance_path, load_results, new_folder, solution_path
from ganttlet_agents.evaluation.rows import Row
from ganttlet_agents.evaluation.runner import plan_run, run
from ganttlet_agents.evaluation.suite import load_suite

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = Path("results") / "vm_curves"
DELAYS = (1, 3, 5, 7, 20, 60, 300, 600, 1800, 3000)
SAMPLES = re.compile(r":(?:samples|best_of)=(\d+)")
Point = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """One row of a run, with its cluster and where its plan lies."""

    row: Row
    cluster: Cluster
    folder: Path

    @property
    def case(self) -> str:
        """What tells clusters apart, whatever their limit and goal."""
        return self.cluster.name.split(":")[0]

    def plan(self) -> Plan:
        """Return the row's solution."""
        return Plan.load(solution_path(self.folder, self.row.key))


@dataclass(frozen=True)
class Curve:
    """What a curve is made of: its suite, its axes, and how rows become points (method, x, {column: value})."""

    suite: str
    x: str
    points: Callable[[Entry, argparse.Namespace], Iterable[tuple[str, float, Point]]]
    reference: Mapping[str, str]


def at_limit(entry: Entry, options: argparse.Namespace) -> Iterable[tuple[str, float, Point]]:
    """Yield the row at its limit."""
    yield entry.row.method, entry.cluster.limit, measured(entry)


def measured(entry: Entry) -> Point:
    """Return what was measured on a row."""
    return {**{name: entry.row.values[name] for name in ("fr16", "n16", "moves")}, "seconds": entry.row.seconds}


def under_churn(entry: Entry, options: argparse.Namespace) -> Iterable[tuple[str, float, Point]]:
    """Yield the replays of a plan at every delay, and at the seconds it took (x is -1)."""
    plan = entry.plan()
    for delay in (*DELAYS, -1):
        seconds = entry.row.seconds if delay < 0 else delay
        end = achieved(
            entry.cluster, plan, seconds, rate=options.rate, on_invalid=options.on_invalid, seeds=range(options.seeds)
        )
        yield (
            entry.row.method,
            delay,
            {"fr16": end.fr, "n16": end.n16, "moves": end.moves_done, "seconds": entry.row.seconds},
        )


def by_samples(entry: Entry, options: argparse.Namespace) -> Iterable[tuple[str, float, Point]]:
    """Yield the row at its number of samples."""
    found = SAMPLES.search(entry.row.method)
    yield SAMPLES.sub("", entry.row.method), int(found[1]) if found else 1, measured(entry)


def to_goal(entry: Entry, options: argparse.Namespace) -> Iterable[tuple[str, float, Point]]:
    """Yield the moves to the goal; a plan that misses it counts with the limit."""
    reached = entry.row.values["fr16"] <= (entry.cluster.goal or 0.0) + SLACK
    moves = entry.row.values["moves"] if reached else entry.cluster.limit
    yield entry.row.method, entry.cluster.goal or 0.0, {**measured(entry), "moves": moves, "reached": float(reached)}


LIMIT = {"fr16": "vm_fr_mnl", "seconds": "vm_seconds_mnl"}
CURVES = {
    "mnl": Curve("vm_mnl", "mnl", at_limit, LIMIT),
    "mnl_medium": Curve("vm_medium", "mnl", at_limit, LIMIT),
    "mnl_large": Curve("vm_large", "mnl", at_limit, {}),
    "churn": Curve("vm_churn", "delay_seconds", under_churn, {"fr16": "vm_fr_delay"}),
    "best_of": Curve("vm_h", "samples", by_samples, {"fr16": "vm_best_of"}),
    "goal": Curve("vm_goal", "goal", to_goal, {"moves": "vm_moves_goal"}),
}


def run_stage(options: argparse.Namespace) -> None:
    """Evaluate methods on the first instances of every group of a curve's suite."""
    suite = load_suite(CURVES[options.curve].suite)
    groups = {group: entries[: options.instances] for group, entries in suite.groups.items()}
    if options.methods:
        suite = replace(suite, methods=tuple(options.methods.split(",")))
    plan = plan_run(replace(suite, groups=groups, reference="none"))
    folder = new_folder(FOLDERS / options.curve / options.name, "", options.overwrite)
    command = "python benchmarks/vm_curves.py " + " ".join(sys.argv[1:])

    def tell(row: Row) -> None:
        shown = "failed: " + row.error if row.error else f"{row.objective} {row.value:.6g}, {row.seconds:.3g} s"
        print(f"{row.instance} {row.group} {row.method}: {shown}", flush=True)

    rows = run(plan, folder, command, tell)
    print(folder.folder)
    sys.exit(int(any(row.failed for row in rows)))


def read(folders: Sequence[Path]) -> tuple[list[Entry], list[Results]]:
    """Return the sound rows of result folders; a row that stands in two of them is taken from the last."""
    found: dict[str, Entry] = {}
    results = [load_results(folder) for folder in folders]
    for one in results:
        clusters = {digest: Cluster.load(instance_path(one.folder, digest)) for digest in {r.digest for r in one.rows}}
        found |= {row.key: Entry(row, clusters[row.digest], one.folder) for row in one.rows if row.value is not None}
    return list(found.values()), results


def collect(entries: Iterable[Entry], curve: Curve, options: argparse.Namespace) -> list[Point]:
    """Return the means by method and x, over the clusters that all methods with that x have."""
    table: dict[float, dict[str, dict[str, list[Point]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for entry in entries:
        for method, x, values in curve.points(entry, options):
            table[x][method][entry.case].append(values)
    if curve.x == "mnl":
        for entry in entries:
            start = values_of(entry.cluster.usage(), 0)
            point = {"fr16": start["fr16"], "n16": start["n16"], "moves": 0.0, "seconds": None}
            table[0.0][entry.row.method][entry.case] = [point]
    points = []
    for x, methods in sorted(table.items()):
        shared = set.intersection(*(set(cases) for cases in methods.values()))
        for method, cases in methods.items():
            rows = [values for case in shared for values in cases[case]]
            if rows:
                points.append({"method": method, curve.x: x, "clusters": len(shared), **means(rows)})
    return points


def means(rows: Sequence[Point]) -> Point:
    """Return the mean of every column, None where it is missing."""
    found: Point = {}
    for name in rows[0]:
        values = [row[name] for row in rows if row[name] is not None]
        found[name] = round(statistics.mean(values), 6) if values else None
    return found


def published(name: str) -> list[Point]:
    """Return the rows of configs/curves/reference/NAME.csv, numbers read."""
    text = config_root().joinpath("curves", "reference", f"{name}.csv").read_text(encoding="utf-8")
    words = ("method", "level", "mark", "source")
    return [
        {key: value if key in words else float(value) for key, value in row.items()}
        for row in csv.DictReader(io.StringIO(text))
    ]


def write_csv(path: Path, points: Sequence[Point], references: Iterable[Point]) -> None:
    """Write our points with mark ``measured``, then the published ones with theirs."""
    rows = [*({**point, "mark": "measured", "source": "this benchmark"} for point in points), *references]
    buffer = io.StringIO()
    columns = [name for name in dict.fromkeys(key for row in rows for key in row) if name not in ("mark", "source")]
    writer = csv.DictWriter(buffer, [*columns, "mark", "source"], lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, buffer.getvalue())


def draw_stage(options: argparse.Namespace) -> None:
    """Write a curve's CSV and PNG from all its result folders."""
    curve = CURVES[options.curve]
    home = FOLDERS / options.curve
    folders = options.folders or sorted(path for path in home.glob("*") if (path / "meta.json").is_file())
    if not folders:
        sys.exit(f"{home}: holds no results; begin with: python benchmarks/vm_curves.py run {options.curve}")
    entries, results = read(folders)
    points = collect(entries, curve, options)
    references = {column: published(name) for column, name in curve.reference.items()}
    table = options.results / f"vm_{options.curve}.csv"
    write_csv(table, points, [row for rows in references.values() for row in rows])
    image = options.images / f"vm_{options.curve}.png"
    draw(options.curve, curve.x, points, references, image)
    notes = options.results / "vm_curves.json"
    known = json.loads(notes.read_text(encoding="utf-8")) if notes.is_file() else {}
    known["command"] = "python benchmarks/vm_curves.py draw CURVE"
    known[options.curve] = {
        "command": "python benchmarks/vm_curves.py " + " ".join(sys.argv[1:]),
        "runs": [one.meta["command"] for one in results],
        "devices": sorted({one.meta["device"] for one in results}),
        "commits": sorted({str(one.meta["commit"]) for one in results}),
        "versions": results[-1].meta["versions"],
    }
    write_atomic(notes, json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    print(table, image, notes)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    stages = parser.add_subparsers(required=True)
    runner = stages.add_parser("run", help="evaluate methods on a curve's suite")
    runner.add_argument("curve", choices=CURVES)
    runner.add_argument("--methods", default="", help="separated by commas; the suite's by default")
    runner.add_argument("--instances", type=int, help="the first so many of every group; all by default")
    runner.add_argument("--name", default="all", help="folder of this stage")
    runner.add_argument("--overwrite", action="store_true")
    runner.set_defaults(stage=run_stage)
    drawer = stages.add_parser("draw", help="draw a curve from the folders of its stages")
    drawer.add_argument("curve", choices=CURVES)
    drawer.add_argument("folders", nargs="*", type=Path, help="result folders; all stages of the curve by default")
    drawer.add_argument("--rate", type=float, default=5.0, help="churn: arrivals, and exits, per minute")
    drawer.add_argument("--on-invalid", choices=("abort", "skip"), default="abort", help="churn: at an invalid move")
    drawer.add_argument("--seeds", type=int, default=10, help="churn: replays per plan")
    drawer.add_argument("--images", type=Path, default=ROOT / "docs" / "images")
    drawer.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    drawer.set_defaults(stage=draw_stage)
    options = parser.parse_args(arguments)
    options.stage(options)


if __name__ == "__main__":
    main()
