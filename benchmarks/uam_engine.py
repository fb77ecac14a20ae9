"""How fast a day of a fleet is played, on one thread.

Days of ``captain-2024``, as large as the table says; the largest have more slots, and passengers in proportion to the
fleet. ``kernel``: whole days of a rule inside one kernel, decisions per second without observation, starts included
(``greedy_lookahead`` looks at all pairs of legs, which takes long with 200 ports, and is left out there). The others
play a batch by chance through ``step``, observation and mask included, starts inside the time: ``live`` shows the
buffers themselves, ``copies`` what users get by default. The median of the repeats, which take turns. And what it costs
to copy a row (state and observation) within a batch, and to take and to restore a snapshot.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import ganttlet
from ganttlet.core.rng import random_legal
from ganttlet.uam_fleet import Scenario, generate
from ganttlet.uam_fleet.batch import UAMFleetVectorEnv

HERE = Path(__file__).parent
RULES = ("random", "greedy", "greedy_lookahead")
VIEWS: dict[str, dict[str, Any]] = {
    "full": {},
    "candidates": {"observation": "candidates"},
    "candidates without worth": {"observation": "candidates", "worth": False},
}
CAPTAIN: dict[str, Any] = {"name": "captain-2024"}
LARGE = {**CAPTAIN, "vertistops": 0, "parking": 20, "charging": 10}
# label -> settings, rows inside the kernel, rows of a batch that is seen.
SIZES: dict[str, tuple[dict[str, Any], int, int]] = {
    "8 ports, 40 aircraft": ({**CAPTAIN, "geography": "nyc"}, 64, 256),
    "50 ports, 250 aircraft": ({**LARGE, "ports": 50, "fleet": 250, "demand": 18750}, 4, 32),
    "200 ports, 1000 aircraft": ({**LARGE, "ports": 200, "fleet": 1000, "demand": 75000}, 1, 4),
    "200 ports, 5000 aircraft": ({**LARGE, "ports": 200, "fleet": 5000, "demand": 375000}, 1, 4),
}


class Kernel:
    """Whole days of one scenario by a rule inside the kernel, in a batch of rows."""

    def __init__(self, scenario: Scenario, rule: str, rows: int) -> None:
        self.env = UAMFleetVectorEnv(rows, instance=scenario, observation="candidates")
        self.rule, self.turn = rule, 0
        self.play(0.0)

    def play(self, seconds: float) -> float:
        """Return decisions per second over at least ``seconds``."""
        decisions, begin_at = 0, time.thread_time()
        while True:
            self.turn += 1
            self.env.reset(seed=0)
            decisions += self.env.play(self.rule, seed=self.turn)
            elapsed = time.thread_time() - begin_at
            if elapsed >= seconds:
                return decisions / elapsed


class Batch:
    """A batch that steps by random legal actions, warmed up; finished rows start anew by themselves."""

    def __init__(self, scenario: Scenario, rows: int, copy: bool, **options: Any) -> None:
        self.env = UAMFleetVectorEnv(rows, instance=scenario, autoreset_mode="same_step", copy=copy, **options)
        self.env.reset(seed=0)
        self.actions, self.turn = np.zeros(rows, np.int64), 0
        self.play(0.02)

    def play(self, seconds: float) -> float:
        """Return decisions per second over at least ``seconds``."""
        calls, begin_at = 0, time.thread_time()
        while True:
            self.turn += 1
            random_legal(self.env.live_mask, self.turn, self.actions)
            self.env.step(self.actions)
            calls += 1
            elapsed = time.thread_time() - begin_at
            if elapsed >= seconds:
                return calls * self.env.num_envs / elapsed


def measure(scenario: Scenario, inside: int, seen: int, seconds: float, rounds: int) -> dict[str, int]:
    """Return the decisions per second on one scenario."""
    players: dict[str, Kernel | Batch] = {
        f"kernel, {rule}": Kernel(scenario, rule, inside) for rule in RULES[: 3 if inside > 1 else 2]
    }
    for view, given in VIEWS.items():
        for kind in ("live", "copies"):
            players[f"{view}, {kind}"] = Batch(scenario, seen, kind == "copies", **given)
    rates: dict[str, list[float]] = {name: [] for name in players}
    for _ in range(rounds):
        for name, player in players.items():
            rates[name].append(player.play(seconds))
    return {name: round(statistics.median(values)) for name, values in rates.items()}


def time_of(call: Callable[[], Any], rounds: int) -> float:
    """Return the seconds of a call, the median."""
    call()
    found = []
    for _ in range(rounds):
        began = time.thread_time()
        call()
        found.append(time.thread_time() - began)
    return statistics.median(found)


def copies(scenario: Scenario, rounds: int, rows: int = 64) -> dict[str, Any]:
    """Return microseconds and bytes per row of copying, snapshots and restoring in the middle of a day."""
    result: dict[str, Any] = {}
    for view, given in VIEWS.items():
        batch = Batch(scenario, 2 * rows, False, **given)
        env, source, target = batch.env, np.arange(rows), np.arange(rows, 2 * rows)
        calls = {
            "copy": partial(env.copy_rows, source, target),
            "snapshot": partial(env.snapshot, source),
            "restore": partial(env.restore, env.snapshot(source), target),
        }
        result[view] = {
            "bytes of state": sum(part[0].nbytes for part in env._state),
            "bytes of observation": sum(part[0].nbytes for part in env.live_observation.values()),
            **{name: round(1e6 * time_of(call, 8 * rounds) / rows, 2) for name, call in calls.items()},
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short repeats")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "uam_engine.json")
    options = parser.parse_args()
    seconds, rounds = (0.1, 3) if options.quick else (0.3, 5)
    result: dict[str, Any] = {
        "command": " ".join(["python", *sys.argv]),
        "version": ganttlet.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load_before": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "decisions/s": {},
    }
    for label, (settings, inside, seen) in SIZES.items():
        scenario = generate(settings, 0)
        result["decisions/s"][label] = measure(scenario, inside, seen, seconds, rounds)
        print(label, json.dumps(result["decisions/s"][label]), flush=True)
        if inside > 1:
            result.setdefault("microseconds per row", {})[label] = copies(scenario, rounds)
            print(label, json.dumps(result["microseconds per row"][label]), flush=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
