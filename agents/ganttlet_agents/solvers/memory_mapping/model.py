"""The CP-SAT model of memory mapping: capacity as a sum of sizes, places left out.

It is a relaxation of what ``validate`` accepts. Without loss for the optimum: a buffer has one rectangle at a time; it
is kept if it lies in fast memory at a use and at the next; a copy to fast memory ends at the use that it serves; a
write-back happens while the result lies in fast memory since its definition.

Per slot of a buffer: ``fast``; ``keep``, it stays since the slot before; ``carry``, a copy for a later slot is under
way across this one, which is slow. Between two slots, per instruction: ``fly`` (a copy to fast memory occupies its
place), ``arrived`` (how much of it has come), ``stay`` (the place is occupied until the write-back is done) and
``back`` (how much is written back there).

At most ``window`` instructions before a use (after it, for ``stay``) are written out. What a copy moves farther away
takes from what is left of slow memory's time, up to there or in all, and occupies no place: less is asked for than
``validate`` does, so that the bound holds for every window.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ganttlet.memory_mapping.instance import Program
from ganttlet_agents.solvers.cpsat_run import cp_model
from ganttlet_agents.solvers.memory_mapping.units import Life, Units, lives_of, units_of


@dataclass
class Gap:
    """What may happen between two slots of a buffer, the second of which it belongs to; after the last one, to none.

    Fields:
        first: first instruction that is written out for copies to fast memory.
        fly, arrived: a literal and an amount for each instruction from ``first`` to the one before the slot.
        early: amount that arrived before ``first``, None if nothing is left out.
        stall: amount that the slot waits for.
        start: first instruction after the slot before.
        stay, back: a literal and an amount for each instruction from ``start`` on.
        late: amount written back after those, None if nothing is left out.
    """

    start: int
    first: int = 0
    fly: list[Any] = field(default_factory=list)
    arrived: list[Any] = field(default_factory=list)
    early: Any = None
    stall: Any = None
    stay: list[Any] = field(default_factory=list)
    back: list[Any] = field(default_factory=list)
    late: Any = None


@dataclass
class Line:
    """The variables of one buffer, those of slots in the order of ``life.slots``.

    Fields:
        fast, keep, carry: literals, None where not possible.
        carried, across: amounts: on the way across the slot; moved during its instruction.
        chain: literals of a result: in fast memory since its definition.
        beside: amounts of a result, written back during the slot's instruction.
        gaps: as many as slots, and one more for outputs; None before a result.
        written: literal, None if never written back; wait: amount waited for when written back.
    """

    life: Life
    fast: list[Any]
    keep: list[Any]
    carry: list[Any]
    carried: list[Any]
    across: list[Any]
    chain: list[Any]
    beside: list[Any]
    gaps: list[Gap | None]
    written: Any = None
    wait: Any = None


def _lists(count: int) -> Any:
    return ([None] * count for _ in range(7))


class Model:
    """The CP-SAT model of a program.

    Args:
        program: the program.
        window: instructions before uses that are written out.
        digits: binary digits of the latency with everything slow, in units.

    Attributes:
        model: the CpModel; its objective is the latency in ``units``.
        lines: the variables of every buffer that fits into fast memory.
        latency: (T,) variables, time of each instruction.
    """

    def __init__(self, program: Program, window: int, digits: int) -> None:
        self.program, self.window, self.units = program, window, units_of(program, digits)
        self.model = cp_model().CpModel()
        n = self.count = program.n_instructions
        self.room: list[list[tuple[int, Any]]] = [[] for _ in range(n)]
        self.take: list[list[Any]] = [[] for _ in range(n)]
        self.early: list[list[Any]] = [[] for _ in range(n)]
        self.late: list[Any] = []
        self.cost: list[Any] = []
        self.lines = [self._line(life) for life in lives_of(program)]
        self.latency = self._instructions(self.units)
        self.model.minimize(sum(self.latency) + sum(self.cost))

    def _bool(self) -> Any:
        return self.model.new_bool_var("")

    def _amount(self, most: int) -> Any:
        return self.model.new_int_var(0, most, "")

    def _line(self, life: Life) -> Line:
        model, size = self.model, self.units.size[life.buffer]
        room = self.units.room[life.buffer]
        count = len(life.slots)
        line = Line(life, [self._bool() for _ in life.slots], *_lists(count))
        for i, t in enumerate(life.times):
            self.room[t].append((room, line.fast[i]))
            if i == 0 and life.result:
                line.chain[0] = line.fast[0]
                continue
            start = life.times[i - 1] + 1 if i else 0
            gap = line.gaps[i] = Gap(start)
            if i:
                line.keep[i] = keep = self._bool()
                model.add_implication(keep, line.fast[i - 1])
                model.add_implication(keep, line.fast[i])
                for j in range(start, t):
                    self.room[j].append((room, keep))
            if i + 1 < count:
                line.carry[i], line.carried[i], line.across[i] = self._bool(), self._amount(size), self._amount(size)
                model.add_implication(line.carry[i], line.fast[i].negated())
                self.room[t].append((room, line.carry[i]))
            self._copy(line, i, gap, t, size, room)
        if life.result and (count > 1 or life.output):
            self._write_back(line, size, room)
        return line

    def _copy(self, line: Line, i: int, gap: Gap, t: int, size: int, room: int) -> None:
        """Add the copy to fast memory that ends at slot ``i`` or goes on across it."""
        model, fast, keep, carry = self.model, line.fast[i], line.keep[i], line.carry[i]
        before = line.carry[i - 1] if i else None
        gap.first = max(gap.start, t - self.window)
        came: Any = line.carried[i - 1] if before is not None else 0
        fetch = fast - (0 if keep is None else keep)
        if gap.first > gap.start:
            gap.early = self._amount(size)
            self.early[gap.first].append(gap.early)
            came = came + gap.early
        for j in range(gap.first, t):
            fly, arrived = self._bool(), self._amount(size)
            model.add(arrived <= size * fly)
            if gap.fly:
                model.add_implication(gap.fly[-1], fly)
            self.take[j].append(arrived - came)
            model.add(arrived >= came)
            self.room[j].append((room, fly))
            gap.fly.append(fly)
            gap.arrived.append(arrived)
            came = arrived
        if gap.fly:
            # Nothing flies but what serves this slot or goes on; and what goes on has been flying.
            model.add(gap.fly[-1] <= fetch + (0 if carry is None else carry))
            if before is not None and gap.first == gap.start:
                model.add_implication(before, gap.fly[0])
        gap.stall = self._amount(size)
        self.cost.append(gap.stall)
        model.add(came + gap.stall >= size * fetch)
        if carry is not None:
            self.take[t].append(line.across[i])
            model.add(line.carried[i] <= size * carry)
            model.add(line.carried[i] <= came + line.across[i])

    def _write_back(self, line: Line, size: int, room: int) -> None:
        """Add the write-back of a result."""
        model, life, count = self.model, line.life, len(line.life.slots)
        line.written, line.wait = self._bool(), self._amount(size)
        self.cost.append(line.wait)
        parts = [line.wait]
        for i in range(1, count + life.output):
            start, end = life.times[i - 1] + 1, life.times[i] if i < count else self.count
            chain: Any = 0
            if i < count:
                chain = line.chain[i] = self._bool() if i > 1 else line.keep[1]
                if i > 1:
                    model.add_implication(chain, line.chain[i - 1])
                    model.add_implication(chain, line.keep[i])
                    model.add_bool_or([chain, line.chain[i - 1].negated(), line.keep[i].negated()])
                gap = line.gaps[i]
            else:
                gap = Gap(start)
                line.gaps.append(gap)
            assert gap is not None, "only a definition has no gap before it"
            self._stay(line, gap, end, line.chain[i - 1], chain, size, room, parts)
            if i < count:
                line.beside[i] = beside = self._amount(size)
                model.add(beside <= size * chain)
                self.take[life.times[i]].append(beside)
                parts.append(beside)
        model.add(sum(parts) >= size * line.written)
        # The content is there from the next instruction on, and during it at least it must be.
        after, nearest = life.times[0] + 1, line.gaps[1] if len(line.gaps) > 1 else None
        assert nearest is not None, "there is a second slot, or the end of the program"
        if after + 1 >= self.count:
            # Nothing can be waited for after the last instruction.
            model.add(line.wait == 0)
        if after == self.count:
            model.add(line.fast[0] == 0)
        elif nearest.stay:
            model.add(nearest.stay[0] + (line.chain[1] if count > 1 else 0) >= line.written)
            if nearest.fly and nearest.first == after:
                model.add_implication(line.fast[0], nearest.fly[0].negated())
        else:
            model.add_implication(line.fast[0], line.chain[1])
        if life.output:
            model.add_implication(line.fast[0], line.written)
        else:
            model.add_bool_or([line.written, line.fast[0].negated(), line.chain[count - 1]])

    def _stay(
        self, line: Line, gap: Gap, end: int, before: Any, chain: Any, size: int, room: int, parts: list[Any]
    ) -> None:
        """Add what is written back in a gap: while the buffer is kept through it, or until its place is given up."""
        model = self.model
        there: Any = chain
        for j in range(gap.start, min(end, gap.start + self.window)):
            stay, back = self._bool(), self._amount(size)
            if gap.stay:
                model.add_implication(stay, gap.stay[-1])
            else:
                model.add(stay <= before - chain)
            if gap.fly and j >= gap.first:
                model.add_bool_or([stay.negated(), gap.fly[j - gap.first].negated()])
            there = stay + chain
            model.add(back <= size * there)
            self.take[j].append(back)
            self.room[j].append((room, stay))
            gap.stay.append(stay)
            gap.back.append(back)
            parts.append(back)
        if end > gap.start + self.window:
            gap.late = self._amount(size)
            model.add(gap.late <= size * there)
            self.late.append(gap.late)
            parts.append(gap.late)

    def _instructions(self, units: Units) -> list[Any]:
        model, program = self.model, self.program
        fast = {k: line.fast[i] for line in self.lines for i, k in enumerate(line.life.slots)}
        most = sum(units.moved) + sum(units.least) + sum(units.size) + self.count
        latency, spare, pool = [], [], None
        for t in range(self.count):
            slots = [k for k in range(program.first_slot[t], program.first_slot[t + 1]) if k in fast]
            floor = max(units.least[t], units.moved[t] - sum(units.saved[k] for k in slots))
            length = model.new_int_var(max(0, floor), most, "")
            memory = units.moved[t] - sum(units.saved[k] * fast[k] for k in slots)
            model.add(length >= memory)
            if t == self.count - 1:
                # A longer time stands for a stall; after the last instruction there is none. Both sides were rounded.
                bound = self._bool()
                model.add(length <= units.least[t] + 1 + most * bound)
                model.add(length <= memory + len(slots) + 2 + most * (1 - bound))
            model.add(sum(room * literal for room, literal in self.room[t]) <= units.capacity)
            # One more, since the length was rounded down.
            idle = length + 1 - units.moved[t] + sum(units.freed[k] * fast[k] for k in slots) - sum(self.take[t])
            if self.early_needed:
                left = self._amount(most)
                model.add(left <= idle)
                spare.append(left)
                stock = self._amount(most * self.count)
                model.add(stock <= (0 if pool is None else pool) + left - sum(self.early[t]))
                pool = stock
            else:
                model.add(idle >= 0)
            latency.append(length)
        if self.late:
            model.add(sum(self.late) <= sum(spare))
        return latency

    @property
    def early_needed(self) -> bool:
        """Whether any copy may move outside of the window."""
        return bool(self.late) or any(self.early)
