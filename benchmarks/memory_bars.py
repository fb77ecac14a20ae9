"""Bars of memory mapping, drawn from what other benchmarks measured.

    python benchmarks/memory_bars.py

docs/images/memory_bars.png: speed-up over rule:msa by program (benchmarks/results/memory_quality.json).
docs/images/memory_dead_ends.png: the greedy rule and random play in the reserved game, with dead ends and backup, and
the share of episodes that fail without (memory_dead_ends.json). docs/images/memory_bytes.png: non-compulsory bytes at
COSMA's three budgets (memory_bytes.json).
"""

from __future__ import annotations

import io
import json
from math import exp, log
from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from ganttlet.core.record import write_atomic

ROOT = Path(__file__).resolve().parent.parent
BUDGETS = ("M_R", "M_H", "M_P")
SCHEMES = ("stream", "cosma", "evolution", "belady", "greedy", "msa_best")


def read(name: str) -> list[dict[str, Any]]:
    """Return the rows of benchmarks/results/memory_NAME.json."""
    path = ROOT / "benchmarks" / "results" / f"memory_{name}.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return rows


def save(figure: plt.Figure, name: str) -> None:
    """Write a figure to docs/images."""
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110, bbox_inches="tight")
    write_atomic(ROOT / "docs" / "images" / name, buffer.getvalue())
    plt.close(figure)


def bars() -> None:
    """Draw speed-ups over rule:msa, programs by what the best method gains."""
    rows = read("quality")
    shown = {
        "rule:msa_best": ("speedup", "rule:msa_best"),
        "rule:rent": ("speedup", "rule:rent:placement=reserve"),
        "evolution, 3 s": ("speedup", "search:evolution:time=3:start=best:placement=reserve"),
    }
    shown |= {name.removeprefix("policy:"): ("policies", name) for name in list(rows[0].get("policies", {}))[:1]}
    groups = list(dict.fromkeys(row["group"] for row in rows))
    figure, parts = plt.subplots(len(groups), 1, figsize=(9, 3.6 * len(groups)))
    for axes, group in zip(parts, groups, strict=True):
        own = [row for row in rows if row["group"] == group]

        def gain(row: dict[str, Any], part: str, name: str) -> float:
            value = row[part][name]
            value = exp(mean(map(log, value))) if isinstance(value, list) else value
            return 100.0 * (value / mean(row["speedup"]["rule:msa"]) - 1.0)

        own.sort(key=lambda row: max(gain(row, *key) for key in shown.values()))
        width = 0.8 / len(shown)
        for at, (label, key) in enumerate(shown.items()):
            axes.bar([i + at * width for i in range(len(own))], [gain(row, *key) for row in own], width, label=label)
        axes.set_xticks(
            [i + 0.4 - width / 2 for i in range(len(own))],
            [row["program"] for row in own],
            rotation=25,
            ha="right",
            fontsize=7,
        )
        axes.axhline(0.0, color="black", linewidth=0.8)
        axes.set_ylabel("speed-up over rule:msa, %")
        axes.set_title(group, fontsize=9)
        axes.set_yscale("symlog", linthresh=10)
        low, high = axes.get_ylim()
        ticks = [one for one in (-50, -20, -10, -5, 0, 5, 10, 20, 50, 100) if low <= one <= high]
        axes.set_yticks(ticks, [str(one) for one in ticks])
        axes.legend(fontsize=7)
    save(figure, "memory_bars.png")


def dead_ends() -> None:
    """Draw what reserving and backing up are worth."""
    rows = read("dead_ends")
    games = {"reserved": "reserved", "backup": "dead ends, backup"}
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
    cases = list(dict.fromkeys((row["player"], row["group"]) for row in rows))
    bars = [
        (game + end, f"{label}, {rule}")
        for end, rule in (("", "first_fit"), ("_reserve", "reserve"))
        for game, label in games.items()
    ]
    for at, (key, label) in enumerate(bars):
        heights = [
            exp(mean(log(row[key]["speedup"]) for row in rows if (row["player"], row["group"]) == case))
            for case in cases
        ]
        left.bar([i + 0.2 * at for i in range(len(cases))], heights, 0.2, label=label)
    left.axhline(1.0, color="black", linewidth=0.8)
    left.set_ylabel("speed-up, geometric mean")
    left.legend(fontsize=7, ncol=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    for at, (end, rule) in enumerate((("", "first_fit"), ("_reserve", "reserve"))):
        shares = [
            100 * mean(row[f"no_backup{end}"]["failed"] for row in rows if (row["player"], row["group"]) == case)
            for case in cases
        ]
        right.bar([i + 0.3 * at for i in range(len(cases))], shares, 0.3, label=rule)
    right.set_ylabel("episodes that fail without backup, %")
    right.legend(fontsize=7, ncol=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    for axes in (left, right):
        axes.set_xticks(
            [i + 0.2 for i in range(len(cases))], [f"{player}\n{group}" for player, group in cases], fontsize=8
        )
    save(figure, "memory_dead_ends.png")


def budgets() -> None:
    """Draw non-compulsory bytes of whole programs at the three budgets, where any scheme moves some."""
    rows = [row for row in read("bytes") if row["part"] == "whole"]
    found = {}
    for row in rows:
        for budget in BUDGETS:
            cell = row[budget]
            cell = row[cell["same_as"]] if "same_as" in cell else cell
            found[row["program"], budget] = {
                name: cell[name]["bytes"] / 2**20 for name in SCHEMES if cell[name].get("bytes") is not None
            }
    names = [row["program"] for row in rows if any(max(found[row["program"], one].values()) > 0 for one in BUDGETS)]
    figure, parts = plt.subplots(1, len(BUDGETS), figsize=(13, 3.6), sharey=True)
    width = 0.8 / len(SCHEMES)
    for axes, budget in zip(parts, BUDGETS, strict=True):
        for at, scheme in enumerate(SCHEMES):
            heights = [found[name, budget].get(scheme, 0.0) for name in names]
            axes.bar([i + at * width for i in range(len(names))], heights, width, label=scheme)
        axes.set_xticks([i + 0.4 for i in range(len(names))], names, rotation=25, ha="right", fontsize=7)
        axes.set_title(budget, fontsize=9)
    parts[0].set_ylabel("non-compulsory MiB")
    parts[0].legend(fontsize=7)
    save(figure, "memory_bytes.png")


if __name__ == "__main__":
    bars()
    dead_ends()
    budgets()
