"""Pictures of a plan: SVG text without any library, pixels through matplotlib, and plain text."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ganttlet.core.errors import MissingExtraError
from ganttlet.core.figure import pixels_of, save_picture
from ganttlet.vm_rescheduling.instance import Array, Cluster
from ganttlet.vm_rescheduling.scene import (
    FRAME,
    INK,
    MARK,
    SHOWN,
    WIDTH,
    Box,
    Scene,
    arrow_of,
    heading,
    make_scene,
    moves_made,
    play,
)
from ganttlet.vm_rescheduling.solution import Plan
from ganttlet.vm_rescheduling.usage import Usage


def _path(boxes: list[Box]) -> str:
    return "".join(f"M{x:.1f} {y:.1f}h{wide:.1f}v{high:.1f}h-{wide:.1f}z" for x, y, wide, high in boxes)


def cluster_svg(instance: Cluster, plan: Plan, title: str = "") -> str:
    """Return the cluster before and after ``plan`` as SVG text, and the plan as a list of arrows.

    A cell is a host, a bar one of its NUMA nodes: reserved cores, free whole blocks of X cores, free fragments;
    of pods, requests by tier and free cpu. A pointer over a cell shows the host, what is free and how many VMs it
    holds. The first 100 moves are listed.

    Args:
        instance: the cluster.
        plan: a plan of that cluster, possibly unfinished.
        title: the heading; the instance's name and size if empty.

    Raises:
        InputError: if the plan belongs to another instance or a move breaks a rule.
    """
    scene = make_scene(instance, plan, title)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {scene.height:g}" width="{WIDTH:g}" '
        f'height="{scene.height:g}" font-family="sans-serif" fill="{INK}">',
        f'<rect width="{WIDTH:g}" height="{scene.height:g}" fill="#fff"/>',
    ]
    cells = [box for boxes in scene.cells.values() for box in boxes]
    out.append(f'<path fill="{FRAME}" d="{_path(cells)}"/>')
    out += [f'<path fill="{color}" d="{_path(boxes)}"/>' for color, boxes in scene.boxes.items()]
    out.append(f'<path fill="none" stroke="{MARK}" d="{_path(scene.outlines)}"/>')
    for x, y, text, size, color, bold in scene.texts:
        look = ("" if color == INK else f' fill="{color}"') + (' font-weight="bold"' if bold else "")
        out.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}"{look}>{escape(text)}</text>')
    out.append('<g fill="none" pointer-events="all">')
    for host, (before, after) in scene.hovers.items():
        words = f"{instance.host_name(host)}: " + (before if after == before else f"{before}; after: {after}")
        out.append(f'<path d="{_path(scene.cells[host])}"><title>{escape(words)}</title></path>')
    out.append("</g></svg>")
    return "\n".join(out) + "\n"


def _figure(scene: Scene) -> Any:
    try:
        from matplotlib.collections import PolyCollection
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "eval") from None
    figure = Figure(figsize=(WIDTH / 100, scene.height / 100), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(scene.height, 0))
    axes.axis("off")

    def add(boxes: list[Box], **look: Any) -> None:
        corners = [[(x, y), (x + w, y), (x + w, y + h), (x, y + h)] for x, y, w, h in boxes]
        axes.add_collection(PolyCollection(corners, **look))

    add([box for boxes in scene.cells.values() for box in boxes], facecolor=FRAME)
    for color, boxes in scene.boxes.items():
        add(boxes, facecolor=color)
    add(scene.outlines, facecolor="none", edgecolor=MARK, linewidth=0.8)
    for x, y, text, size, color, bold in scene.texts:
        weight = "bold" if bold else "normal"
        axes.text(x, y, text, fontsize=0.72 * size, color=color, fontweight=weight, parse_math=False)
    return figure


def cluster_rgb(instance: Cluster, plan: Plan) -> Array:
    """Return the picture of :func:`cluster_svg` as pixels, (H, 960, 3) uint8; H depends on the instance alone."""
    room = instance.limit + (0 if instance.count_placements else instance.n_vms)
    figure = _figure(make_scene(instance, plan, "", room))
    return pixels_of(figure)


def _symbols(usage: Usage) -> list[str]:
    """Return the text of every host: one symbol per NUMA node."""
    block = usage.instance.block
    if usage.instance.is_pods:
        used = 1 - usage.cpu[:, 0] / np.maximum(usage.instance.cpu[:, 0], 1)
        return [f"{round(100 * share):>3}" for share in used]
    whole, rest = usage.cpu >= block, usage.cpu % block > 0
    table = np.array([[".", "x"], ["o", "*"]])[whole.astype(int), rest.astype(int)]
    return ["".join(row) for row in table]


def cluster_ansi(instance: Cluster, plan: Plan) -> str:
    """Return the cluster before and after ``plan`` as text of about 100 columns, and the first 100 moves.

    A host is one symbol per NUMA node: ``.`` nothing free, ``o`` whole blocks of X cores, ``x`` fragments, ``*`` both.
    A node of pods is the percentage of its cpu that is requested.
    """
    after, steps = play(instance, plan)
    before = instance.usage()
    left, right = _symbols(before), _symbols(after)
    across = max(1, 48 // (len(left[0]) + 1))
    wide = max(across * (len(left[0]) + 1) - 1, 34)
    key = "percent of cpu requested" if instance.is_pods else ". nothing free   o whole blocks   x fragments   * both"
    lines = [f"{instance.name} ({instance.size})   {key}"]
    lines.append(f"{f'before: {heading(before)}':<{wide}}  | {moves_made(steps)}: {heading(after)}")
    for at in range(0, instance.n_hosts, across):
        lines.append(f"{' '.join(left[at : at + across]):<{wide}}  | {' '.join(right[at : at + across])}")
    lines += [arrow_of(instance, at + 1, step, "->") for at, step in enumerate(steps[:SHOWN])]
    if len(steps) > SHOWN:
        lines.append(f"... and {len(steps) - SHOWN} more")
    return "\n".join(lines) + "\n"


def save_cluster(instance: Cluster, plan: Plan, path: str | Path, title: str = "") -> None:
    """Write the picture of a plan to ``path`` (.svg, .png, .pdf or .txt), whole or not at all."""
    save_picture(
        path,
        lambda: _figure(make_scene(instance, plan, title)),
        svg=lambda: cluster_svg(instance, plan, title),
        txt=lambda: cluster_ansi(instance, plan),
    )
