"""What the records of a run imply by the rules alone: realised times, ends of jobs, and what the source had to do."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np

from ganttlet.core.objective import Violation
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.scenario import ARRIVALS, NOISES
from ganttlet.soc_dag.solution import Run
from ganttlet.soc_dag.world import cumulative, draw_app, draw_duration, draw_gap

Array = np.ndarray[Any, Any]
NEVER = 2**62


class Course(NamedTuple):
    """Times that follow from a run's records and the workload's realisation, (N, T) unless said otherwise.

    Fields:
        real: bool, tasks that exist.
        begun: bool, tasks that started.
        work: int64, realised execution time where a task started on a PE that supports it, else -1.
        until: int64, when a task that started ends by the rules, pauses included, even after the run's end; else -1.
        noticed: int64, when successors notice a recorded finish; -1 without one.
        ends: (N,) int64, when the last task of a job finished; NEVER if one has not.
        late: (N,) bool, whether that was after the first round of its instant, by a task without length.
    """

    real: Array
    begun: Array
    work: Array
    until: Array
    noticed: Array
    ends: Array
    late: Array


def course_of(instance: Workload, run: Run) -> Course:
    """Return the course of a run whose applications, PEs and number of tasks exist."""
    n_jobs, tasks = run.pe.shape
    real = np.arange(tasks) < instance.n_tasks[run.app][:, None]
    begun = real & (run.start >= 0)
    work = np.full((n_jobs, tasks), -1, np.int64)
    job, task = np.nonzero(begun)
    app, pe = run.app[job], run.pe[job, task]
    mean, std = instance.exec_time[app, task, pe].astype(np.int64), instance.std[app, task]
    drawn = mean.copy()
    kind = NOISES.index(instance.noise)
    for i in np.flatnonzero((mean > 0) & (std > 0)).tolist():
        drawn[i] = draw_duration(instance.seed, int(job[i]), int(task[i]), int(mean[i]), float(std[i]), kind)
    work[job, task] = drawn
    until = np.where(begun, run.start + np.maximum(work, 0), -1)
    for which, begin, finish in instance.outage.tolist():
        # Those of one PE come in rising order, so that a pause may push a task into the next one.
        until[begun & (run.pe == which) & (run.start < begin) & (begin < until)] += finish - begin
    done = real & (run.finish >= 0)
    slow = done & (work >= 0) & (work <= 1) if instance.tick_compat else np.zeros_like(done)
    noticed = np.where(done, run.finish + slow, -1)
    ends = np.where((done | ~real).all(axis=1), run.finish.max(axis=1, initial=-1), NEVER)
    late = (done & (run.start == run.finish) & (run.finish == ends[:, None])).any(axis=1)
    return Course(real, begun, work, until, noticed, ends, late)


class Source(NamedTuple):
    """What the source did until the end of a run.

    Fields:
        lost: arrivals lost because the system was full.
        upcoming: its next attempt; NEVER if it has closed, if a blocked job holds it up, or with a complaint.
        complaint: the first record that differs from what had to happen; ``lost`` then counts up to it.
    """

    lost: int
    upcoming: int
    complaint: Violation | None


def replay_source(instance: Workload, run: Run, course: Course) -> Source:
    """Let the source bring its jobs again, given when the recorded jobs ended, and compare with the records.

    Within an instant an attempt comes after the ends of the first round alone: a job whose last task has no length
    and started in that instant leaves after it (env docstring, orders 1 to 6).
    """
    shares, kind, capacity = cumulative(instance.probability), ARRIVALS.index(instance.arrivals), instance.capacity
    trace: list[list[int]] | None = instance.trace.tolist() if instance.arrivals == "trace" else None
    length = NEVER if instance.length is None else instance.length
    jobs = instance.jobs if trace is None else min(instance.jobs, len(trace))
    ends, late = course.ends.tolist(), course.late.tolist()
    block, redraw = instance.full == "block", instance.full == "redraw"
    inside: list[tuple[int, bool]] = []  # (end, late) of the jobs in the system
    accepted = attempt = lost = entered = 0

    def due(after: int) -> int:
        """Return the time of the next attempt, ``after`` the time that its gap counts from."""
        if trace is None:
            return after + int(draw_gap(instance.seed, attempt, kind, instance.scale))
        return trace[attempt][0] if attempt < len(trace) else NEVER

    def differs(arrival: int, earliest: int, entry: int) -> Violation | None:
        app = int(draw_app(instance.seed, accepted, shares)) if trace is None else trace[attempt][1]
        return _differs(run, accepted, app, arrival, earliest, entry)

    while instance.prefill and accepted < min(capacity, jobs):
        if complaint := differs(0, 0, 0):
            return Source(lost, NEVER, complaint)
        heappush(inside, (ends[accepted], late[accepted]))
        accepted += 1
    time = due(0)
    while accepted < jobs and time < length and time <= run.end:
        earliest = entry = max(time, entered)
        while inside and (inside[0] < (entry, True) if redraw else inside[0][0] <= entry):
            heappop(inside)
        if redraw and len(inside) >= capacity:
            if accepted < len(run.arrival) and run.arrival[accepted] == time:
                sentence = f"job {accepted} enters at {time}, when {capacity} jobs fill the system"
                return Source(lost, NEVER, Violation("capacity", sentence))
            lost, attempt = lost + 1, attempt + 1
            time = due(time + 1)
            continue
        while len(inside) >= capacity:
            entry = max(entry, heappop(inside)[0])
        if complaint := differs(time, earliest, entry):
            return Source(lost, NEVER, complaint)
        heappush(inside, (ends[accepted], late[accepted]))
        accepted, attempt, entered = accepted + 1, attempt + 1, entry
        if block and entry > run.end:
            time = NEVER
            break
        time = max(entry, due(entry)) if block else due(time)
    if accepted < len(run.app):
        sentence = f"job {accepted} is recorded, but the source has brought {accepted} jobs by {run.end}"
        return Source(lost, NEVER, Violation("source", sentence))
    return Source(lost, NEVER if accepted >= jobs or time >= length else time, None)


def _differs(run: Run, job: int, app: int, arrival: int, earliest: int, entry: int) -> Violation | None:
    """Return what is wrong with the record of a job; with a free place it could enter at ``earliest``."""
    if job >= len(run.app):
        return Violation("source", f"job {job} is missing: application {app} arrives at {arrival}")
    if run.app[job] != app:
        return Violation("source", f"job {job} is of application {run.app[job]}; the source brings {app}")
    if run.arrival[job] != arrival:
        return Violation("source", f"job {job} arrives at {run.arrival[job]}; the source brings it at {arrival}")
    inject = int(run.inject[job])
    if inject == (entry if entry <= run.end else -1):
        return None
    when = f"enters at {inject}" if inject >= 0 else "has not entered"
    if earliest <= inject < entry:
        free = f"until {entry}" if entry < NEVER else "for good"
        return Violation("capacity", f"job {job} {when}, but the system is full {free}")
    due = f"at {entry}" if entry <= run.end else f"after the run's end, {run.end}"
    return Violation("source", f"job {job} {when}; it had to enter {due}")
