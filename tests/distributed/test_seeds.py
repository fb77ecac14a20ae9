"""Runs of several seeds on Ray: the same as here, through lost workers, signals and failures."""

import os
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs the ray extra")

import torch
from safetensors.torch import load_file

import runs
from ganttlet.core.errors import InputError
from ganttlet_agents.distributed import seeds
from ganttlet_agents.distributed.identity import first_difference
from ganttlet_agents.distributed.runs import facts_of
from ganttlet_agents.training.folder import RunFolder
from ganttlet_agents.training.loop import Trainer
from ganttlet_agents.training.saving import load_state

pytestmark = pytest.mark.usefixtures("ray_here")
CONFIG = runs.config_of("ppo", n_timesteps=240, save_freq=200, eval_freq=200)


def prepare(root, *numbers, config=CONFIG):
    """Return settings and a new folder for each seed."""
    pairs = []
    for seed in numbers:
        of_seed = replace(config, seed=seed)
        pairs.append((of_seed, RunFolder.new(root, "job_shop", f"run-seed{seed}", True, of_seed)))
    return pairs


def train(pairs, on_status=lambda seed, status: None, every=0.0):
    return seeds.train_side_by_side(pairs, on_status, every)


def assert_like_local(folder, config, root):
    """A run's weights, tables and files are those of the same run trained here."""
    local = runs.train(config, root / "local" / "job_shop" / f"seed{config.seed}")
    for part in ("best", "last"):
        first, second = (load_file(one.checkpoints / part / "policy.safetensors") for one in (folder, local))
        assert first.keys() == second.keys()
        assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert runs.progress(folder) == runs.progress(local)
    assert runs.judged(folder) == runs.judged(local)
    names = [
        sorted(path.relative_to(one.path).as_posix() for path in one.path.rglob("*") if "tfevents" not in path.name)
        for one in (folder, local)
    ]
    assert names[0] == names[1]


def mortal():
    """Return a kind of worker that dies before its run's third update: once with seed 3, always with seed 7."""

    # Inside a function, since a worker cannot import the module of a test.
    class Mortal(seeds.Worker):
        def advance(self, seconds):
            run, marker = self._trainer, Path(f"died-{self._trainer.config.seed}")
            if run.config.seed in (3, 7) and run.total == 96 and not (run.config.seed == 3 and marker.exists()):
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().advance(seconds)

    return Mortal


def test_runs_side_by_side_are_those_trained_here_whatever_befalls_the_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(seeds, "Worker", mortal())
    seeds.check_cluster(CONFIG)
    whole, killed, deadly = prepare(tmp_path, 0, 3, 7)
    (lacking,) = prepare(tmp_path, 1, config=replace(CONFIG, warm_start_from="none/where"))
    told = []
    driver = train([whole, killed, deadly, lacking], lambda seed, status: told.append((seed, status.total)))
    assert driver.stop_signal is None
    assert [run.error for run in driver.runs[:2]] == [None, None]
    assert [run.finished for run in driver.runs] == [True, True, False, False]
    # An undisturbed run tells all; one whose worker died, from its last saved state on again, with each line once.
    assert [total for seed, total in told if seed == 0] == [48, 96, 144, 192, 240]
    assert [total for seed, total in told if seed == 3] == [48, 96, 48, 96, 144, 192, 240]
    for config, folder in (whole, killed):
        assert [row["timesteps"] for row in runs.progress(folder)] == ["48", "96", "144", "192", "240"]
        assert_like_local(folder, config, tmp_path)
    # One that kills its workers was not at fault by its settings, and can be tried again here.
    assert driver.runs[2].error.startswith("its worker died 2 times without a further saved state: ")
    opened, config = RunFolder.open(deadly[1].path)
    Trainer(config, resume=opened)
    # One that cannot begin says why, and leaves no folder.
    assert "policy 'none/where': no checkpoint there" in driver.runs[3].error
    assert not lacking[1].path.exists()


def test_a_signal_brings_the_last_state_back(tmp_path):
    # More runs than there is room for: the third has not begun.
    pairs = prepare(tmp_path, 0, 1, 2, config=replace(CONFIG, n_timesteps=480_000, save_freq=480_000))
    driver = train(pairs, lambda seed, status: seed == 0 and os.kill(os.getpid(), signal.SIGTERM))
    assert driver.stop_signal == signal.SIGTERM
    assert [(run.finished, run.error) for run in driver.runs] == [(False, None)] * 3
    assert runs.progress(pairs[2][1]) == []
    state, _ = load_state(pairs[0][1].checkpoints)
    assert state.numbers["timesteps"] == int(runs.progress(pairs[0][1])[-1]["timesteps"]) > 0
    # Each is an ordinary run that goes on here.
    for _, folder in pairs:
        opened, config = RunFolder.open(folder.path)
        Trainer(config, resume=opened)


def test_what_no_node_can_serve_is_refused():
    with pytest.raises(InputError, match=r"a training takes 64 cores \(threads, device\), which no node"):
        seeds.check_cluster(replace(CONFIG, threads=64))
    with pytest.raises(InputError, match="a training takes 1 core and a GPU"):
        seeds.check_cluster(replace(CONFIG, device="cuda"))


def test_the_nodes_are_asked_for_the_instances(tmp_path, monkeypatch):
    """A file of another content under the same name is told by both digests."""
    folders = [tmp_path / "here", tmp_path / "there"]
    for folder, first in zip(folders, ("0 3 1 2", "0 4 1 2"), strict=True):
        folder.mkdir()
        (folder / "own.txt").write_text(f"2 2\n{first}\n1 1 0 5\n", encoding="utf-8")
    config = replace(CONFIG, env_kwargs={"instance": "own.txt"})
    here, there = (facts_of(config, str(folder)) for folder in folders)
    key = "instance own.txt"
    assert first_difference(there, here) == f"{key} is {there[key]} there, {here[key]} here"
    asked = []
    monkeypatch.setattr(seeds, "check_nodes", asked.append)
    monkeypatch.chdir(folders[0])
    seeds.check_cluster(config)
    assert isinstance(asked[0], partial)
    assert asked[0]() == here
