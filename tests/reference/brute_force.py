"""Proven optima of tiny job shops: depth-first search over the active schedules, cut off by a lower bound.

For every objective that never gains from a later end, some active schedule is optimal, and the branching of
Giffler and Thompson (Operations Research 8(4), 1960) reaches all of them. It shares no code with the package.
"""

from __future__ import annotations

from reference.job_shop import objective_values


class Search:
    """The search's state: partial start times, and the best schedule so far."""

    def __init__(
        self,
        jobs: list[list[tuple[int, int]]],
        n_machines: int,
        objective: str,
        release: list[int],
        due: list[int] | None,
        weight: list[int],
    ) -> None:
        self.jobs, self.n_machines, self.objective = jobs, n_machines, objective
        self.release, self.due, self.weight = release, due, weight
        self.tail = [[sum(p for _, p in job[i:]) for i in range(len(job) + 1)] for job in jobs]
        self.start = [[-1] * len(job) for job in jobs]
        self.best: int | None = None
        self.best_start: list[list[int]] = []

    def value(self, ends: list[int]) -> int:
        return objective_values(ends, self.release, self.due, self.weight)[self.objective]

    def bound(self, nxt: list[int], ready: list[int], free: list[int]) -> int:
        """Each job alone; for the makespan also each machine alone, with least head and least tail."""
        ends, heads = [], []
        for j, job in enumerate(self.jobs):
            time = ready[j]
            head: dict[int, int] = {}
            for k, p in job[nxt[j] :]:
                time = max(time, free[k])
                head.setdefault(k, time)
                time += p
            ends.append(time)
            heads.append(head)
        value = self.value(ends)
        if self.objective != "makespan":
            return value
        for k in range(self.n_machines):
            left = [(j, i) for j, job in enumerate(self.jobs) for i in range(nxt[j], len(job)) if job[i][0] == k]
            if left:
                load = sum(self.jobs[j][i][1] for j, i in left)
                value = max(
                    value,
                    min(heads[j][k] for j, _ in left) + load + min(self.tail[j][i + 1] for j, i in left),
                )
        return value

    def visit(self, nxt: list[int], ready: list[int], free: list[int]) -> None:
        if all(nxt[j] == len(job) for j, job in enumerate(self.jobs)):
            value = self.value(ready)
            if self.best is None or value < self.best:
                self.best, self.best_start = value, [list(row) for row in self.start]
            return
        children = []
        for j in self.conflict_set(nxt, ready, free):
            machine, p = self.jobs[j][nxt[j]]
            begin = max(ready[j], free[machine])
            child = list(nxt), list(ready), list(free)
            child[0][j] += 1
            child[1][j] = child[2][machine] = begin + p
            children.append((self.bound(*child), j, begin, child))
        for bound, j, begin, child in sorted(children, key=lambda c: c[0]):
            if self.best is None or bound < self.best:
                self.start[j][nxt[j]] = begin
                self.visit(*child)
                self.start[j][nxt[j]] = -1

    def conflict_set(self, nxt: list[int], ready: list[int], free: list[int]) -> list[int]:
        heads = {}
        for j, job in enumerate(self.jobs):
            if nxt[j] < len(job):
                machine, p = job[nxt[j]]
                heads[j] = (machine, max(ready[j], free[machine]), p)
        first = min(heads, key=lambda j: (heads[j][1] + heads[j][2], j))
        machine, begin, p = heads[first]
        return [j for j, (k, est, _) in heads.items() if j == first or (k == machine and est < begin + p)]


def optimum(
    jobs: list[list[tuple[int, int]]],
    n_machines: int,
    objective: str = "makespan",
    release: list[int] | None = None,
    due: list[int] | None = None,
    weight: list[int] | None = None,
) -> tuple[int, list[list[int]]]:
    """The optimal value in ticks, and the start times of one optimal schedule.

    Meant for up to 4x4. Arguments as for ``ReferenceJobShop``.
    """
    search = Search(
        jobs,
        n_machines,
        objective,
        [0] * len(jobs) if release is None else list(release),
        due,
        [1] * len(jobs) if weight is None else list(weight),
    )
    search.visit([0] * len(jobs), list(search.release), [0] * n_machines)
    assert search.best is not None
    return search.best, search.best_start
