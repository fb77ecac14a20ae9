"""Workloads by name, file or description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ganttlet.core.errors import InputError, check_choice, check_keys
from ganttlet.core.specs import resolve_spec, split_options
from ganttlet.soc_dag.application import Application
from ganttlet.soc_dag.bundles import as_application, as_platform, parse_bundle
from ganttlet.soc_dag.formats import change_scenario, load_json
from ganttlet.soc_dag.graph_files import TaskGraph, read_graph, related_platform
from ganttlet.soc_dag.instance import MOST_PES, Workload
from ganttlet.soc_dag.mixes import MIXES
from ganttlet.soc_dag.platform import Platform
from ganttlet.soc_dag.profiles import DATA_SETS, application_names, find_application, find_platform, home_of
from ganttlet.soc_dag.scenario import Scenario

__all__ = ["DATA_SETS", "Base", "base", "generate", "names", "resolve", "with_options"]

FORMS = (
    "a stream (top_mix5, ds3_fig12b …), an application (top_1, wifi_tx …), a file (.json, .npz, .stg, .dot, or .txt of "
    "the DS3 simulators), or a mapping with 'platform' and 'applications', or with 'generator' and 'seed'"
)
ENDINGS = (".json", ".npz", ".stg", ".dot", ".txt")
# One job at time 0, alone: what an application by name, or one from a file, is without options.
SINGLE = Scenario(arrivals="trace", trace=((0, 0),), capacity=1, length=None)
# option of a name that changes the scenario -> the type its text is read as
SCENARIO_OPTIONS: Mapping[str, type] = {
    "arrivals": str,
    "scale": float,
    "rate": float,
    "capacity": int,
    "full": str,
    "prefill": bool,
    "length": int,
    "jobs": int,
    "end": str,
    "warmup": int,
    "cooldown": int,
    "stop_after": int,
    "noise": str,
    "std": float,
    "communication": str,
    "deadline_factor": float,
    "tick_compat": bool,
    "seed": int,
}
_OPTIONAL = ("length", "jobs", "stop_after", "deadline_factor")  # those that "none" switches off
BASE_OPTIONS = ("platform", "at", "without")
GRAPH_OPTIONS = ("pes", "speeds", "bandwidth")
_WORDS = {str: "a text", float: "a number", int: "an integer", bool: "true or false"}


class Base(NamedTuple):
    """The parts of a workload by name: platform, applications, their shares, and the scenario without options."""

    platform: Platform
    applications: tuple[Application, ...]
    probability: tuple[float, ...]
    scenario: Scenario


def names() -> tuple[str, ...]:
    """Return all names of workloads: the streams, then the applications."""
    return (*MIXES, *application_names())


def base(name: str) -> Base:
    """Return the parts of a stream, or of an application by name, which is one job at time 0.

    Raises:
        InputError: for an unknown name, or if outside data that it needs is absent.
    """
    if name in MIXES:
        mix = MIXES[name]
        apps = tuple(find_application(one) for one in mix.applications)
        return Base(find_platform(mix.platform), apps, mix.shares, mix.scenario)
    check_choice("workload", name, names())
    return Base(find_platform(home_of(name)), (find_application(name),), (1.0,), SINGLE)


def generate(settings: Mapping[str, Any], seed: int) -> Workload:
    """Return the workload that the generator of ``settings`` draws for ``seed``."""
    # A generator may take its base from this module.
    from ganttlet.soc_dag.generator import make_generator

    made: Workload = make_generator(settings).sample(seed)
    return made


def resolve(spec: Any) -> Workload:
    """Return the workload that ``spec`` describes.

    Args:
        spec: a Workload; a stream ("top_single", "top_mix5", "top_mix10", "table4"; "ds3_fig12a", "ds3_fig12b",
            "il_mix" from outside data); an application, which is one job at time 0 ("top_1" … "top_10", "table4_…";
            "wifi_tx", "wifi_rx", "range_detection", "sc_tx", "sc_rx", "temporal_mitigation" from outside data); a file:
            a saved Workload (.npz, .json), its parts (.json, see :func:`ganttlet.soc_dag.bundles.parse_bundle`), or one
            application (.json, .stg, .dot, .txt of DS3), which is one job at time 0 too.

            Options behind it, as in "ds3_fig12b:rate=16.7:seed=3": every field of Scenario that is one value ("none"
            switches an optional one off); ``rate``, jobs per 1000 ticks, in place of ``scale``. Before a name or an
            application's file also ``platform`` (G1 … G5, another name, or a file), ``at`` (operating points in MHz,
            "A15-1000+A7-600") and ``without`` (applications left out, "wifi_rx+sc_tx"). For .stg and .dot, instead of
            a platform, ``pes`` (4) equal PEs or ``speeds`` ("1+1+2.5"), and ``bandwidth`` (1) between them.

            A mapping: {"name": any of the strings above, "scale": 60}; the parts, {"platform": …, "applications":
            […], "scenario": {…}}; {"generator": settings, "seed": 3}; or a whole Workload as plain data.

    Raises:
        InputError: naming the spec, file or key and what was expected.
    """
    return resolve_spec(
        spec,
        Workload,
        FORMS,
        from_file=lambda path: _described(str(path), {}),
        from_string=lambda text: _described(*split_options(text)),
        from_mapping=_from_mapping,
    )


def with_options(instance: Workload, options: Mapping[str, Any]) -> Workload:
    """Return ``instance`` with other values of SCENARIO_OPTIONS, which its name then shows; a None changes nothing.

    A new ``std`` holds for all tasks. Where ``jobs`` only bounded what ``length`` brings, it follows the other values.

    Raises:
        InputError: naming the option.
    """
    given = {key: value for key, value in options.items() if value is not None}
    what = f"instance {instance.name!r}"
    check_keys(what, given, SCENARIO_OPTIONS)
    if not given:
        return instance
    plain, shown = split_options(instance.name)
    replaced = ("scale", "rate") if {"scale", "rate"} & given.keys() else ()
    kept = {key: value for key, value in shown.items() if key not in replaced}
    return replace(_changed(instance, given, what), name=_shown(plain, {**kept, **given}))


def _changed(instance: Workload, options: Mapping[str, Any], what: str) -> Workload:
    """Return ``instance`` with options of SCENARIO_OPTIONS under its old name; ``what`` names it in errors."""
    changes = {key: _value(what, key, value) for key, value in options.items()}
    scenario = change_scenario(_open_ended(instance.scenario), changes, what)
    fields: dict[str, Any] = {
        key: getattr(scenario, key)
        for key in Scenario.__dataclass_fields__
        if key not in ("trace", "outages", "std", "deadline_factor")
    }
    fields["jobs"] = scenario.most_jobs
    fields["trace"] = np.array(scenario.trace, np.int64).reshape(-1, 2)
    if "std" in changes:
        tasks = np.arange(instance.exec_time.shape[1])
        fields["std"] = np.where(tasks < instance.n_tasks[:, None], scenario.std, 0.0)
    if "deadline_factor" in changes:
        factor = scenario.deadline_factor
        due = np.maximum(1, np.ceil((factor or 0.0) * instance.critical_path))
        fields["deadline"] = np.zeros(instance.n_apps, np.int64) if factor is None else due.astype(np.int64)
    try:
        return replace(instance, **fields)
    except InputError as error:
        raise InputError(f"{what}: {error}") from None


def _open_ended(scenario: Scenario) -> Scenario:
    """Return the scenario of a Workload without ``jobs`` if that is only the bound that follows from the rest."""
    if scenario.arrivals != "trace" and scenario.length is None:
        return scenario
    free = replace(scenario, jobs=None)
    return free if free.most_jobs == scenario.jobs else scenario


def _value(what: str, key: str, value: Any) -> Any:
    """Return an option's value, read from its text if it is one."""
    kind = SCENARIO_OPTIONS[key]
    if not isinstance(value, str) or kind is str:
        return value.item() if isinstance(value, np.generic) else value
    if value == "none" and key in _OPTIONAL:
        return None
    if kind is bool:
        check_choice(f"{what}: option {key!r}", value, ("true", "false"))
        return value == "true"
    try:
        return kind(value)
    except ValueError:
        raise InputError(f"{what}: option {key!r}: expected {_WORDS[kind]}, got {value!r}") from None


def _described(name: str, options: Mapping[str, Any]) -> Workload:
    """Return the workload of a name or file with options."""
    path = Path(name)
    spec = _shown(name, options)
    what = f"instance {spec!r}"
    later = {key: value for key, value in options.items() if key in SCENARIO_OPTIONS}
    earlier = {key: value for key, value in options.items() if key not in SCENARIO_OPTIONS}
    try:
        if name in names():
            check_keys(what, options, (*BASE_OPTIONS, *SCENARIO_OPTIONS))
            made = _build(base(name), earlier, what)
        elif path.suffix in ENDINGS:
            spec = _shown(path.stem, options)
            made = _from_file(path, earlier, what)
        else:
            raise InputError(f"{what}: unknown name; expected {FORMS}")
        return replace(_changed(made, later, what) if later else made, name=spec)
    except InputError as error:
        raise error if str(error).startswith((what, name)) else InputError(f"{what}: {error}") from None


def _from_file(path: Path, options: Mapping[str, Any], what: str) -> Workload:
    """Return the workload of a file; ``options`` are those that are not the scenario's."""
    rest = {key: value for key, value in options.items() if key in ("at", "without")}
    if path.suffix in (".stg", ".dot"):
        check_keys(what, options, (*BASE_OPTIONS, *GRAPH_OPTIONS, *SCENARIO_OPTIONS))
        graph = read_graph(path)
        for key in GRAPH_OPTIONS if "platform" in options else ():
            if key in options:
                raise InputError(f"{what}: options 'platform' and {key!r} both say what it runs on; give one")
        platform = options.get("platform") or _related(graph, options, what)
        return _build(_alone(graph.application, platform, what), rest, what)
    data = load_json(path) if path.suffix == ".json" else None
    if path.suffix == ".txt" or (isinstance(data, Mapping) and "kernels" in data):
        check_keys(what, options, (*BASE_OPTIONS, *SCENARIO_OPTIONS))
        app = as_application(path, what)
        if "platform" not in options:
            raise InputError(f"{path}: is one application; expected option 'platform', what it runs on")
        return _build(_alone(app, options["platform"], what), rest, what)
    check_keys(what, options, SCENARIO_OPTIONS)
    if path.suffix == ".npz":
        return Workload.load(path)
    if isinstance(data, Mapping) and "clusters" in data:
        raise InputError(f"{path}: is a platform alone; expected applications too")
    if isinstance(data, Mapping) and "applications" in data:
        return parse_bundle(data, str(path), path.parent, path.stem)
    return Workload.from_dict(data, str(path))


def _alone(app: Application, platform: Any, what: str) -> Base:
    return Base(as_platform(platform, f"{what}: option 'platform'"), (app,), (1.0,), SINGLE)


def _related(graph: TaskGraph, options: Mapping[str, Any], what: str) -> Platform:
    """Return the PEs that the options ``pes`` or ``speeds``, and ``bandwidth``, describe."""
    if "pes" in options and "speeds" in options:
        raise InputError(f"{what}: options 'pes' and 'speeds' both give the PEs; give only one of them")
    try:
        # No more than one PE too many, so that the Workload refuses the number.
        listed = options.get("speeds", (1.0,) * min(int(options.get("pes", 4)), MOST_PES + 1))
        listed = listed.split("+") if isinstance(listed, str) else listed
        speeds, bandwidth = [float(speed) for speed in listed], int(options.get("bandwidth", 1))
    except (TypeError, ValueError):
        raise InputError(
            f"{what}: expected 'pes' and 'bandwidth' as integers, and 'speeds' as numbers joined by '+'"
        ) from None
    return related_platform([graph], speeds, bandwidth=bandwidth)


def _build(parts: Base, options: Mapping[str, Any], what: str) -> Workload:
    """Return the workload of ``parts`` with the options of BASE_OPTIONS."""
    platform, apps, shares, scenario = parts
    if "platform" in options:
        platform = as_platform(options["platform"], f"{what}: option 'platform'")
    if "at" in options:
        platform = platform.at(**_points(options["at"], what))
    if "without" in options:
        value = options["without"]
        absent = value.split("+") if isinstance(value, str) else value
        if not isinstance(absent, list | tuple):
            raise InputError(f"{what}: option 'without' is {value!r}; expected names joined by '+', or a list")
        for name in absent:
            check_choice(f"{what}: option 'without'", name, [app.name for app in apps])
        kept = [number for number, app in enumerate(apps) if app.name not in absent]
        if not kept:
            raise InputError(f"{what}: option 'without' leaves no application; expected at least one")
        apps, shares = tuple(apps[number] for number in kept), tuple(shares[number] for number in kept)
    return Workload.build(platform, apps, scenario, probability=shares)


def _points(value: Any, what: str) -> dict[str, int]:
    """Return cluster -> MHz of the option ``at``: "A15-1000+A7-600", or a mapping."""
    if isinstance(value, Mapping):
        return dict(value)
    points = {}
    for part in str(value).split("+"):
        cluster, _, mhz = part.rpartition("-")
        if not (cluster and mhz.isascii() and mhz.isdigit() and len(mhz) < 10):
            raise InputError(f"{what}: option 'at': expected <cluster>-<MHz>, joined by '+', got {part!r}")
        if cluster in points:
            raise InputError(f"{what}: option 'at': cluster {cluster!r} is given twice")
        points[cluster] = int(mhz)
    return points


def _from_mapping(spec: Mapping[str, Any]) -> Workload:
    if "generator" in spec:
        check_keys("instance with a generator", spec, ("generator", "seed"))
        return generate(spec["generator"], spec.get("seed", 0))
    if "exec_time" in spec:
        return Workload.from_dict(dict(spec), source="instance")
    if "applications" in spec or "name" not in spec:
        return parse_bundle(spec, "instance")
    known = (*BASE_OPTIONS, *GRAPH_OPTIONS, *SCENARIO_OPTIONS)
    check_keys("instance by name", spec, ("name", *known))
    if not isinstance(spec["name"], str | Path):
        raise InputError(f"instance by name: field 'name' is {spec['name']!r}; expected a name or a file")
    name, options = split_options(str(spec["name"]))
    given = {key: value for key, value in spec.items() if key != "name" and value is not None}
    if "rate" in given or "scale" in given:
        options = {key: value for key, value in options.items() if key not in ("rate", "scale")}
    return _described(name, {**options, **given})


def _shown(name: str, options: Mapping[str, Any]) -> str:
    """Return a name with its options behind it."""
    return ":".join([name, *(f"{key}={_text(value)}" for key, value in options.items())])


def _text(value: Any) -> str:
    """Return an option's value as a name shows it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Platform):
        return value.name
    if isinstance(value, Mapping):
        return str(value.get("name")) if "clusters" in value else "+".join(f"{k}-{v}" for k, v in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "+".join(map(str, value))
    return str(value)
