"""What bytes of fast memory earn: saved time over the space they take for a time, and preferences by a least rent."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ganttlet.memory_mapping.instance import OUT, Array, Program
from ganttlet_agents.rules.memory_mapping.playing import CAUTIOUS, FORCE, PREFER_DROP

QUANTILES = np.linspace(0.0, 0.975, 14)


def earnings(program: Program) -> Array:
    """Return (U,) float64, what fast memory earns at each slot, in µs per byte and µs.

    A slot saves what its instruction takes less if that slot alone is fast. A result and all its later uses are one
    stay, from its definition to the end of its last use: what they save together, over the aligned size times that
    time. Any other use is a stay from the use before it, or, if it is the first one, from as long before it as a copy
    takes. Times are those with everything in slow memory. A result that is never used earns nothing.
    """
    base = program.latencies(np.zeros(program.n_slots))
    clock = np.concatenate([[0.0], np.cumsum(base)])
    t, moved = program.slot_time, program.slot_bytes
    total = np.bincount(t, moved, minlength=program.n_instructions)
    alone = (total[t] - moved) / program.slow_bandwidth + moved / program.fast_bandwidth
    saved = base[t] - np.maximum(program.compute[t], 1e6 * alone)
    order = np.lexsort((np.arange(program.n_slots), program.slot_buffer))
    first = np.flatnonzero(np.diff(program.slot_buffer[order], prepend=-1))
    earned = np.zeros(program.n_slots)
    for own in np.split(order, first[1:]):
        size = program.aligned[program.slot_buffer[own[0]]]
        ends = clock[t[own] + 1]
        if program.slot_role[own[0]] == OUT:
            if len(own) > 1:
                earned[own] = saved[own].sum() / (size * (ends[-1] - clock[t[own[0]]]))
            continue
        begins = np.concatenate(
            [[clock[t[own[0]]] - program.copy_time[program.slot_buffer[own[0]]]], clock[t[own[:-1]]]]
        )
        earned[own] = saved[own] / (size * (ends - begins))
    return earned


def wishes(program: Program) -> Iterator[Array]:
    """Yield preferences (U,) int8 by least rents, the QUANTILES of what slots earn, those of nothing left out.

    A slot that earns the rent is cautious, or, in every other one, forced; the others drop.
    """
    earned = earnings(program)
    some = earned[earned > 0.0]
    for rent in np.quantile(some, QUANTILES) if len(some) else [0.0]:
        for wanted in (CAUTIOUS, FORCE):
            yield np.where(earned >= rent, wanted, PREFER_DROP).astype(np.int8)
