"""The report of one result folder, and the frame that all pages share."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from importlib.resources import files
from pathlib import Path

from ganttlet.core.record import write_atomic
from ganttlet_agents.evaluation.report.limits import MOST_BYTES, Limits, limits_of
from ganttlet_agents.evaluation.report.section import Part, facts_of, render_part
from ganttlet_agents.evaluation.results import REPORT, Results, writing
from ganttlet_agents.evaluation.summary import Summary, summarise

CHARTS = 8
# Below this share of the usual page, tables alone are left.
SMALLEST = 1 / 64


def write_report(
    results: Results,
    out: Path | None = None,
    *,
    baseline: str | None = None,
    charts: int = CHARTS,
    summaries: list[Summary] | None = None,
) -> Path:
    """Write the page of a result folder and return its path.

    Args:
        results: a result folder, read.
        out: the page; ``report.html`` in the folder if None.
        baseline: method of the paired comparisons; the first one if None.
        charts: number of solutions to draw, at most.
        summaries: what ``summarise`` returns for these rows and this baseline, where that has been made already.

    Raises:
        InputError: if there are no rows, the baseline is unknown, or the page cannot be written.
    """
    path = out or results.folder / REPORT
    page = render_report(results, baseline=baseline, charts=charts, summaries=summaries)
    with writing(path):
        write_atomic(path, page)
    return path


def render_report(
    results: Results,
    *,
    baseline: str | None = None,
    charts: int = CHARTS,
    summaries: list[Summary] | None = None,
) -> str:
    """Return the page as text; arguments as for :func:`write_report`."""
    if summaries is None:
        summaries = summarise(results.rows, baseline, results.meta["suite"]["reference"])
    title = str(results.meta["suite"]["name"])
    about = results.meta["suite"]["about"]
    words = f'<p class="soft">{escape(about)}</p>' if about else ""
    head = f"<header><h1>{escape(title)}</h1>{words}{facts_of(results)}</header>"
    part = Part(results, summaries, title, "run-1")
    return fitted(
        title,
        lambda limits: f"{head}\n{render_part(part, limits, charts)}",
        lambda scale: limits_of(1, len(summaries), scale),
    )


def fitted(title: str, body: Callable[[Limits], str], limits: Callable[[float], Limits]) -> str:
    """Return a page of at most ``MOST_BYTES``: pictures, rows and dots are thinned until it fits."""
    scale = 1.0
    while True:
        page = framed(title, body(limits(scale)))
        if len(page.encode("utf-8")) <= MOST_BYTES or scale <= SMALLEST:
            return page
        scale /= 2


def framed(title: str, body: str) -> str:
    """Return a whole page: style, script and a policy that lets it load nothing."""
    package = files("ganttlet_agents.evaluation.report")
    page, style, script = (
        (package / name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js")
    )
    parts = {"style": style, "script": script, "title": escape(title), "body": body}
    # In one pass, since results may hold what looks like a placeholder.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], page)
