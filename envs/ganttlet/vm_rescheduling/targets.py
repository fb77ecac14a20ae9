"""Where a VM may go, and on which NUMA node it would lie there."""

from __future__ import annotations

from ganttlet.core.jit import jit
from ganttlet.vm_rescheduling.layout import AT, BOTH, FIRST, GROUPS, KIND, NODE, NOWHERE, SPLIT, Array, Int


@jit
def held_by(i: Int, s: Int, v: Int, p: Int, vms: Array, members: Array, held: Array) -> bool:
    """Return whether host ``p`` holds a VM of a group of VM ``v``; on its own host, ``v`` itself."""
    first = vms[s, FIRST, v]
    found = False
    for m in range(first, first + vms[s, GROUPS, v]):
        found = found or held[i, members[s, m], p] > 0
    return found


@jit
def target(
    i: Int,
    s: Int,
    v: Int,
    host: Int,
    flip: Int,
    vms: Array,
    members: Array,
    kinds: Array,
    place: Array,
    fits: Array,
    held: Array,
) -> Int:
    """Return the NUMA node on which VM ``v`` would lie on ``host``, or NOWHERE if it cannot, or need not, go there."""
    f, own, node = vms[s, KIND, v], place[i, AT, v] == host, place[i, NODE, v]
    bits = fits[i, f, host]
    split = kinds[s, SPLIT, f] == 1
    if own:
        there = not split and flip == 1 and bits & (1 << (1 - node)) != 0
        return 1 - node if there else NOWHERE
    if bits == 0 or held_by(i, s, v, host, vms, members, held):
        return NOWHERE
    if split:
        return BOTH
    wanted = 1 - node if flip == 1 else node
    return wanted if bits & (1 << wanted) != 0 else 1 - wanted
