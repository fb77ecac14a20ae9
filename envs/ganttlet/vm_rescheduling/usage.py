"""Free resources of a cluster and the rules of a move, in plain NumPy: what validators and replays stand on."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ganttlet.vm_rescheduling.instance import Cluster

BOTH, NOWHERE = 2, -1
Array = np.ndarray[Any, Any]


class Usage:
    """Where VMs lie and what is left, recomputed from the instance's VMs.

    Attributes:
        cpu, mem: (P, K) int64, free cores and MB.
        host, numa: (V,) int64, where each VM lies now, as in the instance.
    """

    def __init__(self, instance: Cluster) -> None:
        self.instance = instance
        self.cpu, self.mem = instance.cpu.astype(np.int64), instance.mem.astype(np.int64)
        self.host, self.numa = instance.host.astype(np.int64), instance.numa.astype(np.int64)
        self._groups: dict[int, list[int]] = defaultdict(list)
        self._members: dict[int, list[int]] = defaultdict(list)
        for group, vm in instance.groups.tolist():
            self._groups[vm].append(group)
            self._members[group].append(vm)
        placed = self.host != NOWHERE
        for node in range(instance.n_numa):
            single = placed & (self.numa == node)
            split = placed & (self.numa == BOTH)
            for vms, share in ((single, 1), (split, 2)):
                np.subtract.at(self.cpu[:, node], self.host[vms], instance.cores[vms] // share)
                np.subtract.at(self.mem[:, node], self.host[vms], instance.memory[vms] // share)

    def nodes(self, vm: int, numa: int) -> list[tuple[int, int, int]]:
        """Return (NUMA node, cores, MB) that a VM takes when it lies on ``numa``."""
        cores, memory = int(self.instance.cores[vm]), int(self.instance.memory[vm])
        if numa == BOTH:
            return [(0, cores // 2, memory // 2), (1, cores // 2, memory // 2)]
        return [(numa, cores, memory)]

    def complaint(self, vm: int, host: int, numa: int) -> tuple[str, str] | None:
        """Return (rule, sentence) if ``vm`` cannot go to that place now, None if it can."""
        instance = self.instance
        if not 0 <= vm < instance.n_vms:
            return "vm", f"unknown VM {vm}"
        name = f"VM {instance.vm_name(vm)}"
        if host == NOWHERE and numa == NOWHERE and instance.is_pods:
            return ("stay", f"{name} is pending already") if self.host[vm] == NOWHERE else None
        if not 0 <= host < instance.n_hosts:
            return "host", f"{name} goes to unknown host {host}"
        allowed = (BOTH,) if instance.split[vm] else tuple(range(instance.n_numa))
        if numa not in allowed:
            return "numa", f"{name} goes to NUMA node {numa}; expected {' or '.join(map(str, allowed))}"
        if (self.host[vm], self.numa[vm]) == (host, numa):
            return "stay", f"{name} lies on host {instance.host_name(host)} NUMA node {numa} already"
        for node, cores, memory in self.nodes(vm, numa):
            own = self.host[vm] == host and self.numa[vm] == node
            free_cpu = int(self.cpu[host, node]) + (cores if own else 0)
            free_mem = int(self.mem[host, node]) + (memory if own else 0)
            if free_cpu < cores or free_mem < memory:
                return "capacity", (
                    f"{name} needs {cores} cores and {memory} MB on host {instance.host_name(host)} NUMA node {node}, "
                    f"where {free_cpu} cores and {free_mem} MB are free"
                )
        for group in self._groups.get(vm, ()):
            for other in self._members[group]:
                if other != vm and self.host[other] == host:
                    return "affinity", (
                        f"{name} goes to host {instance.host_name(host)}, which holds VM {instance.vm_name(other)} of "
                        f"anti-affinity group {group}"
                    )
        return None

    def move(self, vm: int, host: int, numa: int) -> None:
        """Play a move that :meth:`complaint` has nothing against."""
        for sign, at, node in ((1, int(self.host[vm]), int(self.numa[vm])), (-1, host, numa)):
            if at != NOWHERE:
                for one, cores, memory in self.nodes(vm, node):
                    self.cpu[at, one] += sign * cores
                    self.mem[at, one] += sign * memory
        self.host[vm], self.numa[vm] = host, numa


def describe_vm(instance: Cluster, vm: int) -> str:
    """Return ``8 cores, 16384 MB``."""
    return f"{instance.cores[vm]} cores, {instance.memory[vm]} MB"
