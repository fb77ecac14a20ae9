"""Gumbel AlphaZero on the environment itself, without a learned model: sequences with a search at every decision."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ganttlet.core.options import as_count, as_number, as_seed
from ganttlet.core.vector_env import BatchEnv
from ganttlet_agents.search.batch import Decoded, Evaluator, begin, final_values, objective_of, ranking
from ganttlet_agents.search.decode import sample
from ganttlet_agents.search.planning import Planner, Planning


def gumbel(
    env: BatchEnv,
    evaluate: Evaluator,
    instance: Any,
    *,
    simulations: int = 32,
    considered: int = 16,
    episodes: int = 1,
    value_scale: float = 0.1,
    least_range: float = 1.0,
    reward_scale: float = 1.0,
    seed: int = 0,
    objective: str | None = None,
    seconds: float | None = None,
) -> Decoded:
    """Return the best of the greedy sequence and of some in which every decision is searched.

    One without a choice is just played. The greedy sequence costs little beside a search, and keeps a search that is
    misled by wrong values from making things worse.

    At the root, actions are drawn by the Gumbel-top-k trick and compared by sequential halving; below it the action is
    taken whose improved probability exceeds its share of the visits most. A leaf is a row of the batch, expanded by a
    step of the environment and judged by the value head; an end has value 0. The first searched sequence takes no
    noise: it considers the most probable actions. All others have random streams of their own, so that the result does
    not depend on how many are played at once (where the evaluator treats rows alike), and the first sequences of a
    larger number are those of a smaller one.

    A search sees the realisation that its row plays; where that is hidden, it is hindsight.

    Source: Danihelka, Guez, Schrittwieser and Silver, Policy improvement by planning with Gumbel, ICLR 2022.

    Args:
        env: a batch with ``autoreset_mode="disabled"`` and ``copy=False``, as :func:`make_batch` makes it. Each
            ``simulations + 1`` rows are one sequence; as many are played at once as there is room for.
        evaluate: the policy with its value head.
        instance: what ``env.reset`` takes: a record, name, path or mapping; None for the batch's own instance.
        simulations: leaves visited in the search of a decision.
        considered: most actions tried at the root.
        episodes: number of searched sequences; the greedy one comes before them.
        value_scale, least_range: weight of values against the policy, as :class:`Planning` says.
        reward_scale: factor on rewards by which the values were trained.
        seed: of the noise.
        objective: what the best is chosen by; the environment's first if None. The search serves the reward.
        seconds: no round of searched sequences begins later than this; the first is always played.

    Raises:
        InputError: for another kind of batch or one with fewer than ``simulations + 1`` rows, an instance that does not
            fit, an objective that the environment does not show, a number out of range, or logits or values that cannot
            be used.
    """
    clock = time.perf_counter()
    planning = Planning(simulations, considered, value_scale, least_range=least_range, reward_scale=reward_scale)
    episodes, seeds = as_count("episodes", episodes), np.random.SeedSequence(as_seed("seed", seed))
    limit = float("inf") if seconds is None else as_number("seconds", seconds, 0.0, float("inf"))
    objective, sign = objective_of(env, objective)
    planner = Planner(env, evaluate, planning)
    # One sample is the greedy sequence.
    plain = sample(env, lambda obs: evaluate(obs)[0], instance, samples=1, objective=objective)
    found, best = [plain.value], (float(ranking(plain.values, sign)[0]), 0, plain.solution)
    decisions = plain.decisions
    while (first := len(found) - 1) < episodes and (not first or time.perf_counter() - clock < limit):
        count = min(planner.trees, episodes - first)
        begin(env, instance)
        planner.begin(np.arange(count))
        streams = [np.random.default_rng(child) for child in seeds.spawn(count)]
        while len(live := np.flatnonzero(~env.done[:count])):
            noise = np.zeros((len(live), env.graph.n_actions))
            for at, tree in enumerate(live):
                if first + tree:
                    noise[at] = streams[tree].gumbel(size=env.graph.n_actions)
            planner.play(live, planner.search(live, noise).actions)
        decisions += int(env.flags.steps[:count].sum())
        values = final_values(env, objective, env.flags.terminated)[:count]
        keys = ranking(values, sign)
        row = int(np.argmin(keys))
        if keys[row] < best[0]:
            best = float(keys[row]), len(found) + row, env.solution(row)
        found += values.tolist()
    return Decoded(best[2], found[best[1]], np.array(found), decisions, plain.simulated + planner.simulated)
