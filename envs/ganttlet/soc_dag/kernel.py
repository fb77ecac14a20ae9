"""Kernels of SoC task graphs: start an episode, play a step, show rows.

``store``, ``state``, ``flags`` and ``out`` arrive as plain tuples in the order of their NamedTuples.
"""

from __future__ import annotations

from typing import Any

from ganttlet.core.batch import settle
from ganttlet.core.jit import jit_lean
from ganttlet.soc_dag.estimates import assign, best_pe, expect_free, has_choice
from ganttlet.soc_dag.events import advance, begin
from ganttlet.soc_dag.layout import (
    CLUSTERS,
    COMPLETED,
    COUNTED,
    DECIDE,
    INTEGRAL,
    LAST,
    LATENCY,
    MISSED,
    NOW,
    OVER,
    PAID,
    READY,
    STATUS,
    UNIT_POWER,
    UNIT_TIME,
)
from ganttlet.soc_dag.show import JOINT_MODE, TASK_MODE, show_row

OBJECTIVES = ("latency", "makespan", "energy", "edp", "missed")
REWARDS = ("jobs", "latency", "completion", "energy", "weighted", "deadline", "terminal")
JOBS_, LATENCY_, COMPLETION_, ENERGY_, WEIGHTED_, DEADLINE_, TERMINAL_ = range(7)
TICK_COST, COMPLETION_BONUS = 0.5, 50.0  # SoCRATES


@jit_lean
def energy_of(size: Any, power: Any, totals: Any, busy: Any, counts: Any) -> float:
    """Return the energy so far in W times ticks."""
    total, last = 0.0, busy.shape[1] - 1
    for c in range(size[CLUSTERS]):
        for m in range(last):
            total += power[c, m] * busy[c, m]
        total += power[c, counts[c]] * (totals[NOW] - busy[c, last])
    return total


@jit_lean
def measure(energy: Any, totals: Any, values: Any, i: Any) -> None:
    """Write the objectives so far into column ``i`` of ``values``."""
    counted = max(1, totals[COUNTED])
    values[0, i] = totals[LATENCY] / counted
    values[1, i] = totals[LAST]
    values[2, i] = energy / max(1, totals[COMPLETED])
    values[3, i] = values[0, i] * values[2, i]
    values[4, i] = totals[MISSED] / counted


@jit_lean
def unit_of(objective: Any, real: Any) -> Any:
    """Return the unit of an objective in the terminal reward."""
    time, power = real[UNIT_TIME], real[UNIT_POWER]
    if objective < 2:
        return time
    if objective == 2:
        return time * power
    return time * time * power if objective == 3 else 1.0


@jit_lean
def load_rows(
    rows: Any, slot: Any, action_mode: Any, late: Any, window: Any, stale: Any, store: Any, state: Any, values: Any
) -> None:
    """Begin an episode in each of ``rows`` and play it up to the first decision, or its end."""
    (
        size_,
        real_,
        apps_,
        cumulative_,
        facts_,
        _ranks,
        exec_,
        std_,
        preds_,
        succs_,
        lag_,
        memory_,
        link_,
        _costs,
        cluster_,
        power_,
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
    for i in rows:
        v = slot[i]
        size, totals = size_[v], totals_[i]
        log_job_[i, :] = -1
        log_pe_[i, :] = -1
        log_start_[i, :] = -1
        log_finish_[i, :] = -1
        begin(
            size,
            real_[v],
            apps_[v],
            cumulative_[v],
            facts_[v],
            preds_[v],
            lag_[v],
            memory_[v],
            link_[v],
            cluster_[v],
            trace_[v],
            outages_[v],
            totals,
            jobs_[i],
            tasks_[i],
            data_[i],
            pes_[i],
            ready_[i],
            busy_[i],
            counts_[i],
            log_job_[i],
        )
        exec_time = exec_[v]
        expect_free(stale, size, exec_time, totals, jobs_[i], tasks_[i], pes_[i], free_[i])
        while totals[STATUS] == DECIDE and (
            totals[READY] == 0
            or (
                late
                and not has_choice(
                    action_mode == JOINT_MODE,
                    window,
                    size,
                    exec_time,
                    totals,
                    jobs_[i],
                    data_[i],
                    pes_[i],
                    free_[i],
                    ready_[i],
                )
            )
        ):
            advance(
                totals[READY] > 0,
                0,
                size,
                real_[v],
                apps_[v],
                cumulative_[v],
                facts_[v],
                exec_[v],
                std_[v],
                preds_[v],
                succs_[v],
                lag_[v],
                memory_[v],
                link_[v],
                cluster_[v],
                trace_[v],
                outages_[v],
                totals,
                jobs_[i],
                tasks_[i],
                data_[i],
                pes_[i],
                ready_[i],
                busy_[i],
                counts_[i],
                log_job_[i],
                log_start_[i],
                log_finish_[i],
            )
            expect_free(stale, size, exec_time, totals, jobs_[i], tasks_[i], pes_[i], free_[i])
        measure(energy_of(size, power_[v], totals, busy_[i], counts_[i]), totals, values, i)


@jit_lean
def step_rows(
    actions: Any,
    slot: Any,
    action_mode: Any,
    wait: Any,
    late: Any,
    graph: Any,
    window: Any,
    stale: Any,
    reward_kind: Any,
    weight: Any,
    objective: Any,
    penalty: Any,
    gamma: Any,
    limit: Any,
    store: Any,
    state: Any,
    flags: Any,
    values: Any,
    out: Any,
) -> int:
    """Play one action in every active row and show what follows; return how many rows are done."""
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
        _costs,
        cluster_,
        power_,
        speed_,
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
    active, reward, terminated, _truncated, illegal, _done, _steps, discount = flags
    mask = out[17]
    for i in range(len(active)):
        if not active[i]:
            continue
        a, v = actions[i], slot[i]
        reward[i], terminated[i], discount[i] = 0.0, False, 1.0
        illegal[i] = a < 0 or a >= mask.shape[1] or mask[i, a] == 0
        if illegal[i]:
            reward[i] = -penalty
            continue
        size, real, totals, exec_time = size_[v], real_[v], totals_[i], exec_[v]
        jobs, tasks, data, pes, free, ready = jobs_[i], tasks_[i], data_[i], pes_[i], free_[i], ready_[i]
        busy, counts = busy_[i], counts_[i]
        was_over = totals[STATUS] == OVER
        waiting = wait and a == mask.shape[1] - 1
        began, integral, latency = totals[NOW], totals[INTEGRAL], totals[LATENCY]
        completed, missed, paid = totals[COMPLETED], totals[MISSED], totals[PAID] == 1
        if not was_over and not waiting:
            k, p = 0, a
            if action_mode == TASK_MODE:
                k, p = a, best_pe(ready[0, a], size, exec_time, totals, jobs, data, free)
            elif action_mode == JOINT_MODE:
                k, p = a // exec_time.shape[2], a % exec_time.shape[2]
            assign(k, p, size, exec_time, totals, jobs, tasks, data, pes, free, ready, log_pe_[i])
            waiting = (
                late
                and totals[READY] > 0
                and not has_choice(
                    action_mode == JOINT_MODE, window, size, exec_time, totals, jobs, data, pes, free, ready
                )
            )
        moves = not was_over and (waiting or totals[READY] == 0)
        if moves or not paid:
            energy = energy_of(size, power_[v], totals, busy, counts) if paid else 0.0
            while moves:
                advance(
                    waiting,
                    0,
                    size,
                    real,
                    apps_[v],
                    cumulative_[v],
                    facts_[v],
                    exec_time,
                    std_[v],
                    preds_[v],
                    succs_[v],
                    lag_[v],
                    memory_[v],
                    link_[v],
                    cluster_[v],
                    trace_[v],
                    outages_[v],
                    totals,
                    jobs,
                    tasks,
                    data,
                    pes,
                    ready,
                    busy,
                    counts,
                    log_job_[i],
                    log_start_[i],
                    log_finish_[i],
                )
                expect_free(stale, size, exec_time, totals, jobs, tasks, pes, free)
                # Under late binding, waits without another choice are not asked for.
                waiting = True
                moves = late and totals[STATUS] == DECIDE
                moves = moves and not has_choice(
                    action_mode == JOINT_MODE, window, size, exec_time, totals, jobs, data, pes, free, ready
                )
            totals[PAID] = 1
            total = energy_of(size, power_[v], totals, busy, counts)
            measure(total, totals, values, i)
            spent = (total - energy) / (real[UNIT_TIME] * real[UNIT_POWER])
            present = (totals[INTEGRAL] - (integral if paid else 0)) / real[UNIT_TIME]
            terminated[i] = totals[STATUS] == OVER
            elapsed = totals[NOW] - began
            if gamma < 1.0:
                discount[i] = gamma ** (elapsed / real[UNIT_TIME])
            if reward_kind == JOBS_:
                reward[i] = -present
            elif reward_kind == LATENCY_:
                reward[i] = -(totals[LATENCY] - (latency if paid else 0)) / real[UNIT_TIME]
            elif reward_kind == COMPLETION_:
                gained = totals[COMPLETED] - (completed if paid else 0)
                reward[i] = COMPLETION_BONUS * gained - TICK_COST * (elapsed if paid else totals[NOW])
            elif reward_kind == ENERGY_:
                reward[i] = -spent
            elif reward_kind == WEIGHTED_:
                reward[i] = -(1.0 - weight) * present - weight * spent
            elif reward_kind == DEADLINE_:
                reward[i] = -(totals[MISSED] - (missed if paid else 0))
            elif terminated[i]:
                reward[i] = -values[objective, i] / unit_of(objective, real)
        show_row(
            i,
            action_mode,
            wait,
            late,
            graph,
            window,
            size,
            real,
            apps_[v],
            facts_[v],
            ranks_[v],
            exec_time,
            preds_[v],
            cluster_[v],
            speed_[v],
            totals,
            jobs,
            tasks,
            data,
            pes,
            free,
            ready,
            out,
        )
    return settle(flags, limit)


@jit_lean
def measure_rows(rows: Any, slot: Any, store: Any, state: Any, values: Any) -> None:
    """Write the objectives of ``rows`` so far into ``values``."""
    size, power = store[0], store[15]
    totals, busy, counts = state[0], state[7], state[8]
    for i in rows:
        v = slot[i]
        measure(energy_of(size[v], power[v], totals[i], busy[i], counts[i]), totals[i], values, i)
