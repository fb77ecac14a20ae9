"""Parts of the engine: places against a list of all rectangles, room for the list, replay, and options."""

import numpy as np
import pytest

from families_memory import CELL, ODD_SPEEDS, UNIT
from ganttlet.core.errors import InputError
from ganttlet.core.rng import random_legal
from ganttlet.memory_mapping import Program, all_slow_mapping, make_generator, validate
from ganttlet.memory_mapping import layout as at
from ganttlet.memory_mapping.batch import MemoryMappingVectorEnv
from ganttlet.memory_mapping.placing import PLACEMENTS, find_place, forget_rects, put_rect
from ganttlet.memory_mapping.replay import actions_of, replay_actions

DRAWN = (
    {"name": "random", "instructions": [15, 30], "reuse": 0.5, "intensity": [50.0, 5000.0]},
    {"name": "recurrent", "steps": [3, 6], "intensity": [50.0, 5000.0]},
    {"name": "training", "layers": [5, 9]},
)


class Shelf:
    """Every rectangle ever made, (low, high, end), and those whose buffer can be kept: the slow way to find a place."""

    def __init__(self, capacity):
        self.capacity, self.made, self.kept = capacity, [], {}

    def free(self, low, units, begin):
        return low + units <= self.capacity and not any(
            one[0] < low + units and low < one[1] and one[2] >= begin for one in self.made
        )

    def find(self, rule, units, begin):
        free = [low for low in range(self.capacity) if self.free(low, units, begin)]
        if not free or rule == "first_fit":
            return min(free, default=-1)
        if rule == "reserve":
            return min(free, key=lambda low: (self.overlap(low, units), low))
        cells = [self.free(low, 1, begin) for low in range(self.capacity)] + [False]
        ranges, first = [], None
        for low, empty in enumerate(cells):
            if empty and first is None:
                first = low
            elif not empty and first is not None:
                ranges.append((low - first, first))
                first = None
        return min(one for one in ranges if one[0] >= units)[1]

    def overlap(self, low, units):
        clean = [one for one, dirty in self.kept.values() if not dirty]
        return sum(max(0, min(low + units, one[1]) - max(low, one[0])) for one in clean)

    def put(self, use, low, units, end, dirty):
        one = [low, low + units, end]
        self.kept = {key: held for key, held in self.kept.items() if held[0][1] <= low or held[0][0] >= low + units}
        self.made.append(one)
        if use >= 0:
            self.kept[use] = one, dirty


@pytest.mark.parametrize("rule", PLACEMENTS)
def test_places_are_those_of_a_list_of_all_rectangles(rule):
    rng, window, placed, refused = np.random.default_rng(5), 4, 0, 0
    for _ in range(30):
        capacity = int(rng.integers(3, 24))
        rects, count, shelf = np.zeros((at.N_RECT, 200), np.int32), 0, Shelf(capacity)
        for now in range(25):
            count = forget_rects(now - window, count, rects)
            for slot in range(int(rng.integers(1, 4))):
                units, begin = int(rng.integers(1, 9)), now - int(rng.integers(0, min(now, window) + 1))
                expected = shelf.find(rule, units, begin)
                assert find_place(PLACEMENTS.index(rule), units, begin, capacity, -1, count, rects) == expected
                if expected < 0:
                    refused += 1
                    continue
                dirty = bool(rng.random() < 0.3)
                end, use = now + int(rng.integers(1, 9)) * dirty, now * 10 + slot if rng.random() < 0.7 else -1
                count = put_rect(expected, units, end, use, int(dirty), 0, count, rects)
                shelf.put(use, expected, units, end, dirty)
                placed += 1
            # Buffers in use now stay at least until now; reservations end, and some are not wanted any more.
            for use, (one, dirty) in list(shelf.kept.items()):
                (e,) = np.flatnonzero(rects[at.USE, :count] == use)
                assert rects[[at.LOW, at.HIGH, at.END], e].tolist() == one
                if rng.random() < 0.2 or (dirty and one[2] <= now):
                    rects[at.USE, e] = -1
                    del shelf.kept[use]
                elif not dirty and rng.random() < 0.3:
                    rects[at.END, e] = one[2] = now
            held = np.flatnonzero(rects[at.USE, :count] >= 0)
            assert sorted(rects[at.USE, held].tolist()) == sorted(shelf.kept)
            assert (rects[at.HIGH, : max(0, count - 1)] <= rects[at.LOW, 1:count]).all()
    assert placed > 200
    assert refused > 200


@pytest.mark.parametrize("settings", DRAWN, ids=lambda one: one["name"])
@pytest.mark.parametrize("window", [1, 9, 128])
def test_the_list_of_rectangles_has_room(settings, window):
    generator = make_generator(settings)
    for seed in range(3):
        program = generator.sample(seed)
        env = MemoryMappingVectorEnv(4, instance=program, window=window, observation="slot", autoreset_mode="disabled")
        env.reset(seed=seed)
        actions, most, turn = np.zeros(4, np.int64), 0, 0
        while not env.done.all():
            turn += 1
            random_legal(env.live_mask, turn, actions)
            # Two rows take what fills the list.
            actions[:2] = np.where(env.live_mask[:2, 2] == 1, 2, env.live_mask[:2, 1])
            env.step_in_place(actions)
            most = max(most, int(env._state.totals[:, at.LISTED].max()))
        assert 1 <= most <= env._state.rects.shape[2]


def play(program, seed, **options):
    env = MemoryMappingVectorEnv(3, instance=program, observation="slot", autoreset_mode="disabled", **options)
    env.reset(seed=0)
    actions, turn = np.zeros(3, np.int64), 0
    while not env.done.all():
        turn += 1
        random_legal(env.live_mask, 1000 * seed + turn, actions)
        env.step_in_place(actions)
    return env


@pytest.mark.parametrize("settings", DRAWN, ids=lambda one: one["name"])
@pytest.mark.parametrize("skip", [False, True])
def test_replay_follows_a_mapping_of_the_game_exactly(settings, skip):
    program = make_generator(settings).sample(1)
    played = play(program, 3, placement="reserve", window=5)
    mappings = [played.solution(row) for row in range(3)]
    assert mappings[0] != mappings[1]
    env = MemoryMappingVectorEnv(
        3, instance=program, placement="reserve", window=5, skip_forced=skip, autoreset_mode="disabled", strict=True
    )
    env.reset(seed=0)
    while not env.done.all():
        env.step_in_place(replay_actions(env, mappings))
    for row, mapping in enumerate(mappings):
        assert env.solution(row) == mapping
        assert actions_of(program, mapping).tolist() == played._state.played[row, : program.n_slots].tolist()
    assert replay_actions(env, mappings).tolist() == [-1, -1, -1]


def test_replay_of_what_the_game_does_not_allow_is_legal():
    """Less fast memory, and no stalls: the mappings ask for what cannot be had."""
    program = make_generator(DRAWN[0]).sample(2)
    mappings = [play(program, 1).solution(row) for row in range(3)]
    small = program.on({"capacity": program.capacity // 3, "align": program.align})
    asked = [type(one).from_dict({**one.to_dict(), "instance_digest": small.digest}) for one in mappings]
    env = MemoryMappingVectorEnv(3, instance=small, stall=False, autoreset_mode="disabled", strict=True)
    env.reset(seed=0)
    while not env.done.all():
        env.step_in_place(replay_actions(env, asked))
    assert all(validate(small, env.solution(row)).feasible for row in range(3))
    with pytest.raises(InputError, match="row 0 is not one of its instance"):
        replay_actions(env, mappings)
    with pytest.raises(InputError, match="2 mappings for 3 rows"):
        replay_actions(env, mappings[:2])


def test_replay_of_nothing_fast_is_all_drop():
    cell = Program.from_dict(CELL)
    assert actions_of(cell, all_slow_mapping(cell)).tolist() == [at.DROP] * cell.n_slots


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"placement": "worst_fit"}, "placement"),
        ({"reward": "density"}, "reward"),
        ({"observation": "picture"}, "observation"),
        ({"window": 0}, "window"),
        ({"lookahead": 0}, "lookahead"),
        ({"residents": -1}, "residents"),
        ({"stall": "yes"}, "stall: expected True or False"),
        ({"skip_forced": 1}, "skip_forced: expected True or False"),
        ({"max_slots": 2}, "max_slots=2"),
        ({"max_rects": 1}, "max_rects=1"),
        ({"preset": "paper"}, "preset"),
        ({"dead_end": True}, "dead_end"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(InputError, match=message):
        MemoryMappingVectorEnv(1, instance=CELL, **options)


def test_what_does_not_fit_is_refused_by_name():
    env = MemoryMappingVectorEnv(1, instance=UNIT, max_instructions=9, max_buffers=20, max_slots=40)
    with pytest.raises(InputError, match=r"ranges of fast memory .* max_rects="):
        env.reset(options={"instance": ODD_SPEEDS})
    fine = Program.from_dict({**UNIT, "capacity": 2**40, "align": 1})
    with pytest.raises(InputError, match="field 'align'"):
        env.reset(options={"instance": fine})
    with pytest.raises(InputError, match="field 'align'"):
        MemoryMappingVectorEnv(1, instance=fine)
