"""One method against another, instance by instance: the effect on each, the mean with its interval, a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ganttlet.core.errors import InputError
from ganttlet_agents.evaluation.rows import Row, by_objective, gap_of
from ganttlet_agents.evaluation.statistics import Estimate, Paired, paired
from ganttlet_agents.evaluation.summary import per_instance

# With fewer instances not even the same verdict on all of them is beyond chance: a two-sided sign test needs six
# (2 / 2^6 < 5 %), while the bootstrap of a few values is always too sure of itself.
FEWEST = 6


@dataclass(frozen=True)
class Effect:
    """One instance: the values of both, means over seeds.

    Fields:
        instance, group, digest: the problem.
        a, b: values of the objective.
        difference: a - b, in the objective's unit.
        relative: difference / |b|; None where b is 0 or of another sign than a.
    """

    instance: str
    group: str
    digest: str
    a: float
    b: float
    difference: float
    relative: float | None


@dataclass(frozen=True)
class Comparison:
    """Two methods under one objective.

    Fields:
        objective, sense, unit: what is judged.
        a, b: names of the two.
        effects: of the instances that both solved, in order.
        absolute: mean difference with its interval, and wins, ties, losses of a; a positive one is worse for a.
        relative: the same of relative differences; None unless every instance has one.
        groups: group -> the two, within it.
        missing: of the two by name -> number of the instances that it did not solve, if any.
        seconds: mean wall time per row of the two.
        notes: what else must be known to read this, as sentences.
    """

    objective: str
    sense: str
    unit: str
    a: str
    b: str
    effects: list[Effect]
    absolute: Paired
    relative: Paired | None
    groups: dict[str, tuple[Paired, Paired | None]]
    missing: dict[str, int]
    seconds: tuple[float, float]
    notes: list[str]

    def sentence(self) -> str:
        """Return what the comparison says, in plain words."""
        n, wins, ties, losses = self.absolute.n, self.absolute.wins, self.absolute.ties, self.absolute.losses
        if n == 0:
            return f"{self.a} and {self.b} cannot be compared: no instance was solved by both."
        if ties == n:
            return f"{self.a} and {self.b} have equal {self.objective} on all {n} instances."
        counts = f"{wins} of {n} instances ({ties} equal, {losses} worse)"
        shown = self.relative or self.absolute
        assert shown.difference is not None
        mean = shown.difference
        told = n >= FEWEST and (mean.low > 0.0 or mean.high < 0.0)
        if not told:
            few = f"; {n} instances are too few, it takes {FEWEST}" if n < FEWEST else ""
            return (
                f"No difference can be told: {self.a} is better than {self.b} on {counts}; {self._changed(mean)}{few}."
            )
        if mean.high < 0.0 and wins > losses:
            return f"{self.a} is better than {self.b} on {counts}; {self._changed(mean)}."
        if mean.low > 0.0 and losses > wins:
            counts = f"{losses} of {n} instances ({ties} equal, {wins} better)"
            return f"{self.a} is worse than {self.b} on {counts}; {self._changed(mean)}."
        return f"Against {self.b}, {self.a} has a {self._changed(mean)}, but is better on {counts}."

    def _changed(self, mean: Estimate) -> str:
        """Return how the mean differs, with the interval in the same direction."""
        sign = 1.0 if self.sense == "min" else -1.0
        raw = sign * mean.value
        low, high = (mean.low, mean.high) if mean.value >= 0 else (-mean.high, -mean.low)
        sizes = [abs(mean.value), low, high]
        if self.relative is not None:
            size, least, most = (f"{100 * entry:.2f}" for entry in sizes)
            unit = " %"
        else:
            size, least, most = (f"{entry:.4g}" for entry in sizes)
            unit = f" {self.unit}" if self.unit else ""
        word = "higher" if raw > 0 else "lower" if raw < 0 else "different"
        return f"mean {self.objective} {word} by {size}{unit} (95 % interval {least} … {most})"


def compare(
    a: Sequence[Row], b: Sequence[Row], names: tuple[str, str], units: Mapping[str, str], *, seed: int = 0
) -> list[Comparison]:
    """Compare two methods, objective by objective.

    Args:
        a, b: the rows of each.
        names: what they are called.
        units: objective -> its unit.
        seed: of the bootstrap.

    Raises:
        InputError: if no objective and instance has rows of both.
    """
    first, second = by_objective(a), by_objective(b)
    found = [
        _compare(first[objective], second[objective], names, units.get(objective, ""), seed)
        for objective in first
        if {row.digest for row in first[objective]} & {row.digest for row in second.get(objective, ())}
    ]
    if not found:
        raise InputError(f"{names[0]} and {names[1]} have no instance and objective in common")
    return found


def _compare(a: Sequence[Row], b: Sequence[Row], names: tuple[str, str], unit: str, seed: int) -> Comparison:
    shared = {row.digest for row in a} & {row.digest for row in b}
    a, b = ([row for row in rows if row.digest in shared] for rows in (a, b))
    values = per_instance(a, "value"), per_instance(b, "value")
    effects = []
    first: dict[str, Row] = {}
    for row in a:
        first.setdefault(row.digest, row)
    for row in first.values():
        if all(row.digest in side for side in values):
            one, other = (float(np.mean(side[row.digest])) for side in values)
            # Not a gap: the sign is that of the values, whatever is better.
            relative = gap_of(one, other, "min")
            effects.append(Effect(row.instance, row.group, row.digest, one, other, one - other, relative))
    sense = a[0].sense
    groups = list(dict.fromkeys(effect.group for effect in effects))
    return Comparison(
        objective=a[0].objective,
        sense=sense,
        unit=unit,
        a=names[0],
        b=names[1],
        effects=effects,
        absolute=_paired(effects, sense, False, seed),
        relative=_relative(effects, sense, seed),
        groups={
            group: (_paired(own, sense, False, seed), _relative(own, sense, seed))
            for group in groups
            if len(groups) > 1 and (own := [effect for effect in effects if effect.group == group])
        },
        missing={name: len(shared - set(side)) for name, side in zip(names, values, strict=True) if shared - set(side)},
        seconds=(float(np.mean([row.seconds for row in a])), float(np.mean([row.seconds for row in b]))),
        notes=_notes(a, b, names),
    )


def _relative(effects: Sequence[Effect], sense: str, seed: int) -> Paired | None:
    whole = effects and all(effect.relative is not None for effect in effects)
    return _paired(effects, sense, True, seed) if whole else None


def _paired(effects: Sequence[Effect], sense: str, relative: bool, seed: int) -> Paired:
    sign = 1.0 if sense == "min" else -1.0
    worse = {effect.digest: [sign * (effect.relative or 0.0 if relative else effect.difference)] for effect in effects}
    strata = {effect.digest: effect.group for effect in effects}
    return paired(worse, {digest: [0.0] for digest in worse}, groups=strata, seed=seed)


def _notes(a: Sequence[Row], b: Sequence[Row], names: tuple[str, str]) -> list[str]:
    lines = []
    knows = ["clairvoyant" in {row.information for row in rows} for rows in (a, b)]
    for name, clairvoyant in zip(names, knows, strict=True):
        if clairvoyant and not all(knows):
            lines.append(f"{name} is clairvoyant: it knew what a real method could not, and the other did not.")
    seeds = [sorted({row.seed for row in rows}) for rows in (a, b)]
    if seeds[0] != seeds[1]:
        counts = " and ".join(f"{name} under {len(own)}" for name, own in zip(names, seeds, strict=True))
        lines.append(f"Not the same seeds: {counts}; their means are compared.")
    return lines
