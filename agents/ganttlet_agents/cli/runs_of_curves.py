"""Training runs that curves name: found under the log folder, trained if they are missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ganttlet.core.errors import InputError
from ganttlet_agents.cli.train import Train
from ganttlet_agents.evaluation.curves.make import Run, Runs
from ganttlet_agents.evaluation.curves.spec import Budget, Curve, Line


def runs_of(curve: Curve, log_folder: Path, quick: bool, tell: Callable[[str], None]) -> Runs:
    """Return the function that gives a line's run.

    Under the full budget a missing run is trained and an unfinished one goes on. Under the quick one a missing run is
    None, unless the budget has settings of a short run, which is then trained under its own name.

    Args:
        curve: whose lines have presets.
        log_folder: folder of the run folders.
        quick: the quick budget.
        tell: called with a sentence before something is trained.
    """

    def find(line: Line, budget: Budget) -> Run | None:
        name = f"{line.run}-quick" if quick and budget.train else line.run
        path = log_folder / curve.family / name
        if quick and not budget.train and not path.is_dir():
            return None
        params = (*line.params, *budget.train)
        wanted = Train(curve.family, line.preset, params=params, seed=line.seed, log_folder=log_folder, name=name)
        return _run(wanted, path, tell, train=not quick or bool(budget.train))

    return find


def _run(wanted: Train, path: Path, tell: Callable[[str], None], *, train: bool) -> Run:
    from ganttlet_agents.training.folder import RunFolder, read_evaluations
    from ganttlet_agents.training.task import Task

    settings = wanted.settings()
    if path.is_dir():
        _, config = RunFolder.open(path)
        if config != settings:
            raise InputError(
                f"{path}: was trained with other settings than preset {wanted.preset} with seed {wanted.seed} has; "
                "move it away, or choose another --log-folder"
            )
        command = Train(resume=path)
    else:
        command = wanted
    if train:
        tell(f"training {path}" if command is wanted else f"{path}: going on, if it is not finished")
        code = command.run()
        if code:
            raise KeyboardInterrupt
    task = Task(settings)
    return Run(path, read_evaluations(path), task.validation_groups(), task.objective, settings.validation.reference)
