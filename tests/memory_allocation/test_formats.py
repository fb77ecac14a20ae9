"""CSV files of buffers: synonyms, capacities, offsets, what is refused, and writing."""

import numpy as np
import pytest

from families_allocation import EVEN, ODD
from ganttlet.core.data import data_path
from ganttlet.core.errors import InputError
from ganttlet.memory_allocation import (
    Allocation,
    AllocationInstance,
    format_csv,
    read_csv,
    read_offsets,
    resolve,
    validate,
    write_csv,
)
from ganttlet.memory_allocation.formats import SYNONYMS, parse

PLAIN = "id,lower,upper,size\na,0,3,4\nb,3,9,5\n"


def write(tmp_path, text, name="one.12.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_plain_form(tmp_path):
    instance = read_csv(write(tmp_path, PLAIN))
    assert (instance.name, instance.capacity) == ("one", 12)
    assert (instance.lower.tolist(), instance.upper.tolist(), instance.size.tolist()) == ([0, 3], [3, 9], [4, 5])
    assert (instance.buffer_name.tolist(), instance.fixed.tolist()) == (["a", "b"], [-1, -1])
    assert instance == resolve(str(write(tmp_path, PLAIN)))


@pytest.mark.parametrize(
    "text",
    [
        "size,upper,lower,id\n4,3,0,a\n5,9,3,b\n",
        "buffer,begin,upper,size\na,0,3,4\nb,3,9,5\n",
        "buffer_id,start,end,size\na,0,2,4\nb,3,8,5\n",
        "id,lower,end,size,alignment,hint,gaps,offset\na,0,2,4,1,,,\nb,3,8,5,,-1,,-1\n",
        "\ufeffid, lower ,upper,size\r\na,0,3,4\r\n\r\nb, 3 ,9,5\r\n",
        'id,lower,upper,size\n"a",0,3,4\n"b",+3,9,5',
    ],
)
def test_synonyms_order_and_line_ends_do_not_matter(tmp_path, text):
    assert read_csv(write(tmp_path, text)) == read_csv(write(tmp_path, PLAIN))


def test_an_end_is_inclusive_whatever_the_start_is_called(tmp_path):
    same = read_csv(write(tmp_path, "id,lower,end,size\na,5,5,1\n"))
    assert (same.lower.tolist(), same.upper.tolist()) == ([5], [6])


def test_ids_may_be_left_out():
    assert parse("lower,upper,size\n0,1,2\n", "x").label(0) == "b0"


def test_capacities(tmp_path):
    assert read_csv(write(tmp_path, PLAIN, "one.csv")).capacity == 5
    assert read_csv(write(tmp_path, PLAIN), capacity=99).capacity == 99
    assert read_csv(write(tmp_path, PLAIN, "v1.2.77.csv")).name == "v1.2"
    with pytest.raises(InputError, match=r"one\.4\.csv: .*buffer 1 of 5 is larger than the capacity 4"):
        read_csv(write(tmp_path, PLAIN, "one.4.csv"))


def test_offsets_are_part_of_the_problem_or_a_solution(tmp_path):
    text = "id,lower,upper,size,alignment,offset\na,0,3,4,1,5\nb,2,9,5,5,0\n"
    path = write(tmp_path, text)
    fixed, free = read_csv(path), read_csv(path, offsets="solution")
    assert (fixed.fixed.tolist(), free.fixed.tolist(), free.alignment.tolist()) == ([5, 0], [-1, -1], [1, 5])
    allocation = read_offsets(path, free)
    assert allocation.offset.tolist() == [5, 0]
    assert validate(free, allocation).values["height"] == 9.0
    with pytest.raises(InputError, match="offsets: unknown value 'maybe'; expected one of fixed, solution"):
        read_csv(path, offsets="maybe")
    with pytest.raises(InputError, match="column 'size' differs from the buffers of instance other"):
        read_offsets(path, parse("lower,upper,size\n0,3,4\n2,9,6\n", "other"))
    with pytest.raises(InputError, match="column 'offset' is missing"):
        read_offsets(write(tmp_path, PLAIN), free)


WRONG = [
    ("", "is empty"),
    ("\n\n", "is empty"),
    ("id,lower,upper,size\n", "expected at least one buffer"),
    ("id,lower,upper\na,0,1\n", "line 1: column 'size' is missing; expected one of size"),
    ("id,upper,size\na,0,1\n", "line 1: column 'lower' is missing; expected one of lower, begin, start"),
    ("id,lower,size\na,0,1\n", "line 1: column 'upper' is missing; expected one of upper, end"),
    ("id,lower,upper,size,colour\na,0,1,1,red\n", "line 1: unknown column 'colour'"),
    ("id,lower,begin,upper,size\na,0,0,1,1\n", "line 1: columns 'lower' and 'begin' say the same"),
    ("id,lower,upper,end,size\na,0,1,0,1\n", "line 1: columns 'upper' and 'end' say the same"),
    ("id,lower,lower,upper,size\na,0,0,1,1\n", "line 1: columns 'lower' and 'lower'"),
    ("id,lower,upper,size\na,0,1\n", "line 2: expected 4 values, found 3"),
    ("id,lower,upper,size\na,0,1,1\n\nb,0,1,x\n", "line 4: column 'size': expected an integer .*found 'x'"),
    ("id,lower,upper,size\na,0,1,1.5\n", "line 2: column 'size': expected an integer"),
    ("id,lower,upper,size\na,0,1,\n", "line 2: column 'size': expected an integer .*found ''"),
    ("id,lower,upper,size\na,0,1,1234567890123456789\n", "line 2: column 'size': .*at most 18 digits"),
    ("id,lower,upper,size\na,3,3,1\n", "field 'upper': buffer 0 ends at 3"),
    ("id,lower,end,size\na,3,2,1\n", "field 'upper': buffer 0 ends at 3"),
    ("id,lower,upper,size,gaps\na,0,9,1,2-4\n", "line 2: column 'gaps' holds '2-4'; gaps are not supported"),
    ("id,lower,upper,size,hint\na,0,9,1,64\n", "line 2: column 'hint' holds '64'; hint are not supported"),
    ('id,lower,upper,size\n"a,0,1,1\n', "line"),
    ("id,lower,upper,size,offset\na,0,1,1,-5\n", "field 'fixed': buffer 0 has -5"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_wrong_is_named_with_file_and_line(tmp_path, text, message):
    with pytest.raises(InputError, match=rf"one\.12\.csv.*{message}"):
        read_csv(write(tmp_path, text))


def test_every_synonym_is_read():
    values = {
        "id": "a",
        "lower": "0",
        "upper": "5",
        "size": "2",
        "alignment": "1",
        "offset": "",
        "hint": "",
        "gaps": "",
    }
    for name, field in SYNONYMS.items():
        columns = {other: values[other] for other in ("id", "lower", "upper", "size") if other != field}
        text = ",".join([*columns, name]) + "\n" + ",".join([*columns.values(), values[field]]) + "\n"
        instance = parse(text, "x", capacity=2)
        assert (instance.lower.tolist(), instance.upper.tolist()) == ([0], [6 if name == "end" else 5])


def test_files_that_are_no_text_or_absent(tmp_path):
    (tmp_path / "bytes.csv").write_bytes(b"id,lower\xff\n")
    with pytest.raises(InputError, match=r"bytes\.csv: not a text file"):
        read_csv(tmp_path / "bytes.csv")
    with pytest.raises(InputError, match=r"absent\.csv: cannot be read"):
        read_csv(tmp_path / "absent.csv")


@pytest.mark.parametrize("data", [ODD, EVEN])
def test_what_is_written_is_read_back(tmp_path, data):
    instance = resolve(data)
    write_csv(instance, tmp_path / f"by-hand.{instance.capacity}.csv")
    again = read_csv(tmp_path / f"by-hand.{instance.capacity}.csv")
    assert again.digest == instance.digest
    assert again.name == instance.name
    rng = np.random.default_rng(0)
    allocation = Allocation(rng.integers(0, 50, instance.n_buffers), instance.digest)
    write_csv(instance, tmp_path / "solved.csv", allocation)
    assert read_offsets(tmp_path / "solved.csv", instance) == allocation


def test_nothing_is_written_that_would_be_lost(tmp_path):
    instance = resolve(EVEN)
    with pytest.raises(InputError, match=r"capacity in the file's name; use even\.13\.csv"):
        write_csv(AllocationInstance("x", [0], [1], [2], 13), tmp_path / "even.csv")
    with pytest.raises(InputError, match=r"use even\.12\.csv"):
        write_csv(instance, tmp_path / "even.99.csv")
    with pytest.raises(InputError, match="allocation belongs to instance abc"):
        write_csv(instance, tmp_path / "even.12.csv", Allocation([0] * 5, "abc"))
    assert list(tmp_path.iterdir()) == []
    # The greatest load is what a file without a capacity gets.
    write_csv(resolve({**EVEN, "capacity": None}), tmp_path / "even.csv")
    assert read_csv(tmp_path / "even.csv").capacity == 12


def test_the_published_example_is_written_as_it_was():
    path = data_path("memory_mapping", "minimalloc", "input.12.csv")
    if not path.is_file():
        pytest.skip("memory_mapping/minimalloc is not under GANTTLET_DATA")
    assert format_csv(read_csv(path)) == path.read_text(encoding="utf-8")
