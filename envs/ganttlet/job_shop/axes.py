"""Numbers of an instance that curves put on an axis."""

from __future__ import annotations

from collections.abc import Mapping

from ganttlet.job_shop.instance import JobShopInstance


def axes(instance: JobShopInstance) -> Mapping[str, float]:
    """Return the sizes of an instance.

    Returns:
        ``jobs``, ``machines``, ``operations``: their numbers. ``ratio``: jobs per machine.
    """
    return {
        "jobs": float(instance.n_jobs),
        "machines": float(instance.n_machines),
        "operations": float((instance.machine >= 0).sum()),
        "ratio": instance.n_jobs / instance.n_machines,
    }
