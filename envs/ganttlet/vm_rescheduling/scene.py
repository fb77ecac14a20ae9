"""What a picture of a plan shows: the cluster before and after as a heat map, and the moves as arrows."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.vm_rescheduling.instance import NOWHERE, Array, Cluster
from ganttlet.vm_rescheduling.solution import Plan, values_of
from ganttlet.vm_rescheduling.usage import Usage

INK, SOFT, FRAME, MARK = "#333", "#777", "#e3e6ea", "#1f4e9c"
RESERVED, WHOLE, FRAGMENT = "#b9bfc7", "#3a9d5d", "#f0772b"
TIERS = ("#b7c9e2", "#7fa3d1", "#4a7ab5", "#2b5288", "#17325a")
WIDTH, GAP, MARGIN, LINE = 960.0, 24.0, 14.0, 15.0
PANEL = (WIDTH - 2 * MARGIN - GAP) / 2
TALLEST, WIDEST = 520.0, 90.0
SHOWN = 100
NAME = 14
SIZES = 4  # sizes of VMs that a pointer over a host tells of
Parts = list[tuple[str, Array]]
Step = tuple[int, int, int, int, int]
Box = tuple[float, float, float, float]


class Text(NamedTuple):
    """One line of text of a scene; ``size`` in pixels."""

    x: float
    y: float
    text: str
    size: float = 11.0
    color: str = INK
    bold: bool = False


@dataclass
class Scene:
    """A picture as a list of shapes in pixels, drawn alike as SVG and by matplotlib.

    Fields:
        height: pixels; the width is WIDTH.
        boxes: colour -> filled boxes (x, y, width, height).
        outlines: boxes drawn as frames.
        cells, hovers: host -> its cell before and after the plan, and what a pointer over it tells of both.
        texts: lines of text.
    """

    height: float = 0.0
    boxes: dict[str, list[Box]] = field(default_factory=lambda: defaultdict(list))
    outlines: list[Box] = field(default_factory=list)
    cells: dict[int, list[Box]] = field(default_factory=lambda: defaultdict(list))
    hovers: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    texts: list[Text] = field(default_factory=list)


def play(instance: Cluster, plan: Plan) -> tuple[Usage, list[Step]]:
    """Return the cluster after the plan, and its moves as (VM, host and NUMA node before, the same after)."""
    if plan.instance != instance.digest:
        raise InputError(f"picture of {instance.name}: the plan belongs to instance {plan.instance}")
    usage, steps = instance.usage(), list[Step]()
    for at, (vm, host, numa) in enumerate(plan.moves.tolist()):
        broken = usage.complaint(vm, host, numa)
        if broken is not None:
            raise InputError(f"picture of {instance.name}: move {at}: {broken[1]}")
        steps.append((vm, int(usage.host[vm]), int(usage.numa[vm]), host, numa))
        usage.move(vm, host, numa)
    return usage, steps


def _name(instance: Cluster, kind: str, index: int) -> str:
    """Return the name of a host or VM, long ones cut in their middle."""
    ids = instance.host_id if kind in ("pm", "node") else instance.vm_id
    name = f"{kind}_{index}" if ids is None else str(ids[index])
    return name if len(name) <= NAME else f"{name[: NAME // 2]}…{name[-(NAME - NAME // 2 - 1) :]}"


def _kinds(instance: Cluster) -> tuple[str, str, str]:
    """Return what a host and a VM are called, and the unit of their cores."""
    return ("node", "pod", "m") if instance.is_pods else ("pm", "vm", "cores")


def _place(instance: Cluster, host: int, numa: int, nowhere: str) -> str:
    if host == NOWHERE:
        return nowhere
    name = _name(instance, _kinds(instance)[0], host)
    return f"{name}/{numa}" if numa < instance.n_numa and instance.n_numa > 1 else name


def arrow_of(instance: Cluster, number: int, step: Step, arrow: str) -> str:
    """Return ``3. vm_12 (8 cores) pm_4/0 -> pm_17/1`` with the given arrow."""
    vm, from_host, from_numa, host, numa = step
    _, kind, unit = _kinds(instance)
    origin, goal = _place(instance, from_host, from_numa, "pending"), _place(instance, host, numa, "out")
    return f"{number}. {_name(instance, kind, vm)} ({instance.cores[vm]} {unit}) {origin} {arrow} {goal}"


def heading(usage: Usage) -> str:
    """Return the objectives of a state in words."""
    instance = usage.instance
    values = values_of(usage, 0)
    if not instance.is_pods:
        return f"FR{instance.block} {values['fr16']:.4f}, N{instance.block} {values['n16']:.0f}"
    pending = usage.host == NOWHERE
    tiers = [f"tier {t}: {int((pending & (instance.tier == t)).sum())}" for t in _tiers(instance)[::-1]]
    return f"{int(pending.sum())} pending ({', '.join(tiers)})"


def moves_made(steps: list[Step]) -> str:
    """Return ``after 3 moves``."""
    return f"after {len(steps)} move{'' if len(steps) == 1 else 's'}"


def _tiers(instance: Cluster) -> list[int]:
    return list(range(int(instance.tier.max()) + 1))


def _parts(usage: Usage) -> Parts:
    """Return what the cores of every NUMA node are used for: (colour, (P, K) cores), in the order of the bar."""
    instance = usage.instance
    if not instance.is_pods:
        fragments = usage.cpu % instance.block
        return [(RESERVED, instance.cpu - usage.cpu), (WHOLE, usage.cpu - fragments), (FRAGMENT, fragments)]
    parts = []
    for tier in _tiers(instance)[::-1]:
        used = np.zeros_like(usage.cpu)
        pods = (usage.host != NOWHERE) & (instance.tier == tier)
        np.add.at(used[:, 0], usage.host[pods], instance.cores[pods])
        parts.append((_tier_color(tier, instance), used))
    return [*parts, (WHOLE, usage.cpu)]


def _tier_color(tier: int, instance: Cluster) -> str:
    """Return a blue, the darker the higher the tier; the lowest tiers share one beyond five."""
    return TIERS[max(0, len(TIERS) - 1 - (_tiers(instance)[-1] - tier))]


def _legend(instance: Cluster) -> list[tuple[str, str]]:
    if instance.is_pods:
        tiers = [(_tier_color(t, instance), f"requested, tier {t}") for t in _tiers(instance)[::-1]]
        return [*tiers[: len(TIERS)], (WHOLE, "free cpu")]
    return [
        (RESERVED, "reserved cores"),
        (WHOLE, f"free, whole blocks of {instance.block}"),
        (FRAGMENT, f"free, fragments (mod {instance.block})"),
    ]


def _grid(hosts: int) -> tuple[int, float, float]:
    """Return columns, and width and height of a host's cell: about twice as wide as high, the panel not too tall."""
    columns = math.ceil(PANEL / WIDEST)
    while columns < hosts and math.ceil(hosts / columns) * PANEL / columns / 2 > TALLEST:
        columns += 1
    columns = max(1, min(columns, hosts))
    width = min(WIDEST, PANEL / columns)
    return columns, width, width / 2


def _add_panel(scene: Scene, usage: Usage, left: float, top: float, changed: set[int]) -> None:
    """Add one heat map to the scene."""
    instance = usage.instance
    columns, wide, high = _grid(instance.n_hosts)
    pad = 1.0 if wide < 30 else 2.0
    label = 11.0 if wide >= 60 else 0.0
    bar = (high - 2 * pad - label) / instance.n_numa
    scale = (wide - 2 * pad) / max(1, int(instance.cpu.max()))
    host_kind, vm_kind, unit = _kinds(instance)
    count = np.bincount(usage.host[usage.host != NOWHERE], minlength=instance.n_hosts)
    parts = _parts(usage)
    for host in range(instance.n_hosts):
        x = left + (host % columns) * wide + pad
        y = top + (host // columns) * high + pad
        name = _name(instance, host_kind, host)
        cell = (x - pad / 2, y - pad / 2, wide - pad, high - pad)
        if host in changed:
            scene.outlines.append(cell)
        if label:
            scene.texts.append(Text(x, y + 8.5, name, 9.0, SOFT))
        for node in range(instance.n_numa):
            at = x
            for color, amount in parts:
                length = float(amount[host, node]) * scale
                if length:
                    scene.boxes[color].append((at, y + label + node * bar, length, max(bar - 0.7, 0.7)))
                    at += length
        free = ", ".join(
            f"{'' if instance.n_numa == 1 else f'NUMA {node}: '}{usage.cpu[host, node]} {unit} "
            f"and {usage.mem[host, node]} MB free"
            for node in range(instance.n_numa)
        )
        scene.cells[host].append(cell)
        words = _sizes(instance.cores[usage.host == host], unit)
        scene.hovers[host].append(f"{free}, {count[host]} {vm_kind}s{words}")


def _sizes(cores: Array, unit: str) -> str:
    """Return ``: 3 of 4, 2 of 16 cores`` for what a host holds, the largest four sizes at most."""
    sizes, counts = np.unique(cores, return_counts=True)
    found = [f"{n} of {size}" for size, n in zip(sizes[::-1].tolist(), counts[::-1].tolist(), strict=True)]
    more = [f"{len(found) - SIZES} smaller sizes"] if len(found) > SIZES else []
    return f": {', '.join([*found[:SIZES], *more])} {unit}" if found else ""


def _across(instance: Cluster) -> int:
    """Return how many arrows stand side by side: as many as the longest possible ones leave room for."""
    host, vm, unit = _kinds(instance)
    hosts = max(len(_name(instance, host, index)) for index in range(instance.n_hosts))
    vms = max(len(_name(instance, vm, index)) for index in range(instance.n_vms))
    longest = len(f"100.  ({instance.cores.max()} {unit}) /0 → /0") + vms + 2 * hosts
    return max(1, int((WIDTH - 2 * MARGIN) / (5.6 * longest)))


def make_scene(instance: Cluster, plan: Plan, title: str = "", room: int | None = None) -> Scene:
    """Return the picture of ``plan``.

    Args:
        instance: the cluster.
        plan: a plan of that cluster.
        title: the heading; the instance's name and size if empty.
        room: leave room for that many moves, so that the frames of an episode are equally high.

    Raises:
        InputError: if the plan belongs to another instance or a move breaks a rule.
    """
    after, steps = play(instance, plan)
    scene = Scene()
    scene.texts.append(Text(MARGIN, 22, title or f"{instance.name} ({instance.size})", 14, INK, True))
    _add_legend(scene, instance)
    changed = {host for _, origin, _, goal, _ in steps for host in (origin, goal) if host != NOWHERE}
    columns, _, high = _grid(instance.n_hosts)
    top = 74.0
    for left, usage, words, marked in (
        (MARGIN, instance.usage(), "before", set[int]()),
        (MARGIN + PANEL + GAP, after, moves_made(steps), changed),
    ):
        scene.texts.append(Text(left, top - 9, f"{words}: {heading(usage)}", 12, INK, True))
        _add_panel(scene, usage, left, top, marked)
    scene.height = top + math.ceil(instance.n_hosts / columns) * high + 8
    _add_arrows(scene, instance, steps, len(steps) if room is None else room)
    return scene


def _add_legend(scene: Scene, instance: Cluster) -> None:
    x = MARGIN
    for color, words in _legend(instance):
        scene.boxes[color].append((x, 33, 10, 10))
        scene.texts.append(Text(x + 14, 42, words, 10, SOFT))
        x += 26 + 5.6 * len(words)
    scene.outlines.append((x, 33, 10, 10))
    scene.texts.append(Text(x + 14, 42, f"{_kinds(instance)[0]} that a move leaves or enters", 10, SOFT))


def _add_arrows(scene: Scene, instance: Cluster, steps: list[Step], room: int) -> None:
    """Add the list of moves, in columns, below what the scene holds."""
    if not room:
        return
    top = scene.height + 14
    scene.texts.append(Text(MARGIN, top, "Moves, in the order in which they are carried out", 12, INK, True))
    across = _across(instance)
    rows = math.ceil(min(room, SHOWN) / across)
    for at, step in enumerate(steps[:SHOWN]):
        column, row = divmod(at, rows)
        x = MARGIN + column * (WIDTH - 2 * MARGIN) / across
        scene.texts.append(Text(x, top + (row + 1.2) * LINE, arrow_of(instance, at + 1, step, "→"), 10.5))
    scene.height = math.ceil(top + (rows + 1.2 + (room > SHOWN)) * LINE)
    if len(steps) > SHOWN:
        scene.texts.append(Text(MARGIN, scene.height - LINE, f"… and {len(steps) - SHOWN} more", 10.5, SOFT))
