"""Supervised learning of decisions: recorded observations, actions, and the returns that followed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from ganttlet.core.errors import InputError
from ganttlet.core.vector_env import BatchEnv
from ganttlet_agents.policy.network import GraphPolicy
from ganttlet_agents.policy.statics import Statics
from ganttlet_agents.training.config import FitConfig
from ganttlet_agents.training.draws import sorted_batches

Array = np.ndarray[Any, Any]
NOTHING = -1


@dataclass
class Decisions:
    """D recorded decisions.

    Fields:
        observations: key -> (D, ...).
        actions: (D,) int64.
        returns: (D,) float32, scaled rewards from the decision on, discounted.
    """

    observations: dict[str, Array]
    actions: Array
    returns: Array

    def __len__(self) -> int:
        return len(self.actions)


def record(
    env: BatchEnv,
    choose: Callable[[int], Array],
    reward_scale: float,
    *,
    play: Callable[[Array, Array], Array] = lambda live, actions: actions,
    keep: Callable[[Array], Array] = lambda live: np.ones(len(live), np.bool_),
) -> Decisions:
    """Play one episode in every row of ``env`` (just reset) to its end and keep what was seen and what is right.

    Args:
        env: the batch, autoreset disabled.
        choose: number of the step -> actions (B,); those of rows that are done are ignored. -1 for a row that has
            nothing more to show: it is not recorded any further.
        reward_scale: factor on rewards.
        play: (live rows (L,), chosen actions (B,)) -> actions (B,) that are played; those of other rows are ignored.
        keep: live rows (L,) -> (L,) bool, which of their decisions are kept.

    Raises:
        InputError: for a chosen action that is illegal, or an episode that is truncated.
    """
    seen: list[dict[str, Array]] = []
    acted: list[Array] = []
    rows: list[Array] = []
    rewards: list[Array] = []
    discounts: list[Array] = []
    over = env.done.copy()
    while not over.all():
        actions = choose(len(acted))
        over |= actions == NOTHING
        live = np.flatnonzero(~over)
        if not len(live):
            break
        actions = np.where(over, env.live_mask.argmax(axis=1), actions)
        kept = live[keep(live)]
        seen.append({key: part[kept] for key, part in env.live_observation.items()})
        acted.append(actions[kept])
        rows.append(kept)
        _check_legal(env, live, actions)
        env.step_in_place(play(live, actions))
        rewards.append(np.where(over, 0.0, env.flags.reward))
        over |= env.done
        discounts.append(env.flags.discount.copy())
    cut = np.flatnonzero(env.flags.truncated & env.done)
    if len(cut):
        name = env.instance(int(cut[0])).name
        raise InputError(f"recording: {name} was not played to its end; raise max_episode_steps")
    after = np.zeros(env.num_envs)
    returns: list[Array] = [np.zeros(0)] * len(acted)
    for step in reversed(range(len(acted))):
        after = reward_scale * rewards[step] + discounts[step] * after
        returns[step] = after[rows[step]]
    return Decisions(
        {key: np.concatenate([one[key] for one in seen]) for key in seen[0]},
        np.concatenate(acted),
        np.concatenate(returns).astype(np.float32),
    )


def _check_legal(env: BatchEnv, live: Array, actions: Array) -> None:
    """Raise InputError for the first action of a live row that its mask forbids, before anything is played."""
    mask = env.live_mask
    chosen = actions[live]
    legal = (chosen >= 0) & (chosen < mask.shape[1])
    legal &= mask[live, np.where(legal, chosen, 0)] != 0
    if not legal.all():
        row = int(live[np.argmin(legal)])
        step, name = int(env.flags.steps[row]), env.instance(row).name
        raise InputError(f"recording: {name}: action {int(actions[row])} is illegal at decision {step}")


class Fitter:
    """Cross-entropy on decisions, plus the value loss.

    Args:
        network: what is trained; ``compiled`` is what is called.
        config: how.
        sizes: node type by whose highest real index minibatches are sorted.
        rng: draws the minibatches.

    Attributes:
        statics: what looks up the instances of decisions that show their numbers; None until it is set.
    """

    def __init__(
        self, network: GraphPolicy, compiled: Any, config: FitConfig, sizes: str, rng: np.random.Generator
    ) -> None:
        self.network, self.compiled, self.config, self.sizes, self.rng = network, compiled, config, sizes, rng
        self.statics: Statics | None = None
        self.optimizer = torch.optim.Adam(network.parameters(), lr=config.learning_rate.at(0.0), eps=1e-5)

    def fit(self, data: Decisions, spent: float) -> dict[str, float]:
        """Make ``n_epochs`` passes; return mean losses and how often the network agreed."""
        config = self.config
        device = next(self.network.parameters()).device
        rate = config.learning_rate.at(spent)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        tensors = {key: torch.from_numpy(part).to(device) for key, part in data.observations.items()}
        actions, returns = torch.from_numpy(data.actions).to(device), torch.from_numpy(data.returns).to(device)
        mask = data.observations[f"{self.sizes}_mask"]
        highest = (mask * np.arange(1, mask.shape[1] + 1)).max(axis=1)
        sums = np.zeros(3)
        batches = 0
        self.network.train()
        for _ in range(config.n_epochs):
            for chosen in sorted_batches(highest, config.batch_size, self.rng):
                index = torch.from_numpy(chosen).to(device)
                shown = {key: part.index_select(0, index) for key, part in tensors.items()}
                known = () if self.statics is None else (self.statics.of(shown),)
                logits, values = self.compiled(shown, *known)
                policy_loss = nn.functional.cross_entropy(logits, actions[index])
                value_loss = nn.functional.mse_loss(values, returns[index])
                self.optimizer.zero_grad()
                loss: Any = policy_loss + config.vf_coef * value_loss
                loss.backward()
                nn.utils.clip_grad_norm_(self.network.parameters(), config.max_grad_norm)
                self.optimizer.step()
                agreed = (logits.argmax(-1) == actions[index]).float().mean()
                sums += [policy_loss.item(), value_loss.item(), agreed.item()]
                batches += 1
        names = ("policy_loss", "value_loss", "agreement")
        return {**dict(zip(names, (sums / max(1, batches)).tolist(), strict=True)), "learning_rate": rate}
