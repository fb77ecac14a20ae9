"""Beam search over a policy's log-probabilities, one partial sequence in each row of a batch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ganttlet.core.errors import InputError
from ganttlet.core.options import as_count
from ganttlet.core.vector_env import BatchEnv
from ganttlet_agents.search.batch import (
    Decoded,
    Floats,
    Ints,
    Scorer,
    begin,
    bound,
    final_values,
    legal_actions,
    legal_logits,
    objective_of,
    ranking,
)


def beam(
    env: BatchEnv, score: Scorer, instance: Any, *, width: int | None = None, objective: str | None = None
) -> Decoded:
    """Keep the ``width`` most probable partial sequences until all have ended; return the best by the objective.

    At each decision the unfinished sequences are continued by every legal action, and the most probable continuations
    take the rows that are not finished; a finished sequence keeps its row. Width 1 is greedy decoding. Nothing is
    random.

    Args:
        env: a batch with ``autoreset_mode="disabled"`` and ``copy=False``, as :func:`make_batch` makes it.
        score: the policy.
        instance: what ``env.reset`` takes: a record, name, path or mapping.
        width: number of sequences kept, at most ``env.num_envs``, which is the default.
        objective: what the best is chosen by, among equals the most probable; the environment's first if None.

    Raises:
        InputError: for a width above the number of rows, another kind of batch, an instance that does not fit, an
            objective that the environment does not show, or logits that cannot be used.
    """
    width = env.num_envs if width is None else as_count("width", width)
    if width > env.num_envs:
        raise InputError(f"width: expected at most {env.num_envs}, the rows of the batch, got {width}")
    objective, sign = objective_of(env, objective)
    score = bound(score, env)
    obs = begin(env, instance)
    terminated = np.zeros(env.num_envs, np.bool_)
    # Log-probability of the sequence in each row; -inf where there is none.
    total = np.full(width, -np.inf)
    total[0] = 0.0
    decisions = simulated = 0
    while True:
        held, done = np.isfinite(total), env.done[:width]
        rows, free = np.flatnonzero(held & ~done), np.flatnonzero(~(held & done))
        if not len(rows):
            break
        decisions += len(rows)
        chosen = _continue(rows, total[rows], legal_logits(score, obs, rows), len(free))
        targets = _place(chosen.parent, free)
        moved = targets != chosen.parent
        env.copy_rows(chosen.parent[moved], targets[moved])
        total[targets] = chosen.total
        actions = legal_actions(obs)
        actions[targets] = chosen.action
        terminated = env.step(actions)[2]
        simulated += len(targets)
    ended = np.flatnonzero(held)
    values = final_values(env, objective, terminated)[ended]
    best = int(np.lexsort((-total[ended], ranking(values, sign)))[0])
    return Decoded(env.solution(int(ended[best])), float(values[best]), values, decisions, simulated)


class _Chosen(NamedTuple):
    """Continuations, the most probable first: the row each one continues, its action, its log-probability."""

    parent: Ints
    action: Ints
    total: Floats


def _continue(rows: Ints, total: Floats, logits: NDArray[Any], count: int) -> _Chosen:
    """Return the ``count`` most probable continuations of ``rows``, or as many as there are."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    sums = (total[:, None] + shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))).ravel()
    at = np.flatnonzero(np.isfinite(sums))
    # Rounding can make sums equal where logits differ, and width 1 must then still choose as greedy does.
    order = np.lexsort((-logits.ravel()[at], at // logits.shape[1], -sums[at]))[:count]
    best = at[order]
    return _Chosen(rows[best // logits.shape[1]], best % logits.shape[1], sums[best])


def _place(parent: Ints, free: Ints) -> Ints:
    """Return a row for each continuation: the first of a parent stays in its row, the others take what is left."""
    targets = parent.copy()
    others = np.ones(len(parent), np.bool_)
    others[np.unique(parent, return_index=True)[1]] = False
    spare = np.setdiff1d(free, parent)
    targets[others] = spare[: int(others.sum())]
    return targets
