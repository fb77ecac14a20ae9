"""The three tables: round trips, the sample programs, and errors that name the file and the line."""

import csv
import dataclasses
import io

import numpy as np
import pytest
from hypothesis import given, settings

from ganttlet.core.data import data_path
from ganttlet.core.errors import InputError
from ganttlet.memory_mapping import all_slow_mapping, format_csv, parse_csv, read_csv, validate, write_csv
from ganttlet.memory_mapping.batch import MemoryMappingVectorEnv
from ganttlet.memory_mapping.formats import PARTS, paths_of
from ganttlet.memory_mapping.instance import IN
from reference.memory_strategies import programs

TEXTS = {
    "instructions": "t,name,op,n_fused,flops_mxu,flops_vec\n0,f,matmul+relu,2,100,7\n1,g,add,1,0,9\n",
    "buffers": (
        "id,name,kind,size,def,last,n_uses\n0,w,param,64,-1,0,1\n1,x,input,32,-1,1,2\n2,a,temp,16,0,1,1\n"
        "3,y,output,16,1,2,0\n"
    ),
    "uses": (
        "t,slot,role,buffer,bytes\n0,0,in,1,32\n0,1,in,0,60\n0,2,out,2,16\n1,0,in,2,16\n1,1,in,1,32\n1,2,out,3,16\n"
    ),
}
# Table 1.5 of the family's facts: instructions, buffers, slots, all slow in µs, all slow / all fast; 2-byte floats,
# 128 MiB. That table does not have the JAX program.
SAMPLES = {
    "alexnet_b32": (11, 28, 38, 550, 1.628),
    "resnet50_b16": (56, 165, 236, 1797, 1.879),
    "bert_base_b4_t128": (181, 376, 604, 1022, 1.479),
    "lstm2_t24_b32": (338, 345, 1035, 1554, 4.969),
    "alexnet_b32_train": (51, 80, 176, 2047, 2.024),
    "jax_encoder4_b8_t128_f32": (98, 127, 292, None, None),
}


def sample(name):
    folder = data_path("memory_mapping", "programs")
    if not folder.is_dir():
        pytest.skip("memory_mapping/programs is not under GANTTLET_DATA")
    return folder / name


@pytest.mark.parametrize("name", SAMPLES)
def test_samples(name):
    instance = read_csv(sample(name))
    n, buffers, slots, slow, bound = SAMPLES[name]
    assert (instance.n_instructions, instance.n_buffers, instance.n_slots) == (n, buffers, slots)
    if slow is not None:
        assert round(instance.all_slow) == slow
        assert round(instance.all_slow / instance.all_fast, 3) == bound
    values = validate(instance, all_slow_mapping(instance)).values
    assert values["latency"] == instance.all_slow
    assert values["slow_bytes"] == instance.slot_bytes.sum()


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_survive_writing(name, tmp_path):
    instance = read_csv(sample(name))
    write_csv(instance, tmp_path / name)
    assert read_csv(tmp_path / name) == instance
    for part in ("buffers", "uses"):
        old, new = (paths_of(path)[part].read_text().splitlines() for path in (sample(name), tmp_path / name))
        differing = [pair for pair in zip(old, new, strict=True) if pair[0] != pair[1]]
        # JAX's table gives the last instruction for its one output, ours the end of the program.
        assert len(differing) == int(part == "buffers" and name.startswith("jax"))


def test_by_hand():
    instance = parse_csv(TEXTS, "some/folder/tiny", "tight")
    assert instance.name == "tiny"
    assert instance.capacity == 2**25
    assert instance.matrix_flops.tolist() == [100, 0]
    assert instance.vector_flops.tolist() == [7, 9]
    assert instance.size.tolist() == [64, 32, 16, 16]
    assert instance.buffer_kind.tolist() == [0, 1, 3, 4]
    assert instance.defined.tolist() == [-1, -1, 0, 1]
    assert instance.slot_time.tolist() == [0, 0, 0, 1, 1, 1]
    assert instance.slot_buffer.tolist() == [1, 0, 2, 2, 1, 3]
    assert instance.slot_role.tolist() == [0, 0, 1, 0, 0, 1]
    assert instance.slot_bytes.tolist() == [32, 60, 16, 16, 32, 16]
    assert instance.instruction_name.tolist() == ["f", "g"]
    assert instance.instruction_op.tolist() == ["matmul+relu", "add"]
    assert instance.buffer_name.tolist() == ["w", "x", "a", "y"]
    written = format_csv(instance)
    assert written["buffers"] == TEXTS["buffers"]
    assert written["uses"] == TEXTS["uses"]
    assert written["instructions"] == "t,name,op,flops_mxu,flops_vec\n0,f,matmul+relu,100,7\n1,g,add,0,9\n"


@settings(max_examples=50, deadline=None, derandomize=True)
@given(instance=programs())
def test_any_program_survives_writing(instance):
    again = parse_csv(format_csv(instance), "drawn", instance.hardware)
    assert again.digest == instance.digest
    uses = [row for row in csv.DictReader(io.StringIO(format_csv(instance)["buffers"]))]
    for b, row in enumerate(uses):
        own = instance.slot_buffer == b
        assert int(row["n_uses"]) == int((own & (instance.slot_role == IN)).sum())
        assert int(row["last"]) == instance.last[b]


def test_names_with_commas_quotes_and_letters_of_all_kinds(tmp_path):
    names = ['a,"b"', "größe µ"]
    instance = dataclasses.replace(parse_csv(TEXTS, "tiny"), instruction_name=names)
    write_csv(instance, tmp_path / "tiny.buffers.csv")
    assert read_csv(tmp_path / "tiny.instructions.csv") == instance
    # As a spreadsheet saves it.
    file = paths_of(tmp_path / "tiny")["uses"]
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert read_csv(tmp_path / "tiny") == instance


@pytest.mark.parametrize("column", ["last", "n_uses", "n_fused"])
def test_columns_that_may_be_left_out(column):
    part = "instructions" if column == "n_fused" else "buffers"
    rows = list(csv.reader(io.StringIO(TEXTS[part])))
    at = rows[0].index(column)
    text = "".join(",".join(row[:at] + row[at + 1 :]) + "\n" for row in rows)
    assert parse_csv({**TEXTS, part: text}, "tiny") == parse_csv(TEXTS, "tiny")


def test_columns_in_another_order():
    rows = list(csv.reader(io.StringIO(TEXTS["uses"])))
    text = "".join(",".join(reversed(row)) + "\n" for row in rows)
    assert parse_csv({**TEXTS, "uses": text}, "tiny") == parse_csv(TEXTS, "tiny")


@pytest.mark.parametrize(
    ("part", "old", "new", "message"),
    [
        ("instructions", "t,name", "time,name", "line 1: column 't' is missing"),
        ("instructions", "n_fused", "op", "line 1: column 'op' is unknown or twice"),
        ("instructions", "n_fused", "speed", "line 1: column 'speed' is unknown or twice; known: t, name"),
        ("instructions", "1,g,", "2,g,", "line 3: column 't': expected 1, found 2"),
        ("instructions", "100,7", "100", "line 2: expected 6 values, found 5"),
        (
            "instructions",
            "100,7",
            "1e3,7",
            "line 2: column 'flops_mxu': expected an integer of at most 18 digits, found",
        ),
        ("instructions", "100,7", f"{10**18},7", "found '1000000000000000000'"),
        ("instructions", "100,7", "-100,7", "field 'matrix_flops': instruction 0 has -100"),
        ("buffers", "0,w,", "5,w,", "line 2: column 'id': expected 0, found 5"),
        ("buffers", "w,param", "w,weight", "line 2: column 'kind': expected one of param, input, const, temp, output"),
        ("buffers", "temp,16,0,1,1", "temp,16,0,0,1", "line 4: column 'last': 0, but the last use of buffer 2 is at"),
        ("buffers", "temp,16,0,1,1", "temp,16,0,1,2", "line 4: column 'n_uses': 2, but buffer 2 is an operand 1 times"),
        (
            "uses",
            "0,2,out,2,16",
            "0,2,out,3,16",
            "line 4: column 't': buffer 3 is a result of instruction 0, but defined at 1",
        ),
        ("uses", "0,1,in", "0,2,in", "line 3: column 'slot': expected 1, found 2"),
        ("uses", "1,0,in", "1,3,in", "line 5: column 'slot': expected 0, found 3"),
        ("uses", "1,0,in", "1,0,inn", "line 5: column 'role': expected one of in, out, found 'inn'"),
        ("uses", "1,1,in,1,32", "1,1,in,9,32", "line 6: column 'buffer': expected 0 … 3, found 9"),
        (
            "uses",
            "1,1,in,1,32",
            "1,1,in,1,33",
            "line 6: column 'bytes': expected 1 … 32, the size of buffer 1, found 33",
        ),
        (
            "uses",
            "0,0,in,1,32",
            "0,0,in,2,16",
            "line 2: column 't': buffer 2 is used by instruction 0 before it is def",
        ),
        (
            "uses",
            "1,1,in,1,32",
            "1,1,in,2,16",
            "line 6: column 'buffer': buffer 2 is an operand of instruction 1 already; merge such rows",
        ),
        ("uses", "1,1,in,1,32", '1,1,"in,1,32', "unexpected end of data"),
    ],
)
def test_errors_name_the_file_and_the_line(tmp_path, part, old, new, message):
    write_csv(parse_csv(TEXTS, "tiny"), tmp_path / "tiny")
    assert old in TEXTS[part]
    for each, text in TEXTS.items():
        paths_of(tmp_path / "tiny")[each].write_text(text.replace(old, new, 1) if each == part else text)
    with pytest.raises(InputError) as caught:
        read_csv(tmp_path / "tiny")
    assert message in str(caught.value)
    assert str(tmp_path / "tiny") in str(caught.value)
    if "line" in message:
        assert f"tiny.{part}.csv, line" in str(caught.value)


@pytest.mark.parametrize("part", PARTS)
def test_files_that_cannot_be_read(tmp_path, part):
    write_csv(parse_csv(TEXTS, "tiny"), tmp_path / "tiny")
    file = paths_of(tmp_path / "tiny")[part]
    for content, message in ((b"", "expected a line of column names"), (b"\xff\xfe", "byte 0 cannot be decoded")):
        file.write_bytes(content)
        with pytest.raises(InputError, match=message) as caught:
            read_csv(tmp_path / "tiny")
        assert f"tiny.{part}.csv" in str(caught.value)
    file.unlink()
    with pytest.raises(InputError, match=f"tiny.{part}.csv: cannot be read: No such file"):
        read_csv(tmp_path / "tiny")


def test_writing_is_whole(tmp_path, monkeypatch):
    instance = parse_csv(TEXTS, "tiny")
    write_csv(instance, tmp_path / "tiny")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    doubled = dataclasses.replace(instance, matrix_flops=2 * instance.matrix_flops, slot_bytes=np.ones(6, np.int64))

    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr("ganttlet.core.record.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_csv(doubled, tmp_path / "tiny")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def with_aliases(*rows, uses=()):
    """TEXTS with the columns alias_of and sync, further rows of buffers, and uses of them in instruction 1."""
    lines = TEXTS["buffers"].splitlines()
    buffers = [f"{lines[0]},alias_of,sync", *(f"{line},-1,-1" for line in lines[1:]), *rows]
    more = [f"1,{n},in,{use}" for n, use in enumerate(uses, start=2)]
    text = TEXTS["uses"].replace(
        "1,2,out,3,16\n", "".join(f"{line}\n" for line in [*more, f"1,{2 + len(more)},out,3,16"])
    )
    return {**TEXTS, "buffers": "\n".join(buffers) + "\n", "uses": text}


def test_aliases_are_merged():
    """A view of x and one of that view are read beside x: 32 + 8 bytes, but x has 32; a view of w is read alone."""
    rows = ("4,v,input,16,-1,1,1,1,-1", "5,u,input,8,0,1,1,4,-1", "6,t,param,8,-1,1,1,0,-1")
    program = parse_csv(with_aliases(*rows, uses=("4,8", "5,8", "6,5")), "tiny")
    assert program.buffer_name.tolist() == ["w", "x", "a", "y"]
    assert program.slot_buffer.tolist() == [1, 0, 2, 2, 1, 0, 3]
    assert program.slot_bytes.tolist() == [32, 60, 16, 16, 32, 5, 16]
    assert program.buffer_sync.tolist() == []
    assert format_csv(program)["buffers"].startswith("id,name,kind,size,def,last,n_uses\n0,w,param,64,-1,1,2\n")


@pytest.mark.parametrize(
    ("rows", "uses", "message"),
    [
        (("4,v,input,16,-1,1,1,4,-1",), ("4,8",), "buffers.csv, line 6: column 'alias_of': aliases in a cycle: 4 -> 4"),
        (
            ("4,v,input,16,-1,1,1,5,-1", "5,u,input,8,-1,1,1,4,-1"),
            ("4,8", "5,8"),
            "buffers.csv, line 6: column 'alias_of': aliases in a cycle: 4 -> 5 -> 4",
        ),
        (
            ("4,v,input,16,-1,1,1,7,-1",),
            ("4,8",),
            "buffers.csv, line 6: column 'alias_of': expected -1 or a buffer 0 … 4",
        ),
        (("4,v,param,16,-1,1,1,1,-1",), ("4,8",), "line 6: column 'kind': an alias is of the kind of its buffer 1"),
        (
            ("4,v,input,33,-1,1,1,1,-1",),
            ("4,8",),
            "line 6: column 'size': 33, but the alias is of buffer 1, which has 32",
        ),
        (
            ("4,v,temp,16,-1,1,1,2,-1",),
            ("4,8",),
            "line 6: column 'def': -1, but the alias is of buffer 2, defined at 0",
        ),
        (
            ("4,v,input,16,1,1,1,1,-1",),
            ("4,8",),
            "uses.csv, line 7: column 't': buffer 4 is used by instruction 1 before",
        ),
        (("4,v,input,16,-1,1,1,1,0",), ("4,8",), "line 6: column 'sync': expected -1 for an alias"),
        (("4,v,input,16,-1,1,1,-1,-1",), (), "buffers.csv, line 6: buffer 4 has no use; leave it out of the program"),
        (
            ("4,v,output,16,1,1,1,3,-1",),
            ("4,8",),
            "uses.csv, line 7: column 't': buffer 4 is used by instruction 1 before",
        ),
    ],
)
def test_errors_of_aliases_name_the_line(rows, uses, message):
    with pytest.raises(InputError) as caught:
        parse_csv(with_aliases(*rows, uses=uses), "folder/tiny")
    assert message in str(caught.value)


def test_an_alias_has_no_result():
    texts = with_aliases("4,v,output,16,1,1,0,3,-1")
    texts["uses"] += "1,3,out,4,16\n"
    with pytest.raises(
        InputError, match=r"uses.csv, line 8: column 'buffer': buffer 4 is an alias, and only its buffer 3"
    ):
        parse_csv(texts, "tiny")


def test_sync_groups_survive_writing(tmp_path):
    instance = dataclasses.replace(parse_csv(TEXTS, "tiny"), buffer_sync=[0, -1, 0, -1])
    write_csv(instance, tmp_path / "tiny")
    instance.save(tmp_path / "tiny.json")
    assert read_csv(tmp_path / "tiny") == instance == type(instance).load(tmp_path / "tiny.json")
    assert instance.digest != parse_csv(TEXTS, "tiny").digest


def test_a_buffer_larger_than_fast_memory_is_slow():
    """It is no mistake of the file: its slots have only Drop."""
    instance = parse_csv(TEXTS, "tiny", {"capacity": 63, "align": 1})
    env = MemoryMappingVectorEnv(1, instance=instance)
    _, info = env.reset(seed=0)
    masks = []
    for k in range(instance.n_slots):
        masks.append(info["action_mask"][0].tolist())
        info = env.step(np.array([0]))[4]
        assert env.done[0] == (k == instance.n_slots - 1)
    # Slot 1 reads w, 64 bytes; slot 0 reads x, slot 2 makes a.
    assert masks[:3] == [[1, 0, 1], [1, 0, 0], [1, 1, 0]]
