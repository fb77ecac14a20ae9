"""The picture of a curve: ours as solid lines, published points dashed and hollow, in the colour of the same method."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from ganttlet_agents.evaluation.curves.agreement import short
from ganttlet_agents.evaluation.curves.points import Point
from ganttlet_agents.evaluation.curves.spec import Curve, Panel

SHAPES = "os^vDP*X"
HOLLOW = "s^vDP<>hX*"
SHORT_MARKS = {
    "read": "printed",
    "read-2nd": "second hand",
    "digitised": "off a figure",
    "stored": "stored results",
    "run": "public code, run",
}
DIAMOND = {"marker": "D", "markersize": 4, "markerfacecolor": "white", "markeredgecolor": "black"}
BOX: Mapping[str, Any] = {
    "patch_artist": True,
    "showmeans": True,
    "manage_ticks": False,
    "flierprops": {"markersize": 3},
    "medianprops": {"color": "black"},
    "meanprops": DIAMOND,
}
Looks = Mapping[str, Mapping[str, Any]]


def draw(curve: Curve, points: Sequence[Point], published: Sequence[Point], missing: Sequence[str]) -> dict[str, bytes]:
    """Return the picture as ``png`` and ``svg``.

    Args:
        curve: cut to its budget.
        points, published: ours and theirs.
        missing: lines that were not run; the legend says so.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.lines import Line2D

    panels = curve.content.panels
    titles = list(dict.fromkeys([*(line.title for line in curve.content.lines), *(point.line for point in points)]))
    looks = {title: {"color": f"C{at % 10}"} for at, title in enumerate(titles)}
    theirs = _published_looks(curve, published, looks)
    # Text of the SVG stays text, and equal curves give equal files.
    with pyplot.rc_context({"svg.fonttype": "none", "svg.hashsalt": curve.name}):
        across = min(curve.content.columns or len(panels), len(panels))
        down = -(-len(panels) // across)
        # One panel above the other has the width of two.
        size = (max(5.0 * across, 8.0 if down > 1 else 0.0) + 3.0, 4.6 if down == 1 else 3.6 * down)
        figure, grid = pyplot.subplots(down, across, figsize=size, squeeze=False, layout="constrained")
        ours: dict[str, Any] = {}
        others: dict[str, Any] = {}
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for axes, panel in zip(grid.flat, panels, strict=False):
            shown = [point for point in points if _shown(point, panel)]
            known = [point for point in published if panel.published and _shown(point, panel)]
            places = _places(panel, shown or known)
            ours |= {"line": _lines, "bars": _bars, "box": _boxes, "scatter": _scatter}[panel.kind](
                axes, panel, shown, looks, places
            )
            others |= _published(axes, panel, known, theirs, places, _slots(curve, panel, shown))
            ours |= _levels(axes, panel, points, looks)
            others |= _published_levels(axes, panel, published, theirs)
            swept = {point.place[panel.x] for point in shown if panel.x in point.place and curve.suite is not None}
            _dress(axes, panel, places, sorted(swept))
        empty = Line2D([], [], linestyle="none")
        ours = {title: ours[title] for title in titles if title in ours} | {
            f"{title}: not run": empty for title in missing
        }
        small = {"fontsize": 8, "title_fontsize": 8, "alignment": "left"}
        if ours:
            figure.legend(list(ours.values()), list(ours), title="ours, measured", loc="outside right upper", **small)
        if others:
            figure.legend(list(others.values()), list(others), title="published", loc="outside right lower", **small)
        found = {}
        for kind, options in (("png", {"dpi": 110}), ("svg", {"metadata": {"Date": None}})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, **options)
            found[kind] = buffer.getvalue()
        pyplot.close(figure)
    return found


def _wanted(point: Point, panel: Panel) -> bool:
    return not panel.lines or point.line in panel.lines


def _shown(point: Point, panel: Panel) -> bool:
    return (
        _wanted(point, panel)
        and point.at(panel.x) is not None
        and point.means.get(panel.y) is not None
        and point.fits(panel.where)
    )


def _places(panel: Panel, points: Sequence[Point]) -> list[Any] | None:
    """Return the distinct x that stand side by side, None where x is an axis of numbers."""
    found = list(dict.fromkeys(point.at(panel.x) for point in points))
    numbers = all(isinstance(value, int | float) for value in found)
    if panel.kind in ("line", "scatter") and numbers:
        return None
    if panel.sort and points:
        first = {point.at(panel.x): point.means[panel.y] for point in points if point.line == points[0].line}
        return sorted(found, key=lambda place: first.get(place, 0.0))
    return sorted(found) if numbers else found


def _where(panel: Panel, points: Sequence[Point], places: list[Any] | None) -> list[float]:
    return [point.at(panel.x) if places is None else places.index(point.at(panel.x)) for point in points]


def _by_line(panel: Panel, points: Sequence[Point]) -> dict[str, list[Point]]:
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.line, []).append(point)
    for own in found.values():
        if all(isinstance(point.at(panel.x), int | float) for point in own):
            own.sort(key=lambda point: point.at(panel.x))
    return found


def _scale(panel: Panel) -> float:
    return (100.0 if panel.percent else 1.0) / panel.unit


def _ys(panel: Panel, points: Sequence[Point]) -> list[float]:
    return [_scale(panel) * point.means[panel.y] for point in points]


def _lines(axes: Any, panel: Panel, points: Sequence[Point], looks: Looks, places: list[Any] | None) -> dict[str, Any]:
    handles = {}
    for title, own in _by_line(panel, points).items():
        line = [point for point in own if not point.own]
        xs, ys = _where(panel, line, places), _ys(panel, line)
        if len(line) == 1 and not line[0].place.keys() - {"mark", "source"}:
            (handles[title],) = axes.plot(xs, ys, "D", markersize=7, linestyle="none", **looks[title])
        else:
            (handles[title],) = axes.plot(xs, ys, linewidth=1.7, marker="o", markersize=4, **looks[title])
        spread = [point for point in line if panel.intervals and panel.y in point.low]
        if spread:
            low, high = ([_scale(panel) * part(point)[panel.y] for point in spread] for part in (_low, _high))
            axes.fill_between(_where(panel, spread, places), low, high, alpha=0.12, linewidth=0, **looks[title])
        for point in own:
            if point.own:
                axes.plot(
                    _where(panel, [point], places),
                    _ys(panel, [point]),
                    "x",
                    markersize=9,
                    markeredgewidth=2,
                    **looks[title],
                )
    return handles


def _low(point: Point) -> Mapping[str, float]:
    return point.low


def _high(point: Point) -> Mapping[str, float]:
    return point.high


def _slot(at: int, count: int) -> tuple[float, float]:
    """Return the offset and width of the at-th of ``count`` bars of a place."""
    width = 0.84 / max(count, 1)
    return -0.42 + (at + 0.5) * width, width


def _slots(curve: Curve, panel: Panel, shown: Sequence[Point]) -> dict[str, float]:
    """Return published line -> how far the bars or boxes of the same method are from their place."""
    if panel.kind not in ("bars", "box"):
        return {}
    titles = list(_by_line(panel, shown))
    same = {name: line.title for line in curve.content.lines for name in line.published}
    return {name: _slot(titles.index(title), len(titles))[0] for name, title in same.items() if title in titles}


def _bars(axes: Any, panel: Panel, points: Sequence[Point], looks: Looks, places: list[Any] | None) -> dict[str, Any]:
    handles, lines = {}, _by_line(panel, points)
    for at, (title, own) in enumerate(lines.items()):
        offset, width = _slot(at, len(lines))
        xs = [x + offset for x in _where(panel, own, places)]
        heights = [y - panel.base for y in _ys(panel, own)]
        handles[title] = axes.bar(xs, heights, width, panel.base, alpha=0.75, **looks[title])
    return handles


def _boxes(axes: Any, panel: Panel, points: Sequence[Point], looks: Looks, places: list[Any] | None) -> dict[str, Any]:
    handles, lines = {}, _by_line(panel, points)
    for at, (title, own) in enumerate(lines.items()):
        offset, width = _slot(at, len(lines))
        values = [[_scale(panel) * value for value in point.values[panel.y]] for point in own]
        xs = [x + offset for x in _where(panel, own, places)]
        drawn = axes.boxplot(values, positions=xs, widths=0.8 * width, **BOX)
        for box in drawn["boxes"]:
            box.set(facecolor=looks[title]["color"], alpha=0.7)
        handles[title] = drawn["boxes"][0]
    return handles


def _scatter(
    axes: Any, panel: Panel, points: Sequence[Point], looks: Looks, places: list[Any] | None
) -> dict[str, Any]:
    handles = {}
    groups = list(dict.fromkeys(point.place.get("group", "") for point in points))
    for title, own in _by_line(panel, points).items():
        (handles[title],) = axes.plot(
            _where(panel, own, places), _ys(panel, own), linewidth=1.0, alpha=0.7, **looks[title]
        )
        for point in own:
            shape = SHAPES[groups.index(point.place.get("group", "")) % len(SHAPES)]
            axes.plot(_where(panel, [point], places), _ys(panel, [point]), shape, **looks[title])
    if len(groups) > 1:
        shapes = [axes.plot([], [], SHAPES[at % len(SHAPES)], color="0.3")[0] for at in range(len(groups))]
        axes.legend(shapes, [str(group) for group in groups], fontsize=8)
    return handles


def _levels(axes: Any, panel: Panel, points: Sequence[Point], looks: Looks) -> dict[str, Any]:
    """Draw points without x, of a line that does not vary along it, as horizontal lines."""
    return {
        point.line: axes.axhline(_ys(panel, [point])[0], linestyle="-.", linewidth=1.2, **looks[point.line])
        for point in points
        if point.at(panel.x) is None and panel.y in point.means and point.fits(panel.where)
    }


def _published_levels(axes: Any, panel: Panel, points: Sequence[Point], looks: Looks) -> dict[str, Any]:
    """Draw published points that have y alone, such as a figure of an abstract, as horizontal lines."""
    alone = [point for point in points if panel.published and point.means.keys() == {panel.y}]
    return {
        f"{point.line} ({SHORT_MARKS[point.place['mark']]})": axes.axhline(
            _ys(panel, [point])[0], color=looks[point.line]["color"], linestyle=(0, (3, 2)), linewidth=1.0
        )
        for point in alone
        if point.at(panel.x) is None and point.fits(panel.where)
    }


def _published_looks(curve: Curve, published: Sequence[Point], ours: Looks) -> Looks:
    same = {name: line.title for line in curve.content.lines for name in line.published}
    found = {}
    for at, name in enumerate(dict.fromkeys(point.line for point in published)):
        colour = ours[same[name]]["color"] if name in same else str(0.3 + 0.07 * (at % 6))
        marker = {"marker": HOLLOW[at % len(HOLLOW)], "markersize": 5.5, "markerfacecolor": "none"}
        found[name] = {"color": colour, **marker, "linestyle": (0, (3, 2)), "linewidth": 1.0, "zorder": 3}
    return found


def _published(
    axes: Any,
    panel: Panel,
    points: Sequence[Point],
    looks: Looks,
    places: list[Any] | None,
    slots: Mapping[str, float],
) -> dict[str, Any]:
    """Draw the published points that have a place on the axes; at the bar or box of the same method without a line."""
    handles = {}
    for title, own in _by_line(panel, points).items():
        kept = [point for point in own if places is None or point.at(panel.x) in places]
        if not kept:
            continue
        look = dict(looks[title])
        if (places is not None and all(isinstance(place, str) for place in places)) or panel.kind in ("bars", "box"):
            look["linestyle"] = "none"
        if title in slots:
            look |= {"markerfacecolor": "white", "markeredgecolor": "black"}
        xs = [x + slots.get(title, 0.0) for x in _where(panel, kept, places)]
        marks = dict.fromkeys(SHORT_MARKS[point.place["mark"]] for point in kept)
        named = title.removesuffix(f" ({kept[0].place['mark']})")
        (handles[f"{named} ({', '.join(marks)})"],) = axes.plot(xs, _ys(panel, kept), **look)
    return handles


def _dress(axes: Any, panel: Panel, places: list[Any] | None, xs: Sequence[float]) -> None:
    axes.set_title(panel.title, fontsize=10)
    axes.set_xlabel(panel.x_label or panel.x)
    axes.set_ylabel((panel.y_label or panel.y) + (", %" if panel.percent and "%" not in panel.y_label else ""))
    if places is None:
        axes.set_xscale(panel.x_scale)
    else:
        long = any(len(short(place)) > 7 for place in places) and len(places) > 3
        style = {"rotation": 25, "ha": "right", "fontsize": 7} if long else {}
        axes.set_xticks(range(len(places)), [short(place) for place in places], **style)
    axes.set_yscale(panel.y_scale)
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            _label_log(axis)
    # A short sweep over powers of two says little at powers of ten.
    if axes.get_xscale() == "log" and 1 < len(xs) <= 8:
        axes.set_xticks(xs, [f"{x:g}" for x in xs])
        axes.set_xticks([], minor=True)
    for text, level in panel.levels.items():
        axes.axhline(level, color="black", linewidth=0.9, linestyle=":")
        axes.annotate(f" {text}", (0.0, level), xycoords=("axes fraction", "data"), fontsize=8, va="bottom")
    # Limits come last, since they end the fitting of the axis to what is drawn.
    axes.set_ylim(bottom=panel.y_min, top=panel.y_max)
    if panel.invert:
        axes.invert_xaxis()
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)


def _label_log(axis: Any) -> None:
    """Write plain numbers at a logarithmic axis, more than one a decade where it is short."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100.0 * low else (1.0,)))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(NullFormatter())
