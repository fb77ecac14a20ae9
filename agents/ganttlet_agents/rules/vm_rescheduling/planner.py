"""The planning state of VM rescheduling and the best one-step move over it: what all planners stand on.

VMs of equal cores, memory and split are of one kind. What a move gains is what leaving its place gains plus what
entering the other gains, for these are never the same NUMA node; so the best move is found by looking once at every
pair of kind and NUMA node and once at every VM, not at every VM and host. Costs are integers, so that equal gains are
equal.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.jit import jit
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.solution import SLACK, Plan

Array = np.ndarray[Any, Any]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Int: TypeAlias = Any  # an integer scalar: Python's outside kernels, NumPy's inside

OBJECTIVES = ("fr16", "n16", "mixed", "goal")
BOTH = 2
NONE = -(2**62)  # the gain of what is not possible
SCALE = 20  # bits behind the point of costs in cores
KNOTS = 16  # counts of fragments at which a potential may be bent


class Costs(NamedTuple):
    """What free cores and MB of one NUMA node cost, to be made small.

    Fields:
        cpu: int64, cost by free cores.
        mem: int64, cost by free MB; empty if memory does not count.
    """

    cpu: Array
    mem: Array


class State(NamedTuple):
    """A cluster as moves are played (P hosts, V VMs, F kinds, G anti-affinity groups).

    Fields:
        cpu, mem: (P, 2) int64, free cores and MB; zeros for a NUMA node that hosts do not have.
        host, numa: (V,) int64, where each VM lies; NUMA node 2 for both.
        stays: (V,) bool, VMs that are not to be moved.
        held: (G, P) int32, VMs of a group on a host.
        kind: (V,) int64.
        cores, memory, split: (F,) int64, what a kind takes on each NUMA node that it lies on; 1 if it lies on both.
        first: (V + 1,) int64, where the groups of each VM begin in ``group``.
        group: int64, groups of each VM, one VM after the other.
    """

    cpu: Array
    mem: Array
    host: Array
    numa: Array
    stays: Array
    held: Array
    kind: Array
    cores: Array
    memory: Array
    split: Array
    first: Array
    group: Array


class Weights(NamedTuple):
    """Integer costs of one core and of one MB that is a fragment."""

    cpu: int
    mem: int


def vms_only(method: str, instance: Any, objective: str) -> Cluster:
    """Return the instance.

    Raises:
        InputError: naming the method, for pods, an objective it cannot plan for, or ``goal`` without a goal.
    """
    if not isinstance(instance, Cluster) or instance.is_pods:
        name = getattr(instance, "name", instance)
        raise InputError(f"{method}: instance {name} has priorities; this method plans for VMs, not for pods")
    check_choice(f"{method}: objective", objective, OBJECTIVES)
    if objective == "goal" and instance.goal is None:
        raise InputError(f"{method}: objective 'goal' needs field 'goal', and instance {instance.name} has none")
    return instance


def prepare(instance: Cluster) -> State:
    """Return the planning state at the start."""
    usage = instance.usage()
    spare = ((0, 0), (0, 2 - instance.n_numa))
    share = 1 + instance.split.astype(np.int64)
    rows = np.stack([instance.cores // share, instance.memory // share, instance.split], axis=1).astype(np.int64)
    kinds, kind = np.unique(rows, axis=0, return_inverse=True)
    cores, memory, split = np.ascontiguousarray(kinds.T)
    names, groups = np.unique(instance.groups[:, 0], return_inverse=True)
    order = np.argsort(instance.groups[:, 1], kind="stable")
    vms = instance.groups[order, 1]
    held = np.zeros((len(names), instance.n_hosts), np.int32)
    np.add.at(held, (groups[order], instance.host[vms]), 1)
    return State(
        np.pad(usage.cpu, spare),
        np.pad(usage.mem, spare),
        usage.host,
        usage.numa,
        np.zeros(instance.n_vms, np.bool_),
        held,
        kind.reshape(-1).astype(np.int64),
        cores,
        memory,
        split,
        np.searchsorted(vms, np.arange(instance.n_vms + 1)).astype(np.int64),
        groups[order].astype(np.int64),
    )


def weights_of(instance: Cluster, objective: str) -> Weights:
    """Return what fragments weigh in an objective: memory counts in ``mixed`` only, as much as there."""
    if objective != "mixed":
        return Weights(1 << SCALE, 0)
    usage = instance.usage()
    shares = (instance.mix, usage.cpu), (1.0 - instance.mix, usage.mem)
    return Weights(*(round(2.0 ** (2 * SCALE) * share / max(1, int(free.sum()))) for share, free in shares))


def make_costs(
    instance: Cluster, weights: Weights, eps: float = 0.0, p: float = 2.0, bends: Floats | None = None
) -> Costs:
    """Return the potential Σ ρ - eps · X · (ρ / X)^p + bend(ρ) over NUMA nodes, ρ = free cores mod X.

    Memory, if it has a weight, is added in the same form with its own block. What is not linear in ρ is rounded to
    whole costs.

    Args:
        instance: the cluster.
        weights: of fragments.
        eps: how much cheaper fragments are where they lie together; with 0 the costs are the objective itself.
        p: the exponent.
        bends: (2, KNOTS) float64, for cores and for memory, what the potential is changed by at ρ = 0, X / KNOTS, …,
            linear in between, in parts of X / KNOTS (cores if X = 16).
    """

    def table(weight: int, block: int, most: int, bend: Floats | None) -> Ints:
        rest = np.arange(most + 1) % block
        extra = -eps * block * (rest / block) ** p
        if bend is not None:
            extra += np.interp(rest * (KNOTS / block), np.arange(KNOTS), bend) * (block / KNOTS)
        linear: Ints = weight * rest
        return linear + np.rint(weight * extra).astype(np.int64)

    cpu_bend, mem_bend = (None, None) if bends is None else bends
    empty = np.zeros(0, np.int64)
    return Costs(
        table(weights.cpu, instance.block, int(instance.cpu.max()), cpu_bend),
        table(weights.mem, instance.memory_block, int(instance.mem.max()), mem_bend) if weights.mem else empty,
    )


def goal_cost(instance: Cluster, objective: str) -> int:
    """Return the cost (eps = 0) at which to stop: the most that meets the goal, or -1 where there is none."""
    if objective != "goal":
        return -1
    assert instance.goal is not None
    total = int(instance.usage().cpu.sum())
    fragments = int((instance.goal + SLACK) * total) + 1
    while total and fragments / total > instance.goal + SLACK:  # the validator's own comparison
        fragments -= 1
    return fragments << SCALE


def rank(cost: int, moves: int, goal: int) -> tuple[int, int, int]:
    """Return what plans compare by, the least first: the goal met with fewest moves, else cost and then moves."""
    return (0, moves, cost) if cost <= goal else (1, cost, moves)


def make_plan(instance: Cluster, moves: Any) -> Plan:
    """Return the plan of rows (VM, host, NUMA node)."""
    return Plan(np.asarray(moves, np.int64).reshape(-1, 3), instance.digest)


@jit
def copy_into(state: State, saved: State) -> None:
    """Bring ``state`` to where ``saved``, of the same instance, stands."""
    state.cpu[:] = saved.cpu
    state.mem[:] = saved.mem
    state.host[:] = saved.host
    state.numa[:] = saved.numa
    state.stays[:] = saved.stays
    state.held[:] = saved.held


def copied(state: State) -> State:
    """Return a state of its own that shares what does not change."""
    return State._make([*(array.copy() for array in state[:6]), *state[6:]])


@jit
def total_cost(state: State, costs: Costs) -> Int:
    """Return the cost of all NUMA nodes together."""
    total = 0
    for host in range(state.cpu.shape[0]):
        for node in range(2):
            total += costs.cpu[state.cpu[host, node]]
            if len(costs.mem):
                total += costs.mem[state.mem[host, node]]
    return total


@jit
def change(state: State, costs: Costs, kind: Int, host: Int, numa: Int, sign: Int) -> Int:
    """Return by how much the cost falls if one of a kind enters (sign -1) or leaves (sign 1) a place."""
    fall = 0
    for node in range(2):
        if numa in (node, BOTH):
            free = state.cpu[host, node]
            fall += costs.cpu[free] - costs.cpu[free + sign * state.cores[kind]]
            if len(costs.mem):
                free = state.mem[host, node]
                fall += costs.mem[free] - costs.mem[free + sign * state.memory[kind]]
    return fall


@jit
def fits(state: State, kind: Int, host: Int, numa: Int) -> bool:
    """Return whether a place has the cores and the memory for one of a kind."""
    for node in range(2):
        if numa in (node, BOTH) and (
            state.cpu[host, node] < state.cores[kind] or state.mem[host, node] < state.memory[kind]
        ):
            return False
    return True


@jit
def clear(state: State, vm: Int, host: Int) -> bool:
    """Return whether a host holds no other VM of the groups of ``vm``."""
    own, legal = state.host[vm] == host, True
    for i in range(state.first[vm], state.first[vm + 1]):
        legal = legal and state.held[state.group[i], host] <= own
    return legal


@jit
def shift(state: State, vm: Int, host: Int, numa: Int, sign: Int) -> None:
    """Take a VM off a place (sign 1) or put it there (sign -1); where it is said to lie does not change."""
    kind = state.kind[vm]
    for node in range(2):
        if numa in (node, BOTH):
            state.cpu[host, node] += sign * state.cores[kind]
            state.mem[host, node] += sign * state.memory[kind]
    for i in range(state.first[vm], state.first[vm + 1]):
        state.held[state.group[i], host] -= sign


@jit
def move(state: State, costs: Costs, vm: Int, host: Int, numa: Int) -> Int:
    """Play a legal move and return by how much the cost falls."""
    kind = state.kind[vm]
    fall = change(state, costs, kind, state.host[vm], state.numa[vm], 1) + change(state, costs, kind, host, numa, -1)
    shift(state, vm, state.host[vm], state.numa[vm], 1)
    shift(state, vm, host, numa, -1)
    state.host[vm], state.numa[vm] = host, numa
    return fall


@jit
def numa_of(state: State, kind: Int, place: Int) -> Int:
    """Return the NUMA node of a place: 2 host + node, 2 host for a split kind."""
    return BOTH if state.split[kind] else place & 1


@jit
def place_of(state: State, vm: Int) -> Int:
    """Return the place where a VM lies."""
    return 2 * state.host[vm] + (0 if state.split[state.kind[vm]] else state.numa[vm])


@jit
def enter_gains(state: State, costs: Costs, kind: Int, memory: bool, gains: Array) -> None:
    """Write what entering each place gains one of a kind into ``gains`` (2 P,), NONE where it does not fit.

    ``memory`` False lets it fit wherever there are cores enough.
    """
    cores, size = state.cores[kind], state.memory[kind]
    for host in range(state.cpu.shape[0]):
        for node in range(2):
            free, left = state.cpu[host, node], state.mem[host, node]
            gain = NONE
            if free >= cores and (left >= size or not memory):
                gain = costs.cpu[free] - costs.cpu[free - cores]
                if len(costs.mem):
                    gain += costs.mem[left] - costs.mem[left - size]
            gains[2 * host + node] = gain
        if state.split[kind]:
            both = gains[2 * host] > NONE and gains[2 * host + 1] > NONE
            gains[2 * host] = gains[2 * host] + gains[2 * host + 1] if both else NONE
            gains[2 * host + 1] = NONE


@jit
def leave_gains(state: State, costs: Costs, gains: Array) -> None:
    """Write what leaving its place gains each VM into ``gains`` (V,)."""
    for vm in range(len(state.host)):
        kind, host, numa = state.kind[vm], state.host[vm], state.numa[vm]
        cores, size = state.cores[kind], state.memory[kind]
        gain = 0
        for node in range(2):
            if numa in (node, BOTH):
                free, left = state.cpu[host, node], state.mem[host, node]
                gain += costs.cpu[free] - costs.cpu[free + cores]
                if len(costs.mem):
                    gain += costs.mem[left] - costs.mem[left + size]
        gains[vm] = gain


@jit
def best_move(state: State, costs: Costs) -> tuple[Int, Int, Int, Int]:
    """Return (gain, VM, host, NUMA node) of the legal move of the greatest gain, the first by these three among equals.

    Gain NONE and VM -1 if no move is legal. Time: kinds x NUMA nodes + VMs, and VMs in groups that could be better x
    NUMA nodes.
    """
    kinds, places = len(state.cores), 2 * state.cpu.shape[0]
    enter = np.empty((kinds, places), np.int64)
    leave = np.empty(len(state.host), np.int64)
    top = np.full((kinds, 2), -1)  # the two best places to enter
    for kind in range(kinds):
        enter_gains(state, costs, kind, True, enter[kind])
        best, second = NONE, NONE
        for place in range(places):
            gain = enter[kind, place]
            if gain > best:
                best, second = gain, best
                top[kind, 0], top[kind, 1] = place, top[kind, 0]
            elif gain > second:
                second, top[kind, 1] = gain, place
    leave_gains(state, costs, leave)
    best, best_vm, best_place = NONE, -1, -1
    for vm in range(len(leave)):
        kind = state.kind[vm]
        place = top[kind, 0]
        if state.stays[vm] or place < 0 or leave[vm] + enter[kind, place] <= best:
            continue
        own = place_of(state, vm)
        if state.first[vm] == state.first[vm + 1]:
            place = top[kind, 1] if place == own else place
            if place >= 0 and leave[vm] + enter[kind, place] > best:
                best, best_vm, best_place = leave[vm] + enter[kind, place], vm, place
            continue
        for place in range(places):
            gain = leave[vm] + enter[kind, place]
            if enter[kind, place] > NONE and gain > best and place != own and clear(state, vm, place >> 1):
                best, best_vm, best_place = gain, vm, place
    if best_vm < 0:
        return NONE, -1, -1, -1
    return best, best_vm, best_place >> 1, numa_of(state, state.kind[best_vm], best_place)
