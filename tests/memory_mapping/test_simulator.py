"""Copies share slow memory: orders by hand, and never later than the game itself."""

import dataclasses
import random
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from families_memory import program
from ganttlet.core.errors import InputError
from ganttlet.memory_mapping import Mapping, all_slow_mapping, schedule_copies, validate
from reference import memory_strategies as drawn
from reference.memory_mapping import ReferenceMapping

S = 1e6  # µs; a byte takes slow memory a second
# Three instructions of 4 s that move nothing, then u, v and w are read one after the other.
THREE = program(
    {"u": ("param", 4), "v": ("param", 4), "w": ("param", 8)},
    [(4, "", ""), (4, "", ""), (4, "", ""), (0, "u", ""), (0, "v", ""), (0, "w", "")],
    capacity=16,
)


def fetch(release, deadline, offset=(0, 4, 8), **changes):
    """Every buffer of THREE fetched once."""
    nothing = Mapping(
        fast=[1, 1, 1],
        rect_buffer=[0, 1, 2],
        rect_start=release,
        rect_end=deadline,
        rect_offset=offset,
        copy_buffer=[0, 1, 2],
        copy_out=[0, 0, 0],
        copy_release=release,
        copy_deadline=deadline,
        instance_digest=THREE.digest,
    )
    return dataclasses.replace(nothing, **changes)


def moves(mapping):
    return [
        (copy, time, us / S)
        for copy, time, us in zip(mapping.move_copy, mapping.move_time, mapping.move_us, strict=True)
    ]


def test_first_come_first_served_or_earliest_deadline():
    # w comes first and may take its time; u comes last and is due first. i3 moves a byte for 1/4 s each: 1 s of supply.
    late = fetch([2, 1, 0], [3, 4, 5])
    edf = schedule_copies(THREE, late)
    assert moves(edf) == [(0, 2, 4), (1, 1, 4), (2, 0, 4), (2, 3, 1), (2, 4, 1), (2, 5, 2)]
    assert edf.stall.tolist() == [0, 0, 0, 0, 0, 2 * S]
    fifo = schedule_copies(THREE, late, "fifo")
    assert moves(fifo) == [(0, 3, 4), (1, 2, 4), (2, 0, 4), (2, 1, 4)]
    assert fifo.stall.tolist() == [0, 0, 0, 4 * S, 0, 0]
    assert [validate(THREE, one).values["stalls"] for one in (edf, fifo)] == [2 * S, 4 * S]
    # Whatever was there before is not looked at.
    assert schedule_copies(THREE, fifo) == edf


def test_a_stall_is_only_for_copies_that_are_due():
    # Nothing but stalls: w, due later, gets none of them.
    at_once = fetch([3, 4, 3], [3, 4, 5])
    for order in ("edf", "fifo"):
        done = schedule_copies(THREE, at_once, order)
        assert moves(done) == [(0, 3, 4), (1, 4, 4), (2, 3, 1), (2, 4, 1), (2, 5, 6)]
        assert validate(THREE, done).values["latency"] == (12 + 1 + 1 + 2 + 14) * S


def test_equal_copies_go_by_their_numbers():
    together = fetch([0, 0, 0], [5, 5, 5], offset=[0, 4, 8], rect_end=[5, 5, 5], copy_deadline=[3, 3, 3])
    for order in ("edf", "fifo"):
        done = schedule_copies(THREE, together, order)
        assert moves(done) == [(0, 0, 4), (1, 1, 4), (2, 2, 4), (2, 3, 4)]


def test_copies_out_likewise():
    one = program({"a": ("temp", 8), "y": ("output", 2)}, [(0, "", "a"), (6, "", ""), (0, "a", "y"), (9, "", "")])
    out = Mapping(
        [1, 0, 1],
        *([0, 1], [0, 2], [1, 3], [0, 8], [0, 1], [1, 1], [1, 3], [2, 4], one.digest),
    )
    done = schedule_copies(one, out)
    assert moves(done) == [(0, 1, 6), (0, 2, 2), (1, 3, 2)]
    assert done.stall.tolist() == [0, 0, 2 * S, 0]
    assert validate(one, done).feasible
    short = dataclasses.replace(one, matrix_flops=[0, 6, 0, 1])
    with pytest.raises(InputError, match="copy 1 is not done at the end of the program; 1e\\+06 µs are left"):
        schedule_copies(short, dataclasses.replace(out, instance_digest=short.digest))


def test_errors():
    with pytest.raises(InputError, match="order: unknown value 'lifo'; expected one of edf, fifo"):
        schedule_copies(THREE, fetch([0, 0, 0], [3, 4, 5]), "lifo")
    with pytest.raises(InputError, match="mapping: copy_release has 1 values, expected 3"):
        schedule_copies(THREE, fetch([0, 0, 0], [3, 4, 5], copy_release=[1]))
    with pytest.raises(InputError, match="mapping: slot 0 is not decided"):
        schedule_copies(THREE, dataclasses.replace(all_slow_mapping(THREE), fast=[-1, 0, 0]))


def play(instance, seed, **options):
    game, rng = ReferenceMapping(instance, **options), random.Random(seed)
    while not game.done:
        legal = game.legal()
        # Copies are what this is about.
        game.step(legal[-1] if rng.random() < 0.6 else rng.choice(legal))
    return Mapping(**game.fields(), instance_digest=instance.digest)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(instance=drawn.programs(), options=drawn.settings(), seed=st.integers(0, 99))
def test_never_later_than_the_game(instance, options, seed):
    mapping = play(instance, seed, **options)
    values = validate(instance, mapping).values
    for order in ("edf", "fifo"):
        again = validate(instance, schedule_copies(instance, mapping, order))
        assert again.violations == ()
        if order == "edf":
            assert again.values["latency"] <= values["latency"] * (1 + 1e-9)
        for name in ("copied", "peak", "slow_bytes"):
            assert again.values[name] == values[name]


def best_by_priority(supply, release, deadline, need):
    """Least total stall over all orders of priority, in plain Python."""
    best = float("inf")
    for order in permutations(range(len(need))):
        left, idle, waited = list(need), list(supply), 0.0
        for t in range(len(supply)):
            for c in order:
                if deadline[c] == t:
                    waited += left[c]
                    left[c] = 0.0
            for c in order:
                if release[c] <= t < deadline[c]:
                    take = min(left[c], idle[t])
                    left[c], idle[t] = left[c] - take, idle[t] - take
        best = min(best, waited)
    return best


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_earliest_deadline_waits_least(data):
    n = 6
    flops = data.draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))
    spans = data.draw(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=4))
    release, deadline = [min(span) for span in spans], [max(span) for span in spans]
    sizes = data.draw(st.lists(st.sampled_from([1, 3, 5, 9]), min_size=len(spans), max_size=len(spans)))
    names = [f"w{c}" for c in range(len(spans))]
    code = [
        (work, " ".join(name for name, end in zip(names, deadline, strict=True) if end == t), "")
        for t, work in enumerate(flops)
    ]
    one = program({name: ("param", size) for name, size in zip(names, sizes, strict=True)}, code, capacity=64, align=1)
    where = np.cumsum([0, *sizes[:-1]])
    number = list(range(len(spans)))
    mapping = Mapping(
        np.ones(one.n_slots),
        *(number, release, deadline, where, number, [0] * len(spans), release, deadline, one.digest),
    )
    done = schedule_copies(one, mapping)
    assert validate(one, done).violations == ()
    # Nothing is read from slow memory, so all of an instruction's time is left.
    supply = (one.latencies(mapping.fast) / S).tolist()
    best = best_by_priority(supply, release, deadline, [float(size) for size in sizes])
    assert done.stall.sum() / S == pytest.approx(best, abs=1e-9)
