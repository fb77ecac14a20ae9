"""Exact equality, step by step: batch row = single environment = slow oracle, and batch = Gymnasium's SyncVectorEnv."""

import gymnasium as gym
import numpy as np
import pytest

from reference.play import VARIANTS, any_actions, assert_same, batch, row_of, single

ROWS, STEPS = 4, 40
both = pytest.mark.parametrize(("case", "name"), VARIANTS)


@both
def test_batch_row_is_the_single_environment_and_the_oracle(case, name):
    options = case.variants[name]
    rng = np.random.default_rng(10)
    many = batch(case, name, ROWS)
    ones = [single(case, name).unwrapped for _ in range(ROWS)]
    observation, info = many.reset(seed=20)
    starts = [one.reset(seed=20 + i) for i, one in enumerate(ones)]
    illegal_seen, episodes = 0, 0
    while episodes < 3:
        oracles = [case.oracle(options, many.instance(i), many.graph) for i in range(ROWS)]
        firsts = [dict(oracle.objectives()) for oracle in oracles]
        totals, clean = np.zeros(ROWS), np.ones(ROWS, bool)
        for i in range(ROWS):
            assert many.instance(i) == ones[i].instance
            assert_same((row_of(observation, i), row_of(info, i)), starts[i])
        over = np.zeros(ROWS, bool)
        while not over.all():
            masks = many.action_masks()
            for i, oracle in enumerate(oracles):
                mask = oracle.mask()
                assert info["action_mask"][i].tolist() == observation["action_mask"][i].tolist() == mask
                assert masks[i].tolist() == ones[i].action_masks().tolist() == mask
                values = row_of(info["objectives"], i)
                assert values == {key: oracle.objectives()[key] for key in values}
                assert case.extras(many, i) == oracle.extras()
                assert many.solution(i) == ones[i].solution() == oracle.solution()
            actions = any_actions(masks, rng)
            observation, reward, terminated, truncated, info = many.step(actions)
            for i, oracle in enumerate(oracles):
                one = ones[i].step(actions[i])
                assert_same((row_of(observation, i), row_of(info, i)), (one[0], one[4]))
                assert (reward[i], bool(terminated[i]), bool(truncated[i])) == one[1:4]
                expected = oracle.step(int(actions[i]))
                assert (reward[i], bool(terminated[i]), bool(info["illegal_action"][i])) == pytest.approx(expected)
                illegal_seen += expected[2]
                clean[i] &= not expected[2]
                totals[i] += reward[i]
            over = terminated | truncated
        for i in np.flatnonzero(clean & terminated):
            final = row_of(info["objectives"], i)
            promised = case.expected_return(options, many.instance(i), firsts[i], final)
            assert promised is None or totals[i] == pytest.approx(promised, abs=1e-9)
        episodes += 1
        observation, info = many.reset()
        starts = [one.reset() for one in ones]
    assert illegal_seen > 0


@both
@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_native_batch_is_sync_vector_env(case, name, mode):
    """Observations, rewards, flags, and infos with their presence masks, final_obs and final_info."""
    rng = np.random.default_rng(11)
    options = case.variants[name]
    native = batch(case, name, ROWS, mode)
    sync = gym.make_vec(case.env_id, ROWS, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}, **options)
    assert native.metadata["autoreset_mode"] == sync.metadata["autoreset_mode"]
    assert "autoreset_mode" not in single(case, name).metadata
    assert native.observation_space == sync.observation_space
    assert native.action_space == sync.action_space
    assert native.single_observation_space == sync.single_observation_space
    ends = 0
    assert_same(native.reset(seed=30), sync.reset(seed=30))
    for _ in range(STEPS):
        actions = any_actions(native.action_masks(), rng)
        ours, theirs = native.step(actions), sync.step(actions)
        assert_same(ours, theirs)
        ends += int((ours[2] | ours[3]).sum())
    assert ends > ROWS
    assert_same(native.reset(), sync.reset())
    assert_same(native.reset(seed=[5, 9, 1, 7]), sync.reset(seed=[5, 9, 1, 7]))
    mask = np.array([True, False, False, True])
    assert_same(native.reset(seed=50, options={"reset_mask": mask}), sync.reset(seed=50, options={"reset_mask": mask}))
    mask = np.array([False, True, False, True])
    assert_same(native.reset(options={"reset_mask": mask}), sync.reset(options={"reset_mask": mask}))
    assert_same(native.step(actions), sync.step(actions))


@both
@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_truncation_in_lockstep_with_sync_vector_env(case, name, mode):
    """An always illegal policy beside a legal one; the limit cuts in the middle of an episode."""
    options = {**case.variants[name], "max_episode_steps": 2}
    native = gym.make_vec(case.env_id, 2, autoreset_mode=mode, **options)
    sync = gym.make_vec(case.env_id, 2, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}, **options)
    assert_same(native.reset(seed=3), sync.reset(seed=3))
    truncations = 0
    for _ in range(8):
        legal = int(np.flatnonzero(native.action_masks()[1])[0])
        ours, theirs = native.step(np.array([-1, legal])), sync.step(np.array([-1, legal]))
        assert_same(ours, theirs)
        truncations += int(ours[3].sum())
    assert truncations >= 4
