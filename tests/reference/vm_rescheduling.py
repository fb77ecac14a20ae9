"""A slow VM-rescheduling simulator in plain Python: the oracle that the fast kernel is compared with, step by step.

It keeps only where VMs lie, the plan and the number of moves, and derives the rest anew at each call. Whole numbers
and fractions throughout. It reads the fields of a Cluster and shares no code with the package.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

BOTH = 2
STOP = ("stop",)
Place = tuple[int, int]
Decision = tuple[Any, ...]


class ReferenceRescheduling:
    """One episode; the constructor is the reset.

    Decisions are ("vm", v), ("pm", host, flip bit) and ("stop",).

    Args:
        cluster: anything with the fields of a Cluster.
        objective: ``fr16``, ``mixed`` or ``goal``.
        reward: ``dense``, ``terminal`` or ``vmr2l``.
        masking: ``exact`` or ``penalty``.
        merge: whether equal VMs are shown and chosen as one.
        illegal_penalty, infeasible_penalty: as the environment has them.
        ending: ``stop``, or ``cut``: the plan ends where the objective was least, and the agent cannot stop.

    Attributes:
        at: (host, NUMA node) of every VM; NUMA node 2 for split VMs.
        plan: (VM, host, NUMA node) of the moves made.
        kept: the part of the plan that counts.
        used: moves that count against the limit.
        chosen: the VM chosen, None in phase ``vm``.
    """

    def __init__(
        self,
        cluster: Any,
        objective: str = "fr16",
        reward: str = "dense",
        masking: str = "exact",
        merge: bool = False,
        illegal_penalty: float = 1.0,
        infeasible_penalty: float = 5.0,
        ending: str = "stop",
    ) -> None:
        self.objective, self.reward, self.masking, self.merge = objective, reward, masking, merge
        self.illegal_penalty, self.infeasible_penalty = illegal_penalty, infeasible_penalty
        self.cpu: list[list[int]] = cluster.cpu.tolist()
        self.mem: list[list[int]] = cluster.mem.tolist()
        self.cores: list[int] = cluster.cores.tolist()
        self.memory: list[int] = cluster.memory.tolist()
        self.split: list[bool] = [one == 1 for one in cluster.split.tolist()]
        self.groups: list[tuple[int, int]] = [(group, vm) for group, vm in cluster.groups.tolist()]
        self.limit, self.block, self.memory_block = cluster.limit, cluster.block, cluster.memory_block
        self.mix, self.goal = cluster.mix, cluster.goal
        self.at: list[Place] = list(zip(cluster.host.tolist(), cluster.numa.tolist(), strict=True))
        self.hosts, self.vms, self.nodes = range(len(self.cpu)), range(len(self.cores)), range(len(self.cpu[0]))
        self.plan: list[tuple[int, int, int]] = []
        self.used, self.chosen, self.stopped, self.cut = 0, None, False, ending == "cut"
        # After 0, 1, … moves: the objectives as they were then.
        self.history = [self.now()]
        self.first = self.value()

    # What lies where.

    def takes(self, vm: int, numa: int) -> dict[int, tuple[int, int]]:
        """NUMA node -> (cores, MB) that a VM reserves there when it lies on ``numa``."""
        if numa == BOTH:
            return {node: (self.cores[vm] // 2, self.memory[vm] // 2) for node in (0, 1)}
        return {numa: (self.cores[vm], self.memory[vm])}

    def free(self) -> list[list[tuple[int, int]]]:
        """Free (cores, MB) of every NUMA node of every host."""
        left = [[(self.cpu[i][k], self.mem[i][k]) for k in self.nodes] for i in self.hosts]
        for vm, (host, numa) in enumerate(self.at):
            for node, (cores, memory) in self.takes(vm, numa).items():
                have = left[host][node]
                left[host][node] = (have[0] - cores, have[1] - memory)
        return left

    def free_cores(self) -> list[int]:
        return [cores for host in self.free() for cores, _ in host]

    def rivals_on(self, vm: int, host: int) -> bool:
        """Whether a host holds another VM of one of its anti-affinity groups."""
        mine = {group for group, member in self.groups if member == vm}
        return any(self.at[other][0] == host for group, other in self.groups if other != vm and group in mine)

    def room(self, vm: int, host: int, numa: int) -> bool:
        """Whether a VM that is not there fits on NUMA node ``numa`` of a host (2: half on each), capacities alone."""
        free = self.free()[host]
        return all(
            node in self.nodes and free[node][0] >= cores and free[node][1] >= memory
            for node, (cores, memory) in self.takes(vm, numa).items()
        )

    # Moves.

    def target(self, vm: int, host: int, flip: int) -> int | None:
        """The NUMA node a move leads to, which may be where the VM lies; None if it is infeasible."""
        own, numa = self.at[vm]
        if host == own:
            if self.split[vm] or not flip:
                return numa
            return 1 - numa if self.room(vm, host, 1 - numa) else None
        if self.rivals_on(vm, host):
            return None
        order = [BOTH] if self.split[vm] else [1 - numa, numa] if flip else [numa, 1 - numa]
        return next((node for node in order if self.room(vm, host, node)), None)

    def allowed(self, vm: int, host: int, flip: int) -> bool:
        """Whether exact masks allow a host with a flip bit."""
        node, own = self.target(vm, host, flip), host == self.at[vm][0]
        if node is None or (own and not flip):
            return False
        return not flip or (not self.split[vm] and (own or node != self.target(vm, host, 0)))

    def twins(self, vm: int) -> list[int]:
        """The VMs that ``merge`` takes for one with this VM, itself included."""
        grouped = {member for _, member in self.groups}
        if not self.merge or vm in grouped:
            return [vm]
        kind = lambda v: (self.at[v], self.cores[v], self.memory[v], self.split[v])  # noqa: E731
        return [other for other in self.vms if other not in grouped and kind(other) == kind(vm)]

    def shown(self, vm: int) -> bool:
        """Whether a VM is the one of the lowest index among those it is merged with."""
        return min(self.twins(vm)) == vm

    @property
    def spent(self) -> bool:
        """Whether no move may be made any more."""
        reached = self.objective == "goal" and self.used > 0 and self.rate() <= self.goal
        return self.used >= self.limit or reached

    @property
    def done(self) -> bool:
        """Whether the episode is over: it may not be over before its first step."""
        return self.stopped or (self.used > 0 and self.chosen is None and self.spent)

    def legal(self) -> list[Decision]:
        """Every legal decision."""
        if self.done:
            return []
        pairs = [(host, flip) for host in self.hosts for flip in (0, 1)]
        exact = self.masking == "exact"
        if self.chosen is not None:
            return [("pm", *pair) for pair in pairs if not exact or self.allowed(self.chosen, *pair)]
        if self.spent:
            return [STOP]
        some = lambda vm: not exact or any(self.allowed(vm, *pair) for pair in pairs)  # noqa: E731
        found: list[Decision] = [("vm", vm) for vm in self.vms if self.shown(vm) and some(vm)]
        return found if self.cut and found else [*found, STOP]

    def step(self, decision: Decision | None) -> tuple[float, bool, bool]:
        """Reward, terminated and illegal; None stands for an action outside the space of decisions."""
        if self.done:
            return 0.0, True, False
        if decision not in self.legal():
            return -self.illegal_penalty, False, True
        assert decision is not None
        before, fragments, penalty = self.value(), self.fragments(), 0.0
        if decision == STOP:
            self.stopped = True
        elif decision[0] == "vm":
            self.chosen = decision[1]
        else:
            penalty = self.move(*decision[1:])
        paid = before - self.value()
        if self.reward == "vmr2l":
            paid = (fragments - self.fragments()) / 128
        if self.reward == "terminal":
            paid = self.first - self.value() if self.done else 0.0
        return paid - penalty, self.done, False

    def move(self, host: int, flip: int) -> float:
        """Move the chosen VM and return the penalty."""
        vm, self.chosen = self.chosen, None
        assert vm is not None
        self.used += 1
        node = self.target(vm, host, flip)
        if node is None:
            return self.infeasible_penalty
        if (host, node) != self.at[vm]:
            self.at[vm] = (host, node)
            self.plan.append((vm, host, node))
            self.history.append(self.now())
        return 0.0

    # Values.

    def fragments(self) -> int:
        """Free cores that make no whole block, Σ φ."""
        return sum(cores % self.block for cores in self.free_cores())

    def rate(self) -> float:
        """FR."""
        total = sum(self.free_cores())
        return self.fragments() / total if total else 0.0

    def memory_rate(self) -> float:
        """MF."""
        free = [memory for host in self.free() for _, memory in host]
        return sum(memory % self.memory_block for memory in free) / sum(free) if sum(free) else 0.0

    def value(self) -> float:
        """The objective if the episode ended now."""
        return self.objectives()[self.objective]

    @property
    def kept(self) -> list[tuple[int, int, int]]:
        return self.plan[: self.best()]

    def best(self) -> int:
        """Number of moves that count: all, or those until the objective was least, the fewest such."""
        if not self.cut:
            return len(self.plan)
        values = [entry[self.objective] for entry in self.history]
        return values.index(min(values))

    def objectives(self) -> dict[str, float]:
        """The objectives of the plan that counts."""
        return self.history[self.best()]

    def now(self) -> dict[str, float]:
        """The objectives of all moves made."""
        rate, moves = self.rate(), len(self.plan)
        values = {
            "fr16": rate,
            "n16": float(sum(cores // self.block for cores in self.free_cores())),
            "mixed": self.mix * rate + (1.0 - self.mix) * self.memory_rate(),
            "moves": float(moves),
        }
        if self.goal is not None:
            values["goal"] = float(moves) if rate <= self.goal else self.limit + 1.0 + (rate - self.goal)
        return values

    # What moves gain, in blocks.

    def potential(self, cores: int, bent: bool) -> Fraction:
        """φ of a NUMA node with ``cores`` free, or ψ."""
        share = Fraction(cores % self.block, self.block)
        return share - Fraction(3, 5) * share**3 if bent else share

    def change(self, changes: dict[Place, int], bent: bool) -> Fraction:
        """What a change of free cores, by (host, NUMA node), gains."""
        free = self.free()
        return sum(
            (
                self.potential(free[host][node][0], bent) - self.potential(free[host][node][0] + more, bent)
                for (host, node), more in changes.items()
            ),
            Fraction(0),
        )

    def leaving(self, vm: int) -> dict[Place, int]:
        host, numa = self.at[vm]
        return {(host, node): cores for node, (cores, _) in self.takes(vm, numa).items()}

    def entering(self, vm: int, host: int, numa: int) -> dict[Place, int]:
        return {(host, node): -cores for node, (cores, _) in self.takes(vm, numa).items()}

    def ways_in(self, vm: int) -> list[Place]:
        """Places on other hosts where its kind fits, groups apart."""
        nodes = [BOTH] if self.split[vm] else list(self.nodes)
        others = [host for host in self.hosts if host != self.at[vm][0]]
        return [(host, node) for host in others for node in nodes if self.room(vm, host, node)]
