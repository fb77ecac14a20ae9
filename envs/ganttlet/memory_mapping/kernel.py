"""Kernels of memory mapping: start an episode, play a step, play to the end.

``store``, ``state``, ``flags`` and ``out`` arrive as plain tuples in the order of their NamedTuples.
"""

from __future__ import annotations

from typing import Any

from ganttlet.core.batch import settle
from ganttlet.core.jit import jit_lean
from ganttlet.memory_mapping.game import back_up, begin, decide, go_on, time_of
from ganttlet.memory_mapping.layout import (
    ALL_SLOW,
    COMPUTE,
    COPIED,
    EARNED,
    ELAPSED,
    FAST,
    LEGAL,
    N_ACTIONS,
    NOW,
    REST,
    SLOW,
    SLOW_BYTES,
    STALL,
    STALLS,
)
from ganttlet.memory_mapping.observe import show_row

OBJECTIVES = ("latency", "speedup", "stalls", "copied", "slow_bytes")
REWARDS = ("saved", "terminal", "static")
SAVED, TERMINAL, FIXED = range(3)
FAILURE = 1.0  # what a dead end costs that ends the episode


@jit_lean
def latency_of(over: Any, real: Any, work: Any, totals: Any, row: Any) -> Any:
    """Return the latency so far in µs; slots that are not decided count as slow."""
    latency = row[ELAPSED]
    if not over:
        now = totals[NOW]
        time = time_of(work[now, COMPUTE], totals[SLOW], totals[FAST], real)
        latency = (latency + (time + row[STALL])) + work[now + 1, REST]
    return latency


@jit_lean
def measure(i: Any, over: Any, real: Any, work: Any, totals: Any, row: Any, values: Any) -> None:
    """Write the objectives into column ``i`` of ``values``; slots that are not decided count as slow."""
    latency = latency_of(over, real, work, totals, row)
    values[0, i] = latency
    values[1, i] = real[ALL_SLOW] / latency
    values[2, i] = row[STALLS] + row[STALL]
    values[3, i] = totals[COPIED]
    values[4, i] = totals[SLOW_BYTES]


@jit_lean
def load_rows(rows: Any, slot: Any, rules: Any, rule: Any, store: Any, state: Any, values: Any) -> None:
    """Begin an episode in each of ``rows``."""
    size, real, work, total, slots, _moved, buffers, demand, _facts = store
    totals, row, left, rects, held, played = state
    for i in rows:
        v = slot[i]
        begin(
            rules,
            rule,
            size[v],
            real[v],
            work[v],
            total[v],
            slots[v],
            buffers[v],
            demand[v],
            totals[i],
            row[i],
            left[i],
            rects[i],
            held[i],
            played[i],
        )
        measure(i, False, real[v], work[v], totals[i], row[i], values)


@jit_lean
def step_rows(
    actions: Any,
    slot: Any,
    rules: Any,
    rule: Any,
    backup: Any,
    skip: Any,
    kind: Any,
    penalty: Any,
    limit: Any,
    store: Any,
    state: Any,
    flags: Any,
    values: Any,
    out: Any,
) -> int:
    """Play one action in every active row and show what follows; return how many rows are done.

    ``backup``: whether a row at a dead end goes on, with what was earned since then paid back.
    """
    size_, real_, work_, total_, slots_, moved_, buffers_, demand_, facts_ = store
    totals_, row_, left_, rects_, held_, played_ = state
    active, reward, terminated, _truncated, illegal, _done, _steps, _discount = flags
    for i in range(len(active)):
        if not active[i]:
            continue
        a, v = actions[i], slot[i]
        size, real, work, slots, buffers, demand = size_[v], real_[v], work_[v], slots_[v], buffers_[v], demand_[v]
        totals, row, left, rects, held = totals_[i], row_[i], left_[i], rects_[i], held_[i]
        # Nothing is legal at the end, nor at a dead end that ended the episode.
        over = totals[LEGAL] == 0
        reward[i], terminated[i] = 0.0, over
        illegal[i] = a < 0 or a >= N_ACTIONS or (not over and totals[LEGAL] >> a & 1 == 0)
        if illegal[i]:
            reward[i] = -penalty
            continue
        if over:
            continue
        gain, earned, total, moved, played = 0.0, row[EARNED], total_[v], moved_[v], played_[i]
        while True:
            gain += decide(a, real, work, slots, moved, buffers, demand, totals, row, left, rects, held, played)
            over = go_on(rules, rule, size, real, work, total, slots, buffers, demand, totals, row, left, rects, held)
            if totals[LEGAL] == 0 and backup and not over:
                gain += latency_of(over, real, work, totals, row)
                back_up(
                    rules,
                    rule,
                    size,
                    real,
                    work,
                    total,
                    slots,
                    moved,
                    buffers,
                    demand,
                    totals,
                    row,
                    left,
                    rects,
                    held,
                    played,
                )
                gain -= latency_of(over, real, work, totals, row)
            legal = totals[LEGAL]
            if legal == 0 or not skip or legal & (legal - 1) != 0:
                break
            a = legal >> 1
        terminated[i] = totals[LEGAL] == 0
        measure(i, over, real, work, totals, row, values)
        if kind == SAVED:
            reward[i] = gain / real[ALL_SLOW]
        elif kind == FIXED:
            reward[i] = (row[EARNED] - earned) / real[ALL_SLOW]
        elif over:
            reward[i] = 1.0 - values[0, i] / real[ALL_SLOW]
        if terminated[i] and not over:
            reward[i] -= FAILURE
        facts = facts_[v]
        show_row(
            i, size, real, work, total, slots, moved, buffers, demand, facts, totals, row, left, rects, values, out
        )
    return settle(flags, limit)
