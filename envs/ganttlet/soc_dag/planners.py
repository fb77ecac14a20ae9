"""Static list schedulers: kernels that plan a job's whole task graph on top of what the PEs are committed to.

Common to all. Tasks are placed one by one, each after its predecessors. D(u, p), when the data of task u is on PE p, is
the job's release for a task without predecessors, else max f(v) + floor(vol(v, u) / B(pe of v, p)) over predecessors v.
In shared memory u is assigned once it is ready, at max f(v) + floor(vol(v, u) / B(pe of v, memory)), and D adds
max floor(vol(v, u) / B(memory, p)). With insertion u takes the earliest gap from D(u, p) on that holds it, without it
u follows the PE's last interval; EFT is its end then. Ties: lower task number, lower PE. Numbers closer than TOLERANCE
count as equal, since means are rounded.

Rules (w mean execution times; "the PEs" are those that support the task; a task is free once its predecessors are
placed):

* ``heft`` (Topcuoglu, Hariri and Wu 2002): the free task of greatest upward rank, to the PE of least EFT. With
  insertion.
* ``cpop`` (same paper): the free task of greatest upward + downward rank. The critical path starts at the entry of
  greatest priority and follows the successor of greatest priority. Its tasks go to one PE: of those that support most
  of them the one of least total w. Tasks which that PE does not support, and all others, go to the PE of least EFT.
  With insertion.
* ``peft`` (Arabnejad and Barbosa 2014): the free task of greatest mean optimistic cost over the PEs, to the PE of least
  EFT + optimistic cost. With insertion.
* ``lookahead`` (Bittencourt, Sakellariou and Madeira 2010, without changes of the order): HEFT's order. Each PE is
  tried for u: u is placed on it, then its successors by rank and least EFT, after those of their predecessors that are
  placed. u goes to the PE on which the last of them ends first; ties: least EFT of u. With insertion.
* ``min_min``, ``max_min``: the free task of least, or greatest, least EFT. Without insertion.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganttlet.core.jit import jit
from ganttlet.soc_dag.layout import FIRST_SUCC, N_PREDS, N_SUCCS, NEVER, RANK_DOWN, RANK_UP, Array
from ganttlet.soc_dag.placement import AT, END, TOLERANCE, Desk, earliest_start, least_pe, place, take_back

HEFT, CPOP, PEFT, LOOKAHEAD, MIN_MIN, MAX_MIN = range(6)
PLANNERS: Mapping[str, int] = {
    "heft": HEFT,
    "cpop": CPOP,
    "peft": PEFT,
    "lookahead": LOOKAHEAD,
    "min_min": MIN_MIN,
    "max_min": MAX_MIN,
}
# Rows of the scratch: predecessors to place, whether on the critical path, successors by priority, tasks as placed.
MISSING, CRITICAL, NEXT, ORDER, N_SCRATCH = range(5)


@jit
def plan_job(
    rule: Any,
    n: Any,
    release: Any,
    times: Array,
    facts: Array,
    ranks: Array,
    optimistic: Array,
    preds: Array,
    succs: Array,
    lag: Array,
    link: Array,
    memory_lag: Array,
    shared: Any,
    pes: Any,
    busy: Array,
    count: Array,
    out: Array,
    scratch: Array,
    priority: Array,
) -> None:
    """Plan the ``n`` tasks of a job that enters at ``release`` and add their intervals to ``busy``.

    Intervals lie in ``busy`` by start, end and order of placement; a PE that works in this order, each task as early as
    it can, meets the plan. Among tasks of no length at one instant only the order of placement respects the edges.

    Args:
        rule: one of PLANNERS' numbers.
        n: tasks; arrays may be longer.
        release: when the job enters, in ticks.
        times … lag: arrays of the application, see arrays.AppArrays; ``link``: see arrays.link_classes.
        memory_lag: (E, P) integers, read if ``shared``.
        shared: whether data goes through the memory.
        pes: PEs P; arrays may be longer.
        busy: (P, L, 2) int64, intervals [start, end) that each PE is committed to; L at least count + n of every PE.
        count: (P,) int64, their numbers.
        out: (T, 3) int64, written: PE, start, end of each task.
        scratch: (N_SCRATCH, T) int64, written; row ORDER then holds the tasks in the order of their placement.
        priority: (T,) float64, written.
    """
    desk = Desk(
        n,
        release,
        times,
        facts,
        ranks,
        optimistic,
        preds,
        succs,
        lag,
        link,
        memory_lag,
        shared,
        pes,
        busy,
        count,
        out,
        scratch,
        priority,
    )
    for u in range(n):
        out[u, AT] = -1
        scratch[MISSING, u] = facts[u, N_PREDS]
        scratch[CRITICAL, u] = 0
        priority[u] = _priority(desk, rule, u)
    chosen = _mark_critical(desk) if rule == CPOP else -1
    for k in range(n):
        if rule in (MIN_MIN, MAX_MIN):
            u = _extreme(desk, rule == MIN_MIN)
            p = least_pe(desk, u, False, False)
        else:
            u = _foremost(desk)
            if scratch[CRITICAL, u] and times[u, chosen] >= 0:
                p = chosen
            elif rule == LOOKAHEAD:
                p = _look_ahead(desk, u)
            else:
                p = least_pe(desk, u, True, rule == PEFT)
        place(desk, u, p, rule not in (MIN_MIN, MAX_MIN))
        scratch[ORDER, k] = u
        for i in range(facts[u, FIRST_SUCC], facts[u, FIRST_SUCC] + facts[u, N_SUCCS]):
            scratch[MISSING, succs[i, 0]] -= 1


@jit
def forget(before: Any, pes: Any, busy: Array, count: Array) -> None:
    """Drop the intervals of ``busy`` that end by ``before``: no job released from then on can meet them."""
    for p in range(pes):
        kept = 0
        for o in range(count[p]):
            if busy[p, o, 1] > before:
                busy[p, kept, 0], busy[p, kept, 1] = busy[p, o, 0], busy[p, o, 1]
                kept += 1
        count[p] = kept


@jit
def _priority(desk: Any, rule: Any, u: Any) -> Any:
    """Return what list scheduling orders the tasks by, greatest first."""
    if rule == CPOP:
        return desk.ranks[u, RANK_UP] + desk.ranks[u, RANK_DOWN]
    if rule != PEFT:
        return desk.ranks[u, RANK_UP]
    total, supporting = 0.0, 0
    for p in range(desk.pes):
        if desk.times[u, p] >= 0:
            total += desk.optimistic[u, p]
            supporting += 1
    return total / supporting


@jit
def _foremost(desk: Any) -> Any:
    """Return the task of greatest priority whose predecessors are placed."""
    best = -1
    for u in range(desk.n):
        free = desk.scratch[MISSING, u] == 0 and desk.out[u, AT] < 0
        if free and (best < 0 or desk.priority[u] > desk.priority[best] + TOLERANCE):
            best = u
    return best


@jit
def _extreme(desk: Any, smallest: Any) -> Any:
    """Return the task of smallest or greatest least EFT whose predecessors are placed, without insertion."""
    best, reached = -1, 0
    for u in range(desk.n):
        if desk.scratch[MISSING, u] == 0 and desk.out[u, AT] < 0:
            p = least_pe(desk, u, False, False)
            finish = earliest_start(desk, u, p, False) + desk.times[u, p]
            if best < 0 or (finish < reached if smallest else finish > reached):
                best, reached = u, finish
    return best


@jit
def _mark_critical(desk: Any) -> Any:
    """Mark CPOP's critical path and return its PE."""
    u = -1
    for v in range(desk.n):
        if desk.facts[v, N_PREDS] == 0 and (u < 0 or desk.priority[v] > desk.priority[u] + TOLERANCE):
            u = v
    while u >= 0:
        desk.scratch[CRITICAL, u] = 1
        following = -1
        for k in range(desk.facts[u, FIRST_SUCC], desk.facts[u, FIRST_SUCC] + desk.facts[u, N_SUCCS]):
            v = desk.succs[k, 0]
            if following < 0 or desk.priority[v] > desk.priority[following] + TOLERANCE:
                following = v
        u = following
    chosen, most, least = -1, -1, 0
    for p in range(desk.pes):
        supported, total = 0, 0
        for v in range(desk.n):
            if desk.scratch[CRITICAL, v] and desk.times[v, p] >= 0:
                supported += 1
                total += desk.times[v, p]
        if supported > most or (supported == most and total < least):
            chosen, most, least = p, supported, total
    return chosen


@jit
def _look_ahead(desk: Any, u: Any) -> Any:
    """Return the PE on which u lets the last of its successors end first."""
    facts, succs, children = desk.facts, desk.succs, desk.scratch[NEXT]
    n_children = facts[u, N_SUCCS]
    for k in range(n_children):  # insertion sort, stable: they come by number
        child, o = succs[facts[u, FIRST_SUCC] + k, 0], k
        while o > 0 and desk.priority[child] > desk.priority[children[o - 1]] + TOLERANCE:
            children[o] = children[o - 1]
            o -= 1
        children[o] = child
    best, latest, earliest = -1, NEVER, NEVER
    for p in range(desk.pes):
        if desk.times[u, p] < 0:
            continue
        place(desk, u, p, True)
        finish = desk.out[u, END]
        last = finish
        for k in range(n_children):
            place(desk, children[k], least_pe(desk, children[k], True, False), True)
            last = max(last, desk.out[children[k], END])
        for k in range(n_children):
            take_back(desk, children[k])
        take_back(desk, u)
        if last < latest or (last == latest and finish < earliest):
            best, latest, earliest = p, last, finish
    return best
