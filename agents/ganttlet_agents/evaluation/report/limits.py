"""How much of everything a page may hold, so that it stays below 10 MB whatever the results' size."""

from __future__ import annotations

from dataclasses import dataclass

MOST_BYTES = 10_000_000


@dataclass(frozen=True)
class Limits:
    """Shares of one table of methods, or of one result folder, in a page.

    Fields:
        pictures: bytes of pictures per objective.
        rows: rows that a folder's data carries.
        dots: dots per plot.
        cells: cells of the table per instance.
        references: lines of a folder's table of references.
    """

    pictures: int
    rows: int
    dots: int
    cells: int
    references: int


def limits_of(folders: int, tables: int, scale: float) -> Limits:
    """Return the limits of a page of that many folders and objectives in all; ``scale`` 1 is the usual page.

    A page is written again at half the scale while it is above ``MOST_BYTES``.
    """
    return Limits(
        pictures=int(3_500_000 * scale / tables),
        rows=int(20_000 * scale / folders),
        dots=min(3000, int(12_000 * scale / tables)),
        cells=min(4000, int(12_000 * scale / tables)),
        references=min(1000, int(4000 * scale / folders)),
    )
