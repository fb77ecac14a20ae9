"""snapshot, restore, copy_rows, and the observation as a pure function of the state."""

import pickle

import gymnasium as gym
import numpy as np
import pytest

from ganttlet.core.errors import InputError
from reference.play import FAMILIES, VARIANTS, any_actions, assert_same, batch, legal_actions, row_of, single

both = pytest.mark.parametrize(("case", "name"), VARIANTS)


def advance(env, rng, steps):
    for _ in range(steps):
        env.step(any_actions(env.action_masks(), rng))


def script(env, rng, steps):
    """Play random actions; return them and what came of them."""
    played, results = [], []
    for _ in range(steps):
        played.append(any_actions(env.action_masks(), rng))
        results.append(env.step(played[-1]))
    return played, results


@both
@pytest.mark.parametrize("mode", ["Disabled", "SameStep"])
def test_restored_rows_go_on_identically(case, name, mode):
    rng = np.random.default_rng(0)
    env = batch(case, name, 3, mode)
    env.reset(seed=0)
    advance(env, rng, 3)
    env.reset(options={"instance": case.instances[1], "reset_mask": np.array([False, False, True])})
    advance(env, rng, 2)
    saved = pickle.loads(pickle.dumps(env.snapshot()))
    instances, solutions = [env.instance(i) for i in range(3)], [env.solution(i) for i in range(3)]
    played, results = script(env, rng, 15)
    for meanwhile in range(3):
        env.reset(seed=50 + meanwhile)
        advance(env, rng, 4)
    other = batch(case, name, 3, mode)
    other.reset(seed=77)
    advance(other, rng, 1)
    for target in (env, other):
        for _ in range(2):
            target.restore(saved)
            assert [target.instance(i) for i in range(3)] == instances
            assert [target.solution(i) for i in range(3)] == solutions
            for actions, result in zip(played, results, strict=True):
                assert_same(target.step(actions), result)


@both
def test_restore_into_other_rows_and_in_another_order(case, name):
    rng = np.random.default_rng(1)
    env, twin = batch(case, name, 4), batch(case, name, 4)
    for one in (env, twin):
        one.reset(seed=3)
        advance(one, np.random.default_rng(5), 3)
    saved = env.snapshot([2, 0])
    env.restore(saved, [1, 3])
    actions = legal_actions(twin.action_masks(), rng)
    moved = actions[[0, 2, 2, 0]]
    ours, theirs = env.step(moved), twin.step(actions)
    for row, source in enumerate((0, 2, 2, 0)):
        assert_same(row_of(ours[0], row), row_of(theirs[0], source))
        assert_same(row_of(ours[4], row), row_of(theirs[4], source))
        assert ours[1][row] == theirs[1][source]
        assert env.instance(row) == twin.instance(source)
        assert env.solution(row) == twin.solution(source)
    again = env.reset()
    expected = twin.reset()
    for row, source in enumerate((0, 2, 2, 0)):
        assert_same(row_of(again[0], row), row_of(expected[0], source))


@both
def test_copy_rows_equals_replay(case, name):
    rng = np.random.default_rng(2)
    env, twin = batch(case, name, 4), batch(case, name, 4)
    env.reset(seed=6)
    twin.reset(seed=6)
    env.reset(options={"instance": case.instances[0], "reset_mask": np.array([True, False, False, False])})
    twin.reset(options={"instance": case.instances[0], "reset_mask": np.array([True, False, False, False])})
    for order in ([1, 0, 3, 2], [0, 0, 0, 1], [2, 1, 1, 0]):
        actions = any_actions(env.action_masks(), rng)
        env.step(actions)
        twin.step(actions)
        env.copy_rows(order, range(4))
        saved = twin.snapshot(order)
        twin.restore(saved)
        assert_same(env.action_masks(), twin.action_masks())
        for _ in range(3):
            actions = any_actions(env.action_masks(), rng)
            assert_same(env.step(actions), twin.step(actions))
        assert [env.solution(i) for i in range(4)] == [twin.solution(i) for i in range(4)]
    assert_same(env.reset(), twin.reset())


@both
def test_copying_one_row_leaves_the_others_alone(case, name):
    rng = np.random.default_rng(3)
    env, twin = batch(case, name, 3), batch(case, name, 3)
    for one in (env, twin):
        one.reset(seed=6)
        advance(one, np.random.default_rng(1), 2)
    env.copy_rows([0], [2])
    for _ in range(6):
        actions = any_actions(env.action_masks(), rng)
        ours, theirs = env.step(actions), twin.step(np.where([True, True, False], actions, -1))
        for row in range(2):
            assert_same(row_of(ours[0], row), row_of(theirs[0], row))
            assert_same(row_of(ours[4], row), row_of(theirs[4], row))


@both
def test_stepping_some_rows_leaves_the_others_alone(case, name):
    rng = np.random.default_rng(8)
    env, twin = batch(case, name, 4), batch(case, name, 4)
    for one in (env, twin):
        one.reset(seed=6)
        advance(one, np.random.default_rng(1), 2)
    for rows in ([2, 0], [1], [3, 2], [], [0, 1, 2, 3], [2]):
        actions = any_actions(env.action_masks(), rng)
        saved = twin.snapshot([row for row in range(4) if row not in rows])
        env.step_rows(rows, actions[rows])
        twin.step(actions)
        others = [row for row in range(4) if row not in rows]
        assert not env.flags.reward[others].any()
        assert_same(env.flags.reward[rows], twin.flags.reward[rows])
        twin.restore(saved, others)
        for shown in ("live_observation", "done", "flags"):
            ours, theirs = getattr(env, shown), getattr(twin, shown)
            if shown == "flags":
                ours, theirs = (
                    (flags.terminated, flags.truncated, flags.discount, flags.steps) for flags in (ours, theirs)
                )
            assert_same(ours, theirs)
        assert [env.solution(row) for row in range(4)] == [twin.solution(row) for row in range(4)]
    actions = any_actions(env.action_masks(), rng)
    assert_same(env.step(actions), twin.step(actions))
    with pytest.raises(InputError, match="step_rows: needs autoreset_mode 'disabled', got 'same_step'"):
        batch(case, name, 2, "SameStep").step_rows([0], [0])
    for rows, played in (([0, 0], [0, 0]), ([4], [0]), ([0, 1], [0]), ([0], [0.0])):
        with pytest.raises(InputError, match=r"rows|actions"):
            env.step_rows(rows, played)


@both
def test_finished_rows_can_be_saved_and_copied(case, name):
    rng = np.random.default_rng(4)
    env = batch(case, name, 2)
    env.reset(seed=1)
    while not env.done.any():
        env.step(legal_actions(env.action_masks(), rng))
    row = int(np.flatnonzero(env.done)[0])
    solution, saved = env.solution(row), env.snapshot([row])
    env.copy_rows([row], [1 - row])
    result = env.step(legal_actions(env.action_masks(), rng))
    assert (result[1].tolist(), result[2].tolist()) == ([0.0, 0.0], [True, True])
    assert env.solution(1 - row) == solution
    fresh = batch(case, name, 2)
    for target in (env, fresh):
        target.reset(options={"instance": case.instances[0]})
        target.restore(saved, [1 - row])
        actions = target.action_masks().argmax(axis=1)
        actions[1 - row] = -1
        result = target.step(actions)
        assert (result[1][1 - row], result[2].tolist()) == (0.0, [row == 1, row == 0])
        assert not result[4]["illegal_action"].any()
        assert target.solution(1 - row) == solution


@both
def test_single_snapshot(case, name):
    rng = np.random.default_rng(5)
    env = single(case, name).unwrapped
    env.reset(seed=2)
    saved = env.snapshot()
    mask = env.action_masks()
    action = int(legal_actions(mask[None], rng)[0])
    first = env.step(action)
    env.reset()
    env.restore(saved)
    assert_same(env.action_masks(), mask)
    assert_same(env.step(action), first)


@both
def test_observation_is_a_pure_function_of_the_state(case, name):
    """Poisoned buffers are rewritten whole, to what the steps had built up bit by bit."""
    rng = np.random.default_rng(6)
    env = batch(case, name, 3, "NextStep")
    env.reset(seed=2)
    for _ in range(20):
        observation = env.step(any_actions(env.action_masks(), rng))[0]
        for part in env.live_observation.values():
            part.fill(77)
        env._observe(np.arange(3))
        env._show_static(np.arange(3))
        assert_same(env.live_observation, observation)


@both
def test_wrong_arguments(case, name):
    env = batch(case, name, 3)
    env.reset(seed=0)
    saved = env.snapshot([0, 1])
    with pytest.raises(InputError, match="the snapshot holds 2 rows, got 3"):
        env.restore(saved, [0, 1, 2])
    with pytest.raises(InputError, match="2 sources but 1 targets"):
        env.copy_rows([0, 1], [2])
    with pytest.raises(InputError, match="the snapshot holds 2 rows, got 1"):
        batch(case, name, 1).restore(saved)
    for rows in ([0, 3], [-1, 0], [0, 0], [[0, 1]], [0.0, 1.0], [True, False]):
        with pytest.raises(InputError, match="rows"):
            env.restore(saved, rows)
    for source, target in (([0], [3]), ([5], [0]), ([0, 1], [2, 2])):
        with pytest.raises(InputError, match="rows"):
            env.copy_rows(source, target)
    with pytest.raises(InputError, match="rows"):
        env.snapshot([3])


@pytest.mark.parametrize("case", FAMILIES)
def test_a_snapshot_of_another_kind_is_refused(case):
    """Other layouts, or other fixed instances to choose among."""
    envs = {name: batch(case, name, 2) for name in case.variants}
    envs["other"] = gym.make_vec(case.env_id, 2, instance=case.instances[0], autoreset_mode="Disabled")
    envs["another"] = gym.make_vec(case.env_id, 2, instance=case.instances[1], autoreset_mode="Disabled")
    refused = 0
    for name, env in envs.items():
        env.reset(seed=0)
        saved = env.snapshot()
        for target in envs.values():
            if target.snapshot().kind == saved.kind:
                target.restore(saved)
                continue
            before = target.snapshot()
            with pytest.raises(InputError, match="another kind of environment"):
                target.restore(saved)
            assert_same(tuple(target.snapshot()), tuple(before))
            refused += 1
        env.reset(seed=0)
        assert env.snapshot().kind == saved.kind, name
    assert envs["other"].snapshot().kind != envs["another"].snapshot().kind
    assert refused > len(envs)
