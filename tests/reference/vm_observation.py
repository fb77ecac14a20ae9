"""What VMRescheduling-v0 should show, worked out in plain Python from the slow simulator, feature by feature."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from reference.vm_rescheduling import ReferenceRescheduling

Row = dict[str, Any]


def share(part: int, whole: int) -> Fraction:
    return Fraction(part, whole) if whole else Fraction(0)


def vm_row(play: ReferenceRescheduling, vm: int, gains: bool) -> Row:
    """The named features of one VM that is shown."""
    takes = play.takes(vm, play.at[vm][1])
    row: Row = {}
    for node in (0, 1):
        cores, memory = takes.get(node, (0, 0))
        row[f"cores_{node}"] = share(cores, max(map(sum, play.cpu)))
        row[f"memory_{node}"] = share(memory, max(map(sum, play.mem)))
        row[f"fragment_{node}"] = share(cores % play.block, play.block)
        if play.objective == "mixed":
            row[f"memory_fragment_{node}"] = share(memory % play.memory_block, play.memory_block)
    if gains:
        ways = play.ways_in(vm)
        for name, bent in (("", False), ("_potential", True)):
            entering = [play.change(play.entering(vm, *way), bent) for way in ways]
            row[f"leave{name}"] = play.change(play.leaving(vm), bent)
            row[f"enter{name}"] = max(entering, default=Fraction(0))
        row["hosts"] = share(len({host for host, _ in ways}), len(play.hosts))
    if play.merge:
        row["count"] = len(play.twins(vm))
    return row


def pm_row(play: ReferenceRescheduling, host: int, gains: bool) -> Row:
    """The named features of one host."""
    row: Row = {}
    for node in (0, 1):
        cores, memory = play.free()[host][node] if node in play.nodes else (0, 0)
        row[f"free_{node}"] = share(cores, max(map(sum, play.cpu)))
        row[f"free_memory_{node}"] = share(memory, max(map(sum, play.mem)))
        row[f"fragment_share_{node}"] = share(cores % play.block, cores)
        row[f"fragment_{node}"] = share(cores % play.block, play.block)
        if play.objective == "mixed":
            row[f"memory_fragment_{node}"] = share(memory % play.memory_block, play.memory_block)
    for flip in (0, 1) if gains else ():
        vm = play.chosen
        fits = vm is not None and play.allowed(vm, host, flip)
        row[f"fits_{flip}"] = int(fits)
        for name, bent in (("", False), ("_potential", True)):
            row[f"gain{name}_{flip}"] = whole_move(play, host, flip, bent) if fits else 0
    return row


def whole_move(play: ReferenceRescheduling, host: int, flip: int, bent: bool) -> Fraction:
    """What moving the chosen VM gains: the fragments (or the potential) of every NUMA node, before and after."""
    vm = play.chosen
    assert vm is not None
    node = play.target(vm, host, flip)
    assert node is not None
    before = sum(play.potential(cores, bent) for cores in play.free_cores())
    home, play.at[vm] = play.at[vm], (host, node)
    after = sum(play.potential(cores, bent) for cores in play.free_cores())
    play.at[vm] = home
    return Fraction(before - after)


def context_row(play: ReferenceRescheduling) -> Row:
    row: Row = {
        "progress": share(play.used, play.limit) if play.limit else 1,
        "moves_left": play.limit - play.used,
        "vms": len(play.vms),
        "hosts": len(play.hosts),
        "fragment_rate": play.rate(),
        "free": share(sum(play.free_cores()), sum(map(sum, play.cpu))),
    }
    if play.objective == "mixed":
        row["mixed"] = play.now()["mixed"]
    if play.objective == "goal":
        row["goal_gap"] = play.rate() - play.goal
    if play.cut:
        behind = play.now()[play.objective] - min(entry[play.objective] for entry in play.history)
        row["behind"] = behind * sum(play.free_cores()) / play.block
    return row


def rows_of(spec: Any, key: str, rows: dict[int, Row]) -> np.ndarray:
    """Named features in the columns that the environment's description gives them; a missing name is an error."""
    node = spec.node(key)
    names = [feature.name for feature in node.features]
    found = np.zeros((node.count, len(names)))
    for at, row in rows.items():
        assert set(row) == set(names), set(row) ^ set(names)
        found[at] = [float(row[name]) for name in names]
    return found


def ones_at(count: int, where: Any) -> np.ndarray:
    found = np.zeros(count)
    found[list(where)] = 1
    return found


def pointers(count: int, targets: dict[int, int]) -> np.ndarray:
    found = np.full(count, -1)
    for at, target in targets.items():
        found[at] = target
    return found


def context_of(spec: Any, row: Row) -> np.ndarray:
    names = [feature.name for feature in spec.context]
    assert set(row) == set(names), set(row) ^ set(names)
    return np.array([float(row[name]) for name in names])


def vm_blocks(play: ReferenceRescheduling, spec: Any, gains: bool = False) -> dict[str, np.ndarray]:
    """Every block of the observation but the action mask; ``spec`` gives the padded counts and the columns' order."""
    shown = [vm for vm in play.vms if play.shown(vm)]
    n_vms, n_hosts = spec.node("vm").count, spec.node("pm").count
    return {
        "vm": rows_of(spec, "vm", {vm: vm_row(play, vm, gains) for vm in shown}),
        "vm_mask": ones_at(n_vms, shown),
        "pm": rows_of(spec, "pm", {host: pm_row(play, host, gains) for host in play.hosts}),
        "pm_mask": ones_at(n_hosts, play.hosts),
        "on_index": pointers(n_vms, {vm: play.at[vm][0] for vm in shown}),
        "context": context_of(spec, context_row(play)),
        "focus_vm": np.array([-1 if play.chosen is None else play.chosen]),
        "phase": np.array([int(play.chosen is not None)]),
    }
