"""Allocation problems by name, file or description."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganttlet.core.data import data_path
from ganttlet.core.errors import InputError, check_keys
from ganttlet.core.family import DataSet
from ganttlet.core.specs import resolve_spec, split_options
from ganttlet.memory_allocation.formats import read_csv
from ganttlet.memory_allocation.generator import make_generator
from ganttlet.memory_allocation.instance import AllocationInstance

ENDINGS = (".csv", ".json", ".npz")
SETS = ("minimalloc", "idealloc")
FORMS = "minimalloc:A, idealloc:resnet50, a file (.csv, .json, .npz), or a mapping with 'generator' and 'seed'"
OPTIONS = ("capacity", "offsets")
UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
DATA_SETS = (
    DataSet(
        "minimalloc",
        "memory_mapping/minimalloc/*.csv",
        9,
        "google/minimalloc at 9f5cf81, benchmarks/challenging (A, B, C, E, F, H, I, K) and benchmarks/examples",
        "Apache-2.0 (Google LLC)",
        "c7e39e4c2661b9b6a79253ec31bb15669d198c22ddb37da7aebe8aa4c77d4228",
    ),
    DataSet(
        "idealloc",
        "memory_mapping/idealloc/*.csv",
        3,
        "cappadokes/idealloc at a21f84d, benchmarks (G_1, pangu_2.6B, resnet50); upstream MindSpore SOMAS and IOPDDL",
        "MIT (C. Lamprakos); upstream states none for the traces",
        "e469654c40dabf180887532942baa1ff1b66d050274c3bce7142bc6dd7a10135",
    ),
)


def generate(settings: Mapping[str, Any], seed: int) -> AllocationInstance:
    """Return the instance that the generator of ``settings`` draws for ``seed``."""
    return make_generator(settings).sample(seed)


def resolve(spec: Any) -> AllocationInstance:
    """Return the instance that ``spec`` describes.

    Args:
        spec: an AllocationInstance; "minimalloc:A" or "idealloc:resnet50", files of these sets in the folder of outside
            data; a CSV file or a saved record; any of these with options behind it: "minimalloc:A:capacity=2MiB",
            "solved.csv:offsets=solution" (CSV files only, see :func:`ganttlet.memory_allocation.read_csv`); or a
            mapping: {"generator": settings, "seed": 3}, {"name": any of the strings above, "capacity": 4096}, or a
            whole instance as plain data.

    Raises:
        InputError: naming the spec, file or key and what was expected.
    """
    return resolve_spec(
        spec,
        AllocationInstance,
        FORMS,
        from_file=lambda path: _from_file(path, {}),
        from_string=_from_string,
        from_mapping=_from_mapping,
    )


def _from_mapping(spec: Mapping[str, Any]) -> AllocationInstance:
    if "generator" in spec:
        check_keys("instance with a generator", spec, ("generator", "seed"))
        return generate(spec["generator"], spec.get("seed", 0))
    if "size" in spec or "name" not in spec:
        return AllocationInstance.from_dict(dict(spec), source="instance")
    check_keys("instance by name", spec, ("name", *OPTIONS))
    name, options = spec["name"], {key: value for key, value in spec.items() if key != "name"}
    if isinstance(name, str):
        return _by_name(name, options)
    if isinstance(name, Path):
        return _from_file(name, options)
    raise InputError(f"instance by name: key 'name': expected a text or a path, got {name!r}")


def _from_string(spec: str) -> AllocationInstance:
    return _by_name(spec, {})


def _by_name(spec: str, more: Mapping[str, Any]) -> AllocationInstance:
    """Return the instance of a name with options behind it; ``more`` takes precedence."""
    name, options = split_options(spec)
    check_keys(f"instance {spec!r}", options, OPTIONS)
    chosen: dict[str, Any] = {**options, **{key: value for key, value in more.items() if value is not None}}
    group, _, member = name.partition(":")
    if group in SETS and re.fullmatch(r"\w[\w.]*", member):
        return _from_file(_outside(spec, group, member), chosen)
    if name.endswith(ENDINGS) or (name and Path(name).is_file()):
        return _from_file(Path(name), chosen)
    raise InputError(f"instance {spec!r}: unknown name; expected {FORMS}")


def _outside(spec: str, group: str, member: str) -> Path:
    """Return the file of a set; the capacity stands in the names of some."""
    folder = data_path("memory_mapping", group)
    exact = re.compile(rf"{re.escape(member)}(\.[0-9]+)?\.csv", re.ASCII)
    found = sorted(path for path in folder.glob("*.csv") if exact.fullmatch(path.name))
    if not found:
        raise InputError(
            f"instance {spec!r}: {folder} holds no {member}.csv or {member}.<capacity>.csv; set GANTTLET_DATA to the "
            f"folder that holds memory_mapping/{group}"
        )
    return found[0]


def _from_file(path: Path, options: Mapping[str, Any]) -> AllocationInstance:
    capacity = _bytes(options["capacity"]) if "capacity" in options else None
    if path.suffix not in (".json", ".npz"):
        instance = read_csv(path, capacity=capacity, offsets=options.get("offsets", "fixed"))
        parent = path.parent.name
        if parent in SETS and path.parent == data_path("memory_mapping", parent):
            instance = replace(instance, name=f"{parent}:{instance.name}")
    elif "offsets" in options:
        raise InputError(f"{path}: option 'offsets' belongs to CSV files")
    else:
        instance = AllocationInstance.load(path)
    if capacity is None:
        return instance
    try:
        return replace(instance, name=f"{instance.name}:capacity={options['capacity']}", capacity=capacity)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _bytes(value: Any) -> Any:
    """Return a capacity, read from its text if it is one; other values are left to the instance's checks."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch("([0-9]{1,15})(|KiB|MiB|GiB)", value, re.ASCII)
    if match is None:
        raise InputError(f"option 'capacity': expected bytes, or a number with KiB, MiB or GiB, got {value!r}")
    return int(match[1]) * UNITS[match[2]]
