"""Speed-ups of rules and of the evolutionary search on extracted programs, with 128 MiB and 32 MiB of fast memory.

    python benchmarks/memory_quality.py [--search-seconds 3] [--seeds 3]
    python benchmarks/memory_quality.py --policies RUN …

Every mapping is validated. The search, from the greedy rule and from the best of rules, has so many seconds per program
and is run once per seed. Results go to benchmarks/results/memory_quality.json. With --policies only run folders or
shipped policies are played, with options as for evaluate.py (RUN:samples=64); their figures join those that are there.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganttlet.core.record import write_atomic
from ganttlet.memory_mapping import Mapping, Program, validate
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.methods import BoundMethod, parse_methods
from ganttlet_agents.evaluation.suite import load_instances, load_suite

RESULTS = Path(__file__).parent / "results" / "memory_quality.json"
SUITE = "memory_programs"
RULES = (
    "rule:greedy",
    "rule:greedy_density",
    "rule:belady",
    "rule:rent",
    "rule:rent:placement=reserve",
    "rule:msa",
    "rule:msa_best",
)


def speedup(bound: BoundMethod, program: Program, seed: int) -> float:
    """Return the validated speed-up over everything in slow memory of what a method finds."""
    outcome = bound.solve(program, objective="latency", seed=seed)
    assert isinstance(outcome.solution, Mapping), f"{bound.label} found nothing on {program.name}: {outcome.status}"
    verdict = validate(program, outcome.solution)
    assert verdict.feasible, f"{bound.label} on {program.name}: {verdict.violations[0].message}"
    return float(verdict.values["speedup"])


def add_policies(runs: Sequence[str]) -> None:
    """Add the speed-ups of policies to the rows that are there."""
    data = json.loads(RESULTS.read_text(encoding="utf-8"))
    programs = [entry.instance for entry in load_instances(load_suite(SUITE))]
    for bound in parse_methods([f"policy:{run}" for run in runs], "memory_mapping"):
        for row, program in zip(data["rows"], programs, strict=True):
            assert isinstance(program, Program)
            assert program.name.partition(":")[0] == row["program"]
            row.setdefault("policies", {})[bound.label] = round(speedup(bound, program, 0), 4)
        print(bound.label, flush=True)
    rows = data.pop("rows")
    write(data, rows)


def write(head: dict[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    """Write the result file, a line per row."""
    lines = ",\n".join(json.dumps(row) for row in rows)
    write_atomic(RESULTS, json.dumps(head)[:-1] + f', "rows": [\n{lines}\n]}}\n')


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--search-seconds", type=float, default=3.0)
    parser.add_argument("--seeds", type=int, default=3, help="runs of the search")
    parser.add_argument("--policies", nargs="*", default=[], metavar="RUN", help="run folders or shipped policies")
    options = parser.parse_args(arguments)
    if options.policies:
        add_policies(options.policies)
        return
    plain = f"search:evolution:time={options.search_seconds:g}"
    searches = parse_methods([plain, f"{plain}:start=best:placement=reserve"], "memory_mapping")
    methods = [*parse_methods(list(RULES), "memory_mapping"), *searches]
    rows: list[dict[str, Any]] = []
    for entry in load_instances(load_suite(SUITE)):
        program = entry.instance
        assert isinstance(program, Program)
        row: dict[str, Any] = {
            "group": entry.group,
            "program": program.name.partition(":")[0],
            "instructions": program.n_instructions,
            "slots": program.n_slots,
            "all_slow": round(program.all_slow, 3),
            "bound": round(program.all_slow / program.all_fast, 4),
            "speedup": {},
        }
        for bound in methods:
            seeds = range(options.seeds) if bound in searches else range(1)
            row["speedup"][bound.label] = [round(speedup(bound, program, seed), 4) for seed in seeds]
        rows.append(row)
        print(json.dumps(row), flush=True)
    head = {
        "command": f"python benchmarks/{Path(__file__).name} --search-seconds {options.search_seconds:g} "
        f"--seeds {options.seeds}",
        "device": provenance.device(),
        "commit": provenance.commit(),
    }
    write(head, rows)


if __name__ == "__main__":
    main()
