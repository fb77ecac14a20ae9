"""The scripts of benchmarks/ as modules, for tests of what they compute."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@contextmanager
def benchmark_modules(monkeypatch: pytest.MonkeyPatch, names: Sequence[str]) -> Iterator[SimpleNamespace]:
    """Import scripts afresh, and forget them afterwards: tests/ has modules of the same names."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    for name in names:
        sys.modules.pop(name, None)
