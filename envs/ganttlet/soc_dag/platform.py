"""The hardware of a system on chip: clusters of processing elements, their links, operating points and power."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from ganttlet.core.errors import InputError, check_choice

TYPES = ("big", "LITTLE", "accelerator", "other")
AMBIENT_KELVIN = 315.0
_C1, _C2, _GATE = 0.002488, 2660.0, 0.000519


def leakage(volt: float, kind: str, kelvin: float = AMBIENT_KELVIN) -> float:
    """Return the leakage power in W of one core at ``volt``, of a cluster of type ``kind`` (0 for accelerators).

    The formula and constants of the public DS3 code, at a fixed temperature: a thermal model is not simulated. It has
    no figures for accelerators; a cluster's ``leak_w`` gives them.
    """
    if kind == "accelerator":
        return 0.0
    core = (volt * _C1 * kelvin**2 * math.exp(-_C2 / kelvin) + _GATE * volt) / 4
    return core / 4 if kind == "LITTLE" else core


@dataclass(frozen=True)
class Cluster:
    """Equal processing elements (PEs) that share an operating point.

    Fields:
        name: as in a platform's time tables.
        count: number of PEs.
        kind: one of TYPES.
        points: operating points, (MHz, mV), by rising frequency; empty: times and power are taken as they are.
        power: MHz -> power in W of the whole cluster with 1 … count busy PEs, leakage of all its cores included.
        mhz: frequency it runs at; None for the highest point.
        leak_w: leakage in W of one PE; None for the formula of :func:`leakage`.
    """

    name: str
    count: int
    kind: str = "other"
    points: tuple[tuple[int, int], ...] = ()
    power: Mapping[int, Sequence[float]] = field(default_factory=dict)
    mhz: int | None = None
    leak_w: float | None = None

    def __post_init__(self) -> None:
        what = f"cluster {self.name!r}"
        if self.count < 0:
            raise InputError(f"{what}: field 'count' is {self.count}; expected 0 or more")
        check_choice(f"{what}: field 'kind'", self.kind, TYPES)
        if self.mhz is not None and self.mhz not in [mhz for mhz, _ in self.points]:
            known = ", ".join(str(mhz) for mhz, _ in self.points) or "(it has none)"
            raise InputError(f"{what}: no operating point at {self.mhz} MHz; expected one of {known}")
        if any(mhz <= 0 or volt <= 0 for mhz, volt in self.points):
            raise InputError(f"{what}: field 'points': expected positive MHz and mV")
        for mhz, watts in self.power.items():
            if len(watts) < self.count:
                raise InputError(
                    f"{what}: field 'power' at {mhz} MHz has {len(watts)} figures, expected one for each of 1 … "
                    f"{self.count} busy PEs"
                )
            if any(not math.isfinite(value) or value < 0 for value in watts):
                raise InputError(f"{what}: field 'power' at {mhz} MHz: expected finite watts ≥ 0")

    @property
    def frequency(self) -> int | None:
        """The frequency it runs at in MHz, None without operating points."""
        if self.mhz is not None:
            return self.mhz
        return max((mhz for mhz, _ in self.points), default=None)

    @property
    def slow_down(self) -> float:
        """Factor on execution times: the highest frequency over the chosen one."""
        chosen = self.frequency
        return 1.0 if chosen is None else max(mhz for mhz, _ in self.points) / chosen

    def watts(self) -> np.ndarray[Any, Any]:
        """Return (count + 1,) float64, the power in W of the cluster with 0 … count busy PEs.

        With none busy the cores leak. Otherwise the profile of the first profiled frequency not below the chosen one
        counts; its dynamic part, what is above the leakage, is scaled by f V² (public DS3, with idle leakage added).
        """
        chosen = self.frequency
        volts = {mhz: millivolt / 1000 for mhz, millivolt in self.points}
        volt = volts.get(chosen, 0.0) if chosen is not None else 0.0
        leak = self.leak_w if self.leak_w is not None else leakage(volt, self.kind)
        idle = self.count * leak
        if not self.power:
            return np.full(self.count + 1, idle)
        profiled = sorted(self.power)
        at = profiled[-1] if chosen is None else next((mhz for mhz in profiled if mhz >= chosen), profiled[-1])
        scale = 1.0
        if chosen is not None and at in volts and at != chosen:
            scale = chosen * volt**2 / (at * volts[at] ** 2)
        full_leak = self.leak_w if self.leak_w is not None else leakage(volts.get(at, volt), self.kind)
        busy = [max(0.0, float(watt) - self.count * full_leak) for watt in list(self.power[at])[: self.count]]
        return np.array([idle, *(idle + scale * dynamic for dynamic in busy)])


@dataclass(frozen=True)
class Platform:
    """A system on chip.

    Fields:
        name: its name.
        clusters: the clusters; PEs are numbered cluster by cluster.
        bandwidth: (C, C) volume per tick between PEs of two clusters, or of one and the same cluster.
        bandwidth_same_pe: volume per tick from a PE to itself.
        bandwidth_to_memory: (C,) volume per tick between a PE and the memory; None if it has none.
        times: application -> kernel -> execution time in ticks per cluster at its highest operating point, None where
            the cluster cannot run it. A name that ends in ``*`` serves every application that begins so.
        unit: the name of a tick.
        source: where the figures come from.
    """

    name: str
    clusters: tuple[Cluster, ...]
    bandwidth: Sequence[Sequence[int]]
    bandwidth_same_pe: int
    times: Mapping[str, Mapping[str, Sequence[float | None]]]
    bandwidth_to_memory: Sequence[int] | None = None
    unit: str = "us"
    source: str = ""

    def __post_init__(self) -> None:
        what, n = f"platform {self.name!r}", len(self.clusters)
        if sum(cluster.count for cluster in self.clusters) < 1:
            raise InputError(f"{what}: field 'clusters': expected at least one PE")
        names = [cluster.name for cluster in self.clusters]
        if len(set(names)) < n:
            raise InputError(f"{what}: field 'clusters': a name is given twice in {', '.join(names)}")
        if len(self.bandwidth) != n or any(len(row) != n for row in self.bandwidth):
            raise InputError(f"{what}: field 'bandwidth': expected {n} rows of {n} numbers")
        if any(not _is_width(value) for row in self.bandwidth for value in row):
            raise InputError(f"{what}: field 'bandwidth': expected integers > 0; a PE with 0 cannot be reached")
        if not _is_width(self.bandwidth_same_pe):
            raise InputError(
                f"{what}: field 'bandwidth_same_pe' is {self.bandwidth_same_pe!r}; expected an integer > 0"
            )
        memory = self.bandwidth_to_memory
        if memory is not None and (len(memory) != n or any(not _is_width(value) for value in memory)):
            raise InputError(f"{what}: field 'bandwidth_to_memory': expected {n} integers > 0")
        for app, kernels in self.times.items():
            for kernel, row in kernels.items():
                if len(row) != n:
                    raise InputError(
                        f"{what}: field 'times' of {app!r}: kernel {kernel!r} has {len(row)} times, expected {n}"
                    )

    @property
    def n_pes(self) -> int:
        """Number of PEs."""
        return sum(cluster.count for cluster in self.clusters)

    def with_counts(self, counts: Sequence[int], name: str | None = None) -> Self:
        """Return the platform with other numbers of PEs per cluster, such as G2 … G5 made of G1."""
        if len(counts) != len(self.clusters):
            raise InputError(f"platform {self.name!r}: expected {len(self.clusters)} counts, got {len(counts)}")
        clusters = tuple(
            replace(cluster, count=int(count), power=_stretched(cluster.power, int(count)))
            for cluster, count in zip(self.clusters, counts, strict=True)
        )
        return replace(self, name=name or f"{self.name}-{'-'.join(map(str, counts))}", clusters=clusters)

    def at(self, **mhz: int) -> Self:
        """Return the platform with clusters at other operating points, such as ``at(A15=1000)``."""
        known = [cluster.name for cluster in self.clusters]
        for name in mhz:
            check_choice(f"platform {self.name!r}: cluster", name, known)
        clusters = tuple(replace(one, mhz=mhz.get(one.name, one.mhz)) for one in self.clusters)
        return replace(self, clusters=clusters)

    def row(self, app: str, kernel: str) -> Sequence[float | None]:
        """Return the times of a kernel per cluster; raises InputError if the platform does not know it."""
        tables = [self.times[app]] if app in self.times else []
        tables += [self.times[key] for key in self.times if key.endswith("*") and app.startswith(key[:-1])]
        for table in tables:
            if kernel in table:
                return table[kernel]
        raise InputError(
            f"platform {self.name!r}: field 'times' knows no kernel {kernel!r} of application {app!r}; "
            "expected its time per cluster"
        )


def _is_width(value: object) -> bool:
    """Return whether ``value`` is a whole number of at least 1."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= 1


def _stretched(power: Mapping[int, Sequence[float]], count: int) -> dict[int, list[float]]:
    """Continue a power profile linearly to ``count`` busy PEs."""
    out = {}
    for mhz, watts in power.items():
        row = [float(watt) for watt in watts]
        step = row[-1] - row[-2] if len(row) > 1 else row[-1]
        out[mhz] = (row + [row[-1] + step * (i + 1) for i in range(max(0, count - len(row)))])[: max(count, 1)]
    return out
