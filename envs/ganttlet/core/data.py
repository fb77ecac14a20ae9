"""Where outside data lies: the folder named by GANTTLET_DATA. This is the only place that reads it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

DEFAULT = Path("..") / "shared" / "data"


def data_root() -> Path:
    """Return the folder of outside data: ``$GANTTLET_DATA``, else ``../shared/data`` beside the checkout."""
    named = os.environ.get("GANTTLET_DATA")
    if named:
        return Path(named)
    checkout = Path(__file__).resolve().parents[3]
    return checkout / DEFAULT if (checkout / "pyproject.toml").is_file() else DEFAULT


def data_path(*parts: str) -> Path:
    """Return ``data_root()`` joined with ``parts``; the path may not exist."""
    return data_root().joinpath(*parts)


def data_set_digest(folder: str | Path, pattern: str = "*.txt") -> str:
    """Return the SHA-256 of a set of files: over each one's name, a NUL, its own SHA-256 in hex, a newline.

    Files are those directly in ``folder`` that match ``pattern``, in order of their names.
    """
    state = hashlib.sha256()
    for path in sorted(Path(folder).glob(pattern), key=lambda file: file.name):
        state.update(f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return state.hexdigest()
