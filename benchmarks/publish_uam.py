"""The tables of air-taxi fleets, written into the pages by publish.py from benchmarks/results/uam_*.json."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean, quantiles, stdev
from typing import Any

from ganttlet_agents.evaluation.statistics import paired

RESULTS = Path(__file__).parent / "results"
BOUNDS = Path(__file__).parent.parent / "configs" / "bounds" / "uam_fleet.csv"
Table = Callable[[Sequence[str], Sequence[Sequence[object]]], str]
Entry = dict[str, Any]
NONE = "Not measured yet."
RESULTS_PAGE, FAMILY_PAGE = "docs/results.md", "docs/environments/uam_fleet.md"
GREEDY, BEST = "rule:greedy", "rule:greedy_lookahead"
TEST = "uam_test"
TRANSFERS = {"uam_sizes": "other sizes and places", "uam_dfw": "Dallas", "uam_uncertainty": "other demand and luck"}


def read(name: str) -> dict[str, Any] | None:
    """Return the content of benchmarks/results/uam_NAME.json, None if it is not there."""
    path = RESULTS / f"uam_{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def bounds() -> dict[str, float]:
    """Return digest -> proven bound on the profit of a day."""
    if not BOUNDS.is_file():
        return {}
    with open(BOUNDS, encoding="utf-8", newline="") as file:
        return {row["digest"]: float(row["bound"]) for row in csv.DictReader(file) if row["objective"] == "profit"}


def groups_of(suite: str) -> dict[str, dict[str, Entry]]:
    """Return group -> method -> entry of a suite."""
    found: dict[str, dict[str, Entry]] = {}
    for entry in (read("quality") or {"rows": []})["rows"]:
        if entry["suite"] == suite:
            found.setdefault(entry["group"], {})[entry["method"]] = entry
    return found


def of_bound(entry: Entry, known: Mapping[str, float]) -> str:
    """Return the mean of profit / bound in percent, with the number of days if not all have a bound."""
    shares = [profit / known[day] for day, profit in entry["profit"].items() if day in known]
    if not shares:
        return "none"
    days = "" if len(shares) == len(entry["profit"]) else f" ({len(shares)} days)"
    return f"{100 * mean(shares):.1f}{days}"


def above(entry: Entry, other: Entry | None, percent: bool = False) -> str:
    """Return the mean paired difference to another method on the days of both, with its 95 % interval."""
    if other is None or entry is other:
        return ""
    mine, theirs = ({day: [value] for day, value in one["profit"].items()} for one in (entry, other))
    found = paired(mine, theirs).difference
    if found is None:
        return ""
    ends = (found.value, found.low, found.high)
    if percent:
        scale = 100 / mean(other["profit"][day] for day in mine if day in theirs)
        return "{:+.1f} [{:+.1f}, {:+.1f}]".format(*(scale * end for end in ends))
    return "{:+,.0f} [{:+,.0f}, {:+,.0f}]".format(*ends)


def name_of(entry: Entry) -> str:
    """Return how a table calls the method."""
    return f"`{entry['method']}`" + (" (clairvoyant)" if entry["information"] == "clairvoyant" else "")


def made_by(entries: Sequence[Entry]) -> str:
    """Return the commands behind entries, and the machines."""
    runs = dict.fromkeys(f"`{entry['run']}`" for entry in entries)
    machines = dict.fromkeys(entry["device"] for entry in entries)
    return f"Made by {', '.join(runs)} on {', '.join(machines)}."


def quality(table: Table) -> str:
    """Return profits of the test days by group: levels, shares, time, share of the bound, differences."""
    known, parts, entries = bounds(), [], []
    for group, own in groups_of(TEST).items():
        lines = []
        for entry in sorted(own.values(), key=lambda one: mean(one["profit"].values())):
            values = list(entry["profit"].values())
            low = quantiles(values, n=20, method="inclusive")[0] if len(values) > 1 else values[0]
            lines.append([
                name_of(entry), len(values), f"{mean(values):,.0f}", f"{stdev(values):,.0f}" if len(values) > 1 else "",
                f"{low:,.0f}", *(f"{100 * entry[share]:.1f}" for share in ("served", "load", "empty")),
                f"{entry['seconds']:.2g}", of_bound(entry, known),
                above(entry, own.get(GREEDY)), above(entry, own.get(BEST)),
            ])  # fmt: skip
        head = [f"{group}, USD a day", "days", "mean", "sd", "5th percentile", "served %", "load %", "empty %",
                "s a day", "% of bound", f"above `{GREEDY}`", f"above `{BEST}`"]  # fmt: skip
        parts.append(table(head, lines))
        entries += list(own.values())
    return "\n\n".join([*parts, made_by(entries)]) if parts else NONE


def short(table: Table) -> str:
    """Return mean profits of the test days by group, with the share of the bound."""
    known, groups = bounds(), groups_of(TEST)
    if not groups:
        return NONE
    methods = list(dict.fromkeys(method for own in groups.values() for method in own))
    lines = []
    for method in methods:
        own = [entries.get(method) for entries in groups.values()]
        cells = ["" if one is None else f"{mean(one['profit'].values()):,.0f} ({of_bound(one, known)})" for one in own]
        lines.append([name_of(next(one for one in own if one)), *cells])
    command = (read("quality") or {})["command"]
    made = f"Made by `{command}` from the runs whose commands stand in [Results](../results.md#uam-fleet)."
    return f"{table(['USD a day (% of the bound)', *groups], lines)}\n\n{made}"


def transfer(table: Table) -> str:
    """Return paired differences to greedy by group, and shares of the bound, on the other suites."""
    known, parts, entries = bounds(), [], []
    for suite, about in TRANSFERS.items():
        groups = groups_of(suite)
        if not groups:
            continue
        methods = list(dict.fromkeys(method for own in groups.values() for method in own))
        names = [group or "all days" for group in groups]
        base = [f"{mean(own[GREEDY]['profit'].values()):,.0f}" if GREEDY in own else "" for own in groups.values()]
        differences, shares = [[f"`{GREEDY}`, USD a day", *base]], []
        for method in methods:
            own = [members.get(method) for members in groups.values()]
            label = name_of(next(one for one in own if one))
            if method != GREEDY:
                greedy = [members.get(GREEDY) for members in groups.values()]
                pairs = zip(own, greedy, strict=True)
                differences.append([label, *("" if one is None else above(one, other, True) for one, other in pairs)])
            shares.append([label, *("" if one is None else of_bound(one, known) for one in own)])
        parts.append(table([f"{about} (`{suite}`), % above `{GREEDY}`", *names], differences))
        if any(set(line[1:]) - {"none", ""} for line in shares):
            parts.append(table([f"{about}, % of bound", *names], shares))
        entries += [entry for members in groups.values() for entry in members.values()]
    if not parts:
        return NONE
    return "\n\n".join([*parts, f"Differences are paired, with 95 % intervals over the days. {made_by(entries)}"])


def level(value: float) -> str:
    """Return USD whole, and shares as they are."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def levels(table: Table) -> str:
    """Return what rules earn under every setting, and the levels that were expected."""
    data = read("levels")
    if data is None:
        return NONE
    parts, checks = [], []
    for label, part in data["sets"].items():
        lines = [
            [
                f"`{name}`", row["days"], f"{row['profit']:,.0f} ± {row['sd']:,.0f}", f"{row['5th percentile']:,.0f}",
                f"{row['reward']:.4f}", f"{100 * row['served share']:.1f}", f"{row['flights']:.0f}",
                f"{100 * row['empty share']:.1f}",
            ]
            for name, row in part["methods"].items()
        ]  # fmt: skip
        head = [label, "days", "USD a day ± sd", "5th percentile", "reward", "served %", "flights", "empty %"]
        parts.append(table(head, lines))
        checks += [
            [label, check["what"], f"`rule:{check['rule']}`", level(check["ours"]),
             f"{level(check['expected'])} ± {level(check['within'])}", "yes" if check["holds"] else "no"]
            for check in part["expected"]
        ]  # fmt: skip
    head = ["against the prototypes", "quantity", "rule", "ours", "expected", "holds"]
    return "\n\n".join([table(head, checks), *parts, f"Made by `{data['command']}`."])


def solvers(table: Table) -> str:
    """Return what plans earn beside rules and the bound, and their time."""
    data = read("solvers")
    if data is None:
        return NONE
    lines = []
    for name, row in data["methods"].items():
        plans = f"{row['plans, mean']:.0f}" if "plans, mean" in row else ""
        lines.append([
            f"`{name}`" if name != "bound" else name, row["days"], f"{row['profit']:,.0f}",
            f"{100 * row['of bound']:.1f}", f"{100 * row['over greedy']:+.1f}",
            f"{100 * row['over greedy_lookahead']:+.1f}", f"{row['days above greedy_lookahead']}/{row['days']}", plans,
            f"{row['seconds, mean']:.1f}" if "seconds, mean" in row else "",
            f"{100 * row['gap, most']:.2f}" if "gap, most" in row else "",
        ])  # fmt: skip
    head = ["method", "days", "USD a day", "% of bound", "% over greedy", "% over greedy_lookahead",
            "days above greedy_lookahead", "plans", "s a day", "largest gap %"]  # fmt: skip
    words = f"Bound on a grid of {data['bound step']:g} minutes."
    return "\n\n".join([table(head, lines), f"{words} Made by `{data['command']}`."])


def times(ratio: float) -> str:
    """Return a ratio, whole where it is large."""
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"


def seconds(table: Table) -> str:
    """Return compute time of a day by method, all of one run, and its ratio to the genetic search."""
    points = (read("curves") or {"points": []})["points"]
    search = next((point for point in points if point["method"].startswith("search:ga")), None)
    if search is None:
        return NONE
    lines = [
        [
            f"`{point['method']}`", f"{point['seconds']:.3g}", f"{point['processor']:.3g}",
            "" if point is search else times(search["processor"] / point["processor"]),
            f"{mean(point['profit']):,.0f}",
        ]
        for point in sorted(points, key=lambda one: one["processor"])
    ]  # fmt: skip
    head = ["method", "s a day", "processor s a day", f"`{search['method']}` takes × as long", "USD a day"]
    days = len(search["profit"])
    words = "The ratio is of processor time; wall time is also that of what else ran."
    made = f"Made by `python benchmarks/uam_curves.py --time` on {search['device']}, {days} days."
    return "\n\n".join([table(head, lines), f"{words} {made}"])


def engine(table: Table) -> str:
    """Return decisions per second, and what a row costs."""
    data = read("engine")
    if data is None:
        return NONE
    sizes = data["decisions/s"]
    kinds = list(next(iter(sizes.values())))
    lines = [[kind, *(f"{part[kind]:,}" if kind in part else "" for part in sizes.values())] for kind in kinds]
    copies = [
        [f"{size}, {view}", *(f"{row[key]:,}" for key in row)]
        for size, views in data["microseconds per row"].items()
        for view, row in views.items()
    ]
    first = next(iter(next(iter(data["microseconds per row"].values())).values()))
    made = f"Made by `{data['command']}` on {data['machine']}."
    return "\n\n".join([
        table(["decisions/s", *sizes], lines),
        table(["a row: bytes, and µs", *first], copies),
        made,
    ])  # fmt: skip


def regions(table: Table) -> dict[tuple[str, str], Callable[[], str]]:
    """Return (page, region) -> its content."""
    return {
        (RESULTS_PAGE, "uam_quality"): lambda: quality(table),
        (RESULTS_PAGE, "uam_transfer"): lambda: transfer(table),
        (RESULTS_PAGE, "uam_solvers"): lambda: solvers(table),
        (RESULTS_PAGE, "uam_seconds"): lambda: seconds(table),
        (RESULTS_PAGE, "uam_levels"): lambda: levels(table),
        (FAMILY_PAGE, "uam_short"): lambda: short(table),
        ("docs/benchmarks.md", "uam_engine"): lambda: engine(table),
    }
