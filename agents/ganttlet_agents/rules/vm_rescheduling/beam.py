"""Beam search over clusters: several plans side by side, compared by the convex potential."""

from __future__ import annotations

import numpy as np

from ganttlet.core.jit import jit
from ganttlet.core.options import as_count
from ganttlet.core.rng import scramble
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.solution import Plan
from ganttlet_agents.rules.vm_rescheduling.greedy import EPS, NOISE, P, best_row
from ganttlet_agents.rules.vm_rescheduling.planner import (
    NONE,
    Array,
    Costs,
    Int,
    State,
    clear,
    enter_gains,
    goal_cost,
    leave_gains,
    make_costs,
    make_plan,
    move,
    numa_of,
    place_of,
    prepare,
    rank,
    total_cost,
    vms_only,
    weights_of,
)

ALIKE = 64  # different gains of leaving that are told apart, per kind


@jit
def insert(gain: Int, vm: Int, place: Int, gains: Array, vms: Array, places: Array) -> None:
    """Put an entry that is better than the last into three columns sorted by gain, behind its equals."""
    at = len(gains) - 1
    while at > 0 and gains[at - 1] < gain:
        gains[at], vms[at], places[at] = gains[at - 1], vms[at - 1], places[at - 1]
        at -= 1
    gains[at], vms[at], places[at] = gain, vm, place


@jit
def list_candidates(state: State, costs: Costs, gains: Array, vms: Array, places: Array) -> None:
    """Write the moves of the greatest gains, from the best, into columns of one length; gain NONE where none is left.

    Of the places that gain a kind equally only the first counts, and of the VMs of a kind that gain equally by leaving;
    VMs in anti-affinity groups count one by one, with every place.
    """
    kinds, count = len(state.cores), len(gains)
    keep = 2 * count  # two places of equal gain, for one of them may be where the VM lies
    enter = np.empty((kinds, 2 * state.cpu.shape[0]), np.int64)
    leave = np.empty(len(state.host), np.int64)
    top, spare = np.full((kinds, keep), NONE), np.zeros(keep, np.int64)
    at = np.full((kinds, keep), -1)
    seen, spoken, n_seen = (
        np.zeros((kinds, ALIKE), np.int64),
        np.zeros((kinds, ALIKE), np.int64),
        np.zeros(kinds, np.int64),
    )
    for kind in range(kinds):
        enter_gains(state, costs, kind, True, enter[kind])
        for place in range(enter.shape[1]):
            gain = enter[kind, place]
            if gain > top[kind, keep - 1] and (top[kind] == gain).sum() < 2:
                insert(gain, 0, place, top[kind], spare, at[kind])
    leave_gains(state, costs, leave)
    gains[:] = NONE
    for vm in range(len(leave)):
        kind = state.kind[vm]
        if state.stays[vm] or at[kind, 0] < 0 or leave[vm] + top[kind, 0] <= gains[count - 1]:
            continue
        own = place_of(state, vm)
        if state.first[vm] < state.first[vm + 1]:
            for place in range(enter.shape[1]):
                gain = leave[vm] + enter[kind, place]
                better = enter[kind, place] > NONE and gain > gains[count - 1] and place != own
                if better and clear(state, vm, place >> 1):
                    insert(gain, vm, place, gains, vms, places)
            continue
        # One that lies on one of the best places speaks only for those that lie there too.
        where = own if (at[kind] == own).any() else -1
        known = False
        for i in range(n_seen[kind]):
            known = known or (seen[kind, i] == leave[vm] and spoken[kind, i] in (-1, where))
        if known:
            continue
        if n_seen[kind] < ALIKE:
            seen[kind, n_seen[kind]], spoken[kind, n_seen[kind]] = leave[vm], where
            n_seen[kind] += 1
        last = NONE
        for i in range(keep):
            gain = leave[vm] + top[kind, i]
            if at[kind, i] < 0 or gain <= gains[count - 1]:
                break
            if at[kind, i] != own and gain != last:
                insert(gain, vm, at[kind, i], gains, vms, places)
                last = gain


@jit
def row_of(rows: State, row: Int) -> State:
    """Return one row of a batch of states, as views."""
    return State(
        rows.cpu[row],
        rows.mem[row],
        rows.host[row],
        rows.numa[row],
        rows.stays[row],
        rows.held[row],
        rows.kind,
        rows.cores,
        rows.memory,
        rows.split,
        rows.first,
        rows.group,
    )


@jit
def copy_row(rows: State, row: Int, others: State, other: Int) -> None:
    """Bring a row to where a row of another batch stands."""
    rows.cpu[row] = others.cpu[other]
    rows.mem[row] = others.mem[other]
    rows.host[row] = others.host[other]
    rows.numa[row] = others.numa[other]
    rows.stays[row] = others.stays[other]
    rows.held[row] = others.held[other]


@jit
def mark(kind: Int, place: Int) -> Int:
    """Return the uint64 that one of a kind adds to the mark of a cluster when it lies at a place."""
    return scramble(np.uint64(kind) << np.uint64(32) ^ np.uint64(place))


@jit
def beam_moves(
    rows: State, after: State, costs: Costs, plain: Costs, goal: Int, count: Int, moves: Array, parent: Array
) -> tuple[Int, Int, Int, Int]:
    """Search and return (plain cost, depth, row) of the best cluster found, and how many moves were looked at.

    Args:
        rows, after: batches of W states; row 0 of ``rows`` is the start.
        costs: the potential that rows compare by.
        plain: the objective's costs.
        goal: stop at this plain cost; -1 for none.
        count: candidate moves per row.
        moves: (L, W, 3) int64, the move that led to a row at each depth.
        parent: (L, W) int64, the row it was made in.
    """
    width = parent.shape[1]
    gains = np.empty((width, count), np.int64)
    vms, places = np.zeros((width, count), np.int64), np.zeros((width, count), np.int64)
    value, cost, marks = np.zeros(width, np.int64), np.zeros(width, np.int64), np.zeros(width, np.uint64)
    value2, cost2, marks2 = value.copy(), cost.copy(), marks.copy()
    cost[0] = total_cost(row_of(rows, 0), plain)
    best, depth, at, live, looked = cost[0], 0, 0, 1, 0
    for step in range(len(parent)):
        if best <= goal:
            break
        for row in range(live):
            list_candidates(row_of(rows, row), costs, gains[row], vms[row], places[row])
        total = np.full(live * count, 2**62)
        for i in range(live * count):
            if gains[i // count, i % count] > NONE:
                total[i] = value[i // count] - gains[i // count, i % count]
                looked += 1
        kept = 0
        for i in np.argsort(total, kind="mergesort"):
            if kept == width or total[i] == 2**62:
                break
            row, vm, place = i // count, vms[i // count, i % count], places[i // count, i % count]
            state = row_of(rows, row)
            kind = state.kind[vm]
            sign = marks[row] + mark(kind, place) - mark(kind, place_of(state, vm))
            if (marks2[:kept] == sign).any():  # the same cluster, by other VMs of the kind or in another order
                continue
            copy_row(after, kept, rows, row)
            host, numa = place >> 1, numa_of(state, kind, place)
            child = row_of(after, kept)
            cost2[kept] = cost[row] - move(child, plain, vm, host, numa)
            child.stays[vm] = True
            value2[kept], marks2[kept], parent[step, kept] = total[i], sign, row
            moves[step, kept, 0], moves[step, kept, 1], moves[step, kept, 2] = vm, host, numa
            if cost2[kept] < best:
                best, depth, at = cost2[kept], step + 1, kept
            kept += 1
        if kept == 0:
            break
        rows, after, live = after, rows, kept
        value, value2, cost, cost2, marks, marks2 = value2, value, cost2, cost, marks2, marks
    return best, depth, at, looked


def plan_beam(
    instance: Cluster,
    objective: str = "fr16",
    *,
    width: int = 32,
    candidates: int = 8,
    best_of: int = 60,
    eps: float = EPS,
    p: float = P,
    noise: float = NOISE,
    seed: int = 0,
) -> tuple[Plan, int]:
    """Return the best plan that a beam search finds, and the number of moves looked at.

    ``width`` clusters are kept after each move, those of the least potential, each continued by its ``candidates``
    moves of the greatest gain; each VM moves at most once. Clusters that differ only in VMs of one kind, or in the
    order of moves, are kept once. The potential is that of the best row of ``potential_plan`` with ``best_of`` rows.
    The plan leads to the cluster of the least objective kept at any depth, with ``goal`` to the first that meets it;
    it is that best row's plan if that one is better.

    Raises:
        InputError: for pods, another objective, ``goal`` without a goal, or an option out of range.
    """
    vms_only("search:beam", instance, objective)
    width, count = as_count("width", width), as_count("candidates", candidates)
    found = best_row(instance, objective, eps, p, noise, best_of, seed)
    state, limit, goal = prepare(instance), instance.limit, goal_cost(instance, objective)
    rows, after = (State._make([*(np.stack([one] * width) for one in state[:6]), *state[6:]]) for _ in range(2))
    moves, parent = np.zeros((limit, width, 3), np.int64), np.zeros((limit, width), np.int64)
    plain = make_costs(instance, weights_of(instance, objective))
    cost, depth, row, looked = beam_moves(rows, after, found.costs, plain, goal, count, moves, parent)
    if rank(int(cost), int(depth), goal) >= found.key:
        return make_plan(instance, found.moves), found.made + int(looked)
    plan = []
    for step in range(depth - 1, -1, -1):
        plan.append(moves[step, row])
        row = parent[step, row]
    return make_plan(instance, plan[::-1]), found.made + int(looked)
