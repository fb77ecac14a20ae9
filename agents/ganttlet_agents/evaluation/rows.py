"""Result rows: one per instance, method, objective and seed; what they hold and how gaps are reckoned."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar, get_type_hints

import numpy as np

from ganttlet.core.errors import InputError, check_keys
from ganttlet.core.objective import ReferenceKind
from ganttlet_agents.evaluation.methods import Information
from ganttlet_agents.evaluation.shapes import check_shape, fits, kinds_of

SCHEMA = 3
# What older schemas lack, and the value their rows are read with.
SINCE_3: dict[str, Any] = {"simulated": 0, "latency_mean": None, "latency_p99": None, "peak_memory": None}
# Fields that differ between equal runs of methods that repeat exactly.
MEASURED = ("seconds", "latency_mean", "latency_p99", "peak_memory")
# Bounds and values are compared with a slack, since solvers report bounds in floating point.
TOLERANCE = 1e-6
# Numbers that many rows have in common, and how many different ones are remembered to find them.
REPEATED = ("value", "reference", "reference_bound", "gap", "difference", "peak_memory")
MOST_MET = 2**14
_MET: dict[Any, Any] = {}

Sense = Literal["min", "max"]
Number = TypeVar("Number", float, np.ndarray[Any, Any])

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Row:
    """The result of one method on one instance, judged by one objective under one seed.

    Fields:
        key: hash of family, digest, objective, method and seed; equal for equal tasks.
        family, instance, group, digest: the problem; ``digest`` is the content's hash.
        method: the method's label. seed: the seed it was given.
        objective, sense: what is judged, and whether less (``min``) or more (``max``) is better.
        value: the objective's value of the validated solution, None if there is no valid solution.
        feasible: True if the validator found no broken rule.
        reference, reference_kind: the value gaps are measured against, and the claim it carries.
        reference_bound: proven bound on the optimum that was known before the run, or None.
        gap: (value - reference) / |reference|, positive when worse; None if the reference is missing, 0,
            or of another sign than the value.
        difference: value - reference in the objective's unit, positive when worse, None without reference.
        bound, optimal: bound that the method itself proved, and whether it claims optimality.
        reference_conflict: True if a validated solution beats a proven bound, on both rows concerned.
        status, decisions, simulated: the method's word, its numbers of decisions and of simulator steps, 0 where
            it does not count them.
        seconds: wall time of the solve, without loading. latency_mean, latency_p99: seconds per decision, measured
            one by one where the method does so (only then is there a p99), else ``seconds / decisions``; or None.
        peak_memory: most MiB that the process held during the solve, its libraries included; None if unknown.
        information, deterministic: ``causal`` or ``clairvoyant``; whether equal seeds repeat the row.
        values: every objective that the validator named for the solution, by name; empty without a valid one. Rows
            of schema 1 have the judged one only.
        device, commit, version: machine, source commit, ganttlet's version.
        config_hash: hash of the run's settings.
        error: why the row failed, None otherwise.
    """

    key: str
    family: str
    method: str
    instance: str
    group: str
    digest: str
    seed: int
    objective: str
    sense: Sense
    value: float | None
    feasible: bool
    reference: float | None
    reference_kind: ReferenceKind
    reference_bound: float | None
    gap: float | None
    difference: float | None
    bound: float | None
    optimal: bool
    reference_conflict: bool
    status: str
    decisions: int
    simulated: int
    seconds: float
    latency_mean: float | None
    latency_p99: float | None
    peak_memory: float | None
    information: Information
    deterministic: bool
    values: Mapping[str, float]
    device: str
    commit: str | None
    version: str
    config_hash: str
    error: str | None = None
    schema: int = SCHEMA

    @property
    def failed(self) -> bool:
        """True if the row must make the command fail."""
        return self.error is not None or self.reference_conflict

    def to_json(self) -> str:
        """Return the row as one line of JSON."""
        data = {name: getattr(self, name) for name in _types()}
        return _encode({**data, "values": dict(self.values)})

    @classmethod
    def from_json(cls, line: str, source: str) -> Row:
        """Read one line of JSON; raises InputError naming ``source``."""
        try:
            data = json.loads(line)
        except ValueError as error:
            raise InputError(f"{source}: not valid JSON: {error}") from None
        if not isinstance(data, dict):
            raise InputError(f"{source}: expected a mapping")
        if data.get("schema") not in (1, 2, SCHEMA):
            raise InputError(f"{source}: schema is {data.get('schema')!r}, expected 1 to {SCHEMA}")
        if data["schema"] == 1:
            judged = {} if data.get("value") is None else {str(data.get("objective")): data["value"]}
            data |= {"values": judged, "schema": 2}
        if data["schema"] == 2:
            data |= {**SINCE_3, "schema": SCHEMA}
        types = _types()
        if data.keys() != types.keys():
            check_keys(source, data, list(types))
            missing = next(name for name in types if name not in data)
            raise InputError(f"{source}: field {missing!r} is missing")
        for name, (shape, kinds) in types.items():
            value = data[name]
            # Sound values, told at a glance, are not worth a tenfold longer look at each of a million rows.
            if not fits(value, kinds):
                check_shape(f"{source}: field {name!r}", value, shape)
            if name != "key" and type(value) is str:
                # Rows name few methods and instances: each text is held once.
                data[name] = sys.intern(value)
        if data["value"] is None and data["gap"] is not None:
            raise InputError(f"{source}: field 'gap' is given without a 'value'")
        for name in REPEATED:
            data[name] = _met_number(data[name])
        values = {sys.intern(name): _met_number(value) for name, value in data["values"].items()}
        data["values"] = _met(str(values), values)
        return cls(**data)


def _met_number(value: Any) -> Any:
    # Integers and -0.0 are equal to other numbers and not the same.
    return _met(value, value) if type(value) is float and value else value


def _met(key: Any, value: Any) -> Any:
    """Return what was met before under ``key`` instead of another of the same, so that it is held once."""
    if len(_MET) >= MOST_MET:
        _MET.clear()
    return _MET.setdefault(key, value)


@cache
def _types() -> dict[str, tuple[Any, frozenset[Any]]]:
    """Return field -> its shape, and the kinds of :func:`fits`."""
    hints = get_type_hints(Row) | {"values": {"*": float}}
    return {field.name: (hints[field.name], kinds_of(hints[field.name])) for field in dataclasses.fields(Row)}


def row_key(family: str, digest: str, objective: str, method: str, seed: int) -> str:
    """Return the key of a task: 16 hex digits."""
    return hashlib.sha256(json.dumps([family, digest, objective, method, seed]).encode()).hexdigest()[:16]


def gap_of(value: float, reference: float, sense: Sense) -> float | None:
    """Return how much worse ``value`` is than ``reference``, relative to it; None if that says nothing.

    It says nothing if the reference is 0 or the two are of different sign.
    """
    if reference == 0 or not math.isfinite(reference) or value * reference < 0:
        return None
    return difference_of(value, reference, sense) / abs(reference)


def difference_of(value: Number, reference: Number, sense: Sense) -> Number:
    """Return how much worse ``value`` is than ``reference``, in the objective's unit."""
    difference: Number = value - reference if sense == "min" else reference - value
    return difference


def beats(value: Any, bound: Any, sense: Sense) -> Any:
    """Return whether ``value`` is better than ``bound`` by more than rounding, of arrays entry by entry; NaN is not."""
    return difference_of(value, bound, sense) < -TOLERANCE * np.maximum(1.0, np.abs(bound))


def claimed_bound(row: Row) -> float | None:
    """Return the bound that the row's method claims to have proven: its bound, or its value if optimal."""
    return row.value if row.optimal and row.bound is None else row.bound


def hash_settings(settings: Any) -> str:
    """Return a hash of plain data that does not depend on the order of keys: 16 hex digits."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]


def by_objective(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return objective -> rows, in order of appearance."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.objective, []).append(row)
    return found
