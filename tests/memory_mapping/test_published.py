"""Speedups over everything slow that were measured before with another program, on five sample programs.

Source: the first table of measurements in the family's facts (bf16; 128 MiB, and 32 MiB where it has them), made by a
throw-away prototype of the same game. The search there had 3 s; here it has so many evaluations, from four seeds.
"""

import pytest

from ganttlet.core.data import data_path
from ganttlet.memory_mapping import read_csv, validate
from ganttlet_agents.rules.memory_mapping import run_evolution, run_greedy, run_msa

TOLERANCE = 0.03
GREEDY = {
    "alexnet_b32": 1.628,
    "resnet50_b16": 1.879,
    "bert_base_b4_t128": 1.476,
    "lstm2_t24_b32": 1.459,
    "alexnet_b32_train": 1.354,
    "alexnet_b32:hardware=tight": 1.121,
    "resnet50_b16:hardware=tight": 1.338,
}
MSA = {
    "alexnet_b32": 1.422,
    "resnet50_b16": 1.858,
    "lstm2_t24_b32": 3.634,
    "alexnet_b32_train": 1.349,
    "alexnet_b32:hardware=tight": 1.074,
    "resnet50_b16:hardware=tight": 1.383,
}
IDLE = {"resnet50_b16:hardware=tight": 1.520, "lstm2_t24_b32": 1.07}
SEARCH = {
    "alexnet_b32": (1.628, 200),
    "resnet50_b16": (1.879, 200),
    "bert_base_b4_t128": (1.476, 200),
    "lstm2_t24_b32": (3.969, 2000),
    "alexnet_b32_train": (1.515, 5000),
    "alexnet_b32:hardware=tight": (1.121, 200),
    "resnet50_b16:hardware=tight": (1.537, 5000),
}


def program(name):
    """The table's own program, which differs a little from the shipped one of that name."""
    name, _, hardware = name.partition(":hardware=")
    folder = data_path("memory_mapping", "programs")
    if not folder.is_dir():
        pytest.skip("memory_mapping/programs is not under GANTTLET_DATA")
    return read_csv(folder / name, hardware or "tpu_v4i_like")


def speedup(instance, mapping):
    verdict = validate(instance, mapping)
    assert verdict.feasible, verdict.violations
    return verdict.values["speedup"]


@pytest.mark.parametrize("name", GREEDY)
def test_greedy(name):
    """Equal to the three digits of the table."""
    instance = program(name)
    assert round(speedup(instance, run_greedy(instance)[0]), 3) == GREEDY[name]


@pytest.mark.parametrize("name", MSA)
def test_msa(name):
    instance = program(name)
    assert speedup(instance, run_msa(instance)) == pytest.approx(MSA[name], rel=TOLERANCE)


def test_msa_of_bert():
    """4 % above the table's 1.298, which charged waiting in a way that is not known.

    Here a copy that is waited for does not wait for those before it in the queue (see simulator.schedule_copies).
    """
    instance = program("bert_base_b4_t128")
    assert speedup(instance, run_msa(instance)) == pytest.approx(1.349, abs=0.001)


@pytest.mark.parametrize("name", IDLE)
def test_msa_with_idle_supply(name):
    instance = program(name)
    assert speedup(instance, run_msa(instance, supply="idle")) == pytest.approx(IDLE[name], rel=TOLERANCE)


@pytest.mark.parametrize("name", SEARCH)
def test_evolution(name):
    instance = program(name)
    expected, budget = SEARCH[name]
    best = max(speedup(instance, run_evolution(instance, budget=budget, seed=seed)[0]) for seed in range(4))
    assert best >= (1 - TOLERANCE) * expected
