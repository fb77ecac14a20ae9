"""Sweep files: what they mean, that a mistake is one line that names file and key, and what is there for the search."""

import math
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from ganttlet.core.errors import InputError
from ganttlet_agents.cli import main
from ganttlet_agents.cli.commands import parse
from ganttlet_agents.config import config_names
from ganttlet_agents.distributed import backend
from ganttlet_agents.distributed.tune.space import Space, read_distribution
from ganttlet_agents.distributed.tune.sweep import Sweep, read_sweep
from ganttlet_agents.settings import build, plain

SWEEP = {
    "family": "job_shop",
    "preset": "quick",
    "params": {"env_kwargs.generator": {"name": "uniform", "jobs": [2, 3], "machines": 3}, "network.width": 8},
    "space": {
        "ppo.learning_rate.start": {"log": [1e-4, 1e-2]},
        "ppo.n_epochs": {"int": [1, 3]},
        "network.encoder": {"choice": ["pointer", "attention"]},
    },
    "n_timesteps": 9000,
    "seeds": 2,
}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def sweep_of(changes=None, **flags):
    Path("mine.yaml").write_text(yaml.safe_dump({**SWEEP, **(changes or {})}), encoding="utf-8")
    return read_sweep("mine.yaml", flags)


def test_a_setting_is_the_preset_with_params_and_values():
    sweep = sweep_of()
    config = sweep.config({"ppo.learning_rate.start": 1e-3, "ppo.n_epochs": 2, "network.encoder": "pointer"}, 1)
    assert (config.ppo.learning_rate.start, config.ppo.n_epochs, config.network.encoder) == (1e-3, 2, "pointer")
    # What the preset says besides stays, but for the limit in seconds.
    assert (config.ppo.learning_rate.end, config.network.width, config.reward_scale) == (2e-5, 8, 0.02)
    assert (config.seed, config.n_timesteps, config.time_limit) == (1, 9000, None)
    assert sweep.settings.seeds == (0, 1)
    assert sweep_of(seeds=[4, 9], n_timesteps=30).settings.seeds == (4, 9)
    assert sweep_of({"seeds": "3..5"}).settings.seeds == (3, 4, 5)


def test_rungs_grow_by_the_factor_up_to_the_budget():
    assert sweep_of().marks() == [1000, 3000, 9000]
    assert sweep_of({"rungs": {"grace": 2000, "reduction_factor": 2}}).marks() == [2000, 4000, 8000, 9000]
    assert sweep_of({"rungs": {"grace": 9000}}).marks() == [9000]
    # A warm start is part of what a setting may use.
    warm = sweep_of({"params": {"warm_start.n_timesteps": 900}, "rungs": {"grace": 5000}})
    assert (warm.budget, warm.marks()) == (9900, [5000, 9900])


def test_the_command_trains_the_same():
    values = {"ppo.learning_rate.start": 1.5e-05, "ppo.n_epochs": 2, "network.encoder": "pointer"}
    for sweep in (
        sweep_of(),
        sweep_of({"family": None, "env": "ganttlet/JobShop-v0", "params": {"env_kwargs.timing": "active"}}),
    ):
        words = shlex.split(sweep.command("python train.py", values, 7))
        assert words[:2] == ["python", "train.py"]
        assert parse(words[2:], "train").settings() == sweep.config(values, 7)


def test_a_preset_beside_the_sweep():
    Path("deep").mkdir()
    Path("deep/own.yaml").write_text("env: ganttlet/JobShop-v0\nn_timesteps: 77\n", encoding="utf-8")
    data = {**SWEEP, "preset": "own.yaml", "n_timesteps": None}
    Path("deep/mine.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    sweep = read_sweep("deep/mine.yaml", {})
    assert sweep.budget == 77
    assert Path(shlex.split(sweep.command("x", sweep.first, 0))[3]) == Path("deep/own.yaml")


def test_a_sweep_is_written_and_read_without_loss():
    sweep = sweep_of()
    assert build(Sweep, yaml.safe_load(yaml.safe_dump(plain(sweep))), "here") == sweep


@pytest.mark.parametrize("name", config_names("sweeps"))
def test_the_sweeps_that_come_with_the_package_are_sound(name):
    sweep = read_sweep(name, {})
    assert len(sweep.marks()) > 1
    assert sweep.settings.about


def trial(**drawn):
    """An Optuna trial that suggests the low or the high end, and notes what it was asked."""
    asked = {}

    def suggest(name, low, high, log):
        asked[name] = (low, high, log)
        return low

    def categorical(name, choices):
        asked[name] = choices
        return choices[-1]

    return SimpleNamespace(
        number=5, asked=asked, suggest_int=suggest, suggest_float=suggest, suggest_categorical=categorical
    )


def test_what_optuna_is_asked():
    space = {
        "a": {"uniform": [0, 1]},
        "b": {"log": ["1e-4", 1e-2]},
        "c": {"int": [1, 3]},
        "d": {"log_int": [1, 64]},
        "e": {"choice": [None, {"x": 1}]},
    }
    asking = trial()
    drawn = Space({name: read_distribution(one, name) for name, one in space.items()})(asking)
    assert drawn == {"setting": 5, "a": 0.0, "b": 1e-4, "c": 1, "d": 1, "e": {"x": 1}}
    assert asking.asked == {
        "a": (0.0, 1.0, False),
        "b": (1e-4, 1e-2, True),
        "c": (1, 3, False),
        "d": (1, 64, True),
        "e": [0, 1],
    }
    assert isinstance(drawn["a"], float)


def space_of(key, distribution):
    return {"space": {key: distribution}}


LR = "ppo.learning_rate.start"
MISTAKES = {
    "unknown key": ({"colour": 1}, "mine.yaml: unknown key 'colour'"),
    "neither": ({"family": None}, "mine.yaml: expected either family or env"),
    "both": ({"env": "ganttlet/JobShop-v0"}, "mine.yaml: expected either family or env"),
    "preset": ({"preset": "slow"}, "unknown name 'slow'"),
    "params": ({"params": {"ppo.colour": 1}}, "mine.yaml: params: ppo.colour: ppo: unknown key 'colour'"),
    "params value": ({"params": {"network.width": 0}}, "mine.yaml: params: network.width: network: width: expected"),
    "params of the sweep": ({"params": {"seed": 1}}, "mine.yaml: params: seed: is set by the sweep; use the key seeds"),
    "params number": ({"params": {"network": 3}}, "mine.yaml: params: network: network: expected a mapping"),
    "no space": ({"space": {}}, "mine.yaml: space: expected at least one setting"),
    "unknown setting": (
        space_of("ppo.colour", {"uniform": [0, 1]}),
        "space: ppo.colour = 0.0: ppo: unknown key 'colour'",
    ),
    "of a number": (space_of("reward_scale.x", {"uniform": [0, 1]}), "'reward_scale.x': reward_scale is 0.02 here"),
    "form": (space_of(LR, [1, 2]), f"mine.yaml: space: {LR}: expected one of {{uniform: [low, high]"),
    "kind": (space_of(LR, {"normal": [1, 2]}), "got {'normal': [1, 2]}"),
    "no list": (space_of(LR, {"log": 3}), f"space: {LR}: log: expected a list, got 3"),
    "one end": (space_of(LR, {"log": [3]}), "log: expected the two ends of a range, got [3]"),
    "order": (space_of(LR, {"uniform": [1, 1]}), "expected a low end below the high end"),
    "infinite": (space_of(LR, {"uniform": [1, math.inf]}), "both finite"),
    "log of nothing": (space_of(LR, {"log": [0, 1]}), "log: expected ends above 0"),
    "part of a whole": (space_of("ppo.n_epochs", {"int": [1, 2.5]}), "int: high: expected an integer, got 2.5"),
    "one choice": (space_of("network.encoder", {"choice": ["pointer"]}), "expected at least two values"),
    "choice twice": (space_of("network.encoder", {"choice": ["gnn", "gnn"]}), "none of them twice"),
    "low end": (
        space_of("ppo.gae_lambda", {"uniform": [-1, 1]}),
        "mine.yaml: space: ppo.gae_lambda = -1.0: ppo: gae_l",
    ),
    "high end": (space_of("ppo.gae_lambda", {"uniform": [0, 2]}), "mine.yaml: space: ppo.gae_lambda = 2.0: ppo: gae_l"),
    "a choice": (space_of("algorithm", {"choice": ["ppo", "luck"]}), "space: algorithm = 'luck': algorithm: unknown"),
    "type": (space_of("ppo.n_epochs", {"uniform": [1, 2]}), "ppo.n_epochs = 1.0: ppo: n_epochs: expected an integer"),
    "seed searched": (space_of("seed", {"int": [1, 2]}), "space: seed: is the same for all settings of a sweep"),
    "judge searched": (space_of("validation.count", {"int": [1, 2]}), "space: validation.count: is the same for all"),
    "searched and fixed": (space_of("network.width", {"int": [4, 8]}), "network.width: is fixed by params, too"),
    "within another": (
        {"space": {LR: {"log": [1e-4, 1e-2]}, "ppo.learning_rate": {"choice": [1, 2]}}},
        f"space: {LR}: is part of ppo.learning_rate",
    ),
    "budget": (
        space_of("warm_start.n_timesteps", {"int": [10, 20]}),
        "changes the budget from 9,010 decisions to 9,020",
    ),
    "own judges": (
        {
            "params": {"validation.groups": {}},
            "space": {"env_kwargs.generator.jobs": {"choice": [3, 4]}},
        },
        "space: env_kwargs.generator.jobs: changes the validation instances, too",
    ),
    "seeds": ({"seeds": 0}, "mine.yaml: seeds: expected at least 1"),
    "seed twice": ({"seeds": [1, 1]}, "mine.yaml: seeds: a seed is given twice"),
    "seed too large": ({"seeds": [1000]}, "mine.yaml: seeds: seed: expected 0 … 999"),
    "trials": ({"trials": 0}, "mine.yaml: trials: expected at least 1, got 0"),
    "searcher": ({"searcher": "luck"}, "mine.yaml: searcher: unknown value 'luck'"),
    "grace": ({"rungs": {"grace": 9001}}, "mine.yaml: rungs: grace: expected at most the budget, 9000, got 9001"),
    "factor": ({"rungs": {"reduction_factor": 1}}, "mine.yaml: rungs: reduction_factor: expected a number above 1"),
    "rungs key": ({"rungs": {"colour": 1}}, "mine.yaml: rungs: unknown key 'colour'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(name, capsys):
    changes, told = MISTAKES[name]
    with pytest.raises(InputError, match=re.escape(told)):
        sweep_of(changes)
    before = sorted(Path().rglob("*"))
    assert main(["tune", "mine.yaml"], within="train") == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert sorted(Path().rglob("*")) == before


FLAGS = {
    "nothing": ((), "expected a sweep: a name in configs/sweeps/"),
    "unknown": (("no_such",), "sweep: unknown name 'no_such'; expected one of job_shop"),
    "missing": (("no.yaml",), "no.yaml: cannot be read"),
    "trials": (("mine.yaml", "--trials", "0"), "mine.yaml: trials: expected at least 1"),
    "seeds": (("mine.yaml", "--seeds", "x"), "mine.yaml: seeds: got 'x'"),
    "budget": (("mine.yaml", "-n", "0"), "mine.yaml: n_timesteps: expected at least 1"),
    "backend": (("mine.yaml", "--backend", "local"), "--backend local: sweeps run on Ray"),
    "backend form": (("mine.yaml", "--backend", "spark"), "--backend: got 'spark'"),
    "resumed and named": (
        ("mine.yaml", "--resume", "x"),
        "--resume goes on with the sweep's own settings; leave the sweep",
    ),
    "resumed with flags": (("--resume", "x", "--jobs", "2"), "leave --jobs out"),
    "resumed of nothing": (
        ("--resume", "x"),
        "cannot be read: No such file or directory; expected the folder of a sweep",
    ),
}


@pytest.mark.parametrize("name", FLAGS)
def test_a_mistake_on_the_command_line_is_one_line(name, capsys):
    words, told = FLAGS[name]
    sweep_of()
    assert main(["tune", *words], within="train") == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    # The whole tree of commands knows it by another name.
    assert main(["train", "tune", *words]) == 2
    assert capsys.readouterr().err == said


def test_without_ray_the_extra_is_named(monkeypatch, capsys):
    find = backend.find_spec
    monkeypatch.setattr(backend, "find_spec", lambda name: None if name == "ray" else find(name))
    sweep_of()
    assert main(["tune", "mine.yaml"], within="train") == 2
    assert "ganttlet[ray]" in capsys.readouterr().err
    assert not Path("sweeps").exists()


def test_help_tells_of_it(capsys):
    for words, within, told in (
        (["--help"], "train", "tune SWEEP"),
        (["tune", "--help"], "train", "train.py tune"),
        (["train", "tune", "--help"], "", "ganttlet train tune"),
    ):
        with pytest.raises(SystemExit) as ended:
            parse(words, within)
        assert ended.value.code == 0
        assert told in capsys.readouterr().out
