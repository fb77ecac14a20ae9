"""Generator ``toy``: a few small jobs on a few PEs, with every rule of the scenario within reach, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from ganttlet.core.rng import key_of
from ganttlet.soc_dag.application import Application
from ganttlet.soc_dag.draws import PER_RATE, SOURCE, SYSTEM, Draws
from ganttlet.soc_dag.instance import MOST_PES, Workload
from ganttlet.soc_dag.layout import Sizes
from ganttlet.soc_dag.platform import Cluster, Platform
from ganttlet.soc_dag.sampling import SAME_PE, Generator
from ganttlet.soc_dag.scenario import Scenario

_STREAM = 60
_HORIZON = 60  # ticks; length of the runs where some are cut
_SPLIT = 0.7  # probability that a PE begins another cluster
_DEFAULTS: Mapping[str, Any] = {
    "arrivals": "exponential",
    "scale": [3.0, 10.0],
    "jobs": [2, 4],
    "end": "drain",
    "capacity": [1, 3],
    "full": "block",
    "outage_length": [1, 10],
}


class ToyGenerator(Generator):
    """Small workloads; for the keys see :func:`ganttlet.soc_dag.generator.make_generator`."""

    name = "toy"
    keys = ("tasks", "pes", "apps", "time", "volume", "support", "density", *SOURCE, *SYSTEM)

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._spans = {
            "pes": self.numbers("pes", [2, 3], 1, MOST_PES),
            "apps": self.numbers("apps", [1, 2], 1, 100),
            "support": self.numbers("support", 0.8, 0, 1, kind="real"),
            "density": self.numbers("density", 0.5, 0, 1, kind="real"),
        }
        self._tasks = self.numbers("tasks", [2, 4], 1, 100)
        self._time, self._volume = self.numbers("time", [1, 9], 0, 10_000), self.numbers("volume", [0, 6], 0, 10_000)
        self._draws = Draws(self, (*SOURCE, *SYSTEM), _DEFAULTS, required=("jobs",))
        spans = self._draws.spans
        self._open = Scenario(scale=1.0, length=_HORIZON if "cut" in spans["end"].ends else None, jobs=1)
        jobs, n, pes = int(spans["jobs"].most), int(self._tasks.most), int(self._spans["pes"].most)
        longest = ((0, 0),) * jobs
        self._draws.check(self._open, longest)
        self.sizes = Sizes(
            int(self._spans["apps"].most),
            n,
            max(1, n * (n - 1) // 2),
            pes,
            pes,
            self._draws.most_slots(self._open),
            self._draws.most_jobs(self._open, longest),
            jobs if "trace" in spans["arrivals"].ends else 1,
            max(1, 2 * self._draws.most_outages),
        )

    def draw(self, key: Any, suffix: str) -> Workload:
        """Return the instance of ``key``: random clusters, links, graphs, times, power and shares."""
        rng = np.random.default_rng(int(key_of(key, _STREAM, 0)))
        n_pes, n_apps, support, density = (span.draw(key, slot) for slot, span in enumerate(self._spans.values()))
        cuts = [0, *(pe for pe in range(1, n_pes) if rng.random() < _SPLIT), n_pes]
        clusters = tuple(_cluster(f"C{number}", b - a, rng) for number, (a, b) in enumerate(pairwise(cuts)))
        apps, times = [], {}
        for number in range(n_apps):
            name, stream = f"app_{number}", np.uint64(key_of(key, _STREAM, 1 + number))
            app = self._application(name, density, stream, rng)
            apps.append(app)
            times[name] = {
                kernel: self._times(support, len(clusters), np.uint64(key_of(stream, _STREAM, task)), rng)
                for task, kernel in enumerate(app.kernels)
            }
        links = rng.integers(1, 3, (len(clusters), len(clusters)), endpoint=True)
        platform = Platform(
            "toy",
            clusters,
            np.maximum(links, links.T).tolist(),
            SAME_PE,
            times,
            bandwidth_to_memory=rng.integers(1, 3, len(clusters), endpoint=True).tolist(),
            source="generator 'toy'",
        )
        shares = rng.integers(1, 4, n_apps).tolist()
        workload = Workload.build(platform, apps, Scenario(), probability=shares)
        name = f"toy-{max(app.n_tasks for app in apps)}x{n_pes}-{suffix}"
        return self._draws.apply(workload, self._open, key, name, self._trace(key, n_apps, rng))

    def _application(self, name: str, density: float, key: Any, rng: np.random.Generator) -> Application:
        """Return a random graph whose tasks are numbered in random order."""
        n = self._tasks.draw(key, 0)
        order = rng.permutation(n).tolist()
        pairs = [(order[a], order[b]) for a in range(n) for b in range(a + 1, n) if rng.random() < density]
        edges = tuple((*pair, self._volume.draw(key, 1 + slot)) for slot, pair in enumerate(pairs))
        return Application(name, tuple(f"task_{task}" for task in range(n)), edges, "generator 'toy'")

    def _times(self, support: float, n: int, key: Any, rng: np.random.Generator) -> list[float | None]:
        """Return the times of a kernel on each of n clusters; at least one supports it."""
        row = [self._time.draw(key, slot) if rng.random() < support else None for slot in range(n)]
        at = int(rng.integers(n))
        row[at] = self._time.draw(key, at) if row[at] is None else row[at]
        return row

    def _trace(self, key: Any, n_apps: int, rng: np.random.Generator) -> tuple[tuple[int, int], ...]:
        """Return as many arrivals of random applications as ``jobs`` says, with exponential gaps, the first at 0."""
        spans = self._draws.spans
        jobs = int(self._draws.value(key, "jobs"))
        scale = self._draws.value(key, "scale") if "scale" in spans else PER_RATE / self._draws.value(key, "rate")
        times = np.cumsum([0, *np.floor(rng.exponential(scale, jobs - 1))]).astype(int).tolist()
        return tuple(zip(times, rng.integers(0, n_apps, jobs).tolist(), strict=True))


def _cluster(name: str, count: int, rng: np.random.Generator) -> Cluster:
    """Return a cluster of random power."""
    leak, dynamic = rng.integers(0, 3) / 8, rng.integers(1, 10) / 8
    busy = [float(count * leak + dynamic * (number + 1)) for number in range(count)]
    return Cluster(name, count, power={0: busy}, leak_w=float(leak))
