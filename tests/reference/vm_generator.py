"""Slow twins of the generators' kernels: plain Python on lists, exact scores."""

import bisect
from fractions import Fraction


def default_nodes(room, pods, priority, host, groups):
    """Return the node of each pod after the default scheduler: scores are exact fractions.

    Args:
        room: (cpu, mem) per node; pods: (cpu, mem) per pod; priority and host per pod; groups: pairs (group, pod).
    """
    host, free = list(host), [list(node) for node in room]
    for pod, node in enumerate(host):
        if node >= 0:
            free[node] = [have - need for have, need in zip(free[node], pods[pod], strict=True)]
    for pod in sorted(range(len(pods)), key=lambda pod: (-priority[pod], pod)):
        if host[pod] >= 0:
            continue
        own = {group for group, member in groups if member == pod}
        barred = {host[other] for group, other in groups if group in own and other != pod}
        scores = {}
        for node, (left, whole) in enumerate(zip(free, room, strict=True)):
            if node not in barred and all(have >= need for have, need in zip(left, pods[pod], strict=True)):
                parts = zip(left, pods[pod], whole, strict=True)
                used = [1 - Fraction(have - need, max(1, size)) for have, need, size in parts]
                # The mean free share, and 1 - the standard deviation of two numbers: half their distance.
                scores[node] = 1 - sum(used) / 2 + 1 - abs(used[0] - used[1]) / 2
        if scores:
            host[pod] = max(scores, key=lambda node: (scores[node], -node))
            free[host[pod]] = [have - need for have, need in zip(free[host[pod]], pods[pod], strict=True)]
    return host


def best_fit(free, vms, kinds, points, weights, cores, most):
    """Return the VMs (kind, host, NUMA node) after a refill.

    Args:
        free: [cpu0, cpu1, mem0, mem1] per host; vms: (kind, host, NUMA node) that are there; kinds: (cores, MB, split);
        points: numbers in 0 … 1, one per draw; weights: of the kinds, cumulative; cores: to be reserved; most: VMs.
    """
    free, vms, failed = [list(host) for host in free], list(vms), 0
    for point in points:
        if cores <= 0 or len(vms) >= most or failed == 8 * len(kinds):
            break
        kind = bisect.bisect_right(weights, point * weights[-1])
        size, memory, split = kinds[kind]
        places = []
        for host, left in enumerate(free):
            for numa in (2,) if split else (0, 1):
                nodes, share = ((0, 1), 2) if split else ((numa,), 1)
                if all(left[k] >= size // share and left[2 + k] >= memory // share for k in nodes):
                    places.append((sum(left[k] for k in nodes), host, numa))
        failed = 0 if places else failed + 1
        if places:
            _, host, numa = min(places)
            for k in (0, 1) if numa == 2 else (numa,):
                free[host][k] -= size // (2 if split else 1)
                free[host][2 + k] -= memory // (2 if split else 1)
            vms.append((kind, host, numa))
            cores -= size
    return vms
