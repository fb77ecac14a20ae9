"""A machine with two memories that executes a mapping cell by cell, in plain Python: what is read must be there.

It knows nothing of rectangles that overlap or of dirty buffers: a cell holds what was written to it last. It takes
mappings whose rectangles and copies stand in the order in which the game makes them.
"""

from __future__ import annotations

import math
from typing import Any


class Machine:
    """The memories during one run; ``run`` raises AssertionError where a read finds something else, or a move no time.

    Args:
        program, mapping: anything with the fields of a Program and of a Mapping.
    """

    def __init__(self, program: Any, mapping: Any) -> None:
        self.p, self.m = program, mapping
        self.cells: list[Any] = [None] * (program.capacity // program.align)
        self.slow = {b for b, time in enumerate(program.defined.tolist()) if time < 0}
        columns = (program.slot_time, program.slot_buffer, program.slot_role, program.slot_bytes, mapping.fast)
        self.slots = list(zip(*(column.tolist() for column in columns), strict=True))
        columns = (mapping.rect_buffer, mapping.rect_start, mapping.rect_end, mapping.rect_offset)
        self.places = list(zip(*(column.tolist() for column in columns), strict=True))
        columns = (mapping.copy_buffer, mapping.copy_out, mapping.copy_release, mapping.copy_deadline)
        self.copies = list(zip(*(column.tolist() for column in columns), strict=True))
        # The rectangles that are not those of results are those of the copies in, in the same order.
        copied = [place for place in self.places if place[1] != program.defined[place[0]]]
        numbers = [number for number, copy in enumerate(self.copies) if not copy[1]]
        self.target = dict(zip(numbers, copied, strict=True))
        columns = (mapping.move_copy, mapping.move_time, mapping.move_us)
        self.moves = list(zip(*(column.tolist() for column in columns), strict=True))

    def run(self) -> float:
        """Execute all instructions and return their time in µs."""
        total = 0.0
        for time in range(len(self.p.matrix_flops)):
            for number, (_, _, release, deadline) in enumerate(self.copies):
                if deadline == time and release < time:
                    self.finish(number)
            for number, (_, _, release, deadline) in enumerate(self.copies):
                if release == time:
                    self.begin(number)
                    if deadline == time:
                        self.finish(number)
            self.execute(time)
            total += self.length(time) + float(self.m.stall[time])
        for b, kind in enumerate(self.p.buffer_kind.tolist()):
            assert kind != 4 or b in self.slow, f"output {b} is not in slow memory"
        return total

    def span(self, place: tuple[int, int, int, int]) -> list[int]:
        """The cells of a rectangle."""
        buffer, _, _, offset = place
        assert offset % self.p.align == 0
        first, count = offset // self.p.align, -(-int(self.p.size[buffer]) // self.p.align)
        assert 0 <= first <= len(self.cells) - count
        return list(range(first, first + count))

    def begin(self, number: int) -> None:
        buffer, out, release, deadline = self.copies[number]
        if not out:
            assert buffer in self.slow, f"copy {number}: slow memory does not hold buffer {buffer}"
            place = self.target[number]
            assert place[0] == buffer
            assert place[1] <= release <= deadline <= place[2]
            for cell in self.span(place):
                self.cells[cell] = ("under way", number)

    def finish(self, number: int) -> None:
        buffer, out, release, deadline = self.copies[number]
        needed = 1e6 * int(self.p.size[buffer]) / self.p.slow_bandwidth
        moved = [us for copy, time, us in self.moves if copy == number and release <= time <= deadline]
        assert math.isclose(sum(moved), needed, rel_tol=1e-9), f"copy {number} is not done"
        if out:
            self.slow.add(buffer)
        else:
            for cell in self.span(self.target[number]):
                assert self.cells[cell] == ("under way", number)
                self.cells[cell] = buffer

    def execute(self, time: int) -> None:
        for when, buffer, role, _, fast in self.slots:
            if when == time and role == 0:
                if fast:
                    self.hold(buffer, time, time)
                else:
                    assert buffer in self.slow, f"instruction {time}: slow memory does not hold buffer {buffer}"
        for buffer, out, release, deadline in self.copies:
            if out and release <= time < deadline:
                self.hold(buffer, release, time)
        for when, buffer, role, _, fast in self.slots:
            if when == time and role == 1:
                if fast:
                    (place,) = [place for place in self.places if place[:2] == (buffer, time)]
                    for cell in self.span(place):
                        self.cells[cell] = buffer
                else:
                    self.slow.add(buffer)

    def hold(self, buffer: int, first: int, last: int) -> None:
        places = [one for one in self.places if one[0] == buffer and one[1] <= first and last <= one[2]]
        held = [[self.cells[cell] for cell in self.span(place)] for place in places]
        whole = any(all(cell == buffer for cell in span) for span in held)
        assert whole, f"instruction {last}: buffer {buffer} is not there, but {held}"

    def length(self, time: int) -> float:
        """Time of an instruction; the moves during it and in the stall before it must find time."""
        p = self.p
        moved = [sum(slot[3] for slot in self.slots if slot[0] == time and slot[4] == fast) for fast in (0, 1)]
        flops = max(int(p.matrix_flops[time]) / p.matrix_peak, int(p.vector_flops[time]) / p.vector_peak)
        length: float = 1e6 * max(flops, moved[0] / p.slow_bandwidth + moved[1] / p.fast_bandwidth)
        idle = length - 1e6 * moved[0] / p.slow_bandwidth
        during = sum(us for copy, when, us in self.moves if when == time < self.copies[copy][3])
        waited = sum(us for copy, when, us in self.moves if when == time == self.copies[copy][3])
        assert during <= idle + 1e-9 * length, f"instruction {time}: {during} µs of copies in {idle} µs"
        assert waited <= self.m.stall[time] * (1 + 1e-9), f"instruction {time}: copies are not done"
        return length
