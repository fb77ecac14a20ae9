"""Files read whole, with errors that name them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ganttlet.core.errors import InputError


def read_bytes(path: Path) -> bytes:
    """Return a file's content; raises InputError naming it."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def load_json(content: bytes, source: str) -> Any:
    """Parse JSON; raises InputError naming ``source``."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source}: cannot be read as json: {error}") from None
