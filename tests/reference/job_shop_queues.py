"""What ``observation="machines"`` of JobShop-v0 adds, worked out in plain Python from the slow simulator's state."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from reference.job_shop import ReferenceJobShop

LONG = 1000.0


class Loads:
    """A state's machines against its load bound, in ticks; ``short`` turns ticks into mean durations.

    Attributes:
        left: load bound minus the clock.
        slack: per machine, load bound minus max(end of its last operation, clock) minus its unplaced work.
        used: per machine, unplaced work / (that work + slack).
        waiting: per machine, the unfinished jobs whose next operation needs it.
        next: per unfinished job, its operations from the next one on.
    """

    def __init__(self, play: ReferenceJobShop) -> None:
        times = [p for job in play.jobs for _, p in job]
        self.unit = len(times) / sum(times) if sum(times) else 1.0
        self.n_jobs, self.legal = len(play.jobs), 0 if play.done else sum(play.mask()[: len(play.jobs)])
        self.bound, self.makespan = play.load_bound(), play.objectives()["makespan"]
        self.left = self.bound - play.clock
        machines = range(play.n_machines)
        self.next = {j: play.jobs[j][play._next(j) :] for j in play._unfinished()}
        self.waiting = [[j for j, rest in self.next.items() if rest[0][0] == k] for k in machines]
        self.unplaced = [play._unplaced(k) for k in machines]
        self.slack = [self.bound - max(play._free(k), play.clock) - self.unplaced[k] for k in machines]
        self.used = [w / (w + s) if w else 0.0 for w, s in zip(self.unplaced, self.slack, strict=True)]

    def short(self, ticks: int, low: float = 0.0) -> float:
        return max(low, min(LONG, ticks * self.unit))

    def queue_work(self, k: int) -> int:
        return sum(self.next[j][0][1] for j in self.waiting[k])

    def machine(self, k: int) -> list[float]:
        return [self.short(self.slack[k]), self.short(self.queue_work(k))]

    def context(self) -> list[float]:
        room = len(self.slack) * self.left
        return [
            self.short(self.left),
            sum(self.unplaced) / room if room else 0.0,
            self.short(self.bound - self.makespan),
            self.legal / self.n_jobs,
        ]


def queue_row(play: ReferenceJobShop, loads: Loads, j: int) -> list[float]:
    """What sets an unfinished job against its rivals, which wait for the same machine, and against the loads."""
    (k, time), *later = loads.next[j]
    start, tail = play._est(j), sum(p for _, p in later)
    rivals = [x for x in loads.waiting[k] if x != j]
    return [
        loads.short(loads.slack[k]),
        loads.short(start - play._free(k)),
        loads.short(start + time - play.clock),
        loads.short(loads.queue_work(k)),
        loads.short(tail - max((work(loads, x) - loads.next[x][0][1] for x in rivals), default=0), -LONG),
        share(rivals, lambda x: loads.next[x][0][1] < time),
        share(rivals, lambda x: work(loads, x) - loads.next[x][0][1] > tail),
        share(rivals, lambda x: smaller_ratio(loads, x, j)),
        share(rivals, lambda x: play._est(x) < start),
        (loads.bound - start - time - tail) / loads.left if loads.left else 0.0,
        (time + tail) / loads.left if loads.left else 0.0,
        *after(loads, later),
        sum(p * loads.used[m] for m, p in loads.next[j]) / (time + tail) if time + tail else 0.0,
        *critical(loads, time, later),
    ]


def after(loads: Loads, later: list[tuple[int, int]]) -> list[float]:
    """Load, slack and queue of the machine after the next."""
    if not later:
        return [0.0, loads.short(loads.left), 0.0]
    k = later[0][0]
    return [loads.short(loads.unplaced[k]), loads.short(loads.slack[k]), loads.short(loads.queue_work(k))]


def critical(loads: Loads, time: int, later: list[tuple[int, int]]) -> list[float]:
    """The first later operation whose machine has least slack: that slack, the work before it, its own, after it."""
    if not later:
        return [loads.short(loads.left), 0.0, 0.0, 0.0]
    at = min(range(len(later)), key=lambda i: (loads.slack[later[i][0]], i))
    before, behind = sum(p for _, p in later[:at]), sum(p for _, p in later[at + 1 :])
    return [loads.short(ticks) for ticks in (loads.slack[later[at][0]], time + before, later[at][1], behind)]


def work(loads: Loads, j: int) -> int:
    return sum(p for _, p in loads.next[j])


def smaller_ratio(loads: Loads, x: int, j: int) -> bool:
    """Whether duration / work of ``x`` is below that of ``j``; a job without work ties with all."""
    mine, its = work(loads, j), work(loads, x)
    return bool(mine and its) and Fraction(loads.next[x][0][1], its) < Fraction(loads.next[j][0][1], mine)


def share(rivals: list[int], holds: Callable[[int], bool]) -> float:
    return sum(map(holds, rivals)) / len(rivals) if rivals else 0.0
