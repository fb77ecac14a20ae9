"""The true optimum of tiny pod-packing problems: the cheapest way to every placement that single moves can reach.

It shares no code with the package. Placements are tuples of nodes, -1 for pending.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

Placement = tuple[int, ...]


class Pods:
    """A problem in plain lists: ``nodes`` and ``pods`` are pairs (cpu, memory), ``groups`` sets that stay apart."""

    def __init__(
        self,
        nodes: Sequence[tuple[int, int]],
        pods: Sequence[tuple[int, int]],
        priority: Sequence[int],
        start: Placement,
        *,
        limit: int,
        count_placements: bool = True,
        groups: Sequence[set[int]] = (),
    ) -> None:
        self.nodes, self.pods, self.priority, self.start = nodes, pods, priority, start
        self.limit, self.count_placements, self.groups = limit, count_placements, groups

    def fits(self, at: Placement, node: int) -> bool:
        inside = [pod for pod, where in enumerate(at) if where == node]
        if any(sum(self.pods[pod][r] for pod in inside) > self.nodes[node][r] for r in (0, 1)):
            return False
        return all(len(group.intersection(inside)) <= 1 for group in self.groups)

    def moves(self, at: Placement) -> Iterator[tuple[int, Placement]]:
        """Yield (what it counts, placement) of every single move."""
        for pod, here in enumerate(at):
            counts = int(here != -1 or self.count_placements)
            for node in range(-1, len(self.nodes)):
                then = (*at[:pod], node, *at[pod + 1 :])
                if node != here and (node == -1 or self.fits(then, node)):
                    yield counts, then

    def reachable(self) -> dict[Placement, int]:
        """Return placement -> the least counted moves that lead to it, for all within the limit."""
        least, queue = {self.start: 0}, [(0, self.start)]
        while queue:
            cost, at = heapq.heappop(queue)
            if cost > least[at]:
                continue
            for counts, then in self.moves(at):
                total = cost + counts
                if total <= self.limit and total < least.get(then, self.limit + 1):
                    least[then] = total
                    heapq.heappush(queue, (total, then))
        return least

    def value(self, at: Placement) -> tuple[tuple[int, ...], int]:
        """Return (pending pods by priority from the highest, disruption): less is better, in that order."""
        pending = tuple(
            sum(where == -1 for pod, where in enumerate(at) if self.priority[pod] == level)
            for level in sorted(set(self.priority), reverse=True)
        )
        pairs = [(a, b) for a, b in zip(self.start, at, strict=True) if a not in (-1, b)]
        return pending, sum(1 if b == -1 else 2 for _, b in pairs)

    def unplaced(self, at: Placement) -> float:
        """Return the objective, from its definition."""
        pending, disruption = self.value(at)
        n = len(self.pods)
        return sum(count * (n + 1) ** tier for tier, count in enumerate(reversed(pending))) + disruption / (2 * n + 1)

    def optimum(self) -> Placement:
        """Return a placement of least value."""
        return min(self.reachable(), key=self.value)
