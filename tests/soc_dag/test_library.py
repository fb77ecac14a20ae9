"""Workloads by name, file and description, their options, and the outside data sets."""

import dataclasses
import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from ganttlet.core.data import data_path, data_set_digest
from ganttlet.core.errors import InputError
from ganttlet.soc_dag import library
from ganttlet.soc_dag.application import Application
from ganttlet.soc_dag.formats import platform_data, read_application, read_platform, write_application, write_platform
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.library import DATA_SETS, base, names, resolve, with_options
from ganttlet.soc_dag.mixes import COUNTS, MIXES
from ganttlet.soc_dag.platform import Cluster, Platform
from ganttlet.soc_dag.profiles import OUTSIDE_APPS, find_application, find_platform
from ganttlet.soc_dag.scenario import Scenario

SHIPPED = [name for name in names() if name.startswith(("top_", "table4"))]
SCALARS = [key for key in Scenario.__dataclass_fields__ if key not in ("trace", "outages")]


def need(*parts):
    path = data_path("soc_dag", *parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not under GANTTLET_DATA")
    return path


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_names_need_no_outside_data(monkeypatch, tmp_path, name):
    monkeypatch.setenv("GANTTLET_DATA", str(tmp_path))
    workload = resolve(name)
    assert workload.name == name
    assert resolve(workload) is workload
    assert resolve({"name": name}) == workload
    parts = base(name)
    assert Workload.build(parts[0], parts[1], parts[3], probability=parts[2]).digest == workload.digest
    if name not in MIXES:
        assert (workload.arrivals, workload.trace.tolist(), workload.capacity) == ("trace", [[0, 0]], 1)
        assert (workload.end, workload.length, workload.jobs) == ("drain", None, 1)


def test_the_graph_of_topcuoglu():
    workload = resolve("top_1")
    assert workload.exec_time[0, :, 0].tolist() == [14, 13, 11, 13, 12, 13, 7, 5, 18, 21]
    assert workload.edges_of(0)[:3] == [(0, 1, 18), (0, 2, 12), (0, 3, 9)]
    assert workload.bandwidth.tolist() == [[100, 1, 1], [1, 100, 1], [1, 1, 100]]


def test_streams_have_the_published_settings():
    top = resolve("top_mix5")
    assert (top.capacity, top.full, top.prefill, top.length, top.end) == (3, "redraw", True, 5000, "cut")
    assert (top.tick_compat, top.scale, top.n_apps, top.n_pes) == (True, 25.0, 5, 3)
    assert resolve("top_mix10").probability.tolist() == [0.1] * 10
    need("socs")
    fig12b = resolve("ds3_fig12b")
    assert fig12b.probability.tolist() == [0.8, 0.2]
    assert resolve("ds3_fig12a").probability.tolist() == [0.2, 0.8]
    assert (fig12b.capacity, fig12b.full, fig12b.length, fig12b.warmup) == (12, "block", 50_000, 10_000)
    assert (fig12b.end, fig12b.prefill, fig12b.tick_compat, fig12b.n_pes) == ("cut", False, False, 16)
    il = resolve("il_mix")
    assert np.allclose(il.probability * 500, [69, 111, 64, 64, 91, 101])
    assert {key: getattr(il, key) for key in SCALARS if hasattr(il, key) and key != "std"} == {
        key: getattr(fig12b, key) for key in SCALARS if hasattr(fig12b, key) and key != "std"
    }


def test_published_facts_agree_with_outside_data():
    data = json.loads(need("workloads.json").read_text())
    counts = {key: tuple(value) for key, value in data["platforms"].items() if key != "note"}
    assert counts == dict(COUNTS)
    for entry in data["workloads"]:
        name = {"il_500": "il_mix"}.get(entry["name"], entry["name"])
        if name == "ds3_default":  # not printed in a paper
            continue
        mix = MIXES[name]
        assert (mix.platform, list(mix.applications)) == (entry["soc"], entry["apps"])
        assert list(mix.shares) == entry.get("p", entry.get("counts"))
        assert mix.scenario.capacity == entry["cap"]
        assert mix.scenario.full == entry.get("blocked", "block")
        assert mix.scenario.prefill == entry.get("prefill", False)
        assert list(mix.scales) == entry.get("scales", list(mix.scales))
        assert mix.scenario.length == entry.get("length_us", mix.scenario.length)
        assert mix.scenario.warmup == entry.get("warmup_us", 0 if name.startswith("top") else 10_000)


def test_shipped_graphs_agree_with_outside_data():
    for number in range(1, 11):
        given = read_application(need("apps", f"top_{number}.json"))
        assert (given.kernels, given.edges) == (
            find_application(f"top_{number}").kernels,
            find_application(f"top_{number}").edges,
        )
    given, shipped = read_platform(need("socs", "top_3.json")), find_platform("top_3")
    for key in ("exec", "bandwidth", "bandwidth_same_pe", "bandwidth_to_memory"):
        assert platform_data(given)[key] == platform_data(shipped)[key]


def test_table_4_is_what_the_paper_prints():
    rows = [line.split(",") for line in need("ds3_table4_latency_us.csv").read_text().split()]
    printed = {(app, kernel): [a53, a7, a15, acc] for app, kernel, a53, a7, a15, acc in rows[1:]}
    times = find_platform("table4").times
    shipped = {}
    for app, kernels in times.items():
        for kernel, row in kernels.items():
            accelerated = [str(time) for time in row[3:] if time is not None]
            shipped[app.removeprefix("table4_"), kernel] = [*map(str, row[:3]), "".join(accelerated)]
    assert shipped == printed


def test_absent_data_names_the_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("GANTTLET_DATA", str(tmp_path))
    for spec, file in (("ds3_fig12b", "apps/wifi_tx.json"), ("wifi_rx", "socs/odroid_acc16.json")):
        with pytest.raises(InputError, match=rf"'{spec}'.*set GANTTLET_DATA to the folder that holds soc_dag/{file}"):
            resolve(spec)


def test_a_name_is_not_given_to_another_content(monkeypatch, tmp_path):
    text = need("apps", "wifi_tx.json").read_text()
    soc = need("socs", "odroid_acc16.json").read_text()
    monkeypatch.setenv("GANTTLET_DATA", str(tmp_path))
    for folder in ("apps", "socs"):
        (tmp_path / "soc_dag" / folder).mkdir(parents=True)
    (tmp_path / "soc_dag" / "socs" / "odroid_acc16.json").write_text(soc)
    (tmp_path / "soc_dag" / "apps" / "wifi_tx.json").write_text(text + "\n")
    with pytest.raises(InputError, match=r"wifi_tx\.json: is not the published application 'wifi_tx'; its SHA-256"):
        resolve("wifi_tx")


@pytest.mark.parametrize("entry", DATA_SETS, ids=lambda entry: entry.name)
def test_data_sets_are_what_was_published(entry):
    pattern = need(*entry.files.split("/")[1:-1]) / entry.files.rsplit("/", 1)[1]
    assert len(list(pattern.parent.glob(pattern.name))) == entry.count
    assert data_set_digest(pattern.parent, pattern.name) == entry.sha256


def test_the_package_ships_nothing_else():
    shipped = {Path(str(path)).name for path in files("ganttlet.soc_dag").joinpath("data").iterdir()}
    assert shipped == {"top.json", "ds3_table4.json"}


def test_single_job_bounds_of_outside_applications():
    """Critical paths; the chains take just that, as printed in IL Table III: sc_tx 56, sc_rx about 154."""
    need("apps")
    known = {
        "wifi_tx": 44,
        "wifi_rx": 176,
        "range_detection": 146,
        "sc_tx": 56,
        "sc_rx": 153,
        "temporal_mitigation": 79,
    }
    assert {name: int(resolve(name).critical_path[0]) for name in OUTSIDE_APPS} == known


def test_options_behind_a_name():
    spec = (
        "top_mix5:scale=60:seed=3:std=0.1:capacity=4:full=queue:noise=lognormal:communication=shared_memory:"
        "deadline_factor=2:tick_compat=false:jobs=20:prefill=false:end=drain:length=9000:warmup=50:cooldown=100"
    )
    workload = resolve(spec)
    assert workload.name == spec
    assert resolve(workload.name) == workload
    parts = base("top_mix5")
    scenario = dataclasses.replace(
        parts.scenario,
        scale=60.0,
        seed=3,
        std=0.1,
        capacity=4,
        full="queue",
        noise="lognormal",
        communication="shared_memory",
        deadline_factor=2.0,
        tick_compat=False,
        jobs=20,
        prefill=False,
        end="drain",
        length=9000,
        warmup=50,
        cooldown=100,
    )
    assert workload.digest == Workload.build(parts.platform, parts.applications, scenario).digest
    options = {key: getattr(scenario, key) for key in SCALARS if f":{key}=" in spec}
    assert resolve({"name": "top_mix5", **options}).digest == workload.digest
    assert with_options(resolve("top_mix5"), options).digest == workload.digest


@pytest.mark.parametrize("field", [key for key in SCALARS if key not in ("arrivals", "stop_after")])
def test_every_option_changes_the_workload(field):
    value = {
        "scale": "30",
        "capacity": "2",
        "full": "block",
        "prefill": "false",
        "length": "4000",
        "jobs": "9",
        "end": "drain",
        "warmup": "7",
        "cooldown": "9:end=drain",
        "noise": "lognormal",
        "std": "0.2",
        "communication": "shared_memory",
        "deadline_factor": "1.5",
        "tick_compat": "false",
        "seed": "1",
    }[field]
    assert resolve(f"top_mix5:{field}={value}").digest != resolve("top_mix5").digest


def test_the_bound_on_jobs_follows_the_options():
    assert (
        resolve("top_mix5:scale=5").jobs
        == base("top_mix5")
        .scenario.__class__(
            **{**dataclasses.asdict(base("top_mix5").scenario), "scale": 5.0, "trace": (), "outages": ()}
        )
        .most_jobs
    )
    assert resolve("top_mix5:jobs=20:scale=5").jobs == 20
    assert with_options(with_options(resolve("top_mix5"), {"jobs": 20}), {"scale": 5.0}).jobs == 20
    assert with_options(resolve("top_mix5:jobs=20"), {"jobs": "none"}).digest == resolve("top_mix5").digest


def test_rate_stands_for_scale():
    assert resolve("top_mix5:rate=20").scale == 50
    assert resolve("top_mix5:rate=20").digest == resolve("top_mix5:scale=50").digest
    assert with_options(resolve("top_mix5:scale=7"), {"rate": 20}).name == "top_mix5:rate=20"
    assert resolve({"name": "top_mix5:rate=20", "scale": 7}).name == "top_mix5:scale=7"


def test_with_options_shows_later_values_in_the_name():
    workload = resolve("top_mix5:scale=50:seed=2")
    assert with_options(workload, {}) is workload
    assert with_options(workload, {"seed": None}) is workload
    assert (
        with_options(workload, {"seed": 7, "tick_compat": False}).name == "top_mix5:scale=50:seed=7:tick_compat=false"
    )
    with pytest.raises(InputError, match="unknown key 'platform'"):
        with_options(workload, {"platform": "G1"})


def test_a_single_job_becomes_a_stream():
    workload = resolve("top_1:arrivals=exponential:rate=10:length=5000")
    assert (workload.arrivals, workload.scale, workload.length, len(workload.trace)) == ("exponential", 100.0, 5000, 0)
    assert resolve("top_1:std=0.3:seed=4").std.tolist() == [[0.3] * 10]
    due = resolve("top_1:deadline_factor=2")
    assert due.deadline.tolist() == [82]
    assert with_options(due, {"deadline_factor": "none"}).digest == resolve("top_1").digest


def test_platforms_by_name():
    need("socs")
    sizes = {name: resolve(f"ds3_fig12b:platform={name}").n_pes for name in COUNTS}
    assert sizes == {"G1": 16, "G2": 10, "G3": 5, "G4": 11, "G5": 8}
    assert resolve("ds3_fig12b:platform=G1").digest == resolve("ds3_fig12b").digest
    # G5 keeps the times of odroid_acc16; odroid_8 has longer filters in sc_tx and sc_rx.
    five, eight = resolve("sc_tx:platform=G5"), resolve("sc_tx:platform=odroid_8")
    assert five.exec_time[0, 7].tolist() == [30] * 4 + [20] * 4
    assert eight.exec_time[0, 7].tolist() == [6468] * 4 + [1393] * 4
    assert five.cluster_names == ("A7", "A15")


def test_operating_points_and_left_out_applications():
    need("socs")
    slow = resolve("ds3_fig12b:at=A15-1000+A7-600")
    assert slow.exec_time[0, 0].tolist() == [52] * 4 + [20] * 4 + [-1] * 8  # ceil(22 · 1400 / 600), 10 · 2
    assert slow.power[1, 4] < resolve("ds3_fig12b").power[1, 4]
    assert resolve({"name": "ds3_fig12b", "at": {"A15": 1000, "A7": 600}}) == slow
    left = resolve("il_mix:without=wifi_rx+sc_tx")
    assert left.app_names == ("wifi_tx", "range_detection", "sc_rx", "temporal_mitigation")
    assert np.allclose(left.probability, np.array([69, 64, 91, 101]) / 325)
    assert resolve({"name": "il_mix", "without": ["wifi_rx", "sc_tx"]}) == left


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (5, "instance: cannot use int 5; expected a stream"),
        ("nope", "instance 'nope': unknown name; expected a stream"),
        ("top_mix5:foo=1", "instance 'top_mix5:foo=1': unknown key 'foo'"),
        ("top_mix5:pes=2", "unknown key 'pes'"),
        ("top_mix5:rate=0", "instance 'top_mix5:rate=0': field 'rate' is 0.0; .*a rate of zero brings no jobs"),
        ("top_mix5:rate=-1", "field 'rate' is -1.0"),
        ("top_mix5:rate=nan", "field 'rate' is nan"),
        ("top_mix5:scale=0", "instance 'top_mix5:scale=0': scenario: field 'scale' is 0.0"),
        ("top_mix5:rate=5:scale=2", "fields 'rate' and 'scale' say the same"),
        ("top_mix5:scale=2:scale=3", "option 'scale' is given twice"),
        (
            "top_1:scale=5",
            "instance 'top_1:scale=5': fields 'scale' and 'rate' mean nothing where",
        ),
        ("top_1:arrivals=exponential", "fields 'length' and 'jobs': expected at least one"),
        ("top_mix5:arrivals=trace", "field 'trace': expected entries"),
        ("top_mix5:capacity=x", "option 'capacity': expected an integer, got 'x'"),
        ("top_mix5:capacity=none", "option 'capacity': expected an integer, got 'none'"),
        ("top_mix5:std=much", "option 'std': expected a number, got 'much'"),
        ("top_mix5:prefill=1", "option 'prefill': unknown value '1'; expected one of true, false"),
        ("top_mix5:full=open", "field 'full': unknown value 'open'"),
        ("top_mix5:cooldown=5", "only end='drain' has one"),
        ("top_mix5:platform=G9", "option 'platform': unknown name 'G9'; expected one of top_3"),
        ("top_mix5:platform=table4", "platform 'table4': field 'times' knows no kernel 'task_1'"),
        ("top_mix5:at=P1", "option 'at': expected <cluster>-<MHz>"),
        ("top_mix5:at=P1-1000", "cluster 'P1': no operating point at 1000 MHz"),
        ("top_mix5:at=P9-1000", "cluster: unknown value 'P9'"),
        ("top_mix5:without=wifi_rx", "option 'without': unknown value 'wifi_rx'; expected one of top_1"),
        ("top_1:without=top_1", "option 'without' leaves no application"),
        ({"name": "top_1", "x": 1}, "instance by name: unknown key 'x'"),
        ({"name": 7}, "instance by name: field 'name' is 7"),
        ({"name": "top_mix5", "without": 7}, "option 'without' is 7"),
        ({"platform": "top_3"}, "instance: field 'applications' is missing"),
        ({"generator": {}, "size": 3}, "instance with a generator: unknown key 'size'"),
        ("none.json", r"none\.json: cannot be read"),
    ],
)
def test_errors(spec, message):
    with pytest.raises(InputError, match=message):
        resolve(spec)


def test_base_knows_names_only():
    with pytest.raises(InputError, match="workload: unknown value 'top_11'"):
        base("top_11")


PARTS = {
    "platform": "top_3",
    "applications": ["top_1", {"name": "top_own", "kernels": ["task_1", "task_5"], "edges": [[0, 1, 4]]}],
    "probability": [3, 1],
    "scenario": {"rate": 10, "length": 2000, "capacity": 2},
    "std": {"task_5": 0.5},
}


def test_a_workload_of_its_parts(tmp_path):
    workload = resolve(PARTS)
    assert workload.probability.tolist() == [0.75, 0.25]
    assert workload.exec_time[1, :2].tolist() == [[14, 16, 9], [12, 13, 10]]
    assert workload.std[1, :2].tolist() == [0.0, 0.5]
    assert (workload.scale, workload.length, workload.capacity) == (100.0, 2000, 2)
    path = tmp_path / "own.json"
    path.write_text(json.dumps(PARTS))
    assert resolve(path).digest == resolve(str(path)).digest == workload.digest
    assert (resolve(path).name, resolve(f"{path}:seed=4").name) == ("own", "own:seed=4")
    assert resolve(f"{path}:seed=4").digest == with_options(workload, {"seed": 4}).digest
    objects = {
        "platform": find_platform("top_3"),
        "applications": [find_application("top_1"), Application("top_own", ("task_1", "task_5"), ((0, 1, 4),))],
        "scenario": Scenario(scale=100.0, length=2000, capacity=2),
    }
    assert resolve({**PARTS, **objects}).digest == workload.digest


def test_files_of_parts_lie_beside_the_file(tmp_path):
    (tmp_path / "parts").mkdir()
    write_platform(find_platform("top_3"), tmp_path / "parts" / "soc.json")
    write_application(find_application("top_2"), tmp_path / "parts" / "app.json")
    (tmp_path / "parts" / "g.stg").write_text("1\n0 0 0\n1 4 1 0\n")
    path = tmp_path / "all.json"
    path.write_text(json.dumps({"platform": "parts/soc.json", "applications": ["parts/app.json"], "name": "mine"}))
    assert resolve(path).exec_time.tolist() == resolve("top_2").exec_time.tolist()
    path.write_text(json.dumps({"platform": "parts/soc.json", "applications": ["parts/g.stg"]}))
    with pytest.raises(InputError, match=r"all\.json: .*knows no kernel 'task_0' of application 'g'"):
        resolve(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"applications": []}, r"f\.json: field 'applications' is \[\]; expected a list of at least one"),
        ({"applications": ["top_1", "top_1"]}, r"f\.json: .*a name is given twice"),
        ({"applications": ["top_77"]}, r"f\.json: field 'applications', entry 0: unknown name 'top_77'"),
        ({"applications": [4]}, r"f\.json: field 'applications', entry 0 is 4; expected a name, a file or a mapping"),
        ({"applications": [{"name": "x"}]}, r"f\.json: field 'applications', entry 0: field 'kernels'"),
        ({"platform": "other"}, r"f\.json: field 'platform': unknown name 'other'"),
        ({"platform": {"name": "x"}}, r"f\.json: field 'platform': field 'clusters'"),
        ({"platform": "gone.json"}, r"gone\.json: cannot be read"),
        ({"probability": [1]}, r"f\.json: .*field 'probability': expected 2 shares"),
        ({"probability": "even"}, r"f\.json: field 'probability' is 'even'; expected a list"),
        ({"scenario": {"capacity": 0}}, r"f\.json: field 'scenario': scenario: field 'capacity' is 0"),
        ({"std": {"fft": 0.1}}, r"f\.json: field 'std': unknown key 'fft'"),
        ({"std": {"task_1": -1}}, r"f\.json: field 'std': kernel 'task_1' has -1"),
        ({"std": 3}, r"f\.json: field 'std' is 3"),
        ({"colour": 3}, r"f\.json: unknown key 'colour'"),
        ({"name": 3}, r"f\.json: field 'name' is 3"),
        ({"schema": "soc_dag.app/1"}, r"f\.json: field 'schema' is 'soc_dag.app/1'"),
    ],
)
def test_errors_in_parts(tmp_path, changes, message):
    path = tmp_path / "f.json"
    path.write_text(json.dumps({**PARTS, **changes}))
    with pytest.raises(InputError, match=message):
        resolve(path)


def test_saved_workloads(tmp_path):
    workload = resolve("top_mix5:seed=2")
    for ending in ("json", "npz"):
        path = tmp_path / f"w.{ending}"
        workload.save(path)
        assert resolve(path).digest == workload.digest
        assert resolve(f"{path}:scale=50").digest == resolve("top_mix5:seed=2:scale=50").digest
        with pytest.raises(InputError, match="unknown key 'platform'"):
            resolve(f"{path}:platform=G1")
    assert resolve(workload.to_dict()) == workload


def test_graph_files(tmp_path):
    path = tmp_path / "g.stg"
    path.write_text("2\n0 0 0\n1 6 1\n0 0\n2 4 1\n1 8\n")
    assert resolve(path).exec_time.tolist() == [[[0] * 4, [6] * 4, [4] * 4]]
    workload = resolve(f"{path}:speeds=1+2:bandwidth=3:std=0.1")
    assert workload.name == "g:speeds=1+2:bandwidth=3:std=0.1"
    assert workload.exec_time[0].tolist() == [[0, 0], [6, 3], [4, 2]]
    assert (workload.bandwidth[0, 1], workload.trace.tolist()) == (3, [[0, 0]])
    assert resolve({"name": path, "speeds": [1, 2], "bandwidth": 3, "std": 0.1}).digest == workload.digest
    own = Platform("own", (Cluster("C", 1),), ((1,),), 1, {"g": {f"task_{i}": (i,) for i in range(3)}})
    assert resolve({"name": path, "platform": own}).exec_time.tolist() == [[[0], [1], [2]]]
    for options, message in (
        ("pes=2:speeds=1", "options 'pes' and 'speeds' both give the PEs"),
        ("pes=2:platform=top_3", "options 'platform' and 'pes' both"),
        ("pes=two", "expected 'pes' and 'bandwidth' as integers"),
        ("pes=1000000000000", "65 PEs; expected at most 64"),
        ("pes=0", "speeds .*expected at least one"),
        ("at=C0-5", "no operating point at 5 MHz"),
    ):
        with pytest.raises(InputError, match=message):
            resolve(f"{path}:{options}")


def test_one_application_needs_a_platform(tmp_path):
    path = tmp_path / "a.json"
    write_application(find_application("top_3"), path)
    assert resolve(f"{path}:platform=top_3").digest == resolve("top_3").digest
    with pytest.raises(InputError, match=r"a\.json: is one application; expected option 'platform'"):
        resolve(path)
    soc = tmp_path / "s.json"
    write_platform(find_platform("top_3"), soc)
    assert resolve(f"{path}:platform={soc}").digest == resolve("top_3").digest
    with pytest.raises(InputError, match=r"s\.json: is a platform alone"):
        resolve(soc)


def test_ds3_files(tmp_path):
    job, soc = tmp_path / "job.txt", tmp_path / "soc.txt"
    job.write_text("job_name J\nadd_new_tasks 2\nx 0\ny 1 0\ncomm_vol 0 1 6\n")
    soc.write_text("add_new_resource CPU P 0 2 2\nx 3\ny 4\ncomm_band_self 100\ncomm_band 0 0 2\n")
    workload = resolve(f"{job}:platform={soc}")
    assert workload.exec_time.tolist() == [[[3, 3], [4, 4]]]
    assert workload.bandwidth.tolist() == [[100, 2], [2, 100]]
    parts = {"platform": str(soc), "applications": [str(job)], "scenario": {"trace": [[0, "J"]], "capacity": 1}}
    assert resolve(parts).digest == workload.digest


def test_generators_by_mapping(monkeypatch):
    seen = []
    monkeypatch.setattr(library, "generate", lambda settings, seed: seen.append((settings, seed)) or resolve("top_1"))
    assert resolve({"generator": {"name": "stream"}, "seed": 3}) == resolve("top_1")
    resolve({"generator": {"name": "stream"}})
    assert seen == [({"name": "stream"}, 3), ({"name": "stream"}, 0)]
