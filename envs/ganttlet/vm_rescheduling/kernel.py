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
    CHOSEN,
    CUT,
    DISRUPTION,
    FRAGMENTS,
    FREE_PLACEMENTS,
    HOST,
    KEPT,
    KIND,
    LEAST,
    LENGTH,
    LIMIT,
    MEM_CUT,
    MEM_TOTAL,
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
from ganttlet.vm_rescheduling.merging import link_all
from ganttlet.vm_rescheduling.moves import mark, move
from ganttlet.vm_rescheduling.targets import target

OBJECTIVES = ("fr16", "mixed", "goal")
REWARDS = ("dense", "terminal", "vmr2l")
DENSE, TERMINAL, VMR2L = range(3)
# Rows of the objective values; of pods UNPLACED, PENDING and DISRUPTION stand in the first three.
FR, N16, MIXED, MOVED, GOAL = range(5)
UNPLACED = 0
SLACK = 1e-9
PAPER_SCALE = 128.0


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
        node: Int = np.int64(0)
        host, flip = (a - n_vms) // bits, (a - n_vms) % bits
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
