"""Programs by name, file or description."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ganttlet.core.data import data_path
from ganttlet.core.errors import InputError, check_choice, check_keys
from ganttlet.core.family import DataSet
from ganttlet.core.specs import resolve_spec, split_options
from ganttlet.memory_mapping.bounds import BUDGETS, budgets
from ganttlet.memory_mapping.formats import PARTS, paths_of, read_csv
from ganttlet.memory_mapping.generator import make_generator
from ganttlet.memory_mapping.hardware import FIELDS, PRESETS
from ganttlet.memory_mapping.instance import Program

FOLDER = ("memory_mapping", "programs")
ENDINGS = (".json", ".npz", ".csv")
FORMS = (
    "the name of a program such as alexnet_b32, a file (.json, .npz, .instructions.csv), or a mapping with 'generator' "
    "and 'seed'"
)
OPTIONS = ("hardware", *FIELDS)
UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
DATA_SETS = (
    DataSet(
        "programs",
        "memory_mapping/programs/*.csv",
        18,
        "tables of six programs, made in this project from models defined by their shapes alone",
        "the project's own",
        "93b261161ac9bf264db5d759e75147c3ad393979b2536559ff3bea29ec8e88a9",
    ),
)


def generate(settings: Mapping[str, Any], seed: int) -> Program:
    """Return the program that the generator of ``settings`` draws for ``seed``."""
    return make_generator(settings).sample(seed)


def resolve(spec: Any) -> Program:
    """Return the program that ``spec`` describes.

    Args:
        spec: a Program; a name: one of :func:`shipped`, such as "alexnet_b32", or of a program in the folder of
            outside data; a saved record, or any of the three tables of a program; any of these with options behind it,
            such as "alexnet_b32:hardware=tight" or "alexnet_b32:capacity=64MiB" (also ``align``, ``matrix_peak``,
            ``vector_peak``, ``slow_bandwidth``, ``fast_bandwidth``; a capacity may be one of ``bounds.budgets``, such
            as "alexnet_b32:capacity=M_R"); or a mapping: {"generator": settings, "seed": 3},
            {"name": any of the strings above, "hardware": "tight"}, or a whole program as plain data.

    Raises:
        InputError: naming the spec, file or key and what was expected.
    """
    return resolve_spec(
        spec, Program, FORMS, from_file=_from_file, from_string=_from_string, from_mapping=_from_mapping
    )


def with_options(program: Program, options: Mapping[str, Any]) -> Program:
    """Return ``program`` on other hardware, which its name then shows; a None changes nothing.

    Args:
        program: the program.
        options: of OPTIONS: ``hardware``, a preset that replaces the program's own, and fields to change. Sizes may be
            text with a unit (KiB, MiB, GiB), a capacity the name of one of ``bounds.budgets``, too.

    Raises:
        InputError: naming the option.
    """
    what = f"instance {program.name!r}"
    given = {key: value for key, value in options.items() if value is not None}
    check_keys(what, given, OPTIONS)
    if not given:
        return program
    budget = given["capacity"] if given.get("capacity") in BUDGETS else None
    fields = {
        key: _number(what, key, value)
        for key, value in given.items()
        if key != "hardware" and (key != "capacity" or budget is None)
    }
    hardware = program.hardware
    base, shown = split_options(program.name)
    if "hardware" in given:
        check_choice(f"{what}: option 'hardware'", given["hardware"], PRESETS)
        hardware, shown = PRESETS[given["hardware"]], {}
    name = ":".join([base, *(f"{key}={value}" for key, value in {**shown, **given}.items())])
    try:
        found = replace(program, name=name, **{**vars(hardware), **fields})
        return found if budget is None else replace(found, capacity=budgets(found)[budget])
    except InputError as error:
        raise InputError(f"instance {name!r}: {error}") from None


def _number(what: str, key: str, value: Any) -> Any:
    """Return an option's value, read from its text if it is one."""
    if not isinstance(value, str):
        return value
    if key in ("capacity", "align"):
        match = re.fullmatch("([0-9]{1,15})(|KiB|MiB|GiB)", value, re.ASCII)
        if match is None:
            wanted = "bytes, or a number with KiB, MiB or GiB"
            wanted += f", or one of {', '.join(BUDGETS)}" if key == "capacity" else ""
            raise InputError(f"{what}: option {key!r}: expected {wanted}, got {value!r}")
        return int(match[1]) * UNITS[match[2]]
    try:
        return float(value)
    except ValueError:
        raise InputError(f"{what}: option {key!r}: expected a number, got {value!r}") from None


def _from_mapping(spec: Mapping[str, Any]) -> Program:
    if "generator" in spec:
        check_keys("instance with a generator", spec, ("generator", "seed"))
        return generate(spec["generator"], spec.get("seed", 0))
    if "slot_time" in spec or "name" not in spec:
        return Program.from_dict(dict(spec), source="instance")
    check_keys("instance by name", spec, ("name", *OPTIONS))
    return with_options(resolve(spec["name"]), {key: value for key, value in spec.items() if key != "name"})


def shipped() -> list[str]:
    """Return the names of the programs that come with the package."""
    return sorted(_shipped())


@cache
def _shipped() -> dict[str, Path]:
    folder = Path(str(files("ganttlet.memory_mapping").joinpath("data")))
    return {path.stem: path for path in folder.glob("*.npz")}


def _from_string(spec: str) -> Program:
    name, options = split_options(spec)
    check_keys(f"instance {spec!r}", options, OPTIONS)
    if name in _shipped():
        program = Program.load(_shipped()[name])
    elif name.endswith(ENDINGS) or Path(name).is_file():
        program = _from_file(Path(name))
    elif re.fullmatch(r"\w[\w.-]*", name) and any(file.is_file() for file in _outside(name).values()):
        program = read_csv(data_path(*FOLDER, name))
    else:
        raise InputError(
            f"instance {spec!r}: unknown name; expected {FORMS}; other programs are looked for in "
            f"{Path(*FOLDER).as_posix()} of the folder that GANTTLET_DATA names"
        )
    return with_options(program, options)


def _outside(name: str) -> dict[str, Path]:
    return paths_of(data_path(*FOLDER, name))


def _from_file(path: Path) -> Program:
    if path.suffix in (".json", ".npz"):
        return Program.load(path)
    if not any(path.name.endswith(f".{part}.csv") for part in PARTS):
        endings = ", ".join(f".{part}.csv" for part in PARTS)
        raise InputError(f"{path}: expected a file that ends with .json, .npz, {endings}")
    return read_csv(path)
