"""Memory and start-up time of the job-shop engine, each measured in a process of its own.

    python benchmarks/footprint.py [--out benchmarks/results/footprint.json]

Memory: the growth of the resident set over a process that has loaded the kernels, and the whole process, for 1,024
environments of 100x20, each row on an instance of its own. Start: ``import ganttlet``, and from there to the end of the
first step of ``gym.make("ganttlet/JobShop-v0")``, median of the repeats, kernels in the cache.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

MEMORY = """
import gymnasium as gym, numpy as np, ganttlet, os
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
def play(count):
    generator = {"name": "taillard", "jobs": 100, "machines": 20}
    env = gym.make_vec("ganttlet/JobShop-v0", num_envs=count, generator=generator, observation=OBSERVATION)
    obs, info = env.reset(seed=0)
    for _ in range(50):
        obs, _, _, _, info = env.step(np.argmax(info["action_mask"], axis=1))
    return env, obs, info
play(1)
before = resident()
kept = play(1024)
print(resident() - before, resident())
"""
START = """
import time
begin = time.perf_counter()
import ganttlet
imported = time.perf_counter()
import gymnasium as gym
env = gym.make("ganttlet/JobShop-v0")
_, info = env.reset(seed=0)
env.step(int(info["action_mask"].argmax()))
print(imported - begin, time.perf_counter() - begin)
"""


def run(code: str) -> list[float]:
    """Return the numbers that a fresh interpreter prints for ``code``."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "footprint.json")
    options = parser.parse_args()
    result: dict[str, object] = {
        "command": " ".join(["python", *sys.argv]),
        "device": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    }
    if sys.platform.startswith("linux"):
        for observation in ("jobs", "graph"):
            code = MEMORY.replace("OBSERVATION", repr(observation))
            run(code)  # the first run may compile, which takes memory of its own
            grown, whole = run(code)
            result[f"1,024 x 100x20, observation {observation}, MiB"] = {
                "environments": round(grown, 1),
                "whole process": round(whole, 1),
            }
    run(START)
    times = [run(START) for _ in range(9)]
    result["start, s (median of 9)"] = {
        "import ganttlet": round(statistics.median(one[0] for one in times), 3),
        "import to first step": round(statistics.median(one[1] for one in times), 3),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
