"""Run-time rules inside the kernel: what each does with the ready tasks at one instant.

Notation as in the docstring of SoCDAGEnv: A(p) when PE p is expected to be free, D(u, p) when the data of task u is
there, w(u, p) its execution time, EFT = max(A, D) + w. L is the list of ready tasks, in the environment's order. After
a choice A(p) = EFT. Ties go to the task that is earlier in L, then to the lower PE.

* ``met``: in L's order to a PE of least w; among those to idle ones, then to the one chosen least in this call.
* ``eft``: in L's order to the PE of least EFT. ``fifo``: likewise by (job number, task number).
* ``etf``: again and again the pair of least EFT, as DS3 has it. ``etf_est``: the pair of least start, ties by greatest
  level (Hwang et al. 1989).
* ``stf``: again and again the task of smallest least w, to the first PE of that w.
* ``ranku_eft``: by upward rank of the whole graph, greatest first, then least EFT.
* ``sjf``: job of least work left first. ``srpt``: least time left on the longest path first. ``edd``: earliest due date
  of the job, ``edf``: of the task (due date - what follows it), ``llf``: least laxity; each then least EFT.
* ``rr``: in L's order to the next PE that supports the task, in a circle. ``least_loaded``: to the one of least A.
  ``random``: to any.

``late`` binding, a variant of the rules that use EFT: a choice is carried out only if the PE is idle with an empty
queue; otherwise the task stays ready and is chosen for anew at the next event.
"""

from __future__ import annotations

from typing import Any, Final

from ganttlet.core.jit import jit_lean
from ganttlet.core.rng import key_of, uniform
from ganttlet.soc_dag.estimates import data_time, takes_now
from ganttlet.soc_dag.layout import (
    APP,
    DECISIONS,
    DUE,
    LEAST,
    LEVEL,
    NEVER,
    NOW,
    PES,
    QUEUE,
    RANK_UP,
    READY,
    RUNS,
    SERIAL,
    TAIL,
    TURN,
    WORK_LEFT,
)

RULES: Final = (
    "met",
    "eft",
    "fifo",
    "etf",
    "etf_est",
    "stf",
    "ranku_eft",
    "sjf",
    "srpt",
    "edd",
    "edf",
    "llf",
    "rr",
    "random",
    "least_loaded",
)
MET, EFT, FIFO, ETF, ETF_EST, STF, RANKU_EFT, SJF, SRPT, EDD, EDF, LLF, RR, RANDOM, LEAST_LOADED = range(15)
CAN_BE_LATE: Final = ("eft", "fifo", "etf", "etf_est", "ranku_eft", "sjf", "srpt", "edd", "edf", "llf")
DRAW = 31  # entity of the random numbers of ``random``
# Rows of a list of choices.
TASK, ON, NOW_ROW, N_CHOICE_ROWS = range(4)


@jit_lean
def choose(
    rule: Any,
    late: Any,
    seed: Any,
    size: Any,
    facts: Any,
    ranks: Any,
    exec_time: Any,
    totals: Any,
    jobs: Any,
    data: Any,
    pes: Any,
    free: Any,
    ready: Any,
    choices: Any,
    touched: Any,
    keys: Any,
) -> Any:
    """Write what the rule does into ``choices`` (3, J T): slot task, PE, and 1 if it is carried out; return how many.

    ``free`` (P,) holds A and is used up. ``touched`` (P,) int64 and ``keys`` (2, J T) float64 are scratch.
    """
    n = totals[READY]
    for p in range(size[PES]):
        touched[p] = 0
    for k in range(n):
        choices[TASK, k] = ready[0, k]
    if rule in (ETF, ETF_EST):
        _choose_pairs(rule, late, n, size, ranks, exec_time, totals, jobs, data, pes, free, choices, touched, keys)
        return n
    if rule in (FIFO, STF) or RANKU_EFT <= rule <= LLF:
        _sort(rule, n, facts, ranks, totals, jobs, choices, keys)
    for k in range(n):
        s = choices[TASK, k]
        p = _choose_pe(rule, seed, k, s, size, facts, exec_time, totals, jobs, data, pes, free, touched)
        _note(k, p, late, size, exec_time, totals, jobs, data, pes, free, choices, touched)
    return n


@jit_lean
def _note(
    k: Any,
    p: Any,
    late: Any,
    size: Any,
    exec_time: Any,
    totals: Any,
    jobs: Any,
    data: Any,
    pes: Any,
    free: Any,
    choices: Any,
    touched: Any,
) -> None:
    """Note PE ``p`` for the ``k``-th choice, and whether it is carried out."""
    s, width = choices[TASK, k], exec_time.shape[1]
    at = data_time(s, p, size, totals, data)
    now = not late or (touched[p] == 0 and takes_now(p, totals, pes))
    choices[ON, k], choices[NOW_ROW, k] = p, 1 if now else 0
    touched[p] += 1
    free[p] = max(free[p], at) + exec_time[jobs[s // width, APP], s % width, p]


@jit_lean
def _choose_pe(
    rule: Any,
    seed: Any,
    k: Any,
    s: Any,
    size: Any,
    facts: Any,
    exec_time: Any,
    totals: Any,
    jobs: Any,
    data: Any,
    pes: Any,
    free: Any,
    touched: Any,
) -> Any:
    """Return the PE for slot task ``s``, the ``k``-th to be served at this instant."""
    width, n_pes = exec_time.shape[1], size[PES]
    app, t = jobs[s // width, APP], s % width
    if rule == RR:
        for step in range(n_pes):
            p = (totals[TURN] + step) % n_pes
            if exec_time[app, t, p] >= 0:
                totals[TURN] = p + 1
                return p
    if rule == RANDOM:
        count = 0
        for p in range(n_pes):
            count += exec_time[app, t, p] >= 0
        rank = int(uniform(key_of(seed, DRAW, totals[DECISIONS] + k), 0) * count)
        for p in range(n_pes):
            if exec_time[app, t, p] >= 0:
                if rank == 0:
                    return p
                rank -= 1
    best, least, second, third = -1, NEVER, 0, 0
    base = data_time(s, 0, size, totals, data) - data[s, 0]
    for p in range(n_pes):
        w = exec_time[app, t, p]
        if w < 0:
            continue
        if rule == MET:
            if w > facts[app, t, LEAST]:
                continue
            busy = 0 if pes[p, RUNS] < 0 and pes[p, QUEUE] == 0 and touched[p] == 0 else 1
            if best < 0 or busy < second or (busy == second and touched[p] < third):
                best, second, third = p, busy, touched[p]
            continue
        if rule == STF:
            value = w
        elif rule == LEAST_LOADED:
            value = free[p]
        else:
            value = max(free[p], data[s, p] + base) + w
        if value < least:
            best, least = p, value
    return best


@jit_lean
def _sort(rule: Any, n: Any, facts: Any, ranks: Any, totals: Any, jobs: Any, choices: Any, keys: Any) -> None:
    """Sort the tasks of ``choices`` by the rule's key, stably."""
    width = facts.shape[1]
    for k in range(n):
        s = choices[TASK, k]
        j = s // width
        t = s % width
        app = jobs[j, APP]
        if rule == FIFO:
            key = float(jobs[j, SERIAL] * width + t)
        elif rule == STF:
            key = float(facts[app, t, LEAST])
        elif rule == RANKU_EFT:
            key = -ranks[app, t, RANK_UP]
        elif rule == SJF:
            key = float(jobs[j, WORK_LEFT])
        elif rule == SRPT:
            key = ranks[app, t, TAIL]
        elif jobs[j, DUE] == NEVER:
            # Without due dates the older job comes first, behind all that have one.
            key = 1e18 + float(jobs[j, SERIAL]) * 1024.0
        elif rule == EDD:
            key = float(jobs[j, DUE])
        elif rule == EDF:
            key = jobs[j, DUE] - (ranks[app, t, TAIL] - facts[app, t, LEAST])
        else:
            key = jobs[j, DUE] - totals[NOW] - ranks[app, t, TAIL]
        at = k
        while at > 0 and keys[0, at - 1] > key:
            keys[0, at] = keys[0, at - 1]
            choices[TASK, at] = choices[TASK, at - 1]
            at -= 1
        keys[0, at] = key
        choices[TASK, at] = s


@jit_lean
def _choose_pairs(
    rule: Any,
    late: Any,
    n: Any,
    size: Any,
    ranks: Any,
    exec_time: Any,
    totals: Any,
    jobs: Any,
    data: Any,
    pes: Any,
    free: Any,
    choices: Any,
    touched: Any,
    keys: Any,
) -> None:
    """Take the best pair of task and PE again and again; a task's best PE changes only if it was just taken."""
    width, n_pes = exec_time.shape[1], size[PES]
    taken = -1
    for first in range(n):
        pick = -1
        for k in range(first, n):
            s = choices[TASK, k]
            app, t = jobs[s // width, APP], s % width
            if taken < 0 or choices[ON, k] == taken:
                base = data_time(s, 0, size, totals, data) - data[s, 0]
                best, least = -1, NEVER
                for p in range(n_pes):
                    w = exec_time[app, t, p]
                    if w < 0:
                        continue
                    value = max(free[p], data[s, p] + base) + (w if rule == ETF else 0)
                    if value < least:
                        best, least = p, value
                choices[ON, k], keys[0, k] = best, float(least)
            if pick < 0 or keys[0, k] < keys[0, pick]:
                pick = k
            elif rule == ETF_EST and keys[0, k] == keys[0, pick]:
                other = choices[TASK, pick]
                if ranks[app, t, LEVEL] > ranks[jobs[other // width, APP], other % width, LEVEL]:
                    pick = k
        s, p, key = choices[TASK, pick], choices[ON, pick], keys[0, pick]
        # Those between move back by one, so that they stay in the order of L.
        for k in range(pick, first, -1):
            choices[TASK, k], choices[ON, k], keys[0, k] = choices[TASK, k - 1], choices[ON, k - 1], keys[0, k - 1]
        choices[TASK, first], keys[0, first] = s, key
        taken = p
        _note(first, p, late, size, exec_time, totals, jobs, data, pes, free, choices, touched)
