"""Runs of one process that train in turns: each becomes what it would have become alone."""

import pytest
from safetensors.torch import load_file

from ganttlet_agents.distributed.tune.trial import Turns
from runs import config_of, judged, progress, train

# Decisions at which the runs wait for one another; None: their end.
MARKS = {"ppo": (150, 300, None), "both": (60, 200, None), "gumbel": (40, None)}


def same(run, other):
    one, two = (load_file(folder.last / "policy.safetensors") for folder in (run, other))
    return all(bool((value == two[key]).all()) for key, value in one.items())


@pytest.mark.parametrize(("kind", "stopped"), [("ppo", False), ("ppo", True), ("both", True), ("gumbel", True)])
def test_turns_do_not_disturb_one_another(kind, stopped, tmp_path):
    configs = {seed: config_of(kind, seed=seed) for seed in (0, 1)}

    def opened():
        return {seed: Turns(tmp_path / "turns" / f"seed-{seed}", config, "made") for seed, config in configs.items()}

    runs, told = opened(), []
    for mark in MARKS[kind]:
        for run in runs.values():
            run.advance(mark)
        told.append([run.told(seed) for seed, run in runs.items()])
        if stopped and mark is not None:
            for run in runs.values():
                run.close()
            runs = opened()
    for seed, config in configs.items():
        alone = train(config, tmp_path / "alone" / f"seed-{seed}")
        assert runs[seed].trainer.book.finished
        assert same(runs[seed].folder, alone)
        assert progress(runs[seed].folder) == progress(alone)
        # The validations at the marks come on top of those of the frequency.
        at = [line["timesteps"] for line in judged(runs[seed].folder)]
        assert all(one[seed]["decisions"] in at for one in told)
        for mark, one in zip(MARKS[kind], told, strict=True):
            assert mark is None or one[seed]["decisions"] >= mark
        scores = [one[seed]["score"] for one in told]
        assert scores == sorted(scores, reverse=True)
        assert scores[-1] == runs[seed].trainer.book.best


def test_a_folder_that_was_killed_before_it_was_a_run_is_made_anew(tmp_path):
    path = tmp_path / "turns" / "seed-0"
    path.mkdir(parents=True)
    (path / "command.txt").write_text("half", encoding="utf-8")
    run = Turns(path, config_of("ppo"), "python train.py …")
    run.advance(48)
    run.close()
    assert (path / "command.txt").read_text(encoding="utf-8") == "python train.py …\n"
    assert '"python train.py' in (run.folder.last / "policy.json").read_text(encoding="utf-8")
