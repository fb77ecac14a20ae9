"""Gumbel AlphaZero's search of one decision, in many trees side by side, over rows of a native batch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ganttlet.core.errors import InputError
from ganttlet.core.options import as_count, as_number
from ganttlet.core.vector_env import BatchEnv
from ganttlet_agents.search.batch import Evaluator, Floats, Ints, legal_judgement
from ganttlet_agents.search.tree import (
    NONE,
    ROOT,
    attach,
    back_up,
    complete,
    descend,
    describe,
    make_trees,
    plant,
    soften,
    survey,
)


@dataclass(frozen=True)
class Planning:
    """How a decision is searched.

    Fields:
        simulations: leaves that a search comes to; each is one expansion, or an end that is known already.
        considered: most actions tried at the root.
        value_scale, visit_offset: sigma(q) = (visit_offset + most visits) * value_scale * q, what is added to logits
            for values q in 0 … 1. More of either trusts values more, and the network's policy less.
        least_range: a tree whose prospects differ by less counts as one of this range, in scaled rewards: errors of the
            values are not blown up where little is at stake. Training scales returns of random play to deviate by 1.
        reward_scale: factor on rewards, in whose units values are.
    """

    simulations: int = 32
    considered: int = 16
    value_scale: float = 0.1
    visit_offset: float = 50.0
    least_range: float = 1.0
    reward_scale: float = 1.0

    def __post_init__(self) -> None:
        for name in ("simulations", "considered"):
            as_count(name, getattr(self, name))
        for name in ("value_scale", "visit_offset", "least_range", "reward_scale"):
            as_number(name, getattr(self, name), 0.0, math.inf)


@dataclass(frozen=True)
class Found:
    """What n searches found.

    Fields:
        actions: (n,) int64, to be played.
        policy: (n, A) float64, the improved policies of the roots, over their legal actions.
        visits: (n, A) int64, simulations that began with each action.
    """

    actions: Ints
    policy: Floats
    visits: Ints


def rounds(actions: int, simulations: int) -> list[tuple[int, int]]:
    """Return sequential halving's rounds: (actions that still stand, those of them that are simulated once).

    Phases get equal parts of the simulations and leave half of the actions each, at least two; what rounding leaves
    over goes to the last two. The second numbers add up to ``simulations``; only the last may be less than the first.

    Args:
        actions: number of actions to begin with, at most ``simulations``.
        simulations: the budget.
    """
    phases = max(1, math.ceil(math.log2(actions)))
    plan: list[tuple[int, int]] = []
    standing, left = actions, simulations
    while left:
        for _ in range(max(1, simulations // (phases * standing))):
            plan.append((standing, min(standing, left)))
            left -= plan[-1][1]
            if not left:
                break
        standing = min(actions, max(2, standing // 2))
    return plan


class Planner:
    """Searches decisions of the first rows of a batch, the roots; the other rows hold the nodes of their trees.

    An expansion copies the parent's row and plays the action there, and whatever is forced after it, so that every node
    has a choice or is an end. All rows of the trees that search at once are evaluated together. In a round, every
    action that still stands is simulated once, from the same statistics.

    Args:
        env: a batch with ``autoreset_mode="disabled"`` and ``copy=False``; every row must have begun an episode.
        evaluate: the policy with its values.
        planning: how decisions are searched.

    Attributes:
        trees: number of trees side by side, one for ``simulations + 1`` rows.
        simulated: number of simulator steps taken.

    Raises:
        InputError: for a batch that is too small.
    """

    def __init__(self, env: BatchEnv, evaluate: Evaluator, planning: Planning) -> None:
        nodes = planning.simulations + 1
        if env.num_envs < nodes:
            raise InputError(f"simulations: {nodes - 1} need a batch of {nodes} rows, got {env.num_envs}")
        self.env, self.evaluate, self.planning = env, evaluate, planning
        self.trees = env.num_envs // nodes
        self.simulated = 0
        self._weights = float(planning.visit_offset), float(planning.value_scale), float(planning.least_range)
        self._trees = make_trees(self.trees, nodes, env.graph.n_actions)
        self._scratch = np.zeros(env.graph.n_actions)
        self._known = np.zeros(self.trees, np.bool_)
        self._logits, self._values = np.zeros((self.trees, env.graph.n_actions)), np.zeros(self.trees)

    def begin(self, which: Ints) -> None:
        """Play what is forced at the beginning of the episodes of the roots ``which`` (n,)."""
        self._known[which] = False
        self._go_on(which, np.zeros(len(which)), np.ones(len(which)))

    def search(self, which: Ints, noise: Floats) -> Found:
        """Search the decisions of the roots ``which`` (n,), which are not done.

        Args:
            which: numbers of trees, all different.
            noise: (n, A) Gumbel noise, which draws the actions that are considered; zeros consider the most probable.
        """
        new = which[~self._known[which]]
        if len(new):
            self._logits[new], self._values[new] = legal_judgement(self.evaluate, self.env.live_observation, new)
            self._known[new] = True
        plant(which, self._logits[which], self._values[which], self._trees)
        perturbed = noise + self._logits[which]
        standing = [np.argsort(-one, kind="stable")[: self._considered(one)] for one in perturbed]
        plans = [rounds(len(one), self.planning.simulations) for one in standing]
        for turn in range(max(len(plan) for plan in plans)):
            survey(which, self._trees)
            walkers: list[int] = []
            firsts: list[NDArray[np.int64]] = []
            for at, tree in enumerate(which):
                if turn >= len(plans[at]):
                    continue
                keep, size = plans[at][turn]
                chosen = standing[at]
                if size < len(chosen):
                    chosen = self._ranked(tree, noise[at], chosen)
                    standing[at] = chosen[:keep]
                walkers += [tree] * size
                firsts.append(chosen[:size])
            self._simulate(np.array(walkers), np.concatenate(firsts))
        survey(which, self._trees)
        actions = [self._ranked(tree, noise[at], standing[at])[0] for at, tree in enumerate(which)]
        return Found(np.array(actions), self._improved(which), self._visits(which))

    def play(self, which: Ints, actions: Ints) -> tuple[Floats, Floats]:
        """Play ``actions`` (n,), which the last search has tried, in the roots ``which``, and what is forced then.

        Returns the scaled rewards (n,) and the discounts (n,) of what follows. It takes no simulator step.
        """
        trees, nodes = self._trees, self._trees.child[which, ROOT, actions]
        self.env.copy_rows(self._rows(which, nodes), which)
        self._known[which] = ~trees.over[which, nodes]
        self._logits[which], self._values[which] = trees.logits[which, nodes], trees.value[which, nodes]
        return trees.reward[which, nodes], trees.discount[which, nodes]

    def _considered(self, perturbed: Floats) -> int:
        legal = int(np.isfinite(perturbed).sum())
        return min(self.planning.considered, self.planning.simulations, legal)

    def _scores(self, tree: int) -> Floats:
        """Return logits + sigma(completed Q) of a root, live."""
        complete(tree, ROOT, *self._weights, self._trees, self._scratch)
        return self._scratch

    def _ranked(self, tree: int, noise: Floats, standing: Ints) -> Ints:
        """Return the actions that stand, the best first, of equals in the order in which they stood."""
        ranked: Ints = standing[np.argsort(-(noise + self._scores(tree))[standing], kind="stable")]
        return ranked

    def _improved(self, which: Ints) -> Floats:
        policy = np.stack([self._scores(tree).copy() for tree in which])
        for one in policy:
            soften(one)
        return policy

    def _visits(self, which: Ints) -> Ints:
        child = self._trees.child[which, ROOT]
        visits: Ints = np.where(child == NONE, 0, self._trees.visits[which[:, None], np.maximum(child, 0)])
        return visits

    def _rows(self, which: Ints, nodes: Ints) -> Ints:
        """Return the rows of nodes: roots come first, then the nodes of each tree."""
        rows: Ints = np.where(
            nodes == ROOT, which, self.trees + which * self.planning.simulations + np.maximum(nodes, 1) - 1
        )
        return rows

    def _simulate(self, which: Ints, firsts: Ints) -> None:
        """Run a simulation in each of the trees ``which`` (n,) that begins with the actions ``firsts`` (n,)."""
        env, trees = self.env, self._trees
        ends = np.zeros((len(which), 2), np.int64)
        descend(which, firsts, *self._weights, trees, ends, self._scratch)
        nodes, new = ends[:, 0].copy(), ends[:, 1] != NONE
        if new.any():
            grown, (parents, actions) = which[new], ends[new].T
            added = np.zeros(len(grown), np.int64)
            attach(grown, parents, actions, trees, added)
            rows = self._rows(grown, added)
            env.copy_rows(self._rows(grown, parents), rows)
            rewards, discounts = self._step(rows, actions)
            over = env.done[rows]
            logits, values = np.full((len(rows), trees.logits.shape[2]), -np.inf), np.zeros(len(rows))
            if not over.all():
                logits[~over], values[~over] = legal_judgement(self.evaluate, env.live_observation, rows[~over])
            describe(grown, added, rewards, discounts, over, logits, values, trees)
            nodes[new] = added
        back_up(which, nodes, trees)

    def _step(self, rows: Ints, actions: Ints) -> tuple[Floats, Floats]:
        """Play actions and what is forced then; return the scaled rewards and the discounts of what follows."""
        self.env.step_rows(rows, actions)
        self.simulated += len(rows)
        rewards, discounts = self._results(rows)
        self._go_on(rows, rewards, discounts)
        return rewards, discounts

    def _results(self, rows: Ints) -> tuple[Floats, Floats]:
        flags = self.env.flags
        return self.planning.reward_scale * flags.reward[rows], flags.discount[rows]

    def _go_on(self, rows: Ints, rewards: Floats, discounts: Floats) -> None:
        """Play ``rows`` while one action is legal; add to their rewards and multiply their discounts in place."""
        env = self.env
        while len(at := np.flatnonzero(~env.done[rows] & (env.live_mask[rows].sum(axis=1) == 1))):
            env.step_rows(rows[at], env.live_mask[rows[at]].argmax(axis=1))
            self.simulated += len(at)
            more, discount = self._results(rows[at])
            rewards[at] += discounts[at] * more
            discounts[at] *= discount
