"""What pod packing shows: the GraphSpec, and the kernels that write it row by row."""

from __future__ import annotations

import numpy as np

from ganttlet.core.graph import EdgeType, Feature, GraphSpec, NodeType, Segment
from ganttlet.core.jit import jit
from ganttlet.vm_rescheduling.layout import (
    AT,
    CORES,
    CPU,
    HOST,
    HOSTS,
    KIND,
    LARGEST,
    LARGEST_MEM,
    LIMIT,
    MEM,
    MEMORY,
    NOWHERE,
    PENDING,
    SUM,
    TIER,
    TIERS,
    USED,
    VMS,
    Array,
    Int,
    Sizes,
)
from ganttlet.vm_rescheduling.targets import held_by

MANY = 1_000_000
POD_FEATURES = (
    Feature("cpu", 0, 1_000, "requested cpu, as a share of the largest node's"),
    Feature("memory", 0, 1_000, "requested memory, as a share of the largest node's"),
    Feature("tier", 0, 1, "rank of its priority, 0 the lowest, 1 the highest (0 if there is one)"),
    Feature("pending", 0, 1, "1 if it is on no node"),
    Feature("moved", 0, 1, "1 if it is not where it was at the start"),
    Feature("nodes", 0, 1, "share of nodes with room for a pod of these requests"),
)
NODE_FEATURES = (
    Feature("free_cpu", 0, 1, "free cpu, as a share of the largest node's"),
    Feature("free_memory", 0, 1, "free memory, as a share of the largest node's"),
    Feature("free_cpu_share", 0, 1, "free cpu, as a share of the node's own"),
    Feature("free_memory_share", 0, 1, "free memory, as a share of the node's own"),
)
CONTEXT_FEATURES = (
    Feature("progress", 0, 1, "moves made, as a share of the limit"),
    Feature("moves_left", 0, MANY, "moves left"),
    Feature("pods", 0, MANY, "number of pods"),
    Feature("nodes", 0, MANY, "number of nodes"),
    Feature("pending", 0, 1, "share of pods that are pending"),
    Feature("free", 0, 1, "free cpu, as a share of all"),
)
SHARE, TOP = 5, 1_000.0


def graph_spec(sizes: Sizes) -> GraphSpec:
    """Return the GraphSpec of a padded space."""
    return GraphSpec(
        nodes=(NodeType("pod", sizes.vms, POD_FEATURES), NodeType("node", sizes.hosts, NODE_FEATURES)),
        edges=(EdgeType("on", "pod", "node", "pointer"),),
        context=CONTEXT_FEATURES,
        focus=(("pod", "pod"),),
        phases=("pod", "node"),
        segments=(
            Segment("pod", 1, "pod"),
            Segment("node", 1, "node"),
            Segment("context", 1, "node"),
            Segment("context", 1, "pod"),
        ),
    )


@jit
def show_pods(
    i: Int,
    s: Int,
    first: Int,
    last: Int,
    vms: Array,
    kinds: Array,
    size: Array,
    place: Array,
    pod: Array,
    pod_mask: Array,
    on: Array,
) -> None:
    """Write the rows of the pods ``first`` … ``last`` - 1, but for their shares of nodes."""
    for v in range(first, last):
        f, host = vms[s, KIND, v], place[i, AT, v]
        pod[i, v, 0] = min(kinds[s, CORES, f] / size[s, LARGEST], TOP)
        pod[i, v, 1] = min(kinds[s, MEMORY, f] / size[s, LARGEST_MEM], TOP)
        pod[i, v, 2] = vms[s, TIER, v] / max(1, size[s, TIERS] - 1)
        pod[i, v, 3] = host == NOWHERE
        pod[i, v, 4] = host != vms[s, HOST, v]
        pod_mask[i, v], on[i, v] = 1, host


@jit
def show_shares(i: Int, s: Int, vms: Array, size: Array, count: Array, pod: Array) -> None:
    """Write every pod's share of nodes with room for its like."""
    for v in range(size[s, VMS]):
        pod[i, v, SHARE] = count[i, vms[s, KIND, v]] / size[s, HOSTS]


@jit
def show_node(i: Int, s: Int, p: Int, capacity: Array, size: Array, free: Array, node: Array) -> None:
    """Write the row of node ``p``."""
    cpu, memory = free[i, CPU, p, 0], free[i, MEM, p, 0]
    node[i, p, 0] = cpu / size[s, LARGEST]
    node[i, p, 1] = memory / size[s, LARGEST_MEM]
    node[i, p, 2] = cpu / max(1, capacity[s, CPU, p, 0])
    node[i, p, 3] = memory / max(1, capacity[s, MEM, p, 0])


@jit
def show_budget(i: Int, s: Int, size: Array, totals: Array, free: Array, context: Array) -> None:
    """Write the context."""
    limit, cpu = size[s, LIMIT], np.int64(0)
    for p in range(size[s, HOSTS]):
        cpu += free[i, CPU, p, 0]
    context[i, 0] = totals[i, USED] / limit if limit > 0 else 1.0
    context[i, 1] = min(limit - totals[i, USED], MANY)
    context[i, 2], context[i, 3] = min(size[s, VMS], MANY), min(size[s, HOSTS], MANY)
    context[i, 4], context[i, 5] = totals[i, PENDING] / size[s, VMS], cpu / size[s, SUM]


@jit
def show_targets(
    i: Int,
    s: Int,
    v: Int,
    vms: Array,
    members: Array,
    size: Array,
    place: Array,
    fits: Array,
    held: Array,
    legal: Array,
    mask: Array,
) -> None:
    """Write which nodes the chosen pod may go to, and whether it may be evicted."""
    f, host, at = vms[s, KIND, v], place[i, AT, v], legal.shape[1]
    for p in range(size[s, HOSTS]):
        mask[i, at + p] = p != host and fits[i, f, p] != 0 and not held_by(i, s, v, p, vms, members, held)
    mask[i, mask.shape[1] - 2] = host != NOWHERE
