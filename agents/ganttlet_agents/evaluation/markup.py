"""Small pieces of HTML: escaped cells and sortable tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Cell:
    """A table cell: its text (escaped here), what it sorts by, a dimmed addition, and how it looks.

    ``swatch`` is the index of a colour shown before the text, ``tag`` a small label after it.
    """

    text: str
    sort: float | str | None = None
    addition: str = ""
    look: str = ""
    swatch: int | None = None
    tag: str = ""


@dataclass(frozen=True)
class Column:
    """A table column: its title, and whether it holds text (left-aligned) or numbers."""

    title: str
    text: bool = False
    about: str = ""


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> str:
    """Return a sortable table in a card that scrolls by itself where the page is narrow."""
    heads = "".join(
        f'<th class="{"text" if column.text else ""}" data-kind="{"text" if column.text else "number"}"'
        f' title="{escape(column.about, quote=True)}"><button>{escape(column.title)}</button></th>'
        for column in columns
    )
    lines = [
        "<tr>" + "".join(_cell(cell, column) for cell, column in zip(row, columns, strict=True)) + "</tr>"
        for row in rows
    ]
    return (
        f'<div class="card"><table class="sortable"><thead><tr>{heads}</tr></thead>'
        f"<tbody>\n{chr(10).join(lines)}\n</tbody></table></div>"
    )


def _cell(cell: Cell, column: Column) -> str:
    looks = " ".join(word for word in ("text" if column.text else "", cell.look) if word)
    sort = "" if cell.sort is None and column.text else f' data-v="{escape(_sort_text(cell), quote=True)}"'
    swatch = f'<span class="c{cell.swatch}"><i class="sw"></i></span>' if cell.swatch is not None else ""
    addition = f'<span class="ci">{escape(cell.addition)}</span>' if cell.addition else ""
    tag = f'<span class="tag">{escape(cell.tag)}</span>' if cell.tag else ""
    attribute = f' class="{looks}"' if looks else ""
    return f"<td{attribute}{sort}>{swatch}{escape(cell.text)}{tag}{addition}</td>"


def _sort_text(cell: Cell) -> str:
    return "" if cell.sort is None else str(cell.sort)
