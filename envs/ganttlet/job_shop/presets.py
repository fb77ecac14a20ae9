"""Environment keyword arguments that reproduce the decision process of a published environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "l2d": {"timing": "insert", "reward": "bound"},
    "jssenv": {"timing": "wait_jssenv", "reward": "idle"},
    "cp": {"timing": "wait", "window": 5, "reward": "terminal"},
    "slim": {"timing": "append", "reward": "terminal"},
}
