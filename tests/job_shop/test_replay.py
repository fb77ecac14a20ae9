"""Schedules turned back into decisions: where that is exact, and what holds where it is not.

With durations of at least one tick, every timing follows its own schedules exactly, except that ``wait`` leaves out
much of the waiting that nothing needs. ``wait`` and ``append`` follow every semi-active schedule, ``active`` and
``insert`` every active one. ``append``, ``insert`` and ``wait`` never start an operation later than the schedule
does; ``active`` may, where the schedule is not active.
"""

import numpy as np
import pytest

from families import shop
from ganttlet.core.errors import InputError
from ganttlet.core.family import get_family
from ganttlet.core.rng import random_legal
from ganttlet.job_shop import Schedule, generate, replay_actions, resolve, validate
from ganttlet.job_shop.env import JobShopVectorEnv
from ganttlet.job_shop.timing import TIMINGS

DRAWN = {"name": "uniform", "jobs": [2, 6], "machines": [3, 4], "ops": [1, 3], "low": 1, "high": 6, "release": [0, 8]}
SHOPS = [generate(DRAWN, seed) for seed in range(60)]
SHOPS += [generate({"name": "uniform", "jobs": [3, 8], "machines": [2, 5]}, seed) for seed in range(60)]
SHOPS += [resolve("ft06")]
ZEROS = [generate({**DRAWN, "low": 0}, seed) for seed in range(200)]
# Timings whose schedules are semi-active, and active.
SEMI = ("nondelay", "active", "append", "insert")
ACTIVE = ("nondelay", "active", "insert")
FOLLOWS = {"nondelay": ("nondelay",), "active": ACTIVE, "insert": ACTIVE, "append": SEMI, "wait": SEMI}


def batch(instances, timing):
    return JobShopVectorEnv(len(instances), instances=instances, timing=timing, autoreset_mode="disabled", copy=False)


def play(env, instances, choose):
    """Return the schedules of one episode per row; every action must be legal."""
    env.reset(seed=0, options={"instance": list(instances)})
    turn = 0
    while not env.done.all():
        live = ~env.done
        actions = choose(turn)
        assert env.live_mask[live, actions[live]].all()
        env.step(actions)
        turn += 1
    return [env.solution(row) for row in range(env.num_envs)]


def at_random(instances, timing, seed=1):
    env, actions = batch(instances, timing), np.zeros(len(instances), np.int64)

    def choose(turn):
        random_legal(env.live_mask, np.uint64(1000 * seed + turn), actions)
        return actions.copy()

    return play(env, instances, choose)


def by_rule(instances, timing):
    """Return the schedules of least duration first; waiting is never chosen."""
    env = batch(instances, timing)

    def choose(turn):
        duration = env._state.jobs[:, 4].astype(float)
        duration[env._state.legal == 0] = np.inf
        return np.where(env._state.legal.any(axis=1), duration.argmin(axis=1), env.live_mask.shape[1] - 1)

    return play(env, instances, choose)


def replayed(schedules, instances, timing):
    env = batch(instances, timing)
    return play(env, instances, lambda turn: replay_actions(env, schedules))


def same(first, second):
    return [np.array_equal(a.start, b.start) for a, b in zip(first, second, strict=True)]


def later(first, second):
    """Return which of the second schedules start some operation later than the first."""
    return [bool((b.start > a.start).any()) for a, b in zip(first, second, strict=True)]


@pytest.mark.parametrize("how", [at_random, by_rule])
@pytest.mark.parametrize("timing", [timing for timing in TIMINGS if timing != "wait"])
def test_a_timings_own_schedules_are_followed_exactly(how, timing):
    schedules = how(SHOPS, timing)
    assert all(same(schedules, replayed(schedules, SHOPS, timing)))


@pytest.mark.parametrize(("timing", "source"), [(one, source) for one, known in FOLLOWS.items() for source in known])
def test_schedules_of_other_timings_that_can_be_reached_are_followed_exactly(timing, source):
    schedules = at_random(SHOPS, source)
    assert all(same(schedules, replayed(schedules, SHOPS, timing)))


def test_wait_waits_where_a_schedule_needs_it():
    """Job 0 could start on machine 1 at 0, but job 1 goes first there, and is ready at 2."""
    instance = resolve(shop([[(1, 9)], [(0, 2), (1, 1)]], 2))
    schedule = Schedule([[3, -1], [0, 2]], instance.digest)
    env = batch([instance], "wait")
    played = []

    def choose(turn):
        played.append(replay_actions(env, [schedule]))
        return played[-1]

    assert same([schedule], play(env, [instance], choose)) == [True]
    assert np.concatenate(played).tolist() == [1, 2, 1, 0]


@pytest.mark.parametrize("timing", ["wait", "append", "insert"])
def test_waiting_that_nothing_needs_is_left_out(timing):
    schedules = at_random(SHOPS, "wait")
    found = replayed(schedules, SHOPS, timing)
    assert not any(later(schedules, found))
    assert not all(same(schedules, found))
    if timing != "wait":
        assert all(same(found, replayed(found, SHOPS, timing)))


@pytest.mark.parametrize("timing", TIMINGS)
@pytest.mark.parametrize("source", ["wait", "append"])
def test_any_schedule_leads_to_a_valid_one(timing, source):
    found = replayed(at_random(SHOPS, source), SHOPS, timing)
    assert all(validate(instance, one).feasible for instance, one in zip(SHOPS, found, strict=True))


def test_active_may_start_later_than_a_schedule_that_is_not_active():
    """The schedule leaves job 2 a gap at 0; filled with job 1, which it starts before job 2, job 0 has to wait."""
    instance = resolve(shop([[(1, 10), (0, 5)], [(0, 20)], [(0, 3)]], 2))
    schedule = Schedule([[0, 10], [15, -1], [35, -1]], instance.digest)
    assert validate(instance, schedule).feasible
    found = replayed([schedule], [instance], "active")
    assert found[0].start.tolist() == [[0, 20], [0, -1], [25, -1]]
    # Through insert, which shifts to the left first, nothing is later, and active then follows exactly.
    shifted = replayed([schedule], [instance], "insert")
    assert not any(later([schedule], shifted))
    assert same(shifted, replayed(shifted, [instance], "active")) == [True]


def test_insert_turns_any_schedule_into_an_active_one():
    for source in ("wait", "append"):
        schedules = at_random(SHOPS, source)
        shifted = replayed(schedules, SHOPS, "insert")
        assert not any(later(schedules, shifted))
        assert all(same(shifted, replayed(shifted, SHOPS, "active")))


@pytest.mark.parametrize("timing", ["active", "append", "insert", "wait"])
def test_cp_sats_schedules_lose_nothing(timing):
    from ganttlet_agents.evaluation.methods import parse_methods

    solver = parse_methods("solver:cpsat:time=none:dtime=1", "job_shop")[0]
    instances = [generate({"name": "uniform", "jobs": 4, "machines": 3}, seed) for seed in range(12)]
    schedules = [solver.solve(one, objective="makespan", seed=0).solution for one in instances]
    found = replayed(schedules, instances, timing)
    for instance, schedule, one in zip(instances, schedules, found, strict=True):
        assert validate(instance, one).values["makespan"] <= validate(instance, schedule).values["makespan"]


@pytest.mark.parametrize("timing", ["nondelay", "active", "insert"])
def test_operations_without_duration_go_first(timing):
    schedules = at_random(ZEROS, timing)
    assert any((instance.duration[instance.machine >= 0] == 0).any() for instance in ZEROS)
    assert all(same(schedules, replayed(schedules, ZEROS, timing)))


def test_a_tie_of_two_starts_by_hand():
    """Job 1 has no duration and starts when job 0 does, on one machine: job 0 first would push it to 5."""
    instance = resolve(shop([[(0, 5)], [(0, 0)]], 1))
    schedule = Schedule([[0], [0]], instance.digest)
    assert same([schedule], replayed([schedule], [instance], "active")) == [True]


@pytest.mark.parametrize("timing", TIMINGS)
def test_where_forced_decisions_are_skipped_the_others_lead_to_the_same(timing):
    schedules = at_random(SHOPS, timing)
    env = JobShopVectorEnv(
        len(SHOPS), instances=SHOPS, timing=timing, skip_forced=True, autoreset_mode="disabled", copy=False
    )
    found = play(env, SHOPS, lambda turn: replay_actions(env, schedules))
    if timing == "wait":
        # Waiting that nothing needs is left out here, too.
        assert not any(later(schedules, found))
    else:
        assert all(same(schedules, found))


def test_it_starts_from_the_present_state():
    instances = SHOPS[:20]
    schedules = at_random(instances, "append")
    env, turn = batch(instances, "append"), [0]

    def choose(step):
        turn[0] = step
        return replay_actions(env, schedules) if step > 1 else np.asarray(env.live_mask.argmax(axis=1))

    found = play(env, instances, choose)
    assert all(validate(instance, one).feasible for instance, one in zip(instances, found, strict=True))


def test_the_family_offers_it():
    assert get_family("job_shop").replay is replay_actions


def test_generated_rows_are_followed_too():
    env = JobShopVectorEnv(3, generator=DRAWN, timing="active", autoreset_mode="disabled", copy=False)
    env.reset(seed=4)
    instances = [env.instance(row) for row in range(3)]
    schedules = at_random(instances, "active")
    while not env.done.all():
        env.step(replay_actions(env, schedules))
    assert all(same(schedules, [env.solution(row) for row in range(3)]))


def test_malformed_schedules_are_refused():
    instances = [resolve("ft06"), SHOPS[0]]
    good = at_random(instances, "active")
    env = batch(instances, "active")
    env.reset(seed=0, options={"instance": instances})
    with pytest.raises(InputError, match="replay: 1 schedules for 2 rows"):
        replay_actions(env, good[:1])
    with pytest.raises(InputError, match="replay: the schedule of row 0 is not one of its instance"):
        replay_actions(env, good[::-1])
    small = Schedule(good[0].start[:, :-1], good[0].instance)
    with pytest.raises(InputError, match="replay: the schedule of row 0 is not one of its instance ft06"):
        replay_actions(env, [small, good[1]])
    start = good[0].start.copy()
    start[3, 0] = -1
    with pytest.raises(InputError, match="replay: the schedule of row 0 leaves out job 3 operation 0"):
        replay_actions(env, [Schedule(start, good[0].instance), good[1]])
    np.testing.assert_array_equal(env._state.start, -1)
