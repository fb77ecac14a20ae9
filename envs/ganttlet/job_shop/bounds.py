"""Lower bounds that hold for any instance, and the table of best-known makespans of the classical ones."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.objective import Reference, ReferenceKind
from ganttlet.job_shop.formats import format_standard
from ganttlet.job_shop.instance import JobShopInstance
from ganttlet.job_shop.solution import OBJECTIVES


@dataclass(frozen=True)
class Known:
    """One row of data/bounds.csv: an instance's size, proven bounds on its least makespan, and their source.

    ``digest`` is :func:`content_digest` of the published instance, empty where its content was not at hand.
    """

    name: str
    jobs: int
    machines: int
    lb: int
    ub: int
    source: str
    digest: str


@cache
def table() -> dict[str, Known]:
    """Return name -> row of data/bounds.csv for the 242 classical instances."""
    text = files("ganttlet.job_shop").joinpath("data/bounds.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {
        row["name"]: Known(
            row["name"],
            int(row["jobs"]),
            int(row["machines"]),
            int(row["lb"]),
            int(row["ub"]),
            row["source"],
            row["digest"],
        )
        for row in rows
    }


@cache
def _by_digest() -> dict[str, Known]:
    return {known.digest: known for known in table().values() if known.digest}


def best_known(name: str) -> tuple[int, int, str] | None:
    """Return (lower bound, upper bound, source) of a classical instance's makespan, None if unlisted."""
    known = table().get(name)
    return None if known is None else (known.lb, known.ub, known.source)


def content_digest(instance: JobShopInstance) -> str:
    """Return the first 16 hex digits of the SHA-256 of the standard text of routes and durations.

    Releases, due dates, weights and the name are left out.
    """
    bare = JobShopInstance("", instance.machine, instance.duration, instance.n_machines)
    return hashlib.sha256(format_standard(bare).encode("ascii")).hexdigest()[:16]


def identify(instance: JobShopInstance) -> Known | None:
    """Return the row of the classical instance that ``instance`` is by content, None if it is none of them.

    Rows without a digest (dmu41 … dmu80) match by name and size, if the routes have the two-set form of those
    instances and no bound contradicts the table.
    """
    known = _by_digest().get(content_digest(instance))
    if known is not None:
        return known
    known = table().get(instance.name)
    if known is None or known.digest or (known.jobs, known.machines) != (instance.n_jobs, instance.n_machines):
        return None
    plain = instance.machine.shape[1] == instance.n_machines and bool((instance.machine >= 0).all())
    half = instance.n_machines // 2
    two_sets = plain and bool((np.sort(instance.machine[:, :half], axis=1) == np.arange(half)).all())
    return known if two_sets and _machine_bound(instance) <= known.ub else None


def lower_bound(instance: JobShopInstance, objective: str = "makespan") -> float:
    """Return a cheap valid lower bound on ``objective`` in the objective's unit.

    Makespan: the largest of job release + work and, per machine, load + least head + least tail. The others:
    every job ends at its release + work at the earliest.

    Raises:
        InputError: for an unknown objective, or tardiness of an instance without due dates.
    """
    check_choice("objective", objective, OBJECTIVES)
    end = instance.release.astype(np.int64) + instance.work
    if objective == "makespan":
        return float(max(int(end.max()), _machine_bound(instance)))
    if objective == "flow_time":
        return float(instance.work.sum())
    if instance.due is None:
        raise InputError(f"objective {objective!r}: instance {instance.name} has no due dates")
    late = np.maximum(0, end - instance.due.astype(np.int64))
    return float((late * instance.weight if objective == "weighted_tardiness" else late).sum())


def _machine_bound(instance: JobShopInstance) -> int:
    """Return the largest load + least head + least tail of a machine, over operations that take time."""
    through = np.cumsum(instance.duration, axis=1, dtype=np.int64)
    head = instance.release[:, None].astype(np.int64) + through - instance.duration
    tail = instance.work[:, None] - through
    best = 0
    for k in np.unique(instance.machine[instance.machine >= 0]):
        here = (instance.machine == k) & (instance.duration > 0)
        if here.any():
            load = int(instance.duration[here].sum(dtype=np.int64))
            best = max(best, load + int(head[here].min()) + int(tail[here].min()))
    return best


def reference(instance: JobShopInstance, objective: str = "makespan") -> Reference | None:
    """Return what to compare ``objective`` with: optimum, best-known value or lower bound, None if nothing.

    A published value is used only if the instance is, by content, the one it was published for.
    """
    bound = lower_bound(instance, objective)
    known = identify(instance) if objective == "makespan" and not instance.release.any() else None
    if known is not None:
        kind: ReferenceKind = "optimal" if known.lb == known.ub else "best_known"
        return Reference(float(known.ub), kind, known.source, float(max(known.lb, bound)))
    if bound <= 0:
        return None
    return Reference(bound, "bound", "lower bound from releases, job lengths and machine loads", bound)
