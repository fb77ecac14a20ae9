"""Plots as SVG text, without any library; colours, hover and hiding come from the page's style sheet and script.

A mark with ``data-m`` belongs to the method of that number, a point with ``data-r`` to the row of that number in the
page's data; other marks carry their words in a ``<title>``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from ganttlet_agents.evaluation.statistics import Estimate

WIDTH, LEFT, RIGHT, TOP, BAND, BOTTOM = 900.0, 12.0, 24.0, 10.0, 58.0, 40.0
XY_WIDTH, XY_HEIGHT, XY_LEFT, XY_BOTTOM = 560.0, 360.0, 54.0, 44.0
GOLDEN = 0.6180339887498949
COLOURS = 8
LONGEST = 96  # characters of a label in a plot
MOST_LOG = 7  # ticks of a logarithmic axis


@dataclass(frozen=True)
class Point:
    """A point of a plot: where it lies, and either the number of its row in the page's data or its words."""

    x: float
    y: float = 0.0
    words: str = ""
    row: int | None = None


@dataclass(frozen=True)
class Strip:
    """One method's band: its label, its number, a point per row (none in a plot of means only), and its mean."""

    label: str
    mark: int
    points: Sequence[Point]
    mean: Estimate | None
    words: str = ""


@dataclass(frozen=True)
class Series:
    """One method's marks in a plot of two axes: dots, the corners of a line and of an area, large dots for means."""

    mark: int
    points: Sequence[Point] = ()
    line: Sequence[tuple[float, float]] = ()
    means: Sequence[Point] = ()
    area: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True)
class Axis:
    """An axis: title, range, ticks as (value, text), and whether it is logarithmic."""

    title: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]] = field(default_factory=list)
    log: bool = False

    def share(self, value: float) -> float:
        """Return where a value lies between the ends of the axis, 0 … 1."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def mark_class(mark: int) -> str:
    """Return the style class of a method: one of 8 colours, and hollow marks for every second eight."""
    return f"c{mark % COLOURS}" + (" hollow" if mark // COLOURS % 2 else "")


def shortened(label: str) -> str:
    """Return a label that fits across a plot; hover texts and tables have all of it."""
    return label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…"


def nice_ticks(low: float, high: float, most: int = 9) -> list[float]:
    """Return round numbers covering ``low`` … ``high``: steps of 1, 2 or 5 times a power of 10."""
    span = max(high - low, 1e-9)
    scale = 10.0 ** math.floor(math.log10(span / most))
    step = next(scale * factor for factor in (1, 2, 5, 10) if span / (scale * factor) <= most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def linear_axis(title: str, values: Sequence[float], most: int = 9) -> Axis:
    """Return an axis that covers the values and ends on ticks."""
    ticks = nice_ticks(min(values), max(values), most)
    return Axis(title, ticks[0], max(ticks[-1], ticks[0] + 1e-9), [(tick, f"{tick:g}") for tick in ticks])


def log_axis(title: str, values: Sequence[float]) -> Axis:
    """Return a logarithmic axis that covers the positive values; ticks are powers of 10, and 2 and 5 times these."""
    low, high = min(values), max(values)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    numbers = [float(f"{factor}e{at}") for at in range(first, last + 1) for factor in (1, 2, 5)]
    start = max(index for index, number in enumerate(numbers) if number <= low * (1 + 1e-9))
    end = min(index for index, number in enumerate(numbers) if number >= high * (1 - 1e-9))
    numbers = numbers[start : max(end, start + 1) + 1]
    shown = numbers if len(numbers) <= MOST_LOG else [each for each in numbers if f"{each:e}"[0] == "1"]
    step = -(-len(shown) // MOST_LOG)
    return Axis(title, numbers[0], numbers[-1], [(each, f"{each:g}") for each in shown[::step]], True)


def strip_plot(strips: Sequence[Strip], title: str) -> str:
    """Return a band per method with a dot per row, the mean and its 95 % interval.

    Args:
        strips: values in the unit that the axis shows.
        title: the axis title.
    """
    values = [0.0, *(point.x for strip in strips for point in strip.points)]
    for strip in strips:
        if strip.mean is not None:
            values += [strip.mean.low, strip.mean.high]
    axis = linear_axis(title, values)
    low, high = axis.low, axis.high
    height = TOP + BAND * len(strips) + BOTTOM

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low)

    base = TOP + BAND * len(strips)
    # Bands and the axis below them are moved by the script when methods are hidden.
    out = [
        f'<svg class="plot bands" viewBox="0 0 {WIDTH:g} {height:g}" data-top="{TOP:g}" data-band="{BAND:g}" '
        f'data-bottom="{BOTTOM:g}" tabindex="0" role="group" aria-label="{escape(title)}">'
    ]
    lines = [
        f'<path class="{"zero" if tick == 0 else "grid"}" d="M{x(tick):.1f} 0V-{base:g}"/>' for tick, _ in axis.ticks
    ]
    numbers = [f'<text class="tick" x="{x(tick):.1f}" y="16">{text}</text>' for tick, text in axis.ticks]
    out.append(f'<g class="foot" transform="translate(0 {base:g})">')
    out += [*lines, *numbers, f'<text class="axis" x="{WIDTH / 2:g}" y="34">{escape(title)}</text></g>']
    for row, strip in enumerate(strips):
        top = TOP + BAND * row
        out.append(f'<g class="{mark_class(strip.mark)} band" data-m="{strip.mark}" transform="translate(0 {top:g})">')
        line = ""
        if strip.mean is not None:
            start, at, end = (x(value) for value in (strip.mean.low, strip.mean.value, strip.mean.high))
            words = f"{strip.label}: mean {strip.mean.value:.4g}, "
            words += f"95 % interval {strip.mean.low:.4g} … {strip.mean.high:.4g}{strip.words}"
            words = f"<title>{escape(words)}</title>"
            level = 48 if strip.points else 33
            out.append(f'<path class="bar" d="M{start:.1f} {level}H{max(end, start + 0.5):.1f}">{words}</path>')
            line = f'<path class="mean p" d="M{at:.1f} 24v{29 if strip.points else 18}">{words}</path>'
        # Dots are spread by the golden ratio, so that equal values stay apart and equal pages are equal.
        heights = (33 + 14 * ((index * GOLDEN) % 1.0 - 0.5) for index in range(len(strip.points)))
        out += [_dot(x(point.x), y, point, 3.6) for point, y in zip(strip.points, heights, strict=True)]
        out.append(line)
        out.append(f'<text class="label" x="{LEFT + 4:g}" y="17">{escape(shortened(strip.label))}</text></g>')
    return "\n".join([*out, "</svg>"])


def xy_plot(series: Sequence[Series], across: Axis, up: Axis, about: str) -> str:
    """Return a plot of two axes with dots, lines and means, a colour per method."""
    wide, high = XY_WIDTH - XY_LEFT - RIGHT, XY_HEIGHT - TOP - XY_BOTTOM
    base = TOP + high

    def x(value: float) -> float:
        return XY_LEFT + wide * across.share(value)

    def y(value: float) -> float:
        return base - high * up.share(value)

    out = [
        f'<svg class="plot xy" viewBox="0 0 {XY_WIDTH:g} {XY_HEIGHT:g}" tabindex="0" role="group" '
        f'aria-label="{escape(about)}">'
    ]
    lines = "".join(f"M{x(at):.1f} {TOP:g}V{base:g}" for at, _ in across.ticks)
    lines += "".join(f"M{XY_LEFT:g} {y(at):.1f}H{XY_WIDTH - RIGHT:g}" for at, _ in up.ticks)
    out.append(f'<path class="grid" d="{lines}"/>')
    out += [f'<text class="tick" x="{x(at):.1f}" y="{base + 16:g}">{text}</text>' for at, text in across.ticks]
    out += [f'<text class="tick end" x="{XY_LEFT - 6:g}" y="{y(at) + 4:.1f}">{text}</text>' for at, text in up.ticks]
    out.append(f'<text class="axis" x="{XY_LEFT + wide / 2:g}" y="{XY_HEIGHT - 8:g}">{escape(across.title)}</text>')
    middle = TOP + high / 2
    turned = f'transform="rotate(-90 14 {middle:g})"'
    out.append(f'<text class="axis" x="14" y="{middle:g}" {turned}>{escape(up.title)}</text>')
    for entry in series:
        out.append(f'<g class="{mark_class(entry.mark)}" data-m="{entry.mark}">')
        for corners, shape in ((entry.area, "polygon"), (entry.line, "polyline")):
            if corners:
                place = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in corners)
                out.append(f'<{shape} class="{"area" if shape == "polygon" else "curve"}" points="{place}"/>')
        small = "quiet" if entry.line else ""
        out += [_dot(x(point.x), y(point.y), point, 3.2, small) for point in entry.points]
        out += [_dot(x(point.x), y(point.y), point, 6.5, "big") for point in entry.means]
        out.append("</g>")
    return "\n".join([*out, "</svg>"])


def _dot(x: float, y: float, point: Point, radius: float, look: str = "") -> str:
    place = f'<circle class="p{" " + look if look else ""}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"'
    if point.row is not None:
        return f'{place} data-r="{point.row}"/>'
    return f"{place}><title>{escape(point.words)}</title></circle>"
