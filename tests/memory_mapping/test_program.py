"""Programs: what they derive, hardware, names, and errors that name the field."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings

from families_memory import program
from ganttlet.core.data import data_path, data_set_digest
from ganttlet.core.errors import InputError
from ganttlet.core.family import Family
from ganttlet.memory_mapping import (
    FAMILY,
    GENERATORS,
    HARDWARE,
    Hardware,
    Program,
    all_slow_mapping,
    compulsory_bytes,
    lower_bound,
    make_hardware,
    reference,
    resolve,
    shipped,
    validate,
    write_csv,
)
from ganttlet.memory_mapping.instance import OUT, OUTPUT, total
from ganttlet.memory_mapping.library import DATA_SETS
from reference.memory_strategies import programs

S = 1e6  # µs
# i0 computes 10 s; i1 reads a slice of w; y is an output that i2 reads again.
SMALL = program(
    {"x": ("input", 8), "w": ("param", 10), "a": ("temp", 7), "y": ("output", 4), "z": ("temp", 2)},
    [(10, "x", "a"), (0, "a w:3", "y"), (1, "y w a", "z")],
)


def test_derived_by_hand():
    assert (SMALL.n_instructions, SMALL.n_buffers, SMALL.n_slots) == (3, 5, 9)
    assert SMALL.size_label == "3x5x9"
    assert SMALL.aligned.tolist() == [8, 12, 8, 4, 4]
    assert SMALL.first_slot.tolist() == [0, 2, 5, 9]
    assert SMALL.slot_buffer.tolist() == [0, 2, 2, 1, 3, 3, 1, 2, 4]
    assert SMALL.next_slot.tolist() == [-1, 2, 7, 6, 5, -1, -1, -1, -1]
    assert SMALL.next_use.tolist() == [-1, 1, 2, 2, 2, -1, -1, -1, -1]
    assert SMALL.last.tolist() == [0, 2, 2, 3, 2]
    assert SMALL.copy_time.tolist() == [8 * S, 10 * S, 7 * S, 4 * S, 2 * S]
    assert SMALL.compute.tolist() == [10 * S, 0, S]
    # x, a | a, w, y | y, w, a, z with what is rounded up: 16 | 24 | 28.
    assert SMALL.peak_live == 28
    assert SMALL.latencies(np.zeros(9)).tolist() == [15 * S, 14 * S, 23 * S]
    assert SMALL.latencies([0, 1, 1, 0, 0, 0, 0, 0, 1]).tolist() == [10 * S, (7 + 7 / 4) * S, (21 + 2 / 4) * S]
    assert SMALL.all_slow == 52 * S
    assert SMALL.all_fast == (10 + 14 / 4 + 23 / 4) * S
    # w by its slice, x whole, y written once.
    assert compulsory_bytes(SMALL) == 3 + 8 + 4
    assert lower_bound(SMALL) == 19.25 * S
    assert [reference(SMALL, name).value for name in ("latency", "speedup", "slow_bytes")] == [
        19.25 * S,
        52 / 19.25,
        15,
    ]
    assert reference(SMALL, "peak") is None
    stretched = dataclasses.replace(SMALL, matrix_flops=[0, 0, 0], fast_bandwidth=100.0)
    assert lower_bound(stretched) == 15 * S > stretched.all_fast


def test_compute_is_that_of_the_slower_unit():
    both = dataclasses.replace(SMALL, vector_flops=[3, 4, 1], vector_peak=0.5 * 4)
    assert both.compute.tolist() == [10 * S, 2 * S, S]


def test_total_adds_from_the_first_to_the_last():
    values = np.array([1.0, 1e100, 1.0, -1e100])
    assert total(values) == 0.0
    assert total(np.zeros(0)) == 0.0


@settings(max_examples=100, deadline=None, derandomize=True)
@given(instance=programs())
def test_derived_in_plain_python(instance):
    slots = list(zip(instance.slot_time, instance.slot_buffer, instance.slot_role, strict=True))
    for k, (_, b, _) in enumerate(slots):
        later = [j for j in range(k + 1, len(slots)) if slots[j][1] == b and slots[j][2] != OUT]
        assert instance.next_slot[k] == min(later, default=-1)
        assert instance.next_use[k] == (slots[later[0]][0] if later else -1)
    spans = []
    for b in range(instance.n_buffers):
        times = [t for t, buffer, _ in slots if buffer == b]
        spans.append((min(times), max(times), instance.aligned[b]))
        assert instance.last[b] == (instance.n_instructions if instance.buffer_kind[b] == OUTPUT else max(times))
        assert instance.size[b] <= instance.aligned[b] < instance.size[b] + instance.align
    live = [sum(size for low, high, size in spans if low <= t <= high) for t in range(instance.n_instructions)]
    assert instance.peak_live == max(live)
    assert instance.all_fast <= instance.all_slow


@settings(max_examples=25, deadline=None, derandomize=True)
@given(instance=programs())
def test_round_trips(instance, tmp_path_factory):
    folder = tmp_path_factory.mktemp("programs")
    for ending in ("json", "npz"):
        instance.save(folder / f"p.{ending}")
        assert Program.load(folder / f"p.{ending}") == instance
        assert resolve(folder / f"p.{ending}").digest == instance.digest
    assert resolve(json.loads(json.dumps(instance.to_dict()))) == instance


def test_labels_are_no_part_of_the_digest():
    named = dataclasses.replace(SMALL, name="other", instruction_name=["f", "g", "h"], buffer_name=list("abcde"))
    assert named.digest == SMALL.digest
    assert named != SMALL
    assert (named.instruction_label(1), named.buffer_label(4)) == ("g", "e")
    assert (SMALL.instruction_label(1), SMALL.buffer_label(4)) == ("i1", "b4")
    for field in ("matrix_flops", "size", "slot_bytes"):
        changed = getattr(SMALL, field).copy()
        changed[-1] = 2 if field != "slot_bytes" else 1
        if field == "size":
            changed[-1] = 3
        assert dataclasses.replace(SMALL, **{field: changed}).digest != SMALL.digest
    assert SMALL.on({"hardware": "tight"}).digest != SMALL.digest


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("matrix_flops", [], "field 'matrix_flops': expected at least one instruction"),
        ("matrix_flops", [1, -1, 0], "field 'matrix_flops': instruction 1 has -1; expected ≥ 0"),
        ("matrix_flops", [[1, 2, 3]], "field 'matrix_flops': expected 1 dimension"),
        ("vector_flops", [0, 0], "field 'vector_flops': expected one value per instruction (3), got 2"),
        ("vector_flops", [0, 0, -2], "field 'vector_flops': instruction 2 has -2"),
        ("vector_flops", [0, 0, 0.5], "field 'vector_flops': expected integers"),
        ("size", [8, 10, 7, 4, 0], "field 'size': buffer 4 has 0; expected 1 …"),
        ("size", [8, 10, 7, 4, 2**51], f"field 'size': buffer 4 has {2**51}; expected 1 … {2**50}"),
        ("buffer_kind", [1, 0, 3, 4, 5], "field 'buffer_kind': buffer 4 has 5; expected 0 … 4"),
        ("buffer_kind", [1, 0, 3, 4], "field 'buffer_kind': expected one value per buffer (5), got 4"),
        ("buffer_kind", [1, 3, 3, 4, 3], "field 'defined': buffer 1 of kind temp has -1; expected 0 … 2"),
        ("defined", [-1, -1, 0, 1, 3], "field 'defined': buffer 4 of kind temp has 3; expected 0 … 2"),
        ("defined", [0, -1, 0, 1, 2], "field 'defined': buffer 0 of kind input has 0; expected -1"),
        ("defined", [-1, -1, 1, 1, 2], "field 'defined': buffer 2 is a result of instruction 0, but defined at 1"),
        ("slot_time", [0, 0, 1, 1, 1, 2, 2, 2, 3], "field 'slot_time': slot 8 has 3; expected 0 … 2"),
        ("slot_time", [0, 0, 1, 1, 1, 2, 2, 2], "field 'slot_buffer': expected one value per slot (8), got 9"),
        (
            "slot_time",
            [0, 1, 0, 1, 1, 2, 2, 2, 2],
            "field 'slot_time': slot 2 belongs to instruction 0, the one before",
        ),
        ("slot_time", [], "field 'slot_time': expected at least one slot"),
        (
            "slot_time",
            [0, 0, 0, 1, 1, 2, 2, 2, 2],
            "field 'slot_role': slot 2 is an operand after a result of instruct",
        ),
        ("slot_buffer", [0, 2, 2, 1, 3, 3, 1, 5, 4], "field 'slot_buffer': slot 7 has 5; expected 0 … 4"),
        (
            "slot_buffer",
            [0, 2, 2, 1, 3, 3, 1, 1, 4],
            "field 'slot_buffer': buffer 1 is an operand of instruction 2 more",
        ),
        ("slot_buffer", [1, 2, 2, 1, 3, 3, 1, 2, 4], "field 'slot_buffer': buffer 0 has no slot"),
        (
            "slot_buffer",
            [0, 2, 2, 3, 3, 3, 1, 2, 4],
            "field 'slot_time': slot 3 uses buffer 3 at instruction 1; it is d",
        ),
        (
            "slot_buffer",
            [0, 2, 2, 1, 2, 3, 1, 2, 4],
            "field 'slot_buffer': buffer 2 of kind temp is a result 2 times; ",
        ),
        ("slot_buffer", [0, 1, 2, 1, 3, 3, 1, 2, 4], "field 'slot_buffer': buffer 1 of kind param is a result 1 times"),
        ("slot_role", [0, 1, 0, 0, 1, 0, 0, 0, 0], "field 'slot_buffer': buffer 4 of kind temp is a result 0 times"),
        ("slot_role", [0, 1, 0, 0, 1, 0, 0, 0, 2], "field 'slot_role': slot 8 has 2"),
        (
            "slot_bytes",
            [8, 7, 7, 3, 4, 4, 11, 7, 2],
            "field 'slot_bytes': slot 6 moves 11 bytes; expected 1 … 10, the s",
        ),
        ("slot_bytes", [8, 7, 7, 3, 4, 4, 10, 7, 0], "field 'slot_bytes': slot 8 moves 0 bytes"),
        ("capacity", 0, "field 'capacity': expected an integer of at least 1"),
        ("capacity", 2**51, "field 'capacity': expected at most 2**50"),
        ("align", 1.5, "field 'align': expected an integer of at least 1"),
        ("matrix_peak", 0.0, "field 'matrix_peak': expected a number in 1"),
        ("slow_bandwidth", float("nan"), "field 'slow_bandwidth': expected a number in 1"),
        ("fast_bandwidth", "fast", "field 'fast_bandwidth': expected a number in 1"),
        ("instruction_name", ["one"], "field 'instruction_name': expected 3 names or none, got 1"),
        ("instruction_op", [1, 2, 3], "field 'instruction_op': expected a list of names"),
        ("buffer_name", ["a", ["b"]], "field 'buffer_name': expected a list of names"),
    ],
)
def test_errors_name_the_field(field, value, message):
    with pytest.raises(InputError) as caught:
        dataclasses.replace(SMALL, **{field: value})
    assert str(caught.value).startswith(message)


def test_more_bytes_than_float64_counts():
    huge = program({"x": ("input", 2**50)}, [(0, "x", "")] * 8, align=1)
    assert huge.all_slow == 2**53 * S
    with pytest.raises(InputError, match="move 10133099161583616 bytes in all; expected at most 2\\*\\*53"):
        program({"x": ("input", 2**50)}, [(0, "x", "")] * 9, align=1)


def test_instructions_without_slots():
    idle = program({"x": ("input", 8)}, [(5, "", ""), (0, "x", ""), (2, "", "")])
    assert idle.first_slot.tolist() == [0, 0, 1, 1]
    assert idle.latencies([0]).tolist() == [5 * S, 8 * S, 2 * S]


def test_hardware():
    assert HARDWARE["tpu_v4i_like"] == Hardware(2**27, 1024, 138e12, 4e12, 614e9, 6140e9)
    assert HARDWARE["tight"] == dataclasses.replace(HARDWARE["tpu_v4i_like"], capacity=2**25)
    assert make_hardware() == HARDWARE["tpu_v4i_like"]
    assert make_hardware({"hardware": "tight", "align": 512}) == dataclasses.replace(HARDWARE["tight"], align=512)
    assert SMALL.hardware.capacity == 16
    assert SMALL.on("tight").hardware == HARDWARE["tight"]
    assert SMALL.on(SMALL.hardware) == SMALL
    for spec, message in (
        ("gpu", "hardware: unknown value 'gpu'"),
        ({"speed": 1}, "hardware: unknown key 'speed'"),
        (3, "hardware: expected one of"),
    ):
        with pytest.raises(InputError, match=message):
            make_hardware(spec)


def test_resolve(tmp_path):
    assert resolve(SMALL) is SMALL
    write_csv(SMALL.on("tight"), tmp_path / "small")
    by_file = resolve(tmp_path / "small.uses.csv")
    assert by_file.name == "small"
    assert by_file.digest == SMALL.on("tpu_v4i_like").digest
    spec = f"{tmp_path / 'small.instructions.csv'}:hardware=tight:align=2KiB"
    assert resolve(spec).name == "small:hardware=tight:align=2KiB"
    assert resolve(spec).hardware == dataclasses.replace(HARDWARE["tight"], align=2048)
    assert resolve({"name": spec, "capacity": 4096}).name == "small:hardware=tight:align=2KiB:capacity=4096"
    assert resolve({"name": spec, "hardware": "tight"}).name == "small:hardware=tight"
    assert resolve({"name": spec, "slow_bandwidth": "3e9"}).slow_bandwidth == 3e9
    # A saved program keeps its own hardware, except for what is asked for.
    SMALL.save(tmp_path / "small.json")
    assert resolve(f"{tmp_path / 'small.json'}:align=2").hardware == dataclasses.replace(SMALL.hardware, align=2)
    assert resolve({"generator": {"name": "toy"}, "seed": 3}) == FAMILY.generate({"name": "toy"}, 3)


@pytest.mark.parametrize("name", shipped())
def test_shipped_programs(name):
    instance = resolve(name)
    assert instance.name == name
    assert instance.hardware == HARDWARE["tpu_v4i_like"]
    assert resolve(f"{name}:hardware=tight").capacity == 2**25
    assert validate(instance, all_slow_mapping(instance)).values["speedup"] == 1.0


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nothing", "instance 'nothing': unknown name; expected the name of a program"),
        ("../nothing", "unknown name"),
        ("nothing:color=red", "unknown key 'color'"),
        ("nothing.json", "nothing.json: cannot be read"),
        ("nothing.uses.csv", "nothing.instructions.csv: cannot be read"),
        ("nothing.csv", "expected a file that ends with"),
        ({"generator": {"name": "toy"}, "sed": 1}, "unknown key 'sed'"),
        ({"size": [1]}, "field 'name' is missing"),
        ({"name": "nothing", "colour": 1}, "unknown key 'colour'"),
        (3, "cannot use int 3"),
    ],
)
def test_resolve_errors(spec, message):
    with pytest.raises(InputError) as caught:
        resolve(spec)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hardware": "gpu"}, "option 'hardware': unknown value 'gpu'"),
        ({"capacity": "4 MB"}, "option 'capacity': expected bytes, or a number with KiB, MiB or GiB, or one of M_R"),
        ({"capacity": "0"}, "field 'capacity': expected an integer of at least 1"),
        ({"slow_bandwidth": "quick"}, "option 'slow_bandwidth': expected a number"),
        ({"fast_bandwidth": 0.0}, "field 'fast_bandwidth'"),
    ],
)
def test_option_errors(tmp_path, options, message):
    SMALL.save(tmp_path / "p.npz")
    with pytest.raises(InputError) as caught:
        resolve({"name": str(tmp_path / "p.npz"), **options})
    assert message in str(caught.value)


@pytest.mark.parametrize("entry", DATA_SETS, ids=lambda entry: entry.name)
def test_data_sets_equal_the_files(entry):
    folder, pattern = entry.files.rsplit("/", 1)
    path = data_path(folder)
    if not path.exists():
        pytest.skip(f"{folder} is not under GANTTLET_DATA")
    assert len(list(path.glob(pattern))) == entry.count
    assert data_set_digest(path, pattern) == entry.sha256


def test_family_entry():
    assert isinstance(FAMILY, Family)
    assert next(iter(FAMILY.objectives)) == "latency"
    instance = FAMILY.resolve({"generator": {"name": "toy"}})
    mapping = all_slow_mapping(instance)
    values = FAMILY.validate(instance, mapping).values
    assert set(values) == set(FAMILY.objectives)
    assert FAMILY.picture(instance, mapping, "title").startswith("<svg")
    assert (
        set(FAMILY.generators) == set(GENERATORS) >= {"random", "recurrent", "hourglass", "training", "mixture", "toy"}
    )
    for objective in FAMILY.objectives:
        found = FAMILY.reference(instance, objective)
        if found is not None:
            worse = values[objective] - found.value
            assert (worse if FAMILY.objectives[objective].sense == "min" else -worse) >= 0
    with pytest.raises(InputError, match="objective: unknown value 'makespan'"):
        FAMILY.reference(instance, "makespan")
