"""Kernels that play memory mapping by a preference for each slot, and that evolve such preferences.

``store`` and ``state`` arrive as plain tuples in the order of their NamedTuples; the first program is played in the
first row. A preference says what is wanted of a slot, and what is legal decides, so every array of them is a solution.
"""

from __future__ import annotations

from typing import Any, Final

from ganttlet.core.jit import jit, jit_lean
from ganttlet.core.rng import key_of, randint, uniform
from ganttlet.memory_mapping.game import begin, decide, go_on, time_of
from ganttlet.memory_mapping.kernel import measure
from ganttlet.memory_mapping.layout import (
    BUFFER,
    COMPUTE,
    COPY,
    DIRTY,
    DROP,
    ENTRY,
    FAST,
    LEGAL,
    NEED,
    NOCOPY,
    NOW,
    SLOT,
    SLOW,
)

PREFERENCES = ("drop", "cautious", "force", "spill")
PREFER_DROP, CAUTIOUS, FORCE, SPILL = range(4)
N_GENES: Final = 3  # preferences that evolution chooses among: the first ones
ANY_DENSITY: Final = -1.0


@jit_lean
def prefer(
    preference: Any,
    theta: Any,
    real: Any,
    work: Any,
    slots: Any,
    moved: Any,
    demand: Any,
    totals: Any,
    row: Any,
    rects: Any,
) -> Any:
    """Return the legal action that a preference means at the slot to be decided.

    ``drop``: Drop, and NoCopy where that is illegal. ``cautious``: NoCopy; where that is illegal Copy, if the slot then
    saves at least the stall and more than ``theta`` times what the copy takes of slow memory; else Drop, unless its
    group is fast. ``force``: NoCopy, else Copy, else Drop. ``spill``: Drop where fast memory holds the only copy, else
    as cautious.
    """
    k, now, legal, entry = totals[SLOT], totals[NOW], totals[LEGAL], totals[ENTRY]
    may_drop, may_keep, may_copy = legal >> DROP & 1 == 1, legal >> NOCOPY & 1 == 1, legal >> COPY & 1 == 1
    spill = preference == SPILL and entry >= 0 and rects[DIRTY, entry] == 1
    if may_drop and (preference == PREFER_DROP or spill or not (may_keep or may_copy)):
        return DROP
    if may_keep:
        return NOCOPY
    if preference == FORCE or not may_drop:
        return COPY
    before = time_of(work[now, COMPUTE], totals[SLOW], totals[FAST], real)
    after = time_of(work[now, COMPUTE], totals[SLOW] - moved[k], totals[FAST] + moved[k], real)
    gain = before - after
    return COPY if gain >= row[NEED] and gain > theta * demand[slots[k, BUFFER]] else DROP


@jit_lean
def play(preference: Any, theta: Any, stall: Any, rule: Any, store: Any, state: Any, values: Any) -> None:
    """Play one episode from the beginning by ``preference`` (U,); write its objectives into ``values`` (., 1)."""
    size_, real_, work_, total_, slots_, moved_, buffers_, demand_, _facts = store
    totals_, row_, left_, rects_, held_, played_ = state
    size, real, work, total, slots, moved = size_[0], real_[0], work_[0], total_[0], slots_[0], moved_[0]
    buffers, demand = buffers_[0], demand_[0]
    totals, row, left, rects, held, played = totals_[0], row_[0], left_[0], rects_[0], held_[0], played_[0]
    begin(stall, rule, size, real, work, total, slots, buffers, demand, totals, row, left, rects, held, played)
    over = False
    while not over:
        wanted = preference[totals[SLOT]]
        a = prefer(wanted, theta, real, work, slots, moved, demand, totals, row, rects)
        decide(a, real, work, slots, moved, buffers, demand, totals, row, left, rects, held, played)
        over = go_on(stall, rule, size, real, work, total, slots, buffers, demand, totals, row, left, rects, held)
    measure(0, True, real, work, totals, row, values)


@jit_lean
def mutate(key: Any, most: Any, whole: Any, genes: Any, buffers: Any, child: Any) -> None:
    """Change 1 … ``most`` of the slots ``genes``, drawn with replacement, to another preference.

    With probability ``whole`` a change reaches all genes of the slot's buffer; ``buffers`` (G,) are those of the genes.
    """
    for i in range(randint(key, 0, 1, most)):
        gene = randint(key, 3 * i + 1, 0, len(genes) - 1)
        wanted = (child[genes[gene]] + randint(key, 3 * i + 2, 1, N_GENES - 1)) % N_GENES
        child[genes[gene]] = wanted
        if uniform(key, 3 * i + 3) < whole:
            for other in range(len(genes)):
                if buffers[other] == buffers[gene]:
                    child[genes[other]] = wanted


@jit
def evolve(
    seed: Any,
    first: Any,
    generations: Any,
    offspring: Any,
    most: Any,
    whole: Any,
    column: Any,
    sign: Any,
    least: Any,
    genes: Any,
    buffers: Any,
    parent: Any,
    child: Any,
    best: Any,
    stall: Any,
    rule: Any,
    store: Any,
    state: Any,
    values: Any,
) -> Any:
    """Play so many generations of a (1 + offspring) evolution and return the parent's value in the end.

    Args:
        seed: uint64; child c of generation g has the random numbers of ``key_of(seed, g, c)``.
        first: number of the first generation.
        most, whole: how many preferences a child changes, as :func:`mutate` has it.
        column, sign: row of ``values`` to be minimised, times sign.
        least: the parent's value.
        genes, buffers: (G,) slots that may change and their buffers.
        parent: (U,) int8, changed in place: a generation's best child replaces it unless it is worse.
        child, best: (U,) int8, overwritten.
    """
    for g in range(first, first + generations):
        lowest = 0.0
        for c in range(offspring):
            child[:] = parent
            mutate(key_of(seed, g, c), most, whole, genes, buffers, child)
            play(child, ANY_DENSITY, stall, rule, store, state, values)
            value = sign * values[column, 0]
            if c == 0 or value < lowest:
                lowest = value
                best[:] = child
        if lowest <= least:
            least = lowest
            parent[:] = best
    return least
