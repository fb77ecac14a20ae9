"""The tables of methods under one objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ganttlet_agents.evaluation.markup import Cell, Column, table
from ganttlet_agents.evaluation.statistics import Estimate
from ganttlet_agents.evaluation.summary import MethodSummary, Summary
from ganttlet_agents.evaluation.tables import (
    OF_BOUND,
    interval,
    metric_title,
    number,
    rate_text,
    seconds_text,
)


@dataclass(frozen=True)
class MethodColumn:
    """A column of the table of methods: its heading, and the cell of a method; left out unless ``shown``."""

    head: Column
    cell: Callable[[MethodSummary], Cell]
    shown: bool = True


def method_columns(summary: Summary) -> list[MethodColumn]:
    """Return what the table of methods shows after the methods' names, in order; new figures are added here."""
    best = summary.best()

    def beside(name: str) -> MethodColumn:
        head = Column(f"mean {name}", about="mean over valid rows")
        return MethodColumn(head, lambda entry: _plain(entry.beside.get(name)))

    return [
        MethodColumn(
            Column(metric_title(summary), about="mean and 95 % interval"),
            lambda entry: estimate_cell(entry.mean, summary, "best" if entry.method in best else ""),
        ),
        MethodColumn(
            Column("IQM", about="interquartile mean and 95 % interval"),
            lambda entry: estimate_cell(entry.iqm, summary),
        ),
        MethodColumn(
            Column(OF_BOUND, about="mean of value / bound and 95 % interval"),
            lambda entry: _share(entry.of_bound),
            summary.bounded > 0,
        ),
        *map(beside, summary.beside),
        MethodColumn(
            Column("valid", about="valid rows of all"),
            lambda entry: Cell(f"{entry.feasible}/{entry.rows}", entry.feasible, look="" if entry.complete else "bad"),
        ),
        MethodColumn(
            Column("proven", about="rows proven optimal by the method"),
            lambda entry: Cell(str(entry.optimal), entry.optimal),
        ),
        MethodColumn(
            Column("s / row", about="mean wall time in seconds"),
            lambda entry: Cell(seconds_text(entry.seconds), entry.seconds),
        ),
        MethodColumn(Column("decisions / s"), lambda entry: Cell(rate_text(entry.rate), entry.rate)),
        MethodColumn(
            Column("ms / decision", about="mean, and 99th percentile where decisions are timed one by one"),
            _latency,
            any(entry.p99 is not None for entry in summary.methods),
        ),
        MethodColumn(
            Column("MiB", about="most memory that the process held during a row, its libraries included"),
            lambda entry: Cell(seconds_text(entry.memory) if entry.memory is not None else "–", entry.memory),
            any(entry.memory is not None for entry in summary.methods),
        ),
    ]


def _latency(entry: MethodSummary) -> Cell:
    if entry.latency is None:
        return Cell("–")
    tail = "" if entry.p99 is None else f"p99 {seconds_text(1000 * entry.p99)}"
    return Cell(seconds_text(1000 * entry.latency), entry.latency, tail)


def _plain(value: float | None) -> Cell:
    return Cell(number(value, "value"), value)


def _share(found: Estimate | None) -> Cell:
    value = found.value if found else None
    return Cell(number(value, "gap"), value, interval(found, "gap"))


def estimate_cell(found: Estimate | None, summary: Summary, look: str = "") -> Cell:
    """Return a mean with its interval."""
    value = found.value if found else None
    return Cell(number(value, summary.metric), value, interval(found, summary.metric), look)


def method_cell(entry: MethodSummary, mark: int | None) -> Cell:
    """Return a method's name with its colour, and whether it is clairvoyant."""
    tag = "clairvoyant" if entry.information == "clairvoyant" else ""
    return Cell(entry.method, entry.method, look="name", swatch=mark, tag=tag)


def main_table(summary: Summary, marks: Mapping[str, int]) -> str:
    """Return the table of all methods."""
    columns = [column for column in method_columns(summary) if column.shown]
    rows = [
        [method_cell(entry, marks[entry.method]), *(column.cell(entry) for column in columns)]
        for entry in summary.methods
    ]
    heads = [Column("method", text=True), *(column.head for column in columns)]
    return table(heads, rows, [marks[entry.method] for entry in summary.methods])


def group_table(summary: Summary, marks: Mapping[str, int]) -> str:
    """Return the metric by group of instances."""
    best = {group: summary.best(group) for group in summary.groups}
    rows = []
    for entry in summary.methods:
        own = [method_cell(entry, marks[entry.method])]
        for group in summary.groups:
            value, look = entry.groups.get(group), "best" if entry.method in best[group] else ""
            own.append(Cell(number(value, summary.metric), value, look=look))
        rows.append(own)
    heads = [Column("method", text=True), *map(Column, summary.groups)]
    return table(heads, rows, [marks[entry.method] for entry in summary.methods])


def paired_table(summary: Summary, marks: Mapping[str, int]) -> str:
    """Return the comparison of every method with the baseline."""
    unit = "gap points" if summary.metric == "gap" else summary.objective
    columns = [
        Column("method", text=True),
        Column(f"difference, {unit}", about="mean per instance and 95 % interval"),
        *map(Column, ("wins", "ties", "losses")),
        Column("P(better) %", about="probability of improvement, ties half, and 95 % interval"),
    ]
    rows, shown = [], []
    for entry in summary.methods:
        found = entry.paired
        if found is not None:
            value = found.difference.value if found.difference else None
            words = interval(found.difference, summary.metric, sign=True)
            counts = [Cell(str(count), count) for count in (found.wins, found.ties, found.losses)]
            counts.append(_share(found.improvement))
            cell = Cell(number(value, summary.metric, sign=True), value, words)
            rows.append([method_cell(entry, marks[entry.method]), cell, *counts])
            shown.append(marks[entry.method])
    return table(columns, rows, shown)
