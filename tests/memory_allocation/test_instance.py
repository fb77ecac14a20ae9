"""Allocation problems: what follows from the fields, and every wrong field named."""

import numpy as np
import pytest

from families_allocation import EVEN, ODD, plain
from ganttlet.core.errors import InputError
from ganttlet.memory_allocation import AllocationInstance, make_generator, resolve
from ganttlet.memory_allocation.instance import range_max
from reference.memory_allocation import load_at, peak, sections_of

GOOD = {"name": "x", "lower": [0, 2, -1], "upper": [3, 5, 1], "size": [4, 2, 6]}
DRAWN = [
    *({"name": name, "buffers": 14} for name in ("cut", "trimmed", "program")),
    {"name": "uniform", "buffers": 9, "alignment": 8},
]


@pytest.mark.parametrize("settings", DRAWN, ids=lambda one: one["name"])
@pytest.mark.parametrize("seed", range(4))
def test_what_follows_from_the_fields(settings, seed):
    instance = make_generator(settings).sample(seed)
    buffers, sections = plain(instance), sections_of(plain(instance))
    assert instance.n_sections == len(sections)
    assert instance.section_load.tolist() == [load_at(buffers, begin) for begin, _ in sections]
    assert instance.peak == instance.least_height == peak(buffers)
    assert instance.size_label == f"{len(buffers)}x{len(sections)}"
    for k, own in enumerate(buffers):
        inside = [at for at, (begin, _) in enumerate(sections) if own.lower <= begin < own.upper]
        assert (instance.first[k], instance.last[k]) == (inside[0], inside[-1])
        assert instance.degree[k] == sum(own.meets(one) for i, one in enumerate(buffers) if i != k)
        assert instance.contention[k] == max(load_at(buffers, time) for time in range(own.lower, own.upper))


def test_fixed_buffers_raise_the_least_height():
    instance = AllocationInstance("x", [0, 0], [1, 1], [2, 3], None, None, [-1, 9])
    assert (instance.peak, instance.least_height, instance.capacity) == (5, 12, 12)


def test_defaults_and_labels():
    instance = AllocationInstance(**GOOD)
    assert (instance.capacity, instance.alignment.tolist(), instance.fixed.tolist()) == (10, [1] * 3, [-1] * 3)
    assert (instance.label(2), len(instance.buffer_name)) == ("b2", 0)
    named = AllocationInstance(**GOOD, buffer_name=["p", "q", "r"])
    assert named.label(2) == "r"
    assert named.digest == instance.digest
    assert named != instance
    assert AllocationInstance(**{**GOOD, "size": [4, 2, 7]}).digest != instance.digest


@pytest.mark.parametrize("ending", [".json", ".npz"])
@pytest.mark.parametrize("data", [ODD, EVEN, {**GOOD, "buffer_name": ["ü", "b", "c"], "capacity": 99}])
def test_a_saved_instance_is_the_same(tmp_path, ending, data):
    instance = AllocationInstance.from_dict(data)
    instance.save(tmp_path / f"one{ending}")
    again = AllocationInstance.load(tmp_path / f"one{ending}")
    assert again == instance
    assert resolve(str(tmp_path / f"one{ending}")) == instance
    assert again.to_dict() == instance.to_dict()


WRONG = [
    ({"size": []}, "'size': expected at least one buffer"),
    ({"size": [4, 2]}, r"'lower': expected one value per buffer \(2\), got 3"),
    ({"upper": [3, 5]}, r"'upper': expected one value per buffer \(3\), got 2"),
    ({"upper": [3, 2, 1]}, "'upper': buffer 1 ends at 2; expected after its start at 2"),
    ({"lower": [[0, 2, -1]]}, "'lower': expected 1 dimension"),
    ({"size": [4, 0, 6]}, "'size': buffer 1 has 0; expected 1 …"),
    ({"size": [4, 1.5, 6]}, "'size': expected integers"),
    ({"size": [4, 2**53, 6]}, "'size': a stack of all buffers reaches .*at most 2\\*\\*53"),
    ({"lower": [-(2**54), 2, -1]}, "'lower': buffer 0 has .*expected -2"),
    ({"alignment": [1, 0, 1]}, "'alignment': buffer 1 has 0"),
    ({"alignment": [1, 1]}, "'alignment': expected one value per buffer"),
    ({"alignment": [2**53, 1, 2]}, "'size': a stack of all buffers"),
    ({"fixed": [-2, -1, -1]}, "'fixed': buffer 0 has -2"),
    ({"fixed": [6, -1, -1], "alignment": [4, 1, 1]}, "'fixed': buffer 0 is fixed at 6, not a multiple of .* 4"),
    ({"fixed": [0, 3, -1]}, "'fixed': buffers 0 and 1 are fixed in the same place at the same time"),
    ({"capacity": 5}, "'size': buffer 2 of 6 is larger than the capacity 5"),
    ({"capacity": 0}, "'capacity': expected 1 …"),
    ({"capacity": 2**54}, "'capacity': expected 1 …"),
    ({"capacity": 7.0}, "'capacity': expected an integer or nothing"),
    ({"capacity": True}, "'capacity': expected an integer or nothing"),
    ({"capacity": 10, "fixed": [8, -1, -1]}, "'fixed': buffer 0 ends at 12, beyond the capacity 10"),
    ({"buffer_name": ["a"]}, "'buffer_name': expected 3 names or none"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_wrong_fields_are_named(change, message):
    with pytest.raises(InputError, match=message):
        AllocationInstance(**{**GOOD, **change})


def test_fixed_buffers_may_share_a_place_at_other_times():
    assert AllocationInstance(**{**GOOD, "fixed": [0, 4, 4]}).fixed.tolist() == [0, 4, 4]
    with pytest.raises(InputError, match="buffers 0 and 2"):
        AllocationInstance(**{**GOOD, "fixed": [0, -1, 3]})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": "job_shop"}, "field 'family' is 'job_shop'"),
        ({"colour": 1}, "unknown key 'colour'"),
        ({"size": None}, "field 'size'"),
    ],
)
def test_wrong_plain_data(change, message):
    with pytest.raises(InputError, match=message):
        AllocationInstance.from_dict({**ODD, **change}, source="file")


def test_range_maxima():
    rng = np.random.default_rng(0)
    for length in (1, 2, 3, 7, 8, 9, 31):
        values = rng.integers(0, 100, length)
        first = np.array([a for a in range(length) for _ in range(a, length)])
        last = np.array([b for a in range(length) for b in range(a, length)])
        expected = [values[a : b + 1].max() for a, b in zip(first, last, strict=True)]
        assert range_max(values, first, last).tolist() == expected
