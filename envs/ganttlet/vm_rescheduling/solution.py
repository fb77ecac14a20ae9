"""Migration plans, and the validator that replays them move by move without knowing any environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.objective import Objective, ObjectiveSpec, Violation
from ganttlet.core.record import Solution, int_array
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.usage import NOWHERE, Usage

OBJECTIVES = {
    "fr16": ObjectiveSpec(
        "fr16",
        "min",
        "share",
        "fragment rate FR_X: Σ (free cores mod X) / Σ free cores over NUMA nodes, X = block (16)",
    ),
    "n16": ObjectiveSpec("n16", "max", "VMs", "VMs of X cores that still fit: Σ ⌊free cores / X⌋ over NUMA nodes"),
    "mixed": ObjectiveSpec(
        "mixed", "min", "share", "mix · FR_X + (1 - mix) · Σ (free MB mod memory block) / Σ free MB"
    ),
    "goal": ObjectiveSpec(
        "goal", "min", "moves", "moves of a plan that ends at FR_X ≤ goal; else limit + 1 + (FR_X - goal)"
    ),
    "moves": ObjectiveSpec("moves", "min", "moves", "moves that count against the limit"),
    "unplaced": ObjectiveSpec(
        "unplaced", "min", "weighted pods", "Σ (pods + 1)^tier over pending pods + disruption / (2 · pods + 1)"
    ),
    "pending": ObjectiveSpec("pending", "min", "pods", "pods that are on no node at the end"),
    "disruption": ObjectiveSpec(
        "disruption", "min", "points", "over pods that ran at the start: 1 if evicted, 2 if on another node"
    ),
}
SLACK = 1e-9  # a goal that is met up to rounding is met


@dataclass(frozen=True, eq=False)
class Plan(Solution):
    """An ordered migration plan.

    Fields:
        moves: (M, 3) int32, rows (VM, host, NUMA node) in the order in which they are carried out; NUMA node 2 for a
            split VM; host -1 and NUMA node -1 evict a pod.
        instance: digest of the instance it belongs to.
    """

    family: ClassVar[str] = "vm_rescheduling"
    unhashed: ClassVar[tuple[str, ...]] = ()

    moves: np.ndarray[Any, Any]
    instance: str

    def __post_init__(self) -> None:
        moves = np.zeros((0, 3), np.int32) if np.size(self.moves) == 0 else self.moves
        object.__setattr__(self, "moves", int_array("moves", moves, 2))
        if self.moves.shape[1] != 3:
            raise InputError(f"field 'moves': expected rows (VM, host, NUMA node), got shape {self.moves.shape}")


def validate(instance: Cluster, plan: Plan) -> Objective:
    """Judge ``plan`` by carrying it out on the instance's raw data, one move after the other.

    Returns:
        Objective with the values of every objective the instance defines, or with the first move that breaks a rule.

    Raises:
        InputError: if the plan belongs to another instance.
    """
    if plan.instance != instance.digest:
        raise InputError(f"plan belongs to instance {plan.instance}, not to {instance.name} ({instance.digest})")
    usage = instance.usage()
    counted = 0
    for at, (vm, host, numa) in enumerate(plan.moves.tolist()):
        broken = usage.complaint(vm, host, numa)
        if broken is not None:
            return Objective(violations=(Violation(broken[0], f"move {at}: {broken[1]}"),))
        counted += int(usage.host[vm] != NOWHERE or instance.count_placements)
        if counted > instance.limit:
            return Objective(violations=(Violation("limit", f"move {at} is one more than the limit {instance.limit}"),))
        usage.move(vm, host, numa)
    return Objective(values=values_of(usage, counted))


def values_of(usage: Usage, moves: int) -> dict[str, float]:
    """Return the objectives of a state that ``moves`` counted moves have led to."""
    instance = usage.instance
    if instance.is_pods:
        pending = usage.host == NOWHERE
        ran = instance.host != NOWHERE
        disruption = int((ran & pending).sum() + 2 * (ran & ~pending & (usage.host != instance.host)).sum())
        weighted = int(instance.weight[pending].sum())
        return {
            "unplaced": weighted + disruption / (2 * instance.n_vms + 1),
            "pending": float(pending.sum()),
            "disruption": float(disruption),
            "moves": float(moves),
        }
    total, fragments = int(usage.cpu.sum()), int((usage.cpu % instance.block).sum())
    rate = fragments / total if total else 0.0
    memory, pieces = int(usage.mem.sum()), int((usage.mem % instance.memory_block).sum())
    values = {
        "fr16": rate,
        "n16": float((usage.cpu // instance.block).sum()),
        "mixed": instance.mix * rate + (1.0 - instance.mix) * (pieces / memory if memory else 0.0),
        "moves": float(moves),
    }
    if instance.goal is not None:
        values["goal"] = goal_value(rate, instance.goal, moves, instance.limit)
    return values


def goal_value(rate: float, goal: float, moves: int, limit: int) -> float:
    """Return objective ``goal``: the moves if the goal is reached, else more than any plan has, by what is missing."""
    return float(moves) if rate <= goal + SLACK else limit + 1.0 + (rate - goal)
