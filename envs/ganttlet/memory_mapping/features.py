"""What a memory-mapping environment shows: the GraphSpec, its features, and those of a slot that never change."""

from __future__ import annotations

import numpy as np

from ganttlet.core.graph import EdgeType, Feature, GraphSpec, NodeType, Picture, Segment
from ganttlet.core.jit import jit
from ganttlet.memory_mapping.instance import OUT, OUTPUT, TEMP, Array, Program
from ganttlet.memory_mapping.layout import N_ACTIONS, Sizes
from ganttlet.memory_mapping.stays import stays_of

OBSERVATIONS = ("window", "slot", "program")
PICTURE = 64  # instructions and bins of offsets that picture=True shows
FAR = 1000.0


def _time(name: str, about: str) -> Feature:
    return Feature(name, -FAR, FAR, f"{about} [mean time of an instruction with everything slow]")


def _size(name: str, about: str) -> Feature:
    return Feature(name, 0, FAR, f"{about} [usable capacity]")


def _count(name: str, about: str) -> Feature:
    return Feature(name, 0, FAR, about)


SLOT_STATE = (
    Feature("now", 0, 1, "the slot to be decided"),
    _count("ahead", "instructions until it is due"),
    Feature("kept", 0, 1, "its buffer is in fast memory and can be kept until this slot"),
    Feature("dirty", 0, 1, "fast memory holds the only copy of it"),
    Feature("same", 0, 1, "of the same buffer as the slot to be decided"),
)
SLOT_FACTS = (
    Feature("result", 0, 1, "a result, not an operand"),
    Feature("given", 0, 1, "of a parameter, input or constant"),
    Feature("output", 0, 1, "of an output of the program"),
    _size("size", "aligned size of its buffer"),
    Feature("share", 0, 1, "bytes it moves / size of its buffer"),
    _time("gain", "time saved if it alone were fast in its instruction"),
    _time("relief", "its bytes in slow memory less those in fast memory"),
    _time("demand", "time of slow memory for a copy of its buffer"),
    _time("time", "its instruction with everything slow"),
    _time("idle", "idle time of slow memory in it"),
    _count("uses", "later uses of the buffer"),
    _count("next", "instructions from this slot to the next use, 0 if there is none"),
    _time("rest", "sum of gain over the later uses"),
    _count("earns", "time saved by its stay in fast memory / (its share of fast memory x time of the stay)"),
    _count("crowd", "most that stays earning as much or more would take of fast memory at once during its stay"),
)
GAIN, RELIEF, DEMAND, USES, NEXT_USE, REST = 5, 6, 7, 10, 11, 12
RESIDENT = (
    _size("offset", "where it lies"),
    _size("size", "aligned size"),
    Feature("dirty", 0, 1, "fast memory holds the only copy of it"),
    Feature("same", 0, 1, "the buffer of the slot to be decided"),
    _count("age", "instructions since it was last in use or reserved"),
    _count("reserved", "instructions for which it stays reserved"),
    _count("next", "instructions until its next use"),
    _count("uses", "uses left"),
    _time("gain", "gain of its next use"),
    _time("rest", "sum of gain over its uses left"),
    _time("demand", "time of slow memory for a copy of it"),
    Feature("threatened", 0, 1, "the place that the decision may take overlaps it"),
)
CONTEXT = (
    Feature("may_drop", 0, 1, "Drop is legal"),
    Feature("may_keep", 0, 1, "NoCopy is legal"),
    Feature("may_copy", 0, 1, "Copy is legal"),
    Feature("result", 0, 1, "the slot is a result"),
    Feature("given", 0, 1, "its buffer is a parameter, input or constant"),
    Feature("output", 0, 1, "its buffer is an output of the program"),
    _size("size", "aligned size of its buffer"),
    Feature("share", 0, 1, "bytes it moves / size of its buffer"),
    _time("gain", "time saved at once if the slot is served from fast memory"),
    _time("relief", "its bytes in slow memory less those in fast memory"),
    _time("demand", "time of slow memory for a copy of its buffer"),
    _time("stall", "stall that Copy costs"),
    _count(
        "start", "instructions from the start of the copy that Copy or writing it back makes, 0 if neither is legal"
    ),
    _count("uses", "later uses of its buffer"),
    _count("next", "instructions to its next use, 0 if there is none"),
    _time("rest", "sum of gain over its later uses"),
    Feature("kept", 0, 1, "its buffer is in fast memory and can be kept"),
    Feature("dirty", 0, 1, "fast memory holds the only copy of it"),
    _count("age", "instructions since its rectangle ended, 0 without one"),
    _time("lost", "sum of gain over the uses left of the buffers that the place it would take overlaps"),
    _time("compute", "arithmetic time of the instruction"),
    _time("memory", "its memory time, undecided slots slow"),
    _time("stalled", "stall before it so far"),
    _count("slots", "slots of the instruction left to decide, this one included"),
    Feature("used", 0, 1, "share of fast memory in use now"),
    Feature("largest", 0, 1, "largest free range now / usable capacity"),
    Feature("keepable", 0, 1, "share of fast memory taken by clean buffers that can be kept"),
    _count("residents", "buffers that can be kept"),
    _time("left_1", "idle time of slow memory left by the instruction before"),
    _time("left_4", "by the 4 instructions before"),
    _time("left_16", "by the 16 instructions before"),
    _time("left_64", "by the 64 instructions before"),
    Feature("progress", 0, 1, "share of the slots that are decided"),
    Feature("saved", -FAR, 1, "1 - latency so far / latency with everything slow"),
)


# Of the whole program, the same throughout an episode.
INSTRUCTION = (
    _time("compute", "arithmetic time"),
    _time("memory", "memory time with everything slow"),
    _time("fast", "memory time with everything fast"),
    _time("gain", "time saved if everything is fast instead of slow"),
    _time("idle", "idle time of slow memory with everything slow"),
    _count("operands", "operands"),
    _count("results", "results"),
    Feature("progress", 0, 1, "its number / number of instructions"),
)
WHOLE_BUFFER = (
    Feature("given", 0, 1, "a parameter, input or constant"),
    Feature("output", 0, 1, "an output of the program"),
    _size("size", "aligned size"),
    _time("demand", "time of slow memory for a copy of it"),
    _count("uses", "slots in which it is an operand"),
    _time("gain", "sum over its slots of the time saved if that slot alone were fast in its instruction"),
    _count("span", "instructions from its first slot to its last"),
    Feature("first", 0, 1, "instruction of its first slot / number of instructions"),
    Feature("last", 0, 1, "instruction of its last slot / number of instructions"),
)
WHOLE_SLOT = tuple(SLOT_FACTS[column] for column in (0, 4, GAIN, RELIEF))
PROFILE = (
    Feature("occupied", 0, 1, "share of the bin in use at this instruction or later, so far as decided"),
    Feature("dirty", 0, 1, "that of it that is dirty buffers with uses left"),
    Feature("kept", 0, 1, "share free by then of clean buffers that can be kept, until their next use"),
    Feature("urgency", 0, 1, "sum over buffers with uses left: share / (1 + instructions until the next use)"),
)
SUPPLY = (
    _time("left", "idle time of slow memory that an instruction before has left"),
    _time("idle", "that of one from now on, with everything slow"),
)


def graph_spec(*, lookahead: int, residents: int, kind: str, picture: int, sizes: Sizes) -> GraphSpec:
    """Return what an environment of these options shows; ``picture`` is the side of the memory picture, 0 for none."""
    segments = (Segment("context", N_ACTIONS),)
    slot, focus = SLOT_STATE + SLOT_FACTS, (("slot", "slot"),)
    pictures = (Picture("profile", PROFILE, picture, picture), Picture("supply", SUPPLY, 1, picture)) if picture else ()
    if kind == "slot":
        nodes: tuple[NodeType, ...] = (NodeType("slot", 1, slot),)
        return GraphSpec(nodes, context=CONTEXT, focus=focus, segments=segments, pictures=pictures)
    nodes = (NodeType("slot", lookahead, slot), NodeType("resident", residents, RESIDENT))
    edges: tuple[EdgeType, ...] = (
        EdgeType("slot_next", "slot", "slot", "pointer"),
        EdgeType("slot_resident", "slot", "resident", "pointer"),
    )
    if kind == "program":
        nodes += (
            NodeType("instruction", sizes.instructions, static_features=INSTRUCTION, fixed=True),
            NodeType("buffer", sizes.buffers, static_features=WHOLE_BUFFER, fixed=True),
        )
        edges += (
            EdgeType("follows", "instruction", "instruction", "pointer", static=True),
            EdgeType("uses", "instruction", "buffer", "list", sizes.slots, WHOLE_SLOT, static=True),
            EdgeType("slot_instruction", "slot", "instruction", "pointer"),
            EdgeType("slot_buffer", "slot", "buffer", "pointer"),
            EdgeType("resident_buffer", "resident", "buffer", "pointer"),
        )
    return GraphSpec(nodes, edges, CONTEXT, focus, segments=segments, pictures=pictures)


@jit
def add_up(following: Array, gain: Array, uses: Array, rest: Array) -> None:
    """Write how many slots follow each in its buffer, and the sum of their gains; ``following`` is -1 for none."""
    for k in range(len(following) - 1, -1, -1):
        after = following[k]
        if after >= 0:
            uses[k] = uses[after] + 1
            rest[k] = rest[after] + gain[after]


def slot_facts(program: Program) -> Array:
    """Return (U, len(SLOT_FACTS)) float32, what the observation says of each slot throughout an episode."""
    buffer, time, moved = program.slot_buffer, program.slot_time, program.slot_bytes.astype(np.float64)
    slow, fast = program.slow_bandwidth, program.fast_bandwidth
    kind, operand = program.buffer_kind[buffer], program.slot_role != OUT
    unit = program.all_slow / program.n_instructions
    room = max(1, program.capacity // program.align) * program.align
    total = np.zeros(program.n_instructions)
    np.add.at(total, time, moved)
    slowly = program.latencies(np.zeros(program.n_slots))[time]
    alone = np.maximum(program.compute[time], 1e6 * ((total[time] - moved) / slow + moved / fast))
    gain = slowly - alone
    uses, rest = np.zeros(program.n_slots), np.zeros(program.n_slots)
    add_up(program.next_slot, gain, uses, rest)
    earned, crowd = stays_of(program)
    columns = (
        ~operand,
        kind < TEMP,
        kind == OUTPUT,
        program.aligned[buffer] / room,
        moved / program.size[buffer],
        gain / unit,
        1e6 * (moved / slow - moved / fast) / unit,
        program.copy_time[buffer] / unit,
        slowly / unit,
        (slowly - 1e6 * (total[time] / slow)) / unit,
        uses,
        np.where(program.next_slot >= 0, program.next_use - time, 0),
        rest / unit,
        earned * room,
        crowd,
    )
    facts: Array = np.clip(np.stack(columns, axis=1), -FAR, FAR).astype(np.float32)
    return facts
