"""Migration plans as files for people and operators: CSV or JSON, one step per move, with names.

The columns (fields in JSON) are step (from 1), vm, from_host, from_numa, to_host, to_numa. NUMA node 2 stands for
both, where a split VM lies. From and to are empty (null in JSON) for a pending pod and for an evicted one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.record import write_atomic
from ganttlet.vm_rescheduling.cluster_csv import Cell, check_header, format_csv, read_table
from ganttlet.vm_rescheduling.instance import NOWHERE, Cluster
from ganttlet.vm_rescheduling.solution import Plan, validate
from ganttlet.vm_rescheduling.whole_file import load_json, read_bytes

COLUMNS = ("step", "vm", "from_host", "from_numa", "to_host", "to_numa")


def write_plan(instance: Cluster, plan: Plan, path: str | Path) -> None:
    """Write the ordered moves of a plan to ``path`` (.csv or .json), whole or not at all.

    Raises:
        InputError: if the plan breaks a rule or belongs to another instance, if two VMs or hosts have the same name,
            or for another ending.
    """
    path = Path(path)
    broken = validate(instance, plan).violations
    if broken:
        raise InputError(f"{path}: the plan for {instance.name} cannot be carried out: {broken[0].message}")
    _numbers(instance, str(path))
    rows = list(_rows(instance, plan))
    if path.suffix == ".csv":
        write_atomic(path, format_csv(COLUMNS, [["" if one is None else one for one in row] for row in rows]))
    elif path.suffix == ".json":
        head = {"family": plan.family, "name": instance.name, "instance": instance.digest}
        moves = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        write_atomic(path, json.dumps({**head, "moves": moves}, ensure_ascii=False, indent=1) + "\n")
    else:
        raise InputError(f"{path}: unknown ending {path.suffix!r}; expected .csv or .json")


def read_plan(instance: Cluster, path: str | Path) -> Plan:
    """Read a plan for ``instance`` that :func:`write_plan` wrote, or one written by hand in its format.

    Where moves start from must agree with the instance and the moves before; nothing else is judged.

    Raises:
        InputError: naming the file, the step or line, and what was expected.
    """
    path = Path(path)
    if path.suffix not in (".csv", ".json"):
        raise InputError(f"{path}: unknown ending {path.suffix!r}; expected .csv or .json")
    vms, hosts = _numbers(instance, str(path))
    place = {vm: (int(instance.host[vm]), int(instance.numa[vm])) for vm in range(instance.n_vms)}
    moves = []
    for at, row in enumerate(_from_csv(path) if path.suffix == ".csv" else _from_json(instance, path)):
        if row["step"].text != str(at + 1):
            row["step"].fail(f"step {at + 1}")
        if row["vm"].text not in vms:
            row["vm"].fail("a VM of the instance")
        vm = vms[row["vm"].text]
        start, end = (_place(row[f"{side}_host"], row[f"{side}_numa"], hosts) for side in ("from", "to"))
        if start != place[vm]:
            found = Cell(row["from_host"].where, _words(instance, *start))
            found.fail(f"{_words(instance, *place[vm])}, where the VM lies then")
        moves.append((vm, *end))
        place[vm] = end
    return Plan(np.array(moves, np.int64).reshape(-1, 3), instance.digest)


def _names(instance: Cluster, host: int, numa: int) -> tuple[str | None, int | None]:
    """Return host and NUMA node as in files."""
    return (None, None) if host == NOWHERE else (instance.host_name(host), numa)


def _words(instance: Cluster, host: int, numa: int) -> str:
    return "no host" if host == NOWHERE else f"host {instance.host_name(host)} NUMA node {numa}"


def _rows(instance: Cluster, plan: Plan) -> Iterator[tuple[Any, ...]]:
    usage = instance.usage()
    for at, (vm, host, numa) in enumerate(plan.moves.tolist()):
        start = _names(instance, int(usage.host[vm]), int(usage.numa[vm]))
        yield (at + 1, instance.vm_name(vm), *start, *_names(instance, host, numa))
        usage.move(vm, host, numa)


def _numbers(instance: Cluster, source: str) -> tuple[dict[str, int], dict[str, int]]:
    """Return name -> index of VMs and of hosts; raises InputError if a name stands for two."""
    vms = {instance.vm_name(vm): vm for vm in range(instance.n_vms)}
    hosts = {instance.host_name(host): host for host in range(instance.n_hosts)}
    if len(vms) < instance.n_vms or len(hosts) < instance.n_hosts:
        what = "VMs" if len(vms) < instance.n_vms else "hosts"
        raise InputError(f"{source}: {instance.name} has {what} of equal names, which a plan cannot tell apart")
    return vms, hosts


def _place(host: Cell, numa: Cell, hosts: Mapping[str, int]) -> tuple[int, int]:
    if not host.text and not numa.text:
        return NOWHERE, NOWHERE
    if host.text not in hosts:
        host.fail("a host of the instance")
    return hosts[host.text], numa.integer(0, 2)


def _from_csv(path: Path) -> list[dict[str, Cell]]:
    header, rows = read_table(path)
    check_header(path, header, COLUMNS)
    return rows


def _from_json(instance: Cluster, path: Path) -> list[dict[str, Cell]]:
    data = load_json(read_bytes(path), str(path))
    moves = data.get("moves") if isinstance(data, Mapping) else None
    if not isinstance(moves, list) or not all(isinstance(move, Mapping) for move in moves):
        raise InputError(f"{path}: expected a mapping whose field 'moves' lists mappings with {', '.join(COLUMNS)}")
    if data.get("instance", instance.digest) != instance.digest:
        raise InputError(f"{path}: belongs to instance {data['instance']}, not to {instance.name} ({instance.digest})")
    rows = []
    for at, move in enumerate(moves):
        where = f"{path}: move {at + 1}"
        for key in COLUMNS:
            if key not in move:
                raise InputError(f"{where}: field {key!r} is missing")
        texts = {key: "" if move[key] is None else str(move[key]) for key in COLUMNS}
        rows.append({key: Cell(f"{where}: field {key!r}", text) for key, text in texts.items()})
    return rows
