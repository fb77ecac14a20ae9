"""Sweeps on Ray: what they leave, that they repeat and go on where they stopped, and what a failure looks like."""

import csv
import json
import shlex
import signal
from pathlib import Path

import numpy as np
import pytest
import yaml

pytest.importorskip("ray", reason="needs the ray extra")

from safetensors.torch import load_file

from ganttlet.core.errors import InputError
from ganttlet_agents.cli import main
from ganttlet_agents.cli import tune as cli
from ganttlet_agents.cli.commands import parse
from ganttlet_agents.distributed.tune.outcome import FULL, Outcome, short_names, t_interval, told_apart
from ganttlet_agents.distributed.tune.sweep import read_sweep
from ganttlet_agents.evaluation.results import load_results
from ganttlet_agents.training.folder import RunFolder, read_evaluations
from ganttlet_agents.training.loop import Trainer

SWEEP = {
    "about": "tiny",
    "family": "job_shop",
    "params": {
        "env_kwargs.generator": {"name": "uniform", "jobs": [2, 3], "machines": 3},
        "network": {"encoder": "pointer", "width": 8, "layers": 1, "hidden": 8},
        "ppo.n_envs": 4,
        "ppo.n_steps": 12,
        "ppo.batch_size": 24,
        "validation.groups": {"a": {"name": "uniform", "jobs": 3, "machines": 3}},
        "validation.count": 2,
    },
    "space": {"ppo.learning_rate.start": {"log": [1e-4, 1e-1]}, "ppo.n_epochs": {"int": [1, 2]}},
    "n_timesteps": 432,
    "seeds": 2,
    "trials": 3,
    "jobs": 1,
    "searcher": "random",
    "rungs": {"grace": 48, "reduction_factor": 3},
}


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch, ray_here):
    monkeypatch.chdir(tmp_path)


def write(**changes):
    Path("tiny.yaml").write_text(yaml.safe_dump({**SWEEP, **changes}), encoding="utf-8")


def tune(*words):
    return main(["tune", *words], within="train")


def results_of(folder):
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))["settings"]


def records(folder):
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("settings/*/setting.json"))]
    return {record["setting"]: record for record in found}


def timesteps(run):
    with open(run / "progress.csv", newline="", encoding="utf-8") as file:
        return [int(line["timesteps"]) for line in csv.DictReader(file)]


def same_weights(one, other):
    first, second = (load_file(run / "checkpoints/last/policy.safetensors") for run in (one, other))
    return all(bool((value == second[key]).all()) for key, value in first.items())


@pytest.fixture(scope="module")
def whole(ray_here, tmp_path_factory):
    """A sweep from its beginning to its end; returns its folder's parent."""
    home = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        write()
        assert tune("tiny.yaml", "--name", "whole") == 0
    return home


def test_every_setting_is_trained_under_every_seed(whole):
    folder = whole / "sweeps/job_shop/whole"
    found = records(folder)
    assert sorted(found) == [0, 1, 2]
    assert len({json.dumps(record["values"]) for record in found.values()}) == 3
    for setting, record in found.items():
        for seed in (0, 1):
            run = folder / f"settings/{setting:03d}/seed-{seed}"
            assert RunFolder.open(run)[1] == read_sweep(str(whole / "tiny.yaml"), {}).config(record["values"], seed)
            assert timesteps(run)[-1] == record["rungs"][-1]["seeds"][seed]["decisions"]
            # It was judged at each rung: equal budgets.
            judged = [line["timesteps"] for line in read_evaluations(run)]
            assert all(rung["seeds"][seed]["decisions"] in judged for rung in record["rungs"])
    assert [rung["rung"] for rung in found[0]["rungs"]] == [48, 144, 432]


def test_the_worse_settings_stop_at_a_rung_by_their_mean(whole):
    scores = {
        setting: [np.mean([seed["score"] for seed in rung["seeds"]]) for rung in record["rungs"]]
        for setting, record in records(whole / "sweeps/job_shop/whole").items()
    }
    # One after the other, each is held against the best third of those before it at the same rung.
    known = [[], [], []]
    for setting in sorted(scores):
        for at, score in enumerate(scores[setting]):
            cutoff = np.percentile(known[at], 100 / 3) if known[at] else np.inf
            known[at].append(score)
            last = at == len(scores[setting]) - 1
            assert last == (score > cutoff or at == 2)
    assert min(len(one) for one in scores.values()) < 3


def test_the_table_has_means_and_intervals_over_seeds(whole):
    folder = whole / "sweeps/job_shop/whole"
    found = results_of(folder)
    for one in found:
        gaps = [seed["gap"] for seed in one["seeds"]]
        best = [min(line["gap"] for line in read_evaluations(folder / seed["run"])) for seed in one["seeds"]]
        assert gaps == best
        assert one["mean"] == pytest.approx(np.mean(gaps))
        # Of two values, 12.706 standard errors to both sides.
        half = 12.7062 * abs(gaps[0] - gaps[1]) / 2
        assert (one["low"], one["high"]) == pytest.approx((one["mean"] - half, one["mean"] + half), rel=1e-4)
    full = [one for one in found if one["state"] == "full budget"]
    assert found[: len(full)] == full
    assert [one["mean"] for one in full] == sorted(one["mean"] for one in full)
    assert {one["state"] for one in found} == {"full budget", "stopped"}


def test_the_rows_are_of_the_runs_with_the_full_budget(whole, capsys):
    folder = Path("sweeps/job_shop/whole")
    results = load_results(whole / folder / "rows")
    assert results.meta["state"] == "complete"
    full = [one for one in results_of(whole / folder) if one["state"] == "full budget"]
    runs = {f"policy:{folder / seed['run']}": seed for one in full for seed in one["seeds"]}
    played = {row.method for row in results.rows if row.method.startswith("policy:")}
    assert played == set(runs)
    for method, seed in runs.items():
        gaps = [row.gap for row in results.rows if row.method == method]
        assert np.mean(gaps) == pytest.approx(seed["gap"])
    assert main(["report", str(whole / folder / "rows")], within="evaluate") == 0
    assert "policy:" in capsys.readouterr().out


def test_turns_do_not_disturb_one_another(whole):
    """A run of a sweep has the weights of the same settings trained alone."""
    folder = whole / "sweeps/job_shop/whole"
    full = next(one for one in results_of(folder) if one["state"] == "full budget")
    for seed in full["seeds"]:
        run = folder / seed["run"]
        config = RunFolder.open(run)[1]
        alone = RunFolder.new(Path("alone"), "job_shop", run.name, True, config)
        Trainer(config).run(alone)
        assert same_weights(run, alone.path)


def test_an_interrupted_sweep_goes_on_to_the_same_end(whole, monkeypatch, capsys):
    write()
    rungs = []

    def interrupt(console, setting, result):
        rungs.append(setting)
        if len(rungs) == 2:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(cli, "_tell_rung", interrupt)
        assert tune("tiny.yaml", "--name", "broken") == 130
    folder = Path("sweeps/job_shop/broken")
    assert capsys.readouterr().out == f"stopped; go on with: --resume {folder}\n"
    assert len(records(folder)) < 3
    assert tune("--resume", str(folder)) == 0
    other = whole / "sweeps/job_shop/whole"
    assert results_of(folder) == results_of(other)
    for path in other.glob("settings/*/seed-*"):
        run = folder / path.relative_to(other)
        assert timesteps(run) == timesteps(path)
        assert same_weights(run, path)
    # A sweep that is over is only reported again,
    capsys.readouterr()
    assert tune("--resume", str(folder)) == 0
    told = capsys.readouterr().out
    # What is printed is a command that trains the best setting, by a seed of its own.
    best = results_of(folder)[0]
    assert f"train setting {best['setting']:03d} anew, by a seed that did not choose it:" in told
    words = shlex.split(told.splitlines()[-1])
    assert words[:2] == ["ganttlet", "train"]
    assert parse(words[2:], "train").settings() == read_sweep("tiny.yaml", {}).config(best["values"], 2)
    full = sum(one["state"] == "full budget" for one in results_of(folder))
    assert f"{full} of 3 settings had the full budget of 432 decisions." in told
    assert results_of(folder) == results_of(other)
    # also if Ray was killed before it saved anything of it.
    for path in folder.glob("ray/experiment_state*"):
        path.unlink()
    assert tune("--resume", str(folder)) == 0
    assert results_of(folder) == results_of(other)
    assert all(
        timesteps(folder / path.relative_to(other)) == timesteps(path) for path in other.glob("settings/*/seed-*")
    )


def test_equal_seeds_of_a_sweep_give_equal_settings(whole):
    from ganttlet_agents.distributed.tune.search import tune_config

    def drawn(**changes):
        write(**changes)
        searcher = tune_config(read_sweep("tiny.yaml", {})).search_alg
        return [searcher.suggest(str(number)) for number in range(3)]

    assert drawn() == drawn()
    assert drawn(searcher="optuna") == drawn(searcher="optuna")
    assert drawn(sweep_seed=1) != drawn()
    values = [
        {"setting": setting, **record["values"]} for setting, record in records(whole / "sweeps/job_shop/whole").items()
    ]
    assert drawn() == values


def test_a_setting_that_fails_says_why_and_fails_alone(capsys):
    # Each value is sound by itself, but a group of two is no part of five environments.
    space = {"ppo.group": {"choice": [1, 2]}, "ppo.n_envs": {"choice": [4, 5]}}
    params = {key: value for key, value in SWEEP["params"].items() if key != "ppo.n_envs"}
    write(space=space, params=params, trials=4, n_timesteps=96, rungs={"grace": 96}, seeds=1, sweep_seed=2)
    assert tune("tiny.yaml") == 1
    folder = Path("sweeps/job_shop/tiny-1")
    failed = [one for one in results_of(folder) if one["state"] == "failed"]
    assert [one["values"] for one in failed] == [{"ppo.group": 2, "ppo.n_envs": 5}] * len(failed)
    assert 0 < len(failed) < 4
    told, number = capsys.readouterr(), f"{failed[0]['setting']:03d}"
    assert f"setting {number}  {failed[0]['error']}\n" in told.err
    assert f"Setting {number} failed: {failed[0]['error']}\n" in told.out
    assert "A single seed does not tell settings apart." in told.out
    assert "group: expected a divisor of n_envs, 5, got 2" in failed[0]["error"]
    assert {one["low"] for one in results_of(folder)} == {None}


def test_nothing_is_left_of_a_sweep_that_no_node_can_run(capsys):
    fixed = {"env_kwargs": {"instance": "ft06"}, "validation.groups": {}, "threads": 4096}
    write(params={**{key: SWEEP["params"][key] for key in ("network", "validation.count")}, **fixed})
    before = sorted(Path().rglob("*"))
    assert tune("tiny.yaml") == 2
    note, error = capsys.readouterr().err.splitlines()
    assert note == "note: the instances are fixed, so settings are compared on the training instances themselves"
    assert "a training takes 4096 cores (threads, device), which no node of the cluster has" in error
    assert sorted(Path().rglob("*")) == before


def test_a_node_that_does_not_see_the_folder_is_an_error(monkeypatch, capsys, tmp_path):
    write()
    hidden = tmp_path / "elsewhere" / ".token"
    ask = cli._what_is_there
    monkeypatch.setattr(cli, "_what_is_there", lambda token, own: ask(str(hidden), own) if "sweeps" in token else {})
    assert tune("tiny.yaml") == 2
    told = capsys.readouterr().err
    assert f"{hidden.parent}: is not seen there; machines of a cluster must share the --log-folder" in told
    assert not list(Path().glob("sweeps/job_shop/*"))


def test_every_node_is_asked_for_the_instances(monkeypatch, capsys):
    write()

    def refuse(question):
        raise InputError(", ".join(question()))

    monkeypatch.setattr("ganttlet_agents.distributed.identity.check_nodes", refuse)
    assert tune("tiny.yaml") == 2
    assert "the sweep's folder, validation instance" in capsys.readouterr().err
    assert not list(Path().glob("sweeps/job_shop/*"))


def test_the_interval_of_students_t():
    # Student 1908: 2.776 standard errors on 4 degrees of freedom.
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    low, high = t_interval(values)
    half = 2.7764 * np.sqrt(2.5 / 5)
    assert (low, high) == pytest.approx((3 - half, 3 + half), rel=1e-4)
    assert t_interval([1.0]) is None


def test_two_settings_are_told_apart_seed_by_seed():
    def setting(*gaps):
        return Outcome(0, {}, FULL, 9, 0.0, 0.0, None, None, [{"gap": gap} for gap in gaps], None)

    # The seeds differ by far more than the settings, which all of them order the same way.
    assert told_apart(setting(0.1, 0.5, 0.9), setting(0.21, 0.6, 1.0), "gap")
    assert told_apart(setting(0.21, 0.6, 1.0), setting(0.1, 0.5, 0.9), "gap")
    assert not told_apart(setting(0.1, 0.5, 0.9), setting(0.2, 0.4, 1.0), "gap")
    assert not told_apart(setting(0.1), setting(0.9), "gap")


def test_headings_are_as_long_as_they_must_be():
    names = ["ppo.entropy.start", "gumbel.temperature.start", "ppo.temperature.start", "ppo.clip_range", "algorithm"]
    short = ["entropy.start", "gumbel.temperature.start", "ppo.temperature.start", "ppo.clip_range", "algorithm"]
    assert short_names(names) == short
