"""Speed of the engine of memory mapping.

    python benchmarks/memory_engine.py [--quick] [--out benchmarks/results/memory_engine.json]

One thread, random legal play, in seconds of the thread's own processor time: on an idle machine these are those of the
clock, and other work on the machine counts little. ``kernel``: whole episodes inside one kernel, decisions per second
without observation, resets included. The others play a batch of 64 through ``step``, observation and mask included,
resets inside the time; ``live`` shows the buffers themselves, ``copies`` what users get by default. The median of the
repeats, which take turns.

Then nanoseconds per slot against the length of a drawn program: a chain of layers, recurrent cells, and a training
step, in which the number of buffers that are alive at once grows with the length. And what it costs to copy a row
(state and observation) within a batch, and to take and to restore a snapshot, 256 rows at once.

Programs that are not shipped are read from the folder of outside data; without it those are left out.
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
from ganttlet.core.errors import InputError
from ganttlet.core.jit import jit_lean
from ganttlet.core.rng import key_of, randint, random_legal
from ganttlet.memory_mapping import Program, make_generator, resolve
from ganttlet.memory_mapping.batch import MemoryMappingVectorEnv
from ganttlet.memory_mapping.game import begin, decide, go_on
from ganttlet.memory_mapping.layout import LEGAL, N_ACTIONS, SLOT

HERE = Path(__file__).parent
BATCH = 64
PROGRAMS = ("bert_base_b4_t128", "lstm2_t24_b32")
HARDWARE = ("tpu_v4i_like", "tight")
PLACEMENTS = ("first_fit", "best_fit", "reserve")
VIEWS: dict[str, dict[str, Any]] = {
    "window": {},
    "slot": {"observation": "slot"},
    "program": {"observation": "program"},
    "program by number": {"observation": "program", "static": "index"},
    "picture": {"picture": True},
}
CHAIN = {"name": "random", "skip": 0.3, "reuse": 0.2, "pressure": [1.0, 1.0]}
CELLS = {"name": "recurrent", "layers": [2, 2], "pressure": [1.0, 1.0]}
TRAINING = {"name": "training", "pressure": [1.0, 1.0]}
UNIT = {"random": "instructions", "recurrent": "steps", "training": "layers"}
LENGTHS = (300, 1000, 3000, 10000, 20000)


@jit_lean
def by_chance(key: Any, k: Any, legal: Any) -> Any:
    """Return a legal action, each as likely as the others."""
    rank = randint(key, np.uint64(k), 0, (legal & 1) + (legal >> 1 & 1) + (legal >> 2 & 1) - 1)
    for a in range(N_ACTIONS):
        if legal >> a & 1:
            if rank == 0:
                return a
            rank -= 1
    return 0


@jit_lean
def play_rows(rows: Any, slot: Any, seed: Any, rule: Any, store: Any, state: Any) -> int:
    """Play whole episodes of ``rows`` by random legal actions; return the number of decisions."""
    size_, real_, work_, total_, slots_, moved_, buffers_, demand_, _facts = store
    totals_, row_, left_, rects_, held_, played_ = state
    decisions = 0
    for i in rows:
        v = slot[i]
        size, real, work, total, slots, moved = size_[v], real_[v], work_[v], total_[v], slots_[v], moved_[v]
        buffers, demand = buffers_[v], demand_[v]
        totals, row, left, rects, held, played = totals_[i], row_[i], left_[i], rects_[i], held_[i], played_[i]
        key, over = key_of(seed, np.uint64(1), np.uint64(i)), False
        begin(True, rule, size, real, work, total, slots, buffers, demand, totals, row, left, rects, held, played)
        while not over:
            a = by_chance(key, totals[SLOT], totals[LEGAL])
            decide(a, real, work, slots, moved, buffers, demand, totals, row, left, rects, held, played)
            over = go_on(True, rule, size, real, work, total, slots, buffers, demand, totals, row, left, rects, held)
            decisions += 1
    return decisions


class Kernel:
    """Whole episodes of one program inside the kernel, in a batch of rows."""

    def __init__(self, program: Program, placement: str = "first_fit", rows: int = BATCH) -> None:
        self.env = MemoryMappingVectorEnv(rows, instance=program, observation="slot", placement=placement)
        self.env.reset(seed=0)
        self.rule, self.turn = PLACEMENTS.index(placement), 0
        self.play(0.0)

    def play(self, seconds: float) -> float:
        """Return decisions per second over at least ``seconds``."""
        env, decisions, begin_at = self.env, 0, time.thread_time()
        while True:
            self.turn += 1
            store, state = tuple(env._storage.arrays), tuple(env._state)
            decisions += play_rows(env._rows, env._slot, np.uint64(self.turn), self.rule, store, state)
            elapsed = time.thread_time() - begin_at
            if elapsed >= seconds:
                return decisions / elapsed


class Batch:
    """A batch that steps by random legal actions, warmed up; finished rows start anew by themselves."""

    def __init__(self, program: Program, rows: int = BATCH, copy: bool = False, **options: Any) -> None:
        self.env = MemoryMappingVectorEnv(rows, instance=program, autoreset_mode="same_step", copy=copy, **options)
        self.env.reset(seed=0)
        self.actions, self.turn = np.zeros(rows, np.int64), 0
        self.play(0.02)

    def play(self, seconds: float) -> float:
        """Return decisions per second over at least ``seconds``."""
        calls, begin_at = 0, time.thread_time()
        while True:
            for _ in range(8):
                self.turn += 1
                random_legal(self.env.live_mask, self.turn, self.actions)
                self.env.step(self.actions)
            calls += 8
            elapsed = time.thread_time() - begin_at
            if elapsed >= seconds:
                return calls * self.env.num_envs / elapsed


def measure(program: Program, seconds: float, rounds: int) -> dict[str, Any]:
    """Return the rates on one program."""
    players: dict[str, Kernel | Batch] = {f"kernel, {rule}": Kernel(program, rule) for rule in PLACEMENTS}
    for view, given in VIEWS.items():
        for kind in ("live", "copies"):
            players[f"{view}, {kind}"] = Batch(program, copy=kind == "copies", **given)
    rates: dict[str, list[float]] = {name: [] for name in players}
    for _ in range(rounds):
        for name, player in players.items():
            rates[name].append(player.play(seconds))
    found = {name: round(statistics.median(values)) for name, values in rates.items()}
    return {"slots": program.n_slots, "decisions/s": found}


def drawn(kind: dict[str, Any], slots: int) -> Program:
    """Return a drawn program of about so many slots."""
    unit, count, program = UNIT[kind["name"]], 40, None
    for _ in range(4):
        program = make_generator({**kind, unit: [count, count]}).sample(0)
        count = max(1, round(count * slots / program.n_slots))
    assert program is not None
    return program


def lengths(seconds: float, rounds: int) -> dict[str, Any]:
    """Return nanoseconds per slot of programs of several lengths, resets included."""
    result: dict[str, Any] = {}
    for name, kind in (("chain of layers", CHAIN), ("recurrent cells", CELLS), ("training step", TRAINING)):
        players = [Kernel(drawn(kind, slots), rows=8) for slots in LENGTHS]
        batches = [Batch(one.env.instance(0), rows=8) for one in players]
        rates = [
            [(p.play(seconds), b.play(seconds)) for p, b in zip(players, batches, strict=True)] for _ in range(rounds)
        ]
        middle = np.median(np.array(rates), axis=0)
        result[name] = [
            {
                "slots": one.env.instance(0).n_slots,
                "kernel": round(1e9 / middle[at, 0]),
                "with observation, batch of 8": round(1e9 / middle[at, 1]),
            }
            for at, one in enumerate(players)
        ]
    return result


def time_of(call: Callable[[], Any], rounds: int) -> float:
    """Return the seconds of a call, the median."""
    call()
    found = []
    for _ in range(rounds):
        began = time.thread_time()
        call()
        found.append(time.thread_time() - began)
    return statistics.median(found)


def copies(program: Program, rounds: int) -> dict[str, Any]:
    """Return microseconds and bytes per row of copying, snapshots and restoring in the middle of an episode."""
    result: dict[str, Any] = {"slots": program.n_slots}
    for view, given in VIEWS.items():
        batch = Batch(program, rows=512, **given)
        env, source, target = batch.env, np.arange(256), np.arange(256, 512)
        for _ in range(program.n_slots // 16):
            batch.play(0.0)
        calls = {
            "copy": partial(env.copy_rows, source, target),
            "snapshot": partial(env.snapshot, source),
            "restore": partial(env.restore, env.snapshot(source), target),
        }
        result[view] = {
            "bytes of state": sum(part[0].nbytes for part in env._state),
            "bytes of observation": sum(part[0].nbytes for part in env.live_observation.values()),
            **{name: round(1e6 * time_of(call, 8 * rounds) / 256, 3) for name, call in calls.items()},
        }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="short repeats")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "memory_engine.json")
    options = parser.parse_args()
    seconds, rounds = (0.05, 3) if options.quick else (0.2, 5)
    result: dict[str, Any] = {
        "command": " ".join(["python", *sys.argv]),
        "version": ganttlet.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load_before": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "programs": {},
        "microseconds per row": {},
    }
    for name in PROGRAMS:
        for hardware in HARDWARE:
            try:
                program = resolve(name).on(hardware)
            except InputError as error:
                print(f"{name}: left out: {error}")
                break
            found = measure(program, seconds, rounds)
            result["programs"][f"{name}, {hardware}"] = found
            print(name, hardware, json.dumps(found), flush=True)
            if hardware == HARDWARE[0]:
                result["microseconds per row"][name] = copies(program, rounds)
                print(name, json.dumps(result["microseconds per row"][name]), flush=True)
    result["nanoseconds per slot, against"] = lengths(seconds, rounds)
    print(json.dumps(result["nanoseconds per slot, against"]))
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
