"""Fewest bytes between the memories in a fixed order of instructions, after COSMA.

Source: Li, Gupta, Malik, arXiv 2311.18246, whose integer programme decides order, places and movement; here the order
is the program's own, so that its steps are constants, and movement and places are found one after the other. Operands
and results that are used later lie in fast memory; results that leave the program may be streamed, and so are buffers
larger than fast memory; with ``stream`` whatever saves bytes by it, and then the bound holds for every mapping. Between
two slots a buffer is kept or not; what is not kept is retrieved for the next slot, and a result is spilled once before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.options import as_number, as_seed
from ganttlet.memory_mapping.bounds import compulsory_bytes
from ganttlet.memory_mapping.instance import TEMP, Program
from ganttlet.memory_mapping.library import resolve
from ganttlet.memory_mapping.solution import all_slow_mapping, measure
from ganttlet_agents.evaluation.methods import Outcome
from ganttlet_agents.solvers.cpsat_run import cp_model
from ganttlet_agents.solvers.memory_mapping.linear import TOLERANCE, Linear
from ganttlet_agents.solvers.memory_mapping.place import place
from ganttlet_agents.solvers.memory_mapping.plan import Stay
from ganttlet_agents.solvers.memory_mapping.result import DEFAULT_TIME, SolverResult
from ganttlet_agents.solvers.memory_mapping.units import Life, lives_of


def activations_only(program: Program) -> Program:
    """Return the program without parameters, inputs and constants, as most published figures of COSMA count it.

    Raises:
        InputError: if nothing else is left.
    """
    kept = program.buffer_kind >= TEMP
    slots = kept[program.slot_buffer]
    number = np.cumsum(kept) - 1
    if not slots.any():
        raise InputError(f"program {program.name}: it has parameters and inputs only")
    return replace(
        program,
        size=program.size[kept],
        buffer_kind=program.buffer_kind[kept],
        defined=program.defined[kept],
        slot_time=program.slot_time[slots],
        slot_buffer=number[program.slot_buffer[slots]],
        slot_role=program.slot_role[slots],
        slot_bytes=program.slot_bytes[slots],
        buffer_name=program.buffer_name[kept] if len(program.buffer_name) else None,
    )


def solve_cosma(
    program: Program | str, *, stream: bool = False, time_limit: float = DEFAULT_TIME, seed: int = 0
) -> SolverResult:
    """Search for the mapping that moves fewest bytes from and to slow memory; time does not count.

    Args:
        program: the program, or whatever ``ganttlet.memory_mapping.resolve`` makes one of.
        stream: whether instructions may use slow memory where that saves bytes.
        time_limit: wall-clock limit in seconds; offsets that need a search may take a fifth more.
        seed: of the solvers.

    Returns:
        The result, whose value and bound are ``slow_bytes``. Without ``stream`` the bound holds for mappings whose
        operands lie in fast memory. ``optimal``: the value is within two millionths of the bound.

    Raises:
        InputError: if, without ``stream``, the operands and results of an instruction do not fit together.
        MissingExtraError: if OR-Tools or HiGHS is not installed.
    """
    begun = time.perf_counter()
    program = resolve(program)
    as_number("time_limit", time_limit, 0.0, float("inf"))
    seed = as_seed("seed", seed)
    model = _Model(program, stream)
    linear = Linear(model.model, max(1.0, model.total / 1024), seed)
    found, _, bound = linear.solve(max(0.1, time_limit - (time.perf_counter() - begun)))
    best, status = all_slow_mapping(program) if stream else None, "unknown"
    if found:
        stays = model.stays(lambda variable: bool(round(linear.value[variable.index])))
        best, left_out = place(program, stays, 0.2 * time_limit, None, seed)
        status = f"{left_out} of {len(stays)} rectangles found no place" if left_out else "placed"
    # Whole multiples of a common divisor: what lies between two of them is rounded up.
    least = math.ceil(bound / model.step - 1e-6) * model.step + model.fixed - model.open
    value = None if best is None else measure(program, best)["slow_bytes"]
    least = max(least, compulsory_bytes(program))
    optimal = value is not None and value <= least * (1 + 2 * TOLERANCE)
    return SolverResult(best, value, float(least), optimal, status, time.perf_counter() - begun, 0)


class _Model:
    """The integer programme of what is kept."""

    def __init__(self, program: Program, stream: bool) -> None:
        self.program, self.stream = program, stream
        self.model = model = cp_model().CpModel()
        self.room: list[list[tuple[int, Any]]] = [[] for _ in range(program.n_instructions)]
        self.lines: list[tuple[Life, list[Any], list[Any], Any]] = []
        self.cost: list[tuple[int, Any]] = []
        self.fixed = self.open = 0
        lives = lives_of(program)
        for life in lives:
            self._line(life)
        mine = {life.buffer for life in lives}
        streamed = [k for k in range(program.n_slots) if int(program.slot_buffer[k]) not in mine]
        self.fixed += int(program.slot_bytes[streamed].sum())
        self._capacity()
        self.step = math.gcd(*(weight for weight, _ in self.cost)) or 1
        self.total = sum(abs(weight) for weight, _ in self.cost)
        model.minimize(sum(weight * literal for weight, literal in self.cost))

    def _line(self, life: Life) -> None:
        program, model, count = self.program, self.model, len(life.slots)
        size, room = int(program.size[life.buffer]), int(program.aligned[life.buffer])
        fast: list[Any] = [model.new_bool_var("") for _ in life.slots]
        keep: list[Any] = [None] * count
        chain: Any = fast[0]
        for i, (k, t) in enumerate(zip(life.slots, life.times, strict=True)):
            free = self.stream or (life.result and i == 0 and (life.output or count == 1))
            if not free:
                model.add(fast[i] == 1)
            # A slot from slow memory moves its bytes, one that is retrieved the whole buffer.
            self.cost.append((int(program.slot_bytes[k]), fast[i].negated()))
            self.room[t].append((room, fast[i]))
            if i:
                keep[i] = model.new_bool_var("")
                model.add_implication(keep[i], fast[i])
                model.add_implication(keep[i], fast[i - 1])
                self._between(life, i, room, keep[i])
            if i or not life.result:
                fetch = model.new_bool_var("")
                model.add(fetch >= fast[i] - (keep[i] if i else 0))
                self.cost.append((size, fetch))
        spill = None
        if life.result and (count > 1 or life.output):
            spill = model.new_bool_var("")
            self.cost.append((size, spill))
            for i in range(1, count):
                before, chain = chain, model.new_bool_var("")
                model.add_implication(chain, before)
                model.add_implication(chain, keep[i])
            model.add(spill >= fast[0] - (0 if life.output else chain))
            self._after(life, fast[0], keep[1] if count > 1 else None, spill, room)
        self.lines.append((life, fast, keep, spill))

    def _between(self, life: Life, i: int, room: int, keep: Any) -> None:
        """Let a buffer that is kept before slot ``i`` take its place."""
        for j in range(life.times[i - 1] + 1, life.times[i]):
            self.room[j].append((room, keep))

    def _after(self, life: Life, first: Any, keep: Any, spill: Any, room: int) -> None:
        """Let a result that is spilled stay during the instruction after its own: no copy ends before."""
        after = life.times[0] + 1
        if after + 1 >= self.program.n_instructions and life.output:
            # Only idle time of the last instruction, which does not count here, could write an output back in time; it
            # would save no more than bringing it back for that instruction.
            self.model.add(first == 0)
            if len(life.times) > 1:
                self.open += int(self.program.size[life.buffer])
        elif len(life.times) > 1 and life.times[1] == after:
            self.model.add_implication(first, keep)
        else:
            stay = self.model.new_bool_var("")
            self.model.add(stay >= spill - (0 if keep is None else keep))
            self.room[after].append((room, stay))

    def _capacity(self) -> None:
        program = self.program
        for t, here in enumerate(self.room):
            needed = 0 if self.stream else self._needed(t)
            if needed > program.capacity:
                raise InputError(
                    f"program {program.name}: instruction {t} ({program.instruction_label(t)}) needs {needed} bytes of "
                    f"fast memory for operands and results, and there are {program.capacity}; give more, or stream=true"
                )
            # In units of the alignment, which divides every room.
            self.model.add(
                sum(room // program.align * literal for room, literal in here) <= program.capacity // program.align
            )

    def _needed(self, t: int) -> int:
        needed = 0
        for life, _, _, _ in self.lines:
            for i, time_ in enumerate(life.times):
                streams = life.result and i == 0 and (life.output or len(life.times) == 1)
                if time_ == t and not streams:
                    needed += int(self.program.aligned[life.buffer])
        return needed

    def stays(self, true: Any) -> list[Stay]:
        """Return the stays of a solution; ``true`` tells the value of a literal."""
        return [stay for line in self.lines for stay in self._of_line(*line, true)]

    def _of_line(self, life: Life, fast: list[Any], keep: list[Any], spill: Any, true: Any) -> Iterable[Stay]:
        i, count = 0, len(life.slots)
        while i < count:
            if not true(fast[i]):
                i += 1
                continue
            first = i
            while i + 1 < count and true(keep[i + 1]):
                i += 1
            end, back = life.times[i], None
            if first == 0 and life.result and spill is not None and true(spill):
                born = life.times[0]
                deadline = min(max(end + 1, born + 2), self.program.n_instructions)
                back, end = (born + 1, deadline), max(end, deadline - 1)
            yield Stay(life.buffer, life.times[first], end, tuple(life.slots[first : i + 1]), back)
            i += 1


@dataclass(frozen=True)
class Cosma:
    """The method ``solver:cosma``."""

    time: float
    stream: bool
    seed: int | None

    def solve(self, instance: Any, *, objective: str, seed: int) -> Outcome:
        """Return the mapping of fewest bytes; bound and proof only if bytes are the objective."""
        own = seed if self.seed is None else self.seed
        result = solve_cosma(instance, stream=self.stream, time_limit=self.time, seed=own)
        counts = objective == "slow_bytes" and self.stream
        return Outcome(result.mapping, result.bound if counts else None, result.optimal and counts, result.status)

    def warm_up(self, instance: Any, *, objective: str) -> None:
        """Import OR-Tools, which takes about a second."""
        cp_model()
