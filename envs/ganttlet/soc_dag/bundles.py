"""A workload described by its parts: a platform and applications, each by name, file or inline, and a scenario."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganttlet.core.errors import InputError, check_keys
from ganttlet.soc_dag.application import Application
from ganttlet.soc_dag.ds3_files import read_job, read_soc
from ganttlet.soc_dag.formats import parse_application, parse_platform, parse_scenario, read_application, read_platform
from ganttlet.soc_dag.graph_files import TaskGraph, read_graph
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.platform import Platform
from ganttlet.soc_dag.profiles import application_names, find_application, find_platform, platform_names
from ganttlet.soc_dag.scenario import Scenario

BUNDLE_KEYS = ("schema", "name", "platform", "applications", "probability", "scenario", "std")
BUNDLE_SCHEMA = "soc_dag.bundle/1"


def parse_bundle(data: Mapping[str, Any], source: str, folder: Path | None = None, name: str | None = None) -> Workload:
    """Return the workload that ``data`` describes.

    Args:
        data: a mapping with ``platform`` (see :func:`as_platform`), ``applications`` (a list, see
            :func:`as_application`), and optionally ``probability`` (a share per application), ``scenario`` (a Scenario
            or a mapping with its fields), ``std`` (kernel -> relative standard deviation), ``name``, ``schema``.
        source: the data's origin, for errors.
        folder: where relative paths begin; None: the current folder.
        name: the workload's where ``data`` has none.

    Raises:
        InputError: naming the source, field and what was expected.
    """
    check_keys(source, data, BUNDLE_KEYS)
    if data.get("schema", BUNDLE_SCHEMA) != BUNDLE_SCHEMA:
        raise InputError(f"{source}: field 'schema' is {data['schema']!r}, expected {BUNDLE_SCHEMA!r}")
    for key in ("platform", "applications"):
        if key not in data:
            raise InputError(f"{source}: field {key!r} is missing")
    listed = data["applications"]
    if not isinstance(listed, list | tuple) or not listed:
        raise InputError(f"{source}: field 'applications' is {listed!r}; expected a list of at least one"[:300])
    apps = [
        as_application(entry, f"{source}: field 'applications', entry {number}", folder)
        for number, entry in enumerate(listed)
    ]
    platform = as_platform(data["platform"], f"{source}: field 'platform'", folder)
    scenario = data.get("scenario", {})
    if not isinstance(scenario, Scenario):
        scenario = parse_scenario(scenario, f"{source}: field 'scenario'", [app.name for app in apps])
    given = data.get("name", name)
    if given is not None and not isinstance(given, str):
        raise InputError(f"{source}: field 'name' is {given!r}; expected a text")
    try:
        return Workload.build(
            platform,
            apps,
            scenario,
            probability=_shares(data.get("probability"), source),
            std=_std(data.get("std"), apps, source),
            name=given,
        )
    except InputError as error:
        raise error if str(error).startswith(source) else InputError(f"{source}: {error}") from None


def as_platform(spec: Any, source: str, folder: Path | None = None) -> Platform:
    """Return a Platform as it is, by name, from a file (.json, or .txt of the DS3 simulators) or from inline data."""
    if isinstance(spec, Platform):
        return spec
    if isinstance(spec, Mapping):
        return parse_platform(spec, source)
    if spec in platform_names():
        return find_platform(spec)
    path = _path(spec, source, folder, platform_names())
    return read_soc(path) if path.suffix == ".txt" else read_platform(path)


def as_application(spec: Any, source: str, folder: Path | None = None) -> Application:
    """Return an Application as it is, by name, from a file (.json; .txt of DS3; .stg, .dot) or from inline data."""
    if isinstance(spec, Application):
        return spec
    if isinstance(spec, TaskGraph):
        return spec.application
    if isinstance(spec, Mapping):
        return parse_application(spec, source)
    if spec in application_names():
        return find_application(spec)
    path = _path(spec, source, folder, application_names())
    if path.suffix == ".txt":
        return read_job(path)
    return read_graph(path).application if path.suffix in (".stg", ".dot") else read_application(path)


def _path(spec: Any, source: str, folder: Path | None, names: tuple[str, ...]) -> Path:
    if not isinstance(spec, str | Path) or not str(spec):
        raise InputError(f"{source} is {spec!r}; expected a name, a file or a mapping"[:300])
    path = folder / spec if folder else Path(spec)
    if isinstance(spec, str) and not path.suffix and not path.exists():
        raise InputError(f"{source}: unknown name {spec!r}; expected one of {', '.join(names)}, or a file")
    return path


def _shares(value: Any, source: str) -> list[float] | None:
    if value is None:
        return None
    numbers = isinstance(value, list | tuple) and all(
        isinstance(share, int | float) and not isinstance(share, bool) and math.isfinite(share) for share in value
    )
    if not numbers:
        raise InputError(f"{source}: field 'probability' is {value!r}; expected a list of shares"[:300])
    return list(value)


def _std(value: Any, apps: list[Application], source: str) -> dict[str, float] | None:
    if value is None:
        return None
    where = f"{source}: field 'std'"
    if not isinstance(value, Mapping):
        raise InputError(f"{where} is {value!r}; expected a mapping from kernel to relative standard deviation")
    check_keys(where, value, dict.fromkeys(kernel for app in apps for kernel in app.kernels))
    for kernel, share in value.items():
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 10:
            raise InputError(f"{where}: kernel {kernel!r} has {share!r}; expected a share in 0 … 10")
    return dict(value)
