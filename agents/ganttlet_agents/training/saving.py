"""Resume states on disk: safetensors, npz and JSON in one folder that appears whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file

from ganttlet.core.errors import InputError
from ganttlet_agents.training.learner import State

FORMAT = 1
TENSORS, ARRAYS, NUMBERS = "state.safetensors", "state.npz", "state.json"
PREFIX = "state-"


def save_state(root: Path, step: int, state: State, book: dict[str, Any]) -> Path:
    """Write ``root/state-<step>`` and remove older ones; ``book`` is the loop's own JSON data.

    The folder is filled under another name and renamed when it is complete and on disk. One that is there already is
    not replaced but followed by ``state-<step>.<number>``, so that at no moment there is none.
    """
    final = _next(root, step)
    partial = root / f".partial-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    save_file({name: value.contiguous() for name, value in state.tensors.items()}, partial / TENSORS)
    np.savez(partial / ARRAYS, **state.arrays)  # type: ignore[arg-type]
    text = json.dumps({"format": FORMAT, "numbers": state.numbers, "book": book})
    (partial / NUMBERS).write_text(text, encoding="utf-8")
    for path in partial.iterdir():
        with open(path, "rb+") as file:
            os.fsync(file.fileno())
    os.replace(partial, final)
    for old in _saved(root):
        if old != final:
            shutil.rmtree(old, ignore_errors=True)
    for left in root.glob(".partial-*"):
        shutil.rmtree(left, ignore_errors=True)
    return final


def has_state(root: Path) -> bool:
    """Return whether there is a state under ``root``, sound or not."""
    return bool(_saved(root))


def load_state(root: Path) -> tuple[State, dict[str, Any]]:
    """Return the newest saved state under ``root`` and the loop's book; raises InputError naming the file."""
    saved = _saved(root)
    if not saved:
        raise InputError(
            f"{root}: no saved state ({PREFIX}…); expected the folder of a run that --resume can go on with"
        )
    folder = saved[-1]
    try:
        data = json.loads((folder / NUMBERS).read_text(encoding="utf-8"))
        tensors = load_file(folder / TENSORS)
        with np.load(folder / ARRAYS, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except Exception as error:  # a damaged archive fails in zipfile and zlib in many ways
        raise InputError(f"{folder}: damaged: {error}") from None
    found = data.get("format") if isinstance(data, dict) else None
    if found != FORMAT:
        raise InputError(f"{folder / NUMBERS}: field 'format' is {found!r}, expected {FORMAT}")
    for name in ("numbers", "book"):
        if not isinstance(data.get(name), dict):
            raise InputError(f"{folder / NUMBERS}: damaged: field {name!r} is missing")
    return State(tensors, arrays, data["numbers"]), data["book"]


def _next(root: Path, step: int) -> Path:
    """Return the name of a new state of ``step``, which sorts behind those of the same step."""
    name = f"{PREFIX}{step:012d}"
    same = [path.name for path in _saved(root) if path.name.startswith(name)]
    if not same:
        return root / name
    return root / f"{name}.{int(same[-1].removeprefix(name).lstrip('.') or 0) + 1:04d}"


def _saved(root: Path) -> list[Path]:
    return sorted(path for path in root.glob(f"{PREFIX}*") if path.is_dir())
