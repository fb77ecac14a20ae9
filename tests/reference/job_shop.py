"""A slow job-shop simulator in plain Python: the oracle that the fast kernel is compared with, step by step.

It keeps only the start times (plus a clock for the two disciplines that can wait) and derives the rest anew
at each call. It shares no code with the package.
"""

from __future__ import annotations

from reference.job_shop_jssenv import JSSEnvRules

TIMINGS = ("nondelay", "wait", "active", "append", "insert", "wait_jssenv")
WAITING = ("wait", "wait_jssenv")
OBJECTIVES = ("makespan", "flow_time", "total_tardiness", "weighted_tardiness")
REWARDS = ("bound", "terminal", "idle", "load_bound")


def objective_values(ends: list[int], release: list[int], due: list[int] | None, weight: list[int]) -> dict[str, int]:
    """Every objective, in ticks, of jobs that end (or are estimated to end) at ``ends``."""
    values = {"makespan": max(ends), "flow_time": sum(e - r for e, r in zip(ends, release, strict=True))}
    if due is not None:
        late = [max(0, e - d) for e, d in zip(ends, due, strict=True)]
        values["total_tardiness"] = sum(late)
        values["weighted_tardiness"] = sum(w * x for w, x in zip(weight, late, strict=True))
    return values


def earliest_gap(busy: list[tuple[int, int]], ready: int, p: int) -> int:
    """Earliest start ≥ ``ready`` of an operation of ``p`` ticks on a machine with busy (start, end)."""
    previous = 0
    for start, end in sorted(busy):
        candidate = max(ready, previous)
        if candidate + p <= start:
            return candidate
        previous = max(previous, end)
    return max(ready, previous)


class ReferenceJobShop:
    """One episode of a job shop; the constructor is the reset.

    Args:
        jobs: for each job its operations (machine, duration in ticks), in order; at least one per job.
        n_machines: number of machines.
        timing: one of ``TIMINGS``.
        objective: one of ``OBJECTIVES``; the tardiness objectives need ``due``.
        reward: one of ``REWARDS``; ``idle`` and ``load_bound`` need the makespan objective.
        release, due, weight: one integer per job; zeros, none and ones if omitted.
        illegal_penalty: subtracted at an illegal action.

    Attributes:
        n_actions: number of jobs, plus one (the no-op, last) for the two waiting disciplines.
        start: start time of each operation in ticks, -1 where not placed.
    """

    def __init__(
        self,
        jobs: list[list[tuple[int, int]]],
        n_machines: int,
        timing: str = "nondelay",
        objective: str = "makespan",
        reward: str = "bound",
        release: list[int] | None = None,
        due: list[int] | None = None,
        weight: list[int] | None = None,
        illegal_penalty: float = 1.0,
    ) -> None:
        if timing not in TIMINGS or objective not in OBJECTIVES or reward not in REWARDS:
            raise ValueError(f"unknown option among {timing!r}, {objective!r}, {reward!r}")
        if reward in ("idle", "load_bound") and objective != "makespan":
            raise ValueError(f"reward {reward!r} needs objective 'makespan'")
        if "tardiness" in objective and due is None:
            raise ValueError(f"objective {objective!r} needs due dates")
        self.jobs = [[(int(k), int(p)) for k, p in job] for job in jobs]
        self.n_machines = n_machines
        self.timing, self.objective, self.reward = timing, objective, reward
        self.release = [0] * len(jobs) if release is None else list(release)
        self.due = None if due is None else list(due)
        self.weight = [1] * len(jobs) if weight is None else list(weight)
        self.illegal_penalty = illegal_penalty
        self.n_actions = len(jobs) + (timing in WAITING)
        self.max_p = max(1, max(p for job in self.jobs for _, p in job))
        self.start = [[-1] * len(job) for job in self.jobs]
        self.floor = 0
        self.rules = JSSEnvRules(self.jobs, n_machines, self.release) if timing == "wait_jssenv" else None
        self.idle_before = 0

    @property
    def done(self) -> bool:
        """True once every operation is placed."""
        return not self._unfinished()

    @property
    def clock(self) -> int:
        """Current time in ticks: the earliest start of any next operation; at the end, the makespan."""
        if self.done:
            return self.objectives()["makespan"]
        return self.rules.clock if self.rules else min(self._est(j) for j in self._unfinished())

    def mask(self) -> list[int]:
        """1 for each legal action, 0 for each other; all ones when done."""
        if self.done:
            return [1] * self.n_actions
        mask = [int(j in self._legal_jobs()) for j in range(len(self.jobs))]
        if self.timing in WAITING:
            mask.append(int(self._no_op_legal()))
        return mask

    def objectives(self) -> dict[str, int]:
        """Every objective with each unfinished job ending at its earliest start plus its remaining work."""
        ends = [
            self._est(j) + sum(p for _, p in job[self._next(j) :]) if self._next(j) < len(job) else self._ready(j)
            for j, job in enumerate(self.jobs)
        ]
        return objective_values(ends, self.release, self.due, self.weight)

    def load_bound(self) -> int:
        """The greatest of the makespan bound and, per machine with unplaced work, max(free, clock) + that work."""
        loads = {machine: self._unplaced(machine) for machine in range(self.n_machines)}
        own = [max(self._free(machine), self.clock) + load for machine, load in loads.items() if load]
        return max([self.objectives()["makespan"], *own])

    def step(self, action: int) -> tuple[float, bool, bool]:
        """Play ``action``; return the reward, whether all is done, and whether the action was illegal."""
        if self.done:
            return 0.0, True, False
        if not 0 <= action < self.n_actions or not self.mask()[action]:
            return -self.illegal_penalty, False, True
        before = self._value()
        placed = self._wait() if action == len(self.jobs) else self._place(action)
        after = self._value()
        if self.reward in ("bound", "load_bound"):
            return float(before - after), self.done, False
        if self.reward == "terminal":
            return float(-after if self.done else 0), self.done, False
        idle = self._idle_time()
        created, self.idle_before = idle - self.idle_before, idle
        return (placed - created) / self.max_p, self.done, False

    def _value(self) -> int:
        return self.load_bound() if self.reward == "load_bound" else self.objectives()[self.objective]

    def _place(self, job: int) -> int:
        i = self._next(job)
        self.start[job][i] = self._est(job)
        if self.rules:
            self.rules.place(job)
        return self.jobs[job][i][1]

    def _wait(self) -> int:
        if self.rules:
            self.rules.wait()
        else:
            self.floor = sorted({self._est(j) for j in self._unfinished()})[1]
        return 0

    def _unfinished(self) -> list[int]:
        return [j for j, job in enumerate(self.jobs) if self._next(j) < len(job)]

    def _next(self, job: int) -> int:
        return sum(s >= 0 for s in self.start[job])

    def _ready(self, job: int) -> int:
        i = self._next(job)
        return self.start[job][i - 1] + self.jobs[job][i - 1][1] if i else self.release[job]

    def _busy(self, machine: int) -> list[tuple[int, int]]:
        return [
            (s, s + p)
            for job, starts in zip(self.jobs, self.start, strict=True)
            for (k, p), s in zip(job, starts, strict=True)
            if k == machine and s >= 0
        ]

    def _free(self, machine: int) -> int:
        return max((end for _, end in self._busy(machine)), default=0)

    def _unplaced(self, machine: int) -> int:
        return sum(p for j, job in enumerate(self.jobs) for k, p in job[self._next(j) :] if k == machine)

    def _est(self, job: int) -> int:
        machine, p = self.jobs[job][self._next(job)]
        if self.timing == "insert":
            return earliest_gap(self._busy(machine), self._ready(job), p)
        return max(self._ready(job), self._free(machine), self.rules.clock if self.rules else self.floor)

    def _legal_jobs(self) -> set[int]:
        jobs = self._unfinished()
        if self.rules:
            return self.rules.offered
        if self.timing in ("append", "insert"):
            return set(jobs)
        est = {j: self._est(j) for j in jobs}
        if self.timing in ("nondelay", "wait"):
            return {j for j in jobs if est[j] == min(est.values())}
        operation = {j: self.jobs[j][self._next(j)] for j in jobs}
        first = min(jobs, key=lambda j: (est[j] + operation[j][1], j))
        machine, p = operation[first]
        return {j for j in jobs if j == first or (operation[j][0] == machine and est[j] < est[first] + p)}

    def _no_op_legal(self) -> bool:
        if self.rules:
            return self.rules.no_op
        return len({self._est(j) for j in self._unfinished()}) > 1

    def _idle_time(self) -> int:
        """Machines' idle time: each up to its last end or, if later, tau (the clock, where there is one)."""
        tau = self.clock if self.done or self.timing in ("nondelay", *WAITING) else 0
        total = 0
        for machine in range(self.n_machines):
            total += max(tau, self._free(machine)) - sum(end - start for start, end in self._busy(machine))
        return total
