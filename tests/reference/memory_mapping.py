"""A slow memory-mapping game in plain Python: the oracle that the fast kernel is compared with, step by step.

It keeps the decisions, the rectangles and the transfers, and derives all else anew at each call. It reads the fields of
a Program and shares no code with the package.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

DROP, NO_COPY, COPY = 0, 1, 2
UNDECIDED, SLOW, FAST = -1, 0, 1
PLACEMENTS = ("first_fit", "best_fit", "reserve")
REWARDS = ("saved", "terminal")


@dataclass
class Slot:
    """One operand or result of instruction ``time``; ``bytes`` are those that the instruction moves for it."""

    time: int
    buffer: int
    is_result: bool
    bytes: int


@dataclass
class Rectangle:
    """``buffer`` lies at ``offset`` during instructions ``start`` … ``end``, inclusive."""

    buffer: int
    start: int
    end: int
    offset: int


@dataclass
class Transfer:
    """A copy of ``buffer``; ``moves`` are (instruction, µs of the slow memory), the stall being at the deadline."""

    buffer: int
    out: bool
    release: int
    deadline: int
    moves: list[tuple[int, float]] = field(default_factory=list)


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

    Attributes:
        served: of every slot UNDECIDED, SLOW or FAST.
        rectangles: in the order in which they were made.
        transfers: in the order in which they were decided.
        place: buffer -> the rectangle that holds it, or held it last.
        dirty: buffers whose only copy is in fast memory.
        held_from: buffer -> first instruction before which slow memory holds it; absent if it does not.
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
    ) -> None:
        if placement not in PLACEMENTS or reward not in REWARDS:
            raise ValueError(f"unknown option among {placement!r}, {reward!r}")
        self.placement, self.window, self.stall_allowed, self.reward = placement, window, stall, reward
        self.skip_forced, self.illegal_penalty = skip_forced, illegal_penalty
        self.capacity, self.align = int(program.capacity), int(program.align)
        self.slow, self.fast = float(program.slow_bandwidth), float(program.fast_bandwidth)
        self.size: list[int] = program.size.tolist()
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
        self.first = self.latency()

    # What is to be decided.

    @property
    def k(self) -> int:
        """The slot to be decided; the number of slots at the end."""
        return sum(one != UNDECIDED for one in self.served)

    @property
    def done(self) -> bool:
        return self.k == len(self.slots)

    @property
    def now(self) -> int:
        """The instruction of that slot; the number of instructions at the end."""
        return len(self.compute) if self.done else self.slots[self.k].time

    def aligned(self, buffer: int) -> int:
        """Bytes of fast memory that a buffer takes."""
        return -(-self.size[buffer] // self.align) * self.align

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
            for one in self.rectangles
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
        need, found = self.aligned(buffer), []
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
            if other not in self.dirty | {buffer} and self.later_uses(other) and self.extensible(other)
        ]

    def cost(self, buffer: int, offset: int) -> int:
        """Bytes that others could be extended in and a buffer at ``offset`` would take."""
        end = offset + self.aligned(buffer)
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
            for one in self.rectangles
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
        moves, lacking = self.fit(buffer, held)
        if lacking > 0.0:
            if not self.stall_allowed:
                return None
            moves.append((now, lacking))
        release = min(time for time, _ in moves)
        offset = self.offset(buffer, release, now)
        if offset is None:
            return None
        return Transfer(buffer, False, release, now, moves), Rectangle(buffer, release, now, offset)

    def write_back(self, buffer: int) -> Transfer | None:
        """The copy that Drop of a dirty buffer would make; None if it may not."""
        moves, lacking = self.fit(buffer, self.defined[buffer] + 1)
        if lacking > 0.0 or not self.later_uses(buffer):
            return None
        return Transfer(buffer, True, moves[-1][0], self.now, moves)

    # Decisions.

    def legal(self) -> list[int]:
        """The legal actions; none at the end."""
        if self.done:
            return []
        slot = self.slots[self.k]
        buffer = slot.buffer
        if slot.is_result:
            uses = self.later_uses(buffer)
            fits = uses and not self.output[buffer] and self.offset(buffer, slot.time, max(uses)) is not None
            return [DROP, NO_COPY] if fits else [DROP]
        if buffer in self.dirty:
            return [DROP, NO_COPY] if self.write_back(buffer) else [NO_COPY]
        found = [DROP]
        if buffer in self.place and self.extensible(buffer):
            found.append(NO_COPY)
        return [*found, COPY] if self.copy_in(buffer) else found

    def mask(self) -> list[int]:
        """1 for each legal action, 0 for each other; all ones when done."""
        return [1, 1, 1] if self.done else [int(action in self.legal()) for action in (DROP, NO_COPY, COPY)]

    def step(self, action: int) -> tuple[float, bool, bool]:
        """Play ``action``; return the reward, whether all is decided, and whether the action was illegal."""
        if self.done:
            return 0.0, True, False
        if action not in self.legal():
            return -self.illegal_penalty, False, True
        before = self.latency()
        self.play(action)
        while self.skip_forced and len(self.legal()) == 1:
            self.play(self.legal()[0])
        if self.reward == "terminal":
            before = self.all_slow() if self.done else self.latency()
        return (before - self.latency()) / self.all_slow(), self.done, False

    def play(self, action: int) -> None:
        """Play a legal action."""
        k, slot = self.k, self.slots[self.k]
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
        end = max(self.later_uses(slot.buffer))
        offset = self.offset(slot.buffer, slot.time, end)
        assert offset is not None
        self.put(Rectangle(slot.buffer, slot.time, end, offset))
        self.dirty.add(slot.buffer)

    def play_dirty(self, slot: Slot, action: int) -> None:
        """Read it, and on Drop give up what was kept beyond this use, for slow memory has it by now."""
        if action == DROP:
            transfer = self.write_back(slot.buffer)
            assert transfer is not None
            self.transfers.append(transfer)
            self.dirty.remove(slot.buffer)
            self.held_from[slot.buffer] = slot.time
            self.place[slot.buffer].end = slot.time

    def play_clean(self, slot: Slot, action: int) -> None:
        if action == NO_COPY:
            self.place[slot.buffer].end = slot.time
        elif action == COPY:
            made = self.copy_in(slot.buffer)
            assert made is not None
            self.transfers.append(made[0])
            self.put(made[1])

    def put(self, rectangle: Rectangle) -> None:
        self.rectangles.append(rectangle)
        self.place[rectangle.buffer] = rectangle

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
        moves = [(number, *move) for number, one in enumerate(self.transfers) for move in one.moves]
        return {
            "fast": list(self.served),
            "rect_buffer": [one.buffer for one in self.rectangles],
            "rect_start": [one.start for one in self.rectangles],
            "rect_end": [one.end for one in self.rectangles],
            "rect_offset": [one.offset for one in self.rectangles],
            "copy_buffer": [one.buffer for one in self.transfers],
            "copy_out": [int(one.out) for one in self.transfers],
            "copy_release": [one.release for one in self.transfers],
            "copy_deadline": [one.deadline for one in self.transfers],
            "move_copy": [number for number, _, _ in moves],
            "move_time": [time for _, time, _ in moves],
            "move_us": [us for _, _, us in moves],
            "stall": [self.stall_at(time) for time in range(len(self.compute))],
        }
