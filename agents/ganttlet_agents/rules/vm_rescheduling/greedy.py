"""Greedy descent: by the objective itself, or by a convex potential that is bent at random for the best of K."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ganttlet.core.jit import jit
from ganttlet.core.options import as_count, as_number, as_seed
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.solution import Plan
from ganttlet_agents.rules.vm_rescheduling.planner import (
    KNOTS,
    Array,
    Costs,
    Floats,
    Int,
    Ints,
    State,
    best_move,
    copied,
    copy_into,
    goal_cost,
    make_costs,
    make_plan,
    move,
    prepare,
    rank,
    total_cost,
    vms_only,
    weights_of,
)

EPS, P, NOISE = 0.6, 2.0, 1.0
LEVELS = (0.5, 1.0, 2.0)
BENT = 0.5  # share of the knots that a row bends


@jit
def descend(
    state: State, costs: Costs, plain: Costs, goal: Int, once: bool, moves: Array, done: Int
) -> tuple[Int, Int, Int]:
    """Play the best move again and again, while it gains by ``costs``, and return (cost, length, moves played).

    With ``once`` moves that gain nothing are played too: they cost nothing, and open ways on.

    Args:
        state: where to begin; is moved on.
        costs: what moves are chosen by.
        plain: the objective's costs.
        goal: stop at this plain cost; -1 for none.
        once: whether to move each VM at most once.
        moves: (L, 3) int64, rows from ``done`` on are written, and no more than L moves made in all.
        done: moves made before.

    Returns:
        The least plain cost on the way and the moves made until there, ``done`` included; and moves in all.
    """
    cost = total_cost(state, plain)
    best, cut, step = cost, done, done
    while step < len(moves) and cost > goal:
        gain, vm, host, numa = best_move(state, costs)
        if gain < 0 or (gain == 0 and not once):
            break
        cost -= move(state, plain, vm, host, numa)
        state.stays[vm] = once
        moves[step, 0], moves[step, 1], moves[step, 2] = vm, host, numa
        step += 1
        if cost < best:
            best, cut = cost, step
    return best, cut, step


def draw_bends(rng: np.random.Generator, base: Floats, sd: float) -> Floats:
    """Return ``base`` (2, KNOTS) with normal noise of deviation ``sd`` at some of its knots, never at the first."""
    bends: Floats = base + sd * rng.normal(size=base.shape) * (rng.random(base.shape) < BENT)
    bends[:, 0] = 0.0
    return bends


def plan_greedy(instance: Cluster, objective: str = "fr16") -> tuple[Plan, int]:
    """Return the plan of the exact one-step greedy, and the number of moves made for it.

    Every move is the one of all legal moves that lowers the objective most, the first by VM, host and NUMA node among
    equals; it ends where none lowers it.

    Raises:
        InputError: for pods, an objective it cannot plan for, or ``goal`` without a goal.
    """
    vms_only("rule:greedy", instance, objective)
    plain = make_costs(instance, weights_of(instance, objective))
    moves = np.zeros((instance.limit, 3), np.int64)
    _, cut, made = descend(prepare(instance), plain, plain, goal_cost(instance, objective), False, moves, 0)
    return make_plan(instance, moves[:cut]), int(made)


class Found(NamedTuple):
    """The best row of a potential greedy: what rows compare by, its moves and costs; moves made in all rows."""

    key: tuple[int, int, int]
    moves: Ints
    costs: Costs
    made: int


def best_row(instance: Cluster, objective: str, eps: float, p: float, noise: float, rows: int, seed: int) -> Found:
    """Play the potential greedy in ``rows`` rows, as :func:`potential_plan` describes it, and return the best row."""
    eps, p = as_number("eps", eps, 0.0, float("inf")), as_number("p", p, 1.0, float("inf"))
    noise, rows = as_number("noise", noise, 0.0, float("inf")), as_count("best_of", rows)
    rng = np.random.default_rng(as_seed("seed", seed))
    start, weights, goal = prepare(instance), weights_of(instance, objective), goal_cost(instance, objective)
    plain, state = make_costs(instance, weights), copied(start)
    bends: Floats = np.zeros((2, KNOTS))
    best: Found | None = None
    total = 0
    for row in range(rows):
        tried = bends if row == 0 else draw_bends(rng, bends, noise * LEVELS[row % len(LEVELS)])
        costs, moves = make_costs(instance, weights, eps, p, tried), np.zeros((instance.limit, 3), np.int64)
        copy_into(state, start)
        cost, cut, made = descend(state, costs, plain, goal, True, moves, 0)
        key = rank(int(cost), int(cut), goal)
        total += int(made)
        if best is None or key <= best.key:
            best, bends = Found(key, moves[:cut], costs, total), tried
    assert best is not None
    return best._replace(made=total)


def plan_potential(
    instance: Cluster,
    objective: str = "fr16",
    *,
    eps: float = EPS,
    p: float = P,
    noise: float = NOISE,
    best_of: int = 1,
    seed: int = 0,
) -> tuple[Plan, int]:
    """Return the plan of :func:`potential_plan` and the number of moves made for it in all rows."""
    vms_only("rule:potential", instance, objective)
    found = best_row(instance, objective, eps, p, noise, best_of, seed)
    return make_plan(instance, found.moves), found.made


def potential_plan(
    instance: Cluster,
    *,
    eps: float = EPS,
    p: float = P,
    noise: float = NOISE,
    best_of: int = 1,
    seed: int = 0,
    objective: str = "fr16",
) -> Plan:
    """Return the plan of the convex-potential greedy.

    It moves greedily by Φ = Σ ρ - eps · X · (ρ / X)^p, ρ = free cores mod X, which rewards fragments that lie
    together; each VM moves at most once, until every move would raise Φ. The plan is cut where the objective is
    least. Under ``mixed`` Φ adds memory in the same form. Row 0 of best-of-K is this rule; each further row bends the
    potential of the best row so far at random (half the knots, see :func:`make_costs`), which puts noise on all gains
    alike, and the best plan by the objective is returned.

    Args:
        instance: the cluster.
        eps: weight of the convex term, 0 … 1 makes sense.
        p: its exponent, at least 1.
        noise: deviation of the bends in cores (X / 16); rows cycle through half of it, it, and twice it.
        best_of: rows K.
        seed: of the bends.
        objective: ``fr16``, ``n16``, ``mixed`` or ``goal`` (fewest moves to the instance's goal).

    Raises:
        InputError: for pods, another objective, ``goal`` without a goal, or an option out of range.
    """
    return plan_potential(instance, objective, eps=eps, p=p, noise=noise, best_of=best_of, seed=seed)[0]
