"""A sweep as its file states it; read, and every setting that it can draw tried out, before anything starts."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ganttlet.core.errors import InputError, MissingExtraError, check_choice
from ganttlet_agents.config import load_config, read_yaml
from ganttlet_agents.distributed.tune.space import Distribution, read_distribution
from ganttlet_agents.evaluation.suite import read_seeds
from ganttlet_agents.settings import build, put
from ganttlet_agents.training.config import TrainConfig

try:
    import yaml
except ImportError:
    raise MissingExtraError("pyyaml", "eval") from None

SEARCHERS = ("optuna", "random")
FILE = "sweep.yaml"
# All settings get the same budget and the same judge, and each is trained under every seed.
ALIKE = ("seed", "n_timesteps", "time_limit", "eval_freq", "save_freq", "device", "threads", "validation")
SWEEPS_OWN = {"seed": "seeds", "n_timesteps": "n_timesteps", "time_limit": "n_timesteps"}


@dataclass(frozen=True)
class Rungs:
    """Asynchronous successive halving (Li et al. 2018): at each rung only the better settings go on."""

    grace: int | None = None
    """Decisions of the first rung; none: n_timesteps / reduction_factor squared."""
    reduction_factor: float = 3.0
    """Each rung has so many times the decisions of the one before, and one setting in so many goes on from it."""

    def __post_init__(self) -> None:
        if self.grace is not None and self.grace < 1:
            raise InputError(f"grace: expected at least 1, got {self.grace}")
        if not 1 < self.reduction_factor < math.inf:
            raise InputError(f"reduction_factor: expected a number above 1, got {self.reduction_factor}")


@dataclass(frozen=True)
class SweepSettings:
    """The keys of a sweep's file."""

    about: str = ""
    """One line on what is searched."""
    family: str | None = None
    """Family whose preset the settings begin with."""
    preset: str = "quick"
    """The preset: its name, or a .yaml file."""
    env: str | None = None
    """Environment id instead of a family."""
    params: dict[str, Any] = field(default_factory=dict)
    """Settings that are changed in the preset for all, by their dotted names."""
    space: dict[str, Any] = field(default_factory=dict)
    """Settings that are searched: dotted name -> distribution."""
    n_timesteps: int | None = None
    """Decisions of a training that is not stopped early; none: the preset's."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds that every setting is trained under."""
    trials: int = 16
    """Number of settings tried."""
    jobs: int | None = None
    """Settings that are trained side by side, at most; none: as many as there are cores."""
    rungs: Rungs = field(default_factory=Rungs)
    """When settings are compared and the worse ones stopped."""
    searcher: str = "optuna"
    """optuna: the tree-structured Parzen estimator, which learns from earlier settings; random: draws."""
    sweep_seed: int = 0
    """Seed of the searcher."""

    def __post_init__(self) -> None:
        if (self.env is None) == (self.family is None):
            raise InputError("expected either family or env")
        for name in ("n_timesteps", "trials", "jobs"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name}: expected at least 1, got {value}")
        if self.sweep_seed < 0:
            raise InputError(f"sweep_seed: expected at least 0, got {self.sweep_seed}")
        check_choice("searcher", self.searcher, SEARCHERS)
        for key in self.params:
            if key in SWEEPS_OWN:
                raise InputError(f"params: {key}: is set by the sweep; use the key {SWEEPS_OWN[key]}")
        if not self.space:
            raise InputError("space: expected at least one setting that is searched")
        for key in self.distributions:
            if key.partition(".")[0] in ALIKE:
                raise InputError(f"space: {key}: is the same for all settings of a sweep, so that they can be compared")
            if key in self.params:
                raise InputError(f"space: {key}: is fixed by params, too; leave one of them out")
            for other in self.space:
                if key.startswith(f"{other}."):
                    raise InputError(f"space: {key}: is part of {other}, which is searched, too; leave one of them out")

    @property
    def distributions(self) -> dict[str, Distribution]:
        """The space, read."""
        return {key: read_distribution(data, f"space: {key}") for key, data in self.space.items()}


@dataclass(frozen=True)
class Sweep:
    """A sweep that can run.

    Fields:
        name, source: what it is called, and the file it comes from.
        settings: the file with the command line's changes.
        base: what every training is told, before the searched settings and the seed.
    """

    name: str
    source: str
    settings: SweepSettings
    base: dict[str, Any]

    def config(self, values: Mapping[str, Any], seed: int, blamed: str | None = None) -> TrainConfig:
        """Return the settings of the training with these values of the space.

        Raises:
            InputError: if they do not fit, naming the key ``blamed``, all values if None.
        """
        told = values if blamed is None else {blamed: values[blamed]}
        where = f"{self.source}: space: {', '.join(f'{key} = {value!r}' for key, value in told.items())}"
        data = dict(self.base)
        for key, value in values.items():
            put(data, key, value, where)
        return build(TrainConfig, {**data, "seed": seed}, where)

    def command(self, shell: str, values: Mapping[str, Any], seed: int) -> str:
        """Return the command that trains with these values of the space; ``shell`` is how it begins."""
        settings = self.settings
        begun = (
            ["--env", str(settings.env)] if settings.family is None else [settings.family, "--preset", settings.preset]
        )
        changed = {**settings.params, **values, "time_limit": None}
        words = [*begun, "-n", str(self.base.get("n_timesteps", TrainConfig.n_timesteps)), "--seed", str(seed), "-p"]
        return " ".join(
            [shell, *map(shlex.quote, [*words, *(f"{key}={_inline(one)}" for key, one in changed.items())])]
        )

    def corners(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield values of the space, every end of a range and every choice among them, and the key that is new in each.

        The first hold one key, two keys and so on; the others all.
        """
        ends = {key: one.values for key, one in self.settings.distributions.items()}
        first: dict[str, Any] = {}
        for key, values in ends.items():
            first[key] = values[0]
            yield key, dict(first)
        for key, values in ends.items():
            for value in values[1:]:
                yield key, {**first, key: value}

    @property
    def first(self) -> dict[str, Any]:
        """The lower ends and first choices."""
        return {key: one.values[0] for key, one in self.settings.distributions.items()}

    @property
    def budget(self) -> int:
        """Decisions of a training that is not stopped early, those of a warm start included."""
        return _budget(self.config(self.first, self.settings.seeds[0]))

    @property
    def grace(self) -> int:
        """Decisions of the first rung."""
        rungs = self.settings.rungs
        return rungs.grace or math.ceil(self.budget / rungs.reduction_factor**2)

    def marks(self) -> list[int]:
        """Return the decisions at which settings are compared, the budget last."""
        found, at, budget = [], float(self.grace), self.budget
        while at < budget:
            found.append(math.ceil(at))
            at *= self.settings.rungs.reduction_factor
        return [*found, budget]


def read_sweep(name: str, changes: Mapping[str, Any]) -> Sweep:
    """Read a sweep by its name (``configs/sweeps/<name>.yaml``) or by path.

    Args:
        name: the name or path.
        changes: keys of the file that are given otherwise.

    Raises:
        InputError: naming the file and the key, also for a value in the space that no training could have.
    """
    config = load_config("sweeps", name)
    source, data = config.source, {**config.data, **changes}
    if "seeds" in data:
        data["seeds"] = _seeds(data["seeds"], f"{source}: seeds")
    settings = build(SweepSettings, data, source)
    if settings.preset.endswith((".yaml", ".yml")):
        settings = replace(settings, preset=str((config.folder or Path()) / settings.preset))
    sweep = Sweep(config.name, source, settings, _base(settings, source))
    _check(sweep)
    return sweep


def reopen(folder: Path) -> Sweep:
    """Return the sweep that a folder is of; raises InputError if it is of none."""
    path = folder / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}; expected the folder of a sweep") from None
    sweep = build(Sweep, read_yaml(text, str(path)), str(path))
    _check(sweep)
    return sweep


def _base(settings: SweepSettings, source: str) -> dict[str, Any]:
    """Return what every training is told; raises InputError for what is wrong without any searched setting."""
    if settings.family is not None:
        preset = load_config(f"train/{settings.family}", settings.preset)
        build(TrainConfig, preset.data, preset.source)
        data = dict(preset.data)
    else:
        data = {"env": settings.env}
    for key, value in settings.params.items():
        put(data, key, value, f"{source}: params")
        build(TrainConfig, data, f"{source}: params: {key}")
    if settings.n_timesteps is not None:
        data["n_timesteps"] = settings.n_timesteps
    # A limit in seconds would give settings different budgets.
    data["time_limit"] = None
    return data


def _check(sweep: Sweep) -> None:
    """Raise InputError if a corner of the space, or a seed, is nothing to train with."""
    from ganttlet_agents.training.task import SOURCES

    settings, budgets = sweep.settings, {}
    for seed in settings.seeds:
        build(TrainConfig, {**sweep.base, "seed": seed}, f"{sweep.source}: seeds")
    for key, values in sweep.corners():
        config = sweep.config(values, settings.seeds[0], key)
        if len(values) == len(settings.space):
            budgets[_budget(config)] = f"{key} = {values[key]!r}"
        part = key.removeprefix("env_kwargs.").partition(".")[0]
        if key.startswith("env_kwargs.") and part in SOURCES and not config.validation.groups:
            raise InputError(
                f"{sweep.source}: space: {key}: changes the validation instances, too; name them in "
                "validation.groups, so that settings can be compared"
            )
    if len(budgets) > 1:
        (one, _), (other, told) = list(budgets.items())[:2]
        raise InputError(
            f"{sweep.source}: space: {told}: changes the budget from {one:,} decisions to {other:,}; settings are "
            "compared at equal budgets"
        )
    if sweep.grace > sweep.budget:
        raise InputError(
            f"{sweep.source}: rungs: grace: expected at most the budget, {sweep.budget}, got {sweep.grace}"
        )


def _budget(config: TrainConfig) -> int:
    return config.n_timesteps + (config.warm_start.n_timesteps if config.warm_start is not None else 0)


def _seeds(value: Any, where: str) -> list[int]:
    """Return the seeds: as many as a number says from 0 on, those of a list, or a range such as 0..4."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 1:
            raise InputError(f"{where}: expected at least 1, got {value}")
        return list(range(value))
    return read_seeds(value, where)


def _inline(value: Any) -> str:
    """Return a value as YAML in one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=math.inf)
    return text.strip().removesuffix("...").strip()
