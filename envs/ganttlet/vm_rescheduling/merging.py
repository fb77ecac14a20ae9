"""Equal VMs as one: lists of each host's VMs, and which VM stands for those of its host, NUMA node and kind."""

from __future__ import annotations

from ganttlet.core.jit import jit
from ganttlet.vm_rescheduling.layout import AT, GROUPS, KIND, NEXT, NODE, NOWHERE, PREVIOUS, VMS, Array, Int


@jit
def insert(i: Int, v: Int, place: Array, head: Array, link: Array) -> None:
    """Put VM ``v`` at the head of its host's list."""
    host = place[i, AT, v]
    after = head[i, host]
    link[i, NEXT, v], link[i, PREVIOUS, v] = after, -1
    if after >= 0:
        link[i, PREVIOUS, after] = v
    head[i, host] = v


@jit
def regroup(
    i: Int, s: Int, host: Int, node: Int, kind: Int, vms: Array, place: Array, head: Array, link: Array, copies: Array
) -> None:
    """Let the lowest of the equal VMs on ``node`` of ``host`` stand for all of them."""
    first: Int = -1
    count, w = 0, head[i, host]
    while w >= 0:
        if vms[s, KIND, w] == kind and place[i, NODE, w] == node and vms[s, GROUPS, w] == 0:
            copies[i, w] = 0
            count += 1
            first = w if first < 0 else min(first, w)
        w = link[i, NEXT, w]
    if first >= 0:
        copies[i, first] = count


@jit
def link_all(i: Int, s: Int, vms: Array, size: Array, place: Array, head: Array, link: Array, copies: Array) -> None:
    """Build the lists and the copies of row ``i``."""
    head[i] = -1
    link[i] = -1
    copies[i] = 0
    for v in range(size[s, VMS]):
        copies[i, v] = 1
        if place[i, AT, v] != NOWHERE:
            insert(i, v, place, head, link)
    for v in range(size[s, VMS]):
        if place[i, AT, v] != NOWHERE and vms[s, GROUPS, v] == 0 and copies[i, v] == 1:
            regroup(i, s, place[i, AT, v], place[i, NODE, v], vms[s, KIND, v], vms, place, head, link, copies)


@jit
def part(i: Int, s: Int, v: Int, vms: Array, place: Array, head: Array, link: Array, copies: Array) -> None:
    """Take VM ``v`` off its host's list."""
    host = place[i, AT, v]
    before, after = link[i, PREVIOUS, v], link[i, NEXT, v]
    if before >= 0:
        link[i, NEXT, before] = after
    else:
        head[i, host] = after
    if after >= 0:
        link[i, PREVIOUS, after] = before
    if vms[s, GROUPS, v] == 0:
        regroup(i, s, host, place[i, NODE, v], vms[s, KIND, v], vms, place, head, link, copies)


@jit
def join(i: Int, s: Int, v: Int, vms: Array, place: Array, head: Array, link: Array, copies: Array) -> None:
    """Put VM ``v`` on the list of the host where it lies now."""
    insert(i, v, place, head, link)
    if vms[s, GROUPS, v] == 0:
        regroup(i, s, place[i, AT, v], place[i, NODE, v], vms[s, KIND, v], vms, place, head, link, copies)
