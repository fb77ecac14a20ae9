"""Files of methods, brought along to nodes that do not have them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from ganttlet.core.errors import InputError
from ganttlet_agents.distributed.identity import digest_of
from ganttlet_agents.evaluation.methods import BoundMethod


def read_carried(methods: Iterable[BoundMethod]) -> dict[str, bytes]:
    """Return path -> content of the methods' files below the current directory, paths relative to it."""
    here = Path.cwd()
    found: dict[str, bytes] = {}
    for method in methods:
        for file in method.files:
            path = Path(os.path.abspath(file))
            if path.is_relative_to(here):
                found[path.relative_to(here).as_posix()] = path.read_bytes()
    return found


def unpack(folder: str, carried: Mapping[str, bytes]) -> None:
    """Make the current directory one that holds the carried files.

    Args:
        folder: the directory they come from; where this machine has it with all the files, it is taken as it is.
        carried: path -> content, from :func:`read_carried`.
    """
    if os.path.isdir(folder) and all(os.path.isfile(os.path.join(folder, path)) for path in carried):
        os.chdir(folder)
        return
    if not carried:
        return
    scratch = Path(tempfile.mkdtemp(prefix="ganttlet-"))
    for name, content in carried.items():
        path = scratch / PurePosixPath(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    os.chdir(scratch)


def file_facts(methods: Iterable[BoundMethod]) -> dict[str, str]:
    """Return what must agree of the methods' files: name of a fact -> hash of the content."""
    facts = {}
    for method in methods:
        for file in method.files:
            try:
                content = Path(file).read_bytes()
            except OSError as error:
                raise InputError(f"method {method.label}: {file}: cannot be read: {error.strerror or error}") from None
            facts[f"file {os.path.basename(file)} of {method.label}"] = digest_of(content)
    return facts
