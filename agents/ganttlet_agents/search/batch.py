"""What all decoders share: the batch they play in, the scores of its rows, the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.family import get_family
from ganttlet.core.record import Solution
from ganttlet.core.vector_env import BatchEnv, Obs

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Scorer = Callable[[Mapping[str, NDArray[Any]]], NDArray[Any]]
"""A policy: the observation (R, ...) of the R rows that still play -> logits (R, n_actions) float32.

The arrays may be the batch's live buffers, so they must not be written to or kept. Illegal actions are left out
whatever their logits; of the legal ones the greatest must be finite.
"""
Evaluator = Callable[[Mapping[str, NDArray[Any]]], tuple[NDArray[Any], NDArray[Any]]]
"""A policy with its value head: as a Scorer -> logits (R, n_actions), and values (R,) in scaled rewards."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """What a decoder found.

    Fields:
        solution: the best complete solution; the first row's incomplete one if no row finished.
        value: its objective, in the objective's unit; NaN if incomplete.
        values: (rows,) float64, the objective of every sequence played, in the order of samples (of batch rows in a
            beam); NaN where it did not finish.
        decisions: number of decisions the policy took, in all sequences together.
        simulated: number of simulator steps that this took; more than decisions where it searches.
        latencies: seconds from each observation to its action, where one sequence was played alone; else empty.
    """

    solution: Solution
    value: float
    values: Floats
    decisions: int
    simulated: int
    latencies: Sequence[float] = ()


def make_batch(env_id: str, rows: int, instances: Sequence[Any], **env_kwargs: Any) -> BatchEnv:
    """Make a batch to decode in.

    Args:
        env_id: a registered environment whose batch is native.
        rows: number of rows.
        instances: records, names or paths; the padded space has room for all of them.
        env_kwargs: the environment's further arguments.

    Raises:
        InputError: for arguments that the environment refuses, or a batch that is not native.
    """
    env = gym.make_vec(
        env_id, num_envs=rows, autoreset_mode="disabled", copy=False, instances=list(instances), **env_kwargs
    )
    if not isinstance(env, BatchEnv):
        raise InputError(f"{env_id}: decoding needs a native batch (BatchEnv), got {type(env).__name__}")
    return env


def begin(env: BatchEnv, instance: Any) -> Obs:
    """Start an episode in every row, on one instance or on a list of one per row; return the live observation.

    Raises:
        InputError: if the batch resets by itself or returns copies, or for an instance that does not fit.
    """
    mode = env.metadata["autoreset_mode"]
    if mode is not AutoresetMode.DISABLED:
        raise InputError(f"autoreset_mode: decoding needs 'disabled', got {mode.name.lower()!r}")
    if env.copy:
        raise InputError("copy: decoding reads live buffers and needs copy=False, got True")
    # One seed for all rows: where an environment draws anything itself, every sequence meets the same and repeats.
    obs, _ = env.reset(seed=[0] * env.num_envs, options={"instance": instance})
    return obs


def objective_of(env: BatchEnv, name: str | None) -> tuple[str, float]:
    """Return an objective (the batch's first if None) and the sign that makes the best value the least.

    Raises:
        InputError: for an objective that the batch does not show.
    """
    if name is None:
        name = env.objective_names[0]
    check_choice("objective", name, env.objective_names)
    return name, 1.0 if get_family(env.family).objectives[name].sense == "min" else -1.0


def final_values(env: BatchEnv, objective: str, terminated: NDArray[np.bool_]) -> Floats:
    """Return the objective (num_envs,) of the rows that have terminated, NaN elsewhere."""
    return np.where(terminated, env.objective_values(objective), np.nan)


def ranking(values: Floats, sign: float) -> Floats:
    """Return values to be minimised, infinite for sequences that did not finish."""
    return np.where(np.isnan(values), np.inf, sign * values)


def bound(score: Any, env: BatchEnv) -> Any:
    """Return a scorer for the observations of ``env``: one that looks up what the batch shows by number is told where.

    Such a scorer has a method ``bound_to(env)``; others are returned as they are.
    """
    return score.bound_to(env) if hasattr(score, "bound_to") else score


def legal_logits(score: Scorer, obs: Obs, rows: Ints) -> NDArray[Any]:
    """Return the logits (len(rows), n_actions) of ``rows``, -inf for illegal actions.

    Raises:
        InputError: for logits of another shape, or a row whose greatest legal logit is not finite.
    """
    part = _part(obs, rows)
    return _legal(np.asarray(score(part)), part["action_mask"])


def legal_judgement(evaluate: Evaluator, obs: Obs, rows: Ints) -> tuple[Floats, Floats]:
    """Return the logits (len(rows), n_actions) of ``rows``, -inf for illegal actions, and their values (len(rows),).

    Raises:
        InputError: as :func:`legal_logits`, and for values of another shape or that are not finite.
    """
    part = _part(obs, rows)
    logits, values = (np.asarray(one) for one in evaluate(part))
    if values.shape != rows.shape or not np.isfinite(values).all():
        raise InputError(f"evaluator: expected {len(rows)} finite values, got shape {values.shape}, or NaN or infinity")
    return _legal(logits, part["action_mask"]).astype(np.float64), values.astype(np.float64)


def _part(obs: Obs, rows: Ints) -> Obs:
    return obs if len(rows) == len(obs["action_mask"]) else {key: array[rows] for key, array in obs.items()}


def _legal(logits: NDArray[Any], mask: NDArray[np.int8]) -> NDArray[Any]:
    if logits.shape != mask.shape:
        raise InputError(f"scorer: expected logits of shape {mask.shape}, got {logits.shape}")
    legal: NDArray[Any] = np.where(mask != 0, logits, np.asarray(-np.inf, logits.dtype))
    if not np.isfinite(legal.max(axis=1)).all():
        raise InputError("scorer: expected finite logits for legal actions, got NaN or an infinite one")
    return legal


def legal_actions(obs: Obs) -> Ints:
    """Return the first legal action (num_envs,) of every row, for rows whose course does not matter."""
    actions: Ints = np.argmax(obs["action_mask"], axis=1)
    return actions
