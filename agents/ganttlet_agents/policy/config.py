"""The shape of a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ganttlet.core.errors import InputError, check_choice, check_keys

ENCODERS = ("attention", "pointer", "gnn", "tree", "dag", "deepsocs", "capsule", "flat")
DECODERS = ("mlp", "glimpse")
LARGEST = 2**16


@dataclass(frozen=True)
class NetworkConfig:
    """What a GraphPolicy is made of; sizes follow from the schema."""

    encoder: str = "attention"
    """attention, pointer, gnn, tree, dag, deepsocs, capsule or flat."""
    width: int = 64
    """Width of every embedding."""
    layers: int = 2
    """Rounds of the encoder; the last one of attention, and of tree for members, serves candidates alone where actions
    point at nodes and no edges; of dag and deepsocs those along the graph alone; of flat its hidden layers."""
    heads: int = 4
    """Attention heads, of the encoder and of decoder glimpse."""
    hidden: int = 128
    """Width inside feed-forward parts."""
    static_rounds: int = 0
    """Rounds of messages in the part of the graph that never changes, which is then embedded by itself, once per
    instance under static="index", and read through pointers; 0: no part by itself."""
    decoder: str = "mlp"
    """What scores candidates: mlp, each by itself with the context; glimpse, by attention to all of them (actions that
    point at nodes only)."""
    slots: int = 0
    """Encoder flat only: the most nodes of a type that it takes."""

    def __post_init__(self) -> None:
        check_choice("network: encoder", self.encoder, ENCODERS)
        check_choice("network: decoder", self.decoder, DECODERS)
        for field in fields(self):
            value = getattr(self, field.name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            least = 0 if field.name in ("static_rounds", "slots") else 1
            if field.name not in ("encoder", "decoder") and not (whole and least <= value <= LARGEST):
                raise InputError(f"network: {field.name}: expected an integer in {least} … {LARGEST}, got {value!r}")
        if (self.encoder == "flat") != (self.slots > 0):
            wanted = "at least 1 with" if self.encoder == "flat" else "0 without"
            raise InputError(f"network: slots: expected {wanted} encoder 'flat', got {self.slots}")
        if self.encoder == "flat" and self.static_rounds:
            raise InputError("network: static_rounds: expected 0 with encoder 'flat', which reads no edges")

    def to_dict(self) -> dict[str, Any]:
        """Return the plain-data form."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "network") -> NetworkConfig:
        """Build it from its plain-data form; ``source`` names the origin in errors."""
        if not isinstance(data, Mapping):
            raise InputError(f"{source}: expected a mapping, got {data!r}")
        check_keys(source, data, [field.name for field in fields(cls)])
        return cls(**data)
