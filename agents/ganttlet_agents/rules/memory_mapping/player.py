"""One program that is played again and again, from its beginning to its end, inside a kernel."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.options import as_count
from ganttlet.memory_mapping import layout as at
from ganttlet.memory_mapping.instance import Array, Program
from ganttlet.memory_mapping.kernel import OBJECTIVES
from ganttlet.memory_mapping.layout import make_state
from ganttlet.memory_mapping.placing import PLACEMENTS
from ganttlet.memory_mapping.recording import mapping_of
from ganttlet.memory_mapping.solution import Mapping as MemoryMap
from ganttlet.memory_mapping.storage import MemoryStorage, sizes_of
from ganttlet_agents.evaluation.methods import Option
from ganttlet_agents.rules.memory_mapping.playing import ANY_DENSITY, CAUTIOUS, play

GAME: Mapping[str, Option] = {
    "placement": Option(str, "first_fit", "rule that chooses offsets", choices=PLACEMENTS),
    "window": Option(int, 128, "instructions back that a copy may begin", minimum=1),
    "stall": Option(bool, True, "whether instructions may wait for copies"),
}


class Player:
    """The game of one program.

    Args:
        program: the program.
        placement, window, stall: as in ganttlet/MemoryMapping-v0.

    Attributes:
        genes: (G,) slots at which more than one action may ever be legal.
        values: (objectives of the game, 1) float64, those of the last episode.
        plays: episodes played so far.

    Raises:
        InputError: for an option that the game does not have, or a program it cannot play.
    """

    def __init__(self, program: Program, placement: str = "first_fit", window: int = 128, stall: bool = True) -> None:
        check_choice("placement", placement, PLACEMENTS)
        if not isinstance(stall, bool):
            raise InputError(f"stall: expected True or False, got {stall!r}")
        self.program, self.window, self.stall = program, as_count("window", window), stall
        self.rule, self.plays = PLACEMENTS.index(placement), 0
        sizes = sizes_of(program, self.window)
        storage = MemoryStorage(sizes, None, self.window)
        storage.check(program)
        storage.grow(1)
        storage.put(0, program)
        self.store, self._state = tuple(storage.arrays), make_state(1, sizes, self.window)
        self.state = tuple(self._state)
        self.values = np.zeros((len(OBJECTIVES), 1))
        slots = storage.arrays.slots[0]
        fits = program.aligned[program.slot_buffer] <= program.capacity
        self.genes = np.flatnonzero(fits & ((slots[:, at.RESULT] == 0) | (slots[:, at.UNTIL] >= 0)))

    def wish(self, preference: int = CAUTIOUS) -> Array:
        """Return (U,) int8, the same preference for every slot."""
        return np.full(self.program.n_slots, preference, np.int8)

    def play(self, preference: Array, theta: float = ANY_DENSITY) -> None:
        """Play an episode by ``preference`` (U,) int8 and ``theta``, as ``playing.prefer`` reads them."""
        play(preference, float(theta), self.stall, self.rule, self.store, self.state, self.values)
        self.plays += 1

    def column(self, objective: str) -> int:
        """Return the row of ``values`` that holds an objective of the last episode.

        Raises:
            InputError: for an objective that the game does not compute.
        """
        check_choice("objective", objective, OBJECTIVES)
        return OBJECTIVES.index(objective)

    def mapping(self) -> MemoryMap:
        """Return what the last episode made of the program."""
        return mapping_of(self.program, self._state.played[0], window=self.window, stall=self.stall, rule=self.rule)
