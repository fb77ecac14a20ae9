"""Checks that data read from JSON has the expected shape, so that a damaged file is one clear error."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from math import isfinite
from typing import Any, Literal, Union, get_args, get_origin

from ganttlet.core.errors import InputError

# A type such as ``float | None``, a mapping of keys to shapes (``*`` for every key), or a list of one shape.
Shape = Any

_WORDS = {str: "a text", int: "an integer", float: "a number", bool: "true or false", types.NoneType: "null"}


def check_shape(where: str, value: Any, shape: Shape) -> None:
    """Raise InputError naming ``where`` and the key, unless ``value`` has the shape; keys beyond it may stand."""
    if isinstance(shape, dict):
        _expect(where, value, isinstance(value, dict), "a mapping")
        for key, inner in shape.items():
            if key != "*" and key not in value:
                raise InputError(f"{where}: key {key!r} is missing")
            for found in value if key == "*" else (key,):
                check_shape(f"{where}: key {found!r}", value[found], inner)
    elif isinstance(shape, list):
        _expect(where, value, isinstance(value, list), "a list")
        for index, entry in enumerate(value):
            check_shape(f"{where}: entry {index + 1}", entry, shape[0])
    elif shape is not Any:
        kinds = list(_kinds(shape))
        words = " or ".join(_WORDS[kind] if kind in _WORDS else repr(kind) for kind in kinds)
        _expect(where, value, any(_is(value, kind) for kind in kinds), words)


def kinds_of(shape: Shape) -> frozenset[Any]:
    """Return what :func:`fits` takes for a shape: types and texts, or (dict, type of every value)."""
    if isinstance(shape, dict):
        return frozenset({(dict, shape["*"])})
    return frozenset(_kinds(shape))


def fits(value: Any, kinds: frozenset[Any]) -> bool:
    """Return whether a value surely is one of ``kinds``, as far as can be told quickly; :func:`check_shape` decides."""
    kind = type(value)
    if kind is float:
        return kind in kinds and isfinite(value)
    if kind is str:
        return kind in kinds or value in kinds
    if kind is dict:
        return (dict, float) in kinds and all(type(one) is float and isfinite(one) for one in value.values())
    return kind in kinds


def _kinds(shape: Shape) -> Iterator[Any]:
    """Yield the types and the literal texts that a type names."""
    origin: Any = get_origin(shape)
    if origin in (Union, types.UnionType, Literal):
        for inner in get_args(shape):
            yield from _kinds(inner)
    else:
        yield shape


def _is(value: Any, kind: Any) -> bool:
    if isinstance(kind, str):
        return bool(value == kind)
    if kind is float:
        # Also refuses infinities and NaN, which Python's JSON reader lets through.
        return type(value) in (int, float) and abs(value) <= sys.float_info.max
    return type(value) is kind


def _expect(where: str, value: Any, fits: bool, words: str) -> None:
    if not fits:
        text = repr(value)
        raise InputError(f"{where}: got {text if len(text) <= 60 else text[:59] + '…'}; expected {words}")
