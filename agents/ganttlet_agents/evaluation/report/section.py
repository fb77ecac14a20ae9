"""What a page says of one result folder: tables, plots, pictures, the command behind them, and its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from ganttlet_agents.evaluation.budgets import budget_lines
from ganttlet_agents.evaluation.charts import pick_charts, render_charts
from ganttlet_agents.evaluation.markup import Cell, Column, table
from ganttlet_agents.evaluation.plots import mark_class
from ganttlet_agents.evaluation.report.figures import Figures
from ganttlet_agents.evaluation.report.limits import Limits
from ganttlet_agents.evaluation.report.methodtables import group_table, main_table, paired_table
from ganttlet_agents.evaluation.report.rowdata import RowData, make_row_data
from ganttlet_agents.evaluation.results import Results
from ganttlet_agents.evaluation.rows import Row, by_objective
from ganttlet_agents.evaluation.summary import Summary, problems
from ganttlet_agents.evaluation.tables import interval, metric_title, notes, number


@dataclass(frozen=True)
class Part:
    """A result folder in a page: the folder, its summaries, the id of its section, and its name there."""

    results: Results
    summaries: list[Summary]
    name: str
    id: str

    @property
    def marks(self) -> dict[str, int]:
        """Method -> its number, which is its colour: in the tables' order."""
        found: dict[str, int] = {}
        for summary in self.summaries:
            for entry in summary.methods:
                found.setdefault(entry.method, len(found))
        return found


def render_part(part: Part, limits: Limits, charts: int) -> str:
    """Return the section of a folder without its heading."""
    results, marks = part.results, part.marks
    rows = by_objective(results.rows)
    beside = dict.fromkeys(name for summary in part.summaries for name in summary.beside)
    data = make_row_data(results.rows, list(marks), list(beside), limits.rows)
    count = len(part.summaries)
    body = [_alerts(results), _verdicts(part)]
    body += [f'<p class="note">{escape(line)}</p>' for line in budget_lines(results.meta, results.rows)]
    body.append(_legend(marks))
    for index, summary in enumerate(part.summaries):
        share = charts // count + (index < charts % count)
        body.append(_objective(part, index, rows[summary.objective], data, limits, share))
    body += [_provenance(part, limits), _all_rows(data)]
    return f'<section class="run" id="{part.id}">\n' + "\n".join(text for text in body if text) + "\n</section>"


def facts_of(results: Results) -> str:
    """Return a line of facts: family, numbers of instances, methods, seeds and rows, reference, start."""
    meta, rows = results.meta, results.rows
    return facts_list(
        {
            "family": rows[0].family,
            "instances": len({row.digest for row in rows}),
            "methods": len({row.method for row in rows}),
            "seeds": len({row.seed for row in rows}),
            "rows": len(rows),
            "reference": meta["suite"]["reference"],
            "started": meta["started"].replace("T", " ").replace("+00:00", " UTC"),
        }
    )


def facts_list(facts: Mapping[str, Any]) -> str:
    """Return names and values side by side."""
    items = "".join(f"<li><span>{escape(key)}</span> <b>{escape(str(value))}</b></li>" for key, value in facts.items())
    return f'<ul class="facts">{items}</ul>'


def _alerts(results: Results) -> str:
    out = []
    if results.meta["state"] != "complete":
        out.append('<div class="alert warn"><b>The run did not finish.</b> The rows so far are shown.</div>')
    lines = problems(results.rows)
    if lines:
        items = "".join(f"<li>{escape(line)}</li>" for line in lines)
        out.append(f'<div class="alert bad"><b>Not every row can be trusted</b><ul>{items}</ul></div>')
    return "\n".join(out)


def verdict(summary: Summary) -> str:
    """Return which method has the best mean, in words; empty if no two can be compared."""
    best = summary.best()
    if not best:
        return ""
    entries = [entry for entry in summary.methods if entry.method in best]
    mean = entries[0].mean
    unit = " %" if summary.metric == "gap" else ""
    title = metric_title(summary).removesuffix(" %").removeprefix("mean ")
    value = number(mean.value if mean else None, summary.metric)
    return (
        f"Best mean {title}: {', '.join(entry.method for entry in entries)}, {value}{unit} "
        f"({interval(mean, summary.metric)}) over {summary.instances} instance{'s' * (summary.instances != 1)}."
    )


def _verdicts(part: Part) -> str:
    items = []
    for index, summary in enumerate(part.summaries):
        link = f'<a href="#{part.id}-{index + 1}">{escape(summary.objective)}</a>'
        words = escape(verdict(summary) or "No two methods to rank.")
        items.append(f"<li>{link} <span>{words}</span></li>")
    return f'<ul class="verdicts">{"".join(items)}</ul>'


def _legend(marks: Mapping[str, int]) -> str:
    buttons = "".join(
        f'<button aria-pressed="true" data-m="{mark}" title="{escape(method, quote=True)}: hide or show">'
        f'<span class="{mark_class(mark)}"><i class="sw"></i></span>{escape(method)}</button>'
        for method, mark in marks.items()
    )
    every = '<button class="every">show all</button>' if len(marks) > 1 else ""
    return f'<div class="legend" role="group" aria-label="Methods shown">{buttons}{every}</div>'


def _objective(part: Part, index: int, rows: list[Row], data: RowData, limits: Limits, charts: int) -> str:
    results, summary, marks = part.results, part.summaries[index], part.marks
    spec = results.meta["objectives"][summary.objective]
    words = [spec["description"], f"in {spec['unit']}" if spec["unit"] else ""]
    about = ", ".join(word for word in words if word)
    about = f"{about[:1].upper()}{about[1:]}; {'less' if summary.sense == 'min' else 'more'} is better"
    source = f'<a class="from" href="#{part.id}-from">Command and versions</a>'
    out = [
        f'<h2 id="{part.id}-{index + 1}">{escape(summary.objective)}</h2>',
        f'<p class="soft">{escape(about)}.</p>',
        main_table(summary, marks),
        *(f'<p class="note">{escape(line)}</p>' for line in notes(summary)),
        f'<p class="note">{source}</p>',
    ]
    if summary.groups:
        out += [f"<h3>{escape(metric_title(summary).capitalize())} by group</h3>", group_table(summary, marks)]
    if len(summary.methods) > 1:
        out += [f"<h3>Paired against {escape(summary.baseline)}</h3>", paired_table(summary, marks)]
        out.append('<p class="note">Mean difference per instance; negative is better than the baseline.</p>')
    out += Figures(summary, rows, data, marks, source, limits.dots, limits.cells).all()
    if charts:
        out += _charts(results, rows, charts, limits.pictures, source)
    return "\n".join(out)


def _charts(results: Results, rows: list[Row], charts: int, most: int, source: str) -> list[str]:
    if not results.meta.get("solutions", True):
        return ['<p class="note">No pictures: the run did not keep the solutions of all its rows.</p>']
    picked = pick_charts(rows, charts)
    figures, left_out = render_charts(results.folder, picked, most)
    if not figures and not left_out:
        return []
    out = ["<h3>Solutions: per instance the best and the worst</h3>", *figures]
    if left_out:
        out.append(f'<p class="note">{left_out} more picture(s) left out to keep the page small.</p>')
    out.append(f'<p class="note">A pointer over a part of a picture tells what it is. {source}</p>')
    return out


def _provenance(part: Part, limits: Limits) -> str:
    meta = part.results.meta
    rows = part.results.rows
    # Rows that a resumed run kept name their own commit and machine.
    facts = {
        "commit": ", ".join(dict.fromkeys(row.commit or "unknown" for row in rows)),
        "device": ", ".join(dict.fromkeys(row.device for row in rows)),
        "settings": f"config hash {meta['config_hash']}",
        **meta["versions"],
    }
    commands = "\n".join([meta["command"], *(again["command"] for again in meta.get("resumed", []))])
    heads = [Column(title, text=True) for title in ("method", "options", "repeatable", "about")]
    methods = table(
        heads,
        [
            [
                Cell(entry["label"], look="name"),
                Cell(", ".join(f"{key}={value}" for key, value in entry["options"].items()), look="wrap"),
                Cell("yes" if entry["deterministic"] else "no"),
                Cell(entry["about"], look="wrap"),
            ]
            for entry in meta["methods"]
        ],
    )
    return "\n".join(
        [
            f'<h2 id="{part.id}-from">Where this comes from</h2>',
            f'<div class="card"><pre>{escape(commands)}</pre></div>',
            facts_list(facts),
            f"<details><summary>Methods ({len(meta['methods'])})</summary>{methods}</details>",
            _references(meta, limits.references),
        ]
    )


def _references(meta: dict[str, Any], most: int) -> str:
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
        for objective, entry in found[:most]
    ]
    cut = f'<p class="note">The first {most}; the others are in meta.json.</p>' if len(found) > most else ""
    return f"<details><summary>References ({len(found)})</summary>{table(columns, rows)}{cut}</details>"


def _all_rows(data: RowData) -> str:
    cut = ""
    if data.stride > 1:
        words = f"The page carries one row in {data.stride} of {data.total}; all are in rows.jsonl."
        cut = f'<p class="note">{words}</p>'
    return (
        f'<details class="rows"><summary>All rows ({data.total})</summary>'
        '<p class="finder"><label>Filter <input type="search" placeholder="instance, method, status …"></label> '
        '<span aria-live="polite"></span></p><div class="card"></div>'
        f'<p><button class="more">More rows</button></p>{cut}'
        f'</details>\n<script type="application/json" class="data">{data.text}</script>'
    )


def part_names(folders: Sequence[str]) -> list[str]:
    """Return a name per folder: the last part of its path, or all of it where two would be alike."""
    last = [folder.rstrip("/").rpartition("/")[2] or folder for folder in folders]
    return [folder if last.count(name) > 1 else name for folder, name in zip(folders, last, strict=True)]
