"""The programs that ganttlet ships: which they are, and how they are made again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ganttlet
from ganttlet_agents.programs.tables import Tables
from ganttlet_agents.programs.workloads import WORKLOADS, extract_workload

FOLDER = Path(ganttlet.__file__).parent / "memory_mapping" / "data"
# Workload and whether it is a step of training: all workloads, and three steps of training.
SHIPPED = (*((name, False) for name in WORKLOADS), ("alexnet", True), ("resnet50", True), ("encoder24", True))


def ship(folder: str | Path, told: Callable[[Tables], object] = lambda tables: None) -> list[Path]:
    """Extract all of SHIPPED and write each as ``<name>.npz``, on the default hardware; return the paths.

    Args:
        folder: made if it is absent.
        told: called with the tables of each as they are done.
    """
    programs = []
    for workload, train in SHIPPED:
        tables = extract_workload(workload, train=train)
        programs.append(tables.program())
        told(tables)
    paths = [Path(folder) / f"{program.name}.npz" for program in programs]
    for program, path in zip(programs, paths, strict=True):
        program.save(path)
    return paths
