"""Padded workload arrays, behind the interface of the core's instance pool."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any, NamedTuple, Protocol

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.pool import Ints
from ganttlet.soc_dag import layout as at
from ganttlet.soc_dag.arrays import AppArrays, app_arrays, link_classes
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.layout import Sizes, Store, make_store
from ganttlet.soc_dag.scenario import ARRIVALS, COMMUNICATIONS, ENDS, FULL_RULES, NOISES
from ganttlet.soc_dag.world import cumulative

NAMES = (
    "applications",
    "tasks in an application",
    "edges in an application",
    "PEs",
    "clusters",
    "places for jobs",
    "jobs in a run",
    "entries in the trace",
    "boundaries of outages",
)
OPTIONS = (
    "max_apps",
    "max_tasks",
    "max_edges",
    "max_pes",
    "max_clusters",
    "max_capacity",
    "max_jobs",
    "max_trace",
    "max_outages",
)
_KEPT = 64
_static: OrderedDict[str, _Static] = OrderedDict()


class Generator(Protocol):
    """What draws workloads."""

    @property
    def sizes(self) -> Sizes:
        """Sizes that no workload exceeds."""

    def sample_key(self, key: Any) -> Workload:
        """Return the workload of a key (uint64)."""


class _Static(NamedTuple):
    """What a workload shares with those that differ in scenario only."""

    apps: list[AppArrays]
    link: np.ndarray[Any, Any]
    critical: np.ndarray[Any, Any]
    speed: np.ndarray[Any, Any]


def sizes_of(instance: Workload) -> Sizes:
    """Return the sizes of one workload."""
    edges = (instance.edges[:, :, 0] >= 0).sum(axis=1)
    return Sizes(
        instance.n_apps,
        int(instance.n_tasks.max()),
        max(1, int(edges.max())),
        instance.n_pes,
        instance.n_clusters,
        instance.capacity,
        instance.jobs,
        max(1, len(instance.trace)),
        max(1, 2 * len(instance.outage)),
    )


def unit_power(instance: Workload) -> float:
    """Return the platform's greatest power in W, 1 if that is 0."""
    return float(instance.power.max(axis=1).sum()) or 1.0


def unit_time(instance: Workload) -> float:
    """Return the mean critical path of the arriving applications in ticks, at least 1."""
    return max(1.0, float(instance.probability @ instance.critical_path))


class SoCStorage:
    """Slots of padded workloads; see ganttlet.core.pool.Storage for the methods.

    Args:
        sizes: padded sizes.
        generator: what ``generate`` draws from, or None.
    """

    def __init__(self, sizes: Sizes, generator: Generator | None) -> None:
        self.sizes, self.generator, self.classes = sizes, generator, 1
        self.arrays = make_store(0, sizes, 1)

    def grow(self, slots: int) -> None:
        """Make room for at least ``slots`` slots, keeping the contents."""
        self._resize(max(slots, len(self.arrays.key)), self.classes)

    def _resize(self, slots: int, classes: int) -> None:
        have = len(self.arrays.key)
        if slots == have and classes == self.classes:
            return
        old, self.arrays = self.arrays, make_store(slots, self.sizes, classes)
        for before, after in zip(old, self.arrays, strict=True):
            after[(slice(have), *(slice(n) for n in before.shape[1:]))] = before
        self.classes = classes

    def check(self, instance: Workload) -> None:
        """Raise InputError if ``instance`` is larger than the padded space."""
        for name, option, have, room in zip(NAMES, OPTIONS, sizes_of(instance), self.sizes, strict=True):
            if have > room:
                raise InputError(
                    f"instance {instance.name}: {have} {name}, but the padded space holds {room}; "
                    f"make the environment with {option}={have}"
                )

    def put(self, slot: int, instance: Workload) -> None:
        """Write ``instance`` into ``slot``."""
        static = _read(instance)
        self._resize(len(self.arrays.key), max(self.classes, int(static.link.max()) + 1))
        store = self.arrays
        for part in store:
            part[slot] = 0
        store.exec_time[slot] = -1
        k, p, c = instance.n_apps, instance.n_pes, instance.n_clusters
        store.size[slot] = _size(instance)
        store.real[slot] = instance.scale, unit_time(instance), unit_power(instance)
        store.apps[slot, :k, at.N_TASKS] = instance.n_tasks
        store.apps[slot, :k, at.N_EDGES] = (instance.edges[:, :, 0] >= 0).sum(axis=1)
        store.apps[slot, :k, at.DEADLINE] = instance.deadline
        store.apps[slot, :k, at.CRITICAL] = static.critical
        store.cumulative[slot, :k] = cumulative(instance.probability)
        for number, app in enumerate(static.apps):
            n, e = len(app.times), len(app.preds)
            store.tasks[slot, number, :n] = app.facts
            store.ranks[slot, number, :n] = app.ranks
            store.costs[slot, number, :n, :p] = app.optimistic
            store.exec_time[slot, number, :n, :p] = app.times
            store.std[slot, number, :n] = instance.std[number, :n]
            store.preds[slot, number, :e] = app.preds
            store.succs[slot, number, :e] = app.succs
            store.lag[slot, number, :e, : app.lag.shape[1]] = app.lag
            store.memory_lag[slot, number, :e, :p] = app.memory_lag
        store.link[slot, :p, :p] = static.link
        store.cluster[slot, :p] = instance.cluster
        columns = min(instance.power.shape[1], store.power.shape[2])
        store.power[slot, :c, :columns] = instance.power[:, :columns]
        store.speed[slot, :p] = static.speed
        store.trace[slot, : len(instance.trace)] = instance.trace
        store.outages[slot, : 2 * len(instance.outage)] = _boundaries(instance)

    def get(self, slot: int) -> Workload:
        """Return the generated workload in ``slot``."""
        assert self.generator is not None, "only generated workloads are not kept elsewhere"
        return self.generator.sample_key(self.arrays.key[slot])

    def generate(self, slots: Ints, keys: np.ndarray[Any, Any]) -> None:
        """Draw a fresh workload into each slot from its key."""
        assert self.generator is not None, "a pool without fixed instances has a generator"
        for slot, key in zip(slots, keys, strict=True):
            self.put(int(slot), self.generator.sample_key(key))
            self.arrays.key[slot] = key

    def copy(self, source: Ints, target: Ints) -> None:
        """Copy slots ``source`` to slots ``target``."""
        self.set_rows(target, self.rows(source))

    def rows(self, slots: Ints) -> Store:
        """Return a copy of ``slots``."""
        return Store(*(part[slots].copy() for part in self.arrays))

    def set_rows(self, slots: Ints, rows: Store) -> None:
        """Write back what :meth:`rows` returned, growing if a snapshot comes from a larger pool."""
        self._resize(max(int(slots.max()) + 1, len(self.arrays.key)), max(self.classes, rows.lag.shape[3]))
        for part, saved in zip(self.arrays, rows, strict=True):
            index: Any = (slots, *(slice(n) for n in saved.shape[1:]))
            part[index] = saved


def _size(instance: Workload) -> list[int]:
    never = at.NEVER
    length = never if instance.length is None else instance.length
    closing = never if instance.length is None or instance.end == "cut" else length - instance.cooldown
    values = {
        at.APPS: instance.n_apps,
        at.PES: instance.n_pes,
        at.CLUSTERS: instance.n_clusters,
        at.CAPACITY: instance.capacity,
        at.FULL: FULL_RULES.index(instance.full),
        at.COMM: COMMUNICATIONS.index(instance.communication),
        at.PREFILL: int(instance.prefill),
        at.WARMUP: instance.warmup,
        at.CLOSING: closing,
        at.LENGTH: length,
        at.JOBS: instance.jobs,
        at.END: ENDS.index(instance.end),
        at.STOP_AFTER: instance.stop_after or 0,
        at.NOISE_KIND: NOISES.index(instance.noise),
        at.NOISY: int(instance.std.max() > 0),
        at.TICK: int(instance.tick_compat),
        at.ARRIVAL_KIND: ARRIVALS.index(instance.arrivals),
        at.SEED: instance.seed,
        at.N_TRACE: len(instance.trace),
        at.N_OUTAGES: 2 * len(instance.outage),
    }
    return [values[column] for column in range(at.N_SIZE)]


def _boundaries(instance: Workload) -> np.ndarray[Any, Any]:
    """Return (2 W, 3) int64: time, PE and, where an outage begins, its end; by time, ends first, then by PE."""
    begins = [(begin, 1, pe, until) for pe, begin, until in instance.outage.tolist()]
    ends = [(until, 0, pe, 0) for pe, _, until in instance.outage.tolist()]
    rows = [(time, pe, until) for time, _, pe, until in sorted(begins + ends)]
    return np.array(rows, np.int64).reshape(-1, 3)


def _read(instance: Workload) -> _Static:
    """Return what is computed from platform and applications; kept for those met last."""
    parts = [instance.exec_time, instance.edges, instance.bandwidth, instance.cluster, instance.power]
    parts += [instance.probability] + ([] if instance.memory_bandwidth is None else [instance.memory_bandwidth])
    state = hashlib.sha256()
    for part in parts:
        state.update(f"{part.shape}".encode())
        state.update(np.ascontiguousarray(part).tobytes())
    key = state.hexdigest()
    if key not in _static:
        _static[key] = _Static(
            [app_arrays(instance, app) for app in range(instance.n_apps)],
            link_classes(instance)[1],
            instance.critical_path,
            _speeds(instance),
        )
        while len(_static) > _KEPT:
            _static.popitem(last=False)
    _static.move_to_end(key)
    return _static[key]


def _speeds(instance: Workload) -> np.ndarray[Any, Any]:
    """Return (P, 3) float64: speed, support, power of one more busy PE over the greatest."""
    out = np.zeros((instance.n_pes, 3))
    share = np.zeros(instance.n_pes)
    for app, n in enumerate(instance.n_tasks):
        times = instance.exec_time[app, :n].astype(np.float64)
        supported = times >= 0
        least = np.where(supported, times, np.inf).min(axis=1, keepdims=True)
        relative = np.where(times > 0, least / np.maximum(times, 1e-9), 1.0)
        count = supported.sum(axis=0)
        weight = instance.probability[app] * (count > 0)
        out[:, 0] += weight * np.where(supported, relative, 0.0).sum(axis=0) / np.maximum(count, 1)
        out[:, 1] += instance.probability[app] * count / n
        share += weight
    out[:, 0] /= np.maximum(share, 1e-12)
    out[:, 2] = ((instance.power[:, 1] - instance.power[:, 0]) / unit_power(instance))[instance.cluster]
    return out
