"""One self-contained HTML page, written from a result folder alone: tables, plot, pictures, provenance."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from ganttlet.core.record import write_atomic
from ganttlet_agents.evaluation.bounds import shares_of_bound
from ganttlet_agents.evaluation.charts import pick_charts, render_charts
from ganttlet_agents.evaluation.markup import Cell, Column, table
from ganttlet_agents.evaluation.plots import COLOURS, Strip, strip_plot
from ganttlet_agents.evaluation.results import REPORT, Results, load_results, writing
from ganttlet_agents.evaluation.rows import Row, by_objective
from ganttlet_agents.evaluation.statistics import Estimate
from ganttlet_agents.evaluation.summary import MethodSummary, Summary, problems, summarise
from ganttlet_agents.evaluation.tables import (
    OF_BOUND,
    interval,
    metric_title,
    notes,
    number,
    rate_text,
    seconds_text,
)

CHARTS = 8


def write_report(folder: Path, out: Path | None = None, *, baseline: str | None = None, charts: int = CHARTS) -> Path:
    """Write the page of a result folder and return its path.

    Args:
        folder: a result folder.
        out: the page; ``report.html`` in the folder if None.
        baseline: method of the paired comparisons; the first one if None.
        charts: number of solutions to draw, at most.

    Raises:
        InputError: if the folder cannot be read, has no rows, the baseline is unknown, or the page cannot be written.
    """
    path = out or folder / REPORT
    page = render_report(load_results(folder), baseline=baseline, charts=charts)
    with writing(path):
        write_atomic(path, page)
    return path


def render_report(results: Results, *, baseline: str | None = None, charts: int = CHARTS) -> str:
    """Return the page as text; arguments as for :func:`write_report`."""
    summaries = summarise(results.rows, baseline, results.meta["suite"]["reference"])
    rows = by_objective(results.rows)
    title = str(results.meta["suite"]["name"])
    body = [_head(title, results), _alerts(results)]
    for index, summary in enumerate(summaries):
        share = charts // len(summaries) + (index < charts % len(summaries))
        body.append(_objective(results, summary, rows[summary.objective], share))
    beside = dict.fromkeys(name for summary in summaries for name in summary.beside)
    body += [_provenance(results), _all_rows(results.rows, list(beside))]
    template = (files("ganttlet_agents.evaluation") / "report_template.html").read_text(encoding="utf-8")
    return template.replace("{{title}}", escape(title)).replace("{{body}}", "\n".join(body))


def _head(title: str, results: Results) -> str:
    meta, rows = results.meta, results.rows
    facts = {
        "family": rows[0].family,
        "instances": len({row.digest for row in rows}),
        "methods": len({row.method for row in rows}),
        "seeds": len({row.seed for row in rows}),
        "rows": len(rows),
        "reference": meta["suite"]["reference"],
        "started": meta["started"].replace("T", " ").replace("+00:00", " UTC"),
    }
    items = "".join(f"<li><span>{key}</span> <b>{escape(str(value))}</b></li>" for key, value in facts.items())
    about = f'<p class="soft">{escape(meta["suite"]["about"])}</p>' if meta["suite"]["about"] else ""
    return f'<header><h1>{escape(title)}</h1>{about}<ul class="facts">{items}</ul></header>'


def _alerts(results: Results) -> str:
    out = []
    if results.meta["state"] != "complete":
        out.append('<div class="alert warn"><b>The run did not finish.</b> The rows so far are shown.</div>')
    lines = problems(results.rows)
    if lines:
        items = "".join(f"<li>{escape(line)}</li>" for line in lines)
        out.append(f'<div class="alert bad"><b>Not every row can be trusted</b><ul>{items}</ul></div>')
    return "\n".join(out)


def _objective(results: Results, summary: Summary, rows: list[Row], charts: int) -> str:
    spec = results.meta["objectives"][summary.objective]
    words = [spec["description"], f"in {spec['unit']}" if spec["unit"] else ""]
    about = ", ".join(word for word in words if word)
    about = f"{about[:1].upper()}{about[1:]}; {'less' if summary.sense == 'min' else 'more'} is better"
    out = [
        f"<h2>{escape(summary.objective)}</h2>",
        f'<p class="soft">{escape(about)}.</p>',
        _main_table(summary),
        *(f'<p class="note">{escape(line)}</p>' for line in notes(summary)),
    ]
    if summary.groups:
        out += [f"<h3>{escape(metric_title(summary).capitalize())} by group</h3>", _group_table(summary)]
    if len(summary.methods) > 1:
        out += [f"<h3>Paired against {escape(summary.baseline)}</h3>", _paired_table(summary)]
        out.append('<p class="note">Mean difference per instance; negative is better than the baseline.</p>')
    if summary.metric == "gap":
        out += ["<h3>Gaps</h3>", f'<div class="card pad">{_gap_plot(summary, rows)}</div>']
    if charts:
        out += _charts(results, rows, charts)
    return "\n".join(out)


def _estimate(found: Estimate | None, summary: Summary, look: str = "") -> Cell:
    value = found.value if found else None
    return Cell(number(value, summary.metric), value, interval(found, summary.metric), look)


def _method_cell(entry: MethodSummary, index: int) -> Cell:
    tag = "clairvoyant" if entry.information == "clairvoyant" else ""
    return Cell(entry.method, entry.method, swatch=index % COLOURS, tag=tag)


def _main_table(summary: Summary) -> str:
    columns = [
        Column("method", text=True),
        Column(metric_title(summary), about="mean and 95 % interval"),
        Column("IQM", about="interquartile mean and 95 % interval"),
        *([Column(OF_BOUND, about="mean of value / bound and 95 % interval")] if summary.bounded else []),
        *(Column(f"mean {name}", about="mean over valid rows") for name in summary.beside),
        Column("valid", about="valid rows of all"),
        Column("proven", about="rows proven optimal by the method"),
        Column("s / row", about="mean wall time in seconds"),
        Column("decisions / s"),
    ]
    best = summary.best()
    rows = []
    for index, entry in enumerate(summary.methods):
        own = [
            _method_cell(entry, index),
            _estimate(entry.mean, summary, "best" if entry.method in best else ""),
        ]
        own.append(_estimate(entry.iqm, summary))
        if summary.bounded:
            share = entry.of_bound
            own.append(
                Cell(
                    number(share.value if share else None, "gap"),
                    share.value if share else None,
                    interval(share, "gap"),
                )
            )
        others = [entry.beside.get(name) for name in summary.beside]
        own += [
            *(Cell(number(value, "value"), value) for value in others),
            Cell(f"{entry.feasible}/{entry.rows}", entry.feasible, look="" if entry.complete else "bad"),
            Cell(str(entry.optimal), entry.optimal),
            Cell(seconds_text(entry.seconds), entry.seconds),
            Cell(rate_text(entry.rate), entry.rate),
        ]
        rows.append(own)
    return table(columns, rows)


def _group_table(summary: Summary) -> str:
    best = {group: summary.best(group) for group in summary.groups}
    rows = []
    for index, entry in enumerate(summary.methods):
        own = [_method_cell(entry, index)]
        for group in summary.groups:
            value, look = entry.groups.get(group), "best" if entry.method in best[group] else ""
            own.append(Cell(number(value, summary.metric), value, look=look))
        rows.append(own)
    return table([Column("method", text=True), *map(Column, summary.groups)], rows)


def _paired_table(summary: Summary) -> str:
    unit = "gap points" if summary.metric == "gap" else summary.objective
    columns = [
        Column("method", text=True),
        Column(f"difference, {unit}"),
        *map(Column, ("wins", "ties", "losses")),
        Column("P(better) %", about="probability of improvement, ties half, and 95 % interval"),
    ]
    rows = []
    for index, entry in enumerate(summary.methods):
        found = entry.paired
        if found is not None:
            value = found.difference.value if found.difference else None
            words = interval(found.difference, summary.metric, sign=True)
            counts = [Cell(str(count), count) for count in (found.wins, found.ties, found.losses)]
            better = found.improvement.value if found.improvement else None
            counts.append(Cell(number(better, "gap"), better, interval(found.improvement, "gap")))
            rows.append(
                [
                    _method_cell(entry, index),
                    Cell(number(value, summary.metric, sign=True), value, words),
                    *counts,
                ]
            )
    return table(columns, rows)


def _gap_plot(summary: Summary, rows: list[Row]) -> str:
    strips = []
    for entry in summary.methods:
        own = [row for row in rows if row.method == entry.method and row.gap is not None]
        points = [
            (100 * row.gap, f"{row.instance}: {row.value:g}, gap {100 * row.gap:.2f} %")
            for row in own
            if row.gap is not None
        ]
        mean = entry.mean
        percent = None if mean is None else Estimate(100 * mean.value, 100 * mean.low, 100 * mean.high, mean.covers)
        strips.append(Strip(entry.method, points, percent))
    return strip_plot(strips, "gap to the reference, %")


def _charts(results: Results, rows: list[Row], charts: int) -> list[str]:
    picked = pick_charts(rows, charts)
    figures, left_out = render_charts(results.folder, picked)
    if not figures:
        return []
    out = ["<h3>Solutions: per instance the best and the worst</h3>", *figures]
    if left_out:
        out.append(f'<p class="note">{left_out} more picture(s) left out to keep the page small.</p>')
    return out


def _provenance(results: Results) -> str:
    meta = results.meta
    facts = {
        "commit": meta["commit"] or "unknown",
        "device": meta["device"],
        "settings": f"config hash {meta['config_hash']}",
        **{name: text for name, text in meta["versions"].items()},
    }
    items = "".join(f"<li><span>{escape(key)}</span> <b>{escape(str(value))}</b></li>" for key, value in facts.items())
    methods = table(
        [
            Column("method", text=True),
            Column("options", text=True),
            Column("repeatable", text=True),
            Column("about", text=True),
        ],
        [
            [
                Cell(entry["label"]),
                Cell(", ".join(f"{key}={value}" for key, value in entry["options"].items()), look="wrap"),
                Cell("yes" if entry["deterministic"] else "no"),
                Cell(entry["about"], look="wrap"),
            ]
            for entry in meta["methods"]
        ],
    )
    return "\n".join(
        [
            "<h2>Where this comes from</h2>",
            f'<div class="card"><pre>{escape(meta["command"])}</pre></div>',
            f'<ul class="facts">{items}</ul>',
            "<h3>Methods</h3>",
            methods,
            _references(meta),
        ]
    )


def _references(meta: dict[str, Any]) -> str:
    found = [(objective, entry) for by_name in meta["references"].values() for objective, entry in by_name.items()]
    if not found:
        return ""
    columns = [
        Column("instance", text=True),
        Column("objective", text=True),
        Column("value"),
        Column("kind", text=True),
        Column("proven bound"),
        Column("source", text=True),
    ]
    rows = [
        [
            Cell(entry["instance"]),
            Cell(objective),
            Cell(f"{entry['value']:g}", entry["value"]),
            Cell(entry["kind"].replace("_", " ")),
            Cell("–" if entry["bound"] is None else f"{entry['bound']:g}", entry["bound"]),
            Cell(entry["source"], look="wrap"),
        ]
        for objective, entry in found
    ]
    return f"<details><summary>References ({len(rows)})</summary>{table(columns, rows)}</details>"


def _all_rows(rows: Sequence[Row], beside: Sequence[str]) -> str:
    shares = shares_of_bound(rows)
    columns = [
        Column("instance", text=True),
        Column("objective", text=True),
        Column("method", text=True),
        Column("seed"),
        Column("value"),
        *map(Column, beside),
        Column("gap %"),
        *([Column(OF_BOUND)] if shares else []),
        Column("bound"),
        Column("status", text=True),
        Column("s"),
    ]
    cells = [
        [
            Cell(row.instance),
            Cell(row.objective),
            Cell(row.method),
            Cell(str(row.seed), row.seed),
            Cell(_exact(row.value), row.value, look="bad" if row.failed else ""),
            *(Cell(_exact(row.values.get(name)), row.values.get(name)) for name in beside),
            Cell(number(row.gap, "gap"), row.gap),
            *([Cell(number(shares.get(row.key), "gap"), shares.get(row.key))] if shares else []),
            Cell(_exact(row.bound), row.bound),
            Cell("failed" if row.failed else row.status),
            Cell(seconds_text(row.seconds), row.seconds),
        ]
        for row in rows
    ]
    return f"<details><summary>All rows ({len(rows)})</summary>{table(columns, cells)}</details>"


def _exact(value: float | None) -> str:
    return "–" if value is None else f"{value:.10g}"
