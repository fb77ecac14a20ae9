"""Text formats: round trips, what is accepted, and errors that name the file and the line."""

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ganttlet.core.errors import InputError
from ganttlet.job_shop import (
    JobShopInstance,
    format_standard,
    format_taillard,
    parse,
    read_text,
    resolve,
    write_standard,
    write_taillard,
)
from reference.job_shop_strategies import attempt, instances

STANDARD = "2 3\n0 5 1 6 2 7\n2 1 1 2 0 3\n"
TAILLARD = """Nb of jobs, Nb of Machines, Time seed, Machine seed, Upper bound, Lower bound
  2  3  840612802  398197754  1231  1005
Times
  5  6  7
  1  2  3
Machines
  1  2  3
  3  2  1
"""
MACHINE, DURATION = [[0, 1, 2], [2, 1, 0]], [[5, 6, 7], [1, 2, 3]]


@pytest.mark.parametrize(
    "text",
    [
        STANDARD,
        TAILLARD,
        STANDARD.replace("\n", "\r\n"),
        STANDARD.replace(" ", "\t"),
        STANDARD.replace("\n", "  \n\n"),
        "# a comment\n++++++\n+ instance x\n" + STANDARD.replace("2 3\n", "2 3 # jobs, machines\n"),
        STANDARD.rstrip(),
        "\ufeff" + STANDARD,
        STANDARD.replace("7\n", "7 -1 -1\n").replace("0 3\n", "0 3 -1 -1\n"),
        TAILLARD.replace("Times", "processing times:").replace("Machines\n", "machines\n", 2),
    ],
)
def test_layouts_are_detected(tmp_path, text):
    path = tmp_path / "two.txt"
    path.write_bytes(text.encode())
    instance = read_text(path)
    assert instance == JobShopInstance("two", MACHINE, DURATION, 3)


def test_reentrant_and_unequal_jobs():
    instance = parse("2 2\n0 5 1 6 0 7 -1 -1\n1 4 -1 -1\n", "x.txt")
    assert instance.machine.tolist() == [[0, 1, 0], [1, -1, -1]]
    assert instance.duration.tolist() == [[5, 6, 7], [4, 0, 0]]
    assert instance.n_machines == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"bad\.txt: is empty"),
        ("# only a comment\n\n", r"bad\.txt: is empty"),
        ("6\n", r"bad\.txt, line 1: expected 2 numbers \(jobs, machines\), found 1"),
        ("2 3 4\n", r"bad\.txt, line 1: expected 2 numbers"),
        ("0 3\n", r"bad\.txt, line 1: number of jobs is 0"),
        ("2 -3\n", r"bad\.txt, line 1: number of machines is -3"),
        ("2 3000000000\n", r"bad\.txt, line 1: number of machines is 3000000000"),
        ("2 3\n", r"bad\.txt: file ends after 0 of 2 jobs"),
        ("2 3\n0 5 1 6 2 7\n", r"bad\.txt, line 2: file ends after 1 of 2 jobs"),
        ("2 3\n0 5 1 6 2 7\n2 1 1 2 0\n", r"bad\.txt, line 3: expected 6 numbers \(3 pairs\), found 5"),
        (
            "2 3\n0 5 1 6 2 7\n2 1 1 2\n",
            r"bad\.txt, line 3: expected 6 numbers \(3 pairs\), found 4; jobs of",
        ),
        ("2 3\n0 5 1 6 2 7 0 1\n2 1 1 2 0 3\n", r"bad\.txt, line 2: expected 6 numbers"),
        ("2 3\n0 5 1 6 2 7 -1 -1\n2 1 1 2 0 3\n", r"bad\.txt, line 3: expected pairs and then -1 -1"),
        ("2 3\n0 5 1 6 -1 -1\n2 1 1 -1 -1\n", r"bad\.txt, line 3: expected pairs and then -1 -1"),
        (STANDARD + "\n1 2\n", r"bad\.txt, line 5: unexpected line after the 2 jobs"),
        ("2 3\n\n0 5 1 x 2 7\n2 1 1 2 0 3\n", r"bad\.txt, line 3: expected integers .*'x'"),
        ("2 3\n0 5 1 6.5 2 7\n2 1 1 2 0 3\n", r"bad\.txt, line 2: expected integers .*'6\.5'"),
        ("2 3\n0 5 1 1_0 2 7\n2 1 1 2 0 3\n", r"bad\.txt, line 2: expected integers .*'1_0'"),
        ("2 3\n0 5 1 ٣ 2 7\n2 1 1 2 0 3\n", r"bad\.txt, line 2: expected integers"),
        (f"2 3\n0 {'9' * 5000} 1 6 2 7\n2 1 1 2 0 3\n", r"bad\.txt, line 2: expected integers"),
        ("2 3\n0 5 1 6 3 7\n2 1 1 2 0 3\n", r"bad\.txt, line 2: operation 2 names machine 3; expected 0 … 2"),
        ("2 3\n0 5 -1 6 2 7\n2 1 1 2 0 3\n", r"bad\.txt, line 2: operation 1 names machine -1"),
        ("2 3\n0 5 1 -6 2 7\n2 1 1 2 0 3\n", r"bad\.txt, line 2: operation 1 has duration -6"),
        (
            "2 3\n0 5 1 2147483648 2 7\n2 1 1 2 0 3\n",
            r"bad\.txt, line 2: operation 1 has duration 2147483648",
        ),
        ("2 3\n0 5 1 2147483647 2 7\n2 1 1 2 0 3\n", r"bad\.txt: field 'duration': all durations"),
        ("2 3\n-1 -1\n2 1 1 2 0 3 -1 -1\n", r"bad\.txt, line 2: job has no operation"),
        (
            TAILLARD.replace("  1  2  3\nMachines", "Machines"),
            r"bad\.txt, line 4: block 'Times' ends after 1 of 2",
        ),
        (TAILLARD.replace("  3  2  1\n", ""), r"bad\.txt, line 7: block 'Machines' ends after 1 of 2 jobs"),
        (TAILLARD.replace("  3  2  1", "  3  2"), r"bad\.txt, line 8: expected 3 numbers, found 2"),
        (
            TAILLARD.replace("  3  2  1", "  3  2  0"),
            r"bad\.txt, line 8: operation 2 names machine 0; expected 1",
        ),
        (TAILLARD.replace("  3  2  1", "  4  2  1"), r"bad\.txt, line 8: operation 0 names machine 4"),
        (TAILLARD.replace("  5  6", "  5 -6"), r"bad\.txt, line 4: operation 1 has duration -6"),
        (TAILLARD.replace("  5  6", "  5  q"), r"bad\.txt, line 4: expected integers .*'q'"),
        (TAILLARD + "1 2 3\n", r"bad\.txt, line 9: unexpected line after the 2 jobs"),
        (TAILLARD.replace("Machines\n  1", "  1"), r"bad\.txt: expected one line 'Machines'"),
        (
            TAILLARD.split("\n", 2)[2],
            r"bad\.txt, line 1: expected one line of numbers before 'Times', found 0",
        ),
    ],
)
def test_errors_name_file_and_line(tmp_path, text, message):
    path = tmp_path / "bad.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_text(path)


def test_unreadable_files(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt: cannot be read: No such file"):
        read_text(tmp_path / "none.txt")
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        read_text("a\0b.txt")
    (tmp_path / "junk.txt").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match=r"junk\.txt: not a text file \(byte 128"):
        read_text(tmp_path / "junk.txt")


@settings(deadline=None, max_examples=60)
@given(instances())
def test_standard_round_trip(tmp_path_factory, instance):
    path = tmp_path_factory.mktemp("text") / "drawn.txt"
    write_standard(instance, path)
    assert read_text(path) == instance
    assert path.read_text() == format_standard(instance)


@settings(deadline=None, max_examples=60)
@given(instances(equal_lengths=True))
def test_taillard_round_trip(tmp_path_factory, instance):
    path = tmp_path_factory.mktemp("text") / "drawn.txt"
    write_taillard(instance, path)
    assert read_text(path) == instance


def test_writers_refuse_what_the_formats_cannot_hold(tmp_path):
    instance = JobShopInstance("x", MACHINE, DURATION, 3)
    for change in ({"release": [0, 1]}, {"due": [9, 9]}, {"weight": [1, 2]}):
        with pytest.raises(InputError, match=next(iter(change))):
            write_standard(dataclasses.replace(instance, **change), tmp_path / "x.txt")
    with pytest.raises(InputError, match="job 1 has 1"):
        write_taillard(JobShopInstance("x", [[0, 1], [1, -1]], [[1, 2], [3, 0]], 2), tmp_path / "x.txt")
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None, max_examples=200)
@given(st.sampled_from([STANDARD, TAILLARD, format_standard(resolve("ft06"))]), st.data())
def test_damaged_text_raises_input_error_only(tmp_path_factory, text, data):
    raw = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        kind = data.draw(st.sampled_from(["byte", "cut", "token", "drop"]))
        if kind == "byte":
            raw[at] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del raw[max(at, 1) :]
        elif kind == "token":
            raw[at:at] = data.draw(st.sampled_from([b" -1 ", b" 99999999999 ", b"\n", b" Times\n", b"\0", b"1e5"]))
        else:
            del raw[at : at + data.draw(st.integers(0, 9))]
            raw = raw or bytearray(b" ")
    path = tmp_path_factory.mktemp("damaged") / "damaged.txt"
    path.write_bytes(raw)
    instance, message = attempt(read_text, path)
    if instance is None:
        assert "damaged.txt" in message
    else:
        assert parse(format_standard(instance), "damaged.txt") == instance


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=200))
@example("1 1\n0")
@example("Times\nMachines")
def test_any_text_raises_input_error_only(text):
    instance, message = attempt(parse, text, "any.txt")
    assert isinstance(instance, JobShopInstance) or message.startswith("any.txt")


@settings(deadline=None, max_examples=60)
@given(instances(), st.data())
def test_truncation_at_any_token_is_seen(instance, data):
    assume(instance.n_jobs > 1)
    tokens = format_standard(instance).split(" ")
    kept = " ".join(tokens[: data.draw(st.integers(0, len(tokens) - 1))])
    with pytest.raises(InputError):
        parse(kept, "cut.txt")


def test_formats_agree_on_an_instance():
    instance = resolve("ft06")
    again = parse(format_taillard(instance), "ft06")
    assert np.array_equal(again.machine, instance.machine)
    assert again == instance
