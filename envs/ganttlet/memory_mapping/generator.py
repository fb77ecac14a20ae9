"""Seeded random programs: named distributions, drawn by kernels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, check_choice, check_keys
from ganttlet.core.mixing import name_of
from ganttlet.core.options import as_count
from ganttlet.core.rng import key_of
from ganttlet.memory_mapping.drawing import (
    ALIGN,
    CAPACITY,
    FIRST,
    INTENSITY,
    KIND,
    LARGEST_SIZE,
    N_PARAMS,
    PRESSURE,
    REUSE,
    SECOND,
    SIZE,
    SKIP,
    SPREAD,
    SYNC,
    THIRD,
    WEIGHT,
    B,
    Rows,
    T,
    U,
    choose_capacity,
    draw_groups,
    make_rows,
)
from ganttlet.memory_mapping.hardware import DEFAULT, PRESETS
from ganttlet.memory_mapping.held_out import draw_branching, draw_training, most_branching, most_training
from ganttlet.memory_mapping.hourglass import draw_hourglass, most_hourglass
from ganttlet.memory_mapping.instance import Array, Program
from ganttlet.memory_mapping.layered import draw_layered, most_layered
from ganttlet.memory_mapping.mixing import NAME, Mixture
from ganttlet.memory_mapping.recurrent import draw_recurrent, most_recurrent

GENERATORS: Mapping[str, str] = MappingProxyType(
    {
        "random": "chains of layers with skips, some weights used more than once",
        "recurrent": "gated cells unrolled over steps, the same weights at every step",
        "hourglass": "layers down and up again, which read what their opposites made",
        "training": "forward and backward pass of a chain of layers (held out: not for training on)",
        "branching": "blocks of parallel branches that are joined (held out: not for training on)",
        "toy": "a handful of instructions, few enough to try every mapping",
        NAME: "each program from one of several of these",
    }
)
HELD_OUT = ("training", "branching")
KINDS = tuple(name for name in GENERATORS if name != NAME)
_SHARED = {
    "pressure": [0.3, 3.0],
    "hardware": DEFAULT,
    "capacity": None,
    "size": 2 * 2**20,
    "weight_size": 2**20,
    "spread": 1.0,
    "intensity": [2.0, 2000.0],
    "sync": 0.0,
}
DEFAULTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "random": {"instructions": [20, 120], "skip": 0.3, "reuse": 0.2, **_SHARED},
        "recurrent": {
            "steps": [4, 24],
            "layers": [1, 3],
            **_SHARED,
            "size": 2**16,
            "weight_size": 8 * 2**20,
            "intensity": [4.0, 256.0],
        },
        "hourglass": {"layers": [4, 25], "skip": 0.9, "reuse": 0.5, **_SHARED},
        "training": {"layers": [5, 30], "skip": 0.2, **_SHARED},
        "branching": {"blocks": [3, 8], "branches": [2, 4], "depth": [1, 4], "skip": 0.5, **_SHARED},
        "toy": {
            "instructions": [2, 5],
            "skip": 0.5,
            "reuse": 0.5,
            **_SHARED,
            "size": 2**12,
            "weight_size": 2**12,
            "spread": 0.7,
        },
    }
)
COUNTS = {
    "random": ("instructions",),
    "recurrent": ("steps", "layers"),
    "hourglass": ("layers",),
    "training": ("layers",),
    "branching": ("blocks", "branches", "depth"),
    "toy": ("instructions",),
}
MOST_COUNT = 10**5
Draw = Callable[[Array, Any, Rows], None]
_DRAW: Mapping[str, tuple[Draw, Callable[[Array], tuple[int, int, int]]]] = {
    "random": (draw_layered, most_layered),
    "recurrent": (draw_recurrent, most_recurrent),
    "hourglass": (draw_hourglass, most_hourglass),
    "training": (draw_training, most_training),
    "branching": (draw_branching, most_branching),
    "toy": (draw_layered, most_layered),
}


class Generator:
    """A named distribution of programs; made by :func:`make_generator`.

    Attributes:
        name: one of GENERATORS.
        settings: the settings with every default filled in.
        params: (N_PARAMS,) float64 for the kernels.
        max_instructions, max_buffers, max_slots: the most that can be drawn.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.name = name_of(settings, GENERATORS)
        defaults = DEFAULTS[self.name]
        check_keys(f"generator {self.name!r}", settings, ("name", *defaults))
        chosen: dict[str, Any] = {**defaults, **settings}
        check_choice(self._key("hardware"), chosen["hardware"], PRESETS)
        self.hardware = PRESETS[chosen["hardware"]]
        self.params = self._read(chosen, given=settings)
        self.settings = {"name": self.name, **{key: chosen[key] for key in defaults}}
        self._draw_rows, most = _DRAW[self.name]
        self.max_instructions, self.max_buffers, self.max_slots = most(self.params)
        if self.max_slots > MOST_COUNT * 10:
            raise InputError(
                f"generator {self.name!r}: up to {self.max_slots} slots; expected at most {MOST_COUNT * 10}"
            )

    def _key(self, key: str) -> str:
        return f"generator {self.name!r}: key {key!r}"

    def _read(self, chosen: dict[str, Any], given: Mapping[str, Any]) -> Array:
        """Check the settings, write ranges back in plain form, and return the kernels' parameters."""
        params = np.zeros(N_PARAMS)
        for at, key in zip((FIRST, SECOND, THIRD), COUNTS[self.name], strict=False):
            low, high = self._pair(key, chosen[key], 1, MOST_COUNT, whole=True)
            params[at : at + 2] = low, high
            chosen[key] = [int(low), int(high)]
        for at, key, least, most in (
            (PRESSURE, "pressure", 1e-3, 1e3),
            (INTENSITY, "intensity", 1e-3, 1e6),
        ):
            if chosen[key] is not None or key != "pressure":
                params[at : at + 2] = self._pair(key, chosen[key], least, most)
                chosen[key] = params[at : at + 2].tolist()
        for at, key, least, most in (
            (SIZE, "size", 1.0, LARGEST_SIZE),
            (WEIGHT, "weight_size", 1.0, LARGEST_SIZE),
            (SPREAD, "spread", 0.0, 10.0),
            (SKIP, "skip", 0.0, 1.0),
            (REUSE, "reuse", 0.0, 1.0),
            (SYNC, "sync", 0.0, 1.0),
        ):
            if key in chosen:
                low, high = self._pair(key, chosen[key], least, most)
                if low != high:
                    raise InputError(f"{self._key(key)}: expected one number, got {chosen[key]!r}")
                params[at] = low
        if chosen["capacity"] is not None:
            if given.get("pressure") is not None:
                raise InputError(f"generator {self.name!r}: keys 'capacity' and 'pressure': give only one of them")
            params[CAPACITY] = as_count(self._key("capacity"), chosen["capacity"])
            chosen["pressure"] = None
        elif chosen["pressure"] is None:
            params[CAPACITY] = self.hardware.capacity
        params[ALIGN], params[KIND] = self.hardware.align, KINDS.index(self.name)
        params.flags.writeable = False
        return params

    def _pair(self, key: str, value: Any, least: float, most: float, whole: bool = False) -> tuple[float, float]:
        """Return a number or a pair [low, high] as (low, high), within ``least`` … ``most``."""
        pair = value if isinstance(value, list | tuple) else (value, value)
        kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
        right = len(pair) == 2 and all(isinstance(v, kinds) and not isinstance(v, bool) for v in pair)
        if not right or not all(math.isfinite(v) for v in pair) or not least <= pair[0] <= pair[1] <= most:
            what = "an integer" if whole else "a number"
            raise InputError(f"{self._key(key)}: expected {what} or [low, high] in {least:g} … {most:g}, got {value!r}")
        return float(pair[0]), float(pair[1])

    def sample(self, seed: int) -> Program:
        """Return the program of ``seed`` (any integer of 64 bits); the same in every process."""
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not -(2**63) <= seed < 2**64:
            raise InputError(f"generator {self.name!r}: seed {seed!r}; expected an integer of 64 bits")
        word: Any = np.uint64(int(seed) % 2**64)
        return self._draw(key_of(word, 0, 0), f"seed{seed}")

    def sample_key(self, key: int) -> Program:
        """Return the program that ``key`` (uint64, see ganttlet.core.rng.key_of) stands for."""
        return self._draw(key, f"key{int(key):016x}")

    def _draw(self, key: Any, suffix: str) -> Program:
        # Typed on purpose: Numba takes larger Python integers for int64.
        word: Any = np.uint64(key)
        rows = make_rows(self.max_instructions, self.max_buffers, self.max_slots)
        self._draw_rows(self.params, word, rows)
        hardware = {**asdict(self.hardware), "capacity": int(choose_capacity(self.params, word, rows))}
        n, b, u = (int(rows.used[at]) for at in (T, B, U))
        return Program(
            f"{self.name}-{n}x{b}x{u}-{suffix}",
            rows.matrix_flops[:n],
            rows.vector_flops[:n],
            rows.size[:b],
            rows.buffer_kind[:b],
            rows.defined[:b],
            rows.slot_time[:u],
            rows.slot_buffer[:u],
            rows.slot_role[:u],
            rows.slot_bytes[:u],
            **hardware,
            buffer_sync=draw_groups(self.params, word, rows) if self.params[SYNC] else None,
        )


def make_generator(settings: Mapping[str, Any]) -> Generator | Mixture:
    """Return the generator that ``settings`` describe.

    Args:
        settings: ``name`` (one of GENERATORS) and, each with a default in DEFAULTS:

            - how much is drawn, a number or [low, high]: ``instructions`` (random, toy), ``steps`` and ``layers``
              (recurrent), ``layers`` (hourglass, training), ``blocks``, ``branches`` and ``depth`` (branching);
            - ``skip``, ``reuse``: probabilities of an older operand and of a weight that was used before;
            - ``sync`` (0): probability that a buffer, outputs apart, is in a sync group, mostly of two;
            - ``size``, ``weight_size``, ``spread``: medians in bytes of results and of weights, which are log-normal,
              and the sigma of their logarithms;
            - ``intensity``: flops of a product per byte that it moves, [low, high], log-uniform;
            - ``hardware``: a preset's name; and its capacity: ``pressure``, the largest sum of sizes of buffers between
              their first and last use over the capacity, [low, high], log-uniform; or ``capacity`` in bytes; or, with
              ``pressure`` None, that of the preset;
            - of a ``mixture`` only ``parts``, a list of settings (random and recurrent), and ``weights``, how often
              each is drawn in proportion (equally often).

    Raises:
        InputError: naming the key.
    """
    return Mixture(settings, Generator) if name_of(settings, GENERATORS) == NAME else Generator(settings)
