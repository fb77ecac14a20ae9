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
def place_pending(room: Any, free: Any, size: Any, priority: Any, first: Any, group: Any, held: Any, host: Any) -> None:
    """Place pending pods one by one, the highest priority first, then by index; those that fit nowhere stay pending.

    Args:
        room, free: (P, 2) int64, capacity and what is free of it; ``free`` is updated.
        size: (V, 2) int64, requests.
        priority: (V,) int64.
        first: (V + 1,) int64; the anti-affinity groups of pod v are ``group[first[v] : first[v + 1]]``.
        group: (M,) int64.
        held: (G, P) int64, pods of a group on a node; updated.
        host: (V,) int64, -1 for pending pods; updated.
    """
    n_nodes = room.shape[0]
    score = np.empty(n_nodes)
    for pod in np.argsort(-priority, kind="mergesort"):
        if host[pod] >= 0:
            continue
        best = -np.inf
        for node in range(n_nodes):
            score[node] = -np.inf
            fits = free[node, 0] >= size[pod, 0] and free[node, 1] >= size[pod, 1]
            for at in range(first[pod], first[pod + 1]):
                fits = fits and held[group[at], node] == 0
            if fits:
                used_cpu = 1.0 - (free[node, 0] - size[pod, 0]) / max(1, room[node, 0])
                used_mem = 1.0 - (free[node, 1] - size[pod, 1]) / max(1, room[node, 1])
                score[node] = 50.0 * (2.0 - used_cpu - used_mem) + 100.0 - 50.0 * abs(used_cpu - used_mem)
                best = max(best, score[node])
        for node in range(n_nodes):
            if score[node] > -np.inf and score[node] >= best - NEAR:
                host[pod] = node
                free[node, 0] -= size[pod, 0]
                free[node, 1] -= size[pod, 1]
                for at in range(first[pod], first[pod + 1]):
                    held[group[at], node] += 1
                break


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
    host, priority = instance.host.astype(np.int64), np.asarray(instance.priority, np.int64)
    placed = host[pairs[:, 1]] != NOWHERE
    held = np.zeros((int(group.max(initial=-1)) + 1, instance.n_hosts), np.int64)
    np.add.at(held, (group[placed], host[pairs[:, 1]][placed]), 1)
    place_pending(room, free, size, priority, first, group, held, host)
    return host.astype(np.int32)
