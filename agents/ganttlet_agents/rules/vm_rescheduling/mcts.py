"""Monte-Carlo tree search over clusters, with the potential greedy for rollouts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ganttlet.core.jit import jit
from ganttlet.core.options import as_count, as_number, as_seed
from ganttlet.core.rng import randint
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.solution import Plan
from ganttlet_agents.rules.vm_rescheduling.beam import list_candidates
from ganttlet_agents.rules.vm_rescheduling.greedy import EPS, LEVELS, NOISE, P, descend, draw_bends
from ganttlet_agents.rules.vm_rescheduling.planner import (
    KNOTS,
    NONE,
    Array,
    Costs,
    Int,
    State,
    copied,
    copy_into,
    goal_cost,
    make_costs,
    make_plan,
    move,
    numa_of,
    prepare,
    total_cost,
    vms_only,
    weights_of,
)

EXPLORATION = 0.5
POTENTIALS = 64  # bent potentials that rollouts draw from


class Tree(NamedTuple):
    """Nodes, in rows, and their moves, in columns from the one of the greatest gain.

    Fields:
        child: (N, C) int64, node that a move leads to, -1 if none yet.
        visits: (N, C) int64, simulations that made the move.
        value: (N, C) float64, the best reward of these.
        gains, vms, places: (N, C) int64, the moves; gain NONE behind the last.
        listed: (N,) bool, whether the moves are known.
    """

    child: Array
    visits: Array
    value: Array
    gains: Array
    vms: Array
    places: Array
    listed: Array


def make_tree(nodes: int, columns: int) -> Tree:
    """Return a tree of no moves yet."""
    visits, gains, vms, places = np.zeros((4, nodes, columns), np.int64)
    child, value = np.full((nodes, columns), -1), np.full((nodes, columns), -np.inf)
    return Tree(child, visits, value, gains, vms, places, np.zeros(nodes, np.bool_))


@jit
def choose(tree: Tree, node: Int, low: Int, high: Int, exploration: Int) -> Int:
    """Return the move of a node that UCT takes, values scaled from ``low`` … ``high`` to 0 … 1; -1 if it has none."""
    best, pick = -np.inf, -1
    total = np.log(tree.visits[node].sum() + 1.0)
    for i in range(tree.gains.shape[1]):
        if tree.gains[node, i] == NONE:
            break
        count = tree.visits[node, i]
        score = np.inf if count == 0 else (tree.value[node, i] - low) / max(1e-9, high - low)
        score += exploration * np.sqrt(total / max(1, count))
        if score > best:
            best, pick = score, i
    return pick


@jit
def play(tree: Tree, node: Int, pick: Int, state: State, plain: Costs, row: Array) -> Int:
    """Play a move of a node, write it into ``row`` and return by how much the cost falls."""
    vm, place = tree.vms[node, pick], tree.places[node, pick]
    row[0], row[1], row[2] = vm, place >> 1, numa_of(state, state.kind[vm], place)
    state.stays[vm] = True
    return move(state, plain, vm, row[1], row[2])


@jit
def mcts_moves(
    root: State,
    state: State,
    tree: Tree,
    costs: tuple[Array, Array],
    plain: Costs,
    goal: Int,
    budget: Int,
    exploration: Int,
    key: Int,
    best: Array,
) -> tuple[Int, Int]:
    """Search from ``root``, write the best moves found into ``best`` (L, 3), and return (how many, moves played).

    Args:
        root: the start; is moved on as moves are decided.
        state: another one of the instance, to play in.
        tree: of ``budget`` + 1 nodes.
        costs: (cpu, mem) of potentials with a leading axis R: the first ranks moves, rollouts draw from all.
        plain: the objective's costs.
        goal: stop at this plain cost; -1 for none.
        budget: simulations in all, shared equally by the moves to decide.
        exploration: weight of the rarely tried.
        key: uint64, of the draws.
        best: (L, 3) int64.
    """
    limit, start, base = len(best), total_cost(root, plain), total_cost(root, plain)
    moves, path = np.zeros((limit, 3), np.int64), np.zeros((limit, 2), np.int64)
    top, low, high = 0.0, np.inf, -np.inf
    kept, nodes, played, simulation, node = 0, 1, 0, 0, 0
    for done in range(limit):
        if base <= goal:
            break
        for _ in range(min(max(1, budget // limit), budget - simulation)):
            copy_into(state, root)
            at, depth, cost, fresh = node, done, base, False
            least, cut = base, done
            while depth < limit and cost > goal and not fresh:
                if not tree.listed[at]:
                    list_candidates(
                        state, Costs(costs[0][0], costs[1][0]), tree.gains[at], tree.vms[at], tree.places[at]
                    )
                    tree.listed[at] = True
                pick = choose(tree, at, low, high, exploration)
                if pick < 0:
                    break
                cost -= play(tree, at, pick, state, plain, moves[depth])
                path[depth, 0], path[depth, 1] = at, pick
                depth += 1
                if cost < least:
                    least, cut = cost, depth
                fresh = tree.child[at, pick] < 0
                if fresh:
                    tree.child[at, pick] = nodes
                    nodes += 1
                at = tree.child[at, pick]
            row = randint(key, simulation, 0, len(costs[0]) - 1) if simulation else 0
            found, length, end = descend(state, Costs(costs[0][row], costs[1][row]), plain, goal, True, moves, depth)
            if found < least:
                least, cut = found, length
            simulation, played = simulation + 1, played + end - done
            reward = 1.0 + (limit - cut) / limit if least <= goal else (start - least) / max(1, start)
            low, high = min(low, reward), max(high, reward)
            for i in range(done, depth):
                tree.visits[path[i, 0], path[i, 1]] += 1
                tree.value[path[i, 0], path[i, 1]] = max(tree.value[path[i, 0], path[i, 1]], reward)
            if reward > top:
                top, kept = reward, cut
                best[:cut] = moves[:cut]
        pick = np.argmax(tree.value[node])
        if tree.visits[node, pick] == 0:
            break
        base -= play(tree, node, pick, root, plain, moves[done])
        node = tree.child[node, pick]
    return kept, played


def plan_mcts(
    instance: Cluster,
    objective: str = "fr16",
    *,
    budget: int = 1000,
    candidates: int = 8,
    exploration: float = EXPLORATION,
    eps: float = EPS,
    p: float = P,
    noise: float = NOISE,
    seed: int = 0,
) -> tuple[Plan, int]:
    """Return the best plan that Monte-Carlo tree search finds, and the number of moves played for it.

    UCT over the ``candidates`` moves of the greatest gain by the convex potential (see ``potential_plan``). A
    simulation goes down the tree, adds one node and goes on to the limit with the potential greedy, its potential
    bent at random (in the first one as it is). What it found, the least objective on the way, counts for all its
    moves: a move is worth its best simulation. The simulations are shared equally by the moves of the plan; after its
    share the move of the best one is decided, and its part of the tree kept.

    Raises:
        InputError: for pods, another objective, ``goal`` without a goal, or an option out of range.
    """
    vms_only("search:mcts", instance, objective)
    budget, columns = as_count("budget", budget), as_count("candidates", candidates)
    exploration, noise = (
        as_number(name, value, 0.0, float("inf")) for name, value in (("exploration", exploration), ("noise", noise))
    )
    eps, p = as_number("eps", eps, 0.0, float("inf")), as_number("p", p, 1.0, float("inf"))
    rng, weights = np.random.default_rng(as_seed("seed", seed)), weights_of(instance, objective)
    level = np.zeros((2, KNOTS))
    bends = [draw_bends(rng, level, noise * LEVELS[row % len(LEVELS)]) if row else level for row in range(POTENTIALS)]
    bent = [make_costs(instance, weights, eps, p, bend) for bend in bends]
    costs = np.stack([one.cpu for one in bent]), np.stack([one.mem for one in bent])
    root, moves = prepare(instance), np.zeros((instance.limit, 3), np.int64)
    length, played = mcts_moves(
        root,
        copied(root),
        make_tree(budget + 1, columns),
        costs,
        make_costs(instance, weights),
        goal_cost(instance, objective),
        budget,
        exploration,
        np.uint64(seed),
        moves,
    )
    return make_plan(instance, moves[:length]), int(played)
