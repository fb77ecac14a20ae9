"""How learning rate, clip range and entropy weight change over a run.

``rex``: Chen, Wolfe and Kyrillidis 2022, profile (1 - z) / (1/2 + (1 - z)/2).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ganttlet.core.errors import check_choice

PROFILES: dict[str, Callable[[float], float]] = {
    "constant": lambda z: 1.0,
    "linear": lambda z: 1.0 - z,
    "cosine": lambda z: 0.5 * (1.0 + math.cos(math.pi * z)),
    "rex": lambda z: (1.0 - z) / (0.5 + 0.5 * (1.0 - z)),
}


def scheduled(name: str, start: float, end: float, spent: float) -> float:
    """Return the value at ``spent``, the share of the budget used (held within 0 … 1).

    Args:
        name: constant, linear, cosine or rex; all but constant go from ``start`` to ``end``.
        start, end: values at the beginning and at the end.
        spent: share of the budget used.

    Raises:
        InputError: for an unknown name.
    """
    check_choice("schedule", name, PROFILES)
    profile = PROFILES[name](min(max(spent, 0.0), 1.0))
    return start if name == "constant" else end + (start - end) * profile
