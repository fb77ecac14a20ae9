"""HA, the published heuristic of VM rescheduling: first the VM, then its host, each by fragments."""

from __future__ import annotations

import numpy as np

from ganttlet.core.jit import jit
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.solution import Plan
from ganttlet_agents.rules.vm_rescheduling.planner import (
    NONE,
    Array,
    Costs,
    Int,
    State,
    clear,
    enter_gains,
    fits,
    goal_cost,
    leave_gains,
    make_costs,
    make_plan,
    move,
    numa_of,
    prepare,
    total_cost,
    vms_only,
    weights_of,
)


@jit
def ha_moves(state: State, costs: Costs, goal: Int, block: Int, memory: bool, moves: Array) -> Int:
    """Write HA's moves into ``moves`` (L, 3) and return how many there are."""
    leave, enter = np.empty(len(state.host), np.int64), np.empty(2 * state.cpu.shape[0], np.int64)
    small = state.cores * (1 + state.split) <= block
    cost = total_cost(state, costs)
    for step in range(len(moves)):
        leave_gains(state, costs, leave)
        vm, place = -1, -1
        for one in range(len(leave)):
            if small[state.kind[one]] and (vm < 0 or leave[one] > leave[vm]):
                vm = one
        if vm < 0 or cost <= goal:
            return step
        kind = state.kind[vm]
        enter_gains(state, costs, kind, memory, enter)
        for one in range(len(enter)):
            better = enter[one] > (enter[place] if place >= 0 else NONE)
            if better and one >> 1 != state.host[vm] and clear(state, vm, one >> 1):
                place = one
        host, numa = place >> 1, numa_of(state, kind, place)
        if place < 0 or leave[vm] + enter[place] <= 0 or not fits(state, kind, host, numa):
            return step
        cost -= move(state, costs, vm, host, numa)
        moves[step, 0], moves[step, 1], moves[step, 2] = vm, host, numa
    return len(moves)


def ha_plan(instance: Cluster, memory: bool = True, objective: str = "fr16") -> Plan:
    """Return the plan of HA (in the papers' figures also GA).

    Each step takes, of the VMs of at most X cores, the one whose leaving lowers fragments (free cores mod X) most,
    then the NUMA node of another host that gains most by taking it; the first of equal ones both times. It ends as
    soon as the two together gain nothing, though another VM might. Source: the public code
    (bytedance/DRL-based-VM-Rescheduling); with it the raw snapshots give FR .8508 at MNL 10 and .8049 at the stall
    (Medium), .5917 and .5866 (Large).

    Args:
        instance: the cluster. Anti-affinity groups are kept.
        memory: check the host's memory when choosing it. As published it is not checked, nor does it count then under
            ``mixed``; such a plan ends before the first move that memory forbids (on neither snapshot is there one).
        objective: ``fr16``, ``n16``, ``mixed`` (gains by the mixed cost) or ``goal`` (stops there).

    Raises:
        InputError: for pods, another objective, or ``goal`` without a goal.
    """
    vms_only("rule:ha", instance, objective)
    costs = make_costs(instance, weights_of(instance, objective if memory else "fr16"))
    moves = np.zeros((instance.limit, 3), np.int64)
    count = ha_moves(prepare(instance), costs, goal_cost(instance, objective), instance.block, memory, moves)
    return make_plan(instance, moves[:count])
