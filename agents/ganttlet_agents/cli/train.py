"""``ganttlet train``: presets and flags in, a run folder out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet.core.family import family_names, get_family
from ganttlet_agents.config import config_names, load_config, read_yaml
from ganttlet_agents.evaluation.tables import make_console

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
    """Train a policy: a family with a preset, or any environment by id."""

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
    """Name of the run folder; by default the next free <preset>-<number>."""
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
        if config.validates_on_training:
            text = "note: the instances are fixed, so validation plays the training instances themselves"
            make_console(stderr=True).print(text, markup=False, soft_wrap=True)
        with _display(self.progress) as on_status, _trainer(config, on_status, resumed) as trainer:
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

    def settings(self) -> TrainConfig:
        """Return the settings of the run that this would begin."""
        return self._new()[1]

    def _open(self) -> tuple[RunFolder, TrainConfig, str]:
        """Return the run to go on with, its settings and its name."""
        from ganttlet_agents.training.folder import RunFolder

        assert self.resume is not None
        own = {"resume", "progress", "export_sb3"}
        for field in fields(self):
            if field.name not in own and getattr(self, field.name) != field.default:
                flag = "the family" if field.name == "family" else f"--{field.name.replace('_', '-')}"
                raise InputError(f"--resume goes on with the run's own settings; leave {flag} out")
        folder, config = RunFolder.open(self.resume)
        return folder, config, folder.path.name

    def _new(self) -> tuple[None, TrainConfig, str]:
        """Return no run, the settings and the name of a new one."""
        from ganttlet_agents.settings import build
        from ganttlet_agents.training.config import TrainConfig

        preset, name, source, label = self._preset()
        data = dict(preset)
        for text in self.env_kwargs:
            key, value = _pair(text, ":", "--env-kwargs")
            given = data.get("env_kwargs")
            data["env_kwargs"] = {**(given if isinstance(given, dict) else {}), key: value}
        for text in self.params:
            key, value = _pair(text, "=", "--params")
            _put(data, key, value)
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


def judging_command(family: str, objective: str, run: Path) -> str:
    """Return the command that judges a run's policy on the family's smallest suite by the objective.

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
    return f"{shell} run {where} --methods {shlex.quote(f'policy:{run}')}"


def _pair(text: str, sign: str, flag: str) -> tuple[str, Any]:
    key, found, value = text.partition(sign)
    if not found or not key:
        raise InputError(f"{flag}: {text!r}; expected key{sign}value")
    return key, read_yaml(f"value: {value}", flag)["value"]


def _put(data: dict[str, Any], path: str, value: Any) -> None:
    """Set ``a.b.c`` in nested mappings, of which those that are changed are copied first."""
    *within, last = path.split(".")
    for at, part in enumerate(within):
        inner = data.get(part) or {}
        if not isinstance(inner, dict):
            raise InputError(f"--params: {path!r}: {'.'.join(within[: at + 1])} is {inner!r} here; set it whole")
        data[part] = dict(inner)
        data = data[part]
    data[last] = value


@contextmanager
def _trainer(config: TrainConfig, on_status: OnStatus, resumed: RunFolder | None) -> Iterator[Trainer]:
    """Give the trainer of a run, with its workers if it has any."""
    if config.rollout_workers is not None:
        from ganttlet_agents.distributed import rllib

        with rllib.trainer(config, on_status, resumed) as trainer:
            yield trainer
        return
    from ganttlet_agents.training.loop import Trainer

    yield Trainer(config, on_status, resumed)


@contextmanager
def _display(bar: bool) -> Iterator[OnStatus]:
    """Show a bar, or a line for each validation."""
    console = make_console(stderr=True)
    if not bar:
        yield lambda status: console.print(_line(status), markup=False, soft_wrap=True) if status.verdict else None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns: Sequence[Any] = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[speed]} steps/s"),
        TextColumn("{task.fields[score]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("starting", total=1.0, speed="-", score="")

        def show(status: Any) -> None:
            score = "" if status.score is None else f"validation {status.score:+.4g}"
            speed = f"{status.steps_per_s:,.0f}"
            progress.update(task, completed=status.spent, description=status.stage, speed=speed, score=score)

        yield show


def _line(status: Any) -> str:
    verdict = status.verdict
    judged = f"gap {100 * verdict.gap:+.2f} %" if verdict.gap is not None else f"value {verdict.value:.6g}"
    left = status.seconds * (1.0 - status.spent) / max(status.spent, 1e-9)
    return (
        f"{status.total:>10,} decisions  {status.seconds:7.1f} s  {status.steps_per_s:8,.0f}/s  "
        f"{status.stage:<14}  {judged}  {left:6.0f} s left"
    )
