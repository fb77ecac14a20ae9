"""What dead ends cost: the reserved game against dead ends with backup and without, on the extracted programs.

    python benchmarks/memory_dead_ends.py [--episodes 32] [--seed 0]

Two players: ``greedy`` takes NoCopy where it is legal, else Copy where it saves no less than it stalls, else Drop, once
per program; ``random`` takes any legal action, in so many episodes. Every episode that ends with a whole mapping is
validated. Per game: ``speedup`` over everything slow, the mean of the validated mappings (null if there is none),
``backups`` per episode, ``failed``, the share of episodes that a dead end ended, and ``decisions`` per episode, those
that were taken back included. The last three games choose offsets that spare what may be used again, the others the
lowest ones. Results go to benchmarks/results/memory_dead_ends.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganttlet.core.record import write_atomic
from ganttlet.core.rng import random_legal
from ganttlet.memory_mapping import Program, validate
from ganttlet.memory_mapping.batch import MemoryMappingVectorEnv
from ganttlet.memory_mapping.features import CONTEXT
from ganttlet.memory_mapping.layout import COPY, DROP, NOCOPY
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.suite import load_instances, load_suite

RESULTS = Path(__file__).parent / "results" / "memory_dead_ends.json"
SUITE = "memory_programs"
GAMES: Mapping[str, Mapping[str, Any]] = {
    "reserved": {},
    "backup": {"dead_ends": True},
    "no_backup": {"dead_ends": True, "backup": False},
    "reserved_reserve": {"placement": "reserve"},
    "backup_reserve": {"dead_ends": True, "placement": "reserve"},
    "no_backup_reserve": {"dead_ends": True, "backup": False, "placement": "reserve"},
}
PLAYERS = ("greedy", "random")
GAIN, STALL = (next(at for at, one in enumerate(CONTEXT) if one.name == name) for name in ("gain", "stall"))


def greedy(env: MemoryMappingVectorEnv, actions: np.ndarray[Any, Any], turn: int) -> None:
    """Write each row's greedy action."""
    may, context = env.live_mask == 1, env.live_observation["context"]
    copies = may[:, COPY] & ((context[:, GAIN] >= context[:, STALL]) | ~may[:, DROP])
    actions[:] = np.where(may[:, NOCOPY], NOCOPY, np.where(copies, COPY, DROP))


def by_chance(env: MemoryMappingVectorEnv, actions: np.ndarray[Any, Any], turn: int) -> None:
    """Write any legal action of each row, each as likely as the others."""
    random_legal(env.live_mask, turn, actions)


def play(program: Program, player: str, episodes: int, seed: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """Play so many episodes and return what came of them."""
    env = MemoryMappingVectorEnv(
        episodes, instance=program, observation="slot", copy=False, autoreset_mode="Disabled", **options
    )
    env.reset(seed=seed)
    actions, decide = np.zeros(episodes, np.int64), greedy if player == "greedy" else by_chance
    turn = seed * 2**32
    while not env.done.all():
        turn += 1
        decide(env, actions, turn)
        _, _, _, truncated, info = env.step(actions)
        assert not truncated.any(), f"{program.name}: an episode was cut off"
    backups = info["backups"].mean() if "backups" in info else 0.0
    speedups = []
    for row in range(episodes):
        mapping = env.solution(row)
        if (mapping.fast >= 0).all():
            verdict = validate(program, mapping)
            assert verdict.feasible, f"{program.name}: {verdict.violations[0].message}"
            speedups.append(verdict.values["speedup"])
    return {
        "speedup": round(float(np.mean(speedups)), 4) if speedups else None,
        "backups": round(float(backups), 3),
        "failed": round(1 - len(speedups) / episodes, 4),
        "decisions": round(float(env.flags.steps.mean()), 1),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=32, help="of the random player, per program and game")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    rows = []
    for entry in load_instances(load_suite(SUITE)):
        program = entry.instance
        assert isinstance(program, Program)
        for player in PLAYERS:
            episodes = 1 if player == "greedy" else options.episodes
            row: dict[str, Any] = {
                "group": entry.group,
                "program": program.name.partition(":")[0],
                "slots": program.n_slots,
                "player": player,
                "episodes": episodes,
            }
            for game, given in GAMES.items():
                row[game] = play(program, player, episodes, options.seed, given)
            rows.append(row)
            print(json.dumps(row), flush=True)
    head = {
        "command": f"python benchmarks/memory_dead_ends.py --episodes {options.episodes} --seed {options.seed}",
        "device": provenance.device(),
        "commit": provenance.commit(),
    }
    lines = ",\n".join(json.dumps(row) for row in rows)
    write_atomic(RESULTS, json.dumps(head)[:-1] + f', "rows": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
