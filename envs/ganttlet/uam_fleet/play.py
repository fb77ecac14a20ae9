"""Whole days of a rule inside the kernel, and a rule's advice for the decision at hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.jit import jit_lean
from ganttlet.core.rng import key_of
from ganttlet.uam_fleet.dispatch import choose
from ganttlet.uam_fleet.events import seek
from ganttlet.uam_fleet.flying import decide
from ganttlet.uam_fleet.kernel import measure
from ganttlet.uam_fleet.layout import COUNT, OVER


@jit_lean
def play_rows(rows: Any, slot: Any, rule: Any, seed: Any, store: Any, state: Any, values: Any) -> int:
    """Play ``rows`` to the end of their days by a rule; return the number of decisions.

    Args:
        rows, slot: rows, and the slot of every row.
        rule: a number of dispatch.RULES.
        seed: uint64, of rule ``random``, whose draws are those of (seed, row, decision).
        values: (objectives, B) float64, written.
    """
    size_, real_, _world, ports_, places_, _start, fleet_, legs_, fare_, hours_, _demand, _shut, forecast_ = store[:13]
    flows_ = store[13]
    totals_, row_, world_, craft_, clock_, heap_, taken_, left_, waiting_, flow_, closed_, last_, log_, times_ = state
    played = 0
    for i in rows:
        v = slot[i]
        size, real, ports, places, fleet, legs = size_[v], real_[v], ports_[v], places_[v], fleet_[v], legs_[v]
        fare, hours, forecast, flows = fare_[v], hours_[v], forecast_[v], flows_[v]
        totals, row, world, craft, clock, heap = totals_[i], row_[i], world_[i], craft_[i], clock_[i], heap_[i]
        taken, left, waiting, flow, closed, last = taken_[i], left_[i], waiting_[i], flow_[i], closed_[i], last_[i]
        while totals[OVER] == 0:
            a = choose(
                rule,
                key_of(seed, np.uint64(i), np.uint64(totals[COUNT])),
                size,
                real,
                ports,
                places,
                legs,
                fare,
                hours,
                forecast,
                flows,
                totals,
                row,
                craft,
                clock,
                taken,
                left,
                waiting,
                closed,
            )
            decide(
                a,
                size,
                real,
                world,
                ports,
                places,
                legs,
                fare,
                hours,
                totals,
                row,
                craft,
                clock,
                heap,
                taken,
                left,
                waiting,
                flow,
                last,
                log_[i],
                times_[i],
            )
            seek(size, real, world, places, fleet, totals, row, craft, clock, heap, taken, left, waiting, flow)
            played += 1
        measure(i, totals, row, values)
    return played


@jit_lean
def advise_rows(rows: Any, slot: Any, rule: Any, seed: Any, store: Any, state: Any, out: Any) -> None:
    """Write the action (B,) that a rule takes at the present decision of each of ``rows``, -1 if the day is over."""
    size_, real_, _world, ports_, places_, _start, _fleet, legs_, fare_, hours_, _demand, _shut, forecast_ = store[:13]
    flows_ = store[13]
    totals_, row_, _, craft_, clock_, _, taken_, left_, waiting_, _, closed_, _, _, _ = state
    for i in rows:
        if totals_[i, OVER] == 1:
            out[i] = -1
            continue
        v = slot[i]
        out[i] = choose(
            rule,
            key_of(seed, np.uint64(i), np.uint64(totals_[i, COUNT])),
            size_[v],
            real_[v],
            ports_[v],
            places_[v],
            legs_[v],
            fare_[v],
            hours_[v],
            forecast_[v],
            flows_[v],
            totals_[i],
            row_[i],
            craft_[i],
            clock_[i],
            taken_[i],
            left_[i],
            waiting_[i],
            closed_[i],
        )
