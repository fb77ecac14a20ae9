"""Pictures as shapes in pixels, and how they become SVG text, a matplotlib figure or a file."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from ganttlet.core.errors import MissingExtraError
from ganttlet.core.figure import save_picture

INK, SOFT, FAINT, LANE, MARK, NEUTRAL = "#333", "#777", "#ddd", "#f3f4f6", "#c22", "#9aa3ad"
BASE = ("#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#9c755f", "#ff9da7", "#79706e")
Box = tuple[float, float, float, float]
Point = tuple[float, float]


class Boxes(NamedTuple):
    """Filled boxes (x, y, width, height) of one look; ``hover`` is what a pointer over them tells."""

    boxes: list[Box]
    fill: str
    stroke: str = "none"
    width: float = 0.7
    hover: str = ""


class Lines(NamedTuple):
    """Polylines of one look."""

    lines: list[list[Point]]
    color: str
    width: float = 1.0
    dashed: bool = False


class Text(NamedTuple):
    """One line of text; ``size`` in pixels, ``anchor`` is ``start``, ``middle`` or ``end``."""

    x: float
    y: float
    text: str
    size: float = 10.0
    color: str = INK
    bold: bool = False
    anchor: str = "start"


@dataclass
class Scene:
    """A picture of ``width`` x ``height`` pixels; ``shapes`` are drawn in their order, later ones on top."""

    width: float = 960.0
    height: float = 0.0
    shapes: list[Boxes | Lines | Text] = field(default_factory=list)


def color_of(number: int) -> str:
    """Return the colour of a job, application or cluster as #rrggbb; neighbours differ, the 61st is the first again."""
    number %= 60
    if number < len(BASE):
        return BASE[number]
    hue = (0.58 + number * 0.618033988749895) % 1.0
    return _hex(colorsys.hls_to_rgb(hue, (0.50, 0.66, 0.40)[number % 3], (0.52, 0.60, 0.42)[number % 3]))


def paler(color: str, share: float = 0.55) -> str:
    """Return ``color`` mixed with that share of white."""
    return _hex(tuple(part + (1 - part) * share for part in _rgb(color)))


def ink_on(color: str) -> str:
    """Return the colour of text on a box of ``color``."""
    red, green, blue = _rgb(color)
    return "#fff" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.55 else INK


def _rgb(color: str) -> tuple[float, ...]:
    return tuple(int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))


def _hex(rgb: tuple[float, ...]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)


def round_times(begin: int, end: int, most: int = 12) -> list[int]:
    """Return at most ``most`` + 1 round times in ``begin`` … ``end``."""
    scale = 1
    while (end - begin) / (5 * scale) > most:
        scale *= 10
    step = next(scale * factor for factor in (1, 2, 5) if (end - begin) / (scale * factor) <= most)
    return list(range(-(-begin // step) * step, end + 1, step))


def hatch(box: Box, step: float = 5.0) -> list[list[Point]]:
    """Return diagonal lines across a box, cut at its sides."""
    x, y, wide, high = box
    lines = []
    for number in range(1, int((wide + high) / step) + 1):
        at = number * step  # the diagonal from (at, 0) down to the left, relative to the box's upper left corner
        right, left = min(at, wide), max(0.0, at - high)
        if right > left:
            lines.append([(x + left, y + at - left), (x + right, y + at - right)])
    return lines


def shorten(text: str, room: int) -> str:
    """Return ``text``, cut to ``room`` characters if it is longer."""
    return text if len(text) <= room else f"{text[: max(1, room - 1)]}…"


def svg_of(scene: Scene) -> str:
    """Return a scene as SVG text."""
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {scene.width:g} {scene.height:g}" '
        f'width="{scene.width:g}" height="{scene.height:g}" font-family="sans-serif" fill="{INK}">',
        f'<rect width="{scene.width:g}" height="{scene.height:g}" fill="#fff"/>',
    ]
    for shape in scene.shapes:
        if isinstance(shape, Boxes):
            path = "".join(f"M{x:.1f} {y:.1f}h{wide:.1f}v{high:.1f}h-{wide:.1f}z" for x, y, wide, high in shape.boxes)
            line = "" if shape.stroke == "none" else f' stroke="{shape.stroke}" stroke-width="{shape.width:g}"'
            title = f"><title>{escape(shape.hover)}</title></path>" if shape.hover else "/>"
            out.append(f'<path fill="{shape.fill}"{line} d="{path}"{title}')
        elif isinstance(shape, Lines):
            path = "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in line) for line in shape.lines)
            dash = ' stroke-dasharray="4 3"' if shape.dashed else ""
            out.append(f'<path fill="none" stroke="{shape.color}" stroke-width="{shape.width:g}"{dash} d="{path}"/>')
        else:
            look = "" if shape.color == INK else f' fill="{shape.color}"'
            look += ' font-weight="bold"' if shape.bold else ""
            look += "" if shape.anchor == "start" else f' text-anchor="{shape.anchor}"'
            # Names on bars must not hide from the pointer the bar below.
            look += ' pointer-events="none"'
            place = f'x="{shape.x:.1f}" y="{shape.y:.1f}" font-size="{shape.size:g}"'
            out.append(f"<text {place}{look}>{escape(shape.text)}</text>")
    return "\n".join([*out, "</svg>"]) + "\n"


def figure_of(scene: Scene) -> Any:
    """Return a scene as a matplotlib figure of the same size at 100 dots per inch."""
    try:
        from matplotlib.collections import LineCollection, PolyCollection
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "eval") from None
    figure = Figure(figsize=(scene.width / 100, scene.height / 100), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, scene.width), ylim=(scene.height, 0))
    axes.axis("off")
    for order, shape in enumerate(scene.shapes):
        if isinstance(shape, Boxes):
            corners = [[(x, y), (x + w, y), (x + w, y + h), (x, y + h)] for x, y, w, h in shape.boxes]
            filled = PolyCollection(corners, zorder=order, facecolor=shape.fill, edgecolor=shape.stroke)
            filled.set_linewidth(0.72 * shape.width)
            axes.add_collection(filled, autolim=False)
        elif isinstance(shape, Lines):
            style = "dashed" if shape.dashed else "solid"
            drawn = LineCollection(shape.lines, zorder=order, color=shape.color, linestyle=style)
            drawn.set_linewidth(0.72 * shape.width)
            axes.add_collection(drawn, autolim=False)
        else:
            align = {"start": "left", "middle": "center", "end": "right"}[shape.anchor]
            words: dict[str, Any] = {"fontsize": 0.72 * shape.size, "color": shape.color, "ha": align}
            words |= {"fontweight": "bold" if shape.bold else "normal", "parse_math": False, "zorder": order}
            axes.text(shape.x, shape.y, shape.text, **words)
    return figure


def save_scene(path: str | Path, scene: Scene) -> None:
    """Write a scene to ``path`` (.svg, .png or .pdf), whole or not at all."""
    save_picture(path, lambda: figure_of(scene), svg=lambda: svg_of(scene))
