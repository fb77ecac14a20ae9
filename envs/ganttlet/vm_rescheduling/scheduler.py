"""The default scheduler of Kubernetes, made deterministic: which node each pending pod goes to.

Nodes are filtered by fit and scored by 100 (mean free share) + 100 (1 - standard deviation of the used shares) of cpu
and
memory once the pod is there: LeastAllocated and BalancedAllocation with equal weights. Formulas and weights are written
down from memory, and scores are not rounded to integers as kube-scheduler's are. Equal scores go to the lowest index.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.jit import jit
from ganttlet.vm_rescheduling.instance import NOWHERE, Array, Cluster

NEAR = 1e-9  # scores that differ by less are equal


@jit
def _best_node(pod: Any, room: Any, free: Any, size: Any, first: Any, group: Any, held: Any) -> Any:
    """Return the node of the highest score among those where a pod fits, the first of equal ones; -1 if none fits."""
    n_nodes = room.shape[0]
    score = np.empty(n_nodes)
    best = -1.0  # scores are 0 … 200
    for node in range(n_nodes):
        score[node] = -2.0
        fits = free[node, 0] >= size[pod, 0] and free[node, 1] >= size[pod, 1]
        for at in range(first[pod], first[pod + 1]):
            fits = fits and held[group[at], node] == 0
        if fits:
            used_cpu = 1.0 - (free[node, 0] - size[pod, 0]) / max(1, room[node, 0])
            used_mem = 1.0 - (free[node, 1] - size[pod, 1]) / max(1, room[node, 1])
            score[node] = 50.0 * (2.0 - used_cpu - used_mem) + 100.0 - 50.0 * abs(used_cpu - used_mem)
            best = max(best, score[node])
    for node in range(n_nodes):
        if score[node] >= best - NEAR:
            return node
    return -1


@jit
def place_pending(room: Any, free: Any, size: Any, rank: Any, first: Any, group: Any, held: Any, host: Any) -> None:
    """Place pending pods one by one, the highest priority first, then by index; those that fit nowhere stay pending.

    Args:
        room, free: (P, 2) int64, capacity and what is free of it; ``free`` is updated.
        size: (V, 2) int64, requests.
        rank: (V,) int64 ≥ 0, priorities.
        first: (V + 1,) int64; the anti-affinity groups of pod v are ``group[first[v] : first[v + 1]]``.
        group: (M,) int64.
        held: (G, P) int64, pods of a group on a node; updated.
        host: (V,) int64, -1 for pending pods; updated.
    """
    highest = 0
    for pod in range(rank.shape[0]):
        highest = max(highest, rank[pod])
    for now in range(highest, -1, -1):
        for pod in range(rank.shape[0]):
            if rank[pod] != now or host[pod] >= 0:
                continue
            node = _best_node(pod, room, free, size, first, group, held)
            if node >= 0:
                host[pod] = node
                free[node, 0] -= size[pod, 0]
                free[node, 1] -= size[pod, 1]
                for at in range(first[pod], first[pod + 1]):
                    held[group[at], node] += 1


def schedule_default(instance: Cluster) -> Array:
    """Return (V,) int32, the node of each pod once the default scheduler has placed the pending ones it can; else -1.

    Raises:
        InputError: if the instance is no pod-packing problem.
    """
    if not instance.is_pods:
        raise InputError(f"instance {instance.name}: has no field 'priority'; the default scheduler places pods")
    usage = instance.usage()
    room = np.concatenate([instance.cpu, instance.mem], axis=1).astype(np.int64)
    free = np.concatenate([usage.cpu, usage.mem], axis=1)
    size = np.stack([instance.cores, instance.memory], axis=1).astype(np.int64)
    pairs = instance.groups[np.argsort(instance.groups[:, 1], kind="stable")].astype(np.int64)
    group = np.unique(pairs[:, 0], return_inverse=True)[1].reshape(-1).astype(np.int64)
    first = np.searchsorted(pairs[:, 1], np.arange(instance.n_vms + 1))
    host, rank = instance.host.astype(np.int64), instance.tier
    placed = host[pairs[:, 1]] != NOWHERE
    held = np.zeros((int(group.max(initial=-1)) + 1, instance.n_hosts), np.int64)
    np.add.at(held, (group[placed], host[pairs[:, 1]][placed]), 1)
    place_pending(room, free, size, rank, first, group, held, host)
    return host.astype(np.int32)
