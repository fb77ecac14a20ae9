"""What VM rescheduling shows: the GraphSpec, and the kernels that write it row by row; pods have pods.py.

``show`` holds the flags pods, exact, gains, mixed, goal, merge, cut; ``out`` the blocks vm, vm_mask, pm, pm_mask,
on_index, context, focus, phase and action_mask (of pods: pod, pod_mask, node, node_mask and so on).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.graph import EdgeType, Feature, GraphSpec, NodeType, Segment
from ganttlet.core.jit import jit
from ganttlet.vm_rescheduling.gains import N_GAINS, PM_GAINS, VM_GAINS, gain_at, show_pm_gains, show_vm_gains
from ganttlet.vm_rescheduling.layout import (
    AT,
    BLOCK,
    BOTH,
    CHOSEN,
    CORES,
    CPU,
    CUT,
    HOSTS,
    KIND,
    LARGEST,
    LARGEST_MEM,
    LEAST,
    LIMIT,
    MEM,
    MEM_CUT,
    MEM_TOTAL,
    MEMORY,
    MEMORY_BLOCK,
    NEXT,
    NODE,
    NOWHERE,
    PHASE,
    SUM,
    TOTAL,
    USED,
    VMS,
    Array,
    Int,
    Sizes,
)
from ganttlet.vm_rescheduling.pods import show_budget, show_node, show_pods, show_shares, show_targets
from ganttlet.vm_rescheduling.targets import target

OBSERVATIONS = ("plain", "gains")
MANY = 1_000_000
HOST = "of the largest host"
VM_FEATURES = (
    Feature("cores_0", 0, 1, f"cores it takes on NUMA node 0, as a share {HOST}"),
    Feature("cores_1", 0, 1, f"cores it takes on NUMA node 1, as a share {HOST}"),
    Feature("memory_0", 0, 1, f"MB it takes on NUMA node 0, as a share {HOST}"),
    Feature("memory_1", 0, 1, f"MB it takes on NUMA node 1, as a share {HOST}"),
    Feature("fragment_0", 0, 1, "cores on NUMA node 0 mod X, in blocks of X"),
    Feature("fragment_1", 0, 1, "cores on NUMA node 1 mod X, in blocks of X"),
)
PM_FEATURES = (
    Feature("free_0", 0, 1, f"free cores of NUMA node 0, as a share {HOST}"),
    Feature("free_1", 0, 1, f"free cores of NUMA node 1, as a share {HOST}"),
    Feature("free_memory_0", 0, 1, f"free MB of NUMA node 0, as a share {HOST}"),
    Feature("free_memory_1", 0, 1, f"free MB of NUMA node 1, as a share {HOST}"),
    Feature("fragment_share_0", 0, 1, "free cores of NUMA node 0 mod X, as a share of them (0 if none)"),
    Feature("fragment_0", 0, 1, "free cores of NUMA node 0 mod X, in blocks of X"),
    Feature("fragment_share_1", 0, 1, "free cores of NUMA node 1 mod X, as a share of them (0 if none)"),
    Feature("fragment_1", 0, 1, "free cores of NUMA node 1 mod X, in blocks of X"),
)
MIXED_FEATURES = tuple(
    Feature(f"memory_fragment_{k}", 0, 1, f"MB of NUMA node {k} mod M, in memory blocks of M") for k in (0, 1)
)
COPIES = (Feature("count", 0, MANY, "equal VMs that it stands for, itself included"),)
CONTEXT_FEATURES = (
    Feature("progress", 0, 1, "moves made, as a share of the limit"),
    Feature("moves_left", 0, MANY, "moves left"),
    Feature("vms", 0, MANY, "number of VMs"),
    Feature("hosts", 0, MANY, "number of hosts"),
    Feature("fragment_rate", 0, 1, "FR"),
    Feature("free", 0, 1, "free cores, as a share of all"),
)
MIXED_CONTEXT = (Feature("mixed", 0, 1, "objective mixed"),)
CUT_CONTEXT = (Feature("behind", 0, MANY, "objective now minus the least so far, times free cores / X: in blocks"),)
GOAL_CONTEXT = (Feature("goal_gap", -1, 1, "FR minus the goal"),)
N_VM, N_PM, N_CONTEXT = len(VM_FEATURES), len(PM_FEATURES), len(CONTEXT_FEATURES)


def graph_spec(sizes: Sizes, *, gains: bool, mixed: bool, goal: bool, merge: bool, cut: bool) -> GraphSpec:
    """Return the GraphSpec of a padded space."""
    memory, count = MIXED_FEATURES if mixed else (), COPIES if merge else ()
    vm = VM_FEATURES + memory + (VM_GAINS if gains else ()) + count
    pm = PM_FEATURES + memory + (PM_GAINS if gains else ())
    return GraphSpec(
        nodes=(NodeType("vm", sizes.vms, vm), NodeType("pm", sizes.hosts, pm)),
        edges=(EdgeType("on", "vm", "pm", "pointer"),),
        context=CONTEXT_FEATURES
        + (MIXED_CONTEXT if mixed else ())
        + (GOAL_CONTEXT if goal else ())
        + (CUT_CONTEXT if cut else ()),
        focus=(("vm", "vm"),),
        phases=("vm", "pm"),
        segments=(Segment("vm", 1, "vm"), Segment("pm", 2, "pm"), Segment("context", 1, "vm")),
    )


@jit
def show_vms(
    i: Int,
    s: Int,
    first: Int,
    last: Int,
    mixed: bool,
    gains: bool,
    merge: bool,
    vms: Array,
    kinds: Array,
    size: Array,
    place: Array,
    copies: Array,
    vm: Array,
    vm_mask: Array,
    on: Array,
) -> None:
    """Write the rows of the VMs ``first`` … ``last`` - 1, but for their gains."""
    block, piece = size[s, BLOCK], size[s, MEMORY_BLOCK]
    largest, largest_mem = 1.0 / size[s, LARGEST], 1.0 / size[s, LARGEST_MEM]
    for v in range(first, last):
        if merge and copies[i, v] == 0:
            vm[i, v] = 0.0
            vm_mask[i, v], on[i, v] = 0, -1
            continue
        f, node = vms[s, KIND, v], place[i, NODE, v]
        cores, memory = kinds[s, CORES, f], kinds[s, MEMORY, f]
        vm_mask[i, v], on[i, v] = 1, place[i, AT, v]
        for k in range(2):
            here = 1.0 if node in (k, BOTH) else 0.0
            vm[i, v, k] = here * cores * largest
            vm[i, v, 2 + k] = here * memory * largest_mem
            vm[i, v, 4 + k] = here * (cores % block) / block
            if mixed:
                vm[i, v, N_VM + k] = here * (memory % piece) / piece
        if merge:
            vm[i, v, N_VM + (2 if mixed else 0) + (N_GAINS if gains else 0)] = min(copies[i, v], MANY)


@jit
def show_pm(i: Int, s: Int, p: Int, mixed: bool, size: Array, free: Array, pm: Array) -> None:
    """Write the row of host ``p``, but for its gains."""
    block, piece = size[s, BLOCK], size[s, MEMORY_BLOCK]
    for k in range(2):
        cores, memory = np.int64(free[i, CPU, p, k]), np.int64(free[i, MEM, p, k])
        pm[i, p, k] = cores / size[s, LARGEST]
        pm[i, p, 2 + k] = memory / size[s, LARGEST_MEM]
        pm[i, p, 4 + 2 * k] = (cores % block) / cores if cores > 0 else 0.0
        pm[i, p, 5 + 2 * k] = (cores % block) / block
        if mixed:
            pm[i, p, N_PM + k] = (memory % piece) / piece


@jit
def show_context(
    i: Int,
    s: Int,
    mixed: bool,
    goal: bool,
    cut: bool,
    size: Array,
    rates: Array,
    totals: Array,
    marks: Array,
    context: Array,
) -> None:
    """Write the context."""
    limit, total = size[s, LIMIT], size[s, TOTAL]
    rate = totals[i, CUT] / total if total > 0 else 0.0
    context[i, 0] = totals[i, USED] / limit if limit > 0 else 1.0
    context[i, 1] = min(limit - totals[i, USED], MANY)
    context[i, 2], context[i, 3] = min(size[s, VMS], MANY), min(size[s, HOSTS], MANY)
    context[i, 4], context[i, 5] = rate, total / size[s, SUM]
    value = rate
    if mixed:
        memory = totals[i, MEM_CUT] / size[s, MEM_TOTAL] if size[s, MEM_TOTAL] > 0 else 0.0
        value = rates[s, 0] * rate + (1.0 - rates[s, 0]) * memory
        context[i, N_CONTEXT] = value
    if goal:
        context[i, N_CONTEXT] = rate - rates[s, 1]
    if cut:
        behind = (value - marks[i, LEAST]) * total / size[s, BLOCK]
        context[i, N_CONTEXT + (1 if mixed else 0)] = min(max(0.0, behind), MANY)


@jit
def show_choices(rows: Array, slot: Array, store: Any, state: Any, show: Any, out: Any) -> None:
    """Show phase ``pm`` in every row: the chosen VM, the hosts it may go to, what they gain."""
    pods, exact, gains, mixed, _, _, _ = show
    _, _, vms, kinds, _, _, members, _, size, _, _ = store
    free, place, fits, _, held, legal, totals, _, _, _, _, _ = state
    _, _, pm, _, _, _, focus, phase, mask = out
    n_vms, last = legal.shape[1], mask.shape[1] - 1
    simple = exact and not gains and members.shape[1] == 1
    column, left = N_PM + (2 if mixed else 0), np.empty(2)
    for i in rows:
        s, v = slot[i], totals[i, CHOSEN]
        focus[i, 0], phase[i, 0] = v, 1
        mask[i, :n_vms] = 0
        mask[i, last] = 0
        if pods:
            show_targets(i, s, v, vms, members, size, place, fits, held, legal, mask)
            continue
        f, host, block = vms[s, KIND, v], place[i, AT, v], np.int32(size[s, BLOCK])
        cores = kinds[s, CORES, f] % block
        for by in range(2):
            left[by] = gain_at(i, host, place[i, NODE, v], cores, block, by == 1, free)
        for p in range(size[s, HOSTS]):
            at, bits = n_vms + 2 * p, fits[i, f, p]
            if (simple and p != host) or not (exact or gains):
                mask[i, at], mask[i, at + 1] = bits != 0 or not exact, bits == 3 or not exact
                continue
            for flip in range(2):
                node = target(i, s, v, p, flip, vms, members, kinds, place, fits, held)
                if flip == 1 and p != host and bits != 3:
                    node = NOWHERE
                mask[i, at + flip] = node != NOWHERE or not exact
                if gains:
                    show_pm_gains(i, p, node, column + 3 * flip, cores, block, left, free, pm)


@jit
def show_phases(rows: Array, slot: Array, store: Any, state: Any, show: Any, out: Any) -> None:
    """Show phase ``vm`` in every row: the VMs that may be chosen, and the context."""
    pods, _, gains, mixed, goal, _, cut = show
    _, _, _, _, _, _, _, _, size, _, rates = store
    free, _, _, _, _, legal, totals, marks, _, _, _, _ = state
    _, _, pm, _, _, context, focus, phase, mask = out
    n_vms, last = legal.shape[1], mask.shape[1] - 1
    for i in rows:
        s = slot[i]
        focus[i, 0], phase[i, 0] = -1, 0
        mask[i, :n_vms] = legal[i]
        mask[i, n_vms:last] = 0
        mask[i, last] = not cut or legal[i].max() == 0
        if pods:
            show_budget(i, s, size, totals, free, context)
            continue
        show_context(i, s, mixed, goal, cut, size, rates, totals, marks, context)
        if gains:
            pm[i, :, N_PM + (2 if mixed else 0) :] = 0.0


@jit
def show_moves(
    rows: Array, slot: Array, moved: Array, store: Any, state: Any, show: Any, out: Any, scratch: Array
) -> None:
    """Show the moves of ``rows`` and phase ``vm``; ``moved`` (3, B) holds VM (-1: none moved), source and host."""
    pods, _, gains, mixed, _, merge, _ = show
    _, _, vms, kinds, _, _, _, _, size, _, _ = store
    free, place, fits, count, _, _, _, _, _, head, link, copies = state
    vm, vm_mask, pm, _, on, _, _, _, _ = out
    for i in rows:
        s, v = slot[i], moved[0, i]
        if v < 0:
            continue
        for end in range(1, 3):
            p = moved[end, i]
            if pods and p != NOWHERE:
                show_node(i, s, p, store[0], size, free, pm)
            elif not pods:
                show_pm(i, s, p, mixed, size, free, pm)
        if pods:
            show_pods(i, s, v, v + 1, vms, kinds, size, place, vm, vm_mask, on)
            show_shares(i, s, vms, size, count, vm)
            continue
        show_vms(i, s, v, v + 1, mixed, gains, merge, vms, kinds, size, place, copies, vm, vm_mask, on)
        for end in range(1, 3) if merge else range(0):
            w = head[i, moved[end, i]]
            while w >= 0:
                show_vms(i, s, w, w + 1, mixed, gains, merge, vms, kinds, size, place, copies, vm, vm_mask, on)
                w = link[i, NEXT, w]
        if gains:
            column = N_VM + (2 if mixed else 0)
            show_vm_gains(i, s, column, merge, vms, kinds, size, free, place, fits, count, copies, vm, scratch)
    show_phases(rows, slot, store, state, show, out)


@jit
def show_rows(
    rows: Array, slot: Array, done: Array, store: Any, state: Any, show: Any, out: Any, scratch: Array
) -> None:
    """Write the whole observation of ``rows``, whatever the buffers hold; ``done`` (B,) marks episodes at their end."""
    pods, _, gains, mixed, _, merge, _ = show
    _, _, vms, kinds, _, _, _, _, size, _, _ = store
    free, place, fits, count, _, _, totals, _, _, _, _, copies = state
    vm, vm_mask, pm, pm_mask, on, context, _, _, mask = out
    for i in rows:
        s = slot[i]
        vm[i], pm[i], context[i] = 0.0, 0.0, 0.0
        vm_mask[i], pm_mask[i], on[i], mask[i] = 0, 0, -1, 0
        for p in range(size[s, HOSTS]):
            pm_mask[i, p] = 1
            if pods:
                show_node(i, s, p, store[0], size, free, pm)
            else:
                show_pm(i, s, p, mixed, size, free, pm)
        if pods:
            show_pods(i, s, 0, size[s, VMS], vms, kinds, size, place, vm, vm_mask, on)
            show_shares(i, s, vms, size, count, vm)
            continue
        show_vms(i, s, 0, size[s, VMS], mixed, gains, merge, vms, kinds, size, place, copies, vm, vm_mask, on)
        if gains:
            column = N_VM + (2 if mixed else 0)
            show_vm_gains(i, s, column, merge, vms, kinds, size, free, place, fits, count, copies, vm, scratch)
    show_phases(rows, slot, store, state, show, out)
    for at in range(len(rows)):
        i = rows[at]
        if done[i]:
            mask[i] = 1
        elif totals[i, PHASE] == 1:
            show_choices(rows[at : at + 1], slot, store, state, show, out)
