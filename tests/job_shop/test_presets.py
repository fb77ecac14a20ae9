"""Presets: their options, what overrides them, the identities they stand for, and JSSEnv's recorded episodes."""

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import ganttlet  # noqa: F401  (registers the ids)
from families import shop
from ganttlet.job_shop import PRESETS
from ganttlet.job_shop.env import JobShopVectorEnv
from ganttlet.job_shop.kernel import REWARDS
from ganttlet.job_shop.layout import CLOCK
from ganttlet.job_shop.timing import TIMINGS
from reference.play import legal_action

FIXTURE = Path(__file__).parents[1] / "fixtures" / "jssenv_episodes.json"
RECORDED = json.loads(FIXTURE.read_text(encoding="utf-8"))["episodes"]
ID = "ganttlet/JobShop-v0"


def chosen(env):
    """Return the options that a preset sets."""
    return TIMINGS[env._timing], REWARDS[env._reward_kind], env._window


@pytest.mark.parametrize(
    ("preset", "options"),
    [
        ("l2d", ("insert", "bound", 2)),
        ("slim", ("append", "terminal", 2)),
        ("cp", ("wait", "terminal", 5)),
        ("jssenv", ("wait_jssenv", "idle", 2)),
        (None, ("nondelay", "bound", 2)),
    ],
)
def test_options(preset, options):
    assert chosen(JobShopVectorEnv(preset=preset)) == options
    assert chosen(gym.make(ID, preset=preset).unwrapped.batch) == options
    assert set(PRESETS) == {"l2d", "slim", "cp", "jssenv"}


def test_other_arguments_override_a_preset():
    assert chosen(JobShopVectorEnv(preset="cp", reward="bound", window=1)) == ("wait", "bound", 1)
    assert chosen(JobShopVectorEnv(preset="jssenv", timing="wait")) == ("wait", "idle", 2)
    assert chosen(JobShopVectorEnv(preset="l2d", objective="flow_time")) == ("insert", "bound", 2)


def episode(preset, seed, **options):
    """Play a random episode of a random 5x4 shop; return the instance, the rewards and the final makespan."""
    rng = np.random.default_rng(seed)
    env = JobShopVectorEnv(1, preset=preset, generator={"name": "l2d", "jobs": 5, "machines": 4}, **options)
    _, info = env.reset(seed=seed)
    rewards = []
    while not env.done[0]:
        _, reward, _, _, info = env.step(np.array([legal_action(info["action_mask"][0], rng)]))
        rewards.append(float(reward[0]))
    return env.instance(0), rewards, float(info["objectives"]["makespan"][0])


@pytest.mark.parametrize("seed", range(8))
def test_returns(seed):
    instance, rewards, makespan = episode("l2d", seed)
    assert sum(rewards) == instance.work.max() - makespan
    assert len(rewards) == 20
    instance, rewards, makespan = episode("jssenv", seed)
    total, longest = int(instance.work.sum()), int(instance.duration.max())
    assert sum(rewards) == pytest.approx((2 * total - 4 * makespan) / longest)
    for preset in ("slim", "cp"):
        _, rewards, makespan = episode(preset, seed)
        assert rewards == [0.0] * (len(rewards) - 1) + [-makespan]


@pytest.mark.parametrize("seed", range(8))
def test_cp_is_bound_propagation(seed):
    """Start bounds as in JobShopCPEnv: a job is legal iff its bound is least; waiting lifts all bounds to the next."""
    rng = np.random.default_rng(seed)
    env = JobShopVectorEnv(1, preset="cp", generator={"name": "uniform", "jobs": 4, "machines": 3, "high": 9})
    _, info = env.reset(seed=seed)
    instance = env.instance(0)
    n, m = instance.machine.shape
    bound = np.zeros(n, int)
    step = np.zeros(n, int)
    fixed = {k: [] for k in range(m)}
    waits = 0
    while not env.done[0]:
        alive = np.flatnonzero(step < m)
        for j in alive:  # no-overlap against fixed intervals
            k = instance.machine[j, step[j]]
            bound[j] = max([bound[j], *(end for _, end in fixed[k])])
        values = sorted({int(bound[j]) for j in alive})
        expected = [int(j in alive and bound[j] == values[0]) for j in range(n)] + [int(len(values) > 1)]
        assert info["action_mask"][0].tolist() == expected
        action = n if expected[n] and rng.random() < 0.4 else legal_action(np.array([*expected[:n], 0]), rng)
        info = env.step(np.array([action]))[4]
        if action == n:
            waits += 1
            bound[alive] = np.maximum(bound[alive], values[1])
            continue
        k, end = instance.machine[action, step[action]], bound[action] + instance.duration[action, step[action]]
        assert env.solution(0).start[action, step[action]] == bound[action]
        fixed[k].append((bound[action], end))
        bound[action] = end
        step[action] += 1
    assert waits > 0


@pytest.mark.parametrize("index", range(len(RECORDED)), ids=[f"{i}-{e['name']}" for i, e in enumerate(RECORDED)])
def test_jssenv_replays_recorded_episodes_exactly(index):
    """Masks, rewards, clock and start times, as recorded from JSSEnv 1.1.0."""
    recorded = RECORDED[index]
    jobs = [list(zip(row[::2], row[1::2], strict=True)) for row in recorded["jobs"]]
    env = JobShopVectorEnv(1, preset="jssenv", instance=shop(jobs, recorded["n_machines"]))
    longest = max(p for job in jobs for _, p in job)
    _, info = env.reset(seed=0)
    masks = [int(word, 16) for word in recorded["masks"].split()]
    last = len(recorded["actions"]) - 1
    for t, action in enumerate(recorded["actions"]):
        assert sum(int(ok) << a for a, ok in enumerate(info["action_mask"][0])) == masks[t]
        _, reward, terminated, _, info = env.step(np.array([action]))
        assert reward[0] * longest == pytest.approx(recorded["rewards"][t], abs=1e-9)
        assert env._state.totals[0, CLOCK] == recorded["clocks"][t]
        assert not info["illegal_action"][0]
        assert bool(terminated[0]) == (t == last)
    assert env.solution(0).start.tolist() == recorded["start"]
    assert info["objectives"]["makespan"][0] == recorded["makespan"]
    assert info["action_mask"][0].all()
