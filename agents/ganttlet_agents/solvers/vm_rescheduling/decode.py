"""A change of counts turned into moves in an order in which each is feasible by itself."""

from __future__ import annotations

import random
from collections import defaultdict

from ganttlet_agents.solvers.vm_rescheduling.aim import Aim
from ganttlet_agents.solvers.vm_rescheduling.counts import Change, Counts, moves_of

ATTEMPTS = 30
Move = tuple[int, int, int]


def decode(counts: Counts, change: Change, aim: Aim, *, seed: int = 0) -> tuple[list[Move], int]:
    """Return moves (VM, host, NUMA node) that carry out a change as far as an order of them is found.

    VMs of a kind that leave places are paired freely with places where that kind is due, again and again whatever is
    feasible now; where nothing is, a VM steps aside to a third place if the limit has a move left for that. Attempts
    differ in how ties are broken. Moves that gain nothing are left out, and all behind the first that is best.

    Args:
        counts: the counts that ``change`` is about.
        change: no more than the limit leave their places by it.
        aim: what the moves are for.
        seed: of the ties.

    Returns:
        The moves, and how many of the change are missing from the best attempt: 0 if all was carried out.
    """
    draw = random.Random(seed)
    change = trim(counts, change, aim)
    best: _Attempt | None = None
    for _ in range(ATTEMPTS):
        attempt = _Attempt(counts, change, aim, draw)
        attempt.run()
        if best is None or (-attempt.missing, attempt.top) > (-best.missing, best.top):
            best = attempt
        if best.missing == 0:
            break
    assert best is not None
    return best.moves[: best.cut], best.missing


def trim(counts: Counts, change: Change, aim: Aim) -> Change:
    """Return a change without the pairs of leaving and entering that are worth nothing; the worst are undone first."""
    change = dict(change)
    cpu, mem = counts.free(change)
    grouped = {counts.kind[vm] for vm in counts.instance.groups[:, 1].tolist()}

    def gain(kind: int, place: int, sign: int) -> int | None:
        """Return what the score gains by one more of a kind at a place (sign -1: one fewer); None if it has no room."""
        total = 0
        for node in counts.nodes(kind, place):
            cores, memory = cpu[node] - sign * counts.cores[kind], mem[node] - sign * counts.memory[kind]
            if cores < 0 or memory < 0:
                return None
            total += aim.score([cores], [memory]) - aim.score([cpu[node]], [mem[node]])
        return total

    while True:
        best, pair = -1, None
        for (kind, place), by in change.items():
            back = gain(kind, place, 1) if by < 0 and kind not in grouped else None
            if back is None:
                continue
            for (other, to), count in change.items():
                # The two are never on one NUMA node, so what they gain adds up.
                if other == kind and count > 0 and back + (gain(kind, to, -1) or 0) > best:
                    best, pair = back + (gain(kind, to, -1) or 0), (kind, place, to)
        if pair is None:
            return {key: by for key, by in change.items() if by}
        kind, place, to = pair
        for at, sign in ((place, 1), (to, -1)):
            for node in counts.nodes(kind, at):
                cpu[node] -= sign * counts.cores[kind]
                mem[node] -= sign * counts.memory[kind]
            change[kind, at] += sign


class _Attempt:
    """One order of moves.

    Attributes:
        moves: the moves so far.
        missing: how many VMs have not left their place yet.
        top, cut: the highest score, and after how many moves it is reached first.
    """

    def __init__(self, counts: Counts, change: Change, aim: Aim, draw: random.Random) -> None:
        self.counts, self.aim, self.draw = counts, aim, draw
        self.cpu, self.mem = list(counts.cpu), list(counts.mem)
        self.lying = {key: list(vms) for key, vms in counts.at.items()}
        self.source: dict[int, dict[int, int]] = defaultdict(dict)
        self.due: dict[int, dict[int, int]] = defaultdict(dict)
        for (kind, place), by in change.items():
            (self.due if by > 0 else self.source)[kind][place] = abs(by)
        self.missing = moves_of(change)
        instance = counts.instance
        self.groups: dict[int, list[int]] = defaultdict(list)
        self.held: dict[tuple[int, int], int] = defaultdict(int)
        for group, vm in instance.groups.tolist():
            self.groups[vm].append(group)
            self.held[group, int(instance.host[vm])] += 1
        self.moves: list[Move] = []
        self.score = self.top = aim.score(self.cpu, self.mem)
        self.cut = 0

    def run(self) -> None:
        """Move until nothing is missing or nothing can be done."""
        limit = self.counts.instance.limit
        while self.missing and (self._advance() or (len(self.moves) + self.missing < limit and self._step_aside())):
            pass

    def _advance(self) -> bool:
        """Carry out a due move, best one that leaves a place where others are due; False if none is feasible."""
        wanted = {node for kind, places in self.due.items() for p in places for node in self.counts.nodes(kind, p)}
        found, best = None, -1.0
        for kind, places in self.due.items():
            ready = [place for place in places if self._fits(kind, place)]
            if not ready:
                continue
            for place in self.source[kind]:
                rank = self.draw.random() + any(node in wanted for node in self.counts.nodes(kind, place))
                if rank > best:
                    self.draw.shuffle(ready)
                    pair = next(((vm, to) for to in ready for vm in self._movable(kind, place, to)), None)
                    if pair is not None:
                        found, best = (kind, place, *pair), rank
        if found is None:
            return False
        kind, place, vm, to = found
        self._move(kind, place, vm, to)
        _less(self.source[kind], place)
        _less(self.due[kind], to)
        self.missing -= 1
        return True

    def _step_aside(self) -> bool:
        """Move a VM that must leave to a place where it fits for now; False if there is none."""
        pairs = [(kind, place) for kind, places in self.source.items() for place in places]
        self.draw.shuffle(pairs)
        for kind, place in pairs:
            aside = [to for to in self.counts.places(kind) if to not in self.source[kind] and self._fits(kind, to)]
            self.draw.shuffle(aside)
            for to in aside:
                vm = next(iter(self._movable(kind, place, to)), None)
                if vm is not None:
                    self._move(kind, place, vm, to)
                    _less(self.source[kind], place)
                    self.source[kind][to] = 1
                    return True
        return False

    def _fits(self, kind: int, place: int) -> bool:
        cores, memory = self.counts.cores[kind], self.counts.memory[kind]
        return all(self.cpu[node] >= cores and self.mem[node] >= memory for node in self.counts.nodes(kind, place))

    def _movable(self, kind: int, place: int, to: int) -> list[int]:
        """Return the VMs at a place that no anti-affinity group keeps from another, those of no group first."""
        host, there = (self.counts.spot(kind, at)[0] for at in (place, to))
        own = int(host == there)
        vms = self.lying[kind, place]
        if not self.groups:
            return vms[-1:]
        free = [vm for vm in vms if all(self.held[group, there] <= own for group in self.groups.get(vm, ()))]
        return sorted(free, key=lambda vm: vm in self.groups)

    def _move(self, kind: int, place: int, vm: int, to: int) -> None:
        self.lying[kind, place].remove(vm)
        self.lying.setdefault((kind, to), []).append(vm)
        for at, sign in ((place, 1), (to, -1)):
            for node in self.counts.nodes(kind, at):
                self.score -= self._worth(node)
                self.cpu[node] += sign * self.counts.cores[kind]
                self.mem[node] += sign * self.counts.memory[kind]
                self.score += self._worth(node)
            for group in self.groups.get(vm, ()):
                self.held[group, self.counts.spot(kind, at)[0]] -= sign
        self.moves.append((vm, *self.counts.spot(kind, to)))
        enough = self.aim.need is not None and self.top >= self.aim.need
        if self.score > self.top and not enough:
            self.top, self.cut = self.score, len(self.moves)

    def _worth(self, node: int) -> int:
        return self.aim.score(self.cpu[node : node + 1], self.mem[node : node + 1])


def _less(places: dict[int, int], place: int) -> None:
    """Take one away."""
    places[place] -= 1
    if not places[place]:
        del places[place]
