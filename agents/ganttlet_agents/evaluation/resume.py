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
from ganttlet_agents.evaluation.results import INSTANCES, LEFT_OVER, META, ROWS, SOLUTIONS, load_meta, writing

SHOWN = 60


def load_begun(folder: Path, settings: Mapping[str, Any], config_hash: str) -> dict[str, Any] | None:
    """Return meta.json of a folder that holds something of a run with these settings; None if it holds nothing.

    Args:
        folder: the result folder.
        settings, config_hash: of the run that is to go on.

    Raises:
        InputError: naming what differs, if the folder is of a run with other settings; for a damaged file.
    """
    if not (folder / META).is_file():
        return None
    meta = load_meta(folder)
    if meta["config_hash"] != config_hash:
        raise InputError(
            f"{folder}: was begun with other settings, so it is not continued: "
            + _differences(meta.get("settings"), settings)
        )
    return meta


def mend(folder: Path, end: int) -> None:
    """Make a folder fit to be appended to: remove half-written files, and of rows.jsonl what lies behind ``end``."""
    with writing(folder / ROWS) as path:
        if path.exists() and path.stat().st_size > end:
            os.truncate(path, end)
    for part in (folder, folder / INSTANCES, folder / SOLUTIONS):
        # A folder of a million solutions is not listed for one name at a time.
        with suppress(OSError), os.scandir(part) as entries:
            left = [entry.path for entry in entries if LEFT_OVER.fullmatch(entry.name) and entry.name != LOCK]
            for name in left:
                with suppress(OSError):
                    os.unlink(name)


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
