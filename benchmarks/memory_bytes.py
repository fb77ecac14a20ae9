"""Bytes between the memories beyond the compulsory ones, at COSMA's three sizes of fast memory, with a fixed order.

    python benchmarks/memory_bytes.py [--programs NAME …] [--time 5]

Each program has its parameters, and again none (``activations``), as most published figures have it. ``cosma``: all
operands in fast memory; ``stream``: what saves bytes is served from slow memory, with a proven bound; the rules and the
search play the environment's game, in which offsets count from the start. Every mapping is validated. Results go to
benchmarks/results/memory_bytes.json, a program when it is done.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganttlet.core.errors import InputError
from ganttlet.core.record import write_atomic
from ganttlet.memory_mapping import Program, budgets, compulsory_bytes, non_compulsory_bytes, resolve, validate
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.methods import BoundMethod, parse_methods
from ganttlet_agents.solvers.memory_mapping import activations_only

RESULTS = Path(__file__).parent / "results" / "memory_bytes.json"
PROGRAMS = ("alexnet_b32", "unet_b1_256", "mixer_s16_b16", "fastmm7_l2_4096", "resnet50_b16", "alexnet_b32_train")
BYTES = "slow_bytes"


def methods(seconds: float) -> dict[str, BoundMethod]:
    texts = {
        "cosma": f"solver:cosma:time={seconds:g}",
        "stream": f"solver:cosma:stream=true:time={seconds:g}",
        "evolution": "search:evolution:budget=2000:start=best",
        "belady": "rule:belady",
        "greedy": "rule:greedy",
        "msa_best": "rule:msa_best",
    }
    return {name: parse_methods(text, "memory_mapping")[0] for name, text in texts.items()}


def measure(method: BoundMethod, program: Program) -> dict[str, Any]:
    """Return the non-compulsory bytes of a method, what it proved and its seconds."""
    begun = time.perf_counter()
    try:
        outcome = method.solve(program, objective=BYTES, seed=0)
    except InputError as error:
        return {"error": str(error)}
    seconds = round(time.perf_counter() - begun, 2)
    if outcome.solution is None:
        return {"error": outcome.status, "seconds": seconds}
    verdict = validate(program, outcome.solution)
    assert verdict.feasible, f"{method.label} on {program.name}: {verdict.violations[0].message}"
    found: dict[str, Any] = {"bytes": int(non_compulsory_bytes(program, verdict.values[BYTES])), "seconds": seconds}
    if outcome.bound is not None:
        found |= {"bound": int(non_compulsory_bytes(program, outcome.bound)), "optimal": outcome.optimal}
    if outcome.status:
        found["status"] = outcome.status
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", nargs="+", default=PROGRAMS, metavar="NAME")
    parser.add_argument("--time", type=float, default=5.0, help="seconds of a solver")
    options = parser.parse_args(arguments)
    schemes = methods(options.time)
    head = {
        "command": "python benchmarks/memory_bytes.py",
        "methods": {name: method.label for name, method in schemes.items()},
        "device": provenance.device(),
        "commit": provenance.commit(),
    }
    rows: list[dict[str, Any]] = []
    for name in options.programs:
        whole = resolve(name)
        for part, program in (("whole", whole), ("activations", activations_only(whole))):
            sizes = budgets(program)
            row: dict[str, Any] = {"program": name, "part": part, "compulsory": compulsory_bytes(program)}
            for budget, capacity in sizes.items():
                if budget != "M_R" and capacity == sizes["M_R"]:
                    row[budget] = {"capacity": capacity, "same_as": "M_R"}
                    continue
                at = replace(program, capacity=capacity)
                found = {scheme: measure(method, at) for scheme, method in schemes.items()}
                row[budget] = {"capacity": capacity, **found}
            rows.append(row)
            lines = ",\n".join(json.dumps(row) for row in rows)
            write_atomic(RESULTS, json.dumps(head)[:-1] + f', "rows": [\n{lines}\n]}}\n')
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
