"""``train --seeds`` on this machine: the same runs as one by one, one table, and mistakes that leave nothing."""

import csv
import shlex
import signal
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from ganttlet_agents.cli import main
from ganttlet_agents.training.folder import read_evaluations
from ganttlet_agents.training.loop import Trainer

PRESET = {
    "env": "ganttlet/JobShop-v0",
    "env_kwargs": {
        "timing": "active",
        "observation": "machines",
        "generator": {"name": "uniform", "jobs": [2, 3], "machines": 3},
    },
    "n_timesteps": 144,
    "reward_scale": 0.02,
    "network": {"encoder": "pointer", "width": 8, "layers": 1, "hidden": 8},
    "ppo": {"n_envs": 4, "n_steps": 12, "batch_size": 24, "n_epochs": 1},
    "validation": {"count": 2, "reference": "rule:spt"},
    "threads": 1,
}
RUNS = Path("runs/job_shop")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(yaml.safe_dump(PRESET), encoding="utf-8")


def train(*words):
    return main(["job_shop", "--preset", "tiny.yaml", *words], within="train")


def refused(capsys, *words):
    """Run a command that must fail: code 2, one line on stderr, nothing made. Return the line."""
    assert train(*words) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert told.err.count("\n") == 1
    return told.err


def assert_same(one, other):
    """Two runs have equal weights and equal tables, but for times."""
    for part in ("best", "last"):
        first, second = (load_file(path / "checkpoints" / part / "policy.safetensors") for path in (one, other))
        assert all(torch.equal(value, second[key]) for key, value in first.items())
    tables = []
    for path in (one, other):
        with open(path / "progress.csv", newline="", encoding="utf-8") as file:
            tables.append([{**row, "seconds": "", "steps_per_s": ""} for row in csv.DictReader(file)])
    assert tables[0] == tables[1]
    assert tables[0]


def test_each_seed_is_the_run_it_would_be_alone(capsys):
    assert train("--seed", "1", "--name", "alone") == 0
    capsys.readouterr()
    assert train("--seeds", "0..1") == 0
    told = capsys.readouterr()
    assert_same(RUNS / "alone", RUNS / "tiny-seed1")
    assert sorted(path.name for path in RUNS.iterdir()) == ["alone", "tiny-seed0", "tiny-seed1"]
    for seed in (0, 1):
        assert yaml.safe_load((RUNS / f"tiny-seed{seed}/config.yaml").read_text())["seed"] == seed
        assert f"seed {seed}         144 decisions" in told.err
    lines = told.out.splitlines()
    words = shlex.split(next(line for line in lines if line.startswith("judge them with: ")))
    assert words[-2:] == [f"policy:{RUNS / f'tiny-seed{seed}'}" for seed in (0, 1)]


def test_the_table_holds_each_best_validation_and_their_mean(capsys):
    assert train("--seeds", "0,2", "3", "--name", "mine", "-P") == 0
    lines = capsys.readouterr().out.splitlines()
    gaps = []
    for seed in (0, 2, 3):
        best = min(line["gap"] for line in read_evaluations(RUNS / f"mine-seed{seed}"))
        (row,) = (line.split() for line in lines if line.split()[:1] == [str(seed)])
        assert row[1] == "144"
        assert row[3] == f"{100 * best:+.2f}"
        assert row[-1] == "finished"
        gaps.append(best)
    (mean,) = (line.split() for line in lines if line.split()[:1] == ["mean"])
    assert mean[3] == f"{100 * sum(gaps) / 3:+.2f}"
    assert float(mean[4]) <= float(mean[3]) <= float(mean[6])
    assert float(mean[4]) < float(mean[6])


def test_a_signal_leaves_every_seed_where_it_goes_on(monkeypatch, capsys):
    whole = train("--seeds", "0..1", "--name", "whole")
    assert whole == 0
    capsys.readouterr()
    iterate, seen = Trainer._iterate, []

    def stopping(self):
        seen.append(self.config.seed)
        if len(seen) == 2:
            signal.raise_signal(signal.SIGTERM)
        return iterate(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_iterate", stopping)
        assert train("--seeds", "0..1", "--name", "broken") == 143
    assert seen == [0, 0]
    told = capsys.readouterr().out
    for seed in (0, 1):
        path = RUNS / f"broken-seed{seed}"
        assert f"seed {seed} stopped; go on with: --resume {path}" in told
        assert main(["--resume", str(path)], within="train") == 0
        assert_same(path, RUNS / f"whole-seed{seed}")


def test_a_seed_that_fails_leaves_the_others(monkeypatch, capsys):
    from ganttlet.core.errors import InputError

    iterate = Trainer._iterate

    def failing(self):
        if self.config.seed == 0:
            raise InputError("no luck")
        return iterate(self)

    monkeypatch.setattr(Trainer, "_iterate", failing)
    assert train("--seeds", "0..1") == 1
    told = capsys.readouterr().out
    assert f"seed 0 failed: no luck; go on with: --resume {RUNS / 'tiny-seed0'}" in told
    assert told.splitlines()[-1].endswith(f"--methods policy:{RUNS / 'tiny-seed1'}")


MISTAKES = {
    "seed too": (("--seeds", "0..1", "--seed", "0"), "--seeds and --seed are both given; expected one of them"),
    "seed in params": (("--seeds", "0..1", "-p", "seed=3"), "--seeds and --params seed are both given"),
    "twice": (("--seeds", "1", "1"), "--seeds: a seed is given twice"),
    "words": (("--seeds", "one"), "--seeds: got ['one']; expected a number"),
    "backwards": (("--seeds", "4..0"), "--seeds: got []; expected a number"),
    "too great": (("--seeds", "0", "1000"), "seed: expected 0 … 999, got 1000"),
    "flag twice": (("--seeds", "0", "--seeds", "1"), "--seeds: given twice"),
    "zip": (("--seeds", "0..1", "--export-sb3", "x.zip"), "--export-sb3: writes the zip of one run"),
    "backend": (("--seeds", "0..1", "--backend", "cloud"), "--backend: got 'cloud'; expected local, ray"),
    "settings": (("--seeds", "0..1", "--env-kwargs", "timing:late"), "timing: unknown value 'late'"),
    "name": (("--seeds", "0..1", "--name", "a b"), "name 'a b-seed0': expected letters"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(capsys, mistake):
    words, message = MISTAKES[mistake]
    assert message in refused(capsys, *words)
    assert not Path("runs").exists()


def test_a_name_that_is_taken_is_found_before_anything_is_made(capsys):
    (RUNS / "tiny-seed1").mkdir(parents=True)
    message = f"{RUNS / 'tiny-seed1'}: exists already; choose another --name"
    assert message in refused(capsys, "--seeds", "0..2")
    assert [path.name for path in RUNS.iterdir()] == ["tiny-seed1"]


def test_a_backend_without_seeds_is_refused(capsys, monkeypatch):
    monkeypatch.setattr("ganttlet_agents.distributed.backend.need_ray", lambda: None)
    message = refused(capsys, "--backend", "ray")
    assert "--backend ray: needs --seeds" in message
    assert "--workers" in message


def test_resuming_takes_no_seeds(capsys):
    assert main(["--resume", "runs/none", "--seeds", "0"], within="train") == 2
    assert "--resume goes on with the run's own settings; leave --seeds out" in capsys.readouterr().err


def test_seeds_and_workers_are_refused_together(capsys):
    assert "leave one of them out" in refused(capsys, "--seeds", "0..1", "--workers", "2")


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_the_extra_is_named(capsys):
    message = refused(capsys, "--seeds", "0..1", "--backend", "ray")
    assert message == "error: ray is not installed; get it with: pip install 'ganttlet[ray]'\n"
