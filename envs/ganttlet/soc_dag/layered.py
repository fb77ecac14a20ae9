"""Generator ``layered``: random task graphs in levels on unrelated PEs, as studies of list scheduling draw them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from ganttlet.core.rng import key_of
from ganttlet.soc_dag.application import Application
from ganttlet.soc_dag.draws import SOURCE, SYSTEM, once_or_stream
from ganttlet.soc_dag.instance import MOST_PES, Workload
from ganttlet.soc_dag.layout import Sizes
from ganttlet.soc_dag.sampling import Generator, plain_cluster, plain_platform
from ganttlet.soc_dag.scenario import Scenario

_PES, _APPS = range(2)
_APP = 60
MOST_TASKS = 5000
_SHAPE = ("tasks", "alpha", "regularity", "out_degree", "density", "jump", "ccr", "beta", "mean")


class LayeredGenerator(Generator):
    """Random layered task graphs; for the keys see :func:`ganttlet.soc_dag.generator.make_generator`.

    The recipe, for each application on its own:

    1. **Levels.** Their widths are uniform with mean alpha √tasks until all tasks are placed, rounded, at least 1:
       between (regularity) and (2 - regularity) times that mean. With regularity 0 this is the shape of Topcuoglu et
       al., whose height is then about √tasks / alpha; regularity is a parameter of Arabnejad and Barbosa.
    2. **Edges**, by ``out_degree``: a task that is not in the last level has between 1 and 2 out_degree - 1 successors
       (uniform, so out_degree on average, as far as there are so many) among the next ``jump`` levels; a task that is
       then without a predecessor gets one from the level before. Or, by ``density``: a task that is not in the first
       level has one predecessor in the level before and between 0 and density times the width of that level more, each
       from a level 1 … ``jump`` before (uniform); those drawn twice count once.
    3. **Times.** A task's mean is uniform on 0 … 2 ``mean``, and its time on each PE uniform within beta / 2 of that
       mean, in shares of it; rounded to ticks, at least 1.
    4. **Volumes** are uniform on 0 … 2 ccr ``mean``, and a volume of v takes v ticks between any two PEs, none on the
       same PE. So the mean transfer over the mean time is ccr.

    Sources: Topcuoglu, Hariri, Wu, IEEE TPDS 2002 (tasks, shape, out-degree, CCR, beta); Arabnejad, Barbosa, IEEE TPDS
    2014 (density, regularity, jump). The former have one entry and one exit; here there may be several. Rounding, and
    how the two recipes for edges treat what they leave open, are ours.
    """

    name = "layered"
    keys = (*_SHAPE, "pes", "apps", *SOURCE, *SYSTEM)

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._pes = self.numbers("pes", 4, 1, MOST_PES)
        self._apps = self.numbers("apps", 1, 1, 100)
        self._spans = {
            "tasks": self.numbers("tasks", 20, 1, MOST_TASKS),
            "alpha": self.numbers("alpha", 1.0, 0.01, 100, kind="real"),
            "regularity": self.numbers("regularity", 0.0, 0, 1, kind="real"),
            "jump": self.numbers("jump", 1, 1, MOST_TASKS),
            "ccr": self.numbers("ccr", 1.0, 0, 100, kind="real"),
            "beta": self.numbers("beta", 1.0, 0, 2, kind="real"),
            "mean": self.numbers("mean", 100.0, 1, 100_000, kind="real"),
        }
        if settings.get("density") is None:
            self._spans["out_degree"] = self.numbers("out_degree", 3, 1, MOST_TASKS)
        elif settings.get("out_degree") is not None:
            raise self.fail("out_degree", "nothing, as 'density' is given")
        else:
            self._spans["density"] = self.numbers("density", None, 0, 1, kind="real")
        self._draws, self._open = once_or_stream(self, self._apps.most)
        self._draws.check(self._open)
        n, pes = int(self._spans["tasks"].most), int(self._pes.most)
        self.sizes = Sizes(
            int(self._apps.most),
            n,
            max(1, self._most_edges(n)),
            pes,
            pes,
            self._draws.most_slots(self._open),
            self._draws.most_jobs(self._open),
            max(1, len(self._open.trace)),
            max(1, 2 * self._draws.most_outages),
        )

    def _most_edges(self, n: int) -> int:
        if "out_degree" in self._spans:
            per_task = 2 * self._spans["out_degree"].most
        else:
            widest = 2 * self._spans["alpha"].most * math.sqrt(n) + 1
            per_task = 1 + math.floor(self._spans["density"].most * widest)
        return min(n * (n - 1) // 2, n * int(per_task))

    def draw(self, key: Any, suffix: str) -> Workload:
        """Return the instance of ``key``."""
        n_pes, n_apps = int(self._pes.draw(key, _PES)), int(self._apps.draw(key, _APPS))
        drawn = [self._application(np.uint64(key_of(key, _APP, k)), n_pes, f"dag_{k}") for k in range(n_apps)]
        apps, times = [app for app, _ in drawn], {app.name: rows for app, rows in drawn}
        clusters = tuple(plain_cluster(f"P{pe + 1}", 1) for pe in range(n_pes))
        platform = plain_platform(f"unrelated-{n_pes}", clusters, times, "generator 'layered'")
        workload = Workload.build(platform, apps, Scenario())
        name = f"layered-{max(app.n_tasks for app in apps)}x{n_pes}-{suffix}"
        return self._draws.apply(workload, self._open, key, name, self._open.trace[:n_apps])

    def _application(self, key: Any, n_pes: int, name: str) -> tuple[Application, dict[str, list[float | None]]]:
        """Return the application that the stream ``key`` gives, and its times on the PEs by kernel."""
        drawn = {setting: span.draw(key, slot) for slot, (setting, span) in enumerate(self._spans.items())}
        rng = np.random.default_rng(int(key_of(key, _APP, 0)))
        n, mean, half = drawn["tasks"], drawn["mean"], drawn["beta"] / 2
        levels = _levels(n, drawn["alpha"], drawn["regularity"], rng)
        if "density" in drawn:
            pairs = _edges_by_density(levels, drawn["density"], drawn["jump"], rng)
        else:
            pairs = _edges_by_degree(levels, drawn["out_degree"], drawn["jump"], rng)
        center = rng.uniform(0, 2 * mean, (n, 1))
        times = np.maximum(1, np.rint(rng.uniform(center * (1 - half), center * (1 + half), (n, n_pes))))
        volumes = np.rint(rng.uniform(0, 2 * drawn["ccr"] * mean, len(pairs))).astype(np.int64).tolist()
        edges = tuple((source, target, volume) for (source, target), volume in zip(pairs, volumes, strict=True))
        kernels = tuple(f"task_{task + 1}" for task in range(n))
        app = Application(name, kernels, edges, "generator 'layered'")
        return app, dict(zip(kernels, times.tolist(), strict=True))


def _levels(n: int, alpha: float, regularity: float, rng: np.random.Generator) -> list[range]:
    """Return the tasks of each level."""
    mean, levels, placed = alpha * math.sqrt(n), [], 0
    while placed < n:
        width = round(rng.uniform(mean * regularity, mean * (2 - regularity)))
        levels.append(range(placed, min(n, placed + max(1, width))))
        placed = levels[-1].stop
    return levels


def _edges_by_degree(levels: list[range], degree: int, jump: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return edges (source, target), sorted, by a mean number of successors."""
    pairs: set[tuple[int, int]] = set()
    for at, level in enumerate(levels[:-1]):
        # Levels that follow one another are numbered on, so those within reach are one range.
        reach = range(level.stop, levels[min(at + jump, len(levels) - 1)].stop)
        for task in level:
            count = min(int(rng.integers(1, 2 * degree)), len(reach))
            pairs |= {(task, reach[one]) for one in rng.choice(len(reach), count, replace=False).tolist()}
    reached = {target for _, target in pairs}
    for before, level in pairwise(levels):
        for task in level:
            if task not in reached:
                pairs.add((int(rng.integers(before.start, before.stop)), task))
    return sorted(pairs)


def _edges_by_density(
    levels: list[range], density: float, jump: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Return edges (source, target), sorted, by the share of a level that precedes a task of the next one."""
    pairs: set[tuple[int, int]] = set()
    for at, level in enumerate(levels[1:], 1):
        before = levels[at - 1]
        for task in level:
            pairs.add((int(rng.integers(before.start, before.stop)), task))
            for _ in range(int(rng.integers(0, math.floor(density * len(before)), endpoint=True))):
                other = levels[max(0, at - int(rng.integers(1, jump, endpoint=True)))]
                pairs.add((int(rng.integers(other.start, other.stop)), task))
    return sorted(pairs)
