"""Static list schedulers in plain Python with exact fractions; they share no code with the package.

A plan is {task: (PE, start, finish)}; commitments are lists of (start, finish), one list per PE.
"""

from fractions import Fraction
from functools import cache


class Graph:
    """One application of a workload as dictionaries, and what the rules compute from it."""

    def __init__(self, workload, app):
        self.tasks = range(int(workload.n_tasks[app]))
        rows = workload.exec_time[app].tolist()
        self.w = {(u, p): rows[u][p] for u in self.tasks for p in range(workload.n_pes) if rows[u][p] >= 0}
        self.pes = range(workload.n_pes)
        self.on = {u: [p for p in self.pes if (u, p) in self.w] for u in self.tasks}
        self.volume = {(u, v): volume for u, v, volume in workload.edges_of(app)}
        self.before = {v: [u for u in self.tasks if (u, v) in self.volume] for v in self.tasks}
        self.after = {u: [v for v in self.tasks if (u, v) in self.volume] for u in self.tasks}
        self.bandwidth = workload.bandwidth.tolist()
        self.memory = workload.memory_bandwidth.tolist() if workload.communication == "shared_memory" else None
        self.up, self.down, self.oct = cache(self._up), cache(self._down), cache(self._oct)

    def mean(self, u):
        return Fraction(sum(self.w[u, p] for p in self.on[u]), len(self.on[u]))

    def moved(self, u, v):
        """Mean transfer time over ordered pairs of different PEs."""
        pairs = [(p, q) for p in self.pes for q in self.pes if p != q]
        return Fraction(sum(self.volume[u, v] // self.bandwidth[p][q] for p, q in pairs), max(1, len(pairs)))

    def _up(self, u):
        return self.mean(u) + max([self.moved(u, v) + self.up(v) for v in self.after[u]], default=0)

    def _down(self, v):
        return max([self.down(u) + self.mean(u) + self.moved(u, v) for u in self.before[v]], default=Fraction(0))

    def _oct(self, u, p):
        ways = [
            min(self.oct(v, q) + self.w[v, q] + (0 if q == p else self.moved(u, v)) for q in self.on[v])
            for v in self.after[u]
        ]
        return max(ways, default=Fraction(0))

    def mean_oct(self, u):
        return sum(self.oct(u, p) for p in self.on[u]) / Fraction(len(self.on[u]))

    def arrival(self, v, p, plan, release):
        """When the data of v is on p, as far as its predecessors are planned."""
        known = [u for u in self.before[v] if u in plan]
        if self.memory is None:
            return max([release] + [plan[u][2] + self.volume[u, v] // self.bandwidth[plan[u][0]][p] for u in known])
        ready = max([release] + [plan[u][2] + self.volume[u, v] // self.memory[plan[u][0]] for u in known])
        return ready + max([self.volume[u, v] // self.memory[p] for u in known], default=0)


def gap(intervals, earliest, length):
    """Start of the earliest gap of ``length`` after ``earliest``: it begins there or where an interval ends."""

    def fits(start):
        ends = start + length
        # A point inside an interval is taken, and so is any stretch that shares time with one.
        return not any(a < start < b or (a < ends and start < b) for a, b in intervals)

    return min(start for start in [earliest, *(b for _, b in intervals)] if start >= earliest and fits(start))


def options(graph, v, plan, busy, release, insert=True):
    """PE -> (start, finish) of a task."""
    out = {}
    for p in graph.on[v]:
        earliest, length = graph.arrival(v, p, plan, release), graph.w[v, p]
        start = gap(busy[p], earliest, length) if insert else max([earliest] + [b for _, b in busy[p]])
        out[p] = (start, start + length)
    return out


def put(v, p, interval, plan, busy):
    """Plan and commitments with v on p as well."""
    return {**plan, v: (p, *interval)}, [[*row, interval] if q == p else row for q, row in enumerate(busy)]


def soonest(graph, v, plan, busy, release):
    at = options(graph, v, plan, busy, release)
    return min(at, key=lambda p: (at[p][1], p))


def foresee(graph, u, plan, busy, release):
    """The PE on which the last successor of u ends first."""

    def last_end(p):
        own = options(graph, u, plan, busy, release)[p]
        tried, taken = put(u, p, own, plan, busy)
        for v in sorted(graph.after[u], key=lambda v: (-graph.up(v), v)):
            q = soonest(graph, v, tried, taken, release)
            tried, taken = put(v, q, options(graph, v, tried, taken, release)[q], tried, taken)
        return max([own[1]] + [tried[v][2] for v in graph.after[u]]), own[1], p

    return min(graph.on[u], key=last_end)


def critical(graph):
    """CPOP's critical path and its PE."""
    total = {u: graph.up(u) + graph.down(u) for u in graph.tasks}
    path = [min((u for u in graph.tasks if not graph.before[u]), key=lambda u: (-total[u], u))]
    while graph.after[path[-1]]:
        path.append(min(graph.after[path[-1]], key=lambda v: (-total[v], v)))
    able = {p: [graph.w[u, p] for u in path if p in graph.on[u]] for p in graph.pes}
    return path, min(graph.pes, key=lambda p: (-len(able[p]), sum(able[p]), p))


def schedule(workload, app, rule, release=0, busy=None):
    """Return [(PE, start, finish)] of the tasks of one job."""
    graph, plan = Graph(workload, app), {}
    busy = [list(row) for row in busy] if busy is not None else [[] for _ in graph.pes]
    path, favourite = critical(graph)
    priority = {
        "heft": graph.up,
        "lookahead": graph.up,
        "cpop": lambda u: graph.up(u) + graph.down(u),
        "peft": graph.mean_oct,
    }
    while len(plan) < len(graph.tasks):
        free = [u for u in graph.tasks if u not in plan and all(v in plan for v in graph.before[u])]
        at = {u: options(graph, u, plan, busy, release, rule not in ("min_min", "max_min")) for u in free}
        if rule in priority:
            u = min(free, key=lambda u: (-priority[rule](u), u))
        else:
            sign = 1 if rule == "min_min" else -1
            u = min(free, key=lambda u: (sign * min(finish for _, finish in at[u].values()), u))
        if rule == "cpop" and u in path and favourite in graph.on[u]:
            p = favourite
        elif rule == "lookahead":
            p = foresee(graph, u, plan, busy, release)
        else:
            p = min(graph.on[u], key=lambda p: (at[u][p][1] + (graph.oct(u, p) if rule == "peft" else 0), p))
        plan, busy = put(u, p, at[u][p], plan, busy)
    return [plan[u] for u in graph.tasks]


def run(workload, rule):
    """Return per job of a trace [(PE, start, finish)], each planned on top of the earlier ones."""
    busy, out = [[] for _ in range(workload.n_pes)], []
    for time, app in workload.trace.tolist():
        out.append(schedule(workload, app, rule, time, busy))
        for p, start, finish in out[-1]:
            busy[p].append((start, finish))
    return out
