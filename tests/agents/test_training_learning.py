"""Every algorithm learns something on tiny instances, and what it reports is what it says."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch

from ganttlet.core.errors import InputError
from ganttlet.core.rng import random_legal
from ganttlet.job_shop import Schedule
from ganttlet_agents import load_policy
from ganttlet_agents.evaluation.methods import Outcome
from ganttlet_agents.settings import build
from ganttlet_agents.training.config import ImitationConfig, TrainConfig
from ganttlet_agents.training.folder import RunFolder, read_evaluations
from ganttlet_agents.training.imitation import Imitation, SelfLabelling, find_teacher
from ganttlet_agents.training.loop import Trainer
from ganttlet_agents.training.validation import Validator

ENV = "ganttlet/JobShop-v0"
DRAW = {"name": "uniform", "jobs": 4, "machines": 3}
FIXED = {"generator": DRAW, "seed": 3}
NETWORK = {"encoder": "attention", "width": 16, "layers": 1, "heads": 2, "hidden": 32}
RATE = {"start": 0.003, "end": 0.001}


def settings(env_kwargs=None, **changes):
    data = {
        "env": ENV,
        "env_kwargs": {"timing": "active", "observation": "machines", "generator": DRAW, **(env_kwargs or {})},
        "reward_scale": 0.02,
        "network": NETWORK,
        "validation": {"count": 16, "reference": "rule:spt_twkr:best_of=16"},
        "threads": 1,
        **changes,
    }
    return build(TrainConfig, data, "here")


def mean_of_random_play(config, instances, episodes=200):
    """Return the mean makespan of random legal play."""
    kwargs = {key: value for key, value in config.env_kwargs.items() if key not in ("instance", "generator")}
    env = gym.make_vec(
        ENV, num_envs=episodes, autoreset_mode="disabled", copy=False, **{**kwargs, "instances": instances}
    ).unwrapped
    env.reset(seed=0, options={"instance": [instances[row % len(instances)] for row in range(episodes)]})
    actions, turn = np.zeros(episodes, np.int64), 0
    while not env.done.all():
        random_legal(env.live_mask, np.uint64(turn), actions)
        env.step(actions)
        turn += 1
    return float(env.objective_values("makespan").mean())


def run(config, tmp_path, name="run"):
    trainer = Trainer(config)
    folder = RunFolder.new(tmp_path, "job_shop", name, True, config)
    assert trainer.run(folder) is None
    return trainer, folder


def test_ppo_learns_a_tiny_instance(tmp_path):
    """One fixed 4x3 instance: the trained policy plays it well below random play, and a reloaded one plays the same."""
    fixed = {"instance": FIXED, "reward": "load_bound"}
    config = settings(
        fixed,
        n_timesteps=6_000,
        ppo={"n_envs": 16, "n_steps": 24, "batch_size": 96, "n_epochs": 4, "learning_rate": RATE},
        validation={"reference": "solver:cpsat:time=none:dtime=1"},
        eval_freq=2_000,
    )
    config = replace(config, env_kwargs={key: value for key, value in config.env_kwargs.items() if key != "generator"})
    trainer, folder = run(config, tmp_path)
    instance = trainer.validator.instances[0]
    evaluations = read_evaluations(folder.path)
    assert evaluations[-1]["gap"] == min(one["gap"] for one in evaluations) < 0.02
    assert evaluations[-1]["value"] < 0.9 * mean_of_random_play(config, [instance])

    env = gym.make_vec(ENV, num_envs=1, instance=FIXED, **trainer.task.env_kwargs)
    policies = [load_policy(folder.path, env) for _ in range(2)]
    obs, _ = env.reset(seed=0)
    live = trainer.network.eval()
    done = np.zeros(1, bool)
    while not done[0]:
        actions = [policy.act(obs) for policy in policies]
        with torch.inference_mode():
            logits = live({key: torch.from_numpy(part) for key, part in obs.items()})[0]
        assert actions[0] == actions[1] == int(logits.argmax())
        obs, _, done, _, info = env.step(actions[0])
    assert info["objectives"]["makespan"][0] == evaluations[-1]["value"]


def test_imitation_comes_to_agree_with_its_teacher():
    config = settings(
        algorithm="imitation",
        n_timesteps=12_000,
        imitation={
            "teacher": "rule:mwkr:timing=active",
            "instances": 32,
            "fit": {"batch_size": 128, "learning_rate": RATE},
        },
        validation={"count": 32, "reference": "rule:mwkr:timing=active"},
        eval_freq=100_000,
    )
    trainer = Trainer(config)
    learner = trainer._make(0)
    told = [learner.iterate(0.0) for _ in range(30)]
    assert told[0]["agreement"] < 0.8
    assert np.mean([one["agreement"] for one in told[-5:]]) > 0.9
    assert told[-1]["policy_loss"] < 0.5 * told[0]["policy_loss"]
    # The teacher's schedules are active ones: nothing is lost in replaying them.
    assert all(one["teacher_value"] == one["replayed_value"] for one in told)
    assert learner.timesteps == 30 * 32 * 12
    from ganttlet_agents.policy.checkpoint import LoadedPolicy

    verdict = trainer.validator.judge(LoadedPolicy(trainer.network, None, "cpu").scorer())
    random = mean_of_random_play(config, trainer.validator.instances, 320)
    teacher = float(np.mean(trainer.validator.references))
    assert verdict.value - teacher < 0.25 * (random - teacher)


def test_self_labelling_improves_and_reports_samples_and_their_best():
    config = settings(
        algorithm="self_labelling",
        self_labelling={"samples": 16, "instances": 8, "fit": {"batch_size": 96, "learning_rate": RATE}},
    )
    trainer = Trainer(config)
    learner = trainer._make(0)
    assert isinstance(learner, SelfLabelling)
    before = trainer.validator.judge(_scorer(trainer)).value
    told = []
    for _ in range(25):
        told.append(learner.iterate(0.0))
    assert all(one["best_value"] <= one["sampled_value"] for one in told)
    assert any(one["best_value"] < one["sampled_value"] for one in told)
    assert learner.timesteps == 25 * 8 * 16 * 12
    after = trainer.validator.judge(_scorer(trainer)).value
    assert after < 0.97 * before


def _scorer(trainer):
    from ganttlet_agents.policy.checkpoint import LoadedPolicy

    return LoadedPolicy(trainer.network, None, "cpu").scorer()


def test_self_labelling_imitates_the_best_sample():
    """The recorded decisions rebuild, for every instance, a schedule of the best value that was sampled."""
    config = settings(algorithm="self_labelling", self_labelling={"samples": 8, "instances": 4})
    trainer = Trainer(config)
    learner = trainer._make(0)
    instances = trainer.task.training_instances(0, 4)
    data, cost, told = learner._label(instances)
    values = [
        trainer.task.family.validate(one, learner.env.solution(at)).values["makespan"]
        for at, one in enumerate(instances)
    ]
    assert np.mean(values) == told["best_value"]
    assert (len(data), cost) == (4 * 12, 4 * 8 * 12)
    sampled = learner.sampled.objective_values("makespan").reshape(4, 8)
    np.testing.assert_array_equal(sampled.min(axis=1), values)


def test_recorded_returns_are_the_scaled_discounted_rewards_that_follow():
    config = settings({"gamma": 0.5, "reward": "bound"}, reward_scale=0.1)
    trainer = Trainer(config)
    taught = Imitation(
        trainer.task, trainer.network, trainer.network, ImitationConfig("rule:spt:timing=active", 2), scale=0.1
    )
    instances = trainer.task.training_instances(0, 2)
    data, cost, _ = taught._label(instances)
    assert cost == len(data) == 24
    # Play the recorded actions once more, and sum by hand.
    env = trainer.task.make(2, "disabled")
    env.reset(options={"instance": instances})
    rewards = []
    for step in range(12):
        actions = data.actions[2 * step : 2 * step + 2]
        for key, part in data.observations.items():
            np.testing.assert_array_equal(part[2 * step : 2 * step + 2], env.live_observation[key])
        rewards.append(env.step(actions)[1].copy())
    for step in range(12):
        expected = sum(0.1 * 0.5 ** (at - step) * rewards[at] for at in range(step, 12))
        np.testing.assert_allclose(data.returns[2 * step : 2 * step + 2], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("algorithm", ["imitation", "self_labelling"])
def test_whoever_plays_an_instance_of_a_round_meets_the_same_world(algorithm):
    """Rows are reset with seeds that follow from the run's seed and the round, one for each instance."""
    config = settings(
        algorithm=algorithm,
        seed=3,
        imitation={"teacher": "rule:spt", "instances": 4},
        self_labelling={"samples": 3, "instances": 4},
    )
    seen = []
    for _ in range(2):
        trainer = Trainer(config)
        learner = trainer._make(0)
        for number in range(2):
            learner.iterate(0.0)
            seeds = trainer.task.round_seeds(number, 4)
            assert learner.env._seed.tolist() == seeds
            if algorithm == "self_labelling":
                assert learner.sampled._seed.tolist() == [seed for seed in seeds for _ in range(3)]
            seen += seeds
    assert seen[:8] == seen[8:]
    assert len(set(seen)) == 8
    assert not set(seen) & set(Trainer(replace(config, seed=4)).task.round_seeds(0, 1000))


def labelling(samples=6, **env_kwargs):
    config = settings(
        env_kwargs or None, algorithm="self_labelling", self_labelling={"samples": samples, "instances": 3}
    )
    trainer = Trainer(config)
    return trainer.task.training_instances(0, 3), trainer._make(0)


def test_a_sample_that_was_cut_off_does_not_win(monkeypatch):
    """Row 1 of every instance dawdles until it is truncated, with an objective that would beat all others."""
    instances, learner = labelling(max_episode_steps=14)
    advance = type(learner.sampled)._advance
    lazy = np.arange(18) % 6 == 1

    def dawdle(self, actions):
        if self.num_envs == 18:
            done = advance(self, np.where(lazy, -1, actions))
            self._objectives[:, lazy] = 0.0
            return done
        return advance(self, actions)

    monkeypatch.setattr(type(learner.sampled), "_advance", dawdle)
    data, _, told = learner._label(instances)
    assert learner.sampled.flags.truncated.tolist() == lazy.tolist()
    values = learner.sampled.objective_values("makespan")[~lazy].reshape(3, 5)
    assert told["best_value"] == values.min(axis=1).mean() > 0
    assert told["sampled_value"] == pytest.approx(values.mean())
    assert len(data) == 3 * 12


def test_an_instance_without_a_complete_sample_is_an_error():
    instances, learner = labelling()
    learner.sampled.max_episode_steps = 5
    with pytest.raises(InputError, match=r"self_labelling: no sample of .* came to its end; raise max_episode_steps"):
        learner._label(instances)


def teaching(**env_kwargs):
    trainer = Trainer(settings(env_kwargs or None))
    learner = Imitation(trainer.task, trainer.network, trainer.network, ImitationConfig("rule:spt", 2), 0.1)
    return trainer.task.training_instances(0, 2), learner


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("wrong", [-2, 4, 99])
def test_an_illegal_action_is_not_recorded(wrong, strict):
    instances, learner = teaching(strict=strict, max_jobs=5)
    replay = learner.replay

    def astray(env, solutions):
        actions = replay(env, solutions)
        if env.flags.steps[1] == 7:
            actions[1] = wrong
        return actions

    learner.replay = astray
    with pytest.raises(InputError, match=f"recording: .*: action {wrong} is illegal at decision 7"):
        learner._label(instances)


def test_actions_of_rows_that_are_over_do_not_count():
    """Episodes of different lengths: whatever is said for a finished row is ignored."""
    trainer = Trainer(settings({"generator": {**DRAW, "jobs": [2, 4]}}))
    learner = Imitation(trainer.task, trainer.network, trainer.network, ImitationConfig("rule:spt", 8), 0.1)
    replay = learner.replay
    learner.replay = lambda env, solutions: np.where(env.done, -7, replay(env, solutions))
    data, cost, _ = learner._label(trainer.task.training_instances(0, 8))
    assert cost == len(data) < 8 * 12
    assert data.actions.min() >= 0


def test_an_episode_that_is_cut_off_is_not_recorded():
    instances, learner = teaching(max_episode_steps=5)
    with pytest.raises(InputError, match=r"recording: .* was not played to its end; raise max_episode_steps"):
        learner._label(instances)


def test_a_teacher_must_give_valid_solutions():
    instances, learner = teaching()

    class Liar:
        label = "rule:liar"

        def solve(self, instance, *, objective, seed):
            return Outcome(Schedule(np.zeros_like(instance.machine), instance.digest))

    learner.teacher = Liar()
    with pytest.raises(InputError, match=r"teacher rule:liar: its solution of .* is not valid: "):
        learner._label(instances)


def test_the_rounds_of_two_stages_may_differ_in_size():
    """The instances of a round do not depend on how many another stage asked for."""
    trainer = Trainer(settings())
    few = [one.digest for one in trainer.task.training_instances(0, 2)]
    many = [one.digest for one in trainer.task.training_instances(0, 5)]
    assert many[:2] == few
    assert len(set(many)) == 5


def test_teachers_that_cannot_be():
    trainer = Trainer(settings())
    for text, message in [
        ("rule:nobody", "teacher: method 'rule:nobody': unknown rule 'nobody'"),
        ("rule:spt rule:mwkr", "teacher: expected one method, got 'rule:spt rule:mwkr'"),
        ("policy:no/where", "teacher: policy 'no/where': no checkpoint there"),
    ]:
        with pytest.raises(InputError, match=message):
            find_teacher(trainer.task, ImitationConfig(text))
    trainer.task.family = replace(trainer.task.family, replay=None)
    with pytest.raises(InputError, match="imitation: family job_shop cannot turn solutions into decisions"):
        find_teacher(trainer.task, ImitationConfig("rule:spt"))


def test_verdicts_are_the_evaluators_gaps_by_group():
    groups = {"small": {**DRAW, "jobs": 2}, "large": {**DRAW, "jobs": 5}}
    config = settings(validation={"groups": groups, "count": 3, "reference": "rule:mwkr:timing=active"})
    validator = Validator(Trainer(config).task)
    assert validator.labels == ["small"] * 3 + ["large"] * 3

    def mwkr(obs):
        # All logits equal: the lowest legal job.
        return np.zeros(obs["action_mask"].shape, np.float32)

    verdict = validator.judge(mwkr)
    values = []
    for instance in validator.instances:
        env = gym.make_vec(ENV, num_envs=1, instance=instance, timing="active", autoreset_mode="disabled").unwrapped
        env.reset(seed=0)
        while not env.done.all():
            env.step(env.live_mask.argmax(axis=1))
        values.append(env.objective_values("makespan")[0])
    gaps = np.array(values) / validator.references - 1
    assert verdict.value == pytest.approx(np.mean(values))
    assert verdict.gap == verdict.score == pytest.approx(gaps.mean())
    assert verdict.groups == {"small": pytest.approx(gaps[:3].mean()), "large": pytest.approx(gaps[3:].mean())}


def test_an_episode_that_is_cut_off_cannot_be_judged():
    config = settings({"max_episode_steps": 3})
    validator = Validator(Trainer(config).task)
    with pytest.raises(InputError, match=r"validation: .* was not played to its end; raise max_episode_steps"):
        validator.judge(lambda obs: np.zeros(obs["action_mask"].shape, np.float32))


def test_a_loss_is_worse_than_any_gain():
    """A gap between values of different sign is not told, but checkpoints are compared all the same."""
    day = {"name": "captain-2024", "ports": 4, "fleet": 4, "demand": 200, "area": 30, "day_end": 480}
    day["cost_per_mile"] = 2.0
    data = {
        "env": "ganttlet/UAMFleet-v0",
        "env_kwargs": {"observation": "candidates", "generator": day},
        "reward_scale": 1.0,
        "network": NETWORK,
        "validation": {"count": 3, "reference": "rule:greedy"},
    }
    validator = Validator(Trainer(build(TrainConfig, data, "here")).task)
    least = {"profit": -1.0, "distance": 1.0}
    found = {}
    for column, sign in least.items():
        at = [one.name for one in validator.env.graph.node("port").features].index(column)
        found[column] = validator.judge(lambda obs, at=at, sign=sign: sign * obs["port"][:, :, at])
    assert found["profit"].value < 0.0 < np.mean(validator.references)
    assert found["profit"].gap is None
    assert found["profit"].score > 1.0 > found["distance"].score
