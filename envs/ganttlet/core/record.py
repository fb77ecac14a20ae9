"""Frozen records of arrays and scalars, saved as JSON or npz without executing code.

Instances and solutions of every family are such records, so that saving, loading and hashing are written once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import uuid
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ganttlet.core.errors import InputError, check_keys

SCHEMA = 1


def write_atomic(path: str | Path, data: str | bytes) -> None:
    """Write ``data`` to ``path`` through a temporary file beside it, so that no half-written file is left."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    payload = data.encode("utf-8") if isinstance(data, str) else data
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    try:
        temporary.write_bytes(payload)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@dataclasses.dataclass(frozen=True, eq=False)
class Record:
    """Base of frozen dataclasses whose fields are arrays, numbers, strings or None; two are equal if all fields are."""

    kind: ClassVar[str] = "record"
    family: ClassVar[str] = ""
    unhashed: ClassVar[tuple[str, ...]] = ("name",)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(
            np.array_equal(getattr(self, field.name), getattr(other, field.name)) for field in dataclasses.fields(self)
        )

    def __hash__(self) -> int:
        return hash(self.digest)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (first 16 hex digits) over the fields that define the problem; the name is left out."""
        state = hashlib.sha256(f"{self.family}/{self.kind}".encode())
        for field in dataclasses.fields(self):
            if field.name in self.unhashed:
                continue
            value = getattr(self, field.name)
            state.update(field.name.encode())
            if isinstance(value, np.ndarray):
                state.update(f"{value.dtype.str}{value.shape}".encode())
                state.update(np.ascontiguousarray(value).tobytes())
            else:
                state.update(repr(value).encode())
        return state.hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return the plain-data form: lists, numbers and strings only."""
        data: dict[str, Any] = {"schema": SCHEMA, "family": self.family, "kind": self.kind}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            data[field.name] = value.tolist() if isinstance(value, np.ndarray) else value
        return data

    @classmethod
    def from_dict(cls, data: Any, source: str = "data") -> Self:
        """Build a record from its plain-data form; ``source`` names the origin in errors."""
        if not isinstance(data, dict):
            raise InputError(f"{source}: expected a mapping with the fields of {cls.__name__}")
        head = {"schema": SCHEMA, "family": cls.family, "kind": cls.kind}
        for key, expected in head.items():
            if data.get(key, expected) != expected:
                raise InputError(f"{source}: field {key!r} is {data[key]!r}, expected {expected!r}")
        fields = {key: value for key, value in data.items() if key not in head}
        names = [field.name for field in dataclasses.fields(cls)]
        check_keys(source, fields, names)
        for field in dataclasses.fields(cls):
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if required and field.name not in fields:
                raise InputError(f"{source}: field {field.name!r} is missing")
        try:
            return cls(**fields)
        except InputError as error:
            raise InputError(f"{source}: {error}") from None

    def save(self, path: str | Path) -> None:
        """Write to ``path`` (.json or .npz), whole or not at all."""
        path = Path(path)
        if path.suffix == ".json":
            write_atomic(path, json.dumps(self.to_dict(), separators=(",", ":")) + "\n")
        elif path.suffix == ".npz":
            buffer = io.BytesIO()
            head = {"schema": SCHEMA, "family": self.family, "kind": self.kind}
            fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
            values = {key: value for key, value in {**head, **fields}.items() if value is not None}
            np.savez_compressed(buffer, **values)
            write_atomic(path, buffer.getvalue())
        else:
            raise InputError(f"{path}: unknown ending {path.suffix!r}; expected .json or .npz")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a record written by :meth:`save`; never executes code. Raises InputError naming the file."""
        path = Path(path)
        try:
            if path.suffix == ".json":
                data = json.loads(path.read_text(encoding="utf-8"))
            elif path.suffix == ".npz":
                with np.load(path, allow_pickle=False) as archive:
                    data = {key: archive[key] for key in archive.files}
                data = {key: value.item() if value.ndim == 0 else value for key, value in data.items()}
            else:
                raise InputError(f"{path}: unknown ending {path.suffix!r}; expected .json or .npz")
        except InputError:
            raise
        except Exception as error:  # a damaged archive fails in zlib, zipfile, NumPy and json in many ways
            raise InputError(f"{path}: cannot be read as {path.suffix[1:]}: {error}") from None
        return cls.from_dict(data, source=str(path))


class Instance(Record):
    """One problem, frozen. A family's class lists its arrays with shapes and units."""

    kind: ClassVar[str] = "instance"
    name: str


class Solution(Record):
    """What a method returns for an instance; judged by the family's ``validate`` alone."""

    kind: ClassVar[str] = "solution"


def int_array(field: str, value: Any, ndim: int, dtype: Any = np.int32) -> np.ndarray[Any, Any]:
    """Return ``value`` as a read-only integer array, or raise InputError naming ``field``."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise InputError(f"field {field!r}: rows of different lengths; expected a {ndim}-d array") from None
    if array.ndim != ndim:
        raise InputError(f"field {field!r}: expected {ndim} dimension(s), got shape {array.shape}")
    if array.dtype.kind not in "iu":
        exact = array.dtype.kind == "f" and bool(np.all(np.isfinite(array)) and np.all(array == np.floor(array)))
        if not exact:
            raise InputError(f"field {field!r}: expected integers, got {array.dtype}")
    limits = np.iinfo(dtype)
    if array.size and (array.min() < limits.min or array.max() > limits.max):
        raise InputError(f"field {field!r}: values must lie in {limits.min} … {limits.max}")
    result = np.array(array, dtype=dtype)
    result.flags.writeable = False
    return result
