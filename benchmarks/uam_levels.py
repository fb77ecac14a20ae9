"""What rules earn on days of a fleet, beside the levels of two prototypes that the environments were planned with.

    python benchmarks/uam_levels.py [--quick] [--out benchmarks/results/uam_levels.json]

Days of seed 0, 1, …, all rules on the same ones; the first 3 also with the genetic search where the table says so.
Profit in USD a day, reward = profit / scale; ``ratio``: mean reward over that of ``random``, and the mean of the
ratios by day. ``expected``: the prototype's mean, and how far ours may be from it. The prototypes had no vertistops and
no reserve, so ``captain-2024`` is also played without.
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
from ganttlet.uam_fleet import RULES, generate, validate
from ganttlet.uam_fleet.batch import UAMFleetVectorEnv
from ganttlet_agents.rules.uam_fleet import run_genetic

HERE = Path(__file__).parent
ROWS = 100  # days that are played side by side
SEARCHED = 3
CAPTAIN = {"name": "captain-2024"}
NYC = {**CAPTAIN, "geography": "nyc"}
# label -> settings, days, whether the search is run, quantity -> rule -> expected mean, tolerance.
SETS: dict[str, tuple[dict[str, Any], int, bool, dict[str, dict[str, tuple[float, float]]]]] = {
    "predecessor-2022": (
        {"name": "predecessor-2022"},
        1000,
        False,
        {
            "reward": {"random": (0.0344, 0.003), "greedy": (0.0441, 0.004)},
            "ratio": {"greedy": (1.28, 0.05)},
        },
    ),
    "captain-2024, nyc": (
        NYC,
        100,
        True,
        {"profit": {"random": (54_800.0, 5_480.0), "greedy": (85_100.0, 8_510.0), "greedy_rate": (84_400.0, 8_440.0)}},
    ),
    "captain-2024, nyc, no vertistops": (
        {**NYC, "vertistops": 0},
        100,
        False,
        {"profit": {"random": (54_800.0, 5_480.0), "greedy": (85_100.0, 8_510.0), "greedy_rate": (84_400.0, 8_440.0)}},
    ),
    "captain-2024, random": (CAPTAIN, 100, False, {}),
    "captain-2024, random, no vertistops, no reserve": (
        {**CAPTAIN, "vertistops": 0, "reserve": 0.0},
        100,
        False,
        {
            "profit": {
                "random": (73_400.0, 7_340.0),
                "greedy": (128_700.0, 12_870.0),
                "greedy_rate": (127_300.0, 12_730.0),
            }
        },
    ),
    "captain-2024, dfw": ({**CAPTAIN, "geography": "dfw"}, 100, False, {}),
    "captain-2024, nyc, recharge partial": ({**NYC, "recharge": "partial"}, 100, False, {}),
    "captain-2024, nyc, passengers wait 60 min": ({**NYC, "max_wait": 60.0}, 100, False, {}),
}


def play(settings: dict[str, Any], days: int) -> tuple[dict[str, dict[str, np.ndarray[Any, Any]]], int, float]:
    """Return rule -> objective -> values of the days, with ``reward``; all decisions, and seconds of processor time."""
    found: dict[str, dict[str, list[float]]] = {rule: {} for rule in RULES}
    decisions, seconds = 0, 0.0
    for first in range(0, days, ROWS):
        scenarios = [generate(settings, seed) for seed in range(first, min(first + ROWS, days))]
        scale = np.array([scenario.scale for scenario in scenarios])
        env = UAMFleetVectorEnv(
            len(scenarios), instances=scenarios, observation="candidates", autoreset_mode="disabled", copy=False
        )
        for rule in RULES:
            env.reset(options={"instance": scenarios})
            began = time.thread_time()
            decisions += env.play(rule, seed=first)
            seconds += time.thread_time() - began
            values = {name: env.objective_values(name) for name in env.objective_names}
            for name, value in {**values, "reward": values["profit"] / scale}.items():
                found[rule].setdefault(name, []).extend(value.tolist())
    arrays = {rule: {name: np.array(column) for name, column in columns.items()} for rule, columns in found.items()}
    return arrays, decisions, seconds


def summary(columns: dict[str, np.ndarray[Any, Any]], chance: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return the figures of one method; ``chance``: rewards of ``random`` on the same days."""
    profit, reward = columns["profit"], columns["reward"]
    carried = columns["served"].sum() / (columns["served"] + columns["lost"]).sum()
    return {
        "days": len(profit),
        "profit": round(float(profit.mean()), 1),
        "sd": round(float(profit.std(ddof=1)), 1),
        "5th percentile": round(float(np.percentile(profit, 5.0)), 1),
        "reward": round(float(reward.mean()), 5),
        "reward sd": round(float(reward.std(ddof=1)), 5),
        "ratio": round(float(reward.mean() / chance.mean()), 4),
        "mean ratio by day": round(float((reward / chance).mean()), 4),
        "served share": round(float(carried), 4),
        "flights": round(float(columns["flights"].mean()), 1),
        "empty share": round(float(columns["empty_flights"].sum() / columns["flights"].sum()), 4),
    }


def search(settings: dict[str, Any], days: int) -> tuple[dict[str, np.ndarray[Any, Any]], float]:
    """Return objective -> values of the genetic search on the first days, with ``reward``, and seconds per day."""
    run_genetic(generate({**settings, "day_end": 480.0}, 0), population=2, generations=2)
    rows, began = [], time.thread_time()
    for seed in range(days):
        scenario = generate(settings, seed)
        values = validate(scenario, run_genetic(scenario)[0]).values
        rows.append({**values, "reward": values["profit"] / scenario.scale})
    seconds = (time.thread_time() - began) / days
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the days, two for the search")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "uam_levels.json")
    options = parser.parse_args()
    result: dict[str, Any] = {"command": " ".join(["python", *sys.argv]), "version": ganttlet.__version__, "sets": {}}
    right = True
    for label, (settings, days, searched, expected) in SETS.items():
        arrays, decisions, seconds = play(settings, days // 10 if options.quick else days)
        chance = arrays["random"]["reward"]
        methods = {f"rule:{rule}": summary(columns, chance) for rule, columns in arrays.items()}
        if searched:
            count = 2 if options.quick else SEARCHED
            columns, taken = search(settings, count)
            methods["search:ga"] = {**summary(columns, chance[:count]), "seconds per day": round(taken, 2)}
            for rule in ("greedy", "greedy_lookahead"):
                same = {name: column[:count] for name, column in arrays[rule].items()}
                methods[f"rule:{rule} on the search's days"] = summary(same, chance[:count])
        checks = [
            {"what": what, "rule": rule, "ours": ours, "expected": mean, "within": within, "holds": holds}
            for what, levels in expected.items()
            for rule, (mean, within) in levels.items()
            for ours in [methods[f"rule:{rule}"][what]]
            for holds in [bool(abs(ours - mean) <= within)]
        ]
        right = right and all(check["holds"] for check in checks)
        result["sets"][label] = {
            "settings": settings,
            "methods": methods,
            "expected": checks,
            "decisions/s of all rules, one thread, processor time": round(decisions / seconds),
        }
        print(label, json.dumps({name: row["profit"] for name, row in methods.items()}), flush=True)
        for check in checks:
            print("  ", json.dumps(check), flush=True)
        write_atomic(options.out, json.dumps(result, indent=1) + "\n")
    print(f"wrote {options.out}")
    if not right:
        sys.exit("a level is not what was expected")


if __name__ == "__main__":
    main()
