"""An objective of VM rescheduling as a whole number to be made large, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ganttlet.core.errors import InputError, check_choice
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.solution import SLACK

OBJECTIVES = ("fr16", "n16", "mixed", "goal")
SCALE = 2.0**44  # of the weights of ``mixed``, so that every score stays a float64 and far from the end of int64


@dataclass(frozen=True)
class Aim:
    """An objective by its score Σ (cpu · ⌊free cores / X⌋ + mem · ⌊free MB / M⌋) over NUMA nodes.

    Free cores and MB never change in sum, so what is not a fragment is all that counts.

    Fields:
        objective: one of OBJECTIVES.
        block, memory_block: X in cores and M in MB, of the instance.
        cpu, mem: the weights, whole numbers ≥ 0: 1 and 0, for ``mixed`` in its proportion but rounded.
        need: the score that reaches the goal of objective ``goal``, else None.
        base, unit: the objective is base - unit · score.
        error: the most by which rounded weights falsify that.
    """

    objective: str
    block: int
    memory_block: int
    cpu: int
    mem: int
    need: int | None
    base: float
    unit: float
    error: float

    def score(self, cpu: Sequence[int], mem: Sequence[int]) -> int:
        """Return the score of free cores and MB of the NUMA nodes."""
        score = self.cpu * sum(free // self.block for free in cpu)
        return score + self.mem * sum(free // self.memory_block for free in mem) if self.mem else score

    def bound(self, score: int) -> float:
        """Return what the objective cannot better if no score is over ``score`` (``goal``: the FR)."""
        return self.base - self.unit * score - self.error


def make_aim(method: str, instance: Any, objective: str) -> Aim:
    """Return the aim of a method on an instance.

    Raises:
        InputError: naming the method, for pods, an objective it does not know, or ``goal`` without a goal.
    """
    if not isinstance(instance, Cluster) or instance.is_pods:
        name = getattr(instance, "name", instance)
        raise InputError(f"{method}: instance {name} has priorities; it plans for VMs, and solver:lexi for pods")
    check_choice(f"{method}: objective", objective, OBJECTIVES)
    usage = instance.usage()
    cores, memory = int(usage.cpu.sum()), int(usage.mem.sum())
    block, memory_block = instance.block, instance.memory_block
    if objective == "n16":
        return Aim(objective, block, memory_block, 1, 0, None, 0.0, -1.0, 0.0)
    rate = block / cores if cores else 0.0
    if objective == "mixed":
        weights = (instance.mix * rate, (1.0 - instance.mix) * memory_block / memory if memory else 0.0)
        base = instance.mix * (cores > 0) + (1.0 - instance.mix) * (memory > 0)
        error = 0.5 * (cores / block + memory / memory_block) / SCALE
        cpu, mem = (round(weight * SCALE) for weight in weights)
        return Aim(objective, block, memory_block, cpu, mem, None, base, 1 / SCALE, error)
    need = None
    if objective == "goal":
        if instance.goal is None:
            raise InputError(f"{method}: objective 'goal' needs field 'goal', and instance {instance.name} has none")
        need = 0
        # A division as the validator does it, so that both agree on the last block.
        while cores and (cores - need * block) / cores > instance.goal + SLACK:
            need += 1
    return Aim(objective, block, memory_block, 1, 0, need, float(cores > 0), rate, 0.0)
