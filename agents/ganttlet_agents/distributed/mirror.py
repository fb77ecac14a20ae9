"""A run folder on one machine kept like a scratch folder on another, by sending what changed; no shared files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ganttlet.core.record import write_atomic
from ganttlet_agents.training.folder import CHECKPOINTS
from ganttlet_agents.training.saving import PREFIX

Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Changes:
    """What a folder has that it did not have before.

    Fields:
        files: path below the folder, with ``/`` -> content, of files that are new or other.
        gone: such paths of files that are there no longer.
    """

    files: Mapping[str, bytes]
    gone: tuple[str, ...] = ()

    @property
    def states(self) -> bool:
        """Whether a state to resume from is among them."""
        return any(_state_of(path) is not None for path in self.files)


class Watched:
    """A folder whose changes since it was last asked can be told; hidden files are unfinished ones and not told."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._known = _stamps(root)

    def changes(self) -> Changes:
        """Return what changed since the last call, or since the beginning."""
        now = _stamps(self.root)
        files = {path: (self.root / path).read_bytes() for path, stamp in now.items() if self._known.get(path) != stamp}
        gone = tuple(path for path in self._known if path not in now)
        self._known = now
        return Changes(files, gone)


def read_folder(root: Path) -> Changes:
    """Return the whole of a folder as changes of an empty one."""
    return Changes({path: (root / path).read_bytes() for path in _stamps(root)})


def write_changes(root: Path, changes: Changes) -> None:
    """Make a folder like the one that the changes are of.

    At every moment it can be resumed from: logs and checkpoints come before the state that knows of them, a state
    appears whole under its name, and an older one goes after that.
    """
    states: dict[str, dict[str, bytes]] = {}
    for path, content in changes.files.items():
        state = _state_of(path)
        if state is None:
            write_atomic(root / path, content)
        else:
            states.setdefault(state, {})[Path(path).name] = content
    for name, contents in sorted(states.items()):
        partial = root / CHECKPOINTS / f".partial-{os.getpid()}"
        shutil.rmtree(partial, ignore_errors=True)
        for file, content in contents.items():
            write_atomic(partial / file, content)
        os.replace(partial, root / CHECKPOINTS / name)
    for path in changes.gone:
        (root / path).unlink(missing_ok=True)
        if _state_of(path) is not None:
            shutil.rmtree((root / path).parent, ignore_errors=True)


def _state_of(path: str) -> str | None:
    """Return the name of the state that a file belongs to."""
    parts = path.split("/")
    return parts[1] if len(parts) == 3 and parts[0] == CHECKPOINTS and parts[1].startswith(PREFIX) else None


def _stamps(root: Path) -> dict[str, Stamp]:
    """Return path -> what changes whenever the file does."""
    found = {}
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if path.is_file() and not any(part.startswith(".") for part in inside.parts):
            status = path.stat()
            found[inside.as_posix()] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found
