"""CSV files of one's own cluster: hosts.csv, vms.csv and, if anything differs from its default, options.csv.

| file | columns | one line per |
|---|---|---|
| hosts.csv | host, cpu0, cpu1, mem0, mem1[, rack] | host: cores and MB of its NUMA nodes |
| vms.csv | vm, cores, memory, split, host, numa[, group] | VM: all its cores and MB, where it lies |
| options.csv | option, value | mnl, block, memory_block, mix, goal, count_placements |

``split`` is 1 if half a VM lies on each NUMA node of its host (``numa`` is then 2 or empty), else 0. Hosts of one
NUMA node have no cpu1 and mem1.

A pod-packing problem has hosts.csv with host, cpu, mem[, rack] (millicores and MB) and vms.csv with vm, cores,
memory, host, priority[, group]; the host of a pending pod is empty. ``group`` holds anti-affinity groups, several
with ; between them. Racks and groups that are not all integers are numbered in order of appearance. The order of the
columns is free.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from ganttlet.core.errors import InputError
from ganttlet.core.record import write_atomic
from ganttlet.vm_rescheduling.instance import BOTH, NOWHERE, Cluster
from ganttlet.vm_rescheduling.whole_file import read_bytes

HOSTS_FILE, VMS_FILE, OPTIONS_FILE = "hosts.csv", "vms.csv", "options.csv"
PODS = (("host", "cpu", "mem"), ("vm", "cores", "memory", "host", "priority"))
ONE = (("host", "cpu0", "mem0"), ("vm", "cores", "memory", "split", "host", "numa"))
TWO = (("host", "cpu0", "cpu1", "mem0", "mem1"), ONE[1])
OPTIONS = {
    "mnl": "limit",
    "block": "block",
    "memory_block": "memory_block",
    "mix": "mix",
    "goal": "goal",
    "count_placements": "count_placements",
}
INTEGER = re.compile(r"-?[0-9]{1,18}", re.ASCII)


class Cell(NamedTuple):
    """One value with what errors say of where it stands."""

    where: str
    text: str

    def fail(self, expected: str) -> NoReturn:
        """Raise InputError with what was expected."""
        raise InputError(f"{self.where}: expected {expected}, found {self.text[:40]!r}")

    def integer(self, least: int = 0, most: int = 2**31 - 1) -> int:
        """Return the value as an integer in ``least`` … ``most``."""
        if INTEGER.fullmatch(self.text) is None or not least <= int(self.text) <= most:
            self.fail(f"an integer in {least} … {most}")
        return int(self.text)

    def number(self) -> float:
        """Return the value as a number."""
        try:
            return float(self.text)
        except ValueError:
            self.fail("a number")


Row = dict[str, Cell]


def read_csv(folder: str | Path) -> Cluster:
    """Read the cluster whose hosts.csv and vms.csv lie in ``folder``; it is named after the folder.

    Raises:
        InputError: naming the file, line and column and what was expected.
    """
    folder = Path(folder)
    header, rows = read_table(folder / HOSTS_FILE)
    form = PODS if "cpu" in header else TWO if "cpu1" in header or "mem1" in header else ONE
    check_header(folder / HOSTS_FILE, header, form[0], "rack")
    hosts = _names(rows, "host")
    nodes = [(name, name.replace("cpu", "mem")) for name in form[0] if name.startswith("cpu")]
    fields: dict[str, Any] = {
        "cpu": [[row[cpu].integer() for cpu, _ in nodes] for row in rows],
        "mem": [[row[mem].integer() for _, mem in nodes] for row in rows],
        "rack": _numbers([row["rack"].text for row in rows]) if "rack" in header else None,
    }
    header, vms = read_table(folder / VMS_FILE)
    check_header(folder / VMS_FILE, header, form[1], "group")
    names = _names(vms, "vm")
    fields["cores"] = [row["cores"].integer(1) for row in vms]
    fields["memory"] = [row["memory"].integer() for row in vms]
    if form is PODS:
        fields["priority"] = [row["priority"].integer() for row in vms]
        fields["split"] = [0] * len(vms)
        fields["host"] = [_host(row["host"], hosts) if row["host"].text else NOWHERE for row in vms]
        fields["numa"] = [0 if host != NOWHERE else NOWHERE for host in fields["host"]]
    else:
        fields["split"] = [row["split"].integer(0, len(nodes) - 1) for row in vms]
        fields["host"] = [_host(row["host"], hosts) for row in vms]
        fields["numa"] = [
            _numa(row["numa"], bool(split), len(nodes)) for row, split in zip(vms, fields["split"], strict=True)
        ]
    if "group" in header:
        fields["groups"] = _groups(vms)
    if (folder / OPTIONS_FILE).is_file():
        fields |= _options(folder / OPTIONS_FILE)
    try:
        return Cluster(folder.resolve().name, **fields, host_id=_ids(hosts), vm_id=_ids(names))
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None


def read_table(path: Path) -> tuple[list[str], list[Row]]:
    """Return the names of a file's columns and its lines; empty lines are skipped."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file (byte {error.start} cannot be decoded as UTF-8)") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    rows: list[Row] = []
    try:
        for line in reader:
            values = [value.strip() for value in line]
            if not any(values):
                continue
            if not header:
                header = values
                continue
            where = f"{path}, line {reader.line_num}"
            if len(values) != len(header):
                raise InputError(f"{where}: expected {len(header)} values ({', '.join(header)}), found {len(values)}")
            rows.append(
                {key: Cell(f"{where}, column {key!r}", value) for key, value in zip(header, values, strict=True)}
            )
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: cannot be read as CSV: {error}") from None
    return header, rows


def check_header(path: Path, header: list[str], needed: tuple[str, ...], optional: str = "") -> None:
    """Raise InputError unless ``header`` has each of ``needed`` once, and nothing else but ``optional``."""
    expected = f"expected the header {','.join(needed)}" + (f" and, if wanted, {optional}" if optional else "")
    for name in needed:
        if name not in header:
            raise InputError(f"{path}, line 1: column {name!r} is missing; {expected}")
    for name in header:
        if name not in (*needed, optional) or header.count(name) > 1:
            word = "twice" if header.count(name) > 1 else "unknown"
            raise InputError(f"{path}, line 1: column {name!r} is {word}; {expected}")


def _names(rows: list[Row], column: str) -> dict[str, int]:
    """Return name -> index; each is there once and not empty."""
    names: dict[str, int] = {}
    for row in rows:
        cell = row[column]
        if not cell.text or cell.text in names:
            cell.fail("a name that no other line has" if cell.text else "a name")
        names[cell.text] = len(names)
    return names


def _ids(names: Mapping[str, int]) -> list[str] | None:
    """Return the names, or None if they say no more than the indices."""
    return None if all(name == str(at) for name, at in names.items()) else list(names)


def _numbers(labels: list[str]) -> list[int]:
    """Return labels as integers if all of them are, else numbered in order of appearance."""
    if all(INTEGER.fullmatch(label) and 0 <= int(label) < 2**31 for label in labels):
        return [int(label) for label in labels]
    known = {label: at for at, label in enumerate(dict.fromkeys(labels))}
    return [known[label] for label in labels]


def _host(cell: Cell, hosts: Mapping[str, int]) -> int:
    if cell.text not in hosts:
        cell.fail(f"a host of {HOSTS_FILE}")
    return hosts[cell.text]


def _numa(cell: Cell, split: bool, nodes: int) -> int:
    if not split:
        return cell.integer(0, nodes - 1)
    if cell.text not in ("", str(BOTH)):
        cell.fail(f"nothing or {BOTH}, as the VM is split")
    return BOTH


def _groups(vms: list[Row]) -> list[tuple[int, int]]:
    pairs = []
    for vm, row in enumerate(vms):
        labels = [label.strip() for label in row["group"].text.split(";")] if row["group"].text else []
        if not all(labels) or len(set(labels)) < len(labels):
            row["group"].fail("different groups with ; between them")
        pairs += [(label, vm) for label in labels]
    return list(zip(_numbers([label for label, _ in pairs]), [vm for _, vm in pairs], strict=True))


def _options(path: Path) -> dict[str, Any]:
    header, rows = read_table(path)
    check_header(path, header, ("option", "value"))
    fields: dict[str, Any] = {}
    for row in rows:
        key, value = row["option"], row["value"]
        if key.text not in OPTIONS or OPTIONS[key.text] in fields:
            key.fail(f"one of {', '.join(OPTIONS)}, each once")
        read: Callable[[], Any] = value.number if key.text in ("mix", "goal") else value.integer
        fields[OPTIONS[key.text]] = bool(value.integer(0, 1)) if key.text == "count_placements" else read()
    return fields


def write_csv(instance: Cluster, folder: str | Path) -> None:
    """Write hosts.csv, vms.csv and options.csv into ``folder``, each whole or not at all.

    Reading them gives an equal cluster if its anti-affinity pairs are in order of the VMs.

    Raises:
        InputError: if hosts or VMs have equal names, or names that a CSV file cannot tell apart.
    """
    folder = Path(folder)
    hosts = [instance.host_name(host) for host in range(instance.n_hosts)]
    vms = [instance.vm_name(vm) for vm in range(instance.n_vms)]
    for what, names in (("host", hosts), ("VM", vms)):
        if len(set(names)) < len(names) or any(name != name.strip() or not name for name in names):
            raise InputError(f"{instance.name}: a {what} name is empty, there twice or begins or ends with a space")
    form = PODS if instance.is_pods else TWO if instance.n_numa == BOTH else ONE
    columns: dict[str, list[Any]] = {"host": hosts}
    for node in range(instance.n_numa):
        suffix = "" if instance.is_pods else str(node)
        columns[f"cpu{suffix}"], columns[f"mem{suffix}"] = (
            instance.cpu[:, node].tolist(),
            instance.mem[:, node].tolist(),
        )
    if instance.rack is not None:
        columns["rack"] = instance.rack.tolist()
    _write(folder / HOSTS_FILE, [*form[0], *(("rack",) if instance.rack is not None else ())], columns)
    columns = {
        "vm": vms,
        "cores": instance.cores.tolist(),
        "memory": instance.memory.tolist(),
        "split": instance.split.tolist(),
        "host": [hosts[host] if host != NOWHERE else "" for host in instance.host.tolist()],
        "numa": instance.numa.tolist(),
        "priority": [] if instance.priority is None else instance.priority.tolist(),
    }
    if len(instance.groups):
        groups: list[list[str]] = [[] for _ in vms]
        for group, vm in instance.groups.tolist():
            groups[vm].append(str(group))
        columns["group"] = [";".join(own) for own in groups]
    _write(folder / VMS_FILE, [*form[1], *(("group",) if len(instance.groups) else ())], columns)
    values = {key: getattr(instance, field) for key, field in OPTIONS.items()}
    values["count_placements"] = int(instance.count_placements)
    given = {key: value for key, value in values.items() if value is not None}
    _write(folder / OPTIONS_FILE, ["option", "value"], {"option": list(given), "value": list(given.values())})


def _write(path: Path, header: list[str], columns: Mapping[str, list[Any]]) -> None:
    write_atomic(path, format_csv(header, zip(*(columns[name] for name in header), strict=True)))


def format_csv(header: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return CSV text of a header and rows."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()
