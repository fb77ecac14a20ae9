"""VMs counted by kind and place: what makes the exact models small, for VMs of equal needs are interchangeable."""

from __future__ import annotations

from collections import defaultdict
from typing import TypeAlias

import numpy as np

from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.solution import Plan
from ganttlet.vm_rescheduling.usage import BOTH

Change: TypeAlias = dict[tuple[int, int], int]
"""(kind, place) -> VMs of that kind more (fewer, if negative) than at the start; never 0."""


class Counts:
    """A cluster counted by kind: cores, memory and split of a VM, and which VM it is if it is to be told apart.

    A place is a NUMA node, numbered host · K + node (K NUMA nodes per host); a split VM is placed at its host's first.

    Attributes:
        instance: the cluster.
        cores, memory: by kind, what it takes on each NUMA node that it lies on.
        split: by kind, whether it lies on both.
        kind: (V,) kind of each VM.
        total: by kind, how many there are.
        at: (kind, place) -> the VMs that lie there at the start.
        cpu, mem: (P · K,) free cores and MB of each NUMA node at the start.
        room: (P · K,) its cores, free or not.
    """

    def __init__(self, instance: Cluster, *, apart: bool) -> None:
        """Count; with ``apart`` each VM of an anti-affinity group is a kind of its own."""
        self.instance = instance
        usage = instance.usage()
        share = 1 + instance.split.astype(np.int64)
        own = np.full(instance.n_vms, -1)
        if apart:
            grouped = np.unique(instance.groups[:, 1])
            own[grouped] = grouped
        rows = np.stack([instance.split, instance.cores // share, instance.memory // share, own], axis=1)
        kinds, inverse = np.unique(rows, axis=0, return_inverse=True)
        self.kind: list[int] = inverse.reshape(-1).tolist()
        self.split: list[bool] = (kinds[:, 0] == 1).tolist()
        self.cores: list[int] = kinds[:, 1].tolist()
        self.memory: list[int] = kinds[:, 2].tolist()
        self.total: list[int] = np.bincount(self.kind, minlength=len(kinds)).tolist()
        self.cpu: list[int] = usage.cpu.reshape(-1).tolist()
        self.mem: list[int] = usage.mem.reshape(-1).tolist()
        self.room: list[int] = instance.cpu.reshape(-1).tolist()
        self.at: dict[tuple[int, int], list[int]] = defaultdict(list)
        for vm, (kind, host, numa) in enumerate(zip(self.kind, instance.host, instance.numa, strict=True)):
            self.at[kind, self.place(int(host), int(numa))].append(vm)

    def place(self, host: int, numa: int) -> int:
        """Return the place of a host's NUMA node (2: both)."""
        return host * self.instance.n_numa + (0 if numa == BOTH else numa)

    def spot(self, kind: int, place: int) -> tuple[int, int]:
        """Return (host, NUMA node) of a place, as a plan writes it for a VM of that kind."""
        host, node = divmod(place, self.instance.n_numa)
        return host, BOTH if self.split[kind] else node

    def nodes(self, kind: int, place: int) -> tuple[int, ...]:
        """Return the NUMA nodes that a VM of a kind takes cores on when it lies at a place."""
        return (place, place + 1) if self.split[kind] else (place,)

    def places(self, kind: int) -> range:
        """Return the places where a kind may lie."""
        return range(0, len(self.cpu), 2 if self.split[kind] else 1)

    def after(self, plan: Plan) -> Change:
        """Return what a plan changes."""
        instance = self.instance
        change: Change = defaultdict(int)
        ends = {vm: (host, numa) for vm, host, numa in plan.moves.tolist()}
        for vm, (host, numa) in ends.items():
            kind = self.kind[vm]
            change[kind, self.place(int(instance.host[vm]), int(instance.numa[vm]))] -= 1
            change[kind, self.place(host, numa)] += 1
        return {key: by for key, by in change.items() if by}

    def free(self, change: Change) -> tuple[list[int], list[int]]:
        """Return free cores and MB of each NUMA node after a change."""
        cpu, mem = list(self.cpu), list(self.mem)
        for (kind, place), by in change.items():
            for node in self.nodes(kind, place):
                cpu[node] -= by * self.cores[kind]
                mem[node] -= by * self.memory[kind]
        return cpu, mem


def moves_of(change: Change) -> int:
    """Return how many VMs leave their place."""
    return -sum(by for by in change.values() if by < 0)
