"""Curves of training on memory mapping.

    python benchmarks/memory_learning.py RUN …

docs/images/memory_learning.png: mean latency of a run's policy on its validation programs, over that of rule:msa_best
there, against decisions; lines for the evolutionary search and, where all programs are solved in time, for the bounds
of solver:mip. All runs need the same validation; the points go to benchmarks/results/memory_learning.csv.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from ganttlet.core.record import write_atomic
from ganttlet.memory_mapping import Program, validate
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.training.folder import RunFolder
from ganttlet_agents.training.task import Task

ROOT = Path(__file__).resolve().parent.parent
POINTS = ROOT / "benchmarks" / "results" / "memory_learning.csv"
SEARCH = "search:evolution:budget=2000:start=best:placement=reserve"
SOLVER = "solver:mip:time=4"
DEFAULT = "rule:msa_best"
TOP = 12.0  # %; what is above it is no policy yet


def save(figure: plt.Figure, name: str) -> None:
    """Write a figure to docs/images."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110, bbox_inches="tight")
    write_atomic(ROOT / "docs" / "images" / name, buffer.getvalue())
    plt.close(figure)


def lines(programs: Sequence[Program]) -> dict[str, float]:
    """Return the mean over programs of the search's latency, and of the proven bound, over the default's, less 1."""
    found: dict[str, list[float]] = {SEARCH: [], "bound": []}
    default, search, solver = parse_methods([DEFAULT, SEARCH, SOLVER], "memory_mapping")
    for program in programs:
        least = latency(default, program)
        found[SEARCH].append(latency(search, program) / least - 1.0)
        bound = solver.solve(program, objective="latency", seed=0).bound
        if bound is not None:
            found["bound"].append(bound / least - 1.0)
        print(program.name, found[SEARCH][-1], found["bound"][-1:], flush=True)
    return {name: mean(values) for name, values in found.items() if len(values) == len(programs)}


def latency(method: Any, program: Program) -> float:
    """Return the validated latency of what a method finds."""
    verdict = validate(program, method.solve(program, objective="latency", seed=0).solution)
    assert verdict.feasible, f"{method.label} on {program.name}: {verdict.violations[0].message}"
    return float(verdict.values["latency"])


def learning(runs: Sequence[Path]) -> None:
    """Write the validations of runs, and what search and bounds come to on the same programs."""
    points = [
        (run.name, row["timesteps"], round(row["seconds"], 1), round(row["gap"], 5))
        for run in runs
        for row in map(json.loads, (run / "evaluations.jsonl").read_text(encoding="utf-8").splitlines())
    ]
    groups = Task(RunFolder.open(runs[0])[1]).validation_groups()
    level = lines([program for some in groups.values() for program in some if isinstance(program, Program)])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["run", "decisions", "seconds", "gap"])
    writer.writerows([*points, *((name, "", "", round(value, 5)) for name, value in level.items())])
    write_atomic(POINTS, text.getvalue())


def draw() -> None:
    """Draw what is in the file of points."""
    with POINTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    figure, axes = plt.subplots(figsize=(9.5, 4.2))
    styles = iter(("--", ":"))
    for name in dict.fromkeys(row["run"] for row in rows):
        own = [row for row in rows if row["run"] == name]
        gaps = [100 * float(row["gap"]) for row in own]
        if not own[0]["decisions"]:
            axes.axhline(gaps[0], color="gray", linestyle=next(styles), label=name)
            continue
        # The first validation is that of a network that has learned nothing, at no place on a logarithmic axis.
        axes.plot([int(row["decisions"]) / 1000 for row in own[1:]], gaps[1:], ".-", label=name)
    axes.axhline(0.0, color="black", linewidth=0.8, label=DEFAULT)
    axes.set_xscale("log")
    axes.set_ylim(top=TOP)
    axes.set_xlabel("decisions, thousands")
    axes.set_ylabel(f"latency over that of {DEFAULT}, %")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    save(figure, "memory_learning.png")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="run folders; none: draw the points again")
    options = parser.parse_args(arguments)
    if options.runs:
        learning(options.runs)
    draw()


if __name__ == "__main__":
    main()
