"""The SB3 policy around a GraphPolicy: a shell without layers of its own."""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.distributions import CategoricalDistribution, Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.preprocessing import get_action_dim
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import Tensor

from ganttlet_agents.policy.network import GraphPolicy
from ganttlet_agents.policy.statics import Statics
from ganttlet_agents.training.draws import sample_actions


class _Nothing(BaseFeaturesExtractor):
    """SB3 wants a features extractor; the network reads the observation itself."""

    def __init__(self, observation_space: Any) -> None:
        super().__init__(observation_space, features_dim=1)


class GraphActorCritic(ActorCriticPolicy):
    """Plays the network given as ``policy_kwargs={"network": …}``; the mask is in its logits.

    ``compiled`` is what is called, the network itself or ``torch.compile`` of it; ``statics`` looks up instances that
    are shown by number.
    """

    def __init__(
        self,
        *args: Any,
        network: GraphPolicy,
        compiled: Any = None,
        statics: Statics | None = None,
        **kwargs: Any,
    ) -> None:
        # Modules cannot be assigned before nn.Module.__init__, which ActorCriticPolicy.__init__ calls before _build.
        self._given: list[Any] = [network, compiled if compiled is not None else network, statics]
        super().__init__(*args, **{**kwargs, "features_extractor_class": _Nothing})

    def _build(self, lr_schedule: Schedule) -> None:
        self.network = self._given[0]
        self.action_dist = CategoricalDistribution(
            int(getattr(self.action_space, "n", get_action_dim(self.action_space)))
        )
        options: dict[str, Any] = {"lr": lr_schedule(1), **self.optimizer_kwargs}
        self.optimizer = self.optimizer_class(self.network.parameters(), **options)

    def _ask(self, obs: Any) -> tuple[Tensor, Tensor]:
        """Return logits (B, A) and values (B,)."""
        _, compiled, statics = self._given
        found: tuple[Tensor, Tensor] = compiled(obs) if statics is None else compiled(obs, statics.of(obs))
        return found

    def forward(self, obs: PyTorchObs, deterministic: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Return actions (B,), values (B,) and log-probabilities (B,)."""
        logits, values = self._ask(obs)
        log = logits.log_softmax(-1)
        actions = logits.argmax(-1) if deterministic else sample_actions(log)
        return actions, values, log.gather(1, actions.unsqueeze(1)).squeeze(1)

    def evaluate_actions(self, obs: PyTorchObs, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return values, log-probabilities of ``actions`` and entropies, (B,) each."""
        logits, values = self._ask(obs)
        log = logits.log_softmax(-1)
        entropy = -(log.exp() * log).sum(-1)
        return values, log.gather(1, actions.long().reshape(-1, 1)).squeeze(1), entropy

    def get_distribution(self, obs: PyTorchObs) -> Distribution:
        """Return the masked categorical distribution."""
        return self.action_dist.proba_distribution(self._ask(obs)[0])

    def predict_values(self, obs: PyTorchObs) -> Tensor:
        """Return values (B,)."""
        return self._ask(obs)[1]

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> Tensor:
        actions: Tensor = self(observation, deterministic)[0]
        return actions
