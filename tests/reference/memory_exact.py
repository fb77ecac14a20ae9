"""Least latency of tiny programs by trying every mapping: where each buffer lies when, and from when on it is copied.

Places are left out: what lies in fast memory must fit by the sum of aligned sizes. Copies move in the order of their
deadlines. Nothing here is shared with the solvers or the game.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any, NamedTuple


class Choice(NamedTuple):
    """One way to treat a buffer: its fast slots, (start, end) of its rectangles, (release, deadline) of its copies."""

    fast: tuple[int, ...]
    rects: tuple[tuple[int, int], ...]
    copies: tuple[tuple[int, int], ...]


def choices(program: Any, buffer: int) -> list[Choice]:
    """Return every way to treat a buffer."""
    slots = [k for k in range(program.n_slots) if program.slot_buffer[k] == buffer]
    times = [int(program.slot_time[k]) for k in slots]
    if program.aligned[buffer] > program.capacity:
        return [Choice((), (), ())]
    n, born = program.n_instructions, int(program.defined[buffer])
    found = []
    # Each slot: from slow memory (-1), kept (-2), or copied from a release on; a result from slow or fast memory.
    first = [[-1, -2]] if born >= 0 else []
    ways = first + [[-1, -2, *range(born + 1, t + 1)] for t in times[len(first) :]]
    for way in product(*ways):
        fast = [slot for slot, w in zip(slots, way, strict=True) if w != -1]
        rects: list[list[int]] = []
        copies: list[tuple[int, int]] = []
        legal, need_slow, in_fast = True, -1, False
        for i, (t, w) in enumerate(zip(times, way, strict=True)):
            if w == -2:
                if born >= 0 and i == 0:
                    rects.append([t, t])
                elif in_fast:
                    rects[-1][1] = t
                else:
                    legal = False
                    break
            elif w >= 0:
                # A second rectangle beside one that still holds the content is never better than keeping it.
                if rects and rects[-1][1] >= w:
                    legal = False
                    break
                rects.append([w, t])
                copies.append((w, t))
            if w != -2 and not (born >= 0 and i == 0) and need_slow < 0:
                need_slow = t if w == -1 else w
            in_fast = w != -1
        if not legal:
            continue
        written_fast = born >= 0 and way[0] == -2
        output = int(program.buffer_kind[buffer]) == 4
        if not written_fast or (need_slow < 0 and not output):
            found.append(Choice(tuple(fast), tuple(map(tuple, rects)), tuple(copies)))
            continue
        latest = n if need_slow < 0 else need_slow
        if len(rects) > 1:
            latest = min(latest, rects[1][0])
        for release, deadline in product(range(born + 1, latest + 1), repeat=2):
            # The content is there after its instruction, and until the deadline, which the first need does not precede.
            if release <= deadline and deadline >= born + 2:
                mine = [list(rect) for rect in rects]
                mine[0][1] = max(mine[0][1], deadline - 1)
                found.append(Choice(tuple(fast), tuple(map(tuple, mine)), (*copies, (release, deadline))))
    return list(dict.fromkeys(found))


def count(program: Any) -> int:
    """Return how many mappings there are, before capacity."""
    return prod(len(choices(program, b)) for b in range(program.n_buffers))


def latency(program: Any, chosen: list[Choice]) -> float:
    """Return the latency of a mapping; infinite if a copy is not done at the end."""
    n, slow, fast = program.n_instructions, program.slow_bandwidth, program.fast_bandwidth
    served = {k for choice in chosen for k in choice.fast}
    length, idle = [], []
    for t in range(n):
        mine = [k for k in range(program.n_slots) if program.slot_time[k] == t]
        from_slow = sum(int(program.slot_bytes[k]) for k in mine if k not in served)
        from_fast = sum(int(program.slot_bytes[k]) for k in mine if k in served)
        length.append(max(float(program.compute[t]), 1e6 * (from_slow / slow + from_fast / fast)))
        idle.append(length[-1] - 1e6 * from_slow / slow)
    copies = [
        [deadline, release, 1e6 * int(program.size[b]) / slow]
        for b, choice in enumerate(chosen)
        for release, deadline in choice.copies
    ]
    copies.sort()
    stall = 0.0
    for t in range(n + 1):
        for copy in copies:
            if copy[0] == t and copy[2] > 0:
                if t == n and copy[2] > 1e-9:
                    return float("inf")
                stall += copy[2]
                copy[2] = 0.0
        for copy in copies if t < n else ():
            if copy[1] <= t < copy[0]:
                part = min(idle[t], copy[2])
                copy[2] -= part
                idle[t] -= part
    return sum(length) + stall


def least_latency(program: Any) -> float:
    """Return the least latency of all mappings whose rectangles fit by the sum of their sizes."""
    options = [choices(program, b) for b in range(program.n_buffers)]
    used = [0] * program.n_instructions
    chosen: list[Choice] = []
    best = float("inf")

    def extend(b: int) -> None:
        nonlocal best
        if b == len(options):
            best = min(best, latency(program, chosen))
            return
        size = int(program.aligned[b])
        for choice in options[b]:
            for start, end in choice.rects:
                for t in range(start, end + 1):
                    used[t] += size
            if max(used) <= program.capacity:
                chosen.append(choice)
                extend(b + 1)
                chosen.pop()
            for start, end in choice.rects:
                for t in range(start, end + 1):
                    used[t] -= size

    extend(0)
    return best
