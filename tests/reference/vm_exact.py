"""The true optimum of tiny VM reschedulings: every placement that single feasible moves reach, with the fewest of them.

It reads the fields of a Cluster and shares no code with the package. A place is (host, NUMA node), node 2 for both.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from typing import Any

Placement = tuple[tuple[int, int], ...]


class Exact:
    """A cluster in plain lists, and all placements within its limit of moves."""

    def __init__(self, cluster: Any) -> None:
        self.room = [
            list(zip(*pair, strict=True)) for pair in zip(cluster.cpu.tolist(), cluster.mem.tolist(), strict=True)
        ]
        self.needs = list(zip(cluster.cores.tolist(), cluster.memory.tolist(), cluster.split.tolist(), strict=True))
        groups = {group for group, _ in cluster.groups.tolist()}
        self.groups = [{vm for other, vm in cluster.groups.tolist() if other == group} for group in groups]
        self.blocks = cluster.block, cluster.memory_block
        self.limit, self.mix, self.goal = cluster.limit, Fraction(cluster.mix), cluster.goal
        self.start: Placement = tuple(zip(cluster.host.tolist(), cluster.numa.tolist(), strict=True))
        self.moves = self._search()

    def free(self, at: Placement) -> list[list[list[int]]]:
        """Free [cores, MB] by host and NUMA node."""
        left = [[list(node) for node in host] for host in self.room]
        for (cores, memory, split), (host, numa) in zip(self.needs, at, strict=True):
            for node in (0, 1) if split else (numa,):
                left[host][node][0] -= cores // (1 + split)
                left[host][node][1] -= memory // (1 + split)
        return left

    def allowed(self, at: Placement) -> bool:
        if any(amount < 0 for host in self.free(at) for node in host for amount in node):
            return False
        hosts = [[at[vm][0] for vm in group] for group in self.groups]
        return all(len(set(group)) == len(group) for group in hosts)

    def steps(self, at: Placement) -> Iterator[Placement]:
        """All placements that one feasible move leads to."""
        for vm, (_, _, split) in enumerate(self.needs):
            for host in range(len(self.room)):
                for numa in (2,) if split else range(len(self.room[host])):
                    then = (*at[:vm], (host, numa), *at[vm + 1 :])
                    if then != at and self.allowed(then):
                        yield then

    def _search(self) -> dict[Placement, int]:
        found, ring = {self.start: 0}, [self.start]
        for count in range(1, self.limit + 1):
            ring = list({then for at in ring for then in self.steps(at) if then not in found})
            found.update(dict.fromkeys(ring, count))
        return found

    def rates(self, at: Placement) -> tuple[Fraction, Fraction, int]:
        """(FR, MF, whole blocks of cores)."""
        shares, amounts = [], [[node[kind] for host in self.free(at) for node in host] for kind in (0, 1)]
        for values, block in zip(amounts, self.blocks, strict=True):
            shares.append(Fraction(sum(value % block for value in values), sum(values) or 1))
        return shares[0], shares[1], sum(value // self.blocks[0] for value in amounts[0])

    def optimum(self, objective: str) -> float:
        """The best value of an objective, exact up to the last conversion to a float."""
        if objective == "n16":
            return float(max(self.rates(at)[2] for at in self.moves))
        values = []
        for at, count in self.moves.items():
            fragments, memory, _ = self.rates(at)
            if objective == "fr16":
                values.append(fragments)
            elif objective == "mixed":
                values.append(self.mix * fragments + (1 - self.mix) * memory)
            else:
                reached = float(fragments) <= self.goal + 1e-9
                values.append(Fraction(count) if reached else self.limit + 1 + fragments - Fraction(self.goal))
        return float(min(values))


def best_change(free, room, lying, others, sizes, pay, fee, weight, block):
    """Return the most that one host can earn, by trying every change of it; memory left out.

    Args:
        free, room: free cores and all cores of its two NUMA nodes.
        lying, others: by place (node 0, node 1, both) and kind, how many VMs lie there, and elsewhere.
        sizes: cores that each kind takes on each NUMA node that it lies on, by place.
        pay: what one that leaves earns and one that enters costs, by place and kind.
        fee: what each that leaves costs besides; weight: what a whole block earns.
    """
    keys = [(place, kind) for place in range(3) for kind in range(len(sizes[place]))]
    choices = [range(-lying[place][kind], others[place][kind] + 1) for place, kind in keys]
    best = None
    for change in product(*choices):
        left, earned = list(free), 0
        for (place, kind), by in zip(keys, change, strict=True):
            for node in ((0,), (1,), (0, 1))[place]:
                left[node] -= by * sizes[place][kind]
            earned -= by * pay[place][kind] + fee * max(0, -by)
        if all(0 <= cores <= most for cores, most in zip(left, room, strict=True)):
            earned += weight * sum(cores // block for cores in left)
            best = earned if best is None else max(best, earned)
    return best
