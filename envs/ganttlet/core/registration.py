"""Registration of environment ids with Gymnasium; importing it imports no family."""

from __future__ import annotations

import gymnasium as gym


def register(env_id: str, entry_point: str, vector_entry_point: str) -> None:
    """Register ``env_id`` unless it is known already, so that importing the package twice is harmless.

    No step limit is given to Gymnasium: the engine truncates by itself, in batches too.
    """
    if env_id not in gym.registry:
        gym.register(id=env_id, entry_point=entry_point, vector_entry_point=vector_entry_point)
