"""Instances by name, file or description."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ganttlet.core.data import data_path
from ganttlet.core.errors import InputError, check_keys
from ganttlet.core.specs import resolve_spec, split_options
from ganttlet.job_shop.bounds import content_digest, table
from ganttlet.job_shop.formats import parse, read_text
from ganttlet.job_shop.generator import l2d_validation, make_generator, with_due_dates
from ganttlet.job_shop.instance import JobShopInstance
from ganttlet.job_shop.taillard import taillard, taillard_seeds

ENDINGS = (".txt", ".json", ".npz")
FORMS = (
    "a name such as ta01, ft06 or la01, l2d:10x10:0, a file (.txt, .json, .npz), "
    "or a mapping with 'generator' and 'seed'"
)


def generate(settings: Mapping[str, Any], seed: int) -> JobShopInstance:
    """Return the instance that the generator of ``settings`` draws for ``seed``."""
    return make_generator(settings).sample(seed)


def resolve(spec: Any) -> JobShopInstance:
    """Return the instance that ``spec`` describes.

    Args:
        spec: a JobShopInstance; a name ("ta01" … "ta80", "ft06", "ft10", "ft20" are built in, the other
        classical
            ones are read from the folder of outside data); "l2d:10x10:3" (validation set, instance 3); a
            file in a text format or a saved record; any of these with ":due_factor=1.5" behind it; or a
            mapping: {"generator": settings, "seed": 3}, {"name": any of the strings above, "due_factor":
            1.5}, or a whole instance as plain data.

    Raises:
        InputError: naming the spec, file or key and what was expected.
    """
    return resolve_spec(
        spec, JobShopInstance, FORMS, from_file=_from_file, from_string=_from_string, from_mapping=_from_mapping
    )


def _from_mapping(spec: Mapping[str, Any]) -> JobShopInstance:
    if "generator" in spec:
        check_keys("instance with a generator", spec, ("generator", "seed"))
        return generate(spec["generator"], spec.get("seed", 0))
    if "machine" in spec or "name" not in spec:
        return JobShopInstance.from_dict(dict(spec), source="instance")
    check_keys("instance by name", spec, ("name", "due_factor"))
    instance = resolve(spec["name"])
    return instance if spec.get("due_factor") is None else with_due_dates(instance, spec["due_factor"])


def _from_string(spec: str) -> JobShopInstance:
    name, options = split_options(spec)
    check_keys(f"instance {spec!r}", options, ("due_factor",))
    if name.startswith("l2d:"):
        instance = _from_validation_set(name)
    elif name in table():
        instance = _by_name(name)
    elif name.endswith(ENDINGS) or Path(name).is_file():
        instance = _from_file(Path(name))
    else:
        raise InputError(f"instance {spec!r}: unknown name; expected {FORMS}")
    return with_due_dates(instance, options["due_factor"]) if options else instance


def _from_validation_set(name: str) -> JobShopInstance:
    _, *rest = name.split(":")
    sizes = rest[0].split("x") if len(rest) == 2 else []
    numbers = [*sizes, rest[-1]]
    if len(sizes) != 2 or not all(part.isascii() and part.isdigit() and len(part) < 5 for part in numbers):
        raise InputError(f"instance {name!r}: expected l2d:<jobs>x<machines>:<index>, for example l2d:10x10:0")
    return l2d_validation(*map(int, numbers))


def _from_file(path: Path) -> JobShopInstance:
    if path.suffix in (".json", ".npz"):
        return JobShopInstance.load(path)
    return read_text(path)


@cache
def _built_in() -> dict[str, str]:
    """Return name -> standard text of the instances shipped in full."""
    text = files("ganttlet.job_shop").joinpath("data/ft.json").read_text(encoding="utf-8")
    return {name: "\n".join(lines) for name, lines in json.loads(text)["instances"].items()}


def _by_name(name: str) -> JobShopInstance:
    if name in taillard_seeds():
        return taillard(*taillard_seeds()[name], name=name)
    if name in _built_in():
        return parse(_built_in()[name], name)
    path = data_path("job_shop", "instances", name.rstrip("0123456789"), f"{name}.txt")
    if not path.is_file():
        raise InputError(
            f"instance {name!r}: {path} does not exist; set GANTTLET_DATA to the folder that holds "
            f"{Path(*path.parts[-4:]).as_posix()}"
        )
    instance = read_text(path)
    known = table()[name]
    wrong = known.digest and content_digest(instance) != known.digest
    if wrong or (instance.n_jobs, instance.n_machines) != (known.jobs, known.machines):
        raise InputError(f"{path}: is not the published {name} ({known.jobs}x{known.machines}); its content differs")
    return instance
