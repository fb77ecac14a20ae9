"""YAML configuration: where it is looked for, and reading it so that a mistake is named with its file."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from ganttlet.core.errors import InputError, MissingExtraError

ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True)
class Config:
    """One configuration file, read.

    Fields:
        name: the file's name without its ending.
        source: the file, as errors name it.
        folder: the folder it lies in, against which relative paths are read; None inside a zipped package.
        data: its content.
    """

    name: str
    source: str
    folder: Path | None
    data: dict[str, Any]


def checkout() -> Path | None:
    """Return the root of the source checkout this package runs from, None for an installed wheel."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() and (root / "configs").is_dir() else None


def config_root() -> Traversable:
    """Return the folder of configurations: ``configs/`` of the checkout, else the copy inside the package."""
    root = checkout()
    # An editable install copies configs/ into the package once; the checkout's own files are the fresh ones.
    return root / "configs" if root is not None else files("ganttlet_agents") / "configs"


def config_names(kind: str) -> list[str]:
    """Return the names of the configurations of a kind (a folder under ``configs/``, such as ``suites``)."""
    folder = config_root().joinpath(*kind.split("/"))
    if not folder.is_dir():
        return []
    return sorted(entry.name.rpartition(".")[0] for entry in folder.iterdir() if entry.name.endswith(ENDINGS))


def load_config(kind: str, name: str) -> Config:
    """Read a configuration by its name or by a path ending in .yaml or .yml.

    Raises:
        InputError: if there is none of that name, or the file is not a YAML mapping with distinct keys.
    """
    if name.endswith(ENDINGS):
        path = Path(name)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{name}: cannot be read: {error}") from None
        return Config(path.stem, name, path.parent, read_yaml(text, name))
    known = config_names(kind)
    if name not in known:
        what = kind.split("/")[0].removesuffix("s")
        choices = ", ".join(known) or "(none)"
        raise InputError(f"{what}: unknown name {name!r}; expected one of {choices}, or a path to a .yaml file")
    folder = config_root().joinpath(*kind.split("/"))
    ending = next(ending for ending in ENDINGS if folder.joinpath(name + ending).is_file())
    source = f"configs/{kind}/{name}{ending}"
    text = folder.joinpath(name + ending).read_text(encoding="utf-8")
    return Config(name, source, folder if isinstance(folder, Path) else None, read_yaml(text, source))


def read_yaml(text: str, source: str) -> dict[str, Any]:
    """Return the mapping that ``text`` holds; ``source`` names the file in errors."""
    try:
        import yaml
    except ImportError:
        raise MissingExtraError("pyyaml", "eval") from None

    class Loader(yaml.SafeLoader):
        """Refuses a key that stands twice, which plain YAML silently lets win."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set()
            for key, _ in node.value:
                name = str(key.value)
                if name in seen:
                    raise InputError(f"{source}, line {key.start_mark.line + 1}: key {name!r} is given twice")
                seen.add(name)
            return super().construct_mapping(node, deep)

    try:
        data = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise InputError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise InputError(f"{source}: expected a mapping of keys to values")
    return data
