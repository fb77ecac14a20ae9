"""Sync groups, dead ends with and without backup, fixed rewards and the optimistic supply: by hand and at random."""

from dataclasses import replace

import numpy as np
import pytest

from families_memory import program
from ganttlet.core.errors import InputError
from ganttlet.memory_mapping import all_slow_mapping, make_generator, schedule_copies
from ganttlet.memory_mapping.batch import MemoryMappingVectorEnv
from ganttlet.memory_mapping.layout import COPY, DROP, NOCOPY
from ganttlet.memory_mapping.replay import replay_actions
from ganttlet.memory_mapping.solution import validate
from reference.memory_machine import Machine

BUSY = {"reuse": 0.6, "skip": 0.8, "intensity": [100.0, 5000.0], "pressure": [0.5, 2.5]}
RANDOM = {"name": "random", "instructions": [10, 30], **BUSY}
CELLS = {"name": "recurrent", "steps": [3, 6], "layers": [1, 2], "pressure": [0.5, 1.5], "sync": 0.3}
GAMES = {
    "sync": (150, {**RANDOM, "sync": 0.3}, {}),
    "sync_cells": (80, CELLS, {"placement": "best_fit"}),
    "sync_no_stall": (60, {**RANDOM, "sync": 0.3}, {"stall": False, "placement": "reserve"}),
    "dead_ends": (150, RANDOM, {"dead_ends": True}),
    "dead_ends_sync": (80, {**RANDOM, "sync": 0.3}, {"dead_ends": True, "placement": "reserve"}),
    "dead_ends_cells": (60, CELLS, {"dead_ends": True, "stall": False, "skip_forced": True}),
    "elapsed": (60, {**RANDOM, "sync": 0.2}, {"supply": "elapsed"}),
}


def make(instance, **options):
    env = MemoryMappingVectorEnv(1, instance=instance, autoreset_mode="Disabled", **options)
    _, info = env.reset(seed=0)
    return env, info


def legal(env):
    return np.flatnonzero(env.action_masks()[0]).tolist()


def play(env, actions):
    """Play a row's actions; return the masks before each, the rewards and the last info."""
    masks, rewards, info = [], [], {}
    for action in actions:
        masks.append(legal(env))
        _, reward, _, _, info = env.step(np.array([action]))
        assert not info["illegal_action"][0]
        rewards.append(float(reward[0]))
    return masks, rewards, info


@pytest.mark.parametrize("name", GAMES)
def test_random_games(name):
    """Every end is a sound mapping, and rewards add up whatever was taken back."""
    count, generator, options = GAMES[name]
    env = MemoryMappingVectorEnv(count, generator=generator, observation="slot", autoreset_mode="Disabled", **options)
    rng, returns = np.random.default_rng(2), np.zeros(count)
    bold = rng.random(count)
    env.reset(seed=5)
    while not env.done.all():
        may = env.action_masks() == 1
        last = may.shape[1] - 1 - np.argmax(may[:, ::-1], axis=1)
        some = np.argmax(may * rng.random(may.shape), axis=1)
        _, reward, _, truncated, info = env.step(np.where(rng.random(count) < bold, last, some))
        assert not (truncated | info["illegal_action"]).any()
        returns += reward
    together, copies, backups = 0, 0, info.get("backups", np.zeros(count))
    for row in range(count):
        instance, mapping = env.instance(row), env.solution(row)
        verdict = validate(instance, mapping)
        assert verdict.violations == ()
        latency = env.objective_values("latency")[row]
        assert returns[row] == pytest.approx(1 - latency / instance.all_slow, abs=1e-9)
        assert backups[row] <= instance.n_buffers
        together += sum(mapping.fast[np.isin(instance.slot_buffer, group)].all() for group in instance.sync_groups)
        copies += len(mapping.copy_buffer)
        if "elapsed" in name:
            assert verdict.values["latency"] >= latency * (1 - 1e-9)
            assert mapping == schedule_copies(instance, mapping, "fifo")
        elif row < 20:
            assert {key: env.objective_values(key)[row] for key in env.objective_names} == {
                key: verdict.values[key] for key in env.objective_names
            }
            assert Machine(instance, mapping).run() == pytest.approx(latency, rel=1e-9)
    assert copies > 0
    assert ("sync" in name or "cells" in name) <= (together > 0)
    assert ("dead_ends" in name) == (backups.max() > 1)


# a and b share a class with the weight w; room for the three of them, but not for c too.
GROUP = program(
    {"w": ("param", 4), "a": ("temp", 8), "b": ("temp", 4), "c": ("temp", 4), "y": ("output", 4)},
    [(9, "", "a"), (9, "w", "c"), (9, "a c", "b"), (0, "w b c", "y")],
    buffer_sync=[0, 0, 0, -1, -1],
)


def test_the_first_slot_decides_for_its_group():
    env, _ = make(GROUP)
    masks, _, _ = play(env, [NOCOPY, COPY, DROP, NOCOPY, DROP, NOCOPY, NOCOPY, NOCOPY, DROP, DROP])
    # a; w, c; a, c, b; w, b, c, y: c finds no room until a's last use is over.
    assert masks[:6] == [[DROP, NOCOPY], [COPY], [DROP], [NOCOPY], [DROP], [NOCOPY]]
    assert masks[6:8] == [[NOCOPY], [NOCOPY]]
    mapping = env.solution(0)
    assert validate(GROUP, mapping).violations == ()
    places = zip(mapping.rect_buffer, mapping.rect_start, mapping.rect_end, mapping.rect_offset, strict=True)
    # By first slots: a, w, b.
    assert [tuple(map(int, place)) for place in places] == [(1, 0, 2, 0), (0, 0, 3, 8), (2, 2, 3, 12)]
    env.reset()
    masks, _, _ = play(env, [DROP, DROP, NOCOPY, DROP, NOCOPY, DROP, DROP, DROP, NOCOPY, DROP])
    assert [masks[at] for at in (1, 3, 5, 6, 7)] == [[DROP]] * 5
    assert validate(GROUP, env.solution(0)).violations == ()


def test_groups_that_have_to_be_slow():
    """One with an output, one that does not fit at once, and one with a copy that might have to stall."""
    assert legal(make(replace(GROUP, buffer_sync=[-1, 0, -1, -1, 0]))[0]) == [DROP]
    assert legal(make(replace(GROUP, capacity=15))[0]) == [DROP]
    assert legal(make(GROUP, stall=False)[0]) == [DROP]
    assert legal(make(GROUP, stall=False, dead_ends=True)[0]) == [DROP, NOCOPY]


def test_validate_names_the_slots_of_a_torn_group():
    env, _ = make(replace(GROUP, buffer_sync=None))
    play(env, [NOCOPY, DROP, DROP, NOCOPY, DROP, DROP, DROP, DROP, DROP, DROP])
    mapping = replace(env.solution(0), instance_digest=GROUP.digest)
    (found,) = validate(GROUP, mapping).violations
    assert (found.rule, found.message) == ("sync", "group 0: slot 0 (b1) is fast, but slot 1 (b0) is slow")
    assert validate(GROUP, all_slow_mapping(GROUP)).violations == ()


@pytest.mark.parametrize(
    ("sync", "message"),
    [
        ([0, -1, -1, -1, -1], "field 'buffer_sync': buffer 0 is alone in group 0; expected two buffers or more"),
        ([1, 1, -1, -1, -1], "field 'buffer_sync': group 0 has no buffer, but group 1 has"),
        ([0, 0, -2, -1, -1], "field 'buffer_sync': buffer 2 has -2; expected -1 … 4"),
        ([0, 0], r"field 'buffer_sync': expected one value per buffer \(5\) or none, got 2"),
    ],
)
def test_groups_are_checked(sync, message):
    with pytest.raises(InputError, match=message):
        replace(GROUP, buffer_sync=sync)


def test_groups_are_drawn_by_their_probability():
    none, some = (make_generator({**RANDOM, "sync": chance}) for chance in (0.0, 0.5))
    for seed in range(20):
        one, other = none.sample(seed), some.sample(seed)
        assert not one.sync_groups
        assert replace(other, buffer_sync=None) == one
    assert all(len(group) in (2, 3) for group in other.sync_groups)
    assert len(other.sync_groups) > 2


# a is written to fast memory, where there is room for it or for b.
BLOCK = program(
    {"a": ("temp", 8), "b": ("temp", 12), "y": ("output", 4)},
    [(0, "", "a"), (0, "", "b"), (0, "b", ""), (0, "a b", "y")],
)


def test_a_dead_end_goes_back_and_drops():
    env, info = make(BLOCK, dead_ends=True)
    assert info["backups"].tolist() == [0]
    # a and b to fast memory, where b lies over a; b is read, and a is lost.
    masks, rewards, info = play(env, [NOCOPY, NOCOPY, NOCOPY])
    assert masks == [[DROP, NOCOPY]] * 2 + [[NOCOPY]]
    # Everything is undone, so what was earned is paid back, and a has only Drop.
    assert sum(rewards) == pytest.approx(0.0, abs=1e-12)
    assert min(rewards) < 0
    assert info["backups"].tolist() == [1]
    masks, more, info = play(env, [DROP, NOCOPY, NOCOPY, DROP, NOCOPY, DROP])
    assert [masks[at] for at in (0, 3)] == [[DROP], [DROP]]
    assert env.done[0]
    assert info["backups"].tolist() == [1]
    assert sum(rewards + more) == pytest.approx(1 - env.objective_values("latency")[0] / BLOCK.all_slow)
    assert validate(BLOCK, env.solution(0)).violations == ()
    _, info = env.reset()
    assert info["backups"].tolist() == [0]
    assert legal(env) == [DROP, NOCOPY]


def test_without_backup_a_dead_end_is_the_end():
    env, _ = make(BLOCK, dead_ends=True, backup=False)
    _, rewards, _ = play(env, [NOCOPY, NOCOPY, NOCOPY])
    assert env.done[0]
    saved = 1 - env.objective_values("latency")[0] / BLOCK.all_slow
    assert sum(rewards) == pytest.approx(saved - 1.0)
    assert env.action_masks()[0].tolist() == [1, 1, 1]
    assert env.solution(0).fast.tolist() == [1, 1, 1, -1, -1, -1]
    assert {one.rule for one in validate(BLOCK, env.solution(0)).violations} == {"shape"}
    # The reserved game keeps b out.
    assert play(make(BLOCK)[0], [NOCOPY, DROP])[0] == [[DROP, NOCOPY], [DROP]]


def test_a_snapshot_keeps_what_is_dropped():
    env, _ = make(BLOCK, dead_ends=True)
    play(env, [NOCOPY, NOCOPY, NOCOPY])
    saved = env.snapshot()
    env.reset()
    assert legal(env) == [DROP, NOCOPY]
    env.restore(saved)
    assert legal(env) == [DROP]


def test_fixed_benefits():
    """An operand saves nothing of an instruction whose arithmetic takes as long as its bytes."""
    both = program({"v": ("param", 4), "w": ("param", 4), "y": ("output", 4)}, [(40, "", ""), (12, "v w", "y")])
    env, _ = make(both, reward="static")
    _, rewards, _ = play(env, [COPY, COPY, DROP])
    assert rewards == [0.0, 0.0, 0.0]
    wide = replace(both, matrix_flops=[40, 0])
    env, _ = make(wide, reward="static")
    _, rewards, _ = play(env, [COPY, COPY, DROP])
    # 52 s with everything slow; 4 bytes take 4 s of slow memory and 1 s of fast.
    assert rewards == pytest.approx([3 / 52, 3 / 52, 0.0])


def test_the_optimistic_supply_is_paid_for_in_the_end():
    """The instruction before is busy with slow memory all the time: a copy beside it has to wait after all."""
    busy = program({"x": ("input", 12), "w": ("param", 4), "y": ("output", 4)}, [(0, "x", ""), (0, "w", "y")])
    env, _ = make(busy, supply="elapsed")
    _, rewards, _ = play(env, [DROP, COPY, DROP])
    assert sum(rewards) == pytest.approx(3 / 20)
    assert env.objective_values("stalls").tolist() == [0.0]
    values = validate(busy, env.solution(0)).values
    assert values["stalls"] == 4e6
    assert values["latency"] == env.objective_values("latency")[0] + 4e6


@pytest.mark.parametrize("name", ["sync", "dead_ends_sync"])
def test_mappings_are_replayed(name):
    _, generator, options = GAMES[name]
    if "dead_ends" in name:
        # A backup leaves no trace in a mapping: without it the game is followed as it was.
        options = {**options, "backup": False}
    env = MemoryMappingVectorEnv(10, generator=generator, autoreset_mode="Disabled", **options)
    rng = np.random.default_rng(4)
    env.reset(seed=9)
    while not env.done.all():
        env.step(np.argmax(env.action_masks() * rng.random((10, 3)), axis=1))
    made = [env.solution(row) for row in range(10)]
    whole = [row for row in range(10) if (made[row].fast >= 0).all()]
    assert whole
    env.reset(seed=9)
    while not env.done.all():
        actions = replay_actions(env, made)
        env.step(np.where(actions < 0, DROP, actions))
    assert [env.solution(row) for row in whole] == [made[row] for row in whole]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dead_ends": 1}, "dead_ends: expected True or False"),
        ({"backup": False}, "backup: False needs dead_ends=True"),
        ({"supply": "full"}, "supply"),
        ({"reward": "fixed"}, "reward"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(InputError, match=message):
        MemoryMappingVectorEnv(1, **options)
