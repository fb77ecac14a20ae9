"""Pictures of a task graph: tasks in layers from left to right, and where and when those of a job ran."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.soc_dag.application import topological_order
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.render import Jobs, job_words, jobs_of, pe_name, span_words
from ganttlet.soc_dag.scene import (
    FAINT,
    INK,
    NEUTRAL,
    SOFT,
    Box,
    Boxes,
    Lines,
    Point,
    Scene,
    Text,
    color_of,
    ink_on,
    paler,
    save_scene,
    shorten,
    svg_of,
)
from ganttlet.soc_dag.solution import Run

Edge = tuple[int, int, int]
NODE, ROW, TOP, MARGIN = (122.0, 30.0), 40.0, 52.0, 16.0
LARGEST = (4000.0, 1600.0)  # pixels that a picture with names may take; above, tasks are small boxes without names
SMALL = (1600.0, 1000.0)
MOST_BENDS, MOST_EDGES = 4000, 10_000
SWEEPS = 12


class Layout(NamedTuple):
    """Places of the tasks and of the bends of long edges, which are numbered on from the tasks.

    Fields:
        layer: of each, longest path from a task without predecessors, counted in edges.
        y: of each; neighbours in a layer are 1 apart, bends half as much.
        chains: per edge its source, bends and target.
    """

    layer: list[int]
    y: list[float]
    chains: list[list[int]]


def layout_of(n_tasks: int, edges: Sequence[Edge]) -> Layout:
    """Return the layered layout of a graph: longest-path layers, then sweeps of barycentres for order and place."""
    layer, after = [0] * n_tasks, [list[int]() for _ in range(n_tasks)]
    for source, target, _ in edges:
        after[source].append(target)
    for task in topological_order(n_tasks, [(source, target) for source, target, _ in edges]):
        for other in after[task]:
            layer[other] = max(layer[other], layer[task] + 1)
    bends = sum(layer[target] - layer[source] - 1 for source, target, _ in edges)
    chains = []
    for source, target, _ in edges:
        chain = [source]
        if bends <= MOST_BENDS:
            for level in range(layer[source] + 1, layer[target]):
                chain.append(len(layer))
                layer.append(level)
        chains.append([*chain, target])
    before, follow = [list[int]() for _ in layer], [list[int]() for _ in layer]
    for chain in chains:
        for left, right in pairwise(chain):
            follow[left].append(right)
            before[right].append(left)
    rows = [list[int]() for _ in range(max(layer) + 1)]
    for node, level in enumerate(layer):
        rows[level].append(node)
    y = [0.0] * len(layer)
    room = [1.0 if node < n_tasks else 0.5 for node in range(len(layer))]
    for row in rows:
        _settle(row, y, room, [float(place) for place in range(len(row))])
    for sweep in range(SWEEPS):
        ahead = sweep % 2 == 0
        near = before if ahead else follow
        for row in rows if ahead else reversed(rows):
            wanted = [_mean([y[other] for other in near[node]], y[node]) for node in row]
            if sweep < SWEEPS - 4:
                places = sorted(range(len(row)), key=lambda place: (wanted[place], place))
                wanted = [wanted[place] for place in places]
                row[:] = [row[place] for place in places]
            _settle(row, y, room, wanted)
    return Layout(layer, y, chains)


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _settle(row: list[int], y: list[float], room: list[float], wanted: list[float]) -> None:
    """Place a layer as near to ``wanted`` as its order and the room of its nodes allow (isotonic regression)."""
    offset, offsets = 0.0, list[float]()
    for place, node in enumerate(row):
        offset += (room[row[place - 1]] + room[node]) / 2 if place else 0.0
        offsets.append(offset)
    blocks: list[tuple[float, int]] = []
    for place in range(len(row)):
        block = (wanted[place] - offsets[place], 1)
        while blocks and blocks[-1][0] >= block[0]:
            value, count = blocks.pop()
            block = ((value * count + block[0] * block[1]) / (count + block[1]), count + block[1])
        blocks.append(block)
    at = 0
    for value, count in blocks:
        for place in range(at, at + count):
            y[row[place]] = value + offsets[place]
        at += count


def _scene(workload: Workload, app: int | str, run: Run | None, job: int | None, title: str) -> Scene:
    number = _app_number(workload, app)
    edges, n_tasks = workload.edges_of(number), int(workload.n_tasks[number])
    jobs = jobs_of(workload, run) if run is not None else None
    job = _job_number(workload, number, run, job)
    layout = layout_of(n_tasks, edges)
    levels = max(layout.layer) + 1
    low, high = min(layout.y), max(layout.y)
    digits = max((len(str(volume)) for _, _, volume in edges), default=0)
    gap, wide, tall, row = 32.0 + 6 * digits, *NODE, ROW
    named = levels * (wide + gap) <= LARGEST[0] and (high - low + 1) * row <= LARGEST[1]
    if not named:
        pitch, row = min(24.0, SMALL[0] / levels), min(16.0, SMALL[1] / (high - low + 1))
        wide, tall = max(1.0, 0.6 * pitch), max(1.0, 0.7 * row)
        gap = pitch - wide
    across = levels * (wide + gap) - gap
    scene = Scene(max(520.0, across + 2 * MARGIN), TOP + (high - low) * row + tall + 12)
    left = (scene.width - across) / 2
    boxes = [
        (left + layout.layer[node] * (wide + gap), TOP + (layout.y[node] - low) * row, wide, tall)
        for node in range(len(layout.y))
    ]
    path = int(workload.critical_path[number])
    heading = f"{workload.app_name(number)}: {n_tasks} tasks, {len(edges)} edges, critical path {path} {workload.unit}"
    scene.shapes.append(Text(MARGIN, 18, title or heading, 13, bold=True))
    words = "numbers on edges are volumes" if named and digits else ""
    if run is not None and jobs is not None:
        words = f"{_subtitle(workload, run, jobs, job)}{'; ' * bool(words)}{words}"
    drawn = len(edges) <= MOST_EDGES
    if not drawn:
        words += f"{'; ' * bool(words)}edges are left out"
    scene.shapes += [Text(MARGIN, 34, words, 10, SOFT)] if words else []
    if drawn:
        _add_edges(scene, layout, boxes, edges if named else [])
    _add_tasks(scene, workload, number, run, jobs, job, boxes[:n_tasks], named)
    return scene


def _app_number(workload: Workload, app: int | str) -> int:
    names = [workload.app_name(number) for number in range(workload.n_apps)]
    if isinstance(app, str) and app in names:
        return names.index(app)
    if isinstance(app, str) or not 0 <= app < workload.n_apps:
        raise InputError(
            f"picture of {workload.name}: application {app!r}; expected {', '.join(names)} or 0 … {len(names) - 1}"
        )
    return int(app)


def _job_number(workload: Workload, app: int, run: Run | None, job: int | None) -> int | None:
    """Return the job to be drawn: the given one, or the first of the application; None if there is none."""
    if job is None:
        found = np.flatnonzero(run.app == app) if run is not None else np.zeros(0, np.int64)
        return int(found[0]) if len(found) else None
    what = f"picture of {workload.name}: job {job}"
    if run is None or not 0 <= job < len(run.app):
        raise InputError(f"{what}; expected a job of a run" + (f", 0 … {len(run.app) - 1}" if run is not None else ""))
    if run.app[job] != app:
        name = workload.app_name(int(run.app[job]))
        raise InputError(f"{what} is of application {name}; expected one of {workload.app_name(app)}")
    return job


def _subtitle(workload: Workload, run: Run, jobs: Jobs, job: int | None) -> str:
    if job is None:
        return "the run has no job of it"
    times = zip(("arrival", "entry", "end"), (jobs.arrival[job], jobs.inject[job], jobs.done[job]), strict=True)
    known = ", ".join(f"{name} {time}" for name, time in times if time >= 0)
    return f"{job_words(workload, run, jobs, job)}, {known}"


def _add_edges(scene: Scene, layout: Layout, boxes: list[Box], edges: Sequence[Edge]) -> None:
    """Add the edges, and the volumes of ``edges``, where there is such a place none upon another."""
    lines, taken = list[list[Point]](), list[Box]()
    labels: list[Boxes | Text] = []
    for number, chain in enumerate(layout.chains):
        line, gaps = list[Point](), list[tuple[Point, Point]]()
        for left, right in pairwise(chain):
            x, y, wide, tall = boxes[left]
            start, end = (x + wide, y + tall / 2), (boxes[right][0], boxes[right][1] + tall / 2)
            gaps.append((start, end))
            steps = 10 if edges and abs(start[1] - end[1]) > 2 else 1
            line += [_between(start, end, step / steps) for step in range(steps + 1)]
        lines.append(line)
        if not edges or not edges[number][2]:
            continue
        text = str(edges[number][2])
        spots = []
        for start, end in (gaps[0], gaps[-1]):
            for share in (0.5, 0.3, 0.7, 0.4, 0.6):
                x, y = _between(start, end, share)
                spots.append((x - 2.6 * len(text) - 1.5, y - 5.5, 5.2 * len(text) + 3, 11.0))
        spot = next((spot for spot in spots if not any(_meet(spot, other) for other in taken)), spots[0])
        taken.append(spot)
        labels += [Boxes([spot], "#fff"), Text(spot[0] + spot[2] / 2, spot[1] + 8.5, text, 8.5, SOFT, anchor="middle")]
    if lines:
        scene.shapes.append(Lines(lines, "#a5adb8" if edges else FAINT, 1.1 if edges else 0.5))
    scene.shapes += labels


def _between(start: Point, end: Point, share: float) -> Point:
    """Return a point of the curve from ``start`` to ``end`` that begins and ends level."""
    return start[0] + share * (end[0] - start[0]), start[1] + share**2 * (3 - 2 * share) * (end[1] - start[1])


def _meet(one: Box, other: Box) -> bool:
    return all(abs(2 * (one[i] - other[i]) + one[i + 2] - other[i + 2]) < one[i + 2] + other[i + 2] for i in (0, 1))


def _add_tasks(
    scene: Scene,
    workload: Workload,
    app: int,
    run: Run | None,
    jobs: Jobs | None,
    job: int | None,
    boxes: list[Box],
    named: bool,
) -> None:
    used = set[int]()
    for task, (x, y, wide, tall) in enumerate(boxes):
        fill, stroke = ("#ffffff", INK) if named else (NEUTRAL, "none")
        if run is None or jobs is None or job is None:
            times = workload.exec_time[app, task]
            span = sorted({int(times[times >= 0].min()), int(times.max())})
            below = f"{'–'.join(map(str, span))} {workload.unit}"
            hover = f"task {task}: {workload.kernel_name(app, task)}, {below}"
        else:
            below = "not assigned"
            hover = f"{job_words(workload, run, jobs, job)}; {span_words(workload, run, job, task)}"
            pe, begin, finish = int(run.pe[job, task]), int(run.start[job, task]), int(run.finish[job, task])
            if pe >= 0:
                cluster = int(workload.cluster[pe])
                used.add(cluster)
                stroke = color_of(cluster)
                fill = stroke if finish >= 0 else paler(stroke, 0.55 if begin >= 0 else 0.85)
                when = f"{begin}–{finish if finish >= 0 else ''}" if begin >= 0 else "queued"
                below = f"{shorten(pe_name(workload, pe), 22 - len(when))} {when}"
        scene.shapes.append(Boxes([(x, y, wide, tall)], fill, stroke, 1.0 if named else 0.5, hover))
        if named:
            ink, middle = ink_on(fill), x + wide / 2
            name = f"{task} {workload.kernel_name(app, task)}"
            scene.shapes.append(Text(middle, y + 12.5, shorten(name, 20), 9, ink, True, "middle"))
            scene.shapes.append(Text(middle, y + 24, below, 8.5, ink, anchor="middle"))
    right = scene.width - MARGIN
    for cluster in sorted(used, reverse=True):
        name = shorten(workload.cluster_names[cluster] if workload.cluster_names else f"cluster {cluster}", 16)
        right -= 18 + 5.8 * len(name)
        scene.shapes += [Boxes([(right, 39, 9, 9)], color_of(cluster)), Text(right + 13, 47, name, 10, SOFT)]


def dag_svg(workload: Workload, app: int | str, run: Run | None = None, job: int | None = None, title: str = "") -> str:
    """Return a task graph as SVG text: tasks in layers from left to right, named by kernel, volumes on the edges.

    Without a run a task shows its least and greatest execution time; with one, the cluster's colour, PE, start and
    finish of that job's task, paler while it runs and palest while it is queued. Graphs too large for names become
    small boxes whose text a pointer shows.

    Args:
        workload: the workload.
        app: an application's number or name.
        run: a run of that workload, possibly unfinished.
        job: a job of the run; None: the first of the application.
        title: the heading; the application's name and size if empty.

    Raises:
        InputError: if there is no such application or job, or the run does not fit the workload.
    """
    return svg_of(_scene(workload, app, run, job, title))


def save_dag(
    workload: Workload,
    app: int | str,
    path: str | Path,
    run: Run | None = None,
    job: int | None = None,
    title: str = "",
) -> None:
    """Write the picture of :func:`dag_svg`, which says what the arguments are, to ``path`` (.svg, .png or .pdf)."""
    save_scene(path, _scene(workload, app, run, job, title))
