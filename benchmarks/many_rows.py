"""What a run of very many rows takes: time and memory of the process that runs it, of its files and of its readers.

    python benchmarks/many_rows.py [--rows 1000000] [--backend local] [--jobs 1] [--no-readers]

A run has 200 seeds of five rules on as many generated 4x4 job shops as its rows need, a thousand rows each, and keeps
no solutions. It and what reads it have a fresh process each.

``driver``: the process that runs the plan. With one job it solves the rows itself. ``at start``: when the plan is made
and before the first row; ``peak``: the most that was seen at one row in a hundred, since the evaluator lets the system
forget the peak at every row. ``readers``: peak of a process that loads all rows, then makes the tables of the terminal,
then the report, each with its seconds. MiB are of resident memory, None where the system does not tell (only Linux).

Results go to benchmarks/results/many_rows.json, each under its size, backend and jobs.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from ganttlet_agents.cli.evaluate import print_results
from ganttlet_agents.distributed.backend import Backend
from ganttlet_agents.distributed.connect import crew
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.report import write_report
from ganttlet_agents.evaluation.results import ROWS, ResultFolder, load_results
from ganttlet_agents.evaluation.rows import Row
from ganttlet_agents.evaluation.runner import Plan, plan_run, run
from ganttlet_agents.evaluation.suite import Suite

RESULTS = Path(__file__).parent / "results" / "many_rows.json"
RULES = ("rule:random", "rule:spt", "rule:lpt", "rule:mwkr", "rule:fifo")
SEEDS = 200
EVERY = 100


def plan_of(rows: int) -> Plan:
    """Return a plan of so many rows, up to a thousand."""
    count = max(1, round(rows / (SEEDS * len(RULES))))
    entries = tuple({"generator": "uniform", "jobs": 4, "machines": 4, "seed": seed} for seed in range(count))
    suite = Suite("many_rows", __file__, "", "job_shop", ("makespan",), {"": entries}, RULES, tuple(range(SEEDS)))
    return plan_run(suite)


def resident(field: str) -> float | None:
    """Return MiB of resident memory: ``VmRSS`` now, ``VmHWM`` at most since the system last forgot."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    return next((round(int(line.split()[1]) / 1024, 1) for line in lines if line.startswith(field)), None)


def drive(folder: Path, rows: int, jobs: int, backend: Backend) -> dict[str, Any]:
    """Run a plan into a folder, and return what it took."""
    plan = plan_of(rows)
    start, peak, done = resident("VmRSS"), 0.0, 0

    def on_row(row: Row) -> None:
        nonlocal peak, done
        done += 1
        if done % EVERY == 0:
            peak = max(peak, resident("VmHWM") or 0.0)

    begun = time.perf_counter()
    with crew(backend, jobs):
        how: dict[str, Any] = {"jobs": jobs, "backend": backend, "solutions": False}
        kept = run(plan, ResultFolder(folder), provenance.command_line(), on_row, **how)
        seconds = time.perf_counter() - begun
    assert len(kept) == done == plan.n_rows
    size = (folder / ROWS).stat().st_size
    whole = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {
        "rows": done,
        "instances": len(plan.instances),
        "seconds": round(seconds, 1),
        "rows/s": round(done / seconds, 1),
        "driver, MiB at start": start,
        "driver, MiB at peak": max(peak, resident("VmHWM") or 0.0) or None,
        "bytes of a row": round(size / done, 1),
        "MB of the folder": round(whole / 1e6, 1),
    }


def read(folder: Path) -> dict[str, Any]:
    """Load a folder, make its tables and its report, and return what each took."""
    from rich.console import Console

    found: dict[str, Any] = {"readers, MiB at start": resident("VmRSS")}

    def timed(name: str, do: Callable[[], Any]) -> Any:
        begun = time.perf_counter()
        made = do()
        found[f"{name}, s"] = round(time.perf_counter() - begun, 1)
        found[f"{name}, MiB at peak"] = resident("VmHWM")
        return made

    results = timed("loading", lambda: load_results(folder))
    now = resident("VmRSS")
    if now is not None:
        grown = (now - found["readers, MiB at start"]) * 2**20
        found["bytes of a loaded row"] = round(grown / len(results.rows))
    summaries = timed("tables", lambda: print_results(Console(file=io.StringIO(), width=200), results, None))
    timed("report", lambda: write_report(results, summaries=summaries))
    found["MB of the report"] = round((folder / "report.html").stat().st_size / 1e6, 1)
    return found


def fresh(function: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Return what a function returns in a process of its own."""
    # Not a Pool: its processes may have no children, which is what workers are.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rounded to thousands")
    parser.add_argument("--backend", choices=("local", "ray"), default="local")
    parser.add_argument("--jobs", type=int, default=1, help="processes that rows are spread over")
    parser.add_argument("--folder", type=Path, help="where the result folder is made; the temporary folder by default")
    parser.add_argument("--no-readers", action="store_true", help="the run alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        result = {
            "command": " ".join(["python", *sys.argv]),
            "device": provenance.device(),
            "commit": provenance.commit(),
            "load": [round(one, 1) for one in os.getloadavg()] if hasattr(os, "getloadavg") else None,
            "versions": provenance.versions(),
            **fresh(drive, Path(name), options.rows, options.jobs, Backend(options.backend)),
            **({} if options.no_readers else fresh(read, Path(name))),
        }
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    found[f"{result['rows']:,} rows, backend {options.backend}, jobs {options.jobs}"] = result
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
