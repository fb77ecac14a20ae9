"""A trained policy in code of one's own: ``policy = load_policy(path, env); action = policy.act(obs)``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganttlet.core.errors import InputError
from ganttlet.core.graph import GraphSpec
from ganttlet.core.options import as_number, as_seed
from ganttlet.core.vector_env import BatchEnv
from ganttlet_agents.policy.checkpoint import LoadedPolicy, load_checkpoint


class Policy:
    """Chooses actions for observations of one environment or of a batch.

    Attributes:
        card: what the checkpoint says of itself; ``card.env_kwargs`` are the options its environment needs.
        network: the GraphPolicy, a plain ``torch.nn.Module``.

    Args:
        loaded: the checkpoint.
        batch: the native batch whose observations it is given; needed under ``static="index"``.
    """

    def __init__(self, loaded: LoadedPolicy, batch: BatchEnv | None = None) -> None:
        self.card, self.network = loaded.card, loaded.network
        self._score = loaded.scorer() if batch is None else loaded.scorer().bound_to(batch)
        self.seed(0)

    def seed(self, seed: int) -> None:
        """Start the random stream of sampled actions anew; a policy just loaded has seed 0."""
        self._rng = np.random.default_rng(as_seed("seed", seed))

    def act(self, obs: Mapping[str, Any], *, deterministic: bool = True, temperature: float = 1.0) -> Any:
        """Return the action for ``obs``: an int, or an array (B,) int64 for a batch.

        Args:
            obs: an observation of the environment, arrays with or without a leading batch axis.
            deterministic: the most probable action; otherwise one drawn at ``temperature``.
            temperature: what logits are divided by, greater than 0.

        Raises:
            InputError: if a block of the observation is missing or has other features.
        """
        if as_number("temperature", temperature, 0.0, float("inf")) == 0.0:
            raise InputError("temperature: expected a number greater than 0, got 0")
        if not isinstance(obs, Mapping) or "action_mask" not in obs:
            raise InputError("observation: expected a mapping of arrays with the key 'action_mask'")
        arrays = {key: np.asarray(part) for key, part in obs.items()}
        single = arrays["action_mask"].ndim == 1
        if single:
            arrays = {key: part[None] for key, part in arrays.items()}
        # At a high temperature the noise would drown what the network gives to illegal actions.
        logits = np.where(arrays["action_mask"] != 0, self._score(arrays), -np.inf)
        if not deterministic:
            logits = logits + temperature * self._rng.gumbel(size=logits.shape)
        actions: NDArray[np.int64] = np.argmax(logits, axis=1)
        return int(actions[0]) if single else actions


def load_policy(path: str | Path, env: Any = None, device: str = "cpu") -> Policy:
    """Load a policy by its shipped name, run folder or checkpoint folder.

    Args:
        path: for example "job_shop" or "runs/job_shop/quick-1".
        env: the environment or batch it is to play, whose observation is checked; None skips the check. Needed where
            it shows ``static="index"``.
        device: "cpu", "cuda" or "auto".

    Raises:
        InputError: if there is no such checkpoint, it is damaged, or it was trained on other observations; naming
            the file or the field.
    """
    loaded = load_checkpoint(path, device)
    if env is None:
        return Policy(loaded)
    base = getattr(env, "unwrapped", env)
    graph = getattr(base, "graph", None)
    if not isinstance(graph, GraphSpec):
        raise InputError("env: is no ganttlet environment (it has no GraphSpec)")
    loaded.check_graph(graph, "env")
    batch = getattr(base, "batch", base)
    return Policy(loaded, batch if isinstance(batch, BatchEnv) else None)
