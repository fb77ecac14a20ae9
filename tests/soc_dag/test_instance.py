"""Workload, Application and Scenario: every check names its field, arrays are those asked for, files give them back."""

import dataclasses
import json

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.soc_dag.application import Application, topological_order
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.platform import Cluster, Platform
from ganttlet.soc_dag.scenario import Scenario
from ganttlet.soc_dag.world import draw_gap

PAIR = Application("pair", ("x", "y", "x"), ((0, 1, 6), (0, 2, 0)))
ONE = Application("one", ("y",))
PLATFORM = Platform(
    "duo",
    (
        Cluster("A", 1, points=((500, 1000), (1000, 1000)), power={1000: [1.0]}, leak_w=0.25),
        Cluster("none", 0),
        Cluster("B", 2, power={1: [2.0, 3.0]}, leak_w=0.5),
    ),
    bandwidth=[[10, 9, 2], [9, 9, 9], [3, 9, 5]],
    bandwidth_same_pe=100,
    bandwidth_to_memory=[4, 9, 1],
    times={"*": {"x": [3, 9, 4], "y": [5, 9, None]}},
)
BASE = Workload.build(PLATFORM, (PAIR, ONE), Scenario(outages=((2, 5, 9), (2, 10, 12))))
TRACED = Workload.build(PLATFORM, (PAIR, ONE), Scenario(arrivals="trace", trace=((0, 1), (7, 0)), length=None))
CYCLE = [[[0, 1, 1], [1, 0, 1]], [[-1, -1, -1]] * 2]


def times(change):
    array = BASE.exec_time.copy()
    for place, value in change.items():
        array[place] = value
    return array


def edges(*rows):
    array = np.full((2, max(1, len(rows)), 3), -1)
    array[0, : len(rows)] = rows
    return array


BAD = [
    ({"exec_time": [[1, 2]]}, "'exec_time': expected 3 dimension"),
    ({"exec_time": BASE.exec_time + 0.5}, "'exec_time': expected integers"),
    ({"exec_time": np.zeros((2, 3, 0), int)}, "'exec_time': expected at least one application, task and PE"),
    ({"exec_time": np.zeros((2, 3, 65), int)}, "'exec_time': 65 PEs; expected at most 64"),
    ({"exec_time": times({(0, 0, 0): -2})}, "'exec_time': expected -1 … 1048576 ticks"),
    ({"exec_time": times({(0, 0, 0): 1048577})}, "'exec_time': expected -1 … 1048576 ticks"),
    (
        {"exec_time": times({(0, 1): -1})},
        r"application 'pair': field 'exec_time': no PE supports task 1 \(y\); expected a time ≥ 0 on at least one",
    ),
    ({"exec_time": times({1: -1})}, "application 'one': field 'exec_time': no PE supports any of its tasks"),
    ({"edges": CYCLE}, "application 'pair': field 'edges' has a cycle; tasks 0, 1 wait for one another or for it"),
    ({"edges": edges((0, 0, 1))}, "application 'pair': field 'edges' has a cycle; tasks 0 wait"),
    ({"edges": edges((0, 1, -4))}, "field 'edges', entry 0: 0 → 1 has volume -4; expected 0 or more"),
    ({"edges": edges((0, 1, 1), (0, 1, 2))}, "field 'edges', entry 1: 0 → 1 is given twice"),
    ({"edges": edges((0, 3, 1))}, "field 'edges', entry 0: 0 → 3; expected tasks 0 … 2"),
    ({"edges": edges((0, -1, 1))}, "field 'edges', entry 0: 0 → -1; expected tasks 0 … 2"),
    ({"edges": np.zeros((1, 1, 3), int)}, "'edges': shape"),
    ({"probability": [1.0]}, "'probability': shape"),
    ({"probability": [0.5, 0.4]}, "'probability': expected shares that sum to 1"),
    ({"probability": [1.5, -0.5]}, "'probability': expected shares that sum to 1"),
    ({"probability": [np.nan, 1.0]}, "'probability': expected a 1-d array of finite numbers"),
    ({"probability": ["a", "b"]}, "'probability': expected a 1-d array of numbers"),
    ({"cluster": [0, 1]}, "'cluster': shape"),
    ({"cluster": [1, 0, 1]}, "'cluster': expected cluster numbers 0 … C - 1 in rising order"),
    ({"cluster": [0, 2, 2], "power": np.ones((3, 3)), "cluster_names": None}, "'cluster': .* none left out"),
    ({"cluster": [-1, 0, 1]}, "'cluster': expected cluster numbers 0"),
    ({"power": [[1.0, 1.0]]}, "'power': shape"),
    ({"power": [[1.0, 1.0], [1.0, 1.0]]}, "'power': expected a column for each of 0 … 2 busy PEs"),
    ({"power": -BASE.power}, "'power', 'std' and 'deadline': expected values of at least 0"),
    ({"std": -np.ones((2, 3))}, "'power', 'std' and 'deadline': expected values of at least 0"),
    ({"std": np.full((2, 3), np.inf)}, "'std': expected a 2-d array of finite numbers"),
    ({"std": [[0.1]]}, "'std': shape"),
    ({"deadline": [3, -1]}, "'power', 'std' and 'deadline': expected values of at least 0"),
    ({"deadline": [3]}, "'deadline': shape"),
    ({"bandwidth": np.zeros((3, 3), int)}, "'bandwidth' and 'memory_bandwidth': expected > 0; a PE with 0 cannot be"),
    ({"bandwidth": [[1]]}, "'bandwidth': shape"),
    ({"memory_bandwidth": [1, 1, 0]}, "'bandwidth' and 'memory_bandwidth': expected > 0; a PE with 0 cannot be"),
    ({"memory_bandwidth": [1, 1]}, "'memory_bandwidth': shape"),
    ({"memory_bandwidth": None, "communication": "shared_memory"}, "'shared_memory' needs field 'memory_bandwidth'"),
    ({"outage": [[3, 0, 1]]}, "'outage': PE 3; expected 0 … 2"),
    ({"outage": [[0, 5, 9], [0, 8, 10]]}, "'outage': those of PE 0 overlap, touch or are out of order"),
    ({"outage": [[0, 5, 9], [0, 9, 10]]}, "'outage': those of PE 0 overlap, touch or are out of order"),
    ({"outage": [[0, 5, 9], [0, 2, 3]]}, "'outage': those of PE 0 overlap, touch or are out of order"),
    ({"outage": [[0, 5, 5]]}, r"'outages', entry 0 is \(0, 5, 5\); expected \(PE, from, to\)"),
    ({"arrivals": "trace", "trace": [[0, 2]], "prefill": False}, "'trace': expected applications 0 … 1"),
    ({"jobs": None}, "'jobs': expected a number"),
    ({"capacity": 0}, "'capacity' is 0; expected an integer in 1 …"),
    ({"app_names": ["pair"]}, "'app_names': 1 names, expected 2"),
    ({"cluster_names": ["A", "B", "C"]}, "'cluster_names': 3 names, expected 2"),
    ({"kernel_names": ["x"]}, "'kernel_names': 1 names, expected 6"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_fields_are_named(change, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(BASE, **change)


BAD_APPLICATIONS = [
    ({"kernels": ()}, "application 'pair': field 'kernels': expected at least one task"),
    ({"edges": ((0, 1, 1), (1, 2, 1), (2, 1, 1))}, "field 'edges' has a cycle; tasks 1, 2 wait for one another"),
    ({"edges": ((0, 3, 1),)}, "field 'edges', entry 0: 0 → 3; expected tasks 0 … 2"),
    ({"edges": ((0, 1, 1), (1, 2, -1))}, "field 'edges', entry 1: 1 → 2 has volume -1"),
    ({"edges": ((0, 1, 1), (0, 1, 1))}, "field 'edges', entry 1: 0 → 1 is given twice"),
]


@pytest.mark.parametrize(("change", "message"), BAD_APPLICATIONS)
def test_bad_applications_are_named(change, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(PAIR, **change)


BAD_SCENARIOS = [
    ({"arrivals": "poisson"}, "field 'arrivals': unknown value 'poisson'; expected one of exponential, periodic"),
    ({"full": "drop"}, "field 'full': unknown value 'drop'"),
    ({"end": "stop"}, "field 'end': unknown value 'stop'"),
    ({"communication": "bus"}, "field 'communication': unknown value 'bus'"),
    ({"noise": "normal"}, "field 'noise': unknown value 'normal'"),
    ({"scale": 0}, "field 'scale' is 0; expected a mean gap .* a rate of zero brings no jobs"),
    ({"scale": -1.0}, "field 'scale' is -1.0; expected a mean gap"),
    ({"scale": float("inf")}, "field 'scale' is inf; .* a rate of zero brings no jobs"),
    ({"scale": float("nan")}, "field 'scale' is nan"),
    ({"scale": "10"}, "field 'scale' is '10'"),
    ({"arrivals": "periodic", "scale": 0.5}, "field 'scale' is 0.5; periodic gaps need at least 1 tick"),
    ({"capacity": 0}, "field 'capacity' is 0; expected an integer in 1 …"),
    ({"capacity": 2.0}, "field 'capacity' is 2.0; expected an integer"),
    ({"capacity": True}, "field 'capacity' is True; expected an integer"),
    ({"capacity": None}, "field 'capacity' is None; expected an integer"),
    ({"warmup": -1}, "field 'warmup' is -1"),
    ({"cooldown": -1}, "field 'cooldown' is -1"),
    ({"length": 0}, "field 'length' is 0"),
    ({"length": 2**30 + 1}, "field 'length' is 1073741825; expected an integer in 1 … 1073741824"),
    ({"jobs": 0}, "field 'jobs' is 0"),
    ({"seed": -1}, "field 'seed' is -1"),
    ({"stop_after": 0, "end": "cut"}, "field 'stop_after' is 0"),
    ({"prefill": 1}, "field 'prefill' is 1; expected true or false"),
    ({"tick_compat": "no"}, "field 'tick_compat' is 'no'; expected true or false"),
    ({"std": -0.1}, "field 'std' is -0.1; expected a share in 0 … 10"),
    ({"std": 11}, "field 'std' is 11; expected a share in 0 … 10"),
    ({"deadline_factor": 0}, "field 'deadline_factor' is 0; expected a number > 0"),
    ({"outages": ((0, 5, 4),)}, r"field 'outages', entry 0 is \(0, 5, 4\)"),
    ({"outages": ((0, 1, 2), (-1, 1, 2))}, r"field 'outages', entry 1 is \(-1, 1, 2\)"),
    ({"arrivals": "trace"}, "field 'trace': expected entries if, and only if, arrivals is 'trace'"),
    ({"trace": ((0, 0),)}, "field 'trace': expected entries if, and only if, arrivals is 'trace'"),
    ({"arrivals": "trace", "trace": ((5, 0), (4, 0))}, "field 'trace': expected rising times in 0 …"),
    ({"arrivals": "trace", "trace": ((-1, 0),)}, "field 'trace': expected rising times in 0 …"),
    ({"arrivals": "trace", "trace": ((0, 0),), "prefill": True}, "field 'prefill': a trace says itself"),
    ({"length": None}, "fields 'length' and 'jobs': expected at least one"),
    ({"stop_after": 5}, "field 'stop_after': only end='cut' stops early"),
    ({"end": "cut", "length": None, "jobs": 5}, "end='cut' needs 'length' or 'stop_after'"),
    ({"end": "cut", "cooldown": 5}, "field 'cooldown': only end='drain' has one"),
    ({"length": None, "jobs": 5, "cooldown": 5}, "field 'cooldown': needs 'length'"),
    ({"length": 500, "warmup": 350, "cooldown": 60}, "warmup 350 and cooldown 60 leave 90 of 500 .* one mean gap, 100"),
    ({"length": 500, "warmup": 600}, "leave 0 of 500 ticks to count jobs in"),
    ({"arrivals": "trace", "trace": ((0, 0),), "length": 5, "warmup": 5}, "expected at least one mean gap, 1"),
]


@pytest.mark.parametrize(("change", "message"), BAD_SCENARIOS)
def test_bad_scenarios_are_named(change, message):
    with pytest.raises(InputError, match=f"scenario: .*{message}"):
        Scenario(**change)


def test_window_of_one_mean_gap_is_enough():
    assert Scenario(length=500, warmup=350, cooldown=50).cooldown == 50


BAD_TIMES = [-1, float("nan"), float("inf"), True, "5"]


@pytest.mark.parametrize("value", BAD_TIMES)
def test_bad_kernel_times_are_named(value):
    platform = dataclasses.replace(PLATFORM, times={"*": {"y": [value, None, None]}})
    with pytest.raises(InputError, match=r"application 'one': kernel 'y' has time .*; expected a number ≥ 0 or null"):
        Workload.build(platform, (ONE,), Scenario())


def test_bad_builds_are_named():
    with pytest.raises(InputError, match="'applications': expected at least one"):
        Workload.build(PLATFORM, (), Scenario())
    with pytest.raises(InputError, match="'applications': a name is given twice in one, one"):
        Workload.build(PLATFORM, (ONE, ONE), Scenario())
    with pytest.raises(InputError, match="knows no kernel 'z' of application 'new'"):
        Workload.build(PLATFORM, (Application("new", ("z",)),), Scenario())
    for shares in ([1.0], [0.0, 0.0], [2.0, -1.0]):
        with pytest.raises(InputError, match="'probability': expected 2 shares ≥ 0, not all zero"):
            Workload.build(PLATFORM, (PAIR, ONE), Scenario(), probability=shares)
    for app, message in (
        (ONE, "'one': .* no PE supports any of its tasks"),
        (PAIR, "'pair': .* no PE supports task 1"),
    ):
        with pytest.raises(InputError, match=message):
            Workload.build(PLATFORM.with_counts([0, 0, 1]), (app,), Scenario())


def test_build_writes_platform_applications_and_scenario():
    scenario = Scenario(scale=20, std=0.1, deadline_factor=1.5, outages=((1, 3, 4), (0, 9, 10)), seed=5)
    instance = Workload.build(PLATFORM.at(A=500), (PAIR, ONE), scenario, probability=[3, 1], std={"y": 0.4})
    assert instance.name == "duo-pair+one"
    # Cluster A at half its speed, the empty cluster left out, the shorter application filled up.
    assert instance.exec_time[0].tolist() == [[6, 4, 4], [10, -1, -1], [6, 4, 4]]
    assert instance.exec_time[1].tolist() == [[10, -1, -1], [-1] * 3, [-1] * 3]
    assert instance.edges.tolist() == [[[0, 1, 6], [0, 2, 0]], [[-1] * 3] * 2]
    assert instance.probability.tolist() == [0.75, 0.25]
    assert instance.cluster.tolist() == [0, 1, 1]
    assert instance.bandwidth.tolist() == [[100, 2, 2], [3, 100, 5], [3, 5, 100]]
    assert instance.memory_bandwidth.tolist() == [4, 1, 1]
    assert instance.power == pytest.approx(np.array([[0.25, 0.625, 0.625], [1.0, 2.0, 3.0]]))
    assert instance.std.tolist() == [[0.1, 0.4, 0.1], [0.4, 0.0, 0.0]]
    assert instance.critical_path.tolist() == [14, 10]
    assert instance.deadline.tolist() == [21, 15]
    assert instance.outage.tolist() == [[0, 9, 10], [1, 3, 4]]
    assert instance.n_tasks.tolist() == [3, 1]
    assert (instance.n_apps, instance.n_pes, instance.n_clusters) == (2, 3, 2)
    assert instance.edges_of(0) == [(0, 1, 6), (0, 2, 0)]
    assert instance.edges_of(1) == []
    assert (instance.app_name(1), instance.kernel_name(0, 1), instance.cluster_names) == ("one", "y", ("A", "B"))
    assert instance.jobs == scenario.most_jobs


def test_names_fall_back_to_numbers():
    bare = dataclasses.replace(BASE, app_names=None, kernel_names=None)
    assert (bare.app_name(1), bare.kernel_name(0, 2)) == ("1", "2")


def test_times_at_lower_points_are_rounded_up():
    cluster = Cluster("A", 1, points=((300, 900), (700, 1000), (1000, 1000)))
    for mhz, expected in ((1000, 7), (700, 10), (300, 24)):
        platform = Platform("p", (cluster,), [[1]], 1, {"*": {"y": [7]}}).at(A=mhz)
        assert Workload.build(platform, (ONE,), Scenario()).exec_time.item() == expected


def test_scenario_of_a_workload_is_the_one_it_was_built_with():
    assert BASE.scenario == dataclasses.replace(Scenario(outages=((2, 5, 9), (2, 10, 12))), jobs=BASE.jobs)
    assert TRACED.scenario.trace == ((0, 1), (7, 0))
    assert TRACED.jobs == 2


def test_most_jobs_is_never_reached_before_the_length():
    assert Scenario(jobs=7).most_jobs == 7
    assert Scenario(arrivals="trace", trace=((0, 0), (0, 1), (3, 0)), jobs=2).most_jobs == 2
    periodic = Scenario(arrivals="periodic", scale=10.5, length=1000, prefill=True)
    assert periodic.most_jobs >= 12 + 100
    for scale, length in ((0.4, 200), (3.0, 60), (100.0, 2000)):
        scenario = Scenario(scale=scale, length=length)
        for seed in range(20):
            time, count = int(draw_gap(seed, 0, 0, scale)), 0
            while time < length:
                count += 1
                time += int(draw_gap(seed, count, 0, scale))
            assert count <= scenario.most_jobs


def test_topological_order_takes_the_lowest_free_task_and_stops_at_cycles():
    assert topological_order(4, [(3, 0), (0, 2)]) == [1, 3, 0, 2]
    assert topological_order(3, [(1, 2), (2, 1)]) == [0]


def test_instance_is_frozen():
    with pytest.raises(ValueError, match="read-only"):
        BASE.exec_time[0, 0, 0] = 9
    with pytest.raises(ValueError, match="read-only"):
        BASE.power[0, 0] = 9
    with pytest.raises(dataclasses.FrozenInstanceError):
        BASE.seed = 3


def test_digest_covers_every_field_but_names():
    labels = {"name": "n", "app_names": None, "cluster_names": None, "kernel_names": None}
    assert set(labels) == set(Workload.unhashed)
    assert dataclasses.replace(BASE, **labels).digest == BASE.digest
    changes = {
        "exec_time": times({(0, 0, 0): 4}),
        "edges": edges((0, 1, 6), (0, 2, 1)),
        "probability": [0.25, 0.75],
        "cluster": [0, 0, 1],
        "bandwidth": BASE.bandwidth + 1,
        "power": BASE.power + 1,
        "std": BASE.std + 0.1,
        "deadline": [7, 0],
        "outage": [[2, 5, 8]],
        "arrivals": "periodic",
        "scale": 99.0,
        "capacity": 11,
        "full": "queue",
        "prefill": True,
        "jobs": 9,
        "end": "cut",
        "warmup": 1,
        "cooldown": 1,
        "noise": "lognormal",
        "communication": "shared_memory",
        "tick_compat": True,
        "seed": 1,
        "length": 19_999,
        "memory_bandwidth": None,
        "unit": "ns",
    }
    left = {field.name for field in dataclasses.fields(BASE)} - set(changes) - set(labels)
    assert left == {"trace", "stop_after"}  # these need another source or end
    digests = {dataclasses.replace(BASE, **{key: value}).digest for key, value in changes.items()}
    assert len(digests | {BASE.digest}) == len(changes) + 1
    assert dataclasses.replace(TRACED, trace=[[0, 1], [8, 0]]).digest != TRACED.digest
    cut = dataclasses.replace(BASE, end="cut")
    assert dataclasses.replace(cut, stop_after=3).digest != cut.digest


BARE = dataclasses.replace(TRACED, memory_bandwidth=None, app_names=None, cluster_names=None, kernel_names=None)


@pytest.mark.parametrize("ending", [".json", ".npz"])
@pytest.mark.parametrize("instance", [BASE, TRACED, BARE], ids=["base", "traced", "bare"])
def test_workload_saves_and_loads(tmp_path, ending, instance):
    path = tmp_path / f"w{ending}"
    instance.save(path)
    loaded = Workload.load(path)
    assert loaded == instance
    assert loaded.digest == instance.digest
    for field in dataclasses.fields(Workload):
        assert type(getattr(loaded, field.name)) is type(getattr(instance, field.name)), field.name


def test_damaged_files_name_the_file_and_the_field(tmp_path):
    data = BASE.to_dict()
    path = tmp_path / "w.json"
    for change, message in (
        ({"power": None}, "field 'power'"),
        ({"colour": 1}, "unknown key 'colour'"),
        ({"family": "job_shop"}, "field 'family' is 'job_shop', expected 'soc_dag'"),
        ({"edges": CYCLE}, "field 'edges' has a cycle"),
    ):
        path.write_text(json.dumps(data | change))
        with pytest.raises(InputError, match=f"w.json: .*{message}"):
            Workload.load(path)
    path.write_text(json.dumps({key: value for key, value in data.items() if key != "exec_time"}))
    with pytest.raises(InputError, match=r"w.json: field 'exec_time' is missing"):
        Workload.load(path)
    path.write_text("{")
    with pytest.raises(InputError, match=r"w.json: cannot be read as json"):
        Workload.load(path)
