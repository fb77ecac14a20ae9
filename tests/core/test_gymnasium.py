"""Gymnasium's contract: its checkers without a warning, specs, pickling, rendering, and spaces that hold everything."""

import json
import pickle
import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from reference.play import (
    FAMILIES,
    MODES,
    VARIANTS,
    any_actions,
    assert_same,
    batch,
    legal_action,
    legal_actions,
    single,
)

pytestmark = pytest.mark.filterwarnings("error")
both = pytest.mark.parametrize(("case", "name"), VARIANTS)


@both
def test_check_env(case, name):
    check_env(gym.make(case.env_id, **case.variants[name]).unwrapped)


@both
def test_passive_checker_is_on_and_silent(case, name):
    env = single(case, name)
    assert "PassiveEnvChecker" in str(env)
    rng = np.random.default_rng(1)
    for seed in (0, None):
        observation, info = env.reset(seed=seed)
        done = False
        while not done:
            action = any_actions(info["action_mask"][None], rng)[0]
            observation, _, terminated, truncated, info = env.step(action)
            done = terminated or truncated
        assert observation in env.observation_space
    env.close()


@pytest.mark.parametrize("case", FAMILIES)
def test_specs_are_plain_data(case):
    for name, options in case.variants.items():
        made = gym.make(case.env_id, **options)
        again = EnvSpec.from_json(made.spec.to_json())
        assert again == made.spec
        assert_same(gym.make(again).reset(seed=3), made.reset(seed=3))
        many = gym.make_vec(case.env_id, 2, **options, autoreset_mode="SameStep")
        text = many.unwrapped.spec.to_json()
        assert json.loads(text)["kwargs"]["autoreset_mode"] == "SameStep"
        twin = gym.make_vec(EnvSpec.from_json(text))
        assert (twin.num_envs, twin.metadata["autoreset_mode"]) == (2, AutoresetMode.SAME_STEP), name
        assert_same(twin.reset(seed=3), many.reset(seed=3))


@pytest.mark.parametrize("case", FAMILIES)
def test_registration(case):
    spec = gym.spec(case.env_id)
    assert isinstance(spec.entry_point, str)
    assert isinstance(spec.vector_entry_point, str)
    assert (spec.kwargs, spec.max_episode_steps) == ({}, None)
    made = {mode: gym.make_vec(case.env_id, 1, autoreset_mode=mode) for mode in AutoresetMode}
    assert {mode: env.metadata["autoreset_mode"] for mode, env in made.items()} == {m: m for m in AutoresetMode}
    assert gym.make_vec(case.env_id).metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP


@pytest.mark.parametrize("case", FAMILIES)
def test_module_prefix_needs_no_import_and_a_second_import_is_harmless(case):
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "import gymnasium as gym\n"
        f"env = gym.make('ganttlet:{case.env_id}')\n"
        "before = dict(gym.registry)\n"
        "import importlib, ganttlet\n"
        "importlib.reload(ganttlet)\n"
        "assert dict(gym.registry) == before\n"
        "print(env.reset(seed=0)[1]['action_mask'].sum() > 0)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "True\n"), run.stderr


@both
def test_pickle_in_mid_episode(case, name):
    rng = np.random.default_rng(2)
    env = gym.make(case.env_id, **case.variants[name]).unwrapped
    _, info = env.reset(seed=5)
    env.step(legal_action(info["action_mask"], rng))
    many = batch(case, name, 3, "NextStep")
    _, infos = many.reset(seed=5)
    for _ in range(4):
        infos = many.step(legal_actions(infos["action_mask"], rng))[-1]
    twin, twins = pickle.loads(pickle.dumps((env, many)))
    masks = env.action_masks()[None]
    for _ in range(12):
        action = any_actions(masks, rng)[0]
        assert_same(env.step(action), twin.step(action))
        masks = env.action_masks()[None]
        actions = any_actions(many.action_masks(), rng)
        assert_same(many.step(actions), twins.step(actions))
    assert_same(env.reset(), twin.reset())
    assert env.solution() == twin.solution()


@both
def test_render(case, name):
    rng = np.random.default_rng(3)
    picture = gym.make(case.env_id, **case.variants[name], render_mode="rgb_array")
    text = gym.make(case.env_id, **case.variants[name], render_mode="ansi")
    moved, seed = False, 1
    while not moved:
        _, info = picture.reset(seed=seed)
        text.reset(seed=seed)
        before, start, done = text.render(), picture.unwrapped.solution(), False
        while not done:
            action = legal_action(info["action_mask"], rng)
            _, _, terminated, truncated, info = picture.step(action)
            text.step(action)
            done = terminated or truncated
        moved, seed = picture.unwrapped.solution() != start, seed + 1
    image = picture.render()
    assert (image.dtype, image.ndim, image.shape[2]) == (np.uint8, 3, 3)
    assert image.std() > 0
    assert isinstance(text.render(), str)
    assert text.render() != before


@pytest.mark.parametrize("case", FAMILIES)
def test_render_of_a_batch_and_without_a_mode(case):
    name = next(iter(case.variants))
    many = batch(case, name, 2, render_mode="ansi")
    many.reset(seed=0)
    one = single(case, name, render_mode="ansi")
    one.reset(seed=1)
    assert many.render()[1] == one.render()
    silent = batch(case, name, 2)
    silent.reset(seed=0)
    assert silent.render() is None
    env = single(case, name).unwrapped
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="render_mode"):
        assert env.render() is None


@both
@pytest.mark.parametrize("mode", MODES)
def test_every_observation_of_a_batch_lies_in_its_space(case, name, mode):
    rng = np.random.default_rng(4)
    env = batch(case, name, 5, mode)
    observation, _ = env.reset(seed=0)
    for _ in range(60):
        assert set(observation) == set(env.observation_space.spaces)
        for key, space in env.observation_space.spaces.items():
            part = observation[key]
            assert (part.shape, part.dtype) == (space.shape, space.dtype), key
            assert space.contains(part), key
            single_space = env.single_observation_space[key]
            assert np.all(np.isfinite(single_space.low))
            assert np.all(single_space.low < single_space.high), key
        actions = any_actions(env.action_masks(), rng)
        observation, reward, terminated, truncated, _ = env.step(actions)
        assert (reward.dtype, terminated.dtype, truncated.dtype) == (np.float64, np.bool_, np.bool_)


@pytest.mark.parametrize("case", FAMILIES)
def test_single_refuses_what_belongs_to_batches(case):
    for key in ("num_envs", "autoreset_mode"):
        with pytest.raises(ValueError, match=f"'{key}' belongs to batches"):
            gym.make(case.env_id, **{key: 1})
    env = gym.make(case.env_id)
    with pytest.raises(ValueError, match="'reset_mask' belongs to batches"):
        env.reset(options={"reset_mask": np.ones(1, bool)})


@pytest.mark.parametrize("case", FAMILIES)
def test_step_limit_given_to_make(case):
    """gym.make keeps the limit for its TimeLimit wrapper; a batch gets it as an option."""
    env = gym.make(case.env_id, **case.variants[case.longest], max_episode_steps=3)
    many = batch(case, case.longest, 2, max_episode_steps=3)
    env.reset(seed=0)
    many.reset(seed=0)
    for step in range(3):
        one = env.step(-1)
        all_rows = many.step(np.array([-1, -1]))
        assert (one[2], one[3]) == (False, step == 2)
        assert (all_rows[2].tolist(), all_rows[3].tolist()) == ([False] * 2, [step == 2] * 2)


@pytest.mark.parametrize("case", FAMILIES)
def test_spawned_processes_need_no_import(case):
    """Gymnasium's AsyncVectorEnv makes the environments in new processes from their specs alone."""
    name = next(iter(case.variants))
    native = batch(case, name, 2, "NextStep")
    parallel = gym.make_vec(
        case.env_id, 2, vectorization_mode="async", vector_kwargs={"context": "spawn"}, **case.variants[name]
    )
    try:
        assert_same(native.reset(seed=3), parallel.reset(seed=3))
        rng = np.random.default_rng(0)
        for _ in range(10):
            actions = legal_actions(native.action_masks(), rng)
            assert_same(native.step(actions), parallel.step(actions))
    finally:
        parallel.close()


def test_no_warning_is_hidden():
    with warnings.catch_warnings(record=True) as caught, pytest.raises(UserWarning, match="seen"):
        warnings.warn("seen", UserWarning, stacklevel=1)
    assert caught == []
