"""Policies and the evolutionary search at equal simulator steps and at equal seconds, on programs no policy trained on.

    python benchmarks/memory_agents.py RUN … [--samples 64] [--simulations 32] [--drawn 4]

For each run folder or shipped policy: greedy, best of N samples, and a search of so many simulations at every
decision. The evolutionary search (start=best, the policies' placement) has as many simulator steps as each of them
took, and as many seconds. Programs: the suite memory_programs with 128 MiB and 32 MiB, and programs of the generators
that are held out. Every mapping is validated. Rows go to benchmarks/results/memory_agents.json as they come; runs
measured before stay there.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ganttlet.core.record import write_atomic
from ganttlet.memory_mapping import HELD_OUT, Mapping, Program, generate, validate
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.methods import BoundMethod, parse_methods
from ganttlet_agents.evaluation.suite import load_instances, load_suite

RESULTS = Path(__file__).parent / "results" / "memory_agents.json"
SUITE = "memory_programs"
RULES = ("rule:greedy", "rule:msa_best")
EVOLUTION = "search:evolution:start=best:placement={placement}"
FIRST_SEED = 9000


def programs(drawn: int) -> Iterator[tuple[str, Program]]:
    """Yield (group, program)."""
    for entry in load_instances(load_suite(SUITE)):
        assert isinstance(entry.instance, Program)
        yield entry.group, entry.instance
    for name in HELD_OUT:
        for seed in range(FIRST_SEED, FIRST_SEED + drawn):
            yield name, generate({"name": name}, seed)


def play(bound: BoundMethod, program: Program) -> dict[str, Any]:
    """Return the validated speed-up, simulator steps and seconds of a method."""
    begun = time.perf_counter()
    outcome = bound.solve(program, objective="latency", seed=0)
    seconds = time.perf_counter() - begun
    assert isinstance(outcome.solution, Mapping), f"{bound.label} found nothing on {program.name}: {outcome.status}"
    verdict = validate(program, outcome.solution)
    assert verdict.feasible, f"{bound.label} on {program.name}: {verdict.violations[0].message}"
    steps = outcome.simulated or outcome.decisions
    return {"speedup": round(float(verdict.values["speedup"]), 4), "steps": steps, "seconds": round(seconds, 3)}


def one(text: str) -> BoundMethod:
    """Return the method of a text."""
    return parse_methods([text], "memory_mapping")[0]


def measure(run: str, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the rows of a run, and of the evolutionary search with the same steps or seconds."""
    ways = {
        "greedy": f"policy:{run}",
        f"best of {options.samples}": f"policy:{run}:samples={options.samples}",
        f"search, {options.simulations} simulations": f"policy:{run}:simulations={options.simulations}",
    }
    bounds = {way: one(text) for way, text in ways.items()}
    search = EVOLUTION.format(placement=options.placement)
    some = generate({"name": "toy"}, 0)
    for bound in (*bounds.values(), one(search)):
        bound.warm_up(some, objective="latency")
    for group, program in programs(options.drawn):
        row: dict[str, Any] = {"run": Path(run).name, "group": group, "program": program.name.partition(":")[0]}
        for rule in RULES:
            row[rule] = play(one(rule), program)["speedup"]
        for way, bound in bounds.items():
            found = play(bound, program)
            budget = max(1, found["steps"] // program.n_slots)
            row[way] = found
            row[f"{way}: evolution, equal steps"] = play(one(f"{search}:budget={budget}"), program)
            row[f"{way}: evolution, equal seconds"] = play(one(f"{search}:time={found['seconds']}"), program)
        print(json.dumps(row), flush=True)
        yield row


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--simulations", type=int, default=32)
    parser.add_argument("--drawn", type=int, default=4, help="programs of each generator that is held out")
    parser.add_argument("--placement", default="reserve", help="of the evolutionary search; as the policies play")
    options = parser.parse_args(arguments)
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"] if RESULTS.is_file() else []
    for run in options.runs:
        rows = [row for row in rows if row["run"] != Path(run).name]
        for row in measure(run, options):
            rows.append(row)
            write(rows)


def write(rows: Sequence[dict[str, Any]]) -> None:
    """Write the result file, a line per row."""
    head = {
        "command": "python benchmarks/memory_agents.py RUN …",
        "device": provenance.device(),
        "commit": provenance.commit(),
    }
    lines = ",\n".join(json.dumps(row) for row in rows)
    write_atomic(RESULTS, json.dumps(head)[:-1] + f', "rows": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
