"""Graph encoders by name."""

from __future__ import annotations

from torch import nn

from ganttlet_agents.policy.config import NetworkConfig
from ganttlet_agents.policy.schema import Schema


def make_encoder(schema: Schema, config: NetworkConfig) -> nn.Module:
    """Return the encoder that ``config`` names; torch-geometric is imported only for ``gnn``."""
    if config.encoder == "attention":
        from ganttlet_agents.policy.encoders.attention import AttentionEncoder

        return AttentionEncoder(schema, config.width, config.layers, config.heads, config.hidden)
    if config.encoder == "pointer":
        from ganttlet_agents.policy.encoders.pointer import PointerEncoder

        return PointerEncoder(schema, config.width, config.layers, config.hidden)
    from ganttlet_agents.policy.encoders.gnn import GnnEncoder

    return GnnEncoder(schema, config.width, config.layers)
