"""Methods on clusters of a suite: FR16, N16, moves, seconds, and how far they close the way to the best known value.

    python benchmarks/vm_quality.py METHOD … [--suite vm_h] [--out benchmarks/results/vm_quality.json]

A method is written as for evaluate.py, or RUN for a run folder's policy. Rows are kept by (suite, method) and replaced
when they are made again. ``closed`` is the share of the way from the start to the best known value of
benchmarks/results/vm_references.json, over the instances that stand there: of the means, not a mean of shares.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean
from typing import Any

from ganttlet.vm_rescheduling import Cluster, Plan, validate
from ganttlet_agents.evaluation.suite import load_instances, load_suite
from policies import training

HERE = Path(__file__).parent
REFERENCES = HERE / "results" / "vm_references.json"
BASELINES = ("rule:ha", "rule:greedy", "rule:potential")


def judge(method: str, suite: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Run the evaluator; return its rows and what it says of the run."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        command = [sys.executable, str(HERE.parent / "evaluate.py"), "run", "--suite", suite, "--methods", method]
        subprocess.run(
            [*command, "--reference", "none", "--out", str(out), "--no-report"], check=True, stdout=subprocess.DEVNULL
        )
        rows = [json.loads(line) for line in (out / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
        return rows, json.loads((out / "meta.json").read_text(encoding="utf-8"))


def starts(suite: str) -> dict[str, dict[str, float]]:
    """Return instance -> what the empty plan has."""
    found = {}
    for entry in load_instances(load_suite(suite)):
        assert isinstance(entry.instance, Cluster)
        values = dict(validate(entry.instance, Plan([], entry.instance.digest)).values)
        found[entry.label] = {**values, "digest": entry.instance.digest}  # type: ignore[dict-item]
    return found


def references() -> dict[str, float]:
    """Return digest -> best known FR16."""
    if not REFERENCES.is_file():
        return {}
    rows = json.loads(REFERENCES.read_text(encoding="utf-8"))["rows"]
    return {row["digest"]: row["value"] for row in rows}


def entry(method: str, suite: str) -> dict[str, Any]:
    """Return one row of the results."""
    rows, meta = judge(method, suite)
    failed = next((row for row in rows if row["error"] is not None), None)
    assert failed is None, failed
    first, best = starts(suite), references()
    known = [row for row in rows if row["digest"] in best]
    result = {
        "suite": suite,
        "method": method,
        "evaluate": f"python evaluate.py run --suite {suite} --methods {method}",
        "instances": len(rows),
        "start": round(mean(first[row["instance"]]["fr16"] for row in rows), 4),
        "fr16": round(mean(row["value"] for row in rows), 4),
        "n16": round(mean(row["values"]["n16"] for row in rows), 2),
        "moves": round(mean(row["values"]["moves"] for row in rows), 1),
        "seconds": round(mean(row["seconds"] for row in rows), 4),
        "most seconds": round(max(row["seconds"] for row in rows), 4),
        "decisions": round(mean(row["decisions"] for row in rows)),
        "proven": sum(bool(row["optimal"]) for row in rows),
        "values": {row["instance"]: round(row["value"], 6) for row in rows},
        "device": meta["device"],
        "commit": meta["commit"],
    }
    if method.startswith("policy:"):
        made = training(method.split(":")[1])
        result |= {"seed": made["seed"], "training": {key: made[key] for key in made if key.startswith("run ")}}
    if known:
        at_first = mean(first[row["instance"]]["fr16"] for row in known)
        at_best, reached = mean(best[row["digest"]] for row in known), mean(row["value"] for row in known)
        result["reference"] = round(at_best, 4)
        result["closed"] = round((at_first - reached) / (at_first - at_best), 4)
    return result


def against(rows: list[dict[str, Any]]) -> None:
    """Add to every row on how many instances it is below each baseline of its suite."""
    for row in rows:
        for name in BASELINES:
            base = next((one for one in rows if (one["suite"], one["method"]) == (row["suite"], name)), None)
            if base is not None and base is not row:
                row[f"below {name}"] = sum(row["values"][key] < value for key, value in base["values"].items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="+")
    parser.add_argument("--suite", default="vm_h")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "vm_quality.json")
    options = parser.parse_args()
    for method in options.methods:
        made = entry(method if ":" in method else f"policy:{method}", options.suite)
        rows = json.loads(options.out.read_text(encoding="utf-8"))["rows"] if options.out.is_file() else []
        rows = [row for row in rows if (row["suite"], row["method"]) != (made["suite"], made["method"])] + [made]
        against(rows)
        lines = ",\n".join(json.dumps(row) for row in sorted(rows, key=lambda row: (row["suite"], row["method"])))
        head = json.dumps("python benchmarks/vm_quality.py METHOD --suite SUITE")
        options.out.write_text(f'{{"command": {head}, "rows": [\n{lines}\n]}}\n', encoding="utf-8")
        told = {key: made[key] for key in ("start", "fr16", "n16", "moves", "seconds", "closed") if key in made}
        print(made["suite"], made["method"], told, flush=True)


if __name__ == "__main__":
    main()
