"""Curves into the pages: what ``evaluate.py curve`` made under the full budget, its pictures and texts.

    python benchmarks/publish_curves.py results/curves …      takes the files of full curves from these folders
    python benchmarks/publish.py                              writes the pages from what was taken

PNG goes to docs/images/curves/, CSV, JSON and the text to benchmarks/results/curves/. A curve of the quick budget, or
with failed rows, is refused.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ganttlet_agents.config import config_names
from ganttlet_agents.evaluation.curves.agreement import series, short, value_at
from ganttlet_agents.evaluation.curves.load import KIND, load_curve
from ganttlet_agents.evaluation.curves.points import Point
from ganttlet_agents.evaluation.curves.published import MARKS
from ganttlet_agents.evaluation.curves.spec import Curve

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images" / "curves"
RESULTS = ROOT / "benchmarks" / "results" / "curves"
PAGE = "docs/reproduce.md"
NONE = "Not made yet."
Table = Callable[[Sequence[Any], Iterable[Sequence[Any]]], str]


def take(folder: Path) -> list[str]:
    """Copy the full curves of a folder; raises SystemExit for one that is quick or has failed rows."""
    names = []
    for path in sorted(folder.glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["budget"] != "full" or data["failed rows"]:
            raise SystemExit(
                f"{path}: budget {data['budget']}, {data['failed rows']} failed rows; expected full and none"
            )
        for kind, home in (("png", IMAGES), ("csv", RESULTS), ("json", RESULTS), ("md", RESULTS)):
            home.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path.with_suffix(f".{kind}"), home / path.with_suffix(f".{kind}").name)
        names.append(path.stem)
    return names


def curves_of(family: str) -> list[Curve]:
    """Return the curves of a family."""
    return [curve for curve in map(load_curve, config_names(KIND)) if curve.family == family]


def section(family: str) -> str:
    """Return a family's curves: of each its picture, what agrees, and how it was made."""
    parts = []
    for curve in curves_of(family):
        text = RESULTS / f"{curve.name}.md"
        if not text.is_file():
            parts.append(f"### {curve.name}\n\n{curve.content.about}. {NONE}")
            continue
        first, *rest = text.read_text(encoding="utf-8").rstrip().splitlines()
        body = re.sub(r"^## (.*)$", r"**\1**", "\n".join(rest), flags=re.MULTILINE)
        about = first.removeprefix(f"# {curve.name}: ")
        picture = f"![{about}](images/curves/{curve.name}.png)"
        parts.append(f"### {curve.name}\n\n{about}.\n\n{picture}\n{body}")
    made = (
        f"Made by `python evaluate.py curve --all --family {family}` and `python benchmarks/publish_curves.py FOLDER`."
    )
    return "\n\n".join([*parts, made])


def overview(table: Table) -> str:
    """Return a row for each curve: properties that hold, order of methods, distance to published points."""
    rows = []
    for curve in map(load_curve, config_names(KIND)):
        path = RESULTS / f"{curve.name}.json"
        link = f"[{curve.name}](#{curve.name})"
        if not path.is_file():
            rows.append([link, "", "", "", "not made yet"])
            continue
        data = json.loads(path.read_text(encoding="utf-8"))
        judged = [one["ours"]["holds"] for one in data["checks"] if one["ours"]]
        pairs, agreed = (sum(order[key] for order in data["orders"]) for key in ("pairs", "agreed"))
        distance = [100 * one["mean"] for one in data["close"]]
        held, order = f"{sum(judged)} of {len(data['checks'])}", f"{agreed} of {pairs}" if pairs else ""
        spread = f"{min(distance):.1f} … {max(distance):.1f}" if distance else ""
        rows.append([link, held, order, spread, f"{data['seconds of methods']:,.0f}"])
    head = ["curve", "properties that hold", "pairs of methods in published order",
            "mean distance to published points by line, %", "seconds of methods"]  # fmt: skip
    return (
        table(head, rows)
        + "\n\nMade by `python evaluate.py curve --all` and `python benchmarks/publish_curves.py FOLDER`."
    )


def read_points(name: str) -> list[Point]:
    """Return the points of benchmarks/results/curves/NAME.csv, published ones with ``mark`` among their places."""
    points = []
    with open(RESULTS / f"{name}.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            place: dict[str, Any] = {"mark": row["mark"], "source": row["source"]} if row["mark"] != "measured" else {}
            means = {}
            for key, cell in row.items():
                if cell and key not in ("line", "mark", "source"):
                    try:
                        means[key] = float(cell)
                    except ValueError:
                        place[key] = cell
            points.append(Point(row["line"], place, int(means.get("instances", 0)), means))
    return points


def pointwise(table: Table, names: Sequence[str]) -> str:
    """Return our values beside the published ones at the same places, one row each."""
    rows = []
    for curve in map(load_curve, names):
        if not (RESULTS / f"{curve.name}.csv").is_file():
            continue
        points = read_points(curve.name)
        ours = [point for point in points if "mark" not in point.place]
        for panel in curve.content.panels:
            for line in curve.content.lines:
                mine = series(ours, line.title, panel.x, panel.y, panel.where)
                ends = [series(ours, line.title, panel.x, f"{panel.y}_{end}", panel.where) for end in ("low", "high")]
                for theirs in points:
                    if "mark" not in theirs.place or theirs.line not in line.published or not theirs.fits(panel.where):
                        continue
                    at, other = theirs.at(panel.x), theirs.means.get(panel.y)
                    value = None if at is None else value_at(mine, at)
                    if value is None or other is None:
                        continue
                    low, high = (value_at(end, at) for end in ends)
                    spread = "" if low is None or high is None else f" [{short(low)}, {short(high)}]"
                    where = ", ".join(f"{key} {short(one)}" for key, one in {panel.x: at, **panel.where}.items())
                    rows.append([f"{curve.name}: {panel.y} at {where}", theirs.line, f"`{line.title}`",
                                 MARKS[theirs.place["mark"]], short(other), f"{short(value)}{spread}",
                                 f"{100 * (value / other - 1):+.1f}"])  # fmt: skip
    if not rows:
        return NONE
    head = ["curve", "published", "ours", "how it was read", "published value", "ours, 95 % interval", "%"]
    made = f"Made by `python evaluate.py curve {' '.join(names)}`; sources: `configs/curves/reference/`."
    return f"{table(head, rows)}\n\n{made}"


def regions(table: Table) -> dict[tuple[str, str], Callable[[], str]]:
    """Return (page, region) -> its content."""
    families = list(dict.fromkeys(curve.family for curve in map(load_curve, config_names(KIND))))
    found: dict[tuple[str, str], Callable[[], str]] = {(PAGE, "curves_overview"): lambda: overview(table)}
    for family in families:
        found[PAGE, f"curves_{family}"] = lambda family=family: section(family)  # type: ignore[misc]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="folders that evaluate.py curve wrote to")
    options = parser.parse_args()
    for folder in options.folders:
        print(folder, *take(folder))


if __name__ == "__main__":
    main()
