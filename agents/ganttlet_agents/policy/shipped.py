"""Where checkpoints lie: those that come with the package, and those under a path; needs no PyTorch."""

from __future__ import annotations

import os.path
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from ganttlet.core.errors import InputError

WEIGHTS, CARD = "policy.safetensors", "policy.json"
# Where a run folder keeps its checkpoints; the best by validation comes first.
WITHIN = ("", "best", "checkpoints/best", "checkpoints/last")


def shipped_root() -> Traversable:
    """Return the folder of the policies that come with the package."""
    return files("ganttlet_agents") / "shipped"


def shipped_names() -> list[str]:
    """Return the names of the policies that come with the package."""
    root = shipped_root()
    if not root.is_dir():
        return []
    return sorted(entry.name for entry in root.iterdir() if (entry / WEIGHTS).is_file())


def find_checkpoint(path_or_name: str | Path) -> Path:
    """Return the weights' file that a name or path means; a file system path wins over a shipped name.

    Raises:
        InputError: if there is none.
    """
    path = Path(path_or_name)
    # os.path.isfile, because Path.is_file raises for a path that is too long or may not be looked at.
    if path.suffix == ".safetensors" and os.path.isfile(path):
        return path
    for within in WITHIN:
        candidate = path / within / WEIGHTS
        if os.path.isfile(candidate):
            return candidate
    if str(path_or_name) in shipped_names():
        return Path(str(shipped_root() / str(path_or_name) / WEIGHTS))
    known = ", ".join(shipped_names()) or "(none)"
    raise InputError(
        f"policy {os.fspath(path_or_name)!r}: no checkpoint there; expected a shipped policy ({known}), a run folder, "
        f"or a folder with {WEIGHTS}"
    )
