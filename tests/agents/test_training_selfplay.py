"""Self-play with the Gumbel search: what is remembered, what is learned from it, what is refused."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from ganttlet.core.errors import InputError
from ganttlet_agents.policy.checkpoint import LoadedPolicy, load_checkpoint
from ganttlet_agents.settings import build
from ganttlet_agents.training.config import TrainConfig
from ganttlet_agents.training.loop import Trainer
from ganttlet_agents.training.selfplay import OBSERVED, POLICY, RETURNS, Recent, SelfPlay
from runs import config_of, train

SHOP = {
    "env": "ganttlet/JobShop-v0",
    "env_kwargs": {
        "timing": "active",
        "observation": "machines",
        "generator": {"name": "uniform", "jobs": 4, "machines": 3},
    },
    "reward_scale": 0.02,
}
MEMORY = {
    "env": "ganttlet/MemoryMapping-v0",
    "env_kwargs": {"generator": {"name": "toy"}, "lookahead": 8, "residents": 8},
    "reward_scale": 4.0,
}


def settings(base, gumbel, **changes):
    data = {
        **base,
        "algorithm": "gumbel",
        "gumbel": gumbel,
        "network": {"encoder": "pointer", "width": 16, "layers": 1, "hidden": 32},
        "validation": {"count": 16},
        "threads": 1,
        **changes,
    }
    return build(TrainConfig, data, "here")


def test_a_ring_keeps_the_latest():
    recent, number = Recent(5), iter(range(100))

    def add(count):
        new = np.array([next(number) for _ in range(count)])
        recent.add({RETURNS: new, "twice": np.stack([new, 2 * new], 1)})

    held = lambda: sorted(recent.take(np.arange(recent.count))[RETURNS].tolist())  # noqa: E731
    for count, expected in ((2, [0, 1]), (2, [0, 1, 2, 3]), (3, [2, 3, 4, 5, 6]), (5, [7, 8, 9, 10, 11]), (12, None)):
        add(count)
        assert held() == (expected or [19, 20, 21, 22, 23])
    add(1)
    assert held() == [20, 21, 22, 23, 24]
    taken = recent.take(np.arange(5))
    assert np.array_equal(taken["twice"], np.stack([taken[RETURNS], 2 * taken[RETURNS]], 1))


def test_returns_tell_what_the_episodes_came_to_and_targets_are_legal():
    config = settings(MEMORY, {"simulations": 6, "n_envs": 5, "capacity": 5000})
    trainer = Trainer(config)
    learner = trainer._make(0)
    assert isinstance(learner, SelfPlay)
    told, env, data = learner._play(1.0), learner.env, learner.recent
    latency, slow = env.objective_values("latency")[:5], np.array([env.instance(row).all_slow for row in range(5)])
    held = data.take(np.arange(data.count))
    assert held[RETURNS][:5] == pytest.approx(4.0 * (1.0 - latency / slow), rel=1e-5)
    assert told["searched_value"] == pytest.approx(latency.mean())
    assert learner.timesteps == data.count
    mask = held[f"{OBSERVED}action_mask"] != 0
    assert (mask.sum(axis=1) > 1).all()
    assert not held[POLICY][~mask].any()
    assert held[POLICY].sum(axis=1) == pytest.approx(np.ones(data.count), rel=1e-5)
    # Played on the instances of the round, which later rounds do not repeat.
    assert [env.instance(row).digest for row in range(5)] == [
        one.digest for one in trainer.task.training_instances(0, 5)
    ]


def test_it_learns_from_its_own_searches():
    rate = {"start": 0.003, "end": 0.001}
    config = settings(
        SHOP, {"simulations": 12, "n_envs": 16, "capacity": 600, "updates": 20, "batch_size": 96, "learning_rate": rate}
    )
    trainer = Trainer(config)
    learner = trainer._make(0)
    judge = lambda: trainer.validator.judge(LoadedPolicy(trainer.network, None, "cpu").scorer()).value  # noqa: E731
    before = judge()
    told = [learner.iterate(0.0) for _ in range(15)]
    assert judge() < 0.97 * before
    assert np.mean([one["searched_value"] for one in told[-3:]]) < told[0]["searched_value"]
    assert np.mean([one["value_loss"] for one in told[-3:]]) < told[0]["value_loss"]


def test_a_run_saves_a_policy_that_names_its_reward_scale_and_a_run_from_it_keeps_that(tmp_path):
    first = train(config_of("gumbel", reward_scale=0.125), tmp_path / "job_shop" / "first")
    assert load_checkpoint(first.best).card.decoding["reward_scale"] == 0.125
    assert Trainer(config_of("ppo", warm_start_from=str(first.path))).book.scale == 0.125
    assert Trainer(config_of("gumbel", warm_start_from=str(first.path), reward_scale=3.0)).book.scale == 3.0


def test_an_episode_that_is_cut_off_is_refused():
    changed = {**SHOP, "env_kwargs": {**SHOP["env_kwargs"], "max_episode_steps": 3}}
    config = settings(changed, {"simulations": 2, "n_envs": 2})
    trainer = Trainer(settings(SHOP, {}))
    learner = SelfPlay(Trainer(config).task, trainer.network, trainer.network, config.gumbel, 1.0)
    with pytest.raises(InputError, match="was not played to its end; raise max_episode_steps"):
        learner.iterate(0.0)
