"""Instances shown by their numbers: their static blocks, and what the network makes of them, once for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganttlet_agents.policy.batch import Obs
from ganttlet_agents.policy.network import GraphPolicy
from ganttlet_agents.policy.static import Embedded

NUMBER = "instance_id"
AT_ONCE = 64  # instances embedded together while playing
MOST = 1024  # instances remembered while playing
Blocks = Callable[[Any], Mapping[str, np.ndarray[Any, Any]]]


class Statics:
    """The instances that a batch with ``static="index"`` plays: their static blocks, and what they are embedded as.

    With gradients each instance of a minibatch is embedded once. Without, each is until weights of the network's static
    part change.

    Args:
        network: a GraphPolicy with ``static_rounds``.
        blocks: instance numbers (n,) -> their static blocks (n, ...), such as ``env.static``.
    """

    def __init__(self, network: GraphPolicy, blocks: Blocks) -> None:
        assert network.static is not None
        self._encoder, self._fetch = network.static, blocks
        self._blocks: dict[int, dict[str, Tensor]] = {}
        self._place: dict[int, int] = {}  # of an instance among those embedded
        self._flat: Embedded | None = None  # of those, a row each
        self._version = -1

    def __len__(self) -> int:
        """How many instances are known."""
        return len(self._blocks)

    def meet(self, numbers: Any) -> None:
        """Look up the instances ``numbers`` that are not known; to be called while the batch still holds them."""
        new = sorted({int(one) for one in np.asarray(numbers).reshape(-1)} - self._blocks.keys())
        if not new:
            return
        device = next(self._encoder.parameters()).device
        found = {key: torch.from_numpy(part).to(device) for key, part in self._fetch(np.array(new, np.int64)).items()}
        for at, one in enumerate(new):
            self._blocks[one] = {key: part[at] for key, part in found.items()}

    def keep(self, numbers: Any) -> None:
        """Forget all instances but ``numbers``."""
        kept = {int(one) for one in np.asarray(numbers).reshape(-1)}
        self._blocks = {one: part for one, part in self._blocks.items() if one in kept}
        self._forget()

    def of(self, obs: Obs) -> Embedded:
        """Return what the rows of ``obs`` read.

        Raises:
            InputError: for an instance that was not met and is no longer in the batch's pool.
        """
        numbers, row = torch.unique(obs[NUMBER].reshape(-1), return_inverse=True)
        listed = [int(one) for one in numbers.tolist()]
        self.meet(listed)
        if torch.is_grad_enabled():
            return self._encoder.embed(self._stacked(listed), row)
        flat = self._remembered(listed)
        at = torch.tensor([self._place[one] for one in listed], device=row.device)[row]
        return Embedded(
            flat.nodes,
            {name: part.index_select(0, at) for name, part in flat.first.items()},
            {name: part.index_select(0, at) for name, part in flat.count.items()},
            {name: part.index_select(0, at) for name, part in flat.pooled.items()},
        )

    def _stacked(self, numbers: list[int]) -> dict[str, Tensor]:
        parts = [self._blocks[one] for one in numbers]
        return {key: torch.stack([part[key] for part in parts]) for key in parts[0]}

    def _forget(self) -> None:
        self._place, self._flat = {}, None

    def _remembered(self, numbers: list[int]) -> Embedded:
        """Return the embeddings of all instances in ``_place``, ``numbers`` among them."""
        # Every change of a weight in place counts its version up.
        version = sum(parameter._version for parameter in self._encoder.parameters())
        if version != self._version or len(self._place) > MOST:
            self._forget()
            self._version = version
        new = [one for one in numbers if one not in self._place]
        for first in range(0, len(new), AT_ONCE):
            some = new[first : first + AT_ONCE]
            self._place |= {one: len(self._place) + at for at, one in enumerate(some)}
            more = self._encoder.embed(self._stacked(some))
            self._flat = more if self._flat is None else _join(self._flat, more)
        assert self._flat is not None
        return self._flat


def _join(one: Embedded, other: Embedded) -> Embedded:
    """Return the instances of both, a row each."""
    return Embedded(
        {name: torch.cat([part, other.nodes[name]]) for name, part in one.nodes.items()},
        {name: torch.cat([part, other.first[name] + len(one.nodes[name])]) for name, part in one.first.items()},
        {name: torch.cat([part, other.count[name]]) for name, part in one.count.items()},
        {name: torch.cat([part, other.pooled[name]]) for name, part in one.pooled.items()},
    )


def statics_of(network: GraphPolicy, env: Any) -> Statics | None:
    """Return the instances of a batch that shows their numbers alone; None if it shows more, or nothing reads them."""
    if network.static is None or NUMBER not in env.live_observation:
        return None
    return Statics(network, env.static)
