"""Descriptions of instances: what every family's ``resolve`` takes, and the options behind a name."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ganttlet.core.errors import InputError

T = TypeVar("T")


def resolve_spec(
    spec: Any,
    kind: type[T],
    forms: str,
    *,
    from_file: Callable[[Path], T],
    from_string: Callable[[str], T],
    from_mapping: Callable[[Mapping[str, Any]], T],
) -> T:
    """Return the instance that ``spec`` describes: itself, or what the reader of its type makes of it.

    Raises:
        InputError: for a spec of another type, naming it and ``forms``, what was expected.
    """
    if isinstance(spec, kind):
        return spec
    if isinstance(spec, Path):
        return from_file(spec)
    if isinstance(spec, str):
        return from_string(spec)
    if isinstance(spec, Mapping):
        return from_mapping(spec)
    raise InputError(f"instance: cannot use {type(spec).__name__} {reprlib.repr(spec)}; expected {forms}")


def split_options(spec: str) -> tuple[str, dict[str, str]]:
    """Split trailing ``:key=value`` options off; the rest is a name or a path, which may hold colons.

    Raises:
        InputError: for an option that is given twice.
    """
    parts = spec.split(":")
    options: dict[str, str] = {}
    while len(parts) > 1 and "=" in parts[-1]:
        key, _, value = parts.pop().partition("=")
        if key in options:
            raise InputError(f"instance {spec!r}: option {key!r} is given twice")
        options[key] = value
    return ":".join(parts), dict(reversed(options.items()))
