"""``--backend``: where work is done, as it is typed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec

from ganttlet.core.errors import InputError, MissingExtraError

EXPECTED = "expected local, ray (this machine) or ray:HOST:PORT (the head of a running cluster)"


@dataclass(frozen=True)
class Backend:
    """Where work is done.

    Fields:
        engine: ``local``, processes of this machine, or ``ray``.
        address: HOST:PORT of a running Ray cluster's head; empty for Ray on this machine alone.
    """

    engine: str = "local"
    address: str = ""

    @property
    def ray(self) -> bool:
        """Whether Ray does the work."""
        return self.engine == "ray"

    def __str__(self) -> str:
        return f"{self.engine}:{self.address}" if self.address else self.engine


LOCAL = Backend()


def read_backend(text: str) -> Backend:
    """Return what ``text`` names: ``local``, ``ray`` or ``ray:HOST:PORT``.

    Raises:
        InputError: if it is none of them.
        MissingExtraError: if it is Ray, and Ray is not installed.
    """
    engine, _, address = text.partition(":")
    if engine not in ("local", "ray") or (text != engine and not (engine == "ray" and _is_address(address))):
        raise InputError(f"--backend: got {text!r}; {EXPECTED}")
    if engine == "ray":
        need_ray()
    return Backend(engine, address)


def need_ray() -> None:
    """Raise MissingExtraError if Ray is not installed."""
    if find_spec("ray") is None:
        raise MissingExtraError("ray", "ray")


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of HOST:PORT, an IPv6 host without its brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _is_address(text: str) -> bool:
    found = re.fullmatch(r"([\w.-]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})", text)
    return found is not None and 0 < int(found[2]) < 1 << 16
