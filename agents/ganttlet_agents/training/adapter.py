"""A native batch as Stable-Baselines3's VecEnv, without subprocesses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from ganttlet.core.vector_env import BatchEnv, Obs
from ganttlet_agents.policy.statics import NUMBER, Statics

Indices = int | Iterable[int] | None
Array = np.ndarray[Any, Any]
TINY = np.finfo(np.float64).tiny


class Played(NamedTuple):
    """The decisions of a step, (B,) each.

    Fields:
        reward: float32, scaled, as ``step`` returned it.
        discount: float64, ``info["discount"]``.
        began: float64, time from the start of the episode to the decision.
        took: float64, time from there to the next one.
        episode: int64, number of the row's episode; rows of a group that have the same one play the same world.
        terminated: bool, whether the episode came to its end; not where it was truncated.
    """

    reward: Array
    discount: Array
    began: Array
    took: Array
    episode: Array
    terminated: Array


class BatchVecEnv(VecEnv):
    """Plays a :class:`BatchEnv` made with ``autoreset_mode="same_step"`` and ``copy=False``.

    Observations alternate between two sets of buffers: what ``step`` returned stays valid through the next step,
    which is what SB3's rollout needs, and no longer.

    Rows come in groups of one seed: row for row they play the same episodes, instance and realisation. A row that ends
    an episode while others of its group are further goes on from a copy of the one that is furthest; so groups stay
    together, however long they play.

    Time is log(discount) / log(gamma), the time by which the environment discounts; without discounting it is the
    number of decisions.

    Args:
        env: the batch, not yet reset.
        reward_scale: factor on every reward.
        group: rows of a group; the number of rows is a multiple of it.
        statics: what looks up the instances of a batch that shows their numbers, while it still holds them.

    Attributes:
        played: the decisions of the last step.
        clock: (B,) float64, time since the start of the present episode.
        episode: (B,) int64, number of the present episode since seeds were given.
        episodes: number of episodes finished.
    """

    played: Played

    def __init__(
        self, env: BatchEnv, reward_scale: float = 1.0, group: int = 1, statics: Statics | None = None
    ) -> None:
        self.env, self.statics = env, statics
        self.reward_scale = reward_scale
        self.group = group
        # Until its first step a batch shows gamma itself. 0 and 1 tell nothing of time.
        gamma = float(env.flags.discount[0])
        self._rate = math.log(gamma) if 0.0 < gamma < 1.0 else 0.0
        self._seeded = False
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
        self.clock = np.zeros(env.num_envs)
        self.episode = np.zeros(env.num_envs, np.int64)
        self.episodes = 0

    def reset(self) -> Obs:
        """Start new episodes everywhere; a seed given by ``seed`` is used once, and groups count on from it."""
        seed = self._seeds[0]
        if seed is None and not self._seeded:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        if seed is None:
            self.env.reset()
            self.episode += 1
        else:
            self.env.reset(seed=[int(seed) + row // self.group for row in range(self.num_envs)])
            self.episode[:] = 0
        self._seeded = True
        self._reset_seeds()
        self._reset_options()
        self._return[:], self._length[:], self.clock[:] = 0.0, 0, 0.0
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
        discount = info["discount"].copy()
        self._return += reward
        self._length += 1
        dones = terminated | truncated
        infos = self._none
        if dones.any():
            infos = list(self._none)
            np.copyto(discount, info["final_info"]["discount"], where=dones)
            for row in np.flatnonzero(dones):
                infos[row] = {
                    "episode": {"r": float(self._return[row]), "l": int(self._length[row])},
                    "terminal_observation": info["final_obs"][row],
                    "TimeLimit.truncated": bool(truncated[row] and not terminated[row]),
                }
                self.episodes += 1
            self._return[dones], self._length[dones] = 0.0, 0
        took = np.log(np.maximum(discount, TINY)) / self._rate if self._rate else np.ones(self.num_envs)
        began, episode = self.clock.copy(), self.episode.copy()
        self.played = Played(reward.astype(np.float32), discount, began, took, episode, terminated.copy())
        self.clock += took
        if dones.any():
            self.clock[dones] = 0.0
            self.episode[dones] += 1
            if self.group > 1:
                self._join(np.flatnonzero(dones))
        # A copy: SB3 adds to the rewards of truncated episodes.
        return self._turn(), self.played.reward.copy(), dones, infos

    def _join(self, rows: Array) -> None:
        """Let ``rows``, at the start of an episode, go on as the row of their group that is furthest."""
        groups = np.arange(self.num_envs).reshape(-1, self.group)[rows // self.group]
        leaders = np.array([max(group, key=lambda row: (self.episode[row], self.clock[row])) for group in groups])
        behind = (self.episode[leaders] > self.episode[rows]) | (self.clock[leaders] > 0.0)
        rows, leaders = rows[behind], leaders[behind]
        if len(rows):
            self.env.copy_rows(leaders, rows)
            for part in (self.clock, self.episode, self._return, self._length):
                part[rows] = part[leaders]

    def _turn(self) -> Obs:
        self._page ^= 1
        page = self._pages[self._page]
        for key, part in self.env.live_observation.items():
            np.copyto(page[key], part)
        if self.statics is not None:
            self.statics.meet(page[NUMBER])
        return page

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return what :meth:`set_state` needs besides the rows of the batch."""
        return {
            "return": self._return.copy(),
            "length": self._length.copy(),
            "episodes": np.array(self.episodes),
            "clock": self.clock.copy(),
            "episode": self.episode.copy(),
        }

    def set_state(self, state: dict[str, np.ndarray[Any, Any]]) -> Obs:
        """Put back :meth:`state`, after the batch's rows, and return the observations."""
        self._return[:], self._length[:] = state["return"], state["length"]
        self.episodes = int(state["episodes"])
        self.clock[:], self.episode[:] = state["clock"], state["episode"]
        self._seeded = True
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
