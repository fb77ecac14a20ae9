"""Days by name, file or description."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganttlet.core.errors import InputError, check_choice, check_keys
from ganttlet.core.specs import resolve_spec, split_options
from ganttlet.uam_fleet import formats
from ganttlet.uam_fleet import geography as places
from ganttlet.uam_fleet.generator import make_generator
from ganttlet.uam_fleet.instance import Scenario
from ganttlet.uam_fleet.presets import DEFAULT, SETTINGS

FORMS = (
    "a geography (random, nyc, dfw) or a generator (captain-2024, predecessor-2022), with options as in "
    "nyc:fleet=20:seed=3; a file (.json, .npz); or a mapping with 'generator' and 'seed'"
)
OWN_OPTIONS = ("preset", "seed")


def generate(settings: Mapping[str, Any], seed: int) -> Scenario:
    """Return the day that the generator of ``settings`` draws for ``seed``."""
    return make_generator(settings).sample(seed)


def resolve(spec: Any) -> Scenario:
    """Return the day that ``spec`` describes.

    Args:
        spec: a Scenario; a name: ``random``, ``nyc``, ``dfw``, or a generator's; a file: a scenario or a geography in
            the formats of this package, or a saved record (.json, .npz); names and geographies may have options behind
            them, as in "nyc:fleet=20:demand=6000:seed=3": any setting of the generator, ``seed`` (0) and ``preset``,
            the generator (captain-2024); or a mapping: {"generator": settings, "seed": 3}, {"name": "nyc", "fleet": 20,
            "seed": 3}, or a whole day as plain data.

    Raises:
        InputError: naming the spec, file or key and what was expected.
    """
    return resolve_spec(
        spec, Scenario, FORMS, from_file=_from_file, from_string=_from_string, from_mapping=_from_mapping
    )


def _from_mapping(spec: Mapping[str, Any]) -> Scenario:
    if "generator" in spec:
        check_keys("instance with a generator", spec, ("generator", "seed"))
        return generate(spec["generator"], spec.get("seed", 0))
    if "format" in spec:
        return formats.parse_scenario(spec, "instance")
    if "family" in spec or "start_port" in spec or "name" not in spec:
        return Scenario.from_dict(dict(spec), source="instance")
    if not isinstance(spec["name"], str):
        raise InputError(f"instance: key 'name': expected text, got {spec['name']!r}")
    return _named(spec["name"], {key: value for key, value in spec.items() if key != "name"})


def _from_string(spec: str) -> Scenario:
    name, options = split_options(spec)
    return _named(name, {key: _value(text) for key, text in options.items()})


def _value(text: str) -> Any:
    """Return an option's value: JSON if it is some, such as a number or a list, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _named(name: str, options: Mapping[str, Any]) -> Scenario:
    what = f"instance {name!r}"
    if name in SETTINGS:
        return _drawn(what, {"preset": name}, options)
    if name == "random" or name in places.shipped_geographies():
        return _drawn(what, {"geography": name}, options)
    path = Path(name)
    if path.suffix not in (".json", ".npz") and not path.is_file():
        raise InputError(f"{what}: unknown name; expected {FORMS}")
    if path.suffix == ".json" and _format_of(path) == places.FORMAT:
        return _drawn(what, {"geography": name}, options)
    if options:
        raise InputError(f"{what}: option {next(iter(options))!r}: a whole day takes no options")
    return _from_file(path)


def _drawn(what: str, fixed: Mapping[str, Any], options: Mapping[str, Any]) -> Scenario:
    known = [key for key in (*OWN_OPTIONS, *SETTINGS[DEFAULT]) if key not in fixed]
    check_keys(what, options, known)
    chosen = {"preset": DEFAULT, "seed": 0, **fixed, **options}
    preset, seed = chosen.pop("preset"), chosen.pop("seed")
    check_choice(f"{what}: option 'preset'", preset, SETTINGS)
    return generate({"name": preset, **chosen}, seed)


def _format_of(path: Path) -> Any:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON: {error}") from None
    return data.get("format") if isinstance(data, dict) else None


def _from_file(path: Path) -> Scenario:
    if path.suffix == ".json" and (kind := _format_of(path)) is not None:
        if kind == places.FORMAT:
            return _drawn(f"instance {str(path)!r}", {"geography": str(path)}, {})
        return formats.read_scenario(path)
    return Scenario.load(path)
