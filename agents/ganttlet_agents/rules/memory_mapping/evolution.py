"""Evolution of preferences: (1 + offspring), from those of the greedy rule or of the best of some rules."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from itertools import islice, product
from typing import Any

import numpy as np

from ganttlet.core.errors import check_choice
from ganttlet.core.options import as_count, as_number, as_seed
from ganttlet.memory_mapping.instance import Array, Program
from ganttlet.memory_mapping.solution import OBJECTIVES, Mapping
from ganttlet_agents.rules.memory_mapping.belady import preferences
from ganttlet_agents.rules.memory_mapping.msa import ORDERS, SUPPLIES, run_msa
from ganttlet_agents.rules.memory_mapping.player import Player
from ganttlet_agents.rules.memory_mapping.playing import CAUTIOUS, FORCE, PREFER_DROP, evolve
from ganttlet_agents.rules.memory_mapping.rent import wishes

STARTS = ("greedy", "rules", "best")
BUDGET = 10_000
MUTATIONS = 3
WHOLE = 0.1
LEAST_SHARES = (0.0, 1 / 1024, 1 / 256, 1 / 64, 1 / 16)
SLICE = 0.05  # seconds between two looks at the clock


def first_parents(program: Program, start: str) -> Iterator[Array]:
    """Yield preferences (U,) int8 to start from.

    ``greedy``: cautious everywhere. ``rules``: also force everywhere, those of Belady's rule, and those by rents
    (``rent.wishes``). ``best``: also, for each plan of ``run_msa``, force where the plan is fast and drop where it is
    slow; and the same of buffers alone that fill one of LEAST_SHARES of fast memory, since smaller ones in between may
    leave no place for a large one.
    """
    yield np.full(program.n_slots, CAUTIOUS, np.int8)
    if start != "greedy":
        yield np.full(program.n_slots, FORCE, np.int8)
        yield preferences(program)
        yield from wishes(program)
    if start == "best":
        for order, supply in product(ORDERS, SUPPLIES):
            plan = run_msa(program, order, supply)
            for share in LEAST_SHARES:
                wanted = (plan.fast == 1) & (program.aligned[program.slot_buffer] >= share * program.capacity)
                yield np.where(wanted, FORCE, PREFER_DROP).astype(np.int8)


def run_evolution(
    program: Program,
    objective: str = "latency",
    *,
    budget: int | None = None,
    seconds: float | None = None,
    offspring: int = 1,
    mutations: int = MUTATIONS,
    whole: float = WHOLE,
    start: str = "greedy",
    seed: int = 0,
    **game: Any,
) -> tuple[Mapping, int]:
    """Return the best mapping found and the number of evaluations.

    The genome is a preference for each slot: drop, cautious or force, which the game decodes (``playing.prefer``). A
    child differs from its parent by 1 … ``mutations`` changes, each of a gene or of all genes of a buffer; the best
    child of a generation, the first of equals, replaces the parent unless it is worse. An evaluation is one episode.

    Args:
        program: the program.
        objective: what counts, of those that the game computes.
        budget: evaluations, those of the start included; 10000 if neither limit is given.
        seconds: time limit, so that results vary from run to run.
        offspring: children of a generation.
        mutations: most changes that a child makes.
        whole: probability in 0 … 1 that a change reaches all slots of a buffer.
        start: what the first parent is the best of, among equals the first; see :func:`first_parents`.
        seed: of the mutations. With a budget in evaluations alone, equal seeds give equal mappings.
        game: ``placement``, ``window`` and ``stall``, as Player takes them.

    Raises:
        InputError: for an objective that the game does not compute, or an option out of range.
    """
    check_choice("start", start, STARTS)
    offspring, mutations = as_count("offspring", offspring), as_count("mutations", mutations)
    whole = as_number("whole", whole, 0.0, 1.0)
    if seconds is not None:
        seconds = as_number("seconds", seconds, 0.0, float("inf"))
    limit = as_count("budget", budget) if budget is not None else BUDGET if seconds is None else None
    end = math.inf if seconds is None else time.perf_counter() + seconds
    player = Player(program, **game)
    key, column = np.uint64(as_seed("seed", seed)), player.column(objective)
    sign = 1.0 if OBJECTIVES[objective].sense == "min" else -1.0
    parent, value = np.zeros(0, np.int8), math.inf
    for wish in islice(first_parents(program, start), limit):
        player.play(wish)
        found = sign * float(player.values[column, 0])
        if found < value:
            parent, value = wish, found
    child, best = parent.copy(), parent.copy()
    buffers = program.slot_buffer[player.genes]

    def breed(first: int, generations: int, count: int) -> float:
        player.plays += generations * count
        least: float = evolve(
            key,
            first,
            generations,
            count,
            mutations,
            whole,
            column,
            sign,
            value,
            player.genes,
            buffers,
            parent,
            child,
            best,
            player.stall,
            player.rule,
            player.store,
            player.state,
            player.values,
        )
        return least

    done, chunk = 0, 1
    while len(player.genes) and (limit is None or player.plays < limit):
        begun = time.perf_counter()
        if begun >= end:
            break
        left = math.inf if limit is None else limit - player.plays
        # The last generation is smaller if the budget ends within it.
        generations = max(1, int(min(chunk, left // offspring)))
        value = breed(done, generations, int(min(offspring, left)))
        done += generations
        # Without a time limit the slices only let an interrupt through.
        spent = max(time.perf_counter() - begun, 1e-6)
        chunk = max(1, int(generations * min(2.0, SLICE / spent)))
    plays = player.plays
    player.play(parent)
    return player.mapping(), plays
