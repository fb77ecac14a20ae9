"""Small pieces of HTML: escaped cells and sortable tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ganttlet_agents.evaluation.plots import mark_class

DENSE = 8  # tables of more columns put intervals under the values


@dataclass(frozen=True)
class Cell:
    """A table cell: its text (escaped here), what it sorts by, a dimmed addition, and how it looks.

    ``swatch`` is the number of a method whose colour is shown before the text, ``tag`` a small label after it, and
    ``link`` the id of an element of the same page.
    """

    text: str
    sort: float | str | None = None
    addition: str = ""
    look: str = ""
    swatch: int | None = None
    tag: str = ""
    link: str = ""


@dataclass(frozen=True)
class Column:
    """A table column: its title, and whether it holds text (left-aligned) or numbers.

    ``mark`` is the number of a method with which the column is hidden, ``look`` the style of its heading.
    """

    title: str
    text: bool = False
    about: str = ""
    mark: int | None = None
    look: str = ""


def swatch_class(mark: int) -> str:
    """Return the style of a heading under a method's colour."""
    return f"under {mark_class(mark)}"


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], marks: Sequence[int | None] = ()) -> str:
    """Return a sortable table in a card that scrolls by itself where the page is narrow.

    Args:
        columns, rows: the table.
        marks: per row the number of the method with which it is hidden; none if empty.
    """
    heads = "".join(_head(column) for column in columns)
    lines = [
        f"<tr{_mark(mark)}>" + "".join(_cell(cell, column) for cell, column in zip(row, columns, strict=True)) + "</tr>"
        for row, mark in zip(rows, marks or [None] * len(rows), strict=True)
    ]
    dense = " dense" if len(columns) > DENSE else ""
    return (
        f'<div class="card"><table class="sortable{dense}"><thead><tr>{heads}</tr></thead>'
        f"<tbody>\n{chr(10).join(lines)}\n</tbody></table></div>"
    )


def _head(column: Column) -> str:
    looks = " ".join(word for word in ("text" if column.text else "", column.look) if word)
    return (
        f'<th class="{looks}" data-kind="{"text" if column.text else "number"}"{_mark(column.mark)}'
        f' title="{escape(column.about, quote=True)}"><button>{escape(column.title)}</button></th>'
    )


def _mark(mark: int | None) -> str:
    return "" if mark is None else f' data-m="{mark}"'


def _cell(cell: Cell, column: Column) -> str:
    looks = " ".join(word for word in ("text" if column.text else "", cell.look) if word)
    sort = "" if cell.sort is None and column.text else f' data-v="{escape(_sort_text(cell), quote=True)}"'
    swatch = f'<span class="{mark_class(cell.swatch)}"><i class="sw"></i></span>' if cell.swatch is not None else ""
    addition = f'<span class="ci">{escape(cell.addition)}</span>' if cell.addition else ""
    tag = f'<span class="tag">{escape(cell.tag)}</span>' if cell.tag else ""
    attribute = f' class="{looks}"' if looks else ""
    text = f'<a href="#{cell.link}">{escape(cell.text)}</a>' if cell.link else escape(cell.text)
    return f"<td{attribute}{_mark(column.mark)}{sort}>{swatch}{text}{tag}{addition}</td>"


def _sort_text(cell: Cell) -> str:
    return "" if cell.sort is None else str(cell.sort)
