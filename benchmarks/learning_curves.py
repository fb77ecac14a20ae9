"""Validation gap against decisions of runs, kept and drawn.

    python benchmarks/learning_curves.py NAME TITLE RUN …

Reads evaluations.jsonl of every run folder, adds them under NAME to benchmarks/results/learning_curves.json, and draws
docs/images/NAME.png: one line per run, named by its folder.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ganttlet_agents.training.folder import RunFolder, read_evaluations

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "learning_curves.json"
IMAGES = HERE.parent / "docs" / "images"


def curve(path: Path) -> dict[str, Any]:
    """Return a run's validations and the settings that tell it from its neighbours."""
    folder, config = RunFolder.open(path)
    rows = read_evaluations(path)
    if config.validation.reference == "none":
        raise SystemExit(f"{path}: its validation has no reference, and so no gap to draw")
    return {
        "command": folder.command,
        "seed": config.seed,
        "learning rate": config.ppo.learning_rate.profile,
        "warm start": config.warm_start is not None,
        "algorithm": config.algorithm,
        "reference": config.validation.reference,
        "decisions": [row["timesteps"] for row in rows],
        "seconds": [round(row["seconds"], 1) for row in rows],
        "gap": [round(100.0 * row["gap"], 3) for row in rows],
    }


def draw(name: str, title: str, curves: dict[str, Any]) -> Path:
    """Draw the curves from the first validation after the start on."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.0, 4.0), layout="constrained")
    for label, one in curves.items():
        axes.plot(
            [count / 1000 for count in one["decisions"][1:]],
            one["gap"][1:],
            marker="o",
            markersize=3,
            linewidth=1.2,
            label=label,
        )
    reference = next(iter(curves.values()))["reference"]
    axes.set(title=title, xlabel="thousands of decisions", ylabel=f"gap to {reference}, greedy, %")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    IMAGES.mkdir(parents=True, exist_ok=True)
    path = IMAGES / f"{name}.png"
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("title")
    parser.add_argument("runs", nargs="+", type=Path)
    options = parser.parse_args()
    curves = {path.name: curve(path) for path in options.runs}
    data = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    names = " ".join(path.as_posix() for path in options.runs)
    data["command"] = "python benchmarks/learning_curves.py NAME TITLE RUN …"
    data[options.name] = {
        "command": f"python benchmarks/learning_curves.py {options.name} '{options.title}' {names}",
        "title": options.title,
        "curves": curves,
    }
    RESULTS.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(RESULTS, draw(options.name, options.title, curves))


if __name__ == "__main__":
    main()
