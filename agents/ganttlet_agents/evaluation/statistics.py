"""Means, seeded stratified bootstrap intervals, paired comparisons and performance profiles; NumPy only.

Sources: Efron and Tibshirani, An Introduction to the Bootstrap, 1993 (percentile interval); Agarwal et al.,
Deep Reinforcement Learning at the Edge of the Statistical Precipice, NeurIPS 2021 (interquartile mean, performance
profile, probability of improvement); Mann and Whitney, On a Test of Whether One of Two Random Variables Is
Stochastically Larger Than the Other, 1947 (the count of pairs).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, Any]
Statistic = Callable[[Array], Array]

RESAMPLES = 2000
LEVEL = 0.95
TRIM = 0.25
# Most numbers that are drawn at once, 32 MiB of them: all draws of up to 2,097 observations.
MOST_DRAWN = 2**22


@dataclass(frozen=True)
class Estimate:
    """A statistic with its bootstrap interval.

    Fields:
        value, low, high: the statistic and the ends of its interval.
        covers: which randomness the interval covers.
        stratified: True if resampling kept to several strata: groups of instances, or instances for seeds.
    """

    value: float
    low: float
    high: float
    covers: Literal["instances", "seeds"]
    stratified: bool = False


@dataclass(frozen=True)
class Paired:
    """A method against a baseline on the instances both solved; differences are positive when worse.

    Fields:
        n: number of instances compared.
        difference: mean difference and its interval over instances, None if n is 0.
        wins, ties, losses: on how many instances the method is better, equal, worse.
        improvement: :func:`probability_of_improvement` on these instances, None if n is 0.
    """

    n: int
    difference: Estimate | None
    wins: int
    ties: int
    losses: int
    improvement: Estimate | None = None


@dataclass(frozen=True)
class Profile:
    """A performance profile: which share of the rows is within each threshold, with its band.

    Fields:
        taus: the thresholds, ascending, shape (T,).
        share, low, high: shares in 0 … 1 and the ends of their 95 % intervals, point by point, shape (T,) each.
        covers, stratified: as of :class:`Estimate`.
    """

    taus: Array
    share: Array
    low: Array
    high: Array
    covers: Literal["instances", "seeds"]
    stratified: bool


def mean(values: Array) -> Array:
    """Return the mean over the last axis."""
    return np.asarray(np.mean(values, axis=-1))


def iqm(values: Array) -> Array:
    """Return the interquartile mean over the last axis: the mean without the lowest and highest quarter.

    As in SciPy's ``trim_mean(values, 0.25)``, a quarter is rounded down to whole values.
    """
    cut = int(TRIM * np.shape(values)[-1])
    ordered = np.sort(values, axis=-1)
    return np.asarray(np.mean(ordered[..., cut : ordered.shape[-1] - cut], axis=-1))


def bootstrap(
    strata: Sequence[Sequence[float]],
    statistic: Statistic = mean,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile interval of a statistic, resampling with replacement within each stratum.

    Args:
        strata: groups of observations; each resample draws as many from a group as it has.
        statistic: maps (resamples, n) to (resamples,).
        resamples: number of bootstrap samples.
        level: coverage, between 0 and 1.
        seed: equal seeds give equal intervals.
    """
    low, high = _ends(_resampled(strata, statistic, resamples, seed), level)
    return float(low), float(high)


def strata_of(values: Mapping[str, float], groups: Mapping[str, str]) -> list[list[float]]:
    """Return the values of instances by group; an instance that ``groups`` does not name is of group ``""``.

    Groups of one instance are pooled: alone, such a group could not vary, and the interval would be too narrow.
    """
    found: dict[str, list[float]] = {}
    for instance, value in values.items():
        found.setdefault(groups.get(instance, ""), []).append(value)
    single = [value for members in found.values() if len(members) == 1 for value in members]
    strata = [members for members in found.values() if len(members) > 1]
    return [*strata, single] if single else strata


def estimate(
    by_instance: Mapping[str, Sequence[float]],
    statistic: Statistic = mean,
    *,
    groups: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Estimate:
    """Return a statistic over all observations with its 95 % interval.

    Args:
        by_instance: instance -> one value per seed.
        statistic: :func:`mean` or :func:`iqm`.
        groups: instance -> its group, within which instances are resampled; one group if None.
        seed: of the bootstrap.

    If seeds change the values, the instances are the strata and the interval covers the seeds' randomness;
    otherwise instances are resampled within their groups and it covers the choice of instances.
    """
    observed, strata, covers = _observed(by_instance, groups)
    low, high = bootstrap(strata, statistic, seed=seed)
    return Estimate(float(statistic(np.concatenate(list(observed.values())))), low, high, covers, len(strata) > 1)


def paired(
    method: Mapping[str, Sequence[float]],
    baseline: Mapping[str, Sequence[float]],
    *,
    groups: Mapping[str, str] | None = None,
    seed: int = 0,
    improvement: bool = True,
) -> Paired:
    """Compare a method with a baseline instance by instance; values are positive when worse.

    Instances are resampled within ``groups``, as by :func:`estimate`. Values of several seeds are averaged per
    instance; instances that only one of the two solved are left out. ``improvement``: reckon that too, which takes
    longest of all.
    """
    common = [key for key in method if len(method[key]) and len(baseline.get(key, ()))]
    differences = np.array([np.mean(method[key]) - np.mean(baseline[key]) for key in common], float)
    if not common:
        return Paired(0, None, 0, 0, 0)
    strata = strata_of(dict(zip(common, differences.tolist(), strict=True)), groups or {})
    low, high = bootstrap(strata, mean, seed=seed)
    return Paired(
        n=len(common),
        difference=Estimate(float(differences.mean()), low, high, "instances", len(strata) > 1),
        wins=int((differences < 0).sum()),
        ties=int((differences == 0).sum()),
        losses=int((differences > 0).sum()),
        improvement=probability_of_improvement(method, baseline, groups=groups, seed=seed) if improvement else None,
    )


def probability_of_improvement(
    method: Mapping[str, Sequence[float]],
    baseline: Mapping[str, Sequence[float]],
    *,
    groups: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Estimate | None:
    """Return how likely a run of ``method`` is better than one of ``baseline`` on an instance drawn at random.

    Per instance it is the share of the pairs of seeds in which the method is better, ties counted half, as in the
    Mann-Whitney statistic; then the mean over the instances that both have. Values are positive when worse, and
    infinity stands for a failed run, if failures are to count. None if no instance is common.

    If seeds change the values of either side, both sides' seeds are resampled within instances; otherwise instances
    are resampled within ``groups``, as by :func:`estimate`.
    """
    common = [key for key in method if len(method[key]) and len(baseline.get(key, ()))]
    if not common:
        return None
    # Not kept, since the pairs of many seeds take more memory than all the rest.
    shares = {key: float(_better(method[key], baseline[key]).mean()) for key in common}
    value = float(np.mean(list(shares.values())))
    if any(_varies(side[key]) for key in common for side in (method, baseline)):
        rng = np.random.default_rng(seed)
        drawn = sum(_resampled_pairs(_better(method[key], baseline[key]), rng) for key in common) / len(common)
        low, high = _ends(np.asarray(drawn), LEVEL)
        return Estimate(value, float(low), float(high), "seeds", len(common) > 1)
    strata = strata_of(shares, groups or {})
    low, high = bootstrap(strata, mean, seed=seed)
    return Estimate(value, low, high, "instances", len(strata) > 1)


def profile(
    by_instance: Mapping[str, Sequence[float]],
    taus: Sequence[float] | Array,
    *,
    groups: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Profile:
    """Return the share of observations that are ≤ each threshold, with a stratified bootstrap band.

    Args:
        by_instance: instance -> one value per seed, smaller is better; infinity for a run that failed, so that it
            counts in the whole and is within no threshold. ``summary.with_failures`` makes such a mapping of rows.
        taus: the thresholds, in the values' unit; sorted here.
        groups: instance -> its group, within which instances are resampled, as by :func:`estimate`.
        seed: of the bootstrap.

    Raises:
        ValueError: if there is no observation.
    """
    observed, strata, covers = _observed(by_instance, groups)
    marks = np.sort(np.asarray(taus, float))
    values = np.concatenate(list(observed.values())) if observed else np.empty(0)
    drawn = _resampled(strata, lambda values: _shares(values, marks), RESAMPLES, seed)
    low, high = _ends(drawn, LEVEL)
    return Profile(marks, _shares(values[None], marks)[0], low, high, covers, len(strata) > 1)


def _observed(
    by_instance: Mapping[str, Sequence[float]], groups: Mapping[str, str] | None
) -> tuple[dict[str, Array], list[list[float]], Literal["instances", "seeds"]]:
    """Return instance -> its values, the strata to resample within, and what randomness that covers."""
    observed = {key: np.asarray(values, float) for key, values in by_instance.items() if len(values)}
    if any(_varies(values) for values in observed.values()):
        return observed, [values.tolist() for values in observed.values()], "seeds"
    once = {key: float(values[0]) for key, values in observed.items()}
    return observed, strata_of(once, groups or {}), "instances"


def _varies(values: Sequence[float] | Array) -> bool:
    return bool(np.min(values) != np.max(values))


def _resampled(strata: Sequence[Sequence[float]], statistic: Statistic, resamples: int, seed: int) -> Array:
    """Return (resamples, …): a statistic of as many draws with replacement from each stratum as it has members."""
    rng = np.random.default_rng(seed)
    groups = [np.asarray(group, float) for group in strata if len(group)]
    if not groups:
        raise ValueError("bootstrap of no observations")
    most = max(1, MOST_DRAWN // sum(map(len, groups)))
    found = []
    for count in (min(most, resamples - first) for first in range(0, resamples, most)):
        drawn = [group[rng.integers(0, len(group), (count, len(group)))] for group in groups]
        found.append(statistic(np.concatenate(drawn, axis=1)))
    return np.concatenate(found)


def _ends(drawn: Array, level: float) -> Array:
    """Return the ends of the percentile interval over the first axis, shape (2, …)."""
    return np.asarray(np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0))


def _shares(values: Array, taus: Array) -> Array:
    """Return (R, T): which share of each row of ``values`` (R, n) is ≤ each of the ascending ``taus`` (T,)."""
    # A value is within every threshold from its bucket on, so one count per bucket and a running sum will do.
    buckets = np.searchsorted(taus, values) + (len(taus) + 1) * np.arange(len(values))[:, None]
    counts = np.bincount(buckets.ravel(), minlength=len(values) * (len(taus) + 1)).reshape(len(values), -1)
    return np.asarray(counts.cumsum(axis=1)[:, :-1] / values.shape[1])


def _better(method: Sequence[float], baseline: Sequence[float]) -> Array:
    """Return (seeds of the method, seeds of the baseline): 1 where the method is better, ½ where they tie."""
    a, b = np.asarray(method, float)[:, None], np.asarray(baseline, float)[None]
    return np.asarray((a < b) + 0.5 * (a == b))


def _resampled_pairs(better: Array, rng: np.random.Generator) -> Array:
    """Return (RESAMPLES,): the mean of ``better`` over pairs when both sides' seeds are drawn anew."""
    # The number of times that each seed is drawn suffices.
    weights = [rng.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n for n in better.shape]
    return np.asarray(np.einsum("ra,ab,rb->r", weights[0], better, weights[1], optimize=True))
