"""Column generation: the exact model of VM rescheduling decomposed by host, with a very tight bound.

A column is what one host changes: VMs that leave it and enter it, and the score it then has. Of hosts that hold equal
VMs only their number matters. Columns are tied together by few rows only: as many of each kind leave as enter, and no
more leave than the limit allows. So the linear programme over all columns, solved by generating them (Dantzig and
Wolfe, Operations Research 8(1), 1960), is mostly less than a block away from a plan, where that of a model by VM or
kind is useless. The columns generated contain a plan as good as the bound in most cases; CP-SAT may close the rest.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.library import resolve
from ganttlet_agents.evaluation.methods import Outcome
from ganttlet_agents.solvers.cpsat_run import check_limits, cp_model
from ganttlet_agents.solvers.highs_run import run_highs
from ganttlet_agents.solvers.vm_rescheduling.aim import Aim, make_aim
from ganttlet_agents.solvers.vm_rescheduling.counts import Change, Counts
from ganttlet_agents.solvers.vm_rescheduling.cpsat import CpSearch
from ganttlet_agents.solvers.vm_rescheduling.hosts import Column, Hosts
from ganttlet_agents.solvers.vm_rescheduling.master import Master
from ganttlet_agents.solvers.vm_rescheduling.pricing import price
from ganttlet_agents.solvers.vm_rescheduling.result import (
    DEFAULT_TIME,
    LEAST_TIME,
    Found,
    SolverResult,
    out_of_reach,
    pursue,
)

Array = np.ndarray[Any, Any]
NAME = "solver:columns"
WIDEST = 512  # units of cores per NUMA node up to which tables of them are small
SCALE = 2**20  # of prices, which are whole numbers so that the bound is exact
ROUNDS = 4
NEAR = 1e-7


def solve_columns(
    instance: Cluster | str,
    objective: str = "fr16",
    *,
    time_limit: float = DEFAULT_TIME,
    close: bool = True,
    workers: int | None = None,
    seed: int = 0,
) -> SolverResult:
    """Solve VM rescheduling by column generation and put the moves found into a feasible order.

    Args:
        instance: a cluster without priorities, or whatever ``ganttlet.vm_rescheduling.resolve`` makes one of.
        objective: ``fr16``, ``n16``, ``mixed`` or ``goal``.
        time_limit: wall-clock limit in seconds.
        close: let CP-SAT search for a plan as good as the bound, or a better bound, where they differ, as they do on
            small clusters at times, where memory binds, and for ``mixed``; and where columns do not apply: for
            ``mixed`` if memory per core differs between VMs, and where a NUMA node has over 512 units of cores.
        workers: CP-SAT's search threads; all cores if None.
        seed: random seed of the solvers.

    Raises:
        InputError: for pods, an unknown objective, or ``goal`` without a goal; without ``close`` also where columns
            do not apply.
        MissingExtraError: if HiGHS or OR-Tools is not installed.
    """
    begun = time.perf_counter()
    instance = resolve(instance)
    check_limits(time_limit, None, workers)
    aim = make_aim(NAME, instance, objective)
    search = ColumnSearch(Counts(instance, apart=False), aim, seed=seed)
    result = None
    if search.applies or not close:
        _check(search)
        result = pursue(search, begun, time_limit, seed=seed)
        if not close or result.optimal or time.perf_counter() > begun + time_limit:
            return result
    counts = Counts(instance, apart=True)
    hint = counts.after(result.plan) if result is not None else None
    rest = CpSearch(counts, aim, workers=workers, seed=seed, hint=hint, ceiling=search.ceiling, lowest=search.lowest)
    return pursue(rest, begun, time_limit, hint=hint, seed=seed)


def lower_bound(instance: Cluster | str, objective: str = "fr16", *, time_limit: float = DEFAULT_TIME) -> float:
    """Return a proven bound on an objective by column generation alone: no plan within the limit betters it.

    It is a lower bound, and an upper one for ``n16``, which is to be maximised. Takes and raises what
    :func:`solve_columns` does without ``close``.
    """
    begun = time.perf_counter()
    instance = resolve(instance)
    aim = make_aim(NAME, instance, objective)
    search = ColumnSearch(Counts(instance, apart=False), aim)
    _check(search)
    score = search.generate(begun + time_limit, None)
    if aim.need is None:
        return aim.bound(score)
    if aim.score(search.counts.cpu, search.counts.mem) >= aim.need:
        return 0.0
    if score < aim.need:
        return out_of_reach(instance, aim, score)
    return float(max(1, search.generate(begun + time_limit, aim.need)))


def _check(search: ColumnSearch) -> None:
    if not search.applies:
        raise InputError(
            f"{NAME}: instance {search.counts.instance.name} has {search.hosts.width} units of cores on a NUMA node, "
            f"over {WIDEST}, or VMs whose memory per core differs under objective 'mixed'; use solver:cpsat"
        )


class ColumnSearch:
    """Both stages by column generation; only columns within memory are chosen.

    Attributes:
        applies: whether tables by free cores can tell the score; nothing may be called where it is not.
        ceiling: the bound on the score that is proved, or None.
        lowest: the bound on the moves that the aim's ``need`` takes.
    """

    def __init__(self, counts: Counts, aim: Aim, *, seed: int = 0) -> None:
        self.counts, self.aim, self.seed = counts, aim, seed
        self.hosts = Hosts(counts, aim)
        self.applies = self.hosts.width <= WIDEST and (not aim.mem or self.hosts.per_unit is not None)
        self.ceiling: int | None = None
        self.lowest = 1
        self.pool: dict[Column, None] = {}

    def most(self, seconds: float, enough: int | None) -> Found:
        """Return the change of the highest score among the columns generated, and the bound of all columns.

        Where prices tie, chance decides which columns are generated; so it is done anew if a plan falls short.
        """
        end = time.perf_counter() + seconds
        best: Change | None = None
        reached, ceiling = -1, self._trivial()
        for again in range(ROUNDS):
            ceiling = min(ceiling, self.generate(end, None, again))
            change = self._choose(end, None)
            score = -1 if change is None else self.aim.score(*self.counts.free(change))
            if score > reached:
                best, reached = change, score
            if reached >= ceiling or time.perf_counter() > end:
                break
        self.ceiling = ceiling
        return Found(best, ceiling)

    def fewest(self, seconds: float, need: int, first: Change) -> Found:
        """Return the change that reaches a score with the fewest moves among the columns generated, and the bound."""
        end = time.perf_counter() + seconds
        self.lowest = max(1, self.generate(end, need))
        return Found(self._choose(end, need) or first, self.lowest)

    def generate(self, end: float, need: int | None, again: int = 0) -> int:
        """Add to the pool the columns that the linear programme wants, and return the bound that it proves.

        Args:
            end: time of ``time.perf_counter()`` to end at.
            need: None for the highest score, generated from nothing; a score for the fewest moves that reach it,
                generated from the pool, which must hold such a change.
            again: how often it was done before.
        """
        hosts, limit = self.hosts, self.counts.instance.limit
        none = np.zeros(2 * len(hosts.single) + len(hosts.split), np.int64)
        known = dict.fromkeys(hosts.column(host, none) for host in range(len(hosts.members)))
        known |= {} if need is None else self.pool
        self.pool |= known
        master = Master(hosts, need, self.seed + again)
        master.add(list(known))
        weight = max(1, SCALE // master.scale)  # whole-number price of a score of 1
        grain = weight * master.scale  # and of 1 in the master's objective
        worth, count = hosts.worth(), np.array([len(members) for members in hosts.members])
        per = weight if need is None else grain
        top = self._trivial() if need is None else 0
        while run_highs(master.highs, max(LEAST_TIME, end - time.perf_counter())):
            value, fee, reward, pay, level = master.prices(grain)
            fixed = fee * limit
            if need is not None:
                weight = reward
                fixed -= weight * need
                fee += grain
            earned, net = price(
                hosts.free, worth, hosts.held, hosts.held_split, hosts.size, hosts.size_split,
                hosts.total, hosts.total_split, pay[hosts.single], pay[hosts.split], fee, weight
            )  # fmt: skip
            # For any prices, what hosts earn at best and what is paid for the limit are together a bound.
            top = min(top, (fixed + int(earned @ count)) // per)
            wanted = np.flatnonzero(earned / grain > level + NEAR).tolist()
            new = [column for host in wanted if (column := hosts.column(host, net[host])) not in known]
            known |= dict.fromkeys(new)
            self.pool |= known
            if not new or math.floor(value * grain / per + NEAR) >= top or time.perf_counter() > end:
                break
            master.add(new)
        return top if need is None else -top

    def _trivial(self) -> int:
        counts, aim = self.counts, self.aim
        return aim.cpu * (sum(counts.cpu) // aim.block) + aim.mem * (sum(counts.mem) // aim.memory_block)

    def _choose(self, end: float, need: int | None) -> Change | None:
        """Return the best change made of columns in the pool, in half the time left, or None if that found none."""
        columns = [column for column in self.pool if column.able]
        master = Master(self.hosts, need, self.seed, whole=True)
        master.add(columns)
        if not run_highs(master.highs, max(LEAST_TIME, 0.5 * (end - time.perf_counter()))):
            return None
        values = master.highs.getSolution().col_value
        return self.hosts.change([(column, round(value)) for column, value in zip(columns, values, strict=True)])


@dataclass(frozen=True)
class Columns:
    """The method ``solver:columns``."""

    time: float
    close: bool
    workers: int | None
    seed: int | None

    def solve(self, instance: Cluster, *, objective: str, seed: int) -> Outcome:
        """Return plan, bound and status."""
        seed = seed if self.seed is None else self.seed
        return solve_columns(
            instance, objective, time_limit=self.time, close=self.close, workers=self.workers, seed=seed
        ).outcome()

    def warm_up(self, instance: Cluster, *, objective: str) -> None:
        """Import the solvers and load the kernels."""
        cp_model()
        search = ColumnSearch(Counts(instance, apart=False), make_aim(NAME, instance, objective))
        if search.applies:
            search.generate(time.perf_counter() + 1.0, None)
