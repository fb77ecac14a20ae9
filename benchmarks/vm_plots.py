"""The pictures of vm_curves.py: ours as solid lines, published ones dashed and labelled with how they were read."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganttlet.core.record import write_atomic

Point = dict[str, Any]
MARKS = {"digitised": "digitised (EuroSys 2025 figure)", "read": "read (README)"}
OWN_LATENCY = -1


@dataclass(frozen=True)
class Panel:
    """One pair of axes: which columns it shows, and how."""

    x: str
    y: str
    title: str
    x_label: str
    y_label: str
    log_x: bool = False
    log_y: bool = False
    line: float | None = None


RATE = "fragment rate FR16"
LIMIT_PANELS = (
    Panel("mnl", "fr16", "Fragment rate", "migration limit (MNL)", RATE),
    Panel("mnl", "seconds", "Time of a plan", "migration limit (MNL)", "seconds", log_y=True, line=5.0),
)
PANELS: Mapping[str, Sequence[Panel]] = {
    "mnl": LIMIT_PANELS,
    "mnl_medium": LIMIT_PANELS,
    "mnl_large": LIMIT_PANELS,
    "churn": (
        Panel(
            "delay_seconds",
            "fr16",
            "Fragment rate after churn; cross: the plan at its own latency",
            "seconds between snapshot and plan",
            RATE,
            log_x=True,
        ),
    ),
    "best_of": (
        Panel("samples", "fr16", "Best of K", "samples K", RATE, log_x=True),
        Panel("seconds", "fr16", "The same against time", "seconds per plan", RATE, log_x=True),
    ),
    "goal": (Panel("goal", "moves", "Moves to a fragment rate", "fragment rate to be reached", "moves"),),
}


def draw(curve: str, x: str, points: Sequence[Point], references: Mapping[str, Sequence[Point]], path: Path) -> None:
    """Write the picture of a curve.

    Args:
        curve: its name, a key of PANELS.
        x: the column that points are ordered by.
        points: ours, a mapping of columns each.
        references: column of y -> published points.
        path: the PNG.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = PANELS[curve]
    size = (5.4 * len(panels) + 2.2, 4.8)
    figure, grid = pyplot.subplots(1, len(panels), figsize=size, squeeze=False, layout="constrained")
    published = [row for rows in references.values() for row in rows]
    looks = {name: {"color": f"C{at % 10}"} for at, name in enumerate(_methods(points))}
    their_looks = {name: _published_look(at) for at, name in enumerate(_methods(published))}
    ours: dict[str, Any] = {}
    theirs: dict[str, Any] = {}
    for axes, panel in zip(grid[0], panels, strict=True):
        ours |= _draw_ours(axes, panel, x, points, looks)
        theirs |= _draw_published(axes, panel, references.get(panel.y, ()), their_looks)
        axes.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)
        axes.set_xscale("log" if panel.log_x else "linear")
        axes.set_yscale("log" if panel.log_y else "linear")
        axes.grid(alpha=0.25)
        if panel.x == "goal":
            axes.invert_xaxis()
        if panel.line is not None:
            axes.axhline(panel.line, color="black", linewidth=0.9, linestyle=":")
            axes.annotate(f" {panel.line:g} s", (1.0, panel.line), xycoords=("axes fraction", "data"), fontsize=8)
    small = {"fontsize": 8, "title_fontsize": 8, "alignment": "left"}
    figure.legend(list(ours.values()), list(ours), title="ours, measured", loc="outside right upper", **small)
    if theirs:
        title = "\n".join(dict.fromkeys(MARKS[row["mark"]] for row in published))
        figure.legend(list(theirs.values()), list(theirs), title=title, loc="outside right lower", **small)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    pyplot.close(figure)
    write_atomic(path, buffer.getvalue())


def _methods(points: Sequence[Point]) -> list[str]:
    return list(dict.fromkeys(point["method"] for point in points))


def _lines(points: Sequence[Point], x: str, panel: Panel) -> dict[str, list[Point]]:
    """Return method -> its points in order of x, those without a value for the panel left out."""
    found: dict[str, list[Point]] = {}
    shown = [point for point in points if all(point.get(name) is not None for name in (panel.x, panel.y))]
    for point in sorted(shown, key=lambda point: point[x]):
        found.setdefault(point["method"], []).append(point)
    return found


def _draw_ours(
    axes: Any, panel: Panel, x: str, points: Sequence[Point], looks: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Draw our lines, and crosses at the methods' own latencies; return method -> line."""
    handles = {}
    for method, own in _lines(points, x, panel).items():
        line = [point for point in own if point[x] != OWN_LATENCY]
        xs, ys = [point[panel.x] for point in line], [point[panel.y] for point in line]
        (handles[method],) = axes.plot(xs, ys, marker="o", markersize=4, linewidth=1.8, **looks[method])
        for point in own:
            if point[x] == OWN_LATENCY:
                axes.plot(point["seconds"], point[panel.y], "x", markersize=9, markeredgewidth=2, **looks[method])
    return handles


def _published_look(index: int) -> dict[str, Any]:
    look = {"linestyle": (0, (3, 2)), "linewidth": 0.9, "color": str(0.35 + 0.06 * (index % 6)), "zorder": 1}
    return {**look, "marker": "s^vDP<>h"[index % 8], "markersize": 4, "markerfacecolor": "none"}


def _draw_published(
    axes: Any, panel: Panel, points: Sequence[Point], looks: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Draw the published lines; return method -> line."""
    handles = {}
    for method, own in _lines(points, panel.x, panel).items():
        xs, ys = [point[panel.x] for point in own], [point[panel.y] for point in own]
        (handles[method],) = axes.plot(xs, ys, **looks[method])
    return handles
