"""The machine a program runs on: sizes and speeds of its memories and its peak arithmetic rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, check_choice, check_keys
from ganttlet.core.options import as_count, as_number

MIB = 2**20
LARGEST = 2**50  # bytes; sums of sizes stay within int64


@dataclass(frozen=True)
class Hardware:
    """One fast memory beside one slow memory, and two arithmetic units.

    Fields:
        capacity: bytes of fast memory, at least 1.
        align: bytes; offsets and sizes in fast memory are multiples of it.
        matrix_peak, vector_peak: peak rates of the matrix and the vector unit in flop/s.
        slow_bandwidth, fast_bandwidth: bytes/s that slow and fast memory can move.

    Raises:
        InputError: naming the field and what was expected.
    """

    capacity: int
    align: int
    matrix_peak: float
    vector_peak: float
    slow_bandwidth: float
    fast_bandwidth: float

    def __post_init__(self) -> None:
        for field in ("capacity", "align"):
            size = as_count(f"field {field!r}", getattr(self, field))
            if size > LARGEST:
                raise InputError(f"field {field!r}: expected at most 2**50 bytes, got {size}")
            object.__setattr__(self, field, size)
        for field in ("matrix_peak", "vector_peak", "slow_bandwidth", "fast_bandwidth"):
            value = as_number(f"field {field!r}", getattr(self, field), 1.0, 1e30)
            object.__setattr__(self, field, value)


# Published: the matrix peak, the slow bandwidth and the capacity. The vector peak, the fast bandwidth (ten times the
# slow one) and the alignment are guesses, so every result states its hardware.
PRESETS: Mapping[str, Hardware] = MappingProxyType(
    {
        "tpu_v4i_like": Hardware(128 * MIB, 1024, 138e12, 4e12, 614e9, 6140e9),
        "tight": Hardware(32 * MIB, 1024, 138e12, 4e12, 614e9, 6140e9),
    }
)
DEFAULT = "tpu_v4i_like"
FIELDS = tuple(field.name for field in fields(Hardware))


def make_hardware(spec: Any = DEFAULT) -> Hardware:
    """Return the hardware that ``spec`` describes.

    Args:
        spec: a Hardware, the name of one of PRESETS, or a mapping with fields to change and ``hardware``, the name of
            the preset they change (default: tpu_v4i_like).

    Raises:
        InputError: naming the key and what was expected.
    """
    if isinstance(spec, Hardware):
        return spec
    if isinstance(spec, str):
        check_choice("hardware", spec, PRESETS)
        return PRESETS[spec]
    if isinstance(spec, Mapping):
        check_keys("hardware", spec, ("hardware", *FIELDS))
        changes = {key: value for key, value in spec.items() if key != "hardware"}
        return replace(make_hardware(spec.get("hardware", DEFAULT)), **changes)
    raise InputError(f"hardware: expected one of {', '.join(PRESETS)} or a mapping, got {spec!r}")


def aligned(size: Any, align: int) -> Any:
    """Return ``size`` (bytes, a number or an integer array) rounded up to a multiple of ``align``."""
    return -(-np.asarray(size, np.int64) // align) * align
