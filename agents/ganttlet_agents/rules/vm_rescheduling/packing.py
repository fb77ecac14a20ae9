"""Packing rules: emptying hosts of many fragments best-fit, and packing chosen VMs anew by vector bin packing."""

from __future__ import annotations

import numpy as np

from ganttlet.core.jit import jit
from ganttlet.core.options import as_count
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.solution import Plan
from ganttlet_agents.rules.vm_rescheduling.planner import (
    BOTH,
    Array,
    Costs,
    Int,
    State,
    clear,
    copied,
    copy_into,
    fits,
    goal_cost,
    leave_gains,
    make_costs,
    make_plan,
    move,
    numa_of,
    place_of,
    prepare,
    shift,
    total_cost,
    vms_only,
    weights_of,
)

ALPHA = 10


@jit
def left_over(state: State, kind: Int, host: Int, numa: Int) -> Int:
    """Return the cores that stay free on the NUMA nodes of a place once one of a kind is there."""
    left = 0
    for node in range(2):
        if numa in (node, BOTH):
            left += state.cpu[host, node] - state.cores[kind]
    return left


@jit
def tightest(state: State, vm: Int) -> Int:
    """Return the place on another host where ``vm`` leaves the fewest cores free, the first of equal ones, or -1."""
    kind, best, found = state.kind[vm], 2**62, -1
    for place in range(0, 2 * state.cpu.shape[0], 1 + state.split[kind]):
        host, numa = place >> 1, numa_of(state, kind, place)
        if host != state.host[vm] and fits(state, kind, host, numa):
            left = left_over(state, kind, host, numa)
            if left < best and clear(state, vm, host):
                best, found = left, place
    return found


@jit
def make(state: State, plain: Costs, vm: Int, place: Int, row: Array) -> Int:
    """Play a move, write it and where the VM came from into ``row`` (5,), and return by how much the cost falls."""
    row[3], row[4] = state.host[vm], state.numa[vm]
    row[0], row[1], row[2] = vm, place >> 1, numa_of(state, state.kind[vm], place)
    return move(state, plain, vm, row[1], row[2])


@jit
def unmake(state: State, plain: Costs, rows: Array) -> None:
    """Take moves back, the last first."""
    for i in range(len(rows) - 1, -1, -1):
        move(state, plain, rows[i, 0], rows[i, 3], rows[i, 4])


@jit
def repack_moves(state: State, plain: Costs, goal: Int, rows: Array) -> Int:
    """Write the moves of :func:`plan_best_fit_repack` into ``rows`` (L, 5) and return how many there are."""
    hosts, length, cost = state.cpu.shape[0], 0, total_cost(state, plain)
    size = (state.cores * (1 + state.split))[state.kind]
    by_size = np.argsort(-size, kind="mergesort")
    improved = True
    while improved and cost > goal and length < len(rows):
        improved = False
        worth = np.zeros(hosts, np.int64)
        for host in range(hosts):
            for node in range(2):
                worth[host] -= plain.cpu[state.cpu[host, node]]
                if len(plain.mem):
                    worth[host] -= plain.mem[state.mem[host, node]]
        for host in np.argsort(worth, kind="mergesort"):
            now, best, keep, made = cost, cost, length, length
            for vm in by_size:
                if state.host[vm] != host or made == len(rows) or now <= goal:
                    continue
                place = tightest(state, vm)
                if place >= 0:
                    now -= make(state, plain, vm, place, rows[made])
                    made += 1
                    if now < best:
                        best, keep = now, made
            unmake(state, plain, rows[keep:made])
            if keep > length:
                cost, length, improved = best, keep, True
                break
    return length


def plan_best_fit_repack(instance: Cluster, objective: str = "fr16") -> Plan:
    """Return the plan of best-fit repacking.

    Hosts are tried in the order of their fragments (what they add to the objective), the worst first. All VMs of a
    host, the largest first, go one by one to the NUMA node (split VMs: both nodes) of another host where the fewest
    free cores are left then, if there is one. Of these moves those up to the one after which the objective is least
    are kept, if it is lower than before, and the others undone. After a host that helped the order is made anew; it
    ends when none does, or at the limit.

    Raises:
        InputError: for pods, an objective it cannot plan for, or ``goal`` without a goal.
    """
    vms_only("rule:best_fit_repack", instance, objective)
    rows = np.zeros((instance.limit, 5), np.int64)
    plain = make_costs(instance, weights_of(instance, objective))
    length = repack_moves(prepare(instance), plain, goal_cost(instance, objective), rows)
    return make_plan(instance, rows[:length, :3])


@jit
def take_off(state: State, plain: Costs, vms: Array) -> Int:
    """Take off VMs while this lowers the cost, each time the one that lowers it most; return how many."""
    leave = np.empty(len(state.host), np.int64)
    for count in range(len(vms)):
        leave_gains(state, plain, leave)
        best, vm = 0, -1
        for one in range(len(leave)):
            if not state.stays[one] and leave[one] > best:
                best, vm = leave[one], one
        if vm < 0:
            return count
        shift(state, vm, state.host[vm], state.numa[vm], 1)
        state.host[vm], state.stays[vm] = -1, True
        vms[count] = vm
    return len(vms)


@jit
def put_back(state: State, vms: Array, places: Array, cores: Int, memory: Int) -> None:
    """Pack VMs, the largest first, where the dot product of what they take and what is free is least; -1 if nowhere."""
    size = (state.cores * (1 + state.split))[state.kind[vms]]
    vms[:] = vms[np.argsort(-size, kind="mergesort")]
    for i in range(len(vms)):
        vm, kind = vms[i], state.kind[vms[i]]
        best, places[i] = np.inf, -1
        for place in range(0, 2 * state.cpu.shape[0], 1 + state.split[kind]):
            host, numa = place >> 1, numa_of(state, kind, place)
            if fits(state, kind, host, numa) and clear(state, vm, host):
                dot = 0.0
                for node in range(2):
                    if numa in (node, BOTH):
                        dot += state.cores[kind] / cores * (state.cpu[host, node] / cores)
                        dot += state.memory[kind] / memory * (state.mem[host, node] / memory)
                if dot < best:
                    best, places[i] = dot, place
        if places[i] >= 0:
            shift(state, vm, places[i] >> 1, numa_of(state, kind, places[i]), -1)


@jit
def vbpp_moves(
    state: State, scratch: State, plain: Costs, goal: Int, alpha: Int, cores: Int, memory: Int, rows: Array
) -> Int:
    """Write the moves of :func:`plan_alpha_vbpp` into ``rows`` (L, 5) and return how many there are."""
    length, cost = 0, total_cost(state, plain)
    while alpha > 0 and length < len(rows) and cost > goal:
        vms = np.zeros(min(alpha, len(rows) - length), np.int64)
        copy_into(scratch, state)
        vms = vms[: take_off(scratch, plain, vms)]
        places = np.zeros(len(vms), np.int64)
        put_back(scratch, vms, places, cores, memory)
        now, best, keep, made, moved = cost, cost, length, length, True
        while moved:
            moved = False
            for i in range(len(vms)):
                vm, host, numa = vms[i], places[i] >> 1, numa_of(state, state.kind[vms[i]], places[i])
                if places[i] < 0 or places[i] == place_of(state, vm) or now <= goal:
                    continue
                if fits(state, state.kind[vm], host, numa) and clear(state, vm, host):
                    now -= make(state, plain, vm, places[i], rows[made])
                    made, moved = made + 1, True
                    if now < best:
                        best, keep = now, made
        unmake(state, plain, rows[keep:made])
        if keep == length:
            alpha //= 2
        cost, length = best, keep
    return length


def plan_alpha_vbpp(instance: Cluster, objective: str = "fr16", alpha: int = ALPHA) -> Plan:
    """Return the plan of α-VBPP in our reading; how the paper does it is not known to us.

    In rounds, up to α VMs are taken off their hosts in thought, each time the one that adds most to the objective,
    and packed anew, the largest first, as in vector bin packing: each where the dot product of what it takes and what
    is free (cores and MB of the NUMA nodes, as shares of the largest node's) is least, the place it came from
    included. The moves are made in whatever order each can be carried out, and left out if none is found; those up to
    the one after which the objective is least are kept. A round that keeps none halves α; it ends at 0, or at the
    limit.

    Raises:
        InputError: for pods, an objective it cannot plan for, ``goal`` without a goal, or α < 1.
    """
    vms_only("rule:alpha_vbpp", instance, objective)
    alpha, rows, state = as_count("alpha", alpha), np.zeros((instance.limit, 5), np.int64), prepare(instance)
    plain, goal = make_costs(instance, weights_of(instance, objective)), goal_cost(instance, objective)
    largest = max(1, int(instance.cpu.max())), max(1, int(instance.mem.max()))
    length = vbpp_moves(state, copied(state), plain, goal, alpha, *largest, rows)
    return make_plan(instance, rows[:length, :3])
