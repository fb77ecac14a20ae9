"""Copies: what slow memory's idle time in the past can pay for."""

from __future__ import annotations

from typing import Any

from ganttlet.core.jit import jit_lean


@jit_lean
def plan(demand: Any, first: Any, now: Any, left: Any) -> Any:
    """Return (start, need) of a copy of ``demand`` µs during the instructions ``first`` … ``now`` - 1.

    It takes what is left of the latest instruction first. ``start`` is the earliest one that it takes anything from,
    ``now`` if there is none; ``need`` is what it lacks.
    """
    at = now % len(left)
    start, need = now, demand
    for j in range(now - 1, first - 1, -1):
        at = at - 1 if at > 0 else len(left) - 1
        have = left[at]
        if have > 0.0:
            start = j
            if have >= need:
                return start, 0.0
            need -= have
    return start, need


@jit_lean
def take(demand: Any, start: Any, now: Any, left: Any) -> None:
    """Take what :func:`plan` found for a copy that begins at ``start``."""
    at = now % len(left)
    need = demand
    for _ in range(now - start):
        at = at - 1 if at > 0 else len(left) - 1
        have = left[at]
        if have >= need:
            left[at] = have - need
            return
        left[at] = 0.0
        need -= have
