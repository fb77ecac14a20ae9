"""Proven bounds on the profit of the days of suites, kept for the evaluator.

    python benchmarks/uam_bounds.py [--suites uam_test …] [--groups nyc …] [--step 5] [--time 600] [--days N]
    python benchmarks/uam_bounds.py --curves uam_fleet_size uam_uncertainty --out configs/bounds/uam_curves.csv

configs/bounds/uam_fleet.csv, or the file of --out, has a row per day: digest,
objective, bound, source (which names the step of the grid in minutes), instance, seconds (wall, one thread). A finer
step gives a lower bound and takes longer. Days that have a bound of this step or a finer one are passed over, so a run
that was stopped goes on where it was; of two bounds the lower one is kept. A day whose programme is not solved in the
time has no row.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ganttlet.core.record import write_atomic
from ganttlet.uam_fleet import Scenario
from ganttlet_agents.evaluation.curves.load import load_curve
from ganttlet_agents.evaluation.suite import Suite, load_instances, load_suite
from ganttlet_agents.solvers.uam_fleet import lp_bound
from ganttlet_agents.solvers.uam_fleet.bound import STEP

FILE = Path(__file__).resolve().parent.parent / "configs" / "bounds" / "uam_fleet.csv"
COLUMNS = ("digest", "objective", "bound", "source", "instance", "seconds")
SUITES = ("uam_test", "uam_sizes", "uam_dfw", "uam_uncertainty")
TIME = 600.0  # seconds


def scenarios(suites: Sequence[Suite], groups: list[str] | None, days: int | None) -> Iterator[Scenario]:
    """Return the days of suites, or of some groups of them, the first so many of each group."""
    for suite in suites:
        counts: dict[str, int] = {}
        for entry in load_instances(suite):
            counts[entry.group] = counts.get(entry.group, 0) + 1
            if (not groups or entry.group in groups) and (days is None or counts[entry.group] <= days):
                assert isinstance(entry.instance, Scenario)
                yield entry.instance


def read(path: Path) -> dict[str, dict[str, str]]:
    """Return digest -> row of the file."""
    if not path.is_file():
        return {}
    with open(path, encoding="utf-8", newline="") as file:
        return {row["digest"]: row for row in csv.DictReader(file)}


def write(path: Path, rows: dict[str, dict[str, str]]) -> None:
    """Write the file, whole or not at all."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows.values())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text.getvalue())


def step_of(row: dict[str, str] | None) -> float:
    """Return the step of the grid in minutes of a row, infinite if there is none."""
    found = re.search(r"step=([\d.]+)", row["source"]) if row else None
    return float(found[1]) if found else math.inf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suites", nargs="+", help=f"{', '.join(SUITES)} by default")
    parser.add_argument("--curves", nargs="+", default=[], help="curves whose days are bounded, in place of suites")
    parser.add_argument("--groups", nargs="+", help="of the suites; all by default")
    parser.add_argument("--step", type=float, default=STEP, help="minutes")
    parser.add_argument("--time", type=float, default=TIME, help="limit of each programme in seconds")
    parser.add_argument("--days", type=int, help="days of each group; all by default")
    parser.add_argument("--out", type=Path, default=FILE)
    options = parser.parse_args()
    rows = read(options.out)
    names = options.suites or ([] if options.curves else SUITES)
    found = [load_curve(name).suite for name in options.curves]
    suites = [*map(load_suite, names), *(suite for suite in found if suite is not None)]
    for scenario in scenarios(suites, options.groups, options.days):
        known = rows.get(scenario.digest)
        if step_of(known) <= options.step:
            continue
        begun = time.perf_counter()
        value = lp_bound(scenario, step=options.step, time_limit=options.time)
        seconds = time.perf_counter() - begun
        print(f"{scenario.name} step {options.step:g}: {value:.2f} in {seconds:.1f} s", flush=True)
        if value < (float(known["bound"]) if known else math.inf):
            # Rounded up: a bound stays one.
            rows[scenario.digest] = {
                "digest": scenario.digest,
                "objective": "profit",
                "bound": f"{math.ceil(100.0 * value) / 100.0:.2f}",
                "source": f"linear programme of the day's network step={options.step:g}",
                "instance": scenario.name,
                "seconds": f"{seconds:.1f}",
            }
            write(options.out, rows)
    print(f"{options.out}: {len(rows)} bounds")


if __name__ == "__main__":
    main()
