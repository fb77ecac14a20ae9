"""The one decorator for kernels: ``numba.njit`` with a cache that cannot go stale.

Numba looks only at the file a function stands in; an edit in a helper of another file would silently give old results.
Here the cache folder is keyed by a hash of every source file of the function's package and of ganttlet itself.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba

from ganttlet.core.lock import hold

F = TypeVar("F", bound=Callable[..., Any])
KEEP_DAYS = 14.0
_settings: Any = numba.config


def _cache_root() -> Path:
    """Return the folder that holds one cache per source hash (``$GANTTLET_CACHE`` overrides it)."""
    named = os.environ.get("GANTTLET_CACHE")
    if named:
        return Path(named)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "ganttlet" / "kernels"


@cache
def _hash_folder(folder: Path) -> str:
    state = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        state.update(str(path.relative_to(folder)).encode())
        state.update(path.read_bytes())
    return state.hexdigest()


def _package_folder(file: str, module: str) -> Path | None:
    """Return the folder of the top-level package that holds ``module``, or None for a lone script."""
    depth = module.count(".")
    path = Path(file).resolve()
    if not path.is_file():
        return None
    if path.name == "__init__.py":
        depth += 1
    return path.parents[depth - 1] if depth else None


@cache
def cache_folder(file: str, module: str) -> Path | None:
    """Return the cache folder for kernels of ``module``, or None if its sources cannot be read."""
    own = _package_folder(__file__, __name__)
    package = _package_folder(file, module)
    if own is None or not Path(file).is_file():
        return None
    parts = [_hash_folder(own)]
    if package is None:
        parts.append(hashlib.sha256(Path(file).read_bytes()).hexdigest())
    elif package != own:
        parts.append(_hash_folder(package))
    folder = _cache_root() / hashlib.sha256("".join(parts).encode()).hexdigest()[:20]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        _drop_old(folder.parent)
    except OSError:
        return None
    return folder


def _drop_old(root: Path) -> None:
    """Remove caches that no process has opened for KEEP_DAYS days, and nothing else that may lie in ``root``."""
    limit = time.time() - KEEP_DAYS * 86400.0
    for folder in root.iterdir():
        with suppress(FileNotFoundError):  # another process may be at the same work
            if re.fullmatch("[0-9a-f]{20}", folder.name) and folder.stat().st_mtime < limit:
                shutil.rmtree(folder, ignore_errors=True)


def jit(function: F) -> F:
    """Compile ``function`` in nopython mode, without the GIL, cached under a hash of the package's sources."""
    return _compile(function, {})


def jit_lean(function: F) -> F:
    """Compile like :func:`jit` a function that makes no arrays, without counting references to those it is given.

    The counts are atomic operations: in short functions of many arrays that call one another they take most of the
    time. Numba refuses to compile such a function if it makes an array.
    """
    return _compile(function, {"_nrt": False})


def _compile(function: F, extra: dict[str, Any]) -> F:
    folder = cache_folder(function.__code__.co_filename, function.__module__)
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "cache": folder is not None, **extra}
    before = _settings.CACHE_DIR
    _settings.CACHE_DIR = str(folder) if folder else before
    try:
        compiled: F = numba.njit(**options)(function)
    finally:
        _settings.CACHE_DIR = before
    if folder is not None and not _settings.DISABLE_JIT:
        _compile_alone(compiled, folder / "lock")
    return compiled


def _compile_alone(dispatcher: Any, lock: Path) -> None:
    """Let one process at a time load, compile and save: Numba's index of a shared folder does not expect two."""
    inner = dispatcher.compile

    def compile_locked(signature: Any) -> Any:
        with hold(lock):
            return inner(signature)

    dispatcher.compile = compile_locked
