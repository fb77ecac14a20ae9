"""The integer programme with a binary per VM and place, by HiGHS: the model as published, for small clusters.

Source: the model of VMR2L (EuroSys 2025) as its public code has it: single VMs per NUMA node, split VMs per host,
whole blocks per NUMA node, one row per VM and two per NUMA node, and the limit; anti-affinity groups added.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.options import as_count
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.library import resolve
from ganttlet_agents.evaluation.methods import Outcome
from ganttlet_agents.solvers.cpsat_run import check_limits
from ganttlet_agents.solvers.highs_run import highspy, new_highs, run_highs
from ganttlet_agents.solvers.vm_rescheduling.aim import Aim, make_aim
from ganttlet_agents.solvers.vm_rescheduling.counts import Change, Counts
from ganttlet_agents.solvers.vm_rescheduling.result import DEFAULT_TIME, LEAST_TIME, Found, SolverResult, pursue

NAME = "solver:mip"
MAX_BINARIES = 50_000
NEAR = 1e-7  # blocks or moves by which HiGHS' arithmetic may be off


def solve_mip(
    instance: Cluster | str,
    objective: str = "fr16",
    *,
    time_limit: float = DEFAULT_TIME,
    max_binaries: int = MAX_BINARIES,
    seed: int = 0,
) -> SolverResult:
    """Solve VM rescheduling as an integer programme and put the moves found into a feasible order.

    Args:
        instance: a cluster without priorities, or whatever ``ganttlet.vm_rescheduling.resolve`` makes one of.
        objective: ``fr16``, ``n16``, ``mixed`` or ``goal``.
        time_limit: wall-clock limit in seconds.
        max_binaries: size up to which it is tried.
        seed: HiGHS' random seed.

    Raises:
        InputError: for pods, an unknown objective, ``goal`` without a goal, or a cluster that is too large.
        MissingExtraError: if HiGHS is not installed.
    """
    begun = time.perf_counter()
    instance = resolve(instance)
    check_limits(time_limit, None, None)
    as_count("max_binaries", max_binaries)
    aim = make_aim(NAME, instance, objective)
    split = int(instance.split.sum())
    binaries = instance.n_hosts * ((instance.n_vms - split) * instance.n_numa + split)
    if binaries > max_binaries:
        raise InputError(
            f"{NAME}: instance {instance.name} takes {binaries} binaries, one per VM and place, over "
            f"max_binaries={max_binaries}; use solver:columns or solver:cpsat"
        )
    return pursue(MipSearch(Counts(instance, apart=True), aim, seed=seed), begun, time_limit, seed=seed)


class MipSearch:
    """Both stages by the integer programme; its bounds are those of HiGHS' floating-point arithmetic."""

    def __init__(self, counts: Counts, aim: Aim, *, seed: int = 0) -> None:
        self.counts, self.aim, self.seed = counts, aim, seed

    def most(self, seconds: float, enough: int | None) -> Found:
        """Return the change of the highest score."""
        model = _Model(self, None, time.perf_counter() + seconds)
        if model.solved and model.change is not None:
            return Found(model.change, self.aim.score(*self.counts.free(model.change)))
        bound = math.inf if model.bound is None else math.floor((model.bound + NEAR) * model.scale)
        return Found(model.change, int(min(model.highest, bound)))

    def fewest(self, seconds: float, need: int, first: Change) -> Found:
        """Return the change that reaches a score with the fewest moves."""
        model = _Model(self, need, time.perf_counter() + seconds)
        vms = self.counts.instance.n_vms
        return Found(model.change or first, 1 if model.bound is None else max(1, math.ceil(vms - model.bound - NEAR)))


class _Model:
    """The programme of one stage, solved.

    Attributes:
        change: of the best solution, or None.
        bound: on the score over ``scale`` (on the VMs that stay, if a score is needed), or None.
        highest: a score that no solution is over.
        solved: whether HiGHS calls it optimal.
    """

    def __init__(self, search: MipSearch, need: int | None, end: float) -> None:
        self.counts, self.aim, self.need = search.counts, search.aim, need
        instance, inf = self.counts.instance, highspy().kHighsInf
        self.scale = max(self.aim.cpu, self.aim.mem, 1)
        self.highs = new_highs(search.seed)
        self.highs.setOptionValue("mip_rel_gap", 0.0)
        self.highs.setOptionValue("mip_abs_gap", 0.5 if self.scale == 1 else 0.0)
        nodes, vms = len(self.counts.cpu), instance.n_vms
        memory = instance.mem.reshape(-1).tolist()
        # Rows: VMs, cores and memory of NUMA nodes, VMs that stay, the score, groups on hosts.
        self.first = np.cumsum([0, vms, nodes, nodes, 1, 1])
        needed = -inf if need is None else need / self.scale
        lower = [1.0] * vms + [-inf] * (2 * nodes) + [vms - instance.limit, needed]
        upper = [1.0] * vms + self.counts.room + memory + [inf, inf]
        groups = np.unique(instance.groups, axis=0).tolist()
        self.groups: dict[int, list[int]] = defaultdict(list)
        for group, vm in groups:
            self.groups[vm].append(group)
        rows = (1 + max((group for group, _ in groups), default=-1)) * instance.n_hosts
        for least, most in zip(lower + [-inf] * rows, upper + [1.0] * rows, strict=True):
            self.highs.addRow(least, most, 0, [], [])
        self.lying: list[tuple[int, int]] = []  # VM and place, by column
        self.costs: list[float] = []
        self.most: list[float] = []
        self.starts: list[int] = []
        self.index: list[int] = []
        self.value: list[float] = []
        for vm in range(vms):
            self._add_vm(vm)
        self.highest = self._add_blocks(self.first[1], self.counts.room, self.aim.cpu, self.aim.block)
        self.highest += self._add_blocks(self.first[2], memory, self.aim.mem, self.aim.memory_block)
        self.change, self.bound = self._run(end)

    def _column(self, cost: float, most: float, entries: dict[int, float]) -> None:
        self.costs.append(cost)
        self.most.append(most)
        self.starts.append(len(self.index))
        self.index += entries
        self.value += entries.values()

    def _add_vm(self, vm: int) -> None:
        counts, instance = self.counts, self.counts.instance
        kind = counts.kind[vm]
        home = counts.place(int(instance.host[vm]), int(instance.numa[vm]))
        _, cpu, mem, stay, _, groups = self.first.tolist()
        for place in counts.places(kind):
            entries: dict[int, float] = {vm: 1.0}
            for node in counts.nodes(kind, place):
                entries[cpu + node] = counts.cores[kind]
                entries[mem + node] = counts.memory[kind]
            if place == home:
                entries[stay] = 1.0
            for group in self.groups.get(vm, ()):
                entries[groups + group * instance.n_hosts + place // instance.n_numa] = 1.0
            self.lying.append((vm, place))
            self._column(float(place == home and self.need is not None), 1.0, entries)

    def _add_blocks(self, row: int, rooms: list[int], weight: int, block: int) -> int:
        """Add whole blocks of each NUMA node, if they have a weight, and return the score that they all have."""
        for node, room in enumerate(rooms if weight else ()):
            score = weight / self.scale
            cost = score if self.need is None else 0.0
            self._column(cost, room // block, {int(row) + node: float(block), int(self.first[4]): score})
        return weight * sum(room // block for room in rooms)

    def _run(self, end: float) -> tuple[Change | None, float | None]:
        count = len(self.costs)
        arrays = np.array(self.starts, np.int32), np.array(self.index, np.int32), np.array(self.value, float)
        costs, most = np.array(self.costs), np.array(self.most, float)
        self.highs.addCols(count, costs, np.zeros(count), most, len(self.index), *arrays)
        integer = np.full(count, int(highspy().HighsVarType.kInteger), np.uint8)
        self.highs.changeColsIntegrality(count, np.arange(count, dtype=np.int32), integer)
        found = run_highs(self.highs, max(LEAST_TIME, end - time.perf_counter()))
        self.solved = self.highs.getModelStatus() == highspy().HighsModelStatus.kOptimal
        bound = float(self.highs.getInfo().mip_dual_bound)
        return self._change() if found else None, bound if math.isfinite(bound) else None

    def _change(self) -> Change:
        counts = self.counts
        change: Change = defaultdict(int)
        for (vm, place), value in zip(self.lying, self.highs.getSolution().col_value, strict=False):
            kind = counts.kind[vm]
            change[kind, place] += round(value)
        for key, vms in counts.at.items():
            change[key] -= len(vms)
        return {key: by for key, by in change.items() if by}


@dataclass(frozen=True)
class Mip:
    """The method ``solver:mip``."""

    time: float
    max_binaries: int
    seed: int | None

    def solve(self, instance: Cluster, *, objective: str, seed: int) -> Outcome:
        """Return plan, bound and status."""
        seed = seed if self.seed is None else self.seed
        return solve_mip(instance, objective, time_limit=self.time, max_binaries=self.max_binaries, seed=seed).outcome()

    def warm_up(self, instance: Cluster, *, objective: str) -> None:
        """Import HiGHS."""
        highspy()
