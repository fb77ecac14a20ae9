"""Seeds and episodes, partial resets, and every wrong argument of reset and step: one clear error, nothing changed."""

import gymnasium as gym
import numpy as np
import pytest

from ganttlet.core.errors import InputError
from reference.play import FAMILIES, SEEDED, VARIANTS, assert_same, batch, legal_actions, row_of, single

both = pytest.mark.parametrize(("case", "name"), VARIANTS)
seeded = pytest.mark.parametrize(("case", "name"), SEEDED)


def digests(env):
    return [env.instance(row).digest for row in range(env.num_envs)]


@seeded
def test_seeds_name_scenarios(case, name):
    """A row's scenario follows from its seed and the number of its episode, whatever the batch around it."""
    env, other = batch(case, name, 3), batch(case, name, 5)
    env.reset(seed=10)
    first = digests(env)
    env.reset()
    second = digests(env)
    later = [second]
    for _ in range(6):
        env.reset()
        later.append(digests(env))
    assert any(each != first for each in later)
    other.reset(seed=[11, 12, 10, 99, 98])
    assert digests(other)[:3] == [first[1], first[2], first[0]]
    other.reset()
    assert digests(other)[:3] == [second[1], second[2], second[0]]
    env.reset(seed=np.int64(10))
    assert digests(env) == first
    env.reset(seed=np.array([10, 11, 12]))
    assert digests(env) == first
    env.reset(seed=(12, None, 11))
    assert digests(env) == [first[2], second[1], first[1]]
    env.reset(seed=range(10, 13))
    assert digests(env) == first
    one = single(case, name).unwrapped
    one.reset(seed=np.int64(11))
    assert one.instance.digest == first[1]
    one.reset()
    assert one.instance.digest == second[1]
    one.reset(seed=11)
    assert one.instance.digest == first[1]


@seeded
def test_many_seeds_give_many_instances(case, name):
    env = batch(case, name, 64)
    env.reset(seed=0)
    among = 64 if "generator" in case.variants[name] and "pool_size" not in case.variants[name] else 2
    assert len(set(digests(env))) >= min(among, 20)


@pytest.mark.parametrize("case", FAMILIES)
def test_without_a_seed_every_environment_differs(case):
    name = next(iter(case.seeded))
    envs = [batch(case, name, 8) for _ in range(2)]
    for env in envs:
        env.reset()
    assert len({digest for env in envs for digest in digests(env)}) > 8
    ones = [single(case, name).unwrapped for _ in range(8)]
    for one in ones:
        one.reset()
    assert len({one.instance.digest for one in ones}) > 1


@pytest.mark.parametrize("case", FAMILIES)
def test_np_random_follows_the_seed(case):
    env, one = batch(case, next(iter(case.variants)), 2), single(case, next(iter(case.variants))).unwrapped
    for seed in (5, np.int64(5)):
        env.reset(seed=seed)
        one.reset(seed=seed)
        assert env.np_random.integers(1 << 30) == one.np_random.integers(1 << 30)
        assert one.np_random_seed == 5


@both
def test_partial_reset_leaves_the_other_rows_alone(case, name):
    rng = np.random.default_rng(0)
    env, twin = batch(case, name, 4), batch(case, name, 4)
    env.reset(seed=7)
    twin.reset(seed=7)
    for _ in range(2):
        actions = legal_actions(env.action_masks(), rng)
        env.step(actions)
        before = twin.step(actions)
    mask = np.array([False, True, False, True])
    options = {"reset_mask": mask}
    observation, info = env.reset(seed=40, options=options)
    assert list(options) == ["reset_mask"]
    assert options["reset_mask"] is mask
    assert mask.tolist() == [False, True, False, True]
    first = f"_{env.objective_names[0]}"
    assert info["_action_mask"].tolist() == info["objectives"][first].tolist() == mask.tolist()
    fresh = batch(case, name, 4)
    start = fresh.reset(seed=40)
    for row in range(4):
        if mask[row]:
            assert_same((row_of(observation, row), row_of(info, row)), (row_of(start[0], row), row_of(start[1], row)))
        else:
            assert_same(row_of(observation, row), row_of(before[0], row))
            assert not info["action_mask"][row].any()
    played = legal_actions(env.action_masks(), rng)
    after, expected = env.step(played), twin.step(np.where(mask, -1, played))
    for row in np.flatnonzero(~mask):
        assert_same(row_of(after[0], row), row_of(expected[0], row))
        assert_same(row_of(after[4], row), row_of(expected[4], row))


@both
def test_a_reset_in_mid_episode_leaves_no_trace(case, name):
    """Whatever was played before, waiting wherever it is legal included."""
    rng = np.random.default_rng(2)
    rows = 40
    used = batch(case, name, rows)
    used.reset(seed=0)
    for seed in range(12):
        for _ in range(rng.integers(1, 9)):
            masks = used.action_masks()
            last = masks.shape[1] - 1 - masks[:, ::-1].argmax(axis=1)
            used.step(np.where(rng.random(rows) < 0.5, last, legal_actions(masks, rng)))
        fresh = batch(case, name, rows)
        assert_same(used.reset(seed=seed), fresh.reset(seed=seed))
        for _ in range(5):
            actions = legal_actions(fresh.action_masks(), rng)
            assert_same(used.step(actions), fresh.step(actions))


def wrong_resets(case):
    """(arguments of a batch of 3, what the error must name)."""
    ones = np.ones(3, bool)
    fits = dict(case.instances[0])
    return [
        ({"seed": -1}, "seed"),
        ({"seed": 2**64}, "seed"),
        ({"seed": 2**64 - 1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seed": True}, "seed"),
        ({"seed": "123"}, "seed"),
        ({"seed": [1, 2]}, "seed"),
        ({"seed": [1, 2, -3]}, "seed"),
        ({"seed": [1, 2, 2.5]}, "seed"),
        ({"seed": [1, 2, "x"]}, "seed"),
        ({"seed": np.array([1.5, 2.5, 3.5])}, "seed"),
        ({"seed": np.array(3.0)}, "seed"),
        ({"options": {"reset_mask": [True, False, True]}}, "reset_mask"),
        ({"options": {"reset_mask": np.ones(3, np.int8)}}, "reset_mask"),
        ({"options": {"reset_mask": np.ones(2, bool)}}, "reset_mask"),
        ({"options": {"reset_mask": ~ones}}, "reset_mask"),
        ({"options": {"mask": ones}}, "'mask'"),
        ({"options": [1, 2]}, "options"),
        ({"options": {"instance": [fits, fits]}}, "instance"),
        ({"options": {"instance": [fits, fits, fits], "reset_mask": np.array([True, False, True])}}, "instance"),
        ({"options": {"instance": 7}}, "instance"),
        ({"options": {"instance": "no-such-instance"}}, "no-such-instance"),
        ({"options": {"instance": {**fits, "surprise": 1}}}, "surprise"),
        ({"options": {"instance": dict(case.too_large)}}, "padded space"),
        ({"options": {"instance": [fits, fits, dict(case.too_large)]}}, "padded space"),
    ]


@both
def test_wrong_arguments_of_reset_change_nothing(case, name):
    rng = np.random.default_rng(1)
    env, twin = batch(case, name, 3), batch(case, name, 3)
    env.reset(seed=3)
    twin.reset(seed=3)
    while not env.done.any():
        actions = legal_actions(env.action_masks(), rng)
        env.step(actions)
        twin.step(actions)
    for arguments, named in wrong_resets(case):
        with pytest.raises(InputError, match=named):
            env.reset(**arguments)
        assert env.np_random_seed == 3
    actions = legal_actions(env.action_masks(), rng)
    assert_same(env.step(actions), twin.step(actions))
    assert_same(env.reset(), twin.reset())
    assert digests(env) == digests(twin)
    while not env.done.any():
        actions = legal_actions(env.action_masks(), rng)
        assert_same(env.step(actions), twin.step(actions))


@both
def test_wrong_arguments_of_a_single_reset(case, name):
    env = single(case, name).unwrapped
    env.reset(seed=3)
    digest = env.instance.digest
    for seed in (-1, 1.5, "7", True, [1, 2]):
        with pytest.raises(InputError, match="seed"):
            env.reset(seed=seed)
    for options in ({"surprise": 1}, {"instance": dict(case.too_large)}, {"instance": []}, "text"):
        with pytest.raises(InputError, match=r"option|instance"):
            env.reset(options=options)
    assert env.instance.digest == digest


@pytest.mark.parametrize("case", FAMILIES)
def test_wrong_actions(case):
    name = next(iter(case.variants))
    env = batch(case, name, 2)
    env.reset(seed=0)
    before = env.snapshot()
    wrong = (0, [0], [0, 0, 0], [[0, 0]], [0.0, 1.0], ["a", "b"], [True, False], None, [None, 0], [2**70, 0], [[0], 0])
    for actions in wrong:
        with pytest.raises(InputError, match="actions: expected 2 integers"):
            env.step(actions)
    assert_same(tuple(env.snapshot()), tuple(before))
    result = env.step(np.array([2**64 - 1, 2**63], np.uint64))
    assert result[4]["illegal_action"].all()
    for dtype in (np.int8, np.uint8, np.int32, np.uint32, np.int64):
        env.restore(before)
        legal = env.action_masks().argmax(axis=1).astype(dtype)
        assert not env.step(legal)[4]["illegal_action"].any()
    env.restore(before)
    assert not env.step(legal.tolist())[4]["illegal_action"].any()
    one = single(case, name).unwrapped
    one.reset(seed=0)
    for action in (0.5, "a", None, [0], np.array([0]), np.array([0, 1]), 2**70, np.float64(1)):
        with pytest.raises(InputError, match="action: expected an integer"):
            one.step(action)
    for action in (np.int8(-1), np.array(-1), -(2**63), 2**63 - 1):
        assert one.step(action)[4]["illegal_action"]


@pytest.mark.parametrize("case", FAMILIES)
def test_a_step_before_the_first_reset(case):
    name = next(iter(case.variants))
    env = batch(case, name, 2)
    with pytest.raises(gym.error.ResetNeeded, match="reset"):
        env.step(np.zeros(2, int))
    env.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(gym.error.ResetNeeded, match="reset"):
        env.step(np.zeros(2, int))
    env.reset(options={"reset_mask": np.array([False, True])})
    env.step(np.zeros(2, int))
    with pytest.raises(gym.error.ResetNeeded, match="reset"):
        single(case, name).unwrapped.step(0)
