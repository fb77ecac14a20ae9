"""Two memory maps side by side: resnet50_b16 in 32 MiB, as mapped by rule:msa and by the search.

    python benchmarks/memory_map.py

The picture is docs/images/memory_map.png. The search has a budget of evaluations, so that it repeats.
"""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from ganttlet.core.record import write_atomic
from ganttlet.memory_mapping import Mapping, Program, gantt_rgb, resolve, validate
from ganttlet_agents.evaluation.methods import BoundMethod, parse_methods

ROOT = Path(__file__).resolve().parent.parent
SEARCH = "search:evolution:budget=2000"
SHOWN = "resnet50_b16:hardware=tight"


def mapped(bound: BoundMethod, program: Program) -> tuple[Mapping, float]:
    """Return a method's mapping and its validated speed-up."""
    outcome = bound.solve(program, objective="latency", seed=0)
    assert isinstance(outcome.solution, Mapping), f"{bound.label} found nothing on {program.name}: {outcome.status}"
    verdict = validate(program, outcome.solution)
    assert verdict.feasible, f"{bound.label} on {program.name}: {verdict.violations[0].message}"
    return outcome.solution, float(verdict.values["speedup"])


def main() -> None:
    """Draw the maps of two methods side by side."""
    program = resolve(SHOWN)
    figure, axes = plt.subplots(1, 2, figsize=(15, 4.2))
    for part, bound in zip(axes, parse_methods(["rule:msa", SEARCH], "memory_mapping"), strict=True):
        mapping, speedup = mapped(bound, program)
        part.imshow(gantt_rgb(program, mapping))
        part.set_title(f"{bound.label}: {speedup:.3f} times as fast as all slow", fontsize=9)
        part.axis("off")
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110, bbox_inches="tight")
    write_atomic(ROOT / "docs" / "images" / "memory_map.png", buffer.getvalue())
    plt.close(figure)


if __name__ == "__main__":
    main()
