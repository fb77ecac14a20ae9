"""``ganttlet train --seeds``: a run for each seed, one after another here or side by side on a Ray cluster."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet_agents.cli import FAILED
from ganttlet_agents.cli.train_display import OnNamed, show_runs
from ganttlet_agents.distributed.backend import Backend
from ganttlet_agents.distributed.connect import connected
from ganttlet_agents.evaluation.statistics import Estimate, bootstrap
from ganttlet_agents.evaluation.tables import interval, make_console, number, print_texts, seconds_text
from ganttlet_agents.training.config import TrainConfig
from ganttlet_agents.training.folder import RunFolder, check_name, read_evaluations
from ganttlet_agents.training.loop import Status, Trainer
from ganttlet_agents.training.saving import has_state

OnSeed = Callable[[int, Status], None]


@dataclass
class SeedRun:
    """A seed's run.

    Fields:
        config, name: its settings and the name of its folder.
        folder: the folder, once it is made.
        finished: whether it came to the end of its budget.
        error: why it failed.
    """

    config: TrainConfig
    name: str
    folder: RunFolder | None = None
    finished: bool = False
    error: str | None = None


def train_seeds(
    config: TrainConfig, seeds: Sequence[int], family: str, name: str, log_folder: Path, bar: bool, backend: Backend
) -> tuple[list[SeedRun], int | None, str]:
    """Train a run for each seed in ``<log_folder>/<family>/<name>-seed<seed>``.

    Args:
        config: the settings of all but for the seed.
        bar: whether to show a bar for each instead of lines.

    Returns:
        The runs, the number of the signal that stopped them or None, and the objective they are judged by.

    Raises:
        InputError: for what is wrong with the settings, a name that is taken, or a cluster that cannot serve them;
            nothing is made then.
    """
    runs = [SeedRun(replace(config, seed=seed), f"{name}-seed{seed}") for seed in seeds]
    for run in runs:
        check_name(log_folder, family, run.name, True)
    # What can fail in the settings fails here; on a cluster the GPUs are those of its nodes, not ours.
    trainer = Trainer(replace(runs[0].config, device="cpu") if backend.ray else runs[0].config)
    objective = trainer.task.objective
    with show_runs(bar, [_title(seed) for seed in seeds]) as show:
        on_seed = _on_seed(show)
        try:
            if backend.ray:
                del trainer
                signal = _side_by_side(runs, backend, on_seed, lambda: _make(runs, log_folder, family))
            else:
                _make(runs, log_folder, family)
                signal = _one_by_one(runs, trainer, on_seed)
        except KeyboardInterrupt:
            for run in runs:
                if run.folder is not None and not run.finished:
                    print(f"seed {run.config.seed} broken off; go on with: --resume {run.folder.path}", file=sys.stderr)
            raise
    return runs, signal, objective


def tell(runs: Sequence[SeedRun], signal: int | None, judging: Callable[[Sequence[Path]], str]) -> int:
    """Print how the runs ended, in one table, and what to do next; return the exit code."""
    console = make_console()

    def say(text: str, **style: Any) -> None:
        console.print(text, markup=False, soft_wrap=True, **style)

    print_table_of(runs)
    for run in runs:
        if run.folder is not None and run.folder.path.is_dir():
            say(f"run: {run.folder.path}")
    for run in runs:
        if run.error is not None:
            on = f"; go on with: --resume {run.folder.path}" if run.folder and has_state(run.folder.checkpoints) else ""
            say(f"seed {run.config.seed} failed: {run.error}{on}", style="bold red")
        elif not run.finished and run.folder is not None:
            say(f"seed {run.config.seed} stopped; go on with: --resume {run.folder.path}")
    if signal is not None:
        return 128 + signal
    paths = [run.folder.path for run in runs if run.finished and run.folder is not None]
    if paths:
        say(f"judge them with: {judging(paths)}")
    return FAILED if any(run.error is not None for run in runs) else 0


def print_table_of(runs: Sequence[SeedRun]) -> None:
    """Print a line for each run that was validated, and their mean with its interval over seeds."""
    shown = []
    for run in runs:
        if run.folder is not None and run.folder.path.is_dir() and has_state(run.folder.checkpoints):
            lines = read_evaluations(run.folder.path)
            shown.append((run, lines[-1], [line for line in lines if line["best"]][-1]))
    if not shown:
        return
    gaps = all(best["gap"] is not None for _, _, best in shown)
    values = [best["gap" if gaps else "value"] for _, _, best in shown]
    metric: Any = "gap" if gaps else "value"
    rows = [
        [
            str(run.config.seed),
            f"{last['timesteps']:,}",
            seconds_text(last["seconds"]),
            number(value, metric, sign=gaps),
            "",
            f"{best['timesteps']:,}",
            "failed" if run.error is not None else "finished" if run.finished else "stopped",
        ]
        for (run, last, best), value in zip(shown, values, strict=True)
    ]
    title = f"best validation of {len(shown)} seed{'s' if len(shown) > 1 else ''}"
    if len(shown) > 1:
        found = Estimate(float(np.mean(values)), *bootstrap([values]), "seeds")
        seconds = seconds_text(float(np.mean([last["seconds"] for _, last, _ in shown])))
        decisions = f"{np.mean([last['timesteps'] for _, last, _ in shown]):,.0f}"
        spread = interval(found, metric, sign=gaps)
        rows.append(["mean", decisions, seconds, number(found.value, metric, sign=gaps), spread, "", ""])
        title += "; interval: 95 % bootstrap over seeds"
    columns = ("seed", "decisions", "seconds", "gap %" if gaps else "value", "95 %", "best at", "end")
    print_texts(make_console(), title, columns, rows)


def _one_by_one(runs: Sequence[SeedRun], first: Trainer, on_seed: OnSeed) -> int | None:
    trainer: Trainer | None = first
    for run in runs:
        assert run.folder is not None
        try:
            if trainer is None:
                trainer = Trainer(run.config, resume=run.folder)
            trainer.on_status = _of_seed(run.config.seed, on_seed)
            signal = trainer.run(run.folder)
        except InputError as error:
            run.error = str(error)
            if not has_state(run.folder.checkpoints):
                run.folder.remove()
        else:
            run.finished = trainer.book.finished
            if signal is not None:
                return signal
        # Let go of before the next one is built: each holds batches of environments.
        trainer = None
    return None


def _side_by_side(
    runs: Sequence[SeedRun], backend: Backend, on_seed: OnSeed, make: Callable[[], list[tuple[TrainConfig, RunFolder]]]
) -> int | None:
    from ganttlet_agents.distributed.seeds import check_cluster, train_side_by_side

    with connected(backend):
        check_cluster(runs[0].config)
        driver = train_side_by_side(make(), on_seed)
    for run, driven in zip(runs, driver.runs, strict=True):
        run.finished, run.error = driven.finished, driven.error
    return driver.stop_signal


def _make(runs: Sequence[SeedRun], log_folder: Path, family: str) -> list[tuple[TrainConfig, RunFolder]]:
    """Make the folders of all, or of none."""
    made = []
    try:
        for run in runs:
            run.folder = RunFolder.new(log_folder, family, run.name, True, run.config)
            made.append((run.config, run.folder))
    except BaseException:
        for _, folder in made:
            folder.remove()
        raise
    return made


def _title(seed: int) -> str:
    return f"seed {seed}"


def _on_seed(show: OnNamed) -> OnSeed:
    return lambda seed, status: show(_title(seed), status)


def _of_seed(seed: int, on_seed: OnSeed) -> Callable[[Status], None]:
    return lambda status: on_seed(seed, status)
