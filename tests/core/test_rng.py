"""Counter-based random numbers: known values, independence of order, uniformity."""

from itertools import product

import numpy as np
import pytest

from ganttlet.core.rng import key_of, randint, random_legal, scramble, uniform


def plain_scramble(x):
    """SplitMix64's finaliser in Python integers."""
    z = (x + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def test_scramble_is_splitmix64():
    """The first outputs of SplitMix64 seeded 0 and 1234567, as published with its reference code."""
    assert int(scramble(np.uint64(0))) == 0xE220A8397B1DCDAF
    assert int(scramble(np.uint64(1234567))) == 6457827717110365317
    for x in (1, 2**63, 2**64 - 1, 0x9E3779B97F4A7C15):
        assert int(scramble(np.uint64(x))) == plain_scramble(x)


def test_keys_and_draws_are_fixed_functions():
    for seed, entity, count in ((0, 0, 0), (1, 2, 3), (2**64 - 1, 7, 2**40)):
        key = plain_scramble(plain_scramble(plain_scramble(seed) ^ entity) ^ count)
        assert int(key_of(np.uint64(seed), np.uint64(entity), np.uint64(count))) == key
        for draw in (0, 1, 10**6):
            bits = plain_scramble(key ^ plain_scramble(draw)) >> 11
            value = uniform(np.uint64(key), np.uint64(draw))
            assert value == bits / 2**53
            assert randint(np.uint64(key), np.uint64(draw), -3, 12) == -3 + int(value * 16)


def test_keys_differ_in_every_part():
    parts = list(product(map(np.uint64, range(12)), repeat=3))
    assert len({int(key_of(*part)) for part in parts}) == len(parts)


@pytest.mark.parametrize("stream", ["one key", "many keys"])
def test_draws_are_uniform(stream):
    count = 20_000
    one = stream == "one key"
    keys = [np.uint64(key_of(np.uint64(5 if one else i), np.uint64(1), np.uint64(0))) for i in range(count)]
    values = np.array([uniform(key, np.uint64(i if one else 0)) for i, key in enumerate(keys)])
    assert 0 <= values.min() < 0.001
    assert 0.999 < values.max() < 1
    buckets = np.bincount((values * 20).astype(int), minlength=20)
    assert ((buckets - count / 20) ** 2 / (count / 20)).sum() < 43.8  # chi-square, 19 degrees, p = 0.001
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.03


def test_randint_reaches_both_ends():
    key = np.uint64(key_of(np.uint64(1), np.uint64(0), np.uint64(0)))
    values = [int(randint(key, np.uint64(i), 2, 6)) for i in range(300)]
    assert set(values) == {2, 3, 4, 5, 6}
    assert {int(randint(key, np.uint64(i), 4, 4)) for i in range(20)} == {4}


def test_random_legal_is_uniform_over_the_mask():
    mask = np.zeros((6000, 5), np.int8)
    mask[:, [0, 2, 4]] = 1
    mask[::2, 4] = 0
    out = np.full(6000, -1)
    random_legal(mask, np.uint64(3), out)
    assert mask[np.arange(6000), out].all()
    odd, even = np.bincount(out[1::2], minlength=5), np.bincount(out[::2], minlength=5)
    assert np.abs(odd[[0, 2, 4]] - 1000).max() < 120
    assert np.abs(even[[0, 2]] - 1500).max() < 130


@pytest.mark.parametrize("actions", [1, 31, 32, 33, 64, 100, 700])
def test_random_legal_takes_the_action_of_the_drawn_rank(actions):
    draws = np.random.default_rng(actions)
    mask = (draws.random((60, actions)) < draws.choice([0.02, 0.5, 1.0], (60, 1))).astype(np.int8)
    mask[np.arange(60), draws.integers(actions, size=60)] = 1
    out = np.full(60, -1)
    random_legal(mask, np.uint64(9), out)
    for row in range(60):
        legal = np.flatnonzero(mask[row])
        bits = plain_scramble(9 ^ plain_scramble(row)) >> 11
        assert out[row] == legal[int(bits / 2**53 * len(legal))]
