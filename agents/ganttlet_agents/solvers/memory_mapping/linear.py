"""A CP-SAT model of literals, clauses and linear constraints as an integer programme for HiGHS.

Literals stay whole; amounts may be fractions, which can only lower the bound.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ganttlet_agents.solvers.highs_run import highspy, new_highs, run_highs

FREE = 2**62
TOLERANCE = 1e-6  # relative, taken off what HiGHS proves in float64


class Linear:
    """The integer programme of a CP-SAT model to be minimised.

    Args:
        model: the CpModel.
        scale: amounts are divided by it, so that numbers stay small.
        seed: HiGHS' random seed.

    Raises:
        MissingExtraError: if HiGHS is not installed.
    """

    def __init__(self, model: Any, scale: float, seed: int = 0) -> None:
        proto = model.proto
        domains = [list(variable.domain) for variable in proto.variables]
        self.low = np.array([domain[0] for domain in domains], np.float64)
        self.high = np.array([domain[-1] for domain in domains], np.float64)
        self.whole = (self.low >= 0) & (self.high <= 1)
        self.unit = np.where(self.whole, 1.0, scale)
        self.scale = scale
        self._rows: list[dict[int, float]] = []
        self._bounds: list[tuple[float, float]] = []
        for constraint in proto.constraints:
            self._constraint(constraint)
        self.cost = np.zeros(len(domains))
        for v, c in zip(proto.objective.vars, proto.objective.coeffs, strict=True):
            self.cost[v] += c * self.unit[v] / scale
        self.offset = float(proto.objective.offset)
        self.hints = dict(zip(proto.solution_hint.vars, proto.solution_hint.values, strict=True))
        self.highs = new_highs(seed)
        self.value = np.zeros(len(domains))
        self._pass()

    def _constraint(self, constraint: Any) -> None:
        given = [-literal - 1 for literal in constraint.enforcement_literal]
        if constraint.has_linear():
            assert not given, "the model enforces no linear constraint"
            domain = list(constraint.linear.domain)
            self._row(constraint.linear.vars, constraint.linear.coeffs, domain[0], domain[-1])
        elif constraint.has_bool_or():
            literals = [*constraint.bool_or.literals, *given]
            self._row(literals, [1] * len(literals), 1, FREE)
        else:
            assert constraint.has_bool_and(), "the model has clauses and linear constraints only"
            for literal in constraint.bool_and.literals:
                self._row([literal, *given], [1] * (1 + len(given)), 1, FREE)

    def _row(self, variables: Iterable[int], factors: Iterable[int], low: float, high: float) -> None:
        row: dict[int, float] = {}
        fixed = 0
        for v, c in zip(variables, factors, strict=True):
            if v < 0:  # the literal's negation
                v, c, fixed = -v - 1, -c, fixed + c
            row[v] = row.get(v, 0) + c
        amounts = max(map(abs, row.values()), default=1) > 1 or not all(self.whole[v] for v in row)
        by = self.scale if amounts else 1.0
        self._rows.append({v: c * self.unit[v] / by for v, c in row.items()})
        self._bounds.append(
            (-np.inf if low <= -FREE else (low - fixed) / by, np.inf if high >= FREE else (high - fixed) / by)
        )

    def _pass(self) -> None:
        module = highspy()
        program = module.HighsLp()
        program.num_col_, program.num_row_ = len(self.cost), len(self._rows)
        program.col_cost_ = self.cost
        program.col_lower_, program.col_upper_ = self.low / self.unit, self.high / self.unit
        program.row_lower_ = np.array([low for low, _ in self._bounds])
        program.row_upper_ = np.array([high for _, high in self._bounds])
        matrix = program.a_matrix_
        matrix.format_ = module.MatrixFormat.kRowwise
        matrix.start_ = np.cumsum([0, *map(len, self._rows)]).astype(np.int32)
        matrix.index_ = np.array([v for row in self._rows for v in row], np.int32)
        matrix.value_ = np.array([c for row in self._rows for c in row.values()], np.float64)
        self.highs.passModel(program)
        self.highs.changeObjectiveSense(module.ObjSense.kMinimize)

    def relax(self, seconds: float) -> float:
        """Return a lower bound, that of the relaxation in which literals may be fractions; 0 if time is too short."""
        run_highs(self.highs, seconds)
        if self.highs.getModelStatus() != highspy().HighsModelStatus.kOptimal:
            return 0.0
        return self._proved(self.highs.getInfo().objective_function_value)

    def solve(self, seconds: float) -> tuple[bool, bool, float]:
        """Return whether a solution was found, whether it is optimal, and a lower bound; ``value`` is the solution."""
        module, count = highspy(), len(self.cost)
        whole = np.flatnonzero(self.whole).astype(np.int32)
        kinds = np.full(len(whole), int(module.HighsVarType.kInteger), np.uint8)
        self.highs.changeColsIntegrality(len(whole), whole, kinds)
        known = np.array([v for v in self.hints if self.whole[v]], np.int32)
        if len(known):
            self.highs.setSolution(len(known), known, np.array([float(self.hints[v]) for v in known.tolist()]))
        self.highs.setOptionValue("mip_rel_gap", TOLERANCE)
        found = run_highs(self.highs, seconds)
        info = self.highs.getInfo()
        if found:
            self.value = np.array(self.highs.getSolution().col_value[:count]) * self.unit
        bound = float(info.mip_dual_bound)
        optimal = found and self.highs.getModelStatus() == module.HighsModelStatus.kOptimal
        return found, optimal, self._proved(bound) if np.isfinite(bound) else 0.0

    def _proved(self, bound: float) -> float:
        return (bound * self.scale + self.offset) * (1 - TOLERANCE)
