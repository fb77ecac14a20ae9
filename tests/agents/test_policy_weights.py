"""Weights written before stay good: ``tests/fixtures/policy_machines`` holds a policy of job shop and what it played.

A change that fails here makes every checkpoint of such observations useless or, worse, play otherwise than it did.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from ganttlet.job_shop.env import JobShopVectorEnv

torch = pytest.importorskip("torch")

from ganttlet_agents.policy.checkpoint import load_checkpoint  # noqa: E402
from ganttlet_agents.policy.config import NetworkConfig  # noqa: E402
from ganttlet_agents.policy.network import GraphPolicy  # noqa: E402
from ganttlet_agents.policy.schema import Schema  # noqa: E402
from policies import SMALL, play  # noqa: E402

FOLDER = Path(__file__).parents[1] / "fixtures" / "policy_machines"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())


def machines():
    return JobShopVectorEnv(2, observation="machines", timing="active", autoreset_mode="disabled")


def test_a_checkpoint_plays_as_it_did():
    env = machines()
    loaded = load_checkpoint(FOLDER)
    loaded.check_graph(env.graph)
    obs, _ = env.reset(seed=3)
    for played in EXPECTED["played"]:
        logits, values = play(loaded.network, obs)
        expected = np.array([[np.nan if one is None else one for one in row] for row in played["logits"]])
        legal = obs["action_mask"] != 0
        assert np.array_equal(legal, ~np.isnan(expected))
        assert np.allclose(logits[legal], expected[legal], rtol=0, atol=1e-4)
        assert np.allclose(values, played["values"], rtol=0, atol=1e-4)
        obs = env.step(np.array([np.flatnonzero(mask)[0] for mask in legal]))[0]


def test_a_seed_gives_the_initial_weights_it_gave():
    """Names, their order, shapes and sums: modules are made in the order in which they were."""
    torch.manual_seed(5)
    fresh = GraphPolicy(Schema.of(machines().graph), NetworkConfig(encoder="attention", **SMALL)).state_dict()
    assert list(fresh) == list(EXPECTED["initial"])
    for name, (shape, total) in EXPECTED["initial"].items():
        assert list(fresh[name].shape) == shape
        assert float(fresh[name].double().sum()) == pytest.approx(total, abs=1e-5)
