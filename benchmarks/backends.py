"""Rows on Ray beside the same rows by the local process pool, on this machine: are they equal, and what does Ray cost?

    python benchmarks/backends.py            (in an environment with the `ray` extra)

``same``: the small suites of every family, by all their methods that repeat exactly, a solver with a deterministic
budget and the shipped policies besides, locally and on Ray with two and with four workers: rows compared field by
field with those of one process, measured times and memory apart, and solutions byte by byte. Of the one process also
what a row costs: bytes on disk, seconds and decisions per second on its core.

``overhead``: 6,000 rows of cheap rules (ta01 to ta50, 30 seeds) by two local processes and by two Ray workers, in
turns, each in a fresh process. Counted is the time from the first row to the last, and what the driver's process works
in it; what comes before, joining Ray included, is the start. Also the most that Ray's object store held, asked of
`ray memory` once a second in a run that is not timed.

Results go to benchmarks/results/backends.json.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

# Loopback alone; a token would be written into the home folder.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")

from ganttlet_agents.distributed.backend import LOCAL, Backend
from ganttlet_agents.distributed.connect import crew
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.results import ResultFolder, load_results
from ganttlet_agents.evaluation.rows import MEASURED, Row
from ganttlet_agents.evaluation.runner import Plan, plan_run, run
from ganttlet_agents.evaluation.suite import adhoc_suite, load_suite

RESULTS = Path(__file__).parent / "results" / "backends.json"
RAY = Backend("ray")
# Suite -> methods that it does not name itself.
SUITES = {
    "small": ("solver:cpsat:dtime=0.2", "policy:job_shop"),
    "memory_allocation": (),
    "memory_programs": ("policy:memory_mapping",),
    "pods_small": (),
    "soc_small": ("policy:soc_dag",),
    "uam_small": ("policy:uam_fleet",),
    "vm_small": ("policy:vm_rescheduling",),
}
RULES = ("rule:spt", "rule:mwkr", "rule:lpt", "rule:random")


def small_plan(name: str, further: tuple[str, ...]) -> Plan:
    """Return a suite with all its methods that repeat, and further ones; gaps to no method that does not."""
    suite = load_suite(name)
    plan = plan_run(replace(suite, methods=(*suite.methods, *further), reference="none"))
    return replace(plan, methods=[method for method in plan.methods if method.deterministic])


def made(plan: Plan, folder: Path, backend: Backend, jobs: int) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """Return the rows without what is measured, and the solutions."""
    with crew(backend, jobs):
        rows = list(run(plan, ResultFolder(folder), "", jobs=jobs, backend=backend))
    plain = [{key: value for key, value in asdict(row).items() if key not in MEASURED} for row in rows]
    return plain, {path.name: path.read_bytes() for path in (folder / "solutions").iterdir()}


def same(folder: Path) -> dict[str, Any]:
    """Return, by suite, how many rows and solutions differ from those of one process, and what a row costs there."""
    found = {}
    for name, further in SUITES.items():
        plan = small_plan(name, further)
        here = folder / f"{name}-1"
        rows, solutions = made(plan, here, LOCAL, 1)
        counts: dict[str, Any] = {"family": plan.family.name, "rows": len(rows), "methods": len(plan.methods)}
        counts["failed rows"] = sum(bool(row["error"]) for row in rows)
        for backend, workers in ((LOCAL, 2), (LOCAL, 4), (RAY, 2), (RAY, 4)):
            other, others = made(plan, folder / f"{name}-{backend}-{workers}", backend, workers)
            differ = sum(one != two for one, two in zip(rows, other, strict=True))
            counts[f"rows that differ, {backend}, {workers} workers"] = differ
            unequal = sum(others[key] != content for key, content in solutions.items()) + len(others) - len(solutions)
            counts[f"solutions that differ, {backend}, {workers} workers"] = unequal
        found[name] = counts | {"cost": cost(here)}
        print(name, found[name], flush=True)
    return found


def cost(folder: Path) -> dict[str, Any]:
    """Return bytes of a row and what belongs to it, and seconds and decisions of rules and policies on one core."""
    rows = load_results(folder).rows
    found: dict[str, Any] = {"bytes of a row": round((folder / "rows.jsonl").stat().st_size / len(rows))}
    for what in ("solutions", "instances"):
        sizes = [path.stat().st_size for path in (folder / what).iterdir()]
        found[f"bytes of {what}, each"] = round(sum(sizes) / len(sizes))
    for kind in ("rule", "policy"):
        own = [row for row in rows if row.method.startswith(kind) and row.decisions]
        if own:
            seconds = sum(row.seconds for row in own)
            found[f"{kind}, ms a row"] = round(1000 * seconds / len(own), 3)
            found[f"{kind}, decisions/s"] = round(sum(row.decisions for row in own) / seconds)
    return found


def cheap_plan() -> Plan:
    """Return the plan of the rows that are timed."""
    return plan_run(replace(adhoc_suite(["job_shop:ta01..ta50"]), methods=RULES, seeds=tuple(range(30))))


def timed(folder: Path, backend: Backend, workers: int) -> dict[str, float]:
    """Return seconds to be ready, to the first row, and from there to the last; and what the driver works for a row."""
    plan = cheap_plan()
    seen: list[tuple[float, float]] = []

    def see(row: Row) -> None:
        # The first and the last are all that count, and a list of all would be memory of ours.
        seen[1:] = [(time.perf_counter(), time.process_time())]

    begun = time.perf_counter()
    with crew(backend, workers):
        joined = time.perf_counter()
        rows = run(plan, ResultFolder(folder), "", see, jobs=workers, backend=backend)
    assert len(rows) == plan.n_rows
    (first, worked), (last, work) = seen
    return {
        "join": joined - begun,
        "start": first - begun,
        "rows": last - first,
        "driver, ms of the processor a row": 1000 * (work - worked) / (plan.n_rows - 1),
    }


@contextmanager
def watching_store(found: list[float]) -> Iterator[None]:
    """Ask Ray once a second how many MiB its object store holds."""
    over = threading.Event()

    def watch() -> None:
        import ray

        while not over.wait(1.0):
            if not ray.is_initialized():
                continue
            # Not any cluster that happens to run on this machine.
            address = ray.get_runtime_context().gcs_address
            command = [sys.executable, "-m", "ray.scripts.scripts", "memory", "--stats-only", "--address", address]
            told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            found.extend(float(number) for number in re.findall(r"Plasma memory usage (\d+(?:\.\d+)?) MiB", told))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def fresh(function: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    """Return what a function returns in a process of its own: one that has run Ray works more for every row after."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def overhead(folder: Path, repeats: int) -> dict[str, Any]:
    rows = cheap_plan().n_rows
    found: dict[str, list[dict[str, float]]] = {"local": [], "ray": []}
    for repeat in range(repeats):
        for name, backend in (("local", LOCAL), ("ray", RAY)):
            with tempfile.TemporaryDirectory(dir=folder) as here:
                found[name].append(fresh(timed, Path(here), backend, 2))
            print(repeat, name, found[name][-1], flush=True)
    store: list[float] = []
    with tempfile.TemporaryDirectory(dir=folder) as here, watching_store(store):
        timed(Path(here), RAY, 2)
    ratios = [ray["rows"] / local["rows"] for local, ray in zip(found["local"], found["ray"], strict=True)]
    middle = {
        name: {key: round(median(one[key] for one in runs), 3) for key in runs[0]} for name, runs in found.items()
    }
    return {
        "rows": rows,
        "repeats": repeats,
        "local pool": middle["local"],
        "Ray": middle["ray"],
        "local pool, rows/s": round(rows / middle["local"]["rows"]),
        "Ray, rows/s": round(rows / middle["ray"]["rows"]),
        "overhead, %, median of ratios": round(100 * (median(ratios) - 1), 1),
        "overhead, %, of each repeat": [round(100 * (ratio - 1), 1) for ratio in ratios],
        "object store, most MiB": max(store, default=None),
        "object store, asked": len(store),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], "same", "overhead"], help="both, unless named")
    parser.add_argument("--repeats", type=int, default=4)
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.parts or "same" in arguments.parts:
            results["same rows"] = same(Path(folder))
        if not arguments.parts or "overhead" in arguments.parts:
            results["overhead"] = overhead(Path(folder), arguments.repeats)
    results |= {"command": "python benchmarks/backends.py", "device": provenance.device()}
    results["versions"] = provenance.versions()
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
