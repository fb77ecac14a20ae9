"""Search trees side by side, their statistics in plain arrays, and the compiled functions that walk them.

A tree is one root state and what has been expanded below it. Source of the formulas: Danihelka, Guez, Schrittwieser and
Silver, Policy improvement by planning with Gumbel, ICLR 2022.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganttlet.core.jit import jit_lean

NONE = -1
ROOT = 0


class Trees(NamedTuple):
    """T trees of up to N nodes, node 0 the root, over A actions.

    Returns are in units of scaled rewards. A value is the return from a node on; a prospect is the return from the root
    on, through an edge, which makes edges at different depths comparable.

    Fields:
        used: (T,) int64, nodes in use.
        parent, action: (T, N) int64, the edge that leads to a node; NONE at the root.
        child: (T, N, A) int64, NONE where not expanded.
        logits: (T, N, A) float64 of the network, -inf for illegal actions.
        value: (T, N) float64, the network's; 0 where the episode is over.
        visits: (T, N) int64, simulations that came to a node.
        total: (T, N) float64, the sum of the values that they found there.
        reward, discount: (T, N) float64, of the edge that leads to a node.
        gain, weight: (T, N) float64: discounted rewards from the root to a node, and the product of discounts.
        over: (T, N) bool, whether the episode is over there.
        low, high: (T,) float64, least and greatest prospect of the expanded edges.
    """

    used: NDArray[np.int64]
    parent: NDArray[np.int64]
    action: NDArray[np.int64]
    child: NDArray[np.int64]
    logits: NDArray[np.float64]
    value: NDArray[np.float64]
    visits: NDArray[np.int64]
    total: NDArray[np.float64]
    reward: NDArray[np.float64]
    discount: NDArray[np.float64]
    gain: NDArray[np.float64]
    weight: NDArray[np.float64]
    over: NDArray[np.bool_]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def make_trees(trees: int, nodes: int, actions: int) -> Trees:
    """Return room for ``trees`` trees of ``nodes`` nodes."""
    shape = (trees, nodes)
    return Trees(
        used=np.zeros(trees, np.int64),
        parent=np.full(shape, NONE),
        action=np.full(shape, NONE),
        child=np.full((*shape, actions), NONE),
        logits=np.zeros((*shape, actions)),
        value=np.zeros(shape),
        visits=np.zeros(shape, np.int64),
        total=np.zeros(shape),
        reward=np.zeros(shape),
        discount=np.ones(shape),
        gain=np.zeros(shape),
        weight=np.ones(shape),
        over=np.zeros(shape, np.bool_),
        low=np.zeros(trees),
        high=np.zeros(trees),
    )


@jit_lean
def plant(which: Any, logits: Any, values: Any, trees: Any) -> None:
    """Begin the trees ``which`` (n,) anew, from the network's ``logits`` (n, A) and ``values`` (n,) of their roots."""
    used, _, _, child, prior, value, visits, total, _, _, _, _, over, low, high = trees
    for i in range(len(which)):
        t = which[i]
        used[t] = 1
        visits[t, ROOT] = 1
        value[t, ROOT] = total[t, ROOT] = values[i]
        over[t, ROOT] = False
        low[t] = high[t] = 0.0
        for a in range(logits.shape[1]):
            child[t, ROOT, a] = NONE
            prior[t, ROOT, a] = logits[i, a]


@jit_lean
def survey(which: Any, trees: Any) -> None:
    """Note the range of prospects in the trees ``which`` (n,)."""
    used, _, _, _, _, _, visits, total, _, _, gain, weight, _, low, high = trees
    for t in which:
        for k in range(1, used[t]):
            prospect = gain[t, k] + weight[t, k] * (total[t, k] / visits[t, k])
            if k == 1 or prospect < low[t]:
                low[t] = prospect
            if k == 1 or prospect > high[t]:
                high[t] = prospect


@jit_lean
def complete(t: Any, node: Any, offset: Any, scale: Any, least: Any, trees: Any, out: Any) -> None:
    """Write logits + sigma(completed Q) of a node's actions to ``out`` (A,), -inf for illegal ones.

    An action that is not expanded takes the mean of the network's value and of the expanded Q-values, these weighted by
    the prior and together counting as often as they were visited. sigma(q) = (offset + most visits) * scale * q, with q
    as a prospect brought into 0 … 1 by the range of its tree, which counts as ``least`` where it is smaller.
    """
    _, _, _, child, prior, value, visits, total, reward, discount, gain, weight, _, low, high = trees
    actions = prior.shape[2]
    best = -np.inf
    for a in range(actions):
        best = max(best, prior[t, node, a])
    seen, most, mass, mixed = 0, 0, 0.0, 0.0
    for a in range(actions):
        k = child[t, node, a]
        if k != NONE:
            share = np.exp(prior[t, node, a] - best)
            seen += visits[t, k]
            most = max(most, visits[t, k])
            mass += share
            mixed += share * (reward[t, k] + discount[t, k] * (total[t, k] / visits[t, k]))
    other = value[t, node]
    if mass > 0.0:
        other = (other + seen * (mixed / mass)) / (1 + seen)
    span = max(high[t] - low[t], least)
    for a in range(actions):
        out[a] = prior[t, node, a]
        if out[a] == -np.inf or span <= 0.0:
            continue
        k = child[t, node, a]
        q = other if k == NONE else reward[t, k] + discount[t, k] * (total[t, k] / visits[t, k])
        out[a] += (offset + most) * scale * ((gain[t, node] + weight[t, node] * q - low[t]) / span)


@jit_lean
def soften(scores: Any) -> None:
    """Turn scores (A,) into their softmax."""
    best = -np.inf
    for score in scores:
        best = max(best, score)
    mass = 0.0
    for a in range(len(scores)):
        scores[a] = np.exp(scores[a] - best)
        mass += scores[a]
    for a in range(len(scores)):
        scores[a] /= mass


@jit_lean
def descend(which: Any, first: Any, offset: Any, scale: Any, least: Any, trees: Any, out: Any, scratch: Any) -> None:
    """Walk down the trees ``which`` (n,) from the root by ``first`` (n,), and further by the improved policy.

    At each node the action is taken whose improved probability exceeds its share of the visits most, the lowest of
    equals. Writes to ``out`` (n, 2): the last node and the action to expand there, or the node where the episode is
    over and NONE.
    """
    _, _, _, child, _, _, visits, _, _, _, _, _, over, _, _ = trees
    for i in range(len(which)):
        t, node, a = which[i], ROOT, first[i]
        while child[t, node, a] != NONE and not over[t, child[t, node, a]]:
            node = child[t, node, a]
            complete(t, node, offset, scale, least, trees, scratch)
            soften(scratch)
            seen = 0
            for b in range(len(scratch)):
                if child[t, node, b] != NONE:
                    seen += visits[t, child[t, node, b]]
            best = -np.inf
            for b in range(len(scratch)):
                k = child[t, node, b]
                lead = scratch[b] - (0 if k == NONE else visits[t, k]) / (1.0 + seen)
                if scratch[b] > 0.0 and lead > best:
                    best, a = lead, b
        k = child[t, node, a]
        out[i, 0] = node if k == NONE else k
        out[i, 1] = a if k == NONE else NONE


@jit_lean
def attach(which: Any, parents: Any, actions: Any, trees: Any, out: Any) -> None:
    """Add a node to each of the trees ``which`` (n,), one after the other; write its number to ``out`` (n,)."""
    used, parent, action, child, _, _, visits, total, _, _, _, _, _, _, _ = trees
    for i in range(len(which)):
        t, p, a = which[i], parents[i], actions[i]
        k = used[t]
        used[t] += 1
        out[i] = child[t, p, a] = k
        parent[t, k], action[t, k] = p, a
        visits[t, k], total[t, k] = 0, 0.0
        for b in range(child.shape[2]):
            child[t, k, b] = NONE


@jit_lean
def describe(
    which: Any, nodes: Any, rewards: Any, discounts: Any, overs: Any, logits: Any, values: Any, trees: Any
) -> None:
    """Note what is known of new ``nodes`` (n,): the step that led there, and the network's word."""
    _, parent, _, _, prior, value, _, _, reward, discount, gain, weight, over, _, _ = trees
    for i in range(len(which)):
        t, k = which[i], nodes[i]
        p = parent[t, k]
        reward[t, k], discount[t, k], over[t, k], value[t, k] = rewards[i], discounts[i], overs[i], values[i]
        gain[t, k] = gain[t, p] + weight[t, p] * rewards[i]
        weight[t, k] = weight[t, p] * discounts[i]
        for a in range(prior.shape[2]):
            prior[t, k, a] = logits[i, a]


@jit_lean
def back_up(which: Any, nodes: Any, trees: Any) -> None:
    """Count a simulation that ended at each of ``nodes`` (n,), there and at all nodes above."""
    _, parent, _, _, _, value, visits, total, reward, discount, _, _, _, _, _ = trees
    for i in range(len(which)):
        t, k = which[i], nodes[i]
        found = value[t, k]
        while k != NONE:
            visits[t, k] += 1
            total[t, k] += found
            found = reward[t, k] + discount[t, k] * found
            k = parent[t, k]
