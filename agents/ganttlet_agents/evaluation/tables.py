"""Result tables in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ganttlet.core.errors import MissingExtraError
from ganttlet_agents.evaluation.rows import Row
from ganttlet_agents.evaluation.statistics import Estimate
from ganttlet_agents.evaluation.summary import TAUS, MethodSummary, Metric, Summary, problems

if TYPE_CHECKING:
    from rich.console import Console

PIPED_WIDTH = 120
OF_BOUND = "% of bound"
# With fewer rows of a method, a share of them says little.
ENOUGH = 10


def make_console(stderr: bool = False) -> Console:
    """Return a rich console that does not squeeze tables to 80 columns when the output is piped."""
    try:
        from rich.console import Console
    except ImportError:
        raise MissingExtraError("rich", "eval") from None
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=PIPED_WIDTH)


def number(value: float | None, metric: Metric, sign: bool = False) -> str:
    """Return a gap as a percentage or a value with as many decimals as its size warrants."""
    if value is None:
        return "–"
    plus = "+" if sign else ""
    if metric == "gap":
        return f"{100 * value:{plus}.2f}"
    return f"{value:{plus},.0f}" if abs(value) >= 1000 else f"{value:{plus}.4g}"


def interval(found: Estimate | None, metric: Metric, sign: bool = False) -> str:
    """Return ``low … high``."""
    return "" if found is None else f"{number(found.low, metric, sign)} … {number(found.high, metric, sign)}"


def seconds_text(seconds: float) -> str:
    """Return a wall time in seconds with three significant digits."""
    return f"{seconds:.3g}" if seconds < 1000 else f"{seconds:.0f}"


def rate_text(rate: float | None) -> str:
    """Return decisions per second."""
    return "–" if rate is None else f"{rate:,.0f}"


def reference_text(reference: str, references: Mapping[str, int]) -> str:
    """Return what gaps are measured against, in words; ``references`` is kind -> number of instances."""
    words = {"optimal": "optimum", "none": "none"}
    kinds = [f"{words.get(kind, kind.replace('_', ' '))} ({count})" for kind, count in references.items()]
    named = f"Reference {reference}" if reference else "Reference"
    return f"{named}, kind (instances): {', '.join(kinds)}."


def notes(summary: Summary) -> list[str]:
    """Return the sentences that belong under a table."""
    lines = []
    covers: dict[str, list[str]] = {}
    for entry in summary.methods:
        if entry.mean:
            kind = "stratified bootstrap" if entry.mean.stratified else "bootstrap"
            covers.setdefault(f"{kind} over {entry.mean.covers}", []).append(entry.method)
    if covers:
        # Seeds and instances are different randomness, so a table that mixes them says which is whose.
        named = [f"{what} for {', '.join(names)}" for what, names in covers.items()]
        kinds = ", ".join(named) if len(covers) > 1 else next(iter(covers))
        lines.append(f"Intervals: 95 % {kinds}. IQM: mean of the middle half.")
    if summary.metric == "gap":
        lines.append(reference_text(summary.reference, summary.references))
        undefined: dict[int, list[str]] = {}
        for entry in summary.methods:
            undefined.setdefault(entry.feasible - entry.measured, []).append(entry.method)
        for count, methods in undefined.items():
            if count:
                lines.append(f"Gap undefined on {count} valid row(s) of {', '.join(methods)}.")
    if summary.bounded:
        lines.append(
            f"{OF_BOUND}: mean of value / the tightest bound that is known or was proved here; "
            f"{summary.bounded} of {summary.instances} have one."
        )
    if any(entry.paired and entry.paired.improvement for entry in summary.methods):
        lines.append(
            f"P(better): how likely a run beats one of {summary.baseline} on an instance of both drawn at random, "
            "ties half."
        )
    return lines


def print_summaries(console: Console, summaries: Sequence[Summary]) -> None:
    """Print every objective's tables."""
    for summary in summaries:
        count = f"{summary.instances} instance{'' if summary.instances == 1 else 's'}"
        print_table(console, f"{summary.objective}, {count}", _main_table(summary))
        if summary.beside or summary.bounded:
            print_table(console, f"beside {summary.objective}: means over valid rows", _beside_table(summary))
        if summary.groups:
            print_table(console, f"{metric_title(summary)} by group", _group_table(summary))
        if any(entry.profile and entry.rows >= ENOUGH for entry in summary.methods):
            print_table(console, "performance profile: % of all rows with a gap of at most", _profile_table(summary))
        if len(summary.methods) > 1:
            unit = "gap points" if summary.metric == "gap" else summary.objective
            title = f"paired against {summary.baseline}: difference in {unit}, positive is worse"
            print_table(console, title, _paired_table(summary))
        for line in notes(summary):
            console.print(line, style="dim", markup=False)


def print_problems(console: Console, rows: Sequence[Row]) -> None:
    """Print what failed and which proven bounds were contradicted, a line per method."""
    for line in problems(rows):
        console.print(line, style="bold red", markup=False, soft_wrap=True)


def print_texts(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table of texts."""
    found = _table()
    for column in columns:
        found.add_column(column, overflow="fold")
    for row in rows:
        found.add_row(*(_styled(text, False) for text in row))
    print_table(console, title, found)


def print_table(console: Console, title: str, found: Any) -> None:
    """Print a title and a table; rich's own titles wrap at the table's width."""
    console.print(title, style="bold", markup=False, soft_wrap=True)
    console.print(found)


def _table() -> Any:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False)


def _styled(text: str, best: bool) -> Any:
    from rich.text import Text

    return Text(text, style="bold green" if best else "")


def _name(entry: MethodSummary) -> str:
    return entry.method + (" (clairvoyant)" if entry.information == "clairvoyant" else "")


def metric_title(summary: Summary) -> str:
    """Return the metric's column title."""
    return "gap %" if summary.metric == "gap" else f"mean {summary.objective}"


def _main_table(summary: Summary) -> Any:
    table = _table()
    table.add_column("method", overflow="fold")
    metric = metric_title(summary)
    for title in (metric, "95 %", "IQM", "95 %", "valid", "proven", "s/row", "decisions/s"):
        table.add_column(title, justify="right", no_wrap=True)
    best = summary.best()
    for entry in summary.methods:
        table.add_row(
            _styled(_name(entry), entry.method in best),
            _styled(number(entry.mean.value if entry.mean else None, summary.metric), entry.method in best),
            interval(entry.mean, summary.metric),
            number(entry.iqm.value if entry.iqm else None, summary.metric),
            interval(entry.iqm, summary.metric),
            f"{entry.feasible}/{entry.rows}",
            str(entry.optimal),
            seconds_text(entry.seconds),
            rate_text(entry.rate),
        )
    return table


def _beside_table(summary: Summary) -> Any:
    table = _table()
    table.add_column("method", overflow="fold")
    for name in summary.beside:
        table.add_column(f"mean {name}", justify="right", no_wrap=True)
    if summary.bounded:
        for title in (OF_BOUND, "95 %"):
            table.add_column(title, justify="right", no_wrap=True)
    for entry in summary.methods:
        cells = [number(entry.beside.get(name), "value") for name in summary.beside]
        if summary.bounded:
            share = entry.of_bound
            cells += [number(share.value if share else None, "gap"), interval(share, "gap")]
        table.add_row(_styled(_name(entry), False), *cells)
    return table


def _group_table(summary: Summary) -> Any:
    table = _table()
    table.add_column("method", overflow="fold")
    best = {group: summary.best(group) for group in summary.groups}
    for group in summary.groups:
        table.add_column(group, justify="right", no_wrap=True)
    for entry in summary.methods:
        cells = [
            _styled(number(entry.groups.get(group), summary.metric), entry.method in best[group])
            for group in summary.groups
        ]
        table.add_row(_styled(_name(entry), False), *cells)
    return table


def _profile_table(summary: Summary) -> Any:
    """Shares and their 95 % intervals; none where no row has a gap or failed."""
    table = _table()
    table.add_column("method", overflow="fold")
    for tau in TAUS:
        table.add_column(f"{100 * tau:g} %", justify="right", no_wrap=True)
    for entry in summary.methods:
        cells = ["–"] * len(TAUS)
        if (found := entry.profile) is not None:
            shares = (100 * np.stack([found.share, found.low, found.high])).T
            cells = [f"{share:.0f} [{low:.0f}, {high:.0f}]" for share, low, high in shares.tolist()]
        table.add_row(_styled(_name(entry), False), *cells)
    return table


def _paired_table(summary: Summary) -> Any:
    table = _table()
    table.add_column("method", overflow="fold")
    for title in ("difference", "95 %", "wins", "ties", "losses", "P(better) %", "95 %"):
        table.add_column(title, justify="right", no_wrap=True)
    for entry in summary.methods:
        found = entry.paired
        if found is not None:
            table.add_row(
                _styled(_name(entry), False),
                number(found.difference.value if found.difference else None, summary.metric, sign=True),
                interval(found.difference, summary.metric, sign=True),
                *map(str, (found.wins, found.ties, found.losses)),
                number(found.improvement.value if found.improvement else None, "gap"),
                interval(found.improvement, "gap"),
            )
    return table
