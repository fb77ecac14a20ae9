"""``ganttlet train``: presets and flags in, a run folder out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet.core.family import family_names, get_family
from ganttlet_agents.cli.train_display import show_runs
from ganttlet_agents.cli.words import typed_seeds
from ganttlet_agents.config import config_names, load_config, read_yaml
from ganttlet_agents.distributed.backend import Backend, read_backend
from ganttlet_agents.evaluation.tables import make_console
from ganttlet_agents.training.seeds import training_seed

try:
    from tyro.conf import Positional, arg
except ImportError:
    raise MissingExtraError("tyro", "eval") from None

if TYPE_CHECKING:
    from ganttlet_agents.training.config import TrainConfig
    from ganttlet_agents.training.folder import RunFolder
    from ganttlet_agents.training.loop import OnStatus, Trainer

DEFAULT_PRESET = "quick"
# Flags that change a preset's settings, params before those that go over them.
OVERRIDES = (
    "env_kwargs",
    "params",
    "n_timesteps",
    "time_limit",
    "seed",
    "eval_freq",
    "save_freq",
    "device",
    "threads",
    "workers",
)
# Flags that a setting of another name stands for.
SETTINGS = {"workers": "rollout_workers"}
NEEDED = ("torch", "safetensors", "stable-baselines3", "tensorboard")


@dataclass(frozen=True)
class Train:
    """Train a policy: a family with a preset, or any environment by id; ``tune SWEEP`` searches settings on Ray."""

    family: Positional[str | None] = None
    """Family whose preset is used, for example job_shop."""
    preset: str | None = None
    """Preset by name (configs/train/<family>/), or path of a .yaml file; quick by default."""
    env: str | None = None
    """Environment id instead of a family, for example ganttlet/JobShop-v0."""
    env_kwargs: Annotated[tuple[str, ...], arg(metavar="KEY:VALUE …")] = ()
    """Options of the environment, over those of the preset."""
    params: Annotated[tuple[str, ...], arg(aliases=["-p"], metavar="KEY=VALUE …")] = ()
    """Any setting of the preset, for example ppo.learning_rate.profile=rex."""
    n_timesteps: Annotated[int | None, arg(aliases=["-n"])] = None
    """Budget in decisions."""
    time_limit: float | None = None
    """Budget in seconds, if it ends first."""
    seed: int | None = None
    """Seed of the network, the instances and the play."""
    seeds: tuple[str, ...] = ()
    """Seeds instead of one: numbers separated by commas or spaces, or a range such as 0..4; a run for each."""
    backend: str = "local"
    """Where the runs of --seeds are done: local, one after another; ray or ray:HOST:PORT, side by side on a cluster,
    which may also be that of --workers."""
    eval_freq: int | None = None
    """Decisions between validations."""
    save_freq: int | None = None
    """Decisions between saved states."""
    device: str | None = None
    """auto, cpu or cuda."""
    threads: int | None = None
    """Threads of PyTorch."""
    workers: int | None = None
    """Workers of RLlib that play the decisions of ppo, on this machine or a Ray cluster; -p rollout_workers=…."""
    log_folder: Annotated[Path, arg(aliases=["-f"])] = Path("runs")
    """Folder of the run folders."""
    name: str | None = None
    """Name of the run folder, by default the next free <preset>-<number>; with --seeds, what -seed<seed> follows."""
    progress: Annotated[bool, arg(aliases=["-P"])] = False
    """Show a progress bar instead of a line per validation."""
    resume: Path | None = None
    """Run folder to go on with; its own settings count."""
    export_sb3: Path | None = None
    """Also write Stable-Baselines3's zip, which holds pickles, when a PPO run ends."""

    def run(self) -> int:
        """Train; 0 at the end of the budget, 130 or 143 after SIGINT or SIGTERM."""
        for package in NEEDED:
            if find_spec(package.replace("-", "_")) is None:
                raise MissingExtraError(package, "agents")
        resumed, config, name = self._open() if self.resume is not None else self._new()
        backend = read_backend(self.backend)
        if self.seeds:
            return self._run_seeds(config, name, backend)
        if backend.ray and config.rollout_workers is None:
            raise InputError(
                f"--backend {backend}: needs --seeds, a run for each side by side, or --workers, one run fed by remote "
                "rollout workers"
            )
        if self.export_sb3 is not None and config.algorithm != "ppo":
            raise InputError(f"--export-sb3: needs algorithm ppo, the run's is {config.algorithm}")
        if self.export_sb3 is not None and config.rollout_workers is not None:
            raise InputError("--export-sb3: Stable-Baselines3 has no part in a run with rollout_workers; leave it out")
        # Imported here, after the settings are known to be sound: PyTorch takes seconds.
        from ganttlet_agents.training.folder import RunFolder, check_name

        family, exact = check_env(config), self.name is not None
        if resumed is None:
            check_name(self.log_folder, family, name, exact)
        console = make_console()
        _note_instances(config)
        with _display(self.progress) as on_status, _trainer(config, on_status, resumed, backend) as trainer:
            # The folder is made when nothing in the settings can fail any more.
            folder = resumed or RunFolder.new(self.log_folder, family, name, exact, config)
            signal = trainer.run(folder)
        console.print(f"run: {folder.path}", markup=False, soft_wrap=True)
        if signal is not None:
            console.print(f"stopped; go on with: --resume {folder.path}", markup=False, soft_wrap=True)
            return 128 + signal
        if self.export_sb3 is not None:
            trainer.export(self.export_sb3)
        judge = judging_command(family, trainer.task.objective, folder.path)
        console.print(f"judge it with: {judge}", markup=False, soft_wrap=True)
        return 0

    def _run_seeds(self, config: TrainConfig, name: str, backend: Backend) -> int:
        """Train a run for each seed; 0 if all came to their end, 1 if one failed, 130 or 143 after a signal."""
        for flag, given in {
            "--seed": self.seed is not None,
            "--params seed": any(text.partition("=")[0] == "seed" for text in self.params),
        }.items():
            if given:
                raise InputError(f"--seeds and {flag} are both given; expected one of them")
        if self.export_sb3 is not None:
            raise InputError("--export-sb3: writes the zip of one run; leave it out with --seeds")
        if config.rollout_workers is not None:
            raise InputError(
                "--seeds: runs for several seeds have no --workers (rollout_workers); leave one of them out"
            )
        seeds = typed_seeds(self.seeds)
        for seed in seeds:
            training_seed(seed)
        from ganttlet_agents.cli.train_seeds import tell, train_seeds

        family = check_env(config)
        _note_instances(config)
        runs, signal, objective = train_seeds(config, seeds, family, name, self.log_folder, self.progress, backend)
        return tell(runs, signal, lambda paths: judging_command(family, objective, *paths))

    def settings(self) -> TrainConfig:
        """Return the settings of the run that this would begin."""
        return self._new()[1]

    def _open(self) -> tuple[RunFolder, TrainConfig, str]:
        """Return the run to go on with, its settings and its name."""
        from ganttlet_agents.training.folder import RunFolder

        assert self.resume is not None
        own = {"resume", "progress", "export_sb3", "backend"}
        for field in fields(self):
            if field.name not in own and getattr(self, field.name) != field.default:
                flag = "the family" if field.name == "family" else f"--{field.name.replace('_', '-')}"
                raise InputError(f"--resume goes on with the run's own settings; leave {flag} out")
        folder, config = RunFolder.open(self.resume)
        return folder, config, folder.path.name

    def _new(self) -> tuple[None, TrainConfig, str]:
        """Return no run, the settings and the name of a new one."""
        from ganttlet_agents.settings import build, put
        from ganttlet_agents.training.config import TrainConfig

        preset, name, source, label = self._preset()
        data = dict(preset)
        for text in self.env_kwargs:
            key, value = _pair(text, ":", "--env-kwargs")
            given = data.get("env_kwargs")
            data["env_kwargs"] = {**(given if isinstance(given, dict) else {}), key: value}
        for text in self.params:
            key, value = _pair(text, "=", "--params")
            put(data, key, value, "--params")
        given = [flag for flag in OVERRIDES if getattr(self, flag) not in (None, ())]
        for flag in given:
            if flag not in ("env_kwargs", "params"):
                data[SETTINGS.get(flag, flag)] = getattr(self, flag)
        flags = ", ".join(f"--{flag.replace('_', '-')}" for flag in given)
        try:
            config = build(TrainConfig, data, f"{label} with {flags}" if given else source)
        except InputError:
            # A mistake of the preset's own is told by its file.
            build(TrainConfig, preset, source)
            raise
        family = check_env(config)
        if self.family is not None and family != self.family:
            raise InputError(f"{source}: env {config.env} is of family {family}, not {self.family}")
        return None, config, self.name or name

    def _preset(self) -> tuple[dict[str, Any], str, str, str]:
        """Return settings, the run's default name, what errors call the settings, and what they call changed ones."""
        if self.env is not None:
            if self.family is not None or self.preset is not None:
                other = "a family" if self.family is not None else "--preset"
                raise InputError(f"--env and {other} are both given; expected one of them")
            return {"env": self.env}, self.env.rpartition("/")[2], "settings", f"--env {self.env}"
        if self.family is None:
            raise InputError(f"expected a family ({', '.join(family_names())}) or --env ID")
        get_family(self.family)
        preset = self.preset or DEFAULT_PRESET
        kind = f"train/{self.family}"
        if not config_names(kind) and not preset.endswith((".yaml", ".yml")):
            raise InputError(f"family {self.family}: has no presets; use --env ID")
        config = load_config(kind, preset)
        return config.data, config.name, config.source, f"preset {config.name}"


def check_env(config: TrainConfig) -> str:
    """Return the family of the configured environment; raises InputError for an id of none."""
    for name in family_names():
        if config.env in get_family(name).env_ids:
            return name
    known = ", ".join(one for name in family_names() for one in get_family(name).env_ids)
    raise InputError(f"env: unknown id {config.env!r}; expected one of {known}")


def judging_command(family: str, objective: str, *runs: Path) -> str:
    """Return the command that judges the policies of runs on the family's smallest suite by the objective.

    Suites whose instances are not here are left out. Without any, the command has a place for instances.
    """
    from ganttlet_agents.evaluation.suite import load_instances, load_suite

    shell = "python evaluate.py" if Path("evaluate.py").is_file() else "ganttlet evaluate"
    found = []
    for name in config_names("suites"):
        try:
            suite = load_suite(name)
            if suite.family != family or objective not in suite.objectives:
                continue
            found.append((len(load_instances(suite)), name))
        except InputError:
            continue
    where = f"--suite {min(found)[1]}" if found else f"--instances '{family}:FILES'"
    return f"{shell} run {where} --methods {' '.join(shlex.quote(f'policy:{run}') for run in runs)}"


def _note_instances(config: TrainConfig) -> None:
    if config.validates_on_training:
        text = "note: the instances are fixed, so validation plays the training instances themselves"
        make_console(stderr=True).print(text, markup=False, soft_wrap=True)


def _pair(text: str, sign: str, flag: str) -> tuple[str, Any]:
    key, found, value = text.partition(sign)
    if not found or not key:
        raise InputError(f"{flag}: {text!r}; expected key{sign}value")
    return key, read_yaml(f"value: {value}", flag)["value"]


@contextmanager
def _trainer(
    config: TrainConfig, on_status: OnStatus, resumed: RunFolder | None, backend: Backend
) -> Iterator[Trainer]:
    """Give the trainer of a run, with its workers, on Ray wherever that is, if it has any."""
    if config.rollout_workers is not None:
        from ganttlet_agents.distributed import rllib

        where = backend if backend.ray else rllib.THIS_MACHINE
        with rllib.trainer(config, on_status, resumed, where) as trainer:
            yield trainer
        return
    from ganttlet_agents.training.loop import Trainer

    yield Trainer(config, on_status, resumed)


@contextmanager
def _display(bar: bool) -> Iterator[OnStatus]:
    """Show a bar, or a line for each validation."""
    with show_runs(bar, ("",)) as show:
        yield lambda status: show("", status)
