"""Best plans and proven bounds of the clusters in suites vm_h, vm_medium and vm_large, for benchmarks/vm_quality.py.

    python benchmarks/vm_references.py [--solver columns] [--time 120] [--repeats 3]

Writes benchmarks/results/vm_references.json, an instance at a time; the time of a row is the median of its repeats.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from pathlib import Path
from typing import Any

from ganttlet.vm_rescheduling import Cluster, validate
from ganttlet_agents.evaluation.suite import load_instances, load_suite
from ganttlet_agents.solvers.vm_rescheduling import solve_columns, solve_cpsat

RESULTS = Path(__file__).parent / "results"
SUITES = ("vm_medium", "vm_large", "vm_h")
SOLVERS: dict[str, Any] = {"columns": solve_columns, "cpsat": solve_cpsat}


def solve(instance: Cluster, options: argparse.Namespace) -> dict[str, Any]:
    """Return one row: the best of the repeats, validated."""
    found = [SOLVERS[options.solver](instance, time_limit=options.time, seed=seed) for seed in range(options.repeats)]
    best = min(found, key=lambda result: result.value)
    verdict = validate(instance, best.plan)
    assert verdict.feasible, verdict.violations
    return {
        "name": instance.name,
        "digest": instance.digest,
        "mnl": instance.limit,
        "value": verdict.values["fr16"],
        "n16": verdict.values["n16"],
        "moves": verdict.values["moves"],
        "bound": max(result.bound for result in found),
        "optimal": any(result.optimal for result in found),
        "seconds": round(statistics.median(result.seconds for result in found), 3),
        "seconds of each": [round(result.seconds, 2) for result in found],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--solver", choices=SOLVERS, default="columns")
    parser.add_argument("--suites", nargs="+", default=list(SUITES))
    parser.add_argument("--limits", nargs="+", type=int, help="migration limits to solve; all without it")
    parser.add_argument("--time", type=float, default=120.0)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    name = "vm_references" if options.solver == "columns" else f"vm_{options.solver}"
    data: dict[str, Any] = {
        "command": " ".join(["python", *sys.argv]),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "rows": [],
    }
    for suite in options.suites:
        for entry in load_instances(load_suite(suite)):
            assert isinstance(entry.instance, Cluster)
            if options.limits and entry.instance.limit not in options.limits:
                continue
            data["rows"].append({"suite": suite, **solve(entry.instance, options)})
            (RESULTS / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
            print({key: data["rows"][-1][key] for key in ("name", "value", "bound", "optimal", "seconds")}, flush=True)


if __name__ == "__main__":
    main()
