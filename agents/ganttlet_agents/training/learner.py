"""What the training loop asks of an algorithm."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch

from ganttlet.core.errors import InputError
from ganttlet_agents.policy.network import GraphPolicy

Array = np.ndarray[Any, Any]


@dataclass
class State:
    """What a learner needs to go on as if it had never stopped: plain arrays and numbers.

    Fields:
        tensors: weights and optimiser.
        arrays: environment rows and counters.
        numbers: JSON data.
    """

    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)


class Learner(Protocol):
    """One stage of a run."""

    name: str

    @property
    def timesteps(self) -> int:
        """Decisions of the stage's budget that are used."""
        ...

    @property
    def episodes(self) -> int:
        """Episodes played or imitated."""
        ...

    def iterate(self, spent: float) -> dict[str, float]:
        """Do one update, at the share ``spent`` of the stage's budget; return what is logged."""
        ...

    def state(self) -> State:
        """Return the state between two updates."""
        ...

    def set_state(self, state: State) -> None:
        """Put a state back."""
        ...


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return an optimiser's moments and step counts under ``optimizer.<parameter>.<name>``."""
    saved = optimizer.state_dict()["state"]
    return {
        f"optimizer.{number}.{name}": torch.as_tensor(value).detach().cpu()
        for number, one in saved.items()
        for name, value in one.items()
    }


def set_optimizer_state(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """Put back what :func:`optimizer_state` returned; learning rates are set by their schedules."""
    found: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        kind, _, rest = key.partition(".")
        if kind == "optimizer":
            number, _, name = rest.partition(".")
            found.setdefault(int(number), {})[name] = value
    data = optimizer.state_dict()
    optimizer.load_state_dict({"state": found, "param_groups": data["param_groups"]})


def network_state(network: GraphPolicy) -> dict[str, torch.Tensor]:
    """Return the weights under ``network.<name>``."""
    return {f"network.{name}": value.detach().cpu().clone() for name, value in network.state_dict().items()}


def set_network_state(network: GraphPolicy, tensors: dict[str, torch.Tensor]) -> None:
    """Put back what :func:`network_state` returned."""
    own = {key.removeprefix("network."): value for key, value in tensors.items() if key.startswith("network.")}
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        raise InputError(f"resume: the saved weights do not fit the network: {str(error).splitlines()[0]}") from None


def random_state() -> dict[str, torch.Tensor]:
    """Return the states of PyTorch's generators."""
    states = {"random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["random.cuda"] = torch.cuda.get_rng_state()
    return states


def set_random_state(tensors: dict[str, torch.Tensor]) -> None:
    """Put back :func:`random_state`."""
    torch.set_rng_state(tensors["random.cpu"])
    if "random.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random.cuda"])
