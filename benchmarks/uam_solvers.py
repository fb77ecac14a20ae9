"""What planning earns on days of a fleet: rules, plans of the whole day, rolling plans, and the bound.

    python benchmarks/uam_solvers.py [--days 20] [--whole 4] [--out benchmarks/results/uam_solvers.json]

Days of seed 0, 1, … of ``captain-2024`` in New York, 8 ports and 40 aircraft; the first ``--whole`` also by the plans
of the whole day. Profit in USD; ``of bound``: mean of profit / bound; seconds are wall time, ``processor`` processor
time; HiGHS runs on one thread. The file is written after every day.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import ganttlet
from ganttlet.core.record import write_atomic
from ganttlet.uam_fleet import Scenario, generate, validate
from ganttlet_agents.rules.uam_fleet import run_rule
from ganttlet_agents.solvers.uam_fleet import lp_bound, solve_plan
from ganttlet_agents.solvers.uam_fleet.plan import EVERY, WINDOW
from ganttlet_agents.solvers.uam_fleet.plan import TIME as EACH

HERE = Path(__file__).parent
STEP = 10.0  # minutes, of the bound
SETTINGS = {"name": "captain-2024", "geography": "nyc"}
RULES = ("random", "greedy", "greedy_rate", "greedy_lookahead")
ROLLING = {"every": EVERY, "window": WINDOW, "time_limit": EACH}
WHOLE: dict[str, dict[str, Any]] = {"solver:mip": {}, "solver:oracle": {"demand": "realised"}}


def clocked(work: Any) -> tuple[Any, float, float]:
    """Return what ``work`` returns, wall and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    found = work()
    return found, time.perf_counter() - wall, time.process_time() - processor


def planned(scenario: Scenario, options: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a plan: profit, plans, their gap, time of planning."""
    result, wall, processor = clocked(lambda: solve_plan(scenario, **options))
    return {
        "profit": profit(scenario, result.log),
        "plans": result.plans,
        "gap": result.gap,
        "planning": result.seconds,
        "seconds": wall,
        "processor": processor,
        "first plan": result.value,
    }


def profit(scenario: Scenario, log: Any) -> float:
    """Return the profit of a day that breaks no rule."""
    verdict = validate(scenario, log)
    if not verdict.feasible:
        sys.exit(f"{scenario.name}: {verdict.violations}")
    return verdict.values["profit"]


def one_day(seed: int, whole: bool) -> dict[str, dict[str, Any]]:
    """Return method -> row."""
    scenario = generate(SETTINGS, seed)
    rows: dict[str, dict[str, Any]] = {
        f"rule:{r}": {"profit": profit(scenario, run_rule(r, scenario)[0])} for r in RULES
    }
    bound, wall, processor = clocked(lambda: lp_bound(scenario, step=STEP))
    rows["bound"] = {"profit": bound, "seconds": wall, "processor": processor}
    rows["solver:rolling"] = planned(scenario, ROLLING)
    if whole:
        rows |= {name: planned(scenario, options) for name, options in WHOLE.items()}
    return rows


def summary(days: list[dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """Return the figures of every method over its days."""
    found = {}
    for name in dict.fromkeys(name for day in days for name in day):
        rows = [(day[name], day) for day in days if name in day]
        greedy = np.array([day["rule:greedy"]["profit"] for _, day in rows])
        best = np.array([day["rule:greedy_lookahead"]["profit"] for _, day in rows])
        values = np.array([row["profit"] for row, _ in rows])
        bounds = np.array([day["bound"]["profit"] for _, day in rows])
        found[name] = {
            "days": len(rows),
            "profit": round(float(values.mean()), 1),
            "sd": round(float(values.std(ddof=1)), 1) if len(rows) > 1 else None,
            "of bound": round(float((values / bounds).mean()), 4),
            "over greedy": round(float(values.mean() / greedy.mean() - 1.0), 4),
            "over greedy_lookahead": round(float(values.mean() / best.mean() - 1.0), 4),
            "days above greedy_lookahead": int((values > best).sum()),
            "above the bound": int((values > bounds).sum()) if name != "bound" else 0,
        }
        for quantity in ("plans", "gap", "planning", "seconds", "processor", "first plan"):
            if quantity in rows[0][0]:
                found[name][f"{quantity}, mean"] = round(float(np.mean([row[quantity] for row, _ in rows])), 4)
                found[name][f"{quantity}, most"] = round(float(np.max([row[quantity] for row, _ in rows])), 4)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=20)
    parser.add_argument("--whole", type=int, default=4, help="days that are also planned as a whole")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "uam_solvers.json")
    options = parser.parse_args()
    solve_plan(generate({**SETTINGS, "day_end": 480.0}, 0), **ROLLING)  # loads the kernels
    days = []
    for seed in range(options.days):
        days.append(one_day(seed, seed < options.whole))
        result = {
            "command": " ".join(["python", *sys.argv]),
            "version": ganttlet.__version__,
            "settings": SETTINGS,
            "bound step": STEP,
            "rolling": ROLLING,
            "methods": summary(days),
        }
        write_atomic(options.out, json.dumps(result, indent=1) + "\n")
        print(seed, json.dumps({name: round(row["profit"]) for name, row in days[-1].items()}), flush=True)
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
