"""Generator ``level``: clusters as busy as the Medium snapshot after VMs left and small ones came."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.rng import uniform
from ganttlet.vm_rescheduling.bases import SMALL, Base, base_of_cluster, base_of_counts
from ganttlet.vm_rescheduling.fill import leave, refill, renumber
from ganttlet.vm_rescheduling.formats import read_file
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.sampling import INT32_MAX, Generator, pick
from ganttlet.vm_rescheduling.snapshots import SNAPSHOTS, load_snapshot

# level -> probability that a VM leaves, cores that come (on 279 hosts)
LEVELS: Mapping[str, tuple[float, int]] = {"H": (0.075, 550), "M": (0.30, 0), "L": (0.60, 0)}
# A base that is built from counts has fewer fragments; with these its level H has the published rate.
COUNTED: Mapping[str, tuple[float, int]] = {**LEVELS, "H": (0.07, 450)}
SCALE = 279  # hosts that ``refill`` is meant for
STATISTICS = "statistics"
_HOSTS, _MNL, _BLOCK, _REMOVE, _REFILL = range(5)
_DEVIATIONS = 5.0  # from the mean number of VMs to the most that are allowed


class LevelGenerator(Generator):
    """Clusters of level H, M or L; for the keys see :func:`ganttlet.vm_rescheduling.generator.make_generator`."""

    name = "level"
    keys = (
        "level",
        "hosts",
        "mnl",
        "base",
        "remove",
        "refill",
        "fill",
        "groups",
        "group_size",
        "block",
        "memory_block",
        "goal",
        "mix",
    )

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._level = settings.get("level", "H")
        check_choice("generator 'level': key 'level'", self._level, LEVELS)
        self.settings["level"] = self._level
        self.base = self._read_base(settings.get("base", STATISTICS))
        counted = self.base.placement is None
        self._hosts = self.whole("hosts", self.base.hosts, 1, INT32_MAX // SMALL if counted else self.base.hosts)
        self._limit = self.whole("mnl", 50, 0)
        go, come = (COUNTED if counted else LEVELS)[self._level]
        self._remove = self.real("remove", go, 0, 1)
        self._refill = self.real("refill", come, 0, INT32_MAX)
        self._keep, self._more = 1.0, 0.0  # share of the base's VMs, cores to add per host before VMs leave
        self.settings["fill"] = None
        if settings.get("fill") is not None:
            self._set_fill(counted)
        self.set_groups(self._hosts[0])
        self._options = self.objective_options()
        self._small = np.cumsum(self.base.frequency * self.base.refills)
        if self._small[-1] == 0 and self._refill[1] > 0:
            raise self.fail("refill", f"0, as the base has no VMs of up to {SMALL} cores")
        self._set_limits()

    def _read_base(self, base: Any) -> Base:
        self.settings["base"] = base
        if base == STATISTICS:
            return base_of_counts()
        if isinstance(base, str) and base in SNAPSHOTS:
            return base_of_cluster(load_snapshot(base))
        if isinstance(base, str) and base:
            return base_of_cluster(read_file(Path(base)))
        raise self.fail("base", f"{STATISTICS!r}, {', '.join(map(repr, SNAPSHOTS))} or the path of a cluster")

    def _set_fill(self, counted: bool) -> None:
        if not counted:
            raise InputError("generator 'level': key 'fill': a cluster as 'base' is filled already; leave it out")
        fill = self.one("fill", None, 0.01, 1)
        self._keep = min(1.0, fill / self.base.used)
        self._more = max(0.0, fill - self.base.used) * float(self.base.cpu[0].sum())

    def _set_limits(self) -> None:
        """Set the upper limits; that of VMs is far above the mean, and more than that leave where it is exceeded."""
        base, hosts = self.base, self._hosts[1]
        self.max_hosts, self.max_moves, self.max_kinds = hosts, max(1, self._limit[1]), len(base.kinds)
        size = float(base.kinds[:, 0] @ (base.frequency * base.refills) / max(1e-9, self._small[-1]))
        come = (self._refill[1] * hosts / SCALE + SMALL) / max(1.0, size)
        stay = self._keep * (1.0 - self._remove[0])
        start = base.vms / base.hosts * hosts + self._more * hosts / max(1.0, size)
        spread = base.spread * hosts * (1.0 if base.placement is None else 1.0 - hosts / base.hosts)
        variance = stay**2 * spread + start * stay * (1.0 - stay) + come + self._more * hosts
        most = stay * start + come + _DEVIATIONS * math.sqrt(variance)
        self.max_vms = max(1, math.ceil(most))

    def draw(self, key: Any, suffix: str) -> Cluster:
        """Return the instance of ``key``."""
        kinds, n_hosts = self.base.kinds, pick(key, _HOSTS, self._hosts)
        filling, at = self.base.start(n_hosts, self.max_vms, key)
        refill(filling, kinds, self._small, round(self._more * n_hosts), self.max_vms, key)
        share = self._remove[0] + uniform(key, _REMOVE) * (self._remove[1] - self._remove[0])
        leave(filling, kinds, 1.0 - self._keep * (1.0 - share), self.max_vms, key)
        cores = self._refill[0] + uniform(key, _REFILL) * (self._refill[1] - self._refill[0])
        refill(filling, kinds, self._small, round(cores * n_hosts / SCALE), self.max_vms, key)
        at = at[renumber(filling, key)]
        n = int(filling.number[0])
        cores_, memory, split = kinds[filling.kind[:n]].T
        host = filling.host[:n]
        return Cluster(
            f"level-{self._level}-{n_hosts}x{n}-{suffix}",
            self.base.cpu[at],
            self.base.mem[at],
            cores_,
            memory,
            split,
            host,
            filling.numa[:n],
            groups=self.draw_groups(host, n_hosts, key),
            limit=pick(key, _MNL, self._limit),
            **{**self._options, "block": pick(key, _BLOCK, self._options["block"])},
        )
