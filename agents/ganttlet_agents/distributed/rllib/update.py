"""The update of the weights: RLlib's learner, with the loss, minibatches and early stop of our other PPO."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from ray.rllib.algorithms.ppo.torch.ppo_torch_learner import PPOTorchLearner
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.columns import Columns
from ray.rllib.evaluation.postprocessing import Postprocessing
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from torch import Tensor

from ganttlet_agents.distributed.rllib.runner import FINISHED
from ganttlet_agents.training.draws import sorted_batches

EPSILON = 1e-5  # of Adam, as Stable-Baselines3 has it


class GraphUpdate(PPOTorchLearner):  # type: ignore[misc]
    """PPO on the decisions of one rollout.

    Advantages are normalised in each minibatch. Minibatches, of like numbers as near to ``batch_size`` as can be, hold
    each decision once per pass and are sorted by the size of their graphs. Nothing is scheduled here: :meth:`follow`
    sets what holds for the next update.

    ``learner_config_dict``: ``batch_size``, ``target_kl`` or None, ``sizes``, the node type whose highest real index is
    the size of a row, and ``seed``.

    Attributes:
        rng: draws the minibatches.
        told: what the last update logged; with ``decisions``, the number of those trained on.
        began: when the last update began, on the monotonic clock.
        finished: (return, length) of the episodes that ended in the last rollout, in the environment's own rewards.
    """

    told: dict[str, float]
    finished: list[tuple[float, int]]

    def build(self) -> None:
        """Build the module and its optimiser."""
        super().build()
        self.rng = np.random.default_rng(self.config.learner_config_dict["seed"])
        self.told, self.finished, self.began = {}, [], 0.0
        self._clip, self._entropy, self._over = 0.0, 0.0, False
        self._seen: dict[str, list[float]] = {}

    def configure_optimizers_for_module(self, module_id: str, config: Any = None) -> None:
        """Register Adam, whose step size :meth:`follow` sets."""
        params = self.get_parameters(self.module[module_id])
        optimizer = torch.optim.Adam(params, lr=config.lr, eps=EPSILON)
        self.register_optimizer(module_id=module_id, optimizer=optimizer, params=params)

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The one optimiser."""
        return self.get_optimizer(DEFAULT_MODULE_ID)  # type: ignore[no-any-return]

    def follow(self, learning_rate: float, clip_range: float, entropy: float) -> None:
        """Set what the next update goes by, and forget what the last one told."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self._clip, self._entropy = clip_range, entropy
        self.told, self.finished = {}, []

    def _create_iterator_if_necessary(
        self, *, training_data: Any, num_epochs: int = 1, **_: Any
    ) -> Iterator[MultiAgentBatch]:
        """Yield the minibatches of all passes, until the policy has moved too far."""
        batch = self._make_batch_if_necessary(training_data).policy_batches[DEFAULT_MODULE_ID]
        self.finished = [one.custom_data[FINISHED] for one in training_data.episodes if FINISHED in one.custom_data]
        asked = self.config.learner_config_dict
        mask = batch[Columns.OBS][f"{asked['sizes']}_mask"]
        highest = (mask * torch.arange(1, mask.shape[1] + 1, device=mask.device)).amax(1).cpu().numpy()
        # A rollout is a few decisions longer than n_envs x n_steps: no minibatch of these few alone.
        size = math.ceil(len(highest) / max(1, round(len(highest) / asked["batch_size"])))
        self._seen, self._over = {}, False
        for _pass in range(num_epochs):
            self._seen.pop("approx_kl", None)
            for chosen in sorted_batches(highest, size, self.rng):
                at = torch.from_numpy(chosen).to(mask.device)
                part = {key: part[at] for key, part in batch.items() if key != Columns.OBS}
                part[Columns.OBS] = {key: part[at] for key, part in batch[Columns.OBS].items()}
                yield MultiAgentBatch({DEFAULT_MODULE_ID: SampleBatch(part)}, env_steps=len(chosen))
                if self._over:
                    break
            if self._over:
                break
        means = {key: float(np.mean(values)) for key, values in self._seen.items()}
        values, targets = batch[Columns.VF_PREDS], batch[Postprocessing.VALUE_TARGETS]
        spread = float(targets.var())
        explained = 1.0 - float((targets - values).var()) / spread if spread > 0 else float("nan")
        self.told = {**means, "explained_variance": explained, "decisions": len(highest)}

    def before_gradient_based_update(self, *, timesteps: Any) -> None:
        """Note that the rollout is here."""
        super().before_gradient_based_update(timesteps=timesteps)
        self.began = time.monotonic()

    def compute_loss_for_module(
        self, *, module_id: str, config: Any, batch: Mapping[str, Any], fwd_out: Mapping[str, Tensor]
    ) -> Tensor:
        """Return PPO's loss (Schulman et al. 2017) of a minibatch."""
        log = fwd_out[Columns.ACTION_DIST_INPUTS].log_softmax(-1)
        advantages = batch[Postprocessing.ADVANTAGES]
        if len(advantages) > 1:
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        moved = log.gather(1, batch[Columns.ACTIONS].long().unsqueeze(1)).squeeze(1) - batch[Columns.ACTION_LOGP]
        ratio = moved.exp()
        clipped = ratio.clamp(1.0 - self._clip, 1.0 + self._clip)
        policy = -torch.min(advantages * ratio, advantages * clipped).mean()
        value = torch.nn.functional.mse_loss(fwd_out[Columns.VF_PREDS], batch[Postprocessing.VALUE_TARGETS])
        entropy = -(log.exp() * log).sum(-1).mean()
        with torch.no_grad():
            divergence = float((ratio - 1.0 - moved).mean())
            share = float(((ratio - 1.0).abs() > self._clip).float().mean())
        told = {"policy_loss": policy, "value_loss": value, "entropy": entropy}
        for key, number in {**told, "approx_kl": divergence, "clip_fraction": share}.items():
            self._seen.setdefault(key, []).append(float(torch.as_tensor(number).detach()))
        target = config.learner_config_dict["target_kl"]
        self._over = target is not None and divergence > 1.5 * target
        loss: Tensor = policy + config.vf_loss_coeff * value - self._entropy * entropy
        return loss

    def apply_gradients(self, gradients_dict: Any) -> None:
        """Move the weights, unless the policy has moved too far already."""
        if not self._over:
            super().apply_gradients(gradients_dict)
