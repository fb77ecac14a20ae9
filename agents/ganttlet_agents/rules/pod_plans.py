"""Pods on nodes as moves are played, and the order in which a wished placement can be carried out."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ganttlet.core.errors import InputError
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.solution import Plan, values_of
from ganttlet.vm_rescheduling.usage import NOWHERE

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
STATES = 400  # states that one search for an order may look at


def pods_only(method: str, instance: Any) -> Cluster:
    """Return the instance; raises InputError, naming the method, unless it is one of pods."""
    if not isinstance(instance, Cluster) or not instance.is_pods:
        name = getattr(instance, "name", instance)
        raise InputError(f"{method}: instance {name} has no priorities; this method needs pods (field 'priority')")
    return instance


class Board:
    """A cluster of pods on which moves are played.

    Attributes:
        free: (P, 2) int64, free millicores and MB of each node.
        size: (V, 2) int64, millicores and MB of each pod.
        host: (V,) int64, node of each pod, -1 while pending.
        moves: the moves so far, rows (pod, node, NUMA node).
        left: counted moves that the limit still allows.
    """

    def __init__(self, instance: Cluster) -> None:
        self.instance = instance
        self.usage = instance.usage()
        self.room = np.stack([instance.cpu[:, 0], instance.mem[:, 0]], axis=1).astype(np.int64)
        self.free = np.stack([self.usage.cpu[:, 0], self.usage.mem[:, 0]], axis=1)
        self.size = np.stack([instance.cores, instance.memory], axis=1).astype(np.int64)
        self.host = instance.host.astype(np.int64)
        self.mates = group_mates(instance)
        self.moves: list[tuple[int, int, int]] = []
        self.left = instance.limit

    def cost(self, pod: int) -> int:
        """Return what the next move of ``pod`` counts."""
        return int(self.host[pod] != NOWHERE or self.instance.count_placements)

    def fits(self, pod: int) -> Flags:
        """Return (P,), the nodes other than its own that can take ``pod`` now; none if the limit is reached."""
        if self.cost(pod) > self.left:
            return np.zeros(len(self.free), np.bool_)
        fits: Flags = (self.free >= self.size[pod]).all(axis=1)
        for other in (pod, *self.mates.get(pod, ())):
            if self.host[other] != NOWHERE:
                fits[self.host[other]] = False
        return fits

    def move(self, pod: int, node: int) -> None:
        """Move ``pod`` to a node that can take it, or evict it (-1)."""
        self.left -= self.cost(pod)
        if self.host[pod] != NOWHERE:
            self.free[self.host[pod]] += self.size[pod]
        if node != NOWHERE:
            self.free[node] -= self.size[pod]
        self.host[pod] = node
        self.moves.append((pod, node, NOWHERE if node == NOWHERE else 0))

    def unplaced(self) -> float:
        """Return objective ``unplaced`` of the present placement."""
        return unplaced(self.instance, self.host)

    def plan(self) -> Plan:
        """Return the moves so far."""
        return Plan(np.array(self.moves, np.int32).reshape(-1, 3), self.instance.digest)


def group_mates(instance: Cluster) -> dict[int, set[int]]:
    """Return pod -> the other pods that may not share its node."""
    members: dict[int, set[int]] = defaultdict(set)
    for group, pod in instance.groups.tolist():
        members[group].add(pod)
    mates: dict[int, set[int]] = defaultdict(set)
    for group, pod in instance.groups.tolist():
        mates[pod] |= members[group] - {pod}
    return dict(mates)


def unplaced(instance: Cluster, host: Ints) -> float:
    """Return objective ``unplaced`` of the placement ``host`` (V,)."""
    usage = instance.usage()
    usage.host = host
    return values_of(usage, 0)["unplaced"]


def carry_out(instance: Cluster, target: Ints) -> tuple[Board, bool]:
    """Play feasible moves, within the limit, that lead to the placement ``target`` or to a part of it.

    Args:
        instance: the problem.
        target: (V,) node of every pod in the end, -1 for pending; a placement that breaks no rule.

    Returns:
        The board after the moves, and whether it is ``target`` that was reached. If no order was found within the
        limit, pods that the target newly places are left pending, the least important first, and whatever need no
        longer move stays. A result that would be no better than the start is no move at all.
    """
    start, wished = instance.host.astype(np.int64), np.asarray(target, np.int64).copy()
    whole = True
    while True:
        if unplaced(instance, wished) >= unplaced(instance, start):
            return Board(instance), whole and bool((wished == start).all())
        board = _Order(instance, wished).find()
        if board is not None:
            return board, whole
        whole = False
        new = np.flatnonzero((start == NOWHERE) & (wished != NOWHERE))
        if len(new) == 0:
            return Board(instance), False
        # Of the least important the largest: it makes the most room.
        wished[new[np.lexsort((-shares(instance)[new], instance.tier[new]))[0]]] = NOWHERE
        wished = keep(instance, wished)


def shares(instance: Cluster) -> NDArray[np.float64]:
    """Return (V,) how large the pods are: cpu plus memory, as shares of the whole cluster's."""
    cpu, mem = max(1, int(instance.cpu.sum(dtype=np.int64))), max(1, int(instance.mem.sum(dtype=np.int64)))
    share: NDArray[np.float64] = instance.cores / cpu + instance.memory / mem
    return share


def keep(instance: Cluster, target: Ints) -> Ints:
    """Return the placement ``target`` with pods back where they ran if there is room for them, the important first."""
    start, host = instance.host.astype(np.int64), np.asarray(target, np.int64).copy()
    board = Board(instance)
    free, size = board.free, board.size
    placed, ran = host != NOWHERE, start != NOWHERE
    np.add.at(free, start[ran], size[ran])
    np.subtract.at(free, host[placed], size[placed])
    moved = np.flatnonzero(ran & (host != start))
    queue = moved[np.argsort(-instance.tier[moved], kind="stable")].tolist()
    changed = True
    while changed:
        changed = False
        for pod in list(queue):
            node = int(start[pod])
            if (size[pod] > free[node]).any() or any(host[mate] == node for mate in board.mates.get(pod, ())):
                continue
            if host[pod] != NOWHERE:
                free[host[pod]] += size[pod]
            free[node] -= size[pod]
            host[pod] = node
            queue.remove(pod)
            changed = True
    return host


class _Order:
    """Search for an order of the moves to a target.

    Evictions come first and placements last, where they are always feasible; in between, moves wait for one another. A
    move into a node that has room for all that still come to it can do no harm and is played at once. A cycle is broken
    by a detour, evicting a pod and placing it in the end: no other detour is cheaper.
    """

    def __init__(self, instance: Cluster, target: Ints) -> None:
        self.instance, self.target = instance, target
        start = instance.host
        runs, goes = start != NOWHERE, (target != NOWHERE) & (target != start)
        self.evicted = np.flatnonzero(runs & (target == NOWHERE)).tolist()
        self.movers = np.flatnonzero(runs & goes).tolist()
        self.placed = np.flatnonzero(~runs & goes).tolist()
        self.mates = group_mates(instance)
        self.fee = int(instance.count_placements)
        base = len(self.evicted) + len(self.movers) + self.fee * len(self.placed)
        self.spare = instance.limit - base

    def find(self) -> Board | None:
        """Return the board after the moves, or None if no order within the limit was found."""
        if self.spare < 0:
            return None
        most = len(self.movers) if self.fee == 0 else min(len(self.movers), self.spare)
        detours, last = 0, False
        while not last:
            last = detours >= most
            moves = self._search(most if last else detours)
            if moves is not None:
                board = Board(self.instance)
                for pod, node in moves:
                    board.move(pod, node)
                return board
            detours = max(1, 2 * detours)
        return None

    def _search(self, detours: int) -> list[tuple[int, int]] | None:
        board = Board(self.instance)
        for pod in self.evicted:
            board.move(pod, NOWHERE)
        self.size, self.free = board.size.tolist(), board.free.tolist()
        self.host, self.path = board.host.tolist(), [(pod, NOWHERE) for pod in self.evicted]
        self.failed: set[tuple[frozenset[int], frozenset[int]]] = set()
        self.looks = STATES
        if not self._visit(frozenset(self.movers), frozenset(), detours):
            return None
        out = {pod for pod, node in self.path[len(self.evicted) :] if node == NOWHERE}
        return [*self.path, *((pod, int(self.target[pod])) for pod in [*sorted(out), *self.placed])]

    def _visit(self, todo: frozenset[int], out: frozenset[int], detours: int) -> bool:
        begun = len(self.path)
        todo = self._play_safe(todo)
        if not todo:
            return True
        self.looks -= 1
        if self.looks >= 0 and (todo, out) not in self.failed:
            for pod in sorted(todo):
                if self._fits(pod):
                    self._move(pod, int(self.target[pod]))
                    if self._visit(todo - {pod}, out, detours):
                        return True
                    self._undo(len(self.path) - 1)
            for pod in self._worth_detour(todo) if detours else ():
                self._move(pod, NOWHERE)
                if self._visit(todo - {pod}, out | {pod}, detours - 1):
                    return True
                self._undo(len(self.path) - 1)
            self.failed.add((todo, out))
        self._undo(begun)
        return False

    def _play_safe(self, todo: frozenset[int]) -> frozenset[int]:
        left, played = set(todo), True
        while played:
            played = False
            coming: dict[int, list[int]] = defaultdict(lambda: [0, 0])
            for pod in left:
                need = coming[int(self.target[pod])]
                need[0] += self.size[pod][0]
                need[1] += self.size[pod][1]
            for pod in sorted(left):
                node = int(self.target[pod])
                room, need = self.free[node], coming[node]
                if need[0] <= room[0] and need[1] <= room[1] and self._fits(pod):
                    self._move(pod, node)
                    left.discard(pod)
                    need[0] -= self.size[pod][0]
                    need[1] -= self.size[pod][1]
                    played = True
        return frozenset(left)

    def _worth_detour(self, todo: frozenset[int]) -> list[int]:
        """Return the pods whose node others wait for, first those that let most of these in, then the largest."""
        waiting: dict[int, list[int]] = defaultdict(list)
        for pod in todo:
            waiting[int(self.target[pod])].append(pod)
        ranked = []
        for pod in todo:
            node = self.host[pod]
            if not waiting[node]:
                continue
            self._move(pod, NOWHERE)
            admits = sum(self._fits(other) for other in waiting[node])
            self._undo(len(self.path) - 1)
            ranked.append((-admits, -sum(self.size[pod]), pod))
        return [pod for _, _, pod in sorted(ranked)]

    def _fits(self, pod: int) -> bool:
        node = int(self.target[pod])
        room, need = self.free[node], self.size[pod]
        if need[0] > room[0] or need[1] > room[1]:
            return False
        return all(self.host[mate] != node for mate in self.mates.get(pod, ()))

    def _move(self, pod: int, node: int) -> None:
        self.path.append((pod, node))
        self._shift(pod, self.host[pod], 1)
        self._shift(pod, node, -1)
        self.host[pod] = node

    def _undo(self, length: int) -> None:
        """Take back the moves after the first ``length``: every mover was on its first node before."""
        while len(self.path) > length:
            pod, node = self.path.pop()
            first = int(self.instance.host[pod])
            self._shift(pod, node, 1)
            self._shift(pod, first, -1)
            self.host[pod] = first

    def _shift(self, pod: int, node: int, sign: int) -> None:
        if node != NOWHERE:
            self.free[node][0] += sign * self.size[pod][0]
            self.free[node][1] += sign * self.size[pod][1]
