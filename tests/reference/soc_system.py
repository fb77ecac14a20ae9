"""A slow system on chip in plain Python: jobs, PEs and the clock; what decides and what is paid stand elsewhere.

It keeps the jobs, what is on every PE and the clock, and derives the rest anew at each call. It reads the fields of a
Workload and shares no code with the package.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from reference.soc_draws import app_of, duration, gap


@dataclass(eq=False)
class Task:
    """A task of a job; ``state`` is outstanding, later, ready, queued, running or done."""

    job: Job
    number: int
    state: str = "outstanding"
    pe: int = -1
    ready_at: int = -1
    start: int = -1
    finish: int = -1
    data: int = -1
    plan: int = -1
    length: int = -1
    noticed: int = -1  # when its end is noticed; -1 before its end


@dataclass(eq=False)
class Job:
    """A job that the source brought; ``clock`` is when its latency starts, ``end`` is -1 before its completion."""

    number: int
    app: int
    arrival: int
    inject: int = -1
    clock: int = -1
    end: int = -1
    slot: int = -1
    tasks: list[Task] = field(default_factory=list)


@dataclass(eq=False)
class Pe:
    """A PE.

    ``up`` is the end of its last outage that has begun, ``paused`` whether it is in one, ``used`` the time of the tasks
    that ended on it.
    """

    number: int
    cluster: int
    task: Task | None = None
    ends: int = -1
    expected: int = -1
    queue: list[Task] = field(default_factory=list)
    promise: int = 0
    up: int = 0
    paused: bool = False
    used: int = 0


class System:
    """One run; the constructor plays on to the first decision.

    Args:
        instance: anything with the fields of a Workload.
        stale_estimates: as the environment.
        ordered: PEs work strictly in the order of their queues, which follow the planned starts.

    Attributes:
        now: the clock.
        jobs: all jobs brought, by number.
        pes: the PEs.
        over: whether the run is over.
        spent: per cluster the time with 0, 1, … busy PEs, until the last change at the time in ``since``.
        integral: job-ticks of the jobs that count.
    """

    def __init__(self, instance: Any, stale_estimates: bool = False, ordered: bool = False) -> None:
        self.instance, self.stale, self.ordered = instance, stale_estimates, ordered
        self.w: list[list[list[int]]] = instance.exec_time.tolist()
        self.std: list[list[float]] = instance.std.tolist()
        self.edges = [[tuple(edge) for edge in rows if edge[0] >= 0] for rows in instance.edges.tolist()]
        self.bandwidth: list[list[int]] = instance.bandwidth.tolist()
        self.shared = instance.communication == "shared_memory"
        self.memory: list[int] = instance.memory_bandwidth.tolist() if self.shared else []
        self.watts: list[list[float]] = instance.power.tolist()
        self.n_tasks = [
            1 + max([u for u, row in enumerate(app) if max(row) >= 0] + [u for edge in edges for u in edge[:2]])
            for app, edges in zip(self.w, self.edges, strict=True)
        ]
        self.shares: list[float] = instance.probability.tolist()
        self.critical = [max(self.tails(k)) for k in range(len(self.n_tasks))]
        self.c = max(1.0, sum(share * path for share, path in zip(self.shares, self.critical, strict=True)))
        self.most_power = sum(max(row) for row in self.watts) or 1.0
        outages = [tuple(row) for row in instance.outage.tolist()]
        ends, begins = [(to, 0, pe, 0) for pe, _, to in outages], [(at, 1, pe, to) for pe, at, to in outages]
        self.boundaries = sorted(ends + begins)

        self.now, self.over, self.holding = 0, False, False
        self.pes = [Pe(number, cluster) for number, cluster in enumerate(instance.cluster.tolist())]
        self.jobs: list[Job] = []
        self.backlog: list[Job] = []
        self.pending: Job | None = None
        self.unnoticed: list[Task] = []
        self.attempts = self.lost = self.blocked = self.integral = 0
        self.spent, self.since = [[0] * len(row) for row in self.watts], [0] * len(self.watts)
        if instance.prefill:
            for _ in range(min(instance.capacity, instance.jobs)):
                self._enter(self._accept())
        self.next = self._next_attempt(0)
        self._instant()
        self._run()

    # Applications and estimates.

    def edges_into(self, task: Task) -> list[tuple[Task, int]]:
        """Predecessors and the volumes they send."""
        return [(task.job.tasks[u], volume) for u, v, volume in self.edges[task.job.app] if v == task.number]

    def times(self, app: int, number: int) -> dict[int, int]:
        """Mean execution time on every PE that supports a task."""
        return {p: time for p, time in enumerate(self.w[app][number]) if time >= 0}

    def times_of(self, task: Task) -> dict[int, int]:
        return self.times(task.job.app, task.number)

    def least(self, task: Task) -> int:
        return min(self.times_of(task).values())

    def tails(self, app: int) -> list[int]:
        """Longest path from every task on at least times, without transfers, the task included."""
        known: dict[int, int] = {}
        while len(known) < self.n_tasks[app]:
            for number in range(self.n_tasks[app]):
                after = [v for u, v, _ in self.edges[app] if u == number]
                if all(v in known for v in after):
                    path = max((known[v] for v in after), default=0)
                    known[number] = min(self.times(app, number).values()) + path
        return [known[number] for number in range(self.n_tasks[app])]

    def data_at(self, task: Task, p: int) -> int:
        """D(u, p), when a task's data is on a PE if it is assigned now."""
        came = self.edges_into(task)
        if self.shared:
            return self.now + max((volume // self.memory[p] for _, volume in came), default=0)
        return max((u.finish + volume // self.bandwidth[u.pe][p] for u, volume in came), default=task.job.inject)

    def free_at(self, p: int) -> int:
        """A(p), when a PE is expected to be free."""
        pe = self.pes[p]
        if self.stale:
            return max(self.now, pe.promise)
        free = max(self.now, pe.up, pe.expected if pe.task else 0)
        for task in pe.queue:
            free = max(free, task.data) + self.times_of(task)[p]
        return free

    def eft(self, task: Task, p: int) -> int:
        return max(self.now, self.free_at(p), self.data_at(task, p)) + self.times_of(task)[p]

    def best(self, task: Task) -> int:
        """PE of least EFT, the first on ties."""
        return min(self.times_of(task), key=lambda p: (self.eft(task, p), p))

    def starts(self, task: Task, p: int) -> bool:
        """Whether a task would start at once on a PE."""
        pe = self.pes[p]
        free = pe.task is None and pe.up <= self.now and not any(one.data <= self.now for one in pe.queue)
        return free and self.data_at(task, p) <= self.now

    # What there is.

    @property
    def present(self) -> list[Job]:
        """Jobs in the system."""
        return [job for job in self.jobs if job.inject >= 0 and job.end < 0]

    @property
    def ready(self) -> list[Task]:
        """Ready tasks in their order."""
        found = [task for job in self.present for task in job.tasks if task.state == "ready"]
        return sorted(found, key=lambda task: (task.ready_at, task.job.number, task.number))

    def counts(self, job: Job) -> bool:
        """Whether a job counts; with ``cut`` one that is under way may."""
        one = self.instance
        if one.end == "cut":
            return job.end < 0 or job.end >= one.warmup
        return one.warmup <= job.clock < self._closing()

    def due(self, job: Job) -> int | None:
        """Due date of a job that has one."""
        ticks = int(self.instance.deadline[job.app])
        return job.clock + ticks if ticks else None

    # Assignments.

    def assign(self, task: Task, p: int, plan: int = -1) -> None:
        """Queue a ready task on a PE; with ``ordered`` by planned start, then planned end, then time of assignment."""
        pe = self.pes[p]
        pe.promise = self.eft(task, p)
        task.data, task.pe, task.state, task.plan = self.data_at(task, p), p, "queued", plan
        pe.queue.append(task)
        if self.ordered:
            pe.queue.sort(key=lambda one: (one.plan, one.plan + self.times_of(one)[p]))

    def go_on(self, hold: bool = False) -> None:
        """End the decisions of this instant and play on to the next."""
        self.holding = hold
        self._start_tasks()
        self._move_on()
        self._run()

    # Events.

    def _run(self) -> None:
        while not self.over and (self.holding or not self.ready):
            self._start_tasks()
            self._move_on()

    def _move_on(self) -> None:
        """To the next event, or to the end of the run."""
        one, coming = self.instance, self._coming()
        if not coming:
            self.over = True
        elif one.end == "cut" and one.length is not None and min(coming) > one.length:
            self._pass(one.length)
            self.over = True
        else:
            self._pass(min(coming))
            self._instant()

    def _coming(self) -> list[int]:
        """Times at which something will happen."""
        tasks = [task for job in self.present for task in job.tasks]
        return [
            *(pe.ends for pe in self.pes if pe.task),
            *(task.data for pe in self.pes for task in self.in_turn(pe) if task.data > self.now),
            *(task.ready_at for task in tasks if task.state == "later"),
            *(task.noticed for task in self.unnoticed),
            *([] if self.next is None else [self.next]),
            *(boundary[0] for boundary in self.boundaries[:1]),
        ]

    def in_turn(self, pe: Pe) -> list[Task]:
        """Queued tasks of which an idle PE may start the first whose data has come."""
        idle = pe.task is None and pe.up <= self.now
        return pe.queue[: 1 if self.ordered else len(pe.queue)] if idle else []

    def _pass(self, time: int) -> None:
        """Let time pass in which nothing happens."""
        one = self.instance
        there = [job for job in self.jobs if job.clock >= 0 and job.end < 0 and self.counts(job)]
        since = max(self.now, one.warmup) if one.end == "cut" else self.now
        self.integral += len(there) * max(0, time - since)
        self.now = time

    def busy(self, cluster: int) -> int:
        """Number of PEs of a cluster that run a task which is not paused."""
        return sum(pe.task is not None and not pe.paused for pe in self.pes if pe.cluster == cluster)

    def _note(self, pe: Pe) -> None:
        """Note the time since the last change of a cluster, which is about to change."""
        self.spent[pe.cluster][self.busy(pe.cluster)] += self.now - self.since[pe.cluster]
        self.since[pe.cluster] = self.now

    def _instant(self) -> None:
        """Steps 1 to 4 of an instant, and whether the run is over after them."""
        for pe in self.pes:
            if pe.task and pe.ends == self.now:
                self._end(pe)
        while self.boundaries and self.boundaries[0][0] == self.now:
            _, begins, p, to = self.boundaries.pop(0)
            self.holding = False
            pe = self.pes[p]
            if pe.task:
                self._note(pe)
            pe.paused = bool(begins)
            if begins:
                pe.up = to
                pe.ends, pe.expected = pe.ends + to - self.now, pe.expected + to - self.now
        self._notice()
        self._source()
        self._check_over()

    def _end(self, pe: Pe) -> None:
        self._note(pe)
        task, pe.task = pe.task, None
        assert task is not None
        task.state, task.finish = "done", self.now
        pe.used += task.length
        followed = any(u == task.number for u, _, _ in self.edges[task.job.app])
        late = self.instance.tick_compat and task.length <= 1 and followed
        task.noticed = self.now + late
        if late:
            self.unnoticed.append(task)
        else:
            self._after(task)

    def _notice(self) -> None:
        """Short tasks whose end is noticed now, and tasks whose later ready time has come."""
        due = [task for task in self.unnoticed if task.noticed == self.now]
        self.unnoticed = [task for task in self.unnoticed if task not in due]
        for task in due:
            self._after(task)
        for job in self.present:
            for task in job.tasks:
                if task.state == "later" and task.ready_at == self.now:
                    task.state, self.holding = "ready", False

    def _after(self, task: Task) -> None:
        """Successors and job of a task whose end is noticed."""
        self.holding = False
        job = task.job
        for other in job.tasks:
            came = self.edges_into(other)
            if task in [u for u, _ in came] and all(0 <= u.noticed <= self.now for u, _ in came):
                moved = [u.finish + volume // self.memory[u.pe] for u, volume in came] if self.shared else []
                other.ready_at = max([*moved, *(u.noticed for u, _ in came)])
                other.state = "ready" if other.ready_at == self.now else "later"
        if all(0 <= one.noticed <= self.now for one in job.tasks):
            job.end = self.now

    def _start_tasks(self) -> None:
        for pe in self.pes:
            task = next((one for one in self.in_turn(pe) if one.data <= self.now), None)
            if task is None:
                continue
            self._note(pe)
            pe.queue.remove(task)
            mean = self.times_of(task)[pe.number]
            std = self.std[task.job.app][task.number]
            task.length = duration(self.instance, task.job.number, task.number, mean, std)
            task.state, task.start, pe.task = "running", self.now, task
            pe.ends, pe.expected = self.now + task.length, self.now + mean

    # The source.

    def _closing(self) -> float:
        one = self.instance
        return math.inf if one.length is None else one.length - one.cooldown

    def _next_attempt(self, after: int) -> int | None:
        """When the source tries again after ``after``; None once it has closed."""
        one = self.instance
        if len(self.jobs) >= one.jobs:
            return None
        if one.arrivals == "trace":
            if self.attempts >= len(one.trace):
                return None
            time = max(self.now, int(one.trace[self.attempts, 0]))
        else:
            time = after + gap(one, self.attempts)
        return None if one.length is not None and time >= one.length else time

    def _source(self) -> None:
        while True:
            room = len(self.present) < self.instance.capacity
            if self.backlog and room:
                self._enter(self.backlog.pop(0))
            elif self.pending is not None and room:
                self._enter(self.pending)
                self.blocked += self.now - self.pending.arrival
                self.pending, self.next = None, self._next_attempt(self.now)
            elif self.next == self.now:
                self._attempt(room)
            else:
                return

    def _attempt(self, room: bool) -> None:
        self.attempts += 1
        full = self.instance.full
        if not room and full == "redraw":
            self.lost += 1
            self.next = self._next_attempt(self.now + 1)
            return
        job = self._accept()
        if room:
            self._enter(job)
        elif full == "queue":
            self.backlog.append(job)
        else:
            self.pending, self.next = job, None
            return
        self.next = self._next_attempt(self.now)

    def _accept(self) -> Job:
        """The next job; its clock runs at once where it may queue."""
        one, number = self.instance, len(self.jobs)
        app = int(one.trace[self.attempts - 1, 1]) if one.arrivals == "trace" else app_of(one, number)
        self.jobs.append(Job(number, app, self.now, clock=self.now if one.full == "queue" else -1))
        return self.jobs[-1]

    def _enter(self, job: Job) -> None:
        taken = {other.slot for other in self.present}
        job.slot = next(slot for slot in range(self.instance.capacity) if slot not in taken)
        job.inject, self.holding = self.now, False
        if self.instance.full != "queue":
            job.clock = self.now
        job.tasks = [Task(job, number) for number in range(self.n_tasks[job.app])]
        for task in job.tasks:
            if not self.edges_into(task):
                task.state, task.ready_at = "ready", self.now

    # The end.

    def _check_over(self) -> None:
        one = self.instance
        if one.end == "cut":
            done = sum(job.end >= 0 for job in self.jobs)
            self.over = one.stop_after is not None and done >= one.stop_after
            return
        earliest = self.now if self.pending else self.next
        may_come = earliest is not None and earliest < self._closing()
        self.over = not may_come and all(job.end >= 0 or not self.counts(job) for job in self.jobs)
