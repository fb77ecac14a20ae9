"""Padded instance arrays of VM rescheduling, behind the interface of the core's instance pool."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.pool import Ints
from ganttlet.vm_rescheduling.generator import Generator
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.layout import (
    BLOCK,
    CORES,
    CPU,
    FIRST,
    FREE_PLACEMENTS,
    GROUPS,
    HOST,
    HOSTS,
    KIND,
    LIMIT,
    MEM,
    MEMORY,
    MEMORY_BLOCK,
    NOWHERE,
    NUMA,
    SPLIT,
    TIER,
    VMS,
    Array,
    Sizes,
    Store,
    make_store,
)
from ganttlet.vm_rescheduling.moves import fit_kinds

NAMES = ("hosts", "VMs", "moves", "kinds of VM", "anti-affinity groups", "pairs of group and VM")
OPTIONS = ("max_hosts", "max_vms", "max_moves", "max_kinds", "max_groups", "max_members")


def kinds_of(instance: Cluster) -> tuple[Array, Array]:
    """Return the kinds (F, 3) - cores, MB, split, of the whole VM - and each VM's kind (V,)."""
    rows = np.stack([instance.cores, instance.memory, instance.split.astype(np.int32)], axis=1)
    kinds, kind = np.unique(rows, axis=0, return_inverse=True)
    return kinds, kind.reshape(-1)


def sizes_of(instance: Cluster) -> Sizes:
    """Return the sizes of one instance; at least one kind, group and member, as arrays have no length 0."""
    groups = len(np.unique(instance.groups[:, 0]))
    # Where placing is free, each pending pod and each evicted one may be placed on top of the moves that count.
    moves = instance.limit if instance.count_placements else 2 * instance.limit + instance.n_vms
    return Sizes(
        instance.n_hosts,
        instance.n_vms,
        max(1, moves),
        len(kinds_of(instance)[0]),
        max(1, groups),
        max(1, len(_pairs(instance))),
    )


def _pairs(instance: Cluster) -> Array:
    """Return the pairs (group number, VM), each once, groups counted from 0 and sorted by VM."""
    none: Array = instance.groups
    if not len(none):
        return none
    numbers = np.unique(instance.groups[:, 0], return_inverse=True)[1].reshape(-1)
    pairs = np.unique(np.stack([instance.groups[:, 1], numbers], axis=1), axis=0)
    swapped: Array = pairs[:, ::-1]
    return swapped


class VMStorage:
    """Slots of padded instances; see ganttlet.core.pool.Storage for the methods.

    Args:
        sizes: padded sizes.
        generator: what ``generate`` draws from, or None.
        pods: True if instances are pod-packing problems.
        needs_goal: True if instances without a goal must be refused.
    """

    def __init__(self, sizes: Sizes, generator: Generator | None, *, pods: bool, needs_goal: bool) -> None:
        self.sizes, self.generator, self.pods, self.needs_goal = sizes, generator, pods, needs_goal
        self.nodes = 1 if pods else 2
        self.arrays = make_store(0, sizes, self.nodes)

    def grow(self, slots: int) -> None:
        """Make room for at least ``slots`` slots, keeping the contents."""
        have = len(self.arrays.size)
        if slots > have:
            old, self.arrays = self.arrays, make_store(slots, self.sizes, self.nodes)
            for before, after in zip(old, self.arrays, strict=True):
                after[:have] = before

    def check(self, instance: Cluster) -> None:
        """Raise InputError if ``instance`` is too large, of the other kind of problem, or lacks a goal."""
        if instance.is_pods != self.pods:
            other = "ganttlet/PodPacking-v0" if instance.is_pods else "ganttlet/VMRescheduling-v0"
            has = "has priorities" if instance.is_pods else "has no field 'priority'"
            raise InputError(f"instance {instance.name}: {has}; play it in {other}")
        if self.needs_goal and instance.goal is None:
            raise InputError(
                f"instance {instance.name}: field 'goal' is missing, but objective 'goal' needs it; give the fragment "
                "rate to reach, by name with ':goal=0.45' or as the generator's 'goal'"
            )
        for name, option, have, room in zip(NAMES, OPTIONS, sizes_of(instance), self.sizes, strict=True):
            if have > room:
                raise InputError(
                    f"instance {instance.name}: {have} {name}, but the padded space holds {room}; "
                    f"make the environment with {option}={have}"
                )

    def put(self, slot: int, instance: Cluster) -> None:
        """Write ``instance`` into ``slot``."""
        store = self.arrays
        for part in store:
            part[slot] = 0
        p, v, k = instance.n_hosts, instance.n_vms, instance.n_numa
        kinds, kind = kinds_of(instance)
        usage, pairs = instance.usage(), _pairs(instance)
        store.capacity[slot, CPU, :p, :k], store.capacity[slot, MEM, :p, :k] = instance.cpu, instance.mem
        store.free[slot, CPU, :p, :k], store.free[slot, MEM, :p, :k] = usage.cpu, usage.mem
        vms = store.vms[slot]
        vms[HOST], vms[NUMA] = NOWHERE, NOWHERE
        vms[KIND, :v], vms[HOST, :v], vms[NUMA, :v] = kind, instance.host, instance.numa
        vms[TIER, :v] = instance.tier
        first = np.searchsorted(pairs[:, 1], np.arange(v + 1))
        vms[FIRST, :v], vms[GROUPS, :v] = first[:-1], np.diff(first)
        store.members[slot, : len(pairs)] = pairs[:, 0]
        share = 1 + kinds[:, 2]
        store.kinds[slot, CORES, : len(kinds)] = kinds[:, 0] // share
        store.kinds[slot, MEMORY, : len(kinds)] = kinds[:, 1] // share
        store.kinds[slot, SPLIT, : len(kinds)] = kinds[:, 2]
        hosts = instance.host[pairs[:, 1]]
        np.add.at(store.held[slot], (pairs[hosts >= 0, 0], hosts[hosts >= 0]), 1)
        store.weight[slot, :v] = instance.weight
        store.rates[slot] = instance.mix, -1.0 if instance.goal is None else instance.goal
        pending = instance.host == NOWHERE
        store.size[slot] = (
            p,
            v,
            len(kinds),
            instance.limit,
            instance.block,
            instance.memory_block,
            (usage.cpu % instance.block).sum(),
            usage.cpu.sum(),
            (usage.mem % instance.memory_block).sum(),
            usage.mem.sum(),
            max(1, instance.cpu.sum(axis=1, dtype=np.int64).max()),
            max(1, instance.mem.sum(axis=1, dtype=np.int64).max()),
            max(1, instance.cpu.sum(dtype=np.int64)),
            instance.tier.max() + 1,
            not instance.count_placements,
            pending.sum(),
            instance.weight[pending].sum(),
        )
        fit_kinds(slot, p, len(kinds), store.free, store.kinds, store.fits, store.n_fit)

    def get(self, slot: int) -> Cluster:
        """Return the generated instance in ``slot``; groups are counted from 0 and priorities are tiers."""
        store = self.arrays
        size, vms = store.size[slot], store.vms[slot]
        p, v = int(size[HOSTS]), int(size[VMS])
        nodes = self.nodes
        kinds = store.kinds[slot][:, vms[KIND, :v]]
        counts = vms[GROUPS, :v]
        members = np.stack([store.members[slot, : counts.sum()], np.repeat(np.arange(v), counts)], axis=1)
        return Cluster(
            f"{self.generator.name if self.generator else 'slot'}-{p}x{v}",
            store.capacity[slot, CPU, :p, :nodes],
            store.capacity[slot, MEM, :p, :nodes],
            kinds[CORES] * (1 + kinds[SPLIT]),
            kinds[MEMORY] * (1 + kinds[SPLIT]),
            kinds[SPLIT],
            vms[HOST, :v],
            vms[NUMA, :v],
            limit=int(size[LIMIT]),
            block=int(size[BLOCK]),
            memory_block=int(size[MEMORY_BLOCK]),
            mix=float(store.rates[slot, 0]),
            goal=None if store.rates[slot, 1] < 0 else float(store.rates[slot, 1]),
            groups=members,
            priority=vms[TIER, :v] if self.pods else None,
            count_placements=not size[FREE_PLACEMENTS],
        )

    def generate(self, slots: Ints, keys: np.ndarray[Any, Any]) -> None:
        """Draw a fresh instance into each slot from its key."""
        assert self.generator is not None, "a pool without fixed instances has a generator"
        for slot, key in zip(slots, keys, strict=True):
            self.put(int(slot), self.generator.sample_key(key))

    def copy(self, source: Ints, target: Ints) -> None:
        """Copy slots ``source`` to slots ``target``."""
        self.set_rows(target, self.rows(source))

    def rows(self, slots: Ints) -> Store:
        """Return a copy of the arrays of ``slots``."""
        return Store(*(part[slots].copy() for part in self.arrays))

    def set_rows(self, slots: Ints, rows: Store) -> None:
        """Write back what :meth:`rows` returned, growing if a snapshot comes from a larger pool."""
        self.grow(int(slots.max()) + 1)
        for part, saved in zip(self.arrays, rows, strict=True):
            part[slots] = saved
