"""The table of what the solvers found, and the sizes of fast memory that COSMA compares."""

import dataclasses
import json
from pathlib import Path

import pytest

from ganttlet.memory_mapping import (
    HARDWARE,
    all_slow_mapping,
    budgets,
    compulsory_bytes,
    lower_bound,
    make_generator,
    non_compulsory_bytes,
    reference,
    resolve,
    shipped,
    validate,
)
from ganttlet.memory_mapping.bounds import proved_with_more, table

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "memory_optimum.json"


@pytest.mark.parametrize("hardware", HARDWARE)
def test_every_program_of_the_table_is_found_by_its_content(hardware):
    found = set()
    for name in shipped():
        program = resolve(f"{name}:hardware={hardware}")
        known = table().get(program.digest)
        if known is None:
            continue
        found.add(name)
        assert (known.program, known.hardware) == (name, hardware)
        assert lower_bound(program) <= known.bound * (1 + 1e-9)
        assert known.bound <= known.latency <= program.all_slow
        latency, speedup = reference(program), reference(program, "speedup")
        proved = [known.bound, lower_bound(program), proved_with_more(program)]
        assert (latency.value, latency.bound) == (known.latency, max(proved))
        assert latency.kind == speedup.kind != "bound"
        assert speedup.value == pytest.approx(program.all_slow / known.latency)
        assert speedup.bound == pytest.approx(program.all_slow / latency.bound)
    assert {"alexnet_b32", "lstm2_t24_b32", "resnet50_b16_train"} <= found


def test_table_is_what_the_benchmark_found():
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"]
    figures = {(known.program, known.hardware): (known.latency, known.bound) for known in table().values()}
    assert figures == {(row["program"], row["hardware"]): (row["latency"], row["bound"]) for row in rows}


def test_other_content_or_hardware_has_the_plain_bound():
    program = resolve("alexnet_b32")
    for other in (
        dataclasses.replace(program, capacity=2 * program.capacity),
        dataclasses.replace(program, capacity=program.capacity // 2, matrix_peak=1e12),
        make_generator({"name": "toy"}).sample(0),
    ):
        found = reference(other)
        assert (found.kind, found.value, found.bound) == ("bound", lower_bound(other), lower_bound(other))
    assert reference(dataclasses.replace(program, name="another")).kind != "bound"
    assert reference(program, "copied") is None


def test_what_is_proved_holds_in_less_memory():
    """resnet50 in 32 MiB is proved slower than in 128 MiB; what lies between has the bound of 128 MiB."""
    bounds = {size: reference(resolve(f"resnet50_b16:capacity={size}MiB")).bound for size in (16, 32, 64, 128)}
    known = {row.hardware: row.bound for row in table().values() if row.program == "resnet50_b16"}
    assert bounds == {16: known["tight"], 32: known["tight"], 64: bounds[128], 128: known["tpu_v4i_like"]}
    assert bounds[32] > bounds[128] > 0
    found = reference(resolve("resnet50_b16:capacity=64MiB"))
    assert (found.kind, found.value) == ("bound", found.bound)


def test_all_slow_is_the_bound_where_fast_memory_is_slower():
    program = dataclasses.replace(resolve("unet_b1_256"), fast_bandwidth=1e9)
    assert lower_bound(program) == program.all_slow == validate(program, all_slow_mapping(program)).values["latency"]


def test_budgets_by_hand():
    """One parameter of 10 for two products of 7, of which the second also needs the first: sizes rounded up to 4."""
    program = dataclasses.replace(
        resolve("alexnet_b32"),
        name="two",
        matrix_flops=[1, 1, 1],
        vector_flops=[0, 0, 0],
        size=[10, 7, 7, 3],
        buffer_kind=[0, 3, 3, 4],
        defined=[-1, 0, 1, 2],
        slot_time=[0, 0, 1, 1, 2, 2],
        slot_buffer=[0, 1, 0, 2, 1, 3],
        slot_role=[0, 1, 0, 1, 0, 1],
        slot_bytes=[10, 7, 10, 7, 7, 3],
        align=4,
        instruction_name=None,
        instruction_op=None,
        buffer_name=None,
    )
    assert budgets(program) == {"M_R": 12 + 8, "M_H": 24, "M_P": 12 + 8 + 8}
    assert compulsory_bytes(program) == 10 + 3
    assert non_compulsory_bytes(program, 44.0) == 31.0


def test_budgets_of_programs_are_in_order():
    for name in shipped():
        found = budgets(resolve(name))
        assert 0 < found["M_R"] <= found["M_H"] <= found["M_P"] + 1024
