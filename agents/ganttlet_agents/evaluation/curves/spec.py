"""What a curve is: the content of ``configs/curves/NAME.yaml``, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ganttlet.core.errors import InputError, check_choice
from ganttlet_agents.evaluation.suite import Suite

KINDS = ("line", "bars", "box", "scatter")
SCALES = ("linear", "log", "symlog")
MEANS = ("arithmetic", "geometric")
CHECKS = ("below", "near", "rising", "falling", "flat", "level")


@dataclass(frozen=True)
class Line:
    """One line of a curve: a method, or one method at several values of an option.

    Fields:
        method: its text; ``{run}`` stands for the folder of the run that ``preset`` trains, ``{NAME}`` for a value
            of ``over``.
        name: what the line is called; the method's text, with ``…`` for what varies, if empty.
        over: place -> values, each of which gives a point.
        published: names of its published counterparts: the same method, or one of the same kind.
        use: column that stands for every judged value, such as ``bound``, ``reference_bound`` or one that ``after``
            adds; empty for the values.
        preset, run, seed, params: training preset, name of its run folder, seed and changed settings; without a preset
            nothing is trained.
    """

    method: str = ""
    name: str = ""
    over: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    published: tuple[str, ...] = ()
    use: str = ""
    preset: str = ""
    run: str = ""
    seed: int = 0
    params: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.method and not self.preset:
            raise InputError("expected a method, or a preset to train")
        if bool(self.preset) != bool(self.run):
            raise InputError("preset and run: expected both or none")
        for place in self.over:
            if f"{{{place}}}" not in self.method:
                raise InputError(f"over: {place!r}: the method has no {{{place}}}: {self.method!r}")

    @classmethod
    def of_text(cls, text: str) -> Mapping[str, Any]:
        """Return the line of a method's text."""
        return {"method": text}

    @property
    def title(self) -> str:
        """What the line is called."""
        return self.name or re.sub(r"\{\w+\}", "…", self.method) or f"{self.preset}, seed {self.seed}"


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Fields:
        x, y: columns; texts of x stand side by side. NAME_least and NAME_most are the column of the worst and best
            instance by its number.
        title, x_label, y_label: what stands at them; the columns' names if empty.
        kind: one of KINDS. ``box`` draws what instances differ by, ``scatter`` a shape for each group.
        x_scale, y_scale: one of SCALES.
        y_min, y_max: ends of the axis, where the points do not set them.
        percent: True to draw y as a percentage.
        unit: y is drawn divided by it, such as bytes by 1048576 in MiB.
        base: where bars begin.
        where: column -> value that a point must have to be drawn.
        lines: names of the lines, ours and published ones, that are drawn; all if empty.
        levels: text -> y of a horizontal line.
        sort: bars: True to order x by y of the first line.
        invert: True to let x fall from left to right.
        published: False to leave the published points out.
        intervals: lines: False to leave the intervals over instances out, where instances differ more than methods.
    """

    x: str
    y: str
    title: str = ""
    x_label: str = ""
    y_label: str = ""
    kind: str = "line"
    x_scale: str = "linear"
    y_scale: str = "linear"
    y_min: float | None = None
    y_max: float | None = None
    percent: bool = False
    unit: float = 1.0
    base: float = 0.0
    where: dict[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    levels: dict[str, float] = field(default_factory=dict)
    sort: bool = False
    invert: bool = False
    published: bool = True
    intervals: bool = True

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, KINDS)
        check_choice("x_scale", self.x_scale, SCALES)
        check_choice("y_scale", self.y_scale, SCALES)
        if not self.unit > 0.0:
            raise InputError(f"unit: expected a number above 0, got {self.unit:g}")


@dataclass(frozen=True)
class Check:
    """A property of the published curve that ours is tested for; exactly one of CHECKS is given.

    Fields:
        claim: the property in words. source: who states or shows it.
        x, y: columns; those of the first panel if empty.
        where: column -> value, as of a panel.
        below: lines, each of which lies nowhere above the next.
        near: two lines that differ by at most ``within`` of the second.
        rising, falling: lines whose y never falls (rises) as x grows.
        flat: lines whose y keeps within ``within`` of its mean.
        level: lines whose y lies between ``low`` and ``high``.
        within: relative slack of all of them.
        ends: rising, falling: True to compare the first place with the last alone.
        since, until: the part of x that counts.
        at: the one x that counts, text or number; ``last``: each line's last.
    """

    claim: str
    source: str = ""
    x: str = ""
    y: str = ""
    where: dict[str, Any] = field(default_factory=dict)
    below: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    rising: tuple[str, ...] = ()
    falling: tuple[str, ...] = ()
    flat: tuple[str, ...] = ()
    level: tuple[str, ...] = ()
    within: float = 0.0
    low: float | None = None
    high: float | None = None
    ends: bool = False
    since: float | None = None
    until: float | None = None
    at: Any = None

    def __post_init__(self) -> None:
        given = [name for name in CHECKS if getattr(self, name)]
        if len(given) != 1:
            raise InputError(f"expected one of {', '.join(CHECKS)}, got {', '.join(given) or 'none'}")
        if len(self.lines) < 2 and self.kind in ("below", "near"):
            raise InputError(f"{self.kind}: expected two lines or more")
        if self.kind == "level" and self.low is None and self.high is None:
            raise InputError("level: expected low, high or both")
        if self.ends and self.kind not in ("rising", "falling"):
            raise InputError(f"ends: belongs to rising and falling, not to {self.kind}")

    @property
    def kind(self) -> str:
        """Which of CHECKS it is."""
        return next(name for name in CHECKS if getattr(self, name))

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines that it names."""
        found: tuple[str, ...] = getattr(self, self.kind)
        return found


@dataclass(frozen=True)
class Budget:
    """What is measured of a curve, full or quick.

    Fields:
        instances: of each group the first so many; all if None.
        groups: names of the groups; all if empty.
        seeds: handed to every method; the suite's if empty.
        without: names of lines that are drawn as not run.
        methods: name of a line -> its method under this budget.
        over: place -> values, in place of those of the lines and of ``after``.
        train: settings of a training run (``time_limit=…``) over those of its preset; its run is another one,
            NAME-quick.
    """

    instances: int | None = None
    groups: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    without: tuple[str, ...] = ()
    methods: dict[str, str] = field(default_factory=dict)
    over: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    train: tuple[str, ...] = ()


@dataclass(frozen=True)
class After:
    """What becomes of a solution once it is found, such as a plan that is carried out late.

    Fields:
        name: a key of the family's ``after``.
        over: place -> values, each of which gives a point; empty if a solution becomes one thing only.
        options: further options of that function.
        own: place at which a point more stands, at the seconds that the method took; empty for none.
    """

    name: str
    over: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    own: str = ""

    def __post_init__(self) -> None:
        if len(self.over) > 1:
            raise InputError(f"over: expected one place at most, got {', '.join(self.over)}")
        if self.own not in ("", *self.over):
            raise InputError(f"own: expected the place of over, got {self.own!r}")


@dataclass(frozen=True)
class Learning:
    """Validations of training runs in place of a suite.

    Fields:
        levels: methods that play the validation instances of the first run; drawn as horizontal lines. One with
            ``use`` is drawn where each instance has that column.
        skip: number of validations left out at the start, since an untrained network says nothing.
    """

    levels: tuple[Line, ...] = ()
    skip: int = 1

    def __post_init__(self) -> None:
        for level in self.levels:
            if not level.method or level.preset or level.over:
                raise InputError(f"levels: {level.title!r}: expected a method without preset and over")


@dataclass(frozen=True)
class Content:
    """The keys of a curve's file beside those of its suite.

    Fields:
        about: one line. source: the paper or code whose curve it is; empty for one of our own.
        suite: name of a suite; without it the file gives the suite's keys itself, or ``learning``.
        lines: lines of the curve.
        panels: pairs of axes.
        places: what tells points of a line apart beside ``over``: facts of the family's ``axes``, ``group``,
            ``instance``, or keys of ``by_group``.
        by_group: place -> group -> its number or text.
        mean: over instances, one of MEANS.
        columns: how many panels stand side by side; all if 0.
        paired: True if a point counts only instances that all lines have there.
        against: line on whose value of the same instance columns NAME_ratio are measured; empty for none.
        after, learning: see there.
        published: files of published points under ``configs/curves/reference``.
        checks: properties of the published curve.
        full, quick: budgets.
    """

    about: str
    lines: tuple[Line, ...]
    panels: tuple[Panel, ...]
    source: str = ""
    suite: str = ""
    places: tuple[str, ...] = ()
    by_group: dict[str, dict[str, Any]] = field(default_factory=dict)
    mean: str = "arithmetic"
    columns: int = 0
    paired: bool = True
    against: str = ""
    after: After | None = None
    learning: Learning | None = None
    published: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    full: Budget = Budget()
    quick: Budget = Budget(instances=2)


@dataclass(frozen=True)
class Curve:
    """A curve as its file states it: its name, file, content and suite; no suite where runs are drawn."""

    name: str
    file: str
    content: Content
    family: str
    suite: Suite | None

    def line(self, title: str) -> Line:
        """Return the line of that name."""
        return next(line for line in self.content.lines if line.title == title)

    def under(self, quick: bool) -> tuple[Curve, Budget]:
        """Return the curve cut to a budget, and that budget."""
        budget = self.content.quick if quick else self.content.full
        lines = []
        for line in self.content.lines:
            over = {place: budget.over.get(place, values) for place, values in line.over.items()}
            method = budget.methods.get(line.title, line.method)
            named = replace(line, name=line.title, method=method, over={k: v for k, v in over.items() if k in method})
            lines.append(named)
        after = self.content.after
        if after is not None:
            after = replace(after, over={place: budget.over.get(place, v) for place, v in after.over.items()})
        suite = self.suite
        if suite is not None:
            groups = {name: suite.groups[name] for name in budget.groups} if budget.groups else suite.groups
            groups = {name: entries[: budget.instances] for name, entries in groups.items()}
            suite = replace(suite, groups=groups, seeds=budget.seeds or suite.seeds)
        content = replace(self.content, lines=tuple(lines), after=after)
        return replace(self, content=content, suite=suite), budget


def methods_of(line: Line, run: Path | None) -> Sequence[tuple[str, Mapping[str, Any]]]:
    """Return the texts of a line's methods, each with its values of ``over``.

    Args:
        line: with a method.
        run: the folder that ``{run}`` stands for.
    """
    texts: list[tuple[str, Mapping[str, Any]]] = [(line.method, {})]
    for place, values in line.over.items():
        texts = [
            (text.replace(f"{{{place}}}", str(value)), {**at, place: value}) for text, at in texts for value in values
        ]
    if run is not None:
        texts = [(text.replace("{run}", run.as_posix()), at) for text, at in texts]
    return texts
