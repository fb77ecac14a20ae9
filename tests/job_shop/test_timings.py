"""The timing disciplines by hand: who may be chosen, where the operation goes, what the clock does."""

import numpy as np
import pytest
from hypothesis import given, settings

from families import shop
from ganttlet.job_shop.env import JobShopVectorEnv
from ganttlet.job_shop.layout import CLOCK
from reference.job_shop_strategies import problems


class Play:
    """One episode of a hand-made shop, told action by action."""

    def __init__(self, timing, jobs, machines, **facts):
        self.env = JobShopVectorEnv(1, instance=shop(jobs, machines, **facts), timing=timing)
        self.mask = self.env.reset(seed=0)[1]["action_mask"][0].tolist()

    @property
    def clock(self):
        return int(self.env._state.totals[0, CLOCK])

    def place(self, *actions):
        for action in actions:
            info = self.env.step(np.array([action]))[4]
            assert not info["illegal_action"][0], action
            self.mask = info["action_mask"][0].tolist()
        return self

    @property
    def start(self):
        return self.env.solution(0).start.tolist()


TWO = [[(0, 3), (1, 2)], [(0, 2), (1, 4)], [(1, 5), (0, 1)]]


def test_nondelay_offers_what_can_start_first():
    play = Play("nondelay", TWO, 2)
    assert (play.mask, play.clock) == ([1, 1, 1], 0)
    play.place(0)
    assert (play.mask, play.clock) == ([0, 0, 1], 0)
    play.place(2)
    assert (play.mask, play.clock) == ([0, 1, 0], 3)
    play.place(1)
    assert (play.mask, play.clock) == ([1, 1, 1], 5)
    play.place(1)
    assert (play.mask, play.clock) == ([0, 0, 1], 5)
    play.place(2, 0)
    assert (play.start, play.clock) == ([[0, 9], [3, 5], [0, 5]], 11)


def test_active_offers_the_giffler_thompson_set():
    """The earliest completion is at 2 on machine 0; its rivals are those that could start there before 2."""
    jobs = [[(0, 9)], [(0, 2)], [(1, 1), (0, 4)], [(0, 1)], [(1, 3)]]
    play = Play("active", jobs, 2, release=[1, 0, 0, 2, 0])
    assert play.mask == [0, 0, 1, 0, 1]  # machine 1 first: job 2 would end at 1
    play.place(2)
    assert play.mask == [1, 1, 1, 0, 0]
    play.place(0)
    assert play.start[0] == [1, -1]
    assert (play.mask, play.clock) == ([0, 0, 0, 0, 1], 1)


def test_active_offers_an_operation_of_no_duration_alone():
    play = Play("active", [[(0, 5)], [(0, 0)], [(0, 0)]], 1)
    assert play.mask == [0, 1, 0]
    assert play.place(1).mask == [0, 0, 1]
    assert play.place(2).mask == [1, 0, 0]


def test_wait_moves_the_clock_to_the_next_start():
    play = Play("wait", [[(0, 4), (1, 1)], [(1, 2), (0, 3)], [(0, 1)]], 2, release=[0, 2, 5])
    assert (play.mask, play.clock) == ([1, 0, 0, 1], 0)
    play.place(3)
    assert (play.mask, play.clock) == ([1, 1, 0, 1], 2)
    play.place(1)
    assert play.start[1] == [2, -1]
    assert (play.mask, play.clock) == ([1, 0, 0, 1], 2)
    play.place(3)
    assert (play.mask, play.clock) == ([1, 1, 0, 1], 4)
    play.place(3)
    assert (play.mask, play.clock) == ([1, 1, 1, 0], 5)  # all start at 5: nothing to wait for
    play.place(2, 0, 1, 0)
    assert play.start == [[6, 10], [2, 10], [5, -1]]
    assert play.clock == 13


def test_wait_reaches_the_optimum_that_nondelay_cannot():
    jobs = [[(0, 10)], [(1, 1), (0, 1), (1, 20)]]
    play = Play("wait", jobs, 2).place(1, 2, 1, 1, 0)
    assert play.start == [[2, -1, -1], [0, 1, 2]]
    assert play.env.objective_values("makespan")[0] == 22


def test_append_never_looks_back():
    play = Play("append", TWO, 2)
    play.place(0)
    assert play.mask == [1, 1, 1]
    play.place(0, 2)
    assert play.start == [[0, 3], [-1, -1], [5, -1]]
    play.place(1, 1, 2)
    assert play.mask == [1, 1, 1]
    assert play.start == [[0, 3], [3, 10], [5, 10]]


def test_insert_takes_the_earliest_gap_that_fits():
    jobs = [[(0, 3), (1, 3)], [(1, 3), (0, 2)], [(1, 4)], [(1, 0), (0, 1)]]
    play = Play("insert", jobs, 2)
    play.place(0, 0, 2)
    assert play.start[0] == [0, 3]
    assert play.start[2] == [6, -1]  # four ticks do not fit before 3
    play.place(1)
    assert play.start[1][0] == 0  # three do, exactly
    play.place(3)
    assert play.start[3][0] == 0
    play.place(1, 3)
    assert play.start == [[0, 3], [0, 3], [6, -1], [0, 5]]


def test_insert_with_a_revisited_machine():
    play = Play("insert", [[(0, 2), (1, 3), (0, 2)], [(0, 3)], [(0, 4)]], 2).place(0, 0, 0)
    assert play.start[0] == [0, 2, 5]
    play.place(2, 1)
    assert play.start == [[0, 2, 5], [2, -1, -1], [7, -1, -1]]


def test_jssenv_blocks_the_machine_and_jumps_to_the_next_completion():
    play = Play("wait_jssenv", TWO, 2)
    assert (play.mask, play.clock) == ([1, 1, 1, 0], 0)
    play.place(1)
    assert (play.mask, play.clock) == ([0, 0, 1, 0], 0)
    play.place(2)
    assert (play.mask, play.clock) == ([1, 0, 0, 0], 2)
    play.place(0)
    assert play.clock == 5
    assert play.start == [[2, -1], [0, -1], [0, -1]]


def test_jssenv_withholds_a_long_last_operation():
    """Job 0 is at its last operation, longer than job 1's, which can go on to idle machine 1."""
    jobs = [[(0, 5)], [(0, 2), (1, 3)]]
    assert Play("wait_jssenv", jobs, 2).mask == [0, 1, 0]
    assert Play("wait_jssenv", [[(0, 2)], [(0, 2), (1, 3)]], 2).mask == [1, 1, 0]


def test_jssenv_offers_waiting_only_when_something_better_may_come():
    """Job 1 can reach machine 0 at 2, before job 0's operation there would end at 9."""
    play = Play("wait_jssenv", [[(0, 9), (1, 1)], [(1, 2), (0, 3), (1, 4)]], 2)
    assert play.mask == [1, 1, 0]  # nothing is running yet
    play.place(1)
    assert play.mask == [1, 0, 1]
    play.place(2)
    assert (play.mask, play.clock) == ([0, 1, 0], 2)  # job 0 is banned until machine 0 takes another
    play.place(1)
    assert (play.mask, play.clock) == ([1, 1, 0], 5)


@pytest.mark.parametrize("timing", ["nondelay", "active", "wait", "append", "insert", "wait_jssenv"])
def test_releases_are_kept(timing):
    play = Play(timing, [[(0, 2)], [(0, 3)]], 1, release=[10, 4])
    if timing == "nondelay":
        assert (play.mask, play.clock) == ([0, 1], 4)
    while not play.env.done[0]:
        play.place(int(np.argmax(play.mask)))
    assert play.start[0][0] >= 10
    assert play.start[1][0] >= 4


@pytest.mark.parametrize("timing", ["wait", "wait_jssenv"])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(instance=problems())
def test_waiting_whenever_possible_stays_within_the_longest_episode(timing, instance):
    """Every wait passes the end of an operation or a release, of which there are only so many."""
    env = JobShopVectorEnv(1, instance=instance, timing=timing)
    info = env.reset(seed=0)[1]
    waits = 0
    while not env.done[0]:
        action = int(np.flatnonzero(info["action_mask"][0])[-1])
        waits += action == instance.n_jobs
        info = env.step(np.array([action]))[4]
    assert waits <= instance.n_ops.sum() + (instance.release > 0).sum()
    assert env.max_episode_steps == 4 * (2 * instance.machine.size + instance.n_jobs)
