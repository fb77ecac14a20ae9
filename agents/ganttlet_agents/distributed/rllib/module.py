"""RLlib's module around a GraphPolicy: a shell without layers of its own."""

from __future__ import annotations

from typing import Any

from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis import ValueFunctionAPI
from ray.rllib.core.rl_module.rl_module import RLModuleSpec
from ray.rllib.core.rl_module.torch import TorchRLModule
from torch import Tensor

from ganttlet_agents.policy.config import NetworkConfig
from ganttlet_agents.policy.network import GraphPolicy
from ganttlet_agents.policy.schema import Schema


class GraphModule(TorchRLModule, ValueFunctionAPI):  # type: ignore[misc]
    """Plays ``network``, built of ``model_config``'s ``schema`` and ``network``, plain data as in a checkpoint's card.

    The mask is in the logits.
    """

    def setup(self) -> None:
        """Build the network, with random weights."""
        shape = self.model_config
        self.network = GraphPolicy(Schema(shape["schema"]), NetworkConfig.from_dict(shape["network"]))

    def _forward(self, batch: dict[str, Any], **_: Any) -> dict[str, Tensor]:
        logits, values = self.network(batch[Columns.OBS])
        return {Columns.ACTION_DIST_INPUTS: logits, Columns.VF_PREDS: values}

    def compute_values(self, batch: dict[str, Any], embeddings: Any = None) -> Tensor:
        """Return values (B,)."""
        values: Tensor = self.network(batch[Columns.OBS])[1]
        return values


def spec_of(network: GraphPolicy) -> RLModuleSpec:
    """Return how RLlib builds a module like ``network``."""
    shape = {"schema": network.schema.data, "network": network.config.to_dict()}
    return RLModuleSpec(module_class=GraphModule, model_config=shape)
