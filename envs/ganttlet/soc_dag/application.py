"""Applications: directed acyclic graphs of tasks that run kernels and send volumes of data to one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ganttlet.core.errors import InputError


@dataclass(frozen=True)
class Application:
    """One task graph.

    Fields:
        name: its name, by which a platform knows its kernels' times.
        kernels: per task the kernel it runs.
        edges: (source, target, volume), tasks counted from 0; the source's output is the target's input.
        source: where it comes from.
    """

    name: str
    kernels: tuple[str, ...]
    edges: tuple[tuple[int, int, int], ...] = field(default=())
    source: str = ""

    def __post_init__(self) -> None:
        what, n = f"application {self.name!r}", len(self.kernels)
        if n < 1:
            raise InputError(f"{what}: field 'kernels': expected at least one task")
        check_edges(what, n, self.edges)

    @property
    def n_tasks(self) -> int:
        """Number of tasks."""
        return len(self.kernels)


def check_edges(what: str, n_tasks: int, edges: Sequence[tuple[int, int, int]]) -> None:
    """Raise InputError for edges outside 0 … n_tasks - 1, given twice, of negative volume, or on a cycle."""
    seen = set()
    for number, (source, target, volume) in enumerate(edges):
        where = f"{what}: field 'edges', entry {number}"
        if not (0 <= source < n_tasks and 0 <= target < n_tasks):
            raise InputError(f"{where}: {source} → {target}; expected tasks 0 … {n_tasks - 1}")
        if volume < 0:
            raise InputError(f"{where}: {source} → {target} has volume {volume}; expected 0 or more")
        if (source, target) in seen:
            raise InputError(f"{where}: {source} → {target} is given twice")
        seen.add((source, target))
    order = topological_order(n_tasks, [(source, target) for source, target, _ in edges])
    if len(order) < n_tasks:
        stuck = [str(task) for task in range(n_tasks) if task not in set(order)]
        raise InputError(
            f"{what}: field 'edges' has a cycle; tasks {', '.join(stuck[:10])} wait for one another or for it"
        )


def topological_order(n_tasks: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Return the tasks in an order that respects ``edges``, lowest first among those free; short on a cycle."""
    waiting = [0] * n_tasks
    after: list[list[int]] = [[] for _ in range(n_tasks)]
    for source, target in edges:
        waiting[target] += 1
        after[source].append(target)
    free = sorted(task for task in range(n_tasks) if not waiting[task])
    order = []
    while free:
        task = free.pop(0)
        order.append(task)
        for other in after[task]:
            waiting[other] -= 1
            if not waiting[other]:
                free.append(other)
        free.sort()
    return order
