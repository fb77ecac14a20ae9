"""``ganttlet train tune``: a sweep's file in, settings compared over seeds out."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet.core.record import write_atomic
from ganttlet_agents.cli.train import NEEDED, check_env
from ganttlet_agents.cli.words import split_words
from ganttlet_agents.distributed.backend import read_backend
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.locking import sole_run
from ganttlet_agents.evaluation.tables import make_console

try:
    from tyro.conf import Positional, arg
except ImportError:
    raise MissingExtraError("tyro", "eval") from None

if TYPE_CHECKING:
    from rich.console import Console

    from ganttlet_agents.distributed.identity import Question
    from ganttlet_agents.distributed.tune.sweep import Sweep
    from ganttlet_agents.training.loop import Trainer

TOKEN = ".token"


@dataclass(frozen=True)
class Tune:
    """Search settings on Ray: Optuna proposes them, each is trained under several seeds, the worse ones stop early."""

    sweep: Positional[str | None] = None
    """Sweep by name (configs/sweeps/), or path of a .yaml file."""
    trials: int | None = None
    """Number of settings tried."""
    seeds: Annotated[tuple[str, ...], arg(metavar="N | SEED …")] = ()
    """Seeds that every setting is trained under: how many, or several by their numbers, or a range such as 3..7."""
    n_timesteps: Annotated[int | None, arg(aliases=["-n"])] = None
    """Decisions of a training that is not stopped early."""
    jobs: int | None = None
    """Settings that are trained side by side, at most."""
    backend: str = "ray"
    """ray (this machine), or ray:HOST:PORT (the head of a running cluster)."""
    log_folder: Annotated[Path, arg(aliases=["-f"])] = Path("sweeps")
    """Folder of the sweeps' folders; machines of a cluster must share it."""
    name: str | None = None
    """Name of the sweep's folder; by default the next free <sweep>-<number>."""
    resume: Path | None = None
    """Folder of a sweep to go on with, settings that failed too; its own settings count."""

    def run(self) -> int:
        """Search; 0 at the end, 1 if a setting failed, 130 if it was interrupted."""
        for package in NEEDED:
            if find_spec(package.replace("-", "_")) is None:
                raise MissingExtraError(package, "agents")
        sweep = self._open() if self.resume is not None else self._read()
        config = sweep.config(sweep.first, sweep.settings.seeds[0])
        family = check_env(config)
        backend = read_backend(self.backend)
        if not backend.ray:
            raise InputError(f"--backend {backend}: sweeps run on Ray; expected ray, or ray:HOST:PORT")
        # Imported here, after the settings are known to be sound: PyTorch and Ray take seconds.
        from ganttlet_agents.distributed.connect import connected
        from ganttlet_agents.distributed.identity import check_nodes
        from ganttlet_agents.distributed.runs import check_room, question_of
        from ganttlet_agents.distributed.tune import search
        from ganttlet_agents.distributed.tune.trial import Job
        from ganttlet_agents.training.folder import check_name
        from ganttlet_agents.training.loop import Trainer

        exact = self.name is not None
        if self.resume is None:
            check_name(self.log_folder, family, self.name or sweep.name, exact)
        # What would fail in every trial is said here.
        trainer = Trainer(replace(config, device="cpu"))
        console, lines = make_console(), make_console(stderr=True)
        if config.validates_on_training:
            note = "note: the instances are fixed, so settings are compared on the training instances themselves"
            lines.print(note, markup=False, soft_wrap=True)
        with connected(backend):
            check_room(config)
            folder = self.resume or _new_folder(sweep, self.log_folder / family, self.name or sweep.name, exact)
            with sole_run(folder):
                with _token(folder) as token, _taken_back(folder, self.resume is None):
                    check_nodes(partial(_what_is_there, str(token.resolve()), question_of(config)))
                job = Job(sweep, str(folder.resolve()), str(Path.cwd()), _shell())
                ended = search.search(
                    sweep,
                    folder,
                    job,
                    resume=self.resume is not None,
                    on_rung=partial(_tell_rung, lines),
                    on_failure=partial(_tell_failure, lines),
                )
        if not all(one.over for one in ended) or len(ended) < sweep.settings.trials:
            console.print(f"stopped; go on with: --resume {folder}", markup=False, soft_wrap=True)
            return 130
        return _conclude(sweep, folder, {one.setting: one.error for one in ended}, trainer, console)

    def _open(self) -> Sweep:
        """Return the sweep to go on with."""
        from ganttlet_agents.distributed.tune.sweep import reopen

        assert self.resume is not None
        for field in fields(self):
            if field.name not in ("resume", "backend") and getattr(self, field.name) != field.default:
                flag = "the sweep" if field.name == "sweep" else f"--{field.name.replace('_', '-')}"
                raise InputError(f"--resume goes on with the sweep's own settings; leave {flag} out")
        return reopen(self.resume)

    def _read(self) -> Sweep:
        """Return the sweep of the file and the flags."""
        from ganttlet_agents.distributed.tune.sweep import read_sweep

        if self.sweep is None:
            raise InputError("expected a sweep: a name in configs/sweeps/, or a path of a .yaml file")
        changes: dict[str, Any] = {
            key: getattr(self, key) for key in ("trials", "n_timesteps", "jobs") if getattr(self, key) is not None
        }
        if self.seeds:
            changes["seeds"] = _seeds(self.seeds)
        return read_sweep(self.sweep, changes)


def _seeds(words: tuple[str, ...]) -> Any:
    """Return what a sweep's file would say: a number of seeds, a list, or a range."""
    numbers = [int(piece) if piece.isdecimal() else piece for piece in split_words(words)]
    return numbers[0] if len(numbers) == 1 else numbers


def _new_folder(sweep: Sweep, root: Path, name: str, exact: bool) -> Path:
    """Make the folder of a sweep, with its settings, the command and the versions."""
    from ganttlet_agents.distributed.tune.sweep import FILE
    from ganttlet_agents.settings import plain
    from ganttlet_agents.training.folder import COMMAND, VERSIONS, dump_yaml, free_path

    folder = root / name if exact else free_path(root, name)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made: {error.strerror or error}") from None
    write_atomic(folder / COMMAND, provenance.command_line() + "\n")
    versions = {**provenance.versions(), "commit": provenance.commit(), "machine": provenance.device()}
    write_atomic(folder / VERSIONS, json.dumps(versions, indent=1) + "\n")
    write_atomic(folder / FILE, dump_yaml(plain(sweep)))
    return folder


@contextmanager
def _taken_back(folder: Path, new: bool) -> Iterator[None]:
    """Take a new folder away again if what is done inside fails."""
    try:
        yield
    except BaseException:
        if new:
            shutil.rmtree(folder, ignore_errors=True)
        raise


@contextmanager
def _token(folder: Path) -> Iterator[Path]:
    """Put a file into the folder by which another machine knows it."""
    path = folder / TOKEN
    write_atomic(path, uuid.uuid4().hex)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _what_is_there(token: str, training: Question) -> dict[str, str]:
    """Return what a machine sees of the sweep's folder and of what is trained on; raises InputError if it does not."""
    try:
        seen = Path(token).read_text(encoding="utf-8")
    except OSError:
        raise InputError(
            f"{Path(token).parent}: is not seen there; machines of a cluster must share the --log-folder"
        ) from None
    return {"the sweep's folder": seen, **training()}


def _shell() -> str:
    return "python train.py" if Path("train.py").is_file() else "ganttlet train"


def _tell_rung(console: Console, setting: int, result: dict[str, Any]) -> None:
    seeds = result["seeds"]
    gaps = [seed["gap"] for seed in seeds]
    if None in gaps:
        judged = "value " + " ".join(f"{seed['value']:.6g}" for seed in seeds)
    else:
        judged = f"gap {100 * sum(gaps) / len(gaps):+.2f} %  of " + " ".join(f"{100 * gap:+.2f}" for gap in gaps)
    console.print(
        f"setting {setting:03d}  {result['decisions']:>10,} decisions  {judged}", markup=False, soft_wrap=True
    )


def _tell_failure(console: Console, setting: int, told: str) -> None:
    console.print(f"setting {setting:03d}  {told}", markup=False, soft_wrap=True)


def _conclude(sweep: Sweep, folder: Path, errors: dict[int, str | None], trainer: Trainer, console: Console) -> int:
    """Write and print what came of a sweep; return the exit code."""
    from ganttlet_agents.distributed.tune.outcome import collect, evaluate, print_outcomes, save

    objective = trainer.task.objective
    outcomes = collect(sweep, folder, errors)
    save(outcomes, folder, objective)
    print_outcomes(console, outcomes, objective)
    console.print(f"sweep: {folder}", markup=False, soft_wrap=True)
    try:
        results = evaluate(outcomes, folder, trainer.task)
    except InputError as error:
        console.print(f"no rows are written: {error}", markup=False, soft_wrap=True)
    else:
        script = "python evaluate.py" if Path("evaluate.py").is_file() else "ganttlet evaluate"
        console.print(
            f"rows of the runs with the full budget: {script} report {results.folder}", markup=False, soft_wrap=True
        )
    if outcomes.full:
        best = outcomes.full[0]
        command = sweep.command(_shell(), best.values, max(sweep.settings.seeds) + 1)
        console.print(f"train setting {best.setting:03d} anew, by a seed that did not choose it:", markup=False)
        console.print(command, markup=False, soft_wrap=True)
    return int(any(one.error is not None for one in outcomes.settings))
