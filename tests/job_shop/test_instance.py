"""JobShopInstance: every check has a failing case that names the field; saving and loading."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganttlet.core.errors import InputError
from ganttlet.job_shop import JobShopInstance
from reference.job_shop_strategies import attempt, instances

GOOD = {"name": "x", "machine": [[0, 1], [1, -1]], "duration": [[3, 2], [4, 0]], "n_machines": 2}
BIG = 2**31 - 1

BAD = [
    ({"machine": [0, 1]}, "'machine'.*2 dimension"),
    ({"machine": [[0, 1], [1]]}, "'machine'.*different lengths"),
    ({"machine": [[0.5, 1], [1, -1]]}, "'machine'.*integers"),
    ({"machine": [[True, False], [True, False]]}, "'machine'.*integers"),
    ({"machine": [["a", "b"], ["c", "d"]]}, "'machine'.*integers"),
    ({"machine": [[2**40, 1], [1, -1]]}, "'machine'.*lie in"),
    ({"machine": [[0, 2], [1, -1]]}, "'machine': job 0 operation 1 names machine 2; expected 0 … 1"),
    ({"machine": [[0, 1], [1, -2]]}, "'machine': job 1 operation 1 names machine -2"),
    ({"machine": [[0, 1], [-1, 1]]}, "'machine': job 1 has a -1 before"),
    ({"machine": [[0, 1], [-1, -1]], "duration": [[3, 2], [0, 0]]}, "'machine': job 1 has no operation"),
    ({"machine": np.zeros((0, 2), int), "duration": np.zeros((0, 2), int)}, "'machine'.*at least one job"),
    ({"machine": np.zeros((2, 0), int), "duration": np.zeros((2, 0), int)}, "'machine'.*at least one"),
    ({"duration": [[3, 2]]}, "'duration': shape"),
    ({"duration": [[3, -2], [4, 0]]}, "'duration': job 0 operation 1 has duration -2"),
    ({"duration": [[3, 2], [4, 5]]}, "'duration': must be 0 where machine is -1"),
    ({"duration": [[BIG, 1], [4, 0]]}, "'duration': all durations.*int32"),
    ({"duration": [[3, 2], [np.nan, 0]]}, "'duration'.*integers"),
    ({"n_machines": 0}, "'n_machines': expected 1 …|'machine'"),
    ({"n_machines": 2.0}, "'n_machines': expected an integer"),
    ({"n_machines": True}, "'n_machines': expected an integer"),
    ({"release": [0]}, "'release': expected one value per job"),
    ({"release": [0, -1]}, "'release': job 1 has -1"),
    ({"release": [[0, 1]]}, "'release'.*1 dimension"),
    ({"release": [0, BIG]}, "'duration': all durations.*last release"),
    ({"due": [5]}, "'due': expected one value per job"),
    ({"due": [5, 2**31]}, "'due'.*lie in"),
    ({"weight": [1, 2, 3]}, "'weight': expected one value per job"),
    ({"weight": [1, -2]}, "'weight': job 1 has -2"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_fields_are_named(change, message):
    with pytest.raises(InputError, match=message):
        JobShopInstance(**(GOOD | change))


def test_defaults_and_properties():
    instance = JobShopInstance(**GOOD)
    assert (instance.n_jobs, instance.size) == (2, "2x2")
    assert instance.n_ops.tolist() == [2, 1]
    assert instance.work.tolist() == [5, 4]
    assert instance.release.tolist() == [0, 0]
    assert instance.weight.tolist() == [1, 1]
    assert instance.due is None
    assert {array.dtype for array in (instance.machine, instance.duration, instance.release)} == {np.dtype("i4")}


def test_instance_is_frozen():
    instance = JobShopInstance(**GOOD)
    with pytest.raises(ValueError, match="read-only"):
        instance.duration[0, 0] = 9
    with pytest.raises(dataclasses.FrozenInstanceError):
        instance.n_machines = 3


def test_digest_covers_every_field_but_the_name():
    base = JobShopInstance(**GOOD)
    assert JobShopInstance(**(GOOD | {"name": "other"})).digest == base.digest
    changes = [
        {"machine": [[1, 0], [1, -1]]},
        {"duration": [[3, 2], [5, 0]]},
        {"n_machines": 3},
        {"release": [0, 1]},
        {"due": [9, 9]},
        {"weight": [1, 2]},
    ]
    digests = {JobShopInstance(**(GOOD | change)).digest for change in changes}
    assert len(digests | {base.digest}) == len(changes) + 1


@settings(deadline=None, max_examples=25)
@given(instances(), st.booleans(), st.sampled_from([".json", ".npz"]))
def test_saved_record_loads_equal(tmp_path_factory, instance, due, ending):
    if due:
        instance = dataclasses.replace(instance, due=instance.work * 2, release=np.arange(instance.n_jobs))
    path = tmp_path_factory.mktemp("record") / f"a{ending}"
    instance.save(path)
    loaded = JobShopInstance.load(path)
    assert loaded == instance
    assert (loaded.name, loaded.digest) == (instance.name, instance.digest)


def test_unknown_ending_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(InputError, match=r"unknown ending '\.pkl'"):
        JobShopInstance(**GOOD).save(tmp_path / "a.pkl")
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None, max_examples=60)
@given(st.data(), st.sampled_from([".json", ".npz"]))
def test_damaged_record_raises_input_error_only(tmp_path_factory, data, ending):
    path = tmp_path_factory.mktemp("damaged") / f"a{ending}"
    JobShopInstance(**GOOD).save(path)
    raw = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(0, len(raw) - 2))]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    instance, message = attempt(JobShopInstance.load, path)
    assert instance is not None or path.name in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"surprise": 1}, "unknown key 'surprise'"),
        ({"machine": None}, "'machine'"),
        ({"family": "vm_rescheduling"}, "field 'family'"),
        ({"schema": 99}, "field 'schema'"),
    ],
)
def test_wrong_json_names_file_and_field(tmp_path, change, message):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(JobShopInstance(**GOOD).to_dict() | change))
    with pytest.raises(InputError, match=rf"a\.json: .*{message}"):
        JobShopInstance.load(path)


def test_missing_field_is_named(tmp_path):
    path = tmp_path / "a.json"
    fields = JobShopInstance(**GOOD).to_dict()
    del fields["duration"]
    path.write_text(json.dumps(fields))
    with pytest.raises(InputError, match=r"a\.json: field 'duration' is missing"):
        JobShopInstance.load(path)


def test_pickled_arrays_are_not_loaded(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, machine=np.array([{"a": 1}], object))
    with pytest.raises(InputError, match=r"a\.npz"):
        JobShopInstance.load(path)
