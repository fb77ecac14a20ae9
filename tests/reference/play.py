"""What the tests of all families share: making environments of a FamilyCase, random play, exact comparison."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import ganttlet  # noqa: F401  (registers the ids)
from families import CASES, FamilyCase

VARIANTS = [pytest.param(case, name, id=f"{case.label}-{name}") for case in CASES for name in case.variants]
SEEDED = [pytest.param(case, name, id=f"{case.label}-{name}") for case in CASES for name in case.seeded]
FAMILIES = [pytest.param(case, id=case.label) for case in CASES]
INDEXED = [pytest.param(case, id=case.label) for case in CASES if case.indexed]
MODES = ("NextStep", "SameStep", "Disabled")


def single(case: FamilyCase, name: str, **options: Any) -> Any:
    """Return one environment of a variant, Gymnasium's passive checker around it."""
    return gym.make(case.env_id, **{**case.variants[name], **options})


def batch(case: FamilyCase, name: str, rows: int, mode: str = "Disabled", **options: Any) -> Any:
    """Return a native batch of a variant."""
    return gym.make_vec(case.env_id, rows, **{**case.variants[name], "autoreset_mode": mode, **options})


def legal_action(mask: np.ndarray, rng: np.random.Generator) -> int:
    """Return a random legal action."""
    return int(rng.choice(np.flatnonzero(mask)))


def legal_actions(masks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random legal action for every row."""
    return np.array([legal_action(mask, rng) for mask in masks])


def any_actions(masks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return for every row a legal action, or one time in five any action, the ones around the space included."""
    rows, n = masks.shape
    wild = rng.integers(-2, n + 2, rows)
    return np.where(rng.random(rows) < 0.2, wild, legal_actions(masks, rng))


def differences(a: Any, b: Any, where: str = "") -> list[str]:
    """Say where two nested structures of dicts, tuples and arrays differ in keys, type, dtype, shape or any value."""
    if isinstance(a, tuple) and isinstance(b, tuple) and len(a) == len(b):
        return [found for i, pair in enumerate(zip(a, b, strict=True)) for found in differences(*pair, f"{where}({i})")]
    if isinstance(a, dict) or isinstance(b, dict):
        if not (isinstance(a, dict) and isinstance(b, dict)) or set(a) != set(b):
            keys = [sorted(part) if isinstance(part, dict) else part for part in (a, b)]
            return [f"{where}: {keys[0]!r} / {keys[1]!r}"]
        return [found for key in sorted(a) for found in differences(a[key], b[key], f"{where}/{key}")]
    if isinstance(a, np.ndarray) and a.dtype == object:
        if not isinstance(b, np.ndarray) or b.dtype != object or a.shape != b.shape:
            return [f"{where}: {a!r} / {b!r}"]
        return [found for i in range(len(a)) for found in differences(a[i], b[i], f"{where}[{i}]")]
    if isinstance(a, np.ndarray):
        same = isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    else:
        same = type(a) is type(b) and a == b
    return [] if same else [f"{where}: {a!r} / {b!r}"]


def assert_same(a: Any, b: Any) -> None:
    """Fail with a list of the places where ``a`` and ``b`` differ."""
    assert differences(a, b) == []


def row_of(info: Any, row: int) -> Any:
    """Return one row of nested batched arrays, Gymnasium's ``_key`` masks left out, as a single environment has it."""
    if isinstance(info, dict):
        return {key: row_of(value, row) for key, value in info.items() if not key.startswith("_")}
    part = info[row]
    return part if isinstance(part, np.ndarray) else part.item()


def arrays_in(data: Any) -> list[np.ndarray]:
    """Return every array in a nested structure."""
    if isinstance(data, dict):
        data = list(data.values())
    if isinstance(data, np.ndarray) and data.dtype != object:
        return [data]
    if isinstance(data, list | tuple | np.ndarray):
        return [array for part in data for array in arrays_in(part)]
    return []
