"""Programs as three tables of comma-separated values: instructions, buffers and uses.

``<name>.instructions.csv`` has the columns t, name, op, flops_mxu, flops_vec (and n_fused, which is not read);
``<name>.buffers.csv`` has id, name, kind, size, def, last, n_uses, alias_of, sync; ``<name>.uses.csv`` t, slot, role,
buffer, bytes. There is one row per use, which is an operand or a result. Positions count from 0 without gaps, sizes are
bytes, ``def`` is -1 where the buffer exists before the program. ``last`` and ``n_uses`` follow from the uses: they may
be left out, and are checked where given. ``sync``, which may be left out, is the number of the buffer's sync group, -1
for none. ``alias_of``, which may be left out too, makes a row another name of a buffer, as a view is: it is merged into
that one, and programs do not keep it; -1 for none. The tables say nothing of the hardware.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.record import write_atomic
from ganttlet.memory_mapping.aliases import Use, check_aliases, check_uses, merge, roots_of
from ganttlet.memory_mapping.hardware import DEFAULT, make_hardware
from ganttlet.memory_mapping.instance import IN, KINDS, OUT, OUTPUT, ROLES, Program

INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)
PARTS = {
    "instructions": (("t", "name", "op", "flops_mxu", "flops_vec"), ("n_fused",)),
    "buffers": (("id", "name", "kind", "size", "def"), ("last", "n_uses", "alias_of", "sync")),
    "uses": (("t", "slot", "role", "buffer", "bytes"), ()),
}


class Table:
    """One table: its rows as text by column, with errors that name the file and the line."""

    def __init__(self, text: str, part: str, source: str) -> None:
        self.source = source
        required, optional = PARTS[part]
        try:
            lines = [(number, row) for number, row in _rows(text) if row]
        except csv.Error as error:
            raise InputError(f"{source}: {error}") from None
        if len(lines) < 2:
            raise InputError(f"{source}: expected a line of column names and at least one row")
        self.columns = [name.strip() for name in lines[0][1]]
        for name in required:
            if name not in self.columns:
                raise InputError(f"{source}, line {lines[0][0]}: column {name!r} is missing")
        for name in self.columns:
            if name not in (*required, *optional) or self.columns.count(name) > 1:
                known = ", ".join((*required, *optional))
                raise InputError(f"{source}, line {lines[0][0]}: column {name!r} is unknown or twice; known: {known}")
        self.lines = [number for number, _ in lines[1:]]
        self.rows = [row for _, row in lines[1:]]
        for at, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                self.fail(at, f"expected {len(self.columns)} values, found {len(row)}")

    def fail(self, row: int, message: str) -> NoReturn:
        """Raise InputError for row ``row``."""
        raise InputError(f"{self.source}, line {self.lines[row]}: {message}")

    def text(self, column: str) -> list[str]:
        """Return a column as text."""
        at = self.columns.index(column)
        return [row[at].strip() for row in self.rows]

    def integers(self, column: str) -> Any:
        """Return a column as integers."""
        values = []
        for at, value in enumerate(self.text(column)):
            if INTEGER.fullmatch(value) is None:
                shown = value if len(value) <= 20 else value[:20] + "…"
                self.fail(at, f"column {column!r}: expected an integer of at most 18 digits, found {shown!r}")
            values.append(int(value))
        return values

    def choices(self, column: str, known: Sequence[str]) -> Any:
        """Return a column of names as positions in ``known``."""
        values = []
        for at, value in enumerate(self.text(column)):
            if value not in known:
                self.fail(at, f"column {column!r}: expected one of {', '.join(known)}, found {value[:20]!r}")
            values.append(known.index(value))
        return values

    def count_up(self, column: str) -> None:
        """Check that a column counts the rows from 0."""
        for at, value in enumerate(self.integers(column)):
            if value != at:
                self.fail(at, f"column {column!r}: expected {at}, found {value}")


def _rows(text: str) -> Iterable[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text), strict=True)
    for row in reader:
        yield reader.line_num, row


def paths_of(path: str | Path) -> dict[str, Path]:
    """Return the three files of a program, given any one of them or ``folder/name``."""
    path = Path(path)
    name = path.name
    for part in PARTS:
        name = name.removesuffix(f".{part}.csv")
    return {part: path.with_name(f"{name}.{part}.csv") for part in PARTS}


def program_name(path: str | Path) -> str:
    """Return the name of the program that :func:`paths_of` finds."""
    return paths_of(path)["uses"].name.removesuffix(".uses.csv")


def read_csv(path: str | Path, hardware: Any = DEFAULT) -> Program:
    """Read the three tables of a program.

    Args:
        path: any of the three files, or ``folder/name``.
        hardware: what it runs on, as in ``hardware.make_hardware``.

    Raises:
        InputError: naming the file and, where there is one, the line.
    """
    texts = {}
    for part, file in paths_of(path).items():
        try:
            texts[part] = file.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"{file}: not a text file (byte {error.start} cannot be decoded as UTF-8)") from None
        except (OSError, ValueError) as error:
            raise InputError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return parse_csv(texts, str(path), hardware)


def parse_csv(texts: Mapping[str, str], source: str = "text", hardware: Any = DEFAULT) -> Program:
    """Parse ``texts``, by instructions, buffers and uses; ``source`` is the path that errors and the name follow."""
    files = paths_of(source)
    instructions, buffers, uses = (Table(texts[part], part, str(files[part])) for part in PARTS)
    instructions.count_up("t")
    buffers.count_up("id")
    _check_slot_numbers(uses)
    columns = {name: buffers.integers(name) for name in ("size", "def")}
    columns["kind"] = buffers.choices("kind", KINDS)
    for name in ("alias_of", "sync"):
        columns[name] = buffers.integers(name) if name in buffers.columns else [-1] * len(buffers.rows)
    own = _read_uses(uses)
    roots = roots_of(columns["alias_of"], buffers.fail)
    check_aliases(roots, columns, buffers.fail)
    check_uses(own, roots, columns, OUT, uses.fail)
    _check_derived(own, columns, buffers, len(instructions.rows))
    kept = sorted(set(roots))
    merged = merge(own, roots, columns["size"], OUT)
    try:
        fields: dict[str, Any] = {
            "matrix_flops": instructions.integers("flops_mxu"),
            "vector_flops": instructions.integers("flops_vec"),
            "size": [columns["size"][b] for b in kept],
            "buffer_kind": [columns["kind"][b] for b in kept],
            "defined": [columns["def"][b] for b in kept],
            "slot_time": [use.time for use in merged],
            "slot_buffer": [use.buffer for use in merged],
            "slot_role": [use.role for use in merged],
            "slot_bytes": [use.bytes for use in merged],
            "instruction_name": instructions.text("name"),
            "instruction_op": instructions.text("op"),
            "buffer_name": [buffers.text("name")[b] for b in kept],
            "buffer_sync": [columns["sync"][b] for b in kept],
        }
        program = Program(program_name(source), **fields, **vars(make_hardware(hardware)))
    except InputError as error:
        if any(str(file) in str(error) for file in files.values()):
            raise
        raise InputError(f"{source}: {error}") from None
    return program


def _read_uses(uses: Table) -> list[Use]:
    columns = (uses.integers("t"), uses.integers("buffer"), uses.choices("role", ROLES), uses.integers("bytes"))
    return [Use(row, *values) for row, values in enumerate(zip(*columns, strict=True))]


def _check_slot_numbers(uses: Table) -> None:
    times, slots = uses.integers("t"), uses.integers("slot")
    for at, slot in enumerate(slots):
        expected = slots[at - 1] + 1 if at and times[at] == times[at - 1] else 0
        if slot != expected:
            uses.fail(at, f"column 'slot': expected {expected}, found {slot}")


def _check_derived(uses: Sequence[Use], columns: Mapping[str, Any], buffers: Table, end: int) -> None:
    """Check that every row has uses, and what it says of them."""
    last, count = [-1] * len(buffers.rows), [0] * len(buffers.rows)
    for use in uses:
        last[use.buffer] = max(last[use.buffer], use.time)
        count[use.buffer] += use.role == IN
    for b, time in enumerate(last):
        if time < 0:
            buffers.fail(b, f"buffer {b} has no use; leave it out of the program")
    if "last" in buffers.columns:
        for b, value in enumerate(buffers.integers("last")):
            # Of an output, some writers give the end of the program and some the last instruction that touches it.
            if value != last[b] and not (columns["kind"][b] == OUTPUT and value == end):
                buffers.fail(b, f"column 'last': {value}, but the last use of buffer {b} is at instruction {last[b]}")
    if "n_uses" in buffers.columns:
        for b, value in enumerate(buffers.integers("n_uses")):
            if value != count[b]:
                buffers.fail(b, f"column 'n_uses': {value}, but buffer {b} is an operand {count[b]} times")


def format_csv(program: Program) -> dict[str, str]:
    """Return the texts of the three tables, by part; the hardware and the program's name are not in them."""
    n, b, u = program.n_instructions, program.n_buffers, program.n_slots
    ops = program.instruction_op.tolist() if len(program.instruction_op) else [""] * n
    names = [program.instruction_label(t) for t in range(n)]
    labels = [program.buffer_label(at) for at in range(b)]
    kinds = [KINDS[kind] for kind in program.buffer_kind]
    roles = [ROLES[role] for role in program.slot_role]
    within = np.arange(u) - program.first_slot[program.slot_time]
    count = np.bincount(program.slot_buffer[program.slot_role == IN], minlength=b)
    rows: dict[str, Iterable[Sequence[Any]]] = {
        "instructions": zip(range(n), names, ops, program.matrix_flops, program.vector_flops, strict=True),
        "buffers": zip(range(b), labels, kinds, program.size, program.defined, program.last, count, strict=True),
        "uses": zip(program.slot_time, within, roles, program.slot_buffer, program.slot_bytes, strict=True),
    }
    heads: dict[str, tuple[str, ...]] = {part: required for part, (required, _) in PARTS.items()}
    heads["buffers"] = (*heads["buffers"], "last", "n_uses")
    if len(program.buffer_sync):
        heads["buffers"] = (*heads["buffers"], "sync")
        rows["buffers"] = [(*row, group) for row, group in zip(rows["buffers"], program.buffer_sync, strict=True)]
    texts = {}
    for part, body in rows.items():
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(heads[part])
        writer.writerows(body)
        texts[part] = text.getvalue()
    return texts


def write_csv(program: Program, path: str | Path) -> None:
    """Write the three tables, each whole or not at all; ``path`` as in :func:`read_csv`.

    The hardware is not written; save the program as .json or .npz to keep it.
    """
    files = paths_of(path)
    for part, text in format_csv(program).items():
        write_atomic(files[part], text)
