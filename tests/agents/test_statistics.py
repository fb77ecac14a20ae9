import itertools
import tracemalloc

import numpy as np
import pytest
from scipy import stats

from ganttlet_agents.evaluation import statistics
from ganttlet_agents.evaluation.statistics import bootstrap, estimate, iqm, mean, paired


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 40, 101])
def test_iqm_is_scipys_trimmed_mean(n):
    values = np.random.default_rng(n).normal(size=n)
    assert iqm(values) == pytest.approx(stats.trim_mean(values, 0.25), abs=1e-12)


def test_iqm_works_along_the_last_axis():
    values = np.random.default_rng(0).normal(size=(3, 10))
    assert iqm(values) == pytest.approx(stats.trim_mean(values, 0.25, axis=1), abs=1e-12)


def test_iqm_ignores_outliers_that_move_the_mean():
    values = np.arange(8.0)
    spoilt = np.where(values == 7, 1e6, values)
    assert iqm(spoilt) == iqm(values)
    assert mean(spoilt) > 1e5


@pytest.mark.parametrize("statistic", [mean, iqm])
def test_interval_is_near_scipys_bootstrap(statistic):
    values = np.random.default_rng(3).gamma(2.0, size=60)
    low, high = bootstrap([values.tolist()], statistic, resamples=20000)
    other = stats.bootstrap(
        (values,), lambda v, axis: statistic(v), n_resamples=20000, method="percentile", rng=1
    ).confidence_interval
    width = other.high - other.low
    assert (low, high) == pytest.approx((other.low, other.high), abs=0.06 * width)


def test_interval_repeats_under_a_seed_and_moves_with_it():
    values = [np.random.default_rng(0).normal(size=20).tolist()]
    assert bootstrap(values, seed=1) == bootstrap(values, seed=1)
    assert bootstrap(values, seed=1) != bootstrap(values, seed=2)


def test_strata_are_resampled_within():
    # All spread lies between the strata, so that resampling within them changes nothing.
    assert bootstrap([[0.0, 0.0], [10.0, 10.0]]) == (5.0, 5.0)
    low, high = bootstrap([[0.0, 0.0, 10.0, 10.0]])
    assert low < 5 < high


def test_strata_keep_their_sizes():
    low, high = bootstrap([[0.0] * 9, [1.0]])
    assert low == high == pytest.approx(0.1)


def every_resample(group):
    return [sum(drawn) for drawn in itertools.product(group, repeat=len(group))]


def test_stratified_interval_is_that_of_all_possible_resamples():
    small, large = [0.0, 1.0, 5.0], [10.0, 30.0, 31.0, 37.0]
    sums = [a + b for a in every_resample(small) for b in every_resample(large)]
    exact = np.quantile(np.array(sums) / 7, [0.025, 0.975])
    assert bootstrap([small, large], resamples=20000) == pytest.approx(exact, abs=0.35)
    found = estimate(
        {str(i): [x] for i, x in enumerate(small + large)}, groups=dict(zip("0123456", "sssllll", strict=True))
    )
    assert (found.low, found.high) == pytest.approx(exact, abs=0.7)
    assert (found.covers, found.stratified) == ("instances", True)


def test_spread_between_groups_vanishes_from_the_interval():
    values = {"a": [0.0], "b": [0.0], "c": [10.0], "d": [10.0]}
    groups = {"a": "small", "b": "small", "c": "large", "d": "large"}
    found = estimate(values, groups=groups)
    assert (found.low, found.value, found.high, found.stratified) == (5.0, 5.0, 5.0, True)
    apart = estimate(values)
    assert apart.low < 5 < apart.high
    assert not apart.stratified
    difference = paired(values, {key: [1.0] for key in values}, groups=groups).difference
    assert (difference.low, difference.value, difference.high, difference.stratified) == (4.0, 4.0, 4.0, True)
    assert not paired(values, {key: [1.0] for key in values}).difference.stratified


def test_grouped_interval_is_as_narrow_as_its_groups_scipy_intervals():
    rng = np.random.default_rng(5)
    offset = np.repeat([0.0, 100.0], 30)
    values = offset + rng.normal(size=60)
    groups = {str(i): str(x) for i, x in enumerate(offset)}
    found = estimate({str(i): [x] for i, x in enumerate(values)}, groups=groups)
    other = stats.bootstrap(
        (values[:30], values[30:]),
        lambda a, b, axis: (a.mean(axis) + b.mean(axis)) / 2,
        n_resamples=20000,
        method="percentile",
        rng=1,
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((other.low, other.high), abs=0.1 * (other.high - other.low))


@pytest.mark.parametrize("statistic", [mean, iqm])
def test_one_group_is_no_stratum(statistic):
    values = {str(i): [float(x)] for i, x in enumerate(np.random.default_rng(1).normal(size=12))}
    assert estimate(values, statistic, groups=dict.fromkeys(values, "")) == estimate(values, statistic)


def test_groups_of_one_instance_are_pooled():
    values = {"a": [0.0], "b": [10.0], "c": [5.0], "d": [5.0]}
    groups = {"a": "a", "b": "b", "c": "pair", "d": "pair"}
    found = estimate(values, groups=groups)
    assert (found.low, found.high) == (2.5, 7.5)
    assert not estimate({"a": [0.0], "b": [10.0]}, groups=groups).stratified


def test_seeds_are_resampled_within_instances_whatever_the_groups():
    values = {"a": [1.0, 1.2], "b": [100.0, 100.2]}
    assert estimate(values, groups={"a": "x", "b": "y"}) == estimate(values)
    assert estimate(values).stratified
    assert not estimate({"a": [1.0, 2.0]}).stratified


def test_narrower_level_is_narrower():
    values = [np.random.default_rng(0).normal(size=50).tolist()]
    low, high = bootstrap(values, level=0.95)
    inner_low, inner_high = bootstrap(values, level=0.5)
    assert low < inner_low < inner_high < high


def test_no_observations_are_refused():
    with pytest.raises(ValueError, match="no observations"):
        bootstrap([[]])


def test_estimate_covers_instances_with_one_seed():
    found = estimate({"a": [1.0], "b": [2.0], "c": [6.0]})
    assert found.value == 3.0
    assert found.covers == "instances"
    assert found.low < 3.0 < found.high


def test_estimate_covers_instances_if_seeds_change_nothing():
    by_seed = estimate({"a": [1.0, 1.0], "b": [2.0, 2.0], "c": [6.0, 6.0]})
    once = estimate({"a": [1.0], "b": [2.0], "c": [6.0]})
    assert by_seed == once


def test_estimate_covers_seeds_if_they_change_values():
    found = estimate({"a": [1.0, 1.2], "b": [100.0, 100.2]})
    assert found.covers == "seeds"
    assert found.high - found.low < 0.3
    assert found.value == pytest.approx(50.6)


def test_estimate_of_one_value():
    found = estimate({"a": [2.5]})
    assert (found.value, found.low, found.high) == (2.5, 2.5, 2.5)


def test_paired_differences_cancel_what_instances_share():
    rng = np.random.default_rng(0)
    level = rng.normal(scale=100, size=30)
    baseline = {str(i): [float(x)] for i, x in enumerate(level)}
    method = {str(i): [float(x - 1 + 0.1 * rng.normal())] for i, x in enumerate(level)}
    found = paired(method, baseline)
    assert found.n == 30
    assert found.difference.value == pytest.approx(-1, abs=0.1)
    assert -1.2 < found.difference.low < found.difference.high < -0.8
    assert (found.wins, found.ties, found.losses) == (30, 0, 0)


def test_paired_counts_and_averages_seeds():
    method = {"a": [1.0, 3.0], "b": [5.0], "c": [0.0], "only here": [9.0]}
    baseline = {"a": [2.0], "b": [4.0, 4.0], "c": [1.0], "only there": [9.0], "empty": []}
    found = paired(method, baseline)
    assert (found.n, found.wins, found.ties, found.losses) == (3, 1, 1, 1)
    assert found.difference.value == pytest.approx(0.0)


def test_paired_without_common_instances():
    found = paired({"a": [1.0]}, {"b": [1.0]})
    assert (found.n, found.difference, found.wins) == (0, None, 0)


@pytest.mark.parametrize("statistic", [mean, iqm])
def test_many_observations_are_resampled_in_blocks(monkeypatch, statistic):
    rng = np.random.default_rng(3)
    strata = [(10.0 * group + rng.normal(size=size)).tolist() for group, size in enumerate((500, 1500))]
    whole = bootstrap(strata, statistic)
    monkeypatch.setattr(statistics, "MOST_DRAWN", 2**15)
    tracemalloc.start()
    try:
        blocks = bootstrap(strata, statistic)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # At once, its 2,000 resamples of 2,000 numbers take 32 MB.
    assert peak < 2_500_000
    assert blocks == pytest.approx(whole, abs=0.1 * (whole[1] - whole[0]))
    assert blocks == bootstrap(strata, statistic)
