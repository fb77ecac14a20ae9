"""The case of memory mapping for the shared tests, and small programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from family_case import FamilyCase, Options
from ganttlet.core.graph import GraphSpec
from ganttlet.memory_mapping import layout as at
from ganttlet.memory_mapping.instance import KINDS, Program
from ganttlet.memory_mapping.presets import PRESETS
from ganttlet.memory_mapping.simulator import schedule_copies
from ganttlet.memory_mapping.solution import Mapping as MemoryMap
from reference.memory_mapping import ReferenceMapping

# A byte takes slow memory a second and fast memory a quarter; a flop takes a second. In µs all of it is exact.
SECONDS: Mapping[str, Any] = {
    "capacity": 16,
    "align": 4,
    "matrix_peak": 1.0,
    "vector_peak": 1.0,
    "slow_bandwidth": 1.0,
    "fast_bandwidth": 4.0,
}


def program(buffers: Mapping[str, tuple[str, int]], code: Sequence[tuple[int, str, str]], **facts: Any) -> Program:
    """Return a small program.

    Args:
        buffers: name -> (kind, size).
        code: for each instruction its flops on the matrix unit and the names of its operands and of its results,
            ``"x w:2"`` for all of x and two bytes of w.
        facts: fields of Program; those of SECONDS unless given.
    """
    names, slots, defined = list(buffers), [], dict.fromkeys(buffers, -1)
    for time, (_, *texts) in enumerate(code):
        for role, text in enumerate(texts):
            for word in text.split():
                name, _, part = word.partition(":")
                slots.append((time, names.index(name), role, int(part or buffers[name][1])))
                if role:
                    defined[name] = time
    time, buffer, roles, moved = zip(*slots, strict=True)
    given: dict[str, Any] = {"vector_flops": [0] * len(code), **SECONDS, **facts}
    return Program(
        name="by-hand",
        matrix_flops=[flops for flops, _, _ in code],
        size=[size for _, size in buffers.values()],
        buffer_kind=[KINDS.index(kind) for kind, _ in buffers.values()],
        defined=list(defined.values()),
        slot_time=time,
        slot_buffer=buffer,
        slot_role=roles,
        slot_bytes=moved,
        **given,
    )


TAKEN = (
    "placement",
    "window",
    "stall",
    "supply",
    "dead_ends",
    "backup",
    "reward",
    "skip_forced",
    "illegal_penalty",
)
SHOWN = ("latency", "speedup", "stalls", "copied", "slow_bytes")


class MemoryOracle:
    """ReferenceMapping; the padded space has the same three actions."""

    def __init__(self, options: Options, instance: Program, graph: GraphSpec) -> None:
        given = memory_options(options)
        self.instance = instance
        self.play = ReferenceMapping(instance, **{key: given[key] for key in TAKEN if key in given})

    def mask(self) -> list[int]:
        return self.play.mask()

    def step(self, action: int) -> tuple[float, bool, bool]:
        return self.play.step(action)

    def objectives(self) -> Mapping[str, float]:
        values = self.play.objectives()
        return {name: values[name] for name in SHOWN}

    def solution(self) -> MemoryMap:
        found = MemoryMap(**self.play.fields(), instance_digest=self.instance.digest)
        if not self.play.elapsed:
            return found
        scheduled = schedule_copies(self.instance, replace(found, fast=np.maximum(found.fast, 0)), "fifo")
        return replace(scheduled, fast=found.fast)

    def extras(self) -> Mapping[str, Any]:
        """Where the game is, what instructions of the window left idle, and what may be kept: (offset, end, dirty)."""
        play = self.play
        if play.over:
            return {"slot": play.k, "backups": play.backups}
        there = [
            (b, one)
            for b, one in play.place.items()
            if (play.later_uses(b) or play.slots[play.k].buffer == b) and play.extensible(b)
        ]
        kept = [
            (one.offset, one.offset + play.aligned(b), one.end, b in play.dirty)
            for b, one in [*there, *play.reserved.items()]
        ]
        back = range(max(0, play.now - play.window), play.now)
        left = [play.left_at(time) for time in back]
        return {"slot": play.k, "backups": play.backups, "now": play.now, "left": left, "kept": sorted(kept)}


def memory_extras(batch: Any, row: int) -> Mapping[str, Any]:
    """What the oracle's extras are compared with."""
    state, instance = batch._state, batch.instance(row)
    k, now, listed, backups = (int(state.totals[row, column]) for column in (at.SLOT, at.NOW, at.LISTED, at.BACKUPS))
    if state.totals[row, at.LEGAL] == 0:
        return {"slot": k, "backups": backups}
    window, columns = state.left.shape[1], state.rects[row, :, :listed]
    columns = columns[:, columns[at.USE] >= 0].astype(np.int64)
    low, high = columns[[at.LOW, at.HIGH]] * instance.align
    kept = zip(low.tolist(), high.tolist(), columns[at.END].tolist(), (columns[at.DIRTY] == 1).tolist(), strict=True)
    back = range(max(0, now - window), now)
    left = [state.left[row, j % window] for j in back]
    return {"slot": k, "backups": backups, "now": now, "left": left, "kept": sorted(kept)}


def memory_options(options: Options) -> dict[str, Any]:
    """Fill in the preset."""
    return {**PRESETS.get(options.get("preset", ""), {}), **options}


def memory_return(
    options: Options, instance: Program, first: Mapping[str, float], final: Mapping[str, float]
) -> float | None:
    """The map that the environment documents; fixed benefits do not follow from the objectives."""
    if options.get("reward") == "static" or not options.get("backup", True):
        return None
    return 1.0 - final["latency"] / instance.all_slow


def stored_bytes(storage: Any, slot: int) -> Any:
    """``slot_bytes`` of the program in a slot of the storage."""
    store = storage.arrays
    return store.moved[slot, : int(store.size[slot, at.SLOTS])]


# a is read three times; after its definition slow memory is idle for 3 and 2 s, in which it can be written back.
AGAIN = program(
    {"a": ("temp", 4), "y": ("output", 1), "z": ("output", 1)},
    [(9, "", "a"), (3, "", ""), (2, "", ""), (0, "a", "y"), (4, "a:1", ""), (0, "a", "z")],
).to_dict()
# Two weights of one size that alternate in room for three halves, a result that is written back, and an output read on.
CELL = program(
    {
        "x": ("input", 4),
        "v": ("param", 7),
        "w": ("param", 7),
        "a": ("temp", 4),
        "h": ("temp", 3),
        "y": ("output", 4),
    },
    [(9, "x v", "a"), (6, "w", ""), (5, "a v:3", "h"), (7, "w a", "y"), (0, "y h", "")],
    capacity=18,
).to_dict()
# Instructions of no work, slices, a tie of two reads, a buffer larger than fast memory, speeds that leave fractions.
ODD_SPEEDS = program(
    {
        "p": ("const", 3),
        "q": ("param", 3),
        "big": ("param", 30),
        "a": ("temp", 5),
        "b": ("temp", 2),
        "y": ("output", 1),
    },
    [(0, "", ""), (11, "p big:9", "a"), (0, "q p", ""), (3, "a:2", "b"), (0, "", ""), (8, "a q p b", "y")],
    capacity=13,
    align=3,
    vector_flops=[4, 0, 1, 5, 2, 0],
    matrix_peak=1.7,
    vector_peak=1.3,
    slow_bandwidth=1.1,
    fast_bandwidth=7.3,
).to_dict()
# Room for one buffer alone.
UNIT = program(
    {"w": ("param", 1), "a": ("temp", 1), "y": ("output", 1)},
    [(2, "w", "a"), (3, "a", ""), (1, "w a", ""), (0, "a w", "y")],
    capacity=1,
    align=1,
).to_dict()
LARGE = program(
    {"w": ("param", 1), "y": ("output", 1)}, [*[(1, "w", "")] * 30, (1, "w", "y")], capacity=1, align=1
).to_dict()

TOY = {"name": "toy", "instructions": [2, 4], "reuse": 0.7, "pressure": [0.3, 2.0]}
# Products that take long: slow memory has time for copies.
BUSY = {**TOY, "intensity": [200.0, 2000.0]}
# Results that are read again, in too little room for all of them.
TIGHT = {**BUSY, "skip": 0.9, "pressure": [1.0, 3.0]}
ROOM = {"max_instructions": 8, "max_buffers": 20, "max_slots": 30, "max_rects": 80}

MEMORY_MAPPING = FamilyCase(
    label="memory_mapping",
    family="memory_mapping",
    env_id="ganttlet/MemoryMapping-v0",
    variants={
        "saved": {"generator": TOY, **ROOM},
        "busy": {"generator": BUSY, **ROOM, "placement": "best_fit", "lookahead": 4, "residents": 2, "gamma": 0.9},
        "reserve": {"generator": BUSY, **ROOM, "preset": "reserve", "window": 2, "lookahead": 8, "residents": 3},
        "no_stall": {"generator": BUSY, **ROOM, "preset": "no_stall", "observation": "slot", "illegal_penalty": 2.5},
        "terminal": {"generator": TOY, **ROOM, "reward": "terminal", "window": 1, "observation": "slot"},
        "skipping": {"generator": BUSY, **ROOM, "skip_forced": True, "placement": "reserve", "lookahead": 5},
        "skipping_terminal": {
            "generator": TOY,
            **ROOM,
            "skip_forced": True,
            "reward": "terminal",
            "window": 3,
            "observation": "slot",
        },
        "cell": {"instance": CELL, **ROOM, "lookahead": 6, "residents": 4},
        "odd": {"instance": ODD_SPEEDS, **ROOM, "placement": "reserve", "lookahead": 20, "residents": 1, "window": 2},
        "listed": {"instances": [CELL, ODD_SPEEDS, UNIT], **ROOM, "placement": "best_fit", "window": 3},
        "sync": {"generator": {**BUSY, "sync": 0.6}, **ROOM, "lookahead": 6, "residents": 4},
        "sync_no_stall": {
            "generator": {**BUSY, "sync": 0.8},
            **ROOM,
            "preset": "no_stall",
            "placement": "reserve",
            "observation": "slot",
        },
        "dead_ends": {"generator": TIGHT, **ROOM, "dead_ends": True, "lookahead": 6, "residents": 4},
        "dead_ends_program": {
            "generator": TIGHT,
            **ROOM,
            "dead_ends": True,
            "observation": "program",
            "picture": 8,
            "lookahead": 6,
        },
        "dead_ends_sync": {
            "generator": {**TIGHT, "sync": 0.4},
            **ROOM,
            "dead_ends": True,
            "placement": "reserve",
            "stall": False,
            "observation": "slot",
        },
        "static": {"generator": BUSY, **ROOM, "reward": "static", "observation": "slot"},
        "program": {
            "generator": BUSY,
            **ROOM,
            "observation": "program",
            "picture": True,
            "lookahead": 6,
            "residents": 3,
        },
        "program_index": {
            "generator": TOY,
            **ROOM,
            "observation": "program",
            "static": "index",
            "picture": 8,
            "window": 2,
            "skip_forced": True,
        },
        "program_listed": {"instances": [CELL, ODD_SPEEDS, UNIT], **ROOM, "observation": "program", "window": 3},
        # Not supply="elapsed": its infos tell of another model than solutions are judged by.
        "pooled": {"generator": BUSY, **ROOM, "pool_size": 3, "pool_seed": 2, "observation": "slot"},
    },
    indexed="program_index",
    longest="listed",
    oracle=MemoryOracle,
    extras=memory_extras,
    expected_return=memory_return,
    instances=(CELL, ODD_SPEEDS, UNIT),
    too_large=LARGE,
    telling="slot_bytes",
    stored_telling=stored_bytes,
    seeded=(
        "saved",
        "busy",
        "reserve",
        "no_stall",
        "terminal",
        "skipping",
        "skipping_terminal",
        "listed",
        "sync",
        "sync_no_stall",
        "dead_ends",
        "dead_ends_program",
        "dead_ends_sync",
        "static",
        "program",
        "program_index",
        "program_listed",
        "pooled",
    ),
    partial=False,
)
