"""What methods cost: time per row and per decision, steps and memory, from result rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ganttlet_agents.evaluation.rows import Row


@dataclass(frozen=True)
class Cost:
    """One method; means are over the rows that did not fail and have the number, None if there are none.

    Fields:
        method: its label.
        seconds: mean wall time per row.
        decisions, steps: mean number of decisions and of simulator steps, None if it counts none.
        latency_mean: mean seconds per decision.
        latency_p99: greatest 99th percentile of a row, where decisions were timed one by one.
        peak_memory: most MiB of a row.
    """

    method: str
    seconds: float | None
    decisions: float | None
    steps: float | None
    latency_mean: float | None
    latency_p99: float | None
    peak_memory: float | None


def costs(rows: Sequence[Row]) -> list[Cost]:
    """Return the costs of every method, in order of appearance."""
    by_method: dict[str, list[Row]] = {}
    for row in rows:
        by_method.setdefault(row.method, []).append(row)
    return [_cost(method, [row for row in own if row.error is None]) for method, own in by_method.items()]


def _cost(method: str, rows: Sequence[Row]) -> Cost:
    return Cost(
        method=method,
        seconds=_mean([row.seconds for row in rows]),
        decisions=_mean([row.decisions for row in rows if row.decisions]),
        steps=_mean([row.simulated for row in rows if row.simulated]),
        latency_mean=_mean([row.latency_mean for row in rows if row.latency_mean is not None]),
        latency_p99=max((row.latency_p99 for row in rows if row.latency_p99 is not None), default=None),
        peak_memory=max((row.peak_memory for row in rows if row.peak_memory is not None), default=None),
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
