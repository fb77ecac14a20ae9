"""Another future of a run: what no decision maker has been shown is drawn anew, given what the run has shown.

Drawn anew: the rest of running tasks, given how long they have run; the next attempt of an exponential source, given
that it has not come; applications of jobs that have arrived but not entered; and, by the new seed of the realisation,
everything later. Times of a periodic source, a trace and outages belong to the workload and stay.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from ganttlet.core.rng import key_of, uniform
from ganttlet.soc_dag import layout as at
from ganttlet.soc_dag.events import may_wait
from ganttlet.soc_dag.world import EXPONENTIAL, GAP, GAUSSIAN, LONGEST, TASKS, TRACE, draw_app

Array = np.ndarray[Any, Any]
REST = 24  # entity of the random numbers, beside those of world
STANDARD = NormalDist()
LEAST_SHARE = 1e-300  # what is less likely is beyond the normal distribution's inverse


def resample_rows(rows: Array, keys: Array, slot: Array, wait: bool, store: at.Store, state: at.State) -> None:
    """Give each of ``rows`` the future of its key (n,) uint64; one whose run is over has none, and keeps its past.

    ``wait``: whether the mask tells when it is no use to wait.
    """
    for row, key in zip(rows.tolist(), keys, strict=True):
        v, totals = slot[row], state.totals[row]
        size = store.size[v]
        if totals[at.STATUS] == at.OVER:
            continue
        world = int(key) >> 1
        # A row plays its workload's own future if, and only if, the two seeds are equal.
        totals[at.WORLD] = world ^ 1 if world == size[at.SEED] else world
        _redraw_ends(size, store.exec_time[v], store.std[v], totals, state.jobs[row], state.pes[row])
        if size[at.ARRIVAL_KIND] != TRACE:
            for serial in range(totals[at.INJECTED], totals[at.ACCEPTED]):
                state.log_job[row, serial, 0] = draw_app(totals[at.WORLD], serial, store.cumulative[v])
        if size[at.ARRIVAL_KIND] == EXPONENTIAL:
            _redraw_attempt(wait, size, float(store.real[v, at.SCALE]), totals, state.pes[row])


def _redraw_ends(size: Array, exec_time: Array, std: Array, totals: Array, jobs: Array, pes: Array) -> None:
    width = exec_time.shape[1]
    for p in range(size[at.PES]):
        s = int(pes[p, at.RUNS])
        if s < 0:
            continue
        j, t = divmod(s, width)
        app = jobs[j, at.APP]
        mean, deviation = int(exec_time[app, t, p]), float(std[app, t])
        if mean == 0 or deviation == 0.0:
            continue
        # BEGAN has moved by whole pauses, of which one may still last.
        worked = int(max(totals[at.NOW], pes[p, at.UP_AT]) - pes[p, at.BEGAN])
        number = int(jobs[j, at.SERIAL]) * TASKS + t
        u = _uniform(totals[at.WORLD], REST, number)
        pes[p, at.ENDS] = pes[p, at.BEGAN] + longer_duration(u, worked, mean, deviation, int(size[at.NOISE_KIND]))


def longer_duration(u: float, worked: int, mean: int, std: float, kind: int) -> int:
    """Return an execution time above ``worked`` ticks, distributed as world.draw_duration's given that it is.

    By the normal distribution's inverse at ``u``, uniform in [0, 1). One that is too unlikely to tell is over in the
    next tick.
    """
    variance = math.log(1.0 + std * std)
    if variance == 0.0 and kind != GAUSSIAN:
        return max(worked + 1, mean)
    share = 1.0
    if worked > 0:  # durations are rounded, and at least 1
        ratio = (worked + 0.5) / mean
        low = (ratio - 1.0) / std if kind == GAUSSIAN else (math.log(ratio) + variance / 2.0) / math.sqrt(variance)
        share = 0.5 * math.erfc(low / math.sqrt(2.0))
    z = -STANDARD.inv_cdf(min(1.0 - 2.0**-53, max(LEAST_SHARE, (1.0 - u) * share)))
    scaled = 1.0 + std * z if kind == GAUSSIAN else math.exp(math.sqrt(variance) * z - variance / 2.0)
    return max(worked + 1, round(min(LONGEST, mean * scaled)))


def _redraw_attempt(wait: bool, size: Array, scale: float, totals: Array, pes: Array) -> None:
    """Draw the time of the next attempt: gaps have no memory, so it is one tick and a fresh gap after now.

    It comes before a known time where the present shows this: nothing counts, and yet the run is not over; or nothing
    else moves, and the mask tells whether an attempt is to come.
    """
    if totals[at.PENDING] or totals[at.ACCEPTED] >= size[at.JOBS]:
        return
    before = at.NEVER
    without = totals.copy()
    without[at.NEXT] = at.NEVER
    if wait and totals[at.IN_SYSTEM] < size[at.CAPACITY] and not may_wait(size, without, pes):
        if totals[at.NEXT] == at.NEVER:
            return
        before = int(size[at.LENGTH])
    if totals[at.COUNTING] == 0:  # never so at a decision of a run that is cut, where every job counts
        before = int(size[at.CLOSING])
    room = before - int(totals[at.NOW]) - 1
    share = -math.expm1(-room / scale)
    gap = math.floor(-scale * math.log1p(-_uniform(totals[at.WORLD], GAP, totals[at.ATTEMPTS]) * share))
    following = int(totals[at.NOW]) + 1 + min(gap, room - 1)
    totals[at.NEXT] = following if following < size[at.LENGTH] else at.NEVER


def _uniform(world: Any, entity: int, number: Any) -> float:
    key = np.uint64(key_of(np.uint64(world), np.uint64(entity), np.uint64(number)))
    return float(uniform(key, np.uint64(0)))
