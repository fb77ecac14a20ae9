"""What MemoryMapping-v0 should show, worked out in plain Python from the slow simulator's state, feature by feature."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from ganttlet.core.graph import GraphSpec, Picture
from reference.memory_mapping import COPY, DROP, NO_COPY, Rectangle, ReferenceMapping, Slot

FAR = 1000.0
FACTS = 15


class Shown:
    """The blocks of one state; ``kinds`` are those of the program's buffers."""

    def __init__(self, play: ReferenceMapping, kinds: list[int], graph: GraphSpec) -> None:
        self.play, self.kinds, self.graph = play, kinds, graph
        self.unit = play.all_slow() / len(play.compute)
        self.top = play.capacity // play.align * play.align
        self.room = max(self.top, play.align)
        self.residents = sorted(self.kept(), key=lambda one: one.offset)
        self.stays = self.stays_of_slots()

    def blocks(self) -> dict[str, np.ndarray]:
        """Every block but the action mask."""
        play = self.play
        done = [play.k / len(play.slots), max(-FAR, 1.0 - play.latency() / play.all_slow())]
        head = [0.0] * (len(self.graph.context) - 2) if play.over else self.context()
        found: dict[str, Any] = {"context": head + done}
        counts = {node.name: node.count for node in self.graph.nodes}
        ahead = range(play.k, play.k if play.over else min(play.k + counts["slot"], len(play.slots)))
        found |= {
            "slot": padded([self.slot_row(at) for at in ahead], counts["slot"], 5 + FACTS),
            "slot_mask": padded([1] * len(ahead), counts["slot"]),
            "focus_slot": [-1 if play.over else 0],
        }
        if "resident" in counts:
            listed = [] if play.over else self.residents[: counts["resident"]]
            found |= {
                "resident": padded([self.resident_row(one) for one in listed], counts["resident"], 12),
                "resident_mask": padded([1] * len(listed), counts["resident"]),
                "slot_next_index": padded([self.next_index(at, ahead) for at in ahead], counts["slot"], fill=-1),
                "slot_resident_index": padded([self.holder(at, listed) for at in ahead], counts["slot"], fill=-1),
            }
            if "buffer" in counts:
                found |= self.program() | self.pointers(ahead, listed)
        for picture in self.graph.pictures:
            found[picture.name] = self.profile(picture) if picture.name == "profile" else self.supply(picture)
        return {key: np.array(value) for key, value in found.items()}

    # The whole program.

    def program(self) -> dict[str, Any]:
        """Instructions and buffers, and the slots as edges between them."""
        play, counts = self.play, {node.name: node.count for node in self.graph.nodes}
        times, buffers = range(len(play.compute)), range(len(play.size))
        facts = [self.facts(at) for at in range(len(play.slots))]
        most = next(edge.count for edge in self.graph.edges if edge.name == "uses")
        ends = [(slot.time, slot.buffer) for slot in play.slots]
        return {
            "instruction_static": padded([self.instruction_row(time) for time in times], counts["instruction"], 8),
            "instruction_mask": padded([1] * len(times), counts["instruction"]),
            "buffer_static": padded([self.buffer_row(b) for b in buffers], counts["buffer"], 9),
            "buffer_mask": padded([1] * len(buffers), counts["buffer"]),
            "follows_index": padded([*times[1:], -1], counts["instruction"], fill=-1),
            "uses_index": padded(ends, most, 2, fill=-1).T,
            "uses": padded([[row[0], row[4], row[5], row[6]] for row in facts], most, 4),
        }

    def instruction_row(self, time: int) -> list[float]:
        play = self.play
        mine = [slot for slot in play.slots if slot.time == time]
        total = sum(slot.bytes for slot in mine)
        slowly, fast = play.length(time, total, 0), play.length(time, 0, total)
        return [
            self.time(play.compute[time]),
            self.time(1e6 * total / play.slow),
            self.time(1e6 * total / play.fast),
            self.time(slowly - fast),
            self.time(slowly - 1e6 * total / play.slow),
            near(sum(not slot.is_result for slot in mine)),
            near(sum(slot.is_result for slot in mine)),
            time / len(play.compute),
        ]

    def buffer_row(self, b: int) -> list[float]:
        play, count = self.play, len(self.play.compute)
        mine = [slot for slot in play.slots if slot.buffer == b]
        times = [slot.time for slot in mine]
        return [
            float(self.kinds[b] in (0, 1, 2)),
            float(self.kinds[b] == 4),
            near(play.aligned(b) / self.room),
            self.time(play.us(play.size[b])),
            near(sum(not slot.is_result for slot in mine)),
            self.time(sum(self.gain(slot) for slot in mine)),
            near(max(times) - min(times)),
            min(times) / count,
            max(times) / count,
        ]

    def pointers(self, ahead: range, listed: list[Rectangle]) -> dict[str, Any]:
        """Where the window is in the program."""
        counts, slots = {node.name: node.count for node in self.graph.nodes}, self.play.slots
        return {
            "slot_instruction_index": padded([slots[at].time for at in ahead], counts["slot"], fill=-1),
            "slot_buffer_index": padded([slots[at].buffer for at in ahead], counts["slot"], fill=-1),
            "resident_buffer_index": padded([one.buffer for one in listed], counts["resident"], fill=-1),
        }

    # Pictures.

    def profile(self, picture: Picture) -> np.ndarray:
        """What is occupied, dirty, kept and urgent, piece by piece of the offsets between all edges."""
        play, found = self.play, np.zeros((4, picture.height, picture.width))
        if play.over or not self.top:
            return found
        width = self.top / picture.width
        edges = {column * width for column in range(picture.width + 1)}
        taken = [*play.rectangles, *play.reserved.values()]
        for one in taken:
            edges |= {float(one.offset), float(one.offset + play.aligned(one.buffer))}
        cuts = sorted(edges)
        for low, high in itertools.pairwise(cuts):
            over = [r for r in taken if r.offset < high and low < r.offset + play.aligned(r.buffer)]
            mine = [r for r in self.residents if r.offset < high and low < r.offset + play.aligned(r.buffer)]
            column, share = min(picture.width - 1, int((low + high) / 2 / width)), (high - low) / width
            for row in range(picture.height):
                time = play.now - picture.height // 2 + row
                if time < max(0, play.now - play.window):
                    continue
                used = any(one.end >= time for one in over)
                until = [play.slots[self.slots_of(one)[0]].time for one in mine]
                dirty = any(one.buffer in play.dirty for one in mine)
                found[0, row, column] += share * used
                found[1, row, column] += share * (used and dirty)
                found[2, row, column] += share * (bool(mine) and not dirty and not used and until[0] >= time)
                if mine and play.now <= time <= until[0]:
                    found[3, row, column] += share / (1 + until[0] - time)
        return found

    def supply(self, picture: Picture) -> np.ndarray:
        """Idle time of slow memory, left behind and to come."""
        play, found = self.play, np.zeros((2, 1, picture.width))
        for column in range(picture.width):
            time = play.now - picture.width // 2 + column
            if play.over or not max(0, play.now - play.window) <= time < len(play.compute):
                continue
            if time < play.now:
                found[0, 0, column] = self.time(play.left_at(time))
            else:
                found[1, 0, column] = self.time(
                    play.length_all_slow(time) - play.us(sum(slot.bytes for slot in play.slots if slot.time == time))
                )
        return found

    # What is kept.

    def kept(self) -> list[Rectangle]:
        """Places of buffers that are used again and can be kept until then, or that a group has reserved."""
        play = self.play
        there = [one for b, one in play.place.items() if self.uses_from(b, play.k) and play.extensible(b)]
        return [*there, *play.reserved.values()]

    def uses_from(self, buffer: int, k: int) -> list[int]:
        """Slots from k on in which a buffer is an operand."""
        slots = list(enumerate(self.play.slots))[k:]
        return [at for at, slot in slots if slot.buffer == buffer and not slot.is_result]

    def slots_of(self, one: Rectangle) -> list[int]:
        """Slots that a place is kept for: the uses, and the result if its place waits for it."""
        uses = self.uses_from(one.buffer, self.play.k)
        if one.buffer not in self.play.reserved:
            return uses
        return sorted({self.play.first_slot(one.buffer), *uses})

    def planned(self) -> tuple[int, int] | None:
        """Where the rectangle that the decision may make would begin, in time and in offset."""
        play = self.play
        slot = play.slots[play.k]
        if slot.is_result and NO_COPY in play.legal():
            made_here = play.result_place(slot.buffer)
            assert made_here is not None
            return slot.time, made_here.offset
        if COPY in play.legal():
            made = play.copy_in(slot.buffer)
            assert made is not None
            return made[1].start, made[1].offset
        return None

    def overlapped(self, one: Rectangle) -> bool:
        """Whether the place that the decision may take overlaps that of a resident."""
        planned = self.planned()
        if planned is None:
            return False
        low = planned[1]
        buffer = self.play.slots[self.play.k].buffer
        high = low + (self.play.aligned(buffer) if buffer in self.play.reserved else self.play.room(buffer))
        return one.offset < high and low < one.offset + self.play.aligned(one.buffer)

    # Facts of slots.

    def gain(self, slot: Slot) -> float:
        """Time saved if a slot alone were fast in its instruction."""
        total = sum(self.play.bytes_at(slot.time))
        return self.play.length(slot.time, total, 0) - self.play.length(slot.time, total - slot.bytes, slot.bytes)

    def facts(self, at: int) -> list[float]:
        play, slot = self.play, self.play.slots[at]
        total, later = sum(play.bytes_at(slot.time)), self.uses_from(slot.buffer, at + 1)
        kind, all_slow = self.kinds[slot.buffer], play.length_all_slow(slot.time)
        return [
            float(slot.is_result),
            float(kind in (0, 1, 2)),
            float(kind == 4),
            near(play.aligned(slot.buffer) / self.room),
            slot.bytes / play.size[slot.buffer],
            self.time(self.gain(slot)),
            self.time(1e6 * slot.bytes / play.slow - 1e6 * slot.bytes / play.fast),
            self.time(play.us(play.size[slot.buffer])),
            self.time(all_slow),
            self.time(all_slow - play.us(total)),
            near(len(later)),
            near(play.slots[later[0]].time - slot.time) if later else 0.0,
            self.time(sum(self.gain(play.slots[use]) for use in later)),
            near(self.stays[at][0] * self.room),
            near(self.stays[at][1]),
        ]

    def stays_of_slots(self) -> list[tuple[float, float]]:
        """For each slot what its stay earns and how crowded it is."""
        play = self.play
        clock = list(itertools.accumulate((play.length_all_slow(t) for t in range(len(play.compute))), initial=0.0))
        stays: list[tuple[list[int], int, float]] = []  # slots, first instruction, begin
        for b in range(len(play.size)):
            mine = [k for k, slot in enumerate(play.slots) if slot.buffer == b]
            times = [play.slots[k].time for k in mine]
            if mine and play.slots[mine[0]].is_result:
                stays.append((mine, times[0], clock[times[0]]))
                continue
            for i, k in enumerate(mine):
                if i:
                    stays.append(([k], times[i - 1] + 1, clock[times[i - 1]]))
                    continue
                begin = clock[times[0]] - play.us(play.size[b])
                under_way = [t for t in range(times[0] + 1) if clock[t] <= begin]
                stays.append(([k], max(under_way, default=0), begin))
        found = []
        for mine, first, begin in stays:
            last, size = play.slots[mine[-1]].time, play.aligned(play.slots[mine[0]].buffer)
            never = play.slots[mine[0]].is_result and len(mine) == 1
            saved = sum(self.gain(play.slots[k]) for k in mine)
            earns = 0.0 if never else max(0.0, saved / (size * (clock[last + 1] - begin)))
            found.append((-earns, mine[0], mine, range(first, last + 1), size / self.room))
        found.sort(key=lambda one: one[:2])
        answers = [(0.0, 0.0)] * len(play.slots)
        for i, (least, _, mine, stay, share) in enumerate(found):
            dearer = [one for one in found[:i] if one[4] <= 1.0]
            crowd = max(sum(one[4] for one in dearer if t in one[3]) + share for t in stay)
            for k in mine:
                answers[k] = (-least, crowd)
        return answers

    def time(self, us: float) -> float:
        return near(us / self.unit)

    # Rows.

    def slot_row(self, at: int) -> list[float]:
        play, slot = self.play, self.play.slots[at]
        kept = [one for one in self.residents if at in self.slots_of(one)]
        return [
            float(at == play.k),
            near(slot.time - play.now),
            float(bool(kept)),
            float(bool(kept) and slot.buffer in play.dirty),
            float(slot.buffer == play.slots[play.k].buffer),
            *self.facts(at),
        ]

    def next_index(self, at: int, ahead: range) -> int:
        later = [use for use in self.uses_from(self.play.slots[at].buffer, at + 1) if use in ahead]
        return later[0] - self.play.k if later else -1

    def holder(self, at: int, listed: list[Rectangle]) -> int:
        found = [n for n, one in enumerate(listed) if at in self.slots_of(one)]
        return found[0] if found else -1

    def resident_row(self, one: Rectangle) -> list[float]:
        play, uses = self.play, self.slots_of(one)
        dirty, gains = one.buffer in play.dirty, [self.gain(play.slots[use]) for use in uses]
        return [
            one.offset / self.room,
            play.aligned(one.buffer) / self.room,
            float(dirty),
            float(one.buffer == play.slots[play.k].buffer),
            near(max(0, play.now - one.end)),
            near(max(0, one.end - play.now)) if dirty else 0.0,
            near(play.slots[uses[0]].time - play.now),
            near(len(uses)),
            self.time(gains[0]),
            self.time(sum(gains)),
            self.time(play.us(play.size[one.buffer])),
            float(self.overlapped(one)),
        ]

    def context(self) -> list[float]:
        """All but the last two."""
        play = self.play
        slot, facts, legal = play.slots[play.k], self.facts(play.k), play.legal()
        slow, fast = play.bytes_at(slot.time)
        mine = [one for one in self.residents if one.buffer == slot.buffer]
        dirty = slot.buffer in play.dirty
        # Members of a group that has its place stay dirty.
        may_write = dirty and DROP in legal
        copy = play.copy_in(slot.buffer) if COPY in legal else None
        back = play.write_back(slot.buffer) if may_write else None
        made = copy[0] if copy else back
        lost = [
            self.gain(play.slots[use])
            for one in self.residents
            if one.buffer not in play.dirty | {slot.buffer} and self.overlapped(one)
            for use in self.uses_from(one.buffer, play.k)
        ]
        taken = [*play.rectangles, *play.reserved.values()]
        present = [one for one in taken if one.start <= play.now <= one.end]
        free = [min(high, self.top) - low for low, high in play.free_ranges(play.now, play.now)]
        clean = [play.aligned(one.buffer) for one in self.residents if one.buffer not in play.dirty]
        return [
            *(float(action in legal) for action in (DROP, NO_COPY, COPY)),
            *facts[:5],
            self.time(
                play.length(slot.time, slow, fast) - play.length(slot.time, slow - slot.bytes, fast + slot.bytes)
            ),
            *facts[6:8],
            self.time(sum(us for time, us in copy[0].moves if time == play.now)) if copy else 0.0,
            near(play.now - made.release) if made else 0.0,
            *facts[10:13],
            float(bool(mine)),
            float(dirty),
            near(max(0, play.now - mine[0].end)) if mine else 0.0,
            self.time(sum(lost)),
            self.time(play.compute[slot.time]),
            self.time(1e6 * (slow / play.slow + fast / play.fast)),
            self.time(play.stall_at(slot.time)),
            near(sum(one.time == slot.time for one in play.slots[play.k :])),
            sum(play.aligned(one.buffer) for one in present) / self.room,
            max(free, default=0) / self.room,
            sum(clean) / self.room,
            near(len(self.residents)),
            *(self.time(self.left(n)) for n in (1, 4, 16, 64)),
        ]

    def left(self, count: int) -> float:
        """Idle time left by so many instructions before, no further back than transfers look."""
        play = self.play
        return sum(play.left_at(time) for time in range(max(0, play.now - min(count, play.window)), play.now))


def near(value: float) -> float:
    return max(-FAR, min(FAR, float(value)))


def padded(rows: list[Any], count: int, width: int = 0, fill: float = 0.0) -> np.ndarray:
    """Rows, or numbers if ``width`` is 0, followed by ``fill`` up to ``count``."""
    found = np.full((count, width) if width else count, fill, np.float64)
    if rows:
        found[: len(rows)] = rows
    return found
