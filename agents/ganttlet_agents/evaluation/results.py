"""Result folders: rows.jsonl, meta.json, instances/ and solutions/; made, appended to and read here."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, overload

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.record import Instance, Solution, write_atomic
from ganttlet_agents.evaluation.locking import sole_run
from ganttlet_agents.evaluation.rows import Row
from ganttlet_agents.evaluation.shapes import check_shape

Array = np.ndarray[Any, Any]

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


class StoredRows(Sequence[Row]):
    """Rows of a result folder, each read from the file when it is asked for."""

    def __init__(self, folder: Path, offsets: Array) -> None:
        self.path, self.offsets = folder / ROWS, offsets

    def __len__(self) -> int:
        return len(self.offsets)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> StoredRows: ...
    def __getitem__(self, index: int | slice) -> Row | StoredRows:
        if isinstance(index, slice):
            return StoredRows(self.path.parent, self.offsets[index])
        return next(self._read(self.offsets[[index]]))

    def __iter__(self) -> Iterator[Row]:
        return self._read(self.offsets)

    def _read(self, offsets: Array) -> Iterator[Row]:
        with open(self.path, "rb") as file:
            for offset in offsets.tolist():
                file.seek(offset)
                yield Row.from_json(file.readline().decode(), f"{self.path}, byte {offset}")


class ResultFolder:
    """A result folder that is being written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows: BinaryIO | None = None
        self._synced = -float("inf")

    def write_meta(self, meta: dict[str, Any]) -> None:
        """Write meta.json, whole or not at all."""
        text = json.dumps({"schema": SCHEMA, **meta}, indent=1, ensure_ascii=False)
        with writing(self.folder / META) as path:
            write_atomic(path, text + "\n")

    def append(self, row: Row) -> int:
        """Add one row as one write, which outlives this process; a power cut may cost those of SYNC_EVERY seconds.

        Returns:
            The byte of the file at which the row begins.
        """
        with writing(self.folder / ROWS) as path:
            if self._rows is None:
                # Unbuffered, so that nothing waits in this process; the file stays open until :meth:`close`.
                self._rows = open(path, "ab", buffering=0)  # noqa: SIM115
            begin = self._rows.tell()
            line = memoryview(f"{row.to_json()}\n".encode())
            while line:
                line = line[self._rows.write(line) :]
            # To wait for the disk after each row would take longer than many a row.
            if time.monotonic() - self._synced >= SYNC_EVERY:
                self.sync()
                self._synced = time.monotonic()
            return begin

    def sync(self) -> None:
        """Wait until the rows are on the disk."""
        if self._rows is not None:
            with writing(self.folder / ROWS):
                os.fsync(self._rows.fileno())

    def close(self) -> None:
        """Let go of the file of rows."""
        if self._rows is not None:
            self._rows.close()
            self._rows = None

    def reorder(self, offsets: Array, marked: Array) -> Array:
        """Put the rows into another order and mark some ``reference_conflict``, all of it or nothing.

        Args:
            offsets: bytes of the file at which the rows begin, in the order wanted, shape (n,).
            marked: whether each of them is to be marked, shape (n,).

        Returns:
            Where the rows begin then, shape (n,).
        """
        found = np.empty_like(offsets)
        with writing(self.folder / ROWS) as path:
            temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
            try:
                with open(path, "rb") as old, open(temporary, "wb") as new:
                    for place, offset in enumerate(offsets.tolist()):
                        old.seek(offset)
                        line = old.readline()
                        if marked[place]:
                            row = Row.from_json(line.decode(), f"{path}, byte {offset}")
                            line = f"{replace(row, reference_conflict=True).to_json()}\n".encode()
                        found[place] = new.tell()
                        new.write(line)
                    new.flush()
                    os.fsync(new.fileno())
                os.replace(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        return found

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


def load_meta(folder: Path) -> dict[str, Any]:
    """Return what meta.json of a result folder says; raises InputError naming the file."""
    path = folder / META
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if not isinstance(meta, dict) or meta.get("schema") != SCHEMA:
        raise InputError(f"{path}: expected a mapping with schema {SCHEMA}")
    check_shape(str(path), meta, META_SHAPE)
    check_shape(str(path), meta.get("resumed", []), [{"command": str}])
    check_shape(f"{path}: key 'solutions'", meta.get("solutions", True), bool)
    return meta


def read_rows(folder: Path, meta: Mapping[str, Any]) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a result folder as they stand in the file, each with the byte at which its line ends.

    Args:
        folder: the result folder.
        meta: what its meta.json says.

    Raises:
        InputError: naming the file and line. A last line without an end, left by a killed run, is skipped.
    """
    path = folder / ROWS
    end = 0
    try:
        if not path.exists():
            return
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    return
                where = f"{path}, line {number}"
                row = Row.from_json(line.decode("utf-8"), where)
                check_choice(f"{where}: field 'objective'", row.objective, meta["objectives"])
                end += len(line)
                yield end, row
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None


def load_results(folder: Path) -> Results:
    """Read a result folder whole.

    Raises:
        InputError: as of :func:`load_meta` and :func:`read_rows`.
    """
    meta = load_meta(folder)
    return Results(folder, [row for _, row in read_rows(folder, meta)], meta)
