"""Speed of the engine of SoC task graphs, with its slow plain-Python twin timed in the same run.

    python benchmarks/soc_engine.py [--quick] [--out benchmarks/results/soc_engine.json]

One thread. ``rule in the kernel``: whole runs of ETF, decisions per second, resets included. The others play random
legal actions, observation and mask included, resets inside the time, batch 64. ``slow twin``: ETF in
tests/reference, on the same workloads. The median of the repeats, which take turns. Platforms that are not shipped are
read from the folder of outside data; without it those rows are left out.

Then the cost of ETF against the jobs in the system, the number of PEs, and the size of a graph.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from batches import Batch

import ganttlet
from ganttlet.core.errors import InputError
from ganttlet.soc_dag import Workload, make_generator, resolve
from ganttlet.soc_dag.batch import SoCDAGVectorEnv

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
BATCH = 64
STREAMS = {
    "top_3": "top_mix5:length=20000:warmup=0:end=drain:prefill=false:full=block:capacity=3",
    "odroid_acc16": "il_mix:rate=16:length=20000:warmup=0:end=drain",
}
VIEWS = {
    "pe": {"action": "pe"},
    "pe, without tasks": {"action": "pe", "observation": "ready"},
    "task": {"action": "task"},
    "joint, wait": {"action": "joint", "wait": True},
}


def run_rule(workloads: list[Workload], rule: str = "etf") -> float:
    """Return decisions per second of whole runs in the kernel, resets included."""
    options = {"observation": "ready", "autoreset_mode": "disabled", "copy": False}
    env = SoCDAGVectorEnv(len(workloads), instances=workloads, **options)
    env.reset(options={"instance": workloads})
    env.play(rule)
    begin = time.perf_counter()
    env.reset(options={"instance": workloads})
    decisions = env.play(rule)
    return decisions / (time.perf_counter() - begin)


def twin(workload: Workload, seconds: float) -> float:
    """Return decisions per second of the slow simulator under ETF."""
    from reference.soc_rules import Rule
    from reference.soc_system import System

    play, decisions, begin = System(workload), 0, time.perf_counter()
    rule = Rule(play, "etf")
    while (elapsed := time.perf_counter() - begin) < seconds:
        decisions += len(rule.decide())
        if play.over:
            play = System(workload)
            rule = Rule(play, "etf")
    return decisions / elapsed


def measure(name: str, workload: Workload, seconds: float, rounds: int) -> dict[str, Any]:
    """Return the rates on one stream."""
    print(name, flush=True)
    workloads = [resolve(f"{workload.name}:seed={seed}") for seed in range(8)]
    batches = {
        f"{view}, {kind}": Batch(
            SoCDAGVectorEnv(BATCH, instances=workloads, autoreset_mode="same_step", copy=kind == "copies", **given)
        )
        for view, given in VIEWS.items()
        for kind in ("live", "copies")
    }
    rates: dict[str, list[float]] = {"rule in the kernel": [], **{key: [] for key in batches}}
    for _ in range(rounds):
        rates["rule in the kernel"].append(run_rule(workloads))
        for key, batch in batches.items():
            rates[key].append(batch.play(seconds))
    found = {key: round(statistics.median(values)) for key, values in rates.items()}
    found["slow twin"] = round(twin(workloads[0], 4 * seconds))
    result = {
        "decisions/s": found,
        "rule in the kernel / slow twin": round(found["rule in the kernel"] / found["slow twin"]),
    }
    print(json.dumps(result), flush=True)
    return result


def sweeps(rounds: int) -> dict[str, dict[str, int]]:
    """Return microseconds per decision of ETF, each against one size."""

    def cost(workload: Workload) -> float:
        return round(1e6 / statistics.median(run_rule([workload]) for _ in range(rounds)), 3)

    found: dict[str, Any] = {}
    stream = "top_mix5:length=20000:warmup=0:end=drain:prefill=false:full=block:scale=10"
    found["jobs in the system"] = {n: cost(resolve(f"{stream}:capacity={n}")) for n in (1, 3, 10, 30, 100)}
    layered = {"name": "layered", "apps": 1, "out_degree": 4, "ccr": 0.5}
    found["PEs"] = {
        n: cost(make_generator({**layered, "tasks": 200, "pes": n}).sample(0)) for n in (2, 4, 8, 16, 32, 64)
    }
    found["tasks of a graph, 16 PEs"] = {
        n: cost(make_generator({**layered, "tasks": n, "pes": 16}).sample(0)) for n in (10, 30, 100, 300, 1000)
    }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short repeats")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "soc_engine.json")
    options = parser.parse_args()
    seconds, rounds = (0.2, 3) if options.quick else (1.0, 5)
    result: dict[str, Any] = {
        "command": " ".join(["python", *sys.argv]),
        "version": ganttlet.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load_before": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "streams": {},
    }
    for name, spec in STREAMS.items():
        try:
            workload = resolve(spec)
        except InputError as error:
            print(f"{name}: left out: {error}")
            continue
        result["streams"][name] = measure(name, workload, seconds, rounds)
    result["ETF, microseconds per decision, against"] = sweeps(rounds)
    print(json.dumps(result["ETF, microseconds per decision, against"]))
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
