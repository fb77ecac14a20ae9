"""What becomes of a plan when VMs arrive and exit while the planner thinks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.rng import key_of, uniform
from ganttlet.vm_rescheduling.instance import BOTH, NOWHERE, Cluster
from ganttlet.vm_rescheduling.solution import Plan, values_of
from ganttlet.vm_rescheduling.usage import Usage

RATE = 5.0  # arrivals, and exits, per minute: with "abort", close to the published curve
ON_INVALID = ("abort", "skip")
ARRIVAL, EXIT = 0, 1
GAP, CHOICE = 0, 1


@dataclass(frozen=True)
class ChurnResult:
    """The end of one replay.

    Fields:
        fr, n16: FR_X and N_X of the cluster after churn and plan (X = the instance's block).
        fr_unplanned: FR_X of the cluster after churn alone.
        moves_done: moves that were carried out.
        moves_invalid: moves that broke a rule when their turn came; with ``abort`` at most one.
        moves_untried: moves behind the one that aborted the plan.
        arrivals, exits: VMs that came and found room, and VMs that left.
        rejected: VMs that came and fitted nowhere.
    """

    fr: float
    n16: int
    fr_unplanned: float
    moves_done: int
    moves_invalid: int
    moves_untried: int
    arrivals: int
    exits: int
    rejected: int


@dataclass(frozen=True)
class Achieved:
    """Means over several replays of one plan: FR_X, N_X and the moves that were carried out."""

    fr: float
    n16: float
    moves_done: float


class World:
    """A cluster on which VMs arrive and exit; knows nothing of plans.

    Attributes:
        usage: free resources and the places of the instance's own VMs; -1 for those that left.
        arrivals, exits, rejected: counts so far.
    """

    def __init__(self, instance: Cluster, seed: int) -> None:
        self.usage = instance.usage()
        self.arrivals = self.exits = self.rejected = 0
        self._seed = seed
        # VMs in the cluster: (flavour, host, NUMA node, index in the instance or -1); a flavour is the VM it copies.
        self._present = [
            (vm, int(h), int(k), vm) for vm, (h, k) in enumerate(zip(instance.host, instance.numa, strict=True))
        ]

    def event(self, kind: int, number: int) -> None:
        """Play arrival or exit ``number``; what it draws depends on the seed, its kind and its number alone."""
        draw = _draw(self._seed, kind, number, CHOICE)
        if kind == ARRIVAL:
            self._arrive(int(draw * self.usage.instance.n_vms))
        elif self._present:
            self._exit(int(draw * len(self._present)))

    def _arrive(self, flavour: int) -> None:
        place = best_fit(self.usage, flavour)
        if place is None:
            self.rejected += 1
            return
        self._take(flavour, *place, -1)
        self._present.append((flavour, *place, -1))
        self.arrivals += 1

    def _exit(self, at: int) -> None:
        flavour, host, numa, vm = self._present.pop(at)
        self._take(flavour, host, numa, 1)
        if vm >= 0:
            self.usage.host[vm] = self.usage.numa[vm] = NOWHERE
        self.exits += 1

    def _take(self, flavour: int, host: int, numa: int, sign: int) -> None:
        for node, cores, memory in self.usage.nodes(flavour, numa):
            self.usage.cpu[host, node] += sign * cores
            self.usage.mem[host, node] += sign * memory


def best_fit(usage: Usage, vm: int) -> tuple[int, int] | None:
    """Return host and NUMA node with the fewest free cores that have room for a VM like ``vm``; None if none has.

    A split VM needs room on both nodes of a host, whose free cores are added up. Ties go to the first.
    """
    instance = usage.instance
    cores, memory, split = int(instance.cores[vm]), int(instance.memory[vm]), bool(instance.split[vm])
    share = 2 if split else 1
    fits = (usage.cpu >= cores // share) & (usage.mem >= memory // share)
    free = usage.cpu
    if split:
        fits, free = np.all(fits, axis=1, keepdims=True), np.sum(free, axis=1, keepdims=True)
    if not fits.any():
        return None
    host, node = divmod(int(np.where(fits, free, np.iinfo(np.int64).max).argmin()), free.shape[1])
    return host, BOTH if split else node


def _draw(seed: int, kind: int, number: int, count: int) -> float:
    key = key_of(np.uint64(seed), np.uint64(kind), np.uint64(number))
    return float(uniform(np.uint64(key), np.uint64(count)))


def _events(seed: int, delay_seconds: float, rate: float) -> list[tuple[int, int]]:
    """Return (kind, number) of the events up to the delay in order of time: two Poisson processes of that rate."""

    def times(kind: int) -> Iterator[tuple[float, int, int]]:
        now, number = 0.0, 0
        while rate > 0:
            now -= math.log1p(-_draw(seed, kind, number, GAP)) * 60.0 / rate
            if now > delay_seconds:
                return
            yield now, kind, number
            number += 1

    return [(kind, number) for _, kind, number in sorted([*times(ARRIVAL), *times(EXIT)])]


def replay_under_churn(
    instance: Cluster,
    plan: Plan,
    delay_seconds: float,
    *,
    rate: float = RATE,
    on_invalid: str = "abort",
    seed: int = 0,
) -> ChurnResult:
    """Let VMs arrive and exit for ``delay_seconds``, then carry ``plan`` out on the cluster as it has become.

    Arrivals and exits are two Poisson processes. A VM that arrives copies a uniformly drawn VM of the instance
    (so its flavour follows their frequency), is in no anti-affinity group and is placed best-fit: on the NUMA node
    (split: the host) with the fewest free cores that has room for its cores and memory. A VM that exits is drawn
    uniformly among those present. Every event is a pure function of (seed, its kind, its number): two plans meet the
    same world, and a longer delay continues the world of a shorter one. A plan is made from the instance alone and
    knows nothing of any event, so a result is no hindsight.

    A move is invalid when its VM has left, its target lacks cores or memory, holds a VM of one of its anti-affinity
    groups, is where the VM lies already or does not exist, or when the limit is reached.

    Args:
        instance: a cluster of VMs.
        plan: a plan of that cluster.
        delay_seconds: time between the snapshot and the first move, ≥ 0; the moves themselves take no time.
        rate: expected arrivals per minute, and exits per minute, ≥ 0.
        on_invalid: ``abort`` the plan at its first invalid move, or ``skip`` the move.
        seed: number of the scenario, ≥ 0.

    Raises:
        InputError: for pods, a plan of another instance, or an argument out of its range.
    """
    if instance.is_pods:
        raise InputError(f"churn: {instance.name} has pods; expected a cluster of VMs")
    if plan.instance != instance.digest:
        raise InputError(f"plan belongs to instance {plan.instance}, not to {instance.name} ({instance.digest})")
    check_choice("on_invalid", on_invalid, ON_INVALID)
    for name, value in (("delay_seconds", delay_seconds), ("rate", rate)):
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"{name}: expected a finite number of at least 0, got {value!r}")
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed: expected an integer of at least 0, got {seed!r}")
    world = World(instance, seed)
    for kind, number in _events(seed, delay_seconds, rate):
        world.event(kind, number)
    usage = world.usage
    unplanned = values_of(usage, 0)["fr16"]
    done = invalid = untried = 0
    for at, (vm, host, numa) in enumerate(plan.moves.tolist()):
        left = 0 <= vm < instance.n_vms and usage.host[vm] == NOWHERE
        if left or done == instance.limit or usage.complaint(vm, host, numa) is not None:
            invalid += 1
            if on_invalid == "abort":
                untried = len(plan.moves) - at - 1
                break
            continue
        usage.move(vm, host, numa)
        done += 1
    values = values_of(usage, done)
    return ChurnResult(
        fr=values["fr16"],
        n16=int(values["n16"]),
        fr_unplanned=unplanned,
        moves_done=done,
        moves_invalid=invalid,
        moves_untried=untried,
        arrivals=world.arrivals,
        exits=world.exits,
        rejected=world.rejected,
    )


def achieved(
    instance: Cluster,
    plan: Plan,
    seconds: float,
    *,
    rate: float = RATE,
    on_invalid: str = "abort",
    seeds: range = range(10),
) -> Achieved:
    """Return what a method that took ``seconds`` achieves: :func:`replay_under_churn`, means over seeds."""
    ends = [replay_under_churn(instance, plan, seconds, rate=rate, on_invalid=on_invalid, seed=seed) for seed in seeds]
    if not ends:
        raise InputError("seeds: expected at least one")
    return Achieved(*(float(np.mean([getattr(end, name) for end in ends])) for name in ("fr", "n16", "moves_done")))
