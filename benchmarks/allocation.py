"""Memory allocation on the published problems: heights by rule, what the solvers find and prove, speed of the engine.

    python benchmarks/allocation.py                          # all but policies: a quarter of an hour
    python benchmarks/allocation.py rules                    # every rule on every problem, height / greatest load
    python benchmarks/allocation.py solvers [--time 60] [--workers 2] [--seeds 3]
    python benchmarks/allocation.py known                    # envs/ganttlet/memory_allocation/data/known.csv
    python benchmarks/allocation.py engine [--seconds 0.2]   # steps/s of random legal play, beside the slow twin
    python benchmarks/allocation.py policies RUN …           # run folders or shipped policies beside rules and search

Results go to benchmarks/results/allocation.json, a part each; ``known`` takes the least heights from there and from the
file as it is. Seconds are wall-clock seconds and, beside them, the processor's; steps/s are counted by the thread's
own processor time. The search has one thread and is run once per seed, CP-SAT once; problems too large for it are left
out. Problems are read from the folder of outside data; ``policies`` plays the suites minimalloc and memory_allocation,
and names may have options as for evaluate.py (RUN:samples=64).
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import ganttlet
from ganttlet.core.data import data_path
from ganttlet.core.record import write_atomic
from ganttlet.core.rng import random_legal
from ganttlet.memory_allocation import Allocation, AllocationInstance, reference, resolve, validate
from ganttlet.memory_allocation.bounds import table
from ganttlet.memory_allocation.env import MemoryAllocationVectorEnv
from ganttlet.memory_allocation.packing import FITS
from ganttlet_agents.evaluation.methods import BoundMethod, parse_methods
from ganttlet_agents.evaluation.suite import load_instances, load_suite
from ganttlet_agents.rules.memory_allocation import BEST, LOWEST, RULES, run_rule
from ganttlet_agents.solvers.memory_allocation import SolverResult, solve_cpsat, solve_minimal
from ganttlet_agents.solvers.memory_allocation.minimal import Minimal
from ganttlet_agents.solvers.memory_allocation.problem import parts_of
from ganttlet_agents.solvers.memory_allocation.searching import MEMBERS, Search

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
OUT = HERE / "results" / "allocation.json"
KNOWN = HERE.parent / "envs" / "ganttlet" / "memory_allocation" / "data" / "known.csv"
SETS = ("minimalloc", "idealloc")
SUITES = ("minimalloc", "memory_allocation")
FAMILY = "memory_allocation"
BATCH = 64


def problems() -> list[AllocationInstance]:
    """Return the published problems that are at hand."""
    names = [
        f"{group}:{path.name.split('.csv')[0] if group == 'idealloc' else path.name.split('.')[0]}"
        for group in SETS
        for path in sorted(data_path("memory_mapping", group).glob("*.csv"))
    ]
    return [resolve(name) for name in names]


def facts(instance: AllocationInstance) -> dict[str, Any]:
    """Return what a table shows of a problem."""
    return {
        "name": instance.name,
        "buffers": instance.n_buffers,
        "times": len(instance.times),
        "load": instance.peak,
        "capacity": instance.capacity,
    }


def rules(_: argparse.Namespace) -> dict[str, Any]:
    """Return height / load by rule and problem."""
    rows = []
    for instance in problems():
        print(instance.name, flush=True)
        methods = [(f"{name}:fit={fit}", name, {"fit": fit}) for name in RULES for fit in FITS]
        methods += [(f"{LOWEST}:ties={name}", LOWEST, {"ties": name}) for name in RULES]
        methods.append((BEST, BEST, {}))
        ratios = {}
        for label, name, options in methods:
            ratios[label] = round(validate(instance, run_rule(name, instance, **options)).values["ratio"], 4)
        rows.append({**facts(instance), "height / load": ratios})
    return {"rows": rows}


def solvers(given: argparse.Namespace) -> dict[str, Any]:
    """Return what each solver finds within the time, the search by seed."""
    Minimal().warm_up(None, objective="height")
    rows = []
    for instance in problems():
        if max(map(Search.size_of, parts_of(instance))) > MEMBERS:
            continue
        row = facts(instance)
        for name, seeds, solve in (
            ("minimal", given.seeds, lambda one, seed: solve_minimal(one, time_limit=given.time, seed=seed)),
            ("cpsat", 1, lambda one, seed: solve_cpsat(one, time_limit=given.time, workers=given.workers, seed=seed)),
        ):
            found = [timed(solve, instance, seed) for seed in range(seeds)]
            row[name] = found
            print(instance.name, name, json.dumps(found), flush=True)
        rows.append(row)
    return {"time limit": given.time, "workers of cpsat": given.workers, "rows": rows}


def timed(solve: Any, instance: AllocationInstance, seed: int) -> dict[str, Any]:
    """Return one solve's result, checked by the validator, and its seconds."""
    begun = time.process_time()
    result: SolverResult = solve(instance, seed)
    spent = time.process_time() - begun
    verdict = validate(instance, result.allocation)
    assert verdict.values["height"] == result.height >= result.bound >= instance.peak
    return {
        "seed": seed,
        "status": result.status,
        "height": result.height,
        "bound": result.bound,
        "seconds": round(result.seconds, 2),
        "processor seconds": round(spent, 2),
        "decisions": result.nodes,
    }


class Batch:
    """A batch that steps by random legal actions, warmed up; finished rows start anew by themselves."""

    def __init__(self, env: MemoryAllocationVectorEnv) -> None:
        self.env = env
        env.reset(seed=0)
        self.actions, self.turn = np.zeros(env.num_envs, np.int64), 0
        self.play(0.02)

    def play(self, seconds: float) -> float:
        """Return steps per second of the thread's own processor time over at least ``seconds`` of it."""
        calls, begun = 0, time.thread_time()
        while True:
            for _ in range(8):
                self.turn += 1
                random_legal(self.env.live_mask, self.turn, self.actions)
                self.env.step(self.actions)
            calls += 8
            elapsed = time.thread_time() - begun
            if elapsed >= seconds:
                return calls * self.env.num_envs / elapsed


def engine(given: argparse.Namespace) -> dict[str, Any]:
    """Return steps/s of random legal play, observation and mask included, resets inside the time."""
    from reference.memory_allocation import Buffer, ReferenceAllocation

    rows = []
    for instance in [one for one in problems() if one.n_buffers <= 2000]:
        batches = {
            f"{view}, {kind}": Batch(
                MemoryAllocationVectorEnv(
                    BATCH, instance=instance, observation=view, autoreset_mode="same_step", copy=kind == "copies"
                )
            )
            for view in ("buffers", "sections")
            for kind in ("live", "copies")
        }
        rates = {
            key: round(statistics.median(batch.play(given.seconds) for _ in range(3))) for key, batch in batches.items()
        }
        columns = (instance.lower, instance.upper, instance.size, instance.alignment)
        buffers = [Buffer(*map(int, row)) for row in zip(*columns, strict=True)]
        play, steps, begun = ReferenceAllocation(buffers, instance.capacity), 0, time.thread_time()
        while (elapsed := time.thread_time() - begun) < 2 * given.seconds and not play.done:
            play.step(steps)
            steps += 1
        row = {**facts(instance), "steps/s": {**rates, "slow twin": round(steps / elapsed, 1)}}
        print(json.dumps(row), flush=True)
        rows.append(row)
    return {"batch": BATCH, "rows": rows}


def policies(given: argparse.Namespace) -> dict[str, Any]:
    """Return mean height / least height known and the share that fits, by suite, group and method."""
    parts: dict[str, Any] = {}
    for name in SUITES:
        suite = load_suite(name)
        entries = load_instances(suite)
        for method in parse_methods([*suite.methods, *(f"policy:{run}" for run in given.runs)], FAMILY):
            for group in dict.fromkeys(entry.group for entry in entries):
                values = [judged(method, entry.instance) for entry in entries if entry.group == group]
                parts.setdefault(group, {})[method.label] = {
                    "height / best known": round(statistics.mean(one[0] for one in values), 4),
                    "fits": round(statistics.mean(one[1] for one in values), 4),
                }
            print(name, method.label, flush=True)
    return {"trained": [trained(run) for run in given.runs], "groups": parts}


def trained(run: str) -> str:
    """Return how a run folder came about: its command and the decisions that it saw."""
    folder = Path(run.partition(":")[0])
    if not (folder / "command.txt").is_file():
        return run
    last = json.loads((folder / "evaluations.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    command = (folder / "command.txt").read_text(encoding="utf-8").strip()
    return f"{run}: `{command}`, {last['timesteps']:,} decisions in {last['seconds']:.0f} s"


def judged(method: BoundMethod, instance: Any) -> tuple[float, float]:
    """Return height / least height known, and 1 if it fits, of what a method finds, checked by the validator."""
    outcome = method.solve(instance, objective="height", seed=0)
    assert isinstance(outcome.solution, Allocation), f"{method.label} found nothing on {instance.name}"
    verdict = validate(instance, outcome.solution)
    assert verdict.feasible, f"{method.label} on {instance.name}: {verdict.violations[0].message}"
    return verdict.values["height"] / reference(instance).value, verdict.values["fits"]


def known(_: argparse.Namespace) -> None:
    """Write the least heights: of the results, and of the file as it is."""
    rows = {row.digest: (row.name, row.height, row.bound, row.source) for row in table().values()}
    solved = json.loads(OUT.read_text(encoding="utf-8"))["solvers"]["rows"]
    for row in solved:
        digest = resolve(row["name"]).digest
        for name in ("minimal", "cpsat"):
            for result in row[name]:
                old = rows.get(digest, ("", 2**62, 0, ""))
                bound = max(old[2], result["bound"])
                if result["height"] < old[1]:
                    rows[digest] = (row["name"], result["height"], bound, f"solver:{name} of this package")
                else:
                    rows[digest] = (*old[:2], bound, old[3])
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["name", "digest", "height", "bound", "source"])
    writer.writerows(sorted((name, digest, *rest) for digest, (name, *rest) in rows.items()))
    write_atomic(KNOWN, buffer.getvalue())


PARTS = {"rules": rules, "solvers": solvers, "engine": engine, "policies": policies}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", default="all", choices=["all", *PARTS, "known"])
    parser.add_argument("runs", nargs="*", metavar="RUN", help="policies: run folders or shipped policies")
    parser.add_argument("--time", type=float, default=60.0, help="seconds of each solve")
    parser.add_argument("--workers", type=int, default=2, help="threads of CP-SAT")
    parser.add_argument("--seeds", type=int, default=3, help="runs of the search")
    parser.add_argument("--seconds", type=float, default=0.2, help="of each repeat of the engine's play")
    given = parser.parse_args(arguments)
    for part in ("rules", "solvers", "known", "engine") if given.part == "all" else (given.part,):
        if part == "known":
            known(given)
        else:
            write(part, given)


def write(part: str, given: argparse.Namespace) -> None:
    """Measure a part and put it into the result file."""
    load = [round(one, 2) for one in os.getloadavg()] if hasattr(os, "getloadavg") else None
    options = {
        "solvers": f" --time {given.time:g} --workers {given.workers} --seeds {given.seeds}",
        "engine": f" --seconds {given.seconds:g}",
        "policies": "".join(f" {run}" for run in given.runs),
    }
    result = {
        "command": f"python benchmarks/allocation.py {part}{options.get(part, '')}",
        "version": ganttlet.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load before": load,
        **PARTS[part](given),
    }
    head = {"about": "a part for each question: command and machine", "command": "python benchmarks/allocation.py"}
    whole = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {}
    write_atomic(OUT, json.dumps({**head, **whole, part: result}, indent=1) + "\n")


if __name__ == "__main__":
    main()
