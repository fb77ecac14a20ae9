"""A run folder kept like another by its changes, which can be resumed from at every moment."""

import os

import pytest
import torch

import runs
from ganttlet_agents.distributed.mirror import Changes, Watched, read_folder, write_changes
from ganttlet_agents.training.folder import RunFolder
from ganttlet_agents.training.learner import State
from ganttlet_agents.training.loop import Trainer
from ganttlet_agents.training.saving import load_state, save_state


def tree(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def state_of(number):
    return State({"weights": torch.full((2,), float(number))}, {}, {"timesteps": number})


def test_a_run_is_mirrored_update_by_update(tmp_path):
    config = runs.config_of("ppo", n_timesteps=240, save_freq=90)
    folder = RunFolder.new(tmp_path / "there", "job_shop", "run", True, config)
    watched, copy = Watched(folder.path), tmp_path / "here"
    write_changes(copy, read_folder(folder.path))
    trainer, sent = Trainer(config, resume=folder), []
    for _ in trainer.steps(folder):
        sent.append(watched.changes())
        write_changes(copy, sent[-1])
        assert tree(copy).keys() == tree(folder.path).keys()
        # What is here goes on: its state is of a run that has logged as much.
        opened, settings = RunFolder.open(copy)
        assert Trainer(settings, resume=opened).book.lines <= len(runs.progress(opened))
    write_changes(copy, watched.changes())
    assert tree(copy) == tree(folder.path)
    assert [changes.states for changes in sent] == [True, True, False, True, True]
    # What stays is not sent again.
    assert all("config.yaml" not in changes.files and "progress.csv" in changes.files for changes in sent)
    assert watched.changes() == Changes({}, ())


def test_unfinished_files_are_not_told(tmp_path):
    watched = Watched(tmp_path)
    (tmp_path / "checkpoints" / ".partial-7").mkdir(parents=True)
    (tmp_path / "checkpoints" / ".partial-7" / "state.json").write_text("{")
    (tmp_path / ".progress.csv.0123456789ab").write_text("half")
    (tmp_path / "progress.csv").write_text("whole")
    assert watched.changes() == Changes({"progress.csv": b"whole"}, ())
    (tmp_path / "progress.csv").unlink()
    assert watched.changes() == Changes({}, ("progress.csv",))


@pytest.mark.parametrize("full", ["state.json", "state.safetensors", "state.npz", "progress.csv"])
def test_a_copy_that_breaks_off_leaves_the_state_before(tmp_path, monkeypatch, full):
    from ganttlet_agents.distributed import mirror

    there, here = tmp_path / "there", tmp_path / "here"
    save_state(there / "checkpoints", 1, state_of(1), {"lines": 1})
    write_changes(here, read_folder(there))
    watched = Watched(there)
    save_state(there / "checkpoints", 2, state_of(2), {"lines": 2})
    (there / "progress.csv").write_text("line\n")
    changes, write = watched.changes(), mirror.write_atomic

    def failing(path, data):
        if path.name == full:
            raise OSError(28, "No space left on device", os.fspath(path))
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(mirror, "write_atomic", failing)
        with pytest.raises(OSError, match="No space left"):
            write_changes(here, changes)
    assert load_state(here / "checkpoints")[0].numbers == {"timesteps": 1}
    write_changes(here, changes)
    assert tree(here) == tree(there)
    assert load_state(here / "checkpoints")[0].numbers == {"timesteps": 2}
    assert [path.name for path in (here / "checkpoints").iterdir()] == ["state-000000000002"]
