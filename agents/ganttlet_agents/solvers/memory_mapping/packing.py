"""Offsets for rectangles whose times are given: first fit in several orders, then CP-SAT."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ganttlet.memory_mapping.instance import Array, Program
from ganttlet_agents.solvers.cpsat_run import cp_model, interruptible, make_solver
from ganttlet_agents.solvers.memory_mapping.plan import Stay


def pack(
    program: Program, stays: Sequence[Stay], worth: Array, seconds: float, workers: int | None, seed: int
) -> Array:
    """Return (N,) int64, an offset in bytes for each stay, -1 for those that are left out.

    First fit, in several orders, is tried first. Where none of them places everything, CP-SAT leaves out as little
    worth as it can, starting from the best of them.

    Args:
        program: what the stays belong to.
        stays: N stays.
        worth: (N,) int64 ≥ 1, what is lost with each.
        seconds: limit of CP-SAT, workers and seed: its own.
    """
    start = np.array([stay.start for stay in stays], np.int64)
    end = np.array([stay.end for stay in stays], np.int64)
    size = program.aligned[[stay.buffer for stay in stays]] // program.align
    height = program.capacity // program.align
    area = size * (end - start + 1)
    orders = [np.argsort(-key, kind="stable") for key in (worth, size, area, end - start, worth / np.maximum(area, 1))]
    orders.append(np.argsort(start, kind="stable"))
    found = [first_fit(start, end, size, height, order) for order in orders]
    kept = [int(worth[offset >= 0].sum()) for offset in found]
    best = found[int(np.argmax(kept))]
    if (best < 0).any() and seconds > 0:
        best = _solve(start, end, size, height, worth, best, seconds, workers, seed)
    result: Array = np.where(best < 0, -1, best * program.align)
    return result


def first_fit(start: Array, end: Array, size: Array, height: int, order: Array) -> Array:
    """Return the lowest free offset of each rectangle, taken in ``order``; -1 where there is none."""
    offset = np.full(len(start), -1, np.int64)
    for i in order.tolist():
        there = np.flatnonzero((offset >= 0) & (start <= end[i]) & (start[i] <= end))
        top = 0
        for other in there[np.argsort(offset[there], kind="stable")].tolist():
            if offset[other] - top >= size[i]:
                break
            top = max(top, int(offset[other] + size[other]))
        if top + size[i] <= height:
            offset[i] = top
    return offset


def _solve(
    start: Array,
    end: Array,
    size: Array,
    height: int,
    worth: Array,
    known: Array,
    seconds: float,
    workers: int | None,
    seed: int,
) -> Array:
    """Return offsets that leave out as little worth as CP-SAT finds, at most that of ``known``."""
    model = cp_model().CpModel()
    across, along, literals, offsets = [], [], [], []
    for i in range(len(start)):
        present = model.new_bool_var("")
        offset = model.new_int_var(0, int(height - size[i]), "")
        span = int(end[i] - start[i] + 1)
        across.append(model.new_optional_fixed_size_interval_var(int(start[i]), span, present, ""))
        along.append(model.new_optional_fixed_size_interval_var(offset, int(size[i]), present, ""))
        model.add_hint(present, bool(known[i] >= 0))
        model.add_hint(offset, int(max(known[i], 0)))
        literals.append(present)
        offsets.append(offset)
    model.add_no_overlap_2d(across, along)
    model.add_cumulative(across, size.tolist(), height)
    model.maximize(sum(int(w) * literal for w, literal in zip(worth, literals, strict=True)))
    solver = make_solver(seconds, None, workers, seed)
    code = interruptible(lambda: solver.solve(model), solver.stop_search)
    if solver.status_name(code).lower() not in ("optimal", "feasible"):
        return known
    found = [solver.value(o) if solver.value(p) else -1 for o, p in zip(offsets, literals, strict=True)]
    result = np.array(found, np.int64)
    return result if worth[result >= 0].sum() > worth[known >= 0].sum() else known
