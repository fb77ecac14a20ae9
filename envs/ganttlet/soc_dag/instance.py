"""The frozen data of one problem: a platform, its applications and a scenario as arrays, with their checks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.record import Instance, int_array
from ganttlet.soc_dag.application import Application, check_edges
from ganttlet.soc_dag.platform import Platform
from ganttlet.soc_dag.scenario import MAX_TIME, Scenario

Array = np.ndarray[Any, Any]
UNSUPPORTED = -1
MOST_PES = 64
_SCENARIO = tuple(Scenario.__dataclass_fields__)
_ARRAYS = ("trace", "outages", "std", "deadline_factor")


@dataclass(frozen=True, eq=False)
class Workload(Instance):
    """Applications whose jobs arrive on a platform.

    Fields (K applications, T tasks of the largest, E edges of the richest, P PEs, C clusters, M PEs of the largest):
        name: label only; not part of the digest.
        exec_time: (K, T, P) int32, mean execution time in ticks; -1 where the PE cannot run the task, or there is none.
        edges: (K, E, 3) int32, source task, target task and volume; -1 for no edge.
        probability: (K,) float64, share of each application among the arrivals; they sum to 1.
        cluster: (P,) int32, cluster of each PE, rising.
        bandwidth: (P, P) int64 > 0, volume per tick from PE to PE; a transfer takes floor(volume / bandwidth) ticks.
        memory_bandwidth: (P,) int64 > 0, volume per tick between each PE and the memory; None without a memory.
        power: (C, M + 1) float64, W of a cluster with 0 … M busy PEs.
        std: (K, T) float64, relative standard deviation of the execution times.
        deadline: (K,) int32, ticks from arrival to due date; 0: none.
        outage: (W, 3) int32, PE, from, to; by rising ``from`` for each PE, without overlap.
        trace: (Q, 2) int32, time and application of each arrival; (0, 2) unless ``arrivals`` is "trace".
        arrivals, scale, capacity, full, prefill, length, jobs, end, warmup, cooldown, stop_after, noise, communication,
            tick_compat, seed: as in :class:`ganttlet.soc_dag.scenario.Scenario`; ``jobs`` is always a number.
        unit: name of a tick.
        app_names (K,), cluster_names (C,), kernel_names (K·T,): texts for people; not part of the digest.

    Raises:
        InputError: naming the field and what was expected.
    """

    family: ClassVar[str] = "soc_dag"
    unhashed: ClassVar[tuple[str, ...]] = ("name", "app_names", "cluster_names", "kernel_names")

    name: str
    exec_time: Array
    edges: Array
    probability: Array
    cluster: Array
    bandwidth: Array
    power: Array
    std: Array
    deadline: Array
    outage: Array
    trace: Array
    arrivals: str
    scale: float
    capacity: int
    full: str
    prefill: bool
    jobs: int
    end: str
    warmup: int
    cooldown: int
    noise: str
    communication: str
    tick_compat: bool
    seed: int
    length: int | None = None
    stop_after: int | None = None
    memory_bandwidth: Any = None
    unit: str = "us"
    app_names: Any = None
    cluster_names: Any = None
    kernel_names: Any = None

    def __post_init__(self) -> None:
        def put(field: str, value: Any) -> None:
            object.__setattr__(self, field, value)

        put("name", str(self.name))
        put("unit", str(self.unit))
        put("exec_time", int_array("exec_time", self.exec_time, 3))
        apps, tasks, pes = self.exec_time.shape
        if min(apps, tasks, pes) < 1:
            raise InputError(
                f"field 'exec_time': expected at least one application, task and PE, got {apps, tasks, pes}"
            )
        if pes > MOST_PES:
            raise InputError(f"field 'exec_time': {pes} PEs; expected at most {MOST_PES}")
        put("edges", int_array("edges", self.edges, 3))
        put("cluster", int_array("cluster", self.cluster, 1))
        put("bandwidth", int_array("bandwidth", self.bandwidth, 2, np.int64))
        if self.memory_bandwidth is not None:
            put("memory_bandwidth", int_array("memory_bandwidth", self.memory_bandwidth, 1, np.int64))
        put("probability", _floats("probability", self.probability, 1))
        put("power", _floats("power", self.power, 2))
        put("std", _floats("std", self.std, 2))
        put("deadline", int_array("deadline", self.deadline, 1))
        put("outage", _table("outage", self.outage, 3))
        put("trace", _table("trace", self.trace, 2))
        put("scale", float(self.scale))
        for field in ("app_names", "cluster_names", "kernel_names"):
            given = getattr(self, field)
            put(field, None if given is None else tuple(str(value) for value in given))
        self._check_shapes(apps, tasks, pes)
        self._check_tasks()
        self._check_scenario()

    def _check_shapes(self, apps: int, tasks: int, pes: int) -> None:
        n_clusters = int(self.cluster.max(initial=-1)) + 1
        expected = {
            "edges": (apps, self.edges.shape[1], 3),
            "probability": (apps,),
            "cluster": (pes,),
            "bandwidth": (pes, pes),
            "std": (apps, tasks),
            "deadline": (apps,),
            "power": (n_clusters, self.power.shape[1]),
            **({"memory_bandwidth": (pes,)} if self.memory_bandwidth is not None else {}),
        }
        for field, shape in expected.items():
            if getattr(self, field).shape != shape:
                raise InputError(f"field {field!r}: shape {getattr(self, field).shape}, expected {shape}")
        for field, count in (("app_names", apps), ("cluster_names", n_clusters), ("kernel_names", apps * tasks)):
            given = getattr(self, field)
            if given is not None and len(given) != count:
                raise InputError(f"field {field!r}: {len(given)} names, expected {count}")
        sizes = np.bincount(self.cluster, minlength=1) if self.cluster.min() >= 0 else np.zeros(1, np.int64)
        if np.any(np.diff(self.cluster) < 0) or np.any(sizes == 0):
            raise InputError("field 'cluster': expected cluster numbers 0 … C - 1 in rising order, none left out")
        if self.power.shape[1] <= sizes.max():
            raise InputError(f"field 'power': expected a column for each of 0 … {sizes.max()} busy PEs")
        if np.any(self.power < 0) or np.any(self.std < 0) or np.any(self.deadline < 0):
            raise InputError("fields 'power', 'std' and 'deadline': expected values of at least 0")
        if np.any(self.bandwidth <= 0) or (self.memory_bandwidth is not None and np.any(self.memory_bandwidth <= 0)):
            raise InputError("fields 'bandwidth' and 'memory_bandwidth': expected > 0; a PE with 0 cannot be reached")
        if np.any(self.probability < 0) or not math.isclose(self.probability.sum(), 1.0, abs_tol=1e-9):
            raise InputError(f"field 'probability': expected shares that sum to 1, got {self.probability.tolist()}")

    def _check_tasks(self) -> None:
        if np.any(self.exec_time < UNSUPPORTED) or np.any(self.exec_time > MAX_TIME // 1024):
            raise InputError(f"field 'exec_time': expected -1 … {MAX_TIME // 1024} ticks")
        for app, n in enumerate(self.n_tasks):
            what = f"application {self.app_name(app)!r}"
            if n < 1:
                raise InputError(f"{what}: field 'exec_time': no PE supports any of its tasks")
            supported = (self.exec_time[app, :n] >= 0).any(axis=1)
            if not supported.all():
                task = int(np.argmin(supported))
                raise InputError(
                    f"{what}: field 'exec_time': no PE supports task {task} ({self.kernel_name(app, task)}); expected "
                    "a time ≥ 0 on at least one"
                )
            check_edges(what, int(n), self.edges_of(app))

    def _check_scenario(self) -> None:
        if self.jobs is None:
            raise InputError("field 'jobs': expected a number")
        scenario = self.scenario
        if scenario.communication == "shared_memory" and self.memory_bandwidth is None:
            raise InputError("field 'communication': 'shared_memory' needs field 'memory_bandwidth'")
        if np.any(self.trace[:, 1] < 0) or np.any(self.trace[:, 1] >= self.n_apps):
            raise InputError(f"field 'trace': expected applications 0 … {self.n_apps - 1}")
        ends: dict[int, int] = {}
        for pe, begin, finish in self.outage.tolist():
            if not 0 <= pe < self.n_pes:
                raise InputError(f"field 'outage': PE {pe}; expected 0 … {self.n_pes - 1}")
            if begin <= ends.get(pe, -1):
                raise InputError(f"field 'outage': those of PE {pe} overlap, touch or are out of order")
            ends[pe] = finish

    @classmethod
    def build(
        cls,
        platform: Platform,
        applications: Sequence[Application],
        scenario: Scenario,
        *,
        probability: Sequence[float] | None = None,
        std: Mapping[str, float] | None = None,
        name: str | None = None,
    ) -> Self:
        """Return the workload of ``applications`` on ``platform``.

        Args:
            platform: clusters with no PEs are left out.
            applications: the task graphs.
            scenario: arrivals and what counts.
            probability: shares of the applications, scaled to sum to 1; None: equal.
            std: kernel -> relative standard deviation that replaces the scenario's.
            name: None: made of the platform's and the applications'.
        """
        if not applications:
            raise InputError("workload: field 'applications': expected at least one")
        names = [app.name for app in applications]
        if len(set(names)) < len(names):
            raise InputError(f"workload: field 'applications': a name is given twice in {', '.join(names)}")
        if platform.n_pes > MOST_PES:
            raise InputError(f"platform {platform.name!r}: {platform.n_pes} PEs; expected at most {MOST_PES}")
        kept = [number for number, one in enumerate(platform.clusters) if one.count]
        clusters = [platform.clusters[number] for number in kept]
        home = np.repeat(np.arange(len(kept)), [one.count for one in clusters])
        n_pes, n_tasks = len(home), max(app.n_tasks for app in applications)
        times = np.full((len(applications), n_tasks, n_pes), UNSUPPORTED, np.int64)
        spread = np.zeros((len(applications), n_tasks))
        n_edges = max(1, *(len(app.edges) for app in applications))
        edges = np.full((len(applications), n_edges, 3), -1, np.int64)
        labels = []
        for k, app in enumerate(applications):
            for task, kernel in enumerate(app.kernels):
                row = platform.row(app.name, kernel)
                scaled = [
                    _scaled(row[number], one.slow_down, app.name, kernel)
                    for number, one in zip(kept, clusters, strict=True)
                ]
                times[k, task] = np.array(scaled)[home]
                spread[k, task] = (std or {}).get(kernel, scenario.std)
            if app.edges:
                edges[k, : len(app.edges)] = app.edges
            labels += [*app.kernels, *[""] * (n_tasks - app.n_tasks)]
        links = np.array(platform.bandwidth, np.int64)[np.ix_(kept, kept)]
        bandwidth = links[np.ix_(home, home)]
        np.fill_diagonal(bandwidth, platform.bandwidth_same_pe)
        memory = platform.bandwidth_to_memory
        watts = np.zeros((len(clusters), max(one.count for one in clusters) + 1))
        for c, one in enumerate(clusters):
            watts[c, : one.count + 1] = one.watts()
            watts[c, one.count + 1 :] = watts[c, one.count]
        shares = np.ones(len(applications)) if probability is None else np.asarray(probability, np.float64)
        if shares.shape != (len(applications),) or np.any(shares < 0) or not shares.sum() > 0:
            raise InputError(f"workload: field 'probability': expected {len(applications)} shares ≥ 0, not all zero")
        fields = {key: getattr(scenario, key) for key in _SCENARIO if key not in _ARRAYS}
        fields["jobs"] = scenario.most_jobs
        instance = cls(
            name=name or f"{platform.name}-{'+'.join(names)}",
            exec_time=times,
            edges=edges,
            probability=shares / shares.sum(),
            cluster=home,
            bandwidth=bandwidth,
            power=watts,
            std=spread,
            deadline=np.zeros(len(applications), np.int64),
            outage=np.array(sorted(scenario.outages), np.int64).reshape(-1, 3),
            trace=np.array(scenario.trace, np.int64).reshape(-1, 2),
            memory_bandwidth=None if memory is None else np.array(memory, np.int64)[kept][home],
            unit=platform.unit,
            app_names=names,
            cluster_names=[one.name for one in clusters],
            kernel_names=labels,
            **fields,
        )
        if scenario.deadline_factor is None:
            return instance
        due = np.ceil(scenario.deadline_factor * instance.critical_path)
        return replace(instance, deadline=np.maximum(1, due).astype(np.int64))

    def to_dict(self) -> dict[str, Any]:
        """Return the plain-data form; names are lists, as JSON has them."""
        data = super().to_dict()
        return {key: list(value) if isinstance(value, tuple) else value for key, value in data.items()}

    @property
    def n_apps(self) -> int:
        """Number of applications K."""
        return int(self.exec_time.shape[0])

    @property
    def n_pes(self) -> int:
        """Number of PEs P."""
        return int(self.exec_time.shape[2])

    @property
    def n_clusters(self) -> int:
        """Number of clusters C."""
        return int(self.power.shape[0])

    @cached_property
    def n_tasks(self) -> Array:
        """(K,) int64, tasks of each application: up to the last one that some PE supports or an edge names."""
        used: Array = np.any(self.exec_time >= 0, axis=2)
        for app in range(self.n_apps):
            ends = self.edges[app, self.edges[app, :, 0] >= 0, :2]
            used[app, ends[ends < used.shape[1]]] = True
        n = used.shape[1]
        return np.where(used.any(axis=1), n - np.argmax(used[:, ::-1], axis=1), 0)

    @property
    def scenario(self) -> Scenario:
        """The scenario's scalar fields; its ``std`` and ``deadline_factor`` live on in the arrays."""
        scalars = {key: getattr(self, key) for key in _SCENARIO if key not in _ARRAYS}
        return Scenario(
            **scalars,
            trace=tuple(map(tuple, self.trace.tolist())),
            outages=tuple(map(tuple, self.outage.tolist())),
        )

    def edges_of(self, app: int) -> list[tuple[int, int, int]]:
        """Return the edges of one application: (source, target, volume)."""
        return [tuple(row) for row in self.edges[app].tolist() if row[0] >= 0]

    def app_name(self, app: int) -> str:
        """Return the name of an application, its number if it has none."""
        return self.app_names[app] if self.app_names else str(app)

    def kernel_name(self, app: int, task: int) -> str:
        """Return the name of a task's kernel, the task's number if it has none."""
        return (self.kernel_names[app * self.exec_time.shape[1] + task] if self.kernel_names else "") or str(task)

    @cached_property
    def critical_path(self) -> Array:
        """(K,) int64, longest path of each application at its tasks' least times, without transfers.

        A lower bound on a job's time alone, if execution times are their means.
        """
        least = np.where(self.exec_time >= 0, self.exec_time, np.iinfo(np.int32).max).min(axis=2).astype(np.int64)
        out = np.zeros(self.n_apps, np.int64)
        for app, n in enumerate(self.n_tasks):
            finish = [0] * int(n)
            after: dict[int, list[int]] = {}
            waiting = [0] * int(n)
            for source, target, _ in self.edges_of(app):
                after.setdefault(source, []).append(target)
                waiting[target] += 1
            free = [task for task in range(int(n)) if not waiting[task]]
            begin = [0] * int(n)
            while free:
                task = free.pop()
                finish[task] = begin[task] + int(least[app, task])
                for other in after.get(task, []):
                    begin[other] = max(begin[other], finish[task])
                    waiting[other] -= 1
                    if not waiting[other]:
                        free.append(other)
            out[app] = max(finish)
        return out


def _table(field: str, value: Any, columns: int) -> Array:
    """Return ``value`` as an integer array (rows, columns); an empty one of any shape has no rows."""
    array = int_array(field, np.zeros((0, columns)) if np.size(value) == 0 else value, 2)
    if array.shape[1] != columns:
        raise InputError(f"field {field!r}: shape {array.shape}, expected {columns} columns")
    return array


def _floats(field: str, value: Any, ndim: int) -> Array:
    """Return ``value`` as a read-only float64 array of finite numbers, or raise InputError naming ``field``."""
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"field {field!r}: expected a {ndim}-d array of numbers") from None
    if array.ndim != ndim or not np.all(np.isfinite(array)):
        raise InputError(f"field {field!r}: expected a {ndim}-d array of finite numbers, got shape {array.shape}")
    array.flags.writeable = False
    return array


def _scaled(time: float | None, factor: float, app: str, kernel: str) -> int:
    """Return a table's time at the chosen operating point, rounded up to whole ticks; -1 for None."""
    if time is None:
        return UNSUPPORTED
    if isinstance(time, bool) or not isinstance(time, int | float) or not math.isfinite(time) or time < 0:
        raise InputError(f"application {app!r}: kernel {kernel!r} has time {time!r}; expected a number ≥ 0 or null")
    return math.ceil(time * factor - 1e-9)
