"""``ganttlet evaluate run`` and ``ganttlet evaluate report``."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ganttlet.core.errors import InputError, MissingExtraError, check_choice
from ganttlet.core.family import get_family
from ganttlet_agents.cli.progress import progress_bar
from ganttlet_agents.cli.words import split_words, typed_seeds
from ganttlet_agents.distributed.backend import Backend, read_backend
from ganttlet_agents.distributed.connect import crew
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.budgets import budget_lines, read_budget
from ganttlet_agents.evaluation.costs import costs
from ganttlet_agents.evaluation.report import CHARTS, load_folders, print_boards, write_leaderboard, write_report
from ganttlet_agents.evaluation.results import ResultFolder, Results, load_results, new_folder
from ganttlet_agents.evaluation.rows import Row
from ganttlet_agents.evaluation.runner import Plan, plan_run, run
from ganttlet_agents.evaluation.suite import (
    Suite,
    adhoc_suite,
    check_objectives,
    load_suite,
)
from ganttlet_agents.evaluation.summary import Summary, summarise
from ganttlet_agents.evaluation.tables import (
    make_console,
    number,
    print_problems,
    print_summaries,
    print_texts,
    seconds_text,
)

if TYPE_CHECKING:
    from rich.console import Console

try:
    from tyro.conf import Positional
except ImportError:
    raise MissingExtraError("tyro", "eval") from None


@dataclass(frozen=True)
class Run:
    """Run methods on a suite or on files; every solution is validated before it counts."""

    suite: str | None = None
    """Suite by name (see `list`) or path of a .yaml file."""
    instances: tuple[str, ...] = ()
    """Instances instead of a suite, as family:pattern, for example 'job_shop:folder/*.txt'."""
    groups: tuple[str, ...] = ()
    """Groups of the suite, each a word of its own (in quotes, if its name has spaces); all by default."""
    methods: tuple[str, ...] = ()
    """Methods as kind:name:key=value, separated by commas or spaces; the suite's own by default."""
    objectives: tuple[str, ...] = ()
    """Objectives to judge by, separated by commas or spaces; the suite's own, or the family's main one, by default."""
    seeds: tuple[str, ...] = ()
    """Seeds for every method: numbers separated by commas or spaces, or one range such as 0..4."""
    reference: str | None = None
    """What gaps are measured against: best_known, none, or a method that runs first."""
    budget: tuple[str, ...] = ()
    """Limit of every method that can be limited so, such as seconds=5; kinds: seconds, decisions, steps."""
    baseline: str | None = None
    """Method that the others are compared with, pair by pair; the first one by default."""
    out: Path | None = None
    """Result folder; by default the next free results/<name>-<number>."""
    name: str | None = None
    """Name of the numbered result folder, if --out is not given; the suite's name by default."""
    overwrite: bool = False
    """Replace the results in --out."""
    resume: bool = False
    """Go on with the results in --out where they stopped; the settings must be the same."""
    jobs: int | None = None
    """Number of processes that rows are spread over; by default 1, or the cluster's cores on Ray."""
    backend: str = "local"
    """Whose processes: local; ray, a cluster of this machine alone; ray:HOST:PORT, the head of a running cluster."""
    timeout: float | None = None
    """Seconds after which a row is given up and has failed; none by default."""
    solutions: bool = True
    """Keep each row's solution, a file of its own, which charts and later checks need."""
    report: bool = True
    """Write report.html into the result folder."""
    charts: int = CHARTS
    """Number of solutions drawn in the report, at most."""

    def run(self) -> int:
        """Run, print the tables, write the report."""
        results = self.execute()
        console = make_console()
        summaries = print_results(console, results, self.baseline)
        console.print(f"results: {results.folder}", markup=False, soft_wrap=True)
        if self.report:
            page = write_report(results, baseline=self.baseline, charts=self.charts, summaries=summaries)
            console.print(f"report:  {page}", markup=False, soft_wrap=True)
        return int(any(row.failed for row in results.rows))

    def execute(self) -> Results:
        """Run, and return what the result folder then holds."""
        self._check()
        plan = plan_run(self._suite())
        labels = [method.label for method in plan.methods]
        if self.baseline is not None and self.baseline not in labels:
            raise InputError(f"--baseline: unknown method {self.baseline!r}; expected one of {', '.join(labels)}")
        default = re.sub(r"[^\w.-]", "-", plan.suite.name)
        name = default if self.name is None else self.name
        backend = read_backend(self.backend)
        # A cluster that cannot be joined leaves no folder behind.
        with crew(backend, self.jobs) as jobs:
            folder = new_folder(self.out, name, self.overwrite, resume=self.resume)
            self._run(plan, folder, jobs, backend)
        return load_results(folder.folder)

    def _run(self, plan: Plan, folder: ResultFolder, jobs: int, backend: Backend) -> None:
        command = provenance.command_line()
        try:
            with progress_bar(plan) as on_row:
                run(
                    plan,
                    folder,
                    command,
                    on_row,
                    jobs=jobs,
                    timeout=self.timeout,
                    resume=self.resume,
                    backend=backend,
                    solutions=self.solutions,
                )
        except KeyboardInterrupt:
            print(f"the rows so far are in {folder.folder}; --resume goes on with them", file=sys.stderr)
            raise

    def _check(self) -> None:
        if self.out is not None and self.name is not None:
            raise InputError("--out and --name are both given; expected one of them")
        if self.overwrite and self.out is None:
            raise InputError("--overwrite needs --out, the folder whose results are replaced")
        if self.resume and self.out is None:
            raise InputError("--resume needs --out, the folder whose results are continued")
        if self.resume and self.overwrite:
            raise InputError("--resume and --overwrite are both given; expected one of them")
        check_limits(self.jobs, self.timeout)
        check_charts(self.charts)

    def _suite(self) -> Suite:
        if (self.suite is None) == (not self.instances):
            raise InputError("expected either --suite or --instances")
        suite = adhoc_suite(self.instances) if self.suite is None else load_suite(self.suite)
        if self.groups:
            for group in self.groups:
                check_choice("--groups", group, suite.groups)
            suite = replace(suite, groups={name: suite.groups[name] for name in dict.fromkeys(self.groups)})
        if self.methods:
            suite = replace(suite, methods=self.methods)
        if self.objectives:
            names = split_words(self.objectives)
            if not names:
                raise InputError("--objectives: none given")
            check_objectives(names, get_family(suite.family), "--objectives")
            suite = replace(suite, objectives=tuple(names))
        if self.seeds:
            suite = replace(suite, seeds=tuple(typed_seeds(self.seeds)))
        if self.budget:
            suite = replace(suite, budget=read_budget(split_words(self.budget), "--budget"))
        if self.reference is not None:
            suite = replace(suite, reference=self.reference)
        return suite


@dataclass(frozen=True)
class Report:
    """Write the HTML page of a result folder, or a leaderboard over several, from the files alone; print its tables."""

    folders: Annotated[tuple[Path, ...], Positional]
    """Result folders."""
    out: Path | None = None
    """The page; by default report.html in the folder, or results/leaderboard.html over several."""
    baseline: str | None = None
    """Method that the others are compared with, pair by pair; the first one by default."""
    charts: int = CHARTS
    """Number of solutions drawn per folder, at most."""

    def run(self) -> int:
        """Print and write."""
        check_charts(self.charts)
        if not self.folders:
            raise InputError("no result folder is given; expected one or several")
        loaded = load_folders(self.folders)
        console = make_console()
        if len(loaded) == 1:
            made = print_results(console, loaded[0], self.baseline)
            page = write_report(loaded[0], self.out, baseline=self.baseline, charts=self.charts, summaries=made)
        else:
            print_boards(console, loaded)
            for results in loaded:
                print_problems(console, results.rows)
            page = write_leaderboard(self.folders, self.out, baseline=self.baseline, charts=self.charts)
        console.print(f"report:  {page}", markup=False, soft_wrap=True)
        return int(any(row.failed for results in loaded for row in results.rows))


def check_limits(jobs: int | None, timeout: float | None) -> None:
    """Refuse less than one process, and a time limit of nothing."""
    if jobs is not None and jobs < 1:
        raise InputError(f"--jobs: got {jobs}; expected 1 or more")
    if timeout is not None and not 0.0 < timeout < float("inf"):
        raise InputError(f"--timeout: got {timeout:g}; expected seconds greater than 0")


def print_results(console: Console, results: Results, baseline: str | None) -> list[Summary]:
    """Print the tables of a result folder, and what must be known to read them; return their numbers."""
    rows = results.rows
    summaries = summarise(rows, baseline, results.meta["suite"]["reference"])
    print_summaries(console, summaries)
    print_costs(console, rows)
    for line in [*budget_lines(results.meta, rows), *origin_lines(rows, results.meta.get("jobs", 1))]:
        console.print(line, style="dim", markup=False)
    print_problems(console, rows)
    return summaries


def print_costs(console: Console, rows: Sequence[Row]) -> None:
    """Print what each method cost, with a column for what any of them has."""
    found = costs(rows)
    columns = [
        (title, texts)
        for title, texts in (
            ("s/row", [seconds_text(cost.seconds) if cost.seconds is not None else "–" for cost in found]),
            ("decisions", [number(cost.decisions, "value") for cost in found]),
            ("steps", [number(cost.steps, "value") for cost in found]),
            ("ms/decision", [_milliseconds(cost.latency_mean) for cost in found]),
            ("p99 ms", [_milliseconds(cost.latency_p99) for cost in found]),
            ("peak MiB", [number(cost.peak_memory, "value") for cost in found]),
        )
        if any(text != "–" for text in texts)
    ]
    print_texts(
        console,
        "costs: means over rows; greatest p99 and peak memory of the process",
        ("method", *(title for title, _ in columns)),
        [(cost.method, *(texts[place] for _, texts in columns)) for place, cost in enumerate(found)],
    )


def _milliseconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{1000 * seconds:.3g}"


def origin_lines(rows: Sequence[Row], jobs: int) -> list[str]:
    """Return what must be known of times and rows: processes side by side, several commits or machines."""
    lines = [f"Times are of {jobs} processes side by side."] if jobs > 1 else []
    found = {what: dict.fromkeys(getattr(row, what) or "none" for row in rows) for what in ("commit", "device")}
    return lines + [f"Rows of several {what}s: {', '.join(names)}." for what, names in found.items() if len(names) > 1]


def check_charts(charts: int) -> None:
    """Refuse a negative number of charts."""
    if charts < 0:
        raise InputError(f"--charts: got {charts}; expected 0 or more")
