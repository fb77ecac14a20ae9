"""Gantt charts: SVG text without any library, pixels through matplotlib, and fixed-width text."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet.core.figure import pixels_of, save_picture
from ganttlet.job_shop.instance import Array, JobShopInstance
from ganttlet.job_shop.solution import Schedule

BASE = (
    "#4e79a7",
    "#f28e2b",
    "#59a14f",
    "#e15759",
    "#76b7b2",
    "#edc948",
    "#b07aa1",
    "#9c755f",
    "#ff9da7",
    "#79706e",
)
SYMBOLS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
INK, FAINT, MARK = "#333", "#ddd", "#c22"
LEFT, TOP, BOTTOM, WIDTH = 44.0, 30.0, 36.0, 960.0
LABELLED = 400


def colors(n_jobs: int) -> list[str]:
    """Return ``n_jobs`` colours as #rrggbb; neighbours differ in hue, and over ten in lightness too."""
    if n_jobs <= len(BASE):
        return list(BASE[:n_jobs])
    result = []
    for j in range(n_jobs):
        hue = (0.58 + j * 0.618033988749895) % 1.0
        rgb = colorsys.hls_to_rgb(hue, (0.50, 0.66, 0.40)[j % 3], (0.52, 0.60, 0.42)[j % 3])
        result.append("#" + "".join(f"{round(255 * part):02x}" for part in rgb))
    return result


def _ink_on(color: str) -> str:
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return "#fff" if 0.299 * red + 0.587 * green + 0.114 * blue < 140 else INK


def _ticks(end: int, most: int = 12) -> list[int]:
    """Return round times from 0 up to ``end``, at most ``most`` + 1 of them."""
    scale = 1
    while end / (5 * scale) > most:
        scale *= 10
    step = next(scale * factor for factor in (1, 2, 5) if end / (scale * factor) <= most)
    return list(range(0, end + 1, step))


def _start(instance: JobShopInstance, start: Array | Schedule) -> Array:
    """Return start times of the instance's shape, -1 where an operation is not scheduled."""
    array = np.asarray(start.start if isinstance(start, Schedule) else start)
    if array.shape != instance.machine.shape:
        raise InputError(
            f"chart of {instance.name}: start times of shape {array.shape}, expected {instance.machine.shape}"
        )
    return np.where(instance.machine >= 0, array, -1)


def _placed(instance: JobShopInstance, start: Array, j: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield (operation, machine, start, duration) of the scheduled operations of job ``j`` that take time."""
    for i in np.flatnonzero((start[j] >= 0) & (instance.duration[j] > 0)):
        yield int(i), int(instance.machine[j, i]), int(start[j, i]), int(instance.duration[j, i])


def _end(instance: JobShopInstance, start: Array) -> int:
    """Return the end of the last scheduled operation, 0 if there is none."""
    return int(np.where(start >= 0, start + instance.duration, 0).max())


def gantt_svg(instance: JobShopInstance, schedule: Array | Schedule, title: str = "") -> str:
    """Return a Gantt chart as SVG text: one row per machine, one colour per job, time in ticks.

    Charts of up to 400 operations carry job numbers, and a pointer over a bar shows the operation; in larger ones it
    shows the job.

    Args:
        instance: the instance.
        schedule: a Schedule, or start times (n, o) with -1 where an operation is not scheduled.
        title: the heading; the instance's name and size if empty.
    """
    start = _start(instance, schedule)
    end, rows = _end(instance, start), instance.n_machines
    row = 22.0 if rows <= 12 else 16.0
    height = TOP + rows * row + BOTTOM
    scale = (WIDTH - LEFT - 70) / max(end, 1)
    base = TOP + rows * row
    heading = title or f"{instance.name} ({instance.size})"
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" width="{WIDTH:g}" '
        f'height="{height:g}" font-family="sans-serif" font-size="10" fill="{INK}">',
        f'<rect width="{WIDTH:g}" height="{height:g}" fill="#fff"/>',
        f'<text x="{LEFT:g}" y="18" font-size="13" font-weight="bold">{escape(heading)}</text>',
    ]
    ticks = _ticks(end)
    lines = "".join(f"M{LEFT + scale * t:.1f} {TOP:g}V{base + 4:g}" for t in ticks)
    lines += "".join(f"M{LEFT:g} {TOP + k * row:g}H{LEFT + scale * end:.1f}" for k in range(rows + 1))
    out.append(f'<path d="{lines}" stroke="{FAINT}" fill="none"/>')
    numbers = "".join(f'<text x="{LEFT + scale * t:.1f}" y="{base + 15:g}">{t}</text>' for t in ticks)
    out.append(f'<g text-anchor="middle">{numbers}')
    out.append(f'<text x="{LEFT + scale * end / 2:.1f}" y="{base + 29:g}">time (ticks)</text></g>')
    names = "".join(f'<text x="{LEFT - 6:g}" y="{TOP + (k + 0.5) * row + 3.5:g}">M{k}</text>' for k in range(rows))
    out.append(f'<g text-anchor="end">{names}</g>')
    labels = []
    few = int((start >= 0).sum()) <= LABELLED
    out.append('<g stroke="#fff" stroke-width=".7">')
    for j, color in enumerate(colors(instance.n_jobs)):
        path = ""
        for i, k, begin, length in _placed(instance, start, j):
            x, wide = LEFT + scale * begin, scale * length
            bar = f"M{x:.1f} {TOP + k * row + 1:g}h{wide:.1f}v{row - 2:g}h-{wide:.1f}z"
            if few:
                words = f"job {j} operation {i} on M{k}: {begin} … {begin + length} ({length})"
                out.append(f'<path fill="{color}" d="{bar}"><title>{words}</title></path>')
            else:
                path += bar
            if few and wide > 6 * len(str(j)) + 2:
                y = TOP + (k + 0.5) * row + 3.5
                labels.append(f'<text x="{x + wide / 2:.1f}" y="{y:g}" fill="{_ink_on(color)}">{j}</text>')
        if path:
            out.append(f'<path fill="{color}" d="{path}"><title>job {j}</title></path>')
    out.append("</g>")
    if labels:
        out.append(f'<g text-anchor="middle" font-size="9">{"".join(labels)}</g>')
    x = LEFT + scale * end
    out.append(f'<path d="M{x:.1f} {TOP - 4:g}V{base + 4:g}" stroke="{MARK}" stroke-width="1.5"/>')
    out.append(f'<text x="{x + 4:.1f}" y="{TOP + 5:g}" fill="{MARK}" font-weight="bold">{end}</text></svg>')
    return "\n".join(out) + "\n"


def _figure(instance: JobShopInstance, start: Array, title: str, horizon: int | None, size: tuple[float, float]) -> Any:
    try:
        from matplotlib.collections import PolyCollection
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "eval") from None
    end = _end(instance, start)
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    axes = figure.add_subplot()
    few = int((start >= 0).sum()) <= LABELLED
    right = max(end, horizon or 0, 1)
    for j, color in enumerate(colors(instance.n_jobs)):
        bars = []
        for _, k, begin, length in _placed(instance, start, j):
            bars.append([(begin, k - 0.44), (begin + length, k - 0.44), (begin + length, k + 0.44), (begin, k + 0.44)])
            if few and length / right * size[0] * 72 > 8 * len(str(j)) + 3:
                axes.text(begin + length / 2, k, str(j), ha="center", va="center", fontsize=7, color=_ink_on(color))
        if bars:
            axes.add_collection(PolyCollection(bars, facecolor=color, edgecolor="white", linewidth=0.5))
    axes.set(xlim=(0, right * 1.02), ylim=(instance.n_machines - 0.5, -0.5), xlabel="time (ticks)")
    axes.set_yticks(range(instance.n_machines), [f"M{k}" for k in range(instance.n_machines)], fontsize=8)
    axes.set_title(title or f"{instance.name} ({instance.size})", fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(axis="x", color=FAINT, linewidth=0.6)
    if end:
        axes.axvline(end, color=MARK, linewidth=1.2)
        axes.set_title(f"end {end}", fontsize=10, loc="right", color=MARK)
    return figure


def gantt_rgb(
    instance: JobShopInstance,
    start: Array | Schedule,
    title: str = "",
    horizon: int | None = None,
    size: tuple[float, float] = (8.0, 4.5),
) -> Array:
    """Return a Gantt chart as pixels, (H, W, 3) uint8; H and W depend on ``size`` alone.

    Args:
        instance: the instance.
        start: a Schedule, or start times (n, o) with -1 where an operation is not scheduled.
        title: the heading; the instance's name and size if empty.
        horizon: least end of the time axis in ticks, so that the frames of an episode can share one axis.
        size: width and height in hundreds of pixels.
    """
    figure = _figure(instance, _start(instance, start), title, horizon, size)
    return pixels_of(figure)


def gantt_ansi(instance: JobShopInstance, start: Array | Schedule, width: int = 100) -> str:
    """Return a Gantt chart as text of at most ``width`` columns: one line per machine, one symbol per job.

    A column stands for an equal share of the time up to the last end and shows the job that holds most of it;
    ``.`` is idle. Jobs 0 … 9 are digits, then come A … Z and a … z; jobs from 62 on use the 62 symbols again.
    """
    start = _start(instance, start)
    end = _end(instance, start)
    margin = len(f"M{instance.n_machines - 1} |")
    columns = max(10, width - margin - 1)
    columns = min(columns, max(end, 1))
    edges = np.arange(columns + 1) * (max(end, 1) / columns)
    share = np.zeros((instance.n_machines, columns))
    chart = np.full((instance.n_machines, columns), ".")
    for j in range(instance.n_jobs):
        for _, k, begin, length in _placed(instance, start, j):
            part = np.minimum(edges[1:], begin + length) - np.maximum(edges[:-1], begin)
            better = part > share[k] + 1e-9
            share[k] = np.where(better, part, share[k])
            chart[k] = np.where(better, SYMBOLS[j % len(SYMBOLS)], chart[k])
    done, total = int((start >= 0).sum()), int((instance.machine >= 0).sum())
    lines = [f"{instance.name} ({instance.size})  {done}/{total} operations  end {end} ticks"]
    lines += [f"{f'M{k}':<{margin - 2}} |{''.join(chart[k])}|" for k in range(instance.n_machines)]
    lines.append(" " * (margin - 1) + "0" + f"{end:>{columns}}")
    return "\n".join(lines) + "\n"


def save_gantt(instance: JobShopInstance, schedule: Array | Schedule, path: str | Path, title: str = "") -> None:
    """Write a Gantt chart to ``path`` (.svg, .png or .pdf), whole or not at all."""
    size = (11.0, max(2.5, 0.28 * instance.n_machines + 1.2))
    save_picture(
        path,
        lambda: _figure(instance, _start(instance, schedule), title, None, size),
        svg=lambda: gantt_svg(instance, schedule, title),
    )
