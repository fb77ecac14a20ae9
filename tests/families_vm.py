"""The cases of VM rescheduling and pod packing for the shared tests, and small clusters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from family_case import FamilyCase, Options
from ganttlet.core.graph import GraphSpec
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.layout import CHOSEN, CPU, LENGTH, PHASE, USED
from ganttlet.vm_rescheduling.presets import PRESETS
from ganttlet.vm_rescheduling.solution import Plan
from reference.pod_packing import EVICT, ReferencePods
from reference.vm_rescheduling import STOP, ReferenceRescheduling


class _ClusterOracle(ABC):
    """A slow simulator in a space padded with VMs and hosts that do not exist."""

    def __init__(self, play: Any, instance: Cluster, graph: GraphSpec) -> None:
        self.play, self.instance = play, instance
        self.n_vms, self.n_hosts = (node.count for node in graph.nodes)

    @abstractmethod
    def action(self, decision: tuple[Any, ...]) -> int:
        """Number of a decision in the padded space."""

    def numbered(self) -> dict[int, tuple[Any, ...]]:
        """Legal actions and what they mean."""
        return {self.action(decision): decision for decision in self.play.legal()}

    def mask(self) -> list[int]:
        legal, every = self.numbered(), range(self.action(STOP) + 1)
        return [1 if self.play.done or action in legal else 0 for action in every]

    def step(self, action: int) -> tuple[float, bool, bool]:
        result: tuple[float, bool, bool] = self.play.step(self.numbered().get(action))
        return result

    def objectives(self) -> Mapping[str, float]:
        values: Mapping[str, float] = self.play.objectives()
        return values

    def solution(self) -> Plan:
        return Plan(self.play.plan, self.instance.digest)

    def extras(self) -> Mapping[str, Any]:
        chosen = self.play.chosen
        return {"phase": int(chosen is not None), "chosen": -1 if chosen is None else chosen}


class VMOracle(_ClusterOracle):
    """ReferenceRescheduling in a padded space."""

    def __init__(self, options: Options, instance: Cluster, graph: GraphSpec) -> None:
        taken = ("objective", "reward", "masking", "merge", "illegal_penalty", "infeasible_penalty", "ending")
        given = {key: value for key, value in vm_options(options).items() if key in taken}
        super().__init__(ReferenceRescheduling(instance, **given), instance, graph)

    def action(self, decision: tuple[Any, ...]) -> int:
        if decision == STOP:
            return self.n_vms + 2 * self.n_hosts
        what, number, *flip = decision
        return number if what == "vm" else self.n_vms + 2 * number + flip[0]

    def solution(self) -> Plan:
        return Plan(self.play.kept, self.instance.digest)

    def extras(self) -> Mapping[str, Any]:
        play = self.play
        counts = {"used": play.used, "moves": len(play.plan), "free": sum(play.free_cores())}
        return {**super().extras(), **counts, "at": [list(place) for place in play.at]}


class PodOracle(_ClusterOracle):
    """ReferencePods in a padded space."""

    def __init__(self, options: Options, instance: Cluster, graph: GraphSpec) -> None:
        given = {key: options[key] for key in ("reward", "illegal_penalty") if key in options}
        super().__init__(ReferencePods(instance, **given), instance, graph)

    def action(self, decision: tuple[Any, ...]) -> int:
        if decision in (STOP, EVICT):
            return self.n_vms + self.n_hosts + (decision == STOP)
        return decision[1] if decision[0] == "pod" else self.n_vms + decision[1]

    def extras(self) -> Mapping[str, Any]:
        play = self.play
        counts = {"used": play.counted, "moves": len(play.plan), "free": sum(play.free(host)[0] for host in play.hosts)}
        return {**super().extras(), **counts, "at": [[host, min(host, 0)] for host in play.at]}


def cluster_extras(batch: Any, row: int) -> Mapping[str, Any]:
    """What the oracles' extras are compared with."""
    state, n = batch._state, batch.instance(row).n_vms
    phase, chosen, length, used = (int(state.totals[row, column]) for column in (PHASE, CHOSEN, LENGTH, USED))
    return {
        "phase": phase,
        "chosen": chosen,
        "used": used,
        "moves": length,
        "free": int(state.free[row, CPU].sum()),
        "at": state.place[row, :, :n].T.tolist(),
    }


def vm_options(options: Options) -> dict[str, Any]:
    """Fill in the preset."""
    return {**PRESETS.get(options.get("preset", ""), {}), **options}


def vm_return(
    options: Options, instance: Cluster, first: Mapping[str, float], final: Mapping[str, float]
) -> float | None:
    """The maps that the environment documents; infeasible moves, which no objective shows, break them."""
    chosen = vm_options(options)
    if chosen.get("masking") == "penalty":
        return None
    objective = chosen.get("objective", "fr16")
    gained = first[objective] - final[objective]
    if chosen.get("reward") != "vmr2l":
        return gained
    return gained * int(instance.usage().cpu.sum()) / 128


def cluster(hosts: Sequence[Any], vms: Sequence[Any], **facts: Any) -> dict[str, Any]:
    """Return a cluster as plain data: hosts are (cpu, mem) per NUMA node, VMs (cores, memory, host, NUMA node)."""
    cpu, mem = zip(*hosts, strict=True)
    cores, memory, host, numa = zip(*vms, strict=True)
    split = [int(node == 2) for node in numa]
    return Cluster("by-hand", cpu, mem, cores, memory, split, host, numa, **facts).to_dict()


def pods(nodes: Sequence[Any], running: Sequence[Any], **facts: Any) -> dict[str, Any]:
    """Return a pod-packing problem as plain data: nodes are (cpu, mem), pods (cpu, memory, node or -1, priority)."""
    cpu, memory, node, priority = zip(*running, strict=True)
    return Cluster(
        "by-hand",
        [[one] for one, _ in nodes],
        [[one] for _, one in nodes],
        cpu,
        memory,
        [0] * len(cpu),
        node,
        [min(one, 0) for one in node],
        priority=priority,
        **facts,
    ).to_dict()


# Unlike hosts, one of them empty; split VMs, equal VMs, a VM in two groups.
UNLIKE = cluster(
    [((16, 12), (40, 30)), ((8, 8), (20, 20)), ((20, 20), (64, 64))],
    [(4, 6, 1, 0), (4, 6, 1, 0), (4, 8, 0, 1), (8, 10, 1, 1), (8, 8, 0, 2), (4, 6, 0, 0), (4, 6, 0, 0), (2, 9, 0, 1)],
    limit=4,
    block=8,
    memory_block=16,
    mix=0.3,
    goal=0.1,
    groups=[(0, 0), (0, 2), (1, 0), (1, 4)],
)
ALIKE = cluster(
    [((16, 16), (32, 32))] * 4,
    [(6, 6, 1, 0), (6, 6, 1, 0), (6, 6, 2, 1), (4, 2, 3, 2), (10, 3, 0, 0), (4, 2, 0, 2), (3, 1, 3, 1)],
    limit=5,
    block=8,
    memory_block=8,
    goal=0.2,
    groups=[(0, 4), (0, 6)],
)
LONE = cluster([((4, 4), (9, 9)), ((3, 0), (9, 9))], [(3, 1, 1, 0), (2, 9, 0, 1)], limit=3, block=4, goal=0.25)
ROOM = {
    "max_hosts": 6,
    "max_vms": 14,
    "max_moves": 6,
    "max_kinds": 9,
    "max_groups": 3,
    "max_members": 8,
}

CROWDED = pods(
    [(10, 10), (8, 12), (6, 6)],
    [(4, 3, 1, 1), (5, 5, 0, 0), (6, 6, -1, 2), (3, 3, 0, 0), (3, 2, 2, 1), (6, 4, -1, 0), (4, 4, 1, 2)],
    limit=4,
    groups=[(0, 0), (0, 2), (1, 3), (1, 5)],
)
FREE = pods(
    [(10, 10), (9, 9)],
    [(5, 1, 1, 7), (5, 5, 0, 0), (3, 3, -1, 7), (4, 4, -1, 3), (2, 2, -1, 3)],
    limit=2,
    count_placements=False,
)
FEW = pods([(4, 4), (4, 4)], [(2, 2, 1, 5), (4, 4, -1, 5)], limit=3)

TOY = {
    "name": "toy",
    "hosts": [3, 4],
    "vms": [5, 8],
    "mnl": [3, 5],
    "kinds": [2, 4],
    "groups": [0, 2],
    "group_size": 3,
    "block": [3, 8],
    "goal": 0.15,
    "mix": 0.3,
}
REPLICAS = {
    "name": "pods",
    "nodes": [2, 4],
    "pods_per_node": 2,
    "priorities": [1, 3],
    "util": [0.9, 1.05],
    "mnl": [2, 5],
    "only_failing": False,
}

VM_RESCHEDULING = FamilyCase(
    label="vm_rescheduling",
    family="vm_rescheduling",
    env_id="ganttlet/VMRescheduling-v0",
    variants={
        "fr16": {"generator": TOY, **ROOM},
        "gains": {"generator": TOY, **ROOM, "observation": "gains", "reward": "terminal", "illegal_penalty": 2.5},
        "mixed": {"generator": TOY, **ROOM, "objective": "mixed", "observation": "gains", "gamma": 0.9},
        "goal": {"generator": TOY, **ROOM, "objective": "goal", "max_hosts": 8, "max_vms": 17},
        "goal_terminal": {"generator": TOY, **ROOM, "objective": "goal", "reward": "terminal", "merge": True},
        "vmr2l": {"generator": TOY, **ROOM, "preset": "vmr2l", "merge": True, "observation": "gains"},
        "penalty": {"generator": TOY, **ROOM, "preset": "vmr2l_penalty", "infeasible_penalty": 2.5},
        "penalty_mixed": {
            "generator": TOY,
            **ROOM,
            "masking": "penalty",
            "objective": "mixed",
            "reward": "terminal",
            "observation": "gains",
            "merge": True,
        },
        "cut": {"generator": TOY, **ROOM, "ending": "cut", "observation": "gains", "merge": True},
        "cut_mixed": {"generator": TOY, **ROOM, "ending": "cut", "objective": "mixed", "reward": "terminal"},
        "groups": {"instance": UNLIKE, **ROOM, "observation": "gains", "merge": True},
        "listed": {"instances": [UNLIKE, ALIKE, LONE], "objective": "mixed"},
        "pooled": {"generator": TOY, **ROOM, "pool_size": 3, "pool_seed": 7, "merge": True},
    },
    indexed=None,
    longest="listed",
    oracle=VMOracle,
    extras=cluster_extras,
    expected_return=vm_return,
    instances=(ALIKE, UNLIKE, LONE),
    too_large=cluster([((4, 4), (4, 4))] * 9, [(1, 1, 0, 0)], goal=0.5),
    telling="cores",
    seeded=(
        "fr16",
        "gains",
        "mixed",
        "goal",
        "goal_terminal",
        "vmr2l",
        "penalty",
        "penalty_mixed",
        "cut",
        "cut_mixed",
        "listed",
        "pooled",
    ),
    partial=True,
)

POD_ROOM = {**ROOM, "max_moves": 18}
POD_PACKING = FamilyCase(
    label="pod_packing",
    family="vm_rescheduling",
    env_id="ganttlet/PodPacking-v0",
    variants={
        "counted": {"generator": REPLICAS, **POD_ROOM},
        "free": {"generator": {**REPLICAS, "count_placements": False, "mnl": [1, 3]}, **POD_ROOM, "gamma": 0.9},
        "terminal": {"generator": REPLICAS, **POD_ROOM, "reward": "terminal", "illegal_penalty": 2.5},
        "groups": {"instance": CROWDED, **POD_ROOM},
        "listed": {"instances": [CROWDED, FREE, FEW]},
        "pooled": {"generator": REPLICAS, **POD_ROOM, "pool_size": 3, "pool_seed": 7},
    },
    indexed=None,
    longest="listed",
    oracle=PodOracle,
    extras=cluster_extras,
    expected_return=lambda options, instance, first, final: first["unplaced"] - final["unplaced"],
    instances=(CROWDED, FREE, FEW),
    too_large=pods([(4, 4)] * 9, [(1, 1, 0, 0)]),
    telling="cores",
    seeded=("counted", "free", "terminal", "listed", "pooled"),
    partial=True,
)
