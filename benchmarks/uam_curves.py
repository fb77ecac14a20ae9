"""Curves of air-taxi fleets: profit against fleet size and uncertainty, compute time of a day, and learning.

    python benchmarks/uam_curves.py [--curves fleet uncertainty time] [--methods rule:greedy …] [--policy RUN …]
                                    [--days 5] [--step 10] [--runs NAME=RUN …]

Days of New York, ``captain-2024``, seeds 300 on, the same ones for all methods and at all points; profits are those of
the validator, in USD. ``fleet``: 10 to 80 aircraft, the same demand. ``uncertainty``: closures, breakdowns and delays
times 0 to 3. At both the bound of each day on a grid of --step minutes. ``time``: seconds of each method on the first
days of the presets, wall and processor, one thread, all in one run. A policy (RUN: a run folder or a shipped one) joins
the methods. --runs: validations of training runs, and what rules earn on their validation days.

Points go to benchmarks/results/uam_curves.json by curve, place and method, and replace those made before; without
--curves and --runs nothing is measured. All pictures, docs/images/uam_CURVE.png, are drawn again from what is there
(uam_plots.py).
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
from ganttlet.uam_fleet import SETTINGS, FleetLog, Scenario, generate, validate
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.methods import BoundMethod, parse_methods
from ganttlet_agents.solvers.uam_fleet import lp_bound
from ganttlet_agents.training.folder import RunFolder, read_evaluations
from ganttlet_agents.training.task import Task

FILE = Path(__file__).parent / "results" / "uam_curves.json"
NYC = {"name": "captain-2024", "geography": "nyc"}
FIRST = 300  # seed; suites end below it
RULES = ("rule:random", "rule:greedy", "rule:greedy_lookahead")
TIMED = ("rule:greedy", "rule:greedy_lookahead", "search:ga", "solver:rolling")
TIMED_DAYS = 3
BOUND = "bound"
Point = dict[str, Any]


def uncertain(level: float) -> dict[str, Any]:
    """Return the settings of days with so many times the closures, breakdowns and delays."""
    usual = SETTINGS[NYC["name"]]
    scaled = {name: usual[name] * level for name in ("closure", "downtime", "delay_max")}
    return {**NYC, **scaled, "delay_mean": [minutes * level for minutes in usual["delay_mean"]]}


# curve -> x -> settings of the days.
CURVES: dict[str, dict[float, dict[str, Any]]] = {
    "fleet": {float(fleet): {**NYC, "fleet": fleet} for fleet in (10, 20, 30, 40, 50, 60, 80)},
    "uncertainty": {level: uncertain(level) for level in (0.0, 1.0, 2.0, 3.0)},
    "time": {40.0: NYC},
}


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


def measure(curve: str, methods: Sequence[BoundMethod], days: int, step: float, keep: Callable[[Point], None]) -> None:
    """Measure a curve point by point.

    Args:
        curve: a name of CURVES.
        methods: what plays.
        days: of each point.
        step: grid of the bound in minutes; no bound belongs to ``time``.
        keep: called with each point as soon as it is measured.
    """
    for x, settings in CURVES[curve].items():
        scenarios = [generate(settings, FIRST + day) for day in range(days)]
        if curve != "time":
            profits = [round(lp_bound(scenario, step=step), 2) for scenario in scenarios]
            keep({"curve": curve, "x": x, "method": BOUND, "step": step, "profit": profits})
        for method in methods:
            method.warm_up(scenarios[0], objective="profit")
            keep({"curve": curve, "x": x, "method": method.label, **played(method, scenarios)})


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
    parser.add_argument("--curves", nargs="+", choices=CURVES, default=[], help="what is measured")
    parser.add_argument("--methods", nargs="+", help="in place of the rules and, for time, the solvers")
    parser.add_argument("--policy", nargs="+", default=[], metavar="RUN", help="policies that join the methods")
    parser.add_argument("--days", type=int, default=5, help=f"of a point; of time at most {TIMED_DAYS}")
    parser.add_argument("--step", type=float, default=10.0, help="grid of the bound in minutes")
    parser.add_argument("--runs", nargs="+", default=[], metavar="NAME=RUN", help="run folders whose learning is drawn")
    options = parser.parse_args(arguments)
    data = read()

    def keep(point: Point) -> None:
        """Put a point in the place of an older one, and write the file."""
        same = ("curve", "x", "method")
        point["device"] = provenance.device()
        data["points"] = [old for old in data["points"] if any(old[key] != point[key] for key in same)] + [point]
        write_atomic(FILE, json.dumps(data, indent=1) + "\n")
        print(*(point[key] for key in same), round(mean(point["profit"])), flush=True)

    for curve in options.curves:
        names = [
            *(options.methods or (TIMED if curve == "time" else RULES)),
            *(f"policy:{run}" for run in options.policy),
        ]
        days = min(options.days, TIMED_DAYS) if curve == "time" else options.days
        measure(curve, parse_methods(names, "uam_fleet"), days, options.step, keep)
    for text in options.runs:
        name, _, run = text.partition("=")
        data["learning"][name] = learning(name, Path(run))
        write_atomic(FILE, json.dumps(data, indent=1) + "\n")
    print(*uam_plots.draw(data, uam_quality.read()), sep="\n")


if __name__ == "__main__":
    main()
