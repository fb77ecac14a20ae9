"""Independent runs side by side on a Ray cluster: an actor for each, its files mirrored into the run folder here."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from ganttlet.core.errors import InputError
from ganttlet.core.record import write_atomic
from ganttlet_agents.distributed.identity import check_nodes, last_line
from ganttlet_agents.distributed.mirror import Changes, Watched, read_folder, write_changes
from ganttlet_agents.distributed.runs import check_room, needs, question_of
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.training.config import TrainConfig
from ganttlet_agents.training.folder import VERSIONS, RunFolder
from ganttlet_agents.training.loop import Status, Trainer
from ganttlet_agents.training.saving import has_state
from ganttlet_agents.training.signals import noting_signals

# Seconds of training between two copies of what it wrote.
EVERY = 5.0
# How often a run may lose its worker before it has saved a further state.
DEATHS = 2
# How often a worker may be lost before it has begun: Ray places some on a node of whose loss it does not know yet.
STARTS = 5
# Seconds after which a signal is noticed while no run has anything to tell.
WAIT = 0.5


@dataclass(frozen=True)
class Part:
    """What a worker tells: what happened in training, what changed in its folder, and whether that was all."""

    changes: Changes
    statuses: tuple[Status, ...] = ()
    ended: bool = False
    finished: bool = False


class Worker:
    """A run in a scratch folder of the node it was placed on; what :func:`train_side_by_side` makes an actor of."""

    def begin(self, files: Changes, cwd: str) -> Part:
        """Take the run's folder as it is at the driver and make ready to begin, or to go on from its state."""
        # Paths in the settings mean the same as at the driver where machines share its folder.
        with contextlib.suppress(OSError):
            os.chdir(cwd)
        self._scratch = tempfile.TemporaryDirectory(prefix="ganttlet-run-", ignore_cleanup_errors=True)
        path = Path(self._scratch.name) / "run"
        write_changes(path, files)
        self._watched = Watched(path)
        folder, config = RunFolder.open(path)
        # A worker may have served another run; Trainer sets the threads only where they are configured.
        torch.set_num_threads(config.threads or 1)
        if not has_state(folder.checkpoints):
            _note_machine(path / VERSIONS)
        self._shown: list[Status] = []
        self._trainer = Trainer(config, self._shown.append, folder)
        self._steps: Generator[Status] = self._trainer.steps(folder)
        return Part(self._watched.changes())

    def advance(self, seconds: float) -> Part:
        """Train for at least so long, to the end of an update; cleans up at the end of the run."""
        begun = monotonic()
        for _ in self._steps:
            if monotonic() - begun >= seconds:
                return self._part()
        return self._part(ended=True)

    def stop(self) -> Part:
        """Save the state and end."""
        self._steps.close()
        return self._part(ended=True)

    def _part(self, ended: bool = False) -> Part:
        told = [status for status in self._shown[:-1] if status.verdict is not None] + self._shown[-1:]
        self._shown.clear()
        part = Part(self._watched.changes(), tuple(told), ended, self._trainer.book.finished)
        if ended:
            self._scratch.cleanup()
        return part


@dataclass
class Run:
    """A run as its driver sees it.

    Fields:
        config, folder: its settings and its folder here.
        actor: its worker.
        placed: whether the worker has begun.
        deaths: workers lost since a state was saved.
        unbegun: workers lost, one after another, before they had begun.
        finished: whether it came to the end of its budget.
        error: why it failed.
    """

    config: TrainConfig
    folder: RunFolder
    actor: Any = None
    placed: bool = False
    deaths: int = 0
    unbegun: int = 0
    finished: bool = False
    error: str | None = None


@dataclass
class Driver:
    """Runs side by side, and the signal that stopped them."""

    runs: list[Run]
    on_status: Callable[[int, Status], None]
    every: float = EVERY
    stop_signal: int | None = None
    pending: dict[Any, Run] = field(default_factory=dict)

    def drive(self) -> None:
        """Train all to their end, or to the first signal; a second SIGINT raises KeyboardInterrupt."""
        import ray

        with noting_signals(self):
            try:
                for run in self.runs:
                    self._begin(run)
                while self.pending:
                    if self.stop_signal is not None:
                        self._forget_waiting()
                    ready = ray.wait(list(self.pending), timeout=WAIT)[0]
                    for reference in ready:
                        self._take(reference, self.pending.pop(reference))
            finally:
                for run in self.runs:
                    _release(run)

    def _begin(self, run: Run) -> None:
        """Ask the cluster for a worker; it waits there until there is room."""
        import ray

        cpus, gpus = needs(run.config)
        run.placed = False
        run.actor = ray.remote(Worker).options(num_cpus=cpus, num_gpus=gpus).remote()
        self.pending[run.actor.begin.remote(read_folder(run.folder.path), os.getcwd())] = run

    def _forget_waiting(self) -> None:
        """Leave out the runs whose workers have not begun."""
        for reference, run in list(self.pending.items()):
            if not run.placed:
                del self.pending[reference]
                _release(run)

    def _take(self, reference: Any, run: Run) -> None:
        """Take what a worker told into the run's folder, and tell it to go on or to stop."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            part: Part = ray.get(reference)
        except RayTaskError as error:
            self._fail(run, error.cause)
            return
        except RayError as error:
            self._lost(run, error)
            return
        run.placed, run.unbegun = True, 0
        if not part.ended:
            # It works on while its files are written here.
            goes_on = self.stop_signal is None
            told = run.actor.advance.remote(self.every) if goes_on else run.actor.stop.remote()
            self.pending[told] = run
        write_changes(run.folder.path, part.changes)
        if part.changes.states:
            run.deaths = 0
        for status in part.statuses:
            self.on_status(run.config.seed, status)
        run.finished = part.finished
        if part.ended:
            _release(run)

    def _lost(self, run: Run, error: BaseException) -> None:
        """Begin again from the last copied state on another worker, unless that has been of no use."""
        _release(run)
        if run.placed:
            run.deaths += 1
        else:
            run.unbegun += 1
        if run.deaths >= DEATHS:
            run.error = f"its worker died {DEATHS} times without a further saved state: {last_line(error)}"
        elif run.unbegun >= STARTS:
            run.error = f"its worker was lost {STARTS} times before it began: {last_line(error)}"
        elif self.stop_signal is None:
            self._begin(run)

    def _fail(self, run: Run, cause: BaseException) -> None:
        _release(run)
        run.error = str(cause) if isinstance(cause, InputError) else f"{type(cause).__name__}: {last_line(cause)}"
        if not has_state(run.folder.checkpoints):
            run.folder.remove()


def train_side_by_side(
    runs: Sequence[tuple[TrainConfig, RunFolder]], on_status: Callable[[int, Status], None], every: float = EVERY
) -> Driver:
    """Train runs on the cluster that was joined, as many at once as it has room for.

    Args:
        runs: settings and the folder of each, new or one to go on with.
        on_status: called with the seed and what a run tells, at each validation and from time to time.
        every: seconds of training between two copies of a run's files.

    Returns:
        The driver, whose runs say how they ended.
    """
    driver = Driver([Run(config, folder) for config, folder in runs], on_status, every)
    driver.drive()
    return driver


def check_cluster(config: TrainConfig) -> None:
    """Check that the runs have room on the cluster that was joined, and that its nodes agree about their instances.

    Raises:
        InputError: naming what no node has, or the node and the fact that differs.
    """
    check_room(config)
    check_nodes(question_of(config))


def _note_machine(path: Path) -> None:
    """Write into versions.json which machine the run is on."""
    versions = json.loads(path.read_text(encoding="utf-8"))
    write_atomic(path, json.dumps({**versions, "machine": provenance.device()}, indent=1) + "\n")


def _release(run: Run) -> None:
    """Give the worker's room back."""
    import ray

    if run.actor is not None:
        ray.kill(run.actor)
        run.actor = None
