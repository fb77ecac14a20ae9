"""The options every environment takes, and the parsing of what users pass to ``reset`` and constructors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from ganttlet.core.errors import InputError, check_choice, check_keys, check_options
from ganttlet.core.rng import key_of

_FUTURE = 3  # entity of the keys of futures, beside those of pool
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


def split_options(
    what: str,
    options: Mapping[str, Any],
    defaults: Mapping[str, Any],
    preset: str | None = None,
    presets: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a family's own options, every default filled in, and those of COMMON_OPTIONS that were given.

    Args:
        what: the environment's name, for errors.
        options: what was given; it has the last word over ``preset``.
        defaults: the family's options.
        preset: one of ``presets``, or None.
        presets: name -> options; None if the environment takes no preset.

    Raises:
        InputError: for an unknown preset, and an UnknownOptionError for an unknown option.
    """
    if preset is not None and presets is not None:
        check_choice("preset", preset, presets)
        options = {**presets[preset], **options}
    check_options(what, options, [*(() if presets is None else ("preset",)), *defaults, *COMMON_OPTIONS])
    own = {**defaults, **{key: value for key, value in options.items() if key in defaults}}
    return own, {key: value for key, value in options.items() if key in COMMON_OPTIONS}


def common_options(what: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of COMMON_OPTIONS with the defaults filled in; raises InputError naming a wrong one."""
    check_options(what, given, COMMON_OPTIONS)
    chosen = {**COMMON_OPTIONS, **given}
    chosen["autoreset_mode"] = as_mode(chosen["autoreset_mode"])
    for key in ("copy", "strict"):
        if not isinstance(chosen[key], bool | np.bool_):
            raise InputError(f"{key}: expected True or False, got {chosen[key]!r}")
    chosen["illegal_penalty"] = as_number("illegal_penalty", chosen["illegal_penalty"], 0.0, float("inf"))
    chosen["gamma"] = as_number("gamma", chosen["gamma"], 0.0, 1.0)
    if chosen["max_episode_steps"] is not None:
        chosen["max_episode_steps"] = as_count("max_episode_steps", chosen["max_episode_steps"])
    check_choice("static", chosen["static"], ("observe", "index"))
    return chosen


def as_count(what: str, value: Any) -> int:
    """Return ``value`` as an int of at least 1."""
    if not _is_integer(value) or value < 1:
        raise InputError(f"{what}: expected an integer of at least 1, got {value!r}")
    return int(value)


def as_number(what: str, value: Any, low: float, high: float) -> float:
    """Return ``value`` as a finite float within low … high."""
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not real or not np.isfinite(value) or not low <= value <= high:
        least = f"of at least {low:g}" if np.isinf(high) else f"in {low:g} … {high:g}"
        raise InputError(f"{what}: expected a number {least}, got {value!r}")
    return float(value)


def as_actions(actions: Any, rows: int) -> NDArray[Any]:
    """Check a batch's actions: integers of shape (rows,)."""
    try:
        array = np.asarray(actions)
    except ValueError:
        raise InputError(f"actions: expected {rows} integers, got parts of different lengths") from None
    if array.shape != (rows,) or array.dtype.kind not in "iu":
        raise InputError(f"actions: expected {rows} integers, got {array.dtype} of shape {array.shape}")
    return array


def as_rows(what: str, rows: Any, count: int, *, distinct: bool = False) -> NDArray[np.int64]:
    """Check row numbers of a batch of ``count`` rows; all different where they are written to."""
    array = np.asarray(rows)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise InputError(f"{what}: expected a list of rows, got {rows!r}")
    array = array.astype(np.int64)
    if array.size and (array.min() < 0 or array.max() >= count):
        raise InputError(f"{what}: rows must lie in 0 … {count - 1}, got {array.tolist()}")
    if distinct and array.size and np.bincount(array).max() > 1:
        raise InputError(f"{what}: rows to be written to must differ, got {array.tolist()}")
    return array


def as_options(options: Any, known: Sequence[str]) -> dict[str, Any]:
    """Return a copy of the ``options`` of reset, which may hold the ``known`` keys."""
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise InputError(f"reset options: expected a mapping, got {options!r}")
    check_keys("reset options", options, known)
    return dict(options)


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
    if _is_integer(seed):
        given: list[Any] = [int(seed) + i for i in range(rows)]
    elif isinstance(seed, list | tuple | range | np.ndarray) and np.ndim(seed) == 1:
        given = list(seed)
    else:
        raise InputError(f"seed: expected an integer, a sequence of integers or None, got {seed!r}")
    if len(given) != rows:
        raise InputError(f"seed: expected {rows} seeds, one per environment, got {len(given)}")
    return [None if one is None else as_seed("seed", one) for one in given]


def as_seed(what: str, value: Any) -> int:
    """Return ``value`` as an int of 64 bits without a sign."""
    if not _is_integer(value) or not 0 <= value < 2**64:
        raise InputError(f"{what}: expected an integer in 0 … 2**64-1, got {value!r}")
    return int(value)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def as_sequence(spec: Any, count: int) -> list[Any]:
    """Return ``count`` instance specs: a list or tuple must have that length, anything else is repeated."""
    if isinstance(spec, list | tuple):
        if len(spec) != count:
            raise InputError(f"options['instance']: expected {count} instances, one per reset row, got {len(spec)}")
        return list(spec)
    return [spec] * count


def as_future_keys(seeds: Any, count: int) -> NDArray[np.uint64]:
    """Return a key per restored row: of its position and the one seed, or of position 0 and its own seed."""
    one = not isinstance(seeds, list | tuple) and np.ndim(seeds) == 0
    given = [(seeds, row) for row in range(count)] if one else [(seed, 0) for seed in seeds]
    if len(given) != count:
        raise InputError(f"restore: resample_future: expected a seed for each of {count} rows, got {len(given)}")
    keys = [key_of(np.uint64(as_seed("restore: resample_future", seed)), _FUTURE, place) for seed, place in given]
    return np.array(keys, np.uint64)
