"""The objectives of a valid run, from its records alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.soc_dag.course import Course, course_of, replay_source
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.solution import OBJECTIVES, Run

Array = np.ndarray[Any, Any]


def clock_start(instance: Workload, run: Run) -> Array:
    """Return (N,) int64, when each job's latency begins: its entry, with full="queue" its arrival; -1 before it."""
    return np.asarray(run.arrival if instance.full == "queue" else run.inject)


def completed(run: Run, course: Course) -> Array:
    """Return (N,) bool, the jobs that ended by the end of the run."""
    return np.asarray(course.ends <= run.end)


def counted(instance: Workload, run: Run, course: Course | None = None) -> Array:
    """Return (N,) bool, the jobs that count.

    With ``end="drain"`` those whose clock starts in [warmup, length - cooldown), done or not; with ``end="cut"`` those
    that are completed from the end of the warm-up on. ``course`` saves its computation.
    """
    if instance.end == "cut":
        course = course or course_of(instance, run)
        return completed(run, course) & (course.ends >= instance.warmup)
    start = clock_start(instance, run)
    inside = (start >= 0) & (start >= instance.warmup)
    return inside if instance.length is None else inside & (start < instance.length - instance.cooldown)


def latencies(instance: Workload, run: Run, course: Course | None = None) -> Array:
    """Return int64, the latencies in ticks of the jobs that count and are completed, by job number."""
    course = course or course_of(instance, run)
    which = counted(instance, run, course) & completed(run, course)
    return np.asarray(course.ends[which] - clock_start(instance, run)[which])


def cluster_profile(instance: Workload, run: Run, course: Course | None = None) -> Array:
    """Return (C, M + 1) int64, ticks of [0, end] that each cluster spent with 0 … M busy PEs.

    A paused task leaves its PE idle; a task that the end of the run cuts off counts until then.
    """
    course = course or course_of(instance, run)
    pe, begin, finish = (values[course.begun] for values in (run.pe, run.start, course.until))
    times, steps, pes = [begin, finish], [np.ones_like(begin), -np.ones_like(begin)], [pe, pe]
    for which, down, up in instance.outage.tolist():
        paused = int(((pe == which) & (begin < down) & (down < finish)).sum())
        times.append(np.array([down, up]))
        steps.append(np.array([-paused, paused]))
        pes.append(np.array([which, which]))
    home = instance.cluster[np.concatenate(pes)]
    when, step = np.minimum(np.concatenate(times), run.end), np.concatenate(steps)
    profile = np.zeros(instance.power.shape, np.int64)
    for cluster in range(instance.n_clusters):
        mine = home == cluster
        order = np.argsort(when[mine], kind="stable")
        bounds = np.concatenate([[0], when[mine][order], [run.end]])
        busy = np.concatenate([[0], np.cumsum(step[mine][order])])
        span = np.diff(bounds)
        lasts = span > 0  # between changes at one instant the count means nothing
        np.add.at(profile[cluster], busy[lasts], span[lasts])
    return profile


def measure(instance: Workload, run: Run) -> dict[str, float]:
    """Return the values of all OBJECTIVES for a run that breaks no rule; 0 where there is nothing to average."""
    course = course_of(instance, run)
    done, which = completed(run, course), counted(instance, run, course)
    latency, start = latencies(instance, run, course), clock_start(instance, run)
    mean, n_done = _mean(latency), int(done.sum())
    which = which & done
    least = np.maximum(1, instance.critical_path)[run.app[which]]
    due = instance.deadline[run.app].astype(np.int64)
    missed = (due > 0) & (course.ends > start + due)
    profile = cluster_profile(instance, run, course)
    energy = float((profile * instance.power).sum()) / max(1, n_done)
    busy = float((profile * np.arange(profile.shape[1])).sum())
    p50, p95, p99 = np.percentile(latency, (50, 95, 99)).tolist() if len(latency) else (0.0, 0.0, 0.0)
    waited = np.where(run.inject >= 0, run.inject, run.end) - run.arrival
    values = {
        "latency": mean,
        "makespan": float(course.ends[done].max(initial=0)),
        "p50": p50,
        "p95": p95,
        "p99": p99,
        "slowdown": _mean(latency / least),
        "energy": energy,
        "edp": energy * mean,
        "missed": _mean(missed[which]),
        "utilisation": busy / (instance.n_pes * run.end) if run.end else 0.0,
        "throughput": 1000.0 * n_done / run.end if run.end else 0.0,
        "completed": float(n_done),
        "lost": float(replay_source(instance, run, course).lost) if instance.full == "redraw" else 0.0,
        "blocked": float(waited.sum()) if instance.full == "block" else 0.0,
    }
    return {name: values[name] for name in OBJECTIVES}


def _mean(values: Array) -> float:
    return float(np.mean(values)) if len(values) else 0.0
