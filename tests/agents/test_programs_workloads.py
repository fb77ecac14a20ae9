"""The named workloads: their published sizes, the shipped programs, the sample tables, and the command line."""

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from ganttlet.core.data import data_path
from ganttlet.core.errors import InputError
from ganttlet.memory_mapping.formats import read_csv
from ganttlet.memory_mapping.instance import OUTPUT, PARAM, TEMP, Program
from ganttlet_agents.programs.__main__ import main
from ganttlet_agents.programs.shipping import FOLDER, SHIPPED, ship
from ganttlet_agents.programs.workloads import WORKLOADS, bilinear, extract_workload, program_name

# Instructions, slots, Gflop of the matrix unit, MiB before the start, MiB moved.
FIGURES = {
    "alexnet_b32": (11, 38, 45.7, 126, 197),
    "resnet50_b16": (56, 236, 130.9, 53, 916),
    "bert_base_b4_t128": (181, 604, 89.4, 163, 560),
    "decoder6_b8_t64": (163, 532, 43.4, 80, 312),
    "lstm2_t24_b32": (338, 1035, 41.5, 53, 879),
    "wavernn_t32_b32": (291, 1094, 5.7, 5, 214),
    "dlrm_b512": (38, 146, 2.5, 639, 31),
    "resnext50_b1": (56, 236, 8.5, 48, 114),
    "densenet121_b1": (250, 1340, 5.7, 15, 141),
    "densenet121_b16": (250, 1340, 90.7, 20, 2029),
    "bert_base_b1_t512": (145, 532, 96.6, 163, 722),
    "lstm2_t64_b8": (898, 2755, 27.7, 53, 2129),
    "unet_b1_256": (31, 112, 96.3, 60, 294),
    "fastmm7_l2_4096": (185, 507, 105.2, 64, 1658),
    "mixer_s16_b16": (52, 222, 120.9, 40, 557),
    "encoder24_b4_t128": (361, 1204, 315.7, 578, 1635),
    "alexnet_b32_train": (51, 174, 132.6, 126, 805),
    "resnet50_b16_train": (275, 1062, 388.8, 53, 3302),
    "encoder24_b4_t128_train": (1353, 4542, 947.0, 578, 5798),
}
# Numbers of parameters. AlexNet, BERT's layers and Mixer-S/16 (18.5 million) as published; ResNet-50, ResNeXt-50 and
# DenseNet-121 less what folding takes: of the scale and shift of each channel of a convolution only a bias is left.
PARAMETERS = {
    "alexnet_b32": 61_100_840,
    "resnet50_b16": 25_557_032 - 26_560,
    "resnext50_b1": 25_028_904 - 34_112,
    "densenet121_b1": 7_978_856 - 64 - 58 * 128,
    "bert_base_b4_t128": 12 * 7_087_872 + 2 * 768,
    "mixer_s16_b16": 18_528_264,
    "encoder24_b4_t128": 24 * 12_596_224 + 2 * 1024,
}


@cache
def shipped(name):
    return Program.load(FOLDER / f"{name}.npz")


def test_shipped_programs():
    assert {program_name(*entry) for entry in SHIPPED} == set(FIGURES)
    assert {path.stem for path in FOLDER.glob("*.npz")} == set(FIGURES)
    assert sum(path.stat().st_size for path in FOLDER.glob("*.npz")) < 2**20


@pytest.mark.parametrize("name", FIGURES)
def test_figures(name):
    program = shipped(name)
    before = program.size[program.defined < 0].sum()
    found = (
        program.n_instructions,
        program.n_slots,
        round(program.matrix_flops.sum() / 1e9, 1),
        round(before / 2**20),
        round(program.slot_bytes.sum() / 2**20),
    )
    assert found == FIGURES[name]
    assert program.name == name


@pytest.mark.parametrize("name", PARAMETERS)
def test_published_numbers_of_parameters(name):
    program = shipped(name)
    assert program.size[program.buffer_kind == PARAM].sum() == 2 * PARAMETERS[name]


@pytest.mark.parametrize("name", ["alexnet_b32", "resnet50_b16", "bert_base_b4_t128", "lstm2_t24_b32"])
def test_samples_of_the_prototype(name):
    """Another extractor's tables, equal but for the order of parameters and the flops of means.

    Its bert_base is normalised before each part, ours after it: other residuals, of the same sizes.
    """
    if not data_path("memory_mapping", "programs", f"{name}.uses.csv").is_file():
        pytest.skip("no sample tables under GANTTLET_DATA")
    ours, sample = shipped(name), read_csv(data_path("memory_mapping", "programs", name))
    assert np.array_equal(ours.matrix_flops, sample.matrix_flops)
    mean = ours.instruction_op == "mean"
    assert np.array_equal(ours.vector_flops[~mean], sample.vector_flops[~mean])
    assert ours.instruction_op.tolist() == sample.instruction_op.tolist()
    for field in ("slot_time", "slot_role", "slot_bytes"):
        assert np.array_equal(getattr(ours, field), getattr(sample, field))
    made = ours.buffer_kind >= TEMP
    assert np.array_equal(ours.buffer_kind[made], sample.buffer_kind[made])
    assert sorted(ours.size.tolist()) == sorted(sample.size.tolist())
    if name != "bert_base_b4_t128":
        assert np.array_equal(ours.slot_buffer, sample.slot_buffer)


@pytest.mark.parametrize(("workload", "train"), [("alexnet", True), ("dlrm", False), ("densenet121", False)])
def test_extraction_equals_what_is_shipped(workload, train):
    random = torch.get_rng_state()
    tables = extract_workload(workload, train=train)
    assert tables.program() == shipped(tables.name)
    assert torch.equal(random, torch.get_rng_state())


@pytest.mark.long
def test_shipping_makes_the_same_files(tmp_path):
    told = []
    paths = ship(tmp_path / "data", lambda tables: told.append(tables.name))
    assert told == [path.stem for path in paths]
    assert {path.stem for path in paths} == set(FIGURES)
    for path in paths:
        assert Program.load(path) == shipped(path.stem)


def test_bilinear_algorithm_is_a_matrix_product():
    a, b = np.random.default_rng(1).integers(-9, 10, (2, 8, 8)).astype(float)
    for levels in range(4):
        product = bilinear.multiply(torch.from_numpy(a), torch.from_numpy(b), levels)
        assert np.array_equal(product.numpy(), a @ b)


def test_options_change_name_and_program():
    assert program_name("alexnet", {"batch": 4, "length": None}) == "alexnet_b4"
    assert program_name("mixer_s16", {"layers": 12}, train=True) == "mixer_s16_b16_layers12_train"
    assert program_name("lstm2", {"layers": 2, "length": 3}) == "lstm2_t3_b32"
    tables = extract_workload("fastmm7", levels=1, size=64)
    # 10 sums before, 7 products, and 8 sums after: those of 7 products ride on them, and 3 joins of blocks.
    assert tables.name == "fastmm7_l1_64"
    assert tables.matrix_flops == 7 * 2 * 32**3
    assert [row.kind for row in tables.buffers].count("input") == 2
    assert sum(row.kind == "output" for row in tables.buffers) == 1


@pytest.mark.parametrize(
    ("workload", "options", "message"),
    [
        ("vgg", {}, "workload: unknown value 'vgg'; expected one of alexnet"),
        ("alexnet", {"length": 3}, "workload 'alexnet': unknown key 'length'; expected one of batch"),
        ("alexnet", {"batch": 0}, "workload 'alexnet': batch: expected an integer of at least 1, got 0"),
        ("alexnet", {"batch": 2**21}, r"workload 'alexnet': batch is 2097152; expected at most 2**20"),
        ("unet", {"size": 100}, "workload 'unet': size is 100; expected a multiple of 16"),
        ("fastmm7", {"size": 4098}, "workload 'fastmm7': size is 4098; expected a multiple of 2**levels = 4"),
    ],
)
def test_bad_options(workload, options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        extract_workload(workload, **options)


def test_command_line(tmp_path, capsys):
    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in WORKLOADS)
    assert main(["extract", "--workload", "alexnet", "--batch", "32", "--out", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == (
        "alexnet_b32: 11 instructions, 28 buffers, 38 uses, 45.7 + 0.04 Gflop, 125.7 MiB before the start, "
        "196.8 MiB moved"
    )
    assert [line.rpartition(".")[0] for line in out[1:]] == [
        str(tmp_path / "out" / f"alexnet_b32.{part}") for part in ("instructions", "buffers", "uses")
    ]
    assert read_csv(tmp_path / "out" / "alexnet_b32") == shipped("alexnet_b32")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--workload", "alexnet", "--length", "2", "--out", "new"], "unknown key 'length'"),
        (["--workload", "vgg", "--out", "new"], "unknown value 'vgg'"),
        (["--workload", "fastmm7", "--levels", "1", "--size", "8", "--out", "file"], "file"),
    ],
)
def test_command_line_tells_what_is_wrong(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert main(["extract", *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_measured_extraction():
    """Within half a minute and a gigabyte each; the counts of the table on the page are those of what is shipped."""
    path = Path(__file__).parents[2] / "benchmarks" / "results" / "memory_programs.json"
    measured = json.loads(path.read_text(encoding="utf-8"))["programs"]
    assert set(measured) == set(FIGURES)
    for name, row in measured.items():
        found = (row["instructions"], row["slots"], row["Gflop"], row["MiB before the start"], row["MiB moved"])
        assert found == FIGURES[name]
        assert row["buffers"] == shipped(name).n_buffers
        assert row["seconds of the process"] < 30
        assert row["peak MiB"] < 1024


def test_outputs_and_results_of_training():
    program = shipped("resnet50_b16_train")
    params = np.sort(program.size[program.buffer_kind == PARAM])
    outputs = np.sort(program.size[program.buffer_kind == OUTPUT])
    assert np.array_equal(outputs, np.sort(np.append(params, 2)))
