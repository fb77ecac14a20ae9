"""Trained policies on benchmark instances: a row per run and decoding, with every instance's value.

    python benchmarks/policies.py RUN … --suite taillard --decode greedy,sample:samples=128
    python benchmarks/policies.py job_shop --suite dmu

RUN is a run folder or a shipped policy. Results go to benchmarks/results/policies.json; a row that is there already
(same run, suite and decoding) is replaced. Training commands and seeds come from the checkpoints.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

from ganttlet_agents.policy.checkpoint import load_checkpoint
from ganttlet_agents.training.folder import EVALUATIONS, read_evaluations

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "policies.json"


def judge(method: str, suite: str, folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Run the evaluator; return its rows and what it says of the run."""
    command = [sys.executable, str(HERE.parent / "evaluate.py"), "run", "--suite", suite, "--methods", method]
    subprocess.run([*command, "--out", str(folder), "--no-report"], check=True, stdout=subprocess.DEVNULL)
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    return rows, json.loads((folder / "meta.json").read_text(encoding="utf-8"))


def training(run: str) -> dict[str, Any]:
    """Return how a run was made: its checkpoint's own word, and the whole run's decisions and seconds."""
    found = dict(load_checkpoint(run).card.training)
    path = Path(run)
    if (path / EVALUATIONS).is_file():
        last = read_evaluations(path)[-1]
        found |= {"run decisions": last["timesteps"], "run seconds": round(last["seconds"], 1)}
    return found


def entry(run: str, suite: str, decode: str, threads: int) -> dict[str, Any]:
    """Return one row of the results; ``run`` may also be the text of a rule, which has no decoding."""
    rule = run.startswith("rule:")
    method = run if rule else f"policy:{run}:decode={decode}:threads={threads}"
    made = {} if rule else training(run)
    with tempfile.TemporaryDirectory() as folder:
        rows, meta = judge(method, suite, Path(folder) / "out")
    # A reference that is a method runs too, before the one asked for.
    rows = [row for row in rows if row["method"] == meta["methods"][-1]["label"]]
    groups: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        assert row["error"] is None, row["error"]
        groups[row["group"]].append(100.0 * row["gap"])
    return {
        "run": run if rule else Path(run).name,
        "suite": suite,
        "decode": decode,
        "seed": made.get("seed", 0),
        "training": made,
        "evaluate": f"python evaluate.py run --suite {suite} --methods {method}",
        "gap": {group: round(mean(gaps), 2) for group, gaps in groups.items()},
        "mean gap": round(mean(100.0 * row["gap"] for row in rows), 2),
        "mean value": round(mean(row["value"] for row in rows), 1),
        "seconds per row": round(mean(row["seconds"] for row in rows), 3),
        "values": {row["instance"]: row["value"] for row in rows},
        "device": meta["device"],
        "versions": meta["versions"],
        "commit": meta["commit"],
    }


def dump(data: dict[str, Any]) -> str:
    """Return JSON with a line per row."""
    rows = ",\n".join(json.dumps(row) for row in data["rows"])
    return f'{{"command": {json.dumps(data["command"])}, "rows": [\n{rows}\n]}}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--suite", default="taillard")
    parser.add_argument("--decode", default="greedy", help="decodings, separated by commas")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    for run in options.runs:
        for decode in options.decode.split(","):
            made = entry(run, options.suite, decode, options.threads)
            known = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"] if RESULTS.is_file() else []
            same = ("run", "suite", "decode")
            rows = [row for row in known if any(row[key] != made[key] for key in same)] + [made]
            rows.sort(key=lambda row: (row["suite"], row["run"], row["decode"]))
            data = {"command": "python benchmarks/policies.py RUN --suite SUITE --decode DECODE", "rows": rows}
            RESULTS.write_text(dump(data) + "\n", encoding="utf-8")
            print(
                made["run"], made["suite"], decode, made["gap"], made["mean gap"], made["seconds per row"], flush=True
            )


if __name__ == "__main__":
    main()
