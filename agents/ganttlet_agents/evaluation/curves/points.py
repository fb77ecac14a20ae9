"""Points of a curve: means of result rows by line and place, and validations of training runs."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.family import get_family
from ganttlet.core.record import Instance
from ganttlet_agents.evaluation.curves.spec import Curve, Line
from ganttlet_agents.evaluation.results import solution_path
from ganttlet_agents.evaluation.rows import Row
from ganttlet_agents.evaluation.statistics import Statistic, bootstrap, mean

# Fields of a row that are columns beside the values that the validator named.
ROW_COLUMNS = (
    "value", "gap", "difference", "seconds", "decisions", "bound", "optimal", "reference", "reference_bound",
)  # fmt: skip
BY_ROW = ("group", "instance")
RATIO = "_ratio"
ENDS: Mapping[str, Callable[[Any], Any]] = {"_least": np.min, "_most": np.max}  # of a point's instances
Place = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Point:
    """A point of a line.

    Fields:
        line: name of the line.
        place: what tells it from the line's other points.
        n: number of instances.
        means: column -> mean over instances.
        values: column -> the value of each instance.
        low, high: column -> end of its 95 % interval over instances, where it has one.
        own: True for the point at the method's own seconds.
    """

    line: str
    place: Mapping[str, Any]
    n: int
    means: Mapping[str, float]
    values: Mapping[str, Sequence[float]] = field(default_factory=dict)
    low: Mapping[str, float] = field(default_factory=dict)
    high: Mapping[str, float] = field(default_factory=dict)
    own: bool = False

    def at(self, column: str) -> Any:
        """Return the point's place or mean of that name, None without one."""
        return self.place[column] if column in self.place else self.means.get(column)

    def fits(self, where: Mapping[str, Any]) -> bool:
        """Return whether the point has these values."""
        return all(self.at(name) == value for name, value in where.items())


@dataclass(frozen=True)
class Entry:
    """A sound row as a line's: where it lies and its columns."""

    line: Line
    row: Row
    place: Place
    columns: Mapping[str, float]
    own: bool = False


def points_of_rows(
    curve: Curve,
    rows: Iterable[Row],
    lines: Mapping[str, Sequence[tuple[Line, Mapping[str, Any]]]],
    instances: Mapping[str, Instance],
    folder: Path,
) -> list[Point]:
    """Return the points of a curve.

    Args:
        curve: cut to its budget.
        rows: of its suite.
        lines: method's label -> lines that it belongs to, with its values of ``over``.
        instances: by digest.
        folder: the result folder with the solutions.

    Raises:
        InputError: for a place that is no fact of the family's instances.
    """
    entries: list[Entry] = []
    for row in rows:
        if row.value is None:
            continue
        for line, over in lines.get(row.method, ()):
            entry = Entry(line, row, _place(curve, row, instances[row.digest], over), _columns(row))
            found = _after(curve, entry, instances[row.digest], folder) if curve.content.after else [entry]
            entries += [_stand_in(one) for one in found] if line.use else found
    cases = _by_case(entries)
    if curve.content.against:
        _add_ratios(cases, curve.content.against)
    return _means(curve, cases)


def _place(curve: Curve, row: Row, instance: Instance, over: Mapping[str, Any]) -> Place:
    family = get_family(curve.family)
    facts: Mapping[str, Any] = family.axes(instance) if family.axes is not None else {}
    found: dict[str, Any] = {}
    for name in curve.content.places:
        if name in BY_ROW:
            found[name] = row.group if name == "group" else row.instance
        elif name in curve.content.by_group:
            numbers = curve.content.by_group[name]
            if row.group not in numbers:
                raise InputError(f"{curve.file}: by_group: {name}: group {row.group!r} is missing")
            found[name] = numbers[row.group]
        elif name in facts:
            found[name] = facts[name]
        else:
            known = ", ".join((*BY_ROW, *curve.content.by_group, *facts))
            raise InputError(f"{curve.file}: places: unknown name {name!r}; expected one of {known}")
    return tuple((found | dict(over)).items())


def _columns(row: Row) -> dict[str, float]:
    named = {name: getattr(row, name) for name in ROW_COLUMNS} | dict(row.values)
    return {name: float(value) for name, value in named.items() if value is not None}


def _stand_in(entry: Entry) -> Entry:
    """Return the entry with the column of its line's ``use`` in place of every judged value, and of what came after."""
    use, row = entry.line.use, entry.row
    if use not in entry.columns and use not in ROW_COLUMNS:
        known = ", ".join(dict.fromkeys((*ROW_COLUMNS, *entry.columns)))
        raise InputError(f"line {entry.line.title!r}: use: unknown column {use!r}; expected one of {known}")
    columns = {name: value for name, value in entry.columns.items() if name in ROW_COLUMNS}
    if use in entry.columns:
        later = [name for name in entry.columns if name not in ROW_COLUMNS and name not in row.values]
        columns |= dict.fromkeys(("value", row.objective, *later), entry.columns[use])
    else:
        columns.pop("value", None)
    return replace(entry, columns=columns)


def _after(curve: Curve, entry: Entry, instance: Instance, folder: Path) -> list[Entry]:
    """Return an entry for each value of ``after``, whose values replace the row's."""
    after, family = curve.content.after, get_family(curve.family)
    assert after is not None
    solution = family.solution.load(solution_path(folder, entry.row.key))

    def became(at: Mapping[str, Any]) -> dict[str, float]:
        values = family.after[after.name](instance, solution, entry.row.seconds, {**after.options, **at})
        return {**entry.columns, **values}

    if not after.over:
        return [replace(entry, columns=became({}))]
    place, values = next(iter(after.over.items()))
    found = [replace(entry, place=(*entry.place, (place, value)), columns=became({place: value})) for value in values]
    # What stands in for a method took no time of its own.
    if after.own and not entry.line.use:
        own = {place: entry.row.seconds}
        found.append(replace(entry, columns={**became(own), **own}, own=True))
    return found


# (line, place, own) -> (instance label, group label) -> columns, averaged over seeds.
Key = tuple[str, Place, bool]
Cases = dict[Key, dict[str, dict[str, float]]]


def _by_case(entries: Iterable[Entry]) -> Cases:
    gathered: dict[Key, dict[str, list[Mapping[str, float]]]] = {}
    for entry in entries:
        key = entry.line.title, entry.place, entry.own
        gathered.setdefault(key, {}).setdefault(entry.row.digest, []).append(entry.columns)
    return {
        key: {
            case: {
                name: float(np.mean([one[name] for one in seeds])) for name in seeds[0] if all(name in s for s in seeds)
            }
            for case, seeds in by_case.items()
        }
        for key, by_case in gathered.items()
    }


def _add_ratios(cases: Cases, against: str) -> None:
    """Add columns NAME_ratio: the value over that of the line ``against`` on the same instance."""
    base = {
        case: dict(columns)
        for (line, _, _), found in cases.items()
        if line == against
        for case, columns in found.items()
    }
    for found in cases.values():
        for case, columns in found.items():
            for name, value in list(columns.items()):
                divisor = base.get(case, {}).get(name)
                if divisor:
                    columns[name + RATIO] = value / divisor


def _means(curve: Curve, cases: Cases) -> list[Point]:
    content, statistic = curve.content, mean_of(curve)
    wanted = {panel.y for panel in content.panels} | {check.y for check in content.checks if check.y}
    shared: dict[Place, set[str]] = {}
    for (_, place, own), found in cases.items():
        if not own:
            shared[place] = shared.get(place, set(found)) & set(found)
    order = {line.title: at for at, line in enumerate(content.lines)}
    points = []
    for (title, place, own), found in sorted(cases.items(), key=lambda item: order[item[0][0]]):
        kept = [case for case in found if own or not content.paired or case in shared[place]]
        if not kept:
            continue
        names = [name for name in found[kept[0]] if all(name in found[case] for case in kept)]
        values = {name: np.array([found[case][name] for case in kept]) for name in names}
        low, high = {}, {}
        for name in wanted & set(names):
            if len(kept) > 1 and np.ptp(values[name]) > 0.0:
                low[name], high[name] = bootstrap([values[name].tolist()], statistic)
        means = {name: float(statistic(column)) for name, column in values.items()}
        for end, pick in ENDS.items():
            ended = {name: name.removesuffix(end) for name in wanted if name.endswith(end)}
            means |= {name: float(pick(values[column])) for name, column in ended.items() if column in values}
        kept_values = {name: values[name].tolist() for name in wanted & set(names)}
        points.append(Point(title, dict(place), len(kept), means, kept_values, low, high, own))
    return points


def mean_of(curve: Curve) -> Statistic:
    """Return the mean that the curve asks for; a geometric one of what is not positive is not a number."""
    if curve.content.mean == "arithmetic":
        return mean

    def geometric(values: Any) -> Any:
        with np.errstate(all="ignore"):
            return np.exp(np.mean(np.log(values), axis=-1))

    return geometric


def points_of_runs(curve: Curve, evaluations: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Point]:
    """Return the points of training runs: ``decisions``, ``seconds``, ``value`` and, where there is one, ``gap``.

    Args:
        curve: with ``learning``.
        evaluations: line -> its run's validations, as read from evaluations.jsonl.
    """
    learning = curve.content.learning
    assert learning is not None
    points = []
    for title, found in evaluations.items():
        for one in list(found)[learning.skip :]:
            means = {name: float(one[name]) for name in ("seconds", "value", "gap") if one.get(name) is not None}
            points.append(Point(title, {"decisions": float(one["timesteps"])}, 1, means))
    return points


def write_csv(points: Sequence[Point], published: Sequence[Point]) -> str:
    """Return our points, mark ``measured``, and the published ones as CSV text."""
    rows = []
    for point in points:
        ends = {
            f"{name}_{end}": value
            for end, part in (("low", point.low), ("high", point.high))
            for name, value in part.items()
        }
        own = {"own": 1} if point.own else {}
        numbers = {
            name: f"{value:.8g}" for name, value in (*point.means.items(), *ends.items()) if math.isfinite(value)
        }
        rows.append({"line": point.line, **point.place, **own, "instances": point.n, **numbers, "mark": "measured"})
    rows += [{"line": point.line, **point.place, **point.means} for point in published]
    columns = [name for name in dict.fromkeys(key for row in rows for key in row) if name not in ("mark", "source")]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [*columns, "mark", "source"], lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()
