"""Pictures of a run: a Gantt chart of its PEs as SVG text, pixels and plain text, and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.figure import pixels_of
from ganttlet.core.record import write_atomic
from ganttlet.soc_dag.course import NEVER, course_of
from ganttlet.soc_dag.instance import Array, Workload
from ganttlet.soc_dag.metrics import clock_start
from ganttlet.soc_dag.scene import (
    FAINT,
    INK,
    LANE,
    MARK,
    NEUTRAL,
    SOFT,
    Box,
    Boxes,
    Lines,
    Point,
    Scene,
    Text,
    color_of,
    figure_of,
    hatch,
    ink_on,
    paler,
    round_times,
    save_scene,
    shorten,
    svg_of,
)
from ganttlet.soc_dag.solution import Run

COLORS = ("job", "app")
SYMBOLS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SHOWN = 300  # tasks that the default window shows
NAMED, DRAWN = 2000, 6000  # more bars share one hover text per job, and then one colour
WIDTH, LEFT, RIGHT, TOP = 960.0, 84.0, 22.0, 44.0
STRIP, STEPS, APART = 13.0, 34.0, 5.0
FRAME_PATHS = 6  # critical paths that a frame of an episode shows


class Window(NamedTuple):
    """A part of a run.

    Fields:
        begin, end: in ticks.
        now: last instant that the run knows of.
        words: which part it is; ``{n}`` stands for the number of its tasks.
        ended: whether the run's end is called its end, or now.
    """

    begin: int
    end: int
    now: int
    words: str
    ended: bool = True


class Jobs(NamedTuple):
    """(N,) int64 each, -1 for what has not happened: when a job's latency begins, it came, it entered, it was done."""

    clock: Array
    arrival: Array
    inject: Array
    done: Array


def jobs_of(workload: Workload, run: Run) -> Jobs:
    """Return when the jobs of a run came, entered and were done.

    Raises:
        InputError: if the run belongs to another workload or does not fit this one.
    """
    what = f"picture of {workload.name}"
    if run.instance_digest not in ("", workload.digest):
        raise InputError(f"{what}: the run belongs to workload {run.instance_digest}, expected {workload.digest}")
    tasks = workload.exec_time.shape[1]
    if len(run.app) and run.pe.shape[1] != tasks:
        raise InputError(f"{what}: field 'pe' has {run.pe.shape[1]} tasks a job, expected {tasks}")
    if np.any(run.app < 0) or np.any(run.app >= workload.n_apps):
        raise InputError(f"{what}: field 'app': expected applications 0 … {workload.n_apps - 1}")
    if np.any(run.pe >= workload.n_pes) or np.any(run.pe[run.start >= 0] < 0):
        raise InputError(f"{what}: field 'pe': expected PEs 0 … {workload.n_pes - 1} of the tasks that have started")
    ends = course_of(workload, run).ends
    return Jobs(clock_start(workload, run), run.arrival, run.inject, np.where(ends < NEVER, ends, -1))


def window_of(workload: Workload, run: Run, begin: int | None = None, end: int | None = None) -> Window:
    """Return the part of a run to be drawn.

    By default all of a run of at most 300 started tasks; otherwise the first 300 from the end of the warm-up on, so
    that pictures of two methods begin alike.

    Raises:
        InputError: if ``begin`` is not before ``end``, or below 0.
    """
    times = np.sort(run.start[run.start >= 0])
    now = max(1, run.end, *(int(field.max(initial=0)) for field in (run.start, run.finish, run.inject)))
    if begin is not None or end is not None:
        first, last = 0 if begin is None else int(begin), now if end is None else int(end)
        if not 0 <= first < last:
            raise InputError(f"picture of {workload.name}: window {first} … {last}; expected 0 ≤ begin < end")
        return Window(first, last, now, f"{{n}} of {len(times)} tasks")
    if len(times) <= SHOWN:
        return Window(0, now, now, "all {n} tasks" if len(times) else "no tasks")
    first = workload.warmup if times[-1] >= workload.warmup else 0
    later = times[np.searchsorted(times, first) :]
    last = now if len(later) <= SHOWN else max(first + 1, int(later[SHOWN]))
    count = f"the first {min(SHOWN, len(later))} of {len(times)} tasks"
    return Window(first, last, now, count + (" after the warm-up," if first else ","))


def frame_of(workload: Workload, run: Run) -> Window:
    """Return the latest part of a run, as long for every run of a workload: frames of an episode then scroll."""
    span = max(1, round(FRAME_PATHS * float(workload.probability @ workload.critical_path)))
    now = max(1, run.end, *(int(field.max(initial=0)) for field in (run.start, run.finish, run.inject)))
    end = max(now, span)
    return Window(end - span, end, now, "{n} tasks", False)


def _lanes(workload: Workload) -> tuple[Array, float, float]:
    """Return the upper edges of the PEs' lanes, their height, and the lower edge of the last, in pixels."""
    high = 20.0 if workload.n_pes <= 16 else 14.0 if workload.n_pes <= 32 else 10.0
    top = TOP + np.arange(workload.n_pes) * high + APART * workload.cluster
    return top, high, float(top[-1]) + high


def _height(workload: Workload) -> float:
    return _lanes(workload)[2] + 3 * APART + 2 * STRIP + STEPS + 36


def pe_name(workload: Workload, pe: int) -> str:
    """Return ``A15 4``: the cluster's name, its number if it has none, and the PE."""
    cluster = int(workload.cluster[pe])
    return f"{workload.cluster_names[cluster] if workload.cluster_names else f'cluster {cluster}'} {pe}"


def span_words(workload: Workload, run: Run, job: int, task: int) -> str:
    """Return what happened to one task: kernel, PE, start, finish and the mean time it was expected to take."""
    app, pe = int(run.app[job]), int(run.pe[job, task])
    begin, finish = int(run.start[job, task]), int(run.finish[job, task])
    words = f"task {task}: {workload.kernel_name(app, task)}"
    if pe < 0:
        return f"{words}, not assigned"
    words += f" on {pe_name(workload, pe)}"
    if begin < 0:
        return f"{words}, not started"
    mean = int(workload.exec_time[app, task, pe])
    if finish < 0:
        return f"{words}, started {begin}, not finished (mean {mean})"
    return f"{words}, start {begin}, finish {finish} ({finish - begin} {workload.unit}, mean {mean})"


def job_words(workload: Workload, run: Run, jobs: Jobs, job: int) -> str:
    """Return a job's number, application and latency."""
    latency = f"latency {jobs.done[job] - jobs.clock[job]} {workload.unit}" if jobs.done[job] >= 0 else "not done"
    return f"job {job} ({workload.app_name(int(run.app[job]))}), {latency}"


def _bars(run: Run, window: Window) -> list[tuple[int, int, int, int, bool]]:
    """Return (job, task, start, finish, done) of what ran in a window, by job; a running task ends with the run."""
    finish = np.where(run.finish >= 0, run.finish, max(window.now, window.begin))
    seen = (run.start >= 0) & (run.start <= window.end) & (finish >= window.begin)
    return [
        (int(job), int(task), int(run.start[job, task]), int(finish[job, task]), bool(run.finish[job, task] >= 0))
        for job, task in zip(*np.nonzero(seen), strict=True)
    ]


def _scene(workload: Workload, run: Run, window: Window, title: str, color: str) -> Scene:
    check_choice(f"picture of {workload.name}: color", color, COLORS)
    jobs, bars = jobs_of(workload, run), _bars(run, window)
    tops, high, below = _lanes(workload)
    scene = Scene(WIDTH, _height(workload))
    scale = (WIDTH - LEFT - RIGHT) / (window.end - window.begin)

    def x(time: float) -> float:
        return LEFT + scale * (min(max(time, window.begin), window.end) - window.begin)

    scene.shapes.append(Text(14, 18, title or workload.name, 13, bold=True))
    shown = {bar[0] for bar in bars}
    words = f"{window.begin} … {window.end} {workload.unit}: {window.words.format(n=len(bars))}"
    words += f" of {len(shown)} job{'s' * (len(shown) != 1)}" if shown else ""
    if len(bars) > DRAWN:
        words += "; busy time only"
    scene.shapes.append(Text(14, 34, words, 10, SOFT))
    if color == "app" and len(bars) <= DRAWN:
        _add_legend(scene, workload)
    scene.shapes.append(Boxes([(LEFT, float(top), WIDTH - LEFT - RIGHT, high - 1) for top in tops], LANE))
    ticks = round_times(window.begin, window.end)
    bottom = scene.height - 32
    scene.shapes.append(Lines([[(x(tick), TOP - 2), (x(tick), bottom + 4)] for tick in ticks], FAINT))
    size = min(9.0, high - 2)
    for pe, top in enumerate(tops):
        name = shorten(pe_name(workload, pe), int((LEFT - 10) / (0.56 * size)))
        scene.shapes.append(Text(LEFT - 5, top + high / 2 + 0.33 * size, name, size, anchor="end"))
    _add_bars(scene, workload, run, jobs, bars, x, color)
    _add_outages(scene, workload, window, x)
    _add_strips(scene, workload, run, jobs, window, x, below + APART, color)
    _add_steps(scene, workload, jobs, window, x, bottom)
    scene.shapes += [Text(x(tick), bottom + 14, str(tick), 9, anchor="middle") for tick in ticks]
    scene.shapes.append(Text((LEFT + WIDTH - RIGHT) / 2, bottom + 27, f"time ({workload.unit})", 10, anchor="middle"))
    if 0 < run.end <= window.end and run.end > window.begin:
        scene.shapes.append(Lines([[(x(run.end), TOP - 4), (x(run.end), bottom)]], MARK, 1.5))
        scene.shapes.append(
            Text(x(run.end), TOP - 6, f"{'end' if window.ended else 'now'} {run.end}", 9, MARK, True, "end")
        )
    return scene


def _add_legend(scene: Scene, workload: Workload) -> None:
    """Add the applications' colours at the right of the heading, as many as there is room for."""
    names = [shorten(workload.app_name(app), 20) for app in range(workload.n_apps)]
    right = WIDTH - RIGHT
    for app in reversed(range(workload.n_apps)):
        right -= 18 + 5.8 * len(names[app])
        if right > WIDTH / 2:
            scene.shapes += [Boxes([(right, 9, 10, 10)], color_of(app)), Text(right + 14, 18, names[app], 10, SOFT)]


def _add_bars(scene: Scene, workload: Workload, run: Run, jobs: Jobs, bars: Any, x: Any, color: str) -> None:
    tops, high, _ = _lanes(workload)
    if len(bars) > DRAWN:
        scene.shapes.append(Boxes(_merged(run, bars, x, tops, high), NEUTRAL))
        return
    labels, together = list[Text](), dict[int, list[Box]]()
    for job, task, begin, finish, done in bars:
        fill = color_of(job if color == "job" else int(run.app[job]))
        left, top = x(begin), float(tops[run.pe[job, task]])
        wide = max(x(finish) - left, 0.8)
        box = (left, top, wide, high - 1)
        if len(bars) > NAMED:
            together.setdefault(job, []).append(box)
            continue
        look = (fill, "#fff" if wide > 3 else "none") if done else (paler(fill), fill)
        hover = f"{job_words(workload, run, jobs, job)}; {span_words(workload, run, job, task)}"
        scene.shapes.append(Boxes([box], *look, 0.6, hover))
        name = f"{job} {workload.kernel_name(int(run.app[job]), task)}"
        for text in (name, str(job)):
            if high >= 14 and wide > 5.2 * len(text) + 3:
                at = (left + wide / 2, top + high / 2 + 2.6)
                labels.append(Text(*at, text, 8.5, ink_on(look[0]), anchor="middle"))
                break
    for job, boxes in together.items():
        fill = color_of(job if color == "job" else int(run.app[job]))
        scene.shapes.append(Boxes(boxes, fill, hover=job_words(workload, run, jobs, job)))
    scene.shapes += labels


def _merged(run: Run, bars: Any, x: Any, tops: Array, high: float) -> list[Box]:
    """Return boxes of the time in which each PE is busy; gaps below half a pixel are closed."""
    spans: dict[int, list[list[float]]] = {}
    for job, task, begin, finish, _ in sorted(bars, key=lambda bar: bar[2]):
        lane = spans.setdefault(int(run.pe[job, task]), [])
        if lane and x(begin) - lane[-1][1] < 0.5:
            lane[-1][1] = max(lane[-1][1], x(finish))
        else:
            lane.append([x(begin), x(finish)])
    return [(left, float(tops[pe]), max(right - left, 0.8), high - 1) for pe in spans for left, right in spans[pe]]


def _add_outages(scene: Scene, workload: Workload, window: Window, x: Any) -> None:
    tops, high, _ = _lanes(workload)
    for pe, begin, finish in workload.outage.tolist():
        if finish > window.begin and begin < window.end:
            box = (x(begin), float(tops[pe]), max(x(finish) - x(begin), 0.8), high - 1)
            hover = f"outage of {pe_name(workload, pe)}, {begin} … {finish}"
            scene.shapes += [Lines(hatch(box), INK, 0.7), Boxes([box], "none", INK, 0.8, hover)]


def _add_strips(
    scene: Scene, workload: Workload, run: Run, jobs: Jobs, window: Window, x: Any, top: float, color: str
) -> None:
    """Add when jobs came, with a line for the time before they entered, and when they were done."""
    for name, times in (("arrivals", jobs.arrival), ("completions", jobs.done)):
        scene.shapes.append(Text(LEFT - 5, top + STRIP - 3, name, 9, SOFT, anchor="end"))
        inside = np.flatnonzero((times >= window.begin) & (times <= window.end))
        for job in inside[:DRAWN].tolist():
            fill = color_of(job if color == "job" else int(run.app[job]))
            at = x(times[job])
            scene.shapes.append(Lines([[(at, top + 1), (at, top + STRIP - 2)]], fill, 1.6))
        top += STRIP
    waited = (jobs.inject > jobs.arrival) & (jobs.inject >= window.begin) & (jobs.arrival <= window.end)
    level = top - STRIP - STRIP / 2
    waits: list[list[Point]] = [
        [(x(jobs.arrival[job]), level), (x(jobs.inject[job]), level)] for job in np.flatnonzero(waited).tolist()
    ]
    scene.shapes += [Lines(waits, SOFT, 1.0)] if waits else []


def _in_system(jobs: Jobs, times: Array) -> Array:
    """Return how many jobs are in the system right after each of ``times``."""
    came, left = np.sort(jobs.inject[jobs.inject >= 0]), np.sort(jobs.done[jobs.done >= 0])
    return np.searchsorted(came, times, side="right") - np.searchsorted(left, times, side="right")


def _add_steps(scene: Scene, workload: Workload, jobs: Jobs, window: Window, x: Any, bottom: float) -> None:
    """Add the number of jobs in the system as a step line, and the capacity where it is near."""
    last = min(window.end, window.now)
    if window.begin >= last:
        times = np.array([window.begin])
    else:
        events = np.concatenate([jobs.inject, jobs.done])
        times = np.unique([window.begin, *events[(events > window.begin) & (events <= last)], last])
        if len(times) > 2 * WIDTH:
            times = np.unique(np.linspace(window.begin, last, int(2 * WIDTH)).astype(np.int64))
    counts = _in_system(jobs, times)
    peak = max(1, int(counts.max()))
    near = workload.capacity <= 2 * peak
    unit = (STEPS - 4) / max(peak, workload.capacity if near else 0)
    line: list[Point] = []
    for number, (time, count) in enumerate(zip(times.tolist(), counts.tolist(), strict=True)):
        if number:
            line.append((x(time), line[-1][1]))
        line.append((x(time), bottom - unit * count))
    scene.shapes.append(Lines([[(LEFT, bottom), (WIDTH - RIGHT, bottom)]], FAINT))
    if near:
        level = bottom - unit * workload.capacity
        scene.shapes.append(Lines([[(LEFT, level), (WIDTH - RIGHT, level)]], SOFT, 0.8, True))
        scene.shapes.append(Text(WIDTH - RIGHT + 3, level + 3, str(workload.capacity), 8, SOFT))
    if len(line) > 1:
        scene.shapes.append(Lines([line], INK, 1.3))
    scene.shapes.append(Text(LEFT - 5, bottom - 1, "jobs in system", 9, SOFT, anchor="end"))
    if not near or workload.capacity > 1.3 * peak:
        scene.shapes.append(Text(WIDTH - RIGHT + 3, bottom - unit * peak + 3, str(peak), 8))


def run_svg(workload: Workload, run: Run, title: str = "", *, color: str = "job") -> str:
    """Return a Gantt chart of a run as SVG text: a lane per PE, by cluster, and a bar per task.

    Below the lanes stand arrivals, with a line up to the entry of a job that had to wait, completions, and the number
    of jobs in the system with the capacity dashed. Outages are hatched, running tasks pale. A pointer over a bar shows
    job, task, kernel, start, finish and the job's latency. Of a run of more than 300 tasks the picture shows the first
    300 after the warm-up, and says so; :func:`save_gantt` takes another window.

    Args:
        workload: the workload.
        run: a run of that workload, possibly unfinished.
        title: the heading; the workload's name if empty.
        color: what a colour stands for, ``job`` or ``app``.

    Raises:
        InputError: if the run belongs to another workload or does not fit this one.
    """
    jobs_of(workload, run)
    return svg_of(_scene(workload, run, window_of(workload, run), title, color))


def run_rgb(workload: Workload, run: Run) -> Array:
    """Return the latest part of a run as pixels, (H, 960, 3) uint8; H and the length of the part depend on the workload
    alone, so that the frames of an episode fit one another."""
    jobs_of(workload, run)
    return pixels_of(figure_of(_scene(workload, run, frame_of(workload, run), "", "job")))


def run_ansi(workload: Workload, run: Run, width: int = 100, window: Window | None = None) -> str:
    """Return the latest part of a run as text of at most ``width`` columns: a line per PE, a symbol per job.

    A column stands for an equal share of the time and shows the job that holds most of it; ``.`` is idle, ``#`` an
    outage. Jobs 0 … 9 are digits, then come A … Z and a … z; jobs from 62 on use the 62 symbols again. The last line
    counts the jobs in the system, ``+`` for ten and more.
    """
    jobs = jobs_of(workload, run)
    window = window or frame_of(workload, run)
    names = [pe_name(workload, pe) for pe in range(workload.n_pes)]
    margin = max(len("jobs"), *map(len, names)) + 2
    columns = min(max(10, width - margin - 1), window.end - window.begin)
    edges = window.begin + np.arange(columns + 1) * ((window.end - window.begin) / columns)
    share = np.zeros((workload.n_pes, columns))
    chart = np.full((workload.n_pes, columns), ".")
    spans = [(int(run.pe[job, task]), SYMBOLS[job % 62], begin, end) for job, task, begin, end, _ in _bars(run, window)]
    spans += [(pe, "#", begin, end) for pe, begin, end in workload.outage.tolist()]
    for pe, symbol, begin, end in spans:
        part = np.minimum(edges[1:], end) - np.maximum(edges[:-1], begin)
        better = part > (share[pe] + 1e-9 if symbol != "#" else 0)
        share[pe], chart[pe] = np.where(better, part, share[pe]), np.where(better, symbol, chart[pe])
    counts = _in_system(jobs, edges[:-1])
    counts[edges[:-1] > window.now] = 0
    head = f"{workload.name}  {window.begin} ... {window.end} {workload.unit}  now {window.now}"
    lines = [f"{head}  {int((jobs.done >= 0).sum())}/{len(run.app)} jobs done"]
    lines += [f"{name:<{margin - 2}} |{''.join(row)}|" for name, row in zip(names, chart, strict=True)]
    lines.append(f"{'jobs':<{margin - 2}} |{''.join(str(n) if n < 10 else '+' for n in counts.tolist())}|")
    return "\n".join(lines) + "\n"


def save_gantt(
    workload: Workload,
    run: Run,
    path: str | Path,
    begin: int | None = None,
    end: int | None = None,
    *,
    title: str = "",
    color: str = "job",
) -> None:
    """Write the picture of :func:`run_svg` to ``path`` (.svg, .png, .pdf or .txt), whole or not at all.

    Args:
        workload: the workload.
        run: a run of that workload, possibly unfinished.
        path: the file.
        begin, end: window in ticks; None for both: as in run_svg; for one: the run's begin or end.
        title: the heading; the workload's name if empty.
        color: what a colour stands for, ``job`` or ``app``.

    Raises:
        InputError: if the ending or the window is not one of these, or the run does not fit the workload.
    """
    jobs_of(workload, run)
    window = window_of(workload, run, begin, end)
    if Path(path).suffix == ".txt":
        write_atomic(path, run_ansi(workload, run, window=window))
    else:
        save_scene(path, _scene(workload, run, window, title, color))
