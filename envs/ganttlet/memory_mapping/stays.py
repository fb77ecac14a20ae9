"""What buffers would earn in fast memory: stays, the time they save for the space they take, and how many want it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.jit import jit
from ganttlet.memory_mapping.instance import OUT, Array, Program


def stays_of(program: Program) -> tuple[Array, Array]:
    """Return (U,) float64 twice: what fast memory earns at each slot, and how crowded it is at its price.

    A slot saves what its instruction takes less if that slot alone is fast. A result and all its later uses are one
    **stay**, from its definition to its last use. Any other use is a stay of its own, from after the use before it, or,
    if it is the first one, from the instruction under way as long before it as a copy takes. A stay **earns** what its
    slots save together over the aligned size and its time, in µs per byte and µs; from the start of the first slot, or
    of the copy, to the end of the last, with everything in slow memory. A result that is never used earns nothing.

    The **crowd** is the greatest sum, over the instructions of a stay, of the sizes of all stays there that earn as
    much or more (among equals those of earlier slots), itself included, over the capacity: if that is at most 1, all of
    them fit but for gaps. Buffers larger than fast memory crowd nobody.
    """
    total = np.bincount(program.slot_time, program.slot_bytes, minlength=program.n_instructions)
    base = program.latencies(np.zeros(program.n_slots))
    t, moved = program.slot_time, program.slot_bytes
    alone = (total[t] - moved) / program.slow_bandwidth + moved / program.fast_bandwidth
    saved = base[t] - np.maximum(program.compute[t], 1e6 * alone)
    room = max(1, program.capacity // program.align) * program.align
    earned, crowd = np.zeros(program.n_slots), np.zeros(program.n_slots)
    _measure(
        t,
        program.slot_buffer,
        program.slot_role == OUT,
        saved,
        np.concatenate([[0.0], np.cumsum(base)]),
        program.copy_time,
        program.aligned,
        float(room),
        earned,
        crowd,
    )
    return earned, crowd


@jit
def _measure(
    time: Array,
    buffer: Array,
    result: Array,
    saved: Array,
    clock: Array,
    copy: Array,
    size: Array,
    room: Any,
    earned: Array,
    crowd: Array,
) -> None:
    """Write what slots earn and the crowds they are in; sizes and ``room`` in bytes, ``clock`` (T + 1,) in µs."""
    n = len(time)
    lead, begin, end = np.arange(n), np.zeros(n, np.int64), np.zeros(n, np.int64)
    gain, since = np.zeros(n), np.zeros(n)
    latest, source = np.full(len(size), -1), np.full(len(size), -1)
    for k in range(n):
        b, t = buffer[k], time[k]
        before = latest[b]
        latest[b] = k
        if result[k]:
            source[b] = k
            begin[k], since[k] = t, clock[t]
        elif source[b] >= 0:
            lead[k] = source[b]
        elif before >= 0:
            begin[k], since[k] = time[before] + 1, clock[time[before]]
        else:
            since[k] = clock[t] - copy[b]
            begin[k] = t
            while begin[k] > 0 and clock[begin[k]] > since[k]:
                begin[k] -= 1
        gain[lead[k]] += saved[k]
        end[lead[k]] = t
    for k in range(n):
        if lead[k] == k and not (result[k] and latest[buffer[k]] == k):
            earned[k] = max(0.0, gain[k] / (size[buffer[k]] * (clock[end[k] + 1] - since[k])))
    taken = np.zeros(len(clock))
    for k in np.argsort(-earned, kind="mergesort"):
        if lead[k] != k:
            continue
        share = size[buffer[k]] / room
        if share <= 1.0:
            taken[begin[k] : end[k] + 1] += share
        for t in range(begin[k], end[k] + 1):
            crowd[k] = max(crowd[k], taken[t] if share <= 1.0 else taken[t] + share)
    for k in range(n):
        earned[k], crowd[k] = earned[lead[k]], crowd[lead[k]]
