"""Clusters and platforms: power by hand, operating points, other counts, and every check with the field it names."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.soc_dag.platform import Cluster, Platform, leakage

POINTS = ((500, 800), (800, 900), (1000, 1000))
CPU = Cluster("cpu", 2, "big", POINTS, {1000: [1.2, 2.0]}, leak_w=0.1)
DSP = Cluster("dsp", 1, "accelerator", ((1000, 900),), {1000: [0.05]})
GOOD = {
    "name": "soc",
    "clusters": (CPU, DSP),
    "bandwidth": [[10, 2], [2, 5]],
    "bandwidth_same_pe": 100,
    "times": {"wifi": {"fft": [20, 3]}, "wi*": {"fft": [21, 4], "crc": [5, None]}, "*": {"end": [0, 0]}},
    "bandwidth_to_memory": [4, 1],
}

BAD_CLUSTERS = [
    ({"count": -1}, "cluster 'cpu': field 'count' is -1; expected 0 or more"),
    ({"kind": "huge"}, "cluster 'cpu': field 'kind': unknown value 'huge'; expected one of big, LITTLE"),
    ({"mhz": 700}, "cluster 'cpu': no operating point at 700 MHz; expected one of 500, 800, 1000"),
    ({"points": (), "mhz": 700}, r"no operating point at 700 MHz; expected one of \(it has none\)"),
    ({"points": ((0, 900),)}, "field 'points': expected positive MHz and mV"),
    ({"points": ((500, -1),)}, "field 'points': expected positive MHz and mV"),
    ({"count": 3}, "field 'power' at 1000 MHz has 2 figures, expected one for each of 1 … 3 busy PEs"),
    ({"power": {1000: [1.0, -0.5]}}, "field 'power' at 1000 MHz: expected finite watts ≥ 0"),
    ({"power": {1000: [1.0, float("nan")]}}, "field 'power' at 1000 MHz: expected finite watts ≥ 0"),
]
BAD_PLATFORMS = [
    (
        {"clusters": (Cluster("none", 0),), "bandwidth": [[1]]},
        "platform 'soc': field 'clusters': expected at least one",
    ),
    ({"clusters": (CPU, CPU)}, "field 'clusters': a name is given twice in cpu, cpu"),
    ({"bandwidth": [[10, 2]]}, "field 'bandwidth': expected 2 rows of 2 numbers"),
    ({"bandwidth": [[10], [2]]}, "field 'bandwidth': expected 2 rows of 2 numbers"),
    ({"bandwidth": [[10, 0], [2, 5]]}, "field 'bandwidth': expected integers > 0; a PE with 0 cannot be reached"),
    ({"bandwidth_same_pe": 0}, "field 'bandwidth_same_pe' is 0; expected an integer > 0"),
    ({"bandwidth_to_memory": [4]}, "field 'bandwidth_to_memory': expected 2 integers > 0"),
    ({"bandwidth_to_memory": [4, 0]}, "field 'bandwidth_to_memory': expected 2 integers > 0"),
    ({"times": {"wifi": {"fft": [1]}}}, "field 'times' of 'wifi': kernel 'fft' has 1 times, expected 2"),
]


@pytest.mark.parametrize(("change", "message"), BAD_CLUSTERS)
def test_bad_cluster_fields_are_named(change, message):
    good = {"name": "cpu", "count": 2, "points": POINTS, "power": {1000: [1.2, 2.0]}}
    with pytest.raises(InputError, match=message):
        Cluster(**(good | change))


@pytest.mark.parametrize(("change", "message"), BAD_PLATFORMS)
def test_bad_platform_fields_are_named(change, message):
    with pytest.raises(InputError, match=message):
        Platform(**(GOOD | change))


def test_leakage_by_hand():
    # (1 V x 0.002488 x 315² x exp(-2660 / 315) + 0.000519 x 1 V) / 4, with exp(-8.44444) = 2.15092e-4
    assert leakage(1.0, "big") == pytest.approx((246.8718 * 2.15092e-4 + 0.000519) / 4, rel=1e-5)
    assert leakage(1.0, "LITTLE") == pytest.approx(leakage(1.0, "big") / 4)
    assert leakage(0.5, "other") == pytest.approx(leakage(1.0, "big") / 2)
    assert leakage(1.0, "accelerator") == 0.0


def test_power_at_the_profiled_point_is_the_profile_and_idle_cores_leak():
    assert CPU.watts() == pytest.approx([0.2, 1.2, 2.0])
    assert DSP.watts() == pytest.approx([0.0, 0.05])
    assert Cluster("plain", 2).watts().tolist() == [0.0, 0.0, 0.0]
    assert Cluster("leaky", 3, leak_w=0.5).watts().tolist() == [1.5] * 4
    by_formula = Cluster("cpu", 2, "big", POINTS, {1000: [1.2, 2.0]}).watts()
    assert by_formula == pytest.approx([2 * leakage(1.0, "big"), 1.2, 2.0])


def test_dynamic_power_scales_with_frequency_and_voltage_squared():
    slow = Cluster("cpu", 2, "big", POINTS, {1000: [1.2, 2.0]}, mhz=500, leak_w=0.1)
    assert slow.watts() == pytest.approx([0.2, 0.2 + 0.32 * 1.0, 0.2 + 0.32 * 1.8])  # 500 x 0.8² / (1000 x 1²)
    # Leakage follows the voltage of each point: that of 1 V leaves the profile, that of 0.8 V stays.
    leak, full = leakage(0.8, "big"), leakage(1.0, "big")
    formula = Cluster("cpu", 1, "big", POINTS, {1000: [1.2]}, mhz=500).watts()
    assert formula == pytest.approx([leak, leak + 0.32 * (1.2 - full)])


def test_first_profile_not_below_the_point_counts():
    two = {800: [0.5], 1000: [1.2]}
    assert Cluster("cpu", 1, "other", POINTS, two, mhz=800, leak_w=0.0).watts() == pytest.approx([0, 0.5])
    slow = Cluster("cpu", 1, "other", POINTS, two, mhz=500, leak_w=0.0).watts()
    assert slow == pytest.approx([0, 0.5 * 500 * 0.8**2 / (800 * 0.9**2)])
    # Without one above, the last profile is scaled up; a profile below its own leakage adds nothing.
    fast = Cluster("cpu", 1, "other", POINTS, {500: [0.64]}, leak_w=0.0).watts()
    assert fast == pytest.approx([0, 2.0])
    assert Cluster("cpu", 1, "other", POINTS, {1000: [0.3]}, leak_w=0.5).watts().tolist() == [0.5, 0.5]


def test_operating_points_slow_execution_down():
    assert (CPU.frequency, CPU.slow_down) == (1000, 1.0)
    platform = Platform(**GOOD).at(cpu=800)
    assert [one.frequency for one in platform.clusters] == [800, 1000]
    assert [one.slow_down for one in platform.clusters] == [1.25, 1.0]
    assert (Cluster("plain", 1).frequency, Cluster("plain", 1).slow_down) == (None, 1.0)
    with pytest.raises(InputError, match="platform 'soc': cluster: unknown value 'gpu'; expected one of cpu, dsp"):
        platform.at(gpu=800)
    with pytest.raises(InputError, match="cluster 'cpu': no operating point at 700 MHz"):
        platform.at(cpu=700)


def test_other_counts_continue_the_power_profile():
    more = Platform(**GOOD).with_counts([4, 0])
    assert (more.name, more.n_pes) == ("soc-4-0", 4)
    assert more.clusters[0].power[1000] == pytest.approx([1.2, 2.0, 2.8, 3.6])
    assert more.with_counts([1, 1], "small").clusters[0].power[1000] == pytest.approx([1.2])
    assert Platform(**GOOD).with_counts([2, 3]).clusters[1].watts() == pytest.approx([0, 0.05, 0.1, 0.15])
    with pytest.raises(InputError, match="platform 'soc': expected 2 counts, got 1"):
        Platform(**GOOD).with_counts([1])
    with pytest.raises(InputError, match="expected at least one PE"):
        Platform(**GOOD).with_counts([0, 0])


def test_kernel_times_are_found_by_name_then_by_beginning():
    platform = Platform(**GOOD)
    assert platform.row("wifi", "fft") == [20, 3]
    assert platform.row("wipe", "fft") == [21, 4]
    assert platform.row("wifi", "crc") == [5, None]
    assert platform.row("anything", "end") == [0, 0]
    with pytest.raises(InputError, match="platform 'soc': field 'times' knows no kernel 'crc' of application 'radar'"):
        platform.row("radar", "crc")


def test_pes_are_counted_and_records_are_frozen():
    platform = Platform(**GOOD)
    assert platform.n_pes == 3
    assert isinstance(platform.clusters[0].watts(), np.ndarray)
    with pytest.raises(FrozenInstanceError):
        platform.name = "other"
    with pytest.raises(FrozenInstanceError):
        CPU.count = 3
