"""Checkpoints: ``policy.safetensors`` with its card, and ``policy.json``, the card for people to read.

The card stands in the weights' own header, so that one atomic write replaces both; ``policy.json`` is a copy that
nothing reads. Loading executes no code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ganttlet import __version__
from ganttlet.core.errors import InputError, check_keys
from ganttlet.core.record import write_atomic
from ganttlet_agents.policy.config import NetworkConfig
from ganttlet_agents.policy.network import GraphPolicy
from ganttlet_agents.policy.schema import Schema
from ganttlet_agents.policy.scoring import PolicyEvaluator, PolicyScorer
from ganttlet_agents.policy.shipped import CARD, WEIGHTS, find_checkpoint
from ganttlet_agents.policy.static import check_static

FORMAT = 1
# Fields of the card that are texts; the others are mappings.
TEXTS = ("family", "env_id", "version", "schema_digest")


@dataclass(frozen=True)
class Card:
    """What a checkpoint says of itself.

    Fields:
        family: family it plays.
        env_id, env_kwargs: the environment it was trained in, without its instances.
        network: ``NetworkConfig.to_dict()``.
        schema: ``GraphSpec.schema()`` of that environment.
        decoding: defaults of ``policy:`` methods, such as ``temperature``.
        training: how it was made: command, seed, decisions, seconds, validation.
        version: ganttlet's version that wrote it.
        format: version of this layout.
    """

    family: str
    env_id: str
    env_kwargs: dict[str, Any]
    network: dict[str, Any]
    schema: dict[str, Any]
    decoding: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    version: str = __version__
    format: int = FORMAT

    @property
    def schema_digest(self) -> str:
        """Equal to ``GraphSpec.digest`` of the environments it can play."""
        return Schema(self.schema).digest


@dataclass(frozen=True)
class LoadedPolicy:
    """A network, its card and the weights' file, empty if it comes from none; see :func:`load_checkpoint`."""

    network: GraphPolicy
    card: Card
    device: str
    file: str = ""

    def scorer(self) -> PolicyScorer:
        """Return observations (arrays, batch axis first) -> logits (rows, A) float32."""
        return PolicyScorer(self.network, self.device)

    def evaluator(self) -> PolicyEvaluator:
        """Return observations (arrays, batch axis first) -> logits (rows, A) float32 and values (rows,) float32."""
        return PolicyEvaluator(self.network, self.device)

    def check_graph(self, graph: Any, what: str = "environment") -> None:
        """Raise InputError naming the first field in which a GraphSpec differs from the one trained on."""
        difference = Schema(self.card.schema).difference(Schema.of(graph))
        if difference:
            raise InputError(
                f"{what}: its observation is not the one the policy was trained on: {difference}; "
                f"make it with {self.card.env_kwargs}"
            )
        if self.network.static is not None:
            check_static(graph)


def save_checkpoint(folder: str | Path, network: GraphPolicy, card: Card) -> None:
    """Write a checkpoint into ``folder``; a reader finds either the one before or this one, whole."""
    folder = Path(folder)
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    # Keys keep their order: that of node and edge types is the order of weights.
    text = json.dumps({**asdict(card), "schema_digest": card.schema_digest}, indent=1)
    write_atomic(folder / WEIGHTS, save(tensors, metadata={"card": text}))
    write_atomic(folder / CARD, text + "\n")


def load_checkpoint(path_or_name: str | Path, device: str = "cpu") -> LoadedPolicy:
    """Load a shipped policy by name, or one from a run folder, a checkpoint folder or a ``.safetensors`` file.

    Raises:
        InputError: if there is none, or it is damaged, of another format, or the device is not there.
    """
    path = find_checkpoint(path_or_name)
    target = check_device(device)
    try:
        with safe_open(path, framework="pt") as archive:
            card = _read_card((archive.metadata() or {}).get("card"))
            tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
        # On "meta" the weights take no memory and draw no random numbers before they are known to fit.
        with torch.device("meta"):
            network = GraphPolicy(Schema(card.schema), NetworkConfig.from_dict(card.network))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path}: damaged: {error}") from None
    check_weights(network, tensors, str(path))
    network = network.to_empty(device=target)
    network.load_state_dict(tensors)
    return LoadedPolicy(network.eval(), card, str(target), str(path))


def load_weights(network: GraphPolicy, tensors: Mapping[str, torch.Tensor], source: str) -> None:
    """Put ``tensors`` into the network; raises InputError naming the first that does not fit."""
    check_weights(network, tensors, source)
    network.load_state_dict(dict(tensors))


def check_weights(network: GraphPolicy, tensors: Mapping[str, torch.Tensor], source: str) -> None:
    """Raise InputError naming the first of ``tensors`` that does not fit the network."""
    own = network.state_dict()
    for name, value in own.items():
        if name not in tensors:
            raise InputError(f"{source}: weight {name!r} is missing")
        for what, found, expected in (
            ("shape", tuple(tensors[name].shape), tuple(value.shape)),
            ("dtype", tensors[name].dtype, value.dtype),
        ):
            if found != expected:
                raise InputError(f"{source}: weight {name!r} has {what} {found}, expected {expected}")
    for name in tensors:
        if name not in own:
            raise InputError(f"{source}: weight {name!r} is unknown to this network")


def check_device(name: str) -> torch.device:
    """Return the device called ``name`` (``auto``: a GPU if there is one); raises InputError if it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, ImportError, TypeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"device {name!r}: not available ({reason}); expected auto, cpu or cuda") from None
    return device


def _read_card(text: str | None) -> Card:
    """Return the card written as ``text``; raises InputError naming the field."""
    if text is None:
        raise InputError("no card in its header; expected a checkpoint of ganttlet")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the card is damaged: {error}") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else None
        raise InputError(f"field 'format' is {found!r}, expected {FORMAT}")
    known = [one.name for one in fields(Card)]
    check_keys("card", data, [*known, "schema_digest"])
    for name in ("family", "env_id", "env_kwargs", "network", "schema", "schema_digest"):
        if name not in data:
            raise InputError(f"card: field {name!r} is missing")
    for name, value in data.items():
        wanted, word = (str, "text") if name in TEXTS else (dict, "mapping")
        if name != "format" and not isinstance(value, wanted):
            raise InputError(f"card: field {name!r}: expected a {word}, got {value!r}")
    digest = data.pop("schema_digest")
    card = Card(**data)
    if digest != card.schema_digest:
        raise InputError(f"card: field 'schema' is damaged: its digest is {card.schema_digest}, expected {digest}")
    return card
