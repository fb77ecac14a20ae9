"""What the shipped programs of memory mapping are, and what extracting them takes.

    python benchmarks/memory_programs.py [--only NAME …] [--out benchmarks/results/memory_programs.json]

Each program is extracted in a process of its own: seconds of processor time for tracing, folding and laying out, the
same of the whole process (torch is imported in it), and the most memory it held. Beside the counts stand those that an
earlier prototype had, where there are any.

Then the budgets of COSMA (arXiv 2311.18246) on three image networks with one image: the largest operands and results of
one operator, and the peak of what is alive in the order of the program, weights left out; of the traced operators,
where an element counts one byte or four, and of the instructions that fusion leaves, where it counts two.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import ganttlet
from ganttlet_agents.programs.shipping import SHIPPED
from ganttlet_agents.programs.workloads import WORKLOADS, extract_workload, program_name

HERE = Path(__file__).parent
# Instructions, slots, Gflop of the matrix unit, MiB before the start and MiB moved, of a throw-away extractor that the
# plan of this family was made with.
PROTOTYPE = {
    "alexnet_b32": (11, 38, 45.7, 126, 197),
    "resnet50_b16": (56, 236, 131, 53, 916),
    "bert_base_b4_t128": (181, 604, 89, 163, 560),
    "decoder6_b8_t64": (163, 526, 43, 80, 312),
    "lstm2_t24_b32": (338, 1035, 41.5, 53, 879),
    "wavernn_t32_b32": (258, 962, 5.6, 5, 206),
    "dlrm_b512": (37, 142, 2.4, 639, 30),
    "unet_b1_256": (31, 112, 96, 60, 294),
    "fastmm7_l2_4096": (185, 507, 105, 64, 1438),
    "mixer_s16_b16": (75, 322, 180, 57, 820),
    "alexnet_b32_train": (51, 176),
    "resnet50_b16_train": (275, 1064),
}
KEYS = ("instructions", "slots", "Gflop", "MiB before the start", "MiB moved")
# Of a re-implementation of COSMA, as its notes give them: bytes of an element, and the two budgets in KiB.
COSMA = {"resnet50": None, "resnext50": (4, 9408, 9636), "densenet121": (1, 1596, 2058)}


def one(workload: str, options: dict[str, int], train: bool) -> dict[str, Any]:
    """Extract a program and say what it is and took."""
    import resource

    began, process = time.perf_counter(), time.process_time()
    tables = extract_workload(workload, train=train, **options)
    spent = time.process_time() - process
    counts = (
        len(tables.instructions),
        len(tables.uses),
        round(tables.matrix_flops / 1e9, 1),
        round(tables.resident / 2**20),
        round(tables.traffic / 2**20),
    )
    scale = 2**20 if sys.platform == "darwin" else 2**10
    return {
        **dict(zip(KEYS, counts, strict=True)),
        "buffers": len(tables.buffers),
        "seconds": round(spent, 2),
        "seconds by the clock": round(time.perf_counter() - began, 2),
        "seconds of the process": round(time.process_time(), 2),
        "peak MiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale),
    }


def budgets(
    operators: Sequence[tuple[set[int], set[int]]], size: Sequence[int], returned: Collection[int]
) -> tuple[int, int]:
    """Return the largest operands and results of one operator, and the most that is alive at once."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for t, (reads, made) in enumerate(operators):
        for value in reads | made:
            first.setdefault(value, t)
            last[value] = len(operators) if value in returned else t
    largest = max(sum(size[value] for value in reads | made) for reads, made in operators)
    alive = [sum(size[value] for value in first if first[value] <= t <= last[value]) for t in range(len(operators))]
    return largest, max(alive)


def cosma(workload: str) -> dict[str, Any]:
    """Return the budgets of a network with one image, in KiB."""
    from torch._subclasses.fake_tensor import FakeTensorMode

    from ganttlet_agents.programs.export import trace_inference
    from ganttlet_agents.programs.folding import fold
    from ganttlet_agents.programs.graph import without_dead

    with FakeTensorMode():
        module, inputs = WORKLOADS[workload].make(batch=1)
    graph = without_dead(fold(trace_inference(module, (inputs, {}), workload)))
    data = {index for index, value in enumerate(graph.values) if value.kind in ("input", "temp")}
    operators = [({read.value for read in one.reads} & data, set(one.results)) for one in graph.operators]
    traced = budgets(operators, [value.elements for value in graph.values], graph.outputs)
    tables = extract_workload(workload, batch=1)
    data = {index for index, row in enumerate(tables.buffers) if row.kind in ("input", "temp", "output")}
    fused: list[tuple[set[int], set[int]]] = [(set(), set()) for _ in tables.instructions]
    for use in tables.uses:
        if use.buffer in data:
            fused[use.t][use.role == "out"].add(use.buffer)
    returned = {index for index, row in enumerate(tables.buffers) if row.kind == "output"}
    whole = budgets(fused, [row.size for row in tables.buffers], returned)
    found = {f"operators, {item} byte": [value * item / 2**10 for value in traced] for item in (1, 4)}
    found["instructions, 2 byte"] = [value / 2**10 for value in whole]
    if (given := COSMA[workload]) is not None:
        found[f"a re-implementation's notes, {given[0]} byte"] = [float(value) for value in given[1:]]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="programs to measure; all if not given")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=HERE / "results" / "memory_programs.json")
    options = parser.parse_args()
    entries = {program_name(*entry): entry for entry in SHIPPED}
    if options.one:
        print(json.dumps(one(*entries[options.one])))
        return
    result: dict[str, Any] = {
        "command": "python benchmarks/memory_programs.py",
        "version": ganttlet.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "programs": {},
        "COSMA, KiB: largest operator, peak": {},
    }
    for name in options.only or entries:
        command = [sys.executable, __file__, "--one", name]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        if name in PROTOTYPE:
            before = dict(zip(KEYS, PROTOTYPE[name], strict=False))
            found["prototype"] = before
            found["more than it"] = {key: round(found[key] - value) for key, value in before.items()}
        result["programs"][name] = found
        print(name, json.dumps(found), flush=True)
    for workload in COSMA:
        result["COSMA, KiB: largest operator, peak"][workload] = found = cosma(workload)
        print(workload, json.dumps(found), flush=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
