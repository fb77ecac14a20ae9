"""The three autoreset modes, frozen rows, step limits, the memory of what is returned, and strict illegal actions."""

import copy

import numpy as np
import pytest

from ganttlet.core.errors import IllegalActionError
from reference.play import (
    FAMILIES,
    MODES,
    VARIANTS,
    any_actions,
    arrays_in,
    assert_same,
    batch,
    legal_actions,
    row_of,
    single,
)

both = pytest.mark.parametrize(("case", "name"), VARIANTS)


def play_until(env, rng, enough):
    """Play legal actions until ``enough(terminated)``; return the last result of step."""
    while True:
        result = env.step(legal_actions(env.action_masks(), rng))
        if enough(result[2]):
            return result


@both
def test_disabled_freezes_a_finished_row_until_it_is_reset(case, name):
    rng = np.random.default_rng(0)
    env = batch(case, name, 3)
    env.reset(seed=1)
    observation, _, terminated, truncated, info = play_until(env, rng, np.any)
    row = int(np.flatnonzero(terminated)[0])
    solution = env.solution(row)
    last = row_of(observation, row), row_of(info, row)
    n = env.single_action_space.n
    for action in (-5, 0, n - 1, n, n + 7):
        actions = legal_actions(env.action_masks(), rng)
        actions[row] = action
        observation, reward, terminated, truncated, info = env.step(actions)
        assert (reward[row], terminated[row], truncated[row]) == (0.0, True, False)
        assert_same((row_of(observation, row), row_of(info, row)), last)
        assert env.solution(row) == solution
    mask = np.zeros(3, bool)
    mask[row] = True
    env.reset(options={"reset_mask": mask})
    _, _, terminated, truncated, info = env.step(legal_actions(env.action_masks(), rng))
    assert not info["illegal_action"][row]
    assert env.last_solution(row) == solution


@both
def test_a_finished_single_environment_is_frozen_too(case, name):
    rng = np.random.default_rng(0)
    env = single(case, name).unwrapped
    env.reset(seed=1)
    terminated = False
    while not terminated:
        result = env.step(legal_actions(env.action_masks()[None], rng)[0])
        terminated = result[2]
    for action in (0, -1, env.action_space.n):
        again = env.step(action)
        assert (again[1], again[2], again[3]) == (0.0, True, False)
        assert_same((again[0], again[4]), (result[0], {**result[4], "illegal_action": False}))


@both
def test_next_step_resets_one_step_later_and_ignores_that_action(case, name):
    rng = np.random.default_rng(1)
    env = batch(case, name, 2, "NextStep")
    twin = batch(case, name, 2)
    env.reset(seed=4)
    twin.reset(seed=4)
    result = play_until(env, rng, np.any)
    done = result[2].copy()
    twin.reset()
    expected = twin.reset(seed=4) and twin.reset()
    actions = legal_actions(env.action_masks(), rng)
    actions[done] = -3
    observation, reward, terminated, truncated, info = env.step(actions)
    for row in np.flatnonzero(done):
        assert (reward[row], terminated[row], truncated[row]) == (0.0, False, False)
        assert not info["illegal_action"][row]
        assert_same((row_of(observation, row), row_of(info, row)), (row_of(expected[0], row), row_of(expected[1], row)))


@both
def test_same_step_shows_the_end_and_the_next_start_at_once(case, name):
    rng = np.random.default_rng(2)
    env = batch(case, name, 2, "SameStep")
    frozen = batch(case, name, 2)
    env.reset(seed=6)
    _, infos = frozen.reset(seed=6)
    terminated = np.zeros(2, bool)
    while not terminated.any():
        actions = legal_actions(infos["action_mask"], rng)
        observation, reward, terminated, _, info = env.step(actions)
        end = frozen.step(actions)
        infos = end[-1]
    row = int(np.flatnonzero(terminated)[0])
    assert (reward[row], bool(terminated[row])) == (end[1][row], True)
    assert info["_final_obs"].tolist() == info["_final_info"].tolist() == terminated.tolist()
    assert_same(info["final_obs"][row], row_of(end[0], row))
    assert_same(row_of(info["final_info"], row), row_of(infos, row))
    assert info["final_info"]["action_mask"][row].all()
    assert env.last_solution(row) == frozen.solution(row)
    start = frozen.reset()
    assert_same(row_of(observation, row), row_of(start[0], row))
    own = {key: value for key, value in info.items() if not key.startswith("final")}
    assert_same(row_of(own, row), row_of(start[1], row))


@both
@pytest.mark.parametrize("mode", MODES)
def test_batch_of_one_equals_the_first_row_of_many(case, name, mode):
    rng = np.random.default_rng(3)
    one, many = batch(case, name, 1, mode), batch(case, name, 3, mode)
    a, b = one.reset(seed=9), many.reset(seed=9)
    for _ in range(25):
        assert_same(row_of(a[0], 0), row_of(b[0], 0))
        actions = any_actions(many.action_masks(), rng)
        a, b = one.step(actions[:1]), many.step(actions)
        assert [part[0] for part in a[1:4]] == [part[0] for part in b[1:4]]
        assert a[1].shape == (1,)


@both
@pytest.mark.parametrize("mode", MODES)
def test_nothing_returned_shares_memory_with_another_call(case, name, mode):
    rng = np.random.default_rng(4)
    env = batch(case, name, 2, mode)
    kept = [env.reset(seed=0)]
    for _ in range(12):
        kept.append(env.step(legal_actions(env.action_masks(), rng)))
    kept += [env.reset(options={"reset_mask": np.array([True, False])}), env.reset(), (env.action_masks(),)]
    frozen = copy.deepcopy(kept)
    env.step(legal_actions(env.action_masks(), rng))
    assert_same(tuple(kept), tuple(frozen))
    arrays = [arrays_in(result) for result in kept]
    for at, mine in enumerate(arrays):
        assert not any(np.shares_memory(a, b) for other in arrays[at + 1 :] for a in mine for b in other)


@both
@pytest.mark.parametrize("mode", MODES)
def test_live_buffers_hold_what_copies_hold(case, name, mode):
    rng = np.random.default_rng(5)
    copied, live = batch(case, name, 3, mode), batch(case, name, 3, mode, copy=False)
    first = live.reset(seed=2)
    assert_same(copied.reset(seed=2), first)
    for _ in range(25):
        actions = any_actions(copied.action_masks(), rng)
        result = live.step(actions)
        assert_same(copied.step(actions), result)
        assert all(result[0][key] is first[0][key] for key in first[0])
    one = single(case, name, copy=False).unwrapped
    two = single(case, name).unwrapped
    start = one.reset(seed=1)
    assert_same(start, two.reset(seed=1))
    result = one.step(-1)
    assert_same(result, two.step(-1))
    assert all(np.shares_memory(result[0][key], start[0][key]) for key in start[0])


@pytest.mark.parametrize("case", FAMILIES)
@pytest.mark.parametrize("mode", MODES)
def test_an_always_illegal_policy_is_truncated_at_four_longest_episodes(case, mode):
    env = batch(case, case.longest, 2, mode)
    env.reset(seed=0)
    limit = env.max_episode_steps
    for step in range(1, limit + 1):
        _, reward, terminated, truncated, info = env.step(np.array([-1, env.single_action_space.n]))
        assert reward.tolist() == [-1.0, -1.0]
        assert not terminated.any()
        assert truncated.tolist() == [step == limit] * 2
    if mode == "SameStep":
        assert info["final_info"]["illegal_action"].all()
        assert not info["illegal_action"].any()
    else:
        assert info["illegal_action"].all()


@both
def test_no_legal_episode_reaches_a_quarter_of_the_default_limit(case, name):
    rng = np.random.default_rng(6)
    env = batch(case, name, 8)
    for episode in range(4):
        env.reset(seed=100 * episode)
        steps = 0
        while not env.done.all():
            env.step(legal_actions(env.action_masks(), rng))
            steps += 1
        assert 4 * steps <= env.max_episode_steps


@both
def test_a_legal_last_step_at_the_limit_terminates(case, name):
    rng = np.random.default_rng(7)
    env = single(case, name).unwrapped
    actions = []
    while len(actions) < 2:
        env.reset(seed=1)
        actions, terminated = [], False
        while not terminated:
            actions.append(int(legal_actions(env.action_masks()[None], rng)[0]))
            terminated = env.step(actions[-1])[2]
    exact = batch(case, name, 1, max_episode_steps=len(actions))
    exact.reset(seed=1)
    flags = [exact.step(np.array([action]))[2:4] for action in actions]
    assert (bool(flags[-1][0][0]), bool(flags[-1][1][0])) == (True, False)
    short = batch(case, name, 1, max_episode_steps=len(actions) - 1)
    short.reset(seed=1)
    flags = [short.step(np.array([action]))[2:4] for action in actions[:-1]]
    assert (bool(flags[-1][0][0]), bool(flags[-1][1][0])) == (False, True)
    frozen = short.step(np.array([actions[-1]]))
    assert (frozen[1][0], bool(frozen[2][0]), bool(frozen[3][0])) == (0.0, False, True)


@both
@pytest.mark.parametrize("mode", MODES)
def test_strict_refuses_and_changes_nothing(case, name, mode):
    rng = np.random.default_rng(8)
    env = batch(case, name, 3, mode, strict=True)
    twin = batch(case, name, 3, mode)
    env.reset(seed=0)
    twin.reset(seed=0)
    refused = done_beside = 0
    over = np.zeros(3, bool)
    for _ in range(60):
        masks = env.action_masks()
        actions = legal_actions(masks, rng)
        playing = np.flatnonzero(~over if mode != "SameStep" else np.ones(3, bool))
        if len(playing) == 0 and mode == "Disabled":
            break
        if len(playing):
            row = int(rng.choice(playing))
            wrong = actions.copy()
            wrong[row] = rng.choice([-1, masks.shape[1], *np.flatnonzero(masks[row] == 0)])
            legal = np.flatnonzero(masks[row]).tolist()
            with pytest.raises(IllegalActionError) as caught:
                env.step(wrong)
            assert str(caught.value) == f"row {row}: action {wrong[row]} is illegal; legal actions: {legal}"
            refused += 1
            done_beside += over.any()
        result = env.step(actions)
        assert_same(result, twin.step(actions))
        over = result[2] | result[3]
    assert refused > 5
    assert done_beside > 0 or mode == "SameStep" or name not in case.seeded
    one = single(case, name, strict=True).unwrapped
    one.reset(seed=0)
    with pytest.raises(IllegalActionError, match="row 0: action -1 is illegal"):
        one.step(-1)


@both
def test_masks_agree_and_are_never_empty(case, name):
    rng = np.random.default_rng(9)
    env = single(case, name).unwrapped
    observation, info = env.reset(seed=3)
    terminated = False
    while True:
        mask = observation["action_mask"]
        assert (mask.dtype, mask.shape) == (np.int8, (env.action_space.n,))
        assert set(np.unique(mask)) <= {0, 1}
        assert_same((mask, mask), (info["action_mask"], env.action_masks()))
        if terminated:
            break
        assert mask.any()
        env.action_space.seed(int(rng.integers(1000)))
        action = env.action_space.sample(mask)
        assert mask[action] == 1
        observation, _, terminated, _, info = env.step(action)
        assert not info["illegal_action"]
    assert mask.all()
