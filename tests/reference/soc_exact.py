"""Optimum of a tiny trace by trying every order of tasks on every PE, from the workload's fields alone."""

from __future__ import annotations

from itertools import product

from ganttlet.soc_dag.instance import Workload


def optimum(workload: Workload, objective: str) -> int:
    """Return the least makespan, or the least sum of completions for ``latency``, in ticks.

    Every job of the trace enters on arrival; with a queue before the system only capacity 1 is understood.
    """
    trace = workload.trace.tolist()
    tasks = [(job, task) for job, (_, app) in enumerate(trace) for task in range(int(workload.n_tasks[app]))]
    preds = {
        (job, target): [
            (job, source, volume) for source, other, volume in workload.edges_of(trace[job][1]) if other == target
        ]
        for job, target in tasks
    }
    supported = [
        [pe for pe in range(workload.n_pes) if workload.exec_time[trace[job][1], task, pe] >= 0] for job, task in tasks
    ]
    alone = workload.full == "queue" and workload.capacity < len(trace)
    assert not alone or workload.capacity == 1
    best = None
    for pes in product(*supported):
        pe = dict(zip(tasks, pes, strict=True))
        best = _search(workload, trace, tasks, preds, pe, alone, objective, {}, [0] * workload.n_pes, best)
    assert best is not None
    return best


def _search(workload, trace, tasks, preds, pe, alone, objective, finish, free, best):
    """Append each task whose predecessors are placed in turn, as early as it can; return the least value."""
    ends = [_end(tasks, finish, job, trace[job][0]) for job in range(len(trace))]
    value = max(ends) if objective == "makespan" else sum(ends)
    if best is not None and value >= best:  # more tasks can only add to it
        return best
    if len(finish) == len(tasks):
        return value
    for key in tasks:
        job, task = key
        if key in finish or any((job, source) not in finish for _, source, _ in preds[key]):
            continue
        entry = trace[job][0]
        if alone and job:
            if any(other not in finish for other in tasks if other[0] < job):
                continue
            entry = max(entry, *(_end(tasks, finish, before, 0) for before in range(job)))
        start = max(free[pe[key]], _data(workload, trace, preds, pe, finish, key, entry))
        length = int(workload.exec_time[trace[job][1], task, pe[key]])
        left = free.copy()
        left[pe[key]] = start + length
        best = _search(workload, trace, tasks, preds, pe, alone, objective, {**finish, key: start + length}, left, best)
    return best


def _noticed(workload, trace, pe, finish, key):
    short = workload.exec_time[trace[key[0]][1], key[1], pe[key]] <= 1
    return finish[key] + int(workload.tick_compat and short)


def _end(tasks, finish, job, least):
    return max([least, *(finish[key] for key in tasks if key[0] == job and key in finish)])


def _data(workload, trace, preds, pe, finish, key, entry):
    ready, there, fetch = entry, entry, 0
    for job, source, volume in preds[key]:
        before = (job, source)
        ready = max(ready, _noticed(workload, trace, pe, finish, before))
        if workload.communication == "shared_memory":
            ready = max(ready, finish[before] + volume // int(workload.memory_bandwidth[pe[before]]))
            fetch = max(fetch, volume // int(workload.memory_bandwidth[pe[key]]))
        else:
            there = max(there, finish[before] + volume // int(workload.bandwidth[pe[before], pe[key]]))
    return max(ready + fetch, there)
