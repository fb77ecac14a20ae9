"""A trial of a sweep: one setting, trained under every seed in turns, judged by the mean over the seeds."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet.core.record import write_atomic
from ganttlet_agents.distributed.tune.space import SETTING
from ganttlet_agents.distributed.tune.sweep import Sweep
from ganttlet_agents.training.config import TrainConfig
from ganttlet_agents.training.folder import COMMAND, CONFIG, RunFolder, read_evaluations
from ganttlet_agents.training.learner import random_state, set_random_state
from ganttlet_agents.training.loop import Status, Trainer

SETTINGS, RECORD, REPORTED = "settings", "setting.json", "reported.json"


@dataclass(frozen=True)
class Job:
    """What every trial of a sweep is told.

    Fields:
        sweep: the sweep.
        folder: its folder, as every node sees it.
        home: the folder against which relative paths in settings are read, where a node has it.
        shell: the command under which training is known there, such as ``python train.py``.
    """

    sweep: Sweep
    folder: str
    home: str
    shell: str


def setting_path(folder: Path, number: int) -> Path:
    """Return where a setting's record and runs lie."""
    return folder / SETTINGS / f"{number:03d}"


def seed_name(seed: int) -> str:
    """Return the name of a seed's run folder within its setting's folder."""
    return f"seed-{seed}"


class Turns:
    """A run that is trained in turns with others of the same process.

    Args:
        path: its run folder, gone on with if it is there.
        config: its settings.
        command: what command.txt names.
    """

    def __init__(self, path: Path, config: TrainConfig, command: str) -> None:
        resumed = None
        if (path / CONFIG).is_file():
            resumed, _ = RunFolder.open(path)
        elif path.exists():
            # Killed before it was a run.
            shutil.rmtree(path)
        self.trainer = Trainer(config, resume=resumed)
        self.folder = resumed or RunFolder.new(path.parent.parent, path.parent.name, path.name, True, config)
        if resumed is None:
            write_atomic(path / COMMAND, command + "\n")
        self._steps: Generator[Status] = self.trainer.steps(self.folder)
        # PyTorch's generators belong to the process, and each run has to find its own state in them.
        self._random = random_state()

    def advance(self, decisions: int | None) -> None:
        """Train to the first update that reaches so many decisions, to the end if None, and be judged there."""
        trainer = self.trainer
        trainer.mark = decisions
        set_random_state(self._random)
        while not trainer.book.finished and (decisions is None or trainer.total < decisions):
            next(self._steps)
        self._random = random_state()

    def told(self, seed: int) -> dict[str, Any]:
        """Return how the run stands: by its best validation so far, which is that of the checkpoint that is played."""
        best = [line for line in read_evaluations(self.folder.path) if line["best"]][-1]
        told = {"seed": seed, "decisions": self.trainer.total, "score": self.trainer.book.best}
        return {**told, "gap": best["gap"], "value": best["value"]}

    def close(self) -> None:
        """Save the state and close the files."""
        # The state that is saved has the process's generators in it.
        set_random_state(self._random)
        self._steps.close()
        self.folder.close()


def train_setting(drawn: dict[str, Any], job: Job) -> None:
    """Train a setting to each rung in turn under all seeds, and report the mean score there to Ray Tune.

    Goes on with what an earlier attempt has left in the sweep's folder.

    Args:
        drawn: the setting's number and values.
        job: what is the same for all settings.
    """
    from ray import tune

    if Path(job.home).is_dir():
        os.chdir(job.home)
    sweep, number = job.sweep, int(drawn[SETTING])
    values = {key: drawn[key] for key in sweep.settings.space}
    path = setting_path(Path(job.folder), number)
    trial = tune.get_context().get_trial_id()
    record = read_record(path)
    if record is None or record["values"] != values:
        # Ray forgets what it drew since it last saved its state, if its program is killed.
        shutil.rmtree(path, ignore_errors=True)
        record = {SETTING: number, "values": values, "rungs": []}
    record = {SETTING: number, "trial": trial, "values": values, "rungs": record["rungs"]}
    write_record(path, record)
    try:
        _train(job, path, record)
    except InputError as error:
        # To try again is no use. Scores without decisions are heard by the searcher, but by no rung.
        write_record(path, {**record, "error": str(error)})
        tune.report({"decisions": 0, "score": np.inf, "seeds": [], "error": str(error), "done": True})


def _train(job: Job, path: Path, record: dict[str, Any]) -> None:
    """Train to the end of the budget; ``record`` grows by what is told at each rung."""
    sweep, values = job.sweep, record["values"]
    reported = _reported()
    runs: list[Turns] = []
    try:
        for at, mark in enumerate(sweep.marks()):
            if at >= len(record["rungs"]):
                runs = runs or [
                    Turns(path / seed_name(seed), sweep.config(values, seed), sweep.command(job.shell, values, seed))
                    for seed in sweep.settings.seeds
                ]
                for run in runs:
                    run.advance(mark if mark < sweep.budget else None)
                seeds = [run.told(seed) for run, seed in zip(runs, sweep.settings.seeds, strict=True)]
                record["rungs"].append({"rung": mark, "seeds": seeds})
                write_record(path, record)
            if at >= reported:
                _report(record["rungs"][at], at + 1)
    finally:
        for run in runs:
            run.close()


def rung_result(rung: dict[str, Any]) -> dict[str, Any]:
    """Return what Ray Tune is told of a rung: the decisions that all seeds have reached, and the mean score."""
    seeds = rung["seeds"]
    return {
        "decisions": min(seed["decisions"] for seed in seeds),
        "score": float(np.mean([seed["score"] for seed in seeds])),
        "seeds": seeds,
    }


def read_record(path: Path) -> dict[str, Any] | None:
    """Return a setting's record: number, values, and what was told at each rung; None if there is none yet."""
    try:
        found: dict[str, Any] = json.loads((path / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


def write_record(path: Path, record: dict[str, Any]) -> None:
    """Write a setting's record, whole or not at all."""
    path.mkdir(parents=True, exist_ok=True)
    write_atomic(path / RECORD, json.dumps(record, indent=1) + "\n")


def _report(rung: dict[str, Any], count: int) -> None:
    """Tell Ray Tune of a rung; its checkpoint is their number alone, since the runs' folders hold the rest."""
    from ray import tune

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / REPORTED).write_text(json.dumps({"rungs": count}), encoding="utf-8")
        tune.report(rung_result(rung), checkpoint=tune.Checkpoint.from_directory(folder))


def _reported() -> int:
    """Return how many rungs Ray Tune has been told of."""
    from ray import tune

    checkpoint = tune.get_checkpoint()
    if checkpoint is None:
        return 0
    with checkpoint.as_directory() as folder:
        return int(json.loads((Path(folder) / REPORTED).read_text(encoding="utf-8"))["rungs"])
