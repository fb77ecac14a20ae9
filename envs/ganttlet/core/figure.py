"""Matplotlib figures as pixels and as files; matplotlib is imported where a figure is drawn."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.record import write_atomic

DOTS = 150  # per inch, of files


def pixels_of(figure: Any) -> np.ndarray[Any, Any]:
    """Return a matplotlib figure as pixels, (height, width, 3) uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    return np.array(pixels)[:, :, :3]


def save_picture(path: str | Path, figure: Callable[[], Any], **texts: Callable[[], str]) -> None:
    """Write a picture to ``path``, whole or not at all; its ending says how.

    Args:
        path: the file.
        figure: makes the matplotlib figure for .png and .pdf.
        texts: ending without the dot -> what makes the text of such a file, as ``svg`` and ``txt``.

    Raises:
        InputError: for another ending.
    """
    path = Path(path)
    kind = path.suffix[1:]
    if kind in texts:
        write_atomic(path, texts[kind]())
    elif kind in ("png", "pdf"):
        buffer = io.BytesIO()
        figure().savefig(buffer, format=kind, dpi=DOTS)
        write_atomic(path, buffer.getvalue())
    else:
        known = [f".{one}" for one in sorted({"png", "pdf", *texts}, key=("svg", "png", "pdf", "txt").index)]
        raise InputError(f"{path}: unknown ending {path.suffix!r}; expected {', '.join(known[:-1])} or {known[-1]}")
