"""Generators: what they promise, the same everywhere, and errors that name the key."""

import json
import math

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet.core.rng import key_of
from ganttlet.memory_mapping import FAMILY, GENERATORS, HARDWARE, HELD_OUT, generate, make_generator
from ganttlet.memory_mapping.generator import DEFAULTS
from ganttlet.memory_mapping.instance import IN, INPUT, OUT, OUTPUT, PARAM, TEMP

MIB = 2**20
PLAIN = tuple(name for name in GENERATORS if name != "mixture")


def draw(count=60, **settings):
    generator = make_generator(settings)
    return [generator.sample(seed) for seed in range(count)]


def operands(instance, t):
    first, last = instance.first_slot[t : t + 2]
    return [int(instance.slot_buffer[k]) for k in range(first, last) if instance.slot_role[k] == IN]


def results(instance, t):
    first, last = instance.first_slot[t : t + 2]
    return [int(instance.slot_buffer[k]) for k in range(first, last) if instance.slot_role[k] == OUT]


def kinds(instance, buffers):
    return [int(instance.buffer_kind[b]) for b in buffers]


@pytest.mark.parametrize("name", PLAIN)
def test_programs_are_within_what_is_said(name):
    generator = make_generator({"name": name})
    for seed in range(100):
        instance = generator.sample(seed)
        assert instance.n_instructions <= generator.max_instructions
        assert instance.n_buffers <= generator.max_buffers
        assert instance.n_slots <= generator.max_slots
        assert instance.name == f"{name}-{instance.size_label}-seed{seed}"
        assert (instance.buffer_kind == OUTPUT).any()
        assert instance.peak_live / (instance.capacity - instance.align + 1) >= 0.3
        assert instance.peak_live / instance.capacity <= 3.0
        assert instance.capacity % instance.align == 0
        assert (instance.matrix_flops + instance.vector_flops > 0).all()


@pytest.mark.parametrize("name", PLAIN)
def test_the_largest_program_is_as_large_as_said(name):
    """With counts that leave no choice, and everything that may happen happening, the bounds are met."""
    counts = {"random": {"instructions": 40}, "toy": {"instructions": 4}, "recurrent": {"steps": 3, "layers": 2}}
    counts |= {
        "training": {"layers": 4},
        "hourglass": {"layers": 6},
        "branching": {"blocks": 2, "branches": 3, "depth": 2},
    }
    always = {key: 1.0 for key in ("skip",) if key in DEFAULTS[name]}
    generator = make_generator({"name": name, **counts[name], **always})
    drawn = [generator.sample(seed) for seed in range(60)]
    assert max(one.n_instructions for one in drawn) == generator.max_instructions
    slots, buffers = max(one.n_slots for one in drawn), max(one.n_buffers for one in drawn)
    assert generator.max_slots >= slots >= generator.max_slots * 0.6
    assert generator.max_buffers >= buffers >= generator.max_buffers * 0.6
    if name in ("recurrent", "training", "branching"):
        assert (slots, buffers) == (generator.max_slots, generator.max_buffers)


@pytest.mark.parametrize("name", PLAIN)
def test_seeds_and_settings_tell_the_program(name):
    generator = make_generator({"name": name})
    programs = [generator.sample(seed) for seed in (0, 1, 2, -1, 2**64 - 2)]
    assert len({one.digest for one in programs}) == 5
    assert generator.sample(2**64 - 1).digest == programs[3].digest
    plain = json.loads(json.dumps(generator.settings))
    again = make_generator(plain)
    assert again.settings == generator.settings
    assert [again.sample(seed) for seed in (0, 1, 2)] == programs[:3]
    assert generate(plain, 1) == programs[1] == FAMILY.resolve({"generator": plain, "seed": 1})
    key = key_of(np.uint64(1), 0, 0)
    by_key = generator.sample_key(key)
    assert by_key.digest == programs[1].digest
    assert by_key.name.endswith(f"-key{int(key):016x}")


def test_pressure_is_log_uniform():
    wanted = sorted(one.peak_live / one.capacity for one in draw(400, name="random", instructions=20))
    exact = [0.3 * math.exp((i + 0.5) / 400 * math.log(10)) for i in range(400)]
    assert np.abs(np.log(wanted) - np.log(exact)).max() < 0.2


def test_capacity_as_given_or_that_of_the_hardware():
    assert {one.capacity for one in draw(3, name="toy", capacity=5000)} == {5000}
    tight = draw(3, name="toy", pressure=None, hardware="tight")
    assert {one.hardware for one in tight} == {HARDWARE["tight"]}
    assert draw(1, name="toy", hardware="tight")[0].align == HARDWARE["tight"].align
    once = draw(20, name="random", pressure=1.0)
    assert all(one.peak_live <= one.capacity < one.peak_live + one.align for one in once)
    generator = make_generator({"name": "toy", "capacity": 5000})
    assert generator.settings["pressure"] is None
    assert make_generator(generator.settings).settings == generator.settings


def test_sizes_are_log_normal():
    drawn = draw(200, name="random", instructions=40, size=4 * MIB, weight_size=MIB, spread=0.5)
    inputs = np.array([one.size[b] for one in drawn for b in np.flatnonzero(one.buffer_kind == INPUT)])
    assert abs(np.log(inputs / (4 * MIB)).mean()) < 0.15
    assert abs(np.log(inputs).std() - 0.5) < 0.1
    assert (inputs % 64 == 0).all()
    weights = np.array([one.size[b] for one in drawn for b in np.flatnonzero(one.buffer_kind == PARAM)])
    large = weights[weights > MIB / 16]
    assert abs(np.log(large / MIB).mean()) < 0.05
    assert abs(np.log(large).std() - 0.5) < 0.05
    assert draw(1, name="toy", size=1e8, spread=10.0)[0].size.max() <= 2**28


def test_random_programs_are_chains_with_skips_and_reuse():
    drawn = draw(60, name="random", instructions=80, skip=0.25, reuse=0.4)
    skips, later, again, products = 0, 0, 0, 0
    for one in drawn:
        seen = set()
        for t in range(1, 80):
            read = operands(one, t)
            assert read[0] == results(one, t - 1)[0]
            old = [b for b in read[1:] if one.buffer_kind[b] >= TEMP]
            assert len(old) <= 1
            assert all(t - 12 <= one.defined[b] <= t - 2 for b in old)
            skips, later = skips + len(old), later + (t >= 2)
            weights = [b for b in read if one.buffer_kind[b] < TEMP and one.buffer_kind[b] != INPUT]
            assert len(weights) <= 2
            assert bool(weights) == bool(one.matrix_flops[t])
            if weights:
                again, products = again + (weights[0] in seen), products + 1
                seen.add(weights[0])
            else:
                assert one.size[results(one, t)[0]] == one.size[read[0]]
        assert kinds(one, results(one, 79)) == [OUTPUT]
    assert abs(skips / later - 0.25) < 0.02
    assert abs(again / products - 0.4) < 0.03
    assert abs(products / (60 * 79) - 0.5) < 0.03


def test_intensity_is_log_uniform():
    drawn = draw(60, name="random", instructions=80, intensity=[10, 1000])
    found = []
    for one in drawn:
        moved = np.zeros(80)
        np.add.at(moved, one.slot_time, one.slot_bytes)
        found += (one.matrix_flops / moved)[one.matrix_flops > 0].tolist()
    exact = np.exp(np.linspace(np.log(10), np.log(1000), len(found)))
    assert np.abs(np.log(np.sort(found)) - np.log(exact)).max() < 0.25


def test_recurrent_programs_use_the_same_weights_at_every_step():
    for one in draw(20, name="recurrent", steps=5, layers=2):
        params = np.flatnonzero(one.buffer_kind == PARAM)
        uses = [int((one.slot_buffer == b).sum()) for b in params]
        # A weight and a bias for each layer, then the projection, once or at every step.
        assert uses[:4] == [5, 5, 5, 5]
        assert uses[4] in (1, 5)
        assert int((one.buffer_kind == OUTPUT).sum()) == uses[4]
        assert one.n_instructions == 5 * 4 + uses[4]
        source = one.slot_bytes[(one.slot_buffer == 0)]
        assert len(source) == 5
        assert abs(source * 5 - one.size[0]).max() < 5
    assert {int((one.buffer_kind == OUTPUT).sum()) for one in draw(20, name="recurrent", steps=5)} == {1, 5}


def test_training_programs_read_results_backwards():
    layers = 4
    for one in draw(20, name="training", layers=layers, skip=0.0):
        weights = np.flatnonzero(one.buffer_kind == PARAM)
        assert len(weights) == layers
        assert one.n_instructions == 4 * layers
        for layer, b in enumerate(weights):
            times = one.slot_time[one.slot_buffer == b].tolist()
            # Forward, for the gradient before it, for its update; the first layer passes no gradient on.
            assert len(times) == (3 if layer else 2)
            assert times[0] == layer
            assert one.size[results(one, times[-1])[0]] == one.size[b]
            assert kinds(one, results(one, times[-1])) == [OUTPUT]
        backward = [
            one.slot_time[(one.slot_buffer == results(one, layer)[0]) & (one.slot_role == IN)].tolist()[1]
            for layer in range(layers - 1)
        ]
        assert backward == sorted(backward, reverse=True)
        assert int((one.buffer_kind == OUTPUT).sum()) == layers + 1


def test_hourglasses_read_what_their_opposites_made():
    layers = 6
    for one in draw(20, name="hourglass", layers=layers, skip=1.0, reuse=1.0):
        assert one.n_instructions == 2 * layers
        for down in range(layers - 1):
            up = 2 * layers - 1 - down
            made = results(one, down)[0]
            assert operands(one, up)[1] == made
            assert one.size[results(one, up)[0]] == one.size[operands(one, down)[0]]
            assert bool(one.matrix_flops[down]) == bool(one.matrix_flops[up])
            assert operands(one, up)[2:] == operands(one, down)[1:]
        assert kinds(one, results(one, 2 * layers - 1)) == [OUTPUT]
    plain = draw(20, name="hourglass", layers=layers, skip=0.0, reuse=0.0)
    assert all(len(operands(one, t)) <= 2 for one in plain for t in range(2 * layers))
    assert all((np.bincount(one.slot_buffer)[one.buffer_kind == PARAM] == 1).all() for one in plain)


def test_branching_programs_join_their_branches():
    for one in draw(20, name="branching", blocks=3, branches=4, depth=2, skip=1.0):
        joins = [t for t in range(one.n_instructions) if not one.matrix_flops[t]]
        assert joins == [8, 17, 26]
        entry = 0
        for t in joins:
            assert operands(one, t) == [results(one, t - 7 + 2 * branch)[0] for branch in range(4)] + [entry]
            assert sum(operands(one, other)[0] == entry for other in range(t - 8, t)) == 4
            entry = results(one, t)[0]
        assert kinds(one, [entry]) == [OUTPUT]


def test_toys_can_be_tried_out():
    assert max(int((one.slot_role == IN).sum()) for one in draw(100, name="toy")) <= 20
    assert len({one.n_instructions for one in draw(100, name="toy")}) == 4


def test_held_out():
    assert set(HELD_OUT) < set(GENERATORS)
    assert all("held out" in GENERATORS[name] for name in HELD_OUT)
    assert set(DEFAULTS) == set(PLAIN)


def test_mixtures_draw_from_their_parts():
    parts = [{"name": "toy", "capacity": 5000}, {"name": "recurrent", "steps": 3}, {"name": "random"}]
    generator = make_generator({"name": "mixture", "parts": parts, "weights": [1, 3, 0]})
    programs = [generator.sample(seed) for seed in range(400)]
    recurrent = [one for one in programs if one.name.startswith("recurrent-")]
    toys = [one for one in programs if one.name.startswith("toy-")]
    assert len(recurrent) + len(toys) == 400
    assert abs(len(toys) / 400 - 0.25) < 0.06
    assert {one.capacity for one in toys} == {5000}
    assert len({one.digest for one in programs}) == 400
    assert max(one.n_slots for one in programs) <= generator.max_slots
    again = make_generator(json.loads(json.dumps(generator.settings)))
    assert again.settings == generator.settings
    assert [again.sample(seed) for seed in range(5)] == programs[:5]
    assert generator.sample_key(key_of(np.uint64(1), 0, 0)).digest == programs[1].digest
    assert FAMILY.resolve({"generator": generator.settings, "seed": 1}) == programs[1]
    default = make_generator({"name": "mixture"})
    assert {default.sample(seed).name.partition("-")[0] for seed in range(30)} == {"random", "recurrent"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (3, "generator: expected a mapping with the key 'name'"),
        ({}, "generator: key 'name' is missing; expected one of random"),
        ({"name": "large"}, "generator: key 'name': unknown value 'large'"),
        ({"name": "toy", "steps": 3}, "generator 'toy': unknown key 'steps'"),
        ({"name": "toy", "instructions": 0}, "generator 'toy': key 'instructions': expected an integer or [low, high]"),
        ({"name": "toy", "instructions": [3, 2]}, "generator 'toy': key 'instructions'"),
        ({"name": "toy", "instructions": 2.5}, "generator 'toy': key 'instructions'"),
        ({"name": "toy", "instructions": [1, 2, 3]}, "generator 'toy': key 'instructions'"),
        ({"name": "toy", "instructions": True}, "generator 'toy': key 'instructions'"),
        ({"name": "random", "instructions": [5, 10**6]}, "generator 'random': key 'instructions'"),
        ({"name": "recurrent", "steps": 10**5, "layers": 100}, "generator 'recurrent': up to 90300000 slots"),
        (
            {"name": "toy", "pressure": 0},
            "generator 'toy': key 'pressure': expected a number or [low, high] in 0.001 …",
        ),
        ({"name": "toy", "pressure": [0.1, float("inf")]}, "generator 'toy': key 'pressure'"),
        ({"name": "toy", "pressure": 1, "capacity": 8}, "generator 'toy': keys 'capacity' and 'pressure'"),
        ({"name": "toy", "capacity": 0}, "generator 'toy': key 'capacity': expected an integer of at least 1"),
        ({"name": "toy", "hardware": "gpu"}, "generator 'toy': key 'hardware': unknown value 'gpu'"),
        ({"name": "toy", "skip": 1.5}, "generator 'toy': key 'skip': expected a number"),
        ({"name": "toy", "reuse": [0.1, 0.2]}, "generator 'toy': key 'reuse': expected one number, got [0.1, 0.2]"),
        ({"name": "toy", "size": "big"}, "generator 'toy': key 'size'"),
        ({"name": "toy", "weight_size": 2**29}, "generator 'toy': key 'weight_size'"),
        ({"name": "toy", "spread": -1}, "generator 'toy': key 'spread'"),
        ({"name": "toy", "intensity": None}, "generator 'toy': key 'intensity'"),
        ({"name": "mixture", "parts": []}, "generator 'mixture': key 'parts': expected a list of generator settings"),
        ({"name": "mixture", "parts": {"name": "toy"}}, "generator 'mixture': key 'parts': expected a list"),
        ({"name": "mixture", "parts": [{"name": "mixture"}]}, "generator 'mixture': key 'parts': entry 0 is a mixture"),
        ({"name": "mixture", "parts": [{"name": "toy", "steps": 3}]}, "generator 'toy': unknown key 'steps'"),
        (
            {"name": "mixture", "weights": [1]},
            "generator 'mixture': key 'weights': expected a number for each",
        ),
        ({"name": "mixture", "weights": [0, 0]}, "generator 'mixture': key 'weights': expected one above 0"),
        ({"name": "mixture", "weights": [1, "x"]}, "generator 'mixture': key 'weights'"),
        ({"name": "mixture", "skip": 0.5}, "generator 'mixture': unknown key 'skip'"),
    ],
)
def test_errors_name_the_key(settings, message):
    with pytest.raises(InputError) as caught:
        make_generator(settings)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("seed", [None, 1.5, True, 2**64, -(2**63) - 1])
def test_seeds_are_integers_of_64_bits(seed):
    with pytest.raises(InputError, match=r"generator 'toy': seed .*; expected an integer of 64 bits"):
        make_generator({"name": "toy"}).sample(seed)
