"""Named settings of ganttlet/SoCDAG-v0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "deepsocs": {"action": "task", "reward": "jobs", "observation": "graph"},
    "socrates": {"action": "pe", "reward": "completion", "observation": "graph"},
    "late": {"action": "joint", "wait": True, "binding": "late", "reward": "jobs", "observation": "ready"},
}
