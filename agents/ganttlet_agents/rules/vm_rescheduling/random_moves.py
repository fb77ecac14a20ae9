"""Uniformly random legal moves."""

from __future__ import annotations

import numpy as np

from ganttlet.core.jit import jit
from ganttlet.core.options import as_seed
from ganttlet.core.rng import key_of, randint
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.solution import Plan
from ganttlet_agents.rules.vm_rescheduling.planner import (
    Array,
    Costs,
    Int,
    State,
    clear,
    fits,
    goal_cost,
    make_costs,
    make_plan,
    move,
    numa_of,
    place_of,
    prepare,
    total_cost,
    vms_only,
    weights_of,
)


@jit
def random_moves(state: State, plain: Costs, goal: Int, seed: Int, moves: Array) -> Int:
    """Write random moves into ``moves`` (L, 3) and return how many there are."""
    cost, order = total_cost(state, plain), np.arange(len(state.host))
    legal = np.empty(2 * state.cpu.shape[0], np.int64)
    for step in range(len(moves)):
        if cost <= goal:
            return step
        key, count = key_of(seed, step, 0), 0
        for i in range(len(order)):  # VMs in random order, until one can move
            j = randint(key, i, i, len(order) - 1)
            order[i], order[j] = order[j], order[i]
            vm, kind = order[i], state.kind[order[i]]
            for place in range(0, len(legal), 1 + state.split[kind]):
                host, numa = place >> 1, numa_of(state, kind, place)
                if place != place_of(state, vm) and fits(state, kind, host, numa) and clear(state, vm, host):
                    legal[count] = place
                    count += 1
            if count:
                break
        if count == 0:
            return step
        place = legal[randint(key, len(order), 0, count - 1)]
        moves[step, 0], moves[step, 1], moves[step, 2] = vm, place >> 1, numa_of(state, kind, place)
        cost -= move(state, plain, vm, place >> 1, moves[step, 2])
    return len(moves)


def plan_random(instance: Cluster, objective: str = "fr16", seed: int = 0) -> Plan:
    """Return a plan of random moves up to the limit: a VM uniform among those that can move, then its place likewise.

    With ``goal`` it ends where the goal is met.

    Raises:
        InputError: for pods, an objective it cannot plan for, or ``goal`` without a goal.
    """
    vms_only("rule:random", instance, objective)
    moves, goal = np.zeros((instance.limit, 3), np.int64), goal_cost(instance, objective)
    plain = make_costs(instance, weights_of(instance, objective))
    count = random_moves(prepare(instance), plain, goal, np.uint64(as_seed("seed", seed)), moves)
    return make_plan(instance, moves[:count])
