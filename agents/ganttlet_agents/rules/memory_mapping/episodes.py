"""Greedy or random play in the environment itself, whose game may have dead ends; the other rules play the one without.

At a dead end without backup the episode is over and the program stays in slow memory, as it does with a compiler whose
mapping fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.rng import random_legal
from ganttlet.memory_mapping.batch import MemoryMappingVectorEnv
from ganttlet.memory_mapping.features import CONTEXT
from ganttlet.memory_mapping.instance import Program
from ganttlet.memory_mapping.layout import COPY, DROP, NOCOPY
from ganttlet.memory_mapping.solution import Mapping, all_slow_mapping
from ganttlet_agents.evaluation.methods import Outcome

PLAYERS = ("greedy", "random")
GAIN, STALL = (next(at for at, one in enumerate(CONTEXT) if one.name == name) for name in ("gain", "stall"))


def play_game(
    program: Program,
    *,
    player: str = "greedy",
    dead_ends: bool = False,
    backup: bool = True,
    seed: int = 0,
    **game: Any,
) -> Outcome:
    """Return what one episode makes of a program.

    Args:
        program: the program.
        player: greedy: NoCopy where it is legal, else Copy where the slot saves at least the stall or Drop is illegal,
            else Drop. random: any legal action, each as likely as the others.
        dead_ends, backup: as in ganttlet/MemoryMapping-v0; without dead ends ``backup`` says nothing.
        seed: of the random player.
        game: ``placement``, ``window`` and ``stall``, as in ganttlet/MemoryMapping-v0.

    Returns:
        Outcome with the decisions of the episode, those that a backup took back included. Its status counts backups, or
        says that a dead end left everything in slow memory.

    Raises:
        InputError: for an unknown player, or an option that the game does not have.
    """
    check_choice("player", player, PLAYERS)
    rules: dict[str, Any] = {"dead_ends": dead_ends, "backup": backup or not dead_ends}
    env = MemoryMappingVectorEnv(
        1, instance=program, observation="slot", copy=False, autoreset_mode="Disabled", **rules, **game
    )
    _, info = env.reset(seed=seed)
    actions, turn = np.zeros(1, np.int64), seed * 2**32
    while not env.done.all():
        turn += 1
        if player == "random":
            random_legal(env.live_mask, turn, actions)
        else:
            actions[0] = _greedy(env.live_mask[0], env.live_observation["context"][0])
        _, _, _, truncated, info = env.step(actions)
        if truncated.any():
            raise InputError(f"program {program.name}: an episode was cut off after {turn - seed * 2**32} decisions")
    steps, mapping = int(env.flags.steps[0]), cast(Mapping, env.solution(0))
    if (mapping.fast < 0).any():
        return Outcome(all_slow_mapping(program), status="dead end: all slow", decisions=steps, simulated=steps)
    status = f"{int(info['backups'][0])} backups" if dead_ends else ""
    return Outcome(mapping, status=status, decisions=steps, simulated=steps)


def _greedy(may: Any, context: Any) -> int:
    if may[NOCOPY]:
        return NOCOPY
    return COPY if may[COPY] and (context[GAIN] >= context[STALL] or not may[DROP]) else DROP


@dataclass(frozen=True)
class Game:
    """The rule as the evaluator calls it."""

    options: dict[str, Any]

    def solve(self, instance: Program, *, objective: str, seed: int) -> Outcome:
        """Return what one episode makes of the program; the objective is not looked at."""
        return play_game(instance, seed=seed, **self.options)

    def warm_up(self, instance: Program, *, objective: str) -> None:
        """Load the compiled kernels."""
        play_game(instance, **self.options)
