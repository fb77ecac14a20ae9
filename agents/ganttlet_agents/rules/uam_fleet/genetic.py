"""A genetic search for the next decisions of a fleet, block after block."""

from __future__ import annotations

import math

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.options import as_count, as_number, as_seed
from ganttlet.core.rng import key_of
from ganttlet.uam_fleet.future import resample_rows
from ganttlet.uam_fleet.instance import Scenario
from ganttlet.uam_fleet.kernel import load_rows
from ganttlet.uam_fleet.layout import OVER, make_state
from ganttlet.uam_fleet.recording import log_of
from ganttlet.uam_fleet.solution import OBJECTIVES, FleetLog
from ganttlet.uam_fleet.storage import FleetStorage, sizes_of
from ganttlet_agents.rules.uam_fleet.breeding import breed, copy_row, judge, play_plan

BLOCK, POPULATION, GENERATIONS, FUTURES = 60, 100, 100, 3
MUTATION, CROSSOVER, ELITE, PARENTS = 0.1, 0.5, 0.01, 0.3
PLANS, WORLDS = 91, 92  # entities of the random numbers


def run_genetic(
    scenario: Scenario,
    objective: str = "profit",
    *,
    block: int = BLOCK,
    population: int = POPULATION,
    generations: int = GENERATIONS,
    mutation: float = MUTATION,
    crossover: float = CROSSOVER,
    elite: float = ELITE,
    parents: float = PARENTS,
    futures: int = FUTURES,
    oracle: bool = False,
    seed: int = 0,
) -> tuple[FleetLog, int]:
    """Return what the search makes of a day, and the decisions played, those of the search included.

    A plan is a destination for each of the next ``block`` decisions, whichever aircraft take them; where it is illegal
    the aircraft stays. A plan is worth the mean, over the same ``futures`` for all plans of a block, of the objective
    after it has been played. A future is drawn as by ``restore(resample_future=…)``: nothing hidden is used. The best
    plan is carried out whole, and the next block begins. Generation by generation the best share ``elite`` lives on;
    every other plan has two parents from the best share ``parents``.

    Settings: CapTAIN's genetic baseline as far as known (arXiv 2401.04851), block 60 and population 100; selection by
    rank is ours.

    Args:
        scenario: the day.
        objective: what counts.
        block: decisions of a plan.
        population: plans of a generation.
        generations: generations, the random first one included.
        mutation: probability that a gene becomes any port.
        crossover: probability that a child has both parents' genes, each gene from either.
        elite, parents: shares of the population, rounded up.
        futures: futures per block.
        oracle: whether plans are played on the day as it will be, in place of sampled futures.
        seed: of plans and futures.

    Raises:
        InputError: for an unknown objective, or an option out of range.
    """
    check_choice("objective", objective, OBJECTIVES)
    block, population, generations = (
        as_count("block", block),
        as_count("population", population),
        as_count("generations", generations),
    )
    shares = {"mutation": mutation, "crossover": crossover, "elite": elite, "parents": parents}
    mutation, crossover, elite, parents = (as_number(name, share, 0.0, 1.0) for name, share in shares.items())
    if parents == 0.0:
        raise InputError("parents: expected a share above 0, got 0.0")
    futures = 1 if oracle else as_count("futures", futures)
    seed = as_seed("seed", seed)
    best_few, pool = math.ceil(elite * population), math.ceil(parents * population)
    column, sign = list(OBJECTIVES).index(objective), 1.0 if OBJECTIVES[objective].sense == "max" else -1.0

    sizes = sizes_of(scenario)
    storage = FleetStorage(sizes, None)
    storage.grow(1)
    storage.put(0, scenario)
    days = make_state(futures + 2, sizes)
    days.left[0], days.closed[0], days.world[0] = scenario.demand, scenario.closed, scenario.world
    store, state, slot = tuple(storage.arrays), tuple(days), np.zeros(futures + 2, np.int64)
    values = np.zeros((len(OBJECTIVES), futures + 2))
    load_rows(np.arange(1), slot, store, state, values)

    plans = np.zeros((population, block), np.int64)
    children, worth, their_worth = plans.copy(), np.zeros(population), np.zeros(population)
    order = np.zeros(population, np.int64)
    rows, played, number = np.arange(1, futures + 1), 0, 0
    while not days.totals[0, OVER]:
        for row in rows:
            copy_row(0, int(row), state)
        if not oracle:
            worlds = _key(seed, WORLDS, number)
            keys = np.array([_key(worlds, int(row), 0) for row in rows], np.uint64)
            resample_rows(rows, keys, slot, store, state)
        key = _key(seed, PLANS, number)
        for generation in range(generations):
            breed(
                key,
                generation,
                scenario.n_ports,
                best_few,
                pool,
                crossover,
                mutation,
                order,
                plans,
                worth,
                children,
                their_worth,
            )
            plans, children, worth, their_worth = children, plans, their_worth, worth
            known = best_few if generation else 0
            played += judge(column, sign, futures, known, plans, worth, order, store, state, values)
        played += play_plan(plans[order[0]], 0, store, state, values)
        number += 1
    fields = {name: getattr(days, name)[0] for name in ("totals", "log", "log_time", "world")}
    return log_of(scenario, **fields), played


def _key(seed: int | np.uint64, entity: int, count: int) -> np.uint64:
    # Numba hands back Python's integers, of which the small ones would have another type.
    return np.uint64(key_of(np.uint64(seed), np.uint64(entity), np.uint64(count)))
