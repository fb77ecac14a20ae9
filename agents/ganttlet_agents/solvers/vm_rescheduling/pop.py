"""POP: hosts partitioned into parts that are solved one by one, each with a share of the limit.

Source: Narayanan et al., SOSP 2021; as a baseline of VMR2L (EuroSys 2025) its public code cuts hosts into consecutive
parts and gives each an equal share of the limit, rounded down.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ganttlet.core.options import as_count
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.library import resolve
from ganttlet.vm_rescheduling.solution import Plan
from ganttlet.vm_rescheduling.usage import Usage
from ganttlet_agents.evaluation.methods import Outcome
from ganttlet_agents.solvers.cpsat_run import check_limits, cp_model
from ganttlet_agents.solvers.vm_rescheduling.aim import Aim, make_aim
from ganttlet_agents.solvers.vm_rescheduling.counts import Counts
from ganttlet_agents.solvers.vm_rescheduling.cpsat import CpSearch
from ganttlet_agents.solvers.vm_rescheduling.decode import Move, decode
from ganttlet_agents.solvers.vm_rescheduling.result import DEFAULT_TIME

Array = np.ndarray[Any, Any]
NAME = "solver:pop"
PARTS = 4
LEAST_TIME = 0.05


def solve_pop(
    instance: Cluster | str,
    objective: str = "fr16",
    *,
    parts: int = PARTS,
    fair: bool = True,
    time_limit: float = DEFAULT_TIME,
    workers: int | None = None,
    seed: int = 0,
) -> Plan:
    """Return the plan of the parts' plans, one after the other.

    Args:
        instance: a cluster without priorities, or whatever ``ganttlet.vm_rescheduling.resolve`` makes one of.
        objective: ``fr16``, ``n16``, ``mixed``, or ``goal``: planned for as ``fr16`` and ended where it is reached.
        parts: number of parts; no more than hosts.
        fair: hosts shuffled, the limit shared in proportion to fragments, and what parts leave of it given out again,
            to other parts drawn afresh, until none is left or nothing is gained; else as published.
        time_limit: wall-clock limit in seconds of all parts; each gets an equal share of what is left.
        workers: CP-SAT's search threads; all cores if None.
        seed: of the shuffles and of CP-SAT.

    Raises:
        InputError: for pods, an unknown objective, or ``goal`` without a goal.
        MissingExtraError: if OR-Tools is not installed.
    """
    end = time.perf_counter() + time_limit
    instance = resolve(instance)
    check_limits(time_limit, None, workers)
    as_count("parts", parts)
    run = _Pop(instance, make_aim(NAME, instance, objective), min(parts, instance.n_hosts), workers, seed)
    hosts = np.arange(instance.n_hosts)
    if not fair:
        share = instance.limit // run.parts
        run.round(hosts, [share] * run.parts, end)
        return run.plan()
    draw = np.random.default_rng(seed)
    while True:
        before = run.left
        order = draw.permutation(hosts)
        run.round(order, run.shares(order), end)
        if run.left in (0, before) or run.reached() or time.perf_counter() > end:
            return run.plan()


class _Pop:
    """The moves so far, and where they have led to."""

    def __init__(self, instance: Cluster, aim: Aim, parts: int, workers: int | None, seed: int) -> None:
        self.instance, self.aim, self.parts = instance, aim, parts
        self.workers, self.seed = workers, seed
        self.usage: Usage = instance.usage()
        self.moves: list[Move] = []

    @property
    def left(self) -> int:
        """How many moves are left of the limit."""
        return self.instance.limit - len(self.moves)

    def reached(self) -> bool:
        """Return whether objective ``goal`` is."""
        if self.aim.need is None:
            return False
        return self.aim.score(self.usage.cpu.reshape(-1).tolist(), self.usage.mem.reshape(-1).tolist()) >= self.aim.need

    def plan(self) -> Plan:
        """Return the moves so far."""
        return Plan(np.array(self.moves), self.instance.digest)

    def shares(self, order: Array) -> list[int]:
        """Return what is left of the limit, shared in proportion to the parts' fragments, largest remainders first."""
        fragments = (self.usage.cpu % self.instance.block).sum(axis=1)
        need = np.array([fragments[part].sum() for part in np.array_split(order, self.parts)], float)
        exact = self.left * (need / need.sum() if need.any() else np.full(self.parts, 1 / self.parts))
        share = exact.astype(int)
        for part in np.argsort(share - exact, kind="stable")[: self.left - int(share.sum())]:
            share[part] += 1
        return [int(one) for one in share]

    def round(self, order: Array, shares: list[int], end: float) -> None:
        """Solve every part of the hosts in ``order`` within its share, from where VMs lie now."""
        for at, (part, share) in enumerate(zip(np.array_split(order, self.parts), shares, strict=True)):
            seconds = (end - time.perf_counter()) / (self.parts - at)
            if share and seconds > 0 and not self.reached():
                self._solve(np.sort(part), share, seconds)

    def _solve(self, part: Array, share: int, seconds: float) -> None:
        vms = np.flatnonzero(np.isin(self.usage.host, part))
        if not len(vms):
            return
        whole = self.instance
        pairs = whole.groups[np.isin(whole.groups[:, 1], vms)]
        piece = Cluster(
            whole.name,
            whole.cpu[part],
            whole.mem[part],
            whole.cores[vms],
            whole.memory[vms],
            whole.split[vms],
            np.searchsorted(part, self.usage.host[vms]),
            self.usage.numa[vms],
            limit=share,
            groups=np.stack([pairs[:, 0], np.searchsorted(vms, pairs[:, 1])], axis=1),
        )
        counts = Counts(piece, apart=True)
        search = CpSearch(counts, replace(self.aim, need=None), workers=self.workers, seed=self.seed)
        found = search.most(max(LEAST_TIME, seconds), None)
        for vm, host, numa in decode(counts, found.change or {}, search.aim, seed=self.seed)[0]:
            move = int(vms[vm]), int(part[host]), numa
            self.usage.move(*move)
            self.moves.append(move)
            if self.reached():
                return


@dataclass(frozen=True)
class Pop:
    """The method ``solver:pop``."""

    parts: int
    fair: bool
    time: float
    workers: int | None
    seed: int | None

    def solve(self, instance: Cluster, *, objective: str, seed: int) -> Outcome:
        """Return the plan; there is no bound."""
        plan = solve_pop(
            instance,
            objective,
            parts=self.parts,
            fair=self.fair,
            time_limit=self.time,
            workers=self.workers,
            seed=seed if self.seed is None else self.seed,
        )
        return Outcome(plan, status="feasible", decisions=len(plan.moves))

    def warm_up(self, instance: Cluster, *, objective: str) -> None:
        """Import OR-Tools, which takes about a second."""
        cp_model()
