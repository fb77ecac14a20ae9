"""The kernel against the slow simulator: masks, rewards, state, solutions and what is shown, at every step."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from families_memory import AGAIN, CELL, LARGE, ODD_SPEEDS, UNIT, program
from ganttlet.memory_mapping.generator import make_generator
from ganttlet.memory_mapping.instance import Program
from ganttlet.memory_mapping.kernel import REWARDS
from ganttlet.memory_mapping.placing import PLACEMENTS
from reference import memory_strategies as drawn
from reference.memory_walk import walk

SHOWN = st.fixed_dictionaries(
    {
        "observation": st.sampled_from(["window", "program", "slot"]),
        "picture": st.sampled_from([False, False, 2, 6, 32]),
        "lookahead": st.sampled_from([1, 3, 64]),
        "residents": st.sampled_from([1, 2, 64]),
    }
)


@pytest.mark.parametrize("placement", PLACEMENTS)
@settings(max_examples=100, deadline=None, derandomize=True)
@given(instance=drawn.programs(), options=drawn.settings(), shown=SHOWN, seed=st.integers(0, 99))
def test_random_programs(placement, instance, options, shown, seed):
    walk(instance, np.random.default_rng(seed), **{**options, **shown, "placement": placement})


@pytest.mark.parametrize("placement", PLACEMENTS)
@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    instance=drawn.programs(groups=True),
    options=drawn.settings(),
    more=drawn.semantics(),
    shown=SHOWN,
    seed=st.integers(0, 99),
)
def test_random_programs_and_rules(placement, instance, options, more, shown, seed):
    """Sync groups, dead ends with backup and without, another supply and reward."""
    walk(instance, np.random.default_rng(seed), **{**options, **shown, **more, "placement": placement})


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("given_", [AGAIN, CELL, ODD_SPEEDS, UNIT])
def test_programs_by_hand(given_, placement):
    """Every option, without illegal actions; both rewards are worth the same in the end."""
    instance = Program.from_dict(given_)
    cases = itertools.product((1, 2, 128), (True, False), (True, False))
    for seed, (window, stall, skip) in enumerate(cases):
        options = {"placement": placement, "window": window, "stall": stall, "skip_forced": skip}
        paid = [
            walk(instance, np.random.default_rng(seed), wild=False, reward=reward, lookahead=5, residents=2, **options)
            for reward in REWARDS
        ]
        assert sum(paid[0]) == pytest.approx(paid[1][-1], abs=1e-9)
        assert not any(paid[1][:-1])


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_generated_programs(placement):
    """Some dozens of slots, at the sizes and speeds of the presets."""
    settings_ = {"reuse": 0.6, "skip": 0.6, "intensity": [100.0, 5000.0], "pressure": [0.4, 1.2]}
    generator = make_generator({"name": "random", "instructions": [8, 14], **settings_})
    for seed in range(3):
        walk(
            generator.sample(seed),
            np.random.default_rng(seed),
            wild=False,
            placement=placement,
            window=[128, 3, 5][seed],
        )


RATES = ("slow_bandwidth", "fast_bandwidth", "matrix_peak", "vector_peak")


def extremes():
    """Nothing but a write; sizes and times from the smallest to the largest; a program of 31 reads of one byte."""
    top = 2**50
    huge = {"w": ("param", top), "a": ("temp", top), "b": ("temp", 1), "y": ("output", 1)}
    code = [(2**62, "w:1", "a"), (0, "a:1", "b"), (1, "", ""), (0, "a b w", "y")]
    one = program({"y": ("output", 1)}, [(0, "", "y")])
    return [
        one,
        program(huge, code, capacity=top, align=2**40, slow_bandwidth=1.0, fast_bandwidth=1e30),
        program(huge, code, capacity=top, align=2**30, **dict.fromkeys(RATES, 1e30)),
        program(
            {"w": ("param", 3), "y": ("output", 3)}, [(0, "w", ""), (5, "", ""), (0, "w", "y")], capacity=2, align=4
        ),
        Program.from_dict(LARGE),
    ]


@pytest.mark.parametrize("instance", extremes())
@pytest.mark.parametrize("window", [1, 128])
def test_extremes(instance, window):
    for seed in range(4):
        options = {"max_instructions": 40, "window": window, "placement": PLACEMENTS[seed % 3]}
        walk(instance, np.random.default_rng(seed), **options)
