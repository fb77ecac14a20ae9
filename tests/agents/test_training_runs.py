"""Run folders, stages, stopping, and resuming: a resumed run equals an unbroken one bit for bit."""

import json
import os
import pickletools
import shutil
import signal
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ganttlet.core.errors import InputError
from ganttlet_agents.policy.checkpoint import load_checkpoint
from ganttlet_agents.training import saving
from ganttlet_agents.training.folder import COLUMNS, RunFolder, read_evaluations
from ganttlet_agents.training.loop import Trainer
from ganttlet_agents.training.ppo import PPOLearner
from ganttlet_agents.training.saving import load_state, save_state
from runs import BASE, config_of, judged, progress, train


def assert_same(one, other):
    """Everything that is no time: weights, optimiser, random states, environment rows, tables, checkpoints."""
    (state, book), (state2, book2) = load_state(one.checkpoints), load_state(other.checkpoints)
    assert set(state.tensors) == set(state2.tensors)
    for key, value in state.tensors.items():
        assert torch.equal(value, state2.tensors[key]), key
    assert set(state.arrays) == set(state2.arrays)
    for key, part in state.arrays.items():
        if key == "env.slots":
            # Which of its two private slots a row uses is no part of what it plays.
            continue
        np.testing.assert_array_equal(part, state2.arrays[key], err_msg=key)
    assert state.numbers == state2.numbers
    times = ("seconds", "stage_seconds", "next_save")
    assert {k: v for k, v in book.items() if k not in times} == {k: v for k, v in book2.items() if k not in times}
    assert progress(one) == progress(other)
    assert judged(one) == judged(other)
    for part in ("best", "last"):
        files = [load_file(folder.checkpoints / part / "policy.safetensors") for folder in (one, other)]
        assert all(torch.equal(value, files[1][key]) for key, value in files[0].items())


@pytest.mark.parametrize(
    ("kind", "stop"),
    [
        ("ppo", (1,)),
        ("ppo", (3, 4, 7)),
        ("imitation", (2, 5)),
        ("self_labelling", (1, 2)),
        ("gumbel", (1, 3)),
        # The warm start takes 4 updates: stopped inside it, about its end, and inside PPO.
        ("both", (2,)),
        ("both", (3, 4, 5, 6)),
        ("both", (7, 8)),
        ("ppo_fixed", (2,)),
        ("forced", (1, 2, 4)),
        ("group", (1, 3)),
        ("gnn", (1,)),
    ],
)
def test_a_resumed_run_equals_an_unbroken_one(tmp_path, kind, stop):
    config = config_of(kind)
    whole = train(config, tmp_path / "job_shop" / "whole")
    broken = train(config, tmp_path / "job_shop" / "broken", stop)
    assert len(progress(whole)) > max(stop)
    assert_same(whole, broken)


def test_equal_runs_are_equal_and_seeds_differ(tmp_path):
    runs = [train(config_of("ppo", seed=seed), tmp_path / "job_shop" / f"run{at}") for at, seed in enumerate((0, 0, 1))]
    assert_same(*runs[:2])
    assert progress(runs[0]) != progress(runs[2])


def test_a_run_of_two_stages(tmp_path):
    folder = train(config_of("both"), tmp_path / "job_shop" / "run")
    rows = progress(folder)
    stages = [row["stage"] for row in rows]
    count = stages.count("imitation")
    assert stages == ["imitation"] * count + ["ppo"] * 5
    steps = [int(row["timesteps"]) for row in rows]
    # A stage ends with the update that fills its budget, and the next one counts on.
    assert steps[count - 2] < 120 <= steps[count - 1]
    assert [step - steps[count - 1] for step in steps[count:]] == [48, 96, 144, 192, 240]
    assert rows[0]["agreement"] != "" == rows[-1]["agreement"]
    assert rows[0]["clip_range"] == "" != rows[-1]["clip_range"]
    # Learning rates start anew in every stage; validation follows each stage's end.
    assert float(rows[0]["learning_rate"]) == float(rows[count]["learning_rate"]) == 7e-4
    evaluated = [line["timesteps"] for line in judged(folder)]
    assert evaluated[0] == 0
    assert {steps[count - 1], steps[-1]} <= set(evaluated)


def test_a_time_limit_ends_every_stage(tmp_path):
    """Any update takes longer than the limit, so there is one in each stage."""
    folder = train(config_of("both", time_limit=1e-9), tmp_path / "job_shop" / "run")
    assert [row["stage"] for row in progress(folder)] == ["imitation", "ppo"]


def test_the_run_folder_holds_what_it_should(tmp_path):
    folder = train(config_of("both", save_freq=48), tmp_path / "job_shop" / "run")
    path = folder.path
    assert sorted(entry.name for entry in path.iterdir()) == [
        "checkpoints",
        "command.txt",
        "config.yaml",
        "evaluations.jsonl",
        "progress.csv",
        "tensorboard",
        "versions.json",
    ]
    names = sorted(entry.name for entry in folder.checkpoints.iterdir())
    assert names[:2] == ["best", "last"]
    assert len(names) == 3
    assert names[2].startswith("state-")
    assert list(progress(folder, ())[0]) == list(COLUMNS)
    versions = json.loads((path / "versions.json").read_text())
    assert {"python", "torch", "ganttlet", "commit", "machine"} <= set(versions)
    assert any(entry.stat().st_size > 0 for entry in (path / "tensorboard").iterdir())
    opened, config = RunFolder.open(path)
    assert (opened.path, config) == (path, config_of("both", save_freq=48))
    # best is the first of the least score, and what its own card says.
    lines = read_evaluations(path)
    least = min(lines, key=lambda line: line["gap"])
    assert [line["best"] for line in lines] == [
        line["gap"] < min((one["gap"] for one in lines[:at]), default=np.inf) for at, line in enumerate(lines)
    ]
    card = load_checkpoint(path).card
    assert (card.training["decisions"], card.training["validation_gap"]) == (least["timesteps"], least["gap"])
    assert card.training["command"] == (path / "command.txt").read_text().strip()
    assert load_checkpoint(folder.last).card.training["decisions"] == lines[-1]["timesteps"]
    assert not {"generator", "instances"} & set(card.env_kwargs)


def test_the_first_checkpoint_is_there_before_the_first_update(tmp_path, monkeypatch):
    def fail(self, spent):
        raise ZeroDivisionError

    monkeypatch.setattr(PPOLearner, "iterate", fail)
    with pytest.raises(ZeroDivisionError):
        train(config_of("ppo"), tmp_path / "job_shop" / "run")
    folder, config = RunFolder.open(tmp_path / "job_shop" / "run")
    for path in (folder.path, folder.best, folder.last):
        assert load_checkpoint(path).card.training["decisions"] == 0
    monkeypatch.undo()
    assert Trainer(config, resume=folder).run(folder) is None
    assert_same(folder, train(config, tmp_path / "job_shop" / "whole"))


def test_a_run_killed_before_its_first_state_begins_anew(tmp_path):
    config = config_of("ppo", n_timesteps=96)
    folder = RunFolder.new(tmp_path, "job_shop", "run", True, config)
    (folder.path / "evaluations.jsonl").write_text('{"half')
    (folder.path / ".progress.csv.0123456789ab").write_text("")
    opened, config = RunFolder.open(folder.path)
    assert Trainer(config, resume=opened).run(opened) is None
    assert_same(opened, train(config, tmp_path / "job_shop" / "whole"))
    assert not list(folder.path.glob(".*"))


def test_a_run_that_fails_before_its_first_state_leaves_nothing(tmp_path):
    config = config_of("ppo", env_kwargs={**BASE["env_kwargs"], "max_episode_steps": 2})
    trainer = Trainer(config)
    folder = RunFolder.new(tmp_path, "job_shop", "run", True, config)
    with pytest.raises(InputError, match="raise max_episode_steps"):
        trainer.run(folder)
    assert list((tmp_path / "job_shop").iterdir()) == []


def test_what_was_logged_after_the_state_is_dropped(tmp_path):
    """As after a SIGKILL: the tables are ahead of the state, and the last line of one is cut off."""
    config = config_of("ppo")
    whole = train(config, tmp_path / "job_shop" / "whole")
    trainer = Trainer(config, lambda status: os.kill(os.getpid(), signal.SIGTERM) if status.total == 192 else None)
    folder = RunFolder.new(tmp_path, "job_shop", "run", True, config)
    assert trainer.run(folder) == signal.SIGTERM
    kept = tmp_path / "state"
    shutil.copytree(folder.checkpoints, kept)
    while trainer.total < 384:
        trainer.folder = folder
        trainer._iterate()
    shutil.rmtree(folder.checkpoints)
    shutil.copytree(kept, folder.checkpoints)
    with open(folder.path / "progress.csv", "a", encoding="utf-8") as file:
        file.write("ppo,43")
    (folder.best / ".policy.safetensors.0123456789ab").write_bytes(b"half")
    opened, config = RunFolder.open(folder.path)
    assert Trainer(config, resume=opened).run(opened) is None
    assert_same(whole, opened)
    assert not list(folder.path.rglob(".*"))


def test_a_finished_run_resumes_to_nothing(tmp_path):
    config = config_of("ppo", n_timesteps=96)
    folder = train(config, tmp_path / "job_shop" / "run")
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    opened, config = RunFolder.open(folder.path)
    assert Trainer(config, resume=opened).run(opened) is None
    assert {path: path.read_bytes() for path in before} == before


def test_a_resumed_run_needs_neither_its_warm_start_nor_its_reference_again(tmp_path, monkeypatch):
    first = train(config_of("ppo", n_timesteps=48), tmp_path / "job_shop" / "first")
    config = config_of("ppo", warm_start_from=str(first.path), n_timesteps=96)
    trainer = Trainer(config, lambda status: os.kill(os.getpid(), signal.SIGTERM))
    weights = load_file(first.best / "policy.safetensors")
    assert all(torch.equal(value, weights[key]) for key, value in trainer.network.state_dict().items())
    folder = RunFolder.new(tmp_path, "job_shop", "run", True, config)
    assert trainer.run(folder) == signal.SIGTERM
    shutil.rmtree(first.path)
    # A reference that is a solver with a limit in seconds would not give the same values again.
    monkeypatch.setattr("ganttlet_agents.training.validation.parse_methods", None)
    opened, config = RunFolder.open(folder.path)
    resumed = Trainer(config, resume=opened)
    assert resumed.validator.references == trainer.validator.references
    assert resumed.run(opened) is None


# The state on disk.


def test_a_state_holds_no_pickle(tmp_path):
    folder = train(config_of("both"), tmp_path / "job_shop" / "run")
    (saved,) = (path for path in folder.checkpoints.iterdir() if path.name.startswith("state-"))
    assert sorted(path.name for path in saved.iterdir()) == ["state.json", "state.npz", "state.safetensors"]
    load_file(saved / "state.safetensors")
    json.loads((saved / "state.json").read_text())
    with zipfile.ZipFile(saved / "state.npz") as archive:
        for name in archive.namelist():
            data = archive.read(name)
            header = data[: 10 + int.from_bytes(data[8:10], "little")]
            assert data.startswith(b"\x93NUMPY")
            assert b"'O'" not in header
            with pytest.raises(ValueError, match=r"."):
                pickletools.dis(data, out=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def test_a_state_of_the_same_step_is_never_replaced_in_place(tmp_path, monkeypatch):
    """Whatever happens in between, a complete state is there."""
    trainer = Trainer(config_of("ppo"))
    state = trainer._learner.state()
    names = [save_state(tmp_path, 5, state, {"n": at}).name for at in range(3)]
    assert len(set(names)) == 3
    assert load_state(tmp_path)[1] == {"n": 2}
    assert [path.name for path in tmp_path.iterdir()] == names[-1:]

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    for moment in ("os.replace", "shutil.rmtree"):
        with monkeypatch.context() as patch:
            patch.setattr(f"ganttlet_agents.training.saving.{moment}", killed)
            with pytest.raises(KeyboardInterrupt):
                save_state(tmp_path, 5, state, {"n": 3})
        assert load_state(tmp_path)[1]["n"] in (2, 3)
    save_state(tmp_path, 6, state, {"n": 4})
    assert load_state(tmp_path)[1] == {"n": 4}
    assert [path.name for path in tmp_path.iterdir()] == ["state-000000000006"]


@pytest.mark.parametrize("name", ["state.json", "state.npz", "state.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "noise"])
def test_a_damaged_state_is_named(tmp_path, name, damage):
    trainer = Trainer(config_of("ppo"))
    path = save_state(tmp_path, 5, trainer._learner.state(), {}) / name
    data = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "noise": b"\x80\x04" + data[2:]}[damage])
    with pytest.raises(InputError, match="state-000000000005"):
        load_state(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "field 'format' is None, expected 1"),
        ('{"format": 2}', "field 'format' is 2, expected 1"),
        ('{"format": 1, "book": {}}', "field 'numbers' is missing"),
        ('{"format": 1, "numbers": {}}', "field 'book' is missing"),
    ],
)
def test_a_state_of_another_form_is_named(tmp_path, text, message):
    trainer = Trainer(config_of("ppo"))
    (save_state(tmp_path, 5, trainer._learner.state(), {}) / "state.json").write_text(text)
    with pytest.raises(InputError, match=message):
        load_state(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": {**BASE["network"], "width": 16}}, "does not fit the run's settings: .*weights do not fit"),
        ({"ppo": {**BASE["ppo"], "n_envs": 8}}, "does not fit the run's settings"),
        ({"ppo": {**BASE["ppo"], "n_envs": 2}}, "does not fit the run's settings"),
        ({"algorithm": "imitation"}, "does not fit the run's settings"),
        ({"env_kwargs": {**BASE["env_kwargs"], "pool_size": 4}}, "does not fit the run's settings"),
    ],
)
def test_a_state_of_other_settings_is_refused(tmp_path, changes, message):
    folder = train(config_of("ppo", n_timesteps=48), tmp_path / "job_shop" / "run")
    with pytest.raises(InputError, match=message):
        Trainer(config_of("ppo", **changes), resume=folder)


def test_a_book_of_another_version_is_refused(tmp_path):
    folder = train(config_of("ppo", n_timesteps=48), tmp_path / "job_shop" / "run")
    state, book = load_state(folder.checkpoints)
    save_state(folder.checkpoints, 48, state, {**book, "colour": 1})
    with pytest.raises(InputError, match=r"resume: the saved state is of another version: .*colour"):
        Trainer(config_of("ppo"), resume=folder)


def test_a_run_with_updates_but_no_state_is_not_begun_anew(tmp_path):
    folder = train(config_of("ppo", n_timesteps=48), tmp_path / "job_shop" / "run")
    for path in saving._saved(folder.checkpoints):
        shutil.rmtree(path)
    with pytest.raises(InputError, match="no saved state"):
        Trainer(config_of("ppo"), resume=folder)
