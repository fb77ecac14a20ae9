"""Clusters by name, file and description, their options, and the outside data sets."""

import dataclasses
import json
from importlib.resources import files
from pathlib import Path

import pytest

from ganttlet.core.data import data_path, data_set_digest
from ganttlet.core.errors import InputError
from ganttlet.core.family import get_family
from ganttlet.vm_rescheduling import DATA_SETS, FAMILY, Cluster, generate, make_generator, resolve
from ganttlet.vm_rescheduling.formats import read_snapshot, write_csv
from ganttlet.vm_rescheduling.library import with_options
from ganttlet.vm_rescheduling.snapshots import SNAPSHOTS
from reference.vm_samples import sample_cluster, sample_pods

SETTINGS = {"name": "toy", "vms": 5}


def need(name):
    path = data_path("vm_rescheduling", SNAPSHOTS[name][0])
    if not path.is_file():
        pytest.skip(f"{path.name} is not under GANTTLET_DATA")
    return path


@pytest.mark.parametrize(("name", "size"), [("medium", "279x2089"), ("large", "1176x4546")])
def test_snapshots_by_name(name, size):
    path = need(name)
    cluster = resolve(name)
    assert (cluster.name, cluster.size, cluster.limit) == (name, size, 50)
    assert cluster.digest == read_snapshot(path).digest == resolve(path).digest == resolve(str(path)).digest
    assert resolve(cluster) is cluster


def test_absent_data_names_the_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("GANTTLET_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"'medium'.*set GANTTLET_DATA.*vm_rescheduling/bytedance_medium_279pm"):
        resolve("medium")


def test_a_name_is_not_given_to_another_content(monkeypatch, tmp_path):
    text = need("medium").read_text()
    monkeypatch.setenv("GANTTLET_DATA", str(tmp_path))
    path = tmp_path / "vm_rescheduling" / SNAPSHOTS["medium"][0]
    path.parent.mkdir()
    path.write_text(text + "\n")
    with pytest.raises(InputError, match=r"\.json: is not the published snapshot 'medium'; its SHA-256"):
        resolve("medium")
    assert resolve(path).size == "279x2089"


def own(tmp_path):
    cluster = sample_cluster(hosts=3, vms=9)
    path = tmp_path / "own.json"
    cluster.save(path)
    return cluster, path


def test_options_behind_a_name(tmp_path):
    cluster, path = own(tmp_path)
    changed = resolve(f"{path}:mnl=20:goal=0.45:block=8:mix=0.25:memory_block=1024")
    assert (changed.limit, changed.goal, changed.block, changed.mix, changed.memory_block) == (20, 0.45, 8, 0.25, 1024)
    assert changed.name == f"{cluster.name}:mnl=20:goal=0.45:block=8:mix=0.25:memory_block=1024"
    fields = {"limit": 20, "goal": 0.45, "block": 8, "mix": 0.25, "memory_block": 1024}
    assert changed.digest == dataclasses.replace(cluster, **fields).digest
    assert resolve({"name": str(path), "mnl": 20}) == resolve(f"{path}:mnl=20")
    assert resolve({"name": str(path), "mnl": None}) == cluster
    # A later value takes the place of an earlier one, in the name as well.
    assert resolve({"name": f"{path}:mnl=20:block=8", "mnl": 7}).name == f"{cluster.name}:mnl=7:block=8"
    assert with_options(cluster, {}) is cluster


def test_a_name_with_options_resolves_to_itself():
    need("medium")
    for spec in ("medium:mnl=20", "medium:mnl=20:goal=0.45"):
        assert resolve(spec).name == spec
        assert resolve(resolve(spec).name) == resolve(spec)
    assert resolve("medium:mnl=20").limit == 20
    assert resolve("medium:mnl=50").digest == resolve("medium").digest


def test_files_of_every_kind(tmp_path):
    cluster, path = own(tmp_path)
    cluster.save(tmp_path / "own.npz")
    write_csv(cluster, tmp_path / "folder")
    for spec in (path, tmp_path / "own.npz", tmp_path / "folder", tmp_path / "folder" / "hosts.csv"):
        for form in (spec, str(spec)):
            assert resolve(form).digest == cluster.digest
        assert resolve(f"{spec}:mnl=3").limit == 3
    assert resolve(tmp_path / "folder").name == "folder"
    pods = sample_pods()
    write_csv(pods, tmp_path / "pods")
    assert resolve(tmp_path / "pods").digest == pods.digest


def test_json_files_are_told_apart_by_content(tmp_path):
    cluster, path = own(tmp_path)
    data = {"cluster_list": []}
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match="at least one host"):
        resolve(path)
    path.write_text(json.dumps({**cluster.to_dict(), "speed": 3}))
    with pytest.raises(InputError, match=r"own\.json: unknown key 'speed'"):
        resolve(path)
    path.write_text("[]")
    with pytest.raises(InputError, match=r"own\.json: expected a mapping"):
        resolve(path)


def test_mappings():
    drawn = make_generator(SETTINGS).sample(3)
    assert resolve({"generator": SETTINGS, "seed": 3}) == drawn == generate(SETTINGS, 3)
    assert resolve({"generator": SETTINGS}) == generate(SETTINGS, 0)
    assert resolve(json.loads(json.dumps(drawn.to_dict()))) == drawn


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("huge", "'huge': unknown name; expected medium, large, a file"),
        ("", "unknown name"),
        ("medium:speed=3", "'medium:speed=3': unknown key 'speed'; expected one of mnl, goal, block, mix"),
        ("medium:mnl=3:mnl=4", "option 'mnl' is given twice"),
        ("missing.json", r"missing\.json: cannot be read"),
        ("missing.npz", r"missing\.npz: cannot be read"),
        ("missing/hosts.csv", r"missing/hosts\.csv: cannot be read"),
        (Path("missing.txt"), r"missing\.txt: unknown ending"),
        (7, "cannot use int 7"),
        (None, "cannot use NoneType"),
        ({"generator": SETTINGS, "sed": 3}, "unknown key 'sed'"),
        ({"name": "medium", "speed": 3}, "unknown key 'speed'"),
        ({"name": 7}, "cannot use int 7"),
        ({"cpu": [[1, 1]]}, "instance: field 'name' is missing"),
        ({"mnl": 3}, "instance: unknown key 'mnl'"),
    ],
)
def test_bad_specs(spec, message):
    with pytest.raises(InputError, match=message):
        resolve(spec)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("mnl=x", "option 'mnl': expected an integer, got 'x'"),
        ("mnl=2.5", "option 'mnl': expected an integer, got '2.5'"),
        ("mnl=-1", "'limit': expected an integer of at least 0, got -1"),
        ("goal=low", "option 'goal': expected a number, got 'low'"),
        ("goal=nan", "'goal': expected a number in 0 … 1, got nan"),
        ("mix=2", "'mix': expected a number in 0 … 1"),
        ("block=0", "'block': expected an integer of at least 1"),
    ],
)
def test_bad_options_name_the_instance(tmp_path, option, message):
    cluster, path = own(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        resolve(f"{path}:{option}")
    assert f"{cluster.name}:{option}" in str(caught.value)


@pytest.mark.parametrize("entry", DATA_SETS, ids=lambda entry: entry.name)
def test_data_sets_equal_the_files(entry):
    path = need(entry.name)
    assert entry.files == f"vm_rescheduling/{path.name}"
    assert entry.count == 1
    assert data_set_digest(path.parent, path.name) == entry.sha256


def test_digests_of_the_snapshots_are_those_of_their_source():
    need("medium")
    text = data_path("vm_rescheduling", "SOURCES.md").read_text(encoding="utf-8")
    assert {sha256 for _, sha256 in SNAPSHOTS.values()} == {word for word in text.split("`") if len(word) == 64}


def test_shipped_counts_are_the_snapshots():
    data = json.loads(files("ganttlet.vm_rescheduling").joinpath("data/medium.json").read_text(encoding="utf-8"))
    need("medium")
    cluster = resolve("medium")
    kinds = list(zip(cluster.cores.tolist(), cluster.memory.tolist(), cluster.split.tolist(), strict=True))
    assert sorted(data["kinds"]) == sorted([*kind, kinds.count(kind)] for kind in set(kinds))
    large = [int((cluster.cores[cluster.host == host] == 64).sum()) for host in range(cluster.n_hosts)]
    rows = [(*sorted(free), count) for free, count in zip(cluster.usage().cpu.tolist(), large, strict=True)]
    assert sorted(data["free_cores"]) == sorted([*row, rows.count(row)] for row in set(rows))
    assert (data["hosts"], data["cores_per_node"], data["mb_per_node"]) == (279, 44, 184_388)
    free = cluster.usage().cpu
    beside = [
        (int(cluster.cores[vm]), int(free[cluster.host[vm], cluster.numa[vm]]))
        for vm in range(cluster.n_vms)
        if not cluster.split[vm]
    ]
    assert sorted(data["single_by_free"]) == sorted([*row, beside.count(row)] for row in set(beside))


def test_family_entry():
    family = get_family("vm_rescheduling")
    assert family is FAMILY
    assert family.instance is Cluster
    assert family.data_sets == DATA_SETS
    assert family.generate(SETTINGS, 1) == generate(SETTINGS, 1)
    assert set(family.generators) == {"level", "pods", "toy"}
