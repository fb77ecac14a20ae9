"""The family: its instance, its solution, the validator, a generator and the known optimum."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ganttlet.core.errors import InputError, check_choice, check_keys
from ganttlet.core.family import Family
from ganttlet.core.objective import Objective, ObjectiveSpec, Reference, Violation
from ganttlet.core.record import Instance, Solution, int_array

FLOW_TIME = ObjectiveSpec("flow_time", "min", "ticks", "sum of completion times")


@dataclass(frozen=True, eq=False)
class OneMachineInstance(Instance):
    """Jobs on one machine. Field ``duration``: (n,) int32, processing times in ticks."""

    family: ClassVar[str] = "one_machine"

    name: str
    duration: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "duration", int_array("duration", self.duration, 1))


@dataclass(frozen=True, eq=False)
class Sequence(Solution):
    """The order of the jobs. Field ``order``: (n,) int32, a permutation of 0 … n-1."""

    family: ClassVar[str] = "one_machine"

    order: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", int_array("order", self.order, 1))


def flow_time(duration: np.ndarray[Any, Any]) -> float:
    """Return the sum of completion times of jobs played in the order given."""
    return float(np.cumsum(duration, dtype=np.int64).sum())


def validate(instance: OneMachineInstance, solution: Sequence) -> Objective:
    """Judge an order: every job once."""
    if not np.array_equal(np.sort(solution.order), np.arange(len(instance.duration))):
        return Objective(violations=(Violation("complete", "the order does not name every job once"),))
    return Objective(values={"flow_time": flow_time(instance.duration[solution.order])})


def generate(settings: Mapping[str, Any], seed: int) -> OneMachineInstance:
    """Draw an instance of three jobs."""
    check_choice("generator: key 'name'", settings["name"], FAMILY.generators)
    check_keys("generator 'three'", settings, ("name",))
    return OneMachineInstance(f"three-seed{seed}", np.random.default_rng(seed).integers(1, 100, 3))


def resolve(spec: Any) -> OneMachineInstance:
    """Return an instance, or load the one saved in a file."""
    if isinstance(spec, OneMachineInstance):
        return spec
    if isinstance(spec, str):
        return OneMachineInstance.load(spec)
    raise InputError(f"one_machine: expected an instance or a file, got {spec!r}")


def reference(instance: OneMachineInstance, objective: str) -> Reference:
    """Return the optimum: shortest first (Smith 1956)."""
    best = flow_time(np.sort(instance.duration))
    return Reference(best, "optimal", "Smith's rule", bound=best)


def picture(instance: OneMachineInstance, solution: Sequence, title: str) -> str:
    """Draw one bar per job."""
    ends = np.cumsum(instance.duration[solution.order])
    bars = "".join(
        f'<rect x="{end - instance.duration[j]}" width="{instance.duration[j]}" height="10" stroke="white"/>'
        for j, end in zip(solution.order, ends, strict=True)
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {ends[-1]} 10">'
    return f"{head}<title>{html.escape(title)}</title>{bars}</svg>"


FAMILY = Family(
    name="one_machine",
    env_ids=(),
    instance=OneMachineInstance,
    solution=Sequence,
    objectives={"flow_time": FLOW_TIME},
    resolve=resolve,
    generate=generate,
    validate=validate,
    reference=reference,
    picture=picture,
    generators={"three": "three jobs, durations U{1..99}"},
)
