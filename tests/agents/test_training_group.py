"""Rows that share a world: their seeds, how they keep together, and the baseline they are to one another."""

import itertools

import gymnasium as gym
import numpy as np
import pytest
import torch

from ganttlet.core.errors import InputError
from ganttlet.core.rng import random_legal
from ganttlet_agents.policy.config import NetworkConfig
from ganttlet_agents.policy.network import GraphPolicy
from ganttlet_agents.policy.schema import Schema
from ganttlet_agents.settings import build
from ganttlet_agents.training.adapter import BatchVecEnv, Played
from ganttlet_agents.training.baseline import GroupBaseline
from ganttlet_agents.training.buffer import GraphRolloutBuffer
from ganttlet_agents.training.config import PPOConfig, TrainConfig
from ganttlet_agents.training.ppo import PPOLearner
from ganttlet_agents.training.task import Task

ENV = "ganttlet/JobShop-v0"
DRAW = {"name": "uniform", "jobs": [2, 4], "machines": 3}
# With forced decisions left out, how long an episode is depends on how it is played.
UNEVEN = {"generator": DRAW, "timing": "active", "observation": "machines", "skip_forced": True, "gamma": 0.9}


def vec(rows, group, **options):
    env = gym.make_vec(ENV, num_envs=rows, autoreset_mode="same_step", copy=False, **{**UNEVEN, **options})
    return BatchVecEnv(env.unwrapped, 0.1, group)


def legal(obs, turn):
    actions = np.zeros(len(obs["action_mask"]), np.int64)
    random_legal(np.ascontiguousarray(obs["action_mask"]), np.uint64(turn), actions)
    return actions


def digest(venv, row):
    return venv.env.instance(row).digest


def slow(venv, seed=0):
    """Let every step of the batch take a time of its own, and discount by it."""
    step, rng = venv.env.step, np.random.default_rng(seed)

    def stretched(actions):
        result = step(actions)
        discount = 0.9 ** rng.choice([0.0, 0.5, 3.0], venv.num_envs)
        infos = [result[4], result[4].get("final_info", {})]
        for info in infos:
            if "discount" in info:
                info["discount"][:] = discount
        return result

    venv.env.step = stretched
    return venv


# Rows in groups.


def test_a_group_plays_the_same_episodes_and_groups_differ():
    venv = vec(6, 3)
    venv.seed(5)
    obs = venv.reset()
    played = [{} for _ in range(6)]
    for turn in range(150):
        for row in range(6):
            played[row].setdefault(int(venv.episode[row]), digest(venv, row))
        obs = venv.step(legal(obs, turn))[0]
    merged = [{}, {}]
    for row, found in enumerate(played):
        for episode, one in found.items():
            assert merged[row // 3].setdefault(episode, one) == one
    assert [len(one) > 5 for one in merged] == [True, True]
    assert not set(merged[0].values()) & set(merged[1].values())


def test_groups_of_one_count_on_from_the_seed():
    alone, pair = vec(4, 1), vec(4, 2)
    for venv in (alone, pair):
        venv.seed(3)
        venv.reset()
    digests = [[digest(venv, row) for row in range(4)] for venv in (alone, pair)]
    assert len(set(digests[0])) == 4
    assert digests[1] == [digests[0][0], digests[0][0], digests[0][1], digests[0][1]]


def test_without_a_seed_a_group_still_shares_its_world():
    venv = vec(4, 2)
    for _ in range(2):
        venv.reset()
        found = [digest(venv, row) for row in range(4)]
        assert found[0] == found[1] != found[2] == found[3]
    assert venv.episode.tolist() == [1] * 4


def test_who_ends_an_episode_late_goes_on_from_who_is_furthest():
    venv = vec(6, 3)
    venv.seed(1)
    obs, joined, length, total = venv.reset(), 0, np.zeros(6, int), np.zeros(6)
    for turn in range(300):
        before = venv.episode.copy()
        obs, reward, dones, infos = venv.step(legal(obs, turn))
        length, total = length + 1, total + reward
        for row in np.flatnonzero(dones):
            assert infos[row]["episode"] == {"r": pytest.approx(total[row], rel=1e-5), "l": length[row]}
        length[dones], total[dones] = 0, 0.0
        # Where each row is before any joins another: those that ended, at the start of their next episode.
        place = [(before[row] + 1, 0.0) if dones[row] else (before[row], venv.clock[row]) for row in range(6)]
        for row in np.flatnonzero(dones):
            leader = max(range(row - row % 3, row - row % 3 + 3), key=place.__getitem__)
            assert (venv.episode[row], venv.clock[row]) == place[leader]
            if place[leader] > place[row]:
                joined += 1
                for part in obs.values():
                    np.testing.assert_array_equal(part[row], part[leader])
                length[row], total[row] = length[leader], total[leader]
        for first in (0, 3):
            # Others may play some short episodes while one ends a long one, but the lead does not grow from there.
            assert np.ptp(venv.episode[first : first + 3]) <= 3
    assert joined > 10


def test_a_row_that_joined_plays_on_by_itself():
    venv = vec(2, 2)
    venv.seed(2)
    obs = venv.reset()
    for turn in itertools.count():
        obs, _, dones, _ = venv.step(legal(obs, turn))
        if dones.sum() == 1 and venv.clock.min() > 0:
            break
    actions = legal(obs, 0)
    actions[1] = actions[0]
    obs, reward, _, _ = venv.step(actions)
    assert reward[0] == reward[1]
    for part in obs.values():
        np.testing.assert_array_equal(part[0], part[1])
    while (choices := [np.flatnonzero(mask) for mask in obs["action_mask"]]) and len(choices[0]) < 2:
        obs = venv.step(legal(obs, 0))[0]
    obs = venv.step(np.array([choices[0][0], choices[0][-1]]))[0]
    assert any(not np.array_equal(part[0], part[1]) for part in obs.values())


@pytest.mark.parametrize("gamma", [0.9, 1.0])
def test_time_is_what_the_environment_discounts_by(gamma):
    """Some decisions take no time, others long; without discounting decisions are counted."""
    venv = vec(3, 1, gamma=gamma)
    venv = slow(venv) if gamma < 1 else venv
    venv.seed(0)
    obs, clock, lengths = venv.reset(), np.zeros(3), set()
    for turn in range(60):
        obs, reward, dones, _ = venv.step(legal(obs, turn))
        played = venv.played
        np.testing.assert_array_equal(played.reward, reward)
        np.testing.assert_array_equal(played.terminated, dones)
        np.testing.assert_allclose(played.began, clock, atol=1e-9)
        np.testing.assert_allclose(gamma**played.took, played.discount, rtol=1e-9)
        clock = np.where(dones, 0.0, clock + played.took)
        np.testing.assert_allclose(venv.clock, clock, atol=1e-9)
        lengths |= set(played.took.round(6).tolist())
    assert lengths == ({1.0} if gamma == 1.0 else {0.0, 0.5, 3.0})


def test_state_keeps_clocks_and_episodes():
    venv, other = vec(4, 2), vec(4, 2)
    venv.seed(4)
    obs = venv.reset()
    for turn in range(37):
        obs = venv.step(legal(obs, turn))[0]
    other.seed(9)
    other.reset()
    other.env.restore(venv.env.snapshot())
    copied = other.set_state(venv.state())
    for turn in range(37, 90):
        obs, reward, _, _ = venv.step(legal(obs, turn))
        copied, again, _, _ = other.step(legal(copied, turn))
        np.testing.assert_array_equal(reward, again)
        for one, two in zip(venv.played, other.played, strict=True):
            np.testing.assert_array_equal(one, two)


# The baseline.

STEPS, ROWS, GROUP = 9, 6, 3


def random_rollout(seed):
    """Return Played of every step, returns, values, ended and last of rows that end at random or are cut off."""
    rng = np.random.default_rng(seed)
    clock, episode = rng.uniform(0, 2, ROWS), np.array([0, 0, 1, 2, 2, 2])
    steps, ended = [], np.zeros((STEPS, ROWS), bool)
    for at in range(STEPS):
        # Some decisions take no time.
        took = rng.choice([0.0, 0.5, 1.0, 1.7], ROWS)
        ended[at] = rng.random(ROWS) < 0.25
        terminated = ended[at] & (rng.random(ROWS) < 0.7)
        nothing = np.zeros(ROWS)
        steps.append(Played(nothing, nothing, clock.copy(), took, episode.copy(), terminated))
        clock = np.where(ended[at], 0.0, clock + took)
        episode = episode + ended[at]
    returns, values = rng.normal(size=(STEPS, ROWS)), rng.normal(size=(STEPS, ROWS))
    return steps, returns, values, ended, rng.normal(size=ROWS)


def said(steps, returns, ended, last, row, episode, time):
    """Return what ``row`` has to say of the return from ``time`` of ``episode`` on, None if nothing."""
    points, over, known = [], False, False
    for at in range(STEPS):
        if steps[at].episode[row] == episode:
            known = True
            points.append((steps[at].began[row], returns[at, row]))
            end = steps[at].began[row] + steps[at].took[row]
            if ended[at, row]:
                over = bool(steps[at].terminated[row])
                points += [(end, 0.0)] if over else []
            elif at == STEPS - 1:
                points.append((end, last[row]))
    if not known or time < points[0][0]:
        return None
    if time > points[-1][0]:
        return 0.0 if over else None
    before = [point for point in points if point[0] <= time][-1]
    after = [point for point in points if point[0] > time][:1]
    if not after:
        return before[1]
    share = (time - before[0]) / (after[0][0] - before[0])
    return before[1] + share * (after[0][1] - before[1])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("surprise", [False, True])
def test_the_baseline_is_the_mean_of_what_the_others_got(seed, surprise):
    """Or, by surprise, the value and the mean of what they got beyond theirs, which ends with nothing."""
    steps, returns, values, ended, last = random_rollout(seed)
    baseline = GroupBaseline(STEPS, ROWS, GROUP, surprise)
    for at, played in enumerate(steps):
        baseline.note(at, played)
    found = baseline.of(returns, values, ended, last)
    if surprise:
        returns, last = returns - values, np.zeros(ROWS)
    told = 0
    for at in range(STEPS):
        for row in range(ROWS):
            others = [one for one in range(row - row % GROUP, row - row % GROUP + GROUP) if one != row]
            episode, time = steps[at].episode[row], steps[at].began[row]
            heard = [said(steps, returns, ended, last, other, episode, time) for other in others]
            heard = [one for one in heard if one is not None]
            told += bool(heard)
            expected = np.mean(heard) if heard else 0.0 if surprise else values[at, row]
            assert found[at, row] == pytest.approx(expected + surprise * values[at, row], abs=1e-5)
    assert baseline.share == told / (STEPS * ROWS)


def test_between_decisions_returns_are_linear_in_time():
    baseline = GroupBaseline(2, 2, 2)
    nothing = np.zeros(2)
    for at, (began, took) in enumerate([((0.0, 0.0), (3.0, 4.0)), ((3.0, 4.0), (5.0, 1.0))]):
        ends = np.array([at == 1, at == 1])
        baseline.note(at, Played(nothing, nothing, np.array(began), np.array(took), np.zeros(2, int), ends))
    returns, ended = np.array([[10.0, 20.0], [5.0, 8.0]]), np.array([[False, False], [True, True]])
    found = baseline.of(returns, np.full((2, 2), 99.0), ended, np.zeros(2))
    # Row 0 decides at 0 and 3 and ends at 8; row 1 at 0 and 4, and ends at 5.
    np.testing.assert_allclose(found, [[20.0, 10.0], [20.0 - 3 * 12 / 4, 5.0 - 5.0 / 5]])
    assert baseline.share == 1.0


def test_the_buffer_measures_returns_against_the_baseline():
    """The same rollout with and without: returns are equal, and advantages are returns less what is said."""
    space = gym.spaces.Dict({"job_mask": gym.spaces.Box(0, 1, (1,), np.int8)})
    steps, _, values, ended, last = random_rollout(3)
    rng, buffers, steps_at = np.random.default_rng(1), [], [0]
    rewards = rng.normal(size=(STEPS, ROWS)).astype(np.float32)
    discounts = rng.uniform(0.5, 1, (STEPS, ROWS))
    given = [one._replace(reward=rewards[at], discount=discounts[at]) for at, one in enumerate(steps)]
    for baseline in (None, GroupBaseline(STEPS, ROWS, GROUP)):
        buffer = GraphRolloutBuffer(
            STEPS,
            space,
            gym.spaces.Discrete(2),
            gae_lambda=0.9,
            n_envs=ROWS,
            sizes="job",
            played=lambda: given[steps_at[0]],
            rng=rng,
            baseline=baseline,
        )
        buffer.reset()
        starts = np.ones(ROWS, bool)
        for at in range(STEPS):
            steps_at[0] = at
            obs, value = {"job_mask": np.ones((ROWS, 1), np.int8)}, torch.tensor(values[at])
            buffer.add(obs, np.zeros(ROWS), rewards[at], starts, value, torch.zeros(ROWS))
            starts = ended[at]
        buffer.compute_returns_and_advantage(torch.tensor(last), starts)
        buffers.append(buffer)
    plain, grouped = buffers
    np.testing.assert_array_equal(plain.returns, grouped.returns)
    twin = GroupBaseline(STEPS, ROWS, GROUP)
    for at, played in enumerate(given):
        twin.note(at, played)
    expected = plain.returns - twin.of(plain.returns, plain.values, ended, last)
    np.testing.assert_allclose(grouped.advantages, expected, atol=1e-5)
    assert 0 < twin.share < 1
    assert not np.allclose(grouped.advantages, plain.advantages, atol=0.1)


# In training.


def learner(env_kwargs=None, **ppo):
    options = {**UNEVEN, "reward": "bound", **(env_kwargs or {})}
    config = build(TrainConfig, {"env": ENV, "env_kwargs": options, "threads": 1}, "here")
    task = Task(config)
    torch.manual_seed(0)
    network = GraphPolicy(Schema.of(task.graph), NetworkConfig("pointer", 8, 1, 2, 8))
    settings = {"n_envs": 8, "n_steps": 24, "batch_size": 96, "n_epochs": 1, **ppo}
    return PPOLearner(task, network, network, PPOConfig(**settings), 0.05)


def test_what_a_group_shares_is_no_merit_of_a_decision():
    """Instances of very different length: the baseline takes that away, which a new value head does not know."""
    jobs = {"generator": {**DRAW, "jobs": [2, 12]}, "skip_forced": False, "gamma": 1.0, "reward": "terminal"}
    model = learner(jobs, n_envs=32, n_steps=36, gae_lambda=1.0, group=8, baseline="group")
    told = model.iterate(0.0)
    buffer = model.model.rollout_buffer
    assert told["baseline_share"] == model.baseline.share > 0.9
    finished = buffer.returns != 0
    assert buffer.advantages[finished].var() < 0.3 * (buffer.returns - buffer.values)[finished].var()


def test_a_group_stays_together_for_many_episodes():
    model = learner(group=4, baseline="group")
    told = [model.iterate(0.0) for _ in range(12)]
    assert model.venv.episode.min() > 20
    assert min(one["baseline_share"] for one in told) > 0.6
    assert "baseline_share" not in learner(group=4).iterate(0.0)


def test_a_truncated_episode_goes_on_with_the_discount_of_its_step():
    model = learner({"max_episode_steps": 3}, n_steps=6, batch_size=48)
    slow(model.venv)
    values = []
    original = model.model.policy.predict_values

    def valued(obs):
        values.append(original(obs))
        return values[-1]

    model.model.policy.predict_values = valued
    given = []
    step = model.venv.step_wait

    def played():
        result = step()
        given.append((model.venv.played, result[2].copy()))
        return result

    model.venv.step_wait = played
    model.iterate(0.0)
    at = 0
    for turn, (facts, dones) in enumerate(given):
        for row in range(8):
            expected = facts.reward[row]
            if dones[row] and not facts.terminated[row]:
                expected = expected + facts.discount[row] * float(values[at].detach())
                at += 1
            assert model.model.rollout_buffer.rewards[turn, row] == pytest.approx(expected, abs=1e-5)
    assert at > 0
    assert {0.0, 0.5, 3.0} == {float(one) for facts, _ in given for one in facts.took.round(6)}


def test_settings_of_groups():
    for settings, message in [
        ({"n_envs": 6, "group": 4}, "group: expected a divisor of n_envs, 6, got 4"),
        ({"group": 0}, "group: expected at least 1, got 0"),
        ({"baseline": "group"}, "baseline: group needs at least 2 environments in a group, and group is 1"),
        ({"baseline": "mean"}, "baseline: unknown value 'mean'|baseline: .*'mean'"),
    ]:
        with pytest.raises(InputError, match=message):
            PPOConfig(**settings)
    assert (PPOConfig().group, PPOConfig().baseline) == (1, "value")
