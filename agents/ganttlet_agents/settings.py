"""Frozen dataclasses from plain data: unknown keys and wrong types are errors that name the key.

A nested mapping changes what it names and leaves the rest at the default of its field.
"""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Mapping
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from ganttlet.core.errors import InputError, check_keys

T = TypeVar("T")


def build(cls: type[T], data: Any, where: str, base: T | None = None) -> T:
    """Return the dataclass ``cls`` made of the mapping ``data``.

    A class with a method ``settled(given)`` has the last word on what follows from the keys that were given; one with
    ``of_number(value)`` or ``of_text(value)`` turns a plain number or text into such a mapping. A field of type
    ``tuple[X, ...]`` takes a list of X, or one X in place of a list of one.

    Args:
        cls: the dataclass.
        data: the settings that differ from ``base``.
        where: names them in errors.
        base: holds the settings that are not given; the defaults of ``cls`` if None.

    Raises:
        InputError: for an unknown key, a value of another type, or what the class itself refuses.
    """
    if not isinstance(data, Mapping):
        raise InputError(f"{where}: expected a mapping, got {data!r}")
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    check_keys(where, data, fields)
    hints = get_type_hints(cls)
    values = {name: default_of(field) if base is None else getattr(base, name) for name, field in fields.items()}
    for key, value in data.items():
        values[key] = _value(hints[key], value, f"{where}: {key}", values[key])
    for name, value in values.items():
        if value is dataclasses.MISSING:
            raise InputError(f"{where}: key {name!r} is missing")
    try:
        made: Any = cls(**values)
        settled: T = made.settled(data) if hasattr(made, "settled") else made
    except InputError as error:
        # A class that is read in other places, too, may name itself.
        told = str(error).removeprefix(f"{where.rpartition(': ')[2]}: ")
        raise InputError(f"{where}: {told}") from None
    return settled


def put(data: dict[str, Any], path: str, value: Any, where: str) -> None:
    """Set ``a.b.c`` in nested mappings, of which those that are changed are copied first.

    Raises:
        InputError: naming ``where``, if something that is no mapping stands on the way.
    """
    *within, last = path.split(".")
    for at, part in enumerate(within):
        inner = data.get(part) or {}
        if not isinstance(inner, dict):
            raise InputError(f"{where}: {path!r}: {'.'.join(within[: at + 1])} is {inner!r} here; set it whole")
        data[part] = dict(inner)
        data = data[part]
    data[last] = value


def default_of(field: dataclasses.Field[Any]) -> Any:
    """Return a field's default, ``dataclasses.MISSING`` if it has none."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _value(hint: Any, value: Any, where: str, default: Any = None) -> Any:
    origin = get_origin(hint)
    if hint is float or float in get_args(hint):
        value = _number(value)
    if origin in (Union, types.UnionType):
        options = get_args(hint)
        if value is None and type(None) in options:
            return None
        classes = [option for option in options if dataclasses.is_dataclass(option)]
        number = classes and hasattr(classes[0], "of_number") and _fits(float, _number(value))
        if classes and (number or isinstance(value, Mapping)):
            return _nested(classes[0], value, where, default)
        for option in options:
            if option is not type(None) and not dataclasses.is_dataclass(option) and _fits(option, value):
                return _plain(option, value)
        raise InputError(f"{where}: expected {_words(hint)}, got {value!r}")
    if dataclasses.is_dataclass(hint):
        return _nested(hint, value, where, default)
    if origin is dict or hint is dict:
        if not isinstance(value, Mapping):
            raise InputError(f"{where}: expected a mapping, got {value!r}")
        inner = get_args(hint)[1] if get_args(hint) else Any
        return {
            str(key): _value(inner, one, f"{where}.{key}") if inner is not Any else one for key, one in value.items()
        }
    if origin is tuple:
        inner = get_args(hint)[0]
        items = value if isinstance(value, list | tuple) else [value]
        return tuple(
            _value(inner, one, f"{where}, entry {at}" if len(items) > 1 else where) for at, one in enumerate(items, 1)
        )
    if not _fits(hint, value):
        raise InputError(f"{where}: expected {_words(hint)}, got {value!r}")
    return _plain(hint, value)


def _nested(cls: Any, value: Any, where: str, default: Any) -> Any:
    number = _number(value)
    if hasattr(cls, "of_number") and _fits(float, number):
        value = cls.of_number(number)
    if hasattr(cls, "of_text") and isinstance(value, str):
        value = cls.of_text(value)
    return build(cls, value, where, default if isinstance(default, cls) else None)


def _number(value: Any) -> Any:
    """Return a number such as 3e-4, which YAML 1.1 reads as a text, as a float; other values as they are."""
    wanted = isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value)
    return float(value) if wanted else value


def _fits(hint: Any, value: Any) -> bool:
    if hint is Any:
        return True
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(hint, type) and isinstance(value, hint)


def _plain(hint: Any, value: Any) -> Any:
    return float(value) if hint is float else value


def _words(hint: Any) -> str:
    names = {int: "an integer", float: "a number", str: "a text", bool: "true or false", type(None): "null"}
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_words(option) for option in get_args(hint))
    return "a mapping" if dataclasses.is_dataclass(hint) else names.get(hint, str(hint))


def plain(value: Any) -> Any:
    """Return a dataclass as plain data for YAML, which :func:`build` turns back into an equal one."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value
