"""The arrays of VM rescheduling: instances (Store) and episodes (State), and the names of their columns."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

Array = np.ndarray[Any, Any]
Int: TypeAlias = Any  # an integer scalar: Python's outside kernels, NumPy's inside

# First axis of what is free or reserved.
CPU, MEM = range(2)
# Store.vms: per VM its kind, host and NUMA node at the start, tier, first entry in members, and number of these.
KIND, HOST, NUMA, TIER, FIRST, GROUPS = range(6)
# Store.kinds: what a kind takes on each NUMA node that it lies on, and whether it lies on both.
CORES, MEMORY, SPLIT = range(3)
# Store.size: per instance. LARGEST and LARGEST_MEM are those of one host, all NUMA nodes together; SUM is of all hosts.
(
    HOSTS,
    VMS,
    KINDS,
    LIMIT,
    BLOCK,
    MEMORY_BLOCK,
    FRAGMENTS,
    TOTAL,
    PIECES,
    MEM_TOTAL,
    LARGEST,
    LARGEST_MEM,
    SUM,
    TIERS,
    FREE_PLACEMENTS,
    PENDING0,
    SCORE0,
) = range(17)
# State.place: where a VM lies now; -1 for a pending pod.
AT, NODE = range(2)
# State.totals: phase, chosen VM, rows of the plan, counted moves, what counts against the limit, free cores and MB that
# make no whole block; of pods the weight of the pending ones, their number, and the disruption; rows of the plan until
# the objective was least (all of them where plans are not cut).
PHASE, CHOSEN, LENGTH, MOVES, USED, CUT, MEM_CUT, SCORE, PENDING, DISRUPTION, KEPT = range(11)
# State.marks: the objective at the start and at KEPT.
START, LEAST = range(2)
# State.link: next and previous VM on a host; State.copies: VMs that a VM stands for, 0 if another stands for it.
NEXT, PREVIOUS = range(2)

BOTH, NOWHERE = 2, -1


class Store(NamedTuple):
    """Instances, slot axis first (S slots, P hosts, K NUMA nodes, V VMs, F kinds, G groups, M members).

    Fields:
        capacity, free: (S, 2, P, K) int32, cores (pods: millicores) and MB, at all and free at the start.
        vms: (S, 6, V) int32, columns KIND, HOST, NUMA, TIER, FIRST, GROUPS.
        kinds: (S, 3, F) int32, columns CORES, MEMORY, SPLIT.
        fits: (S, F, P) uint8, NUMA nodes that can take one of a kind at the start: bits 1 and 2; 1 for a split kind.
        n_fit: (S, F) int32, hosts with any.
        members: (S, M) int32, groups of each VM, one VM after the other.
        held: (S, G, P) uint8, VMs of a group on a host at the start.
        size: (S, 17) int64, columns HOSTS … SCORE0.
        weight: (S, V) int64, weights of pods in ``unplaced``.
        rates: (S, 2) float64, mix and goal (below 0 where there is none).
    """

    capacity: Array
    free: Array
    vms: Array
    kinds: Array
    fits: Array
    n_fit: Array
    members: Array
    held: Array
    size: Array
    weight: Array
    rates: Array


class State(NamedTuple):
    """Episodes, batch axis first (B rows, L moves).

    Fields:
        free: (B, 2, P, K) int32.
        place: (B, 2, V) int32, columns AT, NODE.
        fits, n_fit, held: as in Store, now.
        legal: (B, V) int8, VMs that may be chosen.
        totals: (B, 11) int64, columns PHASE … KEPT.
        marks: (B, 2) float64, columns START, LEAST.
        plan: (B, L, 3) int32, moves made: VM, host, NUMA node; -1 behind the last.
        head: (B, P) int32, first VM of a host's list, -1 if it is empty (merge only).
        link: (B, 2, V) int32, columns NEXT, PREVIOUS (merge only).
        copies: (B, V) int32 (merge only).
    """

    free: Array
    place: Array
    fits: Array
    n_fit: Array
    held: Array
    legal: Array
    totals: Array
    marks: Array
    plan: Array
    head: Array
    link: Array
    copies: Array


class Sizes(NamedTuple):
    """Padded sizes: hosts, VMs, moves, kinds, anti-affinity groups, pairs of group and VM."""

    hosts: int
    vms: int
    moves: int
    kinds: int
    groups: int
    members: int


def make_store(slots: int, sizes: Sizes, nodes: int) -> Store:
    """Return storage for ``slots`` instances of ``nodes`` NUMA nodes per host."""
    p, v, _, f, g, m = sizes
    return Store(
        np.zeros((slots, 2, p, nodes), np.int32),
        np.zeros((slots, 2, p, nodes), np.int32),
        np.zeros((slots, 6, v), np.int32),
        np.zeros((slots, 3, f), np.int32),
        np.zeros((slots, f, p), np.uint8),
        np.zeros((slots, f), np.int32),
        np.zeros((slots, m), np.int32),
        np.zeros((slots, g, p), np.uint8),
        np.zeros((slots, 17), np.int64),
        np.zeros((slots, v), np.int64),
        np.zeros((slots, 2)),
    )


def make_state(rows: int, sizes: Sizes, nodes: int, *, merge: bool) -> State:
    """Return the state of ``rows`` episodes; what only ``merge`` uses has length 1 without it."""
    p, v, length, f, g, _ = sizes
    return State(
        np.zeros((rows, 2, p, nodes), np.int32),
        np.full((rows, 2, v), NOWHERE, np.int32),
        np.zeros((rows, f, p), np.uint8),
        np.zeros((rows, f), np.int32),
        np.zeros((rows, g, p), np.uint8),
        np.zeros((rows, v), np.int8),
        np.zeros((rows, 11), np.int64),
        np.zeros((rows, 2)),
        np.full((rows, length, 3), -1, np.int32),
        np.full((rows, p if merge else 1), -1, np.int32),
        np.full((rows, 2, v if merge else 1), -1, np.int32),
        np.zeros((rows, v if merge else 1), np.int32),
    )
