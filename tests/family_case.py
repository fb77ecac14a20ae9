"""What the shared tests in tests/core/ need to know of an environment, and the oracle it is played beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ganttlet.core.family import get_family
from ganttlet.core.graph import GraphSpec
from ganttlet.core.record import Instance, Solution

Options = Mapping[str, Any]


class Oracle(Protocol):
    """One episode of the family's slow simulator, in the action space of the padded environment."""

    def mask(self) -> list[int]:
        """The action mask, all ones at the end."""

    def step(self, action: int) -> tuple[float, bool, bool]:
        """Reward, terminated and illegal."""

    def objectives(self) -> Mapping[str, float]:
        """Every objective the instance defines, as in ``info["objectives"]``."""

    def solution(self) -> Solution:
        """The solution so far."""

    def extras(self) -> Mapping[str, Any]:
        """Further facts that the environment's state must agree with, as ``FamilyCase.extras`` reads them."""


@dataclass(frozen=True)
class FamilyCase:
    """What the shared tests need to know of a family.

    Fields:
        label: what the tests call it.
        family: name of the family.
        env_id: registered id.
        variants: name -> keyword arguments, plain data. Their spaces are small, and episodes end within
            a few dozen steps. Together they reach every branch of the kernels.
        indexed: the variant that has ``static="index"``; its options without ``static`` show the static blocks. None
            if the environment has no static blocks.
        longest: a variant whose random legal episodes last at least five steps.
        oracle: (options, instance, GraphSpec of the padded space) -> Oracle at its reset.
        extras: (batch, row) -> what Oracle.extras returns.
        expected_return: (options, instance, first objectives, final objectives) -> undiscounted return of a legal
            episode, the documented map; None where the objectives do not tell it.
        instances: instances that fit every variant, two at least, all different, as plain data.
        too_large: an instance that fits no variant.
        telling: array field that differs between instances.
        stored_telling: (storage, slot) -> that field as the slot holds it, without empty columns; None: that of the
            instance that storage gives back.
        seeded: names of variants whose instances depend on the seed and on the episode.
        partial: whether the solution of an episode that is still under way may be feasible.
    """

    label: str
    family: str
    env_id: str
    variants: Mapping[str, Options]
    indexed: str | None
    longest: str
    oracle: Callable[[Options, Any, GraphSpec], Oracle]
    extras: Callable[[Any, int], Mapping[str, Any]]
    expected_return: Callable[[Options, Any, Mapping[str, float], Mapping[str, float]], float | None]
    instances: tuple[Mapping[str, Any], ...]
    too_large: Mapping[str, Any]
    telling: str
    seeded: tuple[str, ...]
    partial: bool = False
    stored_telling: Callable[[Any, int], Any] | None = None

    def stored(self, storage: Any, slot: int) -> Any:
        """Return the telling field as a slot holds it."""
        if self.stored_telling is not None:
            return self.stored_telling(storage, slot)
        return getattr(storage.get(slot), self.telling)

    def resolve(self, spec: Any) -> Instance:
        """Return the instance that ``spec`` describes."""
        return get_family(self.family).resolve(spec)
