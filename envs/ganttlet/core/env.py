"""The single environment: a batch of one behind Gymnasium's ``Env``."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from ganttlet.core.errors import InputError
from ganttlet.core.options import as_seeds
from ganttlet.core.record import Instance, Solution
from ganttlet.core.vector_env import BatchEnv, Obs


class SingleEnv(gym.Env[Obs, Any]):
    """One environment of a family; a subclass names its ``batch_class`` and carries the documentation.

    Keyword arguments are those of the batch, without ``num_envs`` and ``autoreset_mode``.
    """

    metadata: dict[str, Any] = BatchEnv.metadata
    batch_class: ClassVar[Callable[..., BatchEnv]]

    def __init__(self, **kwargs: Any) -> None:
        for key in ("num_envs", "autoreset_mode"):
            if key in kwargs:
                raise InputError(f"{type(self).__name__} option: {key!r} belongs to batches; use gym.make_vec")
        self.batch: BatchEnv = type(self).batch_class(num_envs=1, autoreset_mode=AutoresetMode.DISABLED, **kwargs)
        self.metadata = dict(type(self).metadata)  # Gymnasium 1.2's SyncVectorEnv writes into it
        self.observation_space = self.batch.single_observation_space
        self.action_space = self.batch.single_action_space
        self.render_mode = self.batch.render_mode
        self.graph = self.batch.graph
        self._action = np.zeros(1, np.int64)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Obs, dict[str, Any]]:
        """Start an episode; ``options={"instance": …}`` plays that instance."""
        if isinstance(options, Mapping) and "reset_mask" in options:
            raise InputError("reset options: 'reset_mask' belongs to batches")
        first = as_seeds(seed, 1)[0]
        self.batch.reset(seed=first, options=options)
        super().reset(seed=first)
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        """Play one action; after the end of an episode nothing changes until ``reset``."""
        try:
            self._action[0] = operator.index(action)
        except (TypeError, OverflowError):
            raise InputError(f"action: expected an integer, got {action!r}") from None
        self.batch.step_in_place(self._action)
        flags = self.batch.flags
        return (
            self._observation(),
            float(flags.reward[0]),
            bool(flags.terminated[0]),
            bool(flags.truncated[0]),
            self._info(),
        )

    def action_masks(self) -> NDArray[np.int8]:
        """Return the action mask (n,) int8, as sb3-contrib asks for it."""
        mask: NDArray[np.int8] = self.batch.live_mask[0].copy()
        return mask

    def render(self) -> Any:
        """Return a picture of the solution so far in the render mode."""
        if self.render_mode is None:
            gym.logger.warn("render() without a render_mode; pass render_mode='rgb_array' or 'ansi' to gym.make")
            return None
        return self.batch.picture(0, self.render_mode)

    @property
    def instance(self) -> Instance:
        """The instance being played."""
        return self.batch.instance(0)

    def solution(self) -> Solution:
        """Return the solution so far; complete once the episode is terminated."""
        return self.batch.solution(0)

    def snapshot(self) -> Any:
        """Return a copy of the state that :meth:`restore` can bring back."""
        return self.batch.snapshot()

    def restore(self, snapshot: Any, *, resample_future: int | None = None) -> None:
        """Put a snapshot back; ``resample_future`` is a seed that draws anew what has not been shown."""
        self.batch.restore(snapshot, resample_future=resample_future)

    def static(self, ids: Any) -> Obs:
        """Return the static blocks of the instances numbered ``ids``."""
        return self.batch.static(ids)

    def _observation(self) -> Obs:
        if self.batch.copy:
            return {key: part[0].copy() for key, part in self.batch.live_observation.items()}
        return {key: part[0] for key, part in self.batch.live_observation.items()}

    def _info(self) -> dict[str, Any]:
        batch = self.batch
        values = batch._objectives[:, 0].tolist()
        return {
            "action_mask": batch.live_mask[0].copy() if batch.copy else batch.live_mask[0],
            "illegal_action": bool(batch.flags.illegal[0]),
            "discount": float(batch.flags.discount[0]),
            "objectives": dict(zip(batch.objective_names, values, strict=False)),
            **{name: int(batch.fact(name)[0]) for name in batch._facts},
        }
