"""Best mappings and proven bounds of the shipped programs, with 128 MiB and 32 MiB of fast memory.

    python benchmarks/memory_optimum.py [--methods solver:mip:time=60] [--programs NAME …] [--open]
    python benchmarks/memory_optimum.py --table

Every mapping is validated. Each program joins benchmarks/results/memory_optimum.json when it is done, beside what other
methods found there; a row has the least latency and the largest bound of all of them. --open leaves out programs whose
latency is within 0.01 % of their bound. --table writes latencies and bounds to the family's data, where reports find
them.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganttlet.core.record import write_atomic
from ganttlet.memory_mapping import HARDWARE, resolve, shipped, validate
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.methods import BoundMethod, parse_methods

RESULTS = Path(__file__).parent / "results" / "memory_optimum.json"
TABLE = Path(__file__).parent.parent / "envs" / "ganttlet" / "memory_mapping" / "data" / "bounds.csv"
COMMAND = "python benchmarks/memory_optimum.py"
CLOSE = 1e-4


def measure(bound: BoundMethod, name: str, hardware: str) -> dict[str, Any]:
    """Return what a method finds on a program: latency and bound in µs, its word, and seconds."""
    program = resolve(f"{name}:hardware={hardware}")
    bound.warm_up(program, objective="latency")
    begun = time.perf_counter()
    outcome = bound.solve(program, objective="latency", seed=0)
    row: dict[str, Any] = {"status": outcome.status, "seconds": round(time.perf_counter() - begun, 1)}
    if outcome.solution is not None:
        verdict = validate(program, outcome.solution)
        assert verdict.feasible, f"{bound.label} on {name}: {verdict.violations[0].message}"
        row["latency"] = verdict.values["latency"]
    if outcome.bound is not None:
        row["bound"] = outcome.bound
    return row


def summarise(row: dict[str, Any]) -> None:
    """Write the best latency and bound of a row's methods, and the speed-ups they mean, into it."""
    found = row["methods"].values()
    row["latency"] = min(entry["latency"] for entry in found if "latency" in entry)
    row["bound"] = max(entry["bound"] for entry in found if "bound" in entry)
    row["speedup"] = round(row["all_slow"] / row["latency"], 5)
    row["speedup_bound"] = round(row["all_slow"] / row["bound"], 5)


def is_open(row: dict[str, Any] | None) -> bool:
    return row is None or row["latency"] > row["bound"] * (1 + CLOSE)


def load() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"] if RESULTS.is_file() else []
    return rows


def write(rows: Sequence[dict[str, Any]]) -> None:
    """Write the result file, a line per row."""
    head = {"command": COMMAND, "device": provenance.device(), "commit": provenance.commit()}
    lines = ",\n".join(json.dumps(row) for row in sorted(rows, key=lambda row: (row["program"], row["hardware"])))
    write_atomic(RESULTS, json.dumps(head)[:-1] + f', "rows": [\n{lines}\n]}}\n')


def write_table() -> None:
    """Write the family's table of latencies and bounds."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["program", "hardware", "digest", "latency_us", "bound_us", "methods"])
    for row in load():
        program = resolve(f"{row['program']}:hardware={row['hardware']}")
        figures = (repr(row["latency"]), repr(row["bound"]))
        table.writerow([row["program"], row["hardware"], program.digest, *figures, " ".join(row["methods"])])
    write_atomic(TABLE, text.getvalue())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["solver:mip:time=60"], metavar="METHOD")
    parser.add_argument("--programs", nargs="+", default=shipped(), metavar="NAME")
    parser.add_argument("--open", action="store_true", help="leave out programs that are solved")
    parser.add_argument("--table", action="store_true", help="only write the family's table")
    options = parser.parse_args(arguments)
    if options.table:
        write_table()
        return
    methods = parse_methods(options.methods, "memory_mapping")
    for name in options.programs:
        for hardware in HARDWARE:
            for bound in methods:
                rows = load()
                row = next((row for row in rows if (row["program"], row["hardware"]) == (name, hardware)), None)
                if options.open and not is_open(row):
                    continue
                if row is None:
                    all_slow = resolve(f"{name}:hardware={hardware}").all_slow
                    row = {"program": name, "hardware": hardware, "all_slow": all_slow, "methods": {}}
                    rows.append(row)
                row["methods"][bound.label] = measure(bound, name, hardware)
                summarise(row)
                write(rows)
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
