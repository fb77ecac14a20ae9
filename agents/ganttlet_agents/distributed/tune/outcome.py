"""What came of a sweep: settings compared over their seeds, and the trained policies' rows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.record import Instance, write_atomic
from ganttlet_agents.distributed.tune.sweep import Sweep
from ganttlet_agents.distributed.tune.trial import read_record, seed_name, setting_path
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.results import ResultFolder, Results, load_results
from ganttlet_agents.evaluation.runner import plan_run, run
from ganttlet_agents.evaluation.statistics import LEVEL
from ganttlet_agents.evaluation.suite import Suite
from ganttlet_agents.evaluation.tables import number, print_texts

if TYPE_CHECKING:
    from rich.console import Console

    from ganttlet_agents.training.task import Task

RESULTS, ROWS = "results.json", "rows"
FULL, STOPPED, FAILED = "full budget", "stopped", "failed"


@dataclass(frozen=True)
class Outcome:
    """How a setting did.

    Fields:
        setting, values: its number and what was drawn for it.
        state: FULL, STOPPED at a rung, or FAILED.
        decisions: that every seed has reached when it was last judged.
        score: mean over seeds of what settings are compared by, less is better; None if it was never judged.
        mean, low, high: mean over seeds of the gap, or of the value where not all have a gap, and its interval, None
            with a single seed.
        seeds: per seed its decisions, gap, value and run folder.
        error: why it failed, or None.
    """

    setting: int
    values: dict[str, Any]
    state: str
    decisions: int
    score: float | None
    mean: float | None
    low: float | None
    high: float | None
    seeds: list[dict[str, Any]]
    error: str | None


@dataclass(frozen=True)
class Outcomes:
    """All settings of a sweep: those with the full budget first, the others after how far they came; then by score.

    Fields:
        sweep: the sweep.
        metric: gap, or value where not all runs have a gap.
        settings: the outcomes in order.
    """

    sweep: Sweep
    metric: str
    settings: list[Outcome]

    @property
    def full(self) -> list[Outcome]:
        """Those that were trained to the full budget."""
        return [one for one in self.settings if one.state == FULL]


def t_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Return Student's 95 % interval of the mean, None for a single value.

    A bootstrap of so few values as a sweep has seeds cannot leave their range, and is far too narrow.
    """
    from scipy.stats import t

    if len(values) < 2:
        return None
    half = float(t.ppf((1 + LEVEL) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    mean = float(np.mean(values))
    return mean - half, mean + half


def told_apart(one: Outcome, other: Outcome, metric: str) -> bool:
    """Return whether the interval of the differences of two settings, seed by seed, leaves out 0."""
    differences = [a[metric] - b[metric] for a, b in zip(one.seeds, other.seeds, strict=True)]
    low, high = t_interval(differences) or (0.0, 0.0)
    return low > 0 or high < 0


def collect(sweep: Sweep, folder: Path, errors: Mapping[int, str | None]) -> Outcomes:
    """Return what the sweep's folder holds of the settings in ``errors``, the error of each, or None."""
    records = {setting: read_record(setting_path(folder, setting)) for setting in errors}
    rungs = {setting: record["rungs"][-1]["seeds"] for setting, record in records.items() if record and record["rungs"]}
    metric = "gap" if all(one["gap"] is not None for seeds in rungs.values() for one in seeds) else "value"
    found = []
    for setting, error in errors.items():
        seeds = [
            {**one, "run": (setting_path(folder, setting) / seed_name(one["seed"])).relative_to(folder).as_posix()}
            for one in rungs.get(setting, ())
        ]
        shown = [one[metric] for one in seeds]
        low, high = t_interval(shown) or (None, None)
        decisions = min((one["decisions"] for one in seeds), default=0)
        state = FAILED if error is not None else FULL if decisions >= sweep.budget else STOPPED
        record = records[setting]
        found.append(
            Outcome(
                setting,
                record["values"] if record else {},
                state,
                decisions,
                float(np.mean([one["score"] for one in seeds])) if seeds else None,
                float(np.mean(shown)) if seeds else None,
                low,
                high,
                seeds,
                error,
            )
        )

    def order(one: Outcome) -> tuple[bool, int, float, int]:
        # Updates end where they end, so that equal budgets differ by less than one of them.
        reached = sum(one.decisions >= mark for mark in sweep.marks())
        return one.state == FAILED, -reached, np.inf if one.score is None else one.score, one.setting

    return Outcomes(sweep, metric, sorted(found, key=order))


def save(outcomes: Outcomes, folder: Path, objective: str) -> None:
    """Write results.json."""
    data = {
        "sweep": outcomes.sweep.name,
        "objective": objective,
        "metric": outcomes.metric,
        "interval": f"Student's t over seeds, {LEVEL:.0%}",
        "budget": outcomes.sweep.budget,
        "settings": [asdict(one) for one in outcomes.settings],
    }
    write_atomic(folder / RESULTS, json.dumps(data, indent=1) + "\n")


def print_outcomes(console: Console, outcomes: Outcomes, objective: str) -> None:
    """Print how the settings did, what they are, and what is to be known of it."""
    sweep, metric = outcomes.sweep, outcomes.metric
    unit: Any = metric
    count, settings = len(sweep.settings.seeds), outcomes.settings
    print_texts(
        console,
        f"{sweep.name}: validation {'gap' if metric == 'gap' else objective} of {len(settings)} settings, {count} "
        f"seed{'s' if count > 1 else ''} each",
        ("setting", "gap %" if metric == "gap" else f"mean {objective}", "95 %", "by seed", "decisions", "state"),
        [
            (
                f"{one.setting:03d}",
                number(one.mean, unit),
                "–" if one.low is None else f"{number(one.low, unit)} … {number(one.high, unit)}",
                " ".join(number(seed[metric], unit) for seed in one.seeds),
                f"{one.decisions:,}",
                one.state,
            )
            for one in settings
        ],
    )
    print_texts(
        console,
        "their values",
        ("setting", *short_names(list(sweep.settings.space))),
        [(f"{one.setting:03d}", *(_short(one.values.get(key)) for key in sweep.settings.space)) for one in settings],
    )
    for line in _notes(outcomes):
        console.print(line, style="dim", markup=False, soft_wrap=True)


def _notes(outcomes: Outcomes) -> list[str]:
    """Return the sentences under the tables."""
    sweep, full = outcomes.sweep, outcomes.full
    lines = [f"{len(full)} of {len(outcomes.settings)} settings had the full budget of {sweep.budget:,} decisions."]
    if len(sweep.settings.seeds) == 1:
        lines.append("A single seed does not tell settings apart.")
    else:
        lines.append("Means and intervals (Student's t, 95 %) are over seeds, each with its best validation so far.")
        rivals = [f"{one.setting:03d}" for one in full[1:] if not told_apart(full[0], one, outcomes.metric)]
        if rivals:
            lines.append(
                f"Setting {full[0].setting:03d} cannot be told from {', '.join(rivals)}: the interval of the "
                "differences, seed by seed, holds 0. More seeds tell more apart."
            )
    failed = [one for one in outcomes.settings if one.error is not None]
    return lines + [f"Setting {one.setting:03d} failed: {one.error}" for one in failed]


def evaluate(outcomes: Outcomes, folder: Path, task: Task) -> Results:
    """Play the validation instances by the policy of every run that had the full budget; keep the rows in ``rows/``.

    Raises:
        InputError: if no setting had the full budget, or the folder's path cannot be part of a method's text.
    """
    runs = [str(folder / seed["run"]) for one in outcomes.full for seed in one.seeds]
    if not runs:
        raise InputError("no setting had the full budget")
    if re.search(r"[\s,=]", str(folder)):
        raise InputError(f"{folder}: a path with blanks, commas or '=' cannot be part of a method's text")
    reference = task.config.validation.reference
    seen: set[str] = set()
    groups = {name: tuple(_fresh(instances, seen)) for name, instances in task.validation_groups().items()}
    suite = Suite(
        name=f"{outcomes.sweep.name}_validation",
        source=str(folder),
        about=f"validation instances of the sweep {outcomes.sweep.name}",
        family=task.family.name,
        objectives=(task.objective,),
        groups={name: entries for name, entries in groups.items() if entries},
        methods=tuple(f"policy:{path}" for path in runs),
        reference=reference,
    )
    results = ResultFolder(folder / ROWS)
    run(plan_run(suite), results, provenance.command_line(), resume=True)
    return load_results(results.folder)


def _fresh(instances: Sequence[Instance], seen: set[str]) -> list[Instance]:
    """Return the instances that are no copies of one in ``seen``; small random ones may be drawn twice."""
    fresh = []
    for instance in instances:
        if instance.digest not in seen:
            seen.add(instance.digest)
            fresh.append(instance)
    return fresh


def short_names(names: Sequence[str]) -> list[str]:
    """Return the last parts of dotted names: two, or as many as tell one from the others."""

    def cut(name: str, count: int) -> str:
        return ".".join(name.split(".")[-count:])

    found = []
    for name in names:
        lengths = range(min(2, name.count(".") + 1), name.count(".") + 2)
        clear = (count for count in lengths if sum(cut(other, count) == cut(name, count) for other in names) == 1)
        found.append(cut(name, next(clear)))
    return found


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
