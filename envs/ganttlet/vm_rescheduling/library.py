"""Clusters by name, file or description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganttlet.core.errors import InputError, check_keys
from ganttlet.core.specs import resolve_spec, split_options
from ganttlet.vm_rescheduling.formats import read_file
from ganttlet.vm_rescheduling.generator import make_generator
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.snapshots import DATA_SETS, SNAPSHOTS, load_snapshot

__all__ = ["DATA_SETS", "generate", "resolve", "with_options"]

ENDINGS = (".json", ".npz", ".csv")
FORMS = (
    "medium, large, a file (.json, .npz, hosts.csv), a folder of CSV files, or a mapping with 'generator' and 'seed'"
)
# option of a name -> field, and the type its text is read as
OPTIONS: Mapping[str, tuple[str, type[int] | type[float]]] = {
    "mnl": ("limit", int),
    "goal": ("goal", float),
    "block": ("block", int),
    "mix": ("mix", float),
    "memory_block": ("memory_block", int),
}


def generate(settings: Mapping[str, Any], seed: int) -> Cluster:
    """Return the cluster that the generator of ``settings`` draws for ``seed``."""
    return make_generator(settings).sample(seed)


def resolve(spec: Any) -> Cluster:
    """Return the cluster that ``spec`` describes.

    Args:
        spec: a Cluster; "medium" or "large" (the published snapshots, read from the folder of outside data; 50
            moves); a snapshot file, a saved record, or a folder of CSV files; any of these with options behind it,
            such as "medium:mnl=20:goal=0.45" (also ``block`` in cores, ``mix``, ``memory_block`` in MB); or a
            mapping: {"generator": settings, "seed": 3}, {"name": any of the strings above, "mnl": 20}, or a whole
            cluster as plain data.

    Raises:
        InputError: naming the spec, file or key and what was expected.
    """
    return resolve_spec(spec, Cluster, FORMS, from_file=read_file, from_string=_from_string, from_mapping=_from_mapping)


def with_options(instance: Cluster, options: Mapping[str, Any]) -> Cluster:
    """Return ``instance`` with other values of OPTIONS, which its name then shows; a None changes nothing.

    Raises:
        InputError: naming the option.
    """
    given = {key: value for key, value in options.items() if value is not None}
    check_keys(f"instance {instance.name!r}", given, OPTIONS)
    base, shown = split_options(instance.name)
    name = ":".join([base, *(f"{key}={value}" for key, value in {**shown, **given}.items())])
    fields = {OPTIONS[key][0]: _value(name, key, value) for key, value in given.items()}
    try:
        return replace(instance, name=name, **fields) if fields else instance
    except InputError as error:
        raise InputError(f"instance {name!r}: {error}") from None


def _value(name: str, key: str, value: Any) -> Any:
    """Return an option's value, read from its text if it is one."""
    kind = OPTIONS[key][1]
    try:
        return kind(value) if isinstance(value, str) else value
    except ValueError:
        word = "an integer" if kind is int else "a number"
        raise InputError(f"instance {name!r}: option {key!r}: expected {word}, got {value!r}") from None


def _from_string(spec: str) -> Cluster:
    name, options = split_options(spec)
    check_keys(f"instance {spec!r}", options, OPTIONS)
    if name in SNAPSHOTS:
        instance = load_snapshot(name)
    elif name.endswith(ENDINGS) or (name and Path(name).exists()):
        instance = read_file(Path(name))
    else:
        raise InputError(f"instance {spec!r}: unknown name; expected {FORMS}")
    return with_options(instance, options)


def _from_mapping(spec: Mapping[str, Any]) -> Cluster:
    if "generator" in spec:
        check_keys("instance with a generator", spec, ("generator", "seed"))
        return generate(spec["generator"], spec.get("seed", 0))
    if "cpu" in spec or "name" not in spec:
        return Cluster.from_dict(dict(spec), source="instance")
    check_keys("instance by name", spec, ("name", *OPTIONS))
    return with_options(resolve(spec["name"]), {key: value for key, value in spec.items() if key != "name"})
