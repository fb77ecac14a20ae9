"""The batch as SB3's VecEnv, and the rollout buffer against plain Python and SB3's own."""

import itertools

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import DictRolloutBuffer
from stable_baselines3.common.vec_env import VecCheckNan, VecMonitor

from ganttlet.core.rng import random_legal
from ganttlet_agents.settings import build
from ganttlet_agents.training.adapter import BatchVecEnv, Played
from ganttlet_agents.training.buffer import GraphRolloutBuffer
from ganttlet_agents.training.config import PPOConfig
from ganttlet_agents.training.draws import sample_actions, sorted_batches
from ganttlet_agents.training.ppo import PPOLearner
from ganttlet_agents.training.task import Task

ENV = "ganttlet/JobShop-v0"
DRAW = {"name": "uniform", "jobs": [2, 4], "machines": 2}


def batch(rows=3, copy=False, **options):
    options = {"generator": DRAW, "timing": "active", "observation": "machines", **options}
    return gym.make_vec(ENV, num_envs=rows, autoreset_mode="same_step", copy=copy, **options).unwrapped


def legal(mask, turn):
    actions = np.zeros(len(mask), np.int64)
    random_legal(np.ascontiguousarray(mask), np.uint64(turn), actions)
    return actions


def test_it_plays_what_the_batch_plays():
    """Lock-step with a batch of its own, whose observations are copies."""
    venv, plain = BatchVecEnv(batch(), reward_scale=0.5), batch(copy=True)
    venv.seed(5)
    seen, (expected, _) = venv.reset(), plain.reset(seed=5)
    returns, lengths, ended = np.zeros(3), np.zeros(3, int), 0
    for turn in range(60):
        for key, part in expected.items():
            np.testing.assert_array_equal(seen[key], part)
        actions = legal(expected["action_mask"], turn)
        seen, rewards, dones, infos = venv.step(actions)
        expected, reward, terminated, truncated, info = plain.step(actions)
        np.testing.assert_array_equal(dones, terminated | truncated)
        np.testing.assert_array_equal(rewards, (0.5 * reward).astype(np.float32))
        assert rewards.dtype == np.float32
        returns, lengths = returns + 0.5 * reward, lengths + 1
        for row in range(3):
            if not dones[row]:
                assert infos[row] == {}
                continue
            ended += 1
            assert infos[row]["episode"] == {"r": pytest.approx(returns[row]), "l": lengths[row]}
            assert infos[row]["TimeLimit.truncated"] is False
            for key, part in info["final_obs"][row].items():
                np.testing.assert_array_equal(infos[row]["terminal_observation"][key], part)
            returns[row], lengths[row] = 0.0, 0
    assert venv.episodes == ended > 5


def test_observations_stay_valid_through_the_next_step_and_no_longer():
    venv = BatchVecEnv(batch())
    venv.seed(1)
    kept = venv.reset()
    for turn in range(30):
        before = {key: part.copy() for key, part in kept.items()}
        following = venv.step(legal(kept["action_mask"], turn))[0]
        for key, part in before.items():
            np.testing.assert_array_equal(kept[key], part)
            assert not np.shares_memory(kept[key], following[key])
        assert any(not np.array_equal(before[key], following[key]) for key in before)
        kept = following


def test_seeds_are_used_once_and_rows_count_on_from_them():
    venv = BatchVecEnv(batch())
    digests = []
    for seed in (3, 3, 4):
        venv.seed(seed)
        venv.reset()
        digests.append([venv.env.instance(row).digest for row in range(3)])
    assert digests[0] == digests[1]
    assert digests[2][:2] == digests[0][1:]
    venv.reset()
    assert not {venv.env.instance(row).digest for row in range(3)} & set(digests[2])


def test_truncation_is_told_with_its_last_observation():
    venv = BatchVecEnv(batch(max_episode_steps=2))
    venv.seed(0)
    obs = venv.reset()
    for turn in range(2):
        before = {key: part.copy() for key, part in obs.items()}
        obs, _, dones, infos = venv.step(legal(obs["action_mask"], turn))
    assert dones.all()
    for row, info in enumerate(infos):
        assert info["TimeLimit.truncated"] is True
        assert info["episode"]["l"] == 2
        last = info["terminal_observation"]
        assert last["action_mask"].any()
        # It is the observation after the second decision, neither the one before nor that of the next episode.
        assert not np.array_equal(last["job"], before["job"][row])
        assert not np.array_equal(last["job"], obs["job"][row])


def test_discounts_are_those_of_the_step_just_played():
    venv = BatchVecEnv(batch(gamma=0.9))
    venv.seed(0)
    obs = venv.reset()
    for turn in range(12):
        obs = venv.step(legal(obs["action_mask"], turn))[0]
        np.testing.assert_allclose(venv.played.discount, 0.9)


def test_sb3s_wrappers_and_its_own_ppo_take_it():
    torch.manual_seed(0)
    venv = BatchVecEnv(batch(rows=4))
    assert venv.env_is_wrapped(VecMonitor) == [False] * 4
    assert len(venv.get_attr("num_envs")) == 4
    assert venv.env_method("action_masks", indices=[0, 2]).shape[0] == 2
    assert venv.has_attr("graph")
    assert not venv.has_attr("no_such_thing")
    venv.seed(0)
    model = PPO("MultiInputPolicy", VecCheckNan(venv, raise_exception=True), n_steps=16, batch_size=64, device="cpu")
    model.learn(64)
    assert model.num_timesteps == 64
    assert all(np.isfinite(part.detach().numpy()).all() for part in model.policy.parameters())


# The buffer.

STEPS, ROWS = 7, 3


def filled(discounts, lam=0.9, seed=0, sb3=False):
    """Return a full buffer over a real observation space, what was put in, and the rewards' last values."""
    rng = np.random.default_rng(seed)
    env = batch(ROWS)
    venv = BatchVecEnv(env)
    venv.seed(seed)
    obs = venv.reset()
    now_played: list[Played] = []
    spaces = (env.single_observation_space, env.single_action_space)
    if sb3:
        buffer = DictRolloutBuffer(STEPS, *spaces, "cpu", gae_lambda=lam, gamma=discounts[0, 0], n_envs=ROWS)
    else:
        buffer = GraphRolloutBuffer(
            STEPS,
            *spaces,
            "cpu",
            gae_lambda=lam,
            n_envs=ROWS,
            sizes="job",
            played=lambda: now_played[-1],
            rng=np.random.default_rng(seed),
        )
    buffer.reset()
    starts, put = np.ones(ROWS, bool), []
    for step in range(STEPS):
        actions = legal(obs["action_mask"], step)
        now = {key: part.copy() for key, part in obs.items()}
        obs, _, _, _ = venv.step(actions)
        rewards, values = rng.normal(size=ROWS).astype(np.float32), torch.tensor(rng.normal(size=ROWS)).float()
        nothing = np.zeros(ROWS)
        now_played.append(Played(rewards, discounts[step], nothing, nothing, nothing, nothing))
        log_probs = torch.tensor(rng.normal(size=ROWS)).float()
        buffer.add(now, actions, rewards, starts, values, log_probs)
        put.append((now, actions, rewards, starts, values.numpy(), log_probs.numpy()))
        starts = rng.random(ROWS) < 0.3
    last = torch.tensor(rng.normal(size=ROWS)).float()
    buffer.compute_returns_and_advantage(last, starts)
    return buffer, put, last.numpy(), starts


def by_hand(put, discounts, last, dones, lam):
    """Sum over k of the products of (discount x lambda), until an episode ends, of one-step errors: the definition."""
    advantages = np.zeros((STEPS, ROWS))
    for row in range(ROWS):
        for step in range(STEPS):
            weight = 1.0
            for at in range(step, STEPS):
                ends = dones[row] if at + 1 == STEPS else put[at + 1][3][row]
                after = last[row] if at + 1 == STEPS else put[at + 1][4][row]
                follow = 0.0 if ends else float(discounts[at][row])
                advantages[step, row] += weight * (put[at][2][row] + follow * after - put[at][4][row])
                weight *= follow * lam
                if ends:
                    break
    return advantages


@pytest.mark.parametrize("seed", range(4))
def test_advantages_are_those_of_the_definition(seed):
    discounts = np.random.default_rng(seed + 100).uniform(0.3, 1.0, (STEPS, ROWS))
    buffer, put, last, dones = filled(discounts, seed=seed)
    assert any(part[3].any() for part in put[1:])
    expected = by_hand(put, discounts, last, dones, 0.9)
    np.testing.assert_allclose(buffer.advantages, expected, rtol=1e-4, atol=1e-5)
    values = np.array([part[4] for part in put])
    np.testing.assert_allclose(buffer.returns, expected + values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("gamma", [1.0, 0.9])
@pytest.mark.parametrize("lam", [1.0, 0.8])
def test_equal_discounts_give_what_sb3_gives(gamma, lam):
    discounts = np.full((STEPS, ROWS), gamma)
    ours, theirs = filled(discounts, lam)[0], filled(discounts, lam, sb3=True)[0]
    np.testing.assert_allclose(ours.advantages, theirs.advantages, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ours.returns, theirs.returns, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [None, 4, 5, 100])
def test_minibatches_hold_every_step_once_with_its_own_numbers(size):
    buffer, put, _, _ = filled(np.ones((STEPS, ROWS)))
    known = {float(part[5][row]): (step, row) for step, part in enumerate(put) for row in range(ROWS)}
    orders = []
    for _ in range(2):
        found = []
        for part in buffer.get(size):
            assert len(part.actions) <= (size or STEPS * ROWS)
            mask = part.observations["job_mask"].numpy()
            widths = (mask * np.arange(1, mask.shape[1] + 1)).max(axis=1)
            for at in range(len(part.actions)):
                step, row = where = known[float(part.old_log_prob[at])]
                found.append(where)
                assert int(part.actions[at]) == put[step][1][row]
                assert float(part.old_values[at]) == put[step][4][row]
                assert float(part.advantages[at]) == buffer.advantages[step, row]
                assert float(part.returns[at]) == buffer.returns[step, row]
                for key, stored in put[step][0].items():
                    np.testing.assert_array_equal(part.observations[key][at], stored[row])
                    assert part.observations[key].numpy().dtype == stored.dtype
            # Sorted by size, so that a batch is padded to instances like its own.
            assert widths.tolist() == sorted(widths.tolist())
        assert sorted(found) == sorted(known.values())
        orders.append(found)
    assert orders[0] != orders[1]


def test_an_incomplete_rollout_is_refused():
    buffer = filled(np.ones((STEPS, ROWS)))[0]
    buffer.reset()
    with pytest.raises(AssertionError, match="not complete"):
        next(buffer.get())


def test_the_environments_discount_reaches_the_buffer():
    from ganttlet_agents.policy.config import NetworkConfig
    from ganttlet_agents.policy.network import GraphPolicy
    from ganttlet_agents.policy.schema import Schema
    from ganttlet_agents.training.config import TrainConfig

    options = {"generator": DRAW, "gamma": 0.9, "timing": "active"}
    config = build(TrainConfig, {"env": ENV, "env_kwargs": options}, "here")
    task = Task(config)
    network = GraphPolicy(Schema.of(task.graph), NetworkConfig("pointer", 8, 1, 2, 8))
    learner = PPOLearner(task, network, network, PPOConfig(n_envs=2, n_steps=12, batch_size=24, n_epochs=1), 0.1)
    learner.iterate(0.0)
    buffer = learner.model.rollout_buffer
    np.testing.assert_allclose(buffer.discounts, 0.9, rtol=1e-6)
    starts = np.concatenate([buffer.episode_starts[1:], learner.model._last_episode_starts[None]])
    assert starts.any()
    # Where an episode ends, nothing is carried over: the advantage is the reward less the value.
    ended = starts.astype(bool)
    expected = buffer.rewards[ended] - buffer.values[ended]
    np.testing.assert_allclose(buffer.advantages[ended], expected, rtol=1e-5, atol=1e-6)


# Draws.


def test_minibatches_of_like_size_cover_every_row_once_and_repeat_by_seed():
    sizes = np.random.default_rng(1).integers(1, 6, 23)
    batches = list(sorted_batches(sizes, 4, np.random.default_rng(2)))
    assert sorted(np.concatenate(batches).tolist()) == list(range(23))
    assert sorted(len(one) for one in batches) == [3, 4, 4, 4, 4, 4]
    spans = sorted((int(sizes[one].min()), int(sizes[one].max())) for one in batches)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
    again = list(sorted_batches(sizes, 4, np.random.default_rng(2)))
    assert [one.tolist() for one in batches] == [one.tolist() for one in again]
    other = list(sorted_batches(sizes, 4, np.random.default_rng(3)))
    assert [one.tolist() for one in batches] != [one.tolist() for one in other]


def test_actions_are_drawn_with_their_probabilities():
    torch.manual_seed(0)
    weights = torch.tensor([0.5, 0.3, 0.2, 0.0])
    drawn = sample_actions(weights.log().clamp(min=-1e8).expand(20_000, 4))
    found = torch.bincount(drawn, minlength=4) / 20_000
    # Four standard errors of a share of a half.
    assert (found - weights).abs().max() < 4 * 0.5 / 20_000**0.5
    assert found[3] == 0
