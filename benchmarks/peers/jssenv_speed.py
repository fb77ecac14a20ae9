"""Steps per second of JSSEnv 1.1.0 on random legal actions, observation and mask included; one JSON line.

Runs in JSSEnv's own environment::

    .bench/jssenv/bin/python benchmarks/peers/jssenv_speed.py --instance ta01 --seconds 3 --repeats 5

JSSEnv is a single environment in NumPy on one thread. Its observation and mask are live buffers that it
hands out without a copy. No-ops count as steps; resets at episode ends are inside the time. ``steps_per_s``
is the median of the repeats, all of which are in ``runs``; ``cpu_per_wall`` well below 1 means that other
processes disturbed the measurement.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time

import JSSEnv
import numpy as np
from JSSEnv.envs.jss_env import JssEnv

BUNDLED = Path(JSSEnv.__file__).parent / "envs" / "instances"


def run(env: JssEnv, seconds: float) -> dict[str, float]:
    """Play whole episodes for at least ``seconds``, so that early and late steps have their true shares."""
    draw, no_op = random.random, env.jobs
    steps = no_ops = episodes = 0
    begin, begin_cpu = perf_counter(), process_time()
    while (elapsed := perf_counter() - begin) < seconds:
        mask = env.reset()["action_mask"]
        done = False
        while not done:
            legal = np.flatnonzero(mask)
            action = int(legal[int(draw() * legal.size)])
            observation, _, done, _, _ = env.step(action)
            mask = observation["action_mask"]
            steps += 1
            no_ops += action == no_op
        episodes += 1
    return {
        "steps_per_s": steps / elapsed,
        "placed_per_s": (steps - no_ops) / elapsed,
        "steps": steps,
        "episodes": episodes,
        "cpu_per_wall": (process_time() - begin_cpu) / elapsed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instance", default="ta01", help="an instance bundled with JSSEnv, e.g. ta01, ta41, ta80")
    parser.add_argument("--seconds", type=float, default=3.0, help="per repeat")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    path = BUNDLED / args.instance
    if not path.is_file():
        parser.error(f"JSSEnv bundles no instance {args.instance!r}")
    random.seed(args.seed)
    env = JssEnv({"instance_path": path})
    run(env, min(0.3, args.seconds))  # untimed: first calls are slower
    runs = [run(env, args.seconds) for _ in range(args.repeats)]
    rate = statistics.median(r["steps_per_s"] for r in runs)
    placed = statistics.median(r["placed_per_s"] for r in runs)
    row = {
        "peer": "JSSEnv",
        "version": version("JSSEnv"),
        "instance": args.instance,
        "batch": 1,
        "steps_per_s": round(rate, 1),
        "placed_per_s": round(placed, 1),
        "runs": [round(r["steps_per_s"], 1) for r in runs],
        "steps": sum(r["steps"] for r in runs),
        "episodes": sum(r["episodes"] for r in runs),
        "cpu_per_wall": round(statistics.mean(r["cpu_per_wall"] for r in runs), 2),
        "numpy": np.__version__,
    }
    print(json.dumps(row))


if __name__ == "__main__":
    main()
