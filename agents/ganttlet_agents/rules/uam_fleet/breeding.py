"""Kernels of the genetic search: plans bred, played on sampled futures, and carried out.

``store`` and ``state`` arrive as plain tuples in the order of their NamedTuples; the scenario is in the first slot. A
plan is a destination for each of the next decisions, whichever aircraft take them; where it is illegal they stay.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.jit import jit, jit_lean
from ganttlet.core.rng import key_of, randint, uniform
from ganttlet.uam_fleet.events import seek
from ganttlet.uam_fleet.flying import decide, is_legal
from ganttlet.uam_fleet.kernel import measure
from ganttlet.uam_fleet.layout import DECIDES, OVER, PORT


@jit
def copy_row(source: Any, target: Any, state: Any) -> None:
    """Copy a row to another, but for the log of its decisions, which nothing depends on."""
    totals, real, world, craft, clock, heap, taken, left, waiting, flow, closed, last, _, _ = state
    totals[target], real[target], world[target] = totals[source], real[source], world[source]
    craft[target], clock[target], heap[target], taken[target] = (
        craft[source],
        clock[source],
        heap[source],
        taken[source],
    )
    left[target], waiting[target], flow[target] = left[source], waiting[source], flow[source]
    closed[target], last[target] = closed[source], last[source]


@jit_lean
def play_plan(plan: Any, i: Any, store: Any, state: Any, values: Any) -> int:
    """Play a plan (L,) in row ``i`` and write its objectives into ``values``; return how many decisions it took."""
    size, real, ports, places, fleet = store[0][0], store[1][0], store[3][0], store[4][0], store[6][0]
    legs, fare, hours = store[7][0], store[8][0], store[9][0]
    totals_, row_, world_, craft_, clock_, heap_, taken_, left_, waiting_, flow_, closed_, last_, log_, times_ = state
    totals, row, world, craft, clock, heap = totals_[i], row_[i], world_[i], craft_[i], clock_[i], heap_[i]
    taken, left, waiting, flow, closed, last = taken_[i], left_[i], waiting_[i], flow_[i], closed_[i], last_[i]
    played = 0
    for g in range(len(plan)):
        if totals[OVER] == 1:
            break
        a = plan[g]
        if not is_legal(a, size, real, ports, places, legs, totals, craft, clock, taken, closed):
            a = craft[totals[DECIDES], PORT]
        decide(
            a,
            size,
            real,
            world,
            ports,
            places,
            legs,
            fare,
            hours,
            totals,
            row,
            craft,
            clock,
            heap,
            taken,
            left,
            waiting,
            flow,
            last,
            log_[i],
            times_[i],
        )
        seek(size, real, world, places, fleet, totals, row, craft, clock, heap, taken, left, waiting, flow)
        played += 1
    measure(i, totals, row, values)
    return played


@jit
def judge(
    column: Any,
    sign: Any,
    futures: Any,
    known: Any,
    plans: Any,
    worth: Any,
    order: Any,
    store: Any,
    state: Any,
    values: Any,
) -> int:
    """Write the worth (P,) of all plans but the first ``known`` and their order, best first; return decisions played.

    Args:
        column, sign: row of ``values`` that counts, and 1 or -1: the greatest product is the best.
        futures: rows 1 … futures hold what the plans are played on, the mean counts; the row behind is overwritten.
        known: plans whose worth is there already.
        plans: (P, L) int64.
    """
    work, played = futures + 1, 0
    for p in range(len(plans)):
        if p >= known:
            total = 0.0
            for f in range(1, futures + 1):
                copy_row(f, work, state)
                played += play_plan(plans[p], work, store, state, values)
                total += values[column, work]
            worth[p] = sign * total / futures
        # Insertion: of equals the earlier plan stays first.
        at = p
        while at > 0 and worth[p] > worth[order[at - 1]]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = p
    return played


@jit
def breed(
    key: Any,
    generation: Any,
    ports: Any,
    elite: Any,
    parents: Any,
    crossover: Any,
    mutation: Any,
    order: Any,
    plans: Any,
    worth: Any,
    children: Any,
    their_worth: Any,
) -> None:
    """Write the next generation: the ``elite`` best as they are, the others from two of the best ``parents``.

    With probability ``crossover`` each gene comes from either parent, else all from the first; each gene turns into
    any of the ``ports`` with probability ``mutation``. Generation 0 is drawn at random. Child c has the random
    numbers of key_of(key, generation, c).
    """
    for c in range(len(plans)):
        if generation > 0 and c < elite:
            children[c] = plans[order[c]]
            their_worth[c] = worth[order[c]]
            continue
        draws = key_of(key, np.uint64(generation), np.uint64(c))
        if generation == 0:
            for g in range(plans.shape[1]):
                children[c, g] = randint(draws, np.uint64(g), 0, ports - 1)
            continue
        one = plans[order[randint(draws, np.uint64(0), 0, parents - 1)]]
        other = plans[order[randint(draws, np.uint64(1), 0, parents - 1)]]
        mixed = uniform(draws, np.uint64(2)) < crossover
        for g in range(plans.shape[1]):
            gene = one[g]
            if mixed and uniform(draws, np.uint64(3 + 3 * g)) < 0.5:
                gene = other[g]
            if uniform(draws, np.uint64(4 + 3 * g)) < mutation:
                gene = randint(draws, np.uint64(5 + 3 * g), 0, ports - 1)
            children[c, g] = gene
