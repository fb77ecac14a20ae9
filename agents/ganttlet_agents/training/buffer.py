"""SB3's rollout buffer with memory that is kept, discounts per step, and minibatches of similar sizes."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import DictRolloutBuffer
from stable_baselines3.common.type_aliases import DictRolloutBufferSamples

from ganttlet_agents.training.adapter import Played
from ganttlet_agents.training.baseline import Baseline
from ganttlet_agents.training.draws import sorted_batches

Array = np.ndarray[Any, Any]


class GraphRolloutBuffer(DictRolloutBuffer):
    """Holds T x B steps on the training device.

    Advantages use each step's own discount instead of one gamma. Minibatches are drawn at random and then sorted by
    the size of their graphs, so that a small instance is not padded to the largest of the rollout.

    Args:
        gamma: SB3's own, which must be 1: SB3 adds gamma times the value of the last observation to the reward of a
            truncated episode, and here that value is discounted as its step says.
        sizes: node type whose highest real index is the size of a row.
        played: returns the decisions of the step just played.
        rng: draws the minibatches.
        baseline: what advantages are measured against; None: the value head.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Dict,
        action_space: spaces.Space[Any],
        device: torch.device | str = "cpu",
        gae_lambda: float = 1.0,
        gamma: float = 1.0,
        n_envs: int = 1,
        *,
        sizes: str,
        played: Callable[[], Played],
        rng: np.random.Generator,
        baseline: Baseline | None = None,
    ) -> None:
        assert gamma == 1.0, "SB3's own gamma"
        self._sizes, self._played, self._rng, self.baseline = sizes, played, rng, baseline
        self._kept: dict[str, torch.Tensor] | None = None
        super().__init__(buffer_size, observation_space, action_space, device, gae_lambda, gamma, n_envs)

    discounts: Array

    def reset(self) -> None:
        """Forget the steps; the memory stays."""
        shape = (self.buffer_size, self.n_envs)
        if self._kept is None:
            self._kept = {
                key: torch.zeros((*shape, *one), dtype=_dtype(self.observation_space[key].dtype), device=self.device)
                for key, one in self.obs_shape.items()
            }
            self.actions = np.zeros((*shape, self.action_dim), np.int64)
            for name in ("rewards", "returns", "episode_starts", "values", "log_probs", "advantages", "discounts"):
                setattr(self, name, np.zeros(shape, np.float32))
        self.pos, self.full = 0, False

    def add(  # type: ignore[override]
        self,
        obs: dict[str, Array],
        action: Array,
        reward: Array,
        episode_start: Array,
        value: torch.Tensor,
        log_prob: torch.Tensor,
    ) -> None:
        """Store a step of all rows."""
        assert self._kept is not None
        at = self.pos
        for key, kept in self._kept.items():
            kept[at].copy_(torch.from_numpy(obs[key]))
        self.actions[at] = action.reshape(self.n_envs, self.action_dim)
        played = self._played()
        self.rewards[at] = played.reward + played.discount * (reward - played.reward)
        self.episode_starts[at], self.discounts[at] = episode_start, played.discount
        if self.baseline is not None:
            self.baseline.note(at, played)
        self.values[at] = value.detach().cpu().numpy().reshape(-1)
        self.log_probs[at] = log_prob.detach().cpu().numpy().reshape(-1)
        self.pos += 1
        self.full = self.pos == self.buffer_size

    def compute_returns_and_advantage(self, last_values: torch.Tensor, dones: Array) -> None:
        """Compute GAE(lambda) with the discount of every step (Schulman et al. 2016), and returns for the value head.

        With a baseline, advantages are the same returns less the baseline instead of less the value.
        """
        after = final = last_values.detach().cpu().numpy().reshape(-1)
        goes_on = 1.0 - dones.astype(np.float32)
        last = np.zeros(self.n_envs, np.float32)
        for step in reversed(range(self.buffer_size)):
            carried = self.discounts[step] * goes_on
            last = self.rewards[step] + carried * after - self.values[step] + carried * self.gae_lambda * last
            self.advantages[step] = last
            after, goes_on = self.values[step], 1.0 - self.episode_starts[step]
        self.returns = self.advantages + self.values
        if self.baseline is not None:
            ended = np.concatenate([self.episode_starts[1:], dones[None]]).astype(bool)
            self.advantages = self.returns - self.baseline.of(self.returns, self.values, ended, final)

    def get(self, batch_size: int | None = None) -> Generator[DictRolloutBufferSamples, None, None]:  # type: ignore[override]
        """Yield minibatches that together hold every step once."""
        assert self.full, "the rollout is not complete"
        assert self._kept is not None
        total = self.buffer_size * self.n_envs
        mask = self._kept[f"{self._sizes}_mask"].flatten(0, 1)
        highest = (mask * torch.arange(1, mask.shape[1] + 1, device=mask.device)).amax(1).cpu().numpy()
        for chosen in sorted_batches(highest, batch_size or total, self._rng):
            yield self._samples(chosen)

    def _samples(self, chosen: Array) -> DictRolloutBufferSamples:
        assert self._kept is not None
        index = torch.from_numpy(chosen).to(self.device)
        flat = (self.values, self.log_probs, self.advantages, self.returns)
        values, log_probs, advantages, returns = (
            torch.from_numpy(part.reshape(-1)[chosen]).to(self.device) for part in flat
        )
        return DictRolloutBufferSamples(
            observations={key: kept.flatten(0, 1).index_select(0, index) for key, kept in self._kept.items()},
            actions=torch.from_numpy(self.actions.reshape(-1, self.action_dim)[chosen]).to(self.device),
            old_values=values,
            old_log_prob=log_probs,
            advantages=advantages,
            returns=returns,
        )


def _dtype(kind: Any) -> torch.dtype:
    return torch.from_numpy(np.zeros(0, kind)).dtype
