"""A slow memory-mapping game in plain Python: the oracle that the fast kernel is compared with, step by step.

It keeps the decisions, the rectangles and the transfers, and derives all else anew at each call. It reads the fields of
a Program and shares no code with the package.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from reference.memory_records import Rectangle, Slot, Transfer, as_fields

DROP, NO_COPY, COPY = 0, 1, 2
UNDECIDED, SLOW, FAST = -1, 0, 1
PLACEMENTS = ("first_fit", "best_fit", "reserve")
REWARDS = ("saved", "terminal", "static")


class ReferenceMapping:
    """One episode; the constructor is the reset.

    Args:
        program: anything with the fields of a Program.
        placement: one of ``PLACEMENTS``.
        window: how many instructions back a transfer may begin.
        stall: whether an instruction may wait for a copy.
        reward: one of ``REWARDS``.
        skip_forced: whether a step plays on while a single action is legal.
        illegal_penalty: subtracted at an illegal action.
        supply: ``idle``, or ``elapsed``: copies may take all of an instruction's time with everything slow.
        dead_ends: whether what only fast memory holds can be overwritten after each use.
        backup: whether a dead end takes the episode back, or ends it.

    Attributes:
        served: of every slot UNDECIDED, SLOW or FAST.
        rectangles: in the order in which they were made.
        transfers: in the order in which they were decided.
        place: buffer -> the rectangle that holds it, or held it last.
        dirty: buffers whose only copy is in fast memory.
        held_from: buffer -> first instruction before which slow memory holds it; absent if it does not.
        reserved: buffer -> the place that its group has taken for it, until its content gets there.
        dropped: buffers that backups have made slow for good; ``backups`` is their number, by groups.
        failed: whether a dead end has ended the episode.
    """

    def __init__(
        self,
        program: Any,
        placement: str = "first_fit",
        window: int = 128,
        stall: bool = True,
        reward: str = "saved",
        skip_forced: bool = False,
        illegal_penalty: float = 1.0,
        supply: str = "idle",
        dead_ends: bool = False,
        backup: bool = True,
    ) -> None:
        if placement not in PLACEMENTS or reward not in REWARDS or supply not in ("idle", "elapsed"):
            raise ValueError(f"unknown option among {placement!r}, {reward!r}, {supply!r}")
        self.elapsed, self.dead_ends, self.backup = supply == "elapsed", dead_ends, backup
        self.placement, self.window, self.stall_allowed, self.reward = placement, window, stall, reward
        self.skip_forced, self.illegal_penalty, self.size = skip_forced, illegal_penalty, program.size.tolist()
        self.capacity, self.align = int(program.capacity), int(program.align)
        self.slow, self.fast = float(program.slow_bandwidth), float(program.fast_bandwidth)
        columns = (program.slot_time, program.slot_buffer, program.slot_role, program.slot_bytes)
        self.slots = [
            Slot(time, buffer, bool(role), moved)
            for time, buffer, role, moved in zip(*(column.tolist() for column in columns), strict=True)
        ]
        flops = zip(program.matrix_flops.tolist(), program.vector_flops.tolist(), strict=True)
        self.compute = [max(m / program.matrix_peak, v / program.vector_peak) * 1e6 for m, v in flops]
        self.output = [kind == 4 for kind in program.buffer_kind.tolist()]
        self.defined: list[int] = program.defined.tolist()

        self.served = [UNDECIDED] * len(self.slots)
        self.rectangles: list[Rectangle] = []
        self.transfers: list[Transfer] = []
        self.place: dict[int, Rectangle] = {}
        self.dirty: set[int] = set()
        self.held_from = {b: 0 for b, t in enumerate(self.defined) if t < 0}
        self.reserved: dict[int, Rectangle] = {}
        self.dropped: set[int] = set()
        self.backups, self.failed = 0, False
        self.snapshots: list[tuple[int, dict[str, Any]]] = []
        sync = program.buffer_sync.tolist() or [-1] * len(self.size)
        # The buffers that are decided with each, itself included, in the order of their first slots.
        self.together = [
            sorted((m for m, other in enumerate(sync) if m == b or group == other >= 0), key=self.first_slot)
            for b, group in enumerate(sync)
        ]
        self.never = {b for b in range(len(sync)) if self.is_never_fast(b)}

    # What is to be decided.

    @property
    def k(self) -> int:
        """The slot to be decided; the number of slots at the end."""
        return sum(one != UNDECIDED for one in self.served)

    @property
    def done(self) -> bool:
        return self.k == len(self.slots)

    @property
    def over(self) -> bool:
        return self.done or self.failed

    @property
    def now(self) -> int:
        """The instruction of that slot; the number of instructions at the end."""
        return len(self.compute) if self.done else self.slots[self.k].time

    def aligned(self, buffer: int) -> int:
        """Bytes of fast memory that a buffer takes."""
        return -(-self.size[buffer] // self.align) * self.align

    def first_slot(self, buffer: int) -> int:
        return [slot.buffer for slot in self.slots].index(buffer)

    def last_use(self, buffer: int) -> int:
        """The last instruction that reads a buffer, -1 for none."""
        return max((slot.time for slot in self.slots if slot.buffer == buffer and not slot.is_result), default=-1)

    def is_never_fast(self, buffer: int) -> bool:
        """Whether a buffer is an output, is not read, or does not fit."""
        fits = self.aligned(buffer) <= self.capacity // self.align * self.align
        return self.output[buffer] or self.last_use(buffer) < 0 or not fits

    def head(self, buffer: int) -> int:
        """The slot that decides for a buffer's group, or its own first one."""
        return self.first_slot(self.together[buffer][0])

    def is_placed_together(self, buffer: int) -> bool:
        return len(self.together[buffer]) > 1 and not self.dead_ends

    def room(self, buffer: int) -> int:
        """Bytes that a decision to make a buffer fast takes."""
        all_of_it = self.is_placed_together(buffer)
        return sum(map(self.aligned, self.together[buffer])) if all_of_it else self.aligned(buffer)

    def later_uses(self, buffer: int) -> list[int]:
        """Instructions of the operands after slot k that read a buffer."""
        rest = self.slots[self.k + 1 :]
        return [slot.time for slot in rest if slot.buffer == buffer and not slot.is_result]

    # Time.

    def us(self, moved: int) -> float:
        """µs in which the slow memory moves so many bytes."""
        return 1e6 * (moved / self.slow)

    def bytes_at(self, time: int) -> tuple[int, int]:
        """Bytes of an instruction's slots from slow and from fast memory; what is undecided is slow."""
        own = [(slot.bytes, state == FAST) for slot, state in zip(self.slots, self.served, strict=True)]
        here = [pair for slot, pair in zip(self.slots, own, strict=True) if slot.time == time]
        return sum(moved for moved, fast in here if not fast), sum(moved for moved, fast in here if fast)

    def length(self, time: int, slow: int, fast: int) -> float:
        """L, with so many bytes from slow and from fast memory."""
        return max(self.compute[time], 1e6 * (slow / self.slow + fast / self.fast))

    def length_at(self, time: int) -> float:
        return self.length(time, *self.bytes_at(time))

    def length_all_slow(self, time: int) -> float:
        return self.length(time, sum(self.bytes_at(time)), 0)

    def stall_at(self, time: int) -> float:
        total = 0.0
        for transfer in self.transfers:
            for when, us in transfer.moves:
                if when == time == transfer.deadline:
                    total += us
        return total

    def left_at(self, time: int) -> float:
        """µs of an instruction in which slow memory is idle and that no transfer has taken."""
        left = self.length_at(time) - self.us(self.bytes_at(time)[0])
        if self.elapsed:
            left = self.length_all_slow(time)
        for transfer in self.transfers:
            for when, us in transfer.moves:
                if when == time < transfer.deadline:
                    left -= us
        return left

    def latency(self) -> float:
        """µs of the whole program, every undecided slot being served from slow memory."""
        total = 0.0
        for time in range(self.now):
            total += self.length_at(time) + self.stall_at(time)
        if self.done:
            return total
        rest = 0.0
        for time in reversed(range(self.now + 1, len(self.compute))):
            rest += self.length_all_slow(time)
        return total + (self.length_at(self.now) + self.stall_at(self.now)) + rest

    def earned(self) -> float:
        """µs that the slots which are fast would save if each were so alone, less all stalls."""
        total = -sum(self.stall_at(time) for time in range(len(self.compute)))
        for slot, state in zip(self.slots, self.served, strict=True):
            if state == FAST:
                moved = sum(self.bytes_at(slot.time))
                total += self.length(slot.time, moved, 0) - self.length(slot.time, moved - slot.bytes, slot.bytes)
        return total

    def all_slow(self) -> float:
        total = 0.0
        for time in range(len(self.compute)):
            total += self.length_all_slow(time)
        return total

    # Place.

    def free_ranges(self, start: int, end: int) -> list[tuple[int, int]]:
        """The ranges of offsets that nothing takes at any of the instructions ``start`` … ``end``, lowest first."""
        taken = sorted(
            (one.offset, one.offset + self.aligned(one.buffer))
            for one in [*self.rectangles, *self.reserved.values()]
            if one.start <= end and start <= one.end
        )
        found, low = [], 0
        for first, after in taken:
            if low < first:
                found.append((low, first))
            low = max(low, after)
        return [*found, (low, self.capacity)] if low < self.capacity else found

    def offsets(self, buffer: int, start: int, end: int) -> list[int]:
        """Offsets at which a buffer may lie during ``start`` … ``end``, of each range those that a rule may choose."""
        need, found = self.room(buffer), []
        edges = [edge for low, high in self.wanted(buffer) for edge in (low, high, low - need, high - need)]
        for low, high in self.free_ranges(start, end):
            last = (high - need) // self.align * self.align
            found += sorted({edge for edge in (low, *edges, last) if low <= edge <= last})
        return found

    def offset(self, buffer: int, start: int, end: int) -> int | None:
        """Where the placement rule puts a buffer, None if it fits nowhere."""
        fitting = self.offsets(buffer, start, end)
        if not fitting or self.placement == "first_fit":
            return min(fitting, default=None)
        if self.placement == "reserve":
            return min(fitting, key=lambda offset: (self.cost(buffer, offset), offset))
        ranges = [(high - low, low) for low, high in self.free_ranges(start, end) if low in fitting]
        return min(ranges)[1]

    def wanted(self, buffer: int) -> list[tuple[int, int]]:
        """Ranges of offsets at which another buffer could be extended for a later use."""
        return [
            (one.offset, one.offset + self.aligned(other))
            for other, one in self.place.items()
            if other != buffer and self.later_uses(other) and self.extensible(other)
        ]

    def cost(self, buffer: int, offset: int) -> int:
        """Bytes that others could be extended in and a buffer at ``offset`` would take."""
        end = offset + self.room(buffer)
        return sum(max(0, min(end, high) - max(offset, low)) for low, high in self.wanted(buffer))

    def extensible(self, buffer: int) -> bool:
        """Whether no other rectangle has come upon a buffer's offsets since its own ended."""
        mine = self.place[buffer]
        end = mine.offset + self.aligned(buffer)
        return not any(
            one is not mine
            and one.start <= self.now
            and mine.end < one.end
            and one.offset < end
            and mine.offset < one.offset + self.aligned(one.buffer)
            for one in [*self.rectangles, *self.reserved.values()]
        )

    # Transfers.

    def fit(self, buffer: int, first: int) -> tuple[list[tuple[int, float]], float]:
        """What a transfer takes of the instructions before this one, latest first, and what it lacks.

        It begins at instruction ``first`` at the earliest, and no more than the window back.
        """
        moves, need = [], self.us(self.size[buffer])
        for time in reversed(range(max(first, self.now - self.window, 0), self.now)):
            take = min(self.left_at(time), need)
            if take > 0.0:
                moves.append((time, take))
            need -= take
            if need == 0.0:
                break
        return moves, need

    def copy_in(self, buffer: int) -> tuple[Transfer, Rectangle] | None:
        """The copy that Copy would make and where it would go; None if it may not."""
        now, held = self.now, self.held_from.get(buffer)
        if held is None or held > now:
            return None
        if buffer in self.reserved:
            held = max(held, self.slots[self.head(buffer)].time)
        moves, lacking = self.fit(buffer, held)
        if lacking > 0.0:
            if not self.stall_allowed:
                return None
            moves.append((now, lacking))
        release = min(time for time, _ in moves)
        end = self.last_use(buffer) if self.is_placed_together(buffer) else now
        if buffer in self.reserved:
            offset: int | None = self.reserved[buffer].offset
        else:
            offset = self.offset(buffer, release, end)
        if offset is None:
            return None
        return Transfer(buffer, False, release, now, moves), Rectangle(buffer, release, end, offset)

    def write_back(self, buffer: int) -> Transfer | None:
        """The copy that Drop of a dirty buffer would make; None if it may not."""
        moves, lacking = self.fit(buffer, self.defined[buffer] + 1)
        if lacking > 0.0 or not self.later_uses(buffer):
            return None
        return Transfer(buffer, True, moves[-1][0], self.now, moves)

    # Decisions.

    def result_place(self, buffer: int) -> Rectangle | None:
        """Where a result would be written in fast memory; None if it may not."""
        if buffer in self.never:
            return None
        end = self.now if self.dead_ends else self.last_use(buffer)
        offset = self.reserved[buffer].offset if buffer in self.reserved else self.offset(buffer, self.now, end)
        return None if offset is None else Rectangle(buffer, self.now, end, offset)

    def legal(self) -> list[int]:
        """The legal actions; none at the end and at a dead end."""
        if self.done:
            return []
        buffer = self.slots[self.k].buffer
        group, head = self.together[buffer], self.head(buffer)
        if len(group) == 1:
            return [DROP] if buffer in self.dropped else self.legal_alone()
        if buffer in self.dropped or self.never & set(group):
            return [DROP]
        if self.k == head:
            copied = any(self.defined[m] < 0 for m in group[1:])
            return [DROP] if copied and not self.stall_allowed and not self.dead_ends else self.legal_alone()
        if self.served[head] == SLOW:
            return [DROP]
        if self.dead_ends:
            # A dirty buffer is read from fast memory when it is dropped, too.
            return [action for action in self.legal_alone() if action != DROP or buffer in self.dirty]
        copy = self.k == self.first_slot(buffer) and not self.slots[self.k].is_result
        return [COPY] if copy else [NO_COPY]

    def legal_alone(self) -> list[int]:
        """The legal actions but for what the group says."""
        slot = self.slots[self.k]
        buffer = slot.buffer
        if slot.is_result:
            return [DROP, NO_COPY] if self.result_place(buffer) else [DROP]
        if buffer in self.dirty:
            if not self.extensible(buffer):
                return []
            return [DROP, NO_COPY] if self.write_back(buffer) else [NO_COPY]
        found = [DROP]
        if buffer in self.place and self.extensible(buffer):
            found.append(NO_COPY)
        return [*found, COPY] if self.copy_in(buffer) else found

    def mask(self) -> list[int]:
        """1 for each legal action, 0 for each other; all ones when over."""
        return [1, 1, 1] if self.over else [int(action in self.legal()) for action in (DROP, NO_COPY, COPY)]

    def step(self, action: int) -> tuple[float, bool, bool]:
        """Play ``action``; return the reward, whether the episode is over, and whether the action was illegal."""
        if self.over:
            return 0.0, True, False
        if action not in self.legal():
            return -self.illegal_penalty, False, True
        before, earned = self.latency(), self.earned()
        self.play(action)
        self.leave_dead_end()
        while self.skip_forced and not self.over and len(self.legal()) == 1:
            self.play(self.legal()[0])
            self.leave_dead_end()
        saved = before - self.latency()
        if self.reward == "terminal":
            saved = self.all_slow() - self.latency() if self.done else 0.0
        if self.reward == "static":
            saved = self.earned() - earned
        return saved / self.all_slow() - float(self.failed), self.over, False

    def leave_dead_end(self) -> None:
        """Where nothing is legal, go back to before the blocked group was first made fast, and make it slow."""
        if self.done or self.legal():
            return
        if not self.backup:
            self.failed = True
            return
        blocked = self.head(self.slots[self.k].buffer)
        while self.snapshots[-1][0] != blocked:
            self.snapshots.pop()
        _, saved = self.snapshots.pop()
        self.dropped |= set(self.together[self.slots[blocked].buffer])
        self.backups += 1
        vars(self).update(saved)

    def keep_snapshot(self, buffer: int) -> None:
        """Keep what there is if this is the first time that a buffer or its group is made fast."""
        group = self.together[buffer]
        if any(state == FAST and slot.buffer in group for slot, state in zip(self.slots, self.served, strict=True)):
            return
        names = ("served", "rectangles", "transfers", "place", "dirty", "held_from")
        # One copy of them together, for place and rectangles share their rectangles.
        self.snapshots.append((self.head(buffer), deepcopy({name: vars(self)[name] for name in names})))

    def play(self, action: int) -> None:
        """Play a legal action."""
        k, slot = self.k, self.slots[self.k]
        if self.dead_ends and action != DROP:
            self.keep_snapshot(slot.buffer)
        if slot.is_result:
            self.play_result(slot, action)
            fast = action == NO_COPY
        elif slot.buffer in self.dirty:
            self.play_dirty(slot, action)
            fast = True
        else:
            self.play_clean(slot, action)
            fast = action != DROP
        self.served[k] = FAST if fast else SLOW

    def play_result(self, slot: Slot, action: int) -> None:
        """Write it to fast memory, where it is kept until its last use, or to slow memory."""
        if action == DROP:
            self.held_from[slot.buffer] = slot.time + 1
            return
        made = self.result_place(slot.buffer)
        assert made is not None
        self.put(made)
        self.dirty.add(slot.buffer)

    def play_dirty(self, slot: Slot, action: int) -> None:
        """Read it, and on Drop give up what was kept beyond this use, for slow memory has it by now."""
        if action == DROP:
            transfer = self.write_back(slot.buffer)
            assert transfer is not None
            self.transfers.append(transfer)
            self.dirty.remove(slot.buffer)
            self.held_from[slot.buffer] = slot.time
        if action == DROP or self.dead_ends:
            self.place[slot.buffer].end = slot.time

    def play_clean(self, slot: Slot, action: int) -> None:
        if action == NO_COPY:
            if not self.is_placed_together(slot.buffer):
                self.place[slot.buffer].end = slot.time
        elif action == COPY:
            made = self.copy_in(slot.buffer)
            assert made is not None
            self.transfers.append(made[0])
            self.put(made[1])

    def put(self, rectangle: Rectangle) -> None:
        """Put a buffer into fast memory, and the first one of a group makes room for all of it."""
        b = rectangle.buffer
        self.rectangles.append(rectangle)
        self.place[b] = rectangle
        self.reserved.pop(b, None)
        if self.is_placed_together(b) and self.k == self.head(b):
            offset = rectangle.offset + self.aligned(b)
            for m in self.together[b][1:]:
                self.reserved[m] = Rectangle(m, self.now, self.last_use(m), offset)
                offset += self.aligned(m)

    # What came of it.

    def objectives(self) -> dict[str, float]:
        """Every objective of the mapping so far, whatever is undecided being served from slow memory."""
        latency, stalls = self.latency(), 0.0
        for time in range(len(self.compute)):
            stalls += self.stall_at(time)
        copied = sum(self.size[one.buffer] for one in self.transfers)
        use = [
            sum(self.aligned(one.buffer) for one in self.rectangles if one.start <= time <= one.end)
            for time in range(len(self.compute))
        ]
        served = sum(slot.bytes for slot, state in zip(self.slots, self.served, strict=True) if state != FAST)
        return {
            "latency": latency,
            "speedup": self.all_slow() / latency,
            "stalls": stalls,
            "copied": float(copied),
            "peak": float(max(use)),
            "slow_bytes": float(served + copied),
        }

    def fields(self) -> dict[str, list[Any]]:
        """The fields of the Mapping so far, the digest left out."""
        stalls = [self.stall_at(time) for time in range(len(self.compute))]
        return {"fast": list(self.served), **as_fields(self.rectangles, self.transfers), "stall": stalls}
