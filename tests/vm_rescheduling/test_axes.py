"""What curves of clusters are drawn over, and what becomes of plans there."""

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.core.family import get_family
from ganttlet.vm_rescheduling.churn import achieved, replay_under_churn
from ganttlet.vm_rescheduling.library import generate, with_options
from ganttlet.vm_rescheduling.solution import Plan, validate
from reference.vm_samples import sample_plan

FAMILY = get_family("vm_rescheduling")


@pytest.fixture(scope="module")
def cluster():
    return generate({"name": "level", "level": "H", "hosts": 8, "mnl": 6, "groups": 2, "group_size": 3}, 0)


def test_axes_are_the_numbers_of_a_cluster(cluster):
    found = FAMILY.axes(cluster)
    expected = {"mnl": 6.0, "hosts": 8.0, "vms": float(cluster.n_vms), "groups": 2.0, "priorities": 0.0}
    assert {name: found[name] for name in expected} == expected
    assert found["used"] == pytest.approx(cluster.cores.sum() / cluster.cpu.sum())
    assert "goal" not in found
    assert FAMILY.axes(with_options(cluster, {"goal": 0.4, "mnl": 3}))["goal"] == 0.4
    pods = generate({"name": "pods", "nodes": 4, "priorities": 2}, 0)
    assert FAMILY.axes(pods)["priorities"] == len(set(pods.priority.tolist()))


def test_churn_is_the_mean_of_replays(cluster):
    plan = sample_plan(cluster, 6)
    options = {"delay_seconds": 120.0, "rate": 9.0, "on_invalid": "skip", "seeds": 3}
    found = FAMILY.after["churn"](cluster, plan, 0.1, options)
    end = achieved(cluster, plan, 120.0, rate=9.0, on_invalid="skip", seeds=range(3))
    assert (found["fr16"], found["n16"], found["moves"]) == pytest.approx((end.fr, end.n16, end.moves_done))
    without = [replay_under_churn(cluster, plan, 120.0, rate=9.0, seed=seed).fr_unplanned for seed in range(3)]
    assert found["unplanned"] == pytest.approx(np.mean(without))
    for wrong in ({}, {"delay_seconds": 1.0, "seeds": 0}, {"delay_seconds": 1.0, "speed": 2}):
        with pytest.raises(InputError):
            FAMILY.after["churn"](cluster, plan, 0.1, wrong)


def rates_of(cluster, plan):
    """Return the fragment rate before the first move and after each."""
    plans = [Plan(plan.moves[:at], cluster.digest) for at in range(len(plan.moves) + 1)]
    return [validate(cluster, part).values["fr16"] for part in plans]


def descent(cluster):
    """Return a plan of two moves, each of which lowers the fragment rate."""
    moves = []
    for vm in np.flatnonzero(cluster.split == 0):
        for host in range(cluster.n_hosts):
            plan = Plan([*moves, (vm, host, 0)], cluster.digest)
            if validate(cluster, plan).values and np.diff(rates_of(cluster, plan))[-1] < 0:
                moves.append((vm, host, 0))
                break
        if len(moves) == 2:
            break
    return Plan(moves, cluster.digest)


def test_a_goal_counts_the_moves_until_it_is_reached():
    cluster = generate({"name": "level", "level": "H", "hosts": 30, "mnl": 6}, 1)
    plan = descent(cluster)
    rates = rates_of(cluster, plan)

    def reach(goal):
        again = with_options(cluster, {"goal": goal})
        return FAMILY.after["goal"](again, Plan(plan.moves, again.digest), 0.1, {})

    for goal in (*rates, 0.0):
        first = next((at for at, rate in enumerate(rates) if rate <= goal), None)
        found = reach(goal)
        assert found["reached"] == (first is not None)
        assert found["moves"] == (cluster.limit if first is None else first)
        assert found["fr16"] == pytest.approx(rates[-1 if first is None else first])
    assert [reach(goal)["moves"] for goal in rates] == [0, 1, 2]
    with pytest.raises(InputError, match="has no goal"):
        FAMILY.after["goal"](cluster, plan, 0.1, {})


def test_pods_are_better_where_fewer_pend_by_priority():
    pods = generate({"name": "pods", "nodes": 4, "pods_per_node": 4, "priorities": 2}, 0)
    low, high = (np.flatnonzero(pods.priority == level) for level in sorted(set(pods.priority.tolist())))
    pending = np.flatnonzero(pods.host == -1)

    def better(*moves):
        return FAMILY.after["pods"](pods, Plan(list(moves), pods.digest), 0.1, {})["better"]

    assert better() == 0.0
    assert better((pending[0], 0, 0)) == 1.0
    # One important pod outweighs all others, whichever way.
    running = [pod for pod in high if pods.host[pod] >= 0]
    assert better((running[0], -1, -1), *((pod, 0, 0) for pod in pending if pod in low)) == 0.0
    with pytest.raises(InputError, match="expected pods"):
        FAMILY.after["pods"](generate({"name": "toy"}, 0), Plan([], "x"), 0.1, {})
