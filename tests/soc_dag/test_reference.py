"""The slow simulator itself: runs by hand, and the validator, which is written apart from it."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from families_soc import chip
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.solution import validate
from reference.soc_dag import ReferenceSoC
from reference.soc_strategies import workloads

REWARDS = ("jobs", "latency", "completion", "energy", "weighted", "deadline", "terminal")


def played(play, seed):
    """Play random legal actions to the end; return the rewards."""
    rng, rewards = random.Random(seed), []
    while not play.settled:
        legal = [action for action, one in enumerate(play.mask()) if one]
        reward, over, illegal = play.step(rng.choice(legal))
        assert (over, illegal) == (play.over, False)
        rewards.append(reward)
    return rewards


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    instance=workloads(),
    action=st.sampled_from(["pe", "task", "joint"]),
    wait=st.booleans(),
    stale=st.booleans(),
    seed=st.integers(0, 9),
)
def test_runs_validate(instance, action, wait, stale, seed):
    play = ReferenceSoC(instance, action=action, wait=wait, window=3, stale_estimates=stale)
    played(play, seed)
    verdict = validate(instance, play.solution())
    assert verdict.violations == ()
    values = {**play.objectives(), "lost": play.lost, "completed": sum(job.end >= 0 for job in play.jobs)}
    waits = play.now - play.pending.arrival if play.pending else 0
    values["blocked"] = play.blocked + waits
    assert {key: verdict.values[key] for key in values} == pytest.approx(values)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(instance=workloads(), reward=st.sampled_from(REWARDS), wait=st.booleans(), seed=st.integers(0, 9))
def test_returns_are_those_documented(instance, reward, wait, seed):
    play = ReferenceSoC(instance, reward=reward, weight=0.25, wait=wait)
    rewards = played(play, seed)
    final, n = play.objectives(), len(play.counted)
    completed = sum(job.end >= 0 for job in play.jobs)
    energy = final["energy"] * max(1, completed) / (play.c * play.most_power)
    jobs = play.integral / play.c
    expected = {
        "jobs": -jobs,
        "latency": -final["latency"] * n / play.c,
        "completion": 50.0 * completed - 0.5 * play.now,
        "energy": -energy,
        "weighted": -0.75 * jobs - 0.25 * energy,
        "deadline": -final["missed"] * n,
        "terminal": -final["latency"] / play.c,
    }
    assert sum(rewards) == pytest.approx(expected[reward], abs=1e-9)
    if instance.end == "drain":
        assert jobs == pytest.approx(final["latency"] * n / play.c)


# One tick per unit from PE to PE, one unit of data per tick; PE 1 is slow.
KERNELS = {"x": [2, 3], "y": [4, 1], "z": [None, 1], "o": [0, 0], "s": [1, 1]}
ODD = {"leak": (["x", "y", "z"], [(0, 1, 2), (0, 2, 5)])}


def one(apps, **facts):
    """One workload on two PEs; by default its applications come once each, at time 0."""
    if "arrivals" not in facts:
        facts = {"arrivals": "trace", "trace": tuple((0, k) for k in range(len(apps)))} | facts
    return Workload.from_dict(chip(KERNELS, [1, 1], apps, bandwidth=((1, 1), (1, 1)), **facts))


def course(play):
    """(job, task, PE, start, finish) of what has started."""
    run = play.solution()
    rows = zip(*np.nonzero(run.start >= 0), strict=True)
    return [(j, t, *(int(part[j, t]) for part in (run.pe, run.start, run.finish))) for j, t in rows]


def test_data_and_overtaking_by_hand():
    play = ReferenceSoC(one(ODD), reward="latency")
    assert [task.number for task in play.ready] == [0]
    assert play.step(0) == (0.0, False, False)
    # Task 0 ended at 2 on PE 0: its data is on PE 1 at 2 + 2 and at 2 + 5, on PE 0 (9 per tick) at once.
    assert (play.now, [task.number for task in play.ready]) == (2, [1, 2])
    assert [play.data_at(play.ready[0], p) for p in (0, 1)] == [2, 4]
    assert [play.eft(play.ready[0], p) for p in (0, 1)] == [6, 5]
    play.step(1)
    assert (play.free_at(0), play.free_at(1)) == (2, 5)
    assert play.step(0) == (-1.0, False, True)
    assert play.step(1) == (pytest.approx(-8 / play.c), True, False)
    assert course(play) == [(0, 0, 0, 0, 2), (0, 1, 1, 4, 5), (0, 2, 1, 7, 8)]
    assert play.critical == [3]


def test_overtaking_by_hand():
    """The task assigned first still waits for its data when the second one's has come."""
    play = ReferenceSoC(one(ODD), action="joint", window=2)
    assert play.step(0)[2] is False
    for action in (3, 1):  # task 2 to PE 1, then task 1 to PE 1
        play.step(action)
    assert course(play) == [(0, 0, 0, 0, 2), (0, 1, 1, 4, 5), (0, 2, 1, 7, 8)]
    assert play.over
    strict = ReferenceSoC(one(ODD), ordered=True)
    strict.assign(strict.ready[0], 0, plan=0)
    strict.go_on()
    first, second = strict.ready
    strict.assign(second, 1, plan=4)
    strict.assign(first, 1, plan=5)
    strict.go_on()
    assert course(strict)[1:] == [(0, 1, 1, 8, 9), (0, 2, 1, 7, 8)]


def test_shared_memory_by_hand():
    """Memory: 2 per tick from PE 0, 3 per tick to PE 1."""
    play = ReferenceSoC(one(ODD, communication="shared_memory"))
    play.step(0)
    assert (play.now, [(task.number, task.ready_at) for task in play.ready]) == (3, [(1, 3)])
    play.step(1)
    assert (play.now, [(task.number, task.ready_at) for task in play.ready]) == (4, [(2, 4)])
    play.step(1)
    assert course(play) == [(0, 0, 0, 0, 2), (0, 1, 1, 3, 4), (0, 2, 1, 5, 6)]


def test_outages_by_hand():
    """PE 0 pauses its task in [1, 5), PE 1 starts nothing in [0, 4)."""
    play = ReferenceSoC(one(ODD, outages=((0, 1, 5), (1, 0, 4))), wait=True)
    assert [play.free_at(p) for p in (0, 1)] == [0, 4]
    play.step(0)
    assert (play.now, play.pes[0].used) == (6, 2)
    play.step(1)
    play.step(1)
    assert course(play) == [(0, 0, 0, 0, 6), (0, 1, 1, 8, 9), (0, 2, 1, 11, 12)]
    # Either cluster was busy for 2 of 12 ticks.
    assert play.energy() == sum(10 * idle + 2 * busy for idle, busy in play.watts)


def test_tick_compat_by_hand():
    """A task of at most one tick frees its PE at its end, which its successors notice one tick later."""
    apps = {"short": (["s", "s"], [(0, 1, 0)]), "none": (["o", "x"], [(0, 1, 0)])}
    for compat, expected in (
        (False, [(0, 0, 0, 0, 1), (0, 1, 0, 1, 2), (1, 0, 1, 0, 0), (1, 1, 1, 0, 3)]),
        (True, [(0, 0, 0, 0, 1), (0, 1, 0, 2, 3), (1, 0, 1, 0, 0), (1, 1, 1, 1, 4)]),
    ):
        play = ReferenceSoC(one(apps, tick_compat=compat), reward="latency")
        while not play.over:
            play.step(play.ready[0].job.number)
        assert course(play) == expected
        assert [job.end for job in play.jobs] == [expected[1][-1], expected[3][-1]]


def test_full_systems_by_hand():
    """Jobs of 2 ticks on PE 0 with capacity 1, attempts every tick from 1 on."""
    apps, expected = {"job": (["x"], [])}, {}
    for full in ("block", "redraw", "queue"):
        play = ReferenceSoC(one(apps, arrivals="periodic", scale=1.0, jobs=3, capacity=1, full=full))
        while not play.over:
            play.step(0)
        expected[full] = [(job.arrival, job.inject, job.clock, job.end) for job in play.jobs]
        assert (play.lost, play.blocked) == {"block": (0, 2), "redraw": (2, 0), "queue": (0, 0)}[full]
    assert expected["block"] == [(1, 1, 1, 3), (2, 3, 3, 5), (4, 5, 5, 7)]
    assert expected["redraw"] == [(1, 1, 1, 3), (4, 4, 4, 6), (7, 7, 7, 9)]
    assert expected["queue"] == [(1, 1, 1, 3), (2, 3, 2, 5), (3, 5, 3, 7)]


def test_ends_by_hand():
    """Jobs of 2 ticks, one every 3 ticks."""
    apps, facts = {"job": (["x"], [])}, {"arrivals": "periodic", "scale": 3.0}
    drain = ReferenceSoC(one(apps, **facts, length=12, warmup=4, cooldown=2))
    cut = ReferenceSoC(one(apps, **facts, length=10, warmup=6, end="cut"))
    stopped = ReferenceSoC(one(apps, **facts, jobs=9, stop_after=2, end="cut"))
    for play in (drain, cut, stopped):
        while not play.over:
            play.step(0)
    # Attempts at 3, 6, 9: those at 6 and 9 are in [4, 10).
    assert ([job.number for job in drain.counted], drain.now) == ([1, 2], 11)
    assert ([job.number for job in cut.counted], cut.now, cut.integral) == ([1], 10, 3)
    assert ([job.end for job in stopped.jobs], stopped.now) == ([5, 8], 8)


def test_waiting_by_hand():
    play = ReferenceSoC(one({"job": (["x"], [])}, arrivals="trace", trace=((0, 0), (5, 0))), wait=True)
    assert play.mask() == [1, 1, 1]
    play.step(2)
    assert (play.now, len(play.ready)) == (5, 2)
    # Nothing runs, nobody comes: waiting would be for good.
    assert play.mask() == [1, 1, 0]
    play.step(0)
    play.step(2)
    assert (play.now, len(play.ready)) == (7, 1)


def test_full_system_is_no_reason_to_wait():
    """With all places taken no attempt ends a wait."""
    for full in ("block", "redraw", "queue"):
        facts = {"arrivals": "periodic", "scale": 2.0, "jobs": 4, "capacity": 1, "full": full}
        play = ReferenceSoC(one({"job": (["x"], [])}, **facts), wait=True)
        assert play.mask() == [1, 1, 0]
        play.step(0)
        assert play.ready[0].job.number == 1


def test_stale_estimates_by_hand():
    """A(p) stays as promised although the task took longer or shorter than expected."""
    apps = {"job": (["x"], [])}
    play = ReferenceSoC(one(apps, trace=((0, 0), (1, 0)), arrivals="trace", outages=((0, 0, 9),)), stale_estimates=True)
    assert [play.free_at(p) for p in (0, 1)] == [0, 0]
    play.step(0)
    assert (play.now, [play.free_at(p) for p in (0, 1)]) == (1, [2, 1])
    play = ReferenceSoC(one(apps, trace=((0, 0), (1, 0)), arrivals="trace", outages=((0, 0, 9),)))
    play.step(0)
    assert (play.now, [play.free_at(p) for p in (0, 1)]) == (1, [11, 1])
