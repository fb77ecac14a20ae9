"""Generator ``pods`` and the default scheduler that places them, against its slow twin."""

import numpy as np
import pytest
from hypothesis import given, settings

from ganttlet.core.errors import InputError
from ganttlet.vm_rescheduling import Cluster, make_generator
from ganttlet.vm_rescheduling.replica_sets import draw_sets
from ganttlet.vm_rescheduling.scheduler import schedule_default
from reference.vm_generator import default_nodes
from reference.vm_samples import sample_cluster
from reference.vm_strategies import pod_problems


@settings(deadline=None, max_examples=150)
@given(pod_problems())
def test_default_scheduler_is_the_slow_one(problem):
    room = list(zip(problem.cpu[:, 0].tolist(), problem.mem[:, 0].tolist(), strict=True))
    pods = list(zip(problem.cores.tolist(), problem.memory.tolist(), strict=True))
    expected = default_nodes(room, pods, problem.priority.tolist(), problem.host.tolist(), problem.groups.tolist())
    before = problem.host.tolist()
    assert schedule_default(problem).tolist() == expected
    assert problem.host.tolist() == before


def test_default_scheduler_by_hand():
    def nodes(cpu, mem, pods, priority):
        cores, memory = zip(*pods, strict=True)
        none = [-1] * len(pods)
        columns = ([[one] for one in cpu], [[one] for one in mem], cores, memory, [0] * len(pods), none, none)
        return schedule_default(Cluster("hand", *columns, priority=priority)).tolist()

    # Equal nodes: the lowest index; then the emptier one.
    assert nodes([10, 10], [10, 10], [(4, 4), (4, 4)], [1, 1]) == [0, 1]
    # Node 1 would be used 4/8 and 4/16: shares 50 + 75, 1/8 off balance; node 0 4/10 and 4/10: 60, no deviation.
    # Scores 100 · .6 + 100 = 160 and 100 · .625 + 87.5 = 150.
    assert nodes([10, 8], [10, 16], [(4, 4)], [0]) == [0]
    # The more important pod comes first and leaves no room for the other.
    assert nodes([10], [10], [(6, 1), (6, 1)], [0, 1]) == [-1, 0]
    with pytest.raises(InputError, match="has no field 'priority'"):
        schedule_default(sample_cluster(hosts=2, vms=3))


def test_pods_follow_the_recipe():
    generator = make_generator({"name": "pods", "nodes": 16, "pods_per_node": 8, "priorities": 4, "util": 0.95})
    every = []
    for seed in range(60):
        one = generator.sample(seed)
        assert one.size == "16x128"
        assert one.limit == 128
        assert (one.host == -1).any()
        for have, need in ((one.cpu, one.cores), (one.mem, one.memory)):
            total = int(need.sum())
            # ⌈total / util / nodes⌉ in integers, or the largest pod.
            assert (have == max(-(-total * 20 // (19 * 16)), int(need.max()))).all()
        empty = one.host.copy()
        empty[:] = -1
        room = list(zip(one.cpu[:, 0].tolist(), one.mem[:, 0].tolist(), strict=True))
        pods = list(zip(one.cores.tolist(), one.memory.tolist(), strict=True))
        if seed < 5:
            assert default_nodes(room, pods, one.priority.tolist(), empty.tolist(), []) == one.host.tolist()
        every.append(np.stack([one.cores, one.memory, one.priority], axis=1))
    rows = np.concatenate(every)
    assert (rows.min(axis=0) >= (100, 100, 1)).all()
    assert (rows.max(axis=0) <= (1000, 1000, 4)).all()
    assert rows[:, :2].mean(axis=0) == pytest.approx([550, 550], rel=0.03)
    assert np.bincount(rows[:, 2])[1:] / len(rows) == pytest.approx([0.25] * 4, abs=0.04)
    # Sets of 1, 2, 3, 4 equal pods, equally often; the last of an instance may be cut.
    lengths = [length for one in every for length in runs(one)[:-1]]
    assert set(lengths) == {1, 2, 3, 4}
    assert np.bincount(lengths)[1:] / len(lengths) == pytest.approx([0.25] * 4, abs=0.04)


def runs(rows):
    ends = np.flatnonzero((np.diff(rows, axis=0) != 0).any(axis=1)) + 1
    return np.diff([0, *ends, len(rows)]).tolist()


def test_sets_are_cut_at_the_last_pod():
    size, priority = np.zeros((1, 2), np.int64), np.zeros(1, np.int64)
    draw_sets(np.uint64(3), 2, size, priority)
    assert size.min() >= 100
    assert priority[0] in (1, 2)


def test_a_small_node_holds_the_largest_pod():
    generator = make_generator({"name": "pods", "nodes": 8, "pods_per_node": 1, "util": 10})
    for seed in range(20):
        one = generator.sample(seed)
        assert (one.cpu == one.cores.max()).all()
        assert (one.mem == one.memory.max()).all()


def left_pending(given):
    generator = make_generator(given)
    return [bool((generator.sample(seed).host == -1).any()) for seed in range(50)]


def test_only_failing():
    easy = {"name": "pods", "nodes": 4, "pods_per_node": 8, "util": 0.9}
    assert all(left_pending(easy))
    assert not all(left_pending({**easy, "only_failing": False}))
    # From util 1 on, instances without pending pods are kept unless told otherwise; they are rare.
    assert make_generator({**easy, "util": 1.0}).sample(0).size == "4x32"
    with pytest.raises(InputError, match=r"in none of 2000 draws of 2 pods on 1 nodes at util 0\.1 .*raise 'util'"):
        make_generator({"name": "pods", "nodes": 1, "pods_per_node": 2, "util": 0.1}).sample(0)
