"""The pictures of uam_curves.py: box plots of daily profit, and learning."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from ganttlet.core.record import write_atomic

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
BOXED = ("nyc", "random")  # groups of the suite uam_test
DASHES = ("--", ":", "-.")


def save(figure: plt.Figure, name: str, folder: Path) -> Path:
    """Write a figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    plt.close(figure)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / name, buffer.getvalue())
    return folder / name


def draw(data: dict[str, Any], entries: Sequence[dict[str, Any]], folder: Path = IMAGES) -> list[Path]:
    """Draw every picture for which there are figures.

    Args:
        data: the content of uam_curves.json.
        entries: those of uam_quality.json.
        folder: where the PNGs go.
    """
    found = []
    groups = {group: [one for one in entries if (one["suite"], one["group"]) == ("uam_test", group)] for group in BOXED}
    groups = {group: own for group, own in groups.items() if own}
    if groups:
        found.append(save(boxes(groups), "uam_profit.png", folder))
    if data["learning"]:
        found.append(save(learning(data["learning"]), "uam_learning.png", folder))
    return found


def boxes(groups: dict[str, list[dict[str, Any]]]) -> plt.Figure:
    """Return box plots of daily profit, a panel for each group, the method of the highest median at the top."""
    rows = max(len(own) for own in groups.values())
    size = (5.8 * len(groups), 0.34 * rows + 1.4)
    figure, grid = plt.subplots(1, len(groups), figsize=size, squeeze=False, layout="constrained")
    for axes, (group, own) in zip(grid[0], groups.items(), strict=True):
        ordered = sorted(own, key=lambda one: median(one["profit"].values()))
        values = [[profit / 1000 for profit in one["profit"].values()] for one in ordered]
        axes.boxplot(values, orientation="horizontal", widths=0.6, flierprops={"markersize": 3})
        axes.set_yticks(range(1, len(ordered) + 1), [f"{one['method']} ({len(one['profit'])})" for one in ordered])
        axes.tick_params(axis="y", labelsize=8)
        axes.set(title=f"uam_test, {group}; in brackets days", xlabel="profit of a day, thousand USD")
        axes.grid(alpha=0.25, axis="x")
    return figure


def learning(runs: dict[str, dict[str, Any]]) -> plt.Figure:
    """Return validated profit against decisions, a line for each run, and levels of rules on the same days."""
    figure, axes = plt.subplots(figsize=(8.6, 4.4), layout="constrained")
    levels: dict[tuple[str, float], None] = {}
    for name, run in runs.items():
        # The first validation is that of a network that has learned nothing.
        axes.plot(
            [count / 1000 for count in run["decisions"][1:]],
            [profit / 1000 for profit in run["profit"][1:]],
            marker="o",
            markersize=3,
            linewidth=1.2,
            label=name,
        )
        levels |= dict.fromkeys(run["rules"].items())
    names = list(dict.fromkeys(rule for rule, _ in levels))
    for rule, profit in levels:
        style = DASHES[names.index(rule) % len(DASHES)]
        label = f"{rule}, {profit / 1000:.1f}"
        axes.axhline(profit / 1000, color="grey", linewidth=0.9, linestyle=style, label=label)
    # The lowest level may lie far below: the legend says where.
    shown = [profit for run in runs.values() for profit in run["profit"][1:]]
    shown = [profit / 1000 for profit in (*shown, *sorted(profit for _, profit in levels)[1:])]
    margin = 0.06 * (max(shown) - min(shown)) + 0.1
    axes.set_ylim(min(shown) - margin, max(shown) + margin)
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(list(handles.values()), list(handles), fontsize=8, loc="outside right upper")
    axes.set(title="Learning: greedy play on the validation days", xlabel="thousands of decisions")
    axes.set_ylabel("mean profit of a day, thousand USD")
    axes.grid(alpha=0.25)
    return figure
