"""Training on instances shown by number: fresh programs, a warm start, resuming, and every algorithm."""

import pytest
import torch

pytest.importorskip("stable_baselines3")

from safetensors.torch import load_file

from ganttlet.core.errors import InputError
from ganttlet_agents.policy.checkpoint import load_checkpoint
from ganttlet_agents.settings import build
from ganttlet_agents.training.config import TrainConfig
from ganttlet_agents.training.loop import Trainer
from runs import FIT, judged, progress, train

TEACHER = {"teacher": "rule:greedy", "instances": 4, "n_timesteps": 60, "fit": FIT}
TOY = {"name": "toy", "instructions": [2, 5], "reuse": 0.7, "pressure": [0.3, 2.0], "intensity": [200.0, 2000.0]}
SHOWN = {"observation": "program", "lookahead": 6, "residents": 6, "skip_forced": True}
BASE = {
    "env": "ganttlet/MemoryMapping-v0",
    "env_kwargs": {**SHOWN, "picture": 6, "static": "index", "generator": TOY},
    "warm_start": TEACHER,
    "n_timesteps": 288,
    "network": {"encoder": "pointer", "width": 8, "layers": 1, "hidden": 8, "static_rounds": 1},
    "ppo": {"n_envs": 4, "n_steps": 24, "batch_size": 24, "n_epochs": 2},
    "validation": {"count": 3},
    "eval_freq": 100,
    "save_freq": 1000,
    "threads": 1,
}


def config_of(**changes):
    return build(TrainConfig, {**BASE, **changes}, "here")


def test_a_resumed_run_equals_an_unbroken_one(tmp_path):
    whole = train(config_of(), tmp_path / "memory_mapping" / "whole")
    broken = train(config_of(), tmp_path / "memory_mapping" / "broken", (1, 3, 4))
    assert len(progress(whole)) > 4
    assert progress(whole) == progress(broken)
    assert judged(whole) == judged(broken)
    one, other = (load_file(folder.last / "policy.safetensors") for folder in (whole, broken))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    start = Trainer(config_of()).network.state_dict()
    assert any(not torch.equal(value, start[name]) for name, value in one.items() if name.startswith("static."))
    assert load_checkpoint(whole.last).card.env_kwargs["static"] == "index"


def test_by_number_and_as_observed_learn_the_same(tmp_path):
    """The same decisions, so the same losses up to rounding, of the imitation and of the first PPO update."""
    runs = []
    for static in ("index", "observe"):
        kwargs = {**BASE["env_kwargs"], "static": static}
        folder = train(config_of(env_kwargs=kwargs, n_timesteps=96), tmp_path / "memory_mapping" / static)
        runs.append(progress(folder))
    assert len(runs[0]) == len(runs[1])
    for one, other in zip(*runs, strict=True):
        for name in ("policy_loss", "value_loss"):
            assert float(one[name]) == pytest.approx(float(other[name]), rel=1e-2, abs=1e-3)


def test_self_labelling_by_number(tmp_path):
    config = config_of(
        algorithm="self_labelling", warm_start=None, self_labelling={"samples": 3, "instances": 2, "fit": FIT}
    )
    folder = train(config, tmp_path / "memory_mapping" / "labels")
    assert all(float(row["policy_loss"]) > 0 for row in progress(folder))


def test_numbers_without_static_rounds_are_refused():
    with pytest.raises(InputError, match="static='observe'"):
        Trainer(config_of(network={**BASE["network"], "static_rounds": 0}))


def test_static_rounds_need_a_static_part():
    with pytest.raises(InputError, match="static_rounds: this observation has no node types of static features"):
        Trainer(config_of(env_kwargs={"generator": TOY}))


def test_attention_counts_the_nodes_that_it_reads():
    """The program may be larger than what attention takes; the window is not."""
    network = {"encoder": "attention", "width": 8, "heads": 2, "layers": 1, "hidden": 8}
    kwargs = {**BASE["env_kwargs"], "max_instructions": 600}
    Trainer(config_of(env_kwargs=kwargs, network={**network, "static_rounds": 1}, warm_start=None))
    with pytest.raises(InputError, match="encoder 'attention': "):
        Trainer(config_of(env_kwargs={**kwargs, "static": "observe"}, network=network, warm_start=None))
