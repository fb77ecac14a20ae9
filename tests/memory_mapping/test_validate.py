"""The validator: a mapping by hand, one broken rule at a time, and a machine that executes what is accepted."""

import dataclasses
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from families_memory import program
from ganttlet.core.errors import InputError
from ganttlet.memory_mapping import Mapping, all_slow_mapping, validate
from ganttlet.memory_mapping.solution import MAX_VIOLATIONS, measure
from reference import memory_strategies as drawn
from reference.memory_machine import Machine
from reference.memory_mapping import ReferenceMapping

S = 1e6  # µs; a byte takes slow memory a second and fast memory a quarter
PROGRAM = program(
    {"w": ("param", 8), "v": ("param", 4), "x": ("input", 4), "a": ("temp", 4), "b": ("temp", 8), "y": ("output", 4)},
    [(10, "x v", "a"), (12, "", "b"), (20, "a b", ""), (10, "w b", ""), (6, "a w", "y")],
    capacity=24,
)
W, V, X, A, B, Y = range(6)
# Slots: x v a | b | a b | w b | a w y. v is copied in all stall; w during i1 and i2; a is written back during i1 and
# read from slow memory at the end.
GOOD = Mapping(
    fast=[0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0],
    rect_buffer=[V, A, B, W],
    rect_start=[0, 0, 1, 1],
    rect_end=[0, 3, 3, 4],
    rect_offset=[4, 0, 8, 16],
    copy_buffer=[V, A, W],
    copy_out=[0, 1, 0],
    copy_release=[0, 1, 1],
    copy_deadline=[0, 4, 3],
    instance_digest=PROGRAM.digest,
    move_copy=[0, 1, 2, 2],
    move_time=[0, 1, 1, 2],
    move_us=[4 * S, 4 * S, 3 * S, 5 * S],
    stall=[4 * S, 0, 0, 0, 0],
)


def rules(**changes):
    """Names of the rules that GOOD breaks with other values of some fields."""
    return sorted({one.rule for one in validate(PROGRAM, dataclasses.replace(GOOD, **changes)).violations})


def at(field, index, value):
    """GOOD's field with another value at one place."""
    array = getattr(GOOD, field).copy()
    array[index] = value
    return {field: array}


def test_values_by_hand():
    verdict = validate(PROGRAM, GOOD)
    assert verdict.violations == ()
    assert verdict.values == {
        "latency": (10 + 12 + 20 + 10 + 10 + 4) * S,
        "speedup": (12 + 12 + 20 + 16 + 16) / 66,
        "stalls": 4 * S,
        "copied": 16,
        "peak": 4 + 8 + 8,
        "slow_bytes": 4 + 4 + 4 + 16,
    }


def test_all_slow():
    values = validate(PROGRAM, all_slow_mapping(PROGRAM)).values
    assert values == {"latency": 76 * S, "speedup": 1, "stalls": 0, "copied": 0, "peak": 0, "slow_bytes": 64}


def test_under_way_what_is_undecided_is_slow():
    started = dataclasses.replace(all_slow_mapping(PROGRAM), fast=np.full(11, -1))
    assert measure(PROGRAM, started)["latency"] == 76 * S
    verdict = validate(PROGRAM, started)
    assert not verdict.values
    assert [(one.rule, one.message) for one in verdict.violations] == [("shape", "slot 0 is not decided")]


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"fast": GOOD.fast[:-1]}, ["shape"]),
        (at("fast", 0, 2), ["shape"]),
        ({"rect_end": [0, 3, 3]}, ["shape"]),
        (at("rect_buffer", 0, 6), ["shape"]),
        (at("copy_out", 0, 2), ["shape"]),
        (at("copy_deadline", 0, 6), ["shape"]),
        (at("move_copy", 0, 3), ["shape"]),
        (at("move_time", 0, 5), ["shape"]),
        (at("move_us", 0, -1.0), ["shape"]),
        (at("move_us", 0, np.nan), ["shape"]),
        (at("stall", 0, np.inf), ["shape"]),
        ({"stall": None}, ["shape"]),
        # Before the buffer exists, after the program, backwards.
        (at("rect_start", 2, 0), ["fast_read", "fast_write", "rectangle"]),
        (at("rect_end", 3, 5), ["rectangle"]),
        (at("rect_end", 0, -1), ["copy_in", "fast_read", "rectangle"]),
        # Outside of fast memory, and between two multiples of the alignment.
        (at("rect_offset", 3, 20), ["rectangle"]),
        (at("rect_offset", 0, -4), ["rectangle"]),
        (at("rect_offset", 0, 5), ["rectangle"]),
        # On another, in whole or in part; not on what ended before.
        (at("rect_offset", 1, 4), ["overlap"]),
        (at("rect_offset", 2, 12), ["overlap"]),
        (at("rect_offset", 3, 4), ["overlap"]),
        (at("rect_offset", 2, 4), []),
        # A rectangle that is not there at the read, and one whose content is not.
        (at("rect_end", 2, 2), ["fast_read"]),
        (at("fast", 3, 0), ["bandwidth", "fast_read"]),
        (at("fast", 0, 1), ["fast_read"]),
        (at("copy_deadline", 2, 4), ["fast_read"]),
        ({**at("copy_buffer", 0, X)}, ["copy_in", "fast_read"]),
        # A result without a rectangle.
        (at("fast", 10, 1), ["fast_write", "output"]),
        (at("rect_buffer", 1, X), ["copy_out", "fast_read", "fast_write"]),
        # Slow memory gets a at 4 by its copy.
        (at("fast", 4, 0), ["slow_read"]),
        # Copies that begin before their source is there or without a place.
        (at("rect_start", 3, 2), ["copy_in", "fast_read"]),
        (at("rect_end", 1, 1), ["copy_out", "fast_read"]),
        (at("copy_release", 1, 0), ["copy_out"]),
        (at("copy_deadline", 1, 3), []),
        (at("rect_end", 1, 2), ["copy_out"]),
        ({**at("copy_release", 1, 4), **at("move_time", 1, 4), **at("stall", 4, 4 * S)}, []),
        (
            {**at("copy_release", 1, 4), **at("move_time", 1, 4), **at("stall", 4, 4 * S), **at("rect_end", 1, 2)},
            ["copy_out"],
        ),
        (at("copy_release", 2, 4), ["bandwidth", "copy_in"]),
        # Moves outside of a copy's time, too short or too long, more than is left.
        (at("move_time", 3, 0), ["bandwidth"]),
        (at("move_time", 3, 4), ["bandwidth"]),
        (at("move_us", 3, 4 * S), ["bandwidth"]),
        (at("move_us", 3, 5 * S + 1.0), ["bandwidth"]),
        (at("move_us", 3, 5 * S * (1 + 1e-12)), []),
        ({"move_us": [4 * S, 4 * S, 8 * S, 0]}, []),
        ({"move_time": [0, 1, 1, 1], "stall": [4 * S, 0, 0, 1, 0]}, []),
        # A stall too short, and one longer than needed.
        (at("stall", 0, 3.9 * S), ["stall"]),
        (at("stall", 0, 4.1 * S), []),
        ({**at("move_time", 3, 3), **at("stall", 3, 5 * S)}, []),
        (at("move_time", 3, 3), ["stall"]),
        # a may be read from fast memory to the end instead.
        ({**at("fast", 8, 1), **at("rect_end", 1, 4)}, []),
    ],
)
def test_one_rule_at_a_time(changes, broken):
    assert rules(**changes) == broken


def test_supply_is_what_slow_slots_leave():
    one = program({"x": ("input", 6), "w": ("param", 4)}, [(10, "x", ""), (0, "w", "")])
    fetch = Mapping([0, 1], [1], [0], [1], [0], [1], [0], [0], [1], one.digest, [0], [0], [4 * S], [0, 0])
    assert validate(one, fetch).feasible
    slower = dataclasses.replace(one, matrix_flops=[9, 0])
    verdict = validate(slower, dataclasses.replace(fetch, instance_digest=slower.digest))
    assert [one.rule for one in verdict.violations] == ["bandwidth"]
    assert "instruction 0 (i0) leaves slow memory 3000000 µs, copies take 4000000 µs" in verdict.violations[0].message


def test_an_output_may_be_written_fast_and_copied():
    one = program({"y": ("output", 4)}, [(0, "", "y"), (9, "", "")])
    fast = Mapping([1], [0], [0], [1], [0], [0], [1], [1], [2], one.digest, [0], [1], [4 * S], [0, 0])
    assert validate(one, fast).values["latency"] == 10 * S
    # There is no time after the end of the program.
    late = dataclasses.replace(fast, copy_release=[2], move_time=[1])
    assert [one.rule for one in validate(one, late).violations] == ["bandwidth"]


def test_a_copy_out_and_a_copy_in_in_one_stall():
    """Fast memory holds one buffer; at i2 a leaves it and w comes, both in the stall."""
    one = program({"w": ("param", 4), "a": ("temp", 4)}, [(0, "", "a"), (0, "a", ""), (0, "w", ""), (0, "a", "")])
    one = dataclasses.replace(one, capacity=4)
    both = Mapping(
        *([1, 1, 1, 0], [1, 0], [0, 2], [1, 2], [0, 0], [1, 0], [1, 0], [2, 2], [2, 2], one.digest),
        *([0, 1], [2, 2], [4 * S, 4 * S], [0, 0, 8 * S, 0]),
    )
    assert validate(one, both).violations == ()
    early = dataclasses.replace(both, rect_end=[0, 2], fast=[1, 0, 1, 0])
    assert {one.rule for one in validate(one, early).violations} == {"slow_read", "copy_out"}


def test_content_stays_in_its_rectangle():
    """A second rectangle of the same buffer holds nothing by the first one's copy."""
    one = program({"w": ("param", 4)}, [(9, "", ""), (9, "w", ""), (9, "w", "")])
    both = Mapping([1, 1], [0, 0], [0, 2], [1, 2], [0, 4], [0], [0], [0], [1], one.digest, [0], [0], [4 * S], [0, 0, 0])
    assert [one.rule for one in validate(one, both).violations] == ["fast_read"]
    assert validate(one, dataclasses.replace(both, rect_end=[2, 2])).feasible


def test_no_more_violations_than_a_reader_can_take():
    one = program({"w": ("param", 4)}, [(0, "w", "")] * 40)
    nowhere = dataclasses.replace(all_slow_mapping(one), fast=np.ones(40))
    assert len(validate(one, nowhere).violations) == MAX_VIOLATIONS


def test_errors():
    with pytest.raises(InputError, match=r"mapping belongs to program .*, not to by-hand"):
        validate(PROGRAM.on("tight"), GOOD)
    for field, value, message in (
        ("fast", [[0]], "field 'fast': expected 1 dimension"),
        ("rect_offset", [0.5], "field 'rect_offset': expected integers"),
        ("move_us", ["a"], "field 'move_us': expected a list of numbers"),
        ("stall", [[1.0]], "field 'stall': expected 1 dimension"),
    ):
        with pytest.raises(InputError) as caught:
            dataclasses.replace(GOOD, **{field: value})
        assert str(caught.value).startswith(message)


def test_round_trips(tmp_path):
    for ending in ("json", "npz"):
        GOOD.save(tmp_path / f"m.{ending}")
        assert Mapping.load(tmp_path / f"m.{ending}") == GOOD


def play(instance, seed, **options):
    game, rng = ReferenceMapping(instance, **options), random.Random(seed)
    while not game.done:
        game.step(rng.choice(game.legal()))
    return Mapping(**game.fields(), instance_digest=instance.digest)


# Rectangles and releases more often: of their changes more are accepted.
INTEGERS = (
    *("fast", "copy_deadline", "move_time"),
    *("rect_start", "rect_end", "rect_offset", "copy_release") * 3,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(instance=drawn.programs(), seed=st.integers(0, 10**6))
def test_what_is_accepted_can_be_executed(instance, seed):
    """Random changes of played mappings: the machine runs what is accepted, in the time that it is said to take."""
    rng = random.Random(seed)
    mapping = play(instance, seed, placement=rng.choice(["first_fit", "best_fit", "reserve"]))
    for _ in range(20):
        field = rng.choice([name for name in INTEGERS if len(getattr(mapping, name))])
        array = getattr(mapping, field).copy()
        k = rng.randrange(len(array))
        if field == "fast":
            array[k] = 1 - array[k]
        else:
            array[k] += rng.choice([-1, -1, 1, 2]) * (instance.align if field == "rect_offset" else 1)
        changed = dataclasses.replace(mapping, **{field: array})
        verdict = validate(instance, changed)
        if verdict.feasible:
            try:
                executed = Machine(instance, changed).run()
            except ValueError:  # the machine cannot tell which rectangle belongs to which copy
                continue
            assert executed == pytest.approx(verdict.values["latency"], rel=1e-9)
            mapping = changed
