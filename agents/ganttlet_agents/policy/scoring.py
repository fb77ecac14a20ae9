"""A network as search and evaluation call it: arrays in, logits out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ganttlet_agents.policy.network import GraphPolicy
from ganttlet_agents.policy.statics import MOST, NUMBER, Statics, statics_of

Array = np.ndarray[Any, Any]


class PolicyScorer:
    """Observations (arrays, batch axis first) -> logits (rows, A) float32.

    Args:
        network: what is asked.
        device: where it is.
        env: the batch whose observations are scored, if it shows instances by their numbers (``static="index"``).
    """

    def __init__(self, network: GraphPolicy, device: str, env: Any = None) -> None:
        self.network, self.device, self.env = network.eval(), torch.device(device), env
        self._statics: Statics | None = None if env is None else statics_of(network, env)

    def bound_to(self, env: Any) -> PolicyScorer:
        """Return a scorer of the observations of ``env``, a batch."""
        return self if env is self.env else PolicyScorer(self.network, str(self.device), env)

    def __call__(self, obs: Mapping[str, Array]) -> Array:
        """Return the logits."""
        return self.judge(obs)[0]

    def judge(self, obs: Mapping[str, Array]) -> tuple[Array, Array]:
        """Return the logits, and the values (rows,) float32."""
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
