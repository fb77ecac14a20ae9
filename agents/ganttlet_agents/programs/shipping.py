"""The programs that ganttlet ships: which they are, and how they are made again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ganttlet
from ganttlet_agents.programs.tables import Tables
from ganttlet_agents.programs.workloads import WORKLOADS, extract_workload

FOLDER = Path(ganttlet.__file__).parent / "memory_mapping" / "data"
# All workloads, then variants: with other sizes, or a step of training.
SHIPPED: tuple[tuple[str, dict[str, int], bool], ...] = (
    *((name, {}, False) for name in WORKLOADS),
    ("densenet121", {"batch": 16}, False),
    ("bert_base", {"batch": 1, "length": 512}, False),
    ("lstm2", {"batch": 8, "length": 64}, False),
    ("alexnet", {}, True),
    ("resnet50", {}, True),
    ("encoder24", {}, True),
)


def ship(folder: str | Path, told: Callable[[Tables], object] = lambda tables: None) -> list[Path]:
    """Extract all of SHIPPED and write each as ``<name>.npz``, on the default hardware; return the paths.

    Args:
        folder: made if it is absent.
        told: called with the tables of each as they are done.
    """
    programs = []
    for workload, options, train in SHIPPED:
        tables = extract_workload(workload, train=train, **options)
        programs.append(tables.program())
        told(tables)
    paths = [Path(folder) / f"{program.name}.npz" for program in programs]
    for program, path in zip(programs, paths, strict=True):
        program.save(path)
    return paths
