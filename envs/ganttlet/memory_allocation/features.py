"""What an observation shows: feature names with ranges and units, and the kernels that write them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ganttlet.core.graph import EdgeType, Feature, GraphSpec, NodeType, Segment
from ganttlet.core.jit import jit_lean
from ganttlet.memory_allocation.layout import (
    ALIGN,
    BEGIN,
    BOUND,
    BUFFERS,
    CAPACITY,
    CONTENTION,
    DEGREE,
    FILLED,
    FIRST,
    FIXED,
    HEIGHT,
    LAST,
    LEFT,
    LENGTH,
    LOAD,
    LOW,
    LOWER,
    OFFSET,
    PEAK,
    PLACED,
    RIVAL_SIZE,
    RIVALS,
    SECTIONS,
    SIZE,
    SIZE_PLACED,
    SPAN,
    TOP,
    TOTAL,
    UPPER,
    Array,
)

FAR = 1000.0
MANY = 1e9
SHARE = "as a share of the capacity"

BUFFER_FEATURES = (
    Feature("placed", 0, 1, "1 once the buffer has its place"),
    Feature("offset", 0, FAR, f"its offset, {SHARE}; 0 before it is placed"),
    Feature("low", 0, FAR, f"lowest offset that fits its lifetime now, {SHARE}; 0 once placed"),
    Feature("top", 0, FAR, f"end of the buffer, at the lowest offset while it is not placed, {SHARE}"),
    Feature("rise", 0, FAR, f"by how much the height would grow if it were placed now, {SHARE}"),
    Feature("rivals", 0, 1, "buffers not placed that overlap with it, as a share of all; 0 once placed"),
    Feature("rival_size", 0, 1, "sum of their sizes, as a share of the sizes of all buffers; 0 once placed"),
    Feature("above", 0, FAR, f"lowest offset less the least one of all that are not placed, {SHARE}; 0 once placed"),
    Feature("least", 0, 1, "1 if none that is not placed fits lower; 0 once placed"),
)
BUFFER_STATIC = (
    Feature("size", 0, 1, f"size, {SHARE}"),
    Feature("begin", 0, 1, "start of its lifetime, as a share of the time of all lifetimes"),
    Feature("end", 0, 1, "end of its lifetime, likewise"),
    Feature("lifetime", 0, 1, "end less start"),
    Feature("area", 0, 1, "size x lifetime, as a share of that of all buffers"),
    Feature("degree", 0, 1, "other buffers that overlap with it, as a share of all buffers"),
    Feature("contention", 0, FAR, f"greatest load during its lifetime, {SHARE}"),
    Feature("alignment", 0, FAR, f"of which its offset is a multiple, {SHARE}"),
    Feature("fixed", 0, 1, "1 if its offset was given"),
)
SECTION_FEATURES = (
    Feature("top", 0, FAR, f"highest end of a placed buffer that lives in the section, {SHARE}"),
    Feature("filled", 0, FAR, f"sizes of the placed buffers that live in it, {SHARE}"),
    Feature("holes", 0, FAR, f"top less filled, {SHARE}"),
    Feature("left", 0, FAR, f"sizes of its buffers that are not placed, {SHARE}"),
)
SECTION_STATIC = (
    Feature("length", 0, 1, "time it lasts, as a share of the time of all lifetimes"),
    Feature("load", 0, FAR, f"sizes of all buffers that live in it, {SHARE}"),
)
CONTEXT_FEATURES = (
    Feature("placed", 0, 1, "share of buffers that are placed"),
    Feature("height", 0, FAR, f"end of the highest placed buffer, {SHARE}"),
    Feature("bound", 0, FAR, f"least height that can still be reached, as far as it is known, {SHARE}"),
    Feature("load", 0, FAR, f"greatest load, {SHARE}"),
    Feature("area_left", 0, 1, "size x lifetime of buffers not placed, as a share of that of all buffers"),
    Feature("size_left", 0, 1, "sizes of buffers not placed, as a share of those of all buffers"),
    Feature("buffers", 0, MANY, "number of buffers"),
)
OBSERVATIONS = ("buffers", "sections")


def graph_spec(buffers: int, sections: int, *, kind: str) -> GraphSpec:
    """Return the GraphSpec of a padded space for an observation ``kind`` of OBSERVATIONS."""
    nodes = [NodeType("buffer", buffers, BUFFER_FEATURES, BUFFER_STATIC, fixed=True)]
    edges = []
    if kind == "sections":
        nodes.append(NodeType("section", sections, SECTION_FEATURES, SECTION_STATIC, fixed=True))
        edges = [EdgeType(name, "buffer", "section", "pointer", static=True) for name in ("begins", "ends")]
    return GraphSpec(tuple(nodes), tuple(edges), CONTEXT_FEATURES, segments=(Segment("buffer"),))


@jit_lean
def share(value: Any, whole: float) -> Any:
    """Return value / whole within 0 … FAR."""
    return min(max(value / whole, 0.0), FAR)


@jit_lean
def show_row(
    full: bool,
    facts: Array,
    loads: Array,
    area: Any,
    size: Array,
    buffers: Array,
    sections: Array,
    area_placed: Any,
    totals: Array,
    buffer: Array,
    section: Array,
    context: Array,
    mask: Array,
) -> None:
    """Bring the observation of one row up to date.

    Args:
        full: rewrite all of it, whatever the arrays hold; else what they hold of placed buffers stays.
        facts, loads, area, size: the instance, rows of Store.
        buffers, sections, area_placed, totals: the episode, rows of State.
        buffer, section, context, mask: the blocks of that row; ``section`` is empty where it is not shown.
    """
    n, capacity, whole = size[BUFFERS], float(size[CAPACITY]), float(size[TOTAL])
    height, level = totals[HEIGHT], np.int64(-1)
    for k in range(n):
        if buffers[OFFSET, k] < 0 and (level < 0 or buffers[LOW, k] < level):
            level = buffers[LOW, k]
    for k in range(n):
        if not full and buffer[k, 0] == 1.0:
            continue
        placed = buffers[OFFSET, k] >= 0
        end = (buffers[OFFSET, k] if placed else buffers[LOW, k]) + facts[SIZE, k]
        buffer[k, 0] = placed
        buffer[k, 1] = share(buffers[OFFSET, k], capacity)
        buffer[k, 2] = 0.0 if placed else share(buffers[LOW, k], capacity)
        buffer[k, 3] = share(end, capacity)
        buffer[k, 4] = 0.0 if placed else share(end - height, capacity)
        buffer[k, 5] = 0.0 if placed else buffers[RIVALS, k] / n
        buffer[k, 6] = 0.0 if placed else buffers[RIVAL_SIZE, k] / whole
        buffer[k, 7] = 0.0 if placed else share(buffers[LOW, k] - level, capacity)
        buffer[k, 8] = not placed and buffers[LOW, k] == level
    if full:
        buffer[n:] = 0.0
    over = totals[LEFT] == 0
    for k in range(len(mask)):
        mask[k] = over or (k < n and buffers[OFFSET, k] < 0)
    context[0] = totals[PLACED] / n
    context[1] = share(height, capacity)
    context[2] = share(totals[BOUND], capacity)
    context[3] = share(size[PEAK], capacity)
    context[4] = min(max(1.0 - area_placed / area, 0.0), 1.0)
    context[5] = 1.0 - totals[SIZE_PLACED] / whole
    context[6] = min(float(n), MANY)
    for s in range(min(size[SECTIONS], len(section))):
        section[s, 0] = share(sections[TOP, s], capacity)
        section[s, 1] = share(sections[FILLED, s], capacity)
        section[s, 2] = share(sections[TOP, s] - sections[FILLED, s], capacity)
        section[s, 3] = share(loads[LOAD, s] - sections[FILLED, s], capacity)
    if full and len(section) > 0:
        section[size[SECTIONS] :] = 0.0


@jit_lean
def write_static(
    slots: Array,
    rows: Array,
    store: Any,
    buffer_mask: Array,
    buffer_static: Array,
    section_mask: Array,
    section_static: Array,
    begins: Array,
    ends: Array,
) -> None:
    """Write the static blocks of the stored instances ``slots`` into ``rows``; those not shown are empty."""
    facts_, sections_, area_, size_ = store
    shows_sections = section_mask.shape[0] > 0
    for r in range(len(rows)):
        s, b = slots[r], rows[r]
        n, count = size_[s, BUFFERS], size_[s, SECTIONS]
        capacity, begin, span = float(size_[s, CAPACITY]), size_[s, BEGIN], float(size_[s, SPAN])
        buffer_mask[b] = 0
        buffer_static[b] = 0.0
        for k in range(n):
            long = facts_[s, UPPER, k] - facts_[s, LOWER, k]
            buffer_mask[b, k] = 1
            buffer_static[b, k, 0] = facts_[s, SIZE, k] / capacity
            buffer_static[b, k, 1] = (facts_[s, LOWER, k] - begin) / span
            buffer_static[b, k, 2] = (facts_[s, UPPER, k] - begin) / span
            buffer_static[b, k, 3] = long / span
            buffer_static[b, k, 4] = min(1.0, float(facts_[s, SIZE, k]) * float(long) / area_[s])
            buffer_static[b, k, 5] = facts_[s, DEGREE, k] / n
            buffer_static[b, k, 6] = share(facts_[s, CONTENTION, k], capacity)
            buffer_static[b, k, 7] = share(facts_[s, ALIGN, k], capacity)
            buffer_static[b, k, 8] = facts_[s, FIXED, k] >= 0
        if shows_sections:
            section_mask[b] = 0
            section_static[b] = 0.0
            begins[b] = -1
            ends[b] = -1
            for e in range(count):
                section_mask[b, e] = 1
                section_static[b, e, 0] = sections_[s, LENGTH, e] / span
                section_static[b, e, 1] = share(sections_[s, LOAD, e], capacity)
            for k in range(n):
                begins[b, k], ends[b, k] = facts_[s, FIRST, k], facts_[s, LAST, k]
