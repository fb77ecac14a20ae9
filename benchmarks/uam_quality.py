"""Result folders of the UAM suites, kept as what each method earned on every day.

    python evaluate.py run --suite uam_test --methods … --out results/uam_test
    python benchmarks/uam_quality.py results/uam_test … [--unfinished]

Rows by suite, group and method go to benchmarks/results/uam_quality.json and replace those that were there: profit of
each day by its digest, shares over all days, seconds of a day, the command of the run. publish_uam.py makes tables of
them, uam_plots.py box plots. Days in which a method failed are an error: such a row would compare with nothing.
With --unfinished runs that were stopped count, too, for the days that they got to; fewer days never replace more.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ganttlet.core.errors import InputError
from ganttlet.core.record import write_atomic
from ganttlet.uam_fleet import Scenario
from ganttlet_agents.evaluation.results import instance_path, load_results
from ganttlet_agents.evaluation.rows import Row

FILE = Path(__file__).parent / "results" / "uam_quality.json"
Entry = dict[str, Any]


def entries_of(folder: Path, unfinished: bool = False) -> list[Entry]:
    """Return an entry per group and method of a result folder.

    Raises:
        InputError: if the folder is no run of the family by profit, with one seed, in which all went well; or if it is
            not finished and ``unfinished`` is not set.
    """
    results = load_results(folder)
    rows = [row for row in results.rows if row.objective == "profit"]
    if (results.meta["state"] != "complete" and not unfinished) or not rows or rows[0].family != "uam_fleet":
        raise InputError(f"{folder}: expected a finished run of uam_fleet by profit")
    failed = [row for row in rows if row.failed]
    if failed:
        raise InputError(
            f"{folder}: {failed[0].method} failed on {failed[0].instance}: {failed[0].error or 'conflict'}"
        )
    if len({row.seed for row in rows}) != 1:
        raise InputError(f"{folder}: expected one seed, got several")
    seats = {
        digest: Scenario.load(instance_path(folder, digest)).seats
        for digest in dict.fromkeys(row.digest for row in rows)
    }
    members: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        members.setdefault((row.group, row.method), []).append(row)
    return [
        {
            "suite": results.meta["suite"]["name"],
            "group": group,
            "method": method,
            **figures(own, seats),
            "information": own[0].information,
            "device": own[0].device,
            "run": results.meta["command"],
        }
        for (group, method), own in members.items()
    ]


def figures(rows: Sequence[Row], seats: dict[str, int]) -> Entry:
    """Return what a method did on the days of a group; ``seats``: of the aircraft, by digest."""
    total = {name: sum(row.values[name] for row in rows) for name in ("served", "lost", "flights", "empty_flights")}
    offered = sum(row.values["flights"] * seats[row.digest] for row in rows)
    decisions, seconds = sum(row.decisions for row in rows), sum(row.seconds for row in rows)
    return {
        "profit": {row.digest: round(row.values["profit"], 2) for row in rows},
        "served": round(total["served"] / (total["served"] + total["lost"]), 5),
        "load": round(total["served"] / offered, 5) if offered else 0.0,
        "empty": round(total["empty_flights"] / total["flights"], 5) if total["flights"] else 0.0,
        "flights": round(total["flights"] / len(rows), 1),
        "seconds": round(seconds / len(rows), 6),
        "decisions": round(decisions / len(rows), 1),
    }


def read() -> list[Entry]:
    """Return the entries that are kept."""
    return json.loads(FILE.read_text(encoding="utf-8"))["rows"] if FILE.is_file() else []


def merged(old: Iterable[Entry], new: Iterable[Entry]) -> list[Entry]:
    """Return all entries, of two of the same suite, group and method the later one unless it has fewer days."""
    found: dict[tuple[str, ...], Entry] = {}
    for entry in (*old, *new):
        key = tuple(entry[part] for part in ("suite", "group", "method"))
        if key not in found or len(entry["profit"]) >= len(found[key]["profit"]):
            found[key] = entry
    return list(found.values())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--unfinished", action="store_true", help="take runs that were stopped")
    options = parser.parse_args(arguments)
    rows = read()
    for folder in options.folders:
        rows = merged(rows, entries_of(folder, options.unfinished))
    # One entry a line: a run changes the lines that are its own.
    lines = ",\n".join(f"  {json.dumps(row)}" for row in rows)
    write_atomic(FILE, f'{{\n "command": "python benchmarks/uam_quality.py",\n "rows": [\n{lines}\n ]\n}}\n')
    print(f"{FILE}: {len(rows)} entries")


if __name__ == "__main__":
    main()
