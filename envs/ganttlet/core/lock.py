"""A lock between processes that the system releases if its holder dies."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_threads = threading.RLock()
_depth: dict[Path, int] = {}


@contextmanager
def hold(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``, re-entrantly within a thread; without a writable file, hold nothing."""
    with _threads:
        handle = None
        if not _depth.get(path):
            try:
                handle = os.open(path, os.O_RDWR | os.O_CREAT)
                _lock(handle)
            except OSError:
                pass
        _depth[path] = _depth.get(path, 0) + 1
        try:
            yield
        finally:
            _depth[path] -= 1
            if handle is not None:
                os.close(handle)


def _lock(handle: int) -> None:
    """Wait for an exclusive lock on an open file; closing it, or the end of the process, releases it."""
    if sys.platform == "win32":
        import msvcrt

        while True:
            try:
                msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
                return
            except OSError:
                time.sleep(0.05)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX)
