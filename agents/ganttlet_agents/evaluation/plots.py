"""Plots as SVG text, without any library; colours come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ganttlet_agents.evaluation.statistics import Estimate

WIDTH, LEFT, RIGHT, TOP, BAND, BOTTOM = 900.0, 12.0, 24.0, 10.0, 58.0, 40.0
GOLDEN = 0.6180339887498949
COLOURS = 8


@dataclass(frozen=True)
class Strip:
    """One method's points: its label, (value, tooltip) per row, and its mean."""

    label: str
    points: Sequence[tuple[float, str]]
    mean: Estimate | None


def nice_ticks(low: float, high: float, most: int = 9) -> list[float]:
    """Return round numbers covering ``low`` … ``high``: steps of 1, 2 or 5 times a power of 10."""
    span = max(high - low, 1e-9)
    scale = 10.0 ** math.floor(math.log10(span / most))
    step = next(scale * factor for factor in (1, 2, 5, 10) if span / (scale * factor) <= most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def strip_plot(strips: Sequence[Strip], title: str) -> str:
    """Return a strip plot: a band per method with a dot per row, the mean and its 95 % interval.

    Args:
        strips: values in the unit that the axis shows.
        title: the axis title.
    """
    values = [value for strip in strips for value, _ in strip.points]
    ticks = nice_ticks(min(0.0, *values), max(0.0, *values))
    low, high = ticks[0], max(ticks[-1], ticks[0] + 1e-9)
    height = TOP + BAND * len(strips) + BOTTOM

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low)

    base = TOP + BAND * len(strips)
    out = [f'<svg class="plot" viewBox="0 0 {WIDTH:g} {height:g}" role="img" aria-label="{escape(title)}">']
    for tick in ticks:
        kind = "zero" if tick == 0 else "grid"
        out.append(f'<path class="{kind}" d="M{x(tick):.1f} {TOP:g}V{base:g}"/>')
        out.append(f'<text class="tick" x="{x(tick):.1f}" y="{base + 16:g}">{tick:g}</text>')
    out.append(f'<text class="axis" x="{WIDTH / 2:g}" y="{base + 34:g}">{escape(title)}</text>')
    for row, strip in enumerate(strips):
        top = TOP + BAND * row
        middle = top + 33
        out.append(f'<g class="c{row % COLOURS}">')
        line = ""
        if strip.mean is not None:
            start, at, end = (x(value) for value in (strip.mean.low, strip.mean.value, strip.mean.high))
            words = f"mean {strip.mean.value:.3g}, 95 % interval {strip.mean.low:.3g} … {strip.mean.high:.3g}"
            words = f"<title>{escape(words)}</title>"
            out.append(f'<path class="bar" d="M{start:.1f} {middle + 15:g}H{end:.1f}">{words}</path>')
            line = f'<path class="mean" d="M{at:.1f} {middle - 9:g}v29">{words}</path>'
        for index, (value, text) in enumerate(strip.points):
            # Dots are spread by the golden ratio, so that equal values stay apart and equal pages are equal.
            y = middle + 14 * ((index * GOLDEN) % 1.0 - 0.5)
            dot = f'<circle cx="{x(value):.1f}" cy="{y:.1f}" r="3.6"><title>{escape(text)}</title></circle>'
            out.append(dot)
        out.append(line)
        out.append(f'<text class="label" x="{LEFT + 4:g}" y="{top + 17:g}">{escape(strip.label)}</text></g>')
    return "\n".join([*out, "</svg>"])
