"""Suites: which instances, objectives, methods, seeds and reference make one comparison; read from YAML."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ganttlet.core.errors import InputError, check_choice, check_keys
from ganttlet.core.family import Family, get_family
from ganttlet.core.record import Instance
from ganttlet_agents.config import load_config
from ganttlet_agents.evaluation.budgets import check_budget

KEYS = ("about", "family", "objective", "objectives", "instances", "methods", "seeds", "reference", "bounds", "budget")
REFERENCES = ("best_known", "none")
RANGE = re.compile(r"(?P<prefix>.*?)(?P<first>\d+)\.\.(?P=prefix)(?P<last>\d+)(?P<tail>:.*)?")
OPTIONS = re.compile(r"(?P<path>.+?)(?P<tail>(:[A-Za-z_]\w*=[^:]*)*)")

Entry = str | Mapping[str, Any] | Instance


@dataclass(frozen=True)
class Suite:
    """A comparison as its file states it.

    Fields:
        name, source: what it is called and the file it comes from.
        about: one line on what it measures.
        family: the family's name.
        objectives: names of the objectives to judge by.
        groups: group name -> entries; an entry is an instance's name or file, a mapping with ``generator``, ``seed``
            and the generator's options, or an instance. Without groups the one name is empty.
        methods: method texts that run unless others are named.
        seeds: seeds handed to every method.
        reference: ``best_known``, ``none``, or the text of a method that runs first on each instance.
        budget: limit of every method that can be limited so, kind -> limit (``evaluation.budgets``), empty for none.
        bounds: file of proven bounds (``evaluation.bounds.load_bounds``), empty for none.
    """

    name: str
    source: str
    about: str
    family: str
    objectives: tuple[str, ...]
    groups: Mapping[str, tuple[Entry, ...]]
    methods: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0,)
    reference: str = "best_known"
    bounds: str = ""
    budget: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the plain-data form that result files keep."""
        return {
            "name": self.name,
            "source": self.source,
            "about": self.about,
            "family": self.family,
            "objectives": list(self.objectives),
            "instances": {group: [_plain(entry) for entry in entries] for group, entries in self.groups.items()},
            "methods": list(self.methods),
            "seeds": list(self.seeds),
            "reference": self.reference,
            "bounds": Path(self.bounds).name,
            "budget": dict(self.budget),
        }


@dataclass(frozen=True)
class SuiteInstance:
    """One instance of a suite: the label that rows and tables use, its group, and the problem itself."""

    label: str
    group: str
    instance: Instance


def load_suite(name: str) -> Suite:
    """Read a suite by name (``configs/suites/<name>.yaml``) or by path.

    Raises:
        InputError: naming the file and the key.
    """
    config = load_config("suites", name)
    return make_suite(config.name, config.source, config.folder, config.data)


def make_suite(name: str, source: str, folder: Path | None, data: Mapping[str, Any]) -> Suite:
    """Return the suite of a mapping with the keys KEYS.

    Args:
        name: what it is called.
        source: the file, as errors name it.
        folder: against which relative paths are read.
        data: the mapping.

    Raises:
        InputError: naming ``source`` and the key.
    """
    check_keys(source, data, KEYS)
    for key in ("family", "instances"):
        if key not in data:
            raise InputError(f"{source}: key {key!r} is missing")
    family = get_family(_text(data["family"], f"{source}: key 'family'"))
    return Suite(
        name=name,
        source=source,
        about=_text(data.get("about", ""), f"{source}: key 'about'"),
        family=family.name,
        objectives=_objectives(data, family, source),
        groups=_groups(data["instances"], folder, source),
        methods=tuple(_texts(data.get("methods", []), f"{source}: key 'methods'")),
        seeds=tuple(read_seeds(data.get("seeds", [0]), f"{source}: key 'seeds'")),
        reference=_reference(data.get("reference", "best_known"), source),
        bounds=_bounds(data.get("bounds"), folder, source),
        budget=check_budget(data["budget"], f"{source}: key 'budget'") if data.get("budget") is not None else {},
    )


def adhoc_suite(patterns: Sequence[str]) -> Suite:
    """Return the suite of ``family:pattern`` texts, such as ``job_shop:folder/*.txt`` or ``job_shop:ta01``.

    Raises:
        InputError: if a pattern has no family, matches no file, or the families differ.
    """
    family, entries = "", []
    for text in patterns:
        prefix, colon, pattern = text.partition(":")
        if not colon or not pattern:
            raise InputError(f"instances: {text!r}; expected family:pattern, for example 'job_shop:folder/*.txt'")
        get_family(prefix)
        if family and prefix != family:
            raise InputError(f"instances: {text!r} is of family {prefix}, an earlier one of {family}; expected one")
        family = prefix
        entries += _expand(pattern, Path(), "instances")
    if not entries:
        raise InputError("instances: none given; expected for example 'job_shop:folder/*.txt'")
    objective = next(iter(get_family(family).objectives))
    return Suite("instances", "command line", "", family, (objective,), {"": tuple(entries)})


def load_instances(suite: Suite) -> list[SuiteInstance]:
    """Build the instances of a suite in order.

    Raises:
        InputError: if one cannot be built, or two are the same problem.
    """
    family = get_family(suite.family)
    found: list[SuiteInstance] = []
    by_digest: dict[str, str] = {}
    for group, entries in suite.groups.items():
        for entry in entries:
            instance = _build(family, entry, suite.source)
            label = instance.name or instance.digest
            if instance.digest in by_digest:
                first = by_digest[instance.digest]
                raise InputError(f"{suite.source}: instance {label} is the same problem as {first}")
            if any(label == other.label for other in found):
                label = f"{label}#{instance.digest[:6]}"
            by_digest[instance.digest] = label
            found.append(SuiteInstance(label, group, instance))
    return found


def read_seeds(value: Any, what: str) -> list[int]:
    """Return the seeds written as a number, a list of numbers, or a range such as ``0..9``."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+)\.\.(\d+)", value)):
        value = list(range(int(match[1]), int(match[2]) + 1))
    seeds = value if isinstance(value, list | tuple) else [value]
    if not seeds or not all(isinstance(seed, int) and not isinstance(seed, bool) and seed >= 0 for seed in seeds):
        raise InputError(f"{what}: got {value!r}; expected a number ≥ 0, a list of such, or a range such as 0..9")
    if len(set(seeds)) != len(seeds):
        raise InputError(f"{what}: a seed is given twice")
    return list(seeds)


def _plain(entry: Entry) -> Any:
    if isinstance(entry, Instance):
        return entry.name or entry.digest
    return entry if isinstance(entry, str) else dict(entry)


def _build(family: Family, entry: Entry, source: str) -> Instance:
    if isinstance(entry, str | Instance):
        return family.resolve(entry)
    settings = {key: value for key, value in entry.items() if key not in ("generator", "seed")}
    try:
        return family.generate({"name": entry["generator"], **settings}, entry["seed"])
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


def _groups(value: Any, folder: Path | None, source: str) -> dict[str, tuple[Entry, ...]]:
    named = value if isinstance(value, dict) else {"": value}
    groups = {}
    for group, entries in named.items():
        where = f"{source}: key 'instances'" + (f", group {group!r}" if group else "")
        if not isinstance(entries, list) or not entries:
            raise InputError(f"{where}: expected a list of instances, or a mapping of group names to such lists")
        groups[str(group)] = tuple(item for entry in entries for item in _expand(entry, folder, where))
    return groups


def _expand(entry: Any, folder: Path | None, where: str) -> list[Entry]:
    if isinstance(entry, Mapping):
        return _expand_generator(entry, where)
    if not isinstance(entry, str):
        raise InputError(f"{where}: got {entry!r}; expected a name, a file, or a mapping with 'generator'")
    ranged = RANGE.fullmatch(entry)
    if ranged:
        first, last = ranged["first"], ranged["last"]
        if int(first) > int(last):
            raise InputError(f"{where}: range {entry!r} is empty")
        numbers = range(int(first), int(last) + 1)
        return [f"{ranged['prefix']}{number:0{len(first)}d}{ranged['tail'] or ''}" for number in numbers]
    match = OPTIONS.fullmatch(entry)
    path, tail = (match["path"], match["tail"]) if match else (entry, "")
    full = str((folder or Path()) / path)
    if Path(full).is_file():
        return [full + tail]
    if glob.has_magic(path):
        # Only the pattern is one: brackets in the name of the suite's folder stand for themselves.
        pattern = Path(glob.escape(str(folder or Path()))) / path
        matches = sorted(name for name in glob.glob(str(pattern), recursive=True) if Path(name).is_file())
        if not matches:
            raise InputError(f"{where}: no file matches {full!r}")
        return [name + tail for name in matches]
    return [entry]


def _expand_generator(entry: Mapping[str, Any], where: str) -> list[Entry]:
    for key in ("generator", "seeds"):
        if key not in entry:
            raise InputError(f"{where}: key {key!r} is missing in {dict(entry)!r}")
    rest = {key: value for key, value in entry.items() if key != "seeds"}
    return [{**rest, "seed": seed} for seed in read_seeds(entry["seeds"], f"{where}, 'seeds'")]


def _objectives(data: Mapping[str, Any], family: Family, source: str) -> tuple[str, ...]:
    if "objective" in data and "objectives" in data:
        raise InputError(f"{source}: keys 'objective' and 'objectives' are both given; expected one of them")
    key = "objective" if "objective" in data else "objectives"
    names = _texts(data.get(key, [next(iter(family.objectives))]), f"{source}: key {key!r}")
    check_objectives(names, family, f"{source}: key {key!r}")
    return tuple(names)


def check_objectives(names: Iterable[str], family: Family, what: str) -> None:
    """Raise InputError naming ``what`` unless every name is one of the family's objectives, given once."""
    seen = set()
    for name in names:
        check_choice(what, name, family.objectives)
        if name in seen:
            raise InputError(f"{what}: {name!r} is given twice")
        seen.add(name)


def _reference(value: Any, source: str) -> str:
    what = f"{source}: key 'reference'"
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        check_keys(what, value, ("method",))
        return _text(value.get("method"), f"{what}, 'method'")
    check_choice(f"{what} (or a mapping with 'method')", value, REFERENCES)
    return str(value)


def _bounds(value: Any, folder: Path | None, source: str) -> str:
    return "" if value is None else str((folder or Path()) / _text(value, f"{source}: key 'bounds'"))


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{what}: expected a text, got {value!r}")
    return value


def _texts(value: Any, what: str) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list):
        raise InputError(f"{what}: expected a list of texts, got {value!r}")
    return [_text(text, what) for text in texts]
