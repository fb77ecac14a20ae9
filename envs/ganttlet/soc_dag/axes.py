"""Numbers of a workload that curves put on an axis."""

from __future__ import annotations

from collections.abc import Mapping

from ganttlet.soc_dag.instance import Workload


def axes(workload: Workload) -> Mapping[str, float]:
    """Return what tells workloads of a sweep apart.

    Returns:
        ``rate``: attempts to inject a job per 1000 ticks, of gaps before they are truncated. ``std``: greatest relative
        standard deviation of execution times. ``applications``: their number. ``capacity``: most jobs in the system.
    """
    return {
        "rate": round(1000.0 / workload.scale, 3) if workload.scale > 0.0 else 0.0,
        "std": float(workload.std.max()),
        "applications": float(workload.n_apps),
        "capacity": float(workload.capacity),
    }
