"""Which seeds serve what: training, validation and benchmarks never share one."""

from __future__ import annotations

from ganttlet.core.errors import InputError

STRIDE = 1_000_000
MOST = 1_000
VALIDATION = 2_000_000_000
"""First seed of validation instances; suites use small seeds or named instances."""
SCALE_INDEX = 1_000_000
"""Number among the validation seeds of the first of those episodes that set the scale of rewards."""


def training_seed(seed: int) -> int:
    """Return the seed of a run's first environment; its environments use the STRIDE seeds from there on."""
    if not 0 <= seed < MOST:
        raise InputError(f"seed: expected 0 … {MOST - 1}, got {seed}")
    return STRIDE * (seed + 1)


def validation_seed(index: int) -> int:
    """Return the seed of validation instance ``index``, counted over all groups; the same for every run."""
    return VALIDATION + index
