"""The rules of a run, each checked on its records alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.objective import Violation
from ganttlet.soc_dag.course import NEVER, Course, Source, course_of, replay_source
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.metrics import completed, counted
from ganttlet.soc_dag.solution import Run

Array = np.ndarray[Any, Any]
MAX_VIOLATIONS = 20
LATEST = 2**53  # later times could leave the integers that a float64 holds exactly


def violations(instance: Workload, run: Run) -> list[Violation]:
    """Return up to MAX_VIOLATIONS broken rules of a run, named as in ``solution.validate``.

    A run of another workload, of another shape, or with PEs or times out of range is judged no further.
    """
    found = _instance(instance, run) or _shape(instance, run)
    if found:
        return found[:MAX_VIOLATIONS]
    course = course_of(instance, run)
    source = replay_source(instance, run, course)
    found = [
        *([source.complaint] if source.complaint else []),
        *_support(instance, run, course),
        *_duration(instance, run, course),
        *_precedence(instance, run, course),
        *_overlap(instance, run, course),
        *_complete(instance, run, course),
        *(_drain_end if instance.end == "drain" else _cut_end)(instance, run, course, source),
    ]
    return found[:MAX_VIOLATIONS]


def _each(rule: str, run: Run, where: Array, sentence: str, **more: Array) -> list[Violation]:
    """Return a violation for each task (N, T) where ``where`` is True; ``sentence`` goes on after its name.

    Fields in braces stand for the task's entries in pe, start, finish, and in the tables (N, T) of ``more``.
    """
    tables = {"pe": run.pe, "start": run.start, "finish": run.finish, **more}
    found = []
    for job, task in np.argwhere(where)[:MAX_VIOLATIONS].tolist():
        pe = run.pe[job, task]
        name = f"job {job} task {task}" + (f" on PE {pe}" if pe >= 0 else "")
        told = sentence.format(**{key: table[job, task] for key, table in tables.items()})
        found.append(Violation(rule, f"{name} {told}"))
    return found


def _instance(instance: Workload, run: Run) -> list[Violation]:
    if run.instance_digest in ("", instance.digest):
        return []
    other = f"run belongs to instance {run.instance_digest}, not to {instance.name} ({instance.digest})"
    return [Violation("instance", other)]


def _shape(instance: Workload, run: Run) -> list[Violation]:
    """Check what the other rules take for granted: tables that fit, applications, PEs and times that can be."""
    (n_jobs, width), tasks = run.pe.shape, instance.exec_time.shape[1]
    if n_jobs and width != tasks:
        return [Violation("shape", f"the run has {width} tasks per job, expected {tasks}")]
    if not 0 <= run.end <= LATEST:
        return [Violation("end", f"the run ends at {run.end}; expected 0 … {LATEST}")]
    known = (run.app >= 0) & (run.app < instance.n_apps)
    if not known.all():
        job = int(np.argmin(known))
        return [Violation("shape", f"job {job} is of application {run.app[job]}; expected 0 … {instance.n_apps - 1}")]
    real: Array = np.arange(width) < instance.n_tasks[run.app][:, None]
    entries: Array = np.stack([run.pe, run.start, run.finish])
    unreal = ~real & (entries.max(axis=0) > -1)
    found = _each("shape", run, unreal, "has entries, but does not exist")
    found += _each("shape", run, entries.min(axis=0) < -1, "has PE {pe}, start {start}, finish {finish}; expected ≥ -1")
    found += _each("shape", run, real & (run.start >= 0) & (run.pe < 0), "starts at {start} on no PE")
    found += _each("shape", run, real & (run.finish >= 0) & (run.start < 0), "finishes at {finish} without a start")
    found += _each("support", run, run.pe >= instance.n_pes, f"is on none of PEs 0 … {instance.n_pes - 1}")
    after = f"after the run's end at {run.end}"
    for field, least in (("arrival", 0), ("inject", -1)):
        for job, value in enumerate(getattr(run, field).tolist()):
            if value < least:
                found.append(Violation("shape", f"job {job} has {field} {value}; expected ≥ {least}"))
            elif value > run.end:
                found.append(Violation("end", f"job {job} has {field} {value}, {after}"))
    found += _each("end", run, run.start > run.end, f"starts at {{start}}, {after}")
    return found + _each("end", run, run.finish > run.end, f"finishes at {{finish}}, {after}")


def _support(instance: Workload, run: Run, course: Course) -> list[Violation]:
    job, task = np.nonzero(course.real & (run.pe >= 0))
    wrong = np.zeros_like(course.real)
    wrong[job, task] = instance.exec_time[run.app[job], task, run.pe[job, task]] < 0
    return _each("support", run, wrong, "is on a PE that does not support it")


def _duration(instance: Workload, run: Run, course: Course) -> list[Violation]:
    """Check starts against outages and, where they are sound, ends against realised times and pauses."""
    off = np.zeros_like(course.real)
    for which, begin, finish in instance.outage.tolist():
        off |= course.begun & (run.pe == which) & (run.start >= begin) & (run.start < finish)
    due = np.where(course.until <= run.end, course.until, -1)  # what ends after the run has no finish
    wrong = course.begun & ~off & (course.work >= 0) & (run.finish != due)
    tables = {"work": course.work, "until": course.until}
    takes = "its {work} ticks and the pauses end at {until}"
    return [
        *_each("outage", run, off, "starts at {start}, in an outage"),
        *_each("duration", run, wrong & (run.finish >= 0), "runs from {start} to {finish}; " + takes, **tables),
        *_each("duration", run, wrong & (run.finish < 0), "starts at {start} and has no finish; " + takes, **tables),
    ]


def _precedence(instance: Workload, run: Run, course: Course) -> list[Violation]:
    """Check that tasks start after their job's entry, their predecessors' ends and the arrival of their data."""
    entered = np.broadcast_to(run.inject[:, None] >= 0, run.start.shape)
    there = np.where(entered, run.inject[:, None], NEVER)  # in shared memory: there to be fetched
    fetch, cause = np.zeros_like(there), np.full_like(there, -1)
    shared = instance.communication == "shared_memory"
    for app in np.unique(run.app).tolist():
        jobs = np.flatnonzero(run.app == app)
        for source, target, volume in instance.edges_of(app):
            sent, to = run.pe[jobs, source], run.pe[jobs, target]
            link = instance.memory_bandwidth[sent] if shared else instance.bandwidth[sent, to]
            come = np.maximum(course.noticed[jobs, source], run.finish[jobs, source] + volume // link)
            come = np.where(run.finish[jobs, source] >= 0, come, NEVER)
            if shared:
                fetch[jobs, target] = np.maximum(fetch[jobs, target], volume // instance.memory_bandwidth[to])
            cause[jobs, target] = np.where(come > there[jobs, target], source, cause[jobs, target])
            there[jobs, target] = np.maximum(there[jobs, target], come)
    there = there + fetch
    early = course.begun & (run.start < there)
    missing = early & entered & (there >= NEVER)
    alone, behind = early & entered & (cause < 0), early & ~missing & (cause >= 0)
    tables = {"cause": cause, "there": there}
    return [
        *_each("precedence", run, early & ~entered, "starts at {start}, but its job has not entered"),
        *_each("precedence", run, missing, "starts at {start}, but task {cause} has not finished", **tables),
        *_each("precedence", run, alone, "starts at {start}, before its job enters at {there}", **tables),
        *_each("precedence", run, behind, "starts at {start}, before data of task {cause} comes at {there}", **tables),
    ]


def _overlap(instance: Workload, run: Run, course: Course) -> list[Violation]:
    """Check that a PE runs one task at a time; one without length may stand anywhere but inside another."""
    job, task = np.nonzero(course.begun)
    pe, start = run.pe[job, task], run.start[job, task]
    finish = np.where(run.finish[job, task] >= 0, run.finish[job, task], course.until[job, task])
    order = np.lexsort((finish, start, pe))
    before, after = order[:-1], order[1:]
    wrong = np.flatnonzero((pe[before] == pe[after]) & (start[after] < finish[before]))[:MAX_VIOLATIONS]
    found = []
    for a, b in zip(before[wrong].tolist(), after[wrong].tolist(), strict=True):
        sentence = (
            f"PE {pe[b]}: job {job[b]} task {task[b]} starts at {start[b]}, before job {job[a]} task {task[a]} ends at "
            f"{finish[a]}"
        )
        found.append(Violation("overlap", sentence))
    return found


def _complete(instance: Workload, run: Run, course: Course) -> list[Violation]:
    missing = counted(instance, run, course) & ~completed(run, course)
    return [
        Violation("complete", f"job {job} counts, but is not done when the run ends at {run.end}")
        for job in np.flatnonzero(missing)[:MAX_VIOLATIONS].tolist()
    ]


def _drain_end(instance: Workload, run: Run, course: Course, source: Source) -> list[Violation]:
    """Check that no job can still come that would count."""
    closing = NEVER if instance.length is None else instance.length - instance.cooldown
    if source.upcoming < closing:
        return [Violation("end", f"the run ends at {run.end}, but a job that counts may come at {source.upcoming}")]
    waiting = np.flatnonzero(run.inject < 0).tolist() if instance.full == "block" else []
    if waiting and run.end + 1 < closing:
        return [Violation("end", f"the run ends at {run.end}, but job {waiting[0]} may still enter and count")]
    return []


def _cut_end(instance: Workload, run: Run, course: Course, source: Source) -> list[Violation]:
    """Check that the run stops where the scenario says, or earlier once nothing more can happen."""
    length = NEVER if instance.length is None else instance.length
    done = np.sort(course.ends[completed(run, course)])
    if instance.stop_after is not None and len(done) >= instance.stop_after:
        stop, wanted = int(done[instance.stop_after - 1]), f"the completion of {instance.stop_after} jobs"
    elif run.end <= length and len(done) == len(run.app) and source.upcoming == NEVER:
        return []
    else:
        stop, wanted = length, "its length" if length < NEVER else f"the completion of {instance.stop_after} jobs"
    if run.end == stop:
        return []
    when = f", {stop}" if stop < NEVER else ""
    return [Violation("end", f"the run ends at {run.end}; expected {wanted}{when}")]
