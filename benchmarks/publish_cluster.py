"""The tables of the page on clusters, written by publish.py from result files; the cost model is reckoned from them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PAGE = "docs/cluster.md"
Table = Callable[[Sequence[str], Sequence[Sequence[object]]], str]
INSTANCES, METHODS = 10**6, 20
DRIVER = "driver, ms of the processor a row"
WORKERS = [(backend, workers) for backend in ("local", "ray") for workers in (2, 4)]


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def made(result: dict[str, Any]) -> str:
    load = f", load {result['load'][0]}" if result.get("load") else ""
    return f"Made by `{result['command']}` on {result['device']}{load}."


def same_rows(table: Table) -> str:
    """Return how many rows differ between backends."""
    result = load("backends")
    head = ["suite", "rows", "methods", *(f"differ: {backend}, {workers}" for backend, workers in WORKERS), "solutions"]
    rows = []
    for suite, found in result["same rows"].items():
        differ = [found[f"rows that differ, {backend}, {workers} workers"] for backend, workers in WORKERS]
        solutions = sum(found[f"solutions that differ, {backend}, {workers} workers"] for backend, workers in WORKERS)
        rows.append([f"`{suite}`", found["rows"], found["methods"], *differ, solutions])
    return f"{table(head, rows)}\n\n*solutions*: how many differ in any of the four. {made(result)}"


def overhead(table: Table) -> str:
    """Return rows per second and start-up of both backends."""
    result = load("backends")
    found = result["overhead"]
    more = found["overhead, %, median of ratios"]
    parts = ("rows", "start", "join")
    rows = [
        [name, found[f"{name}, rows/s"], *(f"{found[name][part]:.2f}" for part in parts), f"{found[name][DRIVER]:.2f}"]
        for name in ("local pool", "Ray")
    ]
    head = ["backend", "rows/s", "s for the rows", "s before the first", "s of these to join", "driver, ms a row"]
    each = ", ".join(f"{value:+.1f}" for value in found["overhead, %, of each repeat"])
    return (
        f"{table(head, rows)}\n\n"
        f"{found['rows']:,} rows of cheap rules; medians of {found['repeats']} runs in turns. Ray takes "
        f"{abs(more):.1f} % {'more' if more > 0 else 'less'} time for the rows (each pair: {each} %). *Driver*: work "
        f"of the processor in the process that writes the rows. Ray's object store held "
        f"{found['object store, most MiB']:g} MiB at most ({found['object store, asked']} times asked). {made(result)}"
    )


def many_rows(table: Table) -> str:
    """Return time and memory of very large runs."""
    columns = {
        "driver, MiB at start": "driver, MiB at start",
        "at peak": "driver, MiB at peak",
        "loading, MiB": "loading, MiB at peak",
        "tables, MiB": "tables, MiB at peak",
        "tables, s": "tables, s",
        "report, MiB": "report, MiB at peak",
    }
    rows, notes = [], []
    for name, found in load("many_rows").items():
        cells = [found.get(key, "–") for key in columns.values()]
        rows.append([name, f"{found['rows/s']:.0f}", f"{found['bytes of a row']:.0f}", *cells])
        notes.append(made(found))
    return f"{table(['run', 'rows/s', 'bytes of a row', *columns], rows)}\n\n{' '.join(dict.fromkeys(notes))}"


def rllib(table: Table) -> str:
    """Return decisions per second of PPO on both paths."""
    result = load("rllib")
    rows = []
    for found in result["rows"]:
        workers = found["workers"]
        path = found["path"] if workers is None else f"{found['path']}, {workers} worker{'' if workers == 1 else 's'}"
        share = f"{100 * found['share of the rollout']:.0f}" if "share of the rollout" in found else "–"
        spread = f"{found['least']:,} … {found['most']:,}"
        first = found["seconds until the first update"]
        rows.append([path, f"{found['decisions/s']:,}", spread, found["updates"], share, f"{first:.1f}"])
    head = ["path", "decisions/s", "least … most", "updates", "rollout, % of an update", "s until the first update"]
    ppo = ", ".join(f"{name} {value}" for name, value in result["ppo"].items())
    beside = f", load {result['load_before'][0]:.1f}" if result.get("load_before") else ""
    return (
        f"{table(head, rows)}\n\n"
        f"Preset `{result['preset']}` ({ppo}); medians over updates, rollout and training. Workers speed up the "
        f"rollout alone. Made by `{result['command']}` on {result['device']}{beside}."
    )


def cost_model(table: Table) -> str:
    """Return what 10^6 instances x 20 methods take, by family, and where the driver is full."""
    backends = load("backends")
    per_row = backends["overhead"]["Ray"][DRIVER] / 1000
    n = INSTANCES * METHODS
    rows, densest = [], 0.0
    for suite, found in backends["same rows"].items():
        cost = found["cost"]
        whole = cost["bytes of a row"] + cost["bytes of solutions, each"]
        densest = max(densest, whole / per_row)
        for kind in ("rule", "policy"):
            if f"{kind}, ms a row" not in cost:
                continue
            seconds = cost[f"{kind}, ms a row"] / 1000
            cores = seconds / per_row
            rows.append(
                [
                    f"`{suite}`, {kind}",
                    f"{cost[f'{kind}, decisions/s']:,}",
                    f"{1000 * seconds:.3g}",
                    f"{n * seconds / 3600:,.0f}",
                    f"{n * cost['bytes of a row'] / 1e9:,.0f}",
                    f"{n * cost['bytes of solutions, each'] / 1e9:,.0f}",
                    f"{INSTANCES * cost['bytes of instances, each'] / 1e9:,.1f}",
                    f"{cores:.1f}" if cores < 10 else f"{cores:,.0f}",
                ]
            )
    head = ["suite, kind", "decisions/s", "ms a row", "core hours", "GB: rows", "solutions", "instances", "cores"]
    return (
        f"{table(head, rows)}\n\n"
        f"{n:,} rows, if all methods were of that kind; *decisions/s* and *ms a row* on one core. The driver comes to "
        f"its limit first: at {1000 * per_row:.2f} ms of its processor a row it writes {1 / per_row:,.0f} rows/s at "
        f"most, {n * per_row / 3600:,.1f} hours for all, which keeps as many *cores* busy as the last column says. The "
        f"disk then takes {densest / 1e6:,.1f} MB/s at most, solutions included, the driver's network about as much. "
        f"{made(backends)}"
    )


def regions(table: Table) -> dict[tuple[str, str], Callable[[], str]]:
    """Return (page, region) -> what stands there."""
    return {
        (PAGE, "same_rows"): lambda: same_rows(table),
        (PAGE, "ray_overhead"): lambda: overhead(table),
        (PAGE, "many_rows"): lambda: many_rows(table),
        (PAGE, "rllib"): lambda: rllib(table),
        (PAGE, "cost_model"): lambda: cost_model(table),
    }
