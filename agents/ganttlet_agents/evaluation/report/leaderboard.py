"""One page over several result folders: ranked tables, then every folder's own section."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.record import write_atomic
from ganttlet_agents.evaluation.markup import Cell, Column, table
from ganttlet_agents.evaluation.report.board import Board, Place, boards_of
from ganttlet_agents.evaluation.report.limits import Limits, limits_of
from ganttlet_agents.evaluation.report.page import CHARTS, fitted
from ganttlet_agents.evaluation.report.section import Part, facts_list, facts_of, part_names, render_part
from ganttlet_agents.evaluation.results import RESULTS, Results, load_results, writing
from ganttlet_agents.evaluation.summary import summarise
from ganttlet_agents.evaluation.tables import interval, number, print_texts, reference_text, seconds_text

if TYPE_CHECKING:
    from rich.console import Console

LEADERBOARD = RESULTS / "leaderboard.html"
TITLE = "Leaderboard"


def write_leaderboard(
    folders: Sequence[Path], out: Path | None = None, *, baseline: str | None = None, charts: int = CHARTS
) -> Path:
    """Write one page over several result folders and return its path.

    Args:
        folders: result folders, of one or several families.
        out: the page; ``results/leaderboard.html`` if None.
        baseline: method of the paired comparisons in the folders that have it; each folder's first one if None.
        charts: number of solutions to draw per folder, at most.

    Raises:
        InputError: if a folder cannot be read, has no rows or is given twice, no folder has the baseline, or the page
            cannot be written.
    """
    path = out or LEADERBOARD
    page = render_leaderboard(load_folders(folders), baseline=baseline, charts=charts)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, page)
    return path


def load_folders(folders: Sequence[Path]) -> list[Results]:
    """Read several result folders; raises InputError if one is given twice or has no rows."""
    seen: dict[Path, Path] = {}
    for folder in folders:
        if folder.resolve() in seen:
            raise InputError(f"{folder}: given twice, as {seen[folder.resolve()]} before; expected different folders")
        seen[folder.resolve()] = folder
    loaded = [load_results(folder) for folder in folders]
    for results in loaded:
        if not results.rows:
            raise InputError(f"{results.folder}: has no result rows")
    return loaded


def baseline_of(results: Results, baseline: str | None) -> str | None:
    """Return the baseline if the folder has it."""
    return baseline if any(row.method == baseline for row in results.rows) else None


def print_boards(console: Console, folders: Sequence[Results]) -> None:
    """Print the ranked tables, without folders' own ones."""
    names = part_names([results.folder.as_posix() for results in folders])
    for board in boards_of(folders):
        metric = "gap %" if board.metric == "gap" else f"mean {board.objective}"
        rows = []
        for place in board.places:
            mean = number(place.mean.value if place.mean else None, board.metric)
            method = place.method + (" (clairvoyant)" if place.information == "clairvoyant" else "")
            rank = "–" if place.rank is None else str(place.rank)
            valid = f"{place.valid}/{place.rows}"
            rows.append([rank, method, mean, interval(place.mean, board.metric), valid, names[place.folder]])
        title = f"{board.family}, {board.objective}: {', '.join(board.suites)}, {_count(board)}"
        print_texts(console, title, ["rank", "method", metric, "95 %", "valid", "folder"], rows)


def _count(board: Board) -> str:
    return f"{board.instances} instance{'s' * (board.instances != 1)}"


def render_leaderboard(folders: Sequence[Results], *, baseline: str | None = None, charts: int = CHARTS) -> str:
    """Return the page as text; arguments as for :func:`write_leaderboard`."""
    if baseline is not None:
        check_choice("baseline", baseline, dict.fromkeys(row.method for results in folders for row in results.rows))
    parts = []
    names = part_names([results.folder.as_posix() for results in folders])
    for index, (results, name) in enumerate(zip(folders, names, strict=True), 1):
        summaries = summarise(results.rows, baseline_of(results, baseline), results.meta["suite"]["reference"])
        parts.append(Part(results, summaries, name, f"run-{index}"))
    boards = boards_of(folders)
    tables = sum(len(part.summaries) for part in parts)

    def body(limits: Limits) -> str:
        pieces = [_head(parts), _families(boards), _folders(parts), *_boards(parts, boards)]
        for part in parts:
            pieces += [_part_head(part), render_part(part, limits, charts)]
        return "\n".join(pieces)

    return fitted(TITLE, body, lambda scale: limits_of(len(parts), tables, scale))


def _head(parts: Sequence[Part]) -> str:
    rows = [row for part in parts for row in part.results.rows]
    facts = {
        "folders": len(parts),
        "families": len({row.family for row in rows}),
        "instances": len({row.digest for row in rows}),
        "methods": len({(row.family, row.method) for row in rows}),
        "rows": len(rows),
    }
    words = "Methods are ranked only where they met the same instances; those that knew the future stand apart."
    return f'<header><h1>{TITLE}</h1><p class="soft">{words}</p>{facts_list(facts)}</header>'


def _families(boards: Sequence[Board]) -> str:
    """Return a table with a line per board: family, objective, suite, size, and the first."""
    columns = [
        *(Column(title, text=True) for title in ("family", "objective", "suite")),
        Column("instances"),
        Column("methods"),
        Column("first", text=True),
        Column("mean", about="mean and 95 % interval"),
        Column("failed", about="failed rows of all"),
    ]
    lines = []
    for index, board in enumerate(boards, 1):
        names = list(dict.fromkeys(place.method for place in board.first))
        mean = board.first[0].mean if board.first else None
        failed = sum(place.rows - place.valid for place in board.places)
        lines.append(
            [
                Cell(board.family),
                Cell(board.objective, link=f"board-{index}"),
                Cell(", ".join(board.suites)),
                Cell(str(board.instances), board.instances),
                Cell(str(len(board.places)), len(board.places)),
                Cell(", ".join(names) or "–", look="name"),
                Cell(_with_unit(board, mean.value if mean else None), mean.value if mean else None),
                Cell(f"{failed}/{sum(place.rows for place in board.places)}", failed, look="bad" if failed else ""),
            ]
        )
    return f"<h2>Summary</h2>{table(columns, lines)}"


def _folders(parts: Sequence[Part]) -> str:
    """Return a table with a line per folder, each a link to the folder's section."""
    columns = [
        *(Column(title, text=True) for title in ("folder", "family", "suite")),
        *map(Column, ("methods", "rows", "failed")),
        *(Column(title, text=True) for title in ("started", "command")),
    ]
    lines = []
    for part in parts:
        rows, meta = part.results.rows, part.results.meta
        methods, failed = len({row.method for row in rows}), sum(row.failed for row in rows)
        state = "" if meta["state"] == "complete" else "not finished"
        lines.append(
            [
                Cell(part.name, link=part.id, tag=state),
                Cell(rows[0].family),
                Cell(meta["suite"]["name"]),
                Cell(str(methods), methods),
                Cell(str(len(rows)), len(rows)),
                Cell(str(failed), failed, look="bad" if failed else ""),
                Cell(meta["started"][:16].replace("T", " ")),
                Cell(meta["command"], look="wrap"),
            ]
        )
    return f"<h3>Folders</h3>{table(columns, lines)}"


def _with_unit(board: Board, value: float | None) -> str:
    return number(value, board.metric) + (" %" if board.metric == "gap" and value is not None else "")


def _boards(parts: Sequence[Part], boards: Sequence[Board]) -> list[str]:
    out: list[str] = []
    family = ""
    for index, board in enumerate(boards, 1):
        if board.family != family:
            family = board.family
            out.append(f"<h2>{escape(family)}</h2>")
        title = f"{board.objective}: {', '.join(board.suites)}"
        out.append(f'<h3 id="board-{index}">{escape(title)} ({_count(board)})</h3>')
        out.append(_table(parts, board))
        out += [f'<p class="note">{escape(line)}</p>' for line in _notes(parts, board)]
    return out


def _table(parts: Sequence[Part], board: Board) -> str:
    metric = "gap %" if board.metric == "gap" else f"mean {board.objective}"
    columns = [
        Column("rank"),
        Column("method", text=True),
        Column(metric, about="mean and 95 % interval"),
        Column("behind the first", about="paired difference per instance and 95 % interval; grey if it holds 0"),
        Column("valid", about="valid rows of all"),
        Column("s / row", about="mean wall time in seconds"),
        *(Column(title, text=True) for title in ("folder", "commit", "version", "device")),
    ]
    lines = []
    for place in board.places:
        mean, look = place.mean, "best" if place.rank == 1 else ""
        lines.append(
            [
                Cell("–" if place.rank is None else str(place.rank), place.rank),
                Cell(place.method, look="name", tag="clairvoyant" if place.information == "clairvoyant" else ""),
                Cell(
                    number(mean.value if mean else None, board.metric),
                    mean.value if mean else None,
                    interval(mean, board.metric),
                    look,
                ),
                _behind(place, board),
                Cell(f"{place.valid}/{place.rows}", place.valid, look="" if place.valid == place.rows else "bad"),
                Cell(seconds_text(place.seconds), place.seconds),
                Cell(parts[place.folder].name, link=parts[place.folder].id),
                *map(Cell, (place.commit, place.version, place.device)),
            ]
        )
    return table(columns, lines)


def _behind(place: Place, board: Board) -> Cell:
    found = place.behind.difference if place.behind else None
    if found is None:
        return Cell("–")
    unsure = found.low <= 0.0 <= found.high
    words = interval(found, board.metric, sign=True)
    return Cell(number(found.value, board.metric, sign=True), found.value, words, "soft" if unsure else "")


def _notes(parts: Sequence[Part], board: Board) -> list[str]:
    lines = [f"{'Less' if board.metric == 'gap' or board.sense == 'min' else 'More'} is better."]
    covers = dict.fromkeys(place.mean.covers for place in board.places if place.mean)
    if covers:
        lines[0] += f" Intervals: 95 % bootstrap over {' or '.join(covers)}, of differences over instances."
    if board.metric == "gap":
        lines.append(reference_text(board.reference, board.references))
    left_out = board.instances - board.compared
    if left_out:
        lines.append(f"A gap is undefined on {left_out} instance(s), which are left out for all methods.")
    if board.metric == "gap" and board.disputed:
        lines.append(
            f"The folders name different references on {board.disputed} instance(s); gaps are to the best of them."
        )
    unranked = [place.method for place in board.places if place.mean is None]
    if unranked:
        lines.append(f"Without a rank, since a row failed: {', '.join(dict.fromkeys(unranked))}.")
    further: dict[tuple[int, int], list[str]] = {}
    for place in board.places:
        if place.others:
            further.setdefault((place.folder, place.others), []).append(place.method)
    for (folder, others), methods in further.items():
        named = ", ".join(methods)
        lines.append(f"{named} of {parts[folder].name}: {others} further instance(s) do not count here.")
    shares: dict[tuple[int, int], list[str]] = {}
    for method, folder, shared in board.partial:
        shares.setdefault((folder, shared), []).append(method)
    for (folder, shared), methods in shares.items():
        named = ", ".join(methods)
        lines.append(f"Not ranked here: {named} of {parts[folder].name}, run on {shared} of these {board.instances}.")
    return lines


def _part_head(part: Part) -> str:
    meta = part.results.meta
    about = f'<p class="soft">{escape(meta["suite"]["about"])}</p>' if meta["suite"]["about"] else ""
    title = f"{part.name}: {meta['suite']['name']}" if part.name != meta["suite"]["name"] else part.name
    return f'<h2 class="folder">{escape(title)}</h2>{about}{facts_of(part.results)}'
