"""A planner in the manner of XLA's memory space assignment (MSA), buffer by buffer instead of slot by slot.

It does not play the game: it plans rectangles and copies on the program, and the simulator of a queue of copies then
charges the waiting that the plan left out. Source: openxla/xla, ``memory_space_assignment``, in our words; its optional
passes (cross-program prefetch, repacking, limits of copies under way) and while loops are left out.

* Buffers are planned one after the other. ``boundedness``: greatest sum over their slots of what the slot saves in
  instructions bound by memory, divided by the square root of the size, first; ``density``: divided by the size;
  ``smallest``: smallest size first. Ties: lowest buffer.
* A buffer goes from use to use. It stays where it is if its place is free until the next use. Else, if fast memory
  holds the only copy, it is written back first, while it lies there. Then a copy is tried that ends at the use: of the
  starts since slow memory holds the buffer, the one whose overlapped time (of instructions with everything slow) is
  closest to 1.5 times the copy, but at least 0.8 times, for which the supply lasts and a place is free. Else the use
  is served from slow memory. A result is written to fast memory if a place is free until its first use.
* A place is the smallest gap that lasts until the latest possible use of the buffer.
* Supply is what copies take, latest instructions first. ``elapsed``: the time of each instruction with everything
  slow, once for copies in and once for write-backs, as MSA has it; ``idle``: what of it slow memory is idle, for both.
* If a write-back finds no supply, the buffer is planned anew with its result written to slow memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ganttlet.core.errors import check_choice
from ganttlet.memory_mapping.instance import OUT, TEMP, Array, Program
from ganttlet.memory_mapping.simulator import schedule_copies
from ganttlet.memory_mapping.solution import Mapping
from ganttlet_agents.rules.memory_mapping.room import BUFFER, END, LOW, START, Room

ORDERS = ("boundedness", "density", "smallest")
SUPPLIES = ("elapsed", "idle")
PREFERRED, LEAST = 1.5, 0.8  # overlapped time of a copy, in copy times


def sort_buffers(program: Program, order: str) -> Array:
    """Return the buffers in one of ORDERS."""
    if order == "smallest":
        return np.argsort(program.size, kind="stable")
    slow = program.latencies(np.zeros(program.n_slots))
    bound = (slow > program.compute)[program.slot_time]
    saved = 1e6 * (program.slot_bytes / program.slow_bandwidth - program.slot_bytes / program.fast_bandwidth)
    benefit = np.zeros(program.n_buffers)
    np.add.at(benefit, program.slot_buffer, np.where(bound, np.maximum(saved, 0.0), 0.0))
    return np.argsort(-benefit / (np.sqrt(program.size) if order == "boundedness" else program.size), kind="stable")


class Supply:
    """What copies may take of each instruction, in µs."""

    def __init__(self, time: Array) -> None:
        self.left = time.copy()

    def start(self, first: int, until: int, need: float) -> int:
        """Return the latest instruction from which on ``need`` is left before ``until``, ``first`` - 1 for none."""
        sums = np.cumsum(self.left[first:until][::-1])
        at = int(np.searchsorted(sums, need))
        return until - 1 - at if at < len(sums) else first - 1

    def take(self, first: int, until: int, need: float) -> None:
        """Take ``need``, of the latest instructions first."""
        for j in range(until - 1, first - 1, -1):
            part = min(self.left[j], need)
            self.left[j] -= part
            need -= part
            if need <= 0.0:
                break


@dataclass
class Draft:
    """What is planned so far for one buffer."""

    fast: list[int] = field(default_factory=list)
    copies: list[tuple[int, int, int, int]] = field(default_factory=list)


class Planner:
    """Plans the buffers of a program one by one."""

    def __init__(self, program: Program, supply: str) -> None:
        self.program, self.room = program, Room(program.capacity)
        time = program.latencies(np.zeros(program.n_slots))
        self.clock = np.concatenate([[0.0], np.cumsum(time)])
        if supply == "elapsed":
            self.inward, self.outward = Supply(time), Supply(time)
        else:
            moved = np.bincount(program.slot_time, program.slot_bytes, minlength=len(time))
            self.inward = self.outward = Supply(time - 1e6 * (moved / program.slow_bandwidth))
        self.slots: list[list[int]] = [[] for _ in range(program.n_buffers)]
        for k, b in enumerate(program.slot_buffer.tolist()):
            self.slots[b].append(k)
        self.done = Draft()

    def plan(self, buffer: int) -> None:
        """Plan one buffer."""
        if self.program.aligned[buffer] > self.program.capacity:
            return
        count, draft = self.room.count, self._draft(buffer, True)
        if draft is None:
            self.room.count = count
            draft = self._draft(buffer, False)
            assert draft is not None, "slow memory holds the buffer, so nothing has to be written back"
        self.done.fast += draft.fast
        self.done.copies += draft.copies

    def _draft(self, b: int, write_fast: bool) -> Draft | None:
        """Return a plan of a buffer, its rectangles in the room; None if a write-back finds no supply.

        Nothing comes before a write-back but the buffer's first rectangle.
        """
        p, room, draft = self.program, self.room, Draft()
        size, need = int(p.aligned[b]), float(p.copy_time[b])
        times = [int(p.slot_time[k]) for k in self.slots[b]]
        # ``held``: first instruction before which slow memory holds the buffer, None while it does not.
        here, held = -1, 0 if p.defined[b] < 0 else None
        for i, k in enumerate(self.slots[b]):
            t = times[i]
            if p.slot_role[k] == OUT:
                offset = -1
                if write_fast and p.buffer_kind[b] == TEMP and i + 1 < len(times):
                    offset = self._place(size, t, times[i + 1 :])
                if offset < 0:
                    held = t + 1
                    continue
                here = room.put(b, t, t, offset, size)
            elif here < 0 or not room.extend(here, t):
                if held is None:
                    # What is in fast memory since its definition has been written back when its place ends.
                    held = room.end(here) + 1
                    first = int(p.defined[b]) + 1
                    if self.outward.start(first, held, need) < first:
                        return None
                    self.outward.take(first, held, need)
                    draft.copies.append((b, 1, first, held))
                here = self._fetch(b, held, times[i:], draft)
                if here < 0:
                    continue
            draft.fast.append(k)
        return draft

    def _fetch(self, b: int, held: int, uses: list[int], draft: Draft) -> int:
        """Plan a copy that ends at the first of ``uses``; return its rectangle's number, -1 for none."""
        t, size, need = uses[0], int(self.program.aligned[b]), float(self.program.copy_time[b])
        overlap = self.clock[t] - self.clock[: t + 1]
        latest = min(self.inward.start(held, t, need), int(np.searchsorted(-overlap, -LEAST * need, "right")) - 1)
        if latest < held:
            return -1
        nearest = np.argmin(np.abs(overlap[held : latest + 1] - PREFERRED * need)[::-1])
        # Where an early start finds no place, none before it does.
        for start in range(latest - int(nearest), latest + 1):
            offset = self._place(size, start, uses)
            if offset >= 0:
                self.inward.take(start, t, need)
                draft.copies.append((b, 0, start, t))
                return self.room.put(b, start, t, offset, size)
        return -1

    def _place(self, size: int, start: int, uses: list[int]) -> int:
        """Return the best place from ``start`` to the latest of ``uses`` that has one, -1 for none."""
        if self.room.best_fit(size, start, uses[0]) < 0:
            return -1
        return next(offset for use in reversed(uses) if (offset := self.room.best_fit(size, start, use)) >= 0)

    def mapping(self) -> Mapping:
        """Return what is planned, with the moves and stalls of a queue of copies."""
        program, columns = self.program, self.room.columns
        fast = np.zeros(program.n_slots, np.int8)
        fast[self.done.fast] = 1
        copies = np.array(self.done.copies, np.int64).reshape(-1, 4)
        plan = Mapping(
            fast=fast,
            rect_buffer=columns[BUFFER],
            rect_start=columns[START],
            rect_end=columns[END],
            rect_offset=columns[LOW],
            copy_buffer=copies[:, 0],
            copy_out=copies[:, 1],
            copy_release=copies[:, 2],
            copy_deadline=copies[:, 3],
            instance_digest=program.digest,
        )
        return schedule_copies(program, plan, "fifo")


def run_msa(program: Program, order: str = "boundedness", supply: str = "elapsed") -> Mapping:
    """Return the plan of this module's doc string.

    Args:
        program: the program.
        order: one of ORDERS.
        supply: one of SUPPLIES.

    Raises:
        InputError: for an unknown order or supply.
    """
    check_choice("order", order, ORDERS)
    check_choice("supply", supply, SUPPLIES)
    planner = Planner(program, supply)
    for b in sort_buffers(program, order).tolist():
        planner.plan(b)
    return planner.mapping()
