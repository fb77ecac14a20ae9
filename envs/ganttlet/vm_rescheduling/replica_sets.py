"""Generator ``pods``: replica sets that the default scheduler has placed as far as it could.

The distribution is that of the experiments in arXiv 2511.08373, as its public code has it (scheduler-plugins of
henrikdchristensen): replica sets of 1 … 4 pods; cpu and memory of a set U{100 … 1000} millicores and MB, its priority
U{1 … R}; identical nodes that hold ⌈total / utilisation / nodes⌉ of each, at least as much as the largest pod needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.jit import jit
from ganttlet.core.rng import key_of, randint
from ganttlet.vm_rescheduling.instance import EXACT, NOWHERE, Cluster
from ganttlet.vm_rescheduling.sampling import Generator, pick
from ganttlet.vm_rescheduling.scheduler import NEAR, place_pending

REPLICAS, SIZE = 4, (100, 1000)
TRIES = 2000
_NODES, _PODS, _PRIORITIES, _UTIL, _MNL = range(5)
_SET, _TRY = 1, 2  # streams


@jit
def draw_sets(key: Any, priorities: Any, size: Any, priority: Any) -> None:
    """Draw replica sets until every row of ``size`` (V, 2) and ``priority`` (V,) is written; the last may be cut."""
    pod, number = 0, 0
    while pod < size.shape[0]:
        stream = key_of(key, _SET, number)
        cpu, mem = randint(stream, 1, SIZE[0], SIZE[1]), randint(stream, 2, SIZE[0], SIZE[1])
        rank = randint(stream, 3, 1, priorities)
        for _ in range(randint(stream, 0, 1, REPLICAS)):
            if pod < size.shape[0]:
                size[pod, 0], size[pod, 1], priority[pod] = cpu, mem, rank
                pod += 1
        number += 1


@jit
def draw_problem(
    key: Any, priorities: Any, util: Any, tries: Any, room: Any, size: Any, priority: Any, host: Any
) -> int:
    """Draw nodes and pods and place them, again and again until a pod is left pending or ``tries`` are used up.

    Args:
        key: the stream.
        priorities: R.
        util: utilisation in thousandths.
        tries: at most so many draws.
        room: (P, 2) int64, capacity of each node, written.
        size, priority, host: (V, 2), (V,), (V,) int64, written.

    Returns:
        How many pods the default scheduler leaves pending in the last draw.
    """
    n_nodes, n_pods = room.shape[0], size.shape[0]
    first, group, held = np.zeros(n_pods + 1, np.int64), np.zeros(0, np.int64), np.zeros((0, n_nodes), np.int64)
    free, pending = np.zeros((n_nodes, 2), np.int64), 0
    for number in range(tries):
        draw_sets(key_of(key, _TRY, number), priorities, size, priority)
        for resource in range(2):
            total, largest = 0, 0
            for pod in range(n_pods):
                total += size[pod, resource]
                largest = max(largest, size[pod, resource])
            each = -((-1000 * total) // (util * n_nodes))  # rounded up
            for node in range(n_nodes):
                room[node, resource] = free[node, resource] = max(each, largest)
        for pod in range(n_pods):
            host[pod] = -1
        place_pending(room, free, size, priority, first, group, held, host)
        pending = 0
        for pod in range(n_pods):
            pending += host[pod] < 0
        if pending > 0:
            break
    return pending


class ReplicaSetGenerator(Generator):
    """Pods on nodes; for the keys see :func:`ganttlet.vm_rescheduling.generator.make_generator`."""

    name = "pods"
    n_numa = 1
    is_pods = True
    keys = ("nodes", "pods_per_node", "priorities", "util", "mnl", "count_placements", "only_failing")

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._nodes, self._per_node = self.whole("nodes", 8, 1, 10_000), self.whole("pods_per_node", 4, 1, 1000)
        self._priorities = self.whole("priorities", 2, 1)
        util = self.real("util", 0.95, 0.01, 10)
        self._util = round(1000 * util[0]), round(1000 * util[1])
        if any(abs(1000 * one - whole) > NEAR for one, whole in zip(util, self._util, strict=True)):
            raise self.fail("util", "at most three decimals")
        self.settings["mnl"] = None
        self._limit = None if settings.get("mnl") is None else self.whole("mnl", None, 0)
        self._count = self.flag("count_placements", True)
        self.settings["only_failing"] = None
        self._only = None if settings.get("only_failing") is None else self.flag("only_failing", True)
        self.max_hosts = self._nodes[1]
        self.max_vms = self.max_kinds = self._nodes[1] * self._per_node[1]
        limit = self.max_vms if self._limit is None else self._limit[1]
        self.max_moves = max(1, limit if self._count else 2 * limit + self.max_vms)
        if (self.max_vms + 1) ** min(self._priorities[1], self.max_vms) >= EXACT:
            raise self.fail("priorities", f"fewer: (pods + 1) ** priorities < 2**53, and there are {self.max_vms} pods")

    def draw(self, key: Any, suffix: str) -> Cluster:
        """Return the instance of ``key``; raises InputError if the scheduler places all pods of every draw."""
        n_nodes = pick(key, _NODES, self._nodes)
        n_pods = n_nodes * pick(key, _PODS, self._per_node)
        util = pick(key, _UTIL, self._util)
        only = util < 1000 if self._only is None else self._only
        room = np.zeros((n_nodes, 2), np.int64)
        size, priority, host = np.zeros((n_pods, 2), np.int64), *np.zeros((2, n_pods), np.int64)
        priorities = pick(key, _PRIORITIES, self._priorities)
        pending = draw_problem(key, priorities, util, TRIES if only else 1, room, size, priority, host)
        if only and not pending:
            raise InputError(
                f"generator 'pods': in none of {TRIES} draws of {n_pods} pods on {n_nodes} nodes at util {util / 1000} "
                "does the default scheduler leave pods pending; raise 'util', or set 'only_failing' to false"
            )
        return Cluster(
            f"pods-{n_nodes}x{n_pods}-{suffix}",
            room[:, :1],
            room[:, 1:],
            size[:, 0],
            size[:, 1],
            np.zeros(n_pods, np.int8),
            host,
            np.where(host == NOWHERE, NOWHERE, 0),
            limit=n_pods if self._limit is None else pick(key, _MNL, self._limit),
            priority=priority,
            count_placements=self._count,
        )
