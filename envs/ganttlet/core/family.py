"""The one interface through which evaluation, rules and the command line see a family."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from ganttlet.core.errors import InputError
from ganttlet.core.objective import Objective, ObjectiveSpec, Reference
from ganttlet.core.record import Instance, Solution

GROUP = "ganttlet.families"
BUILT_IN = {
    "job_shop": "ganttlet.job_shop:FAMILY",
    "memory_allocation": "ganttlet.memory_allocation:FAMILY",
    "memory_mapping": "ganttlet.memory_mapping:FAMILY",
    "soc_dag": "ganttlet.soc_dag:FAMILY",
    "uam_fleet": "ganttlet.uam_fleet:FAMILY",
    "vm_rescheduling": "ganttlet.vm_rescheduling:FAMILY",
}


@dataclass(frozen=True)
class DataSet:
    """An outside set of instance files: origin, licence, the SHA-256 of its files and where they are looked for."""

    name: str
    files: str
    count: int
    origin: str
    licence: str
    sha256: str


@dataclass(frozen=True)
class Family:
    """What a family gives to the shared parts; plug-ins export one under the entry-point group ganttlet.families.

    Fields:
        name: the family's name, as in ``rules/<name>`` and in result rows.
        env_ids: the registered environment ids, the main one first.
        instance, solution: the record classes.
        objectives: name -> ObjectiveSpec, the default objective first.
        resolve: (spec) -> Instance. ``spec`` is a name, a file path, a plain mapping or an Instance.
        generate: (settings, seed) -> Instance; ``settings`` is a mapping with the generator's ``name`` and options.
        validate: (instance, solution) -> Objective; knows nothing of environments.
        reference: (instance, objective) -> Reference, or None if nothing is known.
        picture: (instance, solution, title) -> SVG text of the solution.
        generators: name -> one line saying what it draws.
        presets: name -> environment keyword arguments.
        data_sets: outside instance files the family can read.
        replay: (batch, solutions) -> actions (B,) that follow each row's solution from its present state, for
            imitation, -1 where it has nothing more to say; None if the family has none.
        advise: (batch, rule) -> actions (B,) that a rule of the family takes in each row's present state, for imitation
            at states that no teacher came to; -1 in rows that are done. ``rule`` is a method text without its kind, as
            in ``etf:late=true``; raises InputError for one that cannot be asked so. None if the family has none.
        beside: objective -> objectives whose means tables and reports show beside it.
        axes: (instance) -> name -> number or text that a curve may put on an axis, such as a rate or a size; None for
            no such.
        after: name -> (instance, solution, seconds, options) -> values of what becomes of a solution that took so many
            seconds to find, such as a plan that is carried out late.
        stochastic: True if an instance has a hidden realisation, such as arrivals or noise that a decision cannot
            know. Choosing among several plays of it is hindsight, and its rows are ``clairvoyant``.
    """

    name: str
    env_ids: Sequence[str]
    instance: type[Instance]
    solution: type[Solution]
    objectives: Mapping[str, ObjectiveSpec]
    resolve: Callable[[Any], Instance]
    generate: Callable[[Mapping[str, Any], int], Instance]
    validate: Callable[[Instance, Solution], Objective]
    reference: Callable[[Instance, str], Reference | None]
    picture: Callable[[Instance, Solution, str], str]
    generators: Mapping[str, str] = field(default_factory=dict)
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    data_sets: Sequence[DataSet] = ()
    replay: Callable[[Any, Sequence[Any]], Any] | None = None
    advise: Callable[[Any, str], Any] | None = None
    beside: Mapping[str, Sequence[str]] = field(default_factory=dict)
    axes: Callable[[Any], Mapping[str, float | str]] | None = None
    after: Mapping[str, Callable[[Any, Any, float, Mapping[str, Any]], Mapping[str, float]]] = field(
        default_factory=dict
    )
    stochastic: bool = False


def load_object(target: str) -> Any:
    """Import ``module:attribute``."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def family_names() -> list[str]:
    """Return the names of the built-in families and of those that installed packages add."""
    return sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))})


@cache
def get_family(name: str) -> Family:
    """Return the family called ``name``; raises InputError naming the known ones."""
    targets = {point.name: point.value for point in entry_points(group=GROUP)} | BUILT_IN
    if name not in targets:
        raise InputError(f"family: unknown name {name!r}; expected one of {', '.join(sorted(targets))}")
    family = load_object(targets[name])
    if not isinstance(family, Family):
        raise InputError(f"family {name!r}: {targets[name]} is not a ganttlet.core.family.Family")
    return family
