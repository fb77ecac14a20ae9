"""One run at a time in a result folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ganttlet.core.errors import InputError

LOCK = ".running"


@contextmanager
def sole_run(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; the system lets them in again if this process dies.

    Raises:
        InputError: if another run is writing to the folder.
    """
    path = folder / LOCK
    handle = _held(path)
    try:
        yield
    finally:
        if handle is not None:
            # Windows removes no open file.
            with suppress(OSError):
                os.close(handle)
                path.unlink()


def _held(path: Path) -> int | None:
    """Return the locked file; None where the file system has no locks, and the user has to take care."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT)
    except OSError:
        return None
    try:
        _lock(handle)
    except OSError as error:
        os.close(handle)
        if isinstance(error, BlockingIOError):
            raise InputError(f"{path.parent}: another run is writing to it") from None
        return None
    return handle


def _lock(handle: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            raise BlockingIOError from None
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
