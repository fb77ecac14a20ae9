"""What tables and reports print, computed once from result rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.family import get_family
from ganttlet_agents.evaluation.bounds import shares_of_bound
from ganttlet_agents.evaluation.rows import Row, by_objective
from ganttlet_agents.evaluation.statistics import Estimate, Paired, Profile, estimate, iqm, mean, paired, profile

Metric = Literal["gap", "value"]
# Gaps at which tables show a performance profile.
TAUS = (0.0, 0.01, 0.05, 0.1, 0.25)


@dataclass(frozen=True)
class MethodSummary:
    """One method under one objective.

    Fields:
        method, information: its label, and whether it is causal or clairvoyant.
        rows, feasible, failed, optimal: numbers of rows, of valid, of failed and of proven optimal ones.
        measured: number of rows that have the metric (a gap is undefined where the reference is 0).
        mean, iqm: over the measured rows, None if there are none. Gaps are fractions.
        groups: group -> mean of the metric.
        beside: further objective -> mean over the valid rows that have it.
        of_bound: mean of value / bound over the rows that have one, None if there are none.
        seconds: mean wall time per row in seconds.
        rate: decisions per second, None if the method counts none.
        latency, p99: means over rows of the mean and the 99th percentile of seconds per decision, None if unknown.
        memory: most MiB that the process held during a row, None if unknown.
        paired: comparison with the baseline, None for the baseline itself.
        profile: share of the rows with a gap of at most each of TAUS, failed rows counted; None without gaps.
    """

    method: str
    information: str
    rows: int
    feasible: int
    failed: int
    optimal: int
    measured: int
    mean: Estimate | None
    iqm: Estimate | None
    groups: dict[str, float]
    beside: dict[str, float]
    of_bound: Estimate | None
    seconds: float
    rate: float | None
    latency: float | None
    p99: float | None
    memory: float | None
    paired: Paired | None
    profile: Profile | None = None

    @property
    def complete(self) -> bool:
        """True if no row failed, so that the means compare with those of other complete methods."""
        return self.failed == 0


@dataclass(frozen=True)
class Summary:
    """All methods under one objective.

    Fields:
        objective, sense: what is judged.
        metric: ``gap`` where gaps exist, otherwise ``value``.
        groups: group names in order.
        beside: objectives that the family shows beside this one; with gaps, this one first.
        methods: in the order of the run, clairvoyant ones last.
        baseline: the method of the paired comparisons.
        reference: what gaps are measured against, as the suite states it.
        references: kind of reference -> number of instances that have it.
        instances: number of instances.
        bounded: number of instances whose maximised objective has a known bound, and a value to hold against it.
    """

    objective: str
    sense: str
    metric: Metric
    groups: list[str]
    beside: list[str]
    methods: list[MethodSummary]
    baseline: str
    reference: str
    references: dict[str, int]
    instances: int
    bounded: int

    def best(self, group: str | None = None) -> set[str]:
        """Return the complete causal methods with the best mean, overall or in one group."""
        sign = -1 if self.metric == "value" and self.sense == "max" else 1
        scores = {}
        for method in self.methods:
            score = method.mean.value if method.mean and group is None else method.groups.get(group or "")
            if score is not None and method.complete and method.information == "causal":
                scores[method.method] = sign * score
        if len(scores) < 2:
            return set()
        least = min(scores.values())
        return {method for method, score in scores.items() if score == least}


def summarise(rows: Sequence[Row], baseline: str | None = None, reference: str = "") -> list[Summary]:
    """Return one summary per objective.

    Args:
        rows: the rows of a run.
        baseline: method that the others are compared with; the first one if None.
        reference: the suite's reference, for the notes.

    Raises:
        InputError: if there is no row, or no such baseline.
    """
    if not rows:
        raise InputError("there are no result rows to summarise")
    if baseline is not None:
        check_choice("baseline", baseline, dict.fromkeys(row.method for row in rows))
    return [_summary(members, baseline, reference) for members in by_objective(rows).values()]


def problems(rows: Sequence[Row]) -> list[str]:
    """Return a sentence per method and kind of failure: how many rows it concerns, and the first of them."""
    failed: dict[tuple[str, str], list[tuple[Row, str]]] = {}
    for row in rows:
        if row.error is not None:
            failed.setdefault(("failed", row.method), []).append((row, row.error))
        if row.reference_conflict:
            claim = f"value {row.value:g}" if row.value is not None else "no value"
            claim += "".join(
                f", {what} {bound:g}"
                for what, bound in (("reference bound", row.reference_bound), ("its own bound", row.bound))
                if bound is not None
            )
            failed.setdefault(("conflicts with a proven bound", row.method), []).append((row, claim))
    lines = []
    for (what, method), members in failed.items():
        row, text = members[0]
        where = f"{row.instance}, {row.objective}, seed {row.seed}"
        count = f"{len(members)} row{'s' if len(members) > 1 else ''}"
        lines.append(f"{method} {what} on {count}; first {where}: {text}")
    return lines


def per_instance(rows: Sequence[Row], metric: Metric) -> dict[str, list[float]]:
    """Return instance digest -> the metric's values, one per seed."""
    found: dict[str, list[float]] = {}
    for row in rows:
        value = row.gap if metric == "gap" else row.value
        if value is not None:
            found.setdefault(row.digest, []).append(value)
    return found


def with_failures(rows: Sequence[Row], metric: Metric) -> dict[str, list[float]]:
    """Return instance digest -> values, one per seed, positive when worse; a row without a valid solution is infinite.

    Valid rows of which the gap is undefined are left out.
    """
    found: dict[str, list[float]] = {}
    for row in rows:
        value = row.gap if metric == "gap" else row.value
        if row.value is None:
            value = math.inf
        elif metric == "value" and row.sense == "max":
            value = -row.value
        if value is not None:
            found.setdefault(row.digest, []).append(value)
    return found


def _summary(rows: list[Row], baseline: str | None, reference: str) -> Summary:
    metric: Metric = "gap" if any(row.gap is not None for row in rows) else "value"
    members: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.information == "clairvoyant"):
        members.setdefault(row.method, []).append(row)
    against = baseline if baseline in members else next(iter(members))
    groups = [group for group in dict.fromkeys(row.group for row in rows) if group]
    kinds = {row.digest: row.reference_kind for row in rows}
    shares = shares_of_bound(rows)
    beside = list(get_family(rows[0].family).beside.get(rows[0].objective, ()))
    if beside and metric == "gap":
        beside.insert(0, rows[0].objective)
    return Summary(
        objective=rows[0].objective,
        sense=rows[0].sense,
        metric=metric,
        groups=groups,
        beside=beside,
        methods=[
            _method(own, metric, groups, beside, shares, None if own is members[against] else members[against])
            for own in members.values()
        ],
        baseline=against,
        reference=reference,
        references=dict(Counter(kinds.values())),
        instances=len(kinds),
        bounded=len({row.digest for row in rows if row.key in shares}),
    )


def _method(
    rows: list[Row],
    metric: Metric,
    groups: list[str],
    beside: list[str],
    shares: Mapping[str, float],
    against: list[Row] | None,
) -> MethodSummary:
    values = per_instance(rows, metric)
    strata = {row.digest: row.group for row in rows}
    measured = sum(len(entries) for entries in values.values())
    decisions, seconds = sum(row.decisions for row in rows), sum(row.seconds for row in rows)
    by_group = {}
    for group in groups:
        entries = per_instance([row for row in rows if row.group == group], metric)
        if entries:
            by_group[group] = float(np.mean(np.concatenate(list(entries.values()))))
    of_bound: dict[str, list[float]] = {}
    for row in rows:
        if row.key in shares:
            of_bound.setdefault(row.digest, []).append(shares[row.key])
    counted = with_failures(rows, metric) if metric == "gap" else {}
    others = {name: [row.values[name] for row in rows if name in row.values] for name in beside}
    return MethodSummary(
        method=rows[0].method,
        information=rows[0].information,
        rows=len(rows),
        feasible=sum(row.feasible for row in rows),
        failed=sum(row.failed for row in rows),
        optimal=sum(row.optimal for row in rows),
        measured=measured,
        mean=estimate(values, mean, groups=strata) if measured else None,
        iqm=estimate(values, iqm, groups=strata) if measured else None,
        groups=by_group,
        beside={name: float(np.mean(entries)) for name, entries in others.items() if entries},
        of_bound=estimate(of_bound, mean, groups=strata) if of_bound else None,
        seconds=seconds / len(rows),
        rate=decisions / seconds if decisions and seconds else None,
        latency=_mean([row.latency_mean for row in rows]),
        p99=_mean([row.latency_p99 for row in rows]),
        memory=max((row.peak_memory for row in rows if row.peak_memory is not None), default=None),
        paired=None if against is None else _paired(rows, against, metric),
        profile=profile(counted, TAUS, groups=strata) if counted else None,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean of the values that are known."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _paired(rows: list[Row], against: list[Row], metric: Metric) -> Paired:
    """Compare by the metric; wins and losses are counted by value, which exists where a gap does not."""

    def values(side: list[Row]) -> dict[str, list[float]]:
        sign = -1 if side[0].sense == "max" else 1
        found = per_instance(side, "value")
        return {digest: [sign * value for value in entries] for digest, entries in found.items()}

    strata = {row.digest: row.group for row in rows}
    by_value = paired(values(rows), values(against), groups=strata)
    if metric == "value":
        return by_value
    by_metric = paired(per_instance(rows, metric), per_instance(against, metric), groups=strata, improvement=False)
    return replace(by_value, difference=by_metric.difference)
