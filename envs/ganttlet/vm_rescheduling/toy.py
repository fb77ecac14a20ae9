"""Generator ``toy``: a few hosts and VMs of arbitrary sizes, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ganttlet.vm_rescheduling.instance import BOTH, Cluster
from ganttlet.vm_rescheduling.sampling import Generator, pick

_HOSTS, _VMS, _MNL, _BLOCK, _KINDS = range(5)
_SPLIT = 0.3  # share of kinds that are split


class ToyGenerator(Generator):
    """Small clusters; for the keys see :func:`ganttlet.vm_rescheduling.generator.make_generator`."""

    name = "toy"
    keys = ("hosts", "vms", "mnl", "kinds", "groups", "group_size", "block", "memory_block", "goal", "mix")

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._hosts, self._vms = self.whole("hosts", 4, 1, 10_000), self.whole("vms", 10, 1, 1_000_000)
        self._limit, self._kinds = self.whole("mnl", 5, 0), self.whole("kinds", 6, 1, 1000)
        self._options = self.objective_options(block=(3, 16), memory_block=7)
        self.set_groups(self._hosts[0])
        self.max_hosts, self.max_vms = self._hosts[1], self._vms[1]
        self.max_moves, self.max_kinds = max(1, self._limit[1]), min(self._kinds[1], self._vms[1])

    def draw(self, key: Any, suffix: str) -> Cluster:
        """Return the instance of ``key``: VMs lie at random, and hosts have what these take and a random rest."""
        rng = np.random.default_rng(int(key))
        n_hosts, n_vms = pick(key, _HOSTS, self._hosts), pick(key, _VMS, self._vms)
        block, n_kinds = pick(key, _BLOCK, self._options["block"]), pick(key, _KINDS, self._kinds)
        piece = self._options["memory_block"]
        split = (rng.random(n_kinds) < _SPLIT).astype(np.int64)
        cores = rng.integers(1, block, n_kinds, endpoint=True) << split
        memory = rng.integers(0, 2 * piece, n_kinds, endpoint=True) << split
        kind, host = rng.integers(0, n_kinds, n_vms), rng.integers(0, n_hosts, n_vms)
        numa = np.where(split[kind] == 1, BOTH, rng.integers(0, BOTH, n_vms))
        cpu = rng.integers(0, 2 * block, (n_hosts, BOTH), endpoint=True)
        mem = rng.integers(0, 4 * piece, (n_hosts, BOTH), endpoint=True)
        for node in range(BOTH):
            here = (numa == node) | (numa == BOTH)
            np.add.at(cpu[:, node], host[here], cores[kind[here]] >> split[kind[here]])
            np.add.at(mem[:, node], host[here], memory[kind[here]] >> split[kind[here]])
        return Cluster(
            f"toy-{n_hosts}x{n_vms}-{suffix}",
            cpu,
            mem,
            cores[kind],
            memory[kind],
            split[kind],
            host,
            numa,
            groups=self.draw_groups(host, n_hosts, key),
            limit=pick(key, _MNL, self._limit),
            **{**self._options, "block": block},
        )
