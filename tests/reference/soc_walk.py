"""Random episodes of SoCDAG-v0 beside the slow simulator, everything compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from families_soc import SoCOracle, soc_extras, soc_options
from ganttlet.soc_dag.batch import SoCDAGVectorEnv
from ganttlet.soc_dag.instance import Workload
from reference.play import any_actions, legal_actions, row_of
from reference.soc_observation import soc_blocks

SPACE = {
    "max_apps": 3,
    "max_tasks": 5,
    "max_edges": 7,
    "max_pes": 5,
    "max_clusters": 5,
    "max_capacity": 5,
    "max_jobs": 24,
    "max_trace": 8,
    "max_outages": 20,
}


def compare(env: Any, observation: dict[str, np.ndarray], oracle: SoCOracle, row: int = 0) -> None:
    """Every block of a row, in its space; whole numbers exactly, the others up to float32."""
    expected = soc_blocks(oracle.play, env.graph)
    assert set(observation) == {*expected, "action_mask"}
    for key, value in expected.items():
        tolerance = 1e-5 if observation[key].dtype == np.float32 else 0.0
        np.testing.assert_allclose(observation[key][row], value, rtol=tolerance, atol=tolerance / 10, err_msg=key)
        assert env.observation_space[key].contains(observation[key]), key


def make(instance: Workload, **options: Any) -> tuple[SoCDAGVectorEnv, SoCOracle]:
    """Return a batch of one and the oracle of its first episode."""
    env = SoCDAGVectorEnv(1, instance=instance, autoreset_mode="Disabled", **{**SPACE, **options})
    return env, SoCOracle(options, instance, env.graph)


def walk(instance: Workload, rng: np.random.Generator, *, wild: bool = True, **options: Any) -> list[float]:
    """Play a random episode, illegal actions included if ``wild``, comparing at every step; return the rewards."""
    env, oracle = make(instance, **options)
    observation, info = env.reset(seed=0)
    paid: list[float] = []
    while True:
        assert observation["action_mask"][0].tolist() == info["action_mask"][0].tolist() == oracle.mask()
        compare(env, observation, oracle)
        assert row_of(info["objectives"], 0) == pytest.approx(dict(oracle.objectives()), rel=1e-12)
        assert soc_extras(env, 0) == oracle.extras()
        assert env.solution(0) == oracle.solution()
        if oracle.play.settled:
            return paid
        action = int((any_actions if wild else legal_actions)(env.action_masks(), rng)[0])
        observation, reward, terminated, truncated, info = env.step(np.array([action]))
        expected = oracle.step(action)
        assert (reward[0], bool(terminated[0]), bool(info["illegal_action"][0])) == pytest.approx(expected, abs=1e-9)
        assert info["discount"][0] == pytest.approx(oracle.play.discount)
        assert oracle.play.discount == 1.0 or soc_options(options).get("gamma", 1.0) < 1.0
        if truncated[0] and not oracle.play.settled:
            return paid
        paid.append(float(reward[0]))
