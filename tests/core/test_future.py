"""restore(resample_future=…): another future behind the same observation, or a refusal where nothing is hidden."""

import pickle

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.core.family import get_family
from reference.play import FAMILIES, VARIANTS, any_actions, assert_same, batch, row_of, single

HIDING = [each for each in VARIANTS if get_family(each.values[0].family).stochastic]
SHOWING = [each for each in VARIANTS if not get_family(each.values[0].family).stochastic]
hiding = pytest.mark.parametrize(("case", "name"), HIDING)


def somewhere(case, name, rows, steps=4, seed=0):
    """Return a batch after a few random actions."""
    rng = np.random.default_rng(seed)
    env = batch(case, name, rows)
    env.reset(seed=seed)
    for _ in range(steps):
        env.step(any_actions(env.action_masks(), rng))
    return env


def shown(env):
    return {key: part.copy() for key, part in env.live_observation.items()}


def future(env, steps=12):
    """Play legal actions that follow from each row's mask alone; return what came of them."""
    results = []
    for step in range(steps):
        legal = [np.flatnonzero(mask) for mask in env.action_masks()]
        results.append(env.step(np.array([each[7 * step % len(each)] for each in legal])))
    return results


def test_some_families_hide_a_future_and_some_do_not():
    assert HIDING
    assert SHOWING


@pytest.mark.parametrize(("case", "name"), SHOWING)
def test_a_family_without_hidden_draws_refuses(case, name):
    env = somewhere(case, name, 2)
    saved = env.snapshot()
    env.reset(seed=5)
    before = env.snapshot()
    with pytest.raises(InputError, match=f"resample_future: instances of family '{case.family}' hide no future"):
        env.restore(saved, resample_future=1)
    assert_same(tuple(env.snapshot()), tuple(before))
    alone = single(case, name).unwrapped
    alone.reset(seed=0)
    with pytest.raises(InputError, match="resample_future"):
        alone.restore(alone.snapshot(), resample_future=1)


@hiding
def test_what_is_shown_stays_equal(case, name):
    env = somewhere(case, name, 3)
    before, done, saved = shown(env), env.done.tolist(), env.snapshot()
    values = [env.objective_values(objective) for objective in env.objective_names]
    for seed in (0, 1, [2**64 - 1, 3, 3]):
        env.reset(seed=8)
        env.restore(saved, resample_future=seed)
        assert_same(shown(env), before)
        assert_same(env.action_masks(), before["action_mask"])
        assert_same(tuple(map(env.objective_values, env.objective_names)), tuple(values))
        assert env.done.tolist() == done


@hiding
def test_a_future_follows_from_its_seed(case, name):
    env = somewhere(case, name, 3)
    saved = pickle.loads(pickle.dumps(env.snapshot()))
    other = batch(case, name, 4)
    other.reset(seed=70)
    for seed in (11, [4, 5, 4], np.array([1, 2, 3], np.uint32), range(3)):
        env.restore(saved, resample_future=seed)
        first = future(env)
        env.restore(saved, resample_future=seed)
        assert_same(tuple(future(env)), tuple(first))
        other.restore(saved, [0, 1, 2], resample_future=seed)
        again = future(other)
        for result, expected in zip(again, first, strict=True):
            for row in range(3):
                assert_same(row_of(result[0], row), row_of(expected[0], row))
                assert result[1][row] == expected[1][row]


@hiding
def test_without_a_seed_the_future_is_that_of_before(case, name):
    env = somewhere(case, name, 3)
    saved = env.snapshot()
    expected = future(env)
    env.restore(saved, resample_future=3)
    env.restore(saved)
    assert_same(tuple(future(env)), tuple(expected))


@pytest.mark.parametrize("case", [each for each in FAMILIES if get_family(each.values[0].family).stochastic])
def test_seeds_bring_futures_of_their_own(case):
    """In most variants: in some nothing is left to chance."""
    differ = []
    for name in case.variants:
        saved = somewhere(case, name, 2).snapshot([0] * 6)
        env = batch(case, name, 6)
        env.reset(seed=1)
        env.restore(saved, resample_future=[4, 4, 4, 5, 5, 5])
        same = future_of_one(env)
        assert same[0] == same[1] == same[2]
        assert same[3] == same[4] == same[5]
        env.restore(saved, resample_future=4)
        spread = future_of_one(env)
        assert spread[0] == same[0]
        if same[0] != same[3] and len(set(spread)) > 2:
            differ.append(name)
    assert len(differ) >= len(case.variants) / 2


def future_of_one(env):
    """Play to the end, every row by its own mask alone; return what each row's run came to."""
    trail = [[] for _ in range(env.num_envs)]
    while not env.done.all():
        active = np.flatnonzero(~env.done)
        rewards = env.step(env.action_masks().argmax(axis=1))[1]
        for row in active:
            trail[row].append(float(rewards[row]))
    values = [env.objective_values(objective) for objective in env.objective_names]
    return [(*each, *(float(value[row]) for value in values)) for row, each in enumerate(trail)]


@hiding
def test_a_single_environment_is_the_first_position(case, name):
    alone, env = single(case, name).unwrapped, batch(case, name, 1)
    alone.reset(seed=2)
    env.reset(seed=2)
    saved, rows = alone.snapshot(), env.snapshot()
    for seed in (0, 7):
        alone.restore(saved, resample_future=seed)
        env.restore(rows, resample_future=[seed])
        for _ in range(6):
            action = int(alone.action_masks().argmax())
            one, other = alone.step(action), env.step(np.array([action]))
            assert_same(one[0], row_of(other[0], 0))
            assert one[1] == other[1][0]


@hiding
def test_wrong_seeds(case, name):
    env = somewhere(case, name, 2)
    saved = env.snapshot()
    env.reset(seed=3)
    before = env.snapshot()
    wrong = (
        -1,
        2**64,
        1.0,
        True,
        "1",
        {1: 2},
        [1, None],
        [1, 2.5],
        [[1, 2], [3, 4]],
        [[1], [2, 3]],
        np.array([0.0, 1.0]),
    )
    for seed in wrong:
        with pytest.raises(InputError, match="restore: resample_future: expected an integer"):
            env.restore(saved, resample_future=seed)
    for seed in ([], [1], [1, 2, 3], np.arange(3)):
        with pytest.raises(InputError, match="resample_future: expected a seed for each of 2 rows, got"):
            env.restore(saved, resample_future=seed)
    assert_same(tuple(env.snapshot()), tuple(before))
