"""Makes a curve: runs its methods, gathers points, compares them with the published ones, draws and describes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, cast

from ganttlet.core.errors import InputError
from ganttlet.core.family import get_family
from ganttlet.core.record import write_atomic
from ganttlet_agents.distributed.backend import LOCAL, Backend
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.curves.agreement import Agreement, compare
from ganttlet_agents.evaluation.curves.draw import draw
from ganttlet_agents.evaluation.curves.points import Point, points_of_rows, points_of_runs, write_csv
from ganttlet_agents.evaluation.curves.published import load_published
from ganttlet_agents.evaluation.curves.spec import Budget, Curve, Line, methods_of
from ganttlet_agents.evaluation.curves.words import as_data, describe
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.evaluation.results import new_folder, writing
from ganttlet_agents.evaluation.rows import Row, gap_of
from ganttlet_agents.evaluation.runner import OnRow, plan_run, run
from ganttlet_agents.evaluation.suite import Suite, load_instances


class AbsentError(InputError):
    """Instances of a curve are not here, as outside data may be."""


@dataclass(frozen=True)
class Run:
    """A training run that a line draws or plays.

    Fields:
        path: its folder.
        evaluations: its validations.
        groups: validation instances by group.
        objective, reference: what validations judge by, and what their gaps are measured against.
    """

    path: Path
    evaluations: Sequence[Mapping[str, Any]]
    groups: Mapping[str, Sequence[Any]]
    objective: str
    reference: str


# Line -> its run, or None where there is none under the budget; called for lines with a preset only.
Runs = Callable[[Line, Budget], Run | None]


@dataclass(frozen=True)
class Made:
    """What was made: the files, the agreement, rows that failed, and the seconds it took."""

    name: str
    files: Mapping[str, Path]
    agreement: Agreement
    failed: Sequence[Row]
    seconds: float


@dataclass(frozen=True)
class Way:
    """How a curve's methods are run.

    Fields:
        out: the folder of the files; what was there of the same name is replaced.
        command: as it is to be printed.
        on_row: called with each row.
        jobs, timeout, resume, backend: as of ``runner.run``.
    """

    out: Path
    command: str
    on_row: OnRow = lambda row: None
    jobs: int = 1
    timeout: float | None = None
    resume: bool = False
    backend: Backend = LOCAL


def make(curve: Curve, quick: bool, runs: Runs, way: Way) -> Made:
    """Make a curve: under ``out`` ``NAME.png``, ``.svg``, ``.csv``, ``.md``, ``.json`` and the result folder ``NAME/``.

    Points come from rows and validations of this run alone; with ``way.resume`` from those too that it left unfinished.

    Args:
        curve: as loaded.
        quick: the quick budget instead of the full one.
        runs: gives the training runs of lines with a preset.
        way: how methods are run, and where the files go.

    Raises:
        AbsentError: if instances are not here.
        InputError: for a mistake of the curve's file.
    """
    begun = time.perf_counter()
    cut, budget = curve.under(quick)
    published = load_published(cut.content.published)
    trained = {
        line.title: runs(line, budget) for line in cut.content.lines if line.preset and line.title not in budget.without
    }
    missing = [*budget.without, *(title for title, found in trained.items() if found is None)]
    rows: list[Row] = []
    if cut.content.learning is not None:
        points, rows = _learning(cut, {title: found for title, found in trained.items() if found}, way)
    else:
        points, rows = _measured(cut, trained, missing, way)
    missing += [line.title for line in cut.content.lines if line.title not in {p.line for p in points} | set(missing)]
    agreement = compare(cut, points, published, missing)
    seconds = time.perf_counter() - begun
    facts = _facts(quick, way, rows, trained, seconds)
    data = {"curve": cut.name, "about": cut.content.about, "source": cut.content.source, **facts, **as_data(agreement)}
    texts: dict[str, str | bytes] = {
        "csv": write_csv(points, published),
        "md": describe(cut, agreement, published, facts),
        "json": json.dumps(data, indent=1, ensure_ascii=False) + "\n",
    }
    files: dict[str, Path] = {}
    for ending, content in {**texts, **draw(cut, points, published, missing)}.items():
        files[ending] = way.out / f"{cut.name}.{ending}"
        with writing(files[ending]) as path:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, content)
    return Made(cut.name, files, agreement, [row for row in rows if row.failed], seconds)


def _measured(
    curve: Curve, trained: Mapping[str, Run | None], missing: Sequence[str], way: Way
) -> tuple[list[Point], list[Row]]:
    """Run the methods of the lines on the suite."""
    assert curve.suite is not None
    texts: dict[str, list[tuple[Line, Mapping[str, Any]]]] = {}
    for line in curve.content.lines:
        if line.title in missing:
            continue
        found = trained.get(line.title)
        for text, over in methods_of(line, found.path if found else None):
            try:
                label = parse_methods([text], curve.family)[0].label
            except InputError as error:
                raise InputError(f"{curve.file}: line {line.title!r}: {error}") from None
            texts.setdefault(label, []).append((line, over))
    suite = replace(curve.suite, methods=tuple(texts))
    rows, folder = _run(suite, curve.name, way)
    instances = {entry.instance.digest: entry.instance for entry in load_instances(suite)}
    return points_of_rows(curve, rows, texts, instances, folder), rows


def _learning(curve: Curve, trained: Mapping[str, Run], way: Way) -> tuple[list[Point], list[Row]]:
    """Read the validations of the runs, and let methods play the first one's validation instances."""
    learning = curve.content.learning
    assert learning is not None
    points = points_of_runs(curve, {title: found.evaluations for title, found in trained.items()})
    if not learning.levels or not trained:
        return points, []
    first = next(iter(trained.values()))
    groups = {name: tuple(instances) for name, instances in first.groups.items()}
    suite = Suite(
        name=f"{curve.name}-levels",
        source=curve.file,
        about=curve.content.about,
        family=curve.family,
        objectives=(first.objective,),
        groups=groups,
        methods=tuple(dict.fromkeys(level.method for level in learning.levels)),
        reference=first.reference,
    )
    rows, _ = _run(suite, curve.name, way)
    sense = get_family(curve.family).objectives[first.objective].sense
    for level in learning.levels:
        label = parse_methods([level.method], curve.family)[0].label
        own = [row for row in rows if row.method == label]
        values = [getattr(row, level.use or "value") for row in own]
        # A mean over fewer instances than the runs' would be another level.
        if own and all(value is not None for value in values):
            gaps = [
                None if row.reference is None else gap_of(value, row.reference, sense)
                for row, value in zip(own, values, strict=True)
            ]
            means = {"value": fmean(values), **({} if None in gaps else {"gap": fmean(cast(list[float], gaps))})}
            points.append(Point(level.title, {}, len(own), means))
    return points, rows


def _run(suite: Suite, name: str, way: Way) -> tuple[list[Row], Path]:
    try:
        load_instances(suite)
    except InputError as error:
        raise AbsentError(str(error)) from None
    plan = plan_run(suite)
    folder = new_folder(way.out / name, "", not way.resume, resume=way.resume)
    how: dict[str, Any] = {name: getattr(way, name) for name in ("jobs", "timeout", "resume", "backend")}
    rows = run(plan, folder, way.command, way.on_row, **how)
    return list(rows), folder.folder


def _facts(
    quick: bool, way: Way, rows: Sequence[Row], trained: Mapping[str, Run | None], seconds: float
) -> dict[str, Any]:
    # Rows that a resumed run kept name their own machine and commit.
    commits = sorted({row.commit or "unknown" for row in rows}) or [provenance.commit() or "unknown"]
    return {
        "command": way.command,
        "budget": "quick" if quick else "full",
        "instances": len({row.digest for row in rows}),
        "rows": len(rows),
        "failed rows": sum(row.failed for row in rows),
        **({"runs": [found.path.as_posix() for found in trained.values() if found]} if trained else {}),
        # What a resumed run took is not what the curve takes.
        **({} if way.resume else {"seconds": round(seconds, 1)}),
        "seconds of methods": round(sum(row.seconds for row in rows), 1),
        "device": ", ".join(sorted({row.device for row in rows}) or [provenance.device()]),
        "commit": ", ".join(commits),
        "versions": ", ".join(f"{name} {version}" for name, version in provenance.versions().items()),
    }
