"""Instances by name, file and description; best-known values belong to contents, not to names."""

import csv
import json
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganttlet.core.data import data_path, data_set_digest
from ganttlet.core.errors import InputError
from ganttlet.core.family import get_family
from ganttlet.job_shop import (
    FAMILY,
    JobShopInstance,
    best_known,
    generate,
    l2d_validation,
    lower_bound,
    make_generator,
    reference,
    resolve,
    taillard,
    taillard_seeds,
    validate,
    with_due_dates,
    write_standard,
)
from ganttlet.job_shop.bounds import content_digest, identify, table
from reference.job_shop_strategies import instances, random_schedule

CITED = "scheduleopt-2026-08 (cited singly)"
SETTINGS = {"name": "uniform", "jobs": 4, "machines": 3}


def need(*parts):
    path = data_path("job_shop", *parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not under GANTTLET_DATA")
    return path


def test_names():
    assert resolve("ta01") == taillard(*taillard_seeds()["ta01"], "ta01")
    ft06 = resolve("ft06")
    assert ft06.size == "6x6"
    assert ft06.machine[0].tolist() == [2, 0, 1, 3, 5, 4]
    assert ft06.duration[0].tolist() == [1, 3, 6, 7, 3, 6]
    assert resolve(ft06) is ft06
    assert resolve("l2d:10x5:3") == l2d_validation(10, 5, 3)


@pytest.mark.parametrize("name", ["ft06", "ft10", "ft20"])
def test_built_in_instances_are_the_published_ones(name):
    assert content_digest(resolve(name)) == table()[name].digest
    assert resolve(name) == resolve(need("instances", "ft", f"{name}.txt"))


def test_due_factor_suffix_and_key():
    expected = with_due_dates(resolve("ft06"), 1.5)
    assert resolve("ft06:due_factor=1.5") == expected == resolve({"name": "ft06", "due_factor": 1.5})
    assert resolve(expected.name) == expected
    assert resolve("l2d:6x6:0:due_factor=1.3").due is not None
    assert resolve({"name": "ft06", "due_factor": None}) == resolve("ft06")


def test_mappings():
    drawn = make_generator(SETTINGS).sample(3)
    assert resolve({"generator": SETTINGS, "seed": 3}) == drawn == generate(SETTINGS, 3)
    assert resolve({"generator": SETTINGS}) == generate(SETTINGS, 0)
    assert resolve(json.loads(json.dumps(drawn.to_dict()))) == drawn


@pytest.mark.parametrize("ending", [".txt", ".json", ".npz"])
def test_files(tmp_path, ending):
    instance = resolve("ft06")
    path = tmp_path / f"ft06{ending}"
    write_standard(instance, path) if ending == ".txt" else instance.save(path)
    assert resolve(path) == resolve(str(path)) == instance
    assert resolve(f"{path}:due_factor=1.3") == with_due_dates(instance, "1.3")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("ta81", "'ta81': unknown name; expected a name such as ta01"),
        ("", "unknown name"),
        ("ta01:speed=3", "'ta01:speed=3': unknown key 'speed'; expected one of due_factor"),
        ("ta01:due_factor=x", "due_factor.*'x'"),
        ("l2d:10x10", "expected l2d:<jobs>x<machines>:<index>"),
        ("l2d:10xq:1", "expected l2d:<jobs>x<machines>:<index>"),
        ("l2d:0x5:1", "l2d validation set: jobs is 0"),
        ("missing.txt", r"missing\.txt: cannot be read"),
        ("missing.json", r"missing\.json: cannot be read"),
        (7, "cannot use int 7"),
        (None, "cannot use NoneType"),
        ({"generator": SETTINGS, "sed": 3}, "unknown key 'sed'"),
        ({"name": "ta01", "factor": 3}, "unknown key 'factor'"),
        ({"name": 7}, "cannot use int 7"),
        ({"machine": [[0]]}, "instance: field 'name' is missing"),
        ({"due_factor": 1.5}, "instance: unknown key 'due_factor'"),
    ],
)
def test_bad_specs(spec, message):
    with pytest.raises(InputError, match=message):
        resolve(spec)


def test_absent_data_names_the_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("GANTTLET_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"'la01'.*set GANTTLET_DATA.*job_shop/instances/la/la01\.txt"):
        resolve("la01")


def test_a_name_is_not_given_to_another_content(monkeypatch, tmp_path):
    monkeypatch.setenv("GANTTLET_DATA", str(tmp_path))
    path = tmp_path / "job_shop" / "instances" / "la" / "la01.txt"
    write_standard(make_generator({"name": "uniform", "jobs": 10, "machines": 5}).sample(0), path)
    with pytest.raises(InputError, match=r"la01\.txt: is not the published la01"):
        resolve("la01")
    assert resolve(path).name == "la01"
    assert reference(resolve(path), "makespan").kind == "bound"


def test_classical_files_resolve_by_name():
    need("instances", "la")
    for name in ("la01", "abz8", "orb10", "swv20", "yn04", "dmu40"):
        known = table()[name]
        assert resolve(name).size == f"{known.jobs}x{known.machines}"
        assert identify(resolve(name)) is known


def test_table_equals_its_sources():
    sources = json.loads(need("bounds.json").read_text())["instances"]
    assert list(table()) == list(sources)
    for name, known in table().items():
        row = sources[name]
        assert (known.jobs, known.machines) == (row["jobs"], row["machines"])
        if known.source == CITED:
            assert (known.lb, known.ub) == (row["lb"], row["ub"])
        else:
            assert known.source == "schedulinglab-2022"
            assert (known.lb, known.ub) == (row["lb_2022"], row["ub_2022"])


def test_digests_equal_the_files():
    need("instances", "la")
    for name, known in table().items():
        path = data_path("job_shop", "instances", name.rstrip("0123456789"), f"{name}.txt")
        if known.digest:
            assert content_digest(resolve(path)) == known.digest


def test_table_is_consistent():
    assert len(table()) == 242
    assert all(known.lb <= known.ub for known in table().values())
    digests = [known.digest for known in table().values() if known.digest]
    assert len(set(digests)) == len(digests) == 202
    assert sum(known.source == CITED for known in table().values()) == 21
    assert best_known("ta45") == (1997, 1997, CITED)
    assert best_known("ft10") == (930, 930, "schedulinglab-2022")
    assert best_known("nobody") is None


def test_bounds_do_not_contradict_the_table():
    for name in taillard_seeds():
        assert lower_bound(resolve(name)) <= table()[name].ub


def test_reference_kinds():
    optimal = reference(resolve("ft06"), "makespan")
    assert (optimal.value, optimal.kind, optimal.bound) == (55.0, "optimal", 55.0)
    best = reference(resolve("ta30"), "makespan")
    assert (best.value, best.kind, best.bound, best.source) == (1584.0, "best_known", 1562.0, CITED)
    drawn = reference(generate(SETTINGS, 0), "makespan")
    assert (drawn.value, drawn.kind) == (lower_bound(generate(SETTINGS, 0)), "bound")
    assert reference(resolve("ft06:due_factor=1.3"), "makespan").kind == "optimal"
    flow = reference(resolve("ft06"), "flow_time")
    assert (flow.value, flow.kind) == (float(resolve("ft06").work.sum()), "bound")
    assert reference(resolve("ft06:due_factor=1.3"), "total_tardiness") is None
    with pytest.raises(InputError, match="objective: unknown value 'lateness'"):
        reference(resolve("ft06"), "lateness")
    with pytest.raises(InputError, match="has no due dates"):
        reference(resolve("ft06"), "total_tardiness")


def test_reference_goes_by_content():
    ta01 = resolve("ta01")
    renamed = JobShopInstance("mine", ta01.machine, ta01.duration, 15)
    assert reference(renamed, "makespan").kind == "optimal"
    duration = ta01.duration.copy()
    duration[0, 0] += 1
    changed = JobShopInstance("ta01", ta01.machine, duration, 15)
    assert reference(changed, "makespan").kind == "bound"
    released = JobShopInstance("ta01", ta01.machine, ta01.duration, 15, release=np.arange(15))
    assert reference(released, "makespan").kind == "bound"


def test_rows_without_digest_need_name_size_and_two_sets():
    settings = {"name": "dmu", "jobs": 20, "machines": 15, "split": True}
    split = generate(settings, 0)
    assert split.machine.shape == (20, 15)
    fields = (split.machine, split.duration, 15)
    below = lower_bound(split) <= table()["dmu41"].ub
    assert below
    assert identify(JobShopInstance("dmu41", *fields)) is table()["dmu41"]
    assert identify(JobShopInstance("dmu46", *fields)) is None
    assert identify(JobShopInstance("mine", *fields)) is None
    free = generate(settings | {"split": False}, 0)
    assert identify(JobShopInstance("dmu41", free.machine, free.duration, 15)) is None


@settings(deadline=None, max_examples=60)
@given(instances(), st.integers(0, 2**32), st.integers(0, 30))
def test_lower_bounds_hold(instance, seed, release):
    due = with_due_dates(instance, 1.3)
    rng = np.random.default_rng(seed)
    due = JobShopInstance(
        "drawn",
        instance.machine,
        instance.duration,
        instance.n_machines,
        rng.integers(0, release + 1, instance.n_jobs),
        due.due,
        rng.integers(0, 5, instance.n_jobs),
    )
    values = validate(due, random_schedule(due, seed)).values
    assert set(values) == set(FAMILY.objectives)
    for objective, value in values.items():
        assert lower_bound(due, objective) <= value


def test_makespan_bound_by_hand():
    instance = JobShopInstance("hand", [[0, 1, 2], [2, 1, 0]], [[2, 5, 3], [4, 6, 1]], 3, [1, 0])
    # Machine 1: load 11, least head min(1 + 2, 4), least tail min(3, 1); both jobs end at 11 at the earliest.
    assert lower_bound(instance) == 11 + 3 + 1
    assert lower_bound(instance, "flow_time") == 10 + 11


@pytest.mark.parametrize("entry", FAMILY.data_sets, ids=lambda entry: entry.name)
def test_data_sets_equal_the_files(entry):
    folder, pattern = entry.files.rsplit("/", 1)
    path = need(*Path(folder).parts[1:])
    assert len(list(path.glob(pattern))) == entry.count
    assert data_set_digest(path, pattern) == entry.sha256


def test_data_set_digest_sees_names_and_contents(tmp_path):
    (tmp_path / "a.txt").write_text("1")
    (tmp_path / "b.txt").write_text("2")
    before = data_set_digest(tmp_path)
    (tmp_path / "note.md").write_text("ignored")
    assert data_set_digest(tmp_path) == before
    (tmp_path / "b.txt").rename(tmp_path / "c.txt")
    renamed = data_set_digest(tmp_path)
    (tmp_path / "c.txt").write_text("3")
    assert len({before, renamed, data_set_digest(tmp_path)}) == 3


def test_family_entry():
    family = get_family("job_shop")
    assert family is FAMILY
    instance = family.resolve("ft06")
    schedule = random_schedule(instance, 0)
    assert family.validate(instance, schedule).feasible
    assert family.picture(instance, schedule, "title").startswith("<svg")
    assert family.generate(SETTINGS, 1) == generate(SETTINGS, 1)
    assert set(family.presets) == {"l2d", "slim", "cp", "jssenv"}


def test_shipped_tables_are_plain_csv_and_json():
    folder = files("ganttlet.job_shop").joinpath("data")
    rows = list(csv.reader(folder.joinpath("bounds.csv").read_text(encoding="utf-8").splitlines()))
    assert {len(row) for row in rows} == {7}
    for name in ("taillard_seeds.json", "ft.json"):
        assert "source" in json.loads(folder.joinpath(name).read_text(encoding="utf-8"))


def test_an_option_given_twice_is_refused():
    with pytest.raises(InputError, match="given twice"):
        resolve("ft06:due_factor=1.5:due_factor=1.6")


def test_the_names_on_the_page_are_known():
    page = (Path(__file__).parents[2] / "docs" / "environments" / "job_shop.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if re.match(r"\| `(ta01|ft06|la01)`", line)]
    names = [name for row in rows for name in re.findall(r"`([a-z]+\d+)`", row)]
    assert len(names) >= 8
    assert all(best_known(name) is not None for name in names)
