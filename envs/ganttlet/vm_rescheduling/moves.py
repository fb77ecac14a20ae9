"""Kernels of a move: where kinds fit, which VMs may be chosen, and what a move changes."""

from __future__ import annotations

import numpy as np

from ganttlet.core.jit import jit
from ganttlet.vm_rescheduling.layout import (
    AT,
    BLOCK,
    BOTH,
    CORES,
    CPU,
    CUT,
    DISRUPTION,
    FIRST,
    FREE_PLACEMENTS,
    GROUPS,
    HOST,
    HOSTS,
    KIND,
    KINDS,
    LENGTH,
    LIMIT,
    MEM,
    MEM_CUT,
    MEMORY,
    MEMORY_BLOCK,
    MOVES,
    NODE,
    NOWHERE,
    PENDING,
    SCORE,
    SPLIT,
    USED,
    VMS,
    Array,
    Int,
)
from ganttlet.vm_rescheduling.merging import join, part
from ganttlet.vm_rescheduling.targets import held_by


@jit
def fit_bits(free: Array, i: Int, p: Int, cores: Int, memory: Int, split: Int) -> Int:
    """Return on which NUMA nodes of host ``p`` of row ``i`` one of a kind fits: bits 1 and 2; 1 for a split kind."""
    bits = 0
    for k in range(free.shape[3]):
        if free[i, CPU, p, k] >= cores and free[i, MEM, p, k] >= memory:
            bits |= 1 << k
    if split:
        return 1 if bits == 3 else 0
    return bits


@jit
def fit_kinds(i: Int, hosts: Int, n_kinds: Int, free: Array, kinds: Array, fits: Array, count: Array) -> None:
    """Write for every kind of row ``i`` where it fits, and on how many hosts."""
    for f in range(n_kinds):
        number = 0
        for p in range(hosts):
            bits = fit_bits(free, i, p, kinds[i, CORES, f], kinds[i, MEMORY, f], kinds[i, SPLIT, f])
            fits[i, f, p] = bits
            number += bits != 0
        count[i, f] = number


@jit
def refit(i: Int, s: Int, p: Int, n_kinds: Int, kinds: Array, free: Array, fits: Array, count: Array) -> Int:
    """Bring ``fits`` of host ``p`` up to date; return a bit set (of 64) of kinds whose VMs must be marked again.

    A kind with two hosts to go to before and after has a place for each of its VMs, whatever its host.
    """
    dirty = np.int64(0)
    for f in range(n_kinds):
        bits = fit_bits(free, i, p, kinds[s, CORES, f], kinds[s, MEMORY, f], kinds[s, SPLIT, f])
        old = fits[i, f, p]
        if bits != old:
            before = count[i, f]
            fits[i, f, p] = bits
            count[i, f] = before + (bits != 0) - (old != 0)
            if min(before, count[i, f]) < 2:
                dirty |= np.int64(1) << np.int64(f & 63)
    return dirty


@jit
def can_move(
    i: Int,
    s: Int,
    v: Int,
    pods: bool,
    vms: Array,
    kinds: Array,
    members: Array,
    size: Array,
    place: Array,
    fits: Array,
    count: Array,
    held: Array,
    totals: Array,
) -> bool:
    """Return whether VM ``v`` has anywhere to go."""
    f, host = vms[s, KIND, v], place[i, AT, v]
    if totals[i, USED] >= size[s, LIMIT]:
        if host != NOWHERE or not size[s, FREE_PLACEMENTS]:
            return False
    elif pods and host != NOWHERE:
        return True
    others, own = count[i, f], np.int64(0)
    if host != NOWHERE:
        own = np.int64(fits[i, f, host])
        others -= own != 0
        if not pods and not kinds[s, SPLIT, f] and own & (1 << (1 - place[i, NODE, v])):
            return True
    if others == 0 or vms[s, GROUPS, v] == 0:
        return bool(others > 0)
    for p in range(size[s, HOSTS]):
        if p != host and fits[i, f, p] and not held_by(i, s, v, p, vms, members, held):
            return True
    return False


@jit
def mark(
    i: Int,
    s: Int,
    first: Int,
    last: Int,
    every: bool,
    chosen: Int,
    source: Int,
    host: Int,
    dirty: Int,
    pods: bool,
    exact: bool,
    merge: bool,
    vms: Array,
    kinds: Array,
    members: Array,
    size: Array,
    place: Array,
    fits: Array,
    count: Array,
    held: Array,
    legal: Array,
    totals: Array,
    copies: Array,
) -> None:
    """Write which of the VMs ``first`` … ``last`` - 1 may be chosen: every one, or those that a move may have changed.

    These are the VM moved, those of ``dirty`` kinds or in groups, and under merge those on the two hosts.
    """
    for v in range(first, last):
        known = v != chosen and vms[s, GROUPS, v] == 0 and (dirty >> np.int64(vms[s, KIND, v] & 63)) & 1 == 0
        if known and not every and not (merge and (place[i, AT, v] == source or place[i, AT, v] == host)):
            continue
        if merge and copies[i, v] == 0:
            legal[i, v] = 0
        elif exact and not pods and vms[s, GROUPS, v] == 0 and count[i, vms[s, KIND, v]] > 1:
            legal[i, v] = totals[i, USED] < size[s, LIMIT]
        elif exact:
            legal[i, v] = can_move(i, s, v, pods, vms, kinds, members, size, place, fits, count, held, totals)
        else:
            legal[i, v] = totals[i, USED] < size[s, LIMIT]


@jit
def reserve(
    i: Int, s: Int, p: Int, node: Int, f: Int, sign: Int, kinds: Array, size: Array, free: Array, totals: Array
) -> None:
    """Take (sign -1) or give back (1) what one of kind ``f`` reserves on NUMA node ``node`` of host ``p``."""
    cores, memory = sign * kinds[s, CORES, f], sign * kinds[s, MEMORY, f]
    first, last = (0, 2) if node == BOTH else (node, node + 1)
    for k in range(first, last):
        old, piece = np.int64(free[i, CPU, p, k]), np.int64(free[i, MEM, p, k])
        free[i, CPU, p, k], free[i, MEM, p, k] = old + cores, piece + memory
        totals[i, CUT] += (old + cores) % size[s, BLOCK] - old % size[s, BLOCK]
        totals[i, MEM_CUT] += (piece + memory) % size[s, MEMORY_BLOCK] - piece % size[s, MEMORY_BLOCK]


@jit
def pull(i: Int, s: Int, v: Int, host: Int, sign: Int, vms: Array, members: Array, held: Array) -> None:
    """Count VM ``v`` in (sign 1) or out (-1) of its groups on ``host``."""
    first = vms[s, FIRST, v]
    for m in range(first, first + vms[s, GROUPS, v]):
        held[i, members[s, m], host] += np.uint8(sign)


@jit
def move(
    i: Int,
    s: Int,
    v: Int,
    host: Int,
    node: Int,
    pods: bool,
    exact: bool,
    merge: bool,
    vms: Array,
    kinds: Array,
    members: Array,
    size: Array,
    weight: Array,
    free: Array,
    place: Array,
    fits: Array,
    count: Array,
    held: Array,
    legal: Array,
    totals: Array,
    plan: Array,
    head: Array,
    link: Array,
    copies: Array,
) -> None:
    """Play a feasible move of VM ``v``: resources, groups, plan, and which VMs may be chosen next."""
    f, source, home = vms[s, KIND, v], place[i, AT, v], vms[s, HOST, v]
    dirty = np.int64(0)
    if source != NOWHERE:
        reserve(i, s, source, place[i, NODE, v], f, 1, kinds, size, free, totals)
        pull(i, s, v, source, -1, vms, members, held)
    if host != NOWHERE:
        reserve(i, s, host, node, f, -1, kinds, size, free, totals)
        pull(i, s, v, host, 1, vms, members, held)
        dirty |= refit(i, s, host, size[s, KINDS], kinds, free, fits, count)
    if source != NOWHERE and source != host:
        dirty |= refit(i, s, source, size[s, KINDS], kinds, free, fits, count)
    if merge:
        part(i, s, v, vms, place, head, link, copies)
    place[i, AT, v], place[i, NODE, v] = host, node
    if merge:
        join(i, s, v, vms, place, head, link, copies)
    at, counts = totals[i, LENGTH], source != NOWHERE or not size[s, FREE_PLACEMENTS]
    plan[i, at, 0], plan[i, at, 1], plan[i, at, 2] = v, host, node
    totals[i, LENGTH] = at + 1
    totals[i, MOVES] += counts
    totals[i, USED] += counts
    if pods:
        waits = (host == NOWHERE) - np.int64(source == NOWHERE)
        totals[i, PENDING] += waits
        totals[i, SCORE] += waits * weight[s, v]
        totals[i, DISRUPTION] += _cost(host, home) - _cost(source, home)
    over = totals[i, USED] >= size[s, LIMIT]
    grouped = members.shape[1] > 1
    first, last = v, v + 1
    if dirty != 0 or over or grouped or merge:
        first, last = 0, size[s, VMS]
    mark(
        i,
        s,
        first,
        last,
        over,
        v,
        source,
        host,
        dirty,
        pods,
        exact,
        merge,
        vms,
        kinds,
        members,
        size,
        place,
        fits,
        count,
        held,
        legal,
        totals,
        copies,
    )


@jit
def _cost(host: Int, home: Int) -> Int:
    """Return the disruption of a pod that started on ``home`` and is on ``host``."""
    if home == NOWHERE or host == home:
        return 0
    return 1 if host == NOWHERE else 2
