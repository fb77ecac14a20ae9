"""The run-time rules of SoC task graphs in plain Python, over the slow simulator."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

from reference.soc_observation import work_left
from reference.soc_ranks import ranks_of
from reference.soc_system import System, Task

Pick = tuple[Task, int]
IN_ORDER = ("eft", "fifo", "ranku_eft", "sjf", "srpt", "edd", "edf", "llf")
LATE = (*IN_ORDER, "etf", "etf_est")
RULES = ("met", *LATE, "stf", "heft_rt", "rr", "random", "least_loaded")


class Rule:
    """One rule over a run; what it remembers from call to call is the last PE of ``rr``.

    Args:
        play: the run, with ``ordered`` for ``heft_rt``.
        name: one of RULES.
        late: whether assignments that would not start soon are withheld; for those of LATE.
        counted: whether ``heft_rt`` takes account of data times.
        draw: the next number in [0, 1) of ``random``.
    """

    def __init__(
        self,
        play: System,
        name: str,
        late: bool = False,
        counted: bool = False,
        draw: Callable[[], float] | None = None,
    ) -> None:
        if name not in RULES or (late and name not in LATE) or play.ordered != (name == "heft_rt"):
            raise ValueError(f"no rule {name!r} with late={late} on a run with ordered={play.ordered}")
        self.play, self.name, self.late, self.counted, self.draw = play, name, late, counted, draw
        self.last = -1

    def finish(self) -> None:
        """Play the run to its end."""
        while not self.play.over:
            self.decide()

    def decide(self) -> list[Pick]:
        """Assign what is ready, play on to the next decision, and return what was assigned."""
        play, done = self.play, []
        self.tasks = play.ready
        self.free = [play.free_at(p) for p in range(len(play.pes))]
        self.given = [0] * len(play.pes)
        if self.name == "heft_rt":
            done = self._insert()
        else:
            # What is committed must not show in the estimates of this call, which keeps its own.
            for task, p in list(self._picks()):
                if not self.late or (task, p) in self.kept:
                    play.assign(task, p)
                    done.append((task, p))
        play.go_on(hold=bool(play.ready))
        return done

    def _picks(self) -> Iterator[Pick]:
        """Pairs in the order of the rule; A and the counts of this call follow each."""
        self.kept: list[Pick] = []
        todo = list(self.tasks) if self.name in ("etf", "etf_est", "stf") else sorted(self.tasks, key=self._priority)
        while todo:
            if self.name in ("etf", "etf_est", "stf"):
                task, p = min(((task, p) for task in todo for p in self.play.times_of(task)), key=self._pair)
            else:
                task = todo[0]
                p = self._pe(task)
            todo.remove(task)
            if self._soon(p):
                self.kept.append((task, p))
            self.free[p] = self._eft(task, p)
            self.given[p] += 1
            yield task, p

    def _start(self, task: Task, p: int) -> int:
        return max(self.play.now, self.free[p], self.play.data_at(task, p))

    def _eft(self, task: Task, p: int) -> int:
        return self._start(task, p) + self.play.times_of(task)[p]

    def _soon(self, p: int) -> bool:
        """Whether ``late`` commits an assignment."""
        pe, now = self.play.pes[p], self.play.now
        return pe.task is None and pe.up <= now and not pe.queue and not self.given[p]

    def _priority(self, task: Task) -> tuple[Any, ...]:
        """What ``IN_ORDER`` and other rules that take one task after another sort by."""
        play, place = self.play, self.tasks.index(task)
        job, due = task.job, play.due(task.job)
        tail = play.tails(job.app)[task.number]
        if self.name == "fifo":
            return job.number, task.number
        if self.name == "ranku_eft":
            return -ranks_of(play, job.app)[task.number]["rank_up"], place
        if self.name == "sjf":
            return work_left(play, job), place
        if self.name == "srpt":
            return tail, place
        if self.name in ("edd", "edf", "llf"):
            if due is None:
                return math.inf, job.number, place
            less = {"edd": 0, "edf": tail - play.least(task), "llf": play.now + tail}[self.name]
            return due - less, place
        return (place,)

    def _pair(self, pair: Pick) -> tuple[Any, ...]:
        """What the rules that choose among all pairs minimise."""
        task, p = pair
        place = self.tasks.index(task)
        if self.name == "etf":
            return self._eft(task, p), place, p
        if self.name == "etf_est":
            return self._start(task, p), -ranks_of(self.play, task.job.app)[task.number]["level"], place, p
        return self.play.times_of(task)[p], place, p

    def _pe(self, task: Task) -> int:
        play, times, n = self.play, self.play.times_of(task), len(self.play.pes)
        if self.name == "met":
            least = [p for p in times if times[p] == play.least(task)]
            busy = [play.pes[p].task is not None or bool(play.pes[p].queue) or self.given[p] > 0 for p in range(n)]
            return min(least, key=lambda p: (busy[p], self.given[p], p))
        if self.name == "rr":
            self.last = min(times, key=lambda p: (p - self.last - 1) % n)
            return self.last
        if self.name == "random":
            assert self.draw is not None
            return list(times)[math.floor(self.draw() * len(times))]
        if self.name == "least_loaded":
            return min(times, key=lambda p: (self.free[p], p))
        return min(times, key=lambda p: (self._eft(task, p), p))

    def _insert(self) -> list[Pick]:
        """heft_rt: put tasks into gaps between commitments, by falling mean time."""
        play = self.play
        place = {task: at for at, task in enumerate(self.tasks)}
        means = {task: ranks_of(play, task.job.app)[task.number]["mean"] for task in self.tasks}
        done = []
        for task in sorted(self.tasks, key=lambda task: (-means[task], place[task])):
            times = play.times_of(task)
            plans = {p: self._gap(p, play.data_at(task, p) if self.counted else play.now, times[p]) for p in times}
            p = min(times, key=lambda p: (plans[p] + times[p], p))
            play.assign(task, p, plans[p])
            done.append((task, p))
        return done

    def _gap(self, p: int, earliest: int, length: int) -> int:
        """Start of the first gap of a PE that holds ``length`` ticks."""
        pe = self.play.pes[p]
        start = max(self.play.now, earliest, pe.expected if pe.task else 0)
        for one in pe.queue:
            if start + length <= one.plan:
                break
            start = max(start, one.plan + self.play.times_of(one)[p])
        return start
