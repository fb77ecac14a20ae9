"""Write the measured figures of benchmarks/results/ into README.md and docs/, between their marks.

    python benchmarks/publish.py

Nothing on those pages is typed by hand; a test compares the pages with what this script would write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
SIZES = ("15x15", "20x15", "20x20", "30x15", "30x20", "50x15", "50x20", "100x20")
SHORT = ("rule:spt_twkr", "rule:mwkr", "rule:mor", "rule:spt", "rule:spt_twkr:best_of=128", "solver:cpsat:time=10")


def load(name: str) -> dict[str, Any]:
    """Return one result file."""
    result: dict[str, Any] = json.loads((HERE / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return result


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table, numbers to the right."""
    lines = [" | ".join(head), "|".join(["---"] + ["--:"] * (len(head) - 1))]
    lines += [" | ".join(str(cell) for cell in row) for row in rows]
    return "\n".join(f"| {line} |" if "--:" not in line else f"|{line}|" for line in lines)


def gaps(methods: dict[str, Any], names: Sequence[str] | None = None) -> str:
    """Return the mean gap of every method by size and over all, in percent, and its seconds."""
    rows = []
    for name in names or methods:
        entry = methods[name]
        by_size = [f"{entry['gap'][size]:.1f}" for size in SIZES]
        rows.append([f"`{name}`", *by_size, f"**{entry['mean gap']:.1f}**", f"{entry['seconds per row']:.2g}"])
    return table(["method", *SIZES, "mean", "s"], rows)


def made_by(*names: str) -> str:
    """Return the commands behind result files, the machine and the versions that matter."""
    results = [load(name) for name in names]
    machines = dict.fromkeys(str(result["device"]) for result in results)
    solver = next(
        (result["versions"].get("ortools") for result in results if result["command"].endswith("cpsat")), None
    )
    text = "Made by " + " and ".join(f"`{result['command']}`" for result in results) + f" on {', '.join(machines)}"
    return text + (f", OR-Tools {solver}." if solver else ".")


def quality_short() -> str:
    """The table of README.md."""
    methods = load("rules")["methods"] | load("cpsat")["methods"]
    return f"{gaps(methods, SHORT)}\n\n{made_by('rules', 'cpsat')}"


def quality() -> str:
    """The makespan table of docs/results.md."""
    rules, cpsat = load("rules"), load("cpsat")
    solved = next(iter(cpsat["methods"].values()))
    words = f"CP-SAT proved {solved['proven']} of {solved['rows']} optimal within its time."
    return f"{gaps(rules['methods'] | cpsat['methods'])}\n\n{words} {made_by('rules', 'cpsat')}"


def tardiness() -> str:
    """The tardiness table of docs/results.md."""
    rows = [
        [f"`{name}`", f"{entry['mean value']:,.1f}", f"{entry['mean gap']:+.1f}"]
        for name, entry in load("tardiness")["methods"].items()
    ]
    return (
        table(["method", "mean total tardiness, ticks", "% above `rule:mdd`, mean"], rows)
        + f"\n\n{made_by('tardiness')}"
    )


def speed_short() -> str:
    """The table of README.md."""
    ours = load("engine")
    rows = []
    for name, row in ours["jssenv"].items():
        rows.append([
            name, f"{row['copies'] / 1e6:.2f} M", f"{row['live'] / 1e6:.2f} M", f"{row['jssenv']:,.0f}",
            f"{row['copies / jssenv']:.0f} ×", f"{row['live / jssenv']:.0f} ×", f"{row['same process / jssenv']:.0f} ×",
        ])  # fmt: skip
    head = ["batch 256, steps/s", "copies", "live buffers", "JSSEnv 1.1.0", "copies ÷ JSSEnv", "live ÷ JSSEnv",
            "preset `jssenv`, copies ÷ JSSEnv"]  # fmt: skip
    single = ours["jssenv"]["ta01"]
    words = (
        f"One environment of `gym.make` on ta01: {single['gym.make']:,.0f} steps/s, "
        f"{single['gym.make / jssenv']:.1f} × JSSEnv. Timing `nondelay`, except in the last column, which plays "
        "JSSEnv's own decision process."
    )
    return f"{table(head, rows)}\n\n{words}"


def speed() -> str:
    """The tables of docs/benchmarks.md."""
    ours = load("engine")
    parts = [speed_short(), f"Made by `{ours['command']}` on {ours['machine']}, Python {ours['python']}."]
    rows = [
        [name, f"{row['copies']:,}", f"{row['jumanji']:,}", f"{row['ratio']:.0f} ×"]
        for name, row in ours["jumanji"].items()
        if row
    ]
    parts.append("Operations placed per second, batch 256, one thread, beside Jumanji 1.1.2 on CPU:")
    parts.append(table(["instance", "ganttlet, copies", "Jumanji", "ratio"], rows))
    parts.append("Steps per second by batch, in millions; two threads each play a batch of their own:")
    sweep = [
        [row["instance"], row["batch"], "yes" if row["copies"] else "no",
         f"{row['one thread'] / 1e6:.3f}", f"{row['two threads'] / 1e6:.3f}"]
        for row in ours["sweep"]
    ]  # fmt: skip
    parts.append(table(["instance", "batch", "copies", "one thread", "two threads"], sweep))
    parts.append("Microseconds per step of a single environment on ta80 (`gym.make(...).unwrapped`):")
    cost = ours["single environment on ta80, µs"]
    parts.append(table(["what", "µs"], [[name, value] for name, value in cost.items()]))
    return "\n\n".join(parts)


def footprint() -> str:
    """The memory and start-up table of docs/benchmarks.md."""
    result = load("footprint")
    rows = [
        [f"{group}: {name}", value]
        for group, values in result.items()
        if isinstance(values, dict)
        for name, value in values.items()
    ]
    return f"{table(['what', 'measured'], rows)}\n\n{made_by('footprint')}"


REGIONS: dict[tuple[str, str], Callable[[], str]] = {
    ("README.md", "results"): quality_short,
    ("README.md", "speed"): speed_short,
    ("docs/results.md", "makespan"): quality,
    ("docs/results.md", "tardiness"): tardiness,
    ("docs/benchmarks.md", "speed"): speed,
    ("docs/benchmarks.md", "footprint"): footprint,
}


def fill(text: str, name: str, content: str) -> str:
    """Return ``text`` with the region ``name`` replaced by ``content``."""
    begin, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise SystemExit(f"region {name!r}: expected {begin} and {end} once each")
    return re.sub(f"{begin}.*{end}", lambda _: f"{begin}\n{content}\n{end}", text, flags=re.DOTALL)


def main() -> None:
    for (page, name), write in REGIONS.items():
        path = ROOT / page
        path.write_text(fill(path.read_text(encoding="utf-8"), name, write()), encoding="utf-8")
        print(f"{page}: {name}")


if __name__ == "__main__":
    main()
