"""A training fed by RLlib's workers: what is trained on, the update, and the run around it."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("ray.rllib", reason="needs the rllib extra")

from ganttlet.core.errors import InputError
from ganttlet_agents.distributed import rllib
from ganttlet_agents.distributed.rllib.advantages import estimated
from ganttlet_agents.distributed.rllib.runner import DISCOUNT, FINISHED
from ganttlet_agents.policy.checkpoint import load_checkpoint
from ganttlet_agents.training.folder import RunFolder
from ganttlet_agents.training.loop import Trainer
from ganttlet_agents.training.seeds import training_seed
from runs import BASE, config_of, progress

ENV = {**BASE["env_kwargs"], "strict": True, "gamma": 0.9, "skip_forced": True}
EXACT = {"rtol": 0, "atol": 0}


def config(workers=0, **changes):
    changes = {"env_kwargs": ENV, "device": "cpu", **changes}
    return config_of("ppo", rollout_workers=workers, **changes)


@pytest.fixture
def rollouts(monkeypatch):
    """The pieces and the batch of every update."""
    from ganttlet_agents.distributed.rllib.update import GraphUpdate

    seen, own = [], GraphUpdate._make_batch_if_necessary

    def noted(self, training_data):
        batch = own(self, training_data)
        seen.append((training_data.episodes, batch.policy_batches["default_policy"]))
        return batch

    monkeypatch.setattr(GraphUpdate, "_make_batch_if_necessary", noted)
    return seen


class Replayed:
    """A row of the run, played again by itself from the actions that were trained on."""

    def __init__(self, task, seed):
        self.env = task.make(1, "disabled")
        self.env.reset(seed=[seed])
        self.total = 0.0

    def shows(self, piece):
        if self.env.done[0]:
            self.env.reset()
            self.total = 0.0
        obs = piece.get_observations(0)
        return all(np.array_equal(part[0], obs[key]) for key, part in self.env.live_observation.items())

    def play(self, piece):
        for at, action in enumerate(piece.get_actions()):
            assert not self.env.done[0], "a decision behind the end of its episode"
            assert self.env.live_mask[0, action]
            self.env.step([action])
            self.total += self.env.flags.reward[0]
            assert piece.get_rewards(at) == self.env.flags.reward[0]
            assert piece.get_extra_model_outputs(DISCOUNT, at) == self.env.flags.discount[0]
            for key, part in self.env.live_observation.items():
                np.testing.assert_array_equal(piece.get_observations(at + 1)[key], part[0])
        assert piece.is_terminated == self.env.flags.terminated[0]
        assert piece.is_truncated == self.env.flags.truncated[0]


SOC = {
    "action": "joint",
    "observation": "ready",
    "gamma": 0.9,
    "strict": True,
    "generator": {"name": "stream", "base": "top_mix5", "scale": 20, "length": 100, "warmup": 0, "cooldown": 0},
}
RUNS = {
    "ended": {},
    "truncated": {"env_kwargs": {**ENV, "max_episode_steps": 3}},
    "discounted by time": {
        "env": "ganttlet/SoCDAG-v0",
        "env_kwargs": SOC,
        "network": {"encoder": "pointer", "width": 8},
    },
}


@pytest.mark.parametrize("kind", RUNS)
def test_what_is_trained_on_is_what_the_rows_decide(ray_here, rollouts, kind):
    """Every row played again by itself goes through the same pieces: no decision is lost, doubled or made up."""
    validation = {"validation": {"count": 1, "reference": "none"}}
    with rllib.trainer(config(**RUNS[kind], **validation)) as trainer:
        learner, task = trainer._learner, trainer.task
        before = {key: part.clone() for key, part in trainer.network.state_dict().items()}
        for _ in range(3):
            learner.iterate(0.0)
        rows = [Replayed(task, training_seed(0) + row) for row in range(4)]
    played, finished, discounts, truncated = 0, [], set(), False
    for pieces, batch in rollouts:
        for piece in pieces:
            found = [row for row in rows if row.shows(piece)]
            assert len(found) == 1
            found[0].play(piece)
            discounts.update(piece.get_extra_model_outputs(DISCOUNT).tolist())
            truncated |= piece.is_truncated
            if piece.is_done:
                assert piece.custom_data[FINISHED][0] == pytest.approx(found[0].total)
                finished.append(piece.custom_data[FINISHED])
        count = sum(len(piece) for piece in pieces)
        assert 48 <= count < 48 + 4
        assert all(len(part) == count for key, part in batch.items() if key != "obs")
        mask = batch["obs"]["action_mask"]
        assert mask.gather(1, batch["actions"].unsqueeze(1)).all()
        played += count
    assert learner.timesteps == played
    assert learner.episodes == len(finished) > 0
    assert truncated == (kind == "truncated")
    assert (len(discounts) > 3) == (kind == "discounted by time")
    # The first rollout was played by the weights that the run began with.
    trainer.network.load_state_dict(before)
    batch = rollouts[0][1]
    with torch.no_grad():
        logits, values = trainer.network(batch["obs"])
    logp = logits.log_softmax(-1).gather(1, batch["actions"].unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(batch["action_logp"], logp, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(batch["vf_preds"], values, rtol=1e-5, atol=1e-5)


def test_advantages_follow_their_definition():
    rng = np.random.default_rng(3)
    lengths = np.array([1, 4, 2, 7])
    ended = np.array([True, False, True, False])
    rewards, discounts = rng.normal(size=14), rng.uniform(0.5, 1.0, 14)
    values = rng.normal(size=18)
    expected, decision, seen = [], 0, 0
    for length, over in zip(lengths, ended, strict=True):
        value = values[seen : seen + length + 1].copy()
        value[-1] *= not over
        steps = range(decision, decision + length)
        errors = [rewards[at] + discounts[at] * value[k + 1] - value[k] for k, at in enumerate(steps)]
        for k in range(length):
            weights = [math.prod(0.9 * d for d in discounts[decision + k : decision + j]) for j in range(k, length)]
            expected.append(np.dot(weights, errors[k:]))
        decision, seen = decision + length, seen + length + 1
    np.testing.assert_allclose(estimated(rewards, discounts, values, lengths, ended, 0.9), expected, rtol=1e-5)


def seeds_of(trainer):
    """The seed of every row of every worker."""
    found = trainer._learner.algorithm.env_runner_group.foreach_env_runner(
        lambda one: one.env.unwrapped._seed.tolist(), local_env_runner=False
    )
    return [seed for some in found for seed in some]


def test_an_update_equals_that_of_stable_baselines3(ray_here):
    """Where no episode ends within a rollout both play the same; in one minibatch, order does not matter."""
    env = {**ENV, "generator": {"name": "uniform", "jobs": 8, "machines": 5}}
    ppo = {**BASE["ppo"], "batch_size": 64, "n_epochs": 4, "learning_rate": {"start": 0.01, "end": 0.001}}
    settings = config(
        env_kwargs=env, ppo={**ppo, "entropy": 0.01, "clip_range": {"start": 0.05, "end": 0.01, "profile": "linear"}}
    )
    told, weights, rates = [], [], []
    with rllib.trainer(settings) as trainer:
        start = {key: part.clone() for key, part in trainer.network.state_dict().items()}
        told.append(trainer._learner.iterate(0.5))
        weights.append(trainer.network.state_dict())
        optimizer = trainer._learner._learner.optimizer
        rates.append([group["lr"] for group in optimizer.param_groups])
        logits_of = trainer._learner._module.network
        scale = trainer.book.scale
    other = Trainer(replace(settings, rollout_workers=None))
    assert other.book.scale == scale
    other.network.load_state_dict(start)
    torch.manual_seed(int(np.random.SeedSequence([training_seed(0), 0]).generate_state(1)[0]))
    told.append(other._learner.iterate(0.5))
    rates.append([group["lr"] for group in other._learner.model.policy.optimizer.param_groups])
    assert rates[0] == rates[1] == [pytest.approx(0.0055)]
    assert told[0].keys() == told[1].keys()
    for key, number in told[1].items():
        assert told[0][key] == pytest.approx(number, rel=1e-3, abs=1e-6), key
    assert told[0]["clip_fraction"] > 0
    for key, part in other.network.state_dict().items():
        torch.testing.assert_close(weights[0][key], part, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(logits_of.state_dict()[key], weights[0][key], **EXACT)


def test_a_divergence_beyond_the_target_ends_the_passes(ray_here):
    moved = []
    for target in (None, 1e-9):
        ppo = {**BASE["ppo"], "learning_rate": 0.01, "target_kl": target, "batch_size": 64}
        with rllib.trainer(config(ppo=ppo)) as trainer:
            before = trainer.network.value[0].weight.detach().clone()
            trainer._learner.iterate(0.0)
            trainer.network.load_state_dict(trainer._learner._module.network.state_dict())
            moved.append(float((trainer.network.value[0].weight.detach() - before).abs().sum()))
            steps = trainer._learner._learner.optimizer.state_dict()["state"][0]["step"]
            assert steps == (2 if target is None else 1)
    assert moved[0] > moved[1] > 0


def test_a_run_stops_and_goes_on(ray_here, tmp_path):
    settings = config(2, n_timesteps=150)
    with rllib.trainer(settings, lambda status: trainer.stop_signal or setattr(trainer, "stop_signal", 15)) as trainer:
        folder = RunFolder.new(tmp_path, "job_shop", "run", True, settings)
        assert trainer.run(folder) == 15
        seeds = seeds_of(trainer)
        assert sorted(seeds) == [training_seed(0) + row for row in range(4)]
        played = trainer.total
        left = {key: part.clone() for key, part in trainer.network.state_dict().items()}
    folder, again = RunFolder.open(folder.path)
    assert again == settings
    with rllib.trainer(again, resumed=folder) as trainer:
        assert trainer.total == played
        for key, part in trainer.network.state_dict().items():
            torch.testing.assert_close(part, left[key], **EXACT)
        optimizer = trainer._learner._learner.optimizer
        assert optimizer.state_dict()["state"][0]["step"] == 4
        assert trainer.run(folder) is None
        later = seeds_of(trainer)
        assert len(set(later) - set(seeds)) == 4
        logits = trainer._learner._module.network
    rows = progress(folder)
    assert [row["stage"] for row in rows] == ["ppo"] * len(rows)
    assert int(rows[-1]["timesteps"]) >= 150 > int(rows[-2]["timesteps"])
    loaded = load_checkpoint(folder.last)
    env = trainer.task.make(3, "disabled")
    env.reset(seed=5)
    obs = {key: torch.from_numpy(part) for key, part in env.live_observation.items()}
    with torch.no_grad():
        torch.testing.assert_close(logits(obs), loaded.network(obs), **EXACT)


def test_workers_play_what_follows_a_warm_start(ray_here, tmp_path):
    """The learner is made when the stage begins, and goes on from the weights that were imitated."""
    settings = config_of("both", rollout_workers=0, device="cpu")
    starts = []

    def on_status(status):
        if status.stage == "imitation":
            starts[:] = [trainer.network.state_dict()["value.0.weight"].clone()]
        elif len(starts) == 1:
            starts.append(trainer._learner._module.network.state_dict()["value.0.weight"].clone())

    with rllib.trainer(settings, on_status) as trainer:
        folder = RunFolder.new(tmp_path, "job_shop", "run", True, settings)
        assert trainer.run(folder) is None
    rows = progress(folder)
    assert [row["stage"] for row in rows] == sorted(row["stage"] for row in rows)
    assert rows[-1]["stage"] == "ppo"
    # Adam's first steps are of the learning rate's length at most.
    moved = (starts[1] - starts[0]).abs().max()
    assert 0 < moved < 0.01


def test_too_many_workers_are_refused(ray_here):
    refused = pytest.raises(InputError, match="rollout_workers: 4 need a core each, the cluster has 2 in all")
    with refused, rllib.trainer(config(4)):
        pass


@pytest.mark.long
def test_a_training_outlives_a_node():
    """In a process of its own, since this one is part of a cluster already."""
    program = Path(__file__).with_name("losing_a_node.py")
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "until both workers played again" in done.stdout
