"""Numbers of a cluster that curves put on an axis."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ganttlet.vm_rescheduling.instance import Cluster


def axes(cluster: Cluster) -> Mapping[str, float]:
    """Return what tells clusters of a sweep apart.

    Returns:
        ``mnl``: migration limit. ``goal``: fragment rate that objective ``goal`` is to reach, where there is one.
        ``hosts``, ``vms``: their numbers. ``used``: share of the cores that VMs reserve. ``groups``: anti-affinity
        groups. ``priorities``: different priorities of pods, 0 for VMs.
    """
    priorities = 0 if cluster.priority is None else len(np.unique(cluster.priority))
    goal = {} if cluster.goal is None else {"goal": cluster.goal}
    return {
        "mnl": float(cluster.limit),
        **goal,
        "hosts": float(cluster.n_hosts),
        "vms": float(cluster.n_vms),
        "used": 1.0 - float(cluster.usage().cpu.sum()) / float(cluster.cpu.sum()),
        "groups": float(len(np.unique(cluster.groups[:, 0]))),
        "priorities": float(priorities),
    }
