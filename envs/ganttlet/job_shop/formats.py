"""Readers and writers of the text formats in which job-shop instances are published.

Standard: a line ``n m``, then per job a line of m pairs ``machine duration``, machines from 0. If jobs have
other numbers of operations, each line ends with the pair ``-1 -1`` (the re-entrant variant of Da Col and
Teppan), so that a truncated line is not taken for a shorter job. Taillard's own layout: a header with n
and m, a line ``Times`` with n lines of m durations, a line ``Machines`` with n lines of m machines from 1.
Text after ``#`` and lines that start with ``+`` are comments.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.record import write_atomic
from ganttlet.job_shop.instance import INT32_MAX, JobShopInstance

INTEGER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
Line = tuple[int, str]


def read_text(path: str | Path) -> JobShopInstance:
    """Read an instance file in the standard or in Taillard's layout; the instance is named after the file.

    Raises:
        InputError: naming the file and, where there is one, the line.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file (byte {error.start} cannot be decoded as UTF-8)") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return parse(text, str(path))


def parse(text: str, source: str = "text") -> JobShopInstance:
    """Parse the text of an instance file; ``source`` names it in errors and its stem names the instance."""
    lines = []
    for number, raw in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        line = raw.split("#", 1)[0].strip()
        if line and not line.startswith("+"):
            lines.append((number, line))
    if not lines:
        raise InputError(f"{source}: is empty; expected a line with the numbers of jobs and machines")
    keywords = [index for index, (_, line) in enumerate(lines) if _keyword(line) == "times"]
    if keywords:
        machine, duration, n_machines = _taillard_layout(lines, keywords[0], source)
    else:
        machine, duration, n_machines = _standard_layout(lines, source)
    try:
        return JobShopInstance(Path(source).stem, machine, duration, n_machines)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


def _fail(source: str, number: int, message: str) -> NoReturn:
    raise InputError(f"{source}, line {number}: {message}")


def _integers(line: Line, source: str) -> list[int]:
    number, text = line
    values = []
    for token in text.split():
        if INTEGER.fullmatch(token) is None:
            shown = token if len(token) <= 20 else token[:20] + "…"
            _fail(source, number, f"expected integers of at most 18 digits, found {shown!r}")
        values.append(int(token))
    return values


def _size(line: Line, source: str, exact: bool) -> tuple[int, int]:
    values = _integers(line, source)
    if len(values) < 2 or (exact and len(values) > 2):
        _fail(source, line[0], f"expected 2 numbers (jobs, machines), found {len(values)}")
    for what, value in zip(("jobs", "machines"), values, strict=False):
        if not 1 <= value <= INT32_MAX:
            _fail(source, line[0], f"number of {what} is {value}; expected 1 … {INT32_MAX}")
    return values[0], values[1]


def _check_duration(value: int, number: int, source: str, operation: int) -> None:
    if not 0 <= value <= INT32_MAX:
        _fail(source, number, f"operation {operation} has duration {value}; expected 0 … {INT32_MAX}")


def _block(lines: list[Line], n_jobs: int, what: str, source: str) -> list[Line]:
    """Return ``lines`` if they are exactly one per job."""
    if len(lines) < n_jobs:
        last = lines[-1][0] if lines else 0
        where = f"{source}, line {last}" if last else source
        raise InputError(f"{where}: {what} after {len(lines)} of {n_jobs} jobs")
    if len(lines) > n_jobs:
        _fail(source, lines[n_jobs][0], f"unexpected line after the {n_jobs} jobs")
    return lines


def _standard_layout(lines: list[Line], source: str) -> tuple[np.ndarray, np.ndarray, int]:
    n_jobs, n_machines = _size(lines[0], source, exact=True)
    block = _block(lines[1:], n_jobs, "file ends", source)
    ended = any(line.split()[-2:] == ["-1", "-1"] for _, line in block)
    rows = [_job(line, n_machines, ended, source) for line in block]
    width = max(len(row) for row in rows)
    machine = np.full((n_jobs, width), -1, np.int32)
    duration = np.zeros((n_jobs, width), np.int32)
    for j, row in enumerate(rows):
        machine[j, : len(row)], duration[j, : len(row)] = np.array(row).T
    return machine, duration, n_machines


def _job(line: Line, n_machines: int, ended: bool, source: str) -> list[tuple[int, int]]:
    """Return the (machine, duration) pairs of one job; ``ended``: the jobs of the file end with -1 -1."""
    number, _ = line
    values = _integers(line, source)
    if ended:
        if len(values) % 2 or values[-2:] != [-1, -1]:
            _fail(source, number, "expected pairs and then -1 -1, which ends other jobs of the file")
        values = values[:-2]
        if not values:
            _fail(source, number, "job has no operation")
    elif len(values) != 2 * n_machines:
        hint = "" if len(values) % 2 else "; jobs of other lengths end with -1 -1"
        _fail(
            source,
            number,
            f"expected {2 * n_machines} numbers ({n_machines} pairs), found {len(values)}{hint}",
        )
    pairs = list(zip(values[::2], values[1::2], strict=True))
    for operation, (machine, duration) in enumerate(pairs):
        if not 0 <= machine < n_machines:
            _fail(
                source,
                number,
                f"operation {operation} names machine {machine}; expected 0 … {n_machines - 1}",
            )
        _check_duration(duration, number, source, operation)
    return pairs


def _keyword(line: str) -> str:
    """Return "times" or "machines" if the line is the title of a block in Taillard's layout, else ""."""
    word = line.rstrip(":").strip().lower()
    return {"times": "times", "processing times": "times", "machines": "machines"}.get(word, "")


def _taillard_layout(lines: list[Line], times: int, source: str) -> tuple[np.ndarray, np.ndarray, int]:
    heads = [line for line in lines[:times] if not any(char.isalpha() for char in line[1])]
    if len(heads) != 1:
        _fail(source, lines[times][0], f"expected one line of numbers before 'Times', found {len(heads)}")
    n_jobs, n_machines = _size(heads[0], source, exact=False)
    titles = [index for index, (_, line) in enumerate(lines) if _keyword(line) == "machines"]
    if len(titles) != 1 or titles[0] < times:
        raise InputError(f"{source}: expected one line 'Machines' after the line 'Times', found {len(titles)}")
    blocks = []
    for what, part in (("Times", lines[times + 1 : titles[0]]), ("Machines", lines[titles[0] + 1 :])):
        rows = []
        for line in _block(part, n_jobs, f"block '{what}' ends", source):
            values = _integers(line, source)
            if len(values) != n_machines:
                _fail(source, line[0], f"expected {n_machines} numbers, found {len(values)}")
            for operation, value in enumerate(values):
                if what == "Times":
                    _check_duration(value, line[0], source, operation)
                elif not 1 <= value <= n_machines:
                    _fail(
                        source,
                        line[0],
                        f"operation {operation} names machine {value}; expected 1 … {n_machines}",
                    )
            rows.append(values)
        blocks.append(np.array(rows, np.int64))
    return blocks[1] - 1, blocks[0], n_machines


def _check_plain(instance: JobShopInstance) -> None:
    """Refuse what the text formats cannot hold, rather than lose it."""
    extra = [
        field
        for field, present in (
            ("release", bool(instance.release.any())),
            ("due", instance.due is not None),
            ("weight", bool((instance.weight != 1).any())),
        )
        if present
    ]
    if extra:
        raise InputError(f"{instance.name}: the text formats hold no {', '.join(extra)}; save it as .json or .npz")


def format_standard(instance: JobShopInstance) -> str:
    """Return the standard text of ``instance``; raises InputError if it has releases, dues or weights."""
    _check_plain(instance)
    ending = ["-1 -1"] if (instance.n_ops != instance.n_machines).any() else []
    lines = [f"{instance.n_jobs} {instance.n_machines}"]
    for machine, duration, length in zip(instance.machine, instance.duration, instance.n_ops, strict=True):
        pairs = [f"{k} {p}" for k, p in zip(machine[:length].tolist(), duration[:length].tolist(), strict=True)]
        lines.append(" ".join(pairs + ending))
    return "\n".join(lines) + "\n"


def format_taillard(instance: JobShopInstance) -> str:
    """Return ``instance`` in Taillard's layout; raises InputError unless every job has m operations."""
    _check_plain(instance)
    if (instance.n_ops != instance.n_machines).any():
        j = int(np.argmax(instance.n_ops != instance.n_machines))
        raise InputError(
            f"{instance.name}: Taillard's layout needs {instance.n_machines} operations per job; "
            f"job {j} has {instance.n_ops[j]}"
        )
    lines = ["Nb of jobs, Nb of Machines", f"{instance.n_jobs} {instance.n_machines}", "Times"]
    lines += [" ".join(map(str, row)) for row in instance.duration.tolist()]
    lines.append("Machines")
    lines += [" ".join(map(str, row)) for row in (instance.machine + 1).tolist()]
    return "\n".join(lines) + "\n"


def write_standard(instance: JobShopInstance, path: str | Path) -> None:
    """Write ``instance`` in the standard format, whole or not at all."""
    write_atomic(path, format_standard(instance))


def write_taillard(instance: JobShopInstance, path: str | Path) -> None:
    """Write ``instance`` in Taillard's layout, whole or not at all."""
    write_atomic(path, format_taillard(instance))
