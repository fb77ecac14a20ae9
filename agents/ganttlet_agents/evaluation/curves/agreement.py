"""Where our points agree with published ones: closeness, order of methods, and the curve's checks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganttlet_agents.evaluation.curves.points import Point
from ganttlet_agents.evaluation.curves.spec import Check, Curve, Panel

Series = dict[Any, float]
LAST = "last"


@dataclass(frozen=True)
class Verdict:
    """What a check comes to on one set of points: whether it holds, and the place that decides, in words."""

    holds: bool
    why: str


@dataclass(frozen=True)
class Tested:
    """A check on ours and on the published points; None where the points are missing."""

    check: Check
    ours: Verdict | None
    theirs: Verdict | None


@dataclass(frozen=True)
class Closeness:
    """One of our lines against the published line of the same method.

    Fields:
        line, published, mark: the two, and how the published one was read.
        x, y: columns.
        n: number of published places within our range.
        mean, worst: relative difference of ours there, in absolute terms: mean, and greatest.
        worst_at: the place of that.
        correlation: Spearman's rank correlation of the two along x; None for fewer than three places, or where one of
            them does not vary.
    """

    line: str
    published: str
    mark: str
    x: str
    y: str
    n: int
    mean: float
    worst: float
    worst_at: Any
    correlation: float | None


@dataclass(frozen=True)
class Order:
    """Pairs of methods at equal places: how many, how many ours orders as published, and the others in words."""

    x: str
    y: str
    pairs: int
    agreed: int
    others: Sequence[str]


@dataclass(frozen=True)
class Agreement:
    """All of it; ``missing`` are lines that were not run."""

    tested: Sequence[Tested]
    close: Sequence[Closeness]
    orders: Sequence[Order]
    missing: Sequence[str]

    @property
    def failed(self) -> list[Tested]:
        """Checks that the published points pass, or that have none, and ours fail."""
        return [
            one for one in self.tested if one.ours and not one.ours.holds and (one.theirs is None or one.theirs.holds)
        ]


def compare(curve: Curve, points: Sequence[Point], published: Sequence[Point], missing: Sequence[str]) -> Agreement:
    """Return the agreement of our points with the published ones.

    Args:
        curve: the curve.
        points, published: ours and theirs.
        missing: lines that were not run.
    """
    first = curve.content.panels[0]
    tested = [_test(curve, check, first, points, published) for check in curve.content.checks]
    panels = [panel for panel in curve.content.panels if panel.published]
    close = [one for panel in panels for one in _closeness(curve, panel, points, published)]
    orders = [one for panel in panels if (one := _order(curve, panel, points, published)) is not None]
    return Agreement(tested, close, orders, list(missing))


def series(points: Sequence[Point], line: str, x: str, y: str, where: Mapping[str, Any] | None = None) -> Series:
    """Return x -> y of a line in order of x; x that are texts keep their order, a level's one x is None."""
    found: Series = {}
    for point in points:
        at, value = point.at(x), point.means.get(y)
        # A level of one group is none of another; one of training runs has no place at all.
        fits = point.fits(where or {}) or not point.place
        if point.line == line and not point.own and fits and value is not None and math.isfinite(value):
            found[at] = value
    return dict(sorted(found.items())) if all(_is_number(at) for at in found) else found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def value_at(line: Series, x: Any) -> float | None:
    """Return the value at x, between two places that are numbers by a straight line; None outside."""
    if x in line or None in line:
        return line[x if x in line else None]
    places = [at for at in line if _is_number(at)]
    if not _is_number(x) or len(places) < 2 or not min(places) <= x <= max(places):
        return None
    return float(np.interp(x, places, [line[at] for at in places]))


def _test(curve: Curve, check: Check, first: Panel, points: Sequence[Point], published: Sequence[Point]) -> Tested:
    x, y = check.x or first.x, check.y or first.y
    where = check.where or (first.where if not check.y else {})
    names = {line.title: line.published for line in curve.content.lines}

    def find(title: str, ours: bool) -> Series:
        if ours and (own := series(points, title, x, y, where)):
            return own
        if ours and title in names:
            return {}
        for name in names.get(title, (title,)):
            # What ours is compared with in this check cannot stand for ours.
            if name != title and name in check.lines:
                continue
            if theirs := series(published, name, x, y, where):
                return theirs
        return {}

    def judge(ours: bool) -> Verdict | None:
        cut = {title: _cut(find(title, ours), check) for title in check.lines}
        if any(not line for line in cut.values()):
            return None
        return {
            "below": _below, "near": _near, "rising": _rising, "falling": _falling, "flat": _flat, "level": _level,
        }[check.kind](check, cut)  # fmt: skip

    # A check that our own lines do not enter says nothing of ours.
    return Tested(check, judge(True), judge(False) if published else None)


def _cut(line: Series, check: Check) -> Series:
    def counts(at: Any) -> bool:
        if at is None:
            return True
        if check.at is not None:
            return bool(at == check.at)
        if check.since is None and check.until is None:
            return True
        low = -math.inf if check.since is None else check.since
        high = math.inf if check.until is None else check.until
        return _is_number(at) and low <= at <= high

    if check.at == LAST and line:
        return {LAST: list(line.values())[-1]}
    if check.at is not None and check.at not in line and (found := value_at(line, check.at)) is not None:
        return {check.at: found}
    return {at: value for at, value in line.items() if counts(at)}


def _pairs(first: Series, second: Series) -> list[tuple[Any, float, float]]:
    if None in first:
        # A level is compared at every place of the other.
        first = dict.fromkeys(second, first[None])
    found = [(at, value, value_at(second, at)) for at, value in first.items()]
    return [(at, mine, other) for at, mine, other in found if other is not None]


def _worst(found: Sequence[tuple[float, str]], held: str) -> Verdict | None:
    """Return the verdict of margins, each with its words; a negative margin fails."""
    if not found:
        return None
    least = min(found, key=lambda one: one[0])
    return Verdict(least[0] >= 0.0, f"{held}: {least[1]}" if least[0] >= 0.0 else least[1])


def _below(check: Check, lines: Mapping[str, Series]) -> Verdict | None:
    found = []
    for (low, lower), (high, upper) in itertools.pairwise(lines.items()):
        for at, mine, other in _pairs(lower, upper):
            margin = other + check.within * abs(other) - mine
            words = f"{low} {short(mine)}, {high} {short(other)} at {short(at)}"
            found.append((margin / max(abs(other), 1e-12), words))
    return _worst(found, "closest")


def _near(check: Check, lines: Mapping[str, Series]) -> Verdict | None:
    (_, first), *others = lines.items()
    found = []
    for _, second in others:
        for at, mine, other in _pairs(first, second):
            apart = abs(mine - other) / max(abs(other), 1e-12)
            found.append((check.within - apart, f"{100 * apart:.1f} % apart at {short(at)}"))
    return _worst(found, "at most")


def _steps(check: Check, lines: Mapping[str, Series], sign: int) -> Verdict | None:
    found = []
    for title, line in lines.items():
        places = list(line.items())
        steps = [(places[0], places[-1])] if check.ends and len(places) > 1 else itertools.pairwise(places)
        for (at, mine), (then, other) in steps:
            margin = sign * (other - mine) / max(abs(mine), 1e-12) + check.within
            found.append((margin, f"{title} {short(mine)} at {short(at)}, {short(other)} at {short(then)}"))
    return _worst(found, "least step")


def _rising(check: Check, lines: Mapping[str, Series]) -> Verdict | None:
    return _steps(check, lines, 1)


def _falling(check: Check, lines: Mapping[str, Series]) -> Verdict | None:
    return _steps(check, lines, -1)


def _flat(check: Check, lines: Mapping[str, Series]) -> Verdict | None:
    found = []
    for title, line in lines.items():
        middle = float(np.mean(list(line.values())))
        for at, value in line.items():
            apart = abs(value - middle) / max(abs(middle), 1e-12)
            found.append((check.within - apart, f"{title} {100 * apart:.1f} % from its mean at {short(at)}"))
    return _worst(found, "at most")


def _level(check: Check, lines: Mapping[str, Series]) -> Verdict | None:
    low = -math.inf if check.low is None else check.low
    high = math.inf if check.high is None else check.high
    found = [
        (min(value - low, high - value), f"{title} {short(value)} at {short(at)}")
        for title, line in lines.items()
        for at, value in line.items()
    ]
    return _worst(found, "closest to the end")


def _closeness(curve: Curve, panel: Panel, points: Sequence[Point], published: Sequence[Point]) -> list[Closeness]:
    found = []
    for line in curve.content.lines:
        ours = series(points, line.title, panel.x, panel.y, panel.where)
        for name in line.published:
            theirs = series(published, name, panel.x, panel.y, panel.where)
            pairs = _pairs(theirs, ours)
            if not pairs:
                continue
            apart = [(abs(mine - other) / max(abs(other), 1e-12), at) for at, other, mine in pairs]
            worst, worst_at = max(apart, key=lambda one: one[0])
            marks = {
                point.place["mark"]
                for point in published
                if point.line == name and point.means.get(panel.y) is not None
            }
            found.append(
                Closeness(
                    line.title, name, "/".join(sorted(marks)), panel.x, panel.y, len(pairs),
                    float(np.mean([one for one, _ in apart])), worst, worst_at,
                    rank_correlation([mine for _, _, mine in pairs], [other for _, other, _ in pairs]),
                )
            )  # fmt: skip
    return found


def _order(curve: Curve, panel: Panel, points: Sequence[Point], published: Sequence[Point]) -> Order | None:
    """Compare the order of methods at each published place; ties on either side count for neither."""
    both = []
    for line in curve.content.lines:
        ours = series(points, line.title, panel.x, panel.y, panel.where)
        for name in line.published[:1]:
            theirs = series(published, name, panel.x, panel.y, panel.where)
            if ours and theirs:
                both.append((line.title, ours, theirs))
    pairs = agreed = 0
    others: dict[tuple[str, str], list[Any]] = {}
    for (first, a, b), (second, c, d) in itertools.combinations(both, 2):
        for at, left, right in _pairs(b, d):
            mine, other = value_at(a, at), value_at(c, at)
            if mine is None or other is None or mine == other or left == right:
                continue
            pairs += 1
            if (mine < other) == (left < right):
                agreed += 1
            else:
                others.setdefault((first, second), []).append(at)
    words = [
        f"{first} and {second} at {', '.join(short(at) for at in places)}" for (first, second), places in others.items()
    ]
    return Order(panel.x, panel.y, pairs, agreed, words) if pairs else None


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Spearman's correlation, ties by mean rank; None below three values or where one does not vary."""
    if len(first) < 3:
        return None
    a, b = _ranks(first), _ranks(second)
    if np.ptp(a) == 0.0 or np.ptp(b) == 0.0:
        return None
    return float(np.corrcoef(a, b)[0, 1])


def _ranks(values: Sequence[float]) -> np.ndarray[Any, Any]:
    array = np.asarray(values, float)
    return np.array([(array < value).sum() + ((array == value).sum() + 1) / 2.0 for value in array])


def short(value: Any) -> str:
    """Return a number with four significant digits, a text as it is."""
    return f"{value:.4g}" if _is_number(value) else str(value)
