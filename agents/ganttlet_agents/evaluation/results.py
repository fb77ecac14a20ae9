"""Result folders: rows.jsonl, meta.json, instances/ and solutions/; made, appended to and read here."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.record import Instance, Solution, write_atomic
from ganttlet_agents.evaluation.locking import sole_run
from ganttlet_agents.evaluation.rows import Row
from ganttlet_agents.evaluation.shapes import check_shape

SCHEMA = 1
ROWS, META, REPORT, INSTANCES, SOLUTIONS = "rows.jsonl", "meta.json", "report.html", "instances", "solutions"
RESULTS = Path("results")
SYNC_EVERY = 1.0
# The lock of a run, and what a process that was killed while it wrote a file has left.
LEFT_OVER = re.compile(r"\.running|\..+\.[0-9a-f]{12}")
# What is read of meta.json when a report is made.
META_SHAPE = {
    "state": str,
    "command": str,
    "started": str,
    "suite": {"name": str, "about": str, "reference": str},
    "methods": [{"label": str, "about": str, "options": {}, "deterministic": bool}],
    "objectives": {"*": {"unit": str, "description": str}},
    "references": {"*": {"*": {"instance": str, "value": float, "kind": str, "source": str, "bound": float | None}}},
    "versions": {"*": str},
    "commit": str | None,
    "device": str,
    "config_hash": str,
}


@dataclass(frozen=True)
class Results:
    """A result folder, read: where it lies, its rows in order, and what meta.json says of the run."""

    folder: Path
    rows: list[Row]
    meta: dict[str, Any]


class ResultFolder:
    """A result folder that is being written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._synced = -float("inf")

    def write_meta(self, meta: dict[str, Any]) -> None:
        """Write meta.json, whole or not at all."""
        text = json.dumps({"schema": SCHEMA, **meta}, indent=1, ensure_ascii=False)
        with writing(self.folder / META) as path:
            write_atomic(path, text + "\n")

    def append(self, row: Row) -> None:
        """Add one row as one write, which outlives this process; a power cut may cost those of SYNC_EVERY seconds."""
        with writing(self.folder / ROWS) as path, open(path, "ab") as file:
            file.write((row.to_json() + "\n").encode("utf-8"))
            file.flush()
            # To wait for the disk after each row would take longer than many a row.
            if time.monotonic() - self._synced >= SYNC_EVERY:
                os.fsync(file.fileno())
                self._synced = time.monotonic()

    def rewrite(self, rows: Iterable[Row]) -> None:
        """Replace all rows, whole or not at all."""
        with writing(self.folder / ROWS) as path:
            write_atomic(path, "".join(row.to_json() + "\n" for row in rows))

    def save_instance(self, instance: Instance) -> None:
        """Keep an instance under its digest."""
        with writing(instance_path(self.folder, instance.digest)) as path:
            if not path.exists():
                instance.save(path)

    def save_solution(self, key: str, solution: Solution) -> None:
        """Keep a solution under its row's key."""
        with writing(solution_path(self.folder, key)) as path:
            solution.save(path)


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Hand on ``path``; an OSError inside becomes an InputError that names it, not a temporary file beside it."""
    try:
        yield path
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None


def instance_path(folder: Path, digest: str) -> Path:
    """Return where the instance of that digest lies."""
    return folder / INSTANCES / f"{digest}.json"


def solution_path(folder: Path, key: str) -> Path:
    """Return where the solution of that row lies."""
    return folder / SOLUTIONS / f"{key}.json"


def new_folder(out: Path | None, name: str, overwrite: bool, *, resume: bool = False) -> ResultFolder:
    """Make the folder for a run: ``out``, or without it the next free ``results/<name>-<number>``.

    With ``resume`` results that are there already stay, for ``run(…, resume=True)`` to go on from.

    Raises:
        InputError: if ``out`` is not empty and neither ``overwrite`` nor ``resume`` is set, or what it holds are no
            results.
    """
    try:
        if out is None:
            return ResultFolder(_numbered(name))
        if resume and out.is_dir():
            _check_results(out, "continued")
        elif out.exists() and (not out.is_dir() or any(out.iterdir())):
            _clear(out, overwrite)
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out or RESULTS}: cannot be made: {error}") from None
    return ResultFolder(out)


def _clear(out: Path, overwrite: bool) -> None:
    if not overwrite:
        raise InputError(
            f"{out}: exists already; choose another folder, or pass --resume to go on with it, or --overwrite"
        )
    _check_results(out, "overwritten")
    with sole_run(out):
        # Only what a run writes is removed; whatever else the user keeps there stays.
        for name in (INSTANCES, SOLUTIONS):
            shutil.rmtree(out / name, ignore_errors=True)
        for name in (ROWS, REPORT, META):
            (out / name).unlink(missing_ok=True)


def _check_results(out: Path, what: str) -> None:
    """Refuse a folder that a run has not made; what a run has left that was killed at once is no obstacle."""
    if not (out / META).is_file() and any(not LEFT_OVER.fullmatch(path.name) for path in out.iterdir()):
        raise InputError(f"{out}: holds no results ({META} is missing), so it is not {what}")


def _numbered(name: str) -> Path:
    if not re.fullmatch(r"[\w.-]+", name):
        raise InputError(f"name {name!r}: expected letters, digits, '-', '_' and '.' only")
    RESULTS.mkdir(exist_ok=True)
    taken = [re.fullmatch(rf"{re.escape(name)}-(\d+)", entry.name) for entry in RESULTS.iterdir()]
    number = max((int(match[1]) for match in taken if match), default=0)
    while True:
        number += 1
        folder = RESULTS / f"{name}-{number}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder


def load_results(folder: Path) -> Results:
    """Read a result folder.

    Raises:
        InputError: naming the file and line. A last line without an end, left by a killed run, is skipped.
    """
    path = folder / META
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if not isinstance(meta, dict) or meta.get("schema") != SCHEMA:
        raise InputError(f"{path}: expected a mapping with schema {SCHEMA}")
    check_shape(str(path), meta, META_SHAPE)
    check_shape(str(path), meta.get("resumed", []), [{"command": str}])
    path = folder / ROWS
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    lines = text.split("\n")[:-1]
    rows = [Row.from_json(line, f"{path}, line {number}") for number, line in enumerate(lines, 1)]
    for number, row in enumerate(rows, 1):
        check_choice(f"{path}, line {number}: field 'objective'", row.objective, meta["objectives"])
    return Results(folder, rows, meta)
