"""validate finds each kind of violation and names the operation; objectives equal hand-made sums."""

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ganttlet.core.errors import InputError
from ganttlet.job_shop import JobShopInstance, Schedule, validate
from reference.job_shop_strategies import instances, random_schedule

INSTANCE = JobShopInstance(
    "two", [[0, 1], [1, 0], [0, -1]], [[3, 2], [4, 1], [2, 0]], 2, [0, 1, 0], [4, 9, 20], [2, 3, 1]
)
START = [[0, 5], [1, 5], [3, -1]]


def judge(change=None, instance=INSTANCE):
    start = np.array(START)
    for (j, i), value in (change or {}).items():
        start[j, i] = value
    return validate(instance, Schedule(start, instance.digest))


def test_objectives():
    verdict = judge()
    assert verdict.feasible
    assert verdict.values == {
        "makespan": 7.0,
        "total_tardiness": 3.0,
        "weighted_tardiness": 6.0,
        "flow_time": 7.0 + (6 - 1) + 5.0,
    }


def test_no_due_dates_no_tardiness():
    instance = dataclasses.replace(INSTANCE, due=None)
    assert set(judge(instance=instance).values) == {"makespan", "flow_time"}


@pytest.mark.parametrize(
    ("change", "rule", "message"),
    [
        ({(0, 1): -1}, "complete", "job 0 operation 1 is not scheduled"),
        ({(2, 1): 9}, "complete", "job 2 operation 1 is scheduled but does not exist"),
        ({(1, 0): 0}, "release", "job 1 operation 0 starts at 0, before its release 1"),
        ({(1, 1): 4}, "precedence", "job 1 operation 1 starts at 4, before job 1 operation 0 ends at 5"),
        (
            {(0, 1): 4},
            "overlap",
            "machine 1: job 0 operation 1 starts at 4, before job 1 operation 0 ends at 5",
        ),
        (
            {(2, 0): 2},
            "overlap",
            "machine 0: job 2 operation 0 starts at 2, before job 0 operation 0 ends at 3",
        ),
    ],
)
def test_each_violation_is_named(change, rule, message):
    verdict = judge(change)
    assert not verdict.feasible
    assert verdict.values == {}
    assert (rule, message) in [(v.rule, v.message) for v in verdict.violations]


def test_zero_duration_may_touch_but_not_split():
    instance = JobShopInstance("zero", [[0], [0]], [[4], [0]], 1)
    for at, feasible in ((0, True), (2, False), (4, True), (9, True)):
        assert validate(instance, Schedule([[0], [at]], instance.digest)).feasible is feasible


def test_violations_are_limited():
    instance = JobShopInstance("many", np.zeros((50, 1), int), np.ones((50, 1), int), 1)
    assert len(validate(instance, Schedule(np.zeros((50, 1), int), instance.digest)).violations) == 20


def test_schedule_of_another_instance_or_shape_is_refused():
    with pytest.raises(InputError, match="belongs to instance"):
        validate(INSTANCE, Schedule(START, "0" * 16))
    with pytest.raises(InputError, match="shape"):
        validate(INSTANCE, Schedule([[0]], INSTANCE.digest))


@settings(deadline=None, max_examples=60)
@given(instances(), st.integers(0, 2**32))
def test_appended_schedules_are_feasible(instance, seed):
    schedule = random_schedule(instance, seed)
    verdict = validate(instance, schedule)
    assert verdict.violations == ()
    end = max(
        int(schedule.start[j, i] + instance.duration[j, i])
        for j in range(instance.n_jobs)
        for i in range(int(instance.n_ops[j]))
    )
    assert verdict.values["makespan"] == end


@settings(deadline=None, max_examples=60)
@given(instances(least_duration=1), st.integers(0, 2**32), st.data())
def test_moving_an_operation_onto_another_is_rejected(instance, seed, data):
    schedule = random_schedule(instance, seed)
    places = [tuple(place) for place in np.argwhere(instance.machine >= 0)]
    pairs = [(a, b) for a in places for b in places if a != b and instance.machine[a] == instance.machine[b]]
    assume(pairs)
    a, b = data.draw(st.sampled_from(pairs))
    start = schedule.start.copy()
    low, high = start[b] - instance.duration[a] + 1, start[b] + instance.duration[b] - 1
    start[a] = data.draw(st.integers(max(0, int(low)), int(high)))
    verdict = validate(instance, Schedule(start, instance.digest))
    assert verdict.values == {}
    assert "overlap" in {violation.rule for violation in verdict.violations}


@pytest.mark.parametrize("ending", [".json", ".npz"])
def test_schedule_saves_and_loads(tmp_path, ending):
    schedule = Schedule(START, INSTANCE.digest)
    schedule.save(tmp_path / f"s{ending}")
    assert Schedule.load(tmp_path / f"s{ending}") == schedule


def test_instance_file_is_no_schedule(tmp_path):
    INSTANCE.save(tmp_path / "i.json")
    with pytest.raises(InputError, match="field 'kind' is 'instance'"):
        Schedule.load(tmp_path / "i.json")


@pytest.mark.parametrize(
    ("machine", "duration", "start"), [([[0, 1]], [[5, 1]], [[2**63 - 3, 0]]), ([[0]], [[5]], [[2**63 - 1]])]
)
def test_times_that_would_overflow_are_a_violation(machine, duration, start):
    instance = JobShopInstance("late", machine, duration, 2)
    verdict = validate(instance, Schedule(start, instance.digest))
    assert not verdict.feasible
    assert [violation.rule for violation in verdict.violations] == ["horizon"]
    assert "job 0 operation 0" in verdict.violations[0].message


def test_machines_that_nobody_visits_cost_nothing():
    instance = JobShopInstance("sparse", [[999_999]], [[3]], 10**6)
    assert validate(instance, Schedule([[0]], instance.digest)).values["makespan"] == 3
    with pytest.raises(InputError, match="'n_machines'"):
        JobShopInstance("too many", [[0]], [[3]], 2**31 - 1)
