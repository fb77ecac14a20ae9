"""Put the best run by validation into the package, with its result rows.

    python benchmarks/ship.py job_shop runs/job_shop/standard-0 runs/job_shop/standard-1 …

Of the runs named, the one whose best validation is least wins; results on benchmark instances play no part. The folder
agents/ganttlet_agents/shipped/NAME then holds the checkpoint and results.json: the validation of every candidate, and
the winner's rows of benchmarks/results/policies.json, or of the file that --results names.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from ganttlet_agents.policy.shipped import CARD, WEIGHTS, find_checkpoint
from ganttlet_agents.training.folder import read_evaluations

HERE = Path(__file__).parent
SHIPPED = HERE.parent / "agents" / "ganttlet_agents" / "shipped"


def best_validation(run: Path) -> float:
    """Return the least gap of a run's validations, in percent."""
    # Before training a gap may be undefined.
    return min(100.0 * row["gap"] for row in read_evaluations(run) if row["gap"] is not None)


def is_of(row: dict[str, Any], run: Path) -> bool:
    """Return whether a result row, which names its run or the whole method, is of ``run``."""
    return row["method"].split(":")[1] == run.as_posix() if "method" in row else bool(row["run"] == run.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--results", default="policies")
    options = parser.parse_args()
    scores = {run: best_validation(run) for run in options.runs}
    winner = min(scores, key=lambda run: scores[run])
    target = SHIPPED / options.name
    target.mkdir(parents=True, exist_ok=True)
    weights = find_checkpoint(winner)
    shutil.copyfile(weights, target / WEIGHTS)
    shutil.copyfile(weights.with_name(CARD), target / CARD)
    rows = json.loads((HERE / "results" / f"{options.results}.json").read_text(encoding="utf-8"))["rows"]
    results = {
        "command": f"python benchmarks/ship.py {options.name} " + " ".join(run.as_posix() for run in options.runs),
        "validation gap, %": {run.name: round(score, 3) for run, score in scores.items()},
        "shipped": winner.name,
        "rows": [row for row in rows if is_of(row, winner)],
    }
    (target / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    size = (target / WEIGHTS).stat().st_size
    print(f"{winner.name}: {scores[winner]:+.3f} %, {size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
