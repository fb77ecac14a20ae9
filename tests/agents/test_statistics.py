import numpy as np
import pytest
from scipy import stats

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
