"""What the evaluator costs beside the methods that it runs, on one thread.

    python benchmarks/evaluator.py

Two runs, each beside a bare loop that solves and validates the same and nothing else, one after the other in every
repeat: a cheap rule on ta01, once for every seed, and the shipped policy, greedy, on ta01 to ta10. The evaluator also
keeps the solution, writes and flushes the row, and tells where it ran. Loading instances and methods is in neither, the
method's warm-up in both.

``overhead``: the run's time less the bare loop's, by the clock and by the processor; medians of the repeats. On a
machine that does other work as well, every wait for the disk costs a turn of the processor, and the clock says little:
there, ``chrt -f 1 python benchmarks/evaluator.py`` (Linux, as root) goes before all others, and the result says so.
Folders lie in the system's temporary folder, or in --folder. Results go to benchmarks/results/evaluator.json.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.results import ResultFolder
from ganttlet_agents.evaluation.rows import Row
from ganttlet_agents.evaluation.runner import Plan, plan_run, run
from ganttlet_agents.evaluation.suite import adhoc_suite

RESULTS = Path(__file__).parent / "results" / "evaluator.json"
COMMAND = "python benchmarks/evaluator.py"
RULE, POLICY = "rule:spt_twkr", "policy:job_shop:decode=greedy:threads=1"


def plan_of(instances: str, method: str, seeds: int) -> Plan:
    """Return a plan of one method on instances of the job shop."""
    return plan_run(replace(adhoc_suite([f"job_shop:{instances}"]), methods=(method,), seeds=tuple(range(seeds))))


class Stopwatch:
    """Milliseconds since it was made, by the clock and by the processor."""

    def __init__(self) -> None:
        self.begun = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        return 1e3 * (time.perf_counter() - self.begun[0]), 1e3 * (time.process_time() - self.begun[1])


def bare(plan: Plan) -> tuple[float, float]:
    """Return the time of solving and validating alone."""
    ((method,), (objective,)) = plan.methods, plan.suite.objectives
    watch = Stopwatch()
    method.warm_up(plan.instances[0].instance, objective=objective)
    for entry in plan.instances:
        for seed in plan.suite.seeds:
            outcome = method.solve(entry.instance, objective=objective, seed=seed)
            assert outcome.solution is not None
            assert plan.family.validate(entry.instance, outcome.solution).feasible
    return watch.read()


def evaluated(plan: Plan, folder: Path) -> tuple[tuple[float, float], list[Row]]:
    """Return the time of a run, and its rows."""
    watch = Stopwatch()
    kept = run(plan, ResultFolder(folder), COMMAND)
    spent = watch.read()
    rows = list(kept)
    assert not any(row.failed for row in rows)
    return spent, rows


def measure(plan: Plan, repeats: int, folder: Path) -> dict[str, Any]:
    """Return what a row costs: medians over repeats, and the least and most of the overhead by the clock."""
    bare(plan)
    alone, whole = [], []
    for repeat in range(-1, repeats):
        before = bare(plan)
        with tempfile.TemporaryDirectory(dir=folder) as here:
            spent, _ = evaluated(plan, Path(here))
        if repeat >= 0:  # the first run also asks for versions, commit and device, which are kept
            alone.append(before)
            whole.append(spent)
    times = np.array([alone, whole]) / plan.n_rows
    clock, processor = (times[1] - times[0]).T
    share = 100 * np.median(processor) / np.median(times[0, :, 1])
    return {
        "rows": plan.n_rows,
        "bare loop, ms a row": round(float(np.median(times[0, :, 0])), 3),
        "evaluator, ms a row": round(float(np.median(times[1, :, 0])), 3),
        "overhead, ms a row": round(float(np.median(clock)), 3),
        "overhead, least and most": [round(float(clock.min()), 3), round(float(clock.max()), 3)],
        "overhead, %": round(float(100 * np.median(clock) / np.median(times[0, :, 0])), 2),
        "overhead, ms of the processor": round(float(np.median(processor)), 3),
        "overhead, % of the processor": round(float(share), 2),
    }


def scheduling() -> str:
    """Return whether this process goes before others."""
    first = hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) == os.SCHED_FIFO
    return "before all other processes" if first else "beside other processes"


def pieces(plan: Plan, folder: Path, times: int = 100) -> dict[str, float]:
    """Return the milliseconds of each thing that the evaluator does for a row, by itself."""
    ((method,), entry) = plan.methods, plan.instances[0]
    outcome = method.solve(entry.instance, objective=plan.suite.objectives[0], seed=0)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        _, (row, *_) = evaluated(plan, Path(name))
        here = ResultFolder(Path(name))
        doings: dict[str, Callable[[], Any]] = {
            "validate": lambda: plan.family.validate(entry.instance, outcome.solution),
            "keep the solution": lambda: here.save_solution(row.key, outcome.solution),
            "write and flush the row": lambda: here.append(row),
        }
        found = {}
        for label, do in doings.items():
            spent = []
            for _ in range(times):
                watch = Stopwatch()
                do()
                spent.append(watch.read()[0])
            found[label] = round(median(spent), 3)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--seeds", type=int, default=100, help="rows of the cheap rule")
    parser.add_argument("--folder", type=Path, help="where result folders are made; the temporary folder by default")
    options = parser.parse_args()
    cheap, policy = plan_of("ta01", RULE, options.seeds), plan_of("ta01..ta10", POLICY, 1)
    result = {
        "command": COMMAND,
        "device": provenance.device(),
        "commit": provenance.commit(),
        "load": [round(one, 1) for one in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "versions": provenance.versions(),
        "scheduling": scheduling(),
        "repeats": options.repeats,
        "runs": {
            f"`{RULE}` on ta01": measure(cheap, options.repeats, options.folder),
            "`policy:job_shop`, greedy, on ta01 to ta10": measure(policy, options.repeats, options.folder),
        },
        "ms of a row on ta01": pieces(cheap, options.folder),
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
