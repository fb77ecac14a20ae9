"""Least latency of a program: a mapping and a bound that holds for every mapping that ``validate`` accepts.

The model (``model.py``) leaves places out. Its solution is turned into rectangles, which then get their offsets
(``packing.py``); what finds no place is served from slow memory, and the simulator of copies charges what that costs.
So the latency is that of a validated mapping, and the bound that of the model: with places left out, it may be lower
than any mapping's latency, and than any play of the environment's game, whose offsets and copies follow fixed rules.

HiGHS works in float64: its bounds are lowered by a millionth. CP-SAT works in whole numbers, rounded as ``units.py``
says.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.options import as_count, as_number, as_seed
from ganttlet.memory_mapping.bounds import lower_bound
from ganttlet.memory_mapping.instance import Program
from ganttlet.memory_mapping.library import resolve
from ganttlet.memory_mapping.solution import Mapping, all_slow_mapping, measure, validate
from ganttlet_agents.rules.memory_mapping import best_of, run_belady, run_evolution, run_greedy, run_msa_best
from ganttlet_agents.solvers.cpsat_run import check_limits, make_solver, run_solver
from ganttlet_agents.solvers.memory_mapping.cosma import solve_cosma
from ganttlet_agents.solvers.memory_mapping.hints import Hint
from ganttlet_agents.solvers.memory_mapping.linear import Linear
from ganttlet_agents.solvers.memory_mapping.model import Model
from ganttlet_agents.solvers.memory_mapping.place import place
from ganttlet_agents.solvers.memory_mapping.plan import stays_of
from ganttlet_agents.solvers.memory_mapping.result import DEFAULT_TIME, SolverResult
from ganttlet_agents.solvers.memory_mapping.units import lives_of

CLOSE = 1e-4  # relative; a mapping this close to the bound is called optimal
PACKING = 0.2  # share of the time for offsets, if they are needed
WRITTEN_OUT = 3000  # instructions between slots, in all buffers, that a window is chosen for
PLAYS, SHARE = 2000, 1 / 8  # of the hint's search, and of the time limit
# Binary digits of the latency with everything slow. CP-SAT often improves by single units, so it gets fewer of them.
FINE, COARSE = 25, 16


def _evolution(program: Program, seconds: float, placement: str) -> Mapping:
    return run_evolution(program, budget=PLAYS, seconds=seconds, start="best", placement=placement)[0]


def _fewest_bytes(program: Program, seconds: float) -> Mapping:
    return solve_cosma(program, stream=True, time_limit=seconds).mapping or all_slow_mapping(program)


def _best(program: Program, seconds: float) -> Mapping:
    return best_of(program, "latency", (find(program, seconds) for name, find in HINTS.items() if name != "best"))


Find = Callable[[Program, float], Mapping]
HINTS: dict[str, Find] = {
    "greedy": lambda program, seconds: run_greedy(program)[0],
    "belady": lambda program, seconds: run_belady(program)[0],
    "msa_best": lambda program, seconds: run_msa_best(program)[0],
    "cosma": _fewest_bytes,
    "evolution": lambda program, seconds: _evolution(program, seconds, "first_fit"),
    "reserve": lambda program, seconds: _evolution(program, seconds, "reserve"),
    "best": _best,
}


def choose_window(program: Program, most: int = WRITTEN_OUT) -> int:
    """Return the most instructions before uses that are written out with at most ``most`` of them in all."""
    gaps = []
    for life in lives_of(program):
        times = [-1, *life.times] if not life.result else life.times
        gaps += np.diff(times).tolist()
    length = np.array(gaps, np.int64) - 1
    low, high = 1, max(1, program.n_instructions)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if np.minimum(length, middle).sum() <= most else (low, middle - 1)
    return low


def solve_latency(
    program: Program | str,
    engine: str = "mip",
    *,
    time_limit: float = DEFAULT_TIME,
    workers: int | None = None,
    window: int | None = None,
    hint: str | Mapping | None = "best",
    seed: int = 0,
) -> SolverResult:
    """Search for the mapping of least latency.

    Args:
        program: the program, or whatever ``ganttlet.memory_mapping.resolve`` makes one of.
        engine: ``mip`` (HiGHS, one thread) or ``cpsat`` (CP-SAT, after HiGHS' bound of the relaxation).
        time_limit: wall-clock limit in seconds; offsets that need a search may take a fifth more.
        workers: CP-SAT's threads; all cores if None.
        window: instructions before a use (after it, for write-backs) that are written out; chosen by the program's
            size if None. The bound holds for every window, and is tighter for a wider one.
        hint: one of HINTS or a mapping, to start from and to be returned if nothing better is found; or None.
            ``reserve`` is evolution with that placement, ``best`` the best of all the others.
        seed: of the solvers.

    Raises:
        InputError: for an option out of range, an infeasible hint, or fast memory slower than slow memory.
        MissingExtraError: if OR-Tools or HiGHS is not installed.
    """
    begun = time.perf_counter()
    program = resolve(program)
    check_choice("engine", engine, ("mip", "cpsat"))
    as_number("time_limit", time_limit, 0.0, float("inf"))
    check_limits(time_limit, None, workers)
    window = choose_window(program) if window is None else as_count("window", window)
    seed = as_seed("seed", seed)
    best = _hint(program, hint, SHARE * time_limit)
    model = Model(program, window, FINE if engine == "mip" else COARSE + program.n_instructions.bit_length())
    if best is not None:
        Hint(model, best)
    left = time_limit - (time.perf_counter() - begun)
    word, bound, value = (_mip if engine == "mip" else _cpsat)(model, max(left, 0.1), workers, seed)
    status = word if best is None else f"{word}, hint kept"
    if value is not None:
        found, _ = place(program, stays_of(model, value), PACKING * time_limit, workers, seed)
        if best is None or _latency(program, found) < _latency(program, best):
            best, status = found, word
    bound = max(lower_bound(program), bound * model.units.microseconds)
    latency = None if best is None else _latency(program, best)
    optimal = latency is not None and latency <= bound * (1 + CLOSE)
    return SolverResult(best, latency, bound, optimal, status, time.perf_counter() - begun, window)


def _hint(program: Program, hint: str | Mapping | None, seconds: float) -> Mapping | None:
    if isinstance(hint, str):
        check_choice("hint", hint, HINTS)
        return HINTS[hint](program, seconds)
    if hint is not None:
        verdict = validate(program, hint)
        if not verdict.feasible:
            raise InputError(f"hint for {program.name} is infeasible: {verdict.violations[0].message}")
    return hint


def _latency(program: Program, mapping: Mapping) -> float:
    return measure(program, mapping)["latency"]


def _mip(model: Model, seconds: float, workers: int | None, seed: int) -> tuple[str, float, Any]:
    program = Linear(model.model, _scale(model), seed)
    found, optimal, bound = program.solve(seconds)
    word = "optimal" if optimal else "feasible" if found else "unknown"
    return word, bound, (lambda variable: round(program.value[variable.index])) if found else None


def _cpsat(model: Model, seconds: float, workers: int | None, seed: int) -> tuple[str, float, Any]:
    begun = time.perf_counter()
    bound = Linear(model.model, _scale(model), seed).relax(seconds / 2)
    solver = make_solver(max(0.1, seconds - (time.perf_counter() - begun)), None, workers, seed)
    solver.parameters.relative_gap_limit = CLOSE / 10
    word = run_solver(solver, model.model, model.program.name)
    if np.isfinite(solver.best_objective_bound):
        bound = max(bound, solver.best_objective_bound)
    return word, bound, None if word == "unknown" else solver.value


def _scale(model: Model) -> float:
    return max(1.0, model.program.all_slow / model.units.microseconds / 1024)
