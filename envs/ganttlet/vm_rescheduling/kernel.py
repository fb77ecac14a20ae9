"""Kernels of VM rescheduling: fill a slot, start an episode, play a step.

All of it is integer arithmetic and independent of the number of VMs, but for marking those of a kind whose last places
went or came. ``store``, ``state``, ``flags`` and ``out`` arrive as plain tuples in the order of their NamedTuples.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.batch import settle
from ganttlet.core.jit import jit
from ganttlet.vm_rescheduling.features import show_choices, show_moves
from ganttlet.vm_rescheduling.layout import (
    AT,
    BLOCK,
    BOTH,
    CHOSEN,
    CORES,
    CPU,
    CUT,
    DISRUPTION,
    FIRST,
    FRAGMENTS,
    FREE_PLACEMENTS,
    GROUPS,
    HOST,
    HOSTS,
    KEPT,
    KIND,
    KINDS,
    LEAST,
    LENGTH,
    LIMIT,
    MEM,
    MEM_CUT,
    MEM_TOTAL,
    MEMORY,
    MEMORY_BLOCK,
    MOVES,
    NODE,
    NOWHERE,
    NUMA,
    PENDING,
    PENDING0,
    PHASE,
    PIECES,
    SCORE,
    SCORE0,
    SPLIT,
    START,
    TOTAL,
    USED,
    VMS,
    Array,
    Int,
)
from ganttlet.vm_rescheduling.merging import join, link_all, part
from ganttlet.vm_rescheduling.targets import held_by, target

OBJECTIVES = ("fr16", "mixed", "goal")
REWARDS = ("dense", "terminal", "vmr2l")
DENSE, TERMINAL, VMR2L = range(3)
# Rows of the objective values; of pods UNPLACED, PENDING and DISRUPTION stand in the first three.
FR, N16, MIXED, MOVED, GOAL = range(5)
UNPLACED = 0
SLACK = 1e-9
PAPER_SCALE = 128.0


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
        return others > 0
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
def load_rows(
    rows: Array,
    slot: Array,
    pods: bool,
    objective: Int,
    exact: bool,
    merge: bool,
    store: Any,
    state: Any,
    values: Array,
) -> None:
    """Start an episode of the instance in slot ``slot[i]`` in every row i of ``rows``."""
    _, free0, vms, kinds, fits0, count0, members, held0, size, _, rates = store
    free, place, fits, count, held, legal, totals, marks, plan, head, link, copies = state
    for i in rows:
        s = slot[i]
        free[i] = free0[s]
        fits[i], count[i], held[i] = fits0[s], count0[s], held0[s]
        place[i, AT], place[i, NODE] = vms[s, HOST], vms[s, NUMA]
        totals[i] = 0
        totals[i, CHOSEN] = -1
        totals[i, CUT], totals[i, MEM_CUT] = size[s, FRAGMENTS], size[s, PIECES]
        totals[i, SCORE], totals[i, PENDING] = size[s, SCORE0], size[s, PENDING0]
        plan[i] = -1
        legal[i] = 0
        if merge:
            link_all(i, s, vms, size, place, head, link, copies)
        mark(
            i,
            s,
            0,
            size[s, VMS],
            True,
            0,
            0,
            0,
            0,
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
        evaluate(i, s, pods, size, rates, totals, values)
        marks[i, START], marks[i, LEAST] = values[objective, i], values[objective, i]


@jit
def evaluate(i: Int, s: Int, pods: bool, size: Array, rates: Array, totals: Array, values: Array) -> None:
    """Write every objective of row ``i`` as if the episode ended now."""
    values[MOVED, i] = totals[i, MOVES]
    if pods:
        values[UNPLACED, i] = totals[i, SCORE] + totals[i, DISRUPTION] / (2 * size[s, VMS] + 1)
        values[1, i] = totals[i, PENDING]
        values[2, i] = totals[i, DISRUPTION]
        return
    rate = totals[i, CUT] / size[s, TOTAL] if size[s, TOTAL] > 0 else 0.0
    memory = totals[i, MEM_CUT] / size[s, MEM_TOTAL] if size[s, MEM_TOTAL] > 0 else 0.0
    values[FR, i] = rate
    values[N16, i] = (size[s, TOTAL] - totals[i, CUT]) // size[s, BLOCK]
    values[MIXED, i] = rates[s, 0] * rate + (1.0 - rates[s, 0]) * memory
    reached = rate <= rates[s, 1] + SLACK
    values[GOAL, i] = totals[i, MOVES] if reached else size[s, LIMIT] + 1.0 + (rate - rates[s, 1])


@jit
def keep_least(
    i: Int,
    s: Int,
    objective: Int,
    size: Array,
    rates: Array,
    totals: Array,
    marks: Array,
    values: Array,
    spare: Array,
) -> None:
    """Bring the objectives of row ``i`` up to date if its objective is the least so far; ``spare`` is as ``values``."""
    evaluate(i, s, False, size, rates, totals, spare)
    if spare[objective, i] < marks[i, LEAST]:
        values[:, i] = spare[:, i]
        marks[i, LEAST] = spare[objective, i]
        totals[i, KEPT] = totals[i, LENGTH]


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


@jit
def step_rows(
    actions: Array,
    slot: Array,
    pods: bool,
    objective: Int,
    kind: Int,
    exact: bool,
    merge: bool,
    cut: bool,
    penalty: float,
    infeasible: float,
    gamma: float,
    limit: Int,
    store: Any,
    state: Any,
    flags: Any,
    values: Array,
    show: Any,
    out: Any,
    scratch: Array,
    work: Array,
    spare: Array,
) -> Int:
    """Play one action in every active row, show the result and settle the flags; return how many rows are done.

    An illegal action costs ``penalty`` and changes nothing. ``show`` and ``out`` are as in the features, ``scratch``
    as in gains, ``spare`` as ``values``; ``work`` (5, B) int64 holds rows that chose a VM, rows that are back in phase
    ``vm``, and of these the VM moved, its source and its host.
    """
    _, _, vms, kinds, _, _, members, _, size, weight, rates = store
    free, place, fits, count, held, legal, totals, marks, plan, head, link, copies = state
    active, reward, terminated, _, illegal, _, _, discount = flags
    mask = out[8]
    n_vms, n_hosts, stop = legal.shape[1], fits.shape[2], mask.shape[1] - 1
    bits = 1 if pods else 2
    n_chosen, n_back = 0, 0
    for i in range(len(actions)):
        if not active[i]:
            continue
        s, a = slot[i], actions[i]
        terminated[i] = False
        if not 0 <= a <= stop or mask[i, a] == 0:
            illegal[i], reward[i], discount[i] = True, -penalty, 1.0
            continue
        illegal[i], reward[i], discount[i] = False, 0.0, 1.0
        if a < n_vms:
            totals[i, PHASE], totals[i, CHOSEN] = 1, a
            work[0, n_chosen] = i
            n_chosen += 1
            continue
        discount[i] = gamma
        work[1, n_back] = i
        n_back += 1
        v, before, pieces = totals[i, CHOSEN], values[objective, i], totals[i, CUT]
        totals[i, PHASE], totals[i, CHOSEN] = 0, -1
        work[2, i] = -1
        if a == stop:
            terminated[i] = True
            continue
        host, flip, node = (a - n_vms) // bits, (a - n_vms) % bits, np.int64(0)
        source = np.int64(place[i, AT, v])
        if pods and host == n_hosts:
            host, node = NOWHERE, NOWHERE
        elif not pods:
            node = np.int64(target(i, s, v, host, flip, vms, members, kinds, place, fits, held))
        if node == NOWHERE and host != NOWHERE:
            totals[i, USED] += 1
            stays = source == host and (flip == 0 or kinds[s, SPLIT, vms[s, KIND, v]] == 1)
            reward[i] = 0.0 if stays else -infeasible
        else:
            work[2, i], work[3, i], work[4, i] = v, source, host
            move(
                i,
                s,
                v,
                host,
                node,
                pods,
                exact,
                merge,
                vms,
                kinds,
                members,
                size,
                weight,
                free,
                place,
                fits,
                count,
                held,
                legal,
                totals,
                plan,
                head,
                link,
                copies,
            )
            if cut:
                keep_least(i, s, objective, size, rates, totals, marks, values, spare)
            else:
                totals[i, KEPT] = totals[i, LENGTH]
                evaluate(i, s, pods, size, rates, totals, values)
        if kind == DENSE:
            reward[i] += before - values[objective, i]
        elif kind == VMR2L:
            reward[i] += (pieces - totals[i, CUT]) / PAPER_SCALE
        over = totals[i, USED] >= size[s, LIMIT] and size[s, FREE_PLACEMENTS] == 0
        terminated[i] = over or (objective == GOAL and values[FR, i] <= rates[s, 1] + SLACK)
    show_choices(work[0, :n_chosen], slot, store, state, show, out)
    show_moves(work[1, :n_back], slot, work[2:], store, state, show, out, scratch)
    for i in work[1, :n_back]:
        if terminated[i]:
            if kind == TERMINAL:
                reward[i] += marks[i, START] - values[objective, i]
            mask[i] = 1
    return settle(flags, limit)
