"""Pictures of memory mapping: speed-up against the size of fast memory, and two maps side by side.

    python benchmarks/memory_curves.py

docs/images/memory_capacity.png: for 8 to 256 MiB the geometric mean, over the programs of the suite memory_programs, of
the validated speed-up over everything in slow memory; the points go to benchmarks/results/memory_capacity.csv. The
search has a budget of evaluations, so that the picture repeats. docs/images/memory_map.png: resnet50_b16 in 32 MiB, as
mapped by rule:msa and by the search.
"""

from __future__ import annotations

import csv
import io
from math import exp, log
from pathlib import Path
from statistics import mean

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from ganttlet.core.record import write_atomic
from ganttlet.memory_mapping import Mapping, Program, gantt_rgb, resolve, validate
from ganttlet_agents.evaluation.methods import BoundMethod, parse_methods
from ganttlet_agents.evaluation.suite import load_instances, load_suite

ROOT = Path(__file__).resolve().parent.parent
SIZES = (8, 16, 32, 64, 128, 256)
SEARCH = "search:evolution:budget=2000"
METHODS = ("rule:greedy", "rule:belady", "rule:msa", "rule:msa_best", SEARCH)
SHOWN = "resnet50_b16:hardware=tight"


def mapped(bound: BoundMethod, program: Program) -> tuple[Mapping, float]:
    """Return a method's mapping and its validated speed-up."""
    outcome = bound.solve(program, objective="latency", seed=0)
    assert isinstance(outcome.solution, Mapping), f"{bound.label} found nothing on {program.name}: {outcome.status}"
    verdict = validate(program, outcome.solution)
    assert verdict.feasible, f"{bound.label} on {program.name}: {verdict.violations[0].message}"
    return outcome.solution, float(verdict.values["speedup"])


def save(figure: plt.Figure, name: str) -> None:
    """Write a figure to docs/images."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110, bbox_inches="tight")
    write_atomic(ROOT / "docs" / "images" / name, buffer.getvalue())
    plt.close(figure)


def capacity() -> None:
    """Draw speed-ups against the size of fast memory."""
    entries = load_instances(load_suite("memory_programs"))
    names = sorted({entry.instance.name.partition(":")[0] for entry in entries})
    points: list[tuple[str, int, float]] = []
    for bound in parse_methods(list(METHODS), "memory_mapping"):
        for size in SIZES:
            programs = [resolve(f"{name}:capacity={size}MiB") for name in names]
            speedup = exp(mean(log(mapped(bound, program)[1]) for program in programs))
            points.append((bound.label, size, round(speedup, 4)))
            print(*points[-1], flush=True)
    most = exp(mean(log(one.all_slow / one.all_fast) for one in (resolve(name) for name in names)))
    figure, axes = plt.subplots(figsize=(6.5, 4))
    for label in dict.fromkeys(point[0] for point in points):
        own = [point for point in points if point[0] == label]
        axes.plot([point[1] for point in own], [point[2] for point in own], "o-", label=label)
    axes.axhline(most, color="gray", linestyle="--", label="all fast (bound)")
    axes.set_xscale(
        "log",
        base=2,
    )
    axes.set_xticks(SIZES, [str(size) for size in SIZES])
    axes.set_xlabel("fast memory, MiB")
    axes.set_ylabel(f"speed-up, geometric mean of {len(names)} programs")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    save(figure, "memory_capacity.png")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "capacity_mib", "speedup"])
    writer.writerows([*points, *(("all fast", size, round(most, 4)) for size in SIZES)])
    write_atomic(ROOT / "benchmarks" / "results" / "memory_capacity.csv", text.getvalue())


def maps() -> None:
    """Draw the maps of two methods side by side."""
    program = resolve(SHOWN)
    figure, axes = plt.subplots(1, 2, figsize=(15, 4.2))
    for part, bound in zip(axes, parse_methods(["rule:msa", SEARCH], "memory_mapping"), strict=True):
        mapping, speedup = mapped(bound, program)
        part.imshow(gantt_rgb(program, mapping))
        part.set_title(f"{bound.label}: {speedup:.3f} times as fast as all slow", fontsize=9)
        part.axis("off")
    figure.tight_layout()
    save(figure, "memory_map.png")


if __name__ == "__main__":
    maps()
    capacity()
