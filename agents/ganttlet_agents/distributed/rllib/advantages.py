"""From pieces of episodes to a batch of decisions with advantages, by the discount of every step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.columns import Columns
from ray.rllib.env.single_agent_episode import SingleAgentEpisode
from ray.rllib.evaluation.postprocessing import Postprocessing

from ganttlet_agents.distributed.rllib.runner import DISCOUNT

Array = np.ndarray[Any, Any]


class Advantages(ConnectorV2):  # type: ignore[misc]
    """The whole of a learner's pipeline: one row per decision that was taken, and no others.

    RLlib's own knows one gamma; here each step has its discount. The observation behind a piece is asked for its value
    and never trained on.

    Args:
        gae_lambda: lambda of the estimate.
        scale: factor on rewards.
        at_once: observations that are asked for their values together.
    """

    def __init__(
        self,
        input_observation_space: Any = None,
        input_action_space: Any = None,
        *,
        gae_lambda: float,
        scale: float,
        at_once: int,
    ) -> None:
        super().__init__(input_observation_space, input_action_space)
        self.gae_lambda, self.scale, self.at_once = gae_lambda, scale, at_once

    def __call__(
        self, *, rl_module: Any, batch: Any, episodes: Sequence[SingleAgentEpisode], **_: Any
    ) -> dict[str, dict[str, Any]]:
        """Return the decisions of all pieces, in order."""
        module = rl_module[DEFAULT_MODULE_ID]
        device = next(module.parameters()).device
        parts = [one.get_observations() for one in episodes]
        obs = {key: torch.from_numpy(np.concatenate([part[key] for part in parts])).to(device) for key in parts[0]}
        lengths = np.array([len(one) for one in episodes])
        values = self._values(module, obs)
        rewards = np.concatenate([one.get_rewards() for one in episodes]) * self.scale
        actions = np.concatenate([one.get_actions() for one in episodes])
        logp, discounts = (
            np.concatenate([one.get_extra_model_outputs(key) for one in episodes])
            for key in (Columns.ACTION_LOGP, DISCOUNT)
        )
        terminated = np.array([one.is_terminated for one in episodes])
        advantages = estimated(rewards, discounts, values, lengths, terminated, self.gae_lambda)
        decisions = np.ones(len(values), np.bool_)
        decisions[np.cumsum(lengths + 1) - 1] = False
        known = values[decisions]
        at = torch.from_numpy(np.flatnonzero(decisions)).to(device)
        flat: Mapping[str, Array] = {
            Columns.ACTIONS: actions,
            Columns.ACTION_LOGP: logp.astype(np.float32),
            Columns.VF_PREDS: known,
            Postprocessing.ADVANTAGES: advantages,
            Postprocessing.VALUE_TARGETS: advantages + known,
        }
        rows = {key: torch.from_numpy(part).to(device) for key, part in flat.items()}
        return {DEFAULT_MODULE_ID: {Columns.OBS: {key: part[at] for key, part in obs.items()}, **rows}}

    def _values(self, module: Any, obs: Mapping[str, torch.Tensor]) -> Array:
        count = len(next(iter(obs.values())))
        found = []
        with torch.no_grad():
            for start in range(0, count, self.at_once):
                some = {key: part[start : start + self.at_once] for key, part in obs.items()}
                found.append(module.compute_values({Columns.OBS: some}).cpu().numpy())
        return np.concatenate(found)


def estimated(
    rewards: Array, discounts: Array, values: Array, lengths: Array, terminated: Array, gae_lambda: float
) -> Array:
    """Return GAE(lambda) (N,) float32 with the discount of every step (Schulman et al. 2016).

    Args:
        rewards, discounts: (N,), of the decisions of all pieces, one piece behind the other.
        values: (N + pieces,), of their observations, that behind the last decision of each included.
        lengths: (pieces,), decisions of each.
        terminated: (pieces,) bool, whether nothing follows; otherwise the last value stands for what does.
    """
    longest, count = int(lengths.max()), len(lengths)
    # Pieces end together, at the bottom, so that one pass upwards serves all.
    place = np.arange(longest)[:, None] >= longest - lengths
    reward, discount, value = (np.zeros((longest + extra, count), np.float64) for extra in (0, 0, 1))
    reward.T[place.T], discount.T[place.T] = rewards, discounts
    whole = np.vstack([place, np.ones((1, count), np.bool_)])
    value.T[whole.T] = values
    value[-1, terminated] = 0.0
    out, last = np.zeros((longest, count)), np.zeros(count)
    for step in reversed(range(longest)):
        last = reward[step] + discount[step] * (value[step + 1] + gae_lambda * last) - value[step]
        out[step] = last
    return out.T[place.T].astype(np.float32)
