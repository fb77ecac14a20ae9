"""The frozen data of one cluster whose VMs (or pods) are to be moved, with its checks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.record import Instance, int_array
from ganttlet.vm_rescheduling.usage import Usage, describe_vm

BLOCK = 16
MEMORY_BLOCK = 64 * 1024
INT32_MAX = int(np.iinfo(np.int32).max)
EXACT = 2**53  # up to here every integer is a float64
BOTH, NOWHERE = 2, -1
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Cluster(Instance):
    """A cluster: hosts (PMs), the VMs they hold, and how many of these may be moved.

    With ``priority`` it is a pod-packing problem: hosts are nodes, VMs are pods, and some of them may be pending.

    Fields (P hosts, V VMs, K = 1 or 2 NUMA nodes per host):
        name: label only; not part of the digest.
        cpu: (P, K) int32, cores of each NUMA node (pods: millicores, K = 1).
        mem: (P, K) int32, memory of each NUMA node in MB.
        cores: (V,) int32 > 0, cores that a VM reserves; a split VM half of them on each NUMA node.
        memory: (V,) int32 ≥ 0, memory that a VM reserves in MB, likewise.
        split: (V,) int8, 1 for a VM that lies on both NUMA nodes of its host, 0 for one that lies on a single one.
        host: (V,) int32, host of each VM; -1 for a pending pod.
        numa: (V,) int8, its NUMA node: 0, 1, or 2 for both (split); -1 for a pending pod.
        limit: migration limit (MNL), the most moves a plan may have.
        block: granularity X of the fragment rate FR_X in cores.
        memory_block: granularity of the memory fragment rate in MB.
        mix: weight of FR_X in objective ``mixed``, 0 … 1.
        goal: the fragment rate that objective ``goal`` is to reach, 0 … 1, or None.
        groups: (M, 2) int32, pairs (anti-affinity group, VM): no two VMs of a group share a host. Empty if omitted.
        rack: (P,) int32, rack of each host, or None.
        priority: (V,) int32 ≥ 0, priority of each pod, more is more important; None for VMs.
        count_placements: whether placing a pending pod counts as a move.
        host_id, vm_id: (P,) and (V,) texts, names for people; not part of the digest. None: the indices.

    Raises:
        InputError: naming the record and what was expected.
    """

    family: ClassVar[str] = "vm_rescheduling"
    unhashed: ClassVar[tuple[str, ...]] = ("name", "host_id", "vm_id")

    name: str
    cpu: Array
    mem: Array
    cores: Array
    memory: Array
    split: Array
    host: Array
    numa: Array
    limit: int = 50
    block: int = BLOCK
    memory_block: int = MEMORY_BLOCK
    mix: float = 0.5
    goal: float | None = None
    groups: Any = None
    rack: Any = None
    priority: Any = None
    count_placements: bool = True
    host_id: Any = None
    vm_id: Any = None

    def __post_init__(self) -> None:
        def put(field: str, value: Any) -> None:
            object.__setattr__(self, field, value)

        put("name", str(self.name))
        put("cpu", _table("cpu", self.cpu, "host"))
        put("mem", _table("mem", self.mem, "host"))
        for field, dtype in (("cores", np.int32), ("memory", np.int32), ("split", np.int8), ("host", np.int32)):
            put(field, _column(field, getattr(self, field), "VM", dtype))
        put("numa", _column("numa", self.numa, "VM", np.int8))
        groups = np.zeros((0, 2), np.int32) if self.groups is None or np.size(self.groups) == 0 else self.groups
        put("groups", int_array("groups", groups, 2))
        if self.rack is not None:
            put("rack", _column("rack", self.rack, "host", np.int32))
        if self.priority is not None:
            put("priority", _column("priority", self.priority, "VM", np.int32))
        for field, count in (("host_id", self.n_hosts), ("vm_id", self.n_vms)):
            if getattr(self, field) is not None:
                put(field, _texts(field, getattr(self, field), count))
        self._check_scalars()
        self._check_shapes()
        self._check_vms()
        self._check_groups()
        self._check_use()
        if self.priority is not None:
            self._check_pods()

    @property
    def n_hosts(self) -> int:
        """Number of hosts P."""
        return int(self.cpu.shape[0])

    @property
    def n_vms(self) -> int:
        """Number of VMs V."""
        return int(self.cores.shape[0])

    @property
    def n_numa(self) -> int:
        """NUMA nodes per host K."""
        return int(self.cpu.shape[1])

    @property
    def is_pods(self) -> bool:
        """Whether this is a pod-packing problem."""
        return self.priority is not None

    @property
    def size(self) -> str:
        """``279x2089``: hosts x VMs."""
        return f"{self.n_hosts}x{self.n_vms}"

    @cached_property
    def tier(self) -> Array:
        """(V,) int64, rank of each pod's priority among those that occur, 0 for the lowest; zeros for VMs."""
        if self.priority is None:
            return np.zeros(self.n_vms, np.int64)
        ranks: Array = np.searchsorted(np.unique(self.priority), self.priority).astype(np.int64)
        return ranks

    @cached_property
    def weight(self) -> Array:
        """(V,) int64, (V + 1) ** tier: the weight of a pod in objective ``unplaced``."""
        powers = [(self.n_vms + 1) ** tier for tier in range(int(self.tier.max(initial=0)) + 1)]
        weights: Array = np.array(powers, np.int64)[self.tier]
        return weights

    def usage(self) -> Usage:
        """Return what is free on each NUMA node at the start; a fresh object that moves may be played on."""
        return Usage(self)

    def vm_name(self, vm: int) -> str:
        """Return how people call a VM."""
        return str(vm) if self.vm_id is None else str(self.vm_id[vm])

    def host_name(self, host: int) -> str:
        """Return how people call a host."""
        return str(host) if self.host_id is None else str(self.host_id[host])

    def _check_scalars(self) -> None:
        for field, least in (("limit", 0), ("block", 1), ("memory_block", 1)):
            value = getattr(self, field)
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if not whole or value < least:
                raise InputError(f"field {field!r}: expected an integer of at least {least}, got {value!r}")
            if value > INT32_MAX:
                raise InputError(f"field {field!r}: expected at most {INT32_MAX}, got {value!r}")
            object.__setattr__(self, field, int(value))
        for field in ("mix", "goal"):
            value = getattr(self, field)
            if value is None and field == "goal":
                continue
            real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
            if not real or not 0 <= value <= 1:
                raise InputError(f"field {field!r}: expected a number in 0 … 1, got {value!r}")
            object.__setattr__(self, field, float(value))
        if not isinstance(self.count_placements, bool | np.bool_):
            raise InputError(f"field 'count_placements': expected True or False, got {self.count_placements!r}")
        object.__setattr__(self, "count_placements", bool(self.count_placements))
        if not self.count_placements and self.priority is None:
            raise InputError("field 'count_placements': False is for pods, which have a priority")

    def _check_shapes(self) -> None:
        if self.n_hosts == 0 or self.n_numa not in (1, 2):
            raise InputError(f"field 'cpu': expected hosts x 1 or 2 NUMA nodes, got shape {self.cpu.shape}")
        if self.mem.shape != self.cpu.shape:
            raise InputError(f"field 'mem': shape {self.mem.shape} differs from cpu's {self.cpu.shape}")
        if self.n_vms == 0:
            raise InputError("field 'cores': expected at least one VM")
        for field in ("memory", "split", "host", "numa", "priority"):
            value = getattr(self, field)
            if value is not None and len(value) != self.n_vms:
                raise InputError(f"field {field!r}: expected one value per VM ({self.n_vms}), got {len(value)}")
        if self.rack is not None and len(self.rack) != self.n_hosts:
            raise InputError(f"field 'rack': expected one value per host ({self.n_hosts}), got {len(self.rack)}")
        for field in ("cpu", "mem"):
            host = _first(getattr(self, field).min(axis=1) < 0)
            if host is not None:
                values = getattr(self, field)[host].tolist()
                raise InputError(f"field {field!r}: host {self.host_name(host)} has {values}; expected ≥ 0")
            total = int(getattr(self, field).sum(dtype=np.int64))
            if total >= EXACT:
                raise InputError(f"field {field!r}: adds up to {total}, over 2**53")

    def _check_vms(self) -> None:
        for wrong, field, expected in (
            (self.cores < 1, "cores", "at least 1"),
            (self.memory < 0, "memory", "at least 0"),
            ((self.split != 0) & (self.split != 1), "split", "0 or 1"),
        ):
            vm = _first(wrong)
            if vm is not None:
                raise InputError(f"field {field!r}: {self._vm(vm)} has {getattr(self, field)[vm]}; expected {expected}")
        split = self.split == 1
        vm = _first(split & ((self.cores % 2 == 1) | (self.memory % 2 == 1)))
        if vm is not None:
            raise InputError(
                f"field 'split': {self._vm(vm)} has unequal halves ({describe_vm(self, vm)}); "
                "expected even cores and memory of a split VM"
            )
        if self.n_numa == 1 and split.any():
            raise InputError(f"field 'split': {self._vm(_first(split))} is split, but hosts have one NUMA node")
        pending = self.host == NOWHERE
        vm = _first((self.host < NOWHERE) | (self.host >= self.n_hosts))
        if vm is not None:
            raise InputError(
                f"field 'host': {self._vm(vm)} is on unknown host {self.host[vm]}; expected 0 … {self.n_hosts - 1}"
            )
        if self.priority is None and pending.any():
            raise InputError(
                f"field 'host': {self._vm(_first(pending))} is on no host; only pods, which have a priority, may pend"
            )
        lies = np.where(pending, NOWHERE, np.where(split, BOTH, np.clip(self.numa, 0, self.n_numa - 1)))
        vm = _first(self.numa != lies)
        if vm is not None:
            words = "-1 (pending)" if pending[vm] else "2 (split)" if split[vm] else f"0 … {self.n_numa - 1}"
            raise InputError(f"field 'numa': {self._vm(vm)} is on NUMA node {self.numa[vm]}; expected {words}")

    def _check_groups(self) -> None:
        if self.groups.shape[1] != 2:
            raise InputError(f"field 'groups': expected pairs (group, VM), got shape {self.groups.shape}")
        at = _first((self.groups[:, 1] < 0) | (self.groups[:, 1] >= self.n_vms))
        if at is not None:
            group, vm = self.groups[at]
            raise InputError(
                f"field 'groups': anti-affinity group {group} names unknown VM {vm}; expected 0 … {self.n_vms - 1}"
            )
        at = _first(self.groups[:, 0] < 0)
        if at is not None:
            raise InputError(f"field 'groups': pair {at} names group {self.groups[at, 0]}; expected ≥ 0")
        seen: dict[tuple[int, int], int] = {}
        for group, vm in self.groups.tolist():
            if self.host[vm] == NOWHERE:
                continue
            key = (group, int(self.host[vm]))
            if key in seen:
                raise InputError(
                    f"field 'groups': VMs {self.vm_name(seen[key])} and {self.vm_name(vm)} of anti-affinity group "
                    f"{group} share host {self.host_name(key[1])} at the start"
                )
            seen[key] = vm

    def _check_use(self) -> None:
        usage = self.usage()
        over = np.argwhere((usage.cpu < 0) | (usage.mem < 0))
        if len(over):
            host, node = (int(one) for one in over[0])
            used = [
                int(have[host, node] - free[host, node])
                for have, free in ((self.cpu, usage.cpu), (self.mem, usage.mem))
            ]
            raise InputError(
                f"host {self.host_name(host)} NUMA node {node} is over-committed: its VMs reserve {used[0]} cores and "
                f"{used[1]} MB of {self.cpu[host, node]} cores and {self.mem[host, node]} MB"
            )

    def _check_pods(self) -> None:
        if self.n_numa != 1:
            raise InputError(f"field 'priority': pods need hosts of one NUMA node, got {self.n_numa}")
        vm = _first(self.priority < 0)
        if vm is not None:
            raise InputError(f"field 'priority': {self._vm(vm)} has {self.priority[vm]}; expected ≥ 0")
        tiers = len(np.unique(self.priority))
        if (self.n_vms + 1) ** tiers >= EXACT:
            raise InputError(
                f"field 'priority': {tiers} different priorities of {self.n_vms} pods cannot be weighed exactly: "
                "(pods + 1) ** priorities must stay below 2**53"
            )

    def _vm(self, vm: Any) -> str:
        return f"VM {self.vm_name(int(vm))}"


def _first(wrong: Array) -> int | None:
    """Return the index of the first True."""
    found = np.flatnonzero(wrong)
    return int(found[0]) if len(found) else None


def _numbers(field: str, value: Any, record: str) -> Array:
    """Return ``value`` as an array; raises InputError naming the first record that holds no finite number."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise InputError(f"field {field!r}: rows of different lengths") from None
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        at = int(np.argwhere(~np.isfinite(array))[0, 0])
        raise InputError(f"field {field!r}: {record} {at} has {array[at]}; expected finite integers")
    return array


def _column(field: str, value: Any, record: str, dtype: Any) -> Array:
    return int_array(field, _numbers(field, value, record), 1, dtype)


def _table(field: str, value: Any, record: str) -> Array:
    return int_array(field, _numbers(field, value, record), 2)


def _texts(field: str, value: Any, count: int) -> Array:
    array = np.array([str(one) for one in value], dtype=np.str_)
    if len(array) != count:
        raise InputError(f"field {field!r}: expected {count} names, got {len(array)}")
    array.flags.writeable = False
    return array
