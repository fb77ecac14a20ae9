"""A slow pod-packing simulator in plain Python, and what PodPacking-v0 should show: the oracle of the fast kernel.

It keeps only where pods run, the plan and the number of counted moves, and derives the rest anew at each call. It reads
the fields of a Cluster and shares no code with the package.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from reference.vm_observation import Row, context_of, ones_at, pointers, rows_of, share

PENDING = -1
STOP = ("stop",)
EVICT = ("node", PENDING)
Decision = tuple[Any, ...]


class ReferencePods:
    """One episode; the constructor is the reset.

    Decisions are ("pod", v), ("node", host), ("node", -1) for an eviction, and ("stop",).

    Args:
        cluster: anything with the fields of a Cluster of pods.
        reward: ``dense`` or ``terminal``.
        illegal_penalty: subtracted at an illegal action.

    Attributes:
        at: node of every pod, -1 while it is pending.
        start: the same at the start.
        plan: (pod, node, NUMA node) of the moves made.
        counted: moves that count against the limit.
        chosen: the pod chosen, None in phase ``pod``.
    """

    def __init__(self, cluster: Any, reward: str = "dense", illegal_penalty: float = 1.0) -> None:
        self.reward, self.illegal_penalty = reward, illegal_penalty
        self.capacity = [(cpu[0], mem[0]) for cpu, mem in zip(cluster.cpu.tolist(), cluster.mem.tolist(), strict=True)]
        self.requests = list(zip(cluster.cores.tolist(), cluster.memory.tolist(), strict=True))
        self.priority: list[int] = cluster.priority.tolist()
        self.groups: list[tuple[int, int]] = [(group, pod) for group, pod in cluster.groups.tolist()]
        self.limit, self.count_placements = cluster.limit, cluster.count_placements
        self.start: list[int] = cluster.host.tolist()
        self.at = list(self.start)
        self.hosts, self.pods = range(len(self.capacity)), range(len(self.requests))
        self.plan: list[tuple[int, int, int]] = []
        self.counted, self.stopped = 0, False
        self.chosen: int | None = None
        self.first = self.value()

    def free(self, host: int) -> tuple[int, int]:
        """Free cpu and memory of a node."""
        here = [self.requests[pod] for pod in self.pods if self.at[pod] == host]
        cpu, memory = self.capacity[host]
        return cpu - sum(one for one, _ in here), memory - sum(one for _, one in here)

    def room(self, pod: int, host: int) -> bool:
        """Whether a node has room for a pod of these requests beside what it holds now."""
        return all(have >= need for have, need in zip(self.free(host), self.requests[pod], strict=True))

    def fits(self, pod: int, host: int) -> bool:
        """Whether a pod may go to a node."""
        mine = {group for group, member in self.groups if member == pod}
        rivals = [other for group, other in self.groups if group in mine and other != pod and self.at[other] == host]
        return self.at[pod] != host and not rivals and self.room(pod, host)

    @property
    def spent(self) -> bool:
        """Whether the counted moves are made."""
        return self.counted >= self.limit

    @property
    def done(self) -> bool:
        """Whether the episode is over: it may not be over before its first step."""
        return self.stopped or (self.count_placements and self.counted > 0 and self.spent)

    def legal(self) -> list[Decision]:
        """Every legal decision."""
        if self.done:
            return []
        if self.chosen is not None:
            nodes: list[Decision] = [("node", host) for host in self.hosts if self.fits(self.chosen, host)]
            return nodes if self.at[self.chosen] == PENDING else [*nodes, EVICT]
        found: list[Decision] = []
        for pod in self.pods:
            pending, somewhere = self.at[pod] == PENDING, any(self.fits(pod, host) for host in self.hosts)
            if self.spent:
                found += [("pod", pod)] if pending and somewhere and not self.count_placements else []
            else:
                found += [("pod", pod)] if not pending or somewhere else []
        return [*found, STOP]

    def step(self, decision: Decision | None) -> tuple[float, bool, bool]:
        """Reward, terminated and illegal; None stands for an action outside the space of decisions."""
        if self.done:
            return 0.0, True, False
        if decision not in self.legal():
            return -self.illegal_penalty, False, True
        assert decision is not None
        before = self.value()
        if decision == STOP:
            self.stopped = True
        elif decision[0] == "pod":
            self.chosen = decision[1]
        else:
            pod, self.chosen = self.chosen, None
            assert pod is not None
            self.counted += 1 if self.at[pod] != PENDING or self.count_placements else 0
            self.at[pod] = decision[1]
            self.plan.append((pod, decision[1], PENDING if decision == EVICT else 0))
        if self.reward == "terminal":
            return (self.first - self.value() if self.done else 0.0), self.done, False
        return before - self.value(), self.done, False

    def tier(self, pod: int) -> int:
        return sorted(set(self.priority)).index(self.priority[pod])

    def disruption(self) -> int:
        ran = [pod for pod in self.pods if self.start[pod] != PENDING]
        evicted = [pod for pod in ran if self.at[pod] == PENDING]
        elsewhere = [pod for pod in ran if self.at[pod] not in (PENDING, self.start[pod])]
        return len(evicted) + 2 * len(elsewhere)

    def value(self) -> float:
        """The objective if the episode ended now."""
        return self.objectives()["unplaced"]

    def objectives(self) -> dict[str, float]:
        n, pending = len(self.pods), [pod for pod in self.pods if self.at[pod] == PENDING]
        return {
            "unplaced": sum((n + 1) ** self.tier(pod) for pod in pending) + self.disruption() / (2 * n + 1),
            "pending": float(len(pending)),
            "disruption": float(self.disruption()),
            "moves": float(self.counted),
        }


def largest(play: ReferencePods, which: int) -> int:
    """Most cpu (0) or memory (1) that a node has; 1 if none has any, so that shares exist."""
    return max(1, *(capacity[which] for capacity in play.capacity))


def pod_row(play: ReferencePods, pod: int) -> Row:
    """The named features of one pod."""
    cpu, memory = (min(share(need, largest(play, which)), 1000) for which, need in enumerate(play.requests[pod]))
    return {
        "cpu": cpu,
        "memory": memory,
        "tier": share(play.tier(pod), len(set(play.priority)) - 1),
        "pending": int(play.at[pod] == PENDING),
        "moved": int(play.at[pod] != play.start[pod]),
        "nodes": share(sum(play.room(pod, host) for host in play.hosts), len(play.hosts)),
    }


def node_row(play: ReferencePods, host: int) -> Row:
    """The named features of one node."""
    (free_cpu, free_memory), (cpu, memory) = play.free(host), play.capacity[host]
    return {
        "free_cpu": share(free_cpu, largest(play, 0)),
        "free_memory": share(free_memory, largest(play, 1)),
        "free_cpu_share": share(free_cpu, cpu),
        "free_memory_share": share(free_memory, memory),
    }


def pod_blocks(play: ReferencePods, spec: Any) -> dict[str, np.ndarray]:
    """Every block of the observation but the action mask; ``spec`` gives the padded counts and the columns' order."""
    n_pods, n_hosts = spec.node("pod").count, spec.node("node").count
    context: Row = {
        "progress": share(play.counted, play.limit) if play.limit else 1,
        "moves_left": play.limit - play.counted,
        "pods": len(play.pods),
        "nodes": len(play.hosts),
        "pending": share(play.at.count(PENDING), len(play.pods)),
        "free": share(sum(play.free(host)[0] for host in play.hosts), sum(cpu for cpu, _ in play.capacity)),
    }
    return {
        "pod": rows_of(spec, "pod", {pod: pod_row(play, pod) for pod in play.pods}),
        "pod_mask": ones_at(n_pods, play.pods),
        "node": rows_of(spec, "node", {host: node_row(play, host) for host in play.hosts}),
        "node_mask": ones_at(n_hosts, play.hosts),
        "on_index": pointers(n_pods, {pod: play.at[pod] for pod in play.pods if play.at[pod] != PENDING}),
        "context": context_of(spec, context),
        "focus_pod": np.array([-1 if play.chosen is None else play.chosen]),
        "phase": np.array([int(play.chosen is not None)]),
    }
