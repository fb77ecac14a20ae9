"""Means, interquartile means, seeded stratified bootstrap intervals and paired comparisons; NumPy only.

Sources: Efron and Tibshirani, An Introduction to the Bootstrap, 1993 (percentile interval); Agarwal et al.,
Deep Reinforcement Learning at the Edge of the Statistical Precipice, NeurIPS 2021 (interquartile mean).
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
    """

    n: int
    difference: Estimate | None
    wins: int
    ties: int
    losses: int


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
    rng = np.random.default_rng(seed)
    groups = [np.asarray(group, float) for group in strata if len(group)]
    if not groups:
        raise ValueError("bootstrap of no observations")
    drawn = [group[rng.integers(0, len(group), (resamples, len(group)))] for group in groups]
    low, high = np.quantile(statistic(np.concatenate(drawn, axis=1)), [(1 - level) / 2, (1 + level) / 2])
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
    observed = {key: np.asarray(values, float) for key, values in by_instance.items() if len(values)}
    if any(np.ptp(values) > 0 for values in observed.values()):
        covers: Literal["instances", "seeds"] = "seeds"
        strata = [values.tolist() for values in observed.values()]
    else:
        covers = "instances"
        strata = strata_of({key: float(values[0]) for key, values in observed.items()}, groups or {})
    low, high = bootstrap(strata, statistic, seed=seed)
    return Estimate(float(statistic(np.concatenate(list(observed.values())))), low, high, covers, len(strata) > 1)


def paired(
    method: Mapping[str, Sequence[float]],
    baseline: Mapping[str, Sequence[float]],
    *,
    groups: Mapping[str, str] | None = None,
    seed: int = 0,
) -> Paired:
    """Compare a method with a baseline instance by instance; values are positive when worse.

    Instances are resampled within ``groups``, as by :func:`estimate`. Values of several seeds are averaged per
    instance; instances that only one of the two solved are left out.
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
    )
