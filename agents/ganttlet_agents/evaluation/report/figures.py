"""The plots of one objective: gaps, profile, time against quality, paired differences, and instance by instance."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

import numpy as np

from ganttlet_agents.evaluation.markup import Cell, Column, swatch_class, table
from ganttlet_agents.evaluation.plots import (
    Point,
    Series,
    Strip,
    linear_axis,
    log_axis,
    strip_plot,
    xy_plot,
)
from ganttlet_agents.evaluation.report.rowdata import RowData
from ganttlet_agents.evaluation.rows import Row
from ganttlet_agents.evaluation.statistics import Estimate, profile
from ganttlet_agents.evaluation.summary import Summary, with_failures
from ganttlet_agents.evaluation.tables import metric_title, number, seconds_text

# Steps of a method's profile.
STEPS = 80
# A profile has no use for one point.
FEWEST = 2


def figure(title: str, body: str, about: str = "", source: str = "", wide: bool = False) -> str:
    """Return a plot under its title, with what it shows and where its command stands."""
    words = " ".join(word for word in (escape(about), source) if word)
    note = f'<p class="note">{words}</p>' if words else ""
    look = ' class="wide"' if wide else ""
    return (
        f"<figure{look}><figcaption>{escape(title)}</figcaption>" + f'<div class="card pad">{body}</div>{note}</figure>'
    )


class Figures:
    """The figures of one table of methods.

    Args:
        summary: the table's numbers.
        rows: the objective's rows.
        data: the folder's rows in the page; dots speak through them.
        marks: method -> its number in the page.
        source: a link to the command, put under every figure.
        dots, cells: how many dots a plot, and cells a table may have.
    """

    def __init__(
        self,
        summary: Summary,
        rows: Sequence[Row],
        data: RowData,
        marks: Mapping[str, int],
        source: str,
        dots: int,
        cells: int,
    ) -> None:
        self.summary, self.marks, self.source, self.cells = summary, marks, source, cells
        self.is_gap = summary.metric == "gap"
        self.scale = 100.0 if self.is_gap else 1.0
        self.every = rows
        self.rows = [row for row in rows if _metric(row, self.is_gap) is not None]
        shown = [row for row in self.rows if row.key in data.place]
        self.stride = max(1, -(-len(shown) // max(dots, 1)))
        self.shown = shown[:: self.stride]
        self.part = len(self.shown) < len(self.rows)
        self.place = data.place

    def all(self) -> list[str]:
        """Return the figures that the rows allow, in order."""
        made = [self.strips(), self.profile(), self.times(), self.differences(), self.versus(), self.instances()]
        return [f'<div class="figures">{"".join(made)}</div>'] if any(made) else []

    def value(self, row: Row) -> float:
        """Return a row's gap in percent, or its value."""
        return self.scale * (_metric(row, self.is_gap) or 0.0)

    def axis_title(self) -> str:
        """Return what the values are."""
        return "gap to the reference, %" if self.is_gap else self.summary.objective

    def _scaled(self, found: Estimate | None) -> Estimate | None:
        if found is None:
            return None
        value, low, high = (self.scale * part for part in (found.value, found.low, found.high))
        return Estimate(value, low, high, found.covers, found.stratified)

    def _dots(self, x: Callable[[Row], float], y: Callable[[Row], float] = lambda row: 0.0) -> dict[str, list[Point]]:
        found: dict[str, list[Point]] = {entry.method: [] for entry in self.summary.methods}
        for row in self.shown:
            found[row.method].append(Point(x(row), y(row), row=self.place[row.key]))
        return found

    def _sampled(self) -> str:
        return f"{len(self.shown)} of {len(self.rows)} rows are drawn." if self.part else ""

    def strips(self) -> str:
        """Return a band per method: its rows, mean and interval."""
        if not self.shown:
            return ""
        dots = self._dots(self.value)
        strips = [
            Strip(entry.method, self.marks[entry.method], dots[entry.method], self._scaled(entry.mean))
            for entry in self.summary.methods
        ]
        title = "Gaps" if self.is_gap else f"Values of {self.summary.objective}"
        about = f"A dot is a row, the line a mean, the bar its 95 % interval. {self._sampled()}"
        return figure(title, strip_plot(strips, self.axis_title()), about, self.source, wide=True)

    def profile(self) -> str:
        """Return a line per method: which share of its rows is at least as good as the value below, with its band."""
        values = [self.value(row) for row in self.rows]
        if len(set(values)) < FEWEST:
            return ""
        across = linear_axis(self.axis_title(), values, 6)
        up = linear_axis("share of rows", [0.0, 1.0], 5)
        larger = not self.is_gap and self.summary.sense == "max"
        # Smaller is better in a profile, so what is maximised is turned round and back.
        turn = -1.0 if larger else 1.0
        series = []
        for entry in self.summary.methods:
            own = [row for row in self.every if row.method == entry.method]
            found = with_failures(own, self.summary.metric)
            taus = np.unique([value for seeds in found.values() for value in seeds if math.isfinite(value)])
            if not len(taus):
                continue
            taus = taus[_spread(len(taus), STEPS)]
            shares = profile(found, taus, groups={row.digest: row.group for row in own})
            marks = [turn * self.scale * float(tau) for tau in shares.taus]
            first, last = (across.high, across.low) if larger else (across.low, across.high)
            line, low, high = (
                staircase(marks, part.tolist(), first, last) for part in (shares.share, shares.low, shares.high)
            )
            points = []
            for at, *part in zip(marks, shares.share, shares.low, shares.high, strict=True):
                share, least, most = (f"{100 * value:.3g}" for value in part)
                words = f"{share} % ({least} … {most}) of rows {'≥' if larger else '≤'} {at:.4g}"
                points.append(Point(at, part[0], f"{entry.method}: {words}{' %' if self.is_gap else ''}"))
            series.append(Series(self.marks[entry.method], points, line, area=[*low, *reversed(high)]))
        about = "Share of a method's rows that reach the value, with its 95 % band; rows that failed never do."
        return figure("Performance profile", xy_plot(series, across, up, "performance profile"), about, self.source)

    def times(self) -> str:
        """Return seconds against gaps: a dot per row, a large one per method."""
        timed = [row for row in self.shown if row.seconds > 0]
        if len(timed) < FEWEST:
            return ""
        dots = self._dots(lambda row: max(row.seconds, 1e-6), self.value)
        means, series = {}, []
        for entry in self.summary.methods:
            mean = self._scaled(entry.mean)
            if mean is not None and entry.seconds > 0:
                words = f"{entry.method}: mean {mean.value:.4g}, {seconds_text(entry.seconds)} s a row"
                means[entry.method] = Point(entry.seconds, mean.value, words)
        points = [*(point for own in dots.values() for point in own), *means.values()]
        across = log_axis("seconds per row", [point.x for point in points])
        up = linear_axis(self.axis_title(), [point.y for point in points], 6)
        for entry in self.summary.methods:
            own = [means[entry.method]] if entry.method in means else []
            series.append(Series(self.marks[entry.method], dots[entry.method], means=own))
        about = f"A small dot is a row, a large one a method's mean. {self._sampled()}"
        return figure("Time against quality", xy_plot(series, across, up, "seconds and quality"), about, self.source)

    def differences(self) -> str:
        """Return a band per method: its mean paired difference from the baseline, and the interval."""
        strips = []
        for entry in self.summary.methods:
            if entry.paired is not None and entry.paired.difference is not None:
                found = entry.paired
                words = f"; {found.wins} wins, {found.ties} ties, {found.losses} losses on {found.n} instances"
                difference = self._scaled(found.difference)
                strips.append(Strip(entry.method, self.marks[entry.method], [], difference, words))
        if not strips:
            return ""
        unit = "gap points" if self.is_gap else self.summary.objective
        title = f"Difference from {self.summary.baseline}"
        body = strip_plot(strips, f"mean difference per instance, {unit}")
        return figure(title, body, "Left of 0 is better; the bar is the 95 % interval.", self.source, wide=True)

    def versus(self) -> str:
        """Return the place of a plot that the script draws: two methods, a dot per instance."""
        methods = [entry.method for entry in self.summary.methods]
        if len(methods) < FEWEST or not self.shown:
            return ""
        choices = []
        for which, chosen in (("across", 0), ("up", 1)):
            options = ""
            for index, method in enumerate(methods):
                picked = " selected" if index == chosen else ""
                options += f'<option value="{self.marks[method]}"{picked}>{escape(method)}</option>'
            choices.append(f"<label>{which} <select>{options}</select></label>")
        column = "gap %" if self.is_gap else "value"
        body = (
            f'<div class="versus" data-objective="{escape(self.summary.objective, quote=True)}" data-column="{column}">'
            f'<div class="choices">{"".join(choices)}</div><p class="note" aria-live="polite"></p></div>'
        )
        return figure("Two methods, instance by instance", body, "Means over seeds.", self.source)

    def instances(self) -> str:
        """Return a table of the metric by instance and method, the darker the worse."""
        methods = [entry.method for entry in self.summary.methods]
        by_instance: dict[str, dict[str, list[float]]] = {}
        labels = {}
        for row in self.rows:
            labels[row.digest] = row.instance
            by_instance.setdefault(row.digest, {}).setdefault(row.method, []).append(_metric(row, self.is_gap) or 0.0)
        if not by_instance:
            return ""
        most = max(1, self.cells // max(1, len(methods)))
        chosen = [list(by_instance)[index] for index in _spread(len(by_instance), most)]
        sign = -1.0 if not self.is_gap and self.summary.sense == "max" else 1.0
        lines = []
        for digest in chosen:
            means = {method: float(np.mean(values)) for method, values in by_instance[digest].items()}
            low, high = (end(sign * value for value in means.values()) for end in (min, max))
            cells = [Cell(labels[digest])]
            for method in methods:
                mean = means.get(method)
                share = (sign * mean - low) / (high - low) if mean is not None and high > low else 0.0
                heat = "" if mean is None else f"h{round(5 * share)}"
                cells.append(Cell(number(mean, self.summary.metric), mean, look=heat))
            lines.append(cells)
        columns = [
            Column("instance", text=True),
            *(Column(method, mark=self.marks[method], look=swatch_class(self.marks[method])) for method in methods),
        ]
        part = len(chosen) < len(by_instance)
        count = f"{len(chosen)} of {len(by_instance)} instances, spread over the run. " if part else ""
        title = f"{metric_title(self.summary).removeprefix('mean ').capitalize()} by instance"
        note = f'<p class="note">{count}The darker, the worse among the methods. {self.source}</p>'
        return f'<figure class="tall"><figcaption>{escape(title)}</figcaption>{table(columns, lines)}{note}</figure>'


def staircase(at: Sequence[float], level: Sequence[float], first: float, last: float) -> list[tuple[float, float]]:
    """Return the corners of a line from 0 at ``first`` over each level, from its place on, to ``last``."""
    corners, now = [(first, 0.0)], 0.0
    for place, then in zip(at, level, strict=True):
        corners += [(place, now), (place, then)]
        now = then
    return [*corners, (last, now)]


def _spread(count: int, most: int) -> list[int]:
    """Return at most ``most`` of the numbers below ``count``, first and last among them."""
    if count <= most:
        return list(range(count))
    return sorted({math.floor(index) for index in np.linspace(0, count - 1, most)})


def _metric(row: Row, is_gap: bool) -> float | None:
    return row.gap if is_gap else row.value
