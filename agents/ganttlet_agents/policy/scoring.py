"""A network as search and evaluation call it: arrays in, logits and values out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch

from ganttlet_agents.policy.network import GraphPolicy
from ganttlet_agents.policy.statics import MOST, NUMBER, Statics, statics_of

Array = np.ndarray[Any, Any]


class PolicyEvaluator:
    """Observations (arrays, batch axis first) -> logits (rows, A) float32 and values (rows,) float32.

    Args:
        network: what is asked.
        device: where it is.
        env: the batch whose observations are judged, if it shows instances by their numbers (``static="index"``).
    """

    def __init__(self, network: GraphPolicy, device: str, env: Any = None) -> None:
        self.network, self.device, self.env = network.eval(), device, env
        self._statics: Statics | None = None if env is None else statics_of(network, env)

    def bound_to(self, env: Any) -> Self:
        """Return the same for the observations of ``env``, a batch."""
        return self if env is self.env else type(self)(self.network, self.device, env)

    def __call__(self, obs: Mapping[str, Array]) -> Any:
        """Return the logits and the values."""
        with torch.inference_mode():
            # PyTorch warns of arrays that may not be written to.
            arrays = {key: np.require(part, requirements=("C", "W")) for key, part in obs.items()}
            tensors = {key: torch.from_numpy(part).to(self.device) for key, part in arrays.items()}
            if self._statics is None:
                logits, values = self.network(tensors)
            else:
                if len(self._statics) > MOST:
                    self._statics.keep(obs[NUMBER])
                logits, values = self.network(tensors, self._statics.of(tensors))
            return logits.cpu().numpy(), values.cpu().numpy()


class PolicyScorer(PolicyEvaluator):
    """Observations (arrays, batch axis first) -> logits (rows, A) float32; arguments as of the evaluator."""

    def __call__(self, obs: Mapping[str, Array]) -> Any:
        """Return the logits."""
        return super().__call__(obs)[0]
