"""What generator ``level`` starts from: counts of the Medium snapshot, or a given cluster."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.vm_rescheduling.fill import Filling, build_base, make_filling, pick_hosts
from ganttlet.vm_rescheduling.instance import Array, Cluster

NODES = 2
SMALL = 8  # cores; VMs of up to this size come when others have left
MAIN = 64  # cores of the VMs that decide most of what a host keeps free
SPREAD = 1.6  # measured variance of VMs per host of clusters built from counts, over the hosts


class Base(NamedTuple):
    """A cluster of Q hosts and V VMs, or the counts by which ones like it are built.

    Fields:
        hosts, vms: Q and V.
        used: reserved share of the cores.
        spread: variance of the number of VMs of a random host.
        kinds: (F, 3) int64, cores, MB and whether split.
        frequency: (F,) float64, VMs of each kind per host.
        refills: (F,) bool, the kinds that come when others have left.
        cpu, mem: (Q, 2) int64, capacities.
        placement: kind, host and NUMA node (V,) int64 of each VM; None where only counts are known.
        free: (R, 4) int64 where only counts are known: free cores of two NUMA nodes, VMs of kind 0, and how often.
        near: (F, N) float64 there: how often a VM of each kind, not split, has 0 … N-1 free cores beside it.
    """

    hosts: int
    vms: int
    used: float
    spread: float
    kinds: Array
    frequency: Array
    refills: Array
    cpu: Array
    mem: Array
    placement: tuple[Array, Array, Array] | None = None
    free: Array | None = None
    near: Array | None = None

    def start(self, n_hosts: int, room: int, key: Any) -> tuple[Filling, Array]:
        """Return a cluster of ``n_hosts`` hosts, room for ``room`` VMs, and the base's host (P,) that each is."""
        if self.placement is not None:
            empty = np.zeros((n_hosts, NODES), np.int64)
            filling = make_filling(empty, empty, max(room, self.vms))
            return filling, pick_hosts(filling, self.kinds, (self.cpu, self.mem, *self.placement), key)
        hosts = np.zeros(n_hosts, np.int64)
        most = n_hosts * int(self.cpu[0].sum() // self.kinds[:, 0].min())
        filling = make_filling(self.cpu[hosts], self.mem[hosts], max(room, most))
        assert self.free is not None, "a base without VMs has counts"
        assert self.near is not None, "a base without VMs has counts"
        late = self.refills & (self.kinds[:, 2] == 0)
        build_base(
            filling,
            self.kinds,
            self.frequency,
            np.ascontiguousarray(self.free[:, :3]),
            np.cumsum(self.free[:, 3]).astype(np.float64),
            np.cumsum(self.near, axis=1),
            np.cumsum(self.frequency * late),
            key,
        )
        return filling, hosts


@cache
def base_of_counts() -> Base:
    """Return the counts of data/medium.json."""
    text = files("ganttlet.vm_rescheduling").joinpath("data/medium.json").read_text(encoding="utf-8")
    data = json.loads(text)
    rows, n_hosts = np.array(data["kinds"], np.int64), data["hosts"]
    refills = rows[:, 0] <= SMALL
    # 64 cores stand in the table of free cores; then the largest first, small ones of one NUMA node last.
    order = np.lexsort((-rows[:, 2], -rows[:, 0], refills & (rows[:, 2] == 0), rows[:, 0] != MAIN))
    rows, refills = rows[order], refills[order]
    cpu, mem = (np.full((n_hosts, NODES), data[key], np.int64) for key in ("cores_per_node", "mb_per_node"))
    used = float(rows[:, 0] @ rows[:, 3] / cpu.sum())
    kinds, frequency = np.ascontiguousarray(rows[:, :3]), rows[:, 3] / n_hosts
    free, beside = (np.array(data[key], np.int64) for key in ("free_cores", "single_by_free"))
    near = np.zeros((len(kinds), beside[:, 1].max() + 1))
    for cores, rest, count in beside:
        near[(kinds[:, 0] == cores) & (kinds[:, 2] == 0), rest] = count
    vms = int(rows[:, 3].sum())
    return Base(n_hosts, vms, used, SPREAD, kinds, frequency, refills, cpu, mem, free=free, near=near)


def base_of_cluster(cluster: Cluster) -> Base:
    """Return a given cluster as a base; raises InputError if its hosts do not have two NUMA nodes."""
    if cluster.n_numa != NODES:
        raise InputError(f"generator 'level': key 'base': {cluster.name} has hosts of one NUMA node; expected {NODES}")
    rows = np.stack([cluster.cores, cluster.memory, cluster.split], axis=1).astype(np.int64)
    kinds, kind, counts = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    cpu, mem = (part.astype(np.int64) for part in (cluster.cpu, cluster.mem))
    return Base(
        cluster.n_hosts,
        cluster.n_vms,
        float(cluster.cores.sum(dtype=np.int64) / cpu.sum()),
        float(np.bincount(cluster.host, minlength=cluster.n_hosts).var()),
        kinds,
        counts / cluster.n_hosts,
        kinds[:, 0] <= SMALL,
        cpu,
        mem,
        (kind.reshape(-1).astype(np.int64), cluster.host.astype(np.int64), cluster.numa.astype(np.int64)),
    )
