"""The options every environment takes, and the parsing of what users pass to ``reset`` and constructors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from ganttlet.core.errors import InputError

COMMON_OPTIONS: Final[Mapping[str, Any]] = {
    "autoreset_mode": AutoresetMode.NEXT_STEP,
    "copy": True,
    "strict": False,
    "illegal_penalty": 1.0,
    "gamma": 1.0,
    "max_episode_steps": None,
    "render_mode": None,
    "static": "observe",
}


def as_mode(value: Any) -> AutoresetMode:
    """Return the autoreset mode for an enum member or its name (``next_step``, ``SameStep``, ``disabled`` …)."""
    if isinstance(value, AutoresetMode):
        return value
    plain = str(value).replace("_", "").replace("-", "").lower()
    for mode in AutoresetMode:
        if plain == mode.name.replace("_", "").lower():
            return mode
    names = ", ".join(mode.name.lower() for mode in AutoresetMode)
    raise InputError(f"autoreset_mode: unknown value {value!r}; expected one of {names}")


def as_reset_mask(mask: Any, rows: int) -> NDArray[np.bool_] | None:
    """Check ``options['reset_mask']``: a bool array (rows,) with at least one True."""
    if mask is None:
        return None
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        raise InputError(f"options['reset_mask']: expected a numpy bool array, got {type(mask).__name__}")
    if mask.shape != (rows,):
        raise InputError(f"options['reset_mask']: expected shape ({rows},), got {mask.shape}")
    if not mask.any():
        raise InputError("options['reset_mask']: expected at least one True")
    return mask


def as_seeds(seed: Any, rows: int) -> list[int | None]:
    """Return one seed per row: ``seed + i`` for an int, the given ones for a sequence, None for None."""
    if seed is None:
        return [None] * rows
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer | Sequence | np.ndarray):
        raise InputError(f"seed: expected an integer, a sequence of integers or None, got {seed!r}")
    if isinstance(seed, int | np.integer):
        seeds: list[int | None] = [int(seed) + i for i in range(rows)]
    else:
        seeds = [None if one is None else int(one) for one in seed]
    if len(seeds) != rows:
        raise InputError(f"seed: expected {rows} seeds, one per environment, got {len(seeds)}")
    for one in seeds:
        if one is not None and not 0 <= one < 2**64:
            raise InputError(f"seed: expected 0 … 2**64-1, got {one}")
    return seeds


def as_sequence(spec: Any, count: int) -> list[Any]:
    """Return ``count`` instance specs: a list or tuple must have that length, anything else is repeated."""
    if isinstance(spec, list | tuple):
        if len(spec) != count:
            raise InputError(f"options['instance']: expected {count} instances, one per reset row, got {len(spec)}")
        return list(spec)
    return [spec] * count
