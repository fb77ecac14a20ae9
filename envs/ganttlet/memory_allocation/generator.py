"""Seeded random allocation problems: named distributions, drawn by kernels that also serve Python."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, check_choice, check_keys
from ganttlet.core.options import as_number
from ganttlet.core.rng import key_of
from ganttlet.memory_allocation.drawing import (
    ALIGNMENT,
    COUNT,
    CUT,
    FACTOR,
    FIX,
    HORIZON,
    KIND,
    LARGEST,
    N_PARAMS,
    PINWHEEL,
    PROGRAM,
    SAVED,
    SCRATCH,
    SKIP,
    TRIM,
    UNIFORM,
    UNIT,
    UNITS,
    draw_row,
)
from ganttlet.memory_allocation.instance import EXACT, AllocationInstance, Array
from ganttlet.memory_allocation.layout import ALIGN, FIXED, LOWER, N_FACTS, SIZE, UPPER
from ganttlet.memory_allocation.solution import Allocation

GENERATORS: Mapping[str, str] = MappingProxyType(
    {
        "cut": "a full rectangle cut into buffers: a packing without a gap is known, and its height is the load",
        "trimmed": "as cut, then some buffers live shorter or are smaller: a packing within the capacity is known",
        "program": "buffers of a program: chains, scratch, skips, and what a backward pass needs of the forward pass",
        "uniform": "unrelated buffers with log-uniform sizes and lifetimes",
    }
)
_CUT: Mapping[str, Any] = {
    "buffers": [20, 40],
    "horizon": 64,
    "units": 128,
    "unit": 1024,
    "alignment": 1,
    "pinwheel": 0.3,
    "trim": 0.0,
    "fixed": 0.0,
}
_DRAWN: Mapping[str, Any] = {"buffers": [20, 40], "horizon": 64, "unit": 1024, "alignment": 1, "largest": 64}
DEFAULTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "cut": _CUT,
        "trimmed": {**_CUT, "trim": 0.3},
        "program": {**_DRAWN, "capacity": [1.0, 1.1], "scratch": 0.15, "skip": 0.15, "saved": 0.3},
        "uniform": {**_DRAWN, "capacity": [1.0, 1.1]},
    }
)
KINDS = {"cut": CUT, "trimmed": CUT, "program": PROGRAM, "uniform": UNIFORM}
MOST = 2**31  # of sizes: products of two stay integers of 64 bits
MOST_COUNT = 10**6  # of buffers and times: arrays are made that long
_SLOTS = {"horizon": HORIZON, "units": UNITS, "unit": UNIT, "largest": LARGEST, "alignment": ALIGNMENT}
_SHARES = {
    "pinwheel": PINWHEEL,
    "trim": TRIM,
    "fixed": FIX,
    "scratch": SCRATCH,
    "skip": SKIP,
    "saved": SAVED,
}


class Generator:
    """A named distribution of instances; made by :func:`make_generator`.

    Attributes:
        settings: the settings with every default filled in.
        params: (N_PARAMS,) float64 for :func:`ganttlet.memory_allocation.drawing.draw_row`.
        max_buffers, max_sections: of the largest instance that can be drawn.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        if not isinstance(settings, Mapping):
            raise InputError(f"generator: expected a mapping with the key 'name', got {settings!r}")
        if "name" not in settings:
            raise InputError(f"generator: key 'name' is missing; expected one of {', '.join(GENERATORS)}")
        check_choice("generator: key 'name'", settings["name"], GENERATORS)
        self.name: str = settings["name"]
        check_keys(f"generator {self.name!r}", settings, ("name", *DEFAULTS[self.name]))
        given = {key: value for key, value in settings.items() if value is not None}
        self.settings: dict[str, Any] = {"name": self.name, **DEFAULTS[self.name], **given}
        self.params = np.zeros(N_PARAMS)
        self.params[KIND] = KINDS[self.name]
        self._fill()
        self.params.flags.writeable = False

    def _fill(self) -> None:
        own, params = self.settings, self.params
        low, high = self._range("buffers", MOST_COUNT)
        params[COUNT : COUNT + 2] = low, high
        for key, slot in _SLOTS.items():
            if key in own:
                params[slot] = self._integer(key, MOST_COUNT if key == "horizon" else MOST)
        for key, slot in _SHARES.items():
            if key in own:
                params[slot] = as_number(f"generator {self.name!r}: key {key!r}", own[key], 0.0, 1.0)
        horizon, unit, largest = int(params[HORIZON]), int(params[UNIT]), int(params[UNITS] or params[LARGEST])
        if "units" in own:
            if horizon * largest < high:
                raise InputError(
                    f"generator {self.name!r}: key 'buffers': {high} pieces of a rectangle of {horizon} x {largest}; "
                    "use a larger 'horizon' or more 'units'"
                )
            if unit % int(params[ALIGNMENT]):
                raise InputError(
                    f"generator {self.name!r}: key 'alignment': {own['alignment']} does not divide 'unit' {unit}"
                )
        else:
            pair = own["capacity"] if isinstance(own["capacity"], list | tuple) else [own["capacity"]] * 2
            if len(pair) != 2:
                raise InputError(
                    f"generator {self.name!r}: key 'capacity': expected a number or [low, high], got {pair!r}"
                )
            what = f"generator {self.name!r}: key 'capacity'"
            params[FACTOR : FACTOR + 2] = [as_number(what, one, 1.0, 1000.0) for one in pair]
            if params[FACTOR] > params[FACTOR + 1]:
                raise InputError(f"{what}: expected [low, high], got {pair!r}")
        if self.name == "program" and params[[SCRATCH, SKIP, SAVED]].sum() > 1.0 + 1e-9:
            raise InputError("generator 'program': keys 'scratch', 'skip' and 'saved' must add up to at most 1")
        if high * (largest * unit + int(params[ALIGNMENT])) * max(1.0, params[FACTOR + 1]) > EXACT:
            raise InputError(f"generator {self.name!r}: key 'unit': sizes may add up to more than 2**53")
        self.max_buffers = high
        self.max_sections = min(2 * high - 1, horizon)

    def _integer(self, key: str, most: int) -> int:
        low, high = self._range(key, most)
        if low != high:
            raise InputError(f"generator {self.name!r}: key {key!r}: expected one integer")
        return low

    def _range(self, key: str, most: int) -> tuple[int, int]:
        value = self.settings[key]
        pair = value if isinstance(value, list | tuple) else (value, value)
        whole = all(isinstance(v, int | np.integer) and not isinstance(v, bool) for v in pair)
        if len(pair) != 2 or not whole or not 1 <= pair[0] <= pair[1] <= most:
            raise InputError(
                f"generator {self.name!r}: key {key!r}: expected an integer or [low, high] of 1 … {most}, got {value!r}"
            )
        return int(pair[0]), int(pair[1])

    def sample(self, seed: int) -> AllocationInstance:
        """Return the instance of ``seed`` (any integer of 64 bits); the same in every process."""
        return self._draw(self._key(seed), f"seed{seed}")[0]

    def sample_packed(self, seed: int) -> tuple[AllocationInstance, Allocation | None]:
        """Return the instance of ``seed`` and a packing of it within its capacity, where one is known."""
        instance, place = self._draw(self._key(seed), f"seed{seed}")
        return instance, Allocation(place, instance.digest) if self.params[KIND] == CUT else None

    def _key(self, seed: int) -> Any:
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not -(2**63) <= seed < 2**64:
            raise InputError(f"generator {self.name!r}: seed {seed!r}; expected an integer of 64 bits")
        word: Any = np.uint64(int(seed) % 2**64)
        return key_of(word, 0, 0)

    def _draw(self, key: Any, suffix: str) -> tuple[AllocationInstance, Array]:
        facts = np.zeros((N_FACTS, self.max_buffers), np.int64)
        place = np.zeros(self.max_buffers, np.int64)
        # Typed on purpose, as Numba takes larger Python integers for int64.
        n, capacity = draw_row(self.params, np.uint64(key), facts, place)
        rows = (facts[LOWER, :n], facts[UPPER, :n], facts[SIZE, :n])
        name = f"{self.name}-{n}-{suffix}"
        return AllocationInstance(name, *rows, int(capacity), facts[ALIGN, :n], facts[FIXED, :n]), place[:n]


def make_generator(settings: Mapping[str, Any]) -> Generator:
    """Return the generator that ``settings`` describe.

    Args:
        settings: ``name`` (one of GENERATORS), ``buffers`` (a number or [low, high], drawn per instance), ``horizon``
            (times 0 … horizon), ``unit`` (bytes, of which sizes are multiples unless trimmed) and ``alignment`` (of
            all buffers). ``cut`` and ``trimmed`` take ``units`` (capacity in units), ``pinwheel`` (probability of a
            cut into five), ``trim`` (probability that a buffer is made shorter or smaller) and ``fixed`` (share of
            buffers that are fixed at their place in the known packing; their alignment must divide ``unit``).
            ``program`` and ``uniform`` take ``largest`` (size in units; sizes are log-uniform) and ``capacity`` (as a
            factor of the load, a number or [low, high]), ``program`` also ``scratch``, ``skip`` and ``saved``, the
            shares of buffers of one step, of those read much later, and of those kept for the mirrored step.

    Raises:
        InputError: naming the key.
    """
    return Generator(settings)
