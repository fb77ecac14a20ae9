"""What a training fed by RLlib's workers refuses, and that nothing trains without the workers that were asked for."""

import importlib.util

import pytest

from ganttlet.core.errors import InputError, MissingExtraError
from ganttlet_agents.distributed import rllib
from ganttlet_agents.distributed.runs import facts_of
from ganttlet_agents.training.loop import Trainer
from ganttlet_agents.training.task import Task
from runs import BASE, config_of

REFUSED = {
    "algorithm": ({"algorithm": "imitation"}, "algorithm: imitation"),
    "group": ({"ppo": {**BASE["ppo"], "group": 2}}, r"ppo\.group: 2"),
    "baseline": ({"ppo": {**BASE["ppo"], "group": 2, "baseline": "group"}}, r"ppo\.group: 2"),
    "static": ({"env_kwargs": {**BASE["env_kwargs"], "static": "index"}}, r"env_kwargs\.static: index"),
    "compile": ({"compile": True}, "compile: True"),
    "rows": ({"rollout_workers": 3}, r"ppo\.n_envs: 4 .*expected a multiple of the 3 workers"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_settings_that_workers_cannot_follow_are_refused(kind):
    changes, told = REFUSED[kind]
    settings = config_of("ppo", **{"rollout_workers": 2, **changes})
    with pytest.raises(InputError, match=told), rllib.trainer(settings):
        pass


def test_missing_packages_are_named(monkeypatch):
    own = importlib.util.find_spec
    monkeypatch.setattr(rllib, "find_spec", lambda name: None if name == "ray" else own(name))
    with (
        pytest.raises(MissingExtraError, match=r"ray\[rllib\].*rllib"),
        rllib.trainer(config_of("ppo", rollout_workers=1)),
    ):
        pass


def test_no_run_with_workers_trains_without_them():
    with pytest.raises(InputError, match="rollout_workers"):
        Trainer(config_of("ppo", rollout_workers=2))
    with pytest.raises(InputError, match="rollout_workers: expected at least 0, got -1"):
        config_of("ppo", rollout_workers=-1)


def test_fixed_instances_are_facts_of_a_node():
    task = Task(config_of("ppo", env_kwargs={"instances": ["ft06", "ta01"]}, rollout_workers=1))
    facts = facts_of(task.config, ".")
    assert list(facts)[:2] == ["instance ft06", "instance ta01"]
    assert facts["instance ft06"] != facts["instance ta01"]
    assert Task(config_of("ppo", env_kwargs={"instance": "ft06"})).fixed == ["ft06"]
    assert Task(config_of("ppo")).fixed == []
