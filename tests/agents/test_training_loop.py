"""The loop's books: time, episodes, what is written when, and what is refused before anything is."""

import os
import shutil
import signal
import zipfile
from dataclasses import replace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ganttlet.core.errors import InputError
from ganttlet_agents.policy.checkpoint import load_checkpoint
from ganttlet_agents.training.folder import RunFolder
from ganttlet_agents.training.loop import Trainer
from ganttlet_agents.training.saving import load_state
from ganttlet_agents.training.validation import Validator, Verdict
from runs import BASE, LARGE, config_of, progress, train


def test_the_last_stage_has_all_the_time_that_is_left():
    """A warm start that ends early, by its decisions, leaves its time to what follows; one that overran takes it."""
    trainer = Trainer(config_of("both", time_limit=100.0, warm_start_share=0.25))
    book = trainer.book
    book.seconds = book.stage_seconds = 5.0
    assert (trainer._seconds(), trainer._spent()) == (25.0, 0.2)
    book.stage, book.stage_seconds = 1, 0.0
    trainer._learner = trainer._make(1)
    assert (trainer._seconds(), trainer._spent()) == (95.0, 0.0)
    book.seconds, book.stage_seconds = 100.0 - 19.0, 76.0
    assert (trainer._seconds(), trainer._spent()) == (95.0, 0.8)
    for before in (30.0, 99.0):
        book.seconds = book.stage_seconds = 0.0
        book.seconds += before
        assert trainer._seconds() == 100.0 - before
    for before in (100.0, 200.0):
        book.seconds = before
        assert trainer._spent() == 1.0


@pytest.mark.parametrize("limit", [0.1, 7.0, 1140.0])
def test_a_single_stage_has_the_whole_limit(limit):
    trainer = Trainer(config_of("ppo", time_limit=limit))
    trainer.book.seconds = trainer.book.stage_seconds = limit / 3
    assert trainer._seconds() == limit
    assert trainer._spent() == pytest.approx(1 / 3)


def test_episodes_count_on_over_the_stages(tmp_path):
    folder = train(config_of("both"), tmp_path / "job_shop" / "run", (2, 6))
    rows = progress(folder)
    counts = [int(row["episodes"]) for row in rows]
    assert counts == sorted(counts)
    imitated = [count for count, row in zip(counts, rows, strict=True) if row["stage"] == "imitation"]
    assert imitated == [4 * (at + 1) for at in range(len(imitated))]
    assert counts[-1] > counts[len(imitated)] >= imitated[-1] > 0


def test_returns_are_logged_in_the_environments_own_rewards(tmp_path):
    """Whatever the scale, the episodes played first are the same."""
    rows = [
        progress(train(config_of("ppo", reward_scale=scale, n_timesteps=48), tmp_path / "job_shop" / f"run{scale}"))[0]
        for scale in (1.0, 0.01)
    ]
    first, second = (float(row["episode_return"]) for row in rows)
    assert first == pytest.approx(second, rel=1e-5)
    assert abs(first) > 1.0
    assert rows[0]["value_loss"] != rows[1]["value_loss"]


def test_a_policy_is_there_before_the_first_validation(tmp_path, monkeypatch):
    """Whoever kills a run during it, which may take minutes, finds a policy that loads."""
    seen = []

    def judge(self, score):
        seen.extend(load_checkpoint(path).card.training["seed"] for path in (tmp_path / "job_shop").iterdir())
        raise KeyboardInterrupt

    monkeypatch.setattr(Validator, "judge", judge)
    with pytest.raises(KeyboardInterrupt):
        train(config_of("ppo"), tmp_path / "job_shop" / "run")
    assert seen == [0]


def test_a_new_best_is_never_ahead_of_the_state(tmp_path, monkeypatch):
    """The state that resumes knows of every best: it is saved with it, however rarely others are."""
    scores = iter([5.0, 4.0, 4.5, 3.0, 3.5])
    monkeypatch.setattr(Validator, "judge", lambda self, score: Verdict(next(scores), None, 0.0, {}, 0.0))
    known = []

    def on_status(status):
        _, book = load_state(folder.checkpoints)
        known.append((status.total, book["best"], book["evaluations"]))

    config = config_of("ppo", n_timesteps=192, eval_freq=48, save_freq=10_000)
    trainer = Trainer(config, on_status)
    folder = RunFolder.new(tmp_path, "job_shop", "run", True, config)
    assert trainer.run(folder) is None
    # After 96 decisions nothing was better, so the state is that of 48; the run ends with the last.
    assert known == [(48, 4.0, 2), (96, 4.0, 2), (144, 3.0, 4), (192, 3.0, 5)]


def test_tensorboard_forgets_what_is_logged_again(tmp_path):
    """As after a SIGKILL: events are there that the state does not know of."""
    config = config_of("ppo", n_timesteps=240, eval_freq=48, validation={"count": 1})
    trainer = Trainer(config, lambda status: os.kill(os.getpid(), signal.SIGTERM) if status.total == 96 else None)
    folder = RunFolder.new(tmp_path, "job_shop", "run", True, config)
    assert trainer.run(folder) == signal.SIGTERM
    shutil.copytree(folder.checkpoints, tmp_path / "kept")
    for _ in range(2):
        trainer._iterate()
    folder.board.add_scalar("train/entropy", 99.0, 192)
    folder.close()
    shutil.rmtree(folder.checkpoints)
    shutil.copytree(tmp_path / "kept", folder.checkpoints)
    # Files are read in the order of their names, which hold the second they were made in.
    for path in (folder.path / "tensorboard").iterdir():
        path.rename(path.with_name(path.name.replace("tfevents.", "tfevents.0", 1)))
    opened, config = RunFolder.open(folder.path)
    assert Trainer(config, resume=opened).run(opened) is None
    events = EventAccumulator(str(folder.path / "tensorboard"))
    events.Reload()
    assert [one.step for one in events.Scalars("train/entropy")] == [48, 96, 144, 192, 240]
    assert [one.step for one in events.Scalars("validation/value")] == [0, 48, 96, 144, 192, 240]
    assert max(one.value for one in events.Scalars("train/entropy")) < 99.0


def test_sb3s_zip_is_of_ppo_alone(tmp_path):
    Trainer(config_of("ppo")).export(tmp_path / "out.zip")
    assert zipfile.is_zipfile(tmp_path / "out.zip")
    with pytest.raises(InputError, match="zip needs algorithm ppo, the run is at imitation"):
        Trainer(config_of("imitation")).export(tmp_path / "other.zip")


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("training", {"env_kwargs": {**BASE["env_kwargs"], "generator": {**LARGE, "jobs": [2, 513]}}}),
        ("validation", {"validation": {"count": 1, "groups": {"a": {**LARGE, "jobs": [513, 513]}}}}),
    ],
)
def test_an_encoder_that_is_too_dense_for_a_rare_instance_is_refused_at_once(what, changes):
    """None of the first instances is that large, but one may come."""
    config = config_of("ppo", reward_scale=1.0, **changes)
    with pytest.raises(InputError, match=rf"^{what}: encoder 'attention': 513 nodes \(job\) in the largest instance"):
        Trainer(config)
    Trainer(replace(config, network=replace(config.network, encoder="pointer")))
    small = replace(config.network, encoder="flat", slots=512)
    with pytest.raises(InputError, match=rf"^{what}: encoder 'flat': 513 nodes of a type in the largest instance"):
        Trainer(replace(config, network=small))
