"""JSON files of applications, platforms and scenarios: read with errors that name file and field, and written.

An application (schema ``soc_dag.app/1``) and a platform (``soc_dag.soc/1``) are one JSON object each; the layouts are
listed at :func:`parse_application` and :func:`parse_platform`. A Workload is saved and loaded as a record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ganttlet.core.errors import InputError, check_choice, check_keys
from ganttlet.core.record import write_atomic
from ganttlet.soc_dag.application import Application
from ganttlet.soc_dag.platform import TYPES, Cluster, Platform
from ganttlet.soc_dag.scenario import Scenario

APP_SCHEMA = "soc_dag.app/1"
SOC_SCHEMA = "soc_dag.soc/1"
# What an application is known by elsewhere: read by people, and by nothing here.
_APP_NOTES = ("title", "upstream_name", "time_unit", "depth", "width", "input_bits", "output_bits", "notes")
_APP_KEYS = ("schema", "name", "source", "kernels", "edges", "n_tasks", "n_edges", *_APP_NOTES)
_SOC_KEYS = (
    *("schema", "name", "title", "source", "notes", "time_unit", "n_pe", "clusters", "bandwidth", "bandwidth_same_pe"),
    *("bandwidth_to_memory", "exec", "exec_profiled_override"),
)
# Thermal throttling and power gating are not simulated, so trip_mhz and power_w_gated stay unread.
_CLUSTER_KEYS = (
    *("name", "type", "count", "governor", "mhz", "opp_mhz_mv", "power_w", "leak_w", "trip_mhz", "power_w_gated"),
)
LARGEST = 2**62  # numbers of a file stay below, so that they fit in an int64
GOVERNORS = ("performance", "powersave")
SCENARIO_KEYS = (*Scenario.__dataclass_fields__, "rate")


def load_json(path: str | Path) -> Any:
    """Return what a JSON file holds; raises InputError naming it."""
    try:
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as json: {error}") from None


def read_application(path: str | Path) -> Application:
    """Read an application file; raises InputError naming the file and field."""
    return parse_application(load_json(path), str(path))


def parse_application(data: Any, source: str) -> Application:
    """Return the application that ``data`` describes.

    Args:
        data: a mapping with ``name``, ``kernels`` (a name per task) and ``edges`` ([source, target, volume], tasks
            counted from 0). Optional: ``schema``, ``source``, ``n_tasks`` and ``n_edges``, which must agree, and what
            only people read: ``title``, ``upstream_name``, ``time_unit``, ``depth``, ``width``, ``input_bits``,
            ``output_bits``, ``notes``.
        source: the data's origin, for errors.
    """
    _head(data, APP_SCHEMA, _APP_KEYS, source)
    kernels = _list(data, "kernels", source)
    for number, kernel in enumerate(kernels):
        _check_text(kernel, f"{source}: field 'kernels', entry {number}")
    edges = []
    for number, edge in enumerate(_list(data, "edges", source)):
        whole = isinstance(edge, list | tuple) and len(edge) == 3 and all(_is_int(value) for value in edge)
        if not whole:
            raise InputError(
                f"{source}: field 'edges', entry {number} is {edge!r}; expected [source, target, volume], all integers"
            )
        edges.append((edge[0], edge[1], edge[2]))
    for key, count in (("n_tasks", len(kernels)), ("n_edges", len(edges))):
        if data.get(key, count) != count:
            raise InputError(f"{source}: field {key!r} is {data[key]!r}, but the file lists {count}")
    with_source = _text(data, "source", source, "")
    try:
        return Application(_text(data, "name", source), tuple(kernels), tuple(edges), with_source)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


def application_data(app: Application) -> dict[str, Any]:
    """Return the plain data of an application, as :func:`parse_application` reads it."""
    return {
        "schema": APP_SCHEMA,
        "name": app.name,
        "source": app.source,
        "n_tasks": app.n_tasks,
        "n_edges": len(app.edges),
        "kernels": list(app.kernels),
        "edges": [list(edge) for edge in app.edges],
    }


def write_application(app: Application, path: str | Path) -> None:
    """Write an application file, whole or not at all."""
    write_atomic(path, json.dumps(application_data(app), ensure_ascii=False) + "\n")


def read_platform(path: str | Path, *, profiled: bool = False) -> Platform:
    """Read a platform file; ``profiled`` as in :func:`parse_platform`. Raises InputError naming the file and field."""
    return parse_platform(load_json(path), str(path), profiled=profiled)


def parse_platform(data: Any, source: str, *, profiled: bool = False) -> Platform:
    """Return the platform that ``data`` describes.

    Args:
        data: a mapping with ``name``, ``clusters``, ``bandwidth`` (C rows of C), ``bandwidth_same_pe`` and ``exec``
            (application -> kernel -> C times, null where a cluster cannot run it; a name that ends in ``*`` serves
            every application that begins so). Optional: ``bandwidth_to_memory`` (C), ``time_unit``, ``source``,
            ``n_pe``, which must agree, ``exec_profiled_override`` (as ``exec``), ``title``, ``notes``. Each cluster has
            ``name``, ``type`` (see :func:`cluster_kind`) and ``count``. Optional: ``opp_mhz_mv`` ([MHz, mV] by rising
            frequency), ``power_w`` (MHz -> W with 1 … count busy PEs), ``mhz`` or ``governor`` (performance: the
            highest point, powersave: the lowest), ``leak_w``; ``trip_mhz`` and ``power_w_gated`` are not used.
        source: the data's origin, for errors.
        profiled: take the times of ``exec_profiled_override`` where it has any. They are what was measured where the
            simulator of the source reads another time because a kernel's name occurs twice.
    """
    _head(data, SOC_SCHEMA, _SOC_KEYS, source)
    clusters = tuple(
        _cluster(entry, f"{source}: field 'clusters', entry {number}")
        for number, entry in enumerate(_list(data, "clusters", source))
    )
    n_pes = sum(cluster.count for cluster in clusters)
    if data.get("n_pe", n_pes) != n_pes:
        raise InputError(f"{source}: field 'n_pe' is {data['n_pe']!r}, but the clusters have {n_pes}")
    times = _times(data, "exec", source)
    override = _times(data, "exec_profiled_override", source) if "exec_profiled_override" in data else {}
    if profiled and not override:
        raise InputError(f"{source}: field 'exec_profiled_override' is missing; expected one for profiled times")
    for app, kernels in override.items() if profiled else ():
        times[app] = {**times.get(app, {}), **kernels}
    rows = _list(data, "bandwidth", source)
    memory = data.get("bandwidth_to_memory")
    same_pe = data.get("bandwidth_same_pe")
    if not _is_int(same_pe):
        raise InputError(f"{source}: field 'bandwidth_same_pe' is {same_pe!r}; expected an integer")
    try:
        return Platform(
            name=_text(data, "name", source),
            clusters=clusters,
            bandwidth=tuple(_ints(row, f"{source}: field 'bandwidth', row {i}") for i, row in enumerate(rows)),
            bandwidth_same_pe=int(same_pe),
            times=times,
            bandwidth_to_memory=None if memory is None else _ints(memory, f"{source}: field 'bandwidth_to_memory'"),
            unit=_text(data, "time_unit", source, "us"),
            source=_text(data, "source", source, ""),
        )
    except InputError as error:
        raise error if str(error).startswith(source) else InputError(f"{source}: {error}") from None


def platform_data(platform: Platform) -> dict[str, Any]:
    """Return the plain data of a platform, as :func:`parse_platform` reads it."""
    data: dict[str, Any] = {
        "schema": SOC_SCHEMA,
        "name": platform.name,
        "source": platform.source,
        "time_unit": platform.unit,
        "n_pe": platform.n_pes,
        "clusters": [],
        "bandwidth": [list(row) for row in platform.bandwidth],
        "bandwidth_same_pe": platform.bandwidth_same_pe,
        "exec": {app: {name: list(row) for name, row in kernels.items()} for app, kernels in platform.times.items()},
    }
    if platform.bandwidth_to_memory is not None:
        data["bandwidth_to_memory"] = list(platform.bandwidth_to_memory)
    for one in platform.clusters:
        entry: dict[str, Any] = {"name": one.name, "type": one.kind, "count": one.count}
        if one.points:
            entry["opp_mhz_mv"] = [list(point) for point in one.points]
        if one.power:
            entry["power_w"] = {str(mhz): list(watts) for mhz, watts in one.power.items()}
        for key, value in (("mhz", one.mhz), ("leak_w", one.leak_w)):
            if value is not None:
                entry[key] = value
        data["clusters"].append(entry)
    return data


def write_platform(platform: Platform, path: str | Path) -> None:
    """Write a platform file, whole or not at all."""
    write_atomic(path, json.dumps(platform_data(platform), ensure_ascii=False) + "\n")


def cluster_kind(word: str, where: str) -> str:
    """Return the Cluster's ``kind`` for the type of a file: LITTLE or LTL, big or BIG, accelerator or ACC…, CPU…."""
    plain = {"LTL": "LITTLE", "BIG": "big"}.get(word, word)
    if plain in TYPES:
        return plain
    if word.startswith("ACC"):
        return "accelerator"
    if word.startswith("CPU"):
        return "other"
    raise InputError(f"{where}: unknown type {word!r}; expected {', '.join(TYPES)}, LTL, BIG, ACC… or CPU…")


def operating_point(governor: str, points: Sequence[tuple[int, int]], where: str) -> int | None:
    """Return the MHz that a fixed governor keeps, None for the highest; the others, which react, are not simulated."""
    if governor not in GOVERNORS:
        raise InputError(f"{where}: governor {governor!r} is not simulated; expected one of {', '.join(GOVERNORS)}")
    return min((mhz for mhz, _ in points), default=None) if governor == "powersave" else None


def parse_scenario(data: Any, source: str, app_names: Sequence[str], default: Scenario | None = None) -> Scenario:
    """Return the scenario that ``data`` describes: ``default`` (None: the class's own) with other values.

    Args:
        data: a mapping with fields of Scenario; ``trace`` holds [time, application's number or name]; ``rate`` may
            stand for ``scale``, see :func:`change_scenario`.
        source: the data's origin, for errors.
        app_names: the applications that ``trace`` may name.
        default: where ``data`` says nothing.
    """
    if not isinstance(data, Mapping):
        raise InputError(f"{source}: expected a mapping with fields of a scenario, got {data!r}")
    changes = dict(data)
    if "trace" in changes:
        rows = _list(data, "trace", source)
        changes["trace"] = tuple(
            _arrival(row, app_names, f"{source}: field 'trace', entry {i}") for i, row in _at(rows)
        )
        changes.setdefault("arrivals", "trace")
        if "length" not in changes:
            changes["length"] = None
    if "outages" in changes:
        rows = [_ints(row, f"{source}: field 'outages', entry {i}") for i, row in _at(_list(data, "outages", source))]
        if any(len(row) != 3 for row in rows):
            raise InputError(f"{source}: field 'outages': expected entries [PE, from, to]")
        changes["outages"] = tuple((row[0], row[1], row[2]) for row in rows)
    return change_scenario(Scenario() if default is None else default, changes, source)


def change_scenario(scenario: Scenario, changes: Mapping[str, Any], source: str) -> Scenario:
    """Return ``scenario`` with other values.

    Args:
        scenario: what to change.
        changes: field -> value; ``rate``, in jobs per 1000 ticks, stands for ``scale`` = 1000 / rate.
        source: the changes' origin, for errors.

    Raises:
        InputError: naming ``source`` and the field, also for a gap or rate where arrivals are a trace.
    """
    check_keys(source, changes, SCENARIO_KEYS)
    fields = dict(changes)
    if "rate" in fields:
        rate = fields.pop("rate")
        if "scale" in fields:
            raise InputError(f"{source}: fields 'rate' and 'scale' say the same; give only one of them")
        if not _is_number(rate) or rate <= 0:
            raise InputError(
                f"{source}: field 'rate' is {rate!r}; expected jobs per 1000 ticks, above 0: a rate of zero brings no "
                "jobs"
            )
        fields["scale"] = 1000 / rate
    arrivals = fields.get("arrivals", scenario.arrivals)
    if arrivals == "trace" and "scale" in fields:
        raise InputError(f"{source}: fields 'scale' and 'rate' mean nothing where arrivals are a trace")
    if arrivals != "trace":
        fields.setdefault("trace", ())
    try:
        return replace(scenario, **fields)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


def _arrival(row: Any, app_names: Sequence[str], where: str) -> tuple[int, int]:
    if not isinstance(row, list | tuple) or len(row) != 2 or not _is_int(row[0]):
        raise InputError(f"{where} is {row!r}; expected [time, application]")
    time, app = row
    if isinstance(app, str):
        check_choice(where, app, app_names)
        app = list(app_names).index(app)
    if not _is_int(app) or not 0 <= app < len(app_names):
        raise InputError(f"{where}: application {app!r}; expected a name or 0 … {len(app_names) - 1}")
    return int(time), int(app)


def _cluster(entry: Any, where: str) -> Cluster:
    if not isinstance(entry, Mapping):
        raise InputError(f"{where}: expected a mapping, got {entry!r}")
    check_keys(where, entry, _CLUSTER_KEYS)
    name, word = _text(entry, "name", where), _text(entry, "type", where)
    count: Any = entry.get("count")
    if not _is_int(count):
        raise InputError(f"{where}: field 'count' is {count!r}; expected an integer")
    points = [_ints(row, f"{where}: field 'opp_mhz_mv', row {i}") for i, row in _at(entry.get("opp_mhz_mv", ()))]
    if any(len(row) != 2 for row in points) or [row[0] for row in points] != sorted({row[0] for row in points}):
        raise InputError(f"{where}: field 'opp_mhz_mv': expected [MHz, mV] by rising frequency")
    mhz, governor = entry.get("mhz"), entry.get("governor")
    if mhz is not None and governor is not None:
        raise InputError(f"{where}: fields 'mhz' and 'governor' both set the frequency; give only one of them")
    if mhz is not None and not _is_int(mhz):
        raise InputError(f"{where}: field 'mhz' is {mhz!r}; expected an integer")
    pairs = tuple((row[0], row[1]) for row in points)
    if governor is not None:
        mhz = operating_point(governor, pairs, f"{where}: field 'governor'")
    leak = entry.get("leak_w")
    if leak is not None and not (_is_number(leak) and leak >= 0):
        raise InputError(f"{where}: field 'leak_w' is {leak!r}; expected W ≥ 0")
    try:
        kind = cluster_kind(word, f"{where}: field 'type'")
        return Cluster(name, count, kind, pairs, _power(entry.get("power_w", {}), where), mhz, leak)
    except InputError as error:
        raise error if str(error).startswith(where) else InputError(f"{where}: {error}") from None


def _power(data: Any, where: str) -> dict[int, tuple[float, ...]]:
    if not isinstance(data, Mapping):
        raise InputError(f"{where}: field 'power_w': expected a mapping from MHz to W, got {data!r}")
    power = {}
    for mhz, watts in data.items():
        if not (str(mhz).isascii() and str(mhz).isdigit() and len(str(mhz)) < 10):
            raise InputError(f"{where}: field 'power_w': {mhz!r} is no frequency in MHz")
        if not isinstance(watts, list | tuple) or not watts or not all(_is_number(watt) for watt in watts):
            raise InputError(f"{where}: field 'power_w' at {mhz} MHz is {watts!r}; expected a list of W")
        power[int(mhz)] = tuple(float(watt) for watt in watts)
    return power


def _times(data: Mapping[str, Any], key: str, source: str) -> dict[str, dict[str, tuple[float | None, ...]]]:
    tables = data.get(key)
    if not isinstance(tables, Mapping) or not all(isinstance(kernels, Mapping) for kernels in tables.values()):
        raise InputError(f"{source}: field {key!r}: expected a mapping from application to kernel to times")
    for app, kernels in tables.items():
        for kernel, row in kernels.items():
            fine = isinstance(row, list | tuple) and all(
                time is None or (_is_number(time) and time >= 0) for time in row
            )
            if not fine:
                raise InputError(
                    f"{source}: field {key!r} of {app!r}: kernel {kernel!r} has {row!r}; expected a list of times ≥ 0 "
                    "or null, one per cluster"
                )
    return {app: {kernel: tuple(row) for kernel, row in kernels.items()} for app, kernels in tables.items()}


def _head(data: Any, schema: str, keys: Sequence[str], source: str) -> None:
    if not isinstance(data, Mapping):
        raise InputError(f"{source}: expected a mapping, got {type(data).__name__}")
    if data.get("schema", schema) != schema:
        raise InputError(f"{source}: field 'schema' is {data['schema']!r}, expected {schema!r}")
    check_keys(source, data, keys)


def _list(data: Mapping[str, Any], key: str, source: str) -> list[Any]:
    value = data.get(key)
    if not isinstance(value, list | tuple):
        raise InputError(f"{source}: field {key!r} is {value!r}; expected a list"[:300])
    return list(value)


def _text(data: Mapping[str, Any], key: str, source: str, default: str | None = None) -> str:
    value = data.get(key, default)
    if value != default:
        _check_text(value, f"{source}: field {key!r}")
    if value is None:
        raise InputError(f"{source}: field {key!r} is missing; expected a text")
    return str(value)


def _check_text(value: Any, where: str) -> None:
    if not isinstance(value, str) or not value:
        raise InputError(f"{where} is {value!r}; expected a text")


def _ints(row: Any, where: str) -> tuple[int, ...]:
    if not isinstance(row, list | tuple) or not all(_is_int(value) for value in row):
        raise InputError(f"{where} is {row!r}; expected a list of integers")
    return tuple(row)


def _at(rows: Any) -> list[tuple[int, Any]]:
    """Number the entries of a list; something else is its own only entry, for the reader of entries to refuse."""
    return list(enumerate(rows)) if isinstance(rows, list | tuple) else [(0, rows)]


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < LARGEST  # NaN is not less
