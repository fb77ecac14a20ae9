"""Equal hosts put together, and what one of them may change: what column generation works on."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ganttlet_agents.solvers.vm_rescheduling.aim import Aim
from ganttlet_agents.solvers.vm_rescheduling.counts import Change, Counts

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Column:
    """What one of the equal hosts ``host`` changes: ``net`` (2F + D,) as in :func:`price`; able: within memory."""

    host: int
    net: tuple[int, ...]
    moves: int
    score: int
    able: bool


class Hosts:
    """Hosts that hold equal VMs put together, in the arrays of :func:`price`.

    Attributes:
        single, split: the kinds of single and of split VMs.
        members: the hosts put together, each with whether its NUMA nodes are the other way round.
        state: (H, 2, 4) cores, free cores, MB and free MB of a NUMA node.
        free, held, held_split, size, size_split, total, total_split: as in :func:`price`, H hosts put together.
        width: units of cores of the largest NUMA node.
        relaxed: whether memory may bind and no table of free cores can tell; it is left out of prices then.
    """

    def __init__(self, counts: Counts, aim: Aim) -> None:
        instance, nodes = counts.instance, counts.instance.n_numa
        self.counts, self.aim = counts, aim
        self.single = [kind for kind, split in enumerate(counts.split) if not split]
        self.split = [kind for kind, split in enumerate(counts.split) if split]
        unit = math.gcd(*counts.cores)
        hosts = instance.n_hosts
        held = np.zeros((hosts, 2, len(counts.total)), np.int64)
        for (kind, place), vms in counts.at.items():
            held[place // nodes, place % nodes, kind] = len(vms)
        spare = ((0, 0), (0, 2 - nodes))
        # by host and NUMA node: what it has, and what it has free, in cores and MB
        state = np.stack(
            [
                np.pad(table.reshape(hosts, nodes), spare)
                for table in (instance.cpu, np.array(counts.cpu), instance.mem, np.array(counts.mem))
            ],
            axis=2,
        ).astype(np.int64)
        rows = np.concatenate([state, held[:, :, self.single]], axis=2)
        swap = np.array([tuple(first) > tuple(second) for first, second in rows.tolist()])
        rows[swap] = rows[swap, ::-1]
        state[swap] = state[swap, ::-1]
        keys = np.concatenate([rows.reshape(hosts, -1), held[:, 0, self.split]], axis=1)
        _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
        self.members: list[list[tuple[int, bool]]] = [[] for _ in first]
        for host, member in enumerate(inverse.reshape(-1).tolist()):
            self.members[member].append((host, bool(swap[host])))
        self.state = state[first]
        self.held = np.ascontiguousarray(rows[first][:, :, 4:])
        self.held_split = held[first][:, 0, self.split]
        sizes, totals = np.array(counts.cores, np.int64) // unit, np.array(counts.total, np.int64)
        self.size, self.size_split = sizes[self.single], sizes[self.split]
        self.total, self.total_split = totals[self.single], totals[self.split]
        self.free = self.state[:, :, 1] // unit
        self.width = int((self.state[:, :, 0] // unit).max())
        per_unit = {Fraction(memory * unit, cores) for cores, memory in zip(counts.cores, counts.memory, strict=True)}
        self.unit, self.per_unit = unit, per_unit.pop() if len(per_unit) == 1 else None
        self.relaxed = self.per_unit is None and self._memory_binds()

    def worth(self) -> Array:
        """Return the scores of a NUMA node by free units, as :func:`price` takes them."""
        aim, steps = self.aim, np.arange(self.width + 1) - self.free[:, :, None]
        room, cpu, _, mem = (self.state[:, :, at, None] for at in range(4))
        cpu = cpu + steps * self.unit
        worth = aim.cpu * (cpu // aim.block)
        able = cpu <= room
        if self.per_unit is not None:
            # A whole number: the unit is a sum of multiples of kinds' cores.
            mem = mem + steps * int(self.per_unit)
            worth += aim.mem * (mem // aim.memory_block)
            able &= mem >= 0
        return np.where(able, worth, -1)

    def column(self, host: int, net: Array) -> Column:
        """Return the column of (2F + D,) net changes of a host."""
        singles = len(self.single)
        cpu, mem = self.state[host, :, 1].copy(), self.state[host, :, 3].copy()
        by_node = np.concatenate([net[: 2 * singles].reshape(2, singles), np.tile(net[2 * singles :], (2, 1))], axis=1)
        kinds = self.single + self.split
        cpu -= by_node @ np.array(self.counts.cores)[kinds]
        mem -= by_node @ np.array(self.counts.memory)[kinds]
        score = self.aim.score(cpu.tolist(), mem.tolist())
        return Column(host, tuple(net.tolist()), int(-net[net < 0].sum()), score, bool(mem.min() >= 0))

    def change(self, chosen: list[tuple[Column, int]]) -> Change:
        """Return the change of columns, each chosen by that many of its hosts."""
        change: Change = defaultdict(int)
        singles, used = len(self.single), [0] * len(self.members)
        for column, count in chosen:
            at = used[column.host]
            used[column.host] += count
            for host, swapped in self.members[column.host][at : at + count]:
                for index, by in enumerate(column.net):
                    if not by:
                        continue
                    if index < 2 * singles:
                        node, kind = index // singles ^ swapped, self.single[index % singles]
                    else:
                        node, kind = 0, self.split[index - 2 * singles]
                    change[kind, host * self.counts.instance.n_numa + node] += by
        return change

    def _memory_binds(self) -> bool:
        """Return whether VMs that fit by their cores may need more memory than there is."""
        room, memory = self.state[:, :, 0], self.state[:, :, 2]
        needs = zip(self.counts.cores, self.counts.memory, strict=True)
        return any((mem * room > cores * memory).any() for cores, mem in needs)
