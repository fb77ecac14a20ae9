"""The search itself: Ray Tune asks Optuna for settings, trains them, and stops the worse ones at the rungs."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ganttlet.core.errors import MissingExtraError
from ganttlet_agents.distributed.identity import last_line
from ganttlet_agents.distributed.runs import needs
from ganttlet_agents.distributed.tune.space import SETTING, Space
from ganttlet_agents.distributed.tune.sweep import Sweep
from ganttlet_agents.distributed.tune.trial import SETTINGS, Job, read_record, rung_result, train_setting

# Tune reads these when it is imported: no tables of its own, no folder changed under the runs.
for _name, _value in {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}.items():
    os.environ.setdefault(_name, _value)

try:
    import optuna
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch
except ImportError as error:
    raise MissingExtraError(error.name or "ray[tune]", "ray") from None

RAY = "ray"
# How often a setting is taken up again after its node or process died.
RETRIES = 3
OnRung = Callable[[int, dict[str, Any]], None]
OnFailure = Callable[[int, str], None]


@dataclass(frozen=True)
class Ended:
    """How Ray Tune left a setting.

    Fields:
        setting: its number.
        over: whether it reached the budget, was stopped at a rung, or failed; False if the sweep was interrupted.
        error: why it failed, or None.
    """

    setting: int
    over: bool
    error: str | None


def search(
    sweep: Sweep, folder: Path, job: Job, *, resume: bool, on_rung: OnRung, on_failure: OnFailure
) -> list[Ended]:
    """Run a sweep inside a joined cluster; return how each setting ended.

    Args:
        sweep, folder, job: what is searched, and where it lies.
        resume: go on with what Ray Tune has left in the folder, if it came as far as that.
        on_rung: called with a setting's number and what it reports.
        on_failure: called with a setting's number and the error, when it is tried again and when it is given up.

    Raises:
        InputError: if the settings name one GPU among several.
    """
    cpus, gpus = needs(sweep.config(sweep.first, sweep.settings.seeds[0]))
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def setting(drawn: dict[str, Any]) -> None:
        train_setting(drawn, job)

    trainable = tune.with_resources(setting, {"CPU": float(cpus), "GPU": float(gpus)})
    state = str((folder / RAY).resolve())
    restored = resume and tune.Tuner.can_restore(state) and any(Path(state).glob("experiment_state-*"))
    if restored:
        tuner = tune.Tuner.restore(state, trainable, resume_errored=True)
    else:
        tuner = tune.Tuner(trainable, tune_config=tune_config(sweep), run_config=_run_config(folder))
    Halving.before = folder if restored else None
    Teller.on_rung, Teller.on_failure = staticmethod(on_rung), staticmethod(on_failure)
    with warnings.catch_warnings():
        # A rung is told again where Ray had not saved that it was told.
        warnings.filterwarnings("ignore", "The reported value is ignored", UserWarning)
        found = tuner.fit()
    return [_ended(one) for one in found if one.config]


def _ended(result: tune.Result) -> Ended:
    metrics = result.metrics or {}
    error = _told(result.error) or metrics.get("error")
    return Ended(result.config[SETTING], bool(metrics.get("done")) or error is not None, error)


def tune_config(sweep: Sweep) -> tune.TuneConfig:
    """Return how settings are proposed, and when they are stopped."""
    settings = sweep.settings
    seed = settings.sweep_seed
    # Settings in training count as bad ones, so that those side by side are not alike.
    sampler = (
        optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        if settings.searcher == "optuna"
        else optuna.samplers.RandomSampler(seed=seed)
    )
    return tune.TuneConfig(
        num_samples=settings.trials,
        max_concurrent_trials=settings.jobs,
        search_alg=OptunaSearch(Space(settings.distributions), metric="score", mode="min", sampler=sampler),
        scheduler=Halving(
            time_attr="decisions",
            metric="score",
            mode="min",
            max_t=sweep.budget,
            grace_period=sweep.grace,
            reduction_factor=settings.rungs.reduction_factor,
        ),
        # A process takes seconds to import what a training needs.
        reuse_actors=True,
        trial_name_creator=_name_of,
        trial_dirname_creator=_name_of,
    )


def _run_config(folder: Path) -> tune.RunConfig:
    return tune.RunConfig(
        name=RAY,
        storage_path=str(folder.resolve()),
        failure_config=tune.FailureConfig(max_failures=RETRIES),
        checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
        callbacks=[Teller()],
        verbose=0,
    )


def _name_of(trial: Any) -> str:
    return f"setting-{trial.config[SETTING]:03d}"


class Halving(ASHAScheduler):  # type: ignore[misc]
    """ASHA that knows after a restart what was reported before, which Tune keeps of searchers but not of schedulers."""

    # Not a part of what Tune pickles: the sweep's folder, if it is one that is gone on with.
    before: Path | None = None

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Take a trial in; before the first one, what earlier ones reported."""
        folder, type(self).before = self.before, None
        if folder is not None:
            for path in sorted((folder / SETTINGS).glob("*")):
                record = read_record(path)
                if record is not None:
                    known = SimpleNamespace(trial_id=record["trial"])
                    super().on_trial_add(tune_controller, known)
                    for rung in record["rungs"]:
                        super().on_trial_result(tune_controller, known, rung_result(rung))
        super().on_trial_add(tune_controller, trial)


class Teller(tune.Callback):  # type: ignore[misc]
    """Hands on what Tune hears; Tune pickles its callbacks, so that what they call is kept apart from them."""

    on_rung: OnRung
    on_failure: OnFailure

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Tell of a rung."""
        if "error" in result:
            type(self).on_failure(trial.config[SETTING], result["error"])
        else:
            type(self).on_rung(trial.config[SETTING], result)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tell that a setting is tried again."""
        type(self).on_failure(trial.config[SETTING], f"{_told(trial.get_error())}; goes on from its last saved state")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Tell that a setting is given up."""
        type(self).on_failure(trial.config[SETTING], f"{_told(trial.get_error())}; given up")


def _told(error: Any) -> str | None:
    """Return the line of an error that says what went wrong: the last one of a traceback."""
    return None if error is None else last_line(error)
