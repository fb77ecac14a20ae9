"""Environment keyword arguments that belong together, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Copies that do not fit are illegal instead of paid for, and offsets spare what may be used again.
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "no_stall": {"stall": False},
    "reserve": {"placement": "reserve"},
}
