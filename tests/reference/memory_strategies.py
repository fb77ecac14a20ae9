"""Small random programs: ties, instructions of no work, slices, unaligned sizes, buffers larger than fast memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from ganttlet.memory_mapping.instance import KINDS, Program
from reference.memory_mapping import PLACEMENTS

# µs come out whole or in quarters with the first, in fractions that float64 cannot hold with the second.
SPEEDS = (
    {"matrix_peak": 2e6, "vector_peak": 1e6, "slow_bandwidth": 1e6, "fast_bandwidth": 4e6},
    {"matrix_peak": 7e6, "vector_peak": 3e6, "slow_bandwidth": 1.3e6, "fast_bandwidth": 1.1e7},
    {"matrix_peak": 1e6, "vector_peak": 1e6, "slow_bandwidth": 1e6, "fast_bandwidth": 1e6},
)


@st.composite
def programs(draw: Any, most_instructions: int = 12, groups: bool = False) -> Program:
    """Draw a program of up to ``most_instructions`` instructions, on up to 7 units of fast memory.

    With ``groups`` some of its buffers are in sync groups.
    """
    align = draw(st.sampled_from([1, 4, 8]))
    units = draw(st.sampled_from([1, 2, 3, 4, 5, 7, 5, 7, 0]))
    n = draw(st.integers(1, most_instructions))
    # Few different sizes, so that gaps and costs tie; now and then all of fast memory, or more.
    sizes = draw(st.lists(st.integers(1, 3 * align), min_size=1, max_size=3))
    size = st.sampled_from([*sizes, *sizes, 1, align, align, max(1, units * align), units * align + 1])
    made = [draw(st.integers(0, 2)) for _ in range(n)]
    if not any(made):
        made[draw(st.integers(0, n - 1))] = 1
    defined = [-1] * draw(st.integers(0, 3)) + [time for time in range(n) for _ in range(made[time])]
    kinds = [draw(st.sampled_from(KINDS[:3] if time < 0 else ("temp", "temp", "temp", "output"))) for time in defined]
    bytes_of = [draw(size) for _ in defined]
    slots: list[tuple[int, int, int, int]] = []
    for time in range(n):
        ready = [b for b, born in enumerate(defined) if born < time]
        read = draw(st.lists(st.sampled_from(ready), unique=True, max_size=4)) if ready else []
        written = [b for b, born in enumerate(defined) if born == time]
        for role, buffers in enumerate((read, written)):
            for b in buffers:
                part = draw(st.sampled_from([bytes_of[b], 1, bytes_of[b] // 2])) or 1
                slots.append((time, b, role, part))
    found = build(
        slots,
        bytes_of,
        kinds,
        defined,
        matrix=draw(st.lists(st.integers(0, 30), min_size=n, max_size=n)),
        vector=draw(st.lists(st.sampled_from([0, 0, 5, 40]), min_size=n, max_size=n)),
        capacity=max(1, units * align + draw(st.integers(0, align - 1))),
        align=align,
        **draw(st.sampled_from(SPEEDS)),
    )
    if not groups:
        return found
    return grouped(found, draw(st.lists(st.integers(-1, 1), min_size=found.n_buffers, max_size=found.n_buffers)))


def grouped(program: Program, wanted: list[int]) -> Program:
    """Return a program with the groups that are wanted, as far as they have two members."""
    kept = [group for group in sorted(set(wanted) - {-1}) if wanted.count(group) > 1]
    return replace(program, buffer_sync=[kept.index(group) if group in kept else -1 for group in wanted])


def build(
    slots: list[tuple[int, int, int, int]],
    size: list[int],
    kind: list[str],
    defined: list[int],
    matrix: list[int],
    vector: list[int],
    **hardware: Any,
) -> Program:
    """Return the program of ``slots`` (instruction, buffer, role, bytes); buffers without a slot are left out."""
    used = sorted({b for _, b, _, _ in slots})
    return Program(
        name="drawn",
        matrix_flops=matrix,
        vector_flops=vector,
        size=[size[b] for b in used],
        buffer_kind=[KINDS.index(kind[b]) for b in used],
        defined=[defined[b] for b in used],
        slot_time=[slot[0] for slot in slots],
        slot_buffer=[used.index(slot[1]) for slot in slots],
        slot_role=[slot[2] for slot in slots],
        slot_bytes=[slot[3] for slot in slots],
        **hardware,
    )


def semantics() -> st.SearchStrategy[dict[str, Any]]:
    """Options that change what the game is."""
    dead_ends = st.sampled_from([{}, {"dead_ends": True}, {"dead_ends": True}, {"dead_ends": True, "backup": False}])
    rest = st.fixed_dictionaries(
        {
            "supply": st.sampled_from(["idle", "idle", "elapsed"]),
            "reward": st.sampled_from(["saved", "terminal", "static"]),
        }
    )
    return st.builds(lambda one, other: {**one, **other}, dead_ends, rest)


def settings() -> st.SearchStrategy[dict[str, Any]]:
    """Options of the game."""
    return st.fixed_dictionaries(
        {
            "placement": st.sampled_from(PLACEMENTS),
            "window": st.sampled_from([1, 2, 3, 128]),
            "stall": st.sampled_from([True, True, False]),
            "reward": st.sampled_from(["saved", "terminal"]),
            "skip_forced": st.booleans(),
            "illegal_penalty": st.sampled_from([1.0, 2.5]),
        }
    )
