"""The validator: each rule broken by hand, against a slow judge, and the objectives."""

import numpy as np
import pytest

from families_allocation import ODD, plain, problem
from ganttlet.core.errors import InputError
from ganttlet.memory_allocation import OBJECTIVES, Allocation, AllocationInstance, make_generator, resolve, validate
from reference.memory_allocation import clash, least_height

# Buffers 0 and 1 live together, 1 and 2 too, 0 and 2 do not.
CHAIN = resolve(problem([(0, 2, 4), (1, 3, 3), (2, 4, 5)], 8))


def judge(instance, offset):
    return validate(instance, Allocation(offset, instance.digest))


def rules(instance, offset):
    return [violation.rule for violation in judge(instance, offset).violations]


def test_objectives():
    assert judge(CHAIN, [0, 5, 0]).values == {"height": 8.0, "ratio": 1.0, "fits": 1.0}
    assert judge(CHAIN, [0, 4, 7]).values == {"height": 12.0, "ratio": 1.5, "fits": 0.0}
    assert list(judge(CHAIN, [0, 5, 0]).values) == list(OBJECTIVES)
    assert [spec.sense for spec in OBJECTIVES.values()] == ["min", "min", "max"]


def test_overlap():
    (found,) = judge(CHAIN, [0, 3, 6]).violations
    assert found.rule == "overlap"
    assert found.message == "buffer 0 at 0 … 3 and buffer 1 at 3 … 5 both live at time 1"
    assert rules(CHAIN, [2, 6, 0]) == []
    assert rules(CHAIN, [6, 4, 0]) == ["overlap", "overlap"]


def test_a_name_stands_beside_the_number():
    named = AllocationInstance("x", [0, 0], [1, 1], [2, 2], None, None, None, ["weights", "b1"])
    (found,) = judge(named, [0, 1]).violations
    assert found.message.startswith("buffer 0 (weights) at 0 … 1 and buffer 1 at 1 … 2")


def test_completeness_range_alignment_and_fixed_offsets():
    assert rules(CHAIN, [0, -1, 0]) == ["complete"]
    assert rules(CHAIN, [-4, 5, 0]) == ["complete"]
    assert rules(CHAIN, [2**53, 5, 0]) == ["range"]
    aligned = resolve(problem([(0, 2, 4, 4), (0, 2, 3, 2, 6)]))
    assert rules(aligned, [0, 6]) == []
    assert rules(aligned, [2, 6]) == ["alignment"]
    assert rules(aligned, [0, 8]) == ["fixed"]
    assert rules(aligned, [0, 5]) == ["alignment", "fixed"]
    assert judge(aligned, [0, 8]).values == {}


def test_at_most_twenty_violations():
    many = resolve(problem([(0, 1, 1)] * 30))
    assert len(judge(many, [0] * 30).violations) == 20


def test_another_instance_or_shape():
    with pytest.raises(InputError, match=r"allocation belongs to instance abc, not to by-hand"):
        validate(CHAIN, Allocation([0, 5, 0], "abc"))
    with pytest.raises(InputError, match=r"offsets of shape \(2,\), expected \(3,\)"):
        validate(CHAIN, Allocation([0, 5], CHAIN.digest))
    with pytest.raises(InputError, match="field 'offset': expected integers"):
        Allocation([0.5], "abc")


@pytest.mark.parametrize("seed", range(20))
def test_random_offsets_are_judged_as_by_hand(seed):
    """Pair by pair, on offsets of which some allocations are feasible."""
    rng = np.random.default_rng(seed)
    instance = make_generator({"name": "uniform", "buffers": 5, "horizon": 8, "unit": 1, "largest": 4}).sample(seed)
    buffers = plain(instance)
    seen = set()
    for _ in range(200):
        offset = rng.integers(0, 14, 5)
        pairs = [(a, b) for a in range(5) for b in range(a) if clash(buffers[a], offset[a], buffers[b], offset[b])]
        verdict = judge(instance, offset)
        assert len(verdict.violations) == len(pairs)
        assert verdict.feasible == (not pairs)
        if verdict.feasible:
            assert verdict.values["height"] == max(offset + instance.size) >= least_height(buffers)
        seen.add(verdict.feasible)
    assert seen == {False, True}


def test_the_odd_problem_has_a_packing_within_its_capacity():
    assert least_height(plain(resolve(ODD))) <= resolve(ODD).capacity
