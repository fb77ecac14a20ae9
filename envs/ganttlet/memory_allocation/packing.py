"""Whole packings by a rule: buffers placed one after the other in a given order, or the lowest one first."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.jit import jit, jit_lean
from ganttlet.memory_allocation.instance import FREE, AllocationInstance
from ganttlet.memory_allocation.layout import (
    ALIGN,
    BUFFERS,
    FIXED,
    LOW,
    LOWER,
    N_FACTS,
    N_SIZE,
    N_TOTALS,
    OFFSET,
    SIZE,
    UPPER,
    Array,
    Int,
)
from ganttlet.memory_allocation.placing import align_up, lowest, overlaps, place
from ganttlet.memory_allocation.solution import Allocation

FITS = ("first", "best")
NONE = np.int64(2**62)


@jit_lean
def tightest(k: Int, count: int, facts: Array, offset: Array, order: Array) -> Any:
    """Return the offset of buffer ``k`` in the smallest gap between placed buffers that holds it, else above them.

    A gap lies between two placed buffers (or the bottom and one) that live at some time with ``k``; of equally small
    ones the lowest is taken.
    """
    size, alignment = facts[SIZE, k], facts[ALIGN, k]
    floor, best, smallest = np.int64(0), np.int64(-1), NONE
    for q in range(count):
        i = order[q]
        if overlaps(facts, i, k):
            at, gap = align_up(floor, alignment), offset[i] - floor
            if at + size <= offset[i] and gap < smallest:
                best, smallest = at, gap
            floor = max(floor, offset[i] + facts[SIZE, i])
    return best if best >= 0 else align_up(floor, alignment)


@jit_lean
def insert(k: Int, at: Any, count: int, offset: Array, order: Array) -> int:
    """Note buffer ``k`` at offset ``at`` among ``count`` placed ones; return their number."""
    offset[k] = at
    position = count
    while position > 0 and offset[order[position - 1]] > at:
        order[position] = order[position - 1]
        position -= 1
    order[position] = k
    return count + 1


@jit_lean
def pack_orders(orders: Array, best: bool, facts: Array, offsets: Array, order: Array) -> None:
    """Place the buffers in each of ``orders`` (R, n), at the lowest offset or in the tightest gap, into ``offsets``.

    Fixed buffers come first, wherever they stand. ``order`` (n,) is overwritten.
    """
    n = orders.shape[1]
    for r in range(orders.shape[0]):
        offset, count = offsets[r], 0
        for k in range(n):
            offset[k] = -1
        for k in range(n):
            if facts[FIXED, k] >= 0:
                count = insert(k, facts[FIXED, k], count, offset, order)
        for q in range(n):
            k = orders[r, q]
            if facts[FIXED, k] < 0:
                if best:
                    at = tightest(k, count, facts, offset, order)
                else:
                    at = lowest(k, np.int64(0), 0, count, facts, offset, order)
                count = insert(k, at, count, offset, order)


@jit
def pack_lowest(orders: Array, facts: Array, offsets: Array) -> None:
    """Place in each round the buffer whose lowest offset is the least, of equals the first in ``orders`` (R, n)."""
    n = orders.shape[1]
    buffers, totals, size = np.zeros((4, n), np.int64), np.zeros(N_TOTALS, np.int64), np.zeros(N_SIZE, np.int64)
    placed, unused = np.zeros(n, np.int32), np.zeros((2, 1), np.int64)
    size[BUFFERS] = n
    for r in range(orders.shape[0]):
        totals[:] = 0
        for k in range(n):
            buffers[OFFSET, k], buffers[LOW, k] = -1, max(0, facts[FIXED, k])
        for k in range(n):
            if facts[FIXED, k] >= 0:
                place(k, False, facts, size, buffers, placed, unused, totals)
        while True:
            chosen = -1
            for q in range(n):
                k = orders[r, q]
                if buffers[OFFSET, k] < 0 and (chosen < 0 or buffers[LOW, k] < buffers[LOW, chosen]):
                    chosen = k
            if chosen < 0:
                break
            place(chosen, False, facts, size, buffers, placed, unused, totals)
        offsets[r] = buffers[OFFSET]


def facts_of(instance: AllocationInstance) -> Array:
    """Return (N_FACTS, n) int64 with the columns LOWER, UPPER, SIZE, ALIGN and FIXED, as kernels take an instance."""
    facts = np.zeros((N_FACTS, instance.n_buffers), np.int64)
    facts[LOWER], facts[UPPER], facts[SIZE] = instance.lower, instance.upper, instance.size
    facts[ALIGN], facts[FIXED] = instance.alignment, instance.fixed
    return facts


def pack_many(instance: AllocationInstance, orders: Any, fit: str = "first", *, by_offset: bool = False) -> Array:
    """Return offsets (R, n) of packings of ``instance``, one per order.

    Args:
        instance: the instance.
        orders: (R, n), each row the buffers in the order in which they are placed.
        fit: ``first``, the lowest offset that is free during the lifetime, or ``best``, the smallest gap that holds the
            buffer (above all others if there is none).
        by_offset: place the buffer that can lie lowest first, in the order only among equals; needs ``first``.

    Raises:
        InputError: for an unknown fit, or a row that is no order of all buffers.
    """
    check_choice("fit", fit, FITS)
    if by_offset and fit != "first":
        raise InputError(f"fit: {fit!r} has no lowest offset first; expected 'first'")
    array = np.ascontiguousarray(orders, np.int64)
    n = instance.n_buffers
    if array.ndim != 2 or array.shape[1] != n or not (np.sort(array, axis=1) == np.arange(n)).all():
        raise InputError(f"orders: expected rows that each hold the buffers 0 … {n - 1} once")
    offsets = np.full(array.shape, FREE, np.int64)
    if by_offset:
        pack_lowest(array, facts_of(instance), offsets)
    else:
        pack_orders(array, fit == "best", facts_of(instance), offsets, np.zeros(n, np.int64))
    return offsets


def pack(instance: AllocationInstance, order: Any, fit: str = "first", *, by_offset: bool = False) -> Allocation:
    """Return the packing of one order (n,); see :func:`pack_many`."""
    offsets = pack_many(instance, np.asarray(order)[None], fit, by_offset=by_offset)
    return Allocation(offsets[0], instance.digest)
