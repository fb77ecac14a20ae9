"""The tree of commands, parsed by tyro over the dataclasses of the other modules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet_agents.cli.compare import Compare
from ganttlet_agents.cli.curve import CurveCommand
from ganttlet_agents.cli.data import Check
from ganttlet_agents.cli.data import List as DataList
from ganttlet_agents.cli.evaluate import Report, Run
from ganttlet_agents.cli.listing import List
from ganttlet_agents.cli.train import Train
from ganttlet_agents.cli.tune import Tune
from ganttlet_agents.evaluation import provenance

try:
    import tyro
    from tyro.conf import subcommand
except ImportError:
    raise MissingExtraError("tyro", "eval") from None


class Command(Protocol):
    """A parsed command."""

    def run(self) -> int:
        """Do it and return the exit code."""
        ...


@dataclass(frozen=True)
class Version:
    """Print the versions of ganttlet and of the packages that results depend on."""

    def run(self) -> int:
        """Print them."""
        for name, text in {**provenance.versions(), "commit": provenance.commit() or "none"}.items():
            print(f"{name} {text}")
        return 0


EvaluateCommand = (
    Annotated[Run, subcommand("run")]
    | Annotated[Compare, subcommand("compare")]
    | Annotated[CurveCommand, subcommand("curve")]
    | Annotated[Report, subcommand("report")]
    | Annotated[List, subcommand("list")]
)
DataCommand = Annotated[DataList, subcommand("list")] | Annotated[Check, subcommand("check")]


@dataclass(frozen=True)
class Evaluate:
    """Run methods on instances, validate what they return, and write tables and a report."""

    command: EvaluateCommand

    def run(self) -> int:
        """Run the subcommand."""
        return self.command.run()


@dataclass(frozen=True)
class Data:
    """Outside instance sets: what is known, and whether the files at hand are the published ones."""

    command: DataCommand

    def run(self) -> int:
        """Run the subcommand."""
        return self.command.run()


AnyCommand = (
    Annotated[Train, subcommand("train")]
    | Annotated[Evaluate, subcommand("evaluate")]
    | Annotated[Data, subcommand("data")]
    | Annotated[Version, subcommand("version")]
)


LISTS = ("--methods", "--instances", "--objectives", "--seeds", "--budget", "--in", "--groups")
REPEATABLE = (("--params", "-p"), ("--env-kwargs",), *((flag,) for flag in LISTS))


def parse(words: Sequence[str], within: str = "") -> Command:
    """Return the command that ``words`` spell; exits with code 2 and a message if they spell none."""
    for flags in REPEATABLE:
        # tyro keeps the last of two, silently.
        if sum(word.partition("=")[0] in flags for word in words) > 1:
            raise InputError(f"{flags[0]}: given twice; put all its values behind one")
    prog, words = f"{within}.py" if within else "ganttlet", list(words)
    # No family has this name, and a subcommand would take the place of Train's own first word.
    place = {"train": ["tune"], "": ["train", "tune"]}.get(within)
    if place is not None and words[: len(place)] == place:
        prog, words, within = " ".join([prog, *place]), words[len(place) :], "tune"
    # tyro takes unions of annotated types, which type checkers do not see as types.
    wanted: Any = {"": AnyCommand, "evaluate": EvaluateCommand, "train": Train, "tune": Tune}[within]
    parsed: Command = tyro.cli(
        wanted,
        prog=prog,
        args=words,
        description=_DESCRIPTION[within],
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
    )
    return parsed


_DESCRIPTION = {
    "": "Scheduling environments, methods and their evaluation.",
    "evaluate": Evaluate.__doc__,
    "train": Train.__doc__,
    "tune": Tune.__doc__,
}
