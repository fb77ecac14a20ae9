"""Show rows: the whole observation of the chosen kind, and the mask."""

from __future__ import annotations

from typing import Any

from ganttlet.core.jit import jit_lean
from ganttlet.soc_dag.estimates import best_pe, takes_now
from ganttlet.soc_dag.events import may_wait
from ganttlet.soc_dag.layout import (
    APP,
    OVER,
    PES,
    PLANNED,
    READY,
    STATUS,
    UNIT_TIME,
)
from ganttlet.soc_dag.observe import (
    show_context,
    show_jobs,
    show_pairs,
    show_pes,
    show_plan,
    show_ready,
    show_tasks,
)

PE_MODE, TASK_MODE, JOINT_MODE = range(3)  # as in features.ACTIONS


@jit_lean
def show_row(
    i: Any,
    action: Any,
    wait: Any,
    late: Any,
    graph: Any,
    window: Any,
    size: Any,
    real: Any,
    apps: Any,
    facts: Any,
    ranks: Any,
    exec_time: Any,
    preds: Any,
    cluster: Any,
    speed: Any,
    totals: Any,
    jobs: Any,
    tasks: Any,
    data: Any,
    pes: Any,
    free: Any,
    ready: Any,
    out: Any,
) -> None:
    """Write the observation of row ``i``; its ``free`` is up to date."""
    (
        o_task,
        o_task_mask,
        o_precedes,
        o_task_job,
        o_task_pe,
        o_job,
        o_job_mask,
        o_pe,
        o_pe_mask,
        o_ready,
        o_ready_mask,
        o_ready_task,
        o_ready_job,
        o_pairs,
        o_focus_task,
        o_focus_job,
        o_context,
        o_mask,
    ) = out
    scale, width = 1.0 / real[UNIT_TIME], exec_time.shape[1]
    mask = o_mask[i]
    if graph:
        show_tasks(
            apps,
            facts,
            ranks,
            scale,
            jobs,
            tasks,
            preds,
            o_task[i],
            o_task_mask[i],
            o_precedes[i],
            o_task_job[i],
            o_task_pe[i],
        )
    show_jobs(apps, ranks, scale, totals, jobs, tasks, ready, o_job[i], o_job_mask[i])
    show_pes(size, cluster, speed, scale, totals, pes, free, o_pe[i], o_pe_mask[i])
    show_context(size, scale, window, totals, jobs, pes, o_context[i])
    mask[:] = 0
    n_ready, n_pes = totals[READY], mask.shape[0] - (1 if wait else 0)
    if action == PE_MODE:
        s = ready[0, 0] if n_ready else -1
        o_focus_job[i, 0] = s // width if n_ready else -1
        if graph:
            o_focus_task[i, 0] = s
        if n_ready:
            show_pairs(s, size, exec_time, speed, scale, totals, jobs, tasks, data, pes, free, 10, False, o_pe[i])
            app, t = jobs[s // width, APP], s % width
            for p in range(size[PES]):
                mask[p] = 1 if exec_time[app, t, p] >= 0 else 0
    else:
        n_pes = exec_time.shape[2]
        o_ready[i, :] = 0.0
        o_ready_mask[i, :] = 0
        o_ready_job[i, :] = -1
        if graph:
            o_ready_task[i, :] = -1
        if action == JOINT_MODE:
            o_pairs[i, :] = 0.0
        for k in range(min(window, n_ready)):
            s = ready[0, k]
            o_ready_mask[i, k] = 1
            o_ready_job[i, k] = s // width
            if graph:
                o_ready_task[i, k] = s
            best = best_pe(s, size, exec_time, totals, jobs, data, free)
            show_ready(
                k,
                size,
                facts,
                exec_time,
                ranks,
                scale,
                totals,
                jobs,
                tasks,
                data,
                pes,
                free,
                ready,
                best,
                o_ready[i, k],
            )
            if action == TASK_MODE:
                mask[k] = 1 if not late or takes_now(best, totals, pes) else 0
                continue
            show_pairs(s, size, exec_time, speed, scale, totals, jobs, tasks, data, pes, free, 0, True, o_pairs[i, k])
            app, t = jobs[s // width, APP], s % width
            for p in range(size[PES]):
                legal = exec_time[app, t, p] >= 0 and (not late or takes_now(p, totals, pes))
                mask[k * n_pes + p] = 1 if legal else 0
        if action == JOINT_MODE:
            for p in range(size[PES]):
                pes[p, PLANNED] = free[p]
            shown = min(window, n_ready)
            show_plan(shown, size, exec_time, scale, totals, jobs, data, pes, ready, o_pairs[i])
    if wait:
        mask[len(mask) - 1] = 1 if may_wait(size, totals, pes) else 0
    if totals[STATUS] == OVER:
        mask[:] = 1


@jit_lean
def show_rows(
    rows: Any,
    slot: Any,
    action_mode: Any,
    wait: Any,
    late: Any,
    graph: Any,
    window: Any,
    store: Any,
    state: Any,
    out: Any,
) -> None:
    """Write the whole observation of ``rows``."""
    size, real, apps, _, facts, ranks, exec_time, _, preds, _, _, _, _, _, cluster, _, speed, _, _, _ = store
    totals, jobs, tasks, data, pes, free, ready, _, _, _, _, _, _ = state
    for i in rows:
        v = slot[i]
        show_row(
            i,
            action_mode,
            wait,
            late,
            graph,
            window,
            size[v],
            real[v],
            apps[v],
            facts[v],
            ranks[v],
            exec_time[v],
            preds[v],
            cluster[v],
            speed[v],
            totals[i],
            jobs[i],
            tasks[i],
            data[i],
            pes[i],
            free[i],
            ready[i],
            out,
        )
