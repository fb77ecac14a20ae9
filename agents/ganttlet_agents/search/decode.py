"""Greedy decoding, of one instance or of many side by side, and best of K samples."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganttlet.core.errors import InputError
from ganttlet.core.options import as_count, as_number, as_seed
from ganttlet.core.record import Solution
from ganttlet.core.vector_env import BatchEnv, Obs
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
from ganttlet_agents.search.threshold import Threshold, keep_probable, quantiles_of

__all__ = ["Decoded", "Scorer", "decode_many", "greedy", "sample"]

Choice = Callable[[NDArray[Any], Ints], Ints]


def greedy(env: BatchEnv, score: Scorer, instance: Any, *, objective: str | None = None) -> Decoded:
    """Play the most probable action at every decision, the lowest of equals, in row 0.

    Args:
        env: a batch with ``autoreset_mode="disabled"`` and ``copy=False``, as :func:`make_batch` makes it.
        score: the policy.
        instance: what ``env.reset`` takes: a record, name, path or mapping.
        objective: the objective whose value is returned; the environment's first if None.

    Raises:
        InputError: for another kind of batch, an instance that does not fit, an objective that the environment
            does not show, or logits that cannot be used.
    """
    return decode_many(env, score, [instance], objective=objective)[0]


def decode_many(
    env: BatchEnv, score: Scorer, instances: Sequence[Any], *, objective: str | None = None
) -> list[Decoded]:
    """Play many instances greedily, one in a row, in rounds of ``env.num_envs``; return one result for each.

    Arguments and errors are those of :func:`greedy`; an empty list is an InputError.
    """
    if not len(instances):
        raise InputError("instances: expected at least one")
    objective, _ = objective_of(env, objective)
    score = bound(score, env)
    found = []
    for first in range(0, len(instances), env.num_envs):
        now = list(instances[first : first + env.num_envs])
        # Rows without an instance of their own repeat the last; they are not scored.
        obs = begin(env, [*now, *now[-1:] * (env.num_envs - len(now))])
        decisions, terminated, latencies = _play(env, score, obs, len(now), _greatest)
        values = final_values(env, objective, terminated)
        for row, steps in enumerate(decisions.tolist()):
            own = values[row : row + 1]
            found.append(Decoded(env.solution(row), float(values[row]), own, steps, steps, latencies))
    return found


def sample(
    env: BatchEnv,
    score: Scorer,
    instance: Any,
    *,
    samples: int | None = None,
    temperature: float = 1.0,
    threshold: Threshold | None = None,
    seed: int = 0,
    objective: str | None = None,
    seconds: float | None = None,
) -> Decoded:
    """Return the best of ``samples`` sequences: the greedy one, and others drawn by the Gumbel-max trick.

    They are played in rounds of ``env.num_envs``. Every sequence has a random stream of its own, so that the result
    does not depend on the number of rows (where the scorer treats rows alike), and the first sequences of a larger
    number are those of a smaller one.

    Args:
        env: a batch with ``autoreset_mode="disabled"`` and ``copy=False``, as :func:`make_batch` makes it.
        score: the policy.
        instance: what ``env.reset`` takes: a record, name, path or mapping.
        samples: number of sequences, at least 1; None, with ``seconds``, for as many rounds as there is time for.
        temperature: what logits are divided by before sampling, greater than 0.
        threshold: a quantile in 0 … 1 of each decision's probabilities (at ``temperature``, over the legal actions)
            below which no action is drawn, for all decisions or by phase; phases not named have none.
        seed: of the samples.
        objective: what the best is chosen by; the environment's first if None.
        seconds: no round begins later than this; the first is always played.

    Raises:
        InputError: as :func:`greedy`, and for a wrong number of samples, temperature, threshold, seed or seconds.
    """
    clock = time.perf_counter()
    if samples is None and seconds is None:
        raise InputError("samples: expected a number of sequences, or seconds, got neither")
    most = float("inf") if samples is None else as_count("samples", samples)
    limit = float("inf") if seconds is None else as_number("seconds", seconds, 0.0, float("inf"))
    temperature = as_number("temperature", temperature, 0.0, float("inf"))
    if temperature == 0.0:
        raise InputError("temperature: expected a number greater than 0, got 0")
    quantiles = None if threshold is None else quantiles_of(threshold, env.graph.phases)
    objective, sign = objective_of(env, objective)
    score = bound(score, env)
    seeds, found = np.random.SeedSequence(as_seed("seed", seed)), list[float]()
    best: tuple[float, int, Solution] | None = None
    total, alone = 0, list[float]()
    while (first := len(found)) < most and (not first or time.perf_counter() - clock < limit):
        count = int(min(env.num_envs, most - first))
        obs = begin(env, instance)
        choose = _perturbed([np.random.default_rng(child) for child in seeds.spawn(count)], temperature, first == 0)
        if quantiles is not None:
            choose = _among_probable(choose, obs, quantiles, temperature)
        decisions, terminated, latencies = _play(env, score, obs, count, choose)
        alone += latencies
        total += int(decisions.sum())
        values = final_values(env, objective, terminated)[:count]
        keys = ranking(values, sign)
        row = int(np.argmin(keys))
        if best is None or keys[row] < best[0]:
            best = float(keys[row]), first + row, env.solution(row)
        found += values.tolist()
    assert best is not None
    # Decisions taken together have no latency of their own.
    return Decoded(best[2], found[best[1]], np.array(found), total, total, alone if len(alone) == total else ())


def _greatest(logits: NDArray[Any], rows: Ints) -> Ints:
    actions: Ints = np.argmax(logits, axis=1)
    return actions


def _perturbed(streams: Sequence[np.random.Generator], temperature: float, first_is_greedy: bool) -> Choice:
    """Return a choice that samples row i from ``streams[i]``; row 0 takes no noise if it is to be greedy."""

    def choose(logits: NDArray[Any], rows: Ints) -> Ints:
        noise = np.zeros(logits.shape)
        for at, row in enumerate(rows):
            if row or not first_is_greedy:
                noise[at] = streams[row].gumbel(scale=temperature, size=logits.shape[1])
        # The noise is scaled instead of the logits: the same choice, and the greedy row compares its logits unchanged.
        actions: Ints = np.argmax(logits + noise, axis=1)
        return actions

    return choose


def _among_probable(choose: Choice, obs: Obs, quantiles: Floats, temperature: float) -> Choice:
    """Return ``choose`` among the actions that the quantile of their row's phase, in the live ``obs``, leaves."""

    def choose_probable(logits: NDArray[Any], rows: Ints) -> Ints:
        phase = obs["phase"][rows, 0] if "phase" in obs else np.zeros(len(rows), np.int64)
        return choose(keep_probable(logits, quantiles[phase], temperature), rows)

    return choose_probable


def _play(
    env: BatchEnv, score: Scorer, obs: Obs, count: int, choose: Choice
) -> tuple[Ints, NDArray[np.bool_], list[float]]:
    """Play rows 0 … count - 1 to their ends.

    Returns the decisions (count,) of each, what has terminated (B,), and of a single row the seconds that each action
    was waited for.
    """
    decisions, terminated = np.zeros(count, np.int64), np.zeros(env.num_envs, np.bool_)
    latencies = list[float]()
    while len(rows := np.flatnonzero(~env.done[:count])):
        asked = time.perf_counter()
        actions = legal_actions(obs)
        actions[rows] = choose(legal_logits(score, obs, rows), rows)
        if count == 1:
            latencies.append(time.perf_counter() - asked)
        terminated = env.step(actions)[2]
        decisions[rows] += 1
    return decisions, terminated, latencies
