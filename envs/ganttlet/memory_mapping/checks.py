"""The rules of a mapping, each in plain NumPy or Python and without any environment."""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ganttlet.core.objective import Violation
from ganttlet.memory_mapping.instance import IN, OUTPUT, Array, Program

if TYPE_CHECKING:
    from ganttlet.memory_mapping.solution import Mapping

TOLERANCE = 1e-9  # relative; times are sums of many float64
NEVER = 2**31


def shape_violations(program: Program, mapping: Mapping) -> list[Violation]:
    """Return what keeps the other rules from being read: wrong lengths, and numbers of things that do not exist."""
    n, b, u = program.n_instructions, program.n_buffers, program.n_slots
    rects, copies, moves = len(mapping.rect_buffer), len(mapping.copy_buffer), len(mapping.move_copy)
    found = []
    for field, count in (
        ("fast", u),
        ("rect_start", rects),
        ("rect_end", rects),
        ("rect_offset", rects),
        ("copy_out", copies),
        ("copy_release", copies),
        ("copy_deadline", copies),
        ("move_time", moves),
        ("move_us", moves),
        ("stall", n),
    ):
        if len(getattr(mapping, field)) != count:
            found.append(Violation("shape", f"{field} has {len(getattr(mapping, field))} values, expected {count}"))
    for field, low, high in (
        ("fast", -1, 1),
        ("rect_buffer", 0, b - 1),
        ("copy_buffer", 0, b - 1),
        ("copy_out", 0, 1),
        ("copy_release", 0, n),
        ("copy_deadline", 0, n),
        ("move_copy", 0, copies - 1),
        ("move_time", 0, n - 1),
    ):
        value = getattr(mapping, field)
        wrong = np.flatnonzero((value < low) | (value > high))
        if len(wrong):
            found.append(Violation("shape", f"{field}[{wrong[0]}] is {value[wrong[0]]}, expected {low} … {high}"))
    undecided = np.flatnonzero(mapping.fast == -1)
    if len(undecided):
        found.append(Violation("shape", f"slot {undecided[0]} is not decided"))
    for field in ("move_us", "stall"):
        value = getattr(mapping, field)
        wrong = np.flatnonzero(~np.isfinite(value) | (value < 0))
        if len(wrong):
            found.append(Violation("shape", f"{field}[{wrong[0]}] is {value[wrong[0]]}, expected a time ≥ 0"))
    return found


def violations(program: Program, mapping: Mapping) -> Iterator[Violation]:
    """Yield the broken rules of a mapping without shape violations."""
    yield from _rectangles(program, mapping)
    yield from _overlaps(program, mapping)
    content = _Content(program, mapping)
    yield from _slots(program, mapping, content)
    yield from _copies(program, mapping, content)
    yield from _moves(program, mapping)
    yield from _groups(program, mapping)


def _rectangle(program: Program, mapping: Mapping, r: Any) -> str:
    b = int(mapping.rect_buffer[r])
    return (
        f"rectangle {r} ({program.buffer_label(b)}, instructions {mapping.rect_start[r]} … {mapping.rect_end[r]}, "
        f"bytes from {mapping.rect_offset[r]} on)"
    )


def _rectangles(program: Program, mapping: Mapping) -> Iterator[Violation]:
    start, end, offset = mapping.rect_start, mapping.rect_end, mapping.rect_offset
    born = np.maximum(program.defined[mapping.rect_buffer], 0)
    top = program.capacity - program.aligned[mapping.rect_buffer]
    for r in np.flatnonzero((start < born) | (end < start) | (end >= program.n_instructions)):
        yield Violation(
            "rectangle",
            f"{_rectangle(program, mapping, r)}: expected instructions within {born[r]} … {program.n_instructions - 1}",
        )
    for r in np.flatnonzero((offset < 0) | (offset > top)):
        yield Violation(
            "rectangle",
            f"{_rectangle(program, mapping, r)} is {program.aligned[mapping.rect_buffer[r]]} bytes long and leaves "
            f"the {program.capacity} bytes of fast memory",
        )
    for r in np.flatnonzero(offset % program.align):
        yield Violation("rectangle", f"{_rectangle(program, mapping, r)}: offset is no multiple of {program.align}")


def _overlaps(program: Program, mapping: Mapping) -> Iterator[Violation]:
    """Sweep over time; those present are kept in the order of their offsets, and do not overlap one another."""
    present: list[tuple[int, int]] = []
    leaving: list[tuple[int, int, int]] = []
    for r in np.argsort(mapping.rect_start, kind="stable").tolist():
        start, low = int(mapping.rect_start[r]), int(mapping.rect_offset[r])
        high = low + int(program.aligned[mapping.rect_buffer[r]])
        while leaving and leaving[0][0] < start:
            _, gone, other = heapq.heappop(leaving)
            del present[bisect_left(present, (gone, other))]
        at = bisect_left(present, (low, r))
        clash = None
        if at < len(present) and present[at][0] < high:
            clash = present[at][1]
        if at and present[at - 1][0] + program.aligned[mapping.rect_buffer[present[at - 1][1]]] > low:
            clash = present[at - 1][1]
        if clash is not None:
            yield Violation(
                "overlap", f"{_rectangle(program, mapping, r)} overlaps {_rectangle(program, mapping, clash)}"
            )
        else:
            insort(present, (low, r))
            heapq.heappush(leaving, (int(mapping.rect_end[r]), low, r))


class _Content:
    """From when on rectangles and slow memory hold their buffers' content."""

    def __init__(self, program: Program, mapping: Mapping) -> None:
        self.mapping = mapping
        self.rects: list[list[int]] = [[] for _ in range(program.n_buffers)]
        for r, b in enumerate(mapping.rect_buffer.tolist()):
            self.rects[b].append(r)
        self.written = np.zeros(program.n_buffers, bool)
        made = program.slot_role != IN
        self.written[program.slot_buffer[made]] = mapping.fast[made] == 1
        # A result is there after its instruction, a copy when its deadline comes.
        first = (mapping.rect_start == program.defined[mapping.rect_buffer]) & self.written[mapping.rect_buffer]
        self.valid = np.where(first, mapping.rect_start.astype(np.int64) + 1, NEVER)
        self.slow = np.where(self.written, NEVER, program.defined.astype(np.int64) + 1)
        for c, b in enumerate(mapping.copy_buffer.tolist()):
            deadline = int(mapping.copy_deadline[c])
            if mapping.copy_out[c]:
                self.slow[b] = min(self.slow[b], deadline)
            else:
                for r in self.covering(b, int(mapping.copy_release[c]), deadline):
                    self.valid[r] = min(self.valid[r], deadline)

    def covering(self, buffer: int, first: int, last: int) -> list[int]:
        """Return the rectangles of ``buffer`` that last from instruction ``first`` to ``last``."""
        start, end = self.mapping.rect_start, self.mapping.rect_end
        return [r for r in self.rects[buffer] if start[r] <= first and last <= end[r]]

    def holds(self, buffer: int, first: int, last: int) -> bool:
        """Whether one rectangle holds the buffer's content from instruction ``first`` to ``last``."""
        return any(self.valid[r] <= first for r in self.covering(buffer, first, last))


def _slots(program: Program, mapping: Mapping, content: _Content) -> Iterator[Violation]:
    for k in range(program.n_slots):
        t, b, fast = int(program.slot_time[k]), int(program.slot_buffer[k]), mapping.fast[k] == 1
        what = f"slot {k} ({program.buffer_label(b)} at instruction {t})"
        if program.slot_role[k] == IN:
            if fast and not content.holds(b, t, t):
                there = (
                    "no rectangle covers it" if not content.covering(b, t, t) else "its content is not there by then"
                )
                yield Violation("fast_read", f"{what} is read from fast memory, but {there}")
            elif not fast and content.slow[b] > t:
                yield Violation("slow_read", f"{what} is read from slow memory, which does not hold it by then")
        elif fast:
            if not any(mapping.rect_start[r] == t for r in content.rects[b]):
                yield Violation("fast_write", f"{what} is written to fast memory, but no rectangle of it starts there")
            if program.buffer_kind[b] == OUTPUT and content.slow[b] == NEVER:
                yield Violation("output", f"{what} is an output of the program and never reaches slow memory")


def _copies(program: Program, mapping: Mapping, content: _Content) -> Iterator[Violation]:
    for c, b in enumerate(mapping.copy_buffer.tolist()):
        release, deadline = int(mapping.copy_release[c]), int(mapping.copy_deadline[c])
        out = bool(mapping.copy_out[c])
        rule, what = "copy_out" if out else "copy_in", f"copy {c} ({program.buffer_label(b)}, {release} to {deadline})"
        if release > deadline or (not out and deadline >= program.n_instructions):
            yield Violation(rule, f"{what}: expected release ≤ deadline, within the program")
        elif out:
            # Even a copy that is all stall needs the content up to the instruction before its deadline.
            if release <= program.defined[b] or not content.holds(b, min(release, deadline - 1), deadline - 1):
                yield Violation(rule, f"{what}: no rectangle holds the content from its release to its deadline")
        else:
            if content.slow[b] > release:
                yield Violation(rule, f"{what}: slow memory does not hold the buffer at its release")
            if not content.covering(b, release, deadline):
                yield Violation(rule, f"{what}: no rectangle lasts from its release to its deadline")


def _moves(program: Program, mapping: Mapping) -> Iterator[Violation]:
    copy, time, us = mapping.move_copy, mapping.move_time, mapping.move_us
    release, deadline = mapping.copy_release[copy], mapping.copy_deadline[copy]
    for m in np.flatnonzero((time < release) | (time > deadline)):
        yield Violation("bandwidth", f"move {m} is at {time[m]}, outside of its copy's {release[m]} … {deadline[m]}")
    moved = np.bincount(copy, weights=us, minlength=len(mapping.copy_buffer))
    needed = program.copy_time[mapping.copy_buffer]
    for c in np.flatnonzero(np.abs(moved - needed) > TOLERANCE * needed):
        yield Violation(
            "bandwidth",
            f"copy {c} ({program.buffer_label(mapping.copy_buffer[c])}) moves for {moved[c]:.9g} µs, needs "
            f"{needed[c]:.9g} µs",
        )
    stalled = time == deadline
    used, waited = (
        np.bincount(time[chosen], weights=us[chosen], minlength=program.n_instructions)
        for chosen in (~stalled, stalled)
    )
    latencies = program.latencies(mapping.fast == 1)
    supply = latencies - slow_time(program, mapping)
    for t in np.flatnonzero(used > supply + TOLERANCE * latencies):
        yield Violation(
            "bandwidth",
            f"instruction {t} ({program.instruction_label(t)}) leaves slow memory {supply[t]:.9g} µs, copies take "
            f"{used[t]:.9g} µs",
        )
    for t in np.flatnonzero(waited > mapping.stall * (1 + TOLERANCE)):
        yield Violation(
            "stall",
            f"instruction {t} ({program.instruction_label(t)}) waits {mapping.stall[t]:.9g} µs, copies need "
            f"{waited[t]:.9g} µs",
        )


def slow_time(program: Program, mapping: Mapping) -> Array:
    """Return (T,) float64, µs that slow memory is busy with each instruction's own slots."""
    size = np.zeros(program.n_instructions)
    slow = mapping.fast != 1
    np.add.at(size, program.slot_time[slow], program.slot_bytes[slow])
    result: Array = 1e6 * (size / program.slow_bandwidth)
    return result


def _groups(program: Program, mapping: Mapping) -> Iterator[Violation]:
    for number, members in enumerate(program.sync_groups):
        own = np.flatnonzero(np.isin(program.slot_buffer, members))
        fast = mapping.fast[own] == 1
        if fast.any() and not fast.all():
            one, other = own[np.argmax(fast)], own[np.argmin(fast)]
            first, second = (program.buffer_label(program.slot_buffer[k]) for k in (one, other))
            yield Violation(
                "sync", f"group {number}: slot {one} ({first}) is fast, but slot {other} ({second}) is slow"
            )
