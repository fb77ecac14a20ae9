"""Memory maps: buffers as rectangles of lifetime x offset, as SVG text, pixels through matplotlib, and text."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet.core.figure import pixels_of, save_picture
from ganttlet.memory_allocation.instance import AllocationInstance, Array
from ganttlet.memory_allocation.solution import Allocation

COLORS = (
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
INK, FAINT, MARK, GOOD = "#333", "#ddd", "#c22", "#2a7a2a"
LEFT, TOP, BOTTOM, WIDTH, HEIGHT = 64.0, 32.0, 36.0, 960.0, 440.0
ROWS = 16


def _offset(instance: AllocationInstance, allocation: Array | Allocation) -> Array:
    """Return offsets (n,), -1 where a buffer has no place."""
    array = np.asarray(allocation.offset if isinstance(allocation, Allocation) else allocation)
    if array.shape != instance.size.shape:
        raise InputError(f"map of {instance.name}: offsets of shape {array.shape}, expected {instance.size.shape}")
    return array


def _height(instance: AllocationInstance, offset: Array) -> int:
    """Return the end of the highest placed buffer, 0 if there is none."""
    return int(np.where(offset >= 0, offset + instance.size, 0).max())


def _ticks(begin: float, end: float, most: int = 10) -> list[float]:
    """Return round numbers from ``begin`` to ``end``, at most ``most`` + 2 of them."""
    power = 10.0 ** np.floor(np.log10((end - begin) / most))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if (end - begin) / (power * factor) <= most)
    first = int(np.ceil(begin / step - 1e-9))
    return [float(step * at) for at in range(first, int(end / step + 1e-9) + 1)]


def _unit(capacity: int) -> tuple[float, str]:
    """Return the bytes of a unit in which ``capacity`` is a handy number, and its name."""
    for size, name in ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB")):
        if capacity >= 2 * size:
            return size, name
    return 1.0, "bytes"


def _summary(instance: AllocationInstance, offset: Array) -> str:
    height = _height(instance, offset)
    verdict = "fits" if height <= instance.capacity else "exceeds"
    return f"{int((offset >= 0).sum())}/{instance.n_buffers} buffers, height {height} {verdict} {instance.capacity}"


def memory_svg(instance: AllocationInstance, allocation: Array | Allocation, title: str = "") -> str:
    """Return a memory map as SVG text: time across, offsets upwards, the capacity as a line.

    A pointer over a rectangle shows the buffer; fixed ones have a dark edge.

    Args:
        instance: the instance.
        allocation: an Allocation, or offsets (n,) with -1 where a buffer has no place.
        title: the heading; the instance's name and size if empty.
    """
    offset = _offset(instance, allocation)
    begin, end = int(instance.times[0]), int(instance.times[-1])
    full = max(_height(instance, offset), instance.capacity)
    across, up, base = (WIDTH - LEFT - 20) / (end - begin), HEIGHT / full, TOP + HEIGHT
    unit, unit_name = _unit(full)
    height = base + BOTTOM
    heading = title or f"{instance.name} ({instance.size_label})"
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" width="{WIDTH:g}" '
        f'height="{height:g}" font-family="sans-serif" font-size="10" fill="{INK}">',
        f'<rect width="{WIDTH:g}" height="{height:g}" fill="#fff"/>',
        f'<text x="{LEFT:g}" y="18" font-size="13" font-weight="bold">{escape(heading)}</text>',
        f'<text x="{WIDTH - 20:g}" y="18" text-anchor="end">{_summary(instance, offset)}</text>',
    ]
    times, bytes_ = _ticks(begin, end), _ticks(0.0, full / unit)
    lines = "".join(f"M{LEFT + across * (t - begin):.1f} {TOP:g}V{base + 4:g}" for t in times)
    lines += "".join(f"M{LEFT - 4:g} {base - up * unit * y:.1f}H{WIDTH - 20:g}" for y in bytes_)
    out.append(f'<path d="{lines}" stroke="{FAINT}" fill="none"/>')
    numbers = "".join(f'<text x="{LEFT + across * (t - begin):.1f}" y="{base + 15:g}">{t:g}</text>' for t in times)
    out.append(f'<g text-anchor="middle">{numbers}')
    out.append(f'<text x="{(LEFT + WIDTH - 20) / 2:.1f}" y="{base + 29:g}">time</text></g>')
    numbers = "".join(f'<text x="{LEFT - 8:g}" y="{base - up * unit * y + 3.5:.1f}">{y:g}</text>' for y in bytes_)
    out.append(f'<g text-anchor="end">{numbers}</g>')
    middle = TOP + HEIGHT / 2
    out.append(
        f'<text x="14" y="{middle:g}" text-anchor="middle" transform="rotate(-90 14 {middle:g})">'
        f"offset ({unit_name})</text>"
    )
    for k in np.flatnonzero(offset >= 0):
        low, size = int(offset[k]), int(instance.size[k])
        edge = INK if instance.fixed[k] >= 0 else "#fff"
        span = f"time {instance.lower[k]} … {instance.upper[k] - 1}"
        out.append(
            f'<rect x="{LEFT + across * (int(instance.lower[k]) - begin):.2f}" y="{base - up * (low + size):.2f}" '
            f'width="{across * int(instance.upper[k] - instance.lower[k]):.2f}" height="{up * size:.2f}" '
            f'fill="{COLORS[k % len(COLORS)]}" stroke="{edge}" stroke-width=".6"><title>{escape(instance.label(k))}: '
            f"{low} … {low + size - 1} ({size} bytes), {span}</title></rect>"
        )
    y, color = base - up * instance.capacity, MARK if full > instance.capacity else GOOD
    out.append(f'<path d="M{LEFT:g} {y:.1f}H{WIDTH - 20:g}" stroke="{color}" stroke-width="1.5"/></svg>')
    return "\n".join(out) + "\n"


def _figure(instance: AllocationInstance, offset: Array, title: str, size: tuple[float, float]) -> Any:
    try:
        from matplotlib.collections import PolyCollection
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "eval") from None
    full = max(_height(instance, offset), instance.capacity)
    unit, unit_name = _unit(full)
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    axes = figure.add_subplot()
    placed = np.flatnonzero(offset >= 0)
    boxes = []
    for k in placed:
        left, right = int(instance.lower[k]), int(instance.upper[k])
        low, high = offset[k] / unit, (offset[k] + instance.size[k]) / unit
        boxes.append([(left, low), (right, low), (right, high), (left, high)])
    if boxes:
        colors = [COLORS[k % len(COLORS)] for k in placed]
        edges = [INK if instance.fixed[k] >= 0 else "white" for k in placed]
        axes.add_collection(PolyCollection(boxes, facecolor=colors, edgecolor=edges, linewidth=0.5))
    axes.axhline(instance.capacity / unit, color=MARK if full > instance.capacity else GOOD, linewidth=1.2)
    axes.set(xlim=(int(instance.times[0]), int(instance.times[-1])), ylim=(0, 1.02 * full / unit))
    axes.set(xlabel="time", ylabel=f"offset ({unit_name})")
    axes.set_title(title or f"{instance.name} ({instance.size_label})", fontsize=10, loc="left")
    axes.set_title(_summary(instance, offset), fontsize=8, loc="right")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(color=FAINT, linewidth=0.6)
    return figure


def memory_rgb(
    instance: AllocationInstance,
    allocation: Array | Allocation,
    title: str = "",
    size: tuple[float, float] = (8.0, 4.5),
) -> Array:
    """Return a memory map as pixels, (H, W, 3) uint8; ``size`` is width and height in hundreds of pixels."""
    figure = _figure(instance, _offset(instance, allocation), title, size)
    return pixels_of(figure)


def memory_ansi(instance: AllocationInstance, allocation: Array | Allocation, width: int = 100) -> str:
    """Return a memory map as text of at most ``width`` columns: offsets upwards, one symbol per buffer.

    A cell shows the buffer at its middle, ``.`` for none. Buffers 0 … 9 are digits, then come A … Z and a … z; buffers
    from 62 on use the 62 symbols again. The line of dashes is the capacity, at the lower edge of what exceeds it.
    """
    offset = _offset(instance, allocation)
    begin, end = int(instance.times[0]), int(instance.times[-1])
    full = max(_height(instance, offset), instance.capacity)
    margin = len(str(full)) + 2
    columns = max(10, min(width - margin - 1, end - begin))
    time = begin + (np.arange(columns) + 0.5) * ((end - begin) / columns)
    middle = (np.arange(ROWS) + 0.5) * (full / ROWS)
    chart = np.full((ROWS, columns), ".")
    for k in np.flatnonzero(offset >= 0):
        high = (middle >= offset[k]) & (middle < offset[k] + instance.size[k])
        chart[np.ix_(high, (time >= instance.lower[k]) & (time < instance.upper[k]))] = SYMBOLS[k % len(SYMBOLS)]
    lines = [f"{instance.name} ({instance.size_label})  {_summary(instance, offset)}"]
    above = int((middle > instance.capacity).sum())
    for row in range(ROWS - 1, -1, -1):
        lines.append(f"{round((row + 1) * full / ROWS):>{margin - 2}} |{''.join(chart[row])}|")
        if above and row == ROWS - above:
            lines.append(f"{instance.capacity:>{margin - 2}} |{'-' * columns}|")
    lines.append(f"{0:>{margin - 2}} {begin}{end:>{columns}}")
    return "\n".join(lines) + "\n"


def save_memory(
    instance: AllocationInstance, allocation: Array | Allocation, path: str | Path, title: str = ""
) -> None:
    """Write a memory map to ``path`` (.svg, .png, .pdf or .txt), whole or not at all."""
    save_picture(
        path,
        lambda: _figure(instance, _offset(instance, allocation), title, (11.0, 6.0)),
        svg=lambda: memory_svg(instance, allocation, title),
        txt=lambda: memory_ansi(instance, allocation),
    )
