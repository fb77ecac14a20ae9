"""What moves would gain, as features: by fragments φ(f) = f mod X and by the potential ψ, in blocks of X cores."""

from __future__ import annotations

import numpy as np

from ganttlet.core.graph import Feature
from ganttlet.core.jit import jit
from ganttlet.vm_rescheduling.layout import (
    AT,
    BLOCK,
    BOTH,
    CORES,
    CPU,
    HOSTS,
    KIND,
    KINDS,
    NODE,
    NOWHERE,
    SPLIT,
    VMS,
    Array,
    Int,
)

EPSILON = 0.6
VM_GAINS = (
    Feature("leave", -2, 2, "fragments (φ) that leaving its place removes, in blocks"),
    Feature("leave_potential", -2, 2, "the same by the potential ψ"),
    Feature("enter", -2, 2, "most fragments that entering another host removes, in blocks; 0 if it fits nowhere else"),
    Feature("enter_potential", -2, 2, "the same by the potential ψ"),
    Feature("hosts", 0, 1, "share of hosts, other than its own, where its kind fits"),
)
PM_GAINS = tuple(
    Feature(f"{name}_{flip}", low, high, about + (" with the flip bit" if flip else ""))
    for flip in (0, 1)
    for name, low, high, about in (
        ("fits", 0, 1, "1 if the chosen VM may move here"),
        ("gain", -2, 2, "fragments (φ) that its whole move removes, in blocks"),
        ("gain_potential", -2, 2, "the same by the potential ψ"),
    )
)
N_GAINS = len(VM_GAINS)


@jit
def gain_of(had: Int, change: Int, block: Int, potential: bool) -> float:
    """Return what a change of the free cores takes off the cost of a NUMA node, in blocks of ``block`` cores.

    Args:
        had: free cores mod block before.
        change: cores given back, or taken (negative), of less than a block.
        block: X.
        potential: by ψ = φ - EPSILON X (φ / X)³ instead of φ.
    """
    left = had + change
    if left < 0:
        left += block
    elif left >= block:
        left -= block
    before, after = float(had / block), float(left / block)
    gain = before - after
    return gain - EPSILON * (before * before * before - after * after * after) if potential else gain


@jit
def gain_at(i: Int, p: Int, node: Int, change: Int, block: Int, potential: bool, free: Array) -> float:
    """Return :func:`gain_of` for ``node`` of host ``p``, or for both its nodes together."""
    total = 0.0
    for k in range(2):
        if node in (k, BOTH):
            total += gain_of(free[i, CPU, p, k] % block, change, block, potential)
    return total


@jit
def best_entries(i: Int, s: Int, kinds: Array, size: Array, rest: Array, fits: Array, scratch: Array) -> None:
    """Write into ``scratch`` (F, 2, 3) what entering a host gains, per kind, by φ and ψ: the most, that host, the most
    elsewhere.

    A host without room has gain -inf. ``rest`` (P, 2) holds free cores mod X.
    """
    block = size[s, BLOCK]
    for f in range(size[s, KINDS]):
        less, split = -(kinds[s, CORES, f] % block), kinds[s, SPLIT, f] == 1
        for by in range(2):
            top, where, second = -np.inf, -1, -np.inf
            for p in range(size[s, HOSTS]):
                bits = fits[i, f, p]
                if bits == 0:
                    continue
                gain = 0.0 if split else -np.inf
                for k in range(2):
                    if split:
                        gain += gain_of(rest[p, k], less, block, by == 1)
                    elif bits & (1 << k) != 0:
                        gain = max(gain, gain_of(rest[p, k], less, block, by == 1))
                if gain > top:
                    top, where, second = gain, p, top
                elif gain > second:
                    second = gain
            scratch[f, by, 0], scratch[f, by, 1], scratch[f, by, 2] = top, where, second


@jit
def show_vm_gains(
    i: Int,
    s: Int,
    at: Int,
    merge: bool,
    vms: Array,
    kinds: Array,
    size: Array,
    free: Array,
    place: Array,
    fits: Array,
    count: Array,
    copies: Array,
    vm: Array,
    scratch: Array,
) -> None:
    """Write the columns VM_GAINS of every VM of row ``i`` from column ``at`` on."""
    block, n_hosts = np.int32(size[s, BLOCK]), size[s, HOSTS]
    rest = np.empty((n_hosts, 2), np.int32)
    for p in range(n_hosts):
        rest[p, 0], rest[p, 1] = free[i, CPU, p, 0] % block, free[i, CPU, p, 1] % block
    best_entries(i, s, kinds, size, rest, fits, scratch)
    for v in range(size[s, VMS]):
        if merge and copies[i, v] == 0:
            continue
        f, host, node = vms[s, KIND, v], place[i, AT, v], place[i, NODE, v]
        others, cores = count[i, f] - (fits[i, f, host] != 0), kinds[s, CORES, f] % block
        for by in range(2):
            gain = 0.0
            for k in range(2):
                if node in (k, BOTH):
                    gain += gain_of(rest[host, k], cores, block, by == 1)
            entry = scratch[f, by, 2] if scratch[f, by, 1] == host else scratch[f, by, 0]
            vm[i, v, at + by] = gain
            vm[i, v, at + 2 + by] = entry if others > 0 else 0.0
        vm[i, v, at + 4] = others / n_hosts


@jit
def show_pm_gains(
    i: Int, p: Int, node: Int, at: Int, cores: Int, block: Int, left: Array, free: Array, pm: Array
) -> None:
    """Write what the chosen VM gains on ``node`` of host ``p`` (NOWHERE: it cannot go there) from column ``at`` on.

    ``cores`` is what it takes on each of its NUMA nodes, mod X; ``left`` (2,) what leaving its place gains, by φ and ψ.
    """
    pm[i, p, at], pm[i, p, at + 1], pm[i, p, at + 2] = 0.0, 0.0, 0.0
    if node != NOWHERE:
        pm[i, p, at] = 1.0
        pm[i, p, at + 1] = left[0] + gain_at(i, p, node, -cores, block, False, free)
        pm[i, p, at + 2] = left[1] + gain_at(i, p, node, -cores, block, True, free)
