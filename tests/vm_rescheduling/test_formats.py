"""Files: the published JSON format, CSV files of one's own cluster, and migration plans."""

import copy
import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings

from ganttlet.core.data import data_path
from ganttlet.core.errors import InputError
from ganttlet.vm_rescheduling import Cluster, Plan, make_generator, resolve, validate
from ganttlet.vm_rescheduling.formats import read_csv, read_file, read_plan, read_snapshot, write_csv, write_plan
from reference.vm_samples import sample_cluster, sample_plan, sample_pods
from reference.vm_strategies import clusters, pod_problems

FILES = {"medium": "bytedance_medium_279pm_2089vm.json", "large": "bytedance_large_1176pm_4546vm.json"}


def host(name, rack=0, cpu=(44, 44), mem=(1000.0, 900.0)):
    numa = [
        {"node": k, "total_cpu": cpu[k], "free_cpu": 0, "memory_huge_total_mb": mem[k], "memory_huge_free_mb": 5.0}
        for k in (0, 1)
    ]
    return {"node_id": name, "status": "ACTIVE", "node_cpu": 88, "node_mem_mb": 9, "rack_id": rack, "numa": numa}


def vm(name, at, *parts):
    numa = [{"node": node, "cpu": cpu, "mem_mb": mem} for node, cpu, mem in parts]
    return {"instance_id": name, "instance_type": "any", "host_id": at, "numa": numa, "allow_migration": True}


def published():
    """Two clusters; a VM of the first lies on a host of the second, and node 1 stands before node 0."""
    first = {
        "cluster_name": "one",
        "host_info": [host("pm_0", 3)],
        "vm_instance": [vm("vm_0", "pm_0", (1, 8, 16.0)), vm("vm_1", "pm_1", (1, 2.0, 7.0), (0, 2.0, 7.0))],
        "other_requirement": {"deployment_set": []},
    }
    second = {
        "cluster_name": "two",
        "host_info": [host("pm_1", 5, (40, 20), (64.0, 32.0))],
        "vm_instance": [vm("vm_2", "pm_1", (0, 4, 1.0))],
    }
    return {"cluster_list": [first, second], "vm_type_list": [], "general_requirement": {}}


def write(tmp_path, data, name="own.json"):
    path = tmp_path / name
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


def test_published_format(tmp_path):
    cluster = read_snapshot(write(tmp_path, published()))
    assert cluster.name == "own"
    assert cluster.cpu.tolist() == [[44, 44], [40, 20]]
    assert cluster.mem.tolist() == [[1000, 900], [64, 32]]
    assert cluster.cores.tolist() == [8, 4, 4]
    assert cluster.memory.tolist() == [16, 14, 1]
    assert cluster.split.tolist() == [0, 1, 0]
    assert cluster.host.tolist() == [0, 1, 1]
    assert cluster.numa.tolist() == [1, 2, 0]
    assert cluster.rack.tolist() == [3, 5]
    assert (cluster.host_id.tolist(), cluster.vm_id.tolist()) == (["pm_0", "pm_1"], ["vm_0", "vm_1", "vm_2"])
    # What is free follows from the VMs; the file's own figures are not read.
    assert cluster.usage().cpu.tolist() == [[44, 36], [34, 18]]
    assert cluster.usage().mem.tolist() == [[1000, 884], [56, 25]]
    assert cluster.limit == 50


def change(path, value):
    data = published()
    *parents, last = path
    at = data
    for key in parents:
        at = at[key]
    if value is KeyError:
        del at[last]
    else:
        at[last] = value
    return data


VM0, VM1, PM0 = (
    ("cluster_list", 0, "vm_instance", 0),
    ("cluster_list", 0, "vm_instance", 1),
    ("cluster_list", 0, "host_info", 0),
)
BAD = [
    (change(("cluster_list",), KeyError), "field 'cluster_list' is missing"),
    ([1], "field 'cluster_list' is missing"),
    (change(("cluster_list",), {}), "'cluster_list': expected a list"),
    (change(("cluster_list",), []), "at least one host and one VM, found 0 and 0"),
    (change(("cluster_list", 1), 3), "field 'host_info' is missing"),
    (change((*VM0, "host_id"), "pm_9"), "VM vm_0: is on unknown host pm_9"),
    (change((*VM0, "host_id"), KeyError), "VM vm_0: field 'host_id' is missing"),
    (change((*VM0, "instance_id"), KeyError), "VM 0: field 'instance_id' is missing"),
    (change((*VM1, "instance_id"), "vm_0"), "VM vm_0 is listed twice"),
    (change((*VM0, "numa"), []), r"VM vm_0: field 'numa' names NUMA nodes \[\]; expected 0, 1 or both"),
    (change((*VM0, "numa", 0, "node"), 2), r"VM vm_0: field 'numa' names NUMA nodes \[2\]"),
    (change((*VM1, "numa", 0, "node"), 0), r"VM vm_1: field 'numa' names NUMA nodes \[0, 0\]"),
    (change((*VM0, "numa", 0, "cpu"), float("nan")), "VM vm_0: field 'cpu': expected an integer, found nan"),
    (change((*VM0, "numa", 0, "mem_mb"), 1.5), "VM vm_0: field 'mem_mb': expected an integer, found 1.5"),
    (change((*VM0, "numa", 0, "cpu"), 1e300), r"VM vm_0: field 'cpu': expected an integer, found 1e\+300"),
    (change((*VM0, "numa", 0, "cpu"), 10**30), "VM vm_0: field 'cpu': expected an integer, found 10{30}"),
    (change((*VM0, "numa", 0, "cpu"), 2**40), "values must lie in"),
    (change((*VM0, "numa", 0, "cpu"), "8"), "VM vm_0: field 'cpu': expected an integer, found '8'"),
    (change((*VM0, "numa", 0, "cpu"), True), "VM vm_0: field 'cpu': expected an integer, found True"),
    (change((*VM0, "numa", 0, "cpu"), 0), "'cores': VM vm_0 has 0"),
    (change((*VM1, "numa", 0, "cpu"), 4), "VM vm_1: has unequal halves: 2 cores, 7 MB and 4 cores, 7 MB"),
    (change((*VM1, "numa", 0, "mem_mb"), 8), "VM vm_1: has unequal halves"),
    (change((*VM0, "allow_migration"), False), "VM vm_0: field 'allow_migration' is False"),
    (change((*VM0, "numa", 0, "cpu"), 45), "host pm_0 NUMA node 1 is over-committed"),
    (change((*VM1, "numa", 0, "mem_mb"), 2**40), "VM vm_1: has unequal halves"),
    (change((*PM0, "node_id"), "pm_1"), "host pm_1 is listed twice"),
    (change((*PM0, "node_id"), None), "host 0: field 'node_id': expected a text"),
    (change((*PM0, "status"), "DOWN"), "host pm_0: field 'status' is 'DOWN'; expected 'ACTIVE'"),
    (change((*PM0, "rack_id"), None), "host pm_0: field 'rack_id': expected an integer, found None"),
    (change((*PM0, "numa"), published()["cluster_list"][0]["host_info"][0]["numa"][:1]), "host pm_0: .*1 NUMA node"),
    (
        change((*PM0, "numa", 1, "total_cpu"), float("inf")),
        "host pm_0: field 'total_cpu': expected an integer, found inf",
    ),
    (change((*PM0, "numa", 1, "total_cpu"), -44), "'cpu': host pm_0 has"),
    (change(("cluster_list", 0, "other_requirement", "deployment_set"), [1]), "'deployment_set' is not empty"),
    ("{", "cannot be read as json"),
    ("[" * 100_000, "cannot be read as json"),
]


@pytest.mark.parametrize(("data", "message"), BAD)
def test_bad_snapshots_name_the_file_and_the_record(tmp_path, data, message):
    path = write(tmp_path, data)
    with pytest.raises(InputError, match=message) as caught:
        read_snapshot(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_absent_and_binary_files(tmp_path):
    with pytest.raises(InputError, match=r"none\.json: cannot be read: No such file"):
        read_snapshot(tmp_path / "none.json")
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"bytes\.json: cannot be read as json"):
        read_snapshot(tmp_path / "bytes.json")


@pytest.mark.parametrize("name", FILES)
def test_snapshots_equal_a_plain_reading(name):
    path = data_path("vm_rescheduling", FILES[name])
    if not path.is_file():
        pytest.skip(f"{path.name} is not under GANTTLET_DATA")
    cluster, data = read_snapshot(path), json.loads(path.read_text())
    hosts = {one["node_id"]: one for part in data["cluster_list"] for one in part["host_info"]}
    free = {(key, node["node"]): node["free_cpu"] for key, one in hosts.items() for node in one["numa"]}
    # The stored free cores agree with the VMs; the stored free memory does not, so it says nothing.
    assert cluster.usage().cpu.tolist() == [[free[key, 0], free[key, 1]] for key in hosts]
    assert cluster.host_id.tolist() == list(hosts)
    assert cluster.rack.tolist() == [one["rack_id"] for one in hosts.values()]
    assert (cluster.cpu == 44).all()
    assert (cluster.mem == 184_388).all()
    vms = [one for part in data["cluster_list"] for one in part["vm_instance"]]
    assert cluster.vm_id.tolist() == [one["instance_id"] for one in vms]
    assert cluster.memory.tolist() == [sum(part["mem_mb"] for part in one["numa"]) for one in vms]
    assert [cluster.host_name(at) for at in cluster.host] == [one["host_id"] for one in vms]


@settings(deadline=None, max_examples=40)
@given(clusters() | pod_problems())
def test_csv_round_trip(tmp_path_factory, cluster):
    folder = tmp_path_factory.mktemp("csv")
    order = np.lexsort((cluster.groups[:, 0], cluster.groups[:, 1]))
    cluster = dataclasses.replace(cluster, name=folder.name, groups=cluster.groups[order])
    named = dataclasses.replace(
        cluster,
        rack=list(range(cluster.n_hosts)),
        host_id=[f'pm "{host}", a' for host in range(cluster.n_hosts)],
        vm_id=[f"vm;{one}" for one in range(cluster.n_vms)],
    )
    for one in (cluster, named):
        write_csv(one, folder)
        assert read_csv(folder) == one
        assert read_file(folder) == read_file(folder / "hosts.csv") == one


def test_csv_of_hosts_with_one_numa_node(tmp_path):
    cluster = Cluster(tmp_path.name, [[8], [4]], [[9], [9]], [3, 4], [1, 1], [0, 0], [0, 1], [0, 0])
    write_csv(cluster, tmp_path)
    assert (tmp_path / "hosts.csv").read_text() == "host,cpu0,mem0\n0,8,9\n1,4,9\n"
    assert read_csv(tmp_path) == cluster


HOSTS = "host,cpu0,cpu1,mem0,mem1,rack\nalpha,44,44,900,900,r1\nbeta,40,40,800,800,r2\n\ngamma,8,8,80,80,r1\n"
VMS = """\
vm,cores,memory,split,host,numa,group
web,8,100,0,alpha,1,front
db,16,200,1,beta,,
log,2,20,0, gamma ,0,front;back
"""


def own(folder, hosts=HOSTS, vms=VMS, options=None):
    (folder / "hosts.csv").write_text(hosts, encoding="utf-8")
    (folder / "vms.csv").write_text(vms, encoding="utf-8")
    if options is not None:
        (folder / "options.csv").write_text(options, encoding="utf-8")
    return folder


def test_csv_written_by_hand(tmp_path):
    cluster = read_csv(own(tmp_path, "\ufeff" + HOSTS.replace("\n", "\r\n")))
    assert cluster.cpu.tolist() == [[44, 44], [40, 40], [8, 8]]
    assert cluster.mem.tolist() == [[900, 900], [800, 800], [80, 80]]
    assert cluster.rack.tolist() == [0, 1, 0]
    assert (cluster.cores.tolist(), cluster.memory.tolist()) == ([8, 16, 2], [100, 200, 20])
    assert (cluster.split.tolist(), cluster.host.tolist(), cluster.numa.tolist()) == ([0, 1, 0], [0, 1, 2], [1, 2, 0])
    assert cluster.groups.tolist() == [[0, 0], [0, 2], [1, 2]]
    assert (cluster.vm_name(1), cluster.host_name(2), cluster.limit) == ("db", "gamma", 50)
    other = read_csv(own(tmp_path, options="option,value\nmnl,7\ngoal,0.25\nmix,1\nblock,8\n"))
    assert (other.limit, other.goal, other.mix, other.block) == (7, 0.25, 1.0, 8)


def test_csv_of_pods(tmp_path):
    hosts = "mem,host,cpu\n900,a,1000\n900,b,1000\n"
    vms = "vm,priority,cores,memory,host\nx,3,500,100,a\ny,0,700,100,\n"
    cluster = read_csv(own(tmp_path, hosts, vms, "option,value\ncount_placements,0\n"))
    assert cluster.is_pods
    assert (cluster.cpu.tolist(), cluster.mem.tolist()) == ([[1000], [1000]], [[900], [900]])
    assert (cluster.host.tolist(), cluster.numa.tolist(), cluster.priority.tolist()) == ([0, -1], [0, -1], [3, 0])
    assert not cluster.count_placements


BAD_CSV = [
    ({"hosts": ""}, r"hosts\.csv, line 1: column 'host' is missing; expected the header host,cpu0,mem0"),
    (
        {"hosts": "host,cpu0,cpu1,mem0\n"},
        "hosts.csv, line 1: column 'mem1' is missing; expected the header host,cpu0,cpu1",
    ),
    ({"hosts": HOSTS.replace("rack", "zone")}, "hosts.csv, line 1: column 'zone' is unknown"),
    ({"hosts": HOSTS.replace("rack", "mem1")}, "hosts.csv, line 1: column 'mem1' is twice"),
    ({"hosts": HOSTS.replace("40,40", "40,x")}, "hosts.csv, line 3, column 'cpu1': expected an integer in 0 … .*'x'"),
    ({"hosts": HOSTS.replace("8,8,80", "-8,8,80")}, "hosts.csv, line 5, column 'cpu0': .*'-8'"),
    ({"hosts": HOSTS.replace("40,40", "40")}, "hosts.csv, line 3: expected 6 values .*found 5"),
    ({"hosts": HOSTS.replace("beta", "alpha")}, "hosts.csv, line 3, column 'host': expected a name that no other"),
    ({"hosts": HOSTS.replace("beta", "")}, "hosts.csv, line 3, column 'host': expected a name"),
    ({"hosts": HOSTS + '"open'}, r"hosts\.csv, line 6: cannot be read as CSV"),
    ({"vms": "vm,cores\n"}, "vms.csv, line 1: column 'memory' is missing"),
    ({"vms": VMS.replace("web,8", "web,0")}, "vms.csv, line 2, column 'cores': expected an integer in 1 … "),
    ({"vms": VMS.replace("web,8", "web,1e3")}, "vms.csv, line 2, column 'cores': .*'1e3'"),
    ({"vms": VMS.replace("web,8", "web,nan")}, "vms.csv, line 2, column 'cores': .*'nan'"),
    (
        {"vms": VMS.replace("beta", "delta")},
        "vms.csv, line 3, column 'host': expected a host of hosts.csv, found 'delta'",
    ),
    ({"vms": VMS.replace("alpha,1", ",1")}, "vms.csv, line 2, column 'host': expected a host of hosts.csv, found ''"),
    (
        {"vms": VMS.replace("alpha,1", "alpha,2")},
        "vms.csv, line 2, column 'numa': expected an integer in 0 … 1, found '2'",
    ),
    ({"vms": VMS.replace("beta,", "beta,0")}, "vms.csv, line 3, column 'numa': expected nothing or 2"),
    ({"vms": VMS.replace("200,1", "200,2")}, "vms.csv, line 3, column 'split': expected an integer in 0 … 1"),
    ({"vms": VMS.replace("front;back", "front;")}, "vms.csv, line 4, column 'group': expected different groups"),
    ({"vms": VMS.replace("db,16", "db,17")}, "'split': VM db has unequal halves"),
    ({"vms": VMS.replace("web,8", "web,45")}, "host alpha NUMA node 1 is over-committed"),
    ({"vms": VMS.replace("gamma", "alpha")}, "VMs web and log of anti-affinity group 0 share host alpha"),
    ({"vms": VMS.split("\n")[0]}, "at least one VM"),
    ({"options": "option,value\nspeed,3\n"}, "options.csv, line 2, column 'option': expected one of mnl, block"),
    ({"options": "option,value\nmnl,3\nmnl,4\n"}, "options.csv, line 3, column 'option': .*each once"),
    ({"options": "option,value\nmnl,-1\n"}, "options.csv, line 2, column 'value'"),
    ({"options": "option,value\ngoal,low\n"}, "options.csv, line 2, column 'value': expected a number, found 'low'"),
    ({"options": "option,value\ngoal,nan\n"}, "'goal': expected a number in 0 … 1, got nan"),
]


@pytest.mark.parametrize(("files", "message"), BAD_CSV)
def test_bad_csv_names_file_line_and_column(tmp_path, files, message):
    own(tmp_path, **files)
    with pytest.raises(InputError, match=message) as caught:
        read_csv(tmp_path)
    assert str(caught.value).startswith(str(tmp_path))


def test_absent_and_binary_csv(tmp_path):
    own(tmp_path)
    (tmp_path / "vms.csv").write_bytes(b"vm,\xff")
    with pytest.raises(InputError, match=r"vms\.csv: not a text file \(byte 3 "):
        read_csv(tmp_path)
    (tmp_path / "vms.csv").unlink()
    with pytest.raises(InputError, match=r"vms\.csv: cannot be read: No such file"):
        read_csv(tmp_path)
    with pytest.raises(InputError, match=r"vms\.csv: expected hosts\.csv, or the folder"):
        read_file(tmp_path / "vms.csv")
    with pytest.raises(InputError, match=r"x\.txt: unknown ending '\.txt'"):
        read_file(tmp_path / "x.txt")


def test_names_that_csv_cannot_hold(tmp_path):
    cluster = sample_cluster(hosts=2, vms=3)
    for names in (["a", "a"], ["a", " b"], ["a", ""]):
        with pytest.raises(InputError, match="a host name is empty, there twice or"):
            write_csv(dataclasses.replace(cluster, host_id=names), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", [".csv", ".json"])
@pytest.mark.parametrize("pods", [False, True])
def test_plans_come_back(tmp_path, ending, pods):
    for seed in range(10):
        cluster = sample_pods(seed) if pods else sample_cluster(seed)
        cluster = dataclasses.replace(cluster, vm_id=[f"v-{vm}" for vm in range(cluster.n_vms)])
        plan = sample_plan(cluster, 6, seed)
        path = tmp_path / f"{seed}{ending}"
        write_plan(cluster, plan, path)
        assert read_plan(cluster, path) == plan
    assert len(list(tmp_path.iterdir())) == 10


def moving():
    """VM b goes home again: its second move starts where the first ended. VM c is split."""
    cluster = Cluster(
        "m",
        [[8, 8], [8, 8]],
        [[9, 9], [9, 9]],
        [2, 3, 4],
        [1, 1, 2],
        [0, 0, 1],
        [0, 0, 0],
        [0, 1, 2],
        host_id=["x", "y"],
        vm_id=["a", "b", "c"],
    )
    return cluster, Plan([[1, 1, 0], [2, 1, 2], [1, 0, 1]], cluster.digest)


PLAN_CSV = """\
step,vm,from_host,from_numa,to_host,to_numa
1,b,x,1,y,0
2,c,x,2,y,2
3,b,y,0,x,1
"""


def test_what_a_plan_file_says(tmp_path):
    cluster, plan = moving()
    write_plan(cluster, plan, tmp_path / "plan.csv")
    assert (tmp_path / "plan.csv").read_text() == PLAN_CSV
    write_plan(cluster, plan, tmp_path / "plan.json")
    data = json.loads((tmp_path / "plan.json").read_text())
    assert (data["instance"], data["name"]) == (cluster.digest, "m")
    step = {"step": 2, "vm": "c", "from_host": "x", "from_numa": 2, "to_host": "y", "to_numa": 2}
    assert data["moves"][1] == step


def test_pending_and_evicted_pods_have_no_host(tmp_path):
    cluster = Cluster("p", [[5], [5]], [[5], [5]], [4, 3], [1, 1], [0, 0], [0, -1], [0, -1], priority=[0, 1])
    plan = Plan([[0, -1, -1], [1, 0, 0]], cluster.digest)
    write_plan(cluster, plan, tmp_path / "plan.csv")
    assert (tmp_path / "plan.csv").read_text().splitlines()[1:] == ["1,0,0,0,,", "2,1,,,0,0"]
    write_plan(cluster, plan, tmp_path / "plan.json")
    assert json.loads((tmp_path / "plan.json").read_text())["moves"][0]["to_host"] is None
    assert read_plan(cluster, tmp_path / "plan.json") == plan


def test_plans_that_are_not_written(tmp_path):
    cluster, plan = moving()
    path = tmp_path / "plan.csv"
    with pytest.raises(InputError, match="for m cannot be carried out: move 1: VM c"):
        write_plan(cluster, Plan([[1, 1, 0], [2, 0, 2]], cluster.digest), path)
    short = dataclasses.replace(cluster, limit=1)
    with pytest.raises(InputError, match="cannot be carried out: move 1 is one more than the limit 1"):
        write_plan(short, dataclasses.replace(plan, instance=short.digest), path)
    with pytest.raises(InputError, match="plan belongs to instance"):
        write_plan(dataclasses.replace(cluster, limit=9), plan, path)
    with pytest.raises(InputError, match="has VMs of equal names"):
        write_plan(dataclasses.replace(cluster, vm_id=["a", "a", "b"]), plan, path)
    with pytest.raises(InputError, match="has hosts of equal names"):
        write_plan(dataclasses.replace(cluster, host_id=["a", "a"]), plan, path)
    with pytest.raises(InputError, match=r"unknown ending '\.txt'; expected \.csv or \.json"):
        write_plan(cluster, plan, tmp_path / "plan.txt")
    assert not list(tmp_path.iterdir())


BAD_PLANS = [
    (("to_numa", "to_node"), "line 1: column 'to_numa' is missing"),
    (("2,c", "3,c"), "line 3, column 'step': expected step 2, found '3'"),
    (("2,c", "2,d"), "line 3, column 'vm': expected a VM of the instance, found 'd'"),
    (("y,2", "z,2"), "line 3, column 'to_host': expected a host of the instance, found 'z'"),
    (("y,2", "y,3"), "line 3, column 'to_numa': expected an integer in 0 … 2, found '3'"),
    (("y,2", ",2"), "line 3, column 'to_host': expected a host"),
    (
        ("b,x,1", "b,x,0"),
        "line 2, column 'from_host': expected host x NUMA node 1, where the VM lies then, found 'host x NUMA",
    ),
    (("b,y,0", "b,x,1"), "line 4, column 'from_host': expected host y NUMA node 0, where the VM lies then"),
    (("b,y,0", "b,,"), "line 4, column 'from_host': expected host y NUMA node 0.*found 'no host'"),
]


@pytest.mark.parametrize(("edit", "message"), BAD_PLANS)
def test_bad_plan_files(tmp_path, edit, message):
    cluster, _ = moving()
    assert PLAN_CSV.count(edit[0]) == 1
    path = write(tmp_path, PLAN_CSV.replace(*edit), "plan.csv")
    with pytest.raises(InputError, match=message):
        read_plan(cluster, path)


def test_bad_json_plans(tmp_path):
    cluster, plan = moving()
    path = tmp_path / "plan.json"
    write_plan(cluster, plan, path)
    good = json.loads(path.read_text())
    for damage, message in (
        (lambda data: data.pop("moves"), "expected a mapping whose field 'moves' lists"),
        (lambda data: data["moves"].append(3), "expected a mapping whose field 'moves' lists"),
        (lambda data: data["moves"][1].pop("to_host"), "move 2: field 'to_host' is missing"),
        (lambda data: data["moves"][1].update(to_numa=2.5), "move 2: field 'to_numa': expected an integer in 0 … 2"),
        (lambda data: data["moves"][0].update(vm="q"), "move 1: field 'vm': expected a VM of the instance"),
        (lambda data: data.update(instance="0" * 16), f"belongs to instance {'0' * 16}, not to m"),
    ):
        data = copy.deepcopy(good)
        damage(data)
        path.write_text(json.dumps(data))
        with pytest.raises(InputError, match=message):
            read_plan(cluster, path)
    with pytest.raises(InputError, match=r"unknown ending '\.txt'"):
        read_plan(cluster, tmp_path / "plan.txt")
    del good["instance"]
    path.write_text(json.dumps(good))
    assert read_plan(cluster, path) == plan


def test_a_read_plan_is_judged_by_validate_alone(tmp_path):
    cluster, _ = moving()
    path = write(tmp_path, PLAN_CSV.replace("y,2", "x,2"), "plan.csv")
    assert not validate(cluster, read_plan(cluster, path)).feasible


def test_a_csv_cluster_plays_as_the_original(tmp_path):
    drawn = make_generator({"name": "level", "hosts": 6, "groups": 3, "group_size": 3, "mnl": 9, "goal": 0.3}).sample(4)
    write_csv(drawn, tmp_path)
    assert resolve(tmp_path).digest == drawn.digest
