"""Imitation of a rule that is asked at the states that it and the network come to together."""

from dataclasses import replace

import numpy as np
import pytest

from ganttlet.core.errors import InputError
from ganttlet_agents.settings import build
from ganttlet_agents.training.config import ImitationConfig, Schedule, TrainConfig
from ganttlet_agents.training.imitation import Imitation, find_teacher
from ganttlet_agents.training.loop import Trainer

DRAW = {"name": "uniform", "jobs": 4, "machines": 3}
WORK = 2  # column of the job's remaining work
SETTINGS = {
    "env": "ganttlet/JobShop-v0",
    "env_kwargs": {"timing": "active", "observation": "machines", "generator": DRAW},
    "reward_scale": 0.02,
    "network": {"encoder": "attention", "width": 16, "layers": 1, "heads": 2, "hidden": 32},
    "validation": {"count": 2, "reference": "none"},
    "threads": 1,
}


def advise(env, rule):
    """The job with the most work left; -1 in rows that are done."""
    if rule != "mwkr":
        raise InputError(f"rule {rule!r} cannot be asked")
    obs = env.live_observation
    return np.where(env.done, -1, np.where(obs["action_mask"] != 0, obs["job"][:, :, WORK], -1.0).argmax(1))


def make(replays=False, **imitation):
    """Return Imitation of a job shop whose rules give advice."""
    trainer = Trainer(build(TrainConfig, SETTINGS, "here"))
    family = trainer.task.family
    trainer.task.family = replace(family, advise=advise, replay=family.replay if replays else None)
    config = build(ImitationConfig, {"teacher": "rule:mwkr", "instances": 4, **imitation}, "here")
    return Imitation(trainer.task, trainer.network, trainer.network, config, 0.1)


def label(learner):
    return learner._label(learner.task.training_instances(learner.round, learner.config.instances))


def rebuild(learner, data, rows=4):
    """Return a batch at the state of each kept decision in turn: yields (env, slice of the decisions)."""
    env = learner.task.make(rows, "disabled")
    env.reset(
        seed=learner.task.round_seeds(learner.round, rows),
        options={"instance": learner.task.training_instances(learner.round, rows)},
    )
    for step in range(12):
        yield env, slice(rows * step, rows * step + rows)


def test_the_teacher_alone_plays_what_it_advises():
    learner = make(beta=1.0)
    data, cost, told = label(learner)
    assert (len(data), cost, told["beta"]) == (48, 48, 1.0)
    for env, some in rebuild(learner, data):
        for key, part in data.observations.items():
            np.testing.assert_array_equal(part[some], env.live_observation[key])
        np.testing.assert_array_equal(data.actions[some], advise(env, "mwkr"))
        env.step_in_place(data.actions[some])
    assert told["played_value"] == env.objective_values("makespan").mean()


def test_it_is_asked_where_the_network_leads():
    """At beta 0 the network plays: observations are those of its decisions, actions what the rule says of them."""
    learner, played = make(beta=0.0), []
    sample = learner._sample

    def spied(obs, temperature=1.0):
        played.append(sample(obs, temperature))
        return played[-1]

    learner._sample = spied
    data, _, told = label(learner)
    assert told["beta"] == 0.0
    for step, (env, some) in enumerate(rebuild(learner, data)):
        for key, part in data.observations.items():
            np.testing.assert_array_equal(part[some], env.live_observation[key])
        np.testing.assert_array_equal(data.actions[some], advise(env, "mwkr"))
        env.step_in_place(played[step])
    assert told["played_value"] == env.objective_values("makespan").mean()
    assert not np.array_equal(np.concatenate(played), data.actions)


def test_beta_is_the_share_of_decisions_that_the_teacher_plays():
    learner, asked = make(beta=0.7, instances=64), []
    sample = learner._sample
    learner._sample = lambda obs, temperature=1.0: asked.append(len(obs["job"])) or sample(obs, temperature)
    data, _, _ = label(learner)
    # Four standard errors of a share over 768 decisions.
    assert abs(sum(asked) / len(data) - 0.3) < 4 * (0.3 * 0.7 / len(data)) ** 0.5


def test_beta_follows_the_budget():
    for beta, shares in ((None, [1.0, 0.5, 0.0]), ({"start": 0.8, "end": 0.4}, [0.8, 0.6, 0.4]), (0.25, [0.25] * 3)):
        learner = make(**({} if beta is None else {"beta": beta}))
        assert [learner.iterate(spent)["beta"] for spent in (0.0, 0.5, 1.0)] == pytest.approx(shares)


def test_it_comes_to_agree_at_states_of_its_own():
    learner = make(instances=32, fit={"batch_size": 128, "learning_rate": {"start": 0.003, "end": 0.001}})
    told = [learner.iterate(turn / 30) for turn in range(30)]
    assert told[0]["agreement"] < 0.8
    assert np.mean([one["agreement"] for one in told[-5:]]) > 0.9
    assert told[-1]["beta"] < 0.05
    assert learner.timesteps == 30 * 32 * 12


@pytest.mark.parametrize("replays", [False, True])
def test_a_share_of_the_decisions_is_kept_with_the_returns_of_all(replays):
    """The same episodes, whole and thinned: a kept decision is one of the whole, with its return."""
    teacher = {"teacher": "rule:spt", "instances": 64} if replays else {"beta": 1.0, "instances": 64}
    whole, _, _ = label(make(replays=replays, **teacher))
    data, cost, _ = label(make(replays=replays, keep=0.3, **teacher))
    assert cost == len(data)
    assert abs(len(data) / len(whole) - 0.3) < 4 * (0.3 * 0.7 / len(whole)) ** 0.5
    known = {
        tuple(np.concatenate([part[at].ravel() for part in whole.observations.values()]).tolist()): at
        for at in range(len(whole))
    }
    for at in range(len(data)):
        same = known[tuple(np.concatenate([part[at].ravel() for part in data.observations.values()]).tolist())]
        assert (data.actions[at], data.returns[at]) == (whole.actions[same], whole.returns[same])


def test_illegal_advice_is_not_recorded():
    learner = make()
    learner.advise = lambda env: np.full(4, 99)
    with pytest.raises(InputError, match=r"recording: .*: action 99 is illegal at decision 0"):
        label(learner)


def test_what_cannot_be_asked_is_replayed_or_refused():
    both, alone = make(replays=True), make()
    teacher, replay, asked = find_teacher(both.task, ImitationConfig("rule:mwkr"))
    assert (teacher.label, replay) == ("rule:mwkr", None)
    env = both.task.make(3, "disabled")
    env.reset(seed=1)
    np.testing.assert_array_equal(asked(env), advise(env, "mwkr"))
    for text in ("rule:spt", "rule:mwkr:best_of=2", "solver:cpsat"):
        _, replay, asked = find_teacher(both.task, ImitationConfig(text))
        assert (replay, asked) == (both.task.family.replay, None)
    with pytest.raises(InputError, match=r"cannot turn solutions into decisions .rule 'spt' cannot be asked."):
        find_teacher(alone.task, ImitationConfig("rule:spt"))
    with pytest.raises(InputError, match=r"imitation: family job_shop cannot turn solutions into decisions$"):
        find_teacher(alone.task, ImitationConfig("solver:cpsat"))
    with pytest.raises(InputError, match=r"beta: rule:spt is replayed, and plays every decision itself .*; leave it"):
        find_teacher(both.task, ImitationConfig("rule:spt", beta=Schedule(0.5)))


def test_settings_of_advice():
    for settings, message in [
        ({"keep": 0}, "keep: expected a number above 0, and at most 1, got 0"),
        ({"keep": 1.5}, "keep: expected a number above 0, and at most 1, got 1.5"),
        ({"beta": 1.5}, "beta: expected shares between 0 and 1"),
        ({"beta": "some"}, "beta: expected .*, got 'some'"),
    ]:
        with pytest.raises(InputError, match=message):
            build(ImitationConfig, settings, "here")
    assert build(ImitationConfig, {"beta": 0.5}, "here").beta == Schedule(0.5, 0.5, "constant")
    assert build(ImitationConfig, {"beta": None}, "here").beta is None
