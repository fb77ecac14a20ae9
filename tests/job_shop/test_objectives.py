"""Objectives and rewards by hand, penalties, and the discount that infos report."""

import numpy as np
import pytest

from families import shop
from ganttlet.core.errors import InputError
from ganttlet.job_shop.env import JobShopVectorEnv
from reference.play import row_of

SHOP = shop([[(0, 3), (1, 2)], [(0, 2)]], 2, release=[1, 0], due=[5, 4], weight=[2, 5])
ACTIONS = (0, 1, 0)
BOUNDS = {
    # at the start; job 0 placed 1–4; job 1 placed 4–6; job 0 placed 4–6
    "makespan": [6, 6, 6, 6],
    "flow_time": [7, 11, 11, 11],
    "total_tardiness": [1, 3, 3, 3],
    "weighted_tardiness": [2, 12, 12, 12],
}


def play(actions=ACTIONS, instance=SHOP, **options):
    env = JobShopVectorEnv(1, instance=instance, **{"timing": "append", **options})
    infos = [env.reset(seed=0)[1]]
    rewards = []
    for action in actions:
        _, reward, _, _, info = env.step(np.array([action]))
        infos.append(info)
        rewards.append(float(reward[0]))
    return rewards, [row_of(info, 0) for info in infos], env


@pytest.mark.parametrize("objective", BOUNDS)
def test_bound_and_terminal_rewards(objective):
    rewards, infos, _ = play(objective=objective)
    assert [info["objectives"][objective] for info in infos] == BOUNDS[objective]
    steps = zip(BOUNDS[objective], BOUNDS[objective][1:], strict=False)
    assert rewards == [before - after for before, after in steps]
    rewards, _, _ = play(objective=objective, reward="terminal")
    assert rewards == [0, 0, -BOUNDS[objective][-1]]


def test_all_objectives_are_shown_whichever_is_rewarded():
    for objective in BOUNDS:
        _, infos, env = play(objective=objective)
        assert infos[-1]["objectives"] == {name: values[-1] for name, values in BOUNDS.items()}
        for name, values in BOUNDS.items():
            assert env.objective_values(name).tolist() == [values[-1]]
    with pytest.raises(ValueError, match="objective: unknown value 'cost'"):
        env.objective_values("cost")


def test_without_due_dates_there_is_no_tardiness():
    _, infos, _ = play(instance=shop([[(0, 3), (1, 2)], [(0, 2)]], 2))
    assert set(infos[0]["objectives"]) == {"makespan", "flow_time"}


def test_idle_reward_pays_work_and_charges_idle_machines():
    """Without a clock each machine is charged up to its last end, at the end all of them up to the makespan."""
    rewards, _, env = play(reward="idle")
    # Job 0 on machine 0 at 1–4: 3 placed, 1 idle. Job 1 at 4–6: 2 placed. Job 0 on machine 1 at 4–6: 2 placed, 4 idle.
    assert rewards == pytest.approx([(3 - 1) / 3, 2 / 3, (2 - 4) / 3])
    assert sum(rewards) == pytest.approx((2 * 7 - 2 * 6) / 3)
    assert env.done.all()


def test_idle_reward_with_a_clock_charges_every_machine_as_time_passes():
    rewards, _, _ = play((1, 0, 0), reward="idle", timing="nondelay")
    # Job 1 at 0–2, then the clock is at 2: 2 placed, machine 1 idle for 2. Job 0 at 2–5, clock 5: 3 placed, 3 idle.
    # Job 0 on machine 1 at 5–7: 2 placed, machine 0 idle for 2.
    assert rewards == pytest.approx([(2 - 2) / 3, (3 - 3) / 3, (2 - 2) / 3])


def test_load_bound_reward_sees_at_once_what_the_jobs_bounds_see_late():
    """Job 2 can come first on machine 1, at 4, once the clock is there: its 12 ticks end at 16, whatever follows."""
    jobs = [[(0, 5), (1, 3)], [(0, 4), (1, 3)], [(1, 6)]]
    rewards, infos, _ = play((0, 2, 0, 1, 1), shop(jobs, 2, release=[0, 0, 4]), reward="load_bound")
    assert rewards == [12 - 16, 0, 0, 0, 0]
    assert [info["objectives"]["makespan"] for info in infos] == [10, 12, 13, 13, 16, 16]


@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("reward", ["bound", "terminal", "idle", "load_bound"])
def test_an_illegal_action_costs_its_penalty_and_nothing_else(penalty, reward):
    legal, _, _ = play(reward=reward)
    rewards, infos, _ = play((0, 7, 1, 1, 0), reward=reward, illegal_penalty=penalty)
    assert rewards == pytest.approx([legal[0], -penalty, legal[1], -penalty, legal[2]])
    assert [info["illegal_action"] for info in infos] == [False, False, True, False, True, False]


def test_discount_is_gamma_at_every_decision():
    _, infos, _ = play(gamma=0.75)
    assert [info["discount"] for info in infos] == [0.75] * 4
    _, infos, _ = play()
    assert [info["discount"] for info in infos] == [1.0] * 4


def test_weighted_tardiness_beyond_exact_floats_is_refused():
    """Sums of 64-bit integers would wrap around, silently, in the kernel and in the validator alike."""
    top = 2**31 - 1
    jobs = [[(0, top // 3)], [(0, top // 3)]]
    with pytest.raises(InputError, match=r"field 'weight': weighted tardiness may reach .*2\*\*53"):
        shop(jobs, 1, due=[-(2**31)] * 2, weight=[top, top])
    largest = shop(jobs, 1, due=[0, 0], weight=[2**20, 2**20])
    _, infos, _ = play((0, 1), largest, objective="weighted_tardiness")
    assert infos[-1]["objectives"]["weighted_tardiness"] == 2**20 * 3 * (top // 3)


def test_early_jobs_are_not_tardy_and_weights_of_zero_do_not_count():
    early = shop([[(0, 3)], [(0, 2)]], 1, due=[100, 3], weight=[3, 0])
    rewards, infos, _ = play((0, 1), early, objective="weighted_tardiness")
    assert infos[-1]["objectives"] == {"makespan": 5, "flow_time": 8, "total_tardiness": 2, "weighted_tardiness": 0}
    assert rewards == [0, 0]
