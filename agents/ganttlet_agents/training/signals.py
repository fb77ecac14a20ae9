"""SIGINT and SIGTERM, noted so that work can stop where it is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class Stoppable(Protocol):
    """What keeps the number of the signal that asked it to stop, None before."""

    stop_signal: int | None


@contextmanager
def noting_signals(holder: Stoppable) -> Iterator[None]:
    """Note SIGINT and SIGTERM instead of dying of them; a second SIGINT raises KeyboardInterrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, frame: Any) -> None:
        if holder.stop_signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        holder.stop_signal = number

    old = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
