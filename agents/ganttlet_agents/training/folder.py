"""Run folders: ``runs/<family>/<name>/`` with settings, command, versions, tables, tensorboard and checkpoints."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet.core.record import write_atomic
from ganttlet_agents.config import read_yaml
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.settings import build, plain
from ganttlet_agents.training.config import TrainConfig

CONFIG, COMMAND, VERSIONS = "config.yaml", "command.txt", "versions.json"
PROGRESS, EVALUATIONS = "progress.csv", "evaluations.jsonl"
CHECKPOINTS, BEST, LAST, TENSORBOARD = "checkpoints", "best", "last", "tensorboard"
COLUMNS = {
    "stage": "algorithm of the update: imitation (a warm start, too), ppo, self_labelling or gumbel",
    "timesteps": "decisions of the whole run so far: played, imitated, sampled or searched",
    "episodes": "episodes of the whole run so far: finished (ppo, gumbel), or instances that were labelled",
    "seconds": "seconds of the whole run so far, validation included, saving not",
    "steps_per_s": "decisions per second in this update",
    "learning_rate": "step size of Adam",
    "clip_range": "PPO's clip range of the probability ratio",
    "entropy_weight": "weight of the entropy bonus",
    "policy_loss": "PPO's clipped surrogate on normalised advantages, or the cross-entropy with the label in nats",
    "value_loss": "mean squared error of the value head, in squared scaled rewards (reward times the reward scale)",
    "entropy": "mean entropy of the policy, in nats",
    "approx_kl": "estimated KL divergence of the policy before the update from the one after it, in nats",
    "clip_fraction": "share (0 to 1) of decisions whose ratio was clipped",
    "explained_variance": "1 - variance of what the value head leaves unexplained / variance of returns, at most 1",
    "baseline_share": "share (0 to 1) of decisions whose advantage is measured against their group, not the value head",
    "agreement": "share (0 to 1) of labels that the network's most probable action equals",
    "episode_return": "mean sum of rewards of the last 100 episodes, undiscounted, in the environment's own rewards",
    "episode_length": "mean number of decisions of the last 100 episodes",
    "teacher_value": "mean objective of the teacher's solutions, in the objective's unit",
    "replayed_value": "mean objective of the episodes that replayed them, in the objective's unit",
    "beta": "share (0 to 1) of decisions that the teacher plays, where it is asked at the states that are visited",
    "played_value": "mean objective of the episodes that teacher and network played together, in the objective's unit",
    "sampled_value": "mean objective of all samples that came to their end, in the objective's unit",
    "best_value": "mean over instances of the best sample's objective, in the objective's unit",
    "searched_value": "mean objective of a round of searched episodes, in the objective's unit",
}
"""Columns of progress.csv, and of tensorboard under ``train/``, with their units; an update fills those it has."""


class RunFolder:
    """A run's folder; every file in it is written whole or appended line by line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / CHECKPOINTS
        self.best, self.last = self.checkpoints / BEST, self.checkpoints / LAST
        self._board: Any = None
        self._purge: int | None = None

    @classmethod
    def new(cls, log_folder: Path, family: str, name: str, exact: bool, config: TrainConfig) -> RunFolder:
        """Make the folder of a new run: ``name`` itself if ``exact``, else the next free ``name-<number>``.

        Raises:
            InputError: if the name is malformed or taken, or the folder cannot be made.
        """
        check_name(log_folder, family, name, exact)
        root = log_folder / family
        path = root / name if exact else free_path(root, name)
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            raise InputError(f"{path}: exists already; choose another --name, or --resume it") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be made: {error.strerror or error}") from None
        folder = cls(path)
        try:
            write_atomic(path / COMMAND, provenance.command_line() + "\n")
            versions = {**provenance.versions(), "commit": provenance.commit(), "machine": provenance.device()}
            write_atomic(path / VERSIONS, json.dumps(versions, indent=1) + "\n")
            write_atomic(path / PROGRESS, ",".join(COLUMNS) + "\n")
            # Last, since a folder with settings is one that can be resumed.
            write_atomic(path / CONFIG, dump_yaml(plain(config)))
        except BaseException:
            folder.remove()
            raise
        return folder

    @classmethod
    def open(cls, path: Path) -> tuple[RunFolder, TrainConfig]:
        """Return an existing run and its settings; raises InputError if ``path`` is none."""
        source = path / CONFIG
        try:
            text = source.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{source}: cannot be read: {error.strerror or error}") from None
        return cls(path), build(TrainConfig, read_yaml(text, str(source)), str(source))

    @property
    def command(self) -> str:
        """The command that began the run, whatever command goes on with it."""
        try:
            return (self.path / COMMAND).read_text(encoding="utf-8").strip()
        except OSError:
            return provenance.command_line()

    def log(self, values: dict[str, Any], total: int) -> None:
        """Append a line to progress.csv and to tensorboard, at ``total`` decisions of the whole run."""
        line = io.StringIO()
        csv.DictWriter(line, list(COLUMNS), extrasaction="raise", lineterminator="\n").writerow(
            {key: f"{value:.6g}" if isinstance(value, float) else value for key, value in values.items()}
        )
        _append(self.path / PROGRESS, line.getvalue())
        for key, value in values.items():
            if isinstance(value, int | float):
                self.board.add_scalar(f"train/{key}", value, total)

    def log_evaluation(self, values: dict[str, Any], total: int) -> None:
        """Append a line to evaluations.jsonl and to tensorboard."""
        _append(self.path / EVALUATIONS, json.dumps(values) + "\n")
        for key in ("gap", "value"):
            if values.get(key) is not None:
                self.board.add_scalar(f"validation/{key}", values[key], total)
        self.board.flush()

    @property
    def begun(self) -> bool:
        """Whether an update has been logged; a run killed before its first saved state begins anew."""
        path = self.path / PROGRESS
        return not path.is_file() or path.read_text(encoding="utf-8").count("\n") > 1

    def forget_after(self, lines: int, evaluations: int, total: int) -> None:
        """Drop what was logged after the state that is resumed from.

        Args:
            lines, evaluations: how many lines of progress.csv and evaluations.jsonl to keep.
            total: the first number of decisions whose entries tensorboard is to forget.
        """
        self._purge = total
        for part in (self.path, self.best, self.last):
            # What write_atomic leaves where it is killed.
            for left in part.glob(".*.????????????"):
                left.unlink()
        for name, keep in ((PROGRESS, lines + 1), (EVALUATIONS, evaluations)):
            path = self.path / name
            if path.is_file():
                kept = path.read_text(encoding="utf-8").splitlines(keepends=True)[:keep]
                write_atomic(path, "".join(kept))

    @property
    def board(self) -> Any:
        """The tensorboard writer."""
        if self._board is None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise MissingExtraError("tensorboard", "agents") from None
            path = self.path / TENSORBOARD
            self._board = SummaryWriter(str(path), purge_step=self._purge if path.is_dir() else None)
        return self._board

    def close(self) -> None:
        """Close the tensorboard writer."""
        if self._board is not None:
            self._board.close()

    def remove(self) -> None:
        """Take a run that has not begun away again."""
        self.close()
        shutil.rmtree(self.path, ignore_errors=True)


def check_name(log_folder: Path, family: str, name: str, exact: bool) -> None:
    """Raise InputError if a new run cannot have this name, before anything is made."""
    if not re.fullmatch(r"[\w.-]+", name) or not name.strip("."):
        raise InputError(f"name {name!r}: expected letters, digits, '-', '_' and '.' only")
    root = log_folder / family
    if exact and (root / name).exists():
        raise InputError(f"{root / name}: exists already; choose another --name, or --resume it")
    for part in (root, *root.parents):
        if part.exists() and not part.is_dir():
            raise InputError(f"{root}: cannot be made: {part} is a file")


def dump_yaml(data: Any) -> str:
    """Return plain data as YAML."""
    try:
        import yaml
    except ImportError:
        raise MissingExtraError("pyyaml", "eval") from None
    return str(yaml.safe_dump(data, sort_keys=False))


def read_evaluations(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a run's evaluations.jsonl."""
    return [json.loads(line) for line in _lines(path / EVALUATIONS)]


def _lines(path: Path) -> Iterable[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def _append(path: Path, text: str) -> None:
    with open(path, "ab") as file:
        file.write(text.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())


def free_path(root: Path, name: str) -> Path:
    """Return the next free ``root/name-<number>``."""
    entries = root.iterdir() if root.is_dir() else ()
    taken = [re.fullmatch(rf"{re.escape(name)}-(\d+)", entry.name) for entry in entries]
    return root / f"{name}-{max((int(match[1]) for match in taken if match), default=0) + 1}"
