"""What the gaps of a run are measured against: what a family knows, or what a method of the run has found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ganttlet.core.family import Family
from ganttlet.core.objective import Reference, ReferenceKind
from ganttlet_agents.evaluation.bounds import Bounds, tighter
from ganttlet_agents.evaluation.methods import BoundMethod
from ganttlet_agents.evaluation.suite import SuiteInstance

Group = tuple[str, str]
"""Digest of an instance, and objective."""


class ReferenceTable:
    """The references of a run by instance and objective, and what meta.json says of them (``noted``)."""

    def __init__(self, family: Family, wanted: str, method: BoundMethod | None, bounds: Bounds) -> None:
        self.family, self.wanted, self.method, self.bounds = family, wanted, method, bounds
        self.noted: dict[str, dict[str, dict[str, Any]]] = {}
        self._known: dict[Group, Reference | None] = {}
        # Of the reference method, by seed: value, whether it claims the optimum, and its bound.
        self._heard: dict[Group, dict[int, tuple[float | None, bool, float | None]]] = {}

    def heard(self, group: Group, seed: int, value: float | None, optimal: bool, bound: float | None) -> None:
        """Take note of what the reference method has found under a seed; ``value`` is None if it failed."""
        self._heard.setdefault(group, {})[seed] = (value, optimal, bound)

    def ready(self, group: Group, seeds: Sequence[int]) -> bool:
        """Return whether the reference is settled, be it that there is none, once ``seeds`` have been heard of."""
        if self.method is None:
            return True
        heard = self._heard.get(group, {})
        for seed in seeds:
            if seed not in heard:
                return False
            if heard[seed][0] is not None:
                return True
        return True

    def of(self, entry: SuiteInstance, objective: str, seeds: Sequence[int]) -> Reference | None:
        """Return the reference: of a method the value under the first of ``seeds`` that gave any."""
        group = entry.instance.digest, objective
        if self.wanted == "best_known":
            if group not in self._known:
                self._known[group] = self._noted(entry, objective, self.family.reference(entry.instance, objective))
            return self._known[group]
        if self.method is None:
            return None
        heard = self._heard.get(group, {})
        for seed in seeds:
            value, optimal, bound = heard.get(seed, (None, False, None))
            if value is not None:
                kind: ReferenceKind = "optimal" if optimal else "method"
                return self._noted(entry, objective, Reference(value, kind, self.method.label, bound))
        return None

    def _noted(self, entry: SuiteInstance, objective: str, reference: Reference | None) -> Reference | None:
        """Return a reference with the tighter of its bound and the suite's, and note it for meta.json."""
        if reference is None:
            return None
        known = self.bounds.get((entry.instance.digest, objective))
        sense = self.family.objectives[objective].sense
        if known is not None and tighter(reference.bound, known.value, sense) != reference.bound:
            reference = replace(reference, bound=known.value, source=f"{reference.source}; bound: {known.source}")
        self.noted.setdefault(entry.instance.digest, {})[objective] = {
            "instance": entry.label,
            "value": reference.value,
            "kind": reference.kind,
            "source": reference.source,
            "bound": reference.bound,
        }
        return reference
