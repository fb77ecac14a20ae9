"""A mapping as a solution of the model for CP-SAT to start from; what rounding breaks, CP-SAT repairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.memory_mapping.solution import Mapping
from ganttlet_agents.solvers.memory_mapping.model import Gap, Line, Model


class Hint:
    """Gives every variable of a model the value that a mapping means."""

    def __init__(self, model: Model, mapping: Mapping) -> None:
        self.model, self.mapping = model, mapping
        self.taken = [0] * model.count
        self.moves: list[dict[int, float]] = [{} for _ in mapping.copy_buffer]
        deadline = mapping.copy_deadline[mapping.move_copy]
        moves = zip(mapping.move_copy.tolist(), mapping.move_time.tolist(), mapping.move_us.tolist(), strict=True)
        for (c, t, us), end in zip(moves, deadline.tolist(), strict=True):
            if t < end:
                self.moves[c][t] = self.moves[c].get(t, 0.0) + us
        self.copies: list[list[int]] = [[] for _ in range(model.program.n_buffers)]
        self.rects: list[list[int]] = [[] for _ in range(model.program.n_buffers)]
        for c, b in enumerate(mapping.copy_buffer.tolist()):
            self.copies[b].append(c)
        for r, b in enumerate(mapping.rect_buffer.tolist()):
            self.rects[b].append(r)
        for line in model.lines:
            self._line(line)
        self._instructions()

    def _set(self, variable: Any, value: Any) -> None:
        if variable is not None and not isinstance(variable, int):
            self.model.model.add_hint(variable, int(value))

    def _kept(self, line: Line, i: int) -> bool:
        times, fast = line.life.times, self.mapping.fast
        if i == 0 or not (fast[line.life.slots[i - 1]] == 1 and fast[line.life.slots[i]] == 1):
            return False
        start, end = self.mapping.rect_start, self.mapping.rect_end
        return any(start[r] <= times[i - 1] and times[i] <= end[r] for r in self.rects[line.life.buffer])

    def _line(self, line: Line) -> None:
        life, mapping, size = line.life, self.mapping, self.model.units.size[line.life.buffer]
        fast = [mapping.fast[k] == 1 for k in life.slots]
        keep = [self._kept(line, i) for i in range(len(fast))]
        chain = bool(fast[0]) and life.result
        chains = [chain]
        for i in range(1, len(fast)):
            chain = chain and keep[i]
            chains.append(chain)
        flight: list[int | None] = [None] * len(fast)  # the copy that is under way before each slot
        for i in range(len(fast)):
            if fast[i] and not keep[i] and not (i == 0 and life.result):
                arriving = [
                    c
                    for c in self.copies[life.buffer]
                    if not mapping.copy_out[c] and mapping.copy_deadline[c] <= life.times[i]
                ]
                copy = max(arriving, key=lambda c: int(mapping.copy_deadline[c]), default=None)
                at = i
                while copy is not None and at >= 0 and line.gaps[at] is not None:
                    flight[at] = copy
                    at -= 1
                    if at < 0 or fast[at] or min(self.moves[copy], default=life.times[at] + 1) > life.times[at]:
                        break
        came = 0
        for i, t in enumerate(life.times):
            self._set(line.fast[i], fast[i])
            self._set(line.keep[i], keep[i])
            if i and line.chain[i] is not line.keep[i]:
                self._set(line.chain[i], chains[i])
            gap = line.gaps[i]
            if gap is None:
                continue
            fetched = fast[i] and not keep[i]
            goes_on = not fast[i] and i + 1 < len(fast) and flight[i] is not None and flight[i + 1] == flight[i]
            came = self._gap(gap, t, flight[i], came, size)
            self._set(gap.stall, size - came if fetched else 0)
            across = self._moved(flight[i], t, t + 1) if goes_on else 0
            carried = min(size, came + across) if goes_on else 0
            self._set(line.carry[i], goes_on)
            self._set(line.across[i], carried - came if goes_on else 0)
            self._set(line.carried[i], carried)
            if goes_on:
                self.taken[t] += carried - came
            came = carried
        if line.written is not None:
            self._write_back(line, chains, size)

    def _moved(self, copy: int | None, start: int, end: int) -> int:
        if copy is None:
            return 0
        return int(sum(us for t, us in self.moves[copy].items() if start <= t < end) / self.model.units.microseconds)

    def _gap(self, gap: Gap, t: int, copy: int | None, came: int, size: int) -> int:
        """Set what flies in a gap; return what has come at its end."""
        first = min(self.moves[copy], default=t) if copy is not None else t
        early = min(size - came, self._moved(copy, gap.start, gap.first)) if gap.early is not None else 0
        self._set(gap.early, early)
        before, came = came, came + early
        for j, (fly, arrived) in enumerate(zip(gap.fly, gap.arrived, strict=True), gap.first):
            moved = min(size - came, self._moved(copy, j, j + 1))
            self.taken[j] += moved
            came += moved
            self._set(fly, copy is not None and (first <= j or before > 0 or early > 0))
            self._set(arrived, came)
        return came

    def _write_back(self, line: Line, chains: list[bool], size: int) -> None:
        life, count = line.life, len(line.life.slots)
        copy = next((c for c in self.copies[life.buffer] if self.mapping.copy_out[c]), None) if chains[0] else None
        self._set(line.written, copy is not None)
        last = max(self.moves[copy], default=-1) if copy is not None else -1
        rest = size if copy is not None else 0
        for i, gap in enumerate(line.gaps):
            if gap is None:
                continue
            there, after = chains[i - 1], i < count and chains[i]
            for j, (stay, back) in enumerate(zip(gap.stay, gap.back, strict=True), gap.start):
                stays = there and not after and j <= last
                moved = min(rest, self._moved(copy, j, j + 1)) if stays or after else 0
                self._set(stay, stays)
                self._set(back, moved)
                self.taken[j] += moved
                rest -= moved
            late = 0
            if gap.late is not None and after:
                end = life.times[i] if i < count else self.model.count
                late = min(rest, self._moved(copy, gap.start + len(gap.back), end))
                rest -= late
            self._set(gap.late, late)
            if i < count and line.beside[i] is not None:
                t = life.times[i]
                moved = min(rest, self._moved(copy, t, t + 1)) if after else 0
                self._set(line.beside[i], moved)
                self.taken[t] += moved
                rest -= moved
        self._set(line.wait, rest)

    def _instructions(self) -> None:
        units, program = self.model.units, self.model.program
        fast = self.mapping.fast == 1
        for t, length in enumerate(self.model.latency):
            mine = np.arange(program.first_slot[t], program.first_slot[t + 1])[
                fast[program.first_slot[t] : program.first_slot[t + 1]]
            ]
            saved, freed = sum(units.saved[k] for k in mine), sum(units.freed[k] for k in mine)
            busy = units.moved[t] - freed + self.taken[t] - 1
            self._set(length, max(0, units.least[t], units.moved[t] - saved, busy))
