"""The commands ``list``, ``extract``, ``hlo`` and ``ship``, parsed by tyro over dataclasses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

from ganttlet.core.errors import MissingExtraError
from ganttlet_agents.evaluation.tables import make_console, print_texts
from ganttlet_agents.programs import shipping
from ganttlet_agents.programs.hlo import read_hlo
from ganttlet_agents.programs.tables import Tables
from ganttlet_agents.programs.workloads import WORKLOADS, extract_workload

try:
    import tyro
    from tyro.conf import Positional, subcommand
except ImportError:
    raise MissingExtraError("tyro", "eval") from None


class Command(Protocol):
    """A parsed command."""

    def run(self) -> int:
        """Do it and return the exit code."""
        ...


@dataclass(frozen=True)
class List:
    """List the named workloads, with the options of each and their defaults."""

    def run(self) -> int:
        """Print them."""
        rows = [
            (name, ", ".join(f"--{key} {value}" for key, value in entry.options.items()), entry.about)
            for name, entry in WORKLOADS.items()
        ]
        print_texts(make_console(), "workloads", ("workload", "options", "about"), rows)
        return 0


@dataclass(frozen=True)
class Extract:
    """Write a workload's program as three CSV files: instructions, buffers and uses."""

    workload: str
    """One of those that ``list`` shows."""
    out: Path
    """Folder to write to; made if it is absent."""
    train: bool = False
    """A step of training instead of inference."""
    batch: int | None = None
    """Inputs at once."""
    length: int | None = None
    """Tokens or unrolled steps."""
    layers: int | None = None
    """Layers of the network."""
    size: int | None = None
    """Side of the images or matrices."""
    levels: int | None = None
    """Levels of recursion."""
    tables: int | None = None
    """Embedding tables."""

    def run(self) -> int:
        """Extract and write."""
        names = ("batch", "length", "layers", "size", "levels", "tables")
        options = {name: getattr(self, name) for name in names}
        return write(extract_workload(self.workload, train=self.train, **options), self.out)


@dataclass(frozen=True)
class Hlo:
    """Write the program of a scheduled XLA HLO text, as compiled.as_text() gives it in JAX, as three CSV files."""

    file: Positional[Path]
    """The text."""
    out: Path
    """Folder to write to; made if it is absent."""
    name: str | None = None
    """Of the program and its files; the module's if absent."""
    weights: tuple[int, ...] = ()
    """Numbers of the entry computation's parameters that are weights; the others are inputs."""
    keep_types: bool = False
    """Count the bytes of the types in the text, not 2 for each wider floating-point number."""

    def run(self) -> int:
        """Read, then write."""
        options = {"name": self.name, "weights": self.weights, "keep_types": self.keep_types}
        return write(read_hlo(self.file, **options), self.out)


@dataclass(frozen=True)
class Ship:
    """Make the programs that ganttlet ships again."""

    out: Path = shipping.FOLDER
    """Folder to write to."""

    def run(self) -> int:
        """Extract all of them, then write."""
        shipping.ship(self.out, lambda tables: print(summary(tables), flush=True))
        return 0


def write(tables: Tables, folder: Path) -> int:
    """Write a program's three files and tell of it; return the exit code."""
    paths = tables.write(folder)
    print(summary(tables))
    for path in paths:
        print(path)
    return 0


def summary(tables: Tables) -> str:
    """Return one line about a program; MiB are of 2**20 bytes."""
    return (
        f"{tables.name}: {len(tables.instructions)} instructions, {len(tables.buffers)} buffers, "
        f"{len(tables.uses)} uses, {tables.matrix_flops / 1e9:.1f} + {tables.vector_flops / 1e9:.2f} Gflop, "
        f"{tables.resident / 2**20:.1f} MiB before the start, {tables.traffic / 2**20:.1f} MiB moved"
    )


AnyCommand = (
    Annotated[List, subcommand("list")]
    | Annotated[Extract, subcommand("extract")]
    | Annotated[Hlo, subcommand("hlo")]
    | Annotated[Ship, subcommand("ship")]
)


def parse(words: Sequence[str]) -> Command:
    """Return the command that ``words`` spell; exits with code 2 and a message if they spell none."""
    # tyro takes unions of annotated types, which type checkers do not see as types.
    wanted: Any = AnyCommand
    parsed: Command = tyro.cli(
        wanted,
        prog="python -m ganttlet_agents.programs",
        args=list(words),
        description="Programs for the memory-mapping environments, from torch modules and XLA's HLO text.",
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
    )
    return parsed
