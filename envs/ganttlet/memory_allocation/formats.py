"""CSV files of buffers, in the format of google/minimalloc: reader and writer.

One buffer a line, under a header with these columns in any order:

| column | also called | meaning |
|---|---|---|
| `id` | `buffer`, `buffer_id` | label of the buffer (optional) |
| `lower` | `begin`, `start` | start of the lifetime |
| `upper` | | end of the lifetime, not part of it |
| `end` | | last time of the lifetime, in place of `upper`: one less |
| `size` | | bytes, or any other unit |
| `alignment` | | of which the offset is a multiple; empty: 1 |
| `offset` | | fixed offset, or the place in a solution; empty or -1: none |
| `hint`, `gaps` | | must be empty (a hint may be -1): they are not supported |

The capacity stands in the file's name, `<name>.<capacity>.csv`; without one it is the greatest load.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.record import write_atomic
from ganttlet.memory_allocation.instance import FREE, AllocationInstance
from ganttlet.memory_allocation.solution import Allocation

SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        "id": "id",
        "buffer": "id",
        "buffer_id": "id",
        "lower": "lower",
        "begin": "lower",
        "start": "lower",
        "upper": "upper",
        "end": "upper",
        "size": "size",
        "alignment": "alignment",
        "offset": "offset",
        "hint": "hint",
        "gaps": "gaps",
    }
)
INCLUSIVE = "end"
OFFSETS = ("fixed", "solution")
INTEGER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
NAMED = re.compile(r"(?P<name>.+)\.(?P<capacity>[0-9]{1,18})", re.ASCII)


def read_csv(path: str | Path, *, capacity: int | None = None, offsets: str = "fixed") -> AllocationInstance:
    """Read an instance; it is named after the file, without the capacity.

    Args:
        path: the file.
        capacity: bytes of the memory, in place of the one in the file's name.
        offsets: what a column ``offset`` is: ``fixed``, places that are part of the problem, or ``solution``, places
            that some method found, which the instance does not have.

    Raises:
        InputError: naming the file and, where there is one, the line.
    """
    path = Path(path)
    check_choice("offsets", offsets, OFFSETS)
    named = NAMED.fullmatch(path.stem)
    if capacity is None and named:
        capacity = int(named["capacity"])
    return parse(_text(path), named["name"] if named else path.stem, str(path), capacity=capacity, offsets=offsets)


def parse(
    text: str, name: str, source: str = "text", *, capacity: int | None = None, offsets: str = "fixed"
) -> AllocationInstance:
    """Parse the text of a file; ``source`` names it in errors."""
    columns = _columns(text, source)
    fixed = columns.pop("offset", None)
    try:
        return AllocationInstance(
            name,
            columns["lower"],
            columns["upper"],
            columns["size"],
            capacity,
            columns.get("alignment"),
            fixed if offsets == "fixed" else None,
            columns.get("id"),
        )
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


def read_offsets(path: str | Path, instance: AllocationInstance) -> Allocation:
    """Read the allocation of ``instance`` from the column ``offset`` of a file of its buffers in the same order.

    Raises:
        InputError: naming the file, if it has no offsets or lists other buffers.
    """
    path = Path(path)
    columns = _columns(_text(path), str(path))
    if "offset" not in columns:
        raise InputError(f"{path}: column 'offset' is missing")
    for column in ("lower", "upper", "size"):
        if not np.array_equal(columns[column], getattr(instance, column)):
            raise InputError(f"{path}: column {column!r} differs from the buffers of instance {instance.name}")
    return Allocation(columns["offset"], instance.digest)


def format_csv(instance: AllocationInstance, allocation: Allocation | None = None) -> str:
    """Return the text of ``instance``, or of ``allocation`` of it with a column ``offset``.

    Raises:
        InputError: if the allocation is of another instance.
    """
    offset = instance.fixed
    if allocation is not None:
        if allocation.instance != instance.digest or allocation.offset.shape != instance.size.shape:
            raise InputError(f"allocation belongs to instance {allocation.instance}, not to {instance.name}")
        offset = allocation.offset
    ids = instance.buffer_name.tolist() or [str(k) for k in range(instance.n_buffers)]
    columns: dict[str, Sequence[Any]] = {
        "id": ids,
        "lower": instance.lower.tolist(),
        "upper": instance.upper.tolist(),
        "size": instance.size.tolist(),
    }
    if (instance.alignment != 1).any():
        columns["alignment"] = instance.alignment.tolist()
    if allocation is not None or (offset != FREE).any():
        columns["offset"] = ["" if one == FREE else one for one in offset.tolist()]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return buffer.getvalue()


def write_csv(instance: AllocationInstance, path: str | Path, allocation: Allocation | None = None) -> None:
    """Write ``instance``, or ``allocation`` of it, whole or not at all.

    Raises:
        InputError: if the file's name tells another capacity than the instance's, or none where one is needed.
    """
    path = Path(path)
    named = NAMED.fullmatch(path.stem)
    told = int(named["capacity"]) if named else instance.least_height
    if allocation is None and told != instance.capacity:
        raise InputError(
            f"{path}: the format keeps the capacity in the file's name; use {path.stem.split('.')[0]}."
            f"{instance.capacity}.csv"
        )
    write_atomic(path, format_csv(instance, allocation))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file (byte {error.start} cannot be decoded as UTF-8)") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _fail(source: str, line: int, message: str) -> NoReturn:
    raise InputError(f"{source}, line {line}: {message}")


def _columns(text: str, source: str) -> dict[str, Any]:
    """Return field -> values of all lines; ends are exclusive, offsets FREE where there is none."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        _fail(source, reader.line_num, str(error))
    if not rows:
        raise InputError(f"{source}: is empty; expected a line with the names of the columns")
    header = _header(*rows[0], source)
    values: dict[str, list[Any]] = {SYNONYMS[name]: [] for name in header}
    for number, row in rows[1:]:
        if len(row) != len(header):
            _fail(source, number, f"expected {len(header)} values, found {len(row)}")
        for name, cell in zip(header, row, strict=True):
            values[SYNONYMS[name]].append(_value(name, cell.strip(), number, source))
    if len(rows) == 1:
        raise InputError(f"{source}: expected at least one buffer after the names of the columns")
    for name in ("hint", "gaps"):
        values.pop(name, None)
    return {name: column if name == "id" else np.array(column, np.int64) for name, column in values.items()}


def _header(number: int, row: list[str], source: str) -> list[str]:
    header = [cell.strip() for cell in row]
    for name in header:
        if name not in SYNONYMS:
            _fail(source, number, f"unknown column {name!r}; expected some of {', '.join(SYNONYMS)}")
    for field in dict.fromkeys(SYNONYMS.values()):
        names = [name for name in header if SYNONYMS[name] == field]
        if len(names) > 1:
            _fail(source, number, f"columns {' and '.join(map(repr, names))} say the same; expected one of them")
        if not names and field in ("lower", "upper", "size"):
            known = [name for name in SYNONYMS if SYNONYMS[name] == field]
            _fail(source, number, f"column {field!r} is missing; expected one of {', '.join(known)}")
    return header


def _value(name: str, cell: str, number: int, source: str) -> Any:
    if name in ("hint", "gaps"):
        if cell and not (name == "hint" and cell == "-1"):
            _fail(source, number, f"column {name!r} holds {cell!r}; {name} are not supported, expected it empty")
        return None
    if SYNONYMS[name] == "id":
        return cell
    if not cell and name in ("alignment", "offset"):
        return 1 if name == "alignment" else FREE
    if INTEGER.fullmatch(cell) is None:
        shown = cell if len(cell) <= 20 else cell[:20] + "…"
        _fail(source, number, f"column {name!r}: expected an integer of at most 18 digits, found {shown!r}")
    return int(cell) + (name == INCLUSIVE)
