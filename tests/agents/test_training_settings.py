"""Schedules against values worked out by hand, and settings built from plain data."""

import math
from dataclasses import dataclass, replace

import pytest
import yaml

from ganttlet.core.errors import InputError
from ganttlet_agents.config import config_names, config_root, load_config
from ganttlet_agents.settings import build, plain
from ganttlet_agents.training.config import PPOConfig, Schedule, TrainConfig
from ganttlet_agents.training.folder import dump_yaml
from ganttlet_agents.training.schedules import PROFILES, scheduled

ENV = "ganttlet/JobShop-v0"
KINDS = sorted(entry.name for entry in config_root().joinpath("train").iterdir() if entry.is_dir())
PRESETS = [(kind, name) for kind in KINDS for name in config_names(f"train/{kind}")]


@pytest.mark.parametrize(
    ("profile", "spent", "expected"),
    [
        ("constant", 0.3, 8.0),
        ("linear", 0.25, 2.0 + 6.0 * 0.75),
        ("cosine", 0.25, 2.0 + 6.0 * (1.0 + math.sqrt(0.5)) / 2.0),
        ("cosine", 0.5, 5.0),
        # (1 - 1/2) / (1/2 + 1/4) = 2/3; (1 - 3/4) / (1/2 + 1/8) = 2/5
        ("rex", 0.5, 2.0 + 6.0 * 2.0 / 3.0),
        ("rex", 0.75, 2.0 + 6.0 * 0.4),
    ],
)
def test_values_between_the_ends(profile, spent, expected):
    assert scheduled(profile, 8.0, 2.0, spent) == pytest.approx(expected, rel=1e-12)
    assert Schedule(8.0, 2.0, profile).at(spent) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("profile", PROFILES)
def test_ends_are_exact_and_values_never_rise(profile):
    last = 8.0 if profile == "constant" else 2.0
    assert scheduled(profile, 8.0, 2.0, 0.0) == scheduled(profile, 8.0, 2.0, -3.0) == 8.0
    assert scheduled(profile, 8.0, 2.0, 1.0) == scheduled(profile, 8.0, 2.0, 1.5) == pytest.approx(last, abs=1e-15)
    values = [scheduled(profile, 8.0, 2.0, step / 50) for step in range(51)]
    assert values == sorted(values, reverse=True)


def test_rex_stays_above_linear():
    assert all(scheduled("rex", 1.0, 0.0, z / 20) > scheduled("linear", 1.0, 0.0, z / 20) for z in range(1, 20))


def test_an_unknown_profile_names_the_known_ones():
    with pytest.raises(InputError, match="unknown value 'step'; expected one of constant, linear, cosine, rex"):
        scheduled("step", 1.0, 0.0, 0.5)
    with pytest.raises(InputError, match="settings: ppo: entropy: profile: unknown value 'step'"):
        build(TrainConfig, {"env": ENV, "ppo": {"entropy": {"start": 1.0, "profile": "step"}}}, "settings")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "here: key 'env' is missing"),
        ([], "here: expected a mapping, got []"),
        ({"colour": 1}, "here: unknown key 'colour'; expected one of env, env_kwargs"),
        ({"ppo": {"colour": 1}}, "here: ppo: unknown key 'colour'"),
        ({"ppo": {"entropy": {"start": 1.0, "colour": 1}}}, "here: ppo: entropy: unknown key 'colour'"),
        ({"ppo": {"entropy": "high"}}, "here: ppo: entropy: expected a mapping, got 'high'"),
        ({"ppo": {"entropy": True}}, "here: ppo: entropy: expected a mapping, got True"),
        ({"ppo": {"entropy": -1}}, "here: ppo: entropy: start: expected a number of at least 0, got -1"),
        ({"ppo": {"clip_range": {"end": 0.1}}}, "here: ppo: clip_range: end: 0.1 is never reached from 0.2"),
        (
            {"ppo": {"entropy": {"start": 1.0, "end": 0.0, "profile": "constant"}}},
            "here: ppo: entropy: end: 0 is never reached from 1 with profile constant; leave it out, or choose one of",
        ),
        ({"ppo": {"vf_coef": -1}}, "here: ppo: vf_coef: expected at least 0, got -1"),
        ({"ppo": {"vf_coef": math.nan}}, "here: ppo: vf_coef: expected at least 0, got nan"),
        ({"imitation": {"fit": {"vf_coef": -0.1}}}, "here: imitation: fit: vf_coef: expected at least 0, got -0.1"),
        ({"time_limit": math.inf}, "here: time_limit: expected a finite number, got inf"),
        ({"reward_scale": math.inf}, "here: reward_scale: expected a finite number, got inf"),
        ({"ppo": 3}, "here: ppo: expected a mapping, got 3"),
        ({"ppo": {"n_steps": "many"}}, "here: ppo: n_steps: expected an integer, got 'many'"),
        ({"ppo": {"n_steps": 1.5}}, "here: ppo: n_steps: expected an integer, got 1.5"),
        ({"ppo": {"n_steps": True}}, "here: ppo: n_steps: expected an integer, got True"),
        ({"ppo": {"gae_lambda": "high"}}, "here: ppo: gae_lambda: expected a number, got 'high'"),
        ({"compile": 1}, "here: compile: expected true or false, got 1"),
        ({"time_limit": "long"}, "here: time_limit: expected a number or null, got 'long'"),
        ({"device": 0}, "here: device: expected a text, got 0"),
        ({"warm_start": 3}, "here: warm_start: expected a mapping or null, got 3"),
        ({"warm_start": {"fit": {"x": 1}}}, "here: warm_start: fit: unknown key 'x'"),
        ({"env_kwargs": [1]}, "here: env_kwargs: expected a mapping, got [1]"),
        ({"validation": {"groups": {"a": 3}}}, "here: validation: groups.a: expected a mapping, got 3"),
        ({"network": {"encoder": "cnn"}}, "here: network: encoder: unknown value 'cnn'"),
        ({"network": {"width": 0}}, "here: network: width: expected an integer"),
        ({"algorithm": "dqn"}, "here: algorithm: unknown value 'dqn'"),
        ({"n_timesteps": 0}, "here: n_timesteps: expected at least 1, got 0"),
        ({"threads": 0}, "here: threads: expected at least 1, got 0"),
        ({"time_limit": 0}, "here: time_limit: expected more than 0, got 0"),
        ({"time_limit": math.nan}, "here: time_limit: expected more than 0, got nan"),
        ({"warm_start_share": 1}, "here: warm_start_share: expected a number between 0 and 1, got 1"),
        ({"seed": -1}, "here: seed: expected 0 … 999, got -1"),
        ({"seed": 1000}, "here: seed: expected 0 … 999, got 1000"),
        ({"ppo": {"n_envs": 0}}, "here: ppo: n_envs: expected at least 1, got 0"),
        ({"ppo": {"batch_size": 1}}, "here: ppo: batch_size: expected at least 2, got 1"),
        ({"ppo": {"n_envs": 1, "n_steps": 1}}, "here: ppo: n_steps: expected at least 2"),
        ({"ppo": {"gae_lambda": 1.1}}, "here: ppo: gae_lambda: expected a number between 0 and 1, got 1.1"),
        ({"ppo": {"learning_rate": {"start": -1}}}, "here: ppo: learning_rate: start: expected a number of at least 0"),
        ({"imitation": {"instances": 0}}, "here: imitation: instances: expected at least 1, got 0"),
        ({"self_labelling": {"temperature": 0}}, "here: self_labelling: temperature: expected more than 0, got 0"),
        ({"gumbel": {"simulations": 0}}, "here: gumbel: simulations: expected at least 1, got 0"),
        ({"gumbel": {"value_scale": -1}}, "here: gumbel: value_scale: expected at least 0, got -1"),
        ({"validation": {"count": 0}}, "here: validation: count: expected at least 1, got 0"),
    ],
)
def test_a_mistake_is_one_error_that_names_the_key(data, message):
    if isinstance(data, dict) and data:
        data = {"env": ENV, **data}
    with pytest.raises(InputError) as caught:
        build(TrainConfig, data, "here")
    assert message in str(caught.value)
    assert str(caught.value).startswith("here: ")
    assert str(caught.value).count("here") == 1


@pytest.mark.parametrize("text", ["3e-4", "3E-04", "3.e-4", "3.0e-4", "0.0003"])
def test_every_way_to_write_a_small_number(text):
    """YAML 1.1 takes 3e-4 for a text."""
    data = yaml.safe_load(f"{{env: {ENV}, ppo: {{learning_rate: {{start: {text}}}}}, time_limit: {text}}}")
    config = build(TrainConfig, data, "here")
    assert config.ppo.learning_rate.start == config.time_limit == 3e-4


def test_integers_become_numbers_and_nothing_else_is_converted():
    config = build(TrainConfig, {"env": ENV, "reward_scale": 2, "temperature": 3}, "here")
    assert (type(config.reward_scale), type(config.temperature)) == (float, float)
    with pytest.raises(InputError, match="env: expected a text"):
        build(TrainConfig, {"env": 3}, "here")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"warm_start": {"n_timesteps": 7, "fit": {"learning_rate": {"start": 1e-5, "profile": "rex"}}}},
        {
            "env_kwargs": {"generator": {"name": "uniform", "jobs": [2, 3], "machines": 2}, "gamma": 0.9},
            "ppo": {"target_kl": 0.1, "entropy": {"start": 1e-7, "end": 3.5e-21}},
            "validation": {"groups": {"a": {"name": "uniform", "jobs": 2, "machines": 2}}, "reference": "rule:spt"},
            "time_limit": 1.5,
            "threads": 2,
            "reward_scale": 1e-9,
        },
    ],
)
def test_plain_data_round_trips_through_yaml(data):
    config = build(TrainConfig, {"env": ENV, **data}, "here")
    assert build(TrainConfig, yaml.safe_load(dump_yaml(plain(config))), "again") == config


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("clip_range", {"start": 0.3}, Schedule(0.3, 0.3, "constant")),
        ("clip_range", {"end": 0.1, "profile": "linear"}, Schedule(0.2, 0.1, "linear")),
        ("clip_range", {"end": 0.2}, Schedule(0.2, 0.2, "constant")),
        ("learning_rate", {"profile": "rex"}, Schedule(7e-4, 3.5e-5, "rex")),
        ("learning_rate", {"start": 3e-4}, Schedule(3e-4, 3.5e-5, "linear")),
        ("learning_rate", {"start": "3e-4", "profile": "constant"}, Schedule(3e-4, 3e-4, "constant")),
        ("learning_rate", {"profile": "constant"}, Schedule(7e-4, 7e-4, "constant")),
        ("entropy", {"end": 1.0}, Schedule(0.003, 1.0, "linear")),
        ("entropy", 0.01, Schedule(0.01, 0.01, "constant")),
        ("entropy", 0, Schedule(0.0, 0.0, "constant")),
        ("entropy", "1e-4", Schedule(1e-4, 1e-4, "constant")),
    ],
)
def test_a_schedule_changes_by_what_is_given_and_by_nothing_else(name, given, expected):
    config = build(TrainConfig, {"env": ENV, "ppo": {name: given}}, "here")
    assert getattr(config.ppo, name) == expected
    assert config == replace(TrainConfig(ENV), ppo=replace(PPOConfig(), **{name: expected}))
    assert build(TrainConfig, yaml.safe_load(dump_yaml(plain(config))), "again") == config


def test_nested_settings_are_laid_over_their_fields_own_default():
    @dataclass(frozen=True)
    class Inner:
        a: int = 1
        b: int = 2

    @dataclass(frozen=True)
    class Outer:
        one: Inner = Inner(3, 4)
        other: Inner | None = None

    assert build(Outer, {"one": {"b": 5}, "other": {"b": 6}}, "here") == Outer(Inner(3, 5), Inner(1, 6))
    assert build(Outer, {}, "here", Outer(Inner(8, 9))) == Outer(Inner(8, 9))


def test_there_are_presets():
    assert ("job_shop", "quick") in PRESETS


@pytest.mark.parametrize(("kind", "name"), PRESETS)
def test_every_preset_builds_and_round_trips(kind, name):
    preset = load_config(f"train/{kind}", name)
    config = build(TrainConfig, preset.data, preset.source)
    assert build(TrainConfig, yaml.safe_load(dump_yaml(plain(config))), "again") == config
    # A rollout is whole minibatches, or Stable-Baselines3 warns.
    ppo: PPOConfig = config.ppo
    assert ppo.n_envs * ppo.n_steps % ppo.batch_size == 0
