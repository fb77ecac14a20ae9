"""Speed and memory of VM rescheduling's engine, with its slow plain-Python twin timed in the same run.

    python benchmarks/vm_engine.py [--quick] [--out benchmarks/results/vm_engine.json]

Random legal actions on one thread, observation and mask included, resets inside the time, batch 64; the median of the
repeats, which take turns over copies and live buffers. Medium and Large are the published snapshots, read from the
folder of outside data; the third is generated. A step is a choice: of a VM, or of its host.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from batches import Batch

import ganttlet
from ganttlet.vm_rescheduling import Cluster, resolve
from ganttlet.vm_rescheduling.env import VMReschedulingVectorEnv

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
HUGE = {"generator": {"name": "level", "level": "H", "hosts": 2_700}, "seed": 0}
BATCH = 64
TWIN_VMS = 5_000  # a step of the twin takes minutes beyond
MEMORY = """
import os, sys, numpy as np
from ganttlet.vm_rescheduling import resolve
from ganttlet.vm_rescheduling.env import VMReschedulingVectorEnv
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
def play(count):
    env = VMReschedulingVectorEnv(count, instance=resolve("large"))
    obs, info = env.reset(seed=0)
    for _ in range(20):
        obs, _, _, _, info = env.step(np.argmax(info["action_mask"], axis=1))
    return env, obs, info
play(1)
before = resident()
kept = play(256)
print(resident() - before, resident())
"""


def row_bytes(env: VMReschedulingVectorEnv) -> int:
    """Return the bytes of one row's observation."""
    return sum(part[0].nbytes for part in env.live_observation.values())


def twin(instance: Cluster, seconds: float) -> float:
    """Return steps per second of the slow simulator with its mask, random legal actions."""
    from reference.vm_rescheduling import ReferenceRescheduling

    rng, play, steps, begin = np.random.default_rng(0), ReferenceRescheduling(instance), 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < seconds:
        if play.chosen is None:
            # Where every VM may go would take it minutes; one that may go somewhere is found by trying.
            play.chosen = int(rng.integers(instance.n_vms))
            steps += 1
        legal = play.legal()
        play.chosen = None if not legal else play.chosen
        if legal:
            play.step(legal[int(rng.integers(len(legal)))])
            steps += 1
        if play.done:
            play = ReferenceRescheduling(instance)
    return steps / elapsed


def measure(name: str, instance: Cluster, seconds: float, rounds: int) -> dict[str, Any]:
    """Return the rates on one cluster."""
    print(name, instance.size, flush=True)
    options: dict[str, Any] = {"instance": instance, "autoreset_mode": "same_step"}
    kinds = {
        "live": {"copy": False},
        "copies": {"copy": True},
        "live, merge": {"copy": False, "merge": True},
        "live, gains": {"copy": False, "observation": "gains"},
    }
    batches = {kind: Batch(VMReschedulingVectorEnv(BATCH, **options, **given)) for kind, given in kinds.items()}
    rates: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, batch in batches.items():
            rates[kind].append(batch.play(seconds))
    result: dict[str, Any] = {"hosts": instance.n_hosts, "VMs": instance.n_vms}
    result["bytes of a row"] = row_bytes(batches["live"].env)  # type: ignore[arg-type]
    result["steps/s"] = {kind: round(statistics.median(values)) for kind, values in rates.items()}
    if instance.n_vms <= TWIN_VMS:
        slow = twin(instance, 5.0)
        result["steps/s"]["slow twin"] = round(slow, 2)
        result["live / slow twin"] = round(statistics.median(rates["live"]) / slow)
    print(json.dumps(result), flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short repeats")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "vm_engine.json")
    options = parser.parse_args()
    seconds, rounds = (0.2, 3) if options.quick else (1.0, 5)
    clusters = {"Medium": resolve("medium"), "Large": resolve("large"), "20,000 VMs": resolve(HUGE)}
    result: dict[str, Any] = {
        "command": " ".join(["python", *sys.argv]),
        "version": ganttlet.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load_before": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "clusters": {name: measure(name, instance, seconds, rounds) for name, instance in clusters.items()},
    }
    if sys.platform.startswith("linux"):
        done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
        grown, whole = (float(word) for word in done.stdout.split())
        result["256 x Large, MiB"] = {"environments": round(grown, 1), "whole process": round(whole, 1)}
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
