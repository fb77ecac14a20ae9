"""``ganttlet evaluate compare``: is one method better than another?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet_agents.cli.evaluate import Run
from ganttlet_agents.evaluation.compare import Comparison, Effect, compare
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.evaluation.results import META, Results, load_results
from ganttlet_agents.evaluation.rows import Row
from ganttlet_agents.evaluation.statistics import Paired
from ganttlet_agents.evaluation.summary import Metric
from ganttlet_agents.evaluation.tables import interval, make_console, number, print_problems, print_texts, seconds_text

if TYPE_CHECKING:
    from rich.console import Console

try:
    import tyro
    from tyro.conf import Positional
except ImportError:
    raise MissingExtraError("tyro", "eval") from None


Pair = tuple[list[Row], list[Row], tuple[str, str], dict[str, str]]
"""Rows of either side, what the sides are called, and objective -> unit."""
# What says nothing where no method is run, with the values that it has if it is not given.
RUN_OPTIONS = ("groups", "seeds", "budget", "out", "resume", "jobs", "backend", "timeout")
NOT_GIVEN = (None, (), False, "local")


@dataclass(frozen=True)
class Compare:
    """Compare two methods, or what two result folders have in common, instance by instance."""

    a: Annotated[str, Positional]
    """A method, or a result folder."""
    b: Annotated[str, Positional]
    """Another method, or another result folder."""
    folders: Annotated[tuple[Path, ...], tyro.conf.arg(name="in")] = ()
    """Result folders that have rows of both methods; of rows that are there twice the first counts."""
    suite: str | None = None
    """Suite to run the methods on, by name or path of a .yaml file."""
    instances: tuple[str, ...] = ()
    """Instances to run them on instead, as family:pattern."""
    groups: tuple[str, ...] = ()
    """Groups of the suite; all by default."""
    objectives: tuple[str, ...] = ()
    """Objectives to judge by; the suite's own, or all that the folders have, by default."""
    seeds: tuple[str, ...] = ()
    """Seeds for both methods: numbers separated by commas or spaces, or one range such as 0..4."""
    budget: tuple[str, ...] = ()
    """Limit of both methods where they can be limited so, such as seconds=5."""
    out: Path | None = None
    """Result folder of the run; by default the next free results/compare-<number>."""
    resume: bool = False
    """Go on with the run in --out where it stopped."""
    jobs: int | None = None
    """Number of processes that rows are spread over; by default 1, or the cluster's cores on Ray."""
    backend: str = "local"
    """Whose processes: local; ray, a cluster of this machine alone; ray:HOST:PORT, the head of a running cluster."""
    timeout: float | None = None
    """Seconds after which a row is given up and has failed; none by default."""
    show: int = 40
    """Number of instances in the table, at most; those of the greatest effects are shown."""

    def run(self) -> int:
        """Find the rows of the two, and print how they compare."""
        if self.show < 0:
            raise InputError(f"--show: got {self.show}; expected 0 or more")
        console = make_console()
        rows: list[Row] = []
        for a, b, names, units in self._pairs(console):
            rows += [*a, *b]
            for comparison in compare(a, b, names, units):
                print_comparison(console, comparison, self.show)
        print_problems(console, rows)
        return int(any(row.failed for row in rows))

    def _pairs(self, console: Console) -> Iterable[Pair]:
        """Return what to compare: the two methods, or every method that the two folders share."""
        are_folders = [(Path(one) / META).is_file() for one in (self.a, self.b)]
        if all(are_folders):
            self._refuse("two result folders", "in", "suite", "instances", *RUN_OPTIONS)
            return self._folders([load_results(Path(one)) for one in (self.a, self.b)])
        if any(are_folders):
            folder, other = (self.a, self.b) if are_folders[0] else (self.b, self.a)
            raise InputError(
                f"{folder} is a result folder, {other} is none; expected two methods, or two folders ({META} in each)"
            )
        if self.folders:
            self._refuse("--in", "suite", "instances", *RUN_OPTIONS)
            found = [load_results(folder) for folder in self.folders]
        else:
            if self.suite is None and not self.instances:
                raise InputError("expected --suite or --instances to run the methods on, or --in with result folders")
            found = [self._execute(console)]
        return self._methods(found)

    def _refuse(self, beside: str, *names: str) -> None:
        """Refuse options that would say nothing."""
        for name in names:
            if getattr(self, "folders" if name == "in" else name) not in NOT_GIVEN:
                raise InputError(f"--{name} says nothing beside {beside}; leave one of them out")

    def _execute(self, console: Console) -> Results:
        results = Run(
            suite=self.suite,
            instances=self.instances,
            groups=self.groups,
            methods=(self.a, self.b),
            objectives=self.objectives,
            seeds=self.seeds,
            budget=self.budget,
            reference="none",
            out=self.out,
            name=None if self.out is not None else "compare",
            resume=self.resume,
            jobs=self.jobs,
            backend=self.backend,
            timeout=self.timeout,
        ).execute()
        console.print(f"results: {results.folder}", markup=False, soft_wrap=True)
        return results

    def _folders(self, found: Sequence[Results]) -> Iterable[Pair]:
        methods = [dict.fromkeys(row.method for row in results.rows) for results in found]
        shared = [method for method in methods[0] if method in methods[1]]
        if not shared:
            raise InputError(
                f"{self.a} and {self.b} have no method in common: {', '.join(methods[0])}; {', '.join(methods[1])}"
            )
        for method in shared:
            a, b = (self._judged([row for row in results.rows if row.method == method]) for results in found)
            yield a, b, (f"{method} in {self.a}", f"{method} in {self.b}"), _units(found)

    def _methods(self, found: Sequence[Results]) -> Iterable[Pair]:
        rows = list({row.key: row for results in reversed(found) for row in reversed(results.rows)}.values())[::-1]
        labels = [self._label(word, rows, found) for word in (self.a, self.b)]
        if labels[0] == labels[1]:
            raise InputError(f"{labels[0]} is compared with itself; expected two methods")
        a, b = (self._judged([row for row in rows if row.method == label]) for label in labels)
        yield a, b, (labels[0], labels[1]), _units(found)

    def _judged(self, rows: list[Row]) -> list[Row]:
        wanted = [word for piece in self.objectives for word in piece.replace(",", " ").split()]
        known = dict.fromkeys(row.objective for row in rows)
        for name in wanted:
            if name not in known:
                raise InputError(f"--objectives: the rows are not judged by {name!r}, only by {', '.join(known)}")
        return [row for row in rows if not wanted or row.objective in wanted]

    def _label(self, word: str, rows: Sequence[Row], found: Sequence[Results]) -> str:
        """Return the label of a method in the rows: the text itself, or what it is written out as."""
        labels = list(dict.fromkeys(row.method for row in rows))
        if word in labels:
            return word
        try:
            budget = found[0].meta["suite"].get("budget", {})
            (method,) = parse_methods([word], rows[0].family, budget) if rows else (None,)
        except InputError:
            method = None
        if method is None or method.label not in labels:
            raise InputError(f"the results have no rows of {word!r}; expected one of {', '.join(labels) or '(none)'}")
        return method.label


def _units(found: Sequence[Results]) -> dict[str, str]:
    return {name: spec["unit"] for results in found for name, spec in results.meta["objectives"].items()}


def print_comparison(console: Console, found: Comparison, show: int) -> None:
    """Print the effects, the groups, the means and the sentence."""
    better = "less" if found.sense == "min" else "more"
    print_texts(
        console,
        f"{found.objective}, {better} is better; A: {found.a}, B: {found.b}",
        ("instance", "A", "B", "A − B", "%"),
        [
            (
                effect.instance,
                number(effect.a, "value"),
                number(effect.b, "value"),
                number(effect.difference, "value", sign=True),
                number(effect.relative, "gap", sign=True),
            )
            for effect in _greatest(found, show)
        ],
    )
    if len(found.effects) > show:
        console.print(f"{len(found.effects) - show} instances of smaller effects are not shown: --show", markup=False)
    parts = {"all": (found.absolute, found.relative), **found.groups}
    print_texts(
        console,
        "means over instances; wins, ties and losses of A",
        ("group", "n", "A − B", "95 %", "%", "95 %", "wins", "ties", "losses"),
        [
            (
                name or "(none)",
                str(absolute.n),
                *_mean(absolute, "value", found.sense),
                *(_mean(relative, "gap", found.sense) if relative else ("–", "")),
                *map(str, (absolute.wins, absolute.ties, absolute.losses)),
            )
            for name, (absolute, relative) in parts.items()
        ],
    )
    lines = [f"Seconds a row: A {seconds_text(found.seconds[0])}, B {seconds_text(found.seconds[1])}."]
    lines += [f"Left out: {count} instance(s) that {name} did not solve." for name, count in found.missing.items()]
    for line in [*lines, *found.notes]:
        console.print(line, style="dim", markup=False)
    console.print(found.sentence(), style="bold", markup=False)


def _greatest(found: Comparison, show: int) -> list[Effect]:
    """Return the effects of greatest size, in the order of the instances."""
    whole = found.relative is not None

    def size(effect: Effect) -> float:
        return abs((effect.relative if whole else None) or effect.difference)

    kept = {effect.digest for effect in sorted(found.effects, key=size, reverse=True)[:show]}
    return [effect for effect in found.effects if effect.digest in kept]


def _mean(found: Paired, metric: Metric, sense: str) -> tuple[str, str]:
    """Return the mean of A − B, its sign that of the values, and its interval."""
    worse = found.difference
    if worse is None:
        return "–", ""
    # Statistics are positive where A is worse, which for an objective to be maximised is where it has less.
    raw = worse if sense == "min" else replace(worse, value=-worse.value, low=-worse.high, high=-worse.low)
    return number(raw.value, metric, sign=True), interval(raw, metric, sign=True)
