"""Reader of the published JSON format of a cluster snapshot, and how files of any known format become a Cluster.

The format is that of bytedance/DRL-based-VM-Rescheduling: ``cluster_list`` holds clusters, each with ``host_info``
(hosts with two NUMA nodes) and ``vm_instance`` (VMs with one entry per NUMA node they lie on). What it says of free
resources is not read, as its free memory of NUMA node 1 repeats that of node 0; what is free follows from the VMs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.vm_rescheduling.cluster_csv import HOSTS_FILE, read_csv, write_csv
from ganttlet.vm_rescheduling.instance import BOTH, EXACT, Cluster
from ganttlet.vm_rescheduling.plan_files import read_plan, write_plan
from ganttlet.vm_rescheduling.whole_file import load_json, read_bytes

__all__ = ["parse_snapshot", "read_csv", "read_file", "read_plan", "read_snapshot", "write_csv", "write_plan"]

NODES = 2


def read_snapshot(path: str | Path) -> Cluster:
    """Read a snapshot in the published format; it is named after the file.

    All clusters of the file become one; hosts and VMs keep their order, names and racks. A VM with two NUMA entries
    is a split one. The file says no migration limit; that of the result is the default.

    Raises:
        InputError: naming the file, the host or VM, and what was expected.
    """
    path = Path(path)
    return parse_snapshot(load_json(read_bytes(path), str(path)), path.stem, str(path))


def read_file(path: str | Path) -> Cluster:
    """Read a cluster from a snapshot or a saved record (.json, told apart by content), .npz or a folder of CSV files.

    Raises:
        InputError: naming the file and what was expected.
    """
    path = Path(path)
    if path.is_dir() or path.suffix == ".csv":
        folder = path if path.is_dir() else path.parent
        if path.suffix == ".csv" and path.name != HOSTS_FILE:
            raise InputError(f"{path}: expected {HOSTS_FILE}, or the folder that holds it")
        return read_csv(folder)
    if path.suffix == ".npz":
        return Cluster.load(path)
    if path.suffix != ".json":
        raise InputError(f"{path}: unknown ending {path.suffix!r}; expected .json, .npz, {HOSTS_FILE} or a folder")
    data = load_json(read_bytes(path), str(path))
    if isinstance(data, Mapping) and "cluster_list" in data:
        return parse_snapshot(data, path.stem, str(path))
    return Cluster.from_dict(data, str(path))


def parse_snapshot(data: Any, name: str, source: str = "snapshot") -> Cluster:
    """Return the cluster that the published format's data describe; ``source`` names their origin in errors."""
    clusters = _field(data, "cluster_list", source, list)
    hosts: dict[str, int] = {}
    cpu: list[list[int]] = []
    mem: list[list[int]] = []
    racks: list[int] = []
    vms: list[tuple[int, int, int, int, int]] = []
    names: dict[str, None] = {}
    for cluster in clusters:
        for host in _field(cluster, "host_info", source, list):
            at = _add(hosts, len(hosts), host, "node_id", "host", source)
            rack, *rest = _host(host, at)
            racks.append(rack)
            cpu.append(rest[:NODES])
            mem.append(rest[NODES:])
    for cluster in clusters:
        if _no_sets(cluster, source):
            raise InputError(f"{source}: field 'deployment_set' is not empty; such sets are not supported")
        for vm in _field(cluster, "vm_instance", source, list):
            vms.append(_vm(vm, hosts, _add(names, None, vm, "instance_id", "VM", source)))
    if not hosts or not vms:
        raise InputError(f"{source}: expected at least one host and one VM, found {len(hosts)} and {len(vms)}")
    cores, memory, split, at_host, numa = np.array(vms, np.int64).T
    room = [np.array(part, np.int64) for part in (cpu, mem)]
    try:
        return Cluster(
            name,
            room[0],
            room[1],
            cores,
            memory,
            split,
            at_host,
            numa,
            rack=racks,
            host_id=list(hosts),
            vm_id=list(names),
        )
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


def _field(record: Any, key: str, where: str, kind: Any) -> Any:
    if not isinstance(record, Mapping) or key not in record:
        raise InputError(f"{where}: field {key!r} is missing")
    value = record[key]
    if not isinstance(value, kind):
        word = "a list" if kind is list else "a text"
        raise InputError(f"{where}: field {key!r}: expected {word}, found {value!r}"[:300])
    return value


def _add(known: dict[str, Any], value: Any, record: Any, key: str, what: str, source: str) -> str:
    """Enter a record's name as new and return how errors call the record."""
    name = str(_field(record, key, f"{source}: {what} {len(known)}", (str, int)))
    if name in known:
        raise InputError(f"{source}: {what} {name} is listed twice")
    known[name] = value
    return f"{source}: {what} {name}"


def _whole(record: Any, key: str, where: str) -> int:
    """Return a number that holds an integer, as an int."""
    value = _field(record, key, where, object)
    whole = type(value) is int or (isinstance(value, float) and value.is_integer())  # NaN and infinity are not
    if not whole or abs(value) > EXACT:
        raise InputError(f"{where}: field {key!r}: expected an integer, found {value!r}"[:300])
    return int(value)


def _no_sets(cluster: Any, source: str) -> Any:
    other = cluster.get("other_requirement", {})
    return other.get("deployment_set") if isinstance(other, Mapping) else None


def _nodes(record: Any, where: str) -> list[tuple[int, Any]]:
    """Return (NUMA node, entry) in order of the nodes; each at most once."""
    entries = _field(record, "numa", where, list)
    nodes = sorted(((_whole(entry, "node", where), entry) for entry in entries), key=lambda pair: pair[0])
    numbers = [node for node, _ in nodes]
    if not numbers or len(set(numbers)) < len(numbers) or not set(numbers) <= set(range(NODES)):
        raise InputError(f"{where}: field 'numa' names NUMA nodes {numbers}; expected 0, 1 or both")
    return nodes


def _host(host: Any, where: str) -> list[int]:
    """Return rack, cores of NUMA nodes 0 and 1, MB of NUMA nodes 0 and 1."""
    if host.get("status", "ACTIVE") != "ACTIVE":
        raise InputError(f"{where}: field 'status' is {host['status']!r}; expected 'ACTIVE'")
    nodes = _nodes(host, where)
    if len(nodes) != NODES:
        raise InputError(f"{where}: field 'numa' lists {len(nodes)} NUMA node(s); expected {NODES}")
    keys = ("total_cpu", "memory_huge_total_mb")
    return [_whole(host, "rack_id", where), *(_whole(entry, key, where) for key in keys for _, entry in nodes)]


def _vm(vm: Any, hosts: Mapping[str, int], where: str) -> tuple[int, int, int, int, int]:
    """Return cores, MB, split, host and NUMA node."""
    if vm.get("allow_migration", True) is not True:
        raise InputError(f"{where}: field 'allow_migration' is {vm['allow_migration']!r}; only true is supported")
    host = str(_field(vm, "host_id", where, (str, int)))
    if host not in hosts:
        raise InputError(f"{where}: is on unknown host {host}")
    parts = [(node, _whole(entry, "cpu", where), _whole(entry, "mem_mb", where)) for node, entry in _nodes(vm, where)]
    (node, cores, memory), split = parts[0], len(parts) == NODES
    if split and parts[1][1:] != (cores, memory):
        raise InputError(
            f"{where}: has unequal halves: {cores} cores, {memory} MB and {parts[1][1]} cores, {parts[1][2]} MB"
        )
    share = NODES if split else 1
    return cores * share, memory * share, int(split), hosts[host], BOTH if split else node
