"""The best change of each host at given prices, by dynamic programming over free cores, for column generation."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from ganttlet.core.jit import jit

Array = np.ndarray[Any, Any]
Int: TypeAlias = Any  # an integer scalar: Python's outside kernels, NumPy's inside
NONE = -(2**60)


@jit
def trade(width: Int, size: Array, held: Array, total: Array, pay: Array, fee: Int) -> tuple[Array, Array, Array]:
    """Return what VMs that leave and enter earn, by the cores that become free: knapsacks over one NUMA node or pair.

    Args:
        width: cores (in units) of a NUMA node, W.
        size: (F,) cores that each kind takes on it.
        held: (F,) how many of each lie there and may leave.
        total: (F,) how many of each there are.
        pay: (F,) what one that leaves earns and one that enters costs.
        fee: what each that leaves costs besides.

    Returns:
        (2W + 1,) earnings by units that become free, plus W, or NONE; and (F, 2W + 1) how many of each kind leave, and
        enter, as the last step to there.
    """
    kinds, states = len(size), 2 * width + 1
    earned = np.full(states, NONE)
    earned[width] = 0
    leave = np.zeros((kinds, states), np.int16)
    enter = np.zeros((kinds, states), np.int16)
    for sign, steps in ((1, leave), (-1, enter)):
        for kind in range(kinds):
            most = held[kind] if sign > 0 else total[kind] - held[kind]
            each = pay[kind] - fee if sign > 0 else -pay[kind]
            before = earned.copy()
            for state in range(states):
                if before[state] == NONE:
                    continue
                for count in range(1, most + 1):
                    to = state + sign * count * size[kind]
                    if to < 0 or to >= states:
                        break
                    if before[state] + count * each > earned[to]:
                        earned[to] = before[state] + count * each
                        steps[kind, to] = count
    return earned, leave, enter


@jit
def retrace(state: Int, size: Array, leave: Array, enter: Array, net: Array) -> None:
    """Write into (F,) ``net`` how many more of each kind there are if that state of :func:`trade` is chosen."""
    for kind in range(len(size) - 1, -1, -1):
        count = enter[kind, state]
        net[kind] += count
        state += count * size[kind]
    for kind in range(len(size) - 1, -1, -1):
        count = leave[kind, state]
        net[kind] -= count
        state -= count * size[kind]


@jit
def settle(worth: Array, free: Int, weight: Int, earned: Array) -> tuple[Array, Array]:
    """Return, by units that split VMs free (plus W), the best of a NUMA node and the state of ``trade`` it is at.

    Args:
        worth: (W + 1,) score by free units, or -1 where they cannot be.
        free: free units at the start.
        weight: what a score of 1 earns.
        earned: what :func:`trade` returns for its single VMs.
    """
    states, width = len(earned), len(worth) - 1
    best = np.full(states, NONE)
    at = np.zeros(states, np.int64)
    for shift in range(states):
        for state in range(states):
            left = free + (shift - width) + (state - width)
            if earned[state] == NONE or left < 0 or left > width or worth[left] < 0:
                continue
            value = earned[state] + weight * worth[left]
            if value > best[shift]:
                best[shift], at[shift] = value, state
    return best, at


@jit
def price(
    free: Array,
    worth: Array,
    held: Array,
    held_split: Array,
    size: Array,
    size_split: Array,
    total: Array,
    total_split: Array,
    pay: Array,
    pay_split: Array,
    fee: Int,
    weight: Int,
) -> tuple[Array, Array]:
    """Return each host's best change at given prices.

    Args:
        free: (H, 2) free units of cores on each NUMA node.
        worth: (H, 2, W + 1) score of a NUMA node by free units, or -1 where they cannot be.
        held, held_split: (H, 2, F) and (H, D) single and split VMs of each kind that lie there.
        size, size_split: (F,) and (D,) units that a kind takes on each NUMA node that it lies on.
        total, total_split: (F,) and (D,) how many of each there are.
        pay, pay_split: what a VM that leaves earns and one that enters costs.
        fee: what each VM that leaves costs besides.
        weight: what a score of 1 earns.

    Returns:
        (H,) what the change earns, score included, and (H, 2F + D) its single VMs on NUMA node 0, on 1, and split ones.
    """
    hosts, singles, splits = len(free), len(size), len(size_split)
    width = worth.shape[2] - 1
    value = np.empty(hosts, np.int64)
    net = np.zeros((hosts, 2 * singles + splits), np.int64)
    for host in range(hosts):
        earned0, leave0, enter0 = trade(width, size, held[host, 0], total, pay, fee)
        earned1, leave1, enter1 = trade(width, size, held[host, 1], total, pay, fee)
        both, leave, enter = trade(width, size_split, held_split[host], total_split, pay_split, fee)
        best0, at0 = settle(worth[host, 0], free[host, 0], weight, earned0)
        best1, at1 = settle(worth[host, 1], free[host, 1], weight, earned1)
        best, shift = NONE, width
        for state in range(2 * width + 1):
            if both[state] > NONE and best0[state] > NONE and best1[state] > NONE:
                here = both[state] + best0[state] + best1[state]
                if here > best:
                    best, shift = here, state
        value[host] = best
        retrace(at0[shift], size, leave0, enter0, net[host, :singles])
        retrace(at1[shift], size, leave1, enter1, net[host, singles : 2 * singles])
        retrace(shift, size_split, leave, enter, net[host, 2 * singles :])
    return value, net
