"""Whole runs of a rule inside the kernel, and a rule's advice for the decision at hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.jit import jit
from ganttlet.soc_dag.dispatch import N_CHOICE_ROWS, NOW_ROW, ON, TASK, choose
from ganttlet.soc_dag.estimates import assign, expect_free
from ganttlet.soc_dag.events import advance
from ganttlet.soc_dag.layout import DECIDE, DECISIONS, READY, STATUS
from ganttlet.soc_dag.planners import N_SCRATCH
from ganttlet.soc_dag.plans import heft_rt, plan_jobs

DISPATCH, HEFT_RT, TABLE = range(3)  # kinds of rules


@jit
def play_rows(
    rows: Any,
    slot: Any,
    kind: Any,
    rule: Any,
    late: Any,
    stale: Any,
    counted: Any,
    seed: Any,
    store: Any,
    state: Any,
) -> int:
    """Play ``rows``, which have a decision to take, to the end of their runs; return the number of decisions.

    Args:
        rows, slot: rows, and the slot of every row.
        kind: DISPATCH, HEFT_RT or TABLE.
        rule: a number of dispatch.RULES, or of planners.PLANNERS.
        late: late binding.
        stale: estimates as promised at the last assignment.
        counted: whether HEFT_RT counts the time at which data arrives.
        seed: uint64, of rule ``random``.
    """
    (
        size_,
        real_,
        apps_,
        cumulative_,
        facts_,
        ranks_,
        exec_,
        std_,
        preds_,
        succs_,
        lag_,
        memory_,
        link_,
        costs_,
        cluster_,
        _power,
        _speed,
        trace_,
        outages_,
        _key,
    ) = store
    (
        totals_,
        jobs_,
        tasks_,
        data_,
        pes_,
        free_,
        ready_,
        busy_,
        counts_,
        log_job_,
        log_pe_,
        log_start_,
        log_finish_,
    ) = state
    n_slots, n_pes, width = tasks_.shape[1], pes_.shape[1], exec_.shape[2]
    choices = np.zeros((N_CHOICE_ROWS, n_slots), np.int64)
    touched = np.zeros(n_pes, np.int64)
    keys = np.zeros((2, n_slots))
    room = n_slots + width if kind == TABLE else 1
    intervals, filled = np.zeros((n_pes, room, 2), np.int64), np.zeros(n_pes, np.int64)
    plan, scratch, priority = np.zeros((width, 3), np.int64), np.zeros((N_SCRATCH, width), np.int64), np.zeros(width)
    total = 0
    for i in rows:
        v = slot[i]
        size, real, apps, cumulative, facts = size_[v], real_[v], apps_[v], cumulative_[v], facts_[v]
        ranks, exec_time, std, preds, succs = ranks_[v], exec_[v], std_[v], preds_[v], succs_[v]
        lag, memory, link, cluster = lag_[v], memory_[v], link_[v], cluster_[v]
        trace, outages, totals, jobs, tasks = trace_[v], outages_[v], totals_[i], jobs_[i], tasks_[i]
        data, pes, free, ready, busy, counts = data_[i], pes_[i], free_[i], ready_[i], busy_[i], counts_[i]
        log_job, log_pe, log_start, log_finish = log_job_[i], log_pe_[i], log_start_[i], log_finish_[i]
        while totals[STATUS] == DECIDE:
            if kind == HEFT_RT:
                heft_rt(counted, size, ranks, exec_time, totals, jobs, tasks, data, pes, ready, log_pe)
            elif kind == TABLE:
                plan_jobs(
                    rule,
                    size,
                    apps,
                    facts,
                    ranks,
                    costs_[v],
                    exec_time,
                    preds,
                    succs,
                    lag,
                    memory,
                    link,
                    totals,
                    jobs,
                    tasks,
                    data,
                    pes,
                    ready,
                    log_pe,
                    intervals,
                    filled,
                    plan,
                    scratch,
                    priority,
                )
            else:
                expect_free(stale, size, exec_time, totals, jobs, tasks, pes, free)
                n = choose(
                    rule,
                    late,
                    seed,
                    size,
                    facts,
                    ranks,
                    exec_time,
                    totals,
                    jobs,
                    data,
                    pes,
                    free,
                    ready,
                    choices,
                    touched,
                    keys,
                )
                # What is promised is promised in order, so A must be built up again.
                expect_free(stale, size, exec_time, totals, jobs, tasks, pes, free)
                for c in range(n):
                    if choices[NOW_ROW, c]:
                        s, k = choices[TASK, c], 0
                        while ready[0, k] != s:
                            k += 1
                        assign(k, choices[ON, c], size, exec_time, totals, jobs, tasks, data, pes, free, ready, log_pe)
            advance(
                totals[READY] > 0,
                0 if kind == DISPATCH else 1,
                size,
                real,
                apps,
                cumulative,
                facts,
                exec_time,
                std,
                preds,
                succs,
                lag,
                memory,
                link,
                cluster,
                trace,
                outages,
                totals,
                jobs,
                tasks,
                data,
                pes,
                ready,
                busy,
                counts,
                log_job,
                log_start,
                log_finish,
            )
        total += totals[DECISIONS]
    return total


@jit
def advise_rows(
    rows: Any,
    slot: Any,
    rule: Any,
    late: Any,
    stale: Any,
    seed: Any,
    action_mode: Any,
    window: Any,
    mask: Any,
    store: Any,
    state: Any,
    out: Any,
) -> None:
    """Write the action (B,) that a rule takes at the decision of each of ``rows``; waiting is the last action.

    The rule serves the tasks of the window, as if no others were ready. Where what it does is not legal, it is the
    first legal action of ``mask``.
    """
    size_, _, _, _, facts_, ranks_, exec_, _, _, _, _, _, _, _, _, _, _, _, _, _ = store
    totals_, jobs_, tasks_, data_, pes_, _, ready_, _, _, _, _, _, _ = state
    n_slots, n_pes = tasks_.shape[1], pes_.shape[1]
    choices = np.zeros((N_CHOICE_ROWS, n_slots), np.int64)
    touched, free = np.zeros(n_pes, np.int64), np.zeros(n_pes, np.int64)
    keys = np.zeros((2, n_slots))
    for i in rows:
        if totals_[i, STATUS] != DECIDE:
            out[i] = 0
            continue
        v = slot[i]
        size, exec_time, totals, jobs = size_[v], exec_[v], totals_[i].copy(), jobs_[i]
        if action_mode != 0:
            totals[READY] = min(totals[READY], window)
        expect_free(stale, size, exec_time, totals, jobs, tasks_[i], pes_[i], free)
        n = choose(
            rule,
            late,
            seed,
            size,
            facts_[v],
            ranks_[v],
            exec_time,
            totals,
            jobs,
            data_[i],
            pes_[i],
            free,
            ready_[i],
            choices,
            touched,
            keys,
        )
        out[i] = mask.shape[1] - 1
        for c in range(n):
            k = 0
            while ready_[i, 0, k] != choices[TASK, c]:
                k += 1
            if action_mode == 0:
                if k == 0:
                    if choices[NOW_ROW, c]:
                        out[i] = choices[ON, c]
                    break
            elif choices[NOW_ROW, c]:
                out[i] = k if action_mode == 1 else k * n_pes + choices[ON, c]
                break
        if mask[i, out[i]] == 0:
            out[i] = np.argmax(mask[i])
