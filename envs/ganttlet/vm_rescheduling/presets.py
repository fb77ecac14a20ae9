"""Environment keyword arguments that come close to the decision process of a published environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "vmr2l": {"reward": "vmr2l", "gamma": 0.99},
    "vmr2l_penalty": {"reward": "vmr2l", "gamma": 0.99, "masking": "penalty", "infeasible_penalty": 5.0},
}
