"""Performance profiles and the probability of improvement, with SciPy as the oracle."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from ganttlet_agents.evaluation.rows import Row
from ganttlet_agents.evaluation.statistics import paired, probability_of_improvement, profile
from ganttlet_agents.evaluation.summary import summarise, with_failures

RNG = np.random.default_rng(7)


def drawn(n, seeds, shift=0.0):
    """Return n instances of their own level with rounded values, so that ties occur."""
    return {f"i{i}": np.round(10 * i + shift + RNG.normal(size=seeds), 1).tolist() for i in range(n)}


@pytest.mark.parametrize(("seeds", "others"), [(1, 1), (5, 5), (7, 3)])
def test_improvement_is_the_mean_of_mann_whitney_shares(seeds, others):
    ours, theirs = drawn(6, seeds, -0.3), drawn(6, others)
    # SciPy's statistic counts the pairs in which the first sample is greater, ties half.
    shares = [stats.mannwhitneyu(theirs[key], ours[key]).statistic / (seeds * others) for key in ours]
    assert probability_of_improvement(ours, theirs).value == pytest.approx(np.mean(shares), abs=1e-12)


def test_improvement_of_ties_is_a_half():
    same = {"a": [1.0, 2.0], "b": [3.0]}
    assert probability_of_improvement(same, same).value == 0.5
    assert probability_of_improvement({"a": [1.0]}, {"a": [1.0]}).value == 0.5


def test_improvement_over_seeds_has_scipys_interval():
    ours, theirs = RNG.normal(-0.5, size=12), RNG.normal(size=15)
    found = probability_of_improvement({"a": ours.tolist()}, {"a": theirs.tolist()})
    other = stats.bootstrap(
        (ours, theirs),
        lambda a, b, axis: (a[..., :, None] < b[..., None, :]).mean(axis=(-2, -1)),
        n_resamples=20000,
        method="percentile",
        rng=1,
    ).confidence_interval
    assert (found.covers, found.stratified) == ("seeds", False)
    assert (found.low, found.high) == pytest.approx((other.low, other.high), abs=0.03)


def test_improvement_of_one_seed_resamples_instances_within_groups():
    ours = {"a": [0.0], "b": [0.0], "c": [2.0], "d": [2.0]}
    theirs = {key: [1.0] for key in ours}
    groups = {"a": "won", "b": "won", "c": "lost", "d": "lost"}
    # All spread lies between the groups, so resampling within them changes nothing.
    found = probability_of_improvement(ours, theirs, groups=groups)
    assert (found.low, found.value, found.high, found.covers) == (0.5, 0.5, 0.5, "instances")
    apart = probability_of_improvement(ours, theirs)
    assert apart.low < 0.5 < apart.high


def test_improvement_repeats_under_a_seed_and_moves_with_it():
    ours, theirs = drawn(5, 6, -0.2), drawn(5, 6)
    assert probability_of_improvement(ours, theirs, seed=1) == probability_of_improvement(ours, theirs, seed=1)
    assert probability_of_improvement(ours, theirs, seed=1) != probability_of_improvement(ours, theirs, seed=2)


def test_a_failed_run_loses_to_any_other_and_ties_with_its_like():
    inf = float("inf")
    assert probability_of_improvement({"a": [inf], "b": [1.0]}, {"a": [9.0], "b": [1.0]}).value == 0.25
    assert probability_of_improvement({"a": [inf]}, {"a": [inf]}).value == 0.5


def test_paired_carries_the_improvement_of_common_instances():
    ours, theirs = {"a": [1.0], "b": [5.0], "mine": [0.0]}, {"a": [2.0], "b": [4.0], "yours": [0.0]}
    found = paired(ours, theirs)
    assert found.improvement == probability_of_improvement(ours, theirs)
    assert found.improvement.value == 0.5
    assert paired({"a": [1.0]}, {"b": [1.0]}).improvement is None


def test_profile_is_scipys_empirical_distribution():
    values = drawn(8, 4)
    taus = np.linspace(-5, 90, 40)
    found = profile(values, taus[::-1])
    assert found.taus.tolist() == taus.tolist()
    assert found.share == pytest.approx(stats.ecdf(np.concatenate(list(values.values()))).cdf.evaluate(taus))
    assert (found.covers, found.stratified) == ("seeds", True)
    assert ((found.low <= found.share + 1e-12) & (found.share <= found.high + 1e-12)).all()


def test_a_threshold_includes_values_equal_to_it():
    assert profile({"a": [0.1], "b": [0.2], "c": [0.3]}, [0.1, 0.2]).share == pytest.approx([1 / 3, 2 / 3])


def test_profile_band_is_scipys_bootstrap_at_each_threshold():
    values = RNG.gamma(2.0, size=50)
    found = profile({str(i): [x] for i, x in enumerate(values)}, [1.0, 2.0, 4.0])
    for tau, low, high in zip(found.taus, found.low, found.high, strict=True):
        other = stats.bootstrap(
            ((values <= tau).astype(float),), np.mean, n_resamples=10000, method="percentile", rng=1
        ).confidence_interval
        # One value of fifty either way: shares come in steps.
        assert (low, high) == pytest.approx((other.low, other.high), abs=0.021)


def test_profile_resamples_within_groups():
    values = {"a": [0.0], "b": [0.0], "c": [10.0], "d": [10.0]}
    found = profile(values, [5.0], groups={"a": "x", "b": "x", "c": "y", "d": "y"})
    assert (found.low[0], found.share[0], found.high[0]) == (0.5, 0.5, 0.5)
    apart = profile(values, [5.0])
    assert apart.low[0] < 0.5 < apart.high[0]


def test_failures_count_in_the_whole():
    found = profile({"a": [0.0], "b": [float("inf")]}, [0.0, 1e9])
    assert found.share.tolist() == [0.5, 0.5]


def test_profile_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no observations"):
        profile({}, [0.0])


def row(**changes):
    filled = {field.name: None for field in dataclasses.fields(Row)} | {"sense": "min", "digest": "a"}
    return Row(**filled | changes)


def test_rows_without_a_solution_are_infinite():
    rows = [row(value=5.0, gap=0.25), row(error="no solution"), row(value=3.0, digest="b")]
    assert with_failures(rows, "gap") == {"a": [0.25, float("inf")]}
    assert with_failures(rows, "value") == {"a": [5.0, float("inf")], "b": [3.0]}
    assert with_failures([row(value=5.0, sense="max")], "value") == {"a": [-5.0]}


def shown(rows, capsys):
    from ganttlet_agents.evaluation.tables import make_console, print_summaries

    print_summaries(make_console(), summarise(rows))
    return capsys.readouterr().out


def test_tables_show_the_profile_of_ten_rows_with_failures_in_the_whole(capsys):
    gaps = [0.0, 0.0, 0.005, 0.01, 0.04, 0.05, 0.2, 0.3, None, None]
    facts = {"family": "job_shop", "method": "rule:a", "objective": "makespan", "group": "", "status": ""}
    facts |= {"reference_kind": "optimal", "information": "causal", "decisions": 0, "seconds": 1.0, "values": {}}
    facts |= {"optimal": False, "reference_conflict": False}
    rows = []
    for i, gap in enumerate(gaps):
        judged = {"value": None, "error": "crash"} if gap is None else {"value": 1 + gap, "gap": gap}
        rows.append(row(**facts, **judged, key=str(i), digest=str(i), feasible=gap is not None))
    (summary,) = summarise(rows)
    assert summary.methods[0].profile.share.tolist() == [0.2, 0.4, 0.6, 0.6, 0.7]
    out = shown(rows, capsys)
    assert "% of all rows with a gap of at most" in out
    assert "20 [0, 50]" in out
    assert "gap of at most" not in shown(rows[:9], capsys)
