"""Speed of the job-shop engine beside its peers, all in one run.

    python benchmarks/peers/setup.py
    python benchmarks/engine.py [--quick] [--out benchmarks/results/engine.json]

Random legal actions, observation and mask included, resets inside the time; timing nondelay unless said otherwise.
Each rate is the median of its repeats; ours and the peers' take turns, so that other work on the machine falls on both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from batches import Batch, side_by_side

import ganttlet
from ganttlet.core.rng import random_legal
from ganttlet.job_shop import resolve
from ganttlet.job_shop.env import JobShopVectorEnv
from ganttlet.job_shop.formats import write_standard

HERE = Path(__file__).parent
INSTANCES = ("ta01", "ta41", "ta80")
BATCHES = (1, 16, 64, 256, 1024, 4096)


def job_shops(instance: str, batch: int, *, copy: bool, **options: Any) -> Batch:
    """Return a batch of one instance."""
    return Batch(JobShopVectorEnv(batch, instance=instance, copy=copy, autoreset_mode="same_step", **options))


def single(seconds: float, *, wrapped: bool) -> float:
    """Return steps per second of one environment on ta01, through gym.make's wrappers or without them."""
    env = gym.make("ganttlet/JobShop-v0", instance="ta01")
    env = env if wrapped else env.unwrapped
    _, info = env.reset(seed=0)
    rng = np.random.default_rng(0)
    steps, begin = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < seconds:
        legal = np.flatnonzero(info["action_mask"])
        _, _, terminated, _, info = env.step(legal[rng.integers(len(legal))])
        steps += 1
        if terminated:
            _, info = env.reset()
    return steps / elapsed


def dispatch_cost() -> dict[str, float]:
    """Return microseconds per step of a single environment: an idle kernel call, in place, and with its copies."""
    env = gym.make("ganttlet/JobShop-v0", instance="ta80").unwrapped
    env.reset(seed=0)
    batch, actions = env.batch, np.zeros(1, np.int64)
    cost = {}
    for name, call in (
        (
            "one kernel call with nothing to play (dispatch)",
            lambda: (batch.flags.active.fill(False), batch._advance(actions)),
        ),
        ("step in place", lambda: (random_legal(batch.live_mask, 1, actions), batch.step_in_place(actions))),
        ("step", lambda: (random_legal(batch.live_mask, 1, actions), env.step(actions[0]))),
    ):
        runs = []
        for _ in range(7):
            env.reset()
            batch.flags.active.fill(True)
            begin = time.perf_counter()
            for _ in range(1500):
                call()
            runs.append((time.perf_counter() - begin) / 1500 * 1e6)
        cost[name] = round(statistics.median(runs), 2)
    return cost


def peer(name: str, *arguments: str) -> dict[str, object] | None:
    """Run a peer's script in its own environment; None if that is not set up."""
    folder = HERE.parent / ".bench" / name
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not python.exists():
        return None
    script = HERE / "peers" / f"{name}_speed.py"
    done = subprocess.run([str(python), str(script), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{name}: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def against_jssenv(instance: str, rounds: int, seconds: float) -> dict[str, float]:
    """Take turns with JSSEnv on one instance; median rates and ratios. ``same process``: preset jssenv, copies."""
    copied, live = job_shops(instance, 256, copy=True), job_shops(instance, 256, copy=False)
    same = job_shops(instance, 256, copy=True, preset="jssenv")
    rows: dict[str, list[float]] = {"copies": [], "live": [], "same process": [], "gym.make": [], "jssenv": []}
    for _ in range(rounds):
        rows["copies"].append(copied.play(seconds))
        rows["live"].append(live.play(seconds))
        rows["same process"].append(same.play(seconds))
        if instance == "ta01":
            rows["gym.make"].append(single(seconds, wrapped=True))
        answer = peer("jssenv", "--instance", instance, "--seconds", str(seconds), "--repeats", "1")
        if answer:
            rows["jssenv"].append(float(answer["steps_per_s"]))  # type: ignore[arg-type]
    result = {name: statistics.median(rates) for name, rates in rows.items() if rates}
    if "jssenv" in result:
        for name in ("copies", "live", "same process", "gym.make"):
            if name in result:
                result[f"{name} / jssenv"] = result[name] / result["jssenv"]
    return {name: round(value, 1) for name, value in result.items()}


def against_jumanji(instance: str, seconds: float) -> dict[str, object] | None:
    """Placed operations per second, batch 256, of ours (a step places one) and of Jumanji's JobShop on CPU."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "instance.txt"
        write_standard(resolve(instance), path)
        answer = peer(
            "jumanji", "--instance", str(path), "--batch", "256", "--threads", "1", "--seconds", str(seconds),
            "--repeats", "3",
        )  # fmt: skip
    if answer is None:
        return None
    batch = job_shops(instance, 256, copy=True)
    ours = statistics.median(batch.play(seconds) for _ in range(3))
    theirs = float(answer["placed_per_s"])  # type: ignore[arg-type]
    return {"copies": round(ours), "jumanji": round(theirs), "ratio": round(ours / theirs, 1), "detail": answer}


def sweep(seconds: float, batches: tuple[int, ...]) -> list[dict[str, object]]:
    """Rates over instance, batch, copies and threads."""
    rows: list[dict[str, object]] = []
    for instance in INSTANCES:
        for batch in batches:
            for copy in (True, False):
                pair = [job_shops(instance, batch, copy=copy) for _ in range(2)]
                one = statistics.median(pair[0].play(seconds) for _ in range(3))
                two = statistics.median(side_by_side(pair, seconds) for _ in range(3))
                row = {"instance": instance, "batch": batch, "copies": copy}
                rows.append({**row, "one thread": round(one), "two threads": round(two)})
                print(f"{instance}  batch {batch:5d}  {'copies' if copy else 'live  '}  "
                      f"{one / 1e6:6.3f} M steps/s  two threads {two / 1e6:6.3f} M")  # fmt: skip
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short repeats, batches 1 and 256 only")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "engine.json")
    options = parser.parse_args()
    seconds, rounds = (0.2, 3) if options.quick else (1.0, 5)
    result: dict[str, Any] = {
        "about": "jssenv: steps/s, batch 256 (gym.make: one environment), beside JSSEnv 1.1.0; "
        "jumanji: placed operations/s, batch 256, beside Jumanji 1.1.2; sweep: steps/s",
        "command": " ".join(["python", *sys.argv]),
        "version": ganttlet.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_before": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "jssenv": {},
        "jumanji": {},
    }
    for instance in INSTANCES:
        result["jssenv"][instance] = row = against_jssenv(instance, rounds, seconds)
        print("jssenv", instance, row)
    for instance in INSTANCES:
        result["jumanji"][instance] = answer = against_jumanji(instance, seconds)
        print("jumanji", instance, answer)
    result["single environment on ta80, µs"] = cost = dispatch_cost()
    print("single environment on ta80, µs:", cost)
    result["sweep"] = sweep(seconds / 3, (1, 256) if options.quick else BATCHES)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
