"""Generators: distributions, exact due dates, the storage contract of the kernel, bad settings."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganttlet.core.data import data_path
from ganttlet.core.errors import InputError
from ganttlet.core.rng import key_of, randint
from ganttlet.job_shop import (
    GENERATORS,
    l2d_validation,
    lower_bound,
    make_generator,
    read_text,
    taillard,
    taillard_seeds,
    toy,
    validate,
    with_due_dates,
)
from ganttlet.job_shop.bounds import content_digest, table
from ganttlet.job_shop.generator import generate_row
from ganttlet.job_shop.taillard import MODULUS

KERNELS = ["uniform", "l2d", "dmu", "taillard"]
TIMES = {"uniform": (1, 99), "l2d": (1, 98), "dmu": (1, 200), "taillard": (1, 99)}
MIXED = {
    "jobs": [2, 7],
    "machines": [3, 5],
    "ops": [1, 3],
    "due_factor": 1.35,
    "release": [0, 50],
    "weights": [1, 9],
}


def test_first_times_of_ta01():
    assert taillard(*taillard_seeds()["ta01"], "ta01").duration[0, :5].tolist() == [94, 66, 10, 53, 26]


@pytest.mark.parametrize("name", sorted(taillard_seeds()))
def test_taillard_instances_equal_the_published_ones(name):
    instance = taillard(*taillard_seeds()[name], name)
    assert content_digest(instance) == table()[name].digest


def test_taillard_instances_equal_the_files():
    folder = data_path("job_shop", "instances", "ta")
    if not folder.is_dir():
        pytest.skip("Taillard's instance files are not under GANTTLET_DATA")
    for name, seeds in taillard_seeds().items():
        assert taillard(*seeds, name) == read_text(folder / f"{name}.txt")


@pytest.mark.parametrize("seeds", [(0, 5, 1, 1), (5, 0, 1, 1), (5, 5, 0, 1), (5, 5, 1, MODULUS)])
def test_taillard_refuses_bad_arguments(seeds):
    with pytest.raises(InputError, match=r"taillard: .*expected 1"):
        taillard(*seeds)


@pytest.mark.parametrize("name", GENERATORS)
def test_same_seed_same_instance(name):
    settings = {"name": name, "jobs": 6, "machines": 5}
    generator = make_generator(settings)
    instance = generator.sample(3)
    assert instance.name == f"{name}-6x5-seed3"
    assert make_generator(generator.settings).sample(3) == instance
    assert len({generator.sample(seed).digest for seed in range(-5, 20)}) == 25


# Frozen, so that a change of the random stream cannot pass unseen: it would change every seeded data set.
@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("uniform", "bf2c2f697df4d1a8"),
        ("l2d", "14f2186385a1abd1"),
        ("dmu", "ecb3873adaa4a3ac"),
        ("taillard", "471673e11990c994"),
        ("toy", "9be65e83a4914ddf"),
    ],
)
def test_streams_are_frozen(name, digest):
    assert content_digest(make_generator({"name": name, "jobs": 6, "machines": 6}).sample(1)) == digest


@pytest.mark.parametrize("name", KERNELS)
def test_durations_are_uniform_on_their_range(name):
    low, high = TIMES[name]
    generator = make_generator({"name": name, "jobs": 100, "machines": 20})
    drawn = np.concatenate([generator.sample(seed).duration.ravel() for seed in range(10)])
    counts = np.bincount(drawn, minlength=high + 1)
    assert counts[:low].sum() == 0
    assert len(counts) == high + 1
    expected = len(drawn) / (high - low + 1)
    assert np.abs(counts[low:] - expected).max() < 5 * np.sqrt(expected)


@pytest.mark.parametrize("name", KERNELS)
def test_machine_orders_are_uniform(name):
    generator = make_generator({"name": name, "jobs": 300, "machines": 3})
    rows = np.concatenate([generator.sample(seed).machine for seed in range(10)])
    counts = [int((rows == order).all(axis=1).sum()) for order in itertools.permutations(range(3))]
    assert sum(counts) == 3000
    assert np.abs(np.array(counts) - 500).max() < 5 * np.sqrt(500)


@pytest.mark.parametrize("machines", [4, 5, 1])
def test_split_visits_the_first_half_first(machines):
    machine = make_generator({"name": "dmu", "jobs": 50, "machines": machines, "split": True}).sample(0).machine
    half = machines // 2
    assert (np.sort(machine[:, :half], axis=1) == np.arange(half)).all()
    assert (np.sort(machine, axis=1) == np.arange(machines)).all()
    free = make_generator({"name": "dmu", "jobs": 50, "machines": 5}).sample(0).machine
    assert not (np.sort(free[:, :2], axis=1) == np.arange(2)).all()


def test_durations_follow_low_and_high():
    instance = make_generator({"name": "uniform", "jobs": 30, "machines": 9, "low": 0, "high": 2}).sample(0)
    assert set(instance.duration.ravel().tolist()) == {0, 1, 2}


@pytest.mark.parametrize("name", KERNELS)
def test_mixed_sizes_reach_both_ends_and_fit(name):
    generator = make_generator({"name": name, **MIXED})
    drawn = [generator.sample(seed) for seed in range(300)]
    assert {instance.n_jobs for instance in drawn} == set(range(2, 8))
    assert {instance.n_machines for instance in drawn} == {3, 4, 5}
    assert {int(n) for instance in drawn for n in instance.n_ops} == {1, 2, 3}
    assert {int(w) for instance in drawn for w in instance.weight} == set(range(1, 10))
    releases = {int(r) for instance in drawn for r in instance.release}
    assert (min(releases), max(releases)) == (0, 50)
    assert (generator.max_jobs, generator.max_machines, generator.max_ops) == (7, 5, 3)
    for instance in drawn:
        for j in range(instance.n_jobs):
            visited = instance.machine[j, : instance.n_ops[j]].tolist()
            assert len(set(visited)) == len(visited)
            assert instance.due[j] == instance.release[j] + int(Fraction("1.35") * int(instance.work[j]))


@pytest.mark.parametrize("name", KERNELS)
def test_kernel_writes_every_cell_of_its_row(name):
    generator = make_generator({"name": name, **MIXED})
    n, o = generator.max_jobs + 3, generator.max_ops + 2
    for seed in range(20):
        key = np.uint64(key_of(seed, 0, 0))
        machine, duration = np.full((2, 4, n, o), 77, np.int32)
        release, due, weight = np.full((3, 4, n), 77, np.int32)
        size = generate_row(generator.params, key, machine[1], duration[1], release[1], due[1], weight[1])
        instance = generator.sample(seed)
        assert size == (instance.n_jobs, instance.n_machines)
        jobs, ops = instance.machine.shape
        for stored, value, padding in (
            (machine[1], instance.machine, -1),
            (duration[1], instance.duration, 0),
            (release[1], instance.release, 0),
            (due[1], instance.due, 0),
            (weight[1], instance.weight, 0),
        ):
            expected = np.full(stored.shape, padding)
            expected[(slice(jobs), slice(ops))[: value.ndim]] = value
            assert np.array_equal(stored, expected)
        assert (machine[[0, 2, 3]] == 77).all()
        assert (due[[0, 2, 3]] == 77).all()


def test_sample_key_is_sample():
    generator = make_generator({"name": "uniform", **MIXED})
    assert generator.sample_key(key_of(9, 0, 0)).digest == generator.sample(9).digest
    with pytest.raises(InputError, match=r"seed 1\.5"):
        generator.sample(1.5)


def test_taillard_distribution_is_his_generator():
    key = np.uint64(key_of(4, 0, 0))
    time_seed, machine_seed = randint(key, 2, 1, MODULUS - 1), randint(key, 3, 1, MODULUS - 1)
    drawn = make_generator({"name": "taillard", "jobs": 8, "machines": 6}).sample(4)
    assert drawn.digest == taillard(8, 6, time_seed, machine_seed).digest
    prefix = make_generator({"name": "taillard", "jobs": 8, "machines": 6, "ops": 4}).sample(4)
    assert np.array_equal(prefix.machine, drawn.machine[:, :4])
    assert np.array_equal(prefix.duration, drawn.duration[:, :4])


BAD = [
    ("uniform", "expected a mapping"),
    ({"jobs": 3, "machines": 3}, "key 'name' is missing"),
    ({"name": "gauss", "jobs": 3, "machines": 3}, "key 'name': unknown value 'gauss'"),
    ({"name": "uniform", "machines": 3}, "key 'jobs' is missing"),
    ({"name": "uniform", "jobs": 3}, "key 'machines' is missing"),
    ({"name": "uniform", "jobs": 3, "machines": 3, "job": 1}, "unknown key 'job'"),
    ({"name": "uniform", "jobs": 0, "machines": 3}, "key 'jobs'"),
    ({"name": "uniform", "jobs": [5, 3], "machines": 3}, "key 'jobs'"),
    ({"name": "uniform", "jobs": [1, 2, 3], "machines": 3}, "key 'jobs'"),
    ({"name": "uniform", "jobs": 2.5, "machines": 3}, "key 'jobs'"),
    ({"name": "uniform", "jobs": True, "machines": 3}, "key 'jobs'"),
    ({"name": "uniform", "jobs": 3, "machines": "3"}, "key 'machines'"),
    ({"name": "uniform", "jobs": 3, "machines": [2, 4], "ops": 3}, "key 'ops'"),
    ({"name": "uniform", "jobs": 3, "machines": 3, "low": 5, "high": 4}, "key 'low'"),
    ({"name": "uniform", "jobs": 3, "machines": 3, "low": -1}, "key 'low'"),
    ({"name": "uniform", "jobs": 3, "machines": 3, "high": [3, 4]}, "key 'high'"),
    ({"name": "uniform", "jobs": 3, "machines": 3, "high": 2**31 - 1}, "int32"),
    ({"name": "uniform", "jobs": 1, "machines": 1, "high": 2**30, "due_factor": 3}, "int32"),
    ({"name": "uniform", "jobs": 3, "machines": 3, "split": True}, "unknown key 'split'"),
    ({"name": "dmu", "jobs": 3, "machines": 3, "split": 1}, "key 'split'"),
    ({"name": "l2d", "jobs": 3, "machines": 3, "high": 9}, "unknown key 'high'"),
    ({"name": "uniform", "jobs": 3, "machines": 3, "due_factor": 0}, "key 'due_factor'"),
    ({"name": "uniform", "jobs": 3, "machines": 3, "due_factor": 1.3333}, "key 'due_factor'"),
    ({"name": "uniform", "jobs": 3, "machines": 3, "due_factor": float("nan")}, "key 'due_factor'"),
    ({"name": "uniform", "jobs": 3, "machines": 3, "due_factor": True}, "key 'due_factor'"),
    ({"name": "uniform", "jobs": 3, "machines": 3, "release": [-1, 4]}, "key 'release'"),
    ({"name": "uniform", "jobs": 3, "machines": 3, "weights": [3, 1]}, "key 'weights'"),
    ({"name": "toy", "jobs": 3, "machines": 4}, "key 'jobs'"),
    ({"name": "toy", "jobs": 3, "machines": 2, "horizon": 2}, "key 'horizon'"),
    ({"name": "toy", "jobs": 3, "machines": 2, "ops": 2}, "unknown key 'ops'"),
]


@pytest.mark.parametrize(("bad", "message"), BAD)
def test_bad_settings_name_the_key(bad, message):
    with pytest.raises(InputError, match=message):
        make_generator(bad)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 6), st.integers(0, 5), st.integers(0, 40), st.integers(-9, 2**40))
def test_toy_optimum_is_its_horizon(machines, more, slack, seed):
    jobs = machines + more
    horizon = jobs + slack
    instance, schedule = toy({"jobs": jobs, "machines": machines, "horizon": horizon}, seed)
    verdict = validate(instance, schedule)
    assert verdict.violations == ()
    assert verdict.values["makespan"] == horizon == lower_bound(instance)
    assert instance.n_ops.max() <= make_generator({"name": "toy", "jobs": jobs, "machines": machines}).max_ops
    assert make_generator({"name": "toy", "jobs": jobs, "machines": machines, "horizon": horizon}).sample(seed) == (
        instance
    )


def test_l2d_validation_follows_the_recipe():
    state = np.random.get_state()
    try:
        np.random.seed(200)
        for index in range(5):
            times = np.random.randint(1, 99, (15, 10))
            order = np.random.random((15, 10)).argsort(axis=1)
            instance = l2d_validation(15, 10, index)
            assert np.array_equal(instance.duration, times)
            assert np.array_equal(instance.machine, order)
    finally:
        np.random.set_state(state)


def test_l2d_validation_leaves_the_global_state_alone():
    np.random.seed(1)
    expected = np.random.random()
    np.random.seed(1)
    l2d_validation(6, 6, 2)
    assert np.random.random() == expected


@pytest.mark.parametrize(
    ("size", "index", "digest"),
    [
        ((10, 10), 0, "f28f6961559d91ab"),
        ((10, 10), 99, "c36a6d86d64759bd"),
        ((15, 15), 0, "2793e765d87e6e97"),
        ((30, 20), 7, "77e112739f0873af"),
    ],
)
def test_l2d_validation_sets_are_frozen(size, index, digest):
    instance = l2d_validation(*size, index)
    assert content_digest(instance) == digest
    assert instance.duration.min() >= 1
    assert instance.duration.max() <= 98
    assert (np.sort(instance.machine, axis=1) == np.arange(size[1])).all()


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(0, 99))
def test_due_dates_are_exact(thousandths, seed):
    instance = make_generator({"name": "uniform", "jobs": 4, "machines": 3, "release": [0, 9]}).sample(seed)
    due = with_due_dates(instance, thousandths / 1000).due
    for j in range(4):
        assert due[j] == instance.release[j] + Fraction(thousandths, 1000) * int(instance.work[j]) // 1


def test_due_factor_replaces_due_dates():
    instance = make_generator({"name": "uniform", "jobs": 4, "machines": 3}).sample(0)
    again = with_due_dates(with_due_dates(instance, 1.3), "1.5")
    assert again == with_due_dates(instance, "1.5")
    assert again.name == "uniform-4x3-seed0:due_factor=1.5"
    with pytest.raises(InputError, match="due_factor"):
        with_due_dates(instance, "much")
