"""Memory maps: what lies where in fast memory over time, as SVG text, pixels through matplotlib, and text."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet.core.figure import pixels_of, save_picture
from ganttlet.memory_mapping.instance import KINDS, Array, Program
from ganttlet.memory_mapping.solution import Mapping

COLORS = ("#4e79a7", "#76b7b2", "#b07aa1", "#f28e2b", "#59a14f")  # by kind
LETTERS = "picto"
INK, FAINT, MARK = "#333", "#ddd", "#c22"
LEFT, TOP, BOTTOM, WIDTH, HEIGHT = 64.0, 48.0, 36.0, 960.0, 420.0
PALE = 0.45  # opacity while the content is not there yet
ROWS = 16


class Box(NamedTuple):
    """A rectangle of a memory map: bytes ``low`` … ``high`` during ``begin`` … ``end`` in µs.

    ``ready`` is the time from which it holds its content, ``uses`` are the times during which slots use it.
    """

    buffer: int
    kind: int
    low: int
    high: int
    begin: float
    end: float
    ready: float
    uses: list[tuple[float, float]]


def _edges(program: Program, mapping: Mapping) -> tuple[Array, Array]:
    """Return (T+1,) the time at which each instruction's stall begins, and the end; and (T,) the stalls."""
    n = program.n_instructions
    if mapping.instance_digest != program.digest:
        raise InputError(f"map of {program.name}: the mapping belongs to another program")
    if len(mapping.fast) != program.n_slots or len(mapping.stall) not in (0, n):
        raise InputError(f"map of {program.name}: expected {program.n_slots} slots, got {len(mapping.fast)}")
    stall = mapping.stall if len(mapping.stall) else np.zeros(n)
    return np.concatenate([[0.0], np.cumsum(program.latencies(mapping.fast == 1) + stall)]), stall


def _boxes(program: Program, mapping: Mapping, edges: Array, stall: Array) -> Iterator[Box]:
    copies: dict[int, list[tuple[int, int]]] = {}
    for c in np.flatnonzero(mapping.copy_out == 0):
        span = int(mapping.copy_release[c]), int(mapping.copy_deadline[c])
        copies.setdefault(int(mapping.copy_buffer[c]), []).append(span)
    served: dict[int, list[int]] = {}
    for k in np.flatnonzero(mapping.fast == 1):
        served.setdefault(int(program.slot_buffer[k]), []).append(int(program.slot_time[k]))
    for r, b in enumerate(mapping.rect_buffer.tolist()):
        start, end, low = int(mapping.rect_start[r]), int(mapping.rect_end[r]), int(mapping.rect_offset[r])
        done = [deadline for release, deadline in copies.get(b, []) if start <= release and deadline <= end]
        # Only what moves in the stall is there before the instruction begins.
        begin = edges[start] if start in done else edges[start] + stall[start]
        ready = edges[min(done)] + stall[min(done)] if done else begin
        uses = [
            (float(edges[t] + stall[t]), float(edges[t + 1]))
            for t in served.get(b, [])
            if min([start, *done]) <= t <= end
        ]
        yield Box(
            b,
            int(program.buffer_kind[b]),
            low,
            low + int(program.aligned[b]),
            float(begin),
            float(edges[min(end, program.n_instructions - 1) + 1]),
            float(ready),
            [use for use in uses if use[0] >= ready],
        )


def _ticks(end: float, most: int = 10) -> list[float]:
    """Return round numbers from 0 up to ``end``, at most ``most`` + 1 of them."""
    if end <= 0:
        return [0.0]
    power = 10.0 ** np.floor(np.log10(end / most))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if end / (power * factor) <= most)
    return [float(step * at) for at in range(int(end / step + 1e-9) + 1)]


def _unit(capacity: int) -> tuple[float, str]:
    """Return the bytes of a unit in which ``capacity`` is a handy number, and its name."""
    for size, name in ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB")):
        if capacity >= 2 * size:
            return size, name
    return 1.0, "bytes"


def _heading(program: Program, title: str) -> str:
    return title or f"{program.name} ({program.size_label})"


def gantt_svg(program: Program, mapping: Mapping, title: str = "") -> str:
    """Return a memory map as SVG text: time in µs across, offsets in fast memory upwards, a colour per kind.

    A rectangle is pale while a copy fills it and hatched while slots use it; stalls are red strips. A pointer over a
    rectangle shows the buffer.

    Args:
        program: the program.
        mapping: a mapping of it, feasible or not, or one under way.
        title: the heading; the program's name and size if empty.
    """
    edges, stall = _edges(program, mapping)
    end, base = float(edges[-1]), TOP + HEIGHT
    across, up = (WIDTH - LEFT - 90) / max(end, 1e-9), HEIGHT / program.capacity
    unit, unit_name = _unit(program.capacity)
    height = base + BOTTOM
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" width="{WIDTH:g}" '
        f'height="{height:g}" font-family="sans-serif" font-size="10" fill="{INK}">',
        '<defs><pattern id="use" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<path d="M0 0V5" stroke="#000" stroke-opacity=".55" stroke-width="1.6"/></pattern></defs>',
        f'<rect width="{WIDTH:g}" height="{height:g}" fill="#fff"/>',
        f'<text x="{LEFT:g}" y="18" font-size="13" font-weight="bold">{escape(_heading(program, title))}</text>',
    ]
    for at, kind in enumerate(KINDS):
        x = LEFT + 70 * at
        out.append(f'<rect x="{x:g}" y="27" width="10" height="10" fill="{COLORS[at]}"/>')
        out.append(f'<text x="{x + 14:g}" y="36">{kind}</text>')
    x = LEFT + 70 * len(KINDS)
    out.append(f'<rect x="{x:g}" y="27" width="22" height="10" fill="url(#use)" stroke="{FAINT}"/>')
    out.append(f'<text x="{x + 26:g}" y="36">in use</text>')
    out.append(f'<rect x="{x + 70:g}" y="27" width="10" height="10" fill="{MARK}" fill-opacity=".3"/>')
    out.append(f'<text x="{x + 84:g}" y="36">stall</text>')
    times, offsets = _ticks(end), _ticks(program.capacity / unit)
    lines = "".join(f"M{LEFT + across * t:.1f} {TOP:g}V{base + 4:g}" for t in times)
    lines += "".join(f"M{LEFT - 4:g} {base - up * unit * y:.1f}H{LEFT + across * end:.1f}" for y in offsets)
    out.append(f'<path d="{lines}" stroke="{FAINT}" fill="none"/>')
    numbers = "".join(f'<text x="{LEFT + across * t:.1f}" y="{base + 15:g}">{t:g}</text>' for t in times)
    out.append(f'<g text-anchor="middle">{numbers}')
    out.append(f'<text x="{LEFT + across * end / 2:.1f}" y="{base + 29:g}">time (µs)</text></g>')
    numbers = "".join(f'<text x="{LEFT - 8:g}" y="{base - up * unit * y + 3.5:.1f}">{y:g}</text>' for y in offsets)
    out.append(f'<g text-anchor="end">{numbers}</g>')
    middle = TOP + HEIGHT / 2
    out.append(
        f'<text x="14" y="{middle:g}" text-anchor="middle" transform="rotate(-90 14 {middle:g})">'
        f"offset ({unit_name})</text>"
    )
    strips = "".join(
        f"M{LEFT + across * edges[t]:.2f} {TOP:g}h{across * stall[t]:.2f}V{base:g}h-{across * stall[t]:.2f}z"
        for t in np.flatnonzero(stall > 0)
    )
    if strips:
        out.append(f'<path d="{strips}" fill="{MARK}" fill-opacity=".3"/>')
    out.append('<g stroke="#fff" stroke-width=".5">')
    for box in _boxes(program, mapping, edges, stall):
        y, tall = base - up * box.high, up * (box.high - box.low)

        def path(begin: float, stop: float, y: float = y, tall: float = tall) -> str:
            wide = across * (stop - begin)
            return f"M{LEFT + across * begin:.2f} {y:.2f}h{wide:.2f}v{tall:.2f}h-{wide:.2f}z"

        color, name = COLORS[box.kind], escape(f"{box.buffer}: {program.buffer_label(box.buffer)}")
        out.append(f"<g><title>{name}, offset {box.low}, {box.high - box.low} bytes</title>")
        if box.ready > box.begin:
            out.append(f'<path fill="{color}" fill-opacity="{PALE}" d="{path(box.begin, box.ready)}"/>')
        if box.end > box.ready:
            out.append(f'<path fill="{color}" d="{path(box.ready, box.end)}"/>')
        if box.uses:
            out.append(f'<path fill="url(#use)" d="{"".join(path(*use) for use in box.uses)}"/>')
        out.append("</g>")
    out.append("</g>")
    x, y = LEFT + across * end, base - up * program.capacity
    out.append(f'<path d="M{LEFT:g} {y:.1f}H{x:.1f}" stroke="{INK}" stroke-dasharray="4 3" fill="none"/>')
    out.append(f'<path d="M{x:.1f} {TOP - 4:g}V{base + 4:g}" stroke="{MARK}" stroke-width="1.5"/>')
    out.append(f'<text x="{x + 4:.1f}" y="{TOP + 5:g}" fill="{MARK}" font-weight="bold">{end:.5g}</text></svg>')
    return "\n".join(out) + "\n"


def _figure(program: Program, mapping: Mapping, title: str, horizon: float | None, size: tuple[float, float]) -> Any:
    try:
        from matplotlib.collections import PolyCollection
        from matplotlib.figure import Figure
        from matplotlib.patches import Patch
    except ImportError:
        raise MissingExtraError("matplotlib", "eval") from None
    edges, stall = _edges(program, mapping)
    end = float(edges[-1])
    unit, unit_name = _unit(program.capacity)
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    axes = figure.add_subplot()
    boxes = list(_boxes(program, mapping, edges, stall))

    def corners(box: Box, begin: float, stop: float) -> list[tuple[float, float]]:
        low, high = box.low / unit, box.high / unit
        return [(begin, low), (stop, low), (stop, high), (begin, high)]

    for kind, color in enumerate(COLORS):
        own = [box for box in boxes if box.kind == kind]
        for alpha, parts in (
            (PALE, [corners(box, box.begin, box.ready) for box in own if box.ready > box.begin]),
            (1.0, [corners(box, box.ready, box.end) for box in own if box.end > box.ready]),
        ):
            if parts:
                axes.add_collection(
                    PolyCollection(parts, facecolor=color, edgecolor="white", linewidth=0.4, alpha=alpha)
                )
    used = [corners(box, *use) for box in boxes for use in box.uses]
    if used:
        axes.add_collection(PolyCollection(used, facecolor="none", edgecolor="#0009", linewidth=0.0, hatch="////"))
    for t in np.flatnonzero(stall > 0):
        axes.axvspan(edges[t], edges[t] + stall[t], color=MARK, alpha=0.3, linewidth=0, zorder=0)
    axes.set(
        xlim=(0, max(end, horizon or 0.0) * 1.02),
        ylim=(0, program.capacity / unit),
        xlabel="time (µs)",
        ylabel=f"offset ({unit_name})",
    )
    axes.set_title(_heading(program, title), fontsize=10, loc="left")
    keys = [Patch(color=color, label=kind) for color, kind in zip(COLORS, KINDS, strict=True)]
    keys.append(Patch(facecolor="none", edgecolor="#0009", hatch="////", label="in use"))
    keys.append(Patch(color=MARK, alpha=0.3, label="stall"))
    figure.legend(handles=keys, loc="outside lower center", fontsize=7, ncols=len(keys), frameon=False)
    axes.spines[["right"]].set_visible(False)
    axes.axvline(end, color=MARK, linewidth=1.2)
    axes.set_title(f"end {end:.5g}", fontsize=10, loc="right", color=MARK)
    return figure


def gantt_rgb(
    program: Program,
    mapping: Mapping,
    title: str = "",
    horizon: float | None = None,
    size: tuple[float, float] = (8.0, 4.5),
) -> Array:
    """Return a memory map as pixels, (H, W, 3) uint8; H and W depend on ``size`` alone.

    Args:
        program: the program.
        mapping: a mapping of it, feasible or not, or one under way.
        title: the heading; the program's name and size if empty.
        horizon: least end of the time axis in µs, so that the frames of an episode can share one axis.
        size: width and height in hundreds of pixels.
    """
    figure = _figure(program, mapping, title, horizon, size)
    return pixels_of(figure)


def gantt_ansi(program: Program, mapping: Mapping, width: int = 100) -> str:
    """Return a memory map as text of at most ``width`` columns, the highest offsets first.

    A character stands for an equal share of the time and of fast memory and shows what lies at its middle: the first
    letter of the buffer's kind, a capital one while slots use it, ``:`` while a copy fills it, ``.`` if free.
    """
    edges, stall = _edges(program, mapping)
    unit, unit_name = _unit(program.capacity)
    labels = [f"{program.capacity * (ROWS - row) / ROWS / unit:.4g}" for row in range(ROWS)]
    margin = max(map(len, labels)) + 2
    columns = max(10, width - margin - 1)
    times = (np.arange(columns) + 0.5) * (edges[-1] / columns)
    offsets = (np.arange(ROWS) + 0.5) * (program.capacity / ROWS)
    chart = np.full((ROWS, columns), ".")
    for box in _boxes(program, mapping, edges, stall):
        inside = (box.low <= offsets) & (offsets < box.high)
        letter = LETTERS[box.kind]
        for symbol, begin, stop in (
            (":", box.begin, box.ready),
            (letter, box.ready, box.end),
            *((letter.upper(), *use) for use in box.uses),
        ):
            chart[np.ix_(inside, (begin <= times) & (times < stop))] = symbol
    decided, served = int((mapping.fast >= 0).sum()), int((mapping.fast == 1).sum())
    lines = [
        f"{program.name} ({program.size_label})  {decided}/{program.n_slots} slots  {served} fast  "
        f"end {edges[-1]:.5g} µs, stalls {stall.sum():.5g} µs  offsets in {unit_name}"
    ]
    lines += [f"{labels[row]:>{margin - 2}} |{''.join(chart[ROWS - 1 - row])}|" for row in range(ROWS)]
    lines.append(" " * (margin - 1) + "0" + f"{f'{edges[-1]:.5g}':>{columns}}")
    return "\n".join(lines) + "\n"


def save_gantt(program: Program, mapping: Mapping, path: str | Path, title: str = "") -> None:
    """Write a memory map to ``path`` (.svg, .png or .pdf), whole or not at all."""
    save_picture(
        path,
        lambda: _figure(program, mapping, title, None, (11.0, 5.5)),
        svg=lambda: gantt_svg(program, mapping, title),
    )
