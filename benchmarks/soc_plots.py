"""The pictures of soc_curves.py: ours as solid lines; published ones dashed, in the colour of the same rule of ours."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganttlet.core.record import write_atomic

Point = dict[str, Any]
Looks = Mapping[str, Mapping[str, Any]]
MARKS = {"digitised": "figure, by eye", "run": "public code, run", "read": "printed"}
SHAPES = "os^vDP"
HOLLOW = "s^vDP<>hX*"


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Fields:
        x, y: columns.
        title, x_label, y_label: what stands at it.
        where: column -> value that a point must have to be shown.
        kind: ``line``, ``bars`` (a group of bars for each x) or ``scatter`` (a shape for each group, x logarithmic).
        most: upper end of y, None: what the points need.
    """

    x: str
    y: str
    title: str
    x_label: str
    y_label: str = "mean latency, µs"
    where: Mapping[str, float] = field(default_factory=dict)
    kind: str = "line"
    most: float | None = None


SIXTEEN, RATE = "16-PE chip", "jobs per ms"
STD = "relative standard deviation of execution times"
TICKS, JOBS = "mean latency, ticks", "most jobs in the system"
PANELS: Mapping[str, Sequence[Panel]] = {
    "ds3_12a": (Panel("rate", "latency", f"WiFi, TX 0.2 and RX 0.8, {SIXTEEN}", RATE, most=1000),),
    "ds3_12b": (Panel("rate", "latency", f"WiFi, TX 0.8 and RX 0.2, {SIXTEEN}", RATE, most=550),),
    "il": (Panel("rate", "latency", f"Six applications, {SIXTEEN}", RATE, most=400),),
    "noise": (Panel("std", "latency", f"Six applications, 15.4 jobs/ms, {SIXTEEN}", STD, most=400),),
    "noise_top": (Panel("std", "latency", "top_1 on three PEs, at most three jobs", STD, TICKS, most=135),),
    "scalability": (
        Panel("capacity", "latency", "Five applications", JOBS, TICKS, {"applications": 5}),
        Panel("capacity", "completed", "The same", JOBS, "jobs completed in 5000 ticks", {"applications": 5}),
        Panel("applications", "latency", "At most three jobs", "applications", TICKS, {"capacity": 3}),
    ),
    "frequency": (
        Panel("rate", "latency", "Five applications on three PEs, at most three jobs", "attempts per 1000 ticks", TICKS,
              kind="bars", most=150),
    ),
    "energy": (
        Panel("latency", "energy", f"Six applications, 10 jobs/ms, {SIXTEEN}", "mean latency, µs", "energy per job, µJ",
              kind="scatter"),
    ),
}  # fmt: skip


def draw(curve: str, points: Sequence[Point], references: Sequence[Point], path: Path) -> None:
    """Write the picture of a curve.

    Args:
        curve: its name, a key of PANELS.
        points: ours, a mapping of columns each.
        references: published points, with ``method`` and ``mark``.
        path: the PNG.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = PANELS[curve]
    size = (4.6 * len(panels) + 3.0, 4.6)
    figure, grid = pyplot.subplots(1, len(panels), figsize=size, squeeze=False, layout="constrained")
    looks = {name: {"color": f"C{at % 10}"} for at, name in enumerate(_by_name(points))}
    their_looks = _published_looks(references, looks)
    ours: dict[str, Any] = {}
    theirs: dict[str, Any] = {}
    for axes, panel in zip(grid[0], panels, strict=True):
        ours |= {"line": _lines, "bars": _bars, "scatter": _scatter}[panel.kind](axes, panel, points, looks)
        theirs |= _published(axes, panel, references, their_looks, points)
        axes.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)
        axes.set_ylim(bottom=0 if panel.kind == "bars" else None, top=panel.most)
        axes.grid(alpha=0.25)
        axes.set_axisbelow(True)
    small = {"fontsize": 8, "title_fontsize": 8, "alignment": "left"}
    figure.legend(list(ours.values()), list(ours), title="ours, measured", loc="outside right upper", **small)
    if theirs:
        figure.legend(list(theirs.values()), list(theirs), title="published", loc="outside right lower", **small)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    pyplot.close(figure)
    write_atomic(path, buffer.getvalue())


def _name(point: Point) -> str:
    """Return what a point's line is called."""
    mark = point.get("mark")
    return point["method"] if mark is None else f"{point['method']} ({MARKS[mark]})"


def _by_name(points: Sequence[Point], panel: Panel | None = None) -> dict[str, list[Point]]:
    """Return line -> its points by rising x, only those that the panel shows."""
    found: dict[str, list[Point]] = {}
    for point in points:
        shown = panel is None or (
            all(point.get(name) is not None for name in (panel.x, panel.y))
            and all(point.get(name) == value for name, value in panel.where.items())
        )
        if shown:
            found.setdefault(_name(point), []).append(point)
    if panel is not None:
        for line in found.values():
            line.sort(key=lambda point: point[panel.x])
    return found


def _said(name: str, panel: Panel, line: Sequence[Point]) -> str:
    """Return a line's name, with a word if all of it lies above the axes."""
    above = panel.most is not None and all(point[panel.y] > panel.most for point in line)
    return f"{name}: above" if above else name


def _lines(axes: Any, panel: Panel, points: Sequence[Point], looks: Looks) -> dict[str, Any]:
    handles = {}
    for name, own in _by_name(points, panel).items():
        xs, ys = [point[panel.x] for point in own], [point[panel.y] for point in own]
        (line,) = axes.plot(xs, ys, linewidth=1.7, marker="o", markersize=4, **looks[name])
        handles[_said(name, panel, own)] = line
    if panel.x in ("capacity", "applications"):
        axes.set_xticks(_places(panel, points))
    return handles


def _bars(axes: Any, panel: Panel, points: Sequence[Point], looks: Looks) -> dict[str, Any]:
    handles = {}
    for name, own in _by_name(points, panel).items():
        xs = [_bar(panel, points, name, point[panel.x]) for point in own]
        handles[_said(name, panel, own)] = axes.bar(
            xs, [point[panel.y] for point in own], _width(panel, points), alpha=0.6, **looks[name]
        )
    places = _places(panel, points)
    axes.set_xticks(range(len(places)), [f"{place:.3g}" for place in places])
    return handles


def _scatter(axes: Any, panel: Panel, points: Sequence[Point], looks: Looks) -> dict[str, Any]:
    from matplotlib.ticker import FormatStrFormatter, LogLocator

    handles = {}
    groups = list(dict.fromkeys(point["group"] for point in points))
    for name, own in _by_name(points, panel).items():
        xs, ys = [point[panel.x] for point in own], [point[panel.y] for point in own]
        (handles[name],) = axes.plot(xs, ys, linewidth=1.2, **looks[name])
        for point in own:
            axes.plot(point[panel.x], point[panel.y], SHAPES[groups.index(point["group"]) % len(SHAPES)], **looks[name])
    shapes = [axes.plot([], [], SHAPES[at % len(SHAPES)], color="0.3")[0] for at in range(len(groups))]
    axes.legend(shapes, groups, fontsize=8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.xaxis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
    axes.xaxis.set_minor_formatter(FormatStrFormatter("%g"))
    return handles


def _places(panel: Panel, points: Sequence[Point]) -> list[float]:
    """Return the distinct x of our points, rising."""
    return sorted({point[panel.x] for line in _by_name(points, panel).values() for point in line})


def _width(panel: Panel, points: Sequence[Point]) -> float:
    return 0.84 / (len(_by_name(points, panel)) + 1)


def _bar(panel: Panel, points: Sequence[Point], name: str | None, x: float) -> float:
    """Return the place of a method's bar at the x of ours nearest to ``x``, behind the last one for None."""
    lines, places = list(_by_name(points, panel)), _places(panel, points)
    group = min(range(len(places)), key=lambda at: abs(places[at] - x))
    at = len(lines) if name is None else lines.index(name)
    return group - 0.42 + (at + 0.5) * _width(panel, points)


def _same(method: str, ours: Looks) -> str | None:
    """Return our line of a published method; public code corrects no estimates, so a stale one comes first."""
    rule = "rule:" + ("etf" if "ETF" in method else method.lower())
    return next((name for name in (f"{rule}:stale=true", rule) if name in ours), None)


def _published_looks(references: Sequence[Point], ours: Looks) -> dict[str, dict[str, Any]]:
    found = {}
    for at, (name, line) in enumerate(_by_name(references).items()):
        same = _same(line[0]["method"], ours)
        colour = "0.35" if same is None else ours[same]["color"]
        style = {"linestyle": (0, (3, 2)), "linewidth": 1.0, "markersize": 6, "markerfacecolor": "none"}
        found[name] = {**style, "color": colour, "marker": HOLLOW[at % len(HOLLOW)], "zorder": 3}
    return found


def _published(
    axes: Any, panel: Panel, references: Sequence[Point], looks: Looks, points: Sequence[Point]
) -> dict[str, Any]:
    """Draw the published points, over bars without lines; return line -> handle."""
    handles = {}
    ours: Looks = {name: {} for name in _by_name(points, panel)}
    for name, own in _by_name(references, panel).items():
        xs, look = [point[panel.x] for point in own], dict(looks[name])
        if panel.kind == "bars":
            same = _same(own[0]["method"], ours)
            xs, look["linestyle"] = [_bar(panel, points, same, x) for x in xs], "none"
        (line,) = axes.plot(xs, [point[panel.y] for point in own], **look)
        handles[_said(name, panel, own)] = line
    return handles
