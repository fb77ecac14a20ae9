"""Graph encoders by name."""

from __future__ import annotations

from torch import nn

from ganttlet.core.errors import InputError
from ganttlet_agents.policy.config import NetworkConfig
from ganttlet_agents.policy.schema import Schema


def reads_itself(schema: Schema, config: NetworkConfig) -> tuple[str, ...]:
    """Return the node types whose features the encoder reads itself, so that they come to it without an embedding."""
    return schema.tokens if config.encoder == "flat" else ()


def make_encoder(schema: Schema, config: NetworkConfig) -> nn.Module:
    """Return the encoder that ``config`` names; torch-geometric is imported only for ``gnn`` and ``dag``.

    Raises:
        InputError: for a dense edge that is no action segment. The head reads those that are; no encoder reads any.
    """
    segments = {segment.over for segment in schema.segments}
    for edge in schema.edges:
        if edge.kind == "dense" and edge.name not in segments:
            raise InputError(
                f"encoder {config.encoder!r}: dense edge {edge.name!r} is no action segment, and nothing else reads "
                "dense edges; declare it as a list edge, or leave it out of the GraphSpec"
            )
    if config.encoder == "attention":
        from ganttlet_agents.policy.encoders.attention import AttentionEncoder

        return AttentionEncoder(schema, config.width, config.layers, config.heads, config.hidden)
    if config.encoder == "pointer":
        from ganttlet_agents.policy.encoders.pointer import PointerEncoder

        return PointerEncoder(schema, config.width, config.layers, config.hidden)
    if config.encoder == "tree":
        from ganttlet_agents.policy.encoders.tree import TreeEncoder

        return TreeEncoder(schema, config.width, config.layers, config.heads, config.hidden)
    if config.encoder == "dag":
        from ganttlet_agents.policy.encoders.dag import DagEncoder

        return DagEncoder(schema, config.width, config.layers, config.hidden)
    if config.encoder == "deepsocs":
        from ganttlet_agents.policy.encoders.deepsocs import DeepSoCSEncoder

        return DeepSoCSEncoder(schema, config.width, config.layers, config.hidden)
    if config.encoder == "capsule":
        from ganttlet_agents.policy.encoders.capsule import CapsuleEncoder

        return CapsuleEncoder(schema, config.width, config.layers, config.heads)
    if config.encoder == "flat":
        from ganttlet_agents.policy.encoders.flat import FlatEncoder

        return FlatEncoder(schema, config.width, config.layers, config.hidden, config.slots)
    from ganttlet_agents.policy.encoders.gnn import GnnEncoder

    return GnnEncoder(schema, config.width, config.layers)
