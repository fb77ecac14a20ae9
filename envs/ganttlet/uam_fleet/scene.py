"""Pictures as shapes in pixels, and how they become SVG text, a matplotlib figure or a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from ganttlet.core.errors import MissingExtraError
from ganttlet.core.figure import save_picture

INK, SOFT, FAINT, LANE = "#333333", "#777777", "#dddddd", "#f3f4f6"


class Boxes(NamedTuple):
    """Filled boxes (x, y, width, height) of one look; ``hover`` is what a pointer over them tells."""

    boxes: list[tuple[float, float, float, float]]
    fill: str
    hover: str = ""


class Line(NamedTuple):
    """A straight line."""

    start: tuple[float, float]
    end: tuple[float, float]
    color: str = FAINT
    width: float = 1.0
    hover: str = ""


class Dot(NamedTuple):
    """A filled circle, or a ring with a white middle."""

    x: float
    y: float
    radius: float
    color: str = INK
    ring: bool = False
    hover: str = ""


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

    width: float
    height: float
    shapes: list[Boxes | Line | Dot | Text] = field(default_factory=list)


def svg_of(scene: Scene) -> str:
    """Return a scene as SVG text."""
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {scene.width:g} {scene.height:g}" '
        f'width="{scene.width:g}" height="{scene.height:g}" font-family="sans-serif" fill="{INK}">',
        f'<rect width="{scene.width:g}" height="{scene.height:g}" fill="#fff"/>',
    ]
    for shape in scene.shapes:
        if isinstance(shape, Text):
            look = "" if shape.color == INK else f' fill="{shape.color}"'
            look += ' font-weight="bold"' if shape.bold else ""
            look += "" if shape.anchor == "start" else f' text-anchor="{shape.anchor}"'
            place = f'x="{shape.x:.1f}" y="{shape.y:.1f}" font-size="{shape.size:g}"'
            out.append(f'<text {place}{look} pointer-events="none">{escape(shape.text)}</text>')
            continue
        title = f"<title>{escape(shape.hover)}</title>" if shape.hover else ""
        if isinstance(shape, Boxes):
            path = "".join(f"M{x:.1f} {y:.1f}h{wide:.1f}v{high:.1f}h-{wide:.1f}z" for x, y, wide, high in shape.boxes)
            out.append(f'<path fill="{shape.fill}" d="{path}">{title}</path>')
        elif isinstance(shape, Line):
            (x, y), (right, below) = shape.start, shape.end
            ends = f'x1="{x:.1f}" y1="{y:.1f}" x2="{right:.1f}" y2="{below:.1f}"'
            out.append(f'<line {ends} stroke="{shape.color}" stroke-width="{shape.width:.2f}">{title}</line>')
        else:
            fill = f'"#fff" stroke="{shape.color}"' if shape.ring else f'"{shape.color}"'
            place = f'cx="{shape.x:.1f}" cy="{shape.y:.1f}" r="{shape.radius:.1f}"'
            out.append(f"<circle {place} fill={fill}>{title}</circle>")
    return "\n".join([*out, "</svg>"]) + "\n"


def figure_of(scene: Scene) -> Any:
    """Return a scene as a matplotlib figure of the same size at 100 dots per inch."""
    try:
        from matplotlib.collections import LineCollection, PolyCollection
        from matplotlib.figure import Figure
        from matplotlib.patches import Circle
    except ImportError:
        raise MissingExtraError("matplotlib", "eval") from None
    figure = Figure(figsize=(scene.width / 100, scene.height / 100), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, scene.width), ylim=(scene.height, 0))
    axes.axis("off")
    for order, shape in enumerate(scene.shapes):
        if isinstance(shape, Boxes):
            corners = [[(x, y), (x + w, y), (x + w, y + h), (x, y + h)] for x, y, w, h in shape.boxes]
            axes.add_collection(PolyCollection(corners, zorder=order, facecolor=shape.fill), autolim=False)
        elif isinstance(shape, Line):
            drawn = LineCollection([[shape.start, shape.end]], zorder=order, color=shape.color)
            drawn.set_linewidth(0.72 * shape.width)
            axes.add_collection(drawn, autolim=False)
        elif isinstance(shape, Dot):
            fill = "white" if shape.ring else shape.color
            axes.add_patch(
                Circle((shape.x, shape.y), shape.radius, facecolor=fill, edgecolor=shape.color, zorder=order)
            )
        else:
            align = {"start": "left", "middle": "center", "end": "right"}[shape.anchor]
            words: dict[str, Any] = {"fontsize": 0.72 * shape.size, "color": shape.color, "ha": align}
            words |= {"fontweight": "bold" if shape.bold else "normal", "parse_math": False, "zorder": order}
            axes.text(shape.x, shape.y, shape.text, **words)
    return figure


def save_scene(path: str | Path, scene: Scene) -> None:
    """Write a scene to ``path`` (.svg, .png or .pdf), whole or not at all."""
    save_picture(path, lambda: figure_of(scene), svg=lambda: svg_of(scene))
