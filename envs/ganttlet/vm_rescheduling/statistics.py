"""What a cluster looks like in figures: size, use, fragments, flavours."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.vm_rescheduling.instance import NOWHERE, Array, Cluster

SMALL = 16  # cores
BUSY = 0.8


def statistics(cluster: Cluster) -> dict[str, Any]:
    """Return figures of a cluster as plain data.

    Returns:
        ``pms``, ``vms``, ``racks`` (None if unknown), ``rack_pms`` ([least, most] hosts of a rack), ``cpu_used`` and
        ``memory_used`` (shares), ``free_cores`` (T), ``fr8``, ``fr16``, ``fr32`` (shares), ``n16`` (blocks),
        ``vms_per_pm`` ({mean, sd, max}; sd over all hosts), ``empty_pms``, ``busy_pms`` (share of hosts with more
        than 80 % of their cores in use), ``small_vms`` (share of VMs of at most 16 cores), ``feasible_pms`` (median
        of :func:`feasible_pms`), ``flavours`` (cores -> {share of VMs, share of these that are split}),
        ``free_per_node`` (free cores -> NUMA nodes, in order of the cores).
    """
    usage = cluster.usage()
    cpu, mem = cluster.cpu.sum(axis=1, dtype=np.int64), cluster.mem.sum(axis=1, dtype=np.int64)
    free = usage.cpu
    total = int(free.sum())
    placed = cluster.host[cluster.host != NOWHERE]
    per_pm = np.bincount(placed, minlength=cluster.n_hosts)
    racks = None if cluster.rack is None else np.unique(cluster.rack, return_counts=True)[1]
    cores, counts = np.unique(cluster.cores, return_counts=True)
    nodes, node_counts = np.unique(free, return_counts=True)
    # More than 80 % in use, without rounding: 5 x free < capacity.
    busy = 5 * free.sum(axis=1) < cpu
    return {
        "pms": cluster.n_hosts,
        "vms": cluster.n_vms,
        "racks": None if racks is None else len(racks),
        "rack_pms": None if racks is None else [int(racks.min()), int(racks.max())],
        "cpu_used": _share(cpu.sum() - total, cpu.sum()),
        "memory_used": _share(mem.sum() - usage.mem.sum(), mem.sum()),
        "free_cores": total,
        **{f"fr{size}": _share((free % size).sum(), total) for size in (8, 16, 32)},
        "n16": int((free // 16).sum()),
        "vms_per_pm": {"mean": float(per_pm.mean()), "sd": float(per_pm.std()), "max": int(per_pm.max())},
        "empty_pms": int((per_pm == 0).sum()),
        "busy_pms": float(busy.mean()),
        "small_vms": float((cluster.cores <= SMALL).mean()),
        "feasible_pms": float(np.median(feasible_pms(cluster))),
        "flavours": {
            int(size): {
                "share": int(count) / cluster.n_vms,
                "split": float(cluster.split[cluster.cores == size].mean()),
            }
            for size, count in zip(cores, counts, strict=True)
        },
        "free_per_node": {int(left): int(count) for left, count in zip(nodes, node_counts, strict=True)},
    }


def feasible_pms(cluster: Cluster) -> Array:
    """Return (V,) int64, how many hosts may hold a VM: its own, and others with room; anti-affinity is left aside."""
    usage = cluster.usage()
    rows = np.stack([cluster.cores, cluster.memory, cluster.split], axis=1)
    kinds, kind = np.unique(rows, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    fits = np.empty((len(kinds), cluster.n_hosts), bool)
    for at, (cores, memory, split) in enumerate(kinds.tolist()):
        room = (usage.cpu >= cores // (1 + split)) & (usage.mem >= memory // (1 + split))
        fits[at] = room.all(axis=1) if split else room.any(axis=1)
    # A VM may stay where it is, whether or not there is room for another one.
    own = (cluster.host != NOWHERE) & ~fits[kind, cluster.host]
    counts: Array = fits.sum(axis=1)[kind] + own
    return counts


def _share(part: Any, whole: Any) -> float:
    return float(part) / float(whole) if whole else 0.0
