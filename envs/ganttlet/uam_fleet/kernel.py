"""Kernels of UAM fleets: start a day, play a step.

``store``, ``state``, ``flags`` and ``out`` arrive as plain tuples in the order of their NamedTuples.
"""

from __future__ import annotations

from typing import Any

from ganttlet.core.batch import settle
from ganttlet.core.jit import jit_lean
from ganttlet.uam_fleet.events import seek
from ganttlet.uam_fleet.flying import begin, decide, is_legal
from ganttlet.uam_fleet.layout import DAY_END, EMPTY, FLIGHTS, FLOWN, LOST, NOW, OVER, PROFIT, SCALE, SERVED, SPENT
from ganttlet.uam_fleet.observe import show_row

OBJECTIVES = ("profit", "served", "lost", "flights", "empty_flights", "miles", "energy")
REWARDS = ("incremental", "terminal")
INCREMENTAL, TERMINAL = range(2)


@jit_lean
def measure(i: Any, totals: Any, row: Any, values: Any) -> None:
    """Write the objectives so far into column ``i`` of ``values``."""
    values[0, i] = row[PROFIT]
    values[1, i] = totals[SERVED]
    values[2, i] = totals[LOST]
    values[3, i] = totals[FLIGHTS]
    values[4, i] = totals[EMPTY]
    values[5, i] = row[FLOWN]
    values[6, i] = row[SPENT]


@jit_lean
def load_rows(rows: Any, slot: Any, store: Any, state: Any, values: Any) -> None:
    """Begin a day in each of ``rows``, whose demand, closures and world are in place."""
    size, real, _world, _ports, places, start, fleet, _legs, _fare, _hours, _demand, _shut, _forecast, _flows, _ = store
    totals, row, world, craft, clock, heap, taken, left, waiting, flow, _closed, last, log, log_time = state
    for i in rows:
        v = slot[i]
        begin(
            size[v],
            real[v],
            places[v],
            start[v],
            fleet[v],
            totals[i],
            row[i],
            craft[i],
            clock[i],
            heap[i],
            taken[i],
            last[i],
            log[i],
            log_time[i],
        )
        seek(
            size[v],
            real[v],
            world[i],
            places[v],
            fleet[v],
            totals[i],
            row[i],
            craft[i],
            clock[i],
            heap[i],
            taken[i],
            left[i],
            waiting[i],
            flow[i],
        )
        measure(i, totals[i], row[i], values)


@jit_lean
def step_rows(
    actions: Any,
    slot: Any,
    kind: Any,
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
    size_, real_, _world, ports_, places_, _start, fleet_, legs_, fare_, hours_ = store[:10]
    forecast_, flows_ = store[12:14]
    totals_, row_, world_, craft_, clock_, heap_, taken_, left_, waiting_, flow_, closed_, last_, log_, times_ = state
    active, reward, terminated, _truncated, illegal, _done, _steps, discount = flags
    n_actions = out[-1].shape[1]
    for i in range(len(active)):
        if not active[i]:
            continue
        a, v = actions[i], slot[i]
        size, real, ports, places, fleet, legs = size_[v], real_[v], ports_[v], places_[v], fleet_[v], legs_[v]
        fare, hours, totals, row, craft, clock = fare_[v], hours_[v], totals_[i], row_[i], craft_[i], clock_[i]
        taken, left, waiting, flow, closed = taken_[i], left_[i], waiting_[i], flow_[i], closed_[i]
        over = totals[OVER] == 1
        reward[i], terminated[i], discount[i] = 0.0, over, 1.0
        illegal[i] = a < 0 or a >= n_actions
        if not over and not illegal[i]:
            illegal[i] = not is_legal(a, size, real, ports, places, legs, totals, craft, clock, taken, closed)
        if illegal[i]:
            reward[i] = -penalty
            continue
        if over:
            continue
        began = row[NOW]
        gain = decide(
            a,
            size,
            real,
            world_[i],
            ports,
            places,
            legs,
            fare,
            hours,
            totals,
            row,
            craft,
            clock,
            heap_[i],
            taken,
            left,
            waiting,
            flow,
            last_[i],
            log_[i],
            times_[i],
        )
        seek(
            size,
            real,
            world_[i],
            places,
            fleet,
            totals,
            row,
            craft,
            clock,
            heap_[i],
            taken,
            left,
            waiting,
            flow,
        )
        terminated[i] = totals[OVER] == 1
        if gamma < 1.0:
            discount[i] = gamma ** (((real[DAY_END] if terminated[i] else row[NOW]) - began) / 60.0)
        measure(i, totals, row, values)
        if kind == INCREMENTAL:
            reward[i] = gain / real[SCALE]
        elif terminated[i]:
            reward[i] = row[PROFIT] / real[SCALE]
        show_row(
            i,
            size,
            real,
            ports,
            places,
            fleet,
            legs,
            fare,
            hours,
            forecast_[v],
            flows_[v],
            totals,
            row,
            craft,
            clock,
            taken,
            waiting,
            flow,
            closed,
            out,
        )
    return settle(flags, limit)
