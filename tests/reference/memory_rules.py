"""The rules of memory mapping that play the game, and its evolution, in plain Python over the slow game."""

from __future__ import annotations

from typing import Any

from reference.memory_mapping import COPY, DROP, NO_COPY, ReferenceMapping
from reference.soc_draws import uniform

DROPPED, CAUTIOUS, FORCE, SPILL = range(4)


def choose(game: ReferenceMapping, wanted: int, theta: float = -1.0) -> int:
    """The legal action that a preference means now."""
    legal, slot = game.legal(), game.slots[game.k]
    if len(legal) == 1:
        return legal[0]
    if wanted == DROPPED and DROP in legal:
        return DROP
    if wanted == SPILL and slot.buffer in game.dirty and not slot.is_result and DROP in legal:
        return DROP
    if NO_COPY in legal:
        return NO_COPY
    if wanted == FORCE:
        return COPY
    slow, fast = game.bytes_at(slot.time)
    gain = game.length(slot.time, slow, fast) - game.length(slot.time, slow - slot.bytes, fast + slot.bytes)
    made = game.copy_in(slot.buffer)
    assert made is not None
    wait = sum(us for time, us in made[0].moves if time == slot.time)
    return COPY if gain >= wait and gain > theta * game.us(game.size[slot.buffer]) else DROP


def play(game: ReferenceMapping, wanted: list[int], theta: float = -1.0) -> ReferenceMapping:
    """Play a game to its end by a preference for each slot, and return it."""
    while not game.done:
        game.play(choose(game, wanted[game.k], theta))
    return game


def stays(program: Any) -> list[bool]:
    """For each slot, whether Belady's rule has its buffer in fast memory from then until its next use."""
    slots = list(zip(program.slot_time.tolist(), program.slot_buffer.tolist(), program.slot_role.tolist(), strict=True))
    size = [-(-b // program.align) * program.align for b in program.size.tolist()]
    never = len(program.matrix_flops)

    def use(buffer: int, since: int) -> int:
        """The first instruction, from ``since`` on, that reads a buffer."""
        return min((t for t, b, role in slots if b == buffer and role == 0 and t >= since), default=never)

    before: list[set[int]] = []  # what is in fast memory when each instruction begins
    present: set[int] = set()
    for time in range(never):
        before.append(set(present))
        joining = {
            b
            for t, b, role in slots
            if t == time and (role == 0 or (program.buffer_kind[b] == 3 and use(b, time + 1) < never))
        }
        joining = {b for b in joining if size[b] <= program.capacity}
        present |= joining
        while sum(size[b] for b in present) > program.capacity:
            gone = sorted(present, key=lambda b: (time if b in joining else use(b, time + 1), use(b, time + 1), -b))[-1]
            present.remove(gone)
        present = {b for b in present if use(b, time + 1) < never}
    found = []
    for time, b, _ in slots:
        until = use(b, time + 1)
        found.append(until < never and all(b in before[t] for t in range(time + 1, until + 1)))
    return found


def belady(program: Any) -> list[int]:
    """The preferences that follow from :func:`stays`."""
    roles = program.slot_role.tolist()
    return [FORCE if kept else DROPPED if role else SPILL for kept, role in zip(stays(program), roles, strict=True)]


def evolve(
    program: Any, budget: int, offspring: int, changes: tuple[int, float], seed: int, objective: str, **options: Any
) -> ReferenceMapping:
    """The best game of an evolution that begins with caution everywhere; changes: most, and share of whole buffers."""

    def attempt(wanted: list[int]) -> tuple[float, ReferenceMapping]:
        game = play(ReferenceMapping(program, **options), wanted)
        value = game.objectives()[objective]
        return (-value if objective == "speedup" else value), game

    def draw(generation: int, child: int, number: int, low: int, high: int) -> int:
        return low + int(uniform(seed, generation, child, number) * (high - low + 1))

    parent = [CAUTIOUS] * len(program.slot_time)
    least, best = attempt(parent)
    genes = []
    for k, b in enumerate(program.slot_buffer.tolist()):
        read = [
            t for t, other in zip(program.slot_time.tolist(), program.slot_buffer.tolist(), strict=True) if other == b
        ]
        fits = -(-program.size[b] // program.align) * program.align <= program.capacity
        # Of results only those of temps that are used later may go to fast memory.
        if fits and (program.slot_role[k] == 0 or (program.buffer_kind[b] == 3 and len(read) > 1)):
            genes.append(k)
    done, generation = 1, 0
    while genes and done < budget:
        litter = []
        for child in range(min(offspring, budget - done)):
            wanted = list(parent)
            for i in range(draw(generation, child, 0, 1, changes[0])):
                at = genes[draw(generation, child, 3 * i + 1, 0, len(genes) - 1)]
                new = (wanted[at] + draw(generation, child, 3 * i + 2, 1, 2)) % 3
                whole = uniform(seed, generation, child, 3 * i + 3) < changes[1]
                for k in genes:
                    if k == at or (whole and program.slot_buffer[k] == program.slot_buffer[at]):
                        wanted[k] = new
            litter.append((*attempt(wanted), wanted))
        value, game, wanted = min(litter, key=lambda one: one[0])
        if value <= least:
            least, best, parent = value, game, wanted
        done += len(litter)
        generation += 1
    return best
