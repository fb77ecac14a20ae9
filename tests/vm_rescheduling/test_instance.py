"""Cluster: every check has a failing case that names the record; derived values, saving and loading."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings

from ganttlet.core.errors import InputError
from ganttlet.vm_rescheduling import Cluster
from reference.vm_strategies import clusters, pod_problems

BIG = 2**31 - 1
# Host 0: 8 + 8 cores, host 1: 4 + 4; VM 0 lies on 0/0, VM 1 on 0/1, VM 2 is split over host 1.
GOOD = {
    "name": "x",
    "cpu": [[8, 8], [4, 4]],
    "mem": [[80, 80], [40, 40]],
    "cores": [4, 3, 2],
    "memory": [40, 30, 20],
    "split": [0, 0, 1],
    "host": [0, 0, 1],
    "numa": [0, 1, 2],
}
PODS = {
    "name": "p",
    "cpu": [[8], [4]],
    "mem": [[80], [40]],
    "cores": [4, 3, 2],
    "memory": [40, 30, 20],
    "split": [0, 0, 0],
    "host": [0, -1, 1],
    "numa": [0, -1, 0],
    "priority": [5, 1, 5],
}

BAD = [
    ({"cpu": [8, 8]}, "'cpu'.*2 dimension"),
    ({"cpu": [[8, 8], [4]]}, "'cpu'.*different lengths"),
    ({"cpu": [[8, 8], [4, 4.5]]}, "'cpu'.*integers"),
    ({"cpu": [[8, 8], [4, float("nan")]]}, "'cpu': host 1 has .*nan.*finite"),
    ({"cpu": [[8, 8], [4, BIG + 1]]}, "'cpu'.*lie in"),
    ({"cpu": [[8, 8], [4, -1]]}, r"'cpu': host 1 has \[4, -1\]; expected ≥ 0"),
    ({"cpu": np.zeros((2, 3), int), "mem": np.zeros((2, 3), int)}, "'cpu'.*1 or 2 NUMA nodes"),
    ({"cpu": np.zeros((0, 2), int), "mem": np.zeros((0, 2), int)}, "'cpu'.*hosts"),
    ({"mem": [[80, 80]]}, "'mem': shape"),
    ({"mem": [[80, -3], [40, 40]]}, "'mem': host 0 has"),
    ({"cores": [4, 3]}, "'memory'.*one value per VM"),
    ({"cores": [4, 0, 2]}, "'cores': VM 1 has 0; expected at least 1"),
    ({"cores": [4, float("nan"), 2]}, "'cores': VM 1 has nan"),
    ({"cores": [4, 2.5, 2]}, "'cores'.*integers"),
    ({"cores": [True, True, True]}, "'cores'.*integers"),
    ({"memory": [40, -1, 20]}, "'memory': VM 1 has -1; expected at least 0"),
    ({"memory": [40, float("inf"), 20]}, "'memory': VM 1 has inf"),
    ({"split": [0, 2, 1]}, "'split': VM 1 has 2; expected 0 or 1"),
    ({"cores": [4, 3, 3]}, "'split': VM 2 has unequal halves.*3 cores"),
    ({"memory": [40, 30, 21]}, "'split': VM 2 has unequal halves.*21 MB"),
    ({"host": [0, 2, 1]}, "'host': VM 1 is on unknown host 2; expected 0 … 1"),
    ({"host": [0, -2, 1]}, "'host': VM 1 is on unknown host -2"),
    ({"host": [0, -1, 1], "numa": [0, -1, 2]}, "'host': VM 1 is on no host; only pods"),
    ({"numa": [0, 2, 2]}, "'numa': VM 1 is on NUMA node 2; expected 0 … 1"),
    ({"numa": [0, -1, 2]}, "'numa': VM 1 is on NUMA node -1"),
    ({"numa": [0, 1, 0]}, r"'numa': VM 2 is on NUMA node 0; expected 2 \(split\)"),
    ({"numa": [0, 0, 2], "cores": [4, 5, 2]}, "host 0 NUMA node 0 is over-committed.*9 cores and 70 MB of 8 cores"),
    ({"memory": [81, 30, 20]}, "host 0 NUMA node 0 is over-committed.*81 MB of 8 cores and 80 MB"),
    ({"cores": [4, 3, 10]}, "host 1 NUMA node 0 is over-committed.*5 cores"),
    ({"groups": [[0, 3]]}, "'groups': anti-affinity group 0 names unknown VM 3; expected 0 … 2"),
    ({"groups": [[0, -1]]}, "'groups': anti-affinity group 0 names unknown VM -1"),
    ({"groups": [[-1, 0]]}, "'groups': pair 0 names group -1"),
    ({"groups": [[0, 1, 2]]}, "'groups': expected pairs"),
    ({"groups": [[7, 0], [7, 1]]}, "'groups': VMs 0 and 1 of anti-affinity group 7 share host 0"),
    ({"limit": -1}, "'limit': expected an integer of at least 0, got -1"),
    ({"limit": 2.0}, "'limit'.*got 2.0"),
    ({"limit": True}, "'limit'"),
    ({"block": 0}, "'block'.*at least 1"),
    ({"block": 2**31}, "'block': expected at most 2147483647"),
    ({"memory_block": 0}, "'memory_block'.*at least 1"),
    ({"mix": 1.5}, "'mix': expected a number in 0 … 1"),
    ({"mix": None}, "'mix'"),
    ({"goal": -0.1}, "'goal'"),
    ({"goal": float("nan")}, "'goal'.*got nan"),
    ({"goal": "low"}, "'goal'"),
    ({"count_placements": 1}, "'count_placements'"),
    ({"count_placements": False}, "'count_placements': False is for pods"),
    ({"rack": [1]}, "'rack': expected one value per host"),
    ({"host_id": ["a"]}, "'host_id': expected 2 names, got 1"),
    ({"vm_id": ["a"]}, "'vm_id': expected 3 names, got 1"),
    ({name: [] for name in ("cores", "memory", "split", "host", "numa")}, "'cores'.*at least one VM"),
]
BAD_PODS = [
    ({"priority": [5, 1]}, "'priority': expected one value per VM"),
    ({"priority": [5, -1, 5]}, "'priority': VM 1 has -1; expected ≥ 0"),
    ({"split": [0, 0, 1]}, "'split': VM 2 is split, but hosts have one NUMA node"),
    ({"numa": [0, 0, 0]}, r"'numa': VM 1 is on NUMA node 0; expected -1 \(pending\)"),
    ({"numa": [0, -1, 1]}, "'numa': VM 2 is on NUMA node 1; expected 0 … 0"),
    ({"cores": [9, 3, 2]}, "host 0 NUMA node 0 is over-committed"),
    ({"cpu": [[8, 8], [4, 4]], "mem": [[80, 80], [40, 40]]}, "'priority': pods need hosts of one NUMA node"),
    ({"groups": [[0, 0], [0, 2]], "host": [1, -1, 1], "cores": [2, 3, 2], "memory": [2, 3, 2]}, "share host 1"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_fields_are_named(change, message):
    with pytest.raises(InputError, match=message):
        Cluster(**(GOOD | change))


@pytest.mark.parametrize(("change", "message"), BAD_PODS)
def test_bad_pods_are_named(change, message):
    with pytest.raises(InputError, match=message):
        Cluster(**(PODS | change))


def test_priorities_must_be_weighable():
    many = 40
    columns = {"cores": [1] * many, "memory": [0] * many, "split": [0] * many, "host": [-1] * many, "numa": [-1] * many}
    Cluster(**(PODS | columns | {"priority": [pod % 9 for pod in range(many)]}))
    with pytest.raises(InputError, match="'priority': 10 different priorities of 40 pods"):
        Cluster(**(PODS | columns | {"priority": [pod % 10 for pod in range(many)]}))


def test_names_of_people_are_used_in_errors():
    names = {"host_id": ["pm_a", "pm_b"], "vm_id": ["web", "db", "log"]}
    with pytest.raises(InputError, match="VM db is on unknown host 9"):
        Cluster(**(GOOD | names | {"host": [0, 9, 1]}))
    with pytest.raises(InputError, match="host pm_a NUMA node 1 is over-committed"):
        Cluster(**(GOOD | names | {"cores": [4, 9, 2]}))


def test_defaults_and_properties():
    cluster = Cluster(**GOOD)
    assert (cluster.n_hosts, cluster.n_vms, cluster.n_numa, cluster.size, cluster.is_pods) == (2, 3, 2, "2x3", False)
    assert (cluster.limit, cluster.block, cluster.memory_block) == (50, 16, 65536)
    assert (cluster.mix, cluster.goal, cluster.count_placements, cluster.groups.shape) == (0.5, None, True, (0, 2))
    assert (cluster.host_name(1), cluster.vm_name(2)) == ("1", "2")
    assert cluster.tier.tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="read-only"):
        cluster.host[0] = 1


def test_tiers_and_weights_of_pods():
    cluster = Cluster(**PODS)
    assert cluster.is_pods
    assert cluster.tier.tolist() == [1, 0, 1]
    assert cluster.weight.tolist() == [4, 1, 4]


def test_floats_that_hold_integers_are_fine():
    changed = GOOD | {"cores": [4.0, 3.0, 2.0], "memory": np.array([40.0, 30.0, 20.0])}
    assert Cluster(**changed) == Cluster(**GOOD)


def test_a_node_may_be_full_to_the_last_core_and_mb():
    usage = Cluster(**(GOOD | {"cores": [8, 3, 2], "memory": [80, 30, 20]})).usage()
    assert usage.cpu.tolist() == [[0, 5], [3, 3]]
    assert usage.mem.tolist() == [[0, 50], [30, 30]]


@settings(deadline=None, max_examples=60)
@given(clusters() | pod_problems())
def test_free_resources_are_capacity_less_vms(cluster):
    for free, have, need in (
        (cluster.usage().cpu, cluster.cpu, cluster.cores),
        (cluster.usage().mem, cluster.mem, cluster.memory),
    ):
        for host in range(cluster.n_hosts):
            for node in range(cluster.n_numa):
                on = [vm for vm in range(cluster.n_vms) if cluster.host[vm] == host and cluster.numa[vm] in (node, 2)]
                taken = sum(int(need[vm]) // (2 if cluster.numa[vm] == 2 else 1) for vm in on)
                assert free[host, node] == have[host, node] - taken


@settings(deadline=None, max_examples=40)
@given(clusters() | pod_problems())
def test_saving_and_loading(tmp_path_factory, cluster):
    folder = tmp_path_factory.mktemp("cluster")
    named = dataclasses.replace(cluster, vm_id=[f"vm {vm}" for vm in range(cluster.n_vms)])
    for one in (cluster, named):
        assert Cluster.from_dict(json.loads(json.dumps(one.to_dict()))) == one
        for ending in (".json", ".npz"):
            one.save(folder / f"x{ending}")
            again = Cluster.load(folder / f"x{ending}")
            assert again == one
            assert again.digest == one.digest


def test_the_digest_is_of_the_problem():
    cluster = Cluster(**GOOD)
    named = {"name": "y", "host_id": ["a", "b"], "vm_id": ["c", "d", "e"]}
    assert dataclasses.replace(cluster, **named).digest == cluster.digest
    changes = [
        {"cpu": [[8, 8], [4, 5]]},
        {"mem": [[80, 80], [40, 41]]},
        {"cores": [4, 2, 2]},
        {"memory": [40, 29, 20]},
        {"numa": [0, 0, 2]},
        {"limit": 3},
        {"block": 8},
        {"memory_block": 8},
        {"mix": 0.25},
        {"goal": 0.5},
        {"groups": [[0, 1]]},
        {"rack": [0, 0]},
    ]
    assert len({cluster.digest, *(dataclasses.replace(cluster, **change).digest for change in changes)}) == 13
