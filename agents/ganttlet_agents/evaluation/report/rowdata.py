"""The rows that a page carries: a block of JSON from which its script draws tables and hover texts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ganttlet_agents.evaluation.bounds import shares_of_bound
from ganttlet_agents.evaluation.rows import Row
from ganttlet_agents.evaluation.tables import OF_BOUND

# How the script shows a column: a text, a number as it is, a fraction in percent, a wall time.
Kind = Literal["text", "number", "percent", "seconds"]


@dataclass(frozen=True)
class RowColumn:
    """A column of the table of all rows: title, kind, how it is read from a row, and whether hover texts show it."""

    title: str
    kind: Kind
    read: Callable[[Row], Any]
    hover: bool = False


@dataclass(frozen=True)
class RowData:
    """The rows of one result folder that a page carries.

    Fields:
        rows: the rows; all, or every ``stride``-th.
        stride: 1 if the page carries all rows.
        total: number of rows in the folder.
        place: row key -> its number in the page's data.
        text: the block's JSON, safe inside HTML.
    """

    rows: list[Row]
    stride: int
    total: int
    place: Mapping[str, int]
    text: str


def row_columns(rows: Sequence[Row], beside: Sequence[str]) -> list[RowColumn]:
    """Return the columns of the table of all rows; those that no row fills are left out."""
    shares = shares_of_bound(rows)

    def reader(name: str) -> Callable[[Row], Any]:
        return lambda row: row.values.get(name)

    columns = [
        RowColumn("instance", "text", lambda row: row.instance, True),
        RowColumn("objective", "text", lambda row: row.objective),
        RowColumn("method", "text", lambda row: row.method, True),
        RowColumn("seed", "number", lambda row: row.seed),
        RowColumn("value", "number", lambda row: row.value, True),
        *(RowColumn(name, "number", reader(name)) for name in beside),
        RowColumn("gap %", "percent", lambda row: row.gap, True),
        RowColumn(OF_BOUND, "percent", lambda row: shares.get(row.key)),
        RowColumn("bound", "number", lambda row: row.bound),
        RowColumn("status", "text", lambda row: "failed" if row.failed else row.status),
        RowColumn("s", "seconds", lambda row: row.seconds, True),
        RowColumn("decisions", "number", lambda row: row.decisions or None),
        RowColumn("s / decision", "seconds", lambda row: row.latency_mean),
        RowColumn("p99", "seconds", lambda row: row.latency_p99),
        RowColumn("simulator steps", "number", lambda row: row.simulated or None),
        RowColumn("MiB", "number", lambda row: None if row.peak_memory is None else round(row.peak_memory, 1)),
        RowColumn("group", "text", lambda row: row.group),
    ]
    kept = ("instance", "objective", "method", "seed", "value", "status")
    return [
        column for column in columns if column.title in kept or any(column.read(row) not in (None, "") for row in rows)
    ]


def make_row_data(rows: Sequence[Row], methods: Sequence[str], beside: Sequence[str], most: int) -> RowData:
    """Return the block of a folder's rows: at most ``most``, spread evenly over the run.

    Texts are numbers of a list of texts; a row begins with its method's number and its instance's.
    """
    stride = max(1, -(-len(rows) // max(most, 1)))
    kept = list(rows[::stride])
    columns = row_columns(rows, beside)
    texts: dict[str, int] = {}
    marks = {method: mark for mark, method in enumerate(methods)}
    digests = {digest: index for index, digest in enumerate(dict.fromkeys(row.digest for row in kept))}
    lines = []
    for row in kept:
        line: list[Any] = [marks[row.method], digests[row.digest]]
        for column in columns:
            value = column.read(row)
            if column.kind == "text":
                value = texts.setdefault(value, len(texts))
            elif isinstance(value, float):
                # Ten digits are what tables show.
                value = float(f"{value:.10g}")
                value = int(value) if value.is_integer() and abs(value) < 2**53 else value
            line.append(value)
        lines.append(line)
    data = {
        "columns": [[column.title, column.kind, int(column.hover)] for column in columns],
        "max": sorted({row.objective for row in kept if row.sense == "max"}),
        "texts": list(texts),
        "rows": lines,
    }
    place = {row.key: index for index, row in enumerate(kept)}
    return RowData(kept, stride, len(rows), place, script_text(data))


def script_text(data: Any) -> str:
    """Return JSON that cannot end the script element it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
