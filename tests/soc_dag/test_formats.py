"""Files of applications, platforms and scenarios: JSON, the DS3 simulators' texts, STG and DOT."""

import json
import math

import pytest

from ganttlet.core.data import data_path
from ganttlet.core.errors import InputError
from ganttlet.soc_dag.application import Application
from ganttlet.soc_dag.ds3_files import read_job, read_soc
from ganttlet.soc_dag.formats import (
    cluster_kind,
    parse_application,
    parse_platform,
    parse_scenario,
    read_application,
    read_platform,
    write_application,
    write_platform,
)
from ganttlet.soc_dag.graph_files import TaskGraph, read_dot, read_graph, read_stg, related_platform
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.platform import Cluster, Platform
from ganttlet.soc_dag.scenario import Scenario

APP = {"name": "a", "kernels": ["x", "y", "x"], "edges": [[0, 1, 7], [0, 2, 0]]}
SOC = {
    "name": "s",
    "clusters": [
        {
            "name": "L",
            "type": "LITTLE",
            "count": 2,
            "opp_mhz_mv": [[500, 900], [1000, 1000]],
            "power_w": {"1000": [1, 2]},
        },
        {"name": "B", "type": "big", "count": 1, "leak_w": 0.5},
        {"name": "X", "type": "accelerator", "count": 1},
    ],
    "bandwidth": [[1, 2, 3], [2, 4, 5], [3, 5, 6]],
    "bandwidth_same_pe": 100,
    "exec": {"a": {"x": [4, 2, 1], "y": [3, 1.5, None]}, "b*": {"x": [1, 1, 1]}},
    "exec_profiled_override": {"a": {"y": [8, 8, None]}},
}


def changed(data, **changes):
    return {key: value for key, value in {**data, **changes}.items() if value is not None}


def cluster(**changes):
    return changed(SOC, clusters=[changed(SOC["clusters"][0], **changes), *SOC["clusters"][1:]])


def write(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_application_and_back(tmp_path):
    app = parse_application(APP, "here")
    assert app == Application("a", ("x", "y", "x"), ((0, 1, 7), (0, 2, 0)))
    write_application(app, tmp_path / "a.json")
    assert read_application(tmp_path / "a.json") == app


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": None}, "f: field 'name' is missing"),
        ({"name": 3}, "f: field 'name' is 3; expected a text"),
        ({"kernels": "xy"}, "f: field 'kernels' is 'xy'; expected a list"),
        ({"kernels": ["x", 2]}, "f: field 'kernels', entry 1 is 2"),
        ({"kernels": []}, "f: application 'a': field 'kernels'"),
        ({"edges": [[0, 1]]}, r"f: field 'edges', entry 0 is \[0, 1\]; expected \[source, target, volume\]"),
        ({"edges": [[0, 1, 2.5]]}, "f: field 'edges', entry 0"),
        ({"edges": [[0, 1, True]]}, "f: field 'edges', entry 0"),
        ({"edges": [[0, 3, 1]]}, r"f: .*entry 0: 0 → 3; expected tasks 0 … 2"),
        ({"edges": [[0, 1, 1], [1, 0, 1]]}, "f: .*cycle"),
        ({"edges": [[0, 1, -1]]}, "f: .*volume -1"),
        ({"n_tasks": 4}, "f: field 'n_tasks' is 4, but the file lists 3"),
        ({"n_edges": 0}, "f: field 'n_edges' is 0, but the file lists 2"),
        ({"colour": 1}, "f: unknown key 'colour'"),
        ({"schema": "soc_dag.soc/1"}, "f: field 'schema' is 'soc_dag.soc/1', expected 'soc_dag.app/1'"),
    ],
)
def test_application_errors(changes, message):
    with pytest.raises(InputError, match=message):
        parse_application(changed(APP, **changes), "f")


def test_platform_and_back(tmp_path):
    soc = parse_platform(SOC, "here")
    assert [(one.name, one.count, one.kind) for one in soc.clusters] == [
        ("L", 2, "LITTLE"),
        ("B", 1, "big"),
        ("X", 1, "accelerator"),
    ]
    assert soc.clusters[0].points == ((500, 900), (1000, 1000))
    assert (soc.clusters[0].power, soc.clusters[1].leak_w) == ({1000: (1.0, 2.0)}, 0.5)
    assert soc.row("a", "y") == (3, 1.5, None)
    assert soc.row("b7", "x") == (1, 1, 1)
    assert parse_platform(SOC, "here", profiled=True).row("a", "y") == (8, 8, None)
    for platform in (soc, soc.at(L=500)):
        write_platform(platform, tmp_path / "s.json")
        assert read_platform(tmp_path / "s.json") == platform


def test_governors_and_types():
    assert parse_platform(cluster(governor="powersave"), "f").clusters[0].frequency == 500
    assert parse_platform(cluster(governor="performance"), "f").clusters[0].frequency == 1000
    words = ("LITTLE", "LTL", "big", "BIG", "accelerator", "ACC_2", "CPU1", "other")
    kinds = ("LITTLE", "LITTLE", "big", "big", "accelerator", "accelerator", "other", "other")
    assert tuple(cluster_kind(word, "f") for word in words) == kinds


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (cluster(type="GPU"), "f: field 'clusters', entry 0: field 'type': unknown type 'GPU'"),
        (cluster(count=1.0), "f: field 'clusters', entry 0: field 'count' is 1.0"),
        (cluster(count=-1), "f: field 'clusters', entry 0: cluster 'L': field 'count' is -1"),
        (cluster(governor="ondemand"), "f: .*entry 0: field 'governor': governor 'ondemand' is not simulated"),
        (cluster(governor="performance", mhz=500), "f: .*'mhz' and 'governor' both"),
        (cluster(mhz=700), "f: .*entry 0: .*no operating point at 700 MHz"),
        (cluster(opp_mhz_mv=[[1000, 1], [500, 1]]), "f: .*'opp_mhz_mv': expected .* by rising frequency"),
        (cluster(opp_mhz_mv=5), "f: .*'opp_mhz_mv', row 0 is 5"),
        (cluster(power_w={"1000": [1]}), "f: .*'power' at 1000 MHz has 1 figures"),
        (cluster(power_w={"fast": [1, 2]}), "f: .*'power_w': 'fast' is no frequency"),
        (cluster(power_w={"1000": [1, math.inf]}), "f: .*'power_w' at 1000 MHz"),
        (cluster(leak_w=-1), "f: .*'leak_w' is -1"),
        (cluster(power_w={"9" * 5000: [1, 2]}), "f: .*is no frequency"),
        (changed(SOC, exec={"a": {"x": [10**400, 1, 1]}}), "f: field 'exec' of 'a': kernel 'x'"),
        (changed(SOC, bandwidth_same_pe=10**30), "f: field 'bandwidth_same_pe'"),
        (cluster(cores=4), "f: field 'clusters', entry 0: unknown key 'cores'"),
        (changed(SOC, clusters=[3]), "f: field 'clusters', entry 0: expected a mapping"),
        (changed(SOC, n_pe=5), "f: field 'n_pe' is 5, but the clusters have 4"),
        (changed(SOC, bandwidth=[[1, 2], [2, 4], [3, 5]]), "f: platform 's': field 'bandwidth': expected 3 rows of 3"),
        (changed(SOC, bandwidth=[[1, 2, "3"]] * 3), "f: field 'bandwidth', row 0"),
        (changed(SOC, bandwidth=[[0] * 3] * 3), "f: platform 's': field 'bandwidth': expected integers > 0"),
        (changed(SOC, bandwidth_same_pe=None), "f: field 'bandwidth_same_pe' is None"),
        (changed(SOC, bandwidth_to_memory=[1]), "f: platform 's': field 'bandwidth_to_memory'"),
        (changed(SOC, exec=[1]), "f: field 'exec': expected a mapping"),
        (changed(SOC, exec={"a": {"x": [1, 2, -3]}}), "f: field 'exec' of 'a': kernel 'x'"),
        (changed(SOC, exec={"a": {"x": [1, 2]}}), "f: platform 's': field 'times' of 'a': kernel 'x' has 2 times"),
        (changed(SOC, speed=1), "f: unknown key 'speed'"),
        ([1], "f: expected a mapping, got list"),
    ],
)
def test_platform_errors(data, message):
    with pytest.raises(InputError, match=message):
        parse_platform(data, "f")


def test_profiled_times_must_be_there():
    with pytest.raises(InputError, match="f: field 'exec_profiled_override' is missing"):
        parse_platform(changed(SOC, exec_profiled_override=None), "f", profiled=True)


def test_unreadable_files_are_named(tmp_path):
    for read in (read_application, read_platform, read_job, read_soc, read_graph):
        with pytest.raises(InputError, match=r"none\.stg: cannot be read"):
            read(tmp_path / "none.stg")
    with pytest.raises(InputError, match=r"bad\.json: cannot be read as json"):
        read_application(write(tmp_path, "bad.json", '{"name": '))


def test_scenario_of_plain_data():
    data = {"trace": [[0, "b"], [5, 0]], "capacity": 2, "outages": [[0, 3, 9]]}
    scenario = parse_scenario(json.loads(json.dumps(data)), "f", ["a", "b"])
    assert scenario == Scenario(arrivals="trace", trace=((0, 1), (5, 0)), capacity=2, outages=((0, 3, 9),), length=None)
    assert parse_scenario({"rate": 20}, "f", ["a"]).scale == 50


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "f: expected a mapping"),
        ({"speed": 1}, "f: unknown key 'speed'"),
        ({"rate": 0}, "f: field 'rate' is 0; .*a rate of zero brings no jobs"),
        ({"rate": 1, "scale": 1}, "f: fields 'rate' and 'scale' say the same"),
        ({"capacity": "3"}, "f: scenario: field 'capacity'"),
        ({"trace": [[0, "c"]]}, "f: field 'trace', entry 0: unknown value 'c'; expected one of a, b"),
        ({"trace": [[0, 2]]}, "f: field 'trace', entry 0: application 2"),
        ({"trace": [0]}, "f: field 'trace', entry 0 is 0"),
        ({"trace": [[0, 0]], "scale": 5}, "f: fields 'scale' and 'rate' mean nothing"),
        ({"outages": [[0, 1]]}, "f: field 'outages': expected entries"),
        ({"outages": 4}, "f: field 'outages' is 4; expected a list"),
    ],
)
def test_scenario_errors(data, message):
    with pytest.raises(InputError, match=message):
        parse_scenario(data, "f", ["a", "b"])


def test_shared_files_are_read():
    """The published profiles, their checks, and what is known of errors in their sources."""
    folder = data_path("soc_dag")
    if not folder.is_dir():
        pytest.skip("soc_dag is not under GANTTLET_DATA")
    apps = {path.stem: read_application(path) for path in (folder / "apps").glob("*.json")}
    socs = {path.stem: read_platform(path) for path in (folder / "socs").glob("*.json")}
    sizes = {name: (app.n_tasks, len(app.edges)) for name, app in apps.items()}
    assert sizes["wifi_tx"] == (27, 30)
    assert (sizes["wifi_rx"], sizes["range_detection"], sizes["temporal_mitigation"]) == ((34, 37), (7, 7), (10, 12))
    assert {name: soc.n_pes for name, soc in socs.items()} == {"odroid_acc16": 16, "odroid_8": 8, "top_3": 3}
    assert [one.kind for one in socs["odroid_acc16"].clusters] == ["LITTLE", "big", *["accelerator"] * 3]
    assert {one.kind for one in socs["top_3"].clusters} == {"other"}
    # sc_rx decodes with WiFi times, because the simulator takes the first of two entries.
    path = folder / "socs" / "odroid_acc16.json"
    assert socs["odroid_acc16"].row("sc_rx", "viterbi_decoder")[:2] == (1828, 739)
    assert read_platform(path, profiled=True).row("sc_rx", "viterbi_decoder")[:2] == (3130, 987)
    assert socs["odroid_acc16"].row("range_detection", "xcorr_vector_complex_conj_mul")[1] == 6


JOB = """# a job of three tasks
job_name Demo
add_new_tasks 3
alpha 0
alpha HEAD
alpha earliest_start 0 deadline 10 input_vol 8 output_vol 16
beta 1 0
beta earliest_start 0 deadline 10
alpha 2 0 1
alpha TAIL
alpha earliest_start 0 deadline 9

comm_vol 0 1 5
comm_vol 1 2 6
"""
RESOURCES = """# two clusters and a memory
add_new_resource resource_type LTL resource_name slow resource_ID 0 capacity 2 num_supported_functionalities 3
opp 500 900
opp 1000 1000
trip_freq -1 500 -1
power_profile 1000 0.5 0.9
PG_profile 1000 0.1 0.2
alpha 10
beta 4.5 99
alpha 77
add_new_resource ACC_1 fast 1 1 1 performance
alpha 2
add_new_resource MEM M 2 1 1 none
None 0
comm_band_self 1000
comm_band 0 0 20
comm_band 0 2 4
"""


def test_ds3_job(tmp_path):
    app = read_job(write(tmp_path, "job.txt", JOB))
    # The dependency 0 → 2 has no comm_vol.
    assert app == Application("Demo", ("alpha", "beta", "alpha"), ((0, 1, 5), (0, 2, 0), (1, 2, 6)), "job.txt")


def test_ds3_soc(tmp_path):
    soc = read_soc(write(tmp_path, "chip.txt", RESOURCES))
    assert soc.clusters == (
        Cluster("slow", 2, "LITTLE", ((500, 900), (1000, 1000)), {1000: (0.5, 0.9)}),
        Cluster("fast", 1, "accelerator"),
    )
    # The first of two entries of a kernel counts, and pairs without a bandwidth have 1.
    assert soc.times == {"*": {"alpha": (10.0, 2.0), "beta": (4.5, None)}}
    assert (soc.bandwidth, soc.bandwidth_same_pe, soc.bandwidth_to_memory) == (((20, 1), (1, 1)), 1000, (4, 1))
    workload = Workload.build(soc, [read_job(write(tmp_path, "job.txt", JOB))], Scenario())
    assert workload.exec_time[0, 1].tolist() == [5, 5, -1]


def test_ds3_soc_without_bandwidth_within_a_pe(tmp_path):
    text = RESOURCES.replace("comm_band_self 1000\n", "")
    with pytest.raises(InputError, match=r"chip\.txt: expected 'comm_band_self BANDWIDTH'.*\[1, 20\]"):
        read_soc(write(tmp_path, "chip.txt", text))
    assert read_soc(write(tmp_path, "chip.txt", text + "comm_band 1 1 20\n")).bandwidth_same_pe == 20


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("job_name Demo", "job_name", r"job\.txt:2: expected 'job_name NAME'"),
        ("job_name Demo", "job_name A\njob_name B", r":3: a second 'job_name'"),
        ("job_name Demo", "", r"job\.txt: expected 'job_name'"),
        ("add_new_tasks 3", "add_new_tasks 4", r"job\.txt: announces 4 tasks, but lists 3"),
        ("add_new_tasks 3", "add_new_tasks 2", r":9: 'alpha': expected job_name, add_new_tasks, comm_vol"),
        ("add_new_tasks 3", "add_new_tasks x", r":3: number of tasks: expected an integer, found 'x'"),
        ("beta 1 0", "beta 2 0", r":7: task 2; expected task 1"),
        ("beta 1 0", "beta 1 7", r":7: predecessor 7; expected tasks 0 … 2"),
        ("beta 1 0", "beta 1 0 0", r":7: a predecessor is listed twice"),
        ("beta 1 0", "beta 1 2", r":13: comm_vol 0 1: task 1 does not list 0"),
        ("alpha 0\n", "alpha 0 2\n", r"job\.txt: application 'Demo': field 'edges' has a cycle"),
        ("alpha HEAD", "beta HEAD", r":5: 'HEAD' of 'beta' does not follow that task"),
        ("earliest_start 0 deadline 9", "earliest_start 3 deadline 9", r":11: earliest_start is 3; only 0"),
        ("earliest_start 0 deadline 9", "earliest_start 0", r":11: expected 'NAME earliest_start"),
        ("deadline 10 input_vol 8", "deadline ten input_vol 8", r":6: deadline: expected a number, found 'ten'"),
        ("comm_vol 1 2 6", "comm_vol 2 1 6", r":14: comm_vol 2 1: task 1 does not list 2"),
        ("comm_vol 1 2 6", "comm_vol 1 2", r":14: expected 'comm_vol SOURCE TARGET VOLUME'"),
        ("comm_vol 1 2 6", "comm_vol 0 1 6", r":14: comm_vol 0 1 is given twice"),
        ("comm_vol 1 2 6", "comm_vol 1 2 " + "9" * 5000, r":14: volume: expected an integer"),
        ("comm_vol 1 2 6", "comm_vol 1 2 -6", r":14: volume is -6; expected at least 0"),
    ],
)
def test_ds3_job_errors(tmp_path, old, new, message):
    assert old in JOB
    with pytest.raises(InputError, match=message):
        read_job(write(tmp_path, "job.txt", JOB.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ACC_1 fast", "DSP fast", r"chip\.txt:11: resource_type: unknown type 'DSP'"),
        ("fast 1 1 1 performance", "fast 1 1 1 ondemand", r":11: DVFS_mode: governor 'ondemand' is not simulated"),
        ("fast 1 1 1 performance", "fast 3 1 1 performance", r":11: resource_ID 3; expected 1"),
        ("fast 1 1 1 performance", "fast 1 1", r":11: expected 'add_new_resource TYPE"),
        ("fast 1 1 1 performance", "fast 1 0 1 performance", r":11: capacity is 0"),
        ("num_supported_functionalities 3", "num_supported_functionalities 4", r":2: resource 'slow' announces 4"),
        ("num_supported_functionalities 3", "num_supported_functionalities 2", r":10: 'alpha': resource 'slow'"),
        ("power_profile 1000 0.5 0.9", "power_profile 1000 0.5", r":6: 1 figures of power"),
        ("opp 500 900", "opp 500", r":3: expected 'opp MHZ MILLIVOLT'"),
        ("alpha 10", "alpha -10", r":8: time of 'alpha' is -10"),
        ("alpha 10", "alpha nan", r":8: time of 'alpha' is nan"),
        ("comm_band 0 2 4", "comm_band 0 7 4", r":17: comm_band names resource 7; expected 0 … 2"),
        ("comm_band 0 2 4", "comm_band 0 2 0", r":17: bandwidth is 0; expected at least 1"),
        ("# two", "comm 1\n# two", r":1: 'comm': expected add_new_resource first"),
        ("MEM M 2", "ACC M 2", r"chip\.txt:13: DVFS_mode: governor 'none'"),
        ("ACC_1 fast", "MEM fast", r"chip\.txt: expected resources with PEs, and at most one of type MEM"),
    ],
)
def test_ds3_soc_errors(tmp_path, old, new, message):
    assert old in RESOURCES
    with pytest.raises(InputError, match=message):
        read_soc(write(tmp_path, "chip.txt", RESOURCES.replace(old, new, 1)))


STG = """ 3
 0  0  0
 1  5  1  0
 2  7  1  0
 3  4  2  1  2
 4  0  1  3
# Standard Task Graph Set Project
"""


def test_stg(tmp_path):
    graph = read_stg(write(tmp_path, "tiny.stg", STG))
    assert graph.application.name == "tiny"
    assert graph.application.kernels == tuple(f"task_{i}" for i in range(5))
    assert graph.application.edges == ((0, 1, 0), (0, 2, 0), (1, 3, 0), (2, 3, 0), (3, 4, 0))
    assert graph.work == (0, 5, 7, 4, 0)


def test_stg_with_costs_and_of_the_prototype_set(tmp_path):
    costs = "2\n0 0 0\n1 5 1\n 0 9\n2 7 2\n 0 3\n 1 4\n"
    assert read_stg(write(tmp_path, "c.stg", costs)).application.edges == ((0, 1, 9), (0, 2, 3), (1, 2, 4))
    prototype = "2 3\n1 14 0\n2 20 1 1\n3 0 1 2\n"
    graph = read_stg(write(tmp_path, "p.stg", prototype))
    assert (graph.application.edges, graph.work) == (((0, 1, 0), (1, 2, 0)), (14, 20, 0))
    assert graph.application.kernels == ("task_1", "task_2", "task_3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"g\.stg:1: expected the number of tasks"),
        ("1 2 3\n0 0 0\n", r":1: expected the number of tasks"),
        ("1\n0 0 0\n1 x 1 0\n", r":3: expected integers in 0 … 999999999, found '1 x 1 0'"),
        ("1\n0 0 0\n1 -5 1 0\n", r":3: expected integers in 0 …"),
        ("1\n0 0\n", r":2: expected task, time, number of predecessors"),
        ("1\n0 0 0\n0 5 0\n", r":3: task 0 is listed twice"),
        ("1\n0 0 0\n1 5 2 0\n", r":3: task 1 announces 2 predecessors, but lists 1"),
        ("1\n0 0 0\n1 5 1\n2 0 0\n", r":4: task 1 has 1 predecessors; expected 'predecessor cost'"),
        ("1\n0 0 0\n1 5 1\n", r":3: task 1 has 1 predecessors; expected 'predecessor cost'"),
        ("1\n0 0 0\n1 5 1 8\n", r":3: predecessor 8 of task 1 is not listed"),
        ("1\n0 0 0\n1 5 2 0 0\n", r":3: predecessor 0 of task 1 is listed twice"),
        (f"1\n0 0 0\n1 {'9' * 5000} 1 0\n", r":3: expected integers in 0 …"),
        ("9\n0 0 0\n1 5 1 0\n", r"g\.stg: announces 9 tasks, but lists 2"),
        ("2\n0 0 1 1\n1 5 1 0\n", r"g\.stg: application 'g': field 'edges' has a cycle"),
    ],
)
def test_stg_errors(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_stg(write(tmp_path, "g.stg", text))


DOT = """// a chain with a branch
strict digraph "my graph" {
  rankdir = LR;            # no meaning here
  node [shape=box, weight=2];
  edge [label=1]
  a [weight="3.5"]; b
  "c d" [kernel=filter, weight=7]
  a -> b -> "c d" [label="40"];
  a -> e; /* e is
  new */
  e [label=9; weight=4]
}
"""


def test_dot(tmp_path):
    graph = read_dot(write(tmp_path, "g.dot", DOT))
    assert graph.application == Application(
        "my graph", ("a", "b", "filter", "e"), ((0, 1, 40), (1, 2, 40), (0, 3, 1)), "g.dot"
    )
    assert graph.work == (3.5, 2, 7, 4)
    plain = read_graph(
        write(tmp_path, "h.dot", 'digraph { x [label="5"]; y [label="read"]; x -> y [weight=2, label=9] }')
    )
    assert (plain.application.name, plain.work, plain.application.edges) == ("h", (5, None), ((0, 1, 2),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("graph { a -- b }", r"g\.dot:1: expected 'digraph', a directed graph, found 'graph'"),
        ("digraph {\n a -- b }", r":2: expected '->'.*found '--'"),
        ("digraph {\n a:n -> b }", r":2: .*ports are not read"),
        ("digraph {\n subgraph s { a } }", r":2: subgraphs are not read"),
        ("digraph {\n a -> { b c } }", r":2: expected a node, found '{'"),
        ("digraph {\n a -> b\n a -> b }", r":3: edge a -> b is given twice"),
        ("digraph {\n a -> b [label=x] }", r":2: edge a -> b: volume is 'x'"),
        ("digraph {\n a -> b [label=1.5] }", r":2: edge a -> b: volume is '1.5'"),
        ("digraph {\n a [weight=heavy] }", r":2: node 'a': weight is 'heavy'"),
        ("digraph {\n a [weight=-1] }", r":2: node 'a': weight is '-1'"),
        ("digraph {\n a [weight] }", r":2: expected '=', found '\]'"),
        ("digraph {\n a\n", r":3: expected a node, found the end"),
        ("digraph { a } b", r":1: expected nothing behind the graph, found 'b'"),
        ('digraph {\n a [label="open] }', r":2: cannot read"),
        ("digraph { }", r"g\.dot: the graph has no node"),
        ("digraph { a -> b -> a }", r"g\.dot: application 'g': .*cycle"),
    ],
)
def test_dot_errors(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_dot(write(tmp_path, "g.dot", text))


def test_other_endings_are_no_graphs(tmp_path):
    with pytest.raises(InputError, match=r"g\.xml: unknown ending '\.xml'; expected \.stg or \.dot"):
        read_graph(tmp_path / "g.xml")


def test_related_pes(tmp_path):
    graph = read_stg(write(tmp_path, "tiny.stg", STG))
    platform = related_platform([graph], [1, 1, 2, 0.3], bandwidth=3)
    assert [one.count for one in platform.clusters] == [2, 1, 1]
    workload = Workload.build(platform, [graph.application], Scenario())
    # ceil(work / speed): 5 and 7 on speeds 1, 1, 2 and 0.3
    assert workload.exec_time[0, 1:3].tolist() == [[5, 5, 3, 17], [7, 7, 4, 24]]
    assert workload.bandwidth[0, 1] == workload.bandwidth[0, 3] == 3
    assert (2**31 - 1) // int(workload.bandwidth[0, 0]) == 0
    exact = TaskGraph(Application("one", ("k",)), (3.0,))
    assert related_platform([exact], [0.3]).row("one", "k") == (10,)


@pytest.mark.parametrize(
    ("work", "speeds", "bandwidth", "message"),
    [
        ((1, 2), [], 1, r"speeds \[\]; expected at least one"),
        ((1, 2), [1, 0], 1, r"speeds \[1, 0\]"),
        ((1, 2), [1], 0, "bandwidth is 0"),
        ((1, 2), [1, 1e-300], 1, r"application 'g': task 0 \(k\) takes over 1073741824 ticks"),
        ((1, None), [1], 1, r"application 'g': task 1 \(k\) has no weight"),
        ((1, 2), [1], 1, "application 'g': tasks of kernel 'k' differ in weight"),
    ],
)
def test_related_pes_errors(work, speeds, bandwidth, message):
    with pytest.raises(InputError, match=message):
        related_platform([TaskGraph(Application("g", ("k", "k")), work)], speeds, bandwidth=bandwidth)


def test_a_workload_is_saved_and_loaded(tmp_path):
    soc = parse_platform(SOC, "here")
    assert isinstance(soc, Platform)
    workload = Workload.build(soc, [parse_application(APP, "here")], Scenario(seed=4, std=0.1))
    for name in ("w.json", "w.npz"):
        workload.save(tmp_path / name)
        assert Workload.load(tmp_path / name) == workload
