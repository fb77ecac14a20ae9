"""The linear and the integer programme over columns, solved by HiGHS."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from ganttlet_agents.solvers.highs_run import highspy, new_highs
from ganttlet_agents.solvers.vm_rescheduling.hosts import Column, Hosts

Array = np.ndarray[Any, Any]


class Master:
    """The linear programme over columns, or (``whole``) the integer one.

    Rows: moves within the limit, the score that is needed, one for each kind (as many leave as enter), and one for each
    host put together (as many columns as hosts). It maximises the score, or with ``need`` it minimises the moves.
    """

    def __init__(self, hosts: Hosts, need: int | None, seed: int, *, whole: bool = False) -> None:
        self.highs = new_highs(seed)
        self.hosts, self.need, self.whole = hosts, need, whole
        self.kinds = hosts.single * 2 + hosts.split
        aim, limit = hosts.aim, hosts.counts.instance.limit
        self.scale = max(aim.cpu, aim.mem, 1)
        self.most = np.array([len(members) for members in hosts.members], float)
        kinds, inf = len(hosts.counts.total), highspy().kHighsInf
        lower = [-inf, -inf if need is None else need / self.scale, *[0.0] * kinds, *self.most]
        upper = [limit, inf, *[0.0] * kinds, *self.most]
        for least, greatest in zip(lower, upper, strict=True):
            self.highs.addRow(least, greatest, 0, [], [])
        # Of whole plans of equal score the one of the fewest moves is wanted, where scores are blocks.
        self.per_move = 1.0 / (limit + 1) if whole and self.scale == 1 else 0.0
        self.highs.setOptionValue("mip_rel_gap", 0.0)
        self.highs.setOptionValue("mip_abs_gap", 0.5 * self.per_move if need is None else 0.5)

    def add(self, columns: list[Column]) -> None:
        """Add columns."""
        costs: list[float] = []
        starts: list[int] = []
        index: list[int] = []
        value: list[float] = []
        for column in columns:
            score = column.score / self.scale
            costs.append(score - self.per_move * column.moves if self.need is None else -float(column.moves))
            entries: dict[int, float] = defaultdict(float)
            entries[0], entries[1], entries[2 + len(self.hosts.counts.total) + column.host] = column.moves, score, 1.0
            for kind, by in zip(self.kinds, column.net, strict=True):
                entries[2 + kind] += by
            starts.append(len(index))
            index += [row for row, by in entries.items() if by]
            value += [by for by in entries.values() if by]
        most = self.most[[column.host for column in columns]]
        zeros, first = np.zeros(len(columns)), self.highs.getNumCol()
        arrays = np.array(starts, np.int32), np.array(index, np.int32), np.array(value)
        self.highs.addCols(len(columns), np.array(costs), zeros, most, len(index), *arrays)
        if self.whole:
            integer = np.full(len(columns), int(highspy().HighsVarType.kInteger), np.uint8)
            self.highs.changeColsIntegrality(
                len(columns), np.arange(first, first + len(columns), dtype=np.int32), integer
            )

    def prices(self, grain: int) -> tuple[float, int, int, Array, Array]:
        """Return the value and the dual prices of a solution, in whole numbers of which ``grain`` make 1.

        Returns:
            The value (not in whole numbers), what each VM that leaves pays for the limit, what a score of 1 is worth
            for what is needed, (F,) what a VM pays for entering, and (H,) what a host earns (not in whole numbers).
        """
        dual = np.array(self.highs.getSolution().row_dual)
        kinds = len(self.hosts.counts.total)
        value = float(self.highs.getInfo().objective_function_value)
        pay = np.rint(grain * dual[2 : 2 + kinds]).astype(np.int64)
        return value, max(0, round(grain * dual[0])), max(0, -round(grain * dual[1])), pay, dual[2 + kinds :]
