"""Rules of memory mapping, planners and an evolutionary search.

``greedy``, ``greedy_density``, ``belady``, ``rent`` and the search play the environment's game inside a kernel
(``playing.prefer``); tests/reference/memory_rules.py plays them in plain Python. ``all_slow`` and ``msa`` plan on the
program. ``game`` plays in the environment itself, with dead ends if asked. The latency with everything fast, a bound,
is ``Program.all_fast``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

from ganttlet.core.errors import check_choice
from ganttlet.core.options import as_number
from ganttlet.memory_mapping.instance import Program
from ganttlet.memory_mapping.solution import OBJECTIVES, Mapping, all_slow_mapping, measure
from ganttlet_agents.evaluation.methods import MethodType, Option, Outcome
from ganttlet_agents.rules.memory_mapping.belady import preferences
from ganttlet_agents.rules.memory_mapping.episodes import PLAYERS, Game, play_game
from ganttlet_agents.rules.memory_mapping.evolution import BUDGET, MUTATIONS, STARTS, WHOLE, run_evolution
from ganttlet_agents.rules.memory_mapping.msa import ORDERS, SUPPLIES, run_msa
from ganttlet_agents.rules.memory_mapping.player import GAME, Player
from ganttlet_agents.rules.memory_mapping.rent import wishes

__all__ = [
    "METHODS",
    "THETAS",
    "play_game",
    "run_all_slow",
    "run_belady",
    "run_evolution",
    "run_greedy",
    "run_greedy_density",
    "run_msa",
    "run_msa_best",
    "run_rent",
]

Found = tuple[Mapping, int]
# Logarithmic from 1e-4 to 1, at which no copy saves as much as it takes.
THETAS = tuple(10.0 ** (-4.0 + i / 6.0) for i in range(25))


def run_all_slow(program: Program, objective: str = "latency") -> Found:
    """Return the mapping that serves everything from slow memory, and the number of decisions."""
    return all_slow_mapping(program), program.n_slots


def run_greedy(program: Program, objective: str = "latency", **game: Any) -> Found:
    """Return what the greedy rule makes of a program, and the number of decisions.

    In the order of slots: NoCopy if it is legal; else Copy, if it is legal and the slot saves at least the stall that
    it costs; else Drop.

    Args:
        program: the program.
        objective: not looked at.
        game: ``placement``, ``window`` and ``stall``, as Player takes them.

    Raises:
        InputError: for an option that the game does not have.
    """
    player = Player(program, **game)
    player.play(player.wish())
    return player.mapping(), program.n_slots


def run_greedy_density(
    program: Program, objective: str = "latency", *, theta: float | None = None, **game: Any
) -> Found:
    """Return what the greedy rule makes of a program if only copies that save enough for their size are made.

    Copy must also save more than ``theta`` times the time of slow memory that it takes, size / slow bandwidth.

    Args:
        program: the program.
        objective: what the best of THETAS is chosen by, among equals the least.
        theta: at least 0; each of THETAS is tried if it is None.
        game: as :func:`run_greedy`.

    Raises:
        InputError: for an unknown objective, or an option out of range.
    """
    player = Player(program, **game)

    def play(value: float) -> Mapping:
        player.play(player.wish(), value)
        return player.mapping()

    tried = THETAS if theta is None else (as_number("theta", theta, 0.0, float("inf")),)
    return best_of(program, objective, map(play, tried)), program.n_slots * len(tried)


def run_belady(program: Program, objective: str = "latency", **game: Any) -> Found:
    """Return what Belady's rule makes of a program: what is used soonest stays (``belady.stays``).

    Arguments and errors are those of :func:`run_greedy`.
    """
    player = Player(program, **game)
    player.play(preferences(program))
    return player.mapping(), program.n_slots


def run_rent(program: Program, objective: str = "latency", **game: Any) -> Found:
    """Return the best of what is made of a program if only what earns a rent is in fast memory (``rent.wishes``).

    Arguments and errors are those of :func:`run_greedy`; the best is chosen by the objective, among equals the first.
    """
    player = Player(program, **game)

    def play(wish: Any) -> Mapping:
        player.play(wish)
        return player.mapping()

    mapping = best_of(program, objective, map(play, wishes(program)))
    return mapping, program.n_slots * player.plays


def run_msa_best(program: Program, objective: str = "latency") -> Found:
    """Return the best of the six plans of :func:`run_msa` by an objective, among equals the first, and decisions."""
    plans = (run_msa(program, order, supply) for order, supply in product(ORDERS, SUPPLIES))
    return best_of(program, objective, plans), program.n_slots * len(ORDERS) * len(SUPPLIES)


def best_of(program: Program, objective: str, mappings: Iterable[Mapping]) -> Mapping:
    """Return the first of the best mappings by an objective.

    Raises:
        InputError: for an unknown objective.
    """
    check_choice("objective", objective, OBJECTIVES)
    sign = 1.0 if OBJECTIVES[objective].sense == "min" else -1.0
    return min(mappings, key=lambda mapping: sign * measure(program, mapping)[objective])


@dataclass(frozen=True)
class MemoryMethod:
    """A rule or search as the evaluator calls it."""

    run: Callable[..., Found]
    options: dict[str, Any]
    seeded: bool = False

    def solve(self, instance: Program, *, objective: str, seed: int) -> Outcome:
        """Return the mapping and the number of decisions taken for it."""
        given = {**self.options, "seed": seed} if self.seeded else self.options
        mapping, decisions = self.run(instance, objective, **given)
        return Outcome(mapping, decisions=decisions)

    def warm_up(self, instance: Program, *, objective: str) -> None:
        """Load the compiled kernels."""
        short = {"budget": 2, "seconds": None} if self.seeded else {}
        self.run(instance, objective, **{**self.options, **short})


def _msa(program: Program, objective: str, **options: Any) -> Found:
    return run_msa(program, **options), program.n_slots


def _evolution(program: Program, objective: str, **options: Any) -> Found:
    mapping, plays = run_evolution(program, objective, **options)
    return mapping, plays * program.n_slots


def _method(
    kind: str, name: str, about: str, run: Callable[..., Found], options: dict[str, Option] | None = None
) -> MethodType:
    seeded = kind == "search"

    def build(given: dict[str, Any]) -> MemoryMethod:
        named = {"seconds" if key == "time" else key: value for key, value in given.items()}
        return MemoryMethod(run, named, seeded)

    return MethodType(
        kind,
        name,
        "memory_mapping",
        about,
        options or {},
        build,
        lambda given: given.get("time") is None,
        budgets={"seconds": "time"} if "time" in (options or {}) else {},
    )


def _share(value: float) -> str | None:
    return None if value <= 1.0 else f"{value:g} is no probability; expected a number in 0 … 1"


METHODS = (
    _method("rule", "all_slow", "everything in slow memory", run_all_slow),
    _method("rule", "greedy", "keep if possible, else copy if the slot saves at least the stall", run_greedy, {**GAME}),
    _method(
        "rule",
        "greedy_density",
        "greedy that copies only what saves enough for its size",
        run_greedy_density,
        {
            "theta": Option(float, None, "time saved / time of the copy, must be exceeded; best of 25", minimum=0.0),
            **GAME,
        },
    ),
    _method("rule", "belady", "what is used soonest stays, by Belady's rule on sizes", run_belady, {**GAME}),
    _method("rule", "rent", "what saves enough for the space and time it takes; best of rents", run_rent, {**GAME}),
    _method(
        "rule",
        "msa",
        "buffer by buffer in the manner of XLA's memory space assignment",
        _msa,
        {
            "order": Option(str, "boundedness", "which buffers are planned first", choices=ORDERS),
            "supply": Option(str, "elapsed", "what copies are planned to take", choices=SUPPLIES),
        },
    ),
    MethodType(
        "rule",
        "game",
        "memory_mapping",
        "greedy or random play in the environment, with dead ends if asked",
        {
            "player": Option(str, "greedy", "who plays", choices=PLAYERS),
            "dead_ends": Option(bool, False, "whether results have a place in their own instruction only"),
            "backup": Option(bool, True, "whether a dead end is backed up from; else everything stays slow"),
            **GAME,
        },
        Game,
    ),
    _method("rule", "msa_best", "best of the six msa plans", run_msa_best),
    _method(
        "search",
        "evolution",
        "(1 + offspring) evolution of a preference for each slot",
        _evolution,
        {
            "budget": Option(int, None, f"evaluations; {BUDGET} if time is not given either", minimum=1),
            "time": Option(float, None, "time limit in seconds", minimum=0.0),
            "offspring": Option(int, 1, "children of a generation", minimum=1),
            "mutations": Option(int, MUTATIONS, "most changes that a child makes", minimum=1),
            "whole": Option(float, WHOLE, "how often a change reaches a whole buffer", minimum=0.0, check=_share),
            "start": Option(
                str, "greedy", "the first parent: greedy, or the best of rules, or of msa as well", choices=STARTS
            ),
            **GAME,
        },
    ),
)
