"""Compute time of a day of air-taxi fleets, and learning, for the tables and pictures of docs/results.md.

    python benchmarks/uam_curves.py [--time] [--methods rule:greedy …] [--policy RUN …] [--days 3] [--runs NAME=RUN …]

--time: seconds of each method on days of New York, ``captain-2024``, seeds 300 on, wall and processor, one thread, all
in one run; profits are those of the validator, in USD. A policy (RUN: a run folder or a shipped one) joins the methods.
--runs: validations of training runs, and what rules earn on their validation days.

Points go to benchmarks/results/uam_curves.json by method, and replace those made before; without --time and --runs
nothing is measured. The pictures docs/images/uam_profit.png and docs/images/uam_learning.png are drawn again from what
is there and from uam_quality.json (uam_plots.py). Profit against fleet size and uncertainty are curves of the
evaluator: ``python evaluate.py curve uam_fleet_size uam_uncertainty``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import uam_plots
import uam_quality

from ganttlet.core.record import write_atomic
from ganttlet.uam_fleet import FleetLog, Scenario, generate, validate
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.methods import BoundMethod, parse_methods
from ganttlet_agents.training.folder import RunFolder, read_evaluations
from ganttlet_agents.training.task import Task

FILE = Path(__file__).parent / "results" / "uam_curves.json"
NYC = {"name": "captain-2024", "geography": "nyc"}
FIRST = 300  # seed; suites end below it
RULES = ("rule:random", "rule:greedy", "rule:greedy_lookahead")
TIMED = ("rule:greedy", "rule:greedy_lookahead", "search:ga", "solver:rolling")
TIMED_DAYS = 3
Point = dict[str, Any]


def played(method: BoundMethod, scenarios: Sequence[Scenario]) -> Point:
    """Return validated profits of what a method does on the days, and the mean seconds of a day that it takes."""
    profits, wall, processor = [], 0.0, 0.0
    for scenario in scenarios:
        began = time.perf_counter(), time.process_time()
        outcome = method.solve(scenario, objective="profit", seed=0)
        wall, processor = wall + time.perf_counter() - began[0], processor + time.process_time() - began[1]
        assert isinstance(outcome.solution, FleetLog), f"{method.label} on {scenario.name}: {outcome.status}"
        verdict = validate(scenario, outcome.solution)
        assert verdict.feasible, f"{method.label} on {scenario.name}: {verdict.violations[0].message}"
        profits.append(round(verdict.values["profit"], 2))
    count = len(scenarios)
    return {"profit": profits, "seconds": round(wall / count, 5), "processor": round(processor / count, 5)}


def measure(methods: Sequence[BoundMethod], days: int, keep: Callable[[Point], None]) -> None:
    """Time methods on so many days; ``keep`` is called with each method's point as soon as it is measured."""
    scenarios = [generate(NYC, FIRST + day) for day in range(days)]
    for method in methods:
        method.warm_up(scenarios[0], objective="profit")
        keep({"method": method.label, **played(method, scenarios)})


def learning(name: str, path: Path) -> dict[str, Any]:
    """Return a run's validations, and what rules earn on the same days."""
    _, config = RunFolder.open(path)
    groups = Task(config).validation_groups()
    days = [day for some in groups.values() for day in some if isinstance(day, Scenario)]
    rows = read_evaluations(path)
    found = {
        "seed": config.seed,
        "decisions": [row["timesteps"] for row in rows],
        "seconds": [round(row["seconds"], 1) for row in rows],
        "profit": [round(row["value"], 1) for row in rows],
        "days": len(days),
        "rules": {
            rule.label: round(mean(played(rule, days)["profit"]), 1) for rule in parse_methods(RULES, "uam_fleet")
        },
    }
    print(name, found["profit"][-1:], json.dumps(found["rules"]), flush=True)
    return found


def read() -> dict[str, Any]:
    """Return what was measured so far."""
    if FILE.is_file():
        data: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
        return data
    return {"command": "python benchmarks/uam_curves.py", "points": [], "learning": {}}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--time", action="store_true", help="measure the compute time of methods")
    parser.add_argument("--methods", nargs="+", help="what is timed, in place of rules and solvers")
    parser.add_argument("--policy", nargs="+", default=[], metavar="RUN", help="policies that join the methods")
    parser.add_argument("--days", type=int, help=f"that methods are timed on, {TIMED_DAYS} by default")
    parser.add_argument("--runs", nargs="+", default=[], metavar="NAME=RUN", help="run folders whose learning is drawn")
    options = parser.parse_args(arguments)
    if not options.time and (options.methods or options.policy or options.days):
        parser.error("--methods, --policy and --days belong to --time")
    data = read()

    def keep(point: Point) -> None:
        """Put a point in the place of an older one, and write the file."""
        point["device"] = provenance.device()
        data["points"] = [old for old in data["points"] if old["method"] != point["method"]] + [point]
        write_atomic(FILE, json.dumps(data, indent=1) + "\n")
        print(point["method"], round(mean(point["profit"])), flush=True)

    if options.time:
        names = [*(options.methods or TIMED), *(f"policy:{run}" for run in options.policy)]
        measure(parse_methods(names, "uam_fleet"), options.days or TIMED_DAYS, keep)
    for text in options.runs:
        name, _, run = text.partition("=")
        data["learning"][name] = learning(name, Path(run))
        write_atomic(FILE, json.dumps(data, indent=1) + "\n")
    print(*uam_plots.draw(data, uam_quality.read()), sep="\n")


if __name__ == "__main__":
    main()
