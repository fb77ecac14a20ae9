"""Statistics: the measured table of the two snapshots to every printed digit, and a cluster counted by hand."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings

from ganttlet.core.errors import InputError
from ganttlet.vm_rescheduling import Cluster, make_generator, resolve
from ganttlet.vm_rescheduling.statistics import feasible_pms, statistics
from reference.vm_strategies import clusters, pod_problems

# Name -> figures, with the digits to which they were printed.
SNAPSHOTS = {
    "medium": {
        "counts": (279, 2089, 10, [13, 44], 1394, 0, 18),
        "cpu_used": "94.3%",
        "memory_used": "46.1%",
        "fr16": ".977",
        "fr8": ".369",
        "fr32": "1.000",
        "mean": "7.5",
        "sd": "4.4",
        "busy_pms": "87.1%",
        "small_vms": "88.27%",
        "feasible_pms": 96,
        "flavours": {
            2: ("16.1%", "0%"),
            4: ("43.5%", "0.3%"),
            8: ("17.6%", "15%"),
            16: ("11.0%", "20%"),
            32: ("5.3%", "45%"),
            64: ("6.2%", "100%"),
            88: ("0.2%", "100%"),
        },
        "free_per_node": {0: 380, 12: 63, 4: 38, 8: 38, 2: 27, 6: 7, 10: 3, 28: 2},
    },
    "large": {
        "counts": (1176, 4546, 40, [10, 42], 18772, 56, 17),
        "cpu_used": "81.9%",
        "memory_used": "80.0%",
        "fr16": ".600",
        "fr8": ".195",
        "fr32": ".743",
        "mean": "3.9",
        "sd": "3.1",
        "busy_pms": "65.3%",
        "small_vms": "73.3%",
        "feasible_pms": 527,
        "flavours": {
            2: ("22.7%", "0%"),
            4: ("15.0%", "1.5%"),
            8: ("15.4%", "12%"),
            16: ("20.2%", "17%"),
            32: ("16.1%", "65%"),
            64: ("5.9%", "100%"),
            84: ("0.04%", "100%"),
            88: ("4.8%", "100%"),
        },
        "free_per_node": {0: 1243, 12: 457, 28: 150, 8: 148, 44: 142, 4: 105, 10: 41, 2: 29},
    },
}


def snapshot(name):
    try:
        return resolve(name)
    except InputError as error:
        pytest.skip(f"the snapshot {name} is not under GANTTLET_DATA: {error}")


def printed(value, pattern):
    """Return a share with as many digits as ``pattern`` has."""
    digits = len(pattern.rstrip("%").partition(".")[2])
    if pattern.endswith("%"):
        return f"{100 * value:.{digits}f}%"
    text = f"{value:.{digits}f}"
    return text.lstrip("0") if pattern.startswith(".") else text


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_snapshots_have_the_measured_statistics(name):
    found, expected = statistics(snapshot(name)), SNAPSHOTS[name]
    keys = ("pms", "vms", "racks", "rack_pms", "free_cores", "empty_pms")
    assert (*(found[key] for key in keys), found["vms_per_pm"]["max"]) == expected["counts"]
    for key in ("cpu_used", "memory_used", "fr16", "fr8", "fr32", "busy_pms", "small_vms"):
        assert printed(found[key], expected[key]) == expected[key], key
    for key in ("mean", "sd"):
        assert printed(found["vms_per_pm"][key], expected[key]) == expected[key]
    assert found["feasible_pms"] == expected["feasible_pms"]
    shares = {
        size: tuple(
            printed(own[key], text) for key, text in zip(("share", "split"), expected["flavours"][size], strict=True)
        )
        for size, own in found["flavours"].items()
    }
    assert shares == expected["flavours"]
    rest = {free: count for free, count in found["free_per_node"].items() if free not in expected["free_per_node"]}
    assert {free: found["free_per_node"][free] for free in expected["free_per_node"]} == expected["free_per_node"]
    assert max(rest.values(), default=0) < 10


def test_raw_medium_vms_that_fit_nowhere_else():
    cluster = snapshot("medium")
    assert (feasible_pms(cluster) == 1).sum() == 196  # 9.38 % of them


def hand():
    # Host 0 keeps (10, 20) cores and (100, 60) MB, host 1 (40, 4) and (0, 100), host 2 all of (4, 4) and (100, 100).
    cpu, mem = [[32, 36], [40, 44], [4, 4]], [[160, 120], [40, 100], [100, 100]]
    return Cluster("hand", cpu, mem, [32, 6, 40], [120, 0, 40], [1, 0, 0], [0, 0, 1], [2, 0, 1], rack=[4, 4, 7])


def test_by_hand():
    # The last VM lies on node 1 of host 1 and takes 40 of its 100 MB.
    found = statistics(hand())
    assert found["free_per_node"] == {4: 3, 10: 1, 20: 1, 40: 1}
    assert (found["free_cores"], found["n16"]) == (82, 1 + 2)
    assert found["fr16"] == (3 * 4 + 10 + 4 + 8) / 82
    assert found["fr8"] == (3 * 4 + 2 + 4 + 0) / 82
    assert found["fr32"] == (3 * 4 + 10 + 20 + 8) / 82
    assert found["cpu_used"] == 78 / 160
    assert found["memory_used"] == 160 / 620
    assert found["vms_per_pm"] == {"mean": 1.0, "sd": np.std([2, 1, 0]), "max": 2}
    assert (found["racks"], found["rack_pms"], found["empty_pms"]) == (2, [1, 2], 1)
    assert found["busy_pms"] == 0.0
    assert found["small_vms"] == 1 / 3
    assert found["flavours"][32] == {"share": 1 / 3, "split": 1.0}
    # The split VM stays at home only; 6 cores fit on hosts 0 and 1; 40 cores only where 40 MB are free: nowhere else.
    assert feasible_pms(hand()).tolist() == [1, 2, 1]


def test_more_than_80_percent_is_not_80():
    busy = [statistics(Cluster("x", [[10, 0]], [[0, 0]], [cores], [0], [0], [0], [0]))["busy_pms"] for cores in (8, 9)]
    assert busy == [0.0, 1.0]


def test_full_and_rackless_clusters():
    found = statistics(Cluster("full", [[4, 0]], [[0, 0]], [4], [0], [0], [0], [0]))
    assert (found["fr16"], found["free_cores"], found["cpu_used"], found["memory_used"]) == (0.0, 0, 1.0, 0.0)
    assert (found["racks"], found["rack_pms"]) == (None, None)


@settings(deadline=None, max_examples=60)
@given(clusters())
def test_feasible_hosts_one_by_one(cluster):
    usage = dataclasses.replace(cluster, groups=None).usage()
    for vm, count in enumerate(feasible_pms(cluster).tolist()):
        nodes = (2,) if cluster.split[vm] else (0, 1)
        others = [host for host in range(cluster.n_hosts) if host != cluster.host[vm]]
        assert count == 1 + sum(any(usage.complaint(vm, host, numa) is None for numa in nodes) for host in others)


@settings(deadline=None, max_examples=40)
@given(pod_problems())
def test_pods_have_statistics_too(cluster):
    found = statistics(cluster)
    assert sum(found["free_per_node"].values()) == cluster.n_hosts
    assert found["vms_per_pm"]["mean"] == pytest.approx((cluster.host >= 0).sum() / cluster.n_hosts)


def test_plain_data():
    found = statistics(make_generator({"name": "level", "hosts": 5}).sample(0))
    assert all(type(value) in (int, float, dict, list, type(None)) for value in found.values())
