"""Churn replay: equal to a replay on plain lists, the same world for every plan, and the documented rules."""

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganttlet.core.errors import InputError
from ganttlet.vm_rescheduling.churn import ON_INVALID, achieved, replay_under_churn
from ganttlet.vm_rescheduling.instance import Cluster
from ganttlet.vm_rescheduling.solution import Plan, validate
from reference.vm_churn import replay, timeline
from reference.vm_samples import sample_cluster, sample_plan, sample_pods


def apart(instance, groups, seed):
    """Return pairs (group, VM): in every group one VM of each host."""
    rng = np.random.default_rng(seed)
    pairs = []
    for group in range(groups):
        order = rng.permutation(instance.n_vms)
        _, first = np.unique(instance.host[order], return_index=True)
        pairs += [(group, vm) for vm in order[first].tolist()]
    return pairs


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 500), st.sampled_from([0.0, 20.0, 60.0, 240.0]), st.sampled_from(ON_INVALID), st.booleans())
def test_equals_the_replay_on_plain_lists(seed, delay, on_invalid, groups):
    instance = sample_cluster(seed, hosts=5, vms=20)
    if groups:
        instance = sample_cluster(seed, hosts=5, vms=20, groups=apart(instance, 2, seed))
    plan = sample_plan(instance, 6, seed)
    ours = replay_under_churn(instance, plan, delay, rate=6.0, on_invalid=on_invalid, seed=seed)
    expected = replay(instance, plan, delay, 6.0, on_invalid, seed)
    assert astuple(ours)[1:2] + astuple(ours)[3:] == expected[1:2] + expected[3:]
    assert (ours.fr, ours.fr_unplanned) == pytest.approx((expected[0], expected[2]), abs=1e-12)


def test_no_delay_is_the_validator():
    instance = sample_cluster(1)
    plan = sample_plan(instance, 8)
    values = validate(instance, plan).values
    result = replay_under_churn(instance, plan, 0.0)
    assert (result.fr, result.n16, result.moves_done) == (values["fr16"], values["n16"], 8)
    assert (result.arrivals, result.exits, result.rejected, result.moves_invalid) == (0, 0, 0, 0)


def test_plans_meet_the_same_world():
    instance = sample_cluster(2, hosts=12, vms=60)
    plans = [sample_plan(instance, moves, moves) for moves in (0 + 1, 4, 8)]
    ends = [replay_under_churn(instance, plan, 90.0, on_invalid="skip", seed=3) for plan in plans]
    assert len({(end.fr_unplanned, end.arrivals, end.exits, end.rejected) for end in ends}) == 1
    assert ends[0].exits > 2
    other = replay_under_churn(instance, plans[0], 90.0, on_invalid="skip", seed=4)
    assert other.fr_unplanned != ends[0].fr_unplanned


def test_events_are_poisson_at_the_rate():
    counts = np.array(
        [
            [sum(kind == name for _, kind, _ in timeline(seed, 120.0, 5.0)) for name in ("arrival", "exit")]
            for seed in range(400)
        ]
    )
    # Mean and variance 10; their standard errors over 400 seeds are .16 and .72.
    assert np.abs(counts.mean(axis=0) - 10.0).max() < 0.6
    assert np.abs(counts.var(axis=0) - 10.0).max() < 3.0
    instance = sample_cluster(0, hosts=40, vms=100)
    plan = Plan([], instance.digest)
    for seed in range(5):
        end = replay_under_churn(instance, plan, 120.0, seed=seed)
        assert [end.arrivals + end.rejected, end.exits] == counts[seed].tolist()


def full(groups=None):
    """Return two hosts, on whose NUMA nodes lie VMs of 40 and 4 cores (host 0) and 8 cores (host 1, node 0)."""
    return Cluster(
        "full", [[44, 44]] * 2, [[9000, 9000]] * 2, [40, 4, 8], [100, 100, 100], [0, 0, 0], [0, 0, 1], [0, 1, 0],
        groups=groups,
    )  # fmt: skip


def test_abort_stops_and_skip_goes_on():
    instance = full()
    moves = [(1, 0, 1), (2, 1, 1), (9, 0, 0), (1, 1, 0)]  # stays where it is; moves; unknown VM; moves
    plan = Plan(moves, instance.digest)
    abort = replay_under_churn(instance, plan, 0.0)
    assert (abort.moves_done, abort.moves_invalid, abort.moves_untried) == (0, 1, 3)
    skip = replay_under_churn(instance, plan, 0.0, on_invalid="skip")
    assert (skip.moves_done, skip.moves_invalid, skip.moves_untried) == (2, 2, 0)


def test_moves_over_the_limit_are_invalid():
    instance = sample_cluster(0, limit=3)
    plan = sample_plan(instance, 5)
    result = replay_under_churn(instance, plan, 0.0, on_invalid="skip")
    assert (result.moves_done, result.moves_invalid) == (3, 2)


def test_a_vm_that_left_cannot_move_and_makes_room():
    instance = full(groups=[(0, 1), (0, 2)])
    plan = Plan([(1, 1, 0)], instance.digest)
    assert replay_under_churn(instance, plan, 0.0).moves_done == 0  # VM 2 of its group is there
    outcomes = set()
    for seed in range(300):
        exits = [number for _, kind, number in timeline(seed, 10.0, 5.0) if kind == "exit"]
        arrivals = [number for _, kind, number in timeline(seed, 10.0, 5.0) if kind == "arrival"]
        if len(exits) == 1 and not arrivals:
            result = replay_under_churn(instance, plan, 10.0, seed=seed)
            outcomes.add((result.moves_done, result.moves_invalid))
    assert outcomes == {(0, 1), (1, 0)}  # invalid if VM 0 or 1 left, valid if VM 2 did


def test_arrivals_that_fit_nowhere_are_rejected():
    cores = [44, 44]
    instance = Cluster("packed", [[44, 44]], [[900, 900]], cores, [1, 1], [0, 0], [0, 0], [0, 1])
    seen = set()
    for seed in range(40):
        kinds = [kind for _, kind, _ in timeline(seed, 12.0, 5.0)]
        if kinds == ["arrival"]:
            result = replay_under_churn(instance, Plan([], instance.digest), 12.0, seed=seed)
            seen.add((result.arrivals, result.rejected, result.fr))
    assert seen == {(0, 1, 0.0)}


def test_achieved_is_the_mean_over_seeds():
    instance = sample_cluster(5, hosts=12, vms=60)
    plan = sample_plan(instance, 8)
    ends = [replay_under_churn(instance, plan, 45.0, rate=20.0, on_invalid="skip", seed=seed) for seed in range(4, 8)]
    mean = achieved(instance, plan, 45.0, rate=20.0, on_invalid="skip", seeds=range(4, 8))
    assert mean.fr == pytest.approx(np.mean([end.fr for end in ends]))
    assert mean.n16 == pytest.approx(np.mean([end.n16 for end in ends]))
    assert mean.moves_done == pytest.approx(np.mean([end.moves_done for end in ends]))
    assert len({end.fr for end in ends}) > 1


def test_bad_input_is_refused():
    instance = sample_cluster(0)
    plan = sample_plan(instance, 1)
    with pytest.raises(InputError, match="churn: pods 0 has pods; expected a cluster of VMs"):
        replay_under_churn(sample_pods(0), plan, 1.0)
    with pytest.raises(InputError, match="plan belongs to instance elsewhere, not to sample 0"):
        replay_under_churn(instance, Plan([], "elsewhere"), 1.0)
    with pytest.raises(InputError, match="on_invalid: unknown value 'retry'; expected one of abort, skip"):
        replay_under_churn(instance, plan, 1.0, on_invalid="retry")
    for bad in ({"delay_seconds": -1.0}, {"delay_seconds": float("nan")}, {"rate": -2.0}, {"seed": -1}, {"seed": 0.5}):
        (name,) = bad
        with pytest.raises(InputError, match=f"{name}: expected"):
            replay_under_churn(instance, plan, **{"delay_seconds": 1.0, **bad})
    with pytest.raises(InputError, match="seeds: expected at least one"):
        achieved(instance, plan, 1.0, seeds=range(0))
