"""The arrays of one application on one platform, in the layout that the kernels share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ganttlet.soc_dag.application import topological_order
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.layout import (
    FIRST_PRED,
    FIRST_SUCC,
    LEAST,
    N_PREDS,
    N_SUCCS,
    N_TASK_COLUMNS,
    SUPPORT,
)
from ganttlet.soc_dag.ranks import mean_transfer_times, task_ranks

Array = np.ndarray[Any, Any]


class AppArrays(NamedTuple):
    """One application (n tasks, E edges, P PEs, V bandwidth classes); times in ticks.

    Fields:
        times: (n, P) int32, mean execution times, -1 where unsupported.
        facts: (n, N_TASK_COLUMNS) int64, columns of layout.Store.tasks; SUPPORT is a bit mask of PEs.
        ranks: (n, N_RANKS) float64, columns of layout.Store.ranks.
        optimistic: (n, P) float64, see :func:`optimistic_costs`.
        preds, succs: (E, 2) int32, the other end and the edge's number, sorted by task and then by the other end.
        lag: (E, V) int32, transfer time of each edge by bandwidth class.
        mean_lag: (E,) float64, mean transfer time of each edge.
        memory_lag: (E, P) int32, transfer time between each PE and the memory; zeros without a memory.
    """

    times: Array
    facts: Array
    ranks: Array
    optimistic: Array
    preds: Array
    succs: Array
    lag: Array
    mean_lag: Array
    memory_lag: Array


def link_classes(workload: Workload) -> tuple[Array, Array]:
    """Return (V,) int64, the bandwidths that occur, rising, and (P, P) int16, which of them each pair of PEs has."""
    values, classes = np.unique(workload.bandwidth, return_inverse=True)
    return values.astype(np.int64), classes.reshape(workload.bandwidth.shape).astype(np.int16)


def app_arrays(workload: Workload, app: int) -> AppArrays:
    """Return the arrays of application number ``app``."""
    n, edges = int(workload.n_tasks[app]), np.array(workload.edges_of(app), np.int64).reshape(-1, 3)
    times = np.ascontiguousarray(workload.exec_time[app, :n])
    source, target, volume = edges.T
    facts = np.zeros((n, N_TASK_COLUMNS), np.int64)
    preds, facts[:, FIRST_PRED], facts[:, N_PREDS] = _adjacent(n, target, source)
    succs, facts[:, FIRST_SUCC], facts[:, N_SUCCS] = _adjacent(n, source, target)
    supported = times >= 0
    facts[:, LEAST] = np.where(supported, times, np.iinfo(np.int32).max).min(axis=1)
    bits = np.uint64(1) << np.arange(workload.n_pes, dtype=np.uint64)
    facts[:, SUPPORT] = np.where(supported, bits, np.uint64(0)).sum(axis=1, dtype=np.uint64).view(np.int64)
    memory = workload.memory_bandwidth
    reach = np.zeros((len(edges), workload.n_pes)) if memory is None else volume[:, None] // memory
    return AppArrays(
        times=times,
        facts=facts,
        ranks=task_ranks(workload, app),
        optimistic=optimistic_costs(workload, app),
        preds=preds,
        succs=succs,
        lag=(volume[:, None] // link_classes(workload)[0]).astype(np.int32),
        mean_lag=mean_transfer_times(workload, app),
        memory_lag=reach.astype(np.int32),
    )


def optimistic_costs(workload: Workload, app: int) -> Array:
    """Return (tasks, P) float64, the optimistic cost table of PEFT (Arabnejad and Barbosa 2014), in ticks.

    OCT(u, p) is the longest way from the end of task u on PE p to an exit, every later task on the PE that is best for
    it alone; a change of PE costs the mean transfer time. Only PEs that support a task are considered for it; column p
    of u is there even if p does not support u.
    """
    n, edges = int(workload.n_tasks[app]), workload.edges_of(app)
    times = workload.exec_time[app, :n].astype(np.float64)
    times[times < 0] = np.inf
    after: list[list[tuple[int, float]]] = [[] for _ in range(n)]
    for (source, target, _), time in zip(edges, mean_transfer_times(workload, app), strict=True):
        after[source].append((target, float(time)))
    out = np.zeros((n, workload.n_pes))
    for task in reversed(topological_order(n, [(source, target) for source, target, _ in edges])):
        for other, time in after[task]:
            cost = out[other] + times[other]
            out[task] = np.maximum(out[task], np.minimum(cost, cost.min() + time))
    return out


def _adjacent(n: int, owner: Array, other: Array) -> tuple[Array, Array, Array]:
    """Return (E, 2) int32, other end and edge number by owner and other end; first row (n,) and rows (n,) per owner."""
    order = np.lexsort((other, owner))
    count = np.bincount(owner, minlength=n)
    return np.stack([other[order], order], axis=1).astype(np.int32), np.cumsum(count) - count, count
