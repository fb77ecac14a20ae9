"""A run in a process of its own, killed at random moments, and stopped by signals from outside."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from ganttlet_agents.policy.checkpoint import load_checkpoint
from ganttlet_agents.training.folder import read_evaluations
from ganttlet_agents.training.saving import load_state

ROOT = Path(__file__).resolve().parents[2]
FIT = {"batch_size": 32, "n_epochs": 1}
PRESET = {
    "env": "ganttlet/JobShop-v0",
    "env_kwargs": {
        "timing": "active",
        "observation": "machines",
        "generator": {"name": "uniform", "jobs": [3, 5], "machines": 3},
    },
    "n_timesteps": 9_600,
    "warm_start": {"teacher": "rule:spt:best_of=4", "instances": 8, "n_timesteps": 4_000, "fit": FIT},
    "network": {"encoder": "attention", "width": 16, "layers": 1, "heads": 2, "hidden": 16},
    "ppo": {"n_envs": 8, "n_steps": 12, "batch_size": 48, "n_epochs": 2},
    "validation": {"count": 4, "reference": "rule:spt"},
    "eval_freq": 200,
    "save_freq": 1,
    "threads": 1,
}
RUN = Path("runs/job_shop/run")


@pytest.fixture
def begin(tmp_path):
    """Return what starts train.py in the test's folder, which holds the preset."""
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(PRESET), encoding="utf-8")
    started = []

    def start(*words):
        with open(tmp_path / "log", "ab") as log:
            # A group of its own, so that a signal meant for it reaches nobody else.
            process = subprocess.Popen(
                [sys.executable, str(ROOT / "train.py"), *words],
                cwd=tmp_path,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


NEW = ("job_shop", "--preset", "tiny.yaml", "--name")


def until(condition, process):
    """Wait until something has happened, or the process has ended."""
    while not condition() and process.poll() is None:
        time.sleep(0.01)


def assert_same_end(tmp_path, one, other):
    paths = [tmp_path / "runs/job_shop" / name for name in (one, other)]
    for part in ("best", "last"):
        first, second = (load_file(path / "checkpoints" / part / "policy.safetensors") for path in paths)
        assert all(torch.equal(value, second[key]) for key, value in first.items())
    lines = [
        [{key: value for key, value in line.items() if not key.endswith("seconds")} for line in read_evaluations(path)]
        for path in paths
    ]
    assert lines[0] == lines[1]
    texts = [(path / "progress.csv").read_text().splitlines() for path in paths]
    assert [line.split(",")[:3] for line in texts[0]] == [line.split(",")[:3] for line in texts[1]]


@pytest.mark.long
def test_killed_at_random_moments_it_goes_on_to_the_same_end(begin, tmp_path):
    draws = random.Random(3)
    whole = begin(*NEW, "whole")
    process = begin(*NEW, "run")
    path = tmp_path / RUN
    until(lambda: any((path / "checkpoints").glob("state-*")), process)
    killed, reached = 0, []
    for _ in range(8):
        time.sleep(draws.uniform(0.0, 0.5))
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        killed += 1
        # What is there can be used, whatever the moment was.
        load_checkpoint(path)
        load_checkpoint(path / "checkpoints/last")
        state, book = load_state(path / "checkpoints")
        reached.append(book["before"] + state.numbers["timesteps"])
        lines = (path / "progress.csv").read_text().count("\n")
        process = begin("--resume", str(RUN))
        # It goes on: the next kill comes after an update, not while PyTorch is loaded.
        until(lambda lines=lines: (path / "progress.csv").read_text().count("\n") > lines, process)
    assert process.wait() == 0, (tmp_path / "log").read_text()
    assert killed >= 4
    assert reached == sorted(reached)
    assert len(set(reached)) > 2
    assert whole.wait() == 0
    assert_same_end(tmp_path, "whole", "run")
    assert not list(path.rglob(".*"))


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_from_outside_it_says_so_and_goes_on(begin, tmp_path, number):
    whole = begin(*NEW, "whole")
    process = begin(*NEW, "run")
    path = tmp_path / RUN
    until(lambda: path.is_dir() and any((path / "checkpoints").glob("state-*")), process)
    os.killpg(process.pid, number)
    assert process.wait() == 128 + number
    assert f"--resume {RUN}" in (tmp_path / "log").read_text()
    state, book = load_state(path / "checkpoints")
    assert not book["finished"]
    assert book["before"] + state.numbers["timesteps"] < 13_600
    assert begin("--resume", str(RUN)).wait() == 0
    assert whole.wait() == 0
    assert_same_end(tmp_path, "whole", "run")
