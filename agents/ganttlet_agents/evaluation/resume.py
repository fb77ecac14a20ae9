"""Going on with a run that was interrupted: the rows to keep, if the settings are the same."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ganttlet.core.errors import InputError
from ganttlet_agents.evaluation.locking import LOCK
from ganttlet_agents.evaluation.results import (
    INSTANCES,
    LEFT_OVER,
    META,
    ROWS,
    SOLUTIONS,
    Results,
    load_results,
    writing,
)

SHOWN = 60


def load_begun(folder: Path, settings: Mapping[str, Any], config_hash: str, keys: Mapping[str, int]) -> Results | None:
    """Return what a folder holds of a run with these settings, and make it fit to be appended to; None if nothing.

    Half a last row and half-written files, which a killed run leaves, are removed.

    Args:
        folder: the result folder.
        settings, config_hash: of the run that is to go on.
        keys: key of every row of the run.

    Raises:
        InputError: naming what differs, if the folder is of a run with other settings; for damaged files.
    """
    if not (folder / META).is_file():
        return None
    found = load_results(folder)
    if found.meta["config_hash"] != config_hash:
        raise InputError(
            f"{folder}: was begun with other settings, so it is not continued: "
            + _differences(found.meta.get("settings"), settings)
        )
    seen = set()
    for number, row in enumerate(found.rows, 1):
        if row.key not in keys or row.key in seen:
            what = "is there twice" if row.key in seen else "is of no row of this run"
            raise InputError(f"{folder / ROWS}, line {number}: key {row.key} {what}")
        seen.add(row.key)
    _mend(folder)
    return found


def _mend(folder: Path) -> None:
    with writing(folder / ROWS) as path:
        if path.exists():
            data = path.read_bytes()
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                os.truncate(path, whole)
    for part in (folder, folder / INSTANCES, folder / SOLUTIONS):
        for path in part.glob(".*"):
            if LEFT_OVER.fullmatch(path.name) and path.name != LOCK:
                with suppress(OSError):
                    path.unlink()


def _differences(there: Any, here: Mapping[str, Any]) -> str:
    """Return which settings differ, and how, in one line."""
    if not isinstance(there, dict):
        return "it does not say which"
    now = json.loads(json.dumps(here))
    lines = []
    for key in dict.fromkeys([*there, *now]):
        old, new = there.get(key), now.get(key)
        if old == new:
            continue
        if isinstance(old, list) and isinstance(new, list):
            # Of long lists only what the other lacks says anything.
            gone, added = ([entry for entry in one if entry not in other] for one, other in ((old, new), (new, old)))
            if not gone and not added:
                lines.append(f"{key} in another order")
                continue
            old, new = gone, added
        lines.append(f"{key} {_short(old)} there, {_short(new)} here")
    return "; ".join(lines) or "it does not say which"


def _short(value: Any) -> str:
    if isinstance(value, list):
        value = ", ".join(_short(entry) for entry in value) or "no other"
    text = "none" if value is None else str(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
