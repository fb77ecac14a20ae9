"""Random episodes of VMRescheduling-v0 and PodPacking-v0 beside the slow simulators, everything compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from families_vm import PodOracle, VMOracle, cluster_extras, vm_options
from ganttlet.vm_rescheduling.batch import PodPackingVectorEnv, VMReschedulingVectorEnv
from ganttlet.vm_rescheduling.instance import Cluster
from reference.play import any_actions, legal_actions, row_of
from reference.pod_packing import pod_blocks
from reference.vm_observation import vm_blocks

SPACE = {"max_hosts": 5, "max_vms": 10, "max_moves": 16, "max_kinds": 9, "max_groups": 3, "max_members": 7}


def blocks(oracle: VMOracle | PodOracle, graph: Any, options: dict[str, Any]) -> dict[str, np.ndarray]:
    """Every block of the observation but the action mask."""
    if isinstance(oracle, PodOracle):
        return pod_blocks(oracle.play, graph)
    return vm_blocks(oracle.play, graph, gains=options.get("observation") == "gains")


def compare(env: Any, observation: dict[str, np.ndarray], expected: dict[str, np.ndarray], row: int = 0) -> None:
    """Every block of a row, in its space; whole numbers exactly, the others up to float32."""
    assert set(observation) == {*expected, "action_mask"}
    for key, value in expected.items():
        tolerance = 1e-5 if observation[key].dtype == np.float32 else 0.0
        np.testing.assert_allclose(observation[key][row], value, rtol=tolerance, atol=tolerance / 10, err_msg=key)
        assert env.observation_space[key].contains(observation[key]), key


def make(instance: Cluster, **options: Any) -> tuple[Any, VMOracle | PodOracle]:
    """Return a batch of one and the oracle of its first episode."""
    kind, oracle = (PodPackingVectorEnv, PodOracle) if instance.is_pods else (VMReschedulingVectorEnv, VMOracle)
    env = kind(1, instance=instance, autoreset_mode="Disabled", **{**SPACE, **options})
    return env, oracle(options, instance, env.graph)


def walk(instance: Cluster, rng: np.random.Generator, *, wild: bool = True, **options: Any) -> list[tuple[int, float]]:
    """Play a random episode, illegal actions included if ``wild``, comparing at every step; return what was played."""
    env, oracle = make(instance, **options)
    observation, info = env.reset(seed=0)
    gamma = vm_options(options).get("gamma", 1.0)
    played: list[tuple[int, float]] = []
    while True:
        assert observation["action_mask"][0].tolist() == info["action_mask"][0].tolist() == oracle.mask()
        compare(env, observation, blocks(oracle, env.graph, options))
        values = row_of(info["objectives"], 0)
        assert values == {key: oracle.objectives()[key] for key in values}
        assert cluster_extras(env, 0) == oracle.extras()
        assert env.solution(0) == oracle.solution()
        if oracle.play.done:
            return played
        action = int((any_actions if wild else legal_actions)(env.action_masks(), rng)[0])
        due = oracle.play.chosen is not None or action == env.single_action_space.n - 1
        observation, reward, terminated, truncated, info = env.step(np.array([action]))
        expected = oracle.step(action)
        assert (reward[0], bool(terminated[0]), bool(info["illegal_action"][0])) == pytest.approx(expected, abs=1e-12)
        assert info["discount"][0] == (gamma if due and not expected[2] else 1.0)
        assert not truncated[0] or len(played) > 4
        if truncated[0]:
            return played
        played.append((action, float(reward[0])))
