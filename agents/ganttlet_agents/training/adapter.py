"""A native batch as Stable-Baselines3's VecEnv, without subprocesses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from ganttlet.core.vector_env import BatchEnv, Obs

Indices = int | Iterable[int] | None


class BatchVecEnv(VecEnv):
    """Plays a :class:`BatchEnv` made with ``autoreset_mode="same_step"`` and ``copy=False``.

    Observations alternate between two sets of buffers: what ``step`` returned stays valid through the next step,
    which is what SB3's rollout needs, and no longer.

    Args:
        env: the batch.
        reward_scale: factor on every reward.

    Attributes:
        discount: (B,) float64, ``info["discount"]`` of the last step.
        episodes: number of episodes finished.
    """

    def __init__(self, env: BatchEnv, reward_scale: float = 1.0) -> None:
        self.env = env
        self.reward_scale = reward_scale
        self.render_mode = env.render_mode
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self._pages: tuple[Obs, Obs] = (
            {key: part.copy() for key, part in env.live_observation.items()},
            {key: part.copy() for key, part in env.live_observation.items()},
        )
        self._page = 0
        self._actions = np.zeros(env.num_envs, np.int64)
        self._return = np.zeros(env.num_envs)
        self._length = np.zeros(env.num_envs, np.int64)
        self._none: list[dict[str, Any]] = [{} for _ in range(env.num_envs)]
        self.discount = np.ones(env.num_envs)
        self.episodes = 0

    def reset(self) -> Obs:
        """Start new episodes everywhere; seeds given by ``seed`` are used once."""
        seed = self._seeds[0]
        self.env.reset(seed=None if seed is None else int(seed))
        self._reset_seeds()
        self._reset_options()
        self._return[:], self._length[:] = 0.0, 0
        self.reset_infos = [{} for _ in range(self.num_envs)]
        return self._turn()

    def step_async(self, actions: np.ndarray[Any, Any]) -> None:
        """Keep the actions for ``step_wait``."""
        self._actions[:] = actions

    def step_wait(self) -> Any:
        """Return observations, float32 rewards, dones and infos; ``episode`` and truncation as SB3 expects them."""
        env = self.env
        _, reward, terminated, truncated, info = env.step(self._actions)
        reward = reward * self.reward_scale
        np.copyto(self.discount, info["discount"])
        self._return += reward
        self._length += 1
        dones = terminated | truncated
        infos = self._none
        if dones.any():
            infos = list(self._none)
            np.copyto(self.discount, info["final_info"]["discount"], where=dones)
            for row in np.flatnonzero(dones):
                infos[row] = {
                    "episode": {"r": float(self._return[row]), "l": int(self._length[row])},
                    "terminal_observation": info["final_obs"][row],
                    "TimeLimit.truncated": bool(truncated[row] and not terminated[row]),
                }
                self.episodes += 1
            self._return[dones], self._length[dones] = 0.0, 0
        return self._turn(), reward.astype(np.float32), dones, infos

    def _turn(self) -> Obs:
        self._page ^= 1
        page = self._pages[self._page]
        for key, part in self.env.live_observation.items():
            np.copyto(page[key], part)
        return page

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return what :meth:`set_state` needs besides the rows of the batch."""
        return {
            "return": self._return.copy(),
            "length": self._length.copy(),
            "episodes": np.array(self.episodes),
        }

    def set_state(self, state: dict[str, np.ndarray[Any, Any]]) -> Obs:
        """Put back :meth:`state`, after the batch's rows, and return the observations."""
        self._return[:], self._length[:] = state["return"], state["length"]
        self.episodes = int(state["episodes"])
        return self._turn()

    # The rest of SB3's interface.

    def close(self) -> None:
        """Nothing is held open."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """Return an attribute of the batch, once per row asked for."""
        value = getattr(self.env, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Set an attribute of the whole batch."""
        setattr(self.env, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Indices = None, **kwargs: Any) -> Any:
        """Call a method of the batch; ``action_masks`` gives an array with a row per environment."""
        result = getattr(self.env, method_name)(*args, **kwargs)
        rows = list(self._get_indices(indices))
        return result[rows] if isinstance(result, np.ndarray) else [result for _ in rows]

    def env_is_wrapped(self, wrapper_class: Any, indices: Indices = None) -> list[bool]:
        """Return False for every row."""
        return [False for _ in self._get_indices(indices)]

    def has_attr(self, attr_name: str) -> bool:
        """Return whether the batch has the attribute."""
        return hasattr(self.env, attr_name)

    def get_images(self) -> Sequence[Any]:
        """Return the pictures of all rows."""
        return list(self.env.render() or ())
