"""Random problems: what each recipe promises, that kernel and Python draw the same, and wrong settings."""

import subprocess
import sys

import numpy as np
import pytest

from families_allocation import CUT, PROGRAM, TRIMMED, UNIFORM
from ganttlet.core.errors import InputError
from ganttlet.memory_allocation import GENERATORS, make_generator, validate
from ganttlet.memory_allocation.layout import BESIDE, CONTENTION, DEGREE, FIRST, LAST, LENGTH, LOAD, PEAK, SECTIONS
from ganttlet.memory_allocation.storage import AllocationStorage

SETTINGS = [CUT, TRIMMED, PROGRAM, UNIFORM, *({"name": name} for name in GENERATORS)]
every = pytest.mark.parametrize("settings", SETTINGS, ids=lambda one: f"{one['name']}{len(one)}")


@every
def test_a_seed_is_an_instance(settings):
    generator = make_generator(settings)
    drawn = [generator.sample(seed) for seed in range(30)]
    assert [generator.sample(seed).digest for seed in range(30)] == [one.digest for one in drawn]
    assert len({one.digest for one in drawn}) == 30
    low, high = np.broadcast_to(generator.settings["buffers"], 2)
    assert {one.n_buffers for one in drawn} <= set(range(low, high + 1))
    assert len({one.n_buffers for one in drawn}) > 2
    for one in drawn:
        assert one.n_sections <= generator.max_sections
        assert one.n_buffers <= generator.max_buffers
        assert one.lower.min() >= 0
        assert one.upper.max() <= generator.settings["horizon"]
        assert (one.fixed < 0).any()
    assert make_generator(generator.settings).sample(1) == drawn[1]


@pytest.mark.parametrize("seed", range(20))
def test_a_cut_rectangle_has_no_gap(seed):
    generator = make_generator({**CUT, "buffers": [1, 30], "horizon": 8, "units": 9})
    instance, known = generator.sample_packed(seed)
    verdict = validate(instance, known)
    assert verdict.values == {"height": 144.0, "ratio": 1.0, "fits": 1.0}
    assert (instance.section_load == instance.capacity).all()
    assert ((instance.upper - instance.lower) * instance.size).sum() == 8 * instance.capacity
    given = instance.fixed >= 0
    assert (instance.fixed[given] == known.offset[given]).all()


def test_five_pieces_around_a_middle_are_no_straight_cuts():
    """Neither a time nor an offset goes through all five."""
    generator = make_generator({"name": "cut", "buffers": 5, "horizon": 9, "units": 9, "unit": 1, "pinwheel": 1.0})
    ways = set()
    for seed in range(40):
        instance, known = generator.sample_packed(seed)
        assert validate(instance, known).feasible
        low, high = known.offset, known.offset + instance.size
        for start, end, last in ((instance.lower, instance.upper, 9), (low, high, 9)):
            assert all(((start < at) & (at < end)).any() for at in range(1, last))
        middle = np.flatnonzero((instance.lower > 0) & (instance.upper < 9) & (low > 0) & (high < 9))
        assert len(middle) == 1
        below = np.flatnonzero(
            (low == 0) & (instance.lower <= instance.lower[middle]) & (instance.upper > instance.lower[middle])
        )
        ways.add(bool(instance.lower[below[0]] == 0))
    assert ways == {False, True}


def test_without_pinwheels_some_cut_goes_through():
    generator = make_generator({"name": "cut", "buffers": 5, "horizon": 9, "units": 9, "unit": 1, "pinwheel": 0.0})
    for seed in range(20):
        instance, known = generator.sample_packed(seed)
        pairs = ((instance.lower, instance.upper), (known.offset, known.offset + instance.size))
        assert any(not ((start < at) & (at < end)).any() for start, end in pairs for at in range(1, 9))


def test_trimming_leaves_the_known_packing_valid():
    changed = 0
    for seed in range(20):
        whole, _ = make_generator({**TRIMMED, "trim": 0.0}).sample_packed(seed)
        instance, known = make_generator(TRIMMED).sample_packed(seed)
        verdict = validate(instance, known)
        assert verdict.feasible
        assert verdict.values["fits"] == 1.0
        assert (instance.size <= whole.size).all()
        assert (instance.lower >= whole.lower).all()
        assert (instance.upper <= whole.upper).all()
        changed += (instance.size < whole.size).sum() + (
            instance.upper - instance.lower < whole.upper - whole.lower
        ).sum()
    assert changed > 20
    assert make_generator(PROGRAM).sample_packed(0)[1] is None


def test_capacities_are_factors_of_the_load():
    for factor, unit in ((1.0, 1), (1.5, 64), ([1.2, 1.4], 8)):
        low, high = np.broadcast_to(factor, 2)
        for seed in range(10):
            one = make_generator({"name": "uniform", "capacity": factor, "unit": unit}).sample(seed)
            assert low * one.peak <= one.capacity < high * one.peak + unit
            assert one.capacity % unit == 0


def test_a_program_has_scratch_skips_and_mirrored_lifetimes():
    settings = {"name": "program", "buffers": 400, "horizon": 200}
    only = {"scratch": 0.0, "skip": 0.0, "saved": 0.0}

    def lifetimes(**shares):
        one = make_generator({**settings, **only, **shares}).sample(0)
        assert (np.diff(one.lower) >= 0).all()
        return one.lower, one.upper

    lower, upper = lifetimes()
    assert set((upper - lower)[lower < 197].tolist()) == {2, 3}
    lower, upper = lifetimes(scratch=1.0)
    assert (upper - lower == 1).all()
    lower, upper = lifetimes(saved=1.0)
    early = lower < 98
    assert (upper[early] == 200 - lower[early]).all()
    lower, upper = lifetimes(skip=1.0)
    assert (upper - lower).max() > 150
    assert (upper - lower).mean() > 30


@every
def test_storage_draws_what_python_draws(settings):
    """Slots hold the same instances, and what follows from them."""
    generator = make_generator(settings)
    storage = AllocationStorage(generator.max_buffers + 2, 2 * generator.max_buffers + 3, generator)
    storage.grow(3)
    keys = np.array([generator._key(seed) for seed in (5, 6)], np.uint64)
    storage.generate(np.array([2, 0]), keys)
    for slot, seed in ((2, 5), (0, 6)):
        instance = generator.sample(seed)
        assert storage.get(slot).digest == instance.digest
        facts, size, n = storage.arrays.facts[slot], storage.arrays.size[slot], instance.n_buffers
        assert facts[FIRST, :n].tolist() == instance.first.tolist()
        assert facts[LAST, :n].tolist() == instance.last.tolist()
        assert facts[DEGREE, :n].tolist() == instance.degree.tolist()
        assert facts[CONTENTION, :n].tolist() == instance.contention.tolist()
        meets = (instance.lower[:, None] < instance.upper) & (instance.lower < instance.upper[:, None])
        assert facts[BESIDE, :n].tolist() == (meets @ instance.size - instance.size).tolist()
        assert (size[SECTIONS], size[PEAK]) == (instance.n_sections, instance.peak)
        sections = storage.arrays.sections[slot, :, : instance.n_sections]
        assert sections[LOAD].tolist() == instance.section_load.tolist()
        assert sections[LENGTH].tolist() == np.diff(instance.times).tolist()
        storage.put(1, instance)
        for part in storage.arrays:
            assert (part[1] == part[slot]).all()


def test_seeds_of_64_bits_and_other_processes():
    generator = make_generator({"name": "cut"})
    digests = [generator.sample(seed).digest for seed in (-1, 2**64 - 1, 2**63, 0)]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    code = (
        "from ganttlet.memory_allocation import make_generator; "
        "print(make_generator({'name': 'cut'}).sample(2**63).digest)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == digests[2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("cut", "expected a mapping with the key 'name'"),
        ({}, "key 'name' is missing; expected one of cut, trimmed, program, uniform"),
        ({"name": "gauss"}, "key 'name': unknown value 'gauss'"),
        ({"name": "cut", "largest": 3}, "generator 'cut': unknown key 'largest'"),
        ({"name": "uniform", "units": 3}, "generator 'uniform': unknown key 'units'"),
        ({"name": "cut", "buffers": 0}, "key 'buffers': expected an integer or .low, high. of 1 …"),
        ({"name": "cut", "buffers": [5, 4]}, "key 'buffers'"),
        ({"name": "cut", "buffers": [5, 6, 7]}, "key 'buffers'"),
        ({"name": "cut", "buffers": 2.5}, "key 'buffers'"),
        ({"name": "cut", "buffers": True}, "key 'buffers'"),
        ({"name": "cut", "horizon": [3, 4]}, "key 'horizon': expected one integer"),
        ({"name": "cut", "horizon": 10**7}, "key 'horizon': expected an integer"),
        ({"name": "cut", "horizon": 5, "units": 7}, "key 'buffers': 40 pieces of a rectangle of 5 x 7"),
        ({"name": "cut", "alignment": 48}, "key 'alignment': 48 does not divide 'unit' 1024"),
        ({"name": "cut", "pinwheel": 1.5}, "key 'pinwheel': expected a number in 0 … 1"),
        ({"name": "cut", "fixed": -0.1}, "key 'fixed'"),
        ({"name": "trimmed", "trim": "much"}, "key 'trim'"),
        ({"name": "program", "scratch": 0.6, "skip": 0.5}, "'scratch', 'skip' and 'saved' must add up to at most 1"),
        ({"name": "uniform", "capacity": 0.9}, "key 'capacity': expected a number in 1 … 1000"),
        ({"name": "uniform", "capacity": [1.5, 1.2]}, "key 'capacity': expected .low, high."),
        ({"name": "uniform", "capacity": [1, 2, 3]}, "key 'capacity': expected a number or"),
        ({"name": "uniform", "unit": 2**31, "largest": 2**20}, "key 'unit': sizes may add up to more than 2"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(InputError, match=message):
        make_generator(settings)


def test_wrong_seeds():
    for seed in (1.0, True, 2**64, "1"):
        with pytest.raises(InputError, match="generator 'cut': seed"):
            make_generator({"name": "cut"}).sample(seed)
